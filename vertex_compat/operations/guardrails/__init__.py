"""Checks of prompts and responses by Model Armor."""
