"""Mistral and Codestral: OpenAI's chat format, unknown fields refused.

Recorded: usage is in the last content chunk, choices have `logprobs: null`, the stream ends with `[DONE]`.
"""

import dataclasses
import re

from vertex_compat.emulator.partner_models import mistral_errors, mistral_ocr, openai_chat
from vertex_compat.emulator.partner_models.openai_chat import ServerBehavior
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.body_readers import (
    Boolean,
    Discriminated,
    ListOf,
    MapOf,
    Number,
    Object,
    Reader,
    String,
    StringOr,
    integer,
    validate,
)
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.responses import JSON, SSE_GARBAGE, ErrorFormat, Response, sse_event

FAMILIES = ("mistral-", "ministral", "codestral", "magistral", "pixtral", "open-mistral", "open-mixtral")
MISSING = ("not-found", "nonexistent")
CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")

BEHAVIORS = ServerBehavior(
    call_ids="{short}",
    completion_id="{hex}",
    separate_finish=False,
    unsplit_calls=True,
    usage="last",
    null_logprobs=True,
    reasoning_in_content=True,
)


def error_format(request: ModelRequest) -> ErrorFormat:  # noqa: ARG001 - the same for every request
    """Return the error format."""
    return ErrorFormat(mistral_errors.envelope, sse_event, SSE_GARBAGE)


def answer(request: ModelRequest) -> Response:
    """Answer a request."""
    if not request.model.startswith(FAMILIES) or any(word in request.model for word in MISSING):
        raise google_errors.model_not_found(request.resource, "mistralai", request.model)
    if request.model.startswith(mistral_ocr.FAMILY):
        return mistral_ocr.answer(request)
    fills = "prompt" in request.body
    body = _read(FIM if fills else CHAT, request.body)
    if body["model"] not in {request.model, request.model.partition("@")[0]}:
        raise mistral_errors.refused(f"Invalid model: {body['model']}", "invalid_model", "1500")
    if fills:
        return _fill_in(request, body)
    _check_messages(body["messages"])
    _check_tools(body)
    reasoning = body.get("prompt_mode") == "reasoning" or body.get("reasoning_effort", "none") != "none"
    return openai_chat.answer(
        request, body, dataclasses.replace(BEHAVIORS, reasoning=reasoning), body["model"]
    )


def _fill_in(request: ModelRequest, body: JSON) -> Response:
    """Answer a fill-in-the-middle request; the response has the chat format."""
    if "codestral" not in request.model:
        raise mistral_errors.refused(
            f"Model {body['model']} does not support fill-in-the-middle.", "invalid_model", "1500"
        )
    text = f"# between {body['prompt'][-40:]!r} and {body.get('suffix', '')[:40]!r}"
    as_chat = {**body, "messages": [{"role": "user", "content": text}]}
    return openai_chat.answer(request, as_chat, BEHAVIORS, body["model"])


# Request fields

THOUGHT = Object(
    {
        "type": String(),
        "thinking": ListOf(openai_chat.TEXT_PART),
        "closed": Boolean(),
        "signature": String(),
    },
    ("type", "thinking"),
)
REFERENCE = Object({"type": String(), "reference_ids": ListOf(integer())}, ("type", "reference_ids"))
DOCUMENT = Object(
    {"type": String(), "document_url": String(), "document_name": String()}, ("type", "document_url")
)
_USER = openai_chat.parts(image_url=openai_chat.IMAGE_PART, document_url=DOCUMENT, reference=REFERENCE)
_PLAIN = openai_chat.parts(thinking=THOUGHT, reference=REFERENCE)
_CALL = Object(
    {
        "id": String(),
        "type": String(("function",)),
        "index": integer(0),
        "function": Object(
            {"name": String(min_length=1), "arguments": StringOr(MapOf())}, ("name", "arguments")
        ),
    },
    ("id", "function"),
)
MESSAGES = ListOf(
    Discriminated(
        "role",
        {
            "system": Object({"role": String(), "content": _PLAIN}, ("content",)),
            "user": Object({"role": String(), "content": _USER}, ("content",)),
            "assistant": Object(
                {"role": String(), "content": _PLAIN, "tool_calls": ListOf(_CALL), "prefix": Boolean()}
            ),
            "tool": Object(
                {"role": String(), "content": _PLAIN, "name": String(), "tool_call_id": String()},
                ("content",),
            ),
        },
    ),
    min_length=1,
)
TOOL_NAME = "[a-zA-Z0-9_-]{1,64}"
FUNCTION = Object(
    {"name": String(pattern=TOOL_NAME), "description": String(), "parameters": MapOf(), "strict": Boolean()},
    ("name", "parameters"),
)
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SAMPLING: dict[str, Reader] = {
    "model": String(),
    "temperature": Number(0, 1.5),
    "top_p": Number(0, 1),
    "max_tokens": integer(0),
    "min_tokens": integer(0),
    "stop": openai_chat.STOP,
    "random_seed": integer(0),
    "stream": Boolean(),
    "metadata": MapOf(),
}
CHAT = Object(
    {
        **_SAMPLING,
        "messages": MESSAGES,
        "response_format": openai_chat.RESPONSE_FORMAT,
        "tools": ListOf(Object({"type": String(("function",)), "function": FUNCTION}, ("function",))),
        "tool_choice": StringOr(
            Object(
                {"type": String(("function",)), "function": Object({"name": String()}, ("name",))},
                ("function",),
            ),
            String(("auto", "none", "any", "required")),
        ),
        "parallel_tool_calls": Boolean(),
        "presence_penalty": Number(-2, 2),
        "frequency_penalty": Number(-2, 2),
        "n": integer(1, 128),
        "logprobs": Boolean(),
        "top_logprobs": integer(0, 20),
        "prediction": Object({"type": String(("content",)), "content": String()}),
        "prompt_mode": String(("reasoning",)),
        "reasoning_effort": String(EFFORTS),
        "safe_prompt": Boolean(),
    },
    ("model", "messages"),
)
FIM = Object({**_SAMPLING, "prompt": String(), "suffix": String()}, ("model", "prompt"))


def _read(table: Object, request_body: JSON) -> JSON:
    body, problems = validate(table, request_body)
    if problems:
        raise mistral_errors.unprocessable(problems)
    return dict(body)


# Order of messages

FOLLOWERS = {  # role → roles that may follow; "" is the beginning
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
            raise mistral_errors.refused(
                f"Unexpected role '{role}'{after}", "invalid_request_message_order", "3230"
            )
        _check_message(message)
        before = role
    last = messages[-1]
    if last["role"] not in {"user", "tool"} and not last.get("prefix"):
        raise mistral_errors.refused(
            "Expected last role User or Tool (or Assistant with prefix True) for serving but got "
            f"{last['role']}",
            "invalid_request_message_order",
            "3230",
        )
    _check_results(messages)


def _check_message(message: JSON) -> None:
    if message["role"] == "assistant" and not message.get("content") and not message.get("tool_calls"):
        raise mistral_errors.refused(
            "Assistant message must have either content or tool_calls, but not none.",
            "invalid_request_assistant_message",
            "3240",
        )
    ids = [call["id"] for call in message.get("tool_calls", [])]
    if message["role"] == "tool":
        ids.append(message.get("tool_call_id", ""))
    for id_ in ids:
        if not CALL_ID.fullmatch(id_):
            raise mistral_errors.refused(
                f"Tool call id was {id_} but must be a-z, A-Z, 0-9, with a length of 9.",
                "invalid_function_call",
                "3280",
            )


def _check_results(messages: list[JSON]) -> None:
    """Check that each group of tool calls has results for the same ids."""
    call_ids: list[str] = []
    result_ids: list[str] = []
    for message in [*messages, {"role": "end"}]:
        if message["role"] == "tool":
            result_ids.append(message["tool_call_id"])
            continue
        if len(call_ids) != len(result_ids) and (result_ids or message["role"] != "end"):
            raise mistral_errors.refused(
                "Not the same number of function calls and responses", "invalid_request_error", "3230"
            )
        if sorted(call_ids) != sorted(result_ids):
            raise mistral_errors.refused(
                "Unexpected tool call id in tool results", "invalid_function_call", "3280"
            )
        call_ids, result_ids = [call["id"] for call in message.get("tool_calls", [])], []


def _check_tools(body: JSON) -> None:
    choice = body.get("tool_choice")
    if choice in {"any", "required"} if isinstance(choice, str) else choice:
        names = {tool["function"]["name"] for tool in body.get("tools", [])}
        chosen_names = {choice["function"]["name"]} if isinstance(choice, dict) else names
        if not names or not chosen_names <= names:
            raise mistral_errors.refused(
                "Tool choice names a function that is not defined, or no functions are defined."
            )
    shape = body.get("response_format", {})
    if shape.get("type") == "json_schema" and "json_schema" not in shape:
        raise mistral_errors.refused("response_format.json_schema is required for the type json_schema.")
