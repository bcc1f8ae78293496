"""OpenAI-compatible access to every model on Vertex AI."""

__version__ = "0.1.0"
