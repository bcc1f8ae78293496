"""`/vector_stores`: files in the bucket, indexed and searched by Vertex AI's RAG Engine."""
