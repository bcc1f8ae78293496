"""`POST /images/…`."""
