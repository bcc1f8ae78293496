"""Imagen's `predict`, and the checks of Gemini's image models."""

import itertools

from vertex_compat.emulator.google_models.embeddings import PREDICT
from vertex_compat.emulator.google_models.gemini.replies import PIXEL
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import (
    BoolField,
    IntegerField,
    Message,
    NumberField,
    RepeatedField,
    StringField,
)
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response

IMAGEN = ("imagen-", "imagegeneration")
IMAGEN_RATIOS = {"1:1", "3:4", "4:3", "9:16", "16:9"}
GEMINI_RATIOS = IMAGEN_RATIOS | {"2:3", "3:2", "4:5", "5:4", "21:9"}
LONG_RATIOS = {"1:4", "4:1", "1:8", "8:1"}
WITH_LONG_RATIOS = ("gemini-3.1-flash-image", "gemini-nano-banana")
ONE_SIZE = ("gemini-2", "gemini-3.1-flash-lite-image")
SIZES = {"1K", "2K", "4K"}
WITH_SMALL_SIZE = ("gemini-3.1-flash-image", "gemini-nano-banana")  # "512"
MIMES = {"image/png", "image/jpeg"}
UPSCALE_FACTORS = {"x2", "x3", "x4"}
UNSAFE = "unsafe"  # a prompt with this word in it is filtered

_BYTES = Message("Image", dict.fromkeys(("bytesBase64Encoded", "gcsUri", "mimeType"), StringField()))
INSTANCE = Message("ImageInstance", {"prompt": StringField(), "image": _BYTES})
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
                "mode",
                "storageUri",
            ),
            StringField(),
        ),
        **dict.fromkeys(("sampleCount", "seed"), IntegerField()),
        **dict.fromkeys(("addWatermark", "enhancePrompt", "includeRaiReason"), BoolField()),
        "outputOptions": Message(
            "OutputOptions", {"mimeType": StringField(), "compressionQuality": IntegerField()}
        ),
        "upscaleConfig": Message(
            "UpscaleConfig",
            {
                "upscaleFactor": StringField(),
                "enhanceInputImage": BoolField(),
                "imagePreservationFactor": NumberField(),
            },
        ),
    },
)


def predict(request: ModelRequest) -> Response:
    """Answer Imagen's `predict`."""
    body = proto_json.read(PREDICT, request.body)
    instances = [proto_json.read(INSTANCE, instance) for instance in body.get("instances") or []]
    parameters = proto_json.read(PARAMETERS, body.get("parameters") or {})
    if parameters.get("mode") == "upscale":
        return _upscale(instances, parameters)
    if any("image" in instance for instance in instances):
        raise google_errors.invalid_argument("Image editing is not supported by this model.")
    if len(instances) != 1 or not instances[0].get("prompt"):
        raise google_errors.invalid_argument("Exactly one instance with a prompt is needed.")
    if not 1 <= parameters.get("sampleCount", 4) <= 4:
        raise google_errors.invalid_argument("sampleCount must be between 1 and 4.")
    if parameters.get("aspectRatio", "1:1") not in IMAGEN_RATIOS:
        raise google_errors.invalid_argument(f"Aspect ratio {parameters['aspectRatio']} is not supported.")
    if "seed" in parameters and parameters.get("addWatermark", True):
        raise google_errors.invalid_argument("Seed is not supported when watermark is enabled.")
    if UNSAFE in instances[0]["prompt"]:
        reason = "Unable to show generated images. Support codes: 58061214"
        return pretty_json_response({"predictions": [{"raiFilteredReason": reason}]})
    mime = parameters.get("outputOptions", {}).get("mimeType", "image/png")
    image = {"mimeType": mime, "bytesBase64Encoded": PIXEL, "prompt": f"{instances[0]['prompt']}, in detail"}
    return pretty_json_response(
        {"predictions": list(itertools.repeat(image, parameters.get("sampleCount", 4)))}
    )


def _upscale(instances: list[JSON], parameters: JSON) -> Response:
    """Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/image/upscale-image."""
    if len(instances) != 1 or not instances[0].get("image"):
        raise google_errors.invalid_argument("Exactly one instance with an image is needed.")
    if parameters.get("upscaleConfig", {}).get("upscaleFactor") not in UPSCALE_FACTORS:
        raise google_errors.invalid_argument("upscaleFactor must be x2, x3 or x4.")
    mime = parameters.get("outputOptions", {}).get("mimeType", "image/png")
    return pretty_json_response({"predictions": [{"mimeType": mime, "bytesBase64Encoded": PIXEL}]})


TRY_ON = "virtual-try-on"
_PICTURE = Message("Picture", {"image": _BYTES})
TRY_ON_INSTANCE = Message(
    "TryOnInstance",
    {"prompt": StringField(), "personImage": _PICTURE, "productImages": RepeatedField(_PICTURE)},
)
TRY_ON_PARAMETERS = Message(
    "TryOnParameters",
    {
        **dict.fromkeys(("personGeneration", "safetySetting", "storageUri"), StringField()),
        **dict.fromkeys(("baseSteps", "sampleCount", "seed"), IntegerField()),
        **dict.fromkeys(("addWatermark", "enhancePrompt"), BoolField()),
        "outputOptions": PARAMETERS.fields["outputOptions"],
    },
)


def try_on(request: ModelRequest) -> Response:
    """Answer the `predict` of virtual try-on: one person in one product.

    Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/virtual-try-on-api
    """
    body = proto_json.read(PREDICT, request.body)
    instances = [proto_json.read(TRY_ON_INSTANCE, instance) for instance in body.get("instances") or []]
    parameters = proto_json.read(TRY_ON_PARAMETERS, body.get("parameters") or {})
    if len(instances) != 1 or not instances[0].get("personImage"):
        raise google_errors.invalid_argument("Exactly one instance with a person image is needed.")
    if len(instances[0].get("productImages", [])) != 1:
        raise google_errors.invalid_argument("Exactly one product image is needed.")
    if not 1 <= parameters.get("sampleCount", 1) <= 4:
        raise google_errors.invalid_argument("sampleCount must be between 1 and 4.")
    mime = parameters.get("outputOptions", {}).get("mimeType", "image/png")
    image = {"mimeType": mime, "bytesBase64Encoded": PIXEL}
    return pretty_json_response({"predictions": [image] * parameters.get("sampleCount", 1)})


def check(request: ModelRequest) -> None:
    """Check the image settings of a Gemini request.

    Raises:
        RequestRefused: 400 INVALID_ARGUMENT.

    """
    config: JSON = request.body.get("generationConfig") or {}
    makes = any(word in request.model for word in ("image", "nano-banana"))
    if "IMAGE" in (config.get("responseModalities") or []) and not makes:
        raise google_errors.invalid_argument("Multi-modal output is not supported.")
    image: JSON = config.get("imageConfig") or {}
    if image and not makes:
        raise google_errors.invalid_argument("imageConfig is not supported for this model.")
    if makes and config.get("candidateCount", 1) != 1:
        raise google_errors.invalid_argument("Multiple candidates is not enabled for this model.")
    ratios = GEMINI_RATIOS | (LONG_RATIOS if request.model.startswith(WITH_LONG_RATIOS) else set())
    if image.get("aspectRatio", "1:1") not in ratios:
        raise google_errors.invalid_argument(f"aspect_ratio must be one of {', '.join(sorted(ratios))}.")
    sizes = SIZES | ({"512"} if request.model.startswith(WITH_SMALL_SIZE) else set())
    if image.get("imageSize", "1K") not in sizes or (
        "imageSize" in image and request.model.startswith(ONE_SIZE)
    ):
        raise google_errors.invalid_argument("imageSize is not supported for this model.")
    if image.get("imageOutputOptions", {}).get("mimeType", "image/png") not in MIMES:
        raise google_errors.invalid_argument("imageOutputOptions.mimeType must be image/png or image/jpeg.")
