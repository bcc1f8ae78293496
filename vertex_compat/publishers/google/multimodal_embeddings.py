"""`multimodalembedding`: texts, images and videos as vectors of one space.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/multimodal-embeddings-api

A call takes one instance, which holds a text, an image and a video at most. Inputs that follow each other
share an instance as long as it has room for them; each input still gets a vector of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from vertex_compat import errors
from vertex_compat.publishers import media_types
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Embedding, Model, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={"dimensions": "dimension"},
    handled=frozenset({"encoding_format", "input"}),
    ignored=frozenset({"auto_truncate", "input_type", "instance_key", "task_type", "title", "user"}),
)

DIMENSIONS: Final = (128, 256, 512, 1408)
DIMENSION_OF_VIDEO: Final = 1408

_DATA_URI: Final = re.compile(r"data:(?P<mime>[\w.+-]+/[\w.+-]+);base64,(?P<data>[A-Za-z0-9+/_=-]+)")

Kind: TypeAlias = Literal["text", "image", "video"]

VECTOR_OF: Final[dict[str, str]] = {"text": "textEmbedding", "image": "imageEmbedding"}


class File(NamedTuple):
    """A file that an input stands for: base64 `data`, or a `uri` in Cloud Storage."""

    mime: str
    data: str | None
    uri: str | None


def file(text: str, place: str) -> File | None:
    """The file that `text` is a data URI or `gs://` URI of; raises `BadRequest` if its type is unknown."""
    if match := _DATA_URI.fullmatch(text):
        return File(match["mime"].lower(), match["data"], None)
    if not text.startswith("gs://"):
        return None
    if not (mime := media_types.of_name(text)):
        raise errors.BadRequest(
            "The name of a file in Cloud Storage must end in what it is, such as .png or .mp4.",
            param=place,
            code="invalid_value",
        )
    return File(mime, None, text)


def request(body: JSON, model: Model) -> list[UpstreamCall]:
    """The calls that embed all of `input`, in its order."""
    parameters, ignored = PARAMETERS.apply(body)
    dimensions = body.get("dimensions", DIMENSION_OF_VIDEO)
    instances = list(_instances(body["input"]))
    has_video = any("video" in instance for instance in instances)
    if dimensions not in DIMENSIONS or (has_video and dimensions != DIMENSION_OF_VIDEO):
        allowed = f"{DIMENSION_OF_VIDEO} for videos" if has_video else ", ".join(map(str, DIMENSIONS))
        raise errors.BadRequest(
            f"This model's 'dimensions' are {allowed}.", param="dimensions", code="invalid_value"
        )
    shared = {"parameters": parameters} if parameters else {}
    return [
        UpstreamCall(f"{model.resource}:predict", {"instances": [one], **shared}, ignored=tuple(ignored))
        for one in instances
    ]


def _instances(texts: list[str]) -> Iterator[JSON]:
    instance: JSON = {}
    for number, text in enumerate(texts):
        kind, value = _input(text, f"input[{number}]")
        if kind in instance:
            yield instance
            instance = {}
        instance[kind] = value
    yield instance


def _input(text: str, place: str) -> tuple[Kind, str | JSON]:
    if not (found := file(text, place)):
        return "text", text
    kind = found.mime.partition("/")[0]
    content: JSON = {"gcsUri": found.uri} if found.uri else {"bytesBase64Encoded": found.data}
    match kind:
        case "image":
            return "image", content | {"mimeType": found.mime}
        case "video":
            return "video", content
    raise errors.BadRequest(
        f"This model embeds texts, images and videos, not {found.mime!r}.", param=place, code="invalid_value"
    )


def response(prediction: JSON, call: UpstreamCall) -> Iterator[Embedding]:
    """A vector for each part of the call's instance, in its order; of a video, that of its first segment."""
    for kind in call.body["instances"][0]:
        if kind == "video":
            yield Embedding(prediction["videoEmbeddings"][0]["embedding"])
        else:
            yield Embedding(prediction[VECTOR_OF[kind]])
