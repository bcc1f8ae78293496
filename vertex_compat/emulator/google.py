"""Google's own error envelope, which every publisher's calls can get before they reach the publisher."""

from collections.abc import Iterable

from vertex_compat.emulator.answers import JSON, Refused, pretty_answer

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
    """Build the body of an error: `google.rpc.Status` as JSON; no `details` when there are none."""
    error: JSON = {"code": code, "message": message, "status": status or STATUS.get(code, "UNKNOWN")}
    listed = list(details)
    return {"error": error | ({"details": listed} if listed else {})}


def refused(code: int, message: str, details: Iterable[JSON] = ()) -> Refused:
    """Build Google's refusal, to be raised."""
    return Refused(pretty_answer(envelope(code, message, details), code))


def not_as_it_is(message: str) -> Refused:
    """Refuse what the state of a thing does not allow."""
    return Refused(pretty_answer(envelope(400, message, status="FAILED_PRECONDITION"), 400))


def invalid(message: str) -> Refused:
    """Refuse a request for what it says."""
    return refused(400, message)


def error_info(reason: str, **metadata: str) -> JSON:
    """Build the detail that names the reason of an error for programs."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": DOMAIN,
        "metadata": {"service": "aiplatform.googleapis.com", **metadata},
    }


def no_such_model(resource: str, publisher: str, model: str) -> Refused:
    """Refuse a model that the publisher does not have, or not in this location."""
    return refused(404, not_found_text(resource, publisher, model))


def not_found_text(resource: str, publisher: str, model: str) -> str:
    """Say that a model is not there. The first sentence is recorded."""
    return (
        f"Publisher Model `{resource}/publishers/{publisher}/models/{model}` not found. "
        "Please ensure that the model name is valid and that your project has access to it."
    )
