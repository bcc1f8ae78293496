"""Jamba: OpenAI's wire behind `rawPredict`, with few parameters.

https://docs.ai21.com/reference/jamba-1-6-api-ref
"""

from __future__ import annotations

from typing import Final

from vertex_compat import vertex
from vertex_compat.publishers import openai_wire
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
    shaped=frozenset({"max_completion_tokens", "max_tokens", "messages", "stop"}),
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
    refused=openai_wire.TOOLS | {"audio", "modalities", "web_search_options"},
)


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → Jamba's."""
    sent, ignored = PARAMETERS.sort(body)
    messages = openai_wire.texts(body["messages"])
    sent |= {"model": openai_wire.bare(model), "messages": messages, **openai_wire.shaped(body)}
    return UpstreamCall(vertex.raw_predict(model, stream="stream" in sent), sent, ignored=tuple(ignored))


PUBLISHER: Final = Publisher("ai21", chat=openai_wire.chat(request))
