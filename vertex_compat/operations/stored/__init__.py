"""Stores for what clients read again, over Cloud Storage or process memory."""
