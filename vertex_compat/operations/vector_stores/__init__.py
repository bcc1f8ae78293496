"""`/vector_stores`: files of the bucket that Vertex AI's RAG Engine has indexed, and searches in them."""
