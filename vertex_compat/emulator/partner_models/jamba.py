"""AI21's Jamba: OpenAI's chat format behind `rawPredict`.

Source: AI21's and Google's documents.
"""

from vertex_compat.emulator.partner_models import mistral, mistral_errors, openai_chat
from vertex_compat.emulator.partner_models.openai_chat import ServerBehavior
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.body_readers import (
    Boolean,
    ListOf,
    MapOf,
    Number,
    Object,
    Problem,
    String,
    integer,
    validate,
)
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.responses import JSON, SSE_GARBAGE, ErrorFormat, Response, sse_event

BEHAVIORS = ServerBehavior(usage="last", call_ids="call_{hex}")
MAX_TOKENS = 4096

BODY = Object(
    {
        "model": String(min_length=1),
        "messages": openai_chat.messages(openai_chat.parts()),
        "max_tokens": integer(0, MAX_TOKENS),
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "stop": openai_chat.STOP,
        "n": integer(1, 16),
        "stream": Boolean(),
        "tools": ListOf(openai_chat.TOOL),
        "tool_choice": openai_chat.TOOL_CHOICE,
        "response_format": Object({"type": String(("text", "json_object"))}, ("type",)),
        "documents": ListOf(MapOf()),
    },
    ("model", "messages"),
)


def error_format(request: ModelRequest) -> ErrorFormat:  # noqa: ARG001 - the same for every request
    """Return the error format."""
    return ErrorFormat(_envelope, sse_event, SSE_GARBAGE)


def _envelope(_: int, message: str) -> JSON:
    return {"detail": message}


def answer(request: ModelRequest) -> Response:
    """Answer a request."""
    if not request.model.startswith(("jamba", "ai21")) or any(
        word in request.model for word in mistral.MISSING
    ):
        raise google_errors.model_not_found(request.resource, "ai21", request.model)
    body, problems = validate(BODY, request.body)
    if not problems and body["model"] != request.model.partition("@")[0]:
        problems = [Problem("value_error", ("model",), "Value error, no such model", body["model"])]
    if not problems and body.get("n", 1) > 1 and body.get("temperature", 1) == 0:
        problems = [
            Problem("value_error", ("n",), "Value error, n > 1 needs a temperature above 0", body["n"])
        ]
    if problems:
        raise mistral_errors.unprocessable(problems)
    return openai_chat.answer(request, body, BEHAVIORS, body["model"])
