"""`POST /completions`."""
