"""Gemini: `generateContent` and `streamGenerateContent`.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/projects.locations.publishers.models/generateContent
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from vertex_compat.publishers import conversation, parameters
from vertex_compat.publishers.parameters import Parameters
from vertex_compat.wire import JSON, Chat, Delta, Feed, Model, Piece, UpstreamCall, Usage

_log = logging.getLogger(__name__)

PARAMETERS: Final = Parameters(
    sent={
        "frequency_penalty": "frequencyPenalty",
        "logprobs": "responseLogprobs",
        "n": "candidateCount",
        "presence_penalty": "presencePenalty",
        "seed": "seed",
        "temperature": "temperature",
        "top_k": "topK",
        "top_logprobs": "logprobs",
        "top_p": "topP",
    },
    shaped=frozenset({"max_completion_tokens", "max_tokens", "messages", "stop"}),
    ignored=frozenset(
        {
            "logit_bias",
            "metadata",
            "moderation",
            "parallel_tool_calls",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "reasoning_effort",
            "safety_identifier",
            "service_tier",
            "store",
            "user",
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

FINISH: Final = {
    "FINISH_REASON_UNSPECIFIED": "stop",
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "NO_IMAGE": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
    "OTHER": "stop",
}

_PENALTIES: Final = ("presencePenalty", "frequencyPenalty")
_FROM_GEMINI_3: Final = re.compile(r"gemini-(?:[3-9]|\d\d)")
_BLANK: Final = " "  # a part must not be empty


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → Gemini's."""
    config, ignored = PARAMETERS.sort(body)
    if _FROM_GEMINI_3.match(model.name):  # refuses penalties
        ignored += [ours for ours, theirs in PARAMETERS.sent.items() if theirs in _PENALTIES and ours in body]
        config = {name: value for name, value in config.items() if name not in _PENALTIES}
    if (limit := parameters.max_tokens(body)) is not None:
        config["maxOutputTokens"] = limit
    if stops := parameters.stop(body):
        config["stopSequences"] = stops
    sent: JSON = contents(body["messages"], model)
    if config:
        sent["generationConfig"] = config
    method = "streamGenerateContent?alt=sse" if body.get("stream") else "generateContent"
    return UpstreamCall(f"{model.resource}:{method}", sent, "v1beta1", ignored=tuple(ignored))


def contents(messages: list[JSON], model: Model) -> JSON:
    """`contents` and `systemInstruction`. The first turn is the user's, and there is at least one."""
    system, turns = conversation.hoist(conversation.read(messages))
    conversation.refuse_media(turns)
    turned = [
        {
            "role": "model" if turn.role == "assistant" else "user",
            "parts": _parts(conversation.texts(turn.parts)),
        }
        for turn in turns
    ]
    if model.name.startswith("gemini-1.0-pro") and system:  # has no system instruction
        turned.insert(0, {"role": "user", "parts": _parts(conversation.texts(system))})
        system = []
    if not turned or turned[0]["role"] != "user":
        turned.insert(0, {"role": "user", "parts": _parts([_BLANK])})
    sent: JSON = {"contents": turned}
    if system:
        sent["systemInstruction"] = {"parts": _parts(conversation.texts(system))}
    return sent


def _parts(texts: Iterable[str]) -> list[JSON]:
    return [{"text": text} for text in texts]


def read(event: JSON) -> Iterator[Piece]:
    """The pieces of an answer, or of a chunk of one: they have the same form."""
    candidates = event.get("candidates") or []
    for candidate in candidates:
        yield from _candidate(candidate)
    feedback = event.get("promptFeedback") or {}
    if not candidates and (reason := feedback.get("blockReason")):
        said = feedback.get("blockReasonMessage") or f"The prompt was blocked: {reason}."
        yield Delta(0, {"refusal": said}, "content_filter")
    counts = event.get("usageMetadata") or {}
    if "promptTokenCount" in counts or "totalTokenCount" in counts:
        yield _usage(counts)


def _candidate(candidate: JSON) -> Iterator[Piece]:
    index = candidate.get("index", 0)
    logprobs = _logprobs(candidate.get("logprobsResult") or {})
    for part in (candidate.get("content") or {}).get("parts") or []:
        if text := part.get("text"):
            yield Delta(index, {"reasoning_content" if part.get("thought") else "content": text})
    if logprobs:
        yield Delta(index, {}, logprobs=logprobs)
    if reason := candidate.get("finishReason"):
        yield Delta(index, {}, _finish(reason))


def _finish(reason: str) -> str:
    if reason not in FINISH:
        _log.warning("unknown finishReason of Gemini: %.80s", reason)
    return FINISH.get(reason, "stop")


def _logprobs(result: JSON) -> JSON | None:
    """Chosen tokens with the best ones of each place, which may miss the chosen one."""
    chosen = result.get("chosenCandidates")
    if not chosen:
        return None
    best = result.get("topCandidates") or []
    content = []
    for place, token in enumerate(chosen):
        top = best[place].get("candidates") or [] if place < len(best) else []
        content.append(_token(token) | {"top_logprobs": [_token(other) for other in top]})
    return {"content": content, "refusal": None}


def _token(candidate: JSON) -> dict[str, Any]:
    token = candidate.get("token", "")
    return {
        "token": token,
        "logprob": candidate.get("logProbability", 0.0),
        "bytes": list(token.encode("utf-8", "surrogatepass")),
    }


def _usage(counts: JSON) -> Usage:
    """Gemini counts thoughts and the tokens of tools beside the answer and the prompt; OpenAI inside them."""
    thoughts = counts.get("thoughtsTokenCount", 0)
    cached = counts.get("cachedContentTokenCount", 0)
    return Usage(
        prompt=counts.get("promptTokenCount", 0) + counts.get("toolUsePromptTokenCount", 0),
        completion=counts.get("candidatesTokenCount", 0) + thoughts,
        prompt_details={"cached_tokens": cached},
        completion_details={"reasoning_tokens": thoughts},
    )


def response(body: JSON, _: UpstreamCall) -> Iterator[Piece]:
    """The pieces of a whole answer."""
    return read(body)


def stream(_: UpstreamCall) -> Feed:
    """The reader of one stream: a chunk has the form of a whole answer."""
    return read


CHAT: Final = Chat(request, response, stream, many=True)
