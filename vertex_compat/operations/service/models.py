"""`GET /models` and `GET /models/{id}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.routing import catalog, model_names
from vertex_compat.types import JSON, Model

OPERATIONS: Final = {
    "chat": ("chat", "responses", "completions"),
    "completions": ("completions",),
    "embeddings": ("embeddings",),
    "images": ("images",),
    "speech": ("speech",),
    "transcriptions": ("transcriptions",),
}
"""Field of `Publisher` → operations that clients can call. A model that chats also continues prompts."""


def list_models(context: RequestContext) -> Response:
    """List the models of the settings, of the catalog and of Vertex AI. Other names may work as well."""
    vertex = context.list_vertex_models() if context.list_vertex_models else ()
    listed = dict.fromkeys([*context.router.names(), *catalog.MODELS, *vertex])
    data = [_model(name, context) for name in listed if context.router.allows(name)]
    return Response({"object": "list", "data": data})


def retrieve(context: RequestContext) -> Response:
    """Describe the model of any valid name. Only a call shows whether Vertex AI offers it."""
    return Response(_model(context.path_args["model"], context))


def _model(name: str, context: RequestContext) -> JSON:
    """OpenAI's model object with more fields. `created` is 0: the date is not known."""
    targets = context.router.all_targets(name)
    first = targets[0]
    owner = first.publisher if first.publisher != "openapi" else first.name.partition("/")[0]
    info: JSON = {"id": name, "object": "model", "created": 0, "owned_by": owner}
    info |= {
        "publisher": first.publisher,
        "operations": _common_operations(targets),
        "locations": list(dict.fromkeys(location for model in targets for location in model.locations)),
    }
    if retirement := catalog.RETIREMENTS.get(first.name.partition("@")[0]):
        info |= {"retires": retirement.day, "replaced_by": retirement.successor}
    if successor := model_names.replacement(name):
        info["replaced_by"] = successor
    return info


def _common_operations(targets: Sequence[Model]) -> list[str]:
    """The operations that all targets of a name have."""
    others = [set(_operations(model)) for model in targets[1:]]
    return [one for one in _operations(targets[0]) if all(one in other for other in others)]


def _operations(model: Model) -> list[str]:
    """The operations of a model: those of its publisher, less those that its name excludes."""
    publisher = PUBLISHERS[model.publisher]
    capable = publisher.model_capabilities(model.name) if publisher.model_capabilities else OPERATIONS
    fields = [name for name in OPERATIONS if name in capable and getattr(publisher, name)]
    return list(dict.fromkeys(operation for name in fields for operation in OPERATIONS[name]))
