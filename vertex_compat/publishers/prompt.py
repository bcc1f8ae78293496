"""Text completions by chat models: the prompt is sent as a message of the user's."""

from __future__ import annotations

from typing import Final

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON, ChatAdapter, Model, UpstreamCall

DROPPED: Final = frozenset({"echo", "prompt"})
"""Parameters that the operation handles, so that a chat does not need them."""

IGNORED: Final = frozenset({"best_of", "logprobs"})


def completions_via_chat(chat: ChatAdapter) -> ChatAdapter:
    """Return the adapter for completions of a publisher that only chats."""

    def request(body: JSON, model: Model) -> UpstreamCall:
        if "suffix" in body:
            raise errors.BadRequest(
                "'suffix' is not supported for this model. Use a Codestral model to fill in code.",
                param="suffix",
                code="unsupported_parameter",
            )
        params = {name: value for name, value in body.items() if name not in DROPPED | IGNORED}
        call = chat.request(params | {"messages": [{"role": "user", "content": body["prompt"]}]}, model)
        return msgspec.structs.replace(call, ignored=(*call.ignored, *sorted(IGNORED & body.keys())))

    return msgspec.structs.replace(chat, request=request)
