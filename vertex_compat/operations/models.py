"""`GET /models` and `GET /models/{id}`."""

from __future__ import annotations

from vertex_compat import catalogue, names
from vertex_compat.operations import Ask, Reply
from vertex_compat.wire import JSON


def list_models(ask: Ask) -> Reply:
    """The names that the settings give, and those that are known; the rules take many more."""
    listed = dict.fromkeys([*ask.router.names(), *catalogue.MODELS])
    data = [_model(name, ask) for name in listed if ask.router.allows(name)]
    return Reply({"object": "list", "data": data})


def retrieve(ask: Ask) -> Reply:
    """Any name that the rules take: whether Vertex has the model shows when it is called."""
    return Reply(_model(ask.arguments["model"], ask))


def _model(name: str, ask: Ask) -> JSON:
    """OpenAI's model object, and what else is known. When a model was made, nobody here knows: 0."""
    model = ask.router.plan(name)[0]
    owner = model.publisher if model.publisher != "openapi" else model.name.partition("/")[0]
    shown: JSON = {"id": name, "object": "model", "created": 0, "owned_by": owner}
    shown |= {"publisher": model.publisher, "locations": list(model.locations)}
    if successor := names.replacement(name):
        shown["replaced_by"] = successor
    return shown
