"""Mistral and Codestral: nearly OpenAI's wire behind `rawPredict`, and strict about it.

https://docs.mistral.ai/deployment/cloud/vertex and https://docs.mistral.ai/api. The model stands in the URL,
with its version, and in the body, without. Unknown keys, nulls and ids of calls that are not nine letters or
digits are refused.
"""

from __future__ import annotations

import hashlib
import re
import string
from typing import Any, Final

from vertex_compat import errors, vertex
from vertex_compat.publishers import chat_messages, tools
from vertex_compat.publishers.chat_messages import Media
from vertex_compat.publishers.mistral import citations, codestral
from vertex_compat.publishers.openai_compat import openai_request
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.publishers.tools import Function
from vertex_compat.types import JSON, ChatAdapter, Model, Publisher, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={
        "frequency_penalty": "frequency_penalty",
        "prediction": "prediction",
        "presence_penalty": "presence_penalty",
        "prompt_mode": "prompt_mode",
        "response_format": "response_format",
        "safe_prompt": "safe_prompt",
        "seed": "random_seed",
        "temperature": "temperature",
        "top_p": "top_p",
    },
    handled=tools.PARAMETERS
    | {"max_completion_tokens", "max_tokens", "messages", "n", "reasoning_effort", "stop"},
    ignored=openai_request.NEVER_SENT | {"logit_bias", "logprobs", "top_k", "top_logprobs"},
    refused=frozenset({"audio", "modalities", "web_search_options"}),
)

MAX_TEMPERATURE: Final = 1.5

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

ADJUSTABLE: Final = (
    ("mistral-small-2603", ("none", "high")),
    ("mistral-medium-3-5", ("none", "high")),
    ("mistral-large-4", ("none", "low", "medium", "high")),
)
"""How a name begins → the efforts that the model knows. Others do not reason, or, as Magistral, always do.

https://docs.mistral.ai/inference/conversations/reasoning
"""

_CALL_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")
_ALPHABET: Final = string.digits + string.ascii_letters


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → Mistral's."""
    sent, ignored = PARAMETERS.apply(body)
    turns = chat_messages.read(body["messages"])
    given = tools.read(body)
    ignored += tools.unused_tool_params(body)
    openai_request.only_functions(given)
    _limit(sent, ignored)
    sent |= _reasoning(body, model.name, ignored)
    ignored += ["tools.function.strict"] if any(one.strict for one in given.functions) else []
    sent |= {"model": openai_request.bare(model), "messages": messages(turns), **openai_request.shaped(body)}
    sent |= openai_request.offered(given, define=define, demand="any")
    return UpstreamCall(
        vertex.raw_predict(model, stream="stream" in sent),
        sent,
        ignored=tuple(ignored),
        tool_names=openai_request.names(given, turns),
    )


def _limit(sent: JSON, ignored: list[str]) -> None:
    """Take what OpenAI allows and Mistral does not to the nearest that it does."""
    if sent.get("temperature", 0) > MAX_TEMPERATURE:
        sent["temperature"] = MAX_TEMPERATURE
        ignored.append("temperature")
    if sent.get("random_seed", 0) < 0:
        del sent["random_seed"]
        ignored.append("seed")


def _reasoning(body: JSON, name: str, ignored: list[str]) -> JSON:
    """How much to think: the nearest that the model knows."""
    effort = body.get("reasoning_effort")
    if effort is None:
        return {}
    known = next((efforts for begin, efforts in ADJUSTABLE if name.startswith(begin)), ())
    if effort not in known:
        ignored.append("reasoning_effort")
    if not known:
        return {}
    wanted = EFFORTS.index(effort)
    return {"reasoning_effort": min(reversed(known), key=lambda one: abs(EFFORTS.index(one) - wanted))}


def messages(turns: list[chat_messages.Turn]) -> list[JSON]:
    """The conversation in the one order that all Mistrals take; the last word is the user's, or a prefix."""
    ordered: list[JSON] = []
    written = openai_request.messages(openai_request.hoisted(turns), file=_image, identify=call_id)
    for message in written:
        before = ordered[-1]["role"] if ordered else ""
        if message["role"] == "user" and before == "tool":
            ordered.append({"role": "assistant", "content": openai_request.SILENCE})
        if message["role"] == "assistant" and not before:
            ordered.append({"role": "user", "content": openai_request.SILENCE})
        ordered.append(message)
    if ordered[-1]["role"] == "system":
        ordered.append({"role": "user", "content": openai_request.SILENCE})
    if ordered[-1]["role"] == "assistant":
        ordered[-1]["prefix"] = True  # the model goes on where the message ends
    return ordered


def call_id(identity: str) -> str:
    """The id of a call as Mistral takes it: its own as they are, another publisher's made over."""
    if _CALL_ID.fullmatch(identity):
        return identity
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:9])


def _image(media: Media) -> JSON:
    if media.kind != "image" or (media.uri or "https:").startswith("gs:"):
        raise errors.BadRequest(
            "Mistral takes images, as data URIs or https:// links.",
            param=media.param,
            code="unsupported_value",
        )
    return openai_request.image(media)


_UNREAD: Final = frozenset({"$id", "$schema", "additionalProperties"})
_NAMED: Final = frozenset({"properties", "$defs", "definitions"})


def define(function: Function) -> JSON:
    """A tool without the keys of JSON Schema that Mistral's servers stumble over."""
    tool = openai_request.define(function)
    tool["function"].pop("strict", None)
    tool["function"]["parameters"] = _plain(function.parameters or {"type": "object", "properties": {}})
    return tool


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {key: _plain(one) for key, one in held.items()}
        if name in _NAMED and isinstance(held, dict)
        else _plain(held)
        for name, held in schema.items()
        if name not in _UNREAD or isinstance(held, dict)
    }


CHAT: Final = ChatAdapter(request, citations.response, citations.stream)

PUBLISHER: Final = Publisher("mistralai", chat=CHAT, completions=codestral.completions(CHAT))
