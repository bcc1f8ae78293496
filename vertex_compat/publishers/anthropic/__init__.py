"""Anthropic's models: chat with Claude."""
