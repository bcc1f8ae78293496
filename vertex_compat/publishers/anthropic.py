"""Claude: the Messages API behind `rawPredict` and `streamRawPredict`.

https://docs.anthropic.com/en/api/claude-on-vertex-ai. The model stands in the URL and not in the body, the
API's version in the body and not in a header.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any, Final

from vertex_compat import vertex
from vertex_compat.publishers import conversation, parameters
from vertex_compat.publishers.parameters import Parameters
from vertex_compat.wire import JSON, Chat, Delta, Feed, Model, Piece, Publisher, UpstreamCall, Usage

_log = logging.getLogger(__name__)

VERSION: Final = "vertex-2023-10-16"

PARAMETERS: Final = Parameters(
    sent={"top_k": "top_k"},
    shaped=frozenset(
        {"max_completion_tokens", "max_tokens", "messages", "n", "stop", "temperature", "top_p", "user"}
    ),
    ignored=frozenset(
        {
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "metadata",
            "moderation",
            "parallel_tool_calls",
            "prediction",
            "presence_penalty",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "reasoning_effort",
            "safety_identifier",
            "seed",
            "service_tier",
            "store",
            "top_logprobs",
            "verbosity",
        }
    ),
    refused=frozenset(
        {
            "audio",
            "function_call",
            "functions",
            "modalities",
            "response_format",
            "tool_choice",
            "tools",
            "web_search_options",
        }
    ),
)

MAX_TOKENS: Final = (
    ("claude-3-7", 64_000),
    ("claude-3-5", 8_192),
    ("claude-3", 4_096),
    ("claude-opus-4@", 32_000),
    ("claude-opus-4-1", 32_000),
    ("claude-opus-4-5", 64_000),
    ("claude-sonnet-4", 64_000),
    ("claude-haiku-4", 64_000),
    ("claude-", 64_000),
)
"""How a name begins → the most it answers, which is what a request without a limit gets.

https://docs.anthropic.com/en/docs/about-claude/models. The last row is for names that are not known: every
family since 2025 takes at least that much.
"""

FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "compaction": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

_NO_SAMPLING: Final = re.compile(
    r"claude-opus-4-[7-9]|claude-[a-z]+-(?:[5-9]|\d\d)(?:\D|$)|claude-(?:fable|mythos)"
)
"""Models that refuse `temperature`, `top_p` and `top_k`."""

_ONE_SAMPLING: Final = re.compile(r"claude-opus-4-1|claude-[a-z]+-4-[56]")
"""Models that refuse `temperature` and `top_p` together."""

_PLACEHOLDER: Final = "."  # a text must not be blank


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → Claude's."""
    sent, ignored = PARAMETERS.sort(body)
    call: JSON = {
        "anthropic_version": VERSION,
        "max_tokens": parameters.max_tokens(body) or default_max_tokens(model.name),
        **turns(body["messages"]),
        **_sampling(sent | body, model.name, ignored),
    }
    stops = parameters.stop(body)
    if taken := [one for one in stops if one.strip()]:  # blank ones are refused
        call["stop_sequences"] = taken
    if taken != stops:
        ignored.append("stop")
    if user := body.get("user"):
        call["metadata"] = {"user_id": user}
    if body.get("stream"):
        call["stream"] = True
    return UpstreamCall(vertex.raw_predict(model, stream="stream" in call), call, ignored=tuple(ignored))


def default_max_tokens(name: str) -> int:
    """What a request without a limit gets: the most that the model answers."""
    return next((most for begin, most in MAX_TOKENS if name.startswith(begin)), MAX_TOKENS[-1][1])


def turns(messages: list[JSON]) -> JSON:
    """`messages` and `system`. The first turn is the user's, and no text is blank."""
    system, read = conversation.hoist(conversation.read(messages))
    conversation.refuse_media(read)
    turned = [
        {"role": "assistant" if turn.role == "assistant" else "user", "content": content}
        for turn in read
        if (content := _texts(conversation.texts(turn.parts)))
    ]
    if not turned or turned[0]["role"] != "user":
        turned.insert(0, {"role": "user", "content": _texts([_PLACEHOLDER])})
    said: JSON = {"messages": turned}
    if instructions := _texts(conversation.texts(system)):
        said["system"] = instructions
    return said


def _texts(texts: list[str]) -> list[JSON]:
    return [{"type": "text", "text": text} for text in texts if text.strip()]


def _sampling(body: JSON, name: str, ignored: list[str]) -> JSON:
    """`temperature`, `top_p` and `top_k` as the model takes them; what it does not is added to `ignored`."""
    given: JSON = {key: body[key] for key in ("temperature", "top_p", "top_k") if key in body}
    if _NO_SAMPLING.match(name):
        ignored += given
        return {}
    if given.get("temperature", 0) > 1:
        given["temperature"] = 1
        ignored.append("temperature")
    if _ONE_SAMPLING.match(name) and {"temperature", "top_p"} <= given.keys():
        del given["top_p"]
        ignored.append("top_p")
    return given


def response(message: JSON, _: UpstreamCall) -> Iterator[Piece]:
    """The pieces of a whole message."""
    for block in message.get("content") or []:
        yield from _begun(block)
    yield from _ended(message)
    yield _usage(message.get("usage") or {})


def stream(_: UpstreamCall) -> Feed:
    """The reader of one stream. The counts of its beginning and of its end are one usage."""
    counts: dict[str, Any] = {}

    def read(event: JSON) -> Iterator[Piece]:
        match event.get("type"):
            case "content_block_delta":
                yield from _went_on(event["delta"])
            case "content_block_start":
                yield from _begun(event["content_block"])
            case "message_start":
                counts.update(event["message"].get("usage") or {})
                yield Delta(0, {})
            case "message_delta":
                counts.update((event.get("usage") or {}).items())
                yield from _ended(event.get("delta") or {})
                yield _usage(counts)
            case _:
                pass  # ping, content_block_stop, message_stop, and what is still to be invented

    return read


def _begun(block: JSON) -> Iterator[Piece]:
    """A block of a message, or the beginning of one in a stream."""
    match block.get("type"):
        case "text" if text := block.get("text"):
            yield Delta(0, {"content": text})
        case "thinking" if thinking := block.get("thinking"):
            yield Delta(0, {"reasoning_content": thinking})
        case _:
            pass


def _went_on(delta: JSON) -> Iterator[Piece]:
    match delta.get("type"):
        case "text_delta":
            yield Delta(0, {"content": delta["text"]})
        case "thinking_delta":
            yield Delta(0, {"reasoning_content": delta["thinking"]})
        case _:
            pass


def _ended(message: JSON) -> Iterator[Piece]:
    """Why the message ended, which a message and the last delta of a stream say in the same words."""
    reason = message.get("stop_reason")
    if reason is None:
        return
    if reason not in FINISH:
        _log.warning("unknown stop_reason of Claude: %.80s", reason)
    explanation = (message.get("stop_details") or {}).get("explanation")
    fields = {"refusal": explanation} if reason == "refusal" and explanation else {}
    yield Delta(0, fields, FINISH.get(reason, "stop"))


def _usage(counts: JSON) -> Usage:
    """Claude counts cached tokens beside its input; OpenAI inside."""
    read, written = counts.get("cache_read_input_tokens") or 0, counts.get("cache_creation_input_tokens") or 0
    details = counts.get("output_tokens_details") or {}
    return Usage(
        prompt=(counts.get("input_tokens") or 0) + read + written,
        completion=counts.get("output_tokens") or 0,
        prompt_details={"cached_tokens": read, "cache_write_tokens": written},
        completion_details={"reasoning_tokens": details.get("thinking_tokens") or 0},
    )


PUBLISHER: Final = Publisher("anthropic", chat=Chat(request, response, stream))
