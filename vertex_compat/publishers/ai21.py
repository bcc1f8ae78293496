"""Jamba: OpenAI's wire behind `rawPredict`, with few parameters.

https://docs.ai21.com/reference/jamba-1-6-api-ref
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vertex_compat import vertex
from vertex_compat.publishers import conversation, openai_wire, tools
from vertex_compat.publishers.parameters import Parameters
from vertex_compat.wire import JSON, Model, Publisher, UpstreamCall

PARAMETERS: Final = Parameters(
    sent={
        "documents": "documents",
        "n": "n",
        "response_format": "response_format",
        "temperature": "temperature",
        "top_p": "top_p",
    },
    shaped=tools.PARAMETERS - {"parallel_tool_calls"}
    | {"max_completion_tokens", "max_tokens", "messages", "stop"},
    ignored=openai_wire.NEVER_SENT
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


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → Jamba's."""
    sent, ignored = PARAMETERS.sort(body)
    turns = conversation.read(body["messages"])
    given = tools.read(body)
    ignored += tools.idle(body)
    openai_wire.only_functions(given)
    messages = openai_wire.messages(openai_wire.hoisted(turns), file=openai_wire.no_file)
    sent |= {"model": openai_wire.bare(model), "messages": messages, **openai_wire.shaped(body)}
    sent |= openai_wire.offered(replace(given, parallel=None))
    return UpstreamCall(
        vertex.raw_predict(model, stream="stream" in sent),
        sent,
        ignored=tuple(dict.fromkeys(ignored)),
        tool_names=openai_wire.names(given, turns),
    )


PUBLISHER: Final = Publisher("ai21", chat=openai_wire.chat(request))
