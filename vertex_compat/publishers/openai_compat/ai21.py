"""Jamba: OpenAI's chat API behind `rawPredict`, with few parameters.

https://docs.ai21.com/reference/jamba-1-6-api-ref
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from vertex_compat import vertex
from vertex_compat.json_values import member
from vertex_compat.publishers import chat_messages, code_fences, tools
from vertex_compat.publishers.chat_messages import Text, Turn
from vertex_compat.publishers.openai_compat import openai_request, openai_response
from vertex_compat.publishers.openai_compat.openai_request import MessageFormat
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import (
    JSON,
    ChatAdapter,
    ClientRequest,
    JSONAnswer,
    Model,
    StreamPart,
    StreamTranslator,
    UpstreamCall,
    parts_of,
)

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

FORMAT: Final = MessageFormat()

_SCHEMA: Final = "Answer with a JSON object that fits this JSON Schema, and nothing else: {}"


def request(params: JSON, model: Model) -> UpstreamCall:
    """Translate OpenAI's chat parameters into Jamba's."""
    client = ClientRequest(params, model)
    body, ignored = PARAMETERS.apply(params, model.profile.rejected_parameters)
    turns = chat_messages.read(params["messages"])
    toolset = tools.read(params)
    client.ignore(
        *ignored,
        *tools.unused_tool_params(params),
        *openai_request.non_functions(toolset),
        *openai_request.dropped_fields(params, turns, FORMAT),
    )
    form = openai_request.response_format(params)
    if schema := member(form.get("response_format"), "json_schema"):
        client.ignore("response_format")
        turns = [*turns, _schema_instruction(schema)]
    if form and form["response_format"]["type"] != "text":
        body["response_format"] = {"type": "json_object"}
    messages = openai_request.messages(openai_request.merged_system(turns), FORMAT)
    body |= {"model": openai_request.unversioned_name(model), "messages": messages}
    body |= openai_request.common_fields(client)
    body |= openai_request.tool_fields(msgspec.structs.replace(toolset, parallel=None))
    return UpstreamCall(
        vertex.raw_predict(model, stream="stream" in body),
        body,
        ignored=client.ignored,
        json_answer=JSONAnswer(source="text") if "response_format" in body else None,
        tool_names=openai_request.tool_names(toolset, turns),
    )


def _schema_instruction(schema: JSON) -> Turn:
    """Return the instruction to keep to a schema: Jamba's JSON mode keeps to JSON alone."""
    return Turn("system", [Text(_SCHEMA.format(msgspec.json.encode(member(schema, "schema")).decode()))])


def response(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """Return the parts of a whole answer."""
    return parts_of(stream(call)(body))


def stream(call: UpstreamCall) -> StreamTranslator:
    """Return the translator of one stream."""
    translate = openai_response.stream(call)
    return code_fences.without_fences(translate) if call.json_answer else translate


CHAT: Final = ChatAdapter(request, response, stream, supports_n=True)
