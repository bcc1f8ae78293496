"""Google's own models: Gemini, and endpoints with a tuned Gemini."""
