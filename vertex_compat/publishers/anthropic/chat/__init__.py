"""Chat with Claude: requests, responses, tools, structured output, thinking."""
