"""Limits and budgets of API keys, counted in memory or in Redis."""
