"""Llama, DeepSeek, Qwen, gpt-oss, Grok and every other model behind `endpoints/openapi`.

https://cloud.google.com/vertex-ai/generative-ai/docs/maas/use-open-models. Each runs on a server of its own
kind, so what is not known here goes on as it is.
"""

from __future__ import annotations

from typing import Final

from vertex_compat.publishers import openai_wire
from vertex_compat.publishers.parameters import Parameters
from vertex_compat.wire import JSON, Model, Publisher, UpstreamCall

PARAMETERS: Final = Parameters(
    sent={
        name: name
        for name in (
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "n",
            "presence_penalty",
            "reasoning_effort",
            "response_format",
            "seed",
            "temperature",
            "top_k",
            "top_logprobs",
            "top_p",
        )
    },
    shaped=frozenset({"max_completion_tokens", "max_tokens", "messages", "stop"}),
    ignored=openai_wire.NEVER_SENT | {"parallel_tool_calls", "prediction"},
    refused=openai_wire.TOOLS | {"audio", "modalities", "web_search_options"},
    takes_unknown=True,
)


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → the same, for a server that knows fewer of its words."""
    sent, ignored = PARAMETERS.sort(body)
    messages = openai_wire.system_for_developer(body["messages"])
    sent |= {"model": model.name, "messages": messages, **openai_wire.shaped(body)}
    return UpstreamCall(f"{model.resource}/chat/completions", sent, "v1beta1", ignored=tuple(ignored))


PUBLISHER: Final = Publisher("openapi", chat=openai_wire.chat(request))
