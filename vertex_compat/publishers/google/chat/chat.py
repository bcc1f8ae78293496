"""Gemini's chat: `generateContent` and `streamGenerateContent`.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/projects.locations.publishers.models/generateContent
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from vertex_compat import errors
from vertex_compat.publishers import chat_messages, parameters
from vertex_compat.publishers import json_schema as any_schema
from vertex_compat.publishers import tools as any_tools
from vertex_compat.publishers.chat_messages import Turn
from vertex_compat.publishers.google import generate_content, image_config
from vertex_compat.publishers.google.chat import (
    contents,
    image_output,
    json_schema,
    options,
    reasoning,
    response,
    response_format,
    tools,
)
from vertex_compat.publishers.google.chat.tools import GeminiTools
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ChatAdapter, ClientRequest, JSONAnswer, Model, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

_Sampling: TypeAlias = Literal["temperature", "topK", "topP"]
_Penalty: TypeAlias = Literal["frequencyPenalty", "presencePenalty"]

SAMPLING: Final[Mapping[str, _Sampling]] = {"temperature": "temperature", "top_k": "topK", "top_p": "topP"}
PENALTIES: Final[Mapping[str, _Penalty]] = {
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
}

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=any_tools.PARAMETERS
    | options.PARAMETERS
    | SAMPLING.keys()
    | PENALTIES.keys()
    | {
        "audio",
        "image_generation",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "n",
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
MAX_LABEL_LENGTH: Final = 63

TIER_HEADER: Final = "X-Vertex-AI-LLM-Shared-Request-Type"
TIERS: Final[Mapping[str, Mapping[str, str]]] = {
    "auto": {},
    "default": {},
    "flex": {TIER_HEADER: "flex"},
    "priority": {TIER_HEADER: "priority"},
    "scale": {"X-Vertex-AI-LLM-Request-Type": "dedicated"},
}
"""`service_tier` → headers; `scale` is provisioned throughput alone.

https://cloud.google.com/vertex-ai/generative-ai/docs/flex-paygo and
https://cloud.google.com/vertex-ai/generative-ai/docs/provisioned-throughput/use-provisioned-throughput
"""

MAX_PENALTY: Final = 1.99
"""OpenAI allows 2, which Gemini refuses."""

MAX_UNARY_OUTPUT_TOKENS: Final = 32_768
"""The largest `maxOutputTokens` of `generateContent` on Gemini 4; `streamGenerateContent` accepts more.

https://ai.google.dev/gemini-api/docs/generate-content/long-decode
"""

MAX_STREAMED_OUTPUT_TOKENS: Final = 65_536
"""Most tokens that one call generates. A model with a higher limit continues in further calls."""

_NOT_SENT: Final = frozenset({"audio", "name"})


def request(body: JSON, model: Model) -> UpstreamCall:
    """Return the call for OpenAI's body; raises `BadRequest`."""
    try:
        return _request(ClientRequest(body, model))
    except RecursionError:
        raise errors.BadRequest("The request is nested too deeply.") from None


def _request(client_request: ClientRequest) -> UpstreamCall:
    body, model = client_request.body, client_request.model
    _, ignored = PARAMETERS.apply(body)
    client_request.ignore(*ignored)
    native = options.read(client_request)
    turns = chat_messages.read(body["messages"])
    output = _structured_output(client_request, tools.build(client_request, native))
    upstream_body = _upstream_body(client_request, turns, output)
    config = _sampling(client_request) | _penalties(client_request) | _limits(client_request)
    config |= response_format.logprobs(body) | output.config | response_format.modalities(body)
    images = image_output.read(client_request)
    config |= images.config
    speaks = "AUDIO" in config.get("responseModalities", ())
    client_request.ignore(*(["audio"] if "audio" in body and not speaks else []))
    thinking = reasoning.thinking_config(client_request, native)
    if images.drafts:
        thinking["includeThoughts"] = True
    if thinking:
        config["thinkingConfig"] = thinking
    if resolution := contents.resolution(turns, model.profile):
        config["mediaResolution"] = resolution
    options.merge_into(native, upstream_body, config)
    if config:
        upstream_body["generationConfig"] = config
    _check_cached(upstream_body)
    client_request.ignore(*_not_sent(body["messages"]), *chat_messages.unread_reasoning(body["messages"]))
    headers = _tier(client_request)
    return UpstreamCall(
        f"{model.resource}:{_method(body, config, model)}",
        upstream_body,
        "v1beta1",
        headers=headers,
        ignored=client_request.ignored,
        tool_names=output.tools.names,
        json_answer=output.answer,
        audio_format=response_format.audio_format(body) if speaks else None,
        partial_images=images.drafts,
        optional_features=(image_config.DRAFTS,) if images.drafts else (),
    )


def _upstream_body(
    client_request: ClientRequest, turns: Iterable[Turn], output: _StructuredOutput
) -> wire.GenerateContentRequest:
    """Return the request without its `generationConfig`."""
    body = contents.write(turns, client_request.model.profile, output.instructions)
    if entries := output.tools.entries():
        body["tools"] = entries
    if output.tools.config:
        body["toolConfig"] = output.tools.config
    if labels := _labels(client_request):
        body["labels"] = labels
    return body


def _method(body: JSON, config: wire.GenerationConfig, model: Model) -> str:
    """Return the method; a long answer is streamed to us even if the client's is not."""
    limit = model.profile.max_output_tokens or 0
    is_long = (
        limit > MAX_STREAMED_OUTPUT_TOKENS and config.get("maxOutputTokens", 0) > MAX_UNARY_OUTPUT_TOKENS
    )
    return "streamGenerateContent?alt=sse" if body.get("stream") or is_long else "generateContent"


class _StructuredOutput(NamedTuple):
    """The ways to request the form of the answer, with and without tools."""

    tools: GeminiTools
    config: wire.GenerationConfig
    instructions: tuple[str, ...] = ()
    answer: JSONAnswer | None = None


def _structured_output(client_request: ClientRequest, tool_config: GeminiTools) -> _StructuredOutput:
    """Return the response format.

    Before Gemini 3, JSON and tools in one request are a 400 of Vertex's. There a schema becomes the
    parameters of one more function; where that cannot be, it is an instruction.
    """
    config = response_format.fields(client_request)
    profile = client_request.model.profile
    is_json = config.get("responseMimeType") == response_format.JSON_TYPE
    has_tools = bool(tool_config.declarations or tool_config.built_in)
    if not is_json or not has_tools or profile.supports_structured_outputs_with_tools:
        return _StructuredOutput(tool_config, config)
    mode = tool_config.config.get("functionCallingConfig", {}).get("mode")
    if mode == "NONE" and not tool_config.built_in:
        return _StructuredOutput(GeminiTools([], {}, {}, tool_config.names), config)
    schema = response_format.schema(client_request.body["response_format"])
    if mode == "ANY":  # the client gets a call in any case
        client_request.ignore("response_format")
        return _StructuredOutput(tool_config, {})
    if schema is None or tool_config.built_in or not profile.takes_json_schema:
        client_request.ignore("response_format")
        instruction = response_format.instruction(client_request)
        return _StructuredOutput(tool_config, {}, (instruction,), JSONAnswer(source="text"))
    wrapped = not any_schema.is_object(schema)
    root = json_schema.adapt(any_schema.wrap(schema) if wrapped else schema, "response_format")
    with_answer, name = tools.with_answer_tool(tool_config, root)
    return _StructuredOutput(with_answer, {}, (), JSONAnswer(name, root, wrapped))


def _sampling(client_request: ClientRequest) -> wire.GenerationConfig:
    """Return `n` and the sampling parameters that have an effect."""
    body, profile = client_request.body, client_request.model.profile
    present = {name: body[name] for name in SAMPLING if name in body}
    if profile.sampling == "none":
        client_request.ignore(*present)
        present = {}
    config: wire.GenerationConfig = {}
    for name, value in present.items():
        config[SAMPLING[name]] = value
    if "n" in body and profile.takes_several_candidates:
        config["candidateCount"] = body["n"]
    elif body.get("n", 1) > 1:
        client_request.ignore("n")
    return config


def _penalties(client_request: ClientRequest) -> wire.GenerationConfig:
    """Return the penalties that the model accepts: none from Gemini 3 on, before that below 2."""
    body = client_request.body
    present = {name: body[name] for name in PENALTIES if name in body}
    accepted = present if client_request.model.profile.takes_penalties else {}
    accepted = {name: min(value, MAX_PENALTY) for name, value in accepted.items()}
    client_request.ignore(*(name for name, value in present.items() if accepted.get(name, 0) != value))
    config: wire.GenerationConfig = {}
    for name, value in accepted.items():
        config[PENALTIES[name]] = value
    return config


def _limits(client_request: ClientRequest) -> wire.GenerationConfig:
    body = client_request.body
    limits: wire.GenerationConfig = {}
    if (tokens := parameters.clamped_max_tokens(client_request)) is not None:
        limits["maxOutputTokens"] = tokens
    if stops := parameters.stop(body):
        limits["stopSequences"] = stops[:MAX_STOPS]
        client_request.ignore(*(["stop"] if len(stops) > MAX_STOPS else []))
    if (seed := body.get("seed")) is not None:
        limits["seed"] = generate_content.seed(seed)
    return limits


def _labels(client_request: ClientRequest) -> dict[str, str]:
    """Return `metadata` as labels, which are shorter and in lower case."""
    metadata: dict[str, str] = client_request.body.get("metadata", {})
    labels = {
        _label(name): _label(value) for name, value in list(metadata.items())[:MAX_LABELS] if _label(name)
    }
    if labels != metadata:
        client_request.ignore("metadata")
    return labels


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "_", text.lower()[:MAX_LABEL_LENGTH])


def _tier(client_request: ClientRequest) -> Mapping[str, str]:
    tier = client_request.body.get("service_tier", "auto")
    if tier not in TIERS:
        client_request.ignore("service_tier")
    return TIERS.get(tier, {})


def _check_cached(upstream_body: wire.GenerateContentRequest) -> None:
    """Raise `BadRequest` for fields that belong into the cache."""
    if (
        "cachedContent" in upstream_body
        and {"systemInstruction", "tools", "toolConfig"} & upstream_body.keys()
    ):
        raise errors.BadRequest(
            "With 'cached_content', system messages and tools must be in the cache.",
            param="cached_content",
            code="invalid_value",
        )


def _not_sent(client_messages: Iterable[JSON]) -> list[str]:
    """Return the fields of messages that Gemini has no field for."""
    names = {
        name
        for message in client_messages
        if message["role"] not in {"function", "tool"}  # there it says whose result it is
        for name in _NOT_SENT.intersection(message)
        if message[name]
    }
    return [f"messages.{name}" for name in sorted(names)]


CHAT: Final = ChatAdapter(
    request,
    response.response,
    response.stream,
    supports_n=True,
    needs_media_types=True,
    whole=response.whole,
    searches_web=True,
    runs_code=True,
)
