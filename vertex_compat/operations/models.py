"""`GET /models` and `GET /models/{id}`."""

from __future__ import annotations

from vertex_compat import catalogue
from vertex_compat.operations import Ask, Reply
from vertex_compat.wire import JSON


def list_models(ask: Ask) -> Reply:
    """The names that the settings give, and those that are known; the rules take many more."""
    listed = dict.fromkeys([*ask.router.names(), *catalogue.CHAT])
    data = [_model(name, ask) for name in listed if ask.router.allows(name)]
    return Reply({"object": "list", "data": data})


def retrieve(ask: Ask) -> Reply:
    """Any name that the rules take: whether Vertex has the model shows when it is called."""
    return Reply(_model(ask.arguments["model"], ask))


def _model(name: str, ask: Ask) -> JSON:
    """OpenAI's model object. When a model was made, nobody here knows: 0."""
    model = ask.router.plan(name)[0]
    owner = (
        name.removeprefix("vertex_ai/").partition("/")[0] if model.publisher == "openapi" else model.publisher
    )
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
