"""Google's services that have no model: Cloud Storage, batch jobs, tuning jobs, Natural Language.

A module describes the calls of one service and reads its responses. Nothing here does I/O.
"""
