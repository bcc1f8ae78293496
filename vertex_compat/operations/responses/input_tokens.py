"""`POST /responses/input_tokens`: count the input tokens of a request of the Responses API."""

from __future__ import annotations

from vertex_compat.operations import token_counts
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.responses import input_items


def count(context: RequestContext) -> Response:
    """Count the input tokens of a request."""
    _, chat, _ = input_items.read(context.body)
    return token_counts.count_chat(
        context, chat, lambda tokens: {"object": "response.input_tokens", "input_tokens": tokens}
    )
