"""`POST /images/generations` and `/images/edits`.

Images are returned as base64, unless there is a bucket and an account that signs URLs of objects in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations import model_calls, unary_calls
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.guardrails.prompt_text import texts
from vertex_compat.operations.images import image_sources, image_urls, images_schema
from vertex_compat.operations.request import body, multipart
from vertex_compat.types import JSON, GeneratedImage, GeneratedImages, Units, Usage

if TYPE_CHECKING:
    from vertex_compat.operations import answer_types as wire

MAX_SOURCES: Final = 16
"""Images that one edit takes."""

PROMPTS: Final = ("prompt", "negative_prompt")
"""Parameters with texts of the client."""

IMAGES: Final = unary_calls.UnaryOperation(
    model_calls.Operation(lambda publisher: publisher.images, "make images", frozenset({"images"})),
    lambda params, _: {name: list(texts(params.get(name))) for name in PROMPTS},
)


def generate(context: RequestContext) -> Response:
    """Generate images from a prompt."""
    params = body.drop_nulls(body.decode(context.body, images_schema.Images))
    for name in params.keys() & {"image", "mask"}:
        raise errors.BadRequest(
            f"{name!r} is a file of a form, which /images/edits takes.", param=name, code="unknown_parameter"
        )
    return _generate(params, "image_generation", context)


def edit(context: RequestContext) -> Response:
    """Generate images from images and a prompt, which come as a form or as JSON."""
    is_json = context.content_type.partition(";")[0].strip().lower() == "application/json"
    params, sources = _json_edit(context) if is_json else _form_edit(context)
    if not 1 <= len(sources) <= MAX_SOURCES:
        param = "images" if is_json else "image"
        raise errors.BadRequest(
            f"{param!r} takes from 1 to {MAX_SOURCES} images, not {len(sources)}.",
            param=param,
            code="invalid_value" if sources else "missing_required_parameter",
        )
    return _generate(params | {"image": sources}, "image_edit", context)


def _form_edit(context: RequestContext) -> tuple[JSON, list[JSON]]:
    """Return the parameters and the images of a form."""
    form = multipart.read(context)
    params = form.decode(images_schema.Images)
    params.pop("mask", None)  # a mask is a file, not a field
    if masks := form.files.get("mask"):
        params["mask"] = image_sources.of_upload(masks[0], "mask")
    uploads = form.files.get("image", [])[: MAX_SOURCES + 1]
    return params, [image_sources.of_upload(upload, "image") for upload in uploads]


def _json_edit(context: RequestContext) -> tuple[JSON, list[JSON]]:
    """Return the parameters and the images of a JSON body."""
    params = body.drop_nulls(body.decode(context.body, images_schema.JSONEdit))
    if mask := params.pop("mask", None):
        params["mask"] = image_sources.of_reference(mask, "mask", context)
    references = params.pop("images", [])[: MAX_SOURCES + 1]
    sources = [
        image_sources.of_reference(reference, f"images[{number}]", context)
        for number, reference in enumerate(references)
    ]
    return params, sources


def vary(_: RequestContext) -> Response:
    """Refuse to make variations, which only DALL·E 2 could make."""
    raise errors.NotFound(
        "Vertex AI has no variations of images. Use /images/edits with a prompt that says what to vary.",
        code="unknown_url",
    )


def _generate(params: JSON, event: str, context: RequestContext) -> Response:
    form = params.get("response_format")
    as_urls = form == "url" and not params.get("stream") and image_urls.are_available(context)
    if as_urls or form == "b64_json":
        del params["response_format"]  # any other value is ignored, and named as ignored

    def respond(results: list[GeneratedImages], headers: dict[str, str]) -> Response:
        images, usages = log_images(results, context)
        usage = _usage(usages) if usages else None
        if params.get("stream"):
            return Response(EventStream(_events(event, images, usage, params)), headers)
        urls = image_urls.store(images, context) if as_urls else [None] * len(images)
        image_objects = [_image(image, url) for image, url in zip(images, urls, strict=True)]
        result: wire.ImagesResponse = {
            "created": int(time.time()),
            "data": image_objects,
            "output_format": _format(images[0]),
        }
        if usage:
            result["usage"] = usage
        return Response(result, headers)

    return unary_calls.call_unary(context, params, IMAGES, lambda result: result, respond)


def log_images(
    results: list[GeneratedImages], context: RequestContext
) -> tuple[list[GeneratedImage], list[Usage]]:
    """Return the images and the counts of all calls, which are noted for the log."""
    images = [image for result in results for image in result.pictures]
    usages = [result.usage for result in results if result.usage]
    context.log.usages |= dict(enumerate(usages))
    if context.log.units:
        context.log.units = Units(images=len(images))
    return images, usages


def _image(image: GeneratedImage, url: str | None) -> wire.Image:
    result: wire.Image = {"url": url} if url else {"b64_json": image.data}
    if image.prompt:
        result["revised_prompt"] = image.prompt
    return result


def _format(image: GeneratedImage) -> str:
    return image.mime.removeprefix("image/")


def _events(
    event: str, images: list[GeneratedImage], usage: wire.ImagesUsage | None, params: JSON
) -> Iterator[bytes]:
    """One event for each image: the models return no partial images."""
    kind = f"{event}.completed"
    for image in images:
        completed: wire.ImageCompletedEvent = {
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


def _usage(usages: list[Usage]) -> wire.ImagesUsage:
    """OpenAI's counts: the sum over the calls."""
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
