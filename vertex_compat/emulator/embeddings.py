"""Embeddings: `predict` of the text models, `embedContent`, the multimodal model, and containers.

Limits as documented: texts and tokens a call, dimensions a model. A vector is of unit length, and the same
for the same input.
"""

import hashlib
import math
from array import array
from typing import Any

from vertex_compat.emulator import google, proto
from vertex_compat.emulator.answers import JSON, Answer, json_answer, pretty_answer
from vertex_compat.emulator.asked import Asked
from vertex_compat.emulator.gemini.body import CONTENT
from vertex_compat.emulator.model import count
from vertex_compat.emulator.proto import Count, Decimal, Enum, Message, Repeated, Truth, Value, Words, decoded

MAX_TOKENS = 20_000  # of all texts of a call
LONGEST = 2048  # tokens of a text; what is more is cut off, or refused

TASK = Enum(
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
    "PredictRequest", {"instances": Repeated(Value()), "parameters": Value(), "labels": Value()}
)
TEXT_INSTANCE = Message("TextEmbeddingInstance", {"content": Words(), "taskType": TASK, "title": Words()})
TEXT_PARAMETERS = Message(
    "TextEmbeddingParameters", {"autoTruncate": Truth(), "outputDimensionality": Count()}
)
EMBED_CONFIG = Message(
    "EmbedContentConfig",
    {
        "title": Words(),
        "taskType": TASK,
        "outputDimensionality": Count(),
        "autoTruncate": Truth(),
        "documentOcr": Truth(),
        "audioTrackExtraction": Truth(),
    },
)
EMBED = Message("EmbedContentRequest", {"content": CONTENT, "embedContentConfig": EMBED_CONFIG})
_FILE = {"bytesBase64Encoded": Words(), "gcsUri": Words(), "mimeType": Words()}
_SEGMENT = Message(
    "VideoSegmentConfig", {name: Decimal() for name in ("startOffsetSec", "endOffsetSec", "intervalSec")}
)
MULTIMODAL_INSTANCE = Message(
    "MultimodalEmbeddingInstance",
    {
        "text": Words(),
        "image": Message("Image", _FILE, one_of=("bytesBase64Encoded", "gcsUri")),
        "video": Message(
            "Video", {**_FILE, "videoSegmentConfig": _SEGMENT}, one_of=("bytesBase64Encoded", "gcsUri")
        ),
    },
)
MULTIMODAL_PARAMETERS = Message("MultimodalEmbeddingParameters", {"dimension": Count()})
DIMENSIONS = (128, 256, 512, 1408)
WORDS_OF_MULTIMODAL = 32

MODELS = {  # how a name begins → instances a call, dimensions
    "gemini-embedding-001": (1, 3072),
    "text-embedding-large-exp": (1, 3072),
    "text-embedding-": (250, 768),
    "text-multilingual-embedding-": (250, 768),
    "textembedding-gecko": (5, 768),
}
CONTENT_MODELS = "gemini-embedding-2"
MULTIMODAL = "multimodalembedding"
CONTAINERS = "3072"  # how the id of an endpoint begins behind which a container embeds


def vector(of: str, dimensions: int) -> list[float]:
    """Make up a vector of unit length."""
    drawn = array("H", hashlib.shake_128(of.encode("utf-8", "surrogatepass")).digest(2 * dimensions))
    numbers = [number - 32767.5 for number in drawn]
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]


def embeds(model: str) -> bool:
    """Tell whether a model is one for `predict` here."""
    return model.startswith((MULTIMODAL, *MODELS))


def predicted(asked: Asked) -> Answer:
    """Answer `predict`."""
    body = proto.read(PREDICT, asked.body)
    instances = body.get("instances") or []
    parameters = body.get("parameters") or {}
    if not instances:
        raise google.invalid("Empty instances.")
    if asked.model.startswith(MULTIMODAL):
        return pretty_answer(_multimodal(instances, parameters))
    most, dimensions = next(facts for begin, facts in MODELS.items() if asked.model.startswith(begin))
    return pretty_answer(_texts(instances, parameters, most, dimensions))


def _texts(instances: list[Any], parameters: Any, most: int, dimensions: int) -> JSON:
    if len(instances) > most:
        raise google.invalid(f"{len(instances)} instance(s) is larger than the maximum allowed {most}.")
    read = [proto.read(TEXT_INSTANCE, instance) for instance in instances]
    wanted = proto.read(TEXT_PARAMETERS, parameters)
    size = _dimensions(wanted, dimensions)
    counts = [count(one.get("content", "")) for one in read]
    if not all(counts):
        raise google.invalid("The text content is empty.")
    if sum(counts) > MAX_TOKENS:
        raise google.invalid(
            f"Unable to submit request because the input token count is {sum(counts)} but the model supports "
            f"up to {MAX_TOKENS}."
        )
    if wanted.get("autoTruncate") is False and max(counts) > LONGEST:
        raise google.invalid(f"The input token count ({max(counts)}) exceeds the maximum of {LONGEST}.")
    return {
        "predictions": [
            {
                "embeddings": {
                    "values": vector(one["content"], size),
                    "statistics": {"token_count": min(tokens, LONGEST), "truncated": tokens > LONGEST},
                }
            }
            for one, tokens in zip(read, counts, strict=True)
        ],
        "metadata": {"billableCharacterCount": sum(len(one["content"]) for one in read)},
    }


def _dimensions(wanted: JSON, most: int) -> int:
    size = int(wanted.get("outputDimensionality", most))
    if not 1 <= size <= most:
        raise google.invalid(f"The value {size} for outputDimensionality is not in the range [1, {most}].")
    return size


def _multimodal(instances: list[Any], parameters: Any) -> JSON:
    if len(instances) > 1:
        raise google.invalid(f"{len(instances)} instance(s) is larger than the maximum allowed 1.")
    instance = proto.read(MULTIMODAL_INSTANCE, instances[0])
    size = proto.read(MULTIMODAL_PARAMETERS, parameters).get("dimension", DIMENSIONS[-1])
    if size not in DIMENSIONS or ("video" in instance and size != DIMENSIONS[-1]):
        raise google.invalid(f"Invalid dimension {size}.")
    if not instance:
        raise google.invalid("At least one of text, image or video is needed.")
    if len(instance.get("text", "").split()) > WORDS_OF_MULTIMODAL:
        raise google.invalid(f"Text field must be smaller than {WORDS_OF_MULTIMODAL} words.")
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


def _file(held: JSON) -> str:
    if "gcsUri" in held:
        if not held["gcsUri"].startswith("gs://"):
            raise google.invalid(f"Invalid GCS path: {held['gcsUri']}")
        return str(held["gcsUri"])
    if not decoded(held.get("bytesBase64Encoded", "")):
        raise google.invalid("Image bytes are empty or not base64.")
    return str(held["bytesBase64Encoded"])


def embedded(asked: Asked) -> Answer:
    """Answer `embedContent`: one content, one vector."""
    if not asked.model.startswith(CONTENT_MODELS):
        raise google.invalid(f"Model {asked.model} does not support embedContent.")
    body = proto.read(EMBED, asked.body)
    parts = body.get("content", {}).get("parts") or []
    if not parts or not all(part.get("text") or "inlineData" in part or "fileData" in part for part in parts):
        raise google.invalid("content.parts must not be empty.")
    tokens = sum(count(part.get("text", "")) or 258 for part in parts)
    size = _dimensions(body.get("embedContentConfig", {}), 3072)
    return pretty_answer(
        {
            "embedding": {"values": vector(str(parts), size)},
            "usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens},
            "truncated": False,
        }
    )


def by_container(asked: Asked) -> Answer:
    """Answer `predict` of an endpoint that embeds, the way that the instances' key asks for.

    `content`: a tuned model of Google's. `inputs`: Hugging Face's feature extraction, a vector a token.
    `prompt`: Model Garden's BGE.
    """
    predictions = [_contained(instance) for instance in asked.body.get("instances") or []]
    if not predictions:
        raise google.invalid("Empty instances.")
    return json_answer({"predictions": predictions, "deployedModelId": "1234567890123456789"})


def _contained(instance: Any) -> Any:
    match instance:
        case {"content": str(text), **others} if not others.keys() - {"task_type", "title"}:
            statistics = {"token_count": float(count(text)), "truncated": False}
            return {"embeddings": {"values": vector(text, 768), "statistics": statistics}}
        case {"inputs": str(text), **others} if not others:
            return [vector(f"{text} {place}", 768) for place in range(max(count(text), 1))]
        case {"prompt": str(text), **others} if not others:
            return vector(text, 1024)
    raise google.invalid("The instances are not of a form that this container knows.")
