"""`GET /v1beta/models` and `/v1beta/models/{model}`: models in the Gemini API's form.

https://ai.google.dev/api/models
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vertex_compat import errors
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.service import models

if TYPE_CHECKING:
    from vertex_compat.operations.answer_types import ModelInfo
    from vertex_compat.operations.generate_content import answer_types as wire

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000

METHODS: Final = {
    "chat": ("generateContent", "countTokens"),
    "embeddings": ("embedContent", "batchEmbedContents"),
    "images": ("generateContent", "predict"),
}
"""Operation of a model → methods of the Gemini API."""


def list_models(context: RequestContext) -> Response:
    """List the models, page by page; a page's token is the number of its first model."""
    gemini_models = [model for name in models.names(context) if (model := _model(models.info(name, context)))]
    query = context.query()
    size = _number(query.get("pageSize"), "pageSize", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    start = _number(query.get("pageToken"), "pageToken", 0, len(gemini_models))
    page: wire.ListModelsResponse = {"models": gemini_models[start : start + size]}
    if start + size < len(gemini_models):
        page["nextPageToken"] = str(start + size)
    return Response(page)


def retrieve(context: RequestContext) -> Response:
    """Describe the model of any valid name."""
    info = models.info(context.path_args["model"], context)
    if not (model := _model(info)):
        raise errors.NotFound(f"{info['id']!r} has no method of the Gemini API.", param="model")
    return Response(model)


def _number(text: str | None, param: str, default: int, maximum: int) -> int:
    if not text:
        return default
    if not text.isdecimal() or len(text) > 9:
        raise errors.BadRequest(
            f"Invalid value for '{param}': expected a whole number.", param=param, code="invalid_value"
        )
    return min(int(text), maximum) or default


def _model(info: ModelInfo) -> wire.Model | None:
    """Gemini's model object; None for a model that none of its methods serve."""
    served = [METHODS[name] for name in METHODS if name in info["operations"]]
    methods = list(dict.fromkeys(method for names in served for method in names))
    if not methods:
        return None
    model: wire.Model = {
        "name": f"models/{info['id']}",
        "version": info["id"].rpartition("@")[2],
        "displayName": info["id"],
        "supportedGenerationMethods": methods,
    }
    if limit := info.get("context_window"):
        model["inputTokenLimit"] = limit
    if limit := info.get("max_output_tokens"):
        model["outputTokenLimit"] = limit
    return model
