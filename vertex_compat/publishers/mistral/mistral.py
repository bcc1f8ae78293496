"""Mistral's models: nearly OpenAI's chat API behind `rawPredict`, and strict about it.

https://docs.mistral.ai/deployment/cloud/vertex and https://docs.mistral.ai/api. The model is in the URL, with
its version, and in the body, without. Unknown fields, nulls and ids of calls that are not nine letters or
digits are refused.
"""

from __future__ import annotations

import hashlib
import re
import string
from typing import Any, Final

from vertex_compat import errors, vertex
from vertex_compat.publishers import chat_messages, tools
from vertex_compat.publishers.chat_messages import Media, Turn
from vertex_compat.publishers.mistral import citations, codestral
from vertex_compat.publishers.openai_compat import openai_request
from vertex_compat.publishers.openai_compat.openai_request import MessageFormat
from vertex_compat.publishers.openai_compat.request_types import Message, Tool
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.publishers.tools import Function
from vertex_compat.types import JSON, ChatAdapter, ClientRequest, Model, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={
        "frequency_penalty": "frequency_penalty",
        "logprobs": "logprobs",
        "metadata": "metadata",
        "min_tokens": "min_tokens",
        "prediction": "prediction",
        "presence_penalty": "presence_penalty",
        "prompt_mode": "prompt_mode",
        "safe_prompt": "safe_prompt",
        "seed": "random_seed",
        "temperature": "temperature",
        "top_logprobs": "top_logprobs",
        "top_p": "top_p",
    },
    handled=tools.PARAMETERS
    | {
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "n",
        "reasoning_effort",
        "response_format",
        "stop",
    },
    ignored=openai_request.NEVER_SENT - {"metadata"} | {"logit_bias", "top_k"},
    refused=frozenset({"audio", "modalities", "web_search_options"}),
)

OPTIONAL_FIELDS: Final = frozenset({"logprobs", "metadata", "min_tokens", "prediction", "top_logprobs"})
"""Fields that Mistral's SDK for Google Cloud has (mistralai 3.7) and servers of older models refuse."""

MAX_TEMPERATURE: Final = 1.5

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_CALL_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")
_ALPHABET: Final = string.digits + string.ascii_letters


def request(params: JSON, model: Model) -> UpstreamCall:
    """Translate OpenAI's chat parameters into Mistral's."""
    client = ClientRequest(params, model)
    body, ignored = PARAMETERS.apply(params, model.profile.rejected_parameters)
    turns = chat_messages.read(params["messages"])
    toolset = tools.read(params)
    form = _message_format(model)
    client.ignore(
        *ignored,
        *tools.unused_tool_params(params),
        *openai_request.non_functions(toolset),
        *openai_request.dropped_fields(params, turns, form),
    )
    if any(function.strict for function in toolset.functions):
        client.ignore("tools.function.strict")
    body = _within_limits(body, client)
    body |= _effort(client) | openai_request.response_format(params) | openai_request.common_fields(client)
    body |= {"model": openai_request.unversioned_name(model), "messages": messages(turns, form)}
    body |= openai_request.tool_fields(toolset, define=define, required="any")
    return UpstreamCall(
        vertex.raw_predict(model, stream="stream" in body),
        body,
        ignored=client.ignored,
        optional_features=tuple(sorted(OPTIONAL_FIELDS & body.keys())),
        tool_names=openai_request.tool_names(toolset, turns),
    )


def _within_limits(body: JSON, client: ClientRequest) -> JSON:
    """Return the body without values and fields that OpenAI allows and the model refuses."""
    changed = dict(body)
    if body.get("temperature", 0) > MAX_TEMPERATURE:
        changed["temperature"] = MAX_TEMPERATURE
        client.ignore("temperature")
    if body.get("random_seed", 0) < 0:
        del changed["random_seed"]
        client.ignore("seed")
    for name in OPTIONAL_FIELDS & client.model.refused_features & body.keys():
        del changed[name]
        client.ignore(name)
    return changed


def _effort(client: ClientRequest) -> JSON:
    """Return the effort nearest to the client's among those that the model takes."""
    if not (effort := client.body.get("reasoning_effort")):
        return {}
    efforts = client.model.profile.effort_levels
    if effort not in efforts:
        client.ignore("reasoning_effort")
    if not efforts:
        return {}
    rank = EFFORTS.index(effort)
    return {"reasoning_effort": min(reversed(efforts), key=lambda effort: abs(EFFORTS.index(effort) - rank))}


# Messages


def _message_format(model: Model) -> MessageFormat:
    return MessageFormat(
        write_media=_image_part,
        takes_media=lambda media: model.profile.takes_images and _is_image(media),
        call_id=call_id,
        write_reasoning=_write_thinking if model.profile.wants_reasoning_back else None,
    )


def messages(turns: list[Turn], form: MessageFormat) -> list[Message]:
    """Return the messages in the one order that all of Mistral's models take.

    The system's is the first. Between a tool's and the user's there is one of the assistant's. The last is
    the user's, a tool's, or a prefix that the model continues.
    """
    ordered: list[Message] = []
    for message in openai_request.messages(openai_request.merged_system(turns), form):
        previous = ordered[-1]["role"] if ordered else ""
        if message["role"] == "user" and previous == "tool":
            ordered.append({"role": "assistant", "content": openai_request.PLACEHOLDER})
        if message["role"] == "assistant" and not previous:
            ordered.append({"role": "user", "content": openai_request.PLACEHOLDER})
        ordered.append(message)
    if ordered[-1]["role"] == "system":
        ordered.append({"role": "user", "content": openai_request.PLACEHOLDER})
    if ordered[-1]["role"] == "assistant":
        ordered[-1]["prefix"] = True
    return ordered


def call_id(id_: str) -> str:
    """Return the id of a call: Mistral's as it is, another's as nine characters of a hash."""
    if _CALL_ID.fullmatch(id_):
        return id_
    digest = hashlib.sha256(id_.encode("utf-8", "surrogatepass")).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:9])


def _write_thinking(message: Message, reasoning: str) -> None:
    """Add earlier reasoning as the part in which the model wrote it."""
    content = message.get("content") or []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": reasoning}], "closed": True}
    message["content"] = [thinking, *parts]


def _is_image(media: Media) -> bool:
    return media.kind == "image" and not (media.uri or "").startswith("gs:")


def _image_part(media: Media) -> JSON:
    if not _is_image(media):
        raise errors.BadRequest(
            "Mistral takes images, as data URIs or https:// URLs.",
            param=media.param,
            code="unsupported_value",
        )
    return openai_request.image_part(media)


# Tools

_DROPPED_KEYWORDS: Final = frozenset({"$id", "$schema", "additionalProperties"})
_NAMED_SCHEMAS: Final = frozenset({"properties", "$defs", "definitions"})


def define(function: Function) -> Tool:
    """Return a tool without `strict` and the keywords that Mistral's servers refused."""
    tool = openai_request.define(function)
    tool["function"].pop("strict", None)
    schema = function.parameters or {"type": "object", "properties": {}}
    tool["function"]["parameters"] = _without_keywords(schema)
    return tool


def _without_keywords(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_keywords(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {key: _without_keywords(inner) for key, inner in value.items()}
        if name in _NAMED_SCHEMAS and isinstance(value, dict)
        else _without_keywords(value)
        for name, value in schema.items()
        if name not in _DROPPED_KEYWORDS or isinstance(value, dict)
    }


CHAT: Final = ChatAdapter(request, citations.response, citations.stream)

COMPLETIONS: Final = codestral.completions(CHAT)
