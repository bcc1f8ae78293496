"""What a client can see go wrong.

::

    ApiError
    ├── ClientFault
    │   ├── BadRequest            400
    │   ├── Unauthorized          401
    │   ├── Forbidden             403
    │   ├── NotFound              404
    │   ├── MethodNotAllowed      405
    │   ├── Conflict              409
    │   ├── TooLarge              413
    │   └── RateLimited           429
    └── UpstreamFault             502
        ├── BrokenAnswer          502
        ├── SchemaMismatch        502
        ├── Unavailable           503
        └── DeadlineExceeded      504

A class carries status, type and code; the place that raises gives the message and `param`. `app` turns
an error into OpenAI's JSON, `operations.chat` into an event where the answer has begun already.

`from_upstream` reads what Vertex and the publishers behind it answer when they refuse: Google's object (or
the same in a list), Anthropic's, Mistral's two, vLLM's, TGI's, or a page of HTML. The status decides, by
tables; nobody looks into a message to find out what happened, with one exception (`CONTEXT_LENGTH`):
the publishers say "the prompt is too long" in no other place, and clients branch on that code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from vertex_compat.types import JSON


class ApiError(Exception):
    """Something that the client is told, in OpenAI's envelope.

    `again` says that the same call may succeed a moment later, or elsewhere.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code
        self.headers = dict(headers or {})
        self.retryable = again

    def body(self) -> JSON:
        """OpenAI's envelope: always all four keys."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class ClientFault(ApiError):
    """The request has to change."""

    status = 400
    type = "invalid_request_error"


class BadRequest(ClientFault):
    """The body is not what the operation takes."""


class Unauthorized(ClientFault):
    """No key, or a wrong one."""

    status = 401
    code = "invalid_api_key"


class Forbidden(ClientFault):
    """Known, and not allowed."""

    status = 403
    code = "permission_denied"


class NotFound(ClientFault):
    """No such path or model."""

    status = 404


class MethodNotAllowed(ClientFault):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_supported"


class Conflict(ClientFault):
    """Not as things stand now."""

    status = 409
    code = "conflict"


class PayloadTooLarge(ClientFault):
    """More bytes than are taken."""

    status = 413


class RateLimited(ClientFault):
    """Quota or capacity."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class UpstreamFault(ApiError):
    """Vertex, or the way to it, failed."""

    status = 502


class InvalidModelResponse(UpstreamFault):
    """The model said something that is no answer. Another try may bring one, and has been made."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, code=code, headers={"x-should-retry": "false"})


class SchemaMismatch(UpstreamFault):
    """The answer, `raw`, is not what the client's schema says."""

    code = "json_schema_validation_error"

    def __init__(self, message: str, raw: str) -> None:
        super().__init__(message, headers={"x-should-retry": "false"})
        self.raw = raw

    def body(self) -> JSON:
        """OpenAI's envelope, and the answer in it."""
        told = super().body()
        told["error"]["raw_response"] = self.raw
        return told


class Unavailable(UpstreamFault):
    """Overloaded, or no connection."""

    status = 503
    code = "service_unavailable"


class DeadlineExceeded(UpstreamFault):
    """No answer in time."""

    status = 504
    code = "timeout"


BY_STATUS: Final[dict[int, type[ApiError]]] = {
    400: BadRequest,
    401: UpstreamFault,  # our credentials failed, not the client's key
    402: UpstreamFault,  # Anthropic's billing_error: the project's account, not the client's
    403: Forbidden,
    404: NotFound,
    408: DeadlineExceeded,
    409: BadRequest,
    412: Conflict,  # Cloud Storage's preconditions
    413: PayloadTooLarge,
    422: BadRequest,  # Mistral's validation
    429: RateLimited,
    499: UpstreamFault,
    503: Unavailable,
    504: DeadlineExceeded,
    529: Unavailable,  # Anthropic's overloaded_error
}
"""HTTP status of the upstream → error. Any other 4xx is the client's, any other status the upstream's."""

RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504, 529})
"""What may be otherwise a moment later."""

CODES: Final[dict[int, str]] = {
    401: "upstream_authentication_error",
    402: "upstream_billing_error",
    404: "model_not_found",
}

STATUS_OF_NAME: Final[dict[str, int]] = {
    # google.rpc.Code, https://cloud.google.com/apis/design/errors
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    # Anthropic, https://docs.anthropic.com/en/api/errors
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    # vLLM
    "BadRequestError": 400,
    "NotFoundError": 404,
    "InternalServerError": 500,
}
"""What an error event in mid-stream, where there is no HTTP status, calls itself."""

CONTEXT_LENGTH: Final = re.compile(
    r"prompt is too long|input token count .{0,40} exceeds|maximum context length"
    r"|exceeds the (?:model's )?(?:maximum|max) (?:context|number of tokens)",
    re.IGNORECASE,
)

_MAX_MESSAGE: Final = 4000


def is_error(body: Any) -> bool:
    """Whether a 200's body or an event is an error in disguise."""
    if isinstance(body, list):
        return len(body) == 1 and is_error(body[0])
    return isinstance(body, dict) and (bool(body.get("error")) or body.get("object") == "error")


def from_upstream(status: int, content: bytes, headers: Mapping[str, str] | None = None) -> ApiError:
    """The error that a refusing upstream means for the client.

    `Retry-After`, or google.rpc.RetryInfo in the body, reaches the client as `Retry-After`.
    """
    try:
        body = msgspec.json.decode(content)
    except (ValueError, RecursionError):
        body = None
    return from_body(status, body, headers)


def from_body(status: int, body: Any, headers: Mapping[str, str] | None = None) -> ApiError:
    """As `from_upstream`, for a body that has been decoded. `status` 200 means: the body says."""
    said = _said(body)
    if status < 400:  # an error that came under a good status
        status = _status(said)
    kind = BY_STATUS.get(status) or (BadRequest if 400 <= status < 500 else UpstreamFault)
    message = _message(said) or f"Vertex AI answered {status} without saying why."
    code = CODES.get(status)
    if kind is BadRequest and CONTEXT_LENGTH.search(message):
        code = "context_length_exceeded"
    elif said.get("status") == "FAILED_PRECONDITION":
        code = "failed_precondition"
    if status == 401:
        message = f"Vertex AI refused this function's own credentials: {message}"
    return kind(
        message,
        param=_param(said),
        code=code,
        headers=_retry_after(said, headers or {}),
        again=status in RETRIED,
    )


def _said(body: Any) -> JSON:
    """The object that holds the message, whatever the envelope."""
    while isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, dict):
        return {}
    inner = body.get("error")
    if isinstance(inner, list):
        return _said(inner)
    if isinstance(inner, dict):
        return inner
    if isinstance(inner, str):  # TGI: {"error": "…", "error_type": "validation"}
        return {"message": inner}
    if isinstance(body.get("message"), dict):  # Mistral: {"object": "error", "message": {"detail": […]}}
        return {**body, **body["message"]}
    return body


def _status(said: JSON) -> int:
    code = said.get("code")
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    if isinstance(code, int) and 400 <= code < 600:
        return code
    names = (said.get("status"), said.get("type"))
    return next((STATUS_OF_NAME[n] for n in names if isinstance(n, str) and n in STATUS_OF_NAME), 500)


def _message(said: JSON) -> str:
    message = said.get("message")
    if not isinstance(message, str):
        detail = said.get("detail")
        if isinstance(detail, list):  # FastAPI: [{"loc": ["body", "seed"], "msg": "…"}]
            message = "; ".join(_violation(one) for one in detail if isinstance(one, dict))
        else:
            message = detail if isinstance(detail, str) else ""
    return message[:_MAX_MESSAGE]


def _violation(detail: JSON) -> str:
    loc = detail.get("loc")
    return f"{'.'.join(map(str, loc)) if isinstance(loc, list) else loc}: {detail.get('msg')}"


def _param(said: JSON) -> str | None:
    detail = said.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        loc = detail[0].get("loc")
        return str(loc[-1]) if isinstance(loc, list) and loc else None
    param = said.get("param")
    return param if isinstance(param, str) else None


def _retry_after(said: JSON, headers: Mapping[str, str]) -> dict[str, str]:
    if (given := headers.get("Retry-After")) and re.fullmatch(r"[A-Za-z0-9 ,:+-]{1,40}", given):
        return {"Retry-After": given}
    details = said.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?s", delay):
            return {"Retry-After": str(max(1, round(float(delay[:-1]))))}
    return {}
