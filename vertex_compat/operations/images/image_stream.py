"""Images as events: drafts of an image while the model thinks, then the image.

https://platform.openai.com/docs/api-reference/images-streaming. No event names the image that it belongs to,
so of several images the events of one come together.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.guardrails.guard import check_params
from vertex_compat.operations.images import image_sizes
from vertex_compat.operations.images.image_usage import usage_object
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.types import (
    JSON,
    GeneratedImage,
    ImageAdapter,
    Model,
    StreamPart,
    Units,
    UpstreamCall,
    Usage,
)

if TYPE_CHECKING:
    from vertex_compat.operations import answer_types as wire

IMAGES: Final = model_calls.Operation(
    lambda publisher: publisher.images, "make images", frozenset({"images"})
)

QUALITIES: Final = frozenset({"low", "medium", "high", "xhigh", "max"})


def respond(params: JSON, kind: str, prompts: tuple[str, ...], context: RequestContext) -> Response:
    """Return the images as events of `kind`: `image_generation` or `image_edit`.

    `prompts` are the parameters with texts of the client.
    """

    def attempt(model: Model, adapter: ImageAdapter) -> Response:
        merged = {**model.defaults, **params}
        count = merged.get("n", 1)

        def prepare(model: Model) -> list[UpstreamCall]:
            return [adapter.stream.request(merged, model)] * count

        if context.dry_run:
            return model_calls.describe(prepare(model)[0], model, context)
        check_params(params, prompts, model, context)
        unguarded = replace(model, model_armor=None)  # the prompt has been checked, and an image is not
        stream = UpstreamStream(prepare, chat_parser(adapter.stream, context), unguarded, context)
        context.log.units = units(model, adapter)
        encoder = ImageEncoder(kind, merged, count, context)
        return Response(EventStream(stream.stream(encoder)), stream.headers)

    def units(model: Model, adapter: ImageAdapter) -> Units | None:
        return adapter.whole.units({**model.defaults, **params}, model)

    return model_calls.with_fallback(context, params["model"], IMAGES, attempt, units, params.get("n", 1))


class ImageEncoder:
    """Encodes the events of `count` images, each made by one call.

    The events of an image wait until the images before it are complete.
    """

    keepalive = sse.KEEPALIVE

    def __init__(self, kind: str, params: JSON, count: int, context: RequestContext) -> None:
        self._kind = kind
        self._params = params
        self._context = context
        self._calls = [_ImageCall(params.get("partial_images", 0)) for _ in range(count)]
        self._current = 0
        self._images = 0

    def encode(self, number: int, part: StreamPart) -> bytes:
        """Return the events that can be written after one part of upstream response `number`."""
        self._calls[number].add(part)
        return b"".join(self._events()) if number == self._current else b""

    def finish(self) -> bytes:
        """Return the last events; raises `UpstreamFault` if an image is missing."""
        for call in self._calls[self._current :]:
            if not call.is_finished:
                raise errors.UpstreamFault(
                    "Vertex AI ended the stream before the image was complete. Send the request again."
                )
            call.usage = call.usage or Usage(0, 0)
        events = b"".join(self._events())
        if self._context.log.units:
            self._context.log.units = Units(images=self._images)
        return events

    def _events(self) -> Iterator[bytes]:
        while self._current < len(self._calls):
            call = self._calls[self._current]
            yield from (self._partial(image, index) for index, image in call.take_drafts())
            if not (call.is_finished and call.usage):
                return
            for image in call.images[:-1]:
                yield self._completed(image, Usage(0, 0))  # the counts are those of the whole call
            yield self._completed(call.images[-1], call.usage)
            call.images = []
            self._current += 1

    def _partial(self, image: GeneratedImage, index: int) -> bytes:
        event: wire.ImagePartialImageEvent = {
            **self._event("partial_image", image),
            "partial_image_index": index,
        }
        return _encode(event)

    def _completed(self, image: GeneratedImage, usage: Usage) -> bytes:
        self._images += 1
        event: wire.ImageCompletedEvent = {
            **self._event("completed", image),
            "usage": usage_object([usage]),
        }
        return _encode(event)

    def _event(self, name: str, image: GeneratedImage) -> wire.ImageEvent:
        quality = self._params.get("quality")
        return {
            "type": f"{self._kind}.{name}",
            "b64_json": image.data,
            "background": "opaque",
            "created_at": int(time.time()),
            "output_format": image.format,
            "quality": quality if quality in QUALITIES else "auto",
            "size": image_sizes.dimensions(image.data) or self._params.get("size", "auto"),
        }


class _ImageCall:
    """The parts of one upstream response that are not written yet."""

    def __init__(self, max_drafts: int) -> None:
        self._max_drafts = max_drafts
        self._drafts: list[tuple[int, GeneratedImage]] = []
        self._count = 0
        self.images: list[GeneratedImage] = []
        self.usage: Usage | None = None
        self.is_finished = False

    def add(self, part: StreamPart) -> None:
        """Take one part; drafts above the limit are left out."""
        if isinstance(part, Usage):
            self.usage = part
            return
        if image := part.fields.get("image"):
            self.images.append(image)
        if (draft := part.fields.get("partial_image")) and self._count < self._max_drafts:
            self._drafts.append((self._count, draft))
            self._count += 1
        self.is_finished = self.is_finished or part.finish_reason is not None

    def take_drafts(self) -> list[tuple[int, GeneratedImage]]:
        """Return the drafts with their indices, each once."""
        drafts, self._drafts = self._drafts, []
        return drafts


def _encode(event: wire.ImageEvent) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))
