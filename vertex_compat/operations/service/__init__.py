"""The service itself: its root, models, OpenAPI description, and the pass-through."""
