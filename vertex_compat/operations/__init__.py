"""The operations of OpenAI's API: one package per resource.

An operation is a function from a request context to a response; `routes` maps paths to operations.
"""
