"""Images: Gemini's through `generateContent`, Imagen's through `predict`.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/image-generation and
.../docs/model-reference/imagen-api. Imagen has been shut down; its API stays for names in older code, and
Vertex answers what replaced them.

Gemini 3's image models think: they make up to two drafts. If `includeThoughts` asks for them, drafts come as
parts with `thought: true`, each complete in one chunk of a stream
(https://ai.google.dev/gemini-api/docs/image-generation#thinking-process, 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, cast

from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.json_values import enum, items, mapping, text
from vertex_compat.publishers.google import generate_content, image_config
from vertex_compat.publishers.google.chat import options, reasoning
from vertex_compat.publishers.google.finish_reasons import BLOCK_REASONS, POLICY, finish_reason
from vertex_compat.publishers.google.usage import TOTALS, usage
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import (
    JSON,
    ChatAdapter,
    ClientRequest,
    Delta,
    GeneratedImage,
    GeneratedImages,
    ImageAdapter,
    Model,
    StreamPart,
    StreamTranslator,
    UnaryAdapter,
    Units,
    UpstreamCall,
    Usage,
)

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

HANDLED: Final = frozenset(
    {
        "aspect_ratio",
        "background",
        "image_size",
        "n",
        "output_compression",
        "output_format",
        "prompt",
        "size",
    }
)

GEMINI: Final = ParameterTable(
    renamed={},
    handled=HANDLED
    | options.PARAMETERS
    | {"complexity", "image", "markup", "mask", "partial_images", "quality", "seed", "thinking"},
    ignored=frozenset({"input_fidelity", "moderation", "response_format", "style", "user"}),
)

IMAGEN: Final = ParameterTable(
    renamed={
        "add_watermark": "addWatermark",
        "enhance_prompt": "enhancePrompt",
        "language": "language",
        "negative_prompt": "negativePrompt",
        "person_generation": "personGeneration",
        "safety_setting": "safetySetting",
        "seed": "seed",
    },
    handled=HANDLED,
    ignored=frozenset({"moderation", "partial_images", "quality", "response_format", "style", "user"}),
    refused=frozenset({"image", "markup", "mask"}),
)

MAX_SAMPLES: Final = 4
"""Images that one call of Imagen's makes; one of Gemini's makes one."""

LAYERS: Final = {
    "mask": "The last image is a mask of the first one: change only what is transparent in the mask.",
    "markup": "The last image lies over the first one, and its marks show what to change. The result has no "
    "marks.",
}
"""Parameter with an image that belongs to the first one → the instruction for it."""


def request(body: JSON, model: Model) -> list[UpstreamCall]:
    """Return the calls that make `n` images; raises `BadRequest`."""
    image_config.check(body)
    images = body.get("n", 1)
    if model.profile.media_method == "predict":
        counts = [MAX_SAMPLES] * (images // MAX_SAMPLES) + [images % MAX_SAMPLES]
        return [_imagen(count, ClientRequest(body, model)) for count in counts if count]
    return [_gemini(ClientRequest(body, model))] * images


def stream_request(body: JSON, model: Model) -> UpstreamCall:
    """Return the call that makes one image and is answered in a stream if the model streams."""
    image_config.check(body)
    if model.profile.media_method == "predict":
        return _imagen(1, ClientRequest(body, model))
    return _gemini(ClientRequest({**body, "stream": True}, model))


def units(body: JSON, model: Model) -> Units | None:
    """Return the images that are charged for; Gemini's are paid by tokens."""
    return Units(images=body.get("n", 1)) if model.profile.media_method == "predict" else None


def _gemini(client_request: ClientRequest) -> UpstreamCall:
    body = client_request.body
    _, ignored = GEMINI.apply(client_request.body)
    client_request.ignore(*ignored)
    config: wire.GenerationConfig = {"seed": generate_content.seed(body["seed"])} if "seed" in body else {}
    if image := image_config.gemini(client_request):
        config["imageConfig"] = image
    config["responseModalities"] = ["TEXT", "IMAGE"]
    thinking = _thinking(client_request)
    if thinking:
        config["thinkingConfig"] = thinking
    call = generate_content.call(
        list(_parts(body)), config, body, client_request.model, client_request.ignored
    )
    features = (image_config.DRAFTS,) if thinking.get("includeThoughts") else ()
    return replace(call, optional_features=features)


def _thinking(client_request: ClientRequest) -> wire.ThinkingConfig:
    """Return `thinkingConfig`. Thoughts are read only where the client gets drafts."""
    native = options.read(client_request)
    config = reasoning.thinking_config(client_request, native, "complexity")
    config.pop("includeThoughts", None)
    if image_config.with_drafts(client_request, client_request):
        config["includeThoughts"] = True
    return config


def _parts(body: JSON) -> Iterator[wire.Part]:
    layers = [(body[name], text) for name, text in LAYERS.items() if name in body]
    for source in [*body.get("image", []), *(source for source, _ in layers)]:
        yield _source_part(source)
    for _, instruction in layers:
        yield {"text": instruction}
    yield {"text": body["prompt"]}


def _source_part(source: JSON) -> wire.Part:
    """Return an image to edit: its base64 `data`, or the `uri` of one in Cloud Storage."""
    if "uri" in source:
        return {"fileData": {"mimeType": source["mime"], "fileUri": source["uri"]}}
    return {"inlineData": {"mimeType": source["mime"], "data": source["data"]}}


def _imagen(count: int, client_request: ClientRequest) -> UpstreamCall:
    body = client_request.body
    size = image_config.size(body)
    image_fields: wire.ImageParameters = {"sampleCount": count, "includeRaiReason": True}
    if ratio := image_config.ratio(body, image_config.IMAGEN_RATIOS):
        image_fields["aspectRatio"] = ratio
    if size and size != "1K":
        image_fields["sampleImageSize"] = size
    if output := image_config.output(client_request):
        image_fields["outputOptions"] = output
    parameters, ignored = IMAGEN.apply(client_request.body)
    client_request.ignore(*ignored)
    upstream_body: wire.GenerateImagesRequest = {
        "instances": [{"prompt": body["prompt"]}],
        "parameters": cast("wire.ImageParameters", parameters | image_fields),
    }
    path = f"{client_request.model.resource}:predict"
    return UpstreamCall(path, upstream_body, ignored=client_request.ignored)


def response(body: JSON, call: UpstreamCall) -> GeneratedImages:
    """Return the images of a response; raises `BadRequest` where the model refused to make any."""
    return _of_imagen(body) if call.path.endswith(":predict") else _of_gemini(body)


def _of_imagen(body: JSON) -> GeneratedImages:
    predictions = items(body.get("predictions"))
    images = [
        GeneratedImage(
            data, text(prediction.get("mimeType")) or "image/png", text(prediction.get("prompt")) or None
        )
        for prediction in predictions
        if (data := text(prediction.get("bytesBase64Encoded")))
    ]
    if not images:
        raise _unusable(
            next(
                (
                    text(prediction["raiFilteredReason"])
                    for prediction in predictions
                    if "raiFilteredReason" in prediction
                ),
                "",
            )
        )
    return GeneratedImages(images)


def _of_gemini(body: JSON) -> GeneratedImages:
    reader = _ImageReader()
    images = [part.fields["image"] for part in reader.read(body) if "image" in part.fields]
    if not images:
        raise reader.no_image()
    return GeneratedImages(images, reader.usage)


def stream(_: UpstreamCall) -> StreamTranslator:
    """Return the translator of one streamed response."""
    return _ImageReader().read_chunk


def _whole_parts(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """Return the parts of a response that came whole."""
    result = response(body, call)
    yield from (Delta(0, {"image": image}) for image in result.images)
    if result.usage:
        yield result.usage
    yield Delta(0, {}, "stop")


class _ImageReader:
    """Reads Gemini's response to one call, whole or in chunks: drafts, then usually one image."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._has_image = False
        self._texts: list[str] = []
        self._candidate: JSON = {}
        self._feedback: JSON = {}

    def read_chunk(self, event: JSON) -> Iterator[StreamPart]:
        """Yield the parts of a chunk; raises `BadRequest` where the model ends without an image."""
        yield from self.read(event)
        if self._has_counts(event) and self.usage:
            yield self.usage
        if finish_reason(self._candidate) or self._feedback.get("blockReason"):
            if not self._has_image:
                raise self.no_image()
            yield Delta(0, {}, "stop")

    def read(self, event: JSON) -> Iterator[Delta]:
        """Yield the images of a chunk or of a whole response, drafts as `partial_image`."""
        self._candidate = next(iter(items(event.get("candidates"))), {})
        self._feedback = mapping(event.get("promptFeedback"))
        if self._has_counts(event):
            self.usage = usage(mapping(event.get("usageMetadata")))
        for part in items(mapping(self._candidate.get("content")).get("parts")):
            is_draft, file = part.get("thought") is True, mapping(part.get("inlineData"))
            if data := text(file.get("data")):
                self._has_image = self._has_image or not is_draft
                image = GeneratedImage(data, text(file.get("mimeType")) or "image/png")
                yield Delta(0, {"partial_image": image} if is_draft else {"image": image})
            elif not is_draft:
                self._texts.append(text(part.get("text")))

    @staticmethod
    def _has_counts(event: JSON) -> bool:
        return not TOTALS.isdisjoint(mapping(event.get("usageMetadata")))

    def no_image(self) -> errors.BadRequest:
        """Return the error for a response without an image, with the reason that Gemini gives."""
        reason = enum(self._feedback.get("blockReason"), BLOCK_REASONS) or finish_reason(self._candidate)
        message = text(self._feedback.get("blockReasonMessage")) or text(self._candidate.get("finishMessage"))
        if reason in POLICY or self._feedback:
            return _unusable(message or reason)
        answer = "".join(self._texts)
        return errors.BadRequest(f"The model made no image. {message or answer or reason}".strip())


def _unusable(reason: str) -> errors.BadRequest:
    return errors.BadRequest(
        f"The image was refused by the model's safety filters. {reason}".strip(),
        param="prompt",
        code="content_policy_violation",
    )


IMAGES: Final = ImageAdapter(
    UnaryAdapter(request, response, units), ChatAdapter(stream_request, _whole_parts, stream)
)
