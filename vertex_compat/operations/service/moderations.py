"""`POST /moderations`: refused, since Vertex AI has no counterpart."""

from __future__ import annotations

from vertex_compat import errors
from vertex_compat.operations.context import RequestContext, Response


def create(_: RequestContext) -> Response:
    """Refuse the request: no model on Vertex AI returns OpenAI's categories and scores."""
    raise errors.NotFound(
        "Vertex AI has no counterpart of OpenAI's moderation. Its models filter their own output: a blocked "
        "answer ends with finish_reason 'content_filter'.",
        code="unknown_url",
    )
