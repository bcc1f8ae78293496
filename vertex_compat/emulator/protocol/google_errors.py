"""Google's error envelope, which calls to any publisher can get."""

from collections.abc import Iterable

from vertex_compat.emulator.protocol.responses import JSON, RequestRefused, pretty_json_response

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

DOMAIN = "googleapis.com"


def envelope(code: int, message: str, details: Iterable[JSON] = (), status: str = "") -> JSON:
    """Return the body of an error, `google.rpc.Status` as JSON; `details` is omitted if empty."""
    error: JSON = {"code": code, "message": message, "status": status or STATUS.get(code, "UNKNOWN")}
    detail_list = list(details)
    return {"error": error | ({"details": detail_list} if detail_list else {})}


def refused(code: int, message: str, details: Iterable[JSON] = ()) -> RequestRefused:
    """Return the exception for a refused request."""
    return RequestRefused(pretty_json_response(envelope(code, message, details), code))


def failed_precondition(message: str) -> RequestRefused:
    """Return the exception for a 400 FAILED_PRECONDITION."""
    return RequestRefused(pretty_json_response(envelope(400, message, status="FAILED_PRECONDITION"), 400))


def invalid_argument(message: str) -> RequestRefused:
    """Return the exception for a 400 INVALID_ARGUMENT."""
    return refused(400, message)


def error_info(reason: str, **metadata: str) -> JSON:
    """Return the ErrorInfo detail of an error."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": DOMAIN,
        "metadata": {"service": "aiplatform.googleapis.com", **metadata},
    }


def model_not_found(resource: str, publisher: str, model: str) -> RequestRefused:
    """Return the exception for a model that does not exist in this location."""
    return refused(404, model_not_found_message(resource, publisher, model))


def model_not_found_message(resource: str, publisher: str, model: str) -> str:
    """Return the message of a missing model; its first sentence is recorded."""
    return (
        f"Publisher Model `{resource}/publishers/{publisher}/models/{model}` not found. "
        "Please ensure that the model name is valid and that your project has access to it."
    )
