"""Self-deployed models that answer `:predict`."""
