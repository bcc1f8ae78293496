"""Embedding models that the user has deployed: containers behind an endpoint's `predict`.

https://cloud.google.com/vertex-ai/docs/predictions/get-online-predictions. What an instance is called is the
container's own: `inputs` for Hugging Face's, `prompt` for Model Garden's BGE. `instance_key` in the request
says it where it is another.
"""

from __future__ import annotations

from typing import Any, Final

from vertex_compat import errors
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Embedding, Model, UnaryAdapter, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=frozenset({"encoding_format", "input", "instance_key"}),
    ignored=frozenset({"auto_truncate", "input_type", "task_type", "title", "user"}),
    refused=frozenset({"dimensions"}),
)

USUAL_KEY: Final = "inputs"


def request(body: JSON, model: Model) -> list[UpstreamCall]:
    """One call: how many texts fit, only the container knows."""
    _, ignored = PARAMETERS.apply(body)
    key = body.get("instance_key", USUAL_KEY)
    sent = {"instances": [{key: text} for text in body["input"]]}
    return [UpstreamCall(f"{model.resource}:predict", sent, ignored=tuple(ignored))]


def response(answer: JSON, _: UpstreamCall) -> list[Embedding]:
    """The vectors, whichever way the container wraps them."""
    return [Embedding(_values(prediction)) for prediction in answer.get("predictions") or []]


def _values(prediction: Any) -> list[float]:
    match prediction:
        case [int() | float(), *_]:
            return list(prediction)
        case [inner, *_]:  # Hugging Face's feature extraction: a vector a token, the first one for the text
            return _values(inner)
        case {"embeddings": inner} | {"embedding": inner} | {"values": inner}:
            return _values(inner)
    raise errors.UpstreamFault("The endpoint answered something that is not an embedding.")


EMBEDDINGS: Final = UnaryAdapter(request, response)
