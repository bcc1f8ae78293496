"""`GET /models` and `GET /models/{id}`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

import msgspec

from vertex_compat.model_profile import ModelProfile
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.routing import catalog, pricing
from vertex_compat.types import JSON, Model

if TYPE_CHECKING:
    from vertex_compat.operations import answer_types as wire

OPERATIONS: Final = {
    "chat": ("chat", "responses", "completions"),
    "completions": ("completions",),
    "embeddings": ("embeddings",),
    "images": ("images",),
    "speech": ("speech",),
    "music": ("music",),
    "transcriptions": ("transcriptions",),
    "rerank": ("rerank",),
    "ocr": ("ocr",),
    "videos": ("videos",),
}
"""Field of `Publisher` → operations that clients can call. A model that chats also continues prompts."""


def list_models(context: RequestContext) -> Response:
    """List the models of the settings, the catalog and Vertex AI; other names may work too."""
    answer: wire.ModelList = {"object": "list", "data": [info(name, context) for name in names(context)]}
    return Response(answer)


def retrieve(context: RequestContext) -> Response:
    """Describe the model of any valid name. Only a call shows whether Vertex AI offers it."""
    return Response(info(context.path_args["model"], context))


def names(context: RequestContext) -> list[str]:
    """Return the names of the models that the caller may use, those of the settings first."""
    vertex = context.list_vertex_models() if context.list_vertex_models else ()
    all_names = dict.fromkeys([*context.router.names(), *context.router.catalog.names(), *vertex])
    return [name for name in all_names if context.router.allows(name)]


def info(name: str, context: RequestContext) -> wire.ModelInfo:
    """Return OpenAI's model object with more fields. `created` is 0: the date is not known."""
    targets = context.router.all_targets(name)
    first = targets[0]
    owner = first.publisher if first.publisher != "openapi" else first.name.partition("/")[0]
    profile = first.profile
    model: wire.ModelInfo = {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": owner,
        "publisher": first.publisher,
        "operations": _common_operations(targets),
        "locations": list(dict.fromkeys(location for model in targets for location in model.locations)),
    }
    if profile.context_window is not None:
        model["context_window"] = profile.context_window
    if profile.max_output_tokens is not None:
        model["max_output_tokens"] = profile.max_output_tokens
    if profile.retires:
        model["retires"] = profile.retires.isoformat()
    if replacement := profile.successor or context.router.catalog.replacement(name):
        model["replaced_by"] = replacement
    if price := _price(profile, catalog.today()):
        model["price"] = price
    return model


def _price(profile: ModelProfile, day: date) -> JSON:
    """Return the price that holds on a day, in US dollars and `model_profile.Price`'s units."""
    if profile.price is None:
        return {}
    fields: JSON = msgspec.to_builtins(pricing.on(profile.price, day)) | {"later": None}
    for variant in fields["variants"].values():
        del variant["regional"]
    return _without_empty(fields)


def _without_empty(fields: JSON) -> JSON:
    """Return the fields that have a value, in objects inside them too."""
    cleaned = {
        key: _without_empty(value) if isinstance(value, dict) else value for key, value in fields.items()
    }
    return {key: value for key, value in cleaned.items() if value not in (None, {})}


def _common_operations(targets: Sequence[Model]) -> list[str]:
    """The operations that all targets of a name have."""
    other_targets = [set(_operations(model)) for model in targets[1:]]
    return [
        operation
        for operation in _operations(targets[0])
        if all(operation in operations for operations in other_targets)
    ]


def _operations(model: Model) -> list[str]:
    """Return the operations that the publisher has and that the model serves."""
    publisher = PUBLISHERS[model.publisher]
    served = model.profile.operations or tuple(OPERATIONS)
    fields = [name for name in OPERATIONS if name in served and getattr(publisher, name)]
    return list(dict.fromkeys(operation for name in fields for operation in OPERATIONS[name]))
