"""Google's Text-to-Speech API."""
