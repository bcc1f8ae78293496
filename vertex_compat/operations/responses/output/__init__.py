"""A model's response as items of the Responses API."""
