"""Google's embeddings, by `predict` or `embedContent`, of texts, images and videos.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, cast

from vertex_compat import errors
from vertex_compat.json_values import count, items, mapping
from vertex_compat.publishers.google import multimodal_embeddings
from vertex_compat.publishers.google.multimodal_embeddings import EmbeddedFile, values
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ClientRequest, Embedding, Model, UnaryAdapter, Units, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

HANDLED: Final = frozenset({"encoding_format", "input", "input_type", "task_type", "title"})

PREDICT: Final = ParameterTable(
    renamed={"auto_truncate": "autoTruncate", "dimensions": "outputDimensionality"},
    handled=HANDLED,
    ignored=frozenset({"audio_track_extraction", "document_ocr", "instance_key", "user"}),
)

EMBED_CONTENT: Final = ParameterTable(
    renamed={
        "audio_track_extraction": "audioTrackExtraction",
        "auto_truncate": "autoTruncate",
        "dimensions": "outputDimensionality",
        "document_ocr": "documentOcr",
    },
    handled=HANDLED,
    ignored=frozenset({"instance_key", "user"}),
)

MAX_TOKENS: Final = 20_000
"""Of one call. Texts are measured in bytes: no tokenizer makes more tokens than there are bytes."""


def request(body: JSON, model: Model) -> Sequence[UpstreamCall]:
    """Return the calls that embed all of `input`, in its order."""
    match model.profile.embedding_method:
        case "multimodal":
            return multimodal_embeddings.request(body, model)
        case "embedContent":
            return [
                _embed_content(text, number, ClientRequest(body, model))
                for number, text in enumerate(body["input"])
            ]
        case "predict":
            batches = _batches(body["input"], model.profile.max_embedding_inputs)
            return [_predict(texts, ClientRequest(body, model)) for texts in batches]


def units(body: JSON, model: Model) -> Units | None:
    """Return what is charged for where it is not tokens."""
    return multimodal_embeddings.units(body) if model.profile.embedding_method == "multimodal" else None


def _batches(texts: list[str], max_instances: int) -> Iterator[list[str]]:
    """Yield `texts` in lists that one call accepts."""
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode("utf-8", "surrogatepass"))
        if batch and (len(batch) == max_instances or size + length > MAX_TOKENS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    yield batch


def _predict(texts: list[str], client_request: ClientRequest) -> UpstreamCall:
    body = client_request.body
    parameters, ignored = PREDICT.apply(client_request.body)
    client_request.ignore(*ignored)
    upstream_body: wire.EmbedTextsRequest = {"instances": [_instance(text, body) for text in texts]}
    if parameters:
        upstream_body["parameters"] = cast("wire.TextParameters", parameters)
    path = f"{client_request.model.resource}:predict"
    return UpstreamCall(path, upstream_body, ignored=client_request.ignored)


def _instance(text: str, body: JSON) -> wire.TextInstance:
    instance: wire.TextInstance = {"content": text}
    if task_type := _task_type(body):
        instance["task_type"] = task_type
    if title := body.get("title"):
        instance["title"] = title
    return instance


def _embed_content(text: str, number: int, client_request: ClientRequest) -> UpstreamCall:
    body = client_request.body
    parameters, ignored = EMBED_CONTENT.apply(client_request.body)
    client_request.ignore(*ignored)
    config = cast("wire.EmbedContentConfig", parameters)
    if task_type := _task_type(body):
        config["taskType"] = task_type
    if title := body.get("title"):
        config["title"] = title
    part = _part(multimodal_embeddings.file(text, f"input[{number}]") or text)
    upstream_body: wire.EmbedContentRequest = {"content": {"parts": [part]}}
    if config:
        upstream_body["embedContentConfig"] = config
    path = f"{client_request.model.resource}:embedContent"
    return UpstreamCall(path, upstream_body, "v1beta1", ignored=client_request.ignored)


def _part(content: EmbeddedFile | str) -> wire.Part:
    if isinstance(content, str):
        return {"text": content}
    if content.uri:
        return {"fileData": {"mimeType": content.mime_type, "fileUri": content.uri}}
    return {"inlineData": {"mimeType": content.mime_type, "data": content.data or ""}}


def _task_type(body: JSON) -> str | None:
    """Return Google's parameter, else LiteLLM's."""
    task_type: str | None = body.get("task_type", body.get("input_type"))
    return task_type


def response(body: JSON, call: UpstreamCall) -> list[Embedding]:
    """Return the embeddings of a response; raises `UpstreamFault`."""
    if "embedding" in body:
        tokens = count(mapping(body.get("usageMetadata")).get("promptTokenCount"))
        return [Embedding(values(mapping(body["embedding"]).get("values")), tokens)]
    predictions = items(body.get("predictions"))
    if not predictions:
        raise errors.UpstreamFault("Vertex AI answered without an embedding.")
    if multimodal_embeddings.FIELDS & predictions[0].keys():
        return list(multimodal_embeddings.response(predictions[0], call))
    return [_embedding(mapping(prediction.get("embeddings"))) for prediction in predictions]


def _embedding(fields: JSON) -> Embedding:
    tokens = count(mapping(fields.get("statistics")).get("token_count"))
    return Embedding(values(fields.get("values")), tokens)


EMBEDDINGS: Final = UnaryAdapter(request, response, units)
