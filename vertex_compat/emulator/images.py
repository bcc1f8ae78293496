"""Images: Imagen's `predict`, and what Gemini's image models refuse."""

import itertools

from vertex_compat.emulator import google, proto
from vertex_compat.emulator.answers import JSON, Answer, pretty_answer
from vertex_compat.emulator.asked import Asked
from vertex_compat.emulator.embeddings import PREDICT
from vertex_compat.emulator.gemini.replies import PIXEL
from vertex_compat.emulator.proto import Count, Message, Truth, Words

IMAGEN = ("imagen-", "imagegeneration")
IMAGEN_RATIOS = {"1:1", "3:4", "4:3", "9:16", "16:9"}
GEMINI_RATIOS = IMAGEN_RATIOS | {"2:3", "3:2", "4:5", "5:4", "21:9"}
SIZES = {"1K", "2K", "4K"}
MIMES = {"image/png", "image/jpeg"}
UNSAFE = "unsafe"  # a prompt with this word in it is filtered

INSTANCE = Message("ImageInstance", {"prompt": Words()})
PARAMETERS = Message(
    "ImageParameters",
    {
        **dict.fromkeys(
            (
                "aspectRatio",
                "sampleImageSize",
                "negativePrompt",
                "personGeneration",
                "safetySetting",
                "language",
                "storageUri",
            ),
            Words(),
        ),
        **dict.fromkeys(("sampleCount", "seed"), Count()),
        **dict.fromkeys(("addWatermark", "enhancePrompt", "includeRaiReason"), Truth()),
        "outputOptions": Message("OutputOptions", {"mimeType": Words(), "compressionQuality": Count()}),
    },
)


def predicted(asked: Asked) -> Answer:
    """Answer Imagen's `predict`."""
    body = proto.read(PREDICT, asked.body)
    instances = [proto.read(INSTANCE, one) for one in body.get("instances") or []]
    wanted = proto.read(PARAMETERS, body.get("parameters") or {})
    if len(instances) != 1 or not instances[0].get("prompt"):
        raise google.invalid("Exactly one instance with a prompt is needed.")
    if not 1 <= wanted.get("sampleCount", 4) <= 4:
        raise google.invalid("sampleCount must be between 1 and 4.")
    if wanted.get("aspectRatio", "1:1") not in IMAGEN_RATIOS:
        raise google.invalid(f"Aspect ratio {wanted['aspectRatio']} is not supported.")
    if "seed" in wanted and wanted.get("addWatermark", True):
        raise google.invalid("Seed is not supported when watermark is enabled.")
    if UNSAFE in instances[0]["prompt"]:
        reason = "Unable to show generated images. Support codes: 58061214"
        return pretty_answer({"predictions": [{"raiFilteredReason": reason}]})
    mime = wanted.get("outputOptions", {}).get("mimeType", "image/png")
    image = {"mimeType": mime, "bytesBase64Encoded": PIXEL, "prompt": f"{instances[0]['prompt']}, in detail"}
    return pretty_answer({"predictions": list(itertools.repeat(image, wanted.get("sampleCount", 4)))})


def check(asked: Asked) -> None:
    """Refuse what asks Gemini for an image in a way that it does not have.

    Raises:
        Refused: 400 INVALID_ARGUMENT.

    """
    config: JSON = asked.body.get("generationConfig") or {}
    makes = "image" in asked.model
    if "IMAGE" in (config.get("responseModalities") or []) and not makes:
        raise google.invalid("Multi-modal output is not supported.")
    image: JSON = config.get("imageConfig") or {}
    if image and not makes:
        raise google.invalid("imageConfig is not supported for this model.")
    if makes and config.get("candidateCount", 1) != 1:
        raise google.invalid("Multiple candidates is not enabled for this model.")
    if image.get("aspectRatio", "1:1") not in GEMINI_RATIOS:
        raise google.invalid(f"aspect_ratio must be one of {', '.join(sorted(GEMINI_RATIOS))}.")
    if image.get("imageSize", "1K") not in SIZES or (
        "imageSize" in image and asked.model.startswith("gemini-2")
    ):
        raise google.invalid("imageSize is not supported for this model.")
    if image.get("imageOutputOptions", {}).get("mimeType", "image/png") not in MIMES:
        raise google.invalid("imageOutputOptions.mimeType must be image/png or image/jpeg.")
