"""The form of images: OpenAI's sizes, qualities and formats in Google's terms.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/image-generation and
.../docs/model-reference/imagen-api.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from vertex_compat import errors
from vertex_compat.types import JSON, ClientRequest

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

GEMINI_RATIOS: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
IMAGEN_RATIOS: Final = ("1:1", "3:4", "4:3", "9:16", "16:9")

SIZES: Final = (("1K", 2_000_000), ("2K", 6_000_000))
"""Name → the most pixels that it stands for; 1792x1024 is still 1K, and more than 2K is 4K."""

QUALITIES: Final = {"hd": "2K", "high": "2K", "xhigh": "4K", "max": "4K"}
"""`quality` → the size, where the client names none."""

DRAFTS: Final = "partial_images"
"""The optional feature of a call that brings drafts: not every image model documents `includeThoughts`."""

MIME_TYPES: Final = {"png": "image/png", "jpeg": "image/jpeg"}


def check(body: JSON, prefix: str = "") -> None:
    """Raise `BadRequest` for images that no model makes; `prefix` is the place of the options."""
    for name, value in (("background", "transparent"), ("output_format", "webp")):
        if body.get(name) == value:
            raise errors.BadRequest(
                "Vertex AI makes opaque images, in PNG or JPEG.",
                param=f"{prefix}{name}",
                code="unsupported_value",
            )


def gemini(client_request: ClientRequest) -> JSON:
    """Return Gemini's `imageConfig`, empty if the client sets nothing."""
    body = client_request.body
    fields: JSON = {
        "aspectRatio": ratio(body, GEMINI_RATIOS + client_request.model.profile.extra_aspect_ratios),
        "imageSize": _resolution(client_request),
        "imageOutputOptions": output(client_request),
    }
    return {name: value for name, value in fields.items() if value}


def with_drafts(client_request: ClientRequest, options: ClientRequest) -> bool:
    """Return whether the client gets drafts: in a stream, of a model with levels of thinking.

    `options` has `partial_images`.
    """
    if not options.body.get("partial_images"):
        return False
    model = client_request.model
    makes_drafts = "adaptive" in model.profile.thinking and DRAFTS not in model.refused_features
    if client_request.body.get("stream") and makes_drafts:
        return True
    options.ignore("partial_images")
    return False


def _resolution(client_request: ClientRequest) -> str | None:
    """Return the size to ask Gemini for: None for 1K, which is also all that some models have."""
    body, takes_size = client_request.body, client_request.model.profile.takes_image_size
    name = size(body)
    if "quality" in body:
        if name or not takes_size:
            client_request.ignore("quality")
        else:
            name = QUALITIES.get(body["quality"])
    if name in {None, "1K"}:
        return None
    if not takes_size:
        client_request.ignore("image_size" if "image_size" in body else "size")
        return None
    return name


def size(body: JSON) -> str | None:
    """Return Google's name of the client's size; None if there is none."""
    if name := body.get("image_size"):
        return str(name)
    if not (pixels := _pixels(body)):
        return None
    return next((name for name, max_pixels in SIZES if pixels[0] * pixels[1] <= max_pixels), "4K")


def ratio(body: JSON, ratios: tuple[str, ...]) -> str | None:
    """Return the client's aspect ratio, or the one that is nearest to the client's size."""
    if requested := body.get("aspect_ratio"):
        return str(requested)
    if not (pixels := _pixels(body)):
        return None
    requested_ratio = math.log(pixels[0] / pixels[1])

    def distance(name: str) -> float:
        width, height = name.split(":")
        return abs(math.log(int(width) / int(height)) - requested_ratio)

    return min(ratios, key=distance)


def _pixels(body: JSON) -> tuple[int, int] | None:
    if match := re.fullmatch(r"(\d+)x(\d+)", body.get("size", "")):
        return int(match[1]), int(match[2])
    return None


def output(client_request: ClientRequest) -> wire.ImageOutputOptions:
    """Return how the file is written; both APIs have the same fields."""
    body = client_request.body
    options: wire.ImageOutputOptions = {}
    if mime_type := MIME_TYPES.get(body.get("output_format", "")):
        options["mimeType"] = mime_type
    if (quality := body.get("output_compression")) is None:
        return options
    if body.get("output_format") == "png":  # PNG is lossless
        client_request.ignore("output_compression")
    else:
        options["compressionQuality"] = quality
    return options
