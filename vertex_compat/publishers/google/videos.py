"""Veo's long-running operations.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation. Vertex AI keeps an
operation for a while only; with `storageUri` the video itself is in Cloud Storage, else in the operation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from vertex_compat import errors
from vertex_compat.json_values import items, mapping, text
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import (
    JSON,
    ClientRequest,
    Model,
    Units,
    UpstreamCall,
    VideoAdapter,
    VideoOperation,
)

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

PARAMETERS: Final = ParameterTable(
    renamed={
        "enhance_prompt": "enhancePrompt",
        "generate_audio": "generateAudio",
        "negative_prompt": "negativePrompt",
        "person_generation": "personGeneration",
        "resize_mode": "resizeMode",
        "seed": "seed",
    },
    handled=frozenset({"image", "prompt", "seconds", "size", "storage_uri", "video"}),
    ignored=frozenset({"user"}),
)

RESOLUTIONS: Final = ((720, "720p"), (1080, "1080p"))
"""Most pixels of a video's shorter side → resolution; more is 4k."""

EXTENSION_SECONDS: Final = 7
"""All models extend by this: https://cloud.google.com/vertex-ai/generative-ai/docs/video/extend-a-veo-video,
and Vertex AI's 400 for other values, "supported durations are [7] for feature video_extension" (2026-09)."""

RATIO: Final = 16 / 9
"""Width to height, or height to width, of every video."""

MAX_RATIO_ERROR: Final = 0.05
"""OpenAI's 1792x1024 counts as 16:9."""

BUCKET_NEEDED: Final = "output storage uri is required"
"""Phrase of the error of a video that is too large for an operation."""

_NAME: Final = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/publishers/google/models/(?P<model>[^/]+)"
    r"/operations/(?P<number>[A-Za-z0-9_-]+)"
)


def start(body: JSON, model: Model) -> UpstreamCall:
    """Return the call that starts a video.

    `image`, and `video`, which is continued, have `mime` and either base64 `data` or a `gs://` `uri`;
    `storage_uri` is a folder.
    """
    client_request = ClientRequest(body, model)
    renamed, ignored = PARAMETERS.apply(body)
    parameters = cast("wire.VideoParameters", renamed)
    client_request.ignore(*ignored)
    width, height = map(int, body["size"].split("x"))
    if abs(max(width, height) / min(width, height) / RATIO - 1) > MAX_RATIO_ERROR:
        client_request.ignore("size")
    parameters["sampleCount"] = 1
    parameters["durationSeconds"] = int(body["seconds"])
    parameters["aspectRatio"] = "16:9" if width >= height else "9:16"
    resolution = _resolution(min(width, height))
    if model.profile.takes_video_resolution:
        parameters["resolution"] = resolution
    elif resolution != RESOLUTIONS[0][1]:
        client_request.ignore("size")
    if "storage_uri" in body:
        parameters["storageUri"] = body["storage_uri"]
    instance: wire.VideoInstance = {"prompt": body["prompt"]}
    if image := body.get("image"):
        instance["image"] = _media(image)
    if video := body.get("video"):
        instance["video"] = _media(video)
    upstream_body: wire.GenerateVideosRequest = {"instances": [instance], "parameters": parameters}
    return UpstreamCall(f"{model.resource}:predictLongRunning", upstream_body, ignored=client_request.ignored)


def _media(file: JSON) -> wire.Media:
    if "uri" in file:
        return {"gcsUri": file["uri"], "mimeType": file["mime"]}
    return {"bytesBase64Encoded": file["data"], "mimeType": file["mime"]}


def units(body: JSON, model: Model) -> Units:
    """Return the seconds that are charged for; variants are resolutions, or without audio."""
    resolution = _resolution(min(map(int, body["size"].split("x"))))
    if not model.profile.takes_video_resolution:
        resolution = ""
    variant = "without_audio" if body.get("generate_audio") is False else resolution
    return Units(seconds=int(body["seconds"]), variant=variant)


def _resolution(side: int) -> str:
    return next((name for max_side, name in RESOLUTIONS if side <= max_side), "4k")


def location(operation: str) -> str:
    """Return the location of an operation's name.

    Raises `UpstreamFault` if it is none of a video.
    """
    if match := _NAME.fullmatch(operation):
        return match["location"]
    raise errors.UpstreamFault("Vertex AI started a video and did not name its operation.")


def fetch(operation: str) -> UpstreamCall:
    """Return the call that shows an operation."""
    resource = operation.partition("/operations/")[0].split("/locations/", 1)[-1].partition("/")[2]
    body: wire.FetchPredictOperationRequest = {"operationName": operation}
    return UpstreamCall(f"{resource}:fetchPredictOperation", body)


def read(operation: JSON) -> VideoOperation:
    """Return the state of an operation, and its video."""
    if not operation.get("done"):
        return VideoOperation()
    if failure := mapping(operation.get("error")):
        reason = text(failure.get("message")) or "Vertex AI does not say why."
        if BUCKET_NEEDED in reason:
            reason += " Set GCS_BUCKET_NAME."
        return VideoOperation(done=True, error=("video_generation_failed", reason))
    response = mapping(operation.get("response"))
    for video in items(response.get("videos")):
        mime = text(video.get("mimeType")) or "video/mp4"
        uri, data = text(video.get("gcsUri")), text(video.get("bytesBase64Encoded"))
        if uri or data:
            return VideoOperation(done=True, mime=mime, uri=uri, data=data)
    reasons = response.get("raiMediaFilteredReasons")
    reason = " ".join(map(text, reasons)) if isinstance(reasons, list) else ""
    return VideoOperation(
        done=True, error=("content_policy_violation", reason or "The video was filtered by the model.")
    )


VIDEOS: Final = VideoAdapter(start, location, fetch, read, units, EXTENSION_SECONDS)
