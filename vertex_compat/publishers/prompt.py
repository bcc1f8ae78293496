"""A prompt to go on with, for models that chat: a message of the user's."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON, ChatAdapter, Model, UpstreamCall

OF_PROMPTS: Final = frozenset({"echo", "prompt"})
"""What a chat has no need of."""

IGNORED: Final = frozenset({"best_of", "logprobs"})


def completions(chat: ChatAdapter) -> ChatAdapter:
    """The completions of a publisher that chats."""

    def request(body: JSON, model: Model) -> UpstreamCall:
        if "suffix" in body:
            raise errors.BadRequest(
                "'suffix' is not supported for this model; Codestral fills in before one.",
                param="suffix",
                code="unsupported_parameter",
            )
        sent = {name: value for name, value in body.items() if name not in OF_PROMPTS | IGNORED}
        call = chat.request(sent | {"messages": [{"role": "user", "content": body["prompt"]}]}, model)
        return msgspec.structs.replace(call, ignored=(*call.ignored, *sorted(IGNORED & body.keys())))

    return replace(chat, request=request)
