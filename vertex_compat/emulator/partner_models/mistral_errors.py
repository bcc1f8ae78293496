"""Mistral's errors: its own envelope, and FastAPI's list of invalid fields."""

from vertex_compat.emulator.protocol.body_readers import Problem
from vertex_compat.emulator.protocol.responses import JSON, RequestRefused, json_response


def envelope(status: int, message: str) -> JSON:
    """Return Mistral's error body."""
    kind = "invalid_request_error" if status < 500 else "internal_server_error"
    return {"object": "error", "message": message, "type": kind, "param": None, "code": None}


def unprocessable(problems: list[Problem]) -> RequestRefused:
    """Return FastAPI's 422: a list of problems with their locations."""
    detail = [
        {"type": problem.code, "loc": ["body", *problem.path], "msg": problem.message, "input": problem.value}
        for problem in problems
    ]
    return RequestRefused(json_response({"detail": detail}, 422))


def refused(message: str, kind: str = "invalid_request_error", code: str | None = None) -> RequestRefused:
    """Return the exception for a 400."""
    return RequestRefused(
        json_response({"object": "error", "message": message, "type": kind, "param": None, "code": code}, 400)
    )
