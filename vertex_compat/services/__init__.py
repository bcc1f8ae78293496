"""Google's services without a model: Cloud Storage, batch and tuning jobs, and others.

A module describes the calls of one service and reads its responses. Nothing here does I/O.
"""
