"""`POST /moderations`: harmful content in texts."""
