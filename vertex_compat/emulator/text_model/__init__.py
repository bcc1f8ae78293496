"""The model that answers behind every wire, and values that fit a schema."""
