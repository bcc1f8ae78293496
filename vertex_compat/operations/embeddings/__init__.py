"""`POST /embeddings`."""
