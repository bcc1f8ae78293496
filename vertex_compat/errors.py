"""The errors that a client can get.

::

    ApiError
    ├── ClientFault
    │   ├── BadRequest            400
    │   ├── Unauthorized          401
    │   ├── Forbidden             403
    │   ├── NotFound              404
    │   ├── MethodNotAllowed      405
    │   ├── RequestTimeout        408
    │   ├── Conflict              409
    │   ├── PayloadTooLarge       413
    │   ├── RangeNotSatisfiable   416
    │   └── RateLimited           429
    │       └── QuotaExceeded     429
    └── UpstreamFault             502
        ├── InvalidModelResponse  502
        ├── SchemaMismatch        502
        ├── Unavailable           503
        └── DeadlineExceeded      504

A class has the status, type and code; the code that raises it adds the message and `param`. `app` encodes an
error as JSON, or as an event where the stream has begun.

`from_upstream` reads the error bodies of Vertex AI and its publishers. These are Google's object (or a list
with it), Anthropic's, both of Mistral's, vLLM's, TGI's, and HTML. The HTTP status selects the class. Messages
are not parsed, with one exception (`CONTEXT_LENGTH`): clients check for the code `context_length_exceeded`,
and only the message says that a prompt is too long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from vertex_compat import sse
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.error_types import OpenAIErrorBody


class ApiError(Exception):
    """An error for the client, in OpenAI's form.

    `retryable`: the same call may succeed later, or in another location.
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
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code
        self.headers = dict(headers or {})
        self.retryable = retryable

    def body(self) -> OpenAIErrorBody:
        """Return OpenAI's error body, always with all four keys."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class ClientFault(ApiError):
    """The request must be changed before it is sent again."""

    status = 400
    type = "invalid_request_error"


class BadRequest(ClientFault):
    """The request is not valid for the operation."""


class Unauthorized(ClientFault):
    """The key is missing or wrong."""

    status = 401
    code = "invalid_api_key"


class Forbidden(ClientFault):
    """The caller is known but not allowed to do this."""

    status = 403
    code = "permission_denied"


class NotFound(ClientFault):
    """The path, model or resource does not exist."""

    status = 404


class MethodNotAllowed(ClientFault):
    """The path does not support the HTTP method."""

    status = 405
    code = "method_not_supported"


class RequestTimeout(ClientFault):
    """The request arrived too slowly."""

    status = 408
    code = "request_timeout"


class Conflict(ClientFault):
    """The resource's state does not allow the request."""

    status = 409
    code = "conflict"


class PayloadTooLarge(ClientFault):
    """The body is larger than the limit."""

    status = 413


class RangeNotSatisfiable(ClientFault):
    """The requested range of bytes begins after the end of the file."""

    status = 416
    code = "range_not_satisfiable"


class RateLimited(ClientFault):
    """A quota is used up, or there is no capacity."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class QuotaExceeded(RateLimited):
    """A budget is used up; another try later in its period fails too."""

    type = "insufficient_quota"
    code = "insufficient_quota"


class UpstreamFault(ApiError):
    """Vertex AI, or the connection to it, failed."""

    status = 502


class InvalidModelResponse(UpstreamFault):
    """The model's output cannot be used (a malformed tool call, …). It has been retried once."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, code=code, headers={"x-should-retry": "false"})


class SchemaMismatch(UpstreamFault):
    """The answer, `raw`, does not match the client's JSON Schema."""

    code = "json_schema_validation_error"

    def __init__(self, message: str, raw: str) -> None:
        super().__init__(message, headers={"x-should-retry": "false"})
        self.raw = raw

    def body(self) -> OpenAIErrorBody:
        """Return OpenAI's error body with the answer in it."""
        body = super().body()
        body["error"]["raw_response"] = self.raw
        return body


class Unavailable(UpstreamFault):
    """The service is overloaded, or cannot be reached."""

    status = 503
    code = "service_unavailable"


class DeadlineExceeded(UpstreamFault):
    """No answer arrived in time."""

    status = 504
    code = "timeout"


def missing_parameter(param: str) -> BadRequest:
    """Return the error for a required parameter that the client does not send."""
    return BadRequest(
        f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
    )


def unfinished_response() -> UpstreamFault:
    """Return the error for a response that ends without a finish reason."""
    return UpstreamFault("Vertex AI ended the stream before the model had finished. Send the request again.")


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
    416: RangeNotSatisfiable,
    422: BadRequest,  # Mistral's validation
    429: RateLimited,
    499: UpstreamFault,
    503: Unavailable,
    504: DeadlineExceeded,
    529: Unavailable,  # Anthropic's overloaded_error
}
"""HTTP status of the upstream → error. Any other 4xx is the client's, any other status the upstream's."""

RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504, 529})
"""Statuses of the upstream after which the same call may succeed."""

CODES: Final[dict[int, str]] = {
    401: "upstream_authentication_error",
    402: "upstream_billing_error",
    404: "model_not_found",
}

RPC_CODES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The names of google.rpc.Code by number: the errors of operations have the number only."""

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
"""Name in an error event → HTTP status: an event inside a stream has no status of its own."""

CONTEXT_LENGTH: Final = (
    "prompt is too long",
    "maximum context length",
    *(
        f"exceeds the {owner}{limit} {unit}"
        for owner in ("", "model's ")
        for limit in ("maximum", "max")
        for unit in ("context", "number of tokens")
    ),
)
"""Phrases, in lower case, of a message that says that the prompt is too long."""

_TOKEN_COUNT: Final = re.compile(r"input token count .{0,40} exceeds")

_MAX_MESSAGE: Final = 4000


def is_error(body: Any) -> bool:
    """Return True if an event, or the body of a 200, is an error."""
    if isinstance(body, list):
        return len(body) == 1 and is_error(body[0])
    return isinstance(body, dict) and (bool(body.get("error")) or body.get("object") == "error")


_SSE_FIELDS: Final = (b"data:", b"event:")


def from_upstream(status: int, content: bytes, headers: Mapping[str, str] | None = None) -> ApiError:
    """Return the client's error for an error response of the upstream.

    `Retry-After`, or google.rpc.RetryInfo in the body, is passed on as `Retry-After`.
    """
    body = _decode(content)
    if body is None and content.lstrip().startswith(_SSE_FIELDS):  # an error in the framing of a stream
        decoder = sse.Decoder()
        events = [*decoder.feed(content), *decoder.close()]
        body = _decode(events[0]) if events else None
    return from_body(status, body, headers)


def _decode(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (ValueError, RecursionError):
        return None


def from_body(status: int, body: Any, headers: Mapping[str, str] | None = None) -> ApiError:
    """As `from_upstream`, for a decoded body. With status 200, the body's own status counts."""
    error = _error_object(body)
    if status < 400:  # the body of a 200, or an event
        status = _status(error)
    kind = BY_STATUS.get(status) or (BadRequest if 400 <= status < 500 else UpstreamFault)
    message = _message(error) or f"Vertex AI answered {status} without a message."
    code = CODES.get(status)
    if kind is BadRequest and _is_too_long(message):
        code = "context_length_exceeded"
    elif error.get("status") == "FAILED_PRECONDITION":
        code = "failed_precondition"
    if status == 401:
        message = f"Vertex AI refused this function's own credentials: {message}"
    return kind(
        message,
        param=_param(error),
        code=code,
        headers=_retry_after(error, headers or {}),
        retryable=status in RETRYABLE,
    )


def _is_too_long(message: str) -> bool:
    """Return True for the message of an error about a prompt that is too long."""
    text = message.lower()
    return any(phrase in text for phrase in CONTEXT_LENGTH) or _TOKEN_COUNT.search(text) is not None


def _error_object(body: Any) -> JSON:
    """Return the object with the message, from any of the known forms."""
    while isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, dict):
        return {}
    inner = body.get("error")
    if isinstance(inner, list):
        return _error_object(inner)
    if isinstance(inner, dict):
        return inner
    if isinstance(inner, str):  # TGI: {"error": "…", "error_type": "validation"}
        return {"message": inner}
    if isinstance(body.get("message"), dict):  # Mistral: {"object": "error", "message": {"detail": […]}}
        return {**body, **body["message"]}
    return body


def _status(error: JSON) -> int:
    code = error.get("code")
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    if isinstance(code, int) and 400 <= code < 600:
        return code
    name = RPC_CODES[code] if isinstance(code, int) and 0 < code < len(RPC_CODES) else None
    names = (error.get("status"), error.get("type"), name)
    return next((STATUS_OF_NAME[n] for n in names if isinstance(n, str) and n in STATUS_OF_NAME), 500)


def _message(error: JSON) -> str:
    message = error.get("message")
    if not isinstance(message, str):
        detail = error.get("detail")
        if isinstance(detail, list):  # FastAPI: [{"loc": ["body", "seed"], "msg": "…"}]
            message = "; ".join(_violation(item) for item in detail if isinstance(item, dict))
        else:
            message = detail if isinstance(detail, str) else ""
    return message[:_MAX_MESSAGE]


def _violation(detail: JSON) -> str:
    loc = detail.get("loc")
    return f"{'.'.join(map(str, loc)) if isinstance(loc, list) else loc}: {detail.get('msg')}"


def _param(error: JSON) -> str | None:
    detail = error.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        loc = detail[0].get("loc")
        return str(loc[-1]) if isinstance(loc, list) and loc else None
    param = error.get("param")
    return param if isinstance(param, str) else None


def _retry_after(error: JSON, headers: Mapping[str, str]) -> dict[str, str]:
    if (value := headers.get("Retry-After")) and re.fullmatch(r"[A-Za-z0-9 ,:+-]{1,40}", value):
        return {"Retry-After": value}
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?s", delay):
            return {"Retry-After": str(max(1, round(float(delay[:-1]))))}
    return {}
