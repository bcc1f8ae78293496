"""Google's embeddings: texts by `predict` or `embedContent`, and texts, images and videos in one space.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from vertex_compat import errors
from vertex_compat.publishers.google import multimodal_embeddings
from vertex_compat.publishers.google.multimodal_embeddings import File
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Embedding, Model, UnaryAdapter, UpstreamCall

SHAPED: Final = frozenset({"encoding_format", "input", "input_type", "task_type", "title"})

PARAMETERS: Final = ParameterTable(
    renamed={"auto_truncate": "autoTruncate", "dimensions": "outputDimensionality"},
    handled=SHAPED,
    ignored=frozenset({"instance_key", "user"}),
)

MAX_INSTANCES: Final = (
    ("gemini-embedding-", 1),
    ("text-embedding-large-exp-", 1),
    ("textembedding-gecko", 5),
    ("text-", 250),
    ("", 5),
)
"""How a model's name begins → texts that a call takes; an endpoint with a tuned model: as the oldest."""

MAX_TOKENS: Final = 20_000
"""Of one call. Nobody here counts tokens; but no tokenizer makes more tokens than there are bytes."""


def request(body: JSON, model: Model) -> Sequence[UpstreamCall]:
    """The calls that embed all of `input`, in its order."""
    if model.name.startswith("multimodalembedding"):
        return multimodal_embeddings.request(body, model)
    if _by_content(model):
        return [_embed_content(text, number, body, model) for number, text in enumerate(body["input"])]
    return [_predict(texts, body, model) for texts in _batches(body["input"], _most(model))]


def _by_content(model: Model) -> bool:
    """Gemini's embeddings since the second take contents, not instances."""
    return model.name.startswith("gemini-") and not model.name.startswith(
        ("gemini-embedding-001", "gemini-embedding-exp")
    )


def _most(model: Model) -> int:
    return next(most for begin, most in MAX_INSTANCES if model.name.startswith(begin))


def _batches(texts: list[str], most: int) -> Iterator[list[str]]:
    """`texts` in lists that one call takes."""
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode("utf-8", "surrogatepass"))
        if batch and (len(batch) == most or size + length > MAX_TOKENS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    yield batch


def _predict(texts: list[str], body: JSON, model: Model) -> UpstreamCall:
    parameters, ignored = PARAMETERS.apply(body)
    given = {"task_type": _task(body), "title": body.get("title")}
    about = {name: value for name, value in given.items() if value}
    sent: JSON = {"instances": [{"content": text, **about} for text in texts]}
    if parameters:
        sent["parameters"] = parameters
    return UpstreamCall(f"{model.resource}:predict", sent, ignored=tuple(ignored))


def _embed_content(text: str, number: int, body: JSON, model: Model) -> UpstreamCall:
    config, ignored = PARAMETERS.apply(body)
    given = {"taskType": _task(body), "title": body.get("title")}
    config |= {name: value for name, value in given.items() if value}
    sent: JSON = {"content": {"parts": [_part(multimodal_embeddings.file(text, f"input[{number}]") or text)]}}
    if config:
        sent["embedContentConfig"] = config
    return UpstreamCall(f"{model.resource}:embedContent", sent, "v1beta1", ignored=tuple(ignored))


def _part(given: File | str) -> JSON:
    if isinstance(given, str):
        return {"text": given}
    if given.uri:
        return {"fileData": {"mimeType": given.mime, "fileUri": given.uri}}
    return {"inlineData": {"mimeType": given.mime, "data": given.data}}


def _task(body: JSON) -> str | None:
    """Google's name of the parameter, else LiteLLM's."""
    task: str | None = body.get("task_type", body.get("input_type"))
    return task


def response(answer: JSON, call: UpstreamCall) -> list[Embedding]:
    """The vectors of one answer."""
    if "embedding" in answer:
        tokens = answer.get("usageMetadata", {}).get("promptTokenCount", 0)
        return [Embedding(answer["embedding"]["values"], tokens)]
    predictions = answer.get("predictions", [])
    if not predictions:
        raise errors.UpstreamFault("Vertex AI answered without an embedding.")
    if "embeddings" in predictions[0]:
        return [_vector(prediction["embeddings"]) for prediction in predictions]
    return list(multimodal_embeddings.response(predictions[0], call))


def _vector(embeddings: JSON) -> Embedding:
    tokens = embeddings.get("statistics", {}).get("token_count", 0)  # may be 4.0
    return Embedding(embeddings["values"], int(tokens))


EMBEDDINGS: Final = UnaryAdapter(request, response)
