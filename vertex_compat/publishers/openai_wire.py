"""What the publishers that speak OpenAI's wire share: Mistral, Jamba, Llama and the others, deployed models.

They speak it with accents. Chunks without id, with the role in each of them, with the usage beside the last
choice or in a chunk of its own, with reasons of their own: read here, once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

from vertex_compat.publishers import conversation, parameters
from vertex_compat.wire import JSON, Chat, Delta, Feed, Model, Piece, UpstreamCall, Usage

_log = logging.getLogger(__name__)

NEVER_SENT: Final = frozenset(
    {
        "metadata",
        "moderation",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
    }
)
"""What is between a client and OpenAI, and means nothing to a model elsewhere."""

TOOLS: Final = frozenset({"function_call", "functions", "tool_choice", "tools"})

FINISH: Final = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "function_call",
    "model_length": "length",  # Mistral: the model's limit, not the request's
    "error": "stop",  # Mistral
    "eos_token": "stop",  # TGI
    "stop_sequence": "stop",  # TGI
    "abort": "stop",  # vLLM
    "repetition": "stop",  # vLLM
}


def chat(request: Callable[[JSON, Model], UpstreamCall], *, many: bool = True) -> Chat:
    """The chat of a publisher whose answers are read here."""
    return Chat(request, response, stream, many)


def response(body: JSON, _: UpstreamCall) -> Iterator[Piece]:
    """The pieces of a whole answer."""
    return read(body)


def stream(_: UpstreamCall) -> Feed:
    """The reader of one stream."""
    return read


def read(answer: JSON) -> Iterator[Piece]:
    """The pieces of an answer, or of a chunk: the one has a `message` where the other has a `delta`."""
    for choice in answer.get("choices") or []:
        index = choice.get("index") or 0
        said = choice.get("delta") or choice.get("message") or {}
        logprobs = choice.get("logprobs")
        reason = choice.get("finish_reason")
        yield Delta(index, _fields(said), _finish(reason) if reason else None, _logprobs(logprobs))
    if counts := answer.get("usage"):
        yield usage(counts)


def _fields(said: JSON) -> JSON:
    fields: JSON = {}
    if (content := said.get("content")) and isinstance(content, str):
        fields["content"] = content
    if reasoning := said.get("reasoning_content") or said.get("reasoning"):
        fields["reasoning_content"] = reasoning
    if refusal := said.get("refusal"):
        fields["refusal"] = refusal
    return fields


def _finish(reason: str) -> str:
    if reason not in FINISH:
        _log.warning("unknown finish_reason: %.80s", reason)
    return FINISH.get(reason, "stop")


def _logprobs(logprobs: Any) -> JSON | None:
    if isinstance(logprobs, dict) and logprobs.get("content"):
        return {"content": logprobs["content"], "refusal": None}
    return None


def usage(counts: JSON) -> Usage:
    """The counts with reasoning inside the completion, where some count it beside: the total tells."""
    prompt, completion = counts.get("prompt_tokens") or 0, counts.get("completion_tokens") or 0
    reasoning = (counts.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    if reasoning and counts.get("total_tokens") == prompt + completion + reasoning:
        completion += reasoning
    cached = (counts.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(
        prompt=prompt,
        completion=completion,
        prompt_details={"cached_tokens": cached},
        completion_details={"reasoning_tokens": reasoning},
    )


def shaped(body: JSON) -> JSON:
    """What all of them call the same, and OpenAI otherwise or in several forms."""
    given: JSON = {"max_tokens": parameters.max_tokens(body), "stop": parameters.stop(body)}
    given["stream"] = body.get("stream")
    return {name: value for name, value in given.items() if value}


def bare(model: Model) -> str:
    """The model's name in a body: without the version that stands in the URL."""
    return model.name.partition("@")[0]


def texts(messages: list[JSON]) -> list[JSON]:
    """The conversation as strict servers want it: one system message in front, then roles that alternate."""
    system, turns = conversation.hoist(conversation.read(messages))
    conversation.refuse_media(turns)
    front = [{"role": "system", "content": "\n\n".join(conversation.texts(system))}] if system else []
    return front + [
        {"role": turn.role, "content": _content(conversation.texts(turn.parts))} for turn in turns
    ]


def _content(texts: list[str]) -> str | list[JSON]:
    return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]


def system_for_developer(messages: list[JSON]) -> list[JSON]:
    """The conversation for a server that does not know OpenAI's newer name of the system role."""
    return [
        {**message, "role": "system"} if message["role"] == "developer" else message for message in messages
    ]
