"""`POST /moderations`: what Vertex AI cannot say."""

from __future__ import annotations

from vertex_compat import errors
from vertex_compat.operations.context import RequestContext, Response


def create(_: RequestContext) -> Response:
    """No model on Vertex AI gives OpenAI's categories and scores, and made-up ones would be trusted."""
    raise errors.NotFound(
        "Vertex AI has no counterpart of OpenAI's moderation. Its models filter by themselves: an answer "
        "that was held back ends with finish_reason 'content_filter'.",
        code="unknown_url",
    )
