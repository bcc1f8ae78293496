"""The Gemini API's `:predict`: images in the form of Imagen's API, from every image model.

https://ai.google.dev/api/models#method:-models.predict and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api. A request becomes one of
`/images/generations`. Clients: Vercel's `@ai-sdk/google`, google-genai before 3.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vertex_compat import errors
from vertex_compat.operations import model_calls, unary_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.generate_content.generate_content_schema import Predict
from vertex_compat.operations.generate_content.input_contents import camel_case
from vertex_compat.operations.images.images import IMAGES, log_images
from vertex_compat.operations.request import body
from vertex_compat.operations.request.chat_request import ParamNames, rename_param
from vertex_compat.types import JSON, GeneratedImage, GeneratedImages

if TYPE_CHECKING:
    from vertex_compat.operations.generate_content import answer_types as wire

FORMATS: Final = {"image/png": "png", "image/jpeg": "jpeg"}
"""`outputOptions.mimeType` → `output_format` of `/images/generations`."""

RENAMED: Final = {
    "addWatermark": "add_watermark",
    "aspectRatio": "aspect_ratio",
    "enhancePrompt": "enhance_prompt",
    "imageSize": "image_size",
    "language": "language",
    "negativePrompt": "negative_prompt",
    "personGeneration": "person_generation",
    "safetySetting": "safety_setting",
    "sampleCount": "n",
    "sampleImageSize": "image_size",
    "seed": "seed",
}
"""Field of `parameters` → parameter of `/images/generations`."""

ALWAYS: Final = frozenset({"includeRaiReason", "includeSafetyAttributes", "outputOptions"})
"""Fields of `parameters` that are read here, or that a response fulfils without them."""

_NAMES: Final = ParamNames(
    {
        "prompt": "instances[0].prompt",
        "output_format": "parameters.outputOptions.mimeType",
        "output_compression": "parameters.outputOptions.compressionQuality",
        **{name: f"parameters.{field}" for field, name in RENAMED.items()},
    }
)


def predict(context: RequestContext) -> Response:
    """Generate images from the prompt of one instance."""
    request: JSON = camel_case(body.decode(context.body, body.AnyObject))
    body.validate(request, Predict)
    params, ignored = _image_params(request)
    params["model"] = context.path_args["model"]

    def respond(results: list[GeneratedImages], headers: dict[str, str]) -> Response:
        images, _ = log_images(results, context)
        answer: wire.GenerateImagesResponse = {"predictions": [_prediction(image) for image in images]}
        return Response(answer, _with_ignored(headers, ignored))

    try:
        return unary_calls.call_unary(context, params, IMAGES, lambda result: result, respond)
    except errors.BadRequest as error:
        rename_param(error, _NAMES)
        raise


def _image_params(request: JSON) -> tuple[JSON, list[str]]:
    """Return the parameters of `/images/generations`, and the names of those that it lacks."""
    instance, parameters = request["instances"][0], request.get("parameters") or {}
    if extra := instance.keys() - {"prompt"}:
        raise errors.BadRequest(
            f"An instance has a prompt and nothing else here, not {', '.join(sorted(extra))[:200]}. "
            "To edit images, send them to :generateContent of an image model, or to /v1/images/edits.",
            param=f"instances[0].{min(extra)}",
            code="unsupported_value",
        )
    params = {RENAMED[field]: value for field, value in parameters.items() if field in RENAMED}
    output = parameters.get("outputOptions") or {}
    params |= {
        "prompt": instance["prompt"],
        "output_format": FORMATS.get(output.get("mimeType") or ""),
        "output_compression": output.get("compressionQuality"),
    }
    return body.drop_nulls(params), [
        f"parameters.{name}" for name in sorted(parameters.keys() - RENAMED.keys() - ALWAYS)
    ]


def _prediction(image: GeneratedImage) -> wire.ImagePrediction:
    prediction: wire.ImagePrediction = {"mimeType": image.mime, "bytesBase64Encoded": image.data}
    if image.prompt:
        prediction["prompt"] = image.prompt
    return prediction


def _with_ignored(headers: dict[str, str], ignored: list[str]) -> dict[str, str]:
    """Return the headers with the client's names of all that was ignored."""
    names = filter(None, headers.get("x-vertex-compat-ignored", "").split(", "))
    return headers | model_calls.ignored_header([*map(_NAMES.of, names), *ignored])
