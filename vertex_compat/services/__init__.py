"""Vertex's side of what has no publisher: the bucket, batch jobs, tuning jobs.

Each module has calls, described, and readers of their answers. Nothing here does I/O.
"""
