"""The service itself: its root, its models, its OpenAPI description, and the pass-through to Vertex AI."""
