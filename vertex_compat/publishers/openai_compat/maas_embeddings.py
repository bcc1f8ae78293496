"""Open embedding models that Google serves, behind `endpoints/openapi/embeddings`.

Request and response are OpenAI's. The number of dimensions is the model's own.
"""

from __future__ import annotations

from typing import Final

from vertex_compat import errors
from vertex_compat.json_values import count, items, mapping, numbers
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Embedding, Model, UnaryAdapter, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=frozenset({"dimensions", "encoding_format", "input"}),
    ignored=frozenset({"auto_truncate", "input_type", "instance_key", "task_type", "title", "user"}),
)

MAX_TEXTS: Final = 32
"""Texts of one call."""


def request(params: JSON, model: Model) -> list[UpstreamCall]:
    """Return the calls that embed all of `input`, in its order; raises `BadRequest`."""
    _, ignored = PARAMETERS.apply(params)
    own = model.profile.embedding_dimensions
    if (requested := params.get("dimensions", own)) != own:
        raise errors.BadRequest(
            f"This model's embeddings have {own or 'a fixed number of'} dimensions, not {requested}.",
            param="dimensions",
            code="unsupported_value",
        )
    texts = params["input"]
    return [
        UpstreamCall(
            f"{model.resource}/embeddings",
            {"model": model.name, "input": texts[start : start + MAX_TEXTS]},
            "v1beta1",
            ignored=tuple(ignored),
        )
        for start in range(0, len(texts), MAX_TEXTS)
    ]


def response(body: JSON, _: UpstreamCall) -> list[Embedding]:
    """Return the embeddings of one call in the order of its texts; raises `UpstreamFault`."""
    entries = sorted(items(body.get("data")), key=lambda entry: count(entry.get("index")))
    if not entries:
        raise errors.UpstreamFault("Vertex AI answered without an embedding.")
    tokens = count(mapping(body.get("usage")).get("prompt_tokens"))
    return [Embedding(_values(entry), 0 if index else tokens) for index, entry in enumerate(entries)]


def _values(entry: JSON) -> list[float]:
    if (values := numbers(entry.get("embedding"))) is None:
        raise errors.UpstreamFault("Vertex AI's answer is not an embedding.")
    return values


EMBEDDINGS: Final = UnaryAdapter(request, response)
