"""Mistral and Codestral: OpenAI's shape, but strict about every field.

Recorded: the counts sit in the last content chunk, choices carry `logprobs: null`, `[DONE]` ends the stream.
"""

import dataclasses
import re

from vertex_compat.emulator import chat, google
from vertex_compat.emulator.answers import JSON, SSE_GARBAGE, Answer, Dialect, Refused, json_answer, sse_event
from vertex_compat.emulator.asked import Asked
from vertex_compat.emulator.chat import Habits
from vertex_compat.emulator.strict import (
    Fields,
    Flag,
    ListOf,
    MapOf,
    Number,
    Problem,
    Reader,
    Tagged,
    Text,
    TextOr,
    examined,
    integer,
)

FAMILIES = ("mistral-", "ministral", "codestral", "magistral", "pixtral", "open-mistral", "open-mixtral")
MISSING = ("not-found", "nonexistent")
CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")

HABITS = Habits(
    call_ids="{short}",
    completion_id="{hex}",
    ends_alone=False,
    whole_calls=True,
    usage="last",
    null_logprobs=True,
    thinks_in_content=True,
)


def envelope(status: int, message: str) -> JSON:
    """Build Mistral's own error."""
    kind = "invalid_request_error" if status < 500 else "internal_server_error"
    return {"object": "error", "message": message, "type": kind, "param": None, "code": None}


def dialect(asked: Asked) -> Dialect:  # noqa: ARG001 - every call speaks the same one
    """Say how errors look."""
    return Dialect(envelope, sse_event, SSE_GARBAGE)


def answer(asked: Asked) -> Answer:
    """Answer a call."""
    if not asked.model.startswith(FAMILIES) or any(word in asked.model for word in MISSING):
        raise google.no_such_model(asked.resource, "mistralai", asked.model)
    fills = "prompt" in asked.body
    body = _read(FIM if fills else CHAT, asked.body)
    if body["model"] not in {asked.model, asked.model.partition("@")[0]}:
        raise _refused(f"Invalid model: {body['model']}", "invalid_model", "1500")
    if fills:
        return _filled(asked, body)
    _check_messages(body["messages"])
    _check_tools(body)
    reasons = body.get("prompt_mode") == "reasoning" or body.get("reasoning_effort", "none") != "none"
    return chat.answer(asked, body, dataclasses.replace(HABITS, reasons=reasons), body["model"])


def _filled(asked: Asked, body: JSON) -> Answer:
    """Fill in the middle. The answer has the shape of a chat."""
    if "codestral" not in asked.model:
        raise _refused(f"Model {body['model']} does not support fill-in-the-middle.", "invalid_model", "1500")
    text = f"# between {body['prompt'][-40:]!r} and {body.get('suffix', '')[:40]!r}"
    as_chat = {**body, "messages": [{"role": "user", "content": text}]}
    return chat.answer(asked, as_chat, HABITS, body["model"])


# What a request may hold

THOUGHT = Fields(
    {
        "type": Text(),
        "thinking": ListOf(chat.TEXT_PART),
        "closed": Flag(),
        "signature": Text(),
    },
    ("type", "thinking"),
)
REFERENCE = Fields({"type": Text(), "reference_ids": ListOf(integer())}, ("type", "reference_ids"))
DOCUMENT = Fields({"type": Text(), "document_url": Text(), "document_name": Text()}, ("type", "document_url"))
_USER = chat.parts(image_url=chat.IMAGE_PART, document_url=DOCUMENT, reference=REFERENCE)
_PLAIN = chat.parts(thinking=THOUGHT, reference=REFERENCE)
_CALL = Fields(
    {
        "id": Text(),
        "type": Text(("function",)),
        "index": integer(0),
        "function": Fields({"name": Text(least=1), "arguments": TextOr(MapOf())}, ("name", "arguments")),
    },
    ("id", "function"),
)
MESSAGES = ListOf(
    Tagged(
        "role",
        {
            "system": Fields({"role": Text(), "content": _PLAIN}, ("content",)),
            "user": Fields({"role": Text(), "content": _USER}, ("content",)),
            "assistant": Fields(
                {"role": Text(), "content": _PLAIN, "tool_calls": ListOf(_CALL), "prefix": Flag()}
            ),
            "tool": Fields(
                {"role": Text(), "content": _PLAIN, "name": Text(), "tool_call_id": Text()}, ("content",)
            ),
        },
    ),
    least=1,
)
TOOL_NAME = "[a-zA-Z0-9_-]{1,64}"
FUNCTION = Fields(
    {"name": Text(pattern=TOOL_NAME), "description": Text(), "parameters": MapOf(), "strict": Flag()},
    ("name", "parameters"),
)
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SAMPLING: dict[str, Reader] = {
    "model": Text(),
    "temperature": Number(0, 1.5),
    "top_p": Number(0, 1),
    "max_tokens": integer(0),
    "min_tokens": integer(0),
    "stop": chat.STOP,
    "random_seed": integer(0),
    "stream": Flag(),
    "metadata": MapOf(),
}
CHAT = Fields(
    {
        **_SAMPLING,
        "messages": MESSAGES,
        "response_format": chat.RESPONSE_FORMAT,
        "tools": ListOf(Fields({"type": Text(("function",)), "function": FUNCTION}, ("function",))),
        "tool_choice": TextOr(
            Fields(
                {"type": Text(("function",)), "function": Fields({"name": Text()}, ("name",))}, ("function",)
            ),
            Text(("auto", "none", "any", "required")),
        ),
        "parallel_tool_calls": Flag(),
        "presence_penalty": Number(-2, 2),
        "frequency_penalty": Number(-2, 2),
        "n": integer(1, 128),
        "prediction": Fields({"type": Text(("content",)), "content": Text()}),
        "prompt_mode": Text(("reasoning",)),
        "reasoning_effort": Text(EFFORTS),
        "safe_prompt": Flag(),
    },
    ("model", "messages"),
)
FIM = Fields({**_SAMPLING, "prompt": Text(), "suffix": Text()}, ("model", "prompt"))


def _read(table: Fields, sent: JSON) -> JSON:
    body, problems = examined(table, sent)
    if problems:
        raise unprocessable(problems)
    return dict(body)


def unprocessable(problems: list[Problem]) -> Refused:
    """Build FastAPI's 422: a list of what is wrong and where."""
    detail = [
        {"type": one.code, "loc": ["body", *one.path], "msg": one.message, "input": one.value}
        for one in problems
    ]
    return Refused(json_answer({"detail": detail}, 422))


def _refused(message: str, kind: str = "invalid_request_error", code: str | None = None) -> Refused:
    return Refused(
        json_answer({"object": "error", "message": message, "type": kind, "param": None, "code": code}, 400)
    )


# The order of messages

FOLLOWERS = {  # who may come after whom; "" is the beginning
    "": {"system", "user"},
    "system": {"system", "user", "assistant"},
    "user": {"user", "assistant"},
    "assistant": {"user", "assistant", "tool"},
    "tool": {"tool", "assistant"},
}


def _check_messages(messages: list[JSON]) -> None:
    before = ""
    for message in messages:
        role = message["role"]
        if role not in FOLLOWERS[before]:
            after = f" after role '{before}'" if before else " as the first one"
            raise _refused(f"Unexpected role '{role}'{after}", "invalid_request_message_order", "3230")
        _check_message(message)
        before = role
    last = messages[-1]
    if last["role"] not in {"user", "tool"} and not last.get("prefix"):
        raise _refused(
            "Expected last role User or Tool (or Assistant with prefix True) for serving but got "
            f"{last['role']}",
            "invalid_request_message_order",
            "3230",
        )
    _check_results(messages)


def _check_message(message: JSON) -> None:
    if message["role"] == "assistant" and not message.get("content") and not message.get("tool_calls"):
        raise _refused(
            "Assistant message must have either content or tool_calls, but not none.",
            "invalid_request_assistant_message",
            "3240",
        )
    ids = [call["id"] for call in message.get("tool_calls", [])]
    if message["role"] == "tool":
        ids.append(message.get("tool_call_id", ""))
    for one in ids:
        if not CALL_ID.fullmatch(one):
            raise _refused(
                f"Tool call id was {one} but must be a-z, A-Z, 0-9, with a length of 9.",
                "invalid_function_call",
                "3280",
            )


def _check_results(messages: list[JSON]) -> None:
    """Check that each group of calls got its results: as many, and for the same ids."""
    called: list[str] = []
    given: list[str] = []
    for message in [*messages, {"role": "end"}]:
        if message["role"] == "tool":
            given.append(message["tool_call_id"])
            continue
        if len(called) != len(given) and (given or message["role"] != "end"):
            raise _refused(
                "Not the same number of function calls and responses", "invalid_request_error", "3230"
            )
        if sorted(called) != sorted(given):
            raise _refused("Unexpected tool call id in tool results", "invalid_function_call", "3280")
        called, given = [call["id"] for call in message.get("tool_calls", [])], []


def _check_tools(body: JSON) -> None:
    choice = body.get("tool_choice")
    if choice in {"any", "required"} if isinstance(choice, str) else choice:
        names = {tool["function"]["name"] for tool in body.get("tools", [])}
        wanted = {choice["function"]["name"]} if isinstance(choice, dict) else names
        if not names or not wanted <= names:
            raise _refused("Tool choice names a function that was not given, or no functions were given.")
    shape = body.get("response_format", {})
    if shape.get("type") == "json_schema" and "json_schema" not in shape:
        raise _refused("response_format.json_schema is required for the type json_schema.")
