"""The limits that requests share: slots, memory, and the time to arrive."""
