"""`POST /chat/completions`."""
