"""Google's own models: Gemini, embeddings, images, speech."""
