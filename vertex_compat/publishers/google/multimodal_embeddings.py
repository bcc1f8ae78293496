"""`multimodalembedding`: texts, images and videos as vectors of one space.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/multimodal-embeddings-api

A call takes one instance, which holds at most one text, one image and one video. Successive inputs share an
instance as long as it has room for them; each input still gets a vector of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from vertex_compat import errors
from vertex_compat.json_values import count, items, numbers
from vertex_compat.publishers import media_types
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ClientRequest, Embedding, Model, Units, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

PARAMETERS: Final = ParameterTable(
    renamed={"dimensions": "dimension"},
    handled=frozenset({"encoding_format", "input"}),
    ignored=frozenset({"auto_truncate", "input_type", "instance_key", "task_type", "title", "user"}),
)

DIMENSIONS: Final = (128, 256, 512, 1408)
VIDEO_DIMENSIONS: Final = 1408
MAX_VIDEO_SECONDS: Final = 120
"""The model embeds no more of a video."""

_DATA_URI: Final = re.compile(r"data:(?P<mime>[\w.+-]+/[\w.+-]+);base64,(?P<data>[A-Za-z0-9+/_=-]+)")

EMBEDDING_FIELDS: Final[dict[str, str]] = {"text": "textEmbedding", "image": "imageEmbedding"}
"""Kind of an input → the field of a prediction that has its vector."""

FIELDS: Final = frozenset({*EMBEDDING_FIELDS.values(), "videoEmbeddings"})
"""The fields of a prediction."""


class EmbeddedFile(NamedTuple):
    """A file that an input stands for: base64 `data`, or a `uri` in Cloud Storage."""

    mime_type: str
    data: str | None
    uri: str | None


def file(text: str, param: str) -> EmbeddedFile | None:
    """Return the file of a data or `gs://` URI, None for a text.

    Raises `BadRequest` for an unknown type.
    """
    if match := _DATA_URI.fullmatch(text):
        return EmbeddedFile(match["mime"].lower(), match["data"], None)
    if not text.startswith("gs://"):
        return None
    if not (mime_type := media_types.of_name(text)):
        raise errors.BadRequest(
            "The name of a file in Cloud Storage must have an extension, such as .png or .mp4.",
            param=param,
            code="invalid_value",
        )
    return EmbeddedFile(mime_type, None, text)


def request(body: JSON, model: Model) -> list[UpstreamCall]:
    """Return the calls that embed all of `input`, in its order; raises `BadRequest`."""
    client_request = ClientRequest(body, model)
    parameters, ignored = PARAMETERS.apply(client_request.body)
    client_request.ignore(*ignored)
    dimensions = body.get("dimensions", VIDEO_DIMENSIONS)
    instances = list(_instances(body["input"]))
    has_video = any("video" in instance for instance in instances)
    if dimensions not in DIMENSIONS or (has_video and dimensions != VIDEO_DIMENSIONS):
        allowed_dimensions = (
            f"{VIDEO_DIMENSIONS} for videos" if has_video else ", ".join(map(str, DIMENSIONS))
        )
        raise errors.BadRequest(
            f"This model's 'dimensions' are {allowed_dimensions}.", param="dimensions", code="invalid_value"
        )
    bodies = [_body(instance, cast("wire.MultimodalParameters", parameters)) for instance in instances]
    path = f"{model.resource}:predict"
    return [UpstreamCall(path, body, ignored=client_request.ignored) for body in bodies]


def _body(
    instance: wire.MultimodalInstance, parameters: wire.MultimodalParameters
) -> wire.EmbedMultimodalRequest:
    body: wire.EmbedMultimodalRequest = {"instances": [instance]}
    if parameters:
        body["parameters"] = parameters
    return body


def units(body: JSON) -> Units:
    """Return the characters, images and seconds of video that are charged for.

    The seconds are a maximum.
    """
    characters = images = seconds = 0
    for text in body["input"]:
        match _kind(text):
            case "image":
                images += 1
            case "video":
                seconds += MAX_VIDEO_SECONDS
            case _:
                characters += len(text)
    return Units(characters=characters, image_inputs=images, seconds=seconds)


def _kind(text: str) -> str:
    """Return the kind of an input by its beginning, or by the extension of an object's name."""
    mime_type = media_types.of_name(text) or "" if text.startswith("gs://") else text[5:12]
    is_file = text.startswith(("gs://", "data:"))
    return mime_type.partition("/")[0].lower() if is_file else "text"


def _instances(inputs: list[str]) -> Iterator[wire.MultimodalInstance]:
    instance: wire.MultimodalInstance = {}
    for index, text in enumerate(inputs):
        next_input = _input(text, f"input[{index}]")
        if next_input.keys() & instance.keys():
            yield instance
            instance = {}
        instance |= next_input
    yield instance


def _input(text: str, param: str) -> wire.MultimodalInstance:
    """Return an instance with one input."""
    if not (embedded := file(text, param)):
        return {"text": text}
    media: wire.Media = (
        {"gcsUri": embedded.uri} if embedded.uri else {"bytesBase64Encoded": embedded.data or ""}
    )
    match embedded.mime_type.partition("/")[0]:
        case "image":
            return {"image": {**media, "mimeType": embedded.mime_type}}
        case "video":
            return {"video": media}
    raise errors.BadRequest(
        f"This model embeds texts, images and videos, not {embedded.mime_type!r}.",
        param=param,
        code="invalid_value",
    )


def response(prediction: JSON, call: UpstreamCall) -> Iterator[Embedding]:
    """Yield an embedding for each input of the call; for a video, that of its first segment."""
    for kind in call.body["instances"][0]:
        if kind == "video":
            segments = items(prediction.get("videoEmbeddings")) or [{}]
            seconds = max(count(segment.get("endOffsetSec")) for segment in segments)
            yield Embedding(values(segments[0].get("embedding")), seconds=seconds)
        else:
            yield Embedding(values(prediction.get(EMBEDDING_FIELDS[kind])))


def values(vector: Any) -> list[float]:
    """Return the numbers of a vector.

    Raises `UpstreamFault` if it has none, or anything but numbers.
    """
    if (embedding := numbers(vector)) is None:
        raise errors.UpstreamFault("Vertex AI answered without an embedding.")
    return embedding
