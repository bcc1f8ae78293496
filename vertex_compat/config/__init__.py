"""Settings and the clients' API keys."""
