"""Codestral's fill-in-the-middle: code between a prompt and a suffix.

https://docs.mistral.ai/capabilities/code_generation. The path is chat's, and so is the form of the answers.
"""

from __future__ import annotations

from typing import Final

import msgspec

from vertex_compat import vertex
from vertex_compat.publishers import prompt
from vertex_compat.publishers.openai_compat import openai_request
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ChatAdapter, ClientRequest, Model, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={
        "metadata": "metadata",
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
    """Return the adapter of completions with a suffix; others go through `chat`."""
    through_chat = prompt.completions_via_chat(chat)

    def request(params: JSON, model: Model) -> UpstreamCall:
        if model.profile.fills_in_the_middle:
            return fill_in(params, model)
        return through_chat.request(params, model)

    return msgspec.structs.replace(through_chat, request=request)


def fill_in(params: JSON, model: Model) -> UpstreamCall:
    """Translate OpenAI's completion parameters, with one prompt, into Mistral's."""
    client = ClientRequest(params, model)
    body, ignored = PARAMETERS.apply(params, model.profile.rejected_parameters)
    client.ignore(*ignored)
    body |= {"model": openai_request.unversioned_name(model), **openai_request.common_fields(client)}
    return UpstreamCall(vertex.raw_predict(model, stream="stream" in body), body, ignored=client.ignored)
