"""`endpoints/openapi/chat/completions`: models as a service.

Each publisher's server behaves differently. Recorded for Llama: no id, no created, role and content in every
delta, usage on the chunk with the finish reason, no `[DONE]`. The others: vendor documents. Errors are
Google's envelope in an array of one.
"""

import dataclasses

from vertex_compat.emulator.google_models.embeddings import vector
from vertex_compat.emulator.partner_models import mistral, openai_chat
from vertex_compat.emulator.partner_models.openai_chat import ServerBehavior
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.body_readers import (
    Boolean,
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
from vertex_compat.emulator.protocol.responses import (
    JSON,
    SSE_GARBAGE,
    ErrorFormat,
    RequestRefused,
    Response,
    json_response,
    pretty_json_response,
    sse_event,
)
from vertex_compat.emulator.text_model.replies import count_tokens

ORDINARY = ServerBehavior(usage="last", completion_id="2026-11-21|04:05:06.292195-07|9.7.144.202|-{hex}")
REASONING = ServerBehavior(usage="last", completion_id=ORDINARY.completion_id, reasoning=True)
LLAMA = ServerBehavior(minimal=True, opening_delta=False, usage="last", sends_done=False, unsplit_calls=True)
GROK = ServerBehavior(
    usage="separate",
    reasoning_excluded=True,
    reasoning=True,
    call_ids="call_{hex}",
    extra_usage=(("cost_in_usd_ticks", 1), ("num_sources_used", 0)),
)
GEMINI = ServerBehavior(
    usage="last",
    reasoning_excluded=True,
    repeats_call_header=True,
    call_ids="function-call-{hex}",
    completion_id="{hex}",
    null_logprobs=True,
    extra_usage=(("extra_properties", {"google": {"traffic_type": "ON_DEMAND"}}),),
)
KIMI = ServerBehavior(usage="last", completion_id=ORDINARY.completion_id, call_ids="functions.{name}:{index}")
THINKING_KIMI = ServerBehavior(
    usage="last", completion_id=ORDINARY.completion_id, call_ids=KIMI.call_ids, reasoning=True
)

# By prefix of `publisher/model`; the longest match counts.
BEHAVIORS = {
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

_USER = openai_chat.parts(image_url=openai_chat.IMAGE_PART, input_audio=openai_chat.AUDIO_PART)
_MESSAGES = openai_chat.messages(_USER, reasoning_content=String(), reasoning=String(), refusal=String())
FIELDS: dict[str, Reader] = {
    "model": String(pattern="[^/]+/[^/]+"),
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
    "stop": openai_chat.STOP,
    "seed": integer(),
    "n": integer(1, 128),
    "stream": Boolean(),
    "stream_options": Object({"include_usage": Boolean()}),
    "logprobs": Boolean(),
    "top_logprobs": integer(0, 20),
    "logit_bias": MapOf(),
    "user": String(),
    "tools": ListOf(openai_chat.TOOL),
    "tool_choice": openai_chat.TOOL_CHOICE,
    "parallel_tool_calls": Boolean(),
    "response_format": openai_chat.RESPONSE_FORMAT,
    "reasoning_effort": String(("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    "chat_template_kwargs": MapOf(),
    "extra_body": MapOf(),
}
SYSTEM_FIRST = ("qwen/", "google/gemma")
"""Beginnings of names of models whose chat templates take a system message only as the first one.

A deployed model, whose name is not in the body, is taken for one of them.
"""

BODY = Object(FIELDS, ("model", "messages"))
EMBEDDINGS_BODY = Object(
    {"model": String(), "input": StringOr(ListOf(String(), 1)), "encoding_format": String(("float",))},
    ("model", "input"),
)
EMBEDDING_MODELS = {"intfloat/multilingual-e5-large": 1024, "intfloat/multilingual-e5-small": 384}
"""Name prefix of an embedding model → dimensions."""
LLAMA_BODY = Object(
    {
        name: reader
        for name, reader in FIELDS.items()
        if name not in {"max_completion_tokens", "reasoning_effort"}
    },
    BODY.required,
)
GEMINI_BODY_NAMES = {  # Google's own models ignore unknown parameters
    **FIELDS,
    "tool_choice": StringOr(openai_chat.TOOL_CHOICE.other, String(("none", "auto", "required", "validated"))),
}


def envelope(status: int, message: str) -> list[JSON]:
    """Return Google's error body in an array."""
    return [google_errors.envelope(status, message)]


def error_format(request: ModelRequest) -> ErrorFormat:  # noqa: ARG001 - the same for every request
    """Return the error format."""
    return ErrorFormat(envelope, sse_event, SSE_GARBAGE)


def answer(request: ModelRequest) -> Response:
    """Answer a request."""
    model = request.body.get("model")
    if not isinstance(model, str) or "/" not in model:
        raise _refused(400, "The model must be publisher/model.")
    prefix = max((candidate for candidate in BEHAVIORS if model.startswith(candidate)), key=len, default=None)
    if prefix is None or any(word in model for word in mistral.MISSING):
        publisher, _, name = model.partition("/")
        raise _refused(404, google_errors.model_not_found_message(request.resource, publisher, name))
    behavior = BEHAVIORS[prefix]
    body = _read(behavior, request.body)
    _check(body)
    reasoning = (behavior.reasoning or "-thinking" in model) and "non-reasoning" not in model
    switches = body.get("chat_template_kwargs", {})
    if False in (switches.get("thinking"), switches.get("enable_thinking")):
        reasoning = False
    return openai_chat.answer(request, body, dataclasses.replace(behavior, reasoning=reasoning), model)


def embed(request: ModelRequest) -> Response:
    """Answer `endpoints/openapi/embeddings`."""
    body, problems = validate(EMBEDDINGS_BODY, request.body)
    if problems:
        raise _refused(400, "; ".join(f"{problem.location}: {problem.message}" for problem in problems))
    model = body["model"]
    dimensions = next((size for name, size in EMBEDDING_MODELS.items() if model.startswith(name)), None)
    if dimensions is None:
        publisher, _, name = model.partition("/")
        raise _refused(404, google_errors.model_not_found_message(request.resource, publisher, name))
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = [
        {"object": "embedding", "index": index, "embedding": vector(text, dimensions)}
        for index, text in enumerate(texts)
    ]
    tokens = sum(map(count_tokens, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_response({"object": "list", "data": data, "model": model, "usage": usage})


def _read(behavior: ServerBehavior, request_body: JSON) -> JSON:
    if behavior is GEMINI:
        known_fields = {
            name: value
            for name, value in request_body.items()
            if name in GEMINI_BODY_NAMES and value is not None
        }
        table = Object(GEMINI_BODY_NAMES, BODY.required)
        body, problems = validate(table, known_fields)
    else:
        body, problems = validate(LLAMA_BODY if behavior is LLAMA else BODY, request_body)
    if problems:
        raise _refused(400, "; ".join(f"{problem.location}: {problem.message}" for problem in problems))
    return dict(body)


def _check(body: JSON) -> None:
    problem = find_problem(body)
    if problem:
        raise _refused(400, problem)


def find_problem(body: JSON) -> str:
    """Return a message if fields contradict each other, else an empty string."""
    roles = [message["role"] for message in body["messages"]]
    if (body.get("model") or "qwen/").startswith(SYSTEM_FIRST) and "system" in roles[1:]:
        return "System message must be at the beginning."
    call_ids: set[str] = set()
    for message in body["messages"]:
        if message["role"] == "assistant":
            call_ids |= {call["id"] for call in message.get("tool_calls", [])}
            if message.get("content") is None and not message.get("tool_calls"):
                return "An assistant message must have content or tool_calls."
        elif message["role"] == "tool" and message["tool_call_id"] not in call_ids:
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


def _refused(status: int, message: str) -> RequestRefused:
    return RequestRefused(pretty_json_response(envelope(status, message), status))
