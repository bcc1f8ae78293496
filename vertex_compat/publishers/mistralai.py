"""Mistral and Codestral: nearly OpenAI's wire behind `rawPredict`, and strict about it.

https://docs.mistral.ai/deployment/cloud/vertex and https://docs.mistral.ai/api. The model stands in the URL,
with its version, and in the body, without. Unknown keys and nulls are refused.
"""

from __future__ import annotations

from typing import Final

from vertex_compat import vertex
from vertex_compat.publishers import openai_wire
from vertex_compat.publishers.parameters import Parameters
from vertex_compat.wire import JSON, Model, Publisher, UpstreamCall

PARAMETERS: Final = Parameters(
    sent={
        "frequency_penalty": "frequency_penalty",
        "prediction": "prediction",
        "presence_penalty": "presence_penalty",
        "response_format": "response_format",
        "safe_prompt": "safe_prompt",
        "seed": "random_seed",
        "temperature": "temperature",
        "top_p": "top_p",
    },
    shaped=frozenset({"max_completion_tokens", "max_tokens", "messages", "n", "stop"}),
    ignored=openai_wire.NEVER_SENT
    | {"logit_bias", "logprobs", "parallel_tool_calls", "reasoning_effort", "top_k", "top_logprobs"},
    refused=openai_wire.TOOLS | {"audio", "modalities", "web_search_options"},
)


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → Mistral's."""
    sent, ignored = PARAMETERS.sort(body)
    messages = openai_wire.texts(body["messages"])
    if messages and messages[-1]["role"] == "assistant":
        messages[-1]["prefix"] = True  # the model goes on where the message ends
    sent |= {"model": openai_wire.bare(model), "messages": messages, **openai_wire.shaped(body)}
    return UpstreamCall(vertex.raw_predict(model, stream="stream" in sent), sent, ignored=tuple(ignored))


PUBLISHER: Final = Publisher("mistralai", chat=openai_wire.chat(request, many=False))
