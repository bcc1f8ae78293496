"""`POST /responses/input_tokens`: count the input tokens of a request of the Responses API."""

from __future__ import annotations

from vertex_compat.operations import token_counts
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.responses import memory
from vertex_compat.operations.responses import request as responses_request


def count(context: RequestContext) -> Response:
    """Count the input tokens of a request."""
    turn = memory.begin(responses_request.parse(context.body), context)
    request = responses_request.translate(turn.request_params(), turn.earlier)
    with request.names.in_errors():
        return token_counts.count_chat(
            context,
            request.chat,
            lambda tokens: {"object": "response.input_tokens", "input_tokens": tokens},
        )
