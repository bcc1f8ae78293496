"""Chat with Gemini: `generateContent`."""
