"""`POST /audio/…`."""
