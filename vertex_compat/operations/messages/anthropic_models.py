"""`GET /v1/models` in Anthropic's form, for clients that send `anthropic-version`.

https://platform.claude.com/docs/en/api/models/list
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, Literal

from vertex_compat import errors
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.request import paging
from vertex_compat.operations.service import models

if TYPE_CHECKING:
    from vertex_compat.operations.answer_types import ModelInfo
    from vertex_compat.operations.messages import answer_types as wire

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 1000

UNKNOWN_DATE: Final = "1970-01-01T00:00:00Z"
"""Anthropic's own value for a release date that is not known."""


def list_models(context: RequestContext) -> Response:
    """List the models that chat, page by page."""
    infos = [models.info(name, context) for name in models.names(context)]
    chat_models = [_model(info) for info in infos if "chat" in info["operations"]]
    query = context.query()
    size = paging.limit(query, DEFAULT_LIMIT, MAX_LIMIT)
    if before := query.get("before_id"):
        earlier = chat_models[: _index(chat_models, before, "before_id")]
        page = paging.anthropic_page(earlier[-size:], size)
        page["has_more"] = len(earlier) > size
        return Response(page)
    if after := query.get("after_id"):
        chat_models = chat_models[_index(chat_models, after, "after_id") + 1 :]
    return Response(paging.anthropic_page(chat_models, size))


def retrieve(context: RequestContext) -> Response:
    """Describe the model of any valid name."""
    return Response(_model(models.info(context.path_args["model"], context)))


def _index(chat_models: list[wire.ModelInfo], id_: str, param: str) -> int:
    for index, model in enumerate(chat_models):
        if model["id"] == id_:
            return index
    raise errors.NotFound(f"No such id in the list: {id_[:200]!r}.", param=param)


def _model(info: ModelInfo) -> wire.ModelInfo:
    retires = info.get("retires")
    return {
        "type": "model",
        "id": info["id"],
        "display_name": info["id"],
        "created_at": UNKNOWN_DATE,
        "lifecycle": _lifecycle(retires),
        "retires_at": f"{retires}T00:00:00Z" if retires else None,
        "max_input_tokens": info.get("context_window"),
        "max_tokens": info.get("max_output_tokens"),
    }


def _lifecycle(retires: str | None) -> Literal["active", "deprecated", "retired"]:
    if retires is None:
        return "active"
    today = datetime.now(UTC).date()
    return "retired" if date.fromisoformat(retires) <= today else "deprecated"
