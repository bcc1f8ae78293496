"""Google's Speech-to-Text API."""
