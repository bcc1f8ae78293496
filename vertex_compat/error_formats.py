"""Errors in the form of each client API: status, body, event in a stream.

* OpenAI: https://platform.openai.com/docs/guides/error-codes
* Anthropic: https://platform.claude.com/docs/en/api/errors
* Google: https://cloud.google.com/apis/design/errors
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from vertex_compat import sse
from vertex_compat.errors import ApiError
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat import error_types as wire

ANTHROPIC_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""HTTP status → Anthropic's type. Any other 4xx is `invalid_request_error`, any other 5xx `api_error`."""

ANTHROPIC_OVERLOADED: Final = 529

GOOGLE_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""HTTP status → the name of google.rpc.Code."""

THREAD_UNSUPPORTED: Final = "thread_unsupported_request"
"""Anthropic's code, in the error's `details`, after which its SDKs send the whole conversation."""

_PROMPT_TOO_LONG: Final = "prompt is too long"


class ErrorFormat(msgspec.Struct, frozen=True):
    """The errors of one client API.

    `status` gives the HTTP status, `body` the JSON object (the string is the id of the request). `event` is
    the end of a stream that has begun.
    """

    status: Callable[[ApiError], int]
    body: Callable[[ApiError, str], Mapping[str, object]]
    event: Callable[[ApiError, str], bytes]
    request_id_header: str = "x-request-id"


def _openai_body(error: ApiError, _: str) -> wire.OpenAIErrorBody:
    return error.body()


def _openai_event(error: ApiError, _: str) -> bytes:
    return sse.encode(error.body())


def _anthropic_status(error: ApiError) -> int:
    """Anthropic has no 503: an overloaded service is 529, which its clients handle differently."""
    return ANTHROPIC_OVERLOADED if error.status == 503 else error.status


def _anthropic_body(error: ApiError, request_id: str) -> wire.AnthropicErrorBody:
    status = _anthropic_status(error)
    default = "invalid_request_error" if status < 500 else "api_error"
    inner: wire.AnthropicErrorObject = {
        "type": ANTHROPIC_TYPES.get(status, default),
        "message": _anthropic_message(error),
    }
    if error.code == THREAD_UNSUPPORTED:
        inner["details"] = {"error_code": error.code, "unsupported": [error.param]}
    return {"type": "error", "error": inner, "request_id": request_id or None}


def _anthropic_message(error: ApiError) -> str:
    """Anthropic's errors name a parameter in the message.

    Clients recognize a long prompt by the message's words.
    """
    message = error.message
    if error.code == "context_length_exceeded" and _PROMPT_TOO_LONG not in message.lower():
        return f"{_PROMPT_TOO_LONG}: {message}"
    if error.param and error.param not in message:
        return f"{error.param}: {message}"
    return message


def _anthropic_event(error: ApiError, request_id: str) -> bytes:
    return b"event: error\n" + sse.encode(_anthropic_body(error, request_id))


def _google_body(error: ApiError, _: str) -> wire.GoogleErrorBody:
    inner: wire.GoogleStatus = {
        "code": error.status,
        "message": error.message,
        "status": GOOGLE_STATUSES.get(error.status, "UNKNOWN"),
    }
    if details := [*_field_violation(error), *_retry_info(error.headers)]:
        inner["details"] = details
    return {"error": inner}


def _field_violation(error: ApiError) -> list[JSON]:
    if not error.param:
        return []
    violation = {"field": error.param, "description": error.message}
    return [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]


def _retry_info(headers: Mapping[str, str]) -> list[JSON]:
    delay = headers.get("Retry-After", "")
    if not delay.isdecimal():
        return []
    return [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay}s"}]


def _google_event(error: ApiError, _: str) -> bytes:
    return sse.encode(_google_body(error, ""))


OPENAI: Final = ErrorFormat(lambda error: error.status, _openai_body, _openai_event)
ANTHROPIC: Final = ErrorFormat(_anthropic_status, _anthropic_body, _anthropic_event, "request-id")
GOOGLE: Final = ErrorFormat(lambda error: error.status, _google_body, _google_event)
