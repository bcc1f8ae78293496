"""Speech, transcription and music by Google's models."""
