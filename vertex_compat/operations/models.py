"""`GET /models` and `GET /models/{id}`."""

from __future__ import annotations

from vertex_compat import catalogue, names
from vertex_compat.operations import Ask, Reply
from vertex_compat.wire import JSON


def list_models(_: Ask) -> Reply:
    """The names that are known; the rules take many more."""
    return Reply({"object": "list", "data": [_model(name) for name in catalogue.CHAT]})


def retrieve(ask: Ask) -> Reply:
    """Any name that the rules take: whether Vertex has the model shows when it is called."""
    return Reply(_model(ask.arguments["model"]))


def _model(name: str) -> JSON:
    """OpenAI's model object. When a model was made, nobody here knows: 0."""
    model = names.route(name)
    owner = (
        name.removeprefix("vertex_ai/").partition("/")[0] if model.publisher == "openapi" else model.publisher
    )
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
