"""Publishers with OpenAI's chat completions API."""
