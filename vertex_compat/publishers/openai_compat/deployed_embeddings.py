"""Embedding models that the user has deployed, by `predict` or by OpenAI's API.

https://cloud.google.com/vertex-ai/docs/predictions/get-online-predictions. The field of an instance is the
container's own: `inputs` for Hugging Face's, `prompt` for Model Garden's BGE. The request's `instance_key`
names another. Where the container's own paths are reached, it has OpenAI's `/v1/embeddings`, as vLLM has.
"""

from __future__ import annotations

from typing import Any, Final

from vertex_compat import errors
from vertex_compat.json_values import numbers
from vertex_compat.publishers.openai_compat import endpoints, maas_embeddings
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Embedding, Model, UnaryAdapter, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=frozenset({"encoding_format", "input", "instance_key"}),
    ignored=frozenset({"auto_truncate", "input_type", "task_type", "title", "user"}),
    refused=frozenset({"dimensions"}),
)

OPENAI: Final = ParameterTable(
    renamed={"dimensions": "dimensions"},
    handled=frozenset({"encoding_format", "input"}),
    ignored=frozenset({"auto_truncate", "input_type", "instance_key", "task_type", "title", "user"}),
)

DEFAULT_INSTANCE_KEY: Final = "inputs"

_WRAPPERS: Final = ("embeddings", "embedding", "values")
_MAX_DEPTH: Final = 5


def request(params: JSON, model: Model) -> list[UpstreamCall]:
    """Return one call for all texts: how many fit into one is the container's to say."""
    if model.invoke:
        fields, ignored = OPENAI.apply(params)
        body = {"model": model.served_name or "", "input": params["input"], **fields}
        path = endpoints.container_path(model, "v1/embeddings")
        return [UpstreamCall(path, body, ignored=tuple(ignored))]
    _, ignored = PARAMETERS.apply(params)
    key = params.get("instance_key", DEFAULT_INSTANCE_KEY)
    body = {"instances": [{key: text} for text in params["input"]]}
    return [UpstreamCall(f"{model.resource}:predict", body, ignored=tuple(ignored))]


def response(body: JSON, call: UpstreamCall) -> list[Embedding]:
    """Return the vectors, in whichever form the container wraps them; raises `UpstreamFault`."""
    if not call.path.endswith(":predict"):
        return maas_embeddings.response(body, call)
    predictions = body.get("predictions")
    return (
        [Embedding(_values(prediction)) for prediction in predictions]
        if isinstance(predictions, list)
        else []
    )


def _values(prediction: Any) -> list[float]:
    """Return a prediction's vector.

    Feature extraction has one for each token: the first stands for the text.
    """
    for _ in range(_MAX_DEPTH):
        if isinstance(prediction, dict):
            prediction = next((prediction[key] for key in _WRAPPERS if key in prediction), None)
        elif isinstance(prediction, list) and prediction and isinstance(prediction[0], list | dict):
            prediction = prediction[0]
    if (values := numbers(prediction)) is None:
        raise errors.UpstreamFault("The endpoint's answer is not an embedding.")
    return values


EMBEDDINGS: Final = UnaryAdapter(request, response)
