"""Codestral fills in the middle: a prompt, what follows it, and the model writes what is between.

https://docs.mistral.ai/capabilities/code_generation. The same path as chat's, and answers of chat's shape.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vertex_compat import vertex
from vertex_compat.publishers import prompt
from vertex_compat.publishers.openai_compat import openai_request
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ChatAdapter, Model, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={
        "min_tokens": "min_tokens",
        "prompt": "prompt",
        "seed": "random_seed",
        "suffix": "suffix",
        "temperature": "temperature",
        "top_p": "top_p",
    },
    handled=frozenset({"echo", "max_tokens", "n", "stop"}),
    ignored=frozenset({"best_of", "frequency_penalty", "logit_bias", "logprobs", "presence_penalty", "user"}),
)


def completions(chat: ChatAdapter) -> ChatAdapter:
    """The completions of Mistral's models: Codestral's own, the others' through their `chat`."""
    others = prompt.completions(chat)

    def request(body: JSON, model: Model) -> UpstreamCall:
        return fill(body, model) if model.name.startswith("codestral") else others.request(body, model)

    return replace(others, request=request)


def fill(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body for one prompt → Mistral's."""
    sent, ignored = PARAMETERS.apply(body)
    sent |= {"model": openai_request.bare(model), **openai_request.shaped(body)}
    return UpstreamCall(vertex.raw_predict(model, stream="stream" in sent), sent, ignored=tuple(ignored))
