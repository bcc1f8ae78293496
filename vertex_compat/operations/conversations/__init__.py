"""`/conversations`: items that requests to `/responses` share."""
