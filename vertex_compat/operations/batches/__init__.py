"""`/batches`, over Vertex AI's batch jobs."""
