"""`POST /images/generations` and `/images/edits`.

Images are returned as base64: there is no storage for a URL to point to.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.images import images_schema
from vertex_compat.operations.request import body, multipart
from vertex_compat.types import JSON, GeneratedImage, GeneratedImages, Usage

MAX_SOURCES: Final = 16
"""Images that one edit takes."""

IMAGES: Final = model_calls.Operation(
    lambda publisher: publisher.images, "make images", frozenset({"images"})
)

_SIGNATURES: Final = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


def generate(context: RequestContext) -> Response:
    """Generate images from a prompt."""
    params = body.drop_nulls(body.decode(context.body, images_schema.Images))
    for name in params.keys() & {"image", "mask"}:
        raise errors.BadRequest(
            f"{name!r} is a file of a form, which /images/edits takes.", param=name, code="unknown_parameter"
        )
    return _generate(params, "image_generation", context)


def edit(context: RequestContext) -> Response:
    """Generate images from images and a prompt."""
    form = multipart.read(context)
    params = form.decode(images_schema.Images)
    params.pop("mask", None)  # a mask is a file, not a field
    sources = form.files.get("image", [])
    if not 1 <= len(sources) <= MAX_SOURCES:
        raise errors.BadRequest(
            f"'image' takes from 1 to {MAX_SOURCES} files, not {len(sources)}.",
            param="image",
            code="invalid_value" if sources else "missing_required_parameter",
        )
    params["image"] = [_source(upload, "image") for upload in sources]
    if masks := form.files.get("mask"):
        params["mask"] = _source(masks[0], "mask")
    return _generate(params, "image_edit", context)


def vary(_: RequestContext) -> Response:
    """Refuse to make variations, which only DALL·E 2 could make."""
    raise errors.NotFound(
        "Vertex AI has no variations of images. Use /images/edits with a prompt that says what to vary.",
        code="unknown_url",
    )


def _source(upload: multipart.UploadedFile, param: str) -> JSON:
    """The image as publishers take it: MIME type and base64."""
    if not (mime := _mime(upload.data)):
        raise errors.BadRequest(
            f"{param!r} must be an image in PNG, JPEG, WebP or GIF.", param=param, code="invalid_image_format"
        )
    return {"mime": mime, "data": base64.b64encode(upload.data).decode()}


def _mime(data: bytes) -> str | None:
    """The MIME type by an image's first bytes: clients often declare `application/octet-stream`."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for start, mime in _SIGNATURES.items() if data.startswith(start)), None)


def _generate(params: JSON, event: str, context: RequestContext) -> Response:
    if params.get("response_format") == "b64_json":
        del params["response_format"]  # the default; any other value is ignored, and named as ignored

    def respond(results: list[GeneratedImages], headers: dict[str, str]) -> Response:
        images = [image for result in results for image in result.pictures]
        usages = [result.usage for result in results if result.usage]
        context.log.usages |= dict(enumerate(usages))
        usage = _usage(usages)
        if params.get("stream"):
            return Response(EventStream(_events(event, images, usage, params)), headers)
        result = {"created": int(time.time()), "data": [_image(image) for image in images]}
        result |= {"output_format": _format(images[0])} | ({"usage": usage} if usage else {})
        return Response(result, headers)

    return model_calls.call_unary(context, params, IMAGES, lambda result: result, respond)


def _image(image: GeneratedImage) -> JSON:
    revised = {"revised_prompt": image.prompt} if image.prompt else {}
    return {"b64_json": image.data, **revised}


def _format(image: GeneratedImage) -> str:
    return image.mime.removeprefix("image/")


def _events(event: str, images: list[GeneratedImage], usage: JSON | None, params: JSON) -> Iterator[bytes]:
    """One event for each image: the models return no partial images."""
    kind = f"{event}.completed"
    for image in images:
        completed = {
            "type": kind,
            "b64_json": image.data,
            "background": params.get("background", "auto"),
            "created_at": int(time.time()),
            "output_format": _format(image),
            "quality": params.get("quality", "auto"),
            "size": params.get("size", "auto"),
            "usage": usage or _usage([Usage(0, 0)]),
        }
        yield b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(completed))


def _usage(usages: list[Usage]) -> JSON | None:
    """OpenAI's counts: the sum over the calls. None if the model returns no counts."""
    if not usages:
        return None
    prompt = sum(usage.prompt for usage in usages)
    completion = sum(usage.completion for usage in usages)
    images_in = sum(usage.prompt_details.get("image_tokens", 0) for usage in usages)
    images_out = sum(usage.completion_details.get("image_tokens", 0) for usage in usages)
    return {
        "input_tokens": prompt,
        "output_tokens": completion,
        "total_tokens": prompt + completion,
        "input_tokens_details": {"image_tokens": images_in, "text_tokens": prompt - images_in},
        "output_tokens_details": {"image_tokens": images_out, "text_tokens": completion - images_out},
    }
