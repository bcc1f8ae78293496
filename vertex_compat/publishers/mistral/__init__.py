"""Mistral's models."""
