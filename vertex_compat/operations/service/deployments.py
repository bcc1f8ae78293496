"""Paths that name the model: Azure's deployments, and OpenAI's old engines.

Azure's SDKs call `/openai/deployments/MODEL/chat/completions?api-version=…`. The model in the path takes
precedence over one in the body, as at Azure.

https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import msgspec

from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.request import body


def with_model_in_path(
    operation: Callable[[RequestContext], Response],
) -> Callable[[RequestContext], Response]:
    """Return the operation for paths whose part `model` names the model."""

    @wraps(operation)  # rights go by the operation's module
    def run(context: RequestContext) -> Response:
        if context.content_type.startswith("multipart/"):  # `multipart.read` adds the field
            return operation(context)
        content = _with_model(context.body, context.path_args["model"])
        return operation(msgspec.structs.replace(context, read=lambda: content))

    return run


def _with_model(content: bytes, model: str) -> bytes:
    fields = body.decode_fields(content)
    return msgspec.json.encode({**fields, "model": model})
