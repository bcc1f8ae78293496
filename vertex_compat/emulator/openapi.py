"""`endpoints/openapi/chat/completions`: models as a service, each publisher's server with its own habits.

Recorded for Llama: no id, no time, role and content in every delta, the counts on the chunk with the finish
reason, no `[DONE]`. The others: vendor documents. Errors come in Google's envelope, in an array of one.
"""

import dataclasses

from vertex_compat.emulator import chat, google, mistral
from vertex_compat.emulator.answers import (
    JSON,
    SSE_GARBAGE,
    Answer,
    Dialect,
    Refused,
    pretty_answer,
    sse_event,
)
from vertex_compat.emulator.asked import Asked
from vertex_compat.emulator.chat import Habits
from vertex_compat.emulator.strict import (
    Fields,
    Flag,
    ListOf,
    MapOf,
    Number,
    Reader,
    Text,
    TextOr,
    examined,
    integer,
)

ORDINARY = Habits(usage="last", completion_id="2026-11-21|04:05:06.292195-07|9.7.144.202|-{hex}")
REASONING = Habits(usage="last", completion_id=ORDINARY.completion_id, reasons=True)
LLAMA = Habits(spare=True, opens=False, usage="last", done=False, whole_calls=True)
GROK = Habits(
    usage="separate",
    disjoint=True,
    reasons=True,
    call_ids="call_{hex}",
    more_usage=(("cost_in_usd_ticks", 1), ("num_sources_used", 0)),
)
GEMINI = Habits(
    usage="last",
    disjoint=True,
    repeats_calls=True,
    call_ids="function-call-{hex}",
    completion_id="{hex}",
    null_logprobs=True,
    more_usage=(("extra_properties", {"google": {"traffic_type": "ON_DEMAND"}}),),
)
KIMI = Habits(usage="last", completion_id=ORDINARY.completion_id, call_ids="functions.{name}:{place}")
THINKING_KIMI = Habits(
    usage="last", completion_id=ORDINARY.completion_id, call_ids=KIMI.call_ids, reasons=True
)

# By the beginning of `publisher/model`, the longest first.
HABITS = {
    "meta/": LLAMA,
    "google/": ORDINARY,
    "google/gemini": GEMINI,
    "deepseek-ai/": REASONING,
    "qwen/": ORDINARY,
    "openai/": REASONING,
    "moonshotai/": KIMI,
    "moonshotai/kimi-k2-thinking": THINKING_KIMI,
    "minimaxai/": REASONING,
    "zai-org/": REASONING,
    "xai/": GROK,
    "mistralai/": ORDINARY,
    "intfloat/": ORDINARY,
}

_USER = chat.parts(image_url=chat.IMAGE_PART, input_audio=chat.AUDIO_PART)
_MESSAGES = chat.messages(_USER, reasoning_content=Text(), reasoning=Text(), refusal=Text())
FIELDS: dict[str, Reader] = {
    "model": Text(pattern="[^/]+/[^/]+"),
    "messages": _MESSAGES,
    "max_tokens": integer(1),
    "max_completion_tokens": integer(1),
    "temperature": Number(0, 2),
    "top_p": Number(0, 1),
    "top_k": integer(-1),
    "min_p": Number(0, 1),
    "repetition_penalty": Number(0),
    "presence_penalty": Number(-2, 2),
    "frequency_penalty": Number(-2, 2),
    "stop": chat.STOP,
    "seed": integer(),
    "n": integer(1, 128),
    "stream": Flag(),
    "stream_options": Fields({"include_usage": Flag()}),
    "logprobs": Flag(),
    "top_logprobs": integer(0, 20),
    "logit_bias": MapOf(),
    "user": Text(),
    "tools": ListOf(chat.TOOL),
    "tool_choice": chat.TOOL_CHOICE,
    "parallel_tool_calls": Flag(),
    "response_format": chat.RESPONSE_FORMAT,
    "reasoning_effort": Text(("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    "chat_template_kwargs": MapOf(),
    "extra_body": MapOf(),
}
BODY = Fields(FIELDS, ("model", "messages"))
LLAMA_BODY = Fields(
    {
        name: reader
        for name, reader in FIELDS.items()
        if name not in {"max_completion_tokens", "reasoning_effort"}
    },
    BODY.required,
)
GEMINI_BODY_NAMES = {  # Google's own: parameters that it does not know are ignored
    **FIELDS,
    "tool_choice": TextOr(chat.TOOL_CHOICE.other, Text(("none", "auto", "required", "validated"))),
}


def envelope(status: int, message: str) -> list[JSON]:
    """Build Google's error as this endpoint does."""
    return [google.envelope(status, message)]


def dialect(asked: Asked) -> Dialect:  # noqa: ARG001 - every call speaks the same one
    """Say how errors look."""
    return Dialect(envelope, sse_event, SSE_GARBAGE)


def answer(asked: Asked) -> Answer:
    """Answer a call."""
    model = asked.body.get("model")
    if not isinstance(model, str) or "/" not in model:
        raise _refused(400, "The model must be given as publisher/model.")
    known = max((one for one in HABITS if model.startswith(one)), key=len, default=None)
    if known is None or any(word in model for word in mistral.MISSING):
        publisher, _, name = model.partition("/")
        raise _refused(404, google.not_found_text(asked.resource, publisher, name))
    habits = HABITS[known]
    body = _read(habits, asked.body)
    _check(body)
    reasons = (habits.reasons or "-thinking" in model) and "non-reasoning" not in model
    switches = body.get("chat_template_kwargs", {})
    if False in (switches.get("thinking"), switches.get("enable_thinking")):
        reasons = False
    return chat.answer(asked, body, dataclasses.replace(habits, reasons=reasons), model)


def _read(habits: Habits, sent: JSON) -> JSON:
    if habits is GEMINI:
        kept = {
            name: value for name, value in sent.items() if name in GEMINI_BODY_NAMES and value is not None
        }
        table = Fields(GEMINI_BODY_NAMES, BODY.required)
        body, problems = examined(table, kept)
    else:
        body, problems = examined(LLAMA_BODY if habits is LLAMA else BODY, sent)
    if problems:
        raise _refused(400, "; ".join(f"{one.place}: {one.message}" for one in problems))
    return dict(body)


def _check(body: JSON) -> None:
    problem = problem_of(body)
    if problem:
        raise _refused(400, problem)


def problem_of(body: JSON) -> str:
    """Say what is wrong among the fields of a chat request that are right by themselves."""
    known: set[str] = set()
    for message in body["messages"]:
        if message["role"] == "assistant":
            known |= {call["id"] for call in message.get("tool_calls", [])}
            if message.get("content") is None and not message.get("tool_calls"):
                return "An assistant message must have content or tool_calls."
        elif message["role"] == "tool" and message["tool_call_id"] not in known:
            return f"No tool call has the id {message['tool_call_id']}."
    if body.get("tool_choice", "none") not in ("none", "auto") and not body.get("tools"):
        return "tool_choice needs tools."
    if (
        body.get("response_format", {}).get("type") == "json_schema"
        and "json_schema" not in body["response_format"]
    ):
        return "response_format.json_schema is required."
    if body.get("stream_options") is not None and not body.get("stream"):
        return "Stream options can only be defined when `stream=True`."
    return ""


def _refused(status: int, message: str) -> Refused:
    return Refused(pretty_answer(envelope(status, message), status))
