"""`POST /images/generations` and `/images/edits`.

Images are returned as base64, unless there is a bucket and an account that signs URLs of objects in it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from vertex_compat import errors
from vertex_compat.operations import model_calls, unary_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.guardrails.prompt_text import texts
from vertex_compat.operations.images import (
    image_sizes,
    image_sources,
    image_stream,
    image_urls,
    images_schema,
)
from vertex_compat.operations.images.image_usage import usage_object
from vertex_compat.operations.request import body, multipart
from vertex_compat.types import (
    JSON,
    GeneratedImage,
    GeneratedImages,
    Publisher,
    UnaryAdapter,
    Units,
    Usage,
)

if TYPE_CHECKING:
    from vertex_compat.operations import answer_types as wire

MAX_SOURCES: Final = 16
"""Images that one edit takes."""

LAYERS: Final = ("mask", "markup")
"""Images that belong to the first one: what is transparent in a mask changes, and a markup says how."""

PROMPTS: Final = ("prompt", "negative_prompt")
"""Parameters with texts of the client."""


def _adapter(publisher: Publisher) -> UnaryAdapter[GeneratedImages] | None:
    images = publisher.images
    return images.whole if images else None


IMAGES: Final = unary_calls.UnaryOperation(
    model_calls.Operation(_adapter, "make images", frozenset({"images"})),
    lambda params, _: {name: list(texts(params.get(name))) for name in PROMPTS},
)


def generate(context: RequestContext) -> Response:
    """Generate images from a prompt."""
    params = body.drop_nulls(body.decode(context.body, images_schema.Images))
    for name in params.keys() & {"image", *LAYERS}:
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
    if len(params.keys() & set(LAYERS)) > 1:
        raise errors.BadRequest("An edit has a 'mask' or a 'markup'.", param="markup", code="invalid_value")
    return _generate(params | {"image": sources}, "image_edit", context)


def _form_edit(context: RequestContext) -> tuple[JSON, list[JSON]]:
    """Return the parameters and the images of a form."""
    form = multipart.read(context)
    params = form.decode(images_schema.Images, ("image", *LAYERS))
    for name in LAYERS:
        if upload := form.file(name):
            params[name] = image_sources.of_upload(upload, name)
    uploads = form.files.get("image", [])[: MAX_SOURCES + 1]
    return params, [image_sources.of_upload(upload, "image") for upload in uploads]


def _json_edit(context: RequestContext) -> tuple[JSON, list[JSON]]:
    """Return the parameters and the images of a JSON body."""
    params = body.drop_nulls(body.decode(context.body, images_schema.JSONEdit))
    for name in LAYERS:
        if (reference := params.pop(name, None)) is not None:
            params[name] = image_sources.of_reference(reference, name, context)
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


def _generate(params: JSON, events: str, context: RequestContext) -> Response:
    form = params.get("response_format")
    as_urls = form == "url" and not params.get("stream") and image_urls.are_available(context)
    if as_urls or form == "b64_json":
        del params["response_format"]  # any other value is ignored, and named as ignored
    if params.get("stream"):
        return image_stream.respond(params, events, PROMPTS, context)

    def respond(results: list[GeneratedImages], headers: dict[str, str]) -> Response:
        images, usages = log_images(results, context)
        usage = usage_object(usages) if usages else None
        urls = image_urls.store(images, context) if as_urls else [None] * len(images)
        image_objects = [_image(image, url) for image, url in zip(images, urls, strict=True)]
        result: wire.ImagesResponse = {
            "created": int(time.time()),
            "data": image_objects,
            "background": "opaque",
            "output_format": images[0].format,
        }
        if size := image_sizes.dimensions(images[0].data):
            result["size"] = size
        if usage:
            result["usage"] = usage
        return Response(result, headers)

    return unary_calls.call_unary(context, params, IMAGES, lambda result: result, respond)


def log_images(
    results: list[GeneratedImages], context: RequestContext
) -> tuple[list[GeneratedImage], list[Usage]]:
    """Return the images and the counts of all calls, which are noted for the log."""
    images = [image for result in results for image in result.images]
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
