"""Images: Gemini's by `generateContent`, Imagen's by `predict`.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/image-generation and
.../docs/model-reference/imagen-api. Imagen has been shut down; its wire is kept for names in older code, and
Vertex says what became of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Final

from vertex_compat import errors
from vertex_compat.publishers.google import generate_content
from vertex_compat.publishers.google.chat import options
from vertex_compat.publishers.google.usage import usage
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, GeneratedImage, GeneratedImages, Model, UnaryAdapter, UpstreamCall

SHAPED: Final = frozenset(
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
    renamed={"seed": "seed"},
    handled=SHAPED | options.PARAMETERS | {"image", "mask", "quality"},
    ignored=frozenset({"input_fidelity", "moderation", "partial_images", "response_format", "style", "user"}),
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
    handled=SHAPED,
    ignored=frozenset({"moderation", "partial_images", "quality", "response_format", "style", "user"}),
    refused=frozenset({"image", "mask"}),
)

GEMINI_RATIOS: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
IMAGEN_RATIOS: Final = ("1:1", "3:4", "4:3", "9:16", "16:9")

SIZES: Final = (("1K", 2_000_000), ("2K", 6_000_000))
"""Up to how many pixels a name stands for; 1792x1024 is still 1K, and what is more than 2K is 4K."""

QUALITIES: Final = {"hd": "2K", "high": "2K", "xhigh": "4K", "max": "4K"}
"""What is meant where no size is asked for."""

MIMES: Final = {"png": "image/png", "jpeg": "image/jpeg"}

MAX_SAMPLES: Final = 4
"""Images that one call of Imagen's makes; Gemini makes one."""

POLICY: Final = frozenset(
    {
        "BLOCKLIST",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)

"""Reasons to end without an image that lie in what was asked for."""

MASK: Final = "The last image is a mask of the first one: change only what is transparent in the mask."


def request(body: JSON, model: Model) -> list[UpstreamCall]:
    """The calls that make `n` images."""
    if body.get("background") == "transparent" or body.get("output_format") == "webp":
        raise errors.BadRequest(
            "Vertex AI makes opaque images, in PNG or JPEG.",
            param="background" if body.get("background") == "transparent" else "output_format",
            code="unsupported_value",
        )
    wanted = body.get("n", 1)
    if _is_imagen(model):
        counts = [MAX_SAMPLES] * (wanted // MAX_SAMPLES) + [wanted % MAX_SAMPLES]
        return [_imagen(count, body, model) for count in counts if count]
    return [_gemini(body, model)] * wanted


def _is_imagen(model: Model) -> bool:
    return model.name.startswith(("imagen-", "imagegeneration"))


def _gemini(body: JSON, model: Model) -> UpstreamCall:
    config, ignored = GEMINI.apply(body)
    image: JSON = {"aspectRatio": _ratio(body, GEMINI_RATIOS)}
    size = body.get("image_size") or _size(body)
    if "quality" in body:
        if size or model.name.startswith("gemini-2"):  # which has one size
            ignored.append("quality")
        else:
            size = QUALITIES.get(body["quality"])
    image |= {"imageSize": size if size != "1K" else None, "imageOutputOptions": _output(body)}
    if image := {name: value for name, value in image.items() if value}:
        config["imageConfig"] = image
    config["responseModalities"] = ["TEXT", "IMAGE"]
    whole = body | {"stream": False}  # nothing comes before an image is whole
    return generate_content.call(list(_parts(body)), config, whole, model, ignored)


def _parts(body: JSON) -> Iterator[JSON]:
    mask = body.get("mask")
    for source in [*body.get("image", []), *([mask] if mask else [])]:
        yield {"inlineData": {"mimeType": source["mime"], "data": source["data"]}}
    if mask:
        yield {"text": MASK}
    yield {"text": body["prompt"]}


def _imagen(count: int, body: JSON, model: Model) -> UpstreamCall:
    parameters, ignored = IMAGEN.apply(body)
    size = body.get("image_size") or _size(body)
    shaped: JSON = {
        "sampleCount": count,
        "aspectRatio": _ratio(body, IMAGEN_RATIOS),
        "sampleImageSize": size if size != "1K" else None,
        "outputOptions": _output(body),
        "includeRaiReason": True,
    }
    parameters |= {name: value for name, value in shaped.items() if value}
    sent = {"instances": [{"prompt": body["prompt"]}], "parameters": parameters}
    return UpstreamCall(f"{model.resource}:predict", sent, ignored=tuple(ignored))


def _pixels(body: JSON) -> tuple[int, int] | None:
    if match := re.fullmatch(r"(\d+)x(\d+)", body.get("size", "")):
        return int(match[1]), int(match[2])
    return None


def _ratio(body: JSON, ratios: tuple[str, ...]) -> str | None:
    """The aspect ratio that is asked for, or the nearest to the size that is."""
    if given := body.get("aspect_ratio"):
        return str(given)
    if not (pixels := _pixels(body)):
        return None
    wanted = math.log(pixels[0] / pixels[1])

    def distance(ratio: str) -> float:
        width, height = ratio.split(":")
        return abs(math.log(int(width) / int(height)) - wanted)

    return min(ratios, key=distance)


def _size(body: JSON) -> str | None:
    if not (pixels := _pixels(body)):
        return None
    return next((name for name, most in SIZES if pixels[0] * pixels[1] <= most), "4K")


def _output(body: JSON) -> JSON:
    """How the file is written. Both wires call it the same."""
    given = {
        "mimeType": MIMES.get(body.get("output_format", "")),
        "compressionQuality": body.get("output_compression"),
    }
    return {name: value for name, value in given.items() if value is not None}


def response(answer: JSON, call: UpstreamCall) -> GeneratedImages:
    """The images of one answer; raises `BadRequest` where the model refused to make any."""
    return _of_imagen(answer) if call.path.endswith(":predict") else _of_gemini(answer)


def _of_imagen(answer: JSON) -> GeneratedImages:
    predictions = answer.get("predictions") or []
    pictures = [
        GeneratedImage(one["bytesBase64Encoded"], one.get("mimeType", "image/png"), one.get("prompt"))
        for one in predictions
        if "bytesBase64Encoded" in one
    ]
    if not pictures:
        raise _refused(
            next((one["raiFilteredReason"] for one in predictions if "raiFilteredReason" in one), "")
        )
    return GeneratedImages(pictures)


def _of_gemini(answer: JSON) -> GeneratedImages:
    candidate = (answer.get("candidates") or [{}])[0]
    parts = (candidate.get("content") or {}).get("parts") or []
    pictures = [
        GeneratedImage(part["inlineData"]["data"], part["inlineData"]["mimeType"])
        for part in parts
        if "inlineData" in part and not part.get("thought")
    ]
    if not pictures:
        feedback = answer.get("promptFeedback") or {}
        reason = feedback.get("blockReason") or candidate.get("finishReason", "")
        said = feedback.get("blockReasonMessage") or candidate.get("finishMessage")
        texts = "".join(part.get("text", "") for part in parts if not part.get("thought"))
        if reason in POLICY or feedback:
            raise _refused(said or reason)
        raise errors.BadRequest(f"The model made no image. {said or texts or reason}".strip())
    return GeneratedImages(pictures, usage(answer.get("usageMetadata") or {}))


def _refused(reason: str) -> errors.BadRequest:
    return errors.BadRequest(
        f"The image was refused by the model's safety filters. {reason}".strip(),
        param="prompt",
        code="content_policy_violation",
    )


IMAGES: Final = UnaryAdapter(request, response)
