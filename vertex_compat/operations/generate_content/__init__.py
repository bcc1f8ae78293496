"""`/v1beta/models/…`: the Gemini API."""
