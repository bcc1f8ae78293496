"""`POST /images/generations` and `/images/edits`.

There is nowhere to put an image for a URL to lead to, so an image is always in the answer, as base64.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.images import images_schema
from vertex_compat.operations.request import body, multipart
from vertex_compat.types import JSON, GeneratedImage, Usage

MAX_SOURCES: Final = 16


def generate(context: RequestContext) -> Response:
    """Images from a prompt."""
    given = body.without_nulls(body.decode(context.body, images_schema.Images))
    for name in given.keys() & {"image", "mask"}:
        raise errors.BadRequest(
            f"{name!r} is a file of a form, which /images/edits takes.", param=name, code="unknown_parameter"
        )
    return _answer(given, "image_generation", context)


def edit(context: RequestContext) -> Response:
    """Images from images and a prompt."""
    form = multipart.read(context)
    given = form.decode(images_schema.Images)
    given.pop("mask", None)  # a text is none
    sources = form.files.get("image", [])
    if not 1 <= len(sources) <= MAX_SOURCES:
        raise errors.BadRequest(
            f"'image' takes from 1 to {MAX_SOURCES} files, not {len(sources)}.",
            param="image",
            code="invalid_value" if sources else "missing_required_parameter",
        )
    given["image"] = [_source(upload, "image") for upload in sources]
    if masks := form.files.get("mask"):
        given["mask"] = _source(masks[0], "mask")
    return _answer(given, "image_edit", context)


def vary(_: RequestContext) -> Response:
    """Variations: of OpenAI's models, only DALL·E 2 ever made them."""
    raise errors.NotFound(
        "Vertex AI has no variations of images. Use /images/edits with a prompt that says what to vary.",
        code="unknown_url",
    )


def _source(upload: multipart.Upload, name: str) -> JSON:
    """The image as publishers take it: MIME type and base64."""
    if not (mime := _mime(upload.data)):
        raise errors.BadRequest(
            f"{name!r} must be an image in PNG, JPEG, WebP or GIF.", param=name, code="invalid_image_format"
        )
    return {"mime": mime, "data": base64.b64encode(upload.data).decode()}


def _mime(data: bytes) -> str | None:
    """What an image's first bytes tell: clients often say `application/octet-stream`."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    begins = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
    return next((mime for begin, mime in begins.items() if data.startswith(begin)), None)


def _answer(given: JSON, event: str, context: RequestContext) -> Response:
    if given.get("response_format") == "b64_json":
        del given["response_format"]  # what remains is not heeded
    answers, headers = model_calls.call_unary(
        context, given, lambda publisher: publisher.images, "make images", lambda made: made
    )
    pictures = [picture for answer in answers for picture in answer.pictures]
    usages = [answer.usage for answer in answers if answer.usage]
    context.log.usages |= dict(enumerate(usages))
    usage = _usage(usages)
    if given.get("stream"):
        return Response(_events(event, pictures, usage, given), headers)
    counted = {"usage": usage} if usage else {}
    data = [_image(picture) for picture in pictures]
    about = {"output_format": _format(pictures[0])}
    return Response({"created": int(time.time()), "data": data, **about, **counted}, headers)


def _image(picture: GeneratedImage) -> JSON:
    revised = {"revised_prompt": picture.prompt} if picture.prompt else {}
    return {"b64_json": picture.data, **revised}


def _format(picture: GeneratedImage) -> str:
    return picture.mime.removeprefix("image/")


def _events(event: str, pictures: list[GeneratedImage], usage: JSON | None, given: JSON) -> Iterator[bytes]:
    """The models show nothing before an image is whole, so each image is one event."""
    kind = f"{event}.completed"
    for picture in pictures:
        completed = {
            "type": kind,
            "b64_json": picture.data,
            "background": given.get("background", "auto"),
            "created_at": int(time.time()),
            "output_format": _format(picture),
            "quality": given.get("quality", "auto"),
            "size": given.get("size", "auto"),
            "usage": usage or _usage([Usage(0, 0)]),
        }
        yield b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(completed))


def _usage(usages: list[Usage]) -> JSON | None:
    """OpenAI's counts: the sum over the calls. None where the model counts nothing."""
    if not usages:
        return None
    prompt = sum(usage.prompt for usage in usages)
    completion = sum(usage.completion for usage in usages)
    images = sum(usage.prompt_details.get("image_tokens", 0) for usage in usages)
    made = sum(usage.completion_details.get("image_tokens", 0) for usage in usages)
    return {
        "input_tokens": prompt,
        "output_tokens": completion,
        "total_tokens": prompt + completion,
        "input_tokens_details": {"image_tokens": images, "text_tokens": prompt - images},
        "output_tokens_details": {"image_tokens": made, "text_tokens": completion - made},
    }
