"""AI21's Jamba: OpenAI's shape behind `rawPredict`. Source: AI21's and Google's documents."""

from vertex_compat.emulator import chat, google, mistral
from vertex_compat.emulator.answers import JSON, SSE_GARBAGE, Answer, Dialect, sse_event
from vertex_compat.emulator.asked import Asked
from vertex_compat.emulator.chat import Habits
from vertex_compat.emulator.strict import (
    Fields,
    Flag,
    ListOf,
    MapOf,
    Number,
    Problem,
    Text,
    examined,
    integer,
)

HABITS = Habits(usage="last", call_ids="call_{hex}")
LONGEST = 4096

BODY = Fields(
    {
        "model": Text(least=1),
        "messages": chat.messages(chat.parts()),
        "max_tokens": integer(0, LONGEST),
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "stop": chat.STOP,
        "n": integer(1, 16),
        "stream": Flag(),
        "tools": ListOf(chat.TOOL),
        "tool_choice": chat.TOOL_CHOICE,
        "response_format": Fields({"type": Text(("text", "json_object"))}, ("type",)),
        "documents": ListOf(MapOf()),
    },
    ("model", "messages"),
)


def dialect(asked: Asked) -> Dialect:  # noqa: ARG001 - every call speaks the same one
    """Say how errors look."""
    return Dialect(_envelope, sse_event, SSE_GARBAGE)


def _envelope(_: int, message: str) -> JSON:
    return {"detail": message}


def answer(asked: Asked) -> Answer:
    """Answer a call."""
    if not asked.model.startswith(("jamba", "ai21")) or any(word in asked.model for word in mistral.MISSING):
        raise google.no_such_model(asked.resource, "ai21", asked.model)
    body, problems = examined(BODY, asked.body)
    if not problems and body["model"] != asked.model.partition("@")[0]:
        problems = [Problem("value_error", ("model",), "Value error, no such model", body["model"])]
    if not problems and body.get("n", 1) > 1 and body.get("temperature", 1) == 0:
        problems = [
            Problem("value_error", ("n",), "Value error, n > 1 needs a temperature above 0", body["n"])
        ]
    if problems:
        raise mistral.unprocessable(problems)
    return chat.answer(asked, body, HABITS, body["model"])
