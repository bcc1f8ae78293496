"""`POST /responses`."""
