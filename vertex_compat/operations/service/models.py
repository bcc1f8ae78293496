"""`GET /models` and `GET /models/{id}`."""

from __future__ import annotations

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
"""A publisher's slot → the operation as clients name it. What chats goes on with a prompt too."""


def list_models(context: RequestContext) -> Response:
    """The names that the settings give, those that are known, and Vertex's; the rules take many more."""
    vertex = context.list_vertex_models() if context.list_vertex_models else ()
    listed = dict.fromkeys([*context.router.names(), *catalog.MODELS, *vertex])
    data = [_model(name, context) for name in listed if context.router.allows(name)]
    return Response({"object": "list", "data": data})


def retrieve(context: RequestContext) -> Response:
    """Any name that the rules take: whether Vertex has the model shows when it is called."""
    return Response(_model(context.path_args["model"], context))


def _model(name: str, context: RequestContext) -> JSON:
    """OpenAI's model object, and what else is known. When a model was made, nobody here knows: 0."""
    meant = context.router.all_targets(name)
    first = meant[0]
    owner = first.publisher if first.publisher != "openapi" else first.name.partition("/")[0]
    shown: JSON = {"id": name, "object": "model", "created": 0, "owned_by": owner}
    shown |= {
        "publisher": first.publisher,
        "operations": [one for one in _operations(first) if all(one in _operations(two) for two in meant)],
        "locations": list(dict.fromkeys(location for model in meant for location in model.locations)),
    }
    if retirement := catalog.RETIREMENTS.get(first.name.partition("@")[0]):
        shown |= {"retires": retirement.day, "replaced_by": retirement.successor}
    if successor := model_names.replacement(name):
        shown["replaced_by"] = successor
    return shown


def _operations(model: Model) -> list[str]:
    """What can be asked of a model: what its publisher does, as far as its name does not say less."""
    publisher = PUBLISHERS[model.publisher]
    filled = publisher.model_capabilities(model.name) if publisher.model_capabilities else OPERATIONS
    does = [slot for slot in OPERATIONS if slot in filled and getattr(publisher, slot)]
    return list(dict.fromkeys(operation for slot in does for operation in OPERATIONS[slot]))
