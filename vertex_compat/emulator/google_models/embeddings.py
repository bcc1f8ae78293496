"""Embeddings by `predict`, by `embedContent`, of the multimodal model, and of containers.

Limits are as documented: texts and tokens per call, dimensions per model. Vectors have unit length and depend
only on the input.
"""

import hashlib
import math
from array import array
from typing import Any

from vertex_compat.emulator.google_models.gemini.body import CONTENT
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import (
    AnyField,
    BoolField,
    EnumField,
    IntegerField,
    Message,
    NumberField,
    RepeatedField,
    StringField,
    decode_base64,
)
from vertex_compat.emulator.protocol.responses import JSON, Response, json_response, pretty_json_response
from vertex_compat.emulator.text_model.replies import count_tokens

MAX_TOTAL_TOKENS = 20_000  # of all texts in one call
MAX_TOKENS = 2048  # of one text; the rest is truncated, or the call refused

TASK = EnumField(
    "EmbedContentRequest.EmbeddingTaskType",
    (
        "UNSPECIFIED",
        "RETRIEVAL_QUERY",
        "RETRIEVAL_DOCUMENT",
        "SEMANTIC_SIMILARITY",
        "CLASSIFICATION",
        "CLUSTERING",
        "QUESTION_ANSWERING",
        "FACT_VERIFICATION",
        "CODE_RETRIEVAL_QUERY",
    ),
)
PREDICT = Message(
    "PredictRequest", {"instances": RepeatedField(AnyField()), "parameters": AnyField(), "labels": AnyField()}
)
TEXT_INSTANCE = Message(
    "TextEmbeddingInstance", {"content": StringField(), "taskType": TASK, "title": StringField()}
)
TEXT_PARAMETERS = Message(
    "TextEmbeddingParameters", {"autoTruncate": BoolField(), "outputDimensionality": IntegerField()}
)
EMBED_CONFIG = Message(
    "EmbedContentConfig",
    {
        "title": StringField(),
        "taskType": TASK,
        "outputDimensionality": IntegerField(),
        "autoTruncate": BoolField(),
        "documentOcr": BoolField(),
        "audioTrackExtraction": BoolField(),
    },
)
EMBED = Message("EmbedContentRequest", {"content": CONTENT, "embedContentConfig": EMBED_CONFIG})
_FILE = {"bytesBase64Encoded": StringField(), "gcsUri": StringField(), "mimeType": StringField()}
_SEGMENT = Message(
    "VideoSegmentConfig", {name: NumberField() for name in ("startOffsetSec", "endOffsetSec", "intervalSec")}
)
MULTIMODAL_INSTANCE = Message(
    "MultimodalEmbeddingInstance",
    {
        "text": StringField(),
        "image": Message("Image", _FILE, one_of=("bytesBase64Encoded", "gcsUri")),
        "video": Message(
            "Video", {**_FILE, "videoSegmentConfig": _SEGMENT}, one_of=("bytesBase64Encoded", "gcsUri")
        ),
    },
)
MULTIMODAL_PARAMETERS = Message("MultimodalEmbeddingParameters", {"dimension": IntegerField()})
DIMENSIONS = (128, 256, 512, 1408)
MAX_MULTIMODAL_WORDS = 32

MODELS = {  # name prefix → instances per call, dimensions
    "gemini-embedding-001": (1, 3072),
    "text-embedding-large-exp": (1, 3072),
    "text-embedding-": (250, 768),
    "text-multilingual-embedding-": (250, 768),
    "textembedding-gecko": (5, 768),
}
CONTENT_MODELS = "gemini-embedding-2"
MULTIMODAL = "multimodalembedding"
CONTAINERS = "3072"  # id prefix of endpoints whose container embeds


def vector(of: str, dimensions: int) -> list[float]:
    """Return a vector of unit length, derived from the text's hash."""
    drawn = array("H", hashlib.shake_128(of.encode("utf-8", "surrogatepass")).digest(2 * dimensions))
    numbers = [number - 32767.5 for number in drawn]
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]


def is_embedding_model(model: str) -> bool:
    """Return whether a model embeds by `predict`."""
    return model.startswith((MULTIMODAL, *MODELS))


def predict(request: ModelRequest) -> Response:
    """Answer `predict`."""
    body = proto_json.read(PREDICT, request.body)
    instances = body.get("instances") or []
    parameters = body.get("parameters") or {}
    if not instances:
        raise google_errors.invalid_argument("Empty instances.")
    if request.model.startswith(MULTIMODAL):
        return pretty_json_response(_multimodal(instances, parameters))
    max_instances, dimensions = next(
        facts for begin, facts in MODELS.items() if request.model.startswith(begin)
    )
    return pretty_json_response(_texts(instances, parameters, max_instances, dimensions))


def _texts(instances: list[Any], parameters: Any, max_instances: int, max_dimensions: int) -> JSON:
    if len(instances) > max_instances:
        raise google_errors.invalid_argument(
            f"{len(instances)} instance(s) is larger than the maximum allowed {max_instances}."
        )
    text_instances = [proto_json.read(TEXT_INSTANCE, instance) for instance in instances]
    settings = proto_json.read(TEXT_PARAMETERS, parameters)
    size = _dimensions(settings, max_dimensions)
    contents = [instance.get("content", "") for instance in text_instances]
    counts = [count_tokens(content) for content in contents]
    if not all(counts):
        raise google_errors.invalid_argument("The text content is empty.")
    if sum(counts) > MAX_TOTAL_TOKENS:
        raise google_errors.invalid_argument(
            f"Unable to submit request because the input token count is {sum(counts)} but the model supports "
            f"up to {MAX_TOTAL_TOKENS}."
        )
    if settings.get("autoTruncate") is False and max(counts) > MAX_TOKENS:
        raise google_errors.invalid_argument(
            f"The input token count ({max(counts)}) exceeds the maximum of {MAX_TOKENS}."
        )
    return {
        "predictions": [
            {
                "embeddings": {
                    "values": vector(content, size),
                    "statistics": {"token_count": min(tokens, MAX_TOKENS), "truncated": tokens > MAX_TOKENS},
                }
            }
            for content, tokens in zip(contents, counts, strict=True)
        ],
        "metadata": {"billableCharacterCount": sum(map(len, contents))},
    }


def _dimensions(settings: JSON, max_dimensions: int) -> int:
    size = int(settings.get("outputDimensionality", max_dimensions))
    if not 1 <= size <= max_dimensions:
        raise google_errors.invalid_argument(
            f"The value {size} for outputDimensionality is not in the range [1, {max_dimensions}]."
        )
    return size


def _multimodal(instances: list[Any], parameters: Any) -> JSON:
    if len(instances) > 1:
        raise google_errors.invalid_argument(
            f"{len(instances)} instance(s) is larger than the maximum allowed 1."
        )
    instance = proto_json.read(MULTIMODAL_INSTANCE, instances[0])
    size = proto_json.read(MULTIMODAL_PARAMETERS, parameters).get("dimension", DIMENSIONS[-1])
    if size not in DIMENSIONS or ("video" in instance and size != DIMENSIONS[-1]):
        raise google_errors.invalid_argument(f"Invalid dimension {size}.")
    if not instance:
        raise google_errors.invalid_argument("At least one of text, image or video is needed.")
    if len(instance.get("text", "").split()) > MAX_MULTIMODAL_WORDS:
        raise google_errors.invalid_argument(f"Text field must be smaller than {MAX_MULTIMODAL_WORDS} words.")
    prediction: JSON = {}
    if "text" in instance:
        prediction["textEmbedding"] = vector(instance["text"], size)
    if "image" in instance:
        prediction["imageEmbedding"] = vector(_file(instance["image"]), size)
    if "video" in instance:
        prediction["videoEmbeddings"] = [
            {
                "startOffsetSec": start,
                "endOffsetSec": start + 16,
                "embedding": vector(f"{_file(instance['video'])} at {start}", size),
            }
            for start in (0, 16)
        ]
    return {"predictions": [prediction], "deployedModelId": "8234567890123456789"}


def _file(file: JSON) -> str:
    if "gcsUri" in file:
        if not file["gcsUri"].startswith("gs://"):
            raise google_errors.invalid_argument(f"Invalid GCS path: {file['gcsUri']}")
        return str(file["gcsUri"])
    if not decode_base64(file.get("bytesBase64Encoded", "")):
        raise google_errors.invalid_argument("Image bytes are empty or not base64.")
    return str(file["bytesBase64Encoded"])


def embed_content(request: ModelRequest) -> Response:
    """Answer `embedContent`: one content, one vector."""
    if not request.model.startswith(CONTENT_MODELS):
        raise google_errors.invalid_argument(f"Model {request.model} does not support embedContent.")
    body = proto_json.read(EMBED, request.body)
    parts = body.get("content", {}).get("parts") or []
    if not parts or not all(part.get("text") or "inlineData" in part or "fileData" in part for part in parts):
        raise google_errors.invalid_argument("content.parts must not be empty.")
    tokens = sum(count_tokens(part.get("text", "")) or 258 for part in parts)
    size = _dimensions(body.get("embedContentConfig", {}), 3072)
    return pretty_json_response(
        {
            "embedding": {"values": vector(str(parts), size)},
            "usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens},
            "truncated": False,
        }
    )


def predict_in_container(request: ModelRequest) -> Response:
    """Answer `predict` of a deployed embedding model; the instances' key selects the container.

    `content`: a tuned Google model. `inputs`: Hugging Face's feature extraction, one vector per token.
    `prompt`: Model Garden's BGE.
    """
    predictions = [_container_prediction(instance) for instance in request.body.get("instances") or []]
    if not predictions:
        raise google_errors.invalid_argument("Empty instances.")
    return json_response({"predictions": predictions, "deployedModelId": "1234567890123456789"})


def _container_prediction(instance: Any) -> Any:
    match instance:
        case {"content": str(text), **others} if not others.keys() - {"task_type", "title"}:
            statistics = {"token_count": float(count_tokens(text)), "truncated": False}
            return {"embeddings": {"values": vector(text, 768), "statistics": statistics}}
        case {"inputs": str(text), **others} if not others:
            return [vector(f"{text} {index}", 768) for index in range(max(count_tokens(text), 1))]
        case {"prompt": str(text), **others} if not others:
            return vector(text, 1024)
    raise google_errors.invalid_argument("The instances are not of a form that this container knows.")
