"""Jamba: OpenAI's wire behind `rawPredict`, with few parameters.

https://docs.ai21.com/reference/jamba-1-6-api-ref
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from vertex_compat import vertex
from vertex_compat.publishers import chat_messages, tools
from vertex_compat.publishers.chat_messages import Text, Turn
from vertex_compat.publishers.openai_compat import openai_request
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Model, Publisher, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={
        "documents": "documents",
        "n": "n",
        "temperature": "temperature",
        "top_p": "top_p",
    },
    handled=tools.PARAMETERS - {"parallel_tool_calls"}
    | {"max_completion_tokens", "max_tokens", "messages", "response_format", "stop"},
    ignored=openai_request.NEVER_SENT
    | {
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "top_k",
        "top_logprobs",
    },
    refused=frozenset({"audio", "modalities", "web_search_options"}),
)

_SCHEMA: Final = "Answer with a JSON object that fits this JSON Schema, and nothing else: {}"


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → Jamba's."""
    sent, ignored = PARAMETERS.apply(body)
    turns = chat_messages.read(body["messages"])
    given = tools.read(body)
    ignored += tools.unused_tool_params(body)
    openai_request.only_functions(given)
    turns, form = _in_form(body.get("response_format") or {}, turns, ignored)
    messages = openai_request.messages(openai_request.hoisted(turns), file=openai_request.no_file)
    sent |= form
    sent |= {"model": openai_request.bare(model), "messages": messages, **openai_request.shaped(body)}
    sent |= openai_request.offered(replace(given, parallel=None))
    return UpstreamCall(
        vertex.raw_predict(model, stream="stream" in sent),
        sent,
        ignored=tuple(dict.fromkeys(ignored)),
        tool_names=openai_request.names(given, turns),
    )


def _in_form(shape: JSON, turns: list[Turn], ignored: list[str]) -> tuple[list[Turn], JSON]:
    """The answer's form. Jamba holds to JSON, and to a schema only as far as it is told to."""
    if not shape or shape["type"] == "text":
        return turns, {}
    if shape["type"] == "json_schema":
        ignored.append("response_format")
        schema = (shape.get("json_schema") or {}).get("schema") or {}
        told = Text(_SCHEMA.format(msgspec.json.encode(schema).decode()))
        turns = [*turns, Turn("system", [told])]
    return turns, {"response_format": {"type": "json_object"}}


PUBLISHER: Final = Publisher("ai21", chat=openai_request.chat(request))
