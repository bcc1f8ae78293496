"""`/fine_tuning/jobs`, over Vertex AI's tuning jobs."""
