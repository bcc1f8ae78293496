"""Gemini: `generateContent` and `streamGenerateContent`.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/projects.locations.publishers.models/generateContent
"""

from __future__ import annotations

import re
from typing import Final

from vertex_compat import errors
from vertex_compat.publishers import chat_messages, parameters, tools
from vertex_compat.publishers.google import models
from vertex_compat.publishers.google.chat import contents, options, reasoning, response, response_format
from vertex_compat.publishers.google.chat.tools import offer
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ChatAdapter, Model, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={
        "n": "candidateCount",
        "temperature": "temperature",
        "top_k": "topK",
        "top_p": "topP",
    },
    handled=tools.PARAMETERS
    | options.PARAMETERS
    | {
        "audio",
        "frequency_penalty",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "thinking",
        "top_logprobs",
        "web_search_options",
    },
    ignored=frozenset(
        {
            "logit_bias",
            "moderation",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "store",
            "user",
            "verbosity",
        }
    ),
)

MAX_STOPS: Final = 5
MAX_LABELS: Final = 64

TIER: Final = "X-Vertex-AI-LLM-Shared-Request-Type"
TIERS: Final = {"auto": None, "default": None, "flex": "flex", "priority": "priority"}
"""`service_tier` → the header's value.

https://cloud.google.com/vertex-ai/generative-ai/docs/flex-paygo
"""

PENALTIES: Final = {"frequency_penalty": "frequencyPenalty", "presence_penalty": "presencePenalty"}

MAX_PENALTY: Final = 1.99
"""OpenAI allows 2, which is the first that Gemini does not."""

_MAX_SEED: Final = 2**31
_UNPLACED: Final = frozenset({"audio", "images", "name"})


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → Gemini's; raises `BadRequest`."""
    try:
        return _request(body, model.name, model.resource)
    except RecursionError:
        raise errors.BadRequest("The request is nested too deeply.") from None


def _request(body: JSON, name: str, resource: str) -> UpstreamCall:
    config, ignored = PARAMETERS.apply(body)
    said = options.read(body, ignored)
    turns = chat_messages.read(body["messages"])
    offered = offer(body, said, name, ignored)
    sent = contents.write(turns, name) | offered.fields | _labels(body, ignored)
    config |= (
        _limits(body, ignored) | response_format.logprobs(body) | response_format.mime_and_schema(body, name)
    )
    config |= response_format.modalities(body)
    speaks = "AUDIO" in config.get("responseModalities", ())
    ignored += ["audio"] if "audio" in body and not speaks else []
    config |= _penalties(body, name, ignored)
    if thinking := reasoning.config(body, said, name, ignored):
        config["thinkingConfig"] = thinking
    if resolution := contents.resolution(turns, name):
        config["mediaResolution"] = resolution
    options.place(said, sent, config)
    if config:
        sent["generationConfig"] = config
    _check_cached(sent)
    ignored += _unsaid(body["messages"])
    method = "streamGenerateContent?alt=sse" if body.get("stream") else "generateContent"
    return UpstreamCall(
        f"{resource}:{method}",
        sent,
        "v1beta1",
        headers=_tier(body, ignored),
        ignored=tuple(dict.fromkeys(ignored)),
        tool_names=offered.names,
        audio_format=response_format.sound(body) if speaks else None,
    )


def _penalties(body: JSON, name: str, ignored: list[str]) -> JSON:
    """The penalties as far as the model takes them: not at all from Gemini 3 on, before that below 2."""
    given = {ours: body[ours] for ours in PENALTIES if ours in body}
    taken = {} if models.since(name, models.GEMINI_3) else given
    taken = {ours: min(value, MAX_PENALTY) for ours, value in taken.items()}
    ignored += [ours for ours, value in given.items() if taken.get(ours) != value]
    return {PENALTIES[ours]: value for ours, value in taken.items()}


def _limits(body: JSON, ignored: list[str]) -> JSON:
    limits: JSON = {}
    if (most := parameters.max_tokens(body)) is not None:
        limits["maxOutputTokens"] = most
    if stops := parameters.stop(body):
        limits["stopSequences"] = stops[:MAX_STOPS]
        ignored += ["stop"] if len(stops) > MAX_STOPS else []
    if (seed := body.get("seed")) is not None:
        # Any seed serves as well as another, if it is always the same: larger ones than fit are made to.
        limits["seed"] = seed if -_MAX_SEED <= seed < _MAX_SEED else seed % _MAX_SEED
    return limits


def _labels(body: JSON, ignored: list[str]) -> JSON:
    """`metadata` as labels, which are shorter and in lower case."""
    given: dict[str, str] = body.get("metadata", {})
    labels = {_label(name): _label(value) for name, value in list(given.items())[:MAX_LABELS] if _label(name)}
    if labels != given:
        ignored.append("metadata")
    return {"labels": labels} if labels else {}


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "_", text.lower())[:63]


def _tier(body: JSON, ignored: list[str]) -> dict[str, str]:
    tier = body.get("service_tier", "auto")
    if tier not in TIERS:
        ignored.append("service_tier")
    value = TIERS.get(tier)
    return {TIER: value} if value else {}


def _check_cached(sent: JSON) -> None:
    """What is in a cache cannot be said again beside it."""
    beside = {"systemInstruction", "tools", "toolConfig"} & sent.keys()
    if "cachedContent" in sent and beside:
        raise errors.BadRequest(
            "With 'cached_content', system messages and tools belong into the cache.",
            param="cached_content",
            code="invalid_value",
        )


def _unsaid(messages: list[JSON]) -> list[str]:
    """What messages hold that Gemini has no place for."""
    held = [
        name
        for message in messages
        if message["role"] != "function"
        for name in _UNPLACED.intersection(message)
        if message[name]
    ]
    return [f"messages.{name}" for name in sorted(set(held))]


CHAT: Final = ChatAdapter(request, response.response, response.stream, supports_n=True, whole=response.whole)
