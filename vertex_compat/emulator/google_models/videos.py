"""Veo: `predictLongRunning` starts a video, `fetchPredictOperation` returns its operation.

Source: Google's Gen AI SDK and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation. An operation runs
until it has been fetched once. A prompt with `unsafe` is filtered; a model name with `emulator-job-failed`
makes the operation fail. Every video is the same few bytes of MP4.
"""

import base64
import struct

from vertex_compat.emulator.project import PROJECT_NUMBER
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.proto_json import (
    AnyField,
    BoolField,
    IntegerField,
    MapField,
    Message,
    RepeatedField,
    StringField,
)
from vertex_compat.emulator.protocol.responses import JSON, Response
from vertex_compat.emulator.resources.operations import Operations
from vertex_compat.emulator.resources.storage import Storage

FAMILY = "veo-"
SECONDS = {"veo-2": range(5, 9), "veo-3": (4, 6, 8)}
EXTENSION_SECONDS = (7,)
RATIOS = {"16:9", "9:16"}
RESOLUTIONS = {"720p", "1080p", "4k"}
UNSAFE = "unsafe"


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _movie(seconds: int, width: int, height: int) -> bytes:
    """Return the box that says how long a movie is, and how large."""
    header = struct.pack(">12xII80x", 24, 24 * seconds)
    track = struct.pack(">76xII", width << 16, height << 16)
    return _box(b"moov", _box(b"mvhd", header) + _box(b"trak", _box(b"tkhd", track)))


MP4 = b"".join(
    (
        _box(b"ftyp", b"isom\x00\x00\x02\x00isommp41"),
        _movie(4, 1280, 720),
        _box(b"free", b""),
        _box(b"mdat", bytes(2048)),
    )
)

_MEDIA = {"bytesBase64Encoded": StringField(), "gcsUri": StringField(), "mimeType": StringField()}
MEDIA = Message("Media", _MEDIA, one_of=("bytesBase64Encoded", "gcsUri"))
INSTANCE = Message(
    "VideoInstance",
    {
        "prompt": StringField(),
        "image": MEDIA,
        "lastFrame": MEDIA,
        "video": MEDIA,
        "referenceImages": RepeatedField(
            Message("ReferenceImage", {"image": MEDIA, "referenceType": StringField()})
        ),
    },
)
PARAMETERS = Message(
    "VideoParameters",
    {
        **dict.fromkeys(
            (
                "aspectRatio",
                "compressionQuality",
                "negativePrompt",
                "personGeneration",
                "pubsubTopic",
                "resizeMode",
                "resolution",
                "storageUri",
            ),
            StringField(),
        ),
        **dict.fromkeys(("durationSeconds", "fps", "sampleCount", "seed"), IntegerField()),
        **dict.fromkeys(("enhancePrompt", "generateAudio"), BoolField()),
    },
)
START = Message(
    "PredictLongRunningRequest",
    {"instances": RepeatedField(AnyField()), "parameters": AnyField(), "labels": MapField(StringField())},
)
FETCH = Message("FetchPredictOperationRequest", {"operationName": StringField()})


class VideoOperations:
    """The operations of video models."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._operations = Operations()

    def start(self, location: str, model: str, body: JSON) -> Response:
        """Answer `predictLongRunning`."""
        if not model.startswith(FAMILY) or "nonexistent" in model:
            raise google_errors.model_not_found(
                f"projects/{PROJECT_NUMBER}/locations/{location}", "google", model
            )
        read = proto_json.read(START, body)
        if len(read.get("instances", [])) != 1:
            raise google_errors.invalid_argument("Exactly one instance is needed.")
        instance = proto_json.read(INSTANCE, read["instances"][0])
        parameters = proto_json.read(PARAMETERS, read.get("parameters", {}))
        _check(model, instance, parameters)
        return self._operations.start(
            f"projects/{PROJECT_NUMBER}/locations/{location}/publishers/google/models/{model}",
            lambda number: self._result(number, model, instance, parameters),
        )

    def fetch(self, location: str, model: str, body: JSON) -> Response:
        """Answer `fetchPredictOperation`."""
        name = proto_json.read(FETCH, body).get("operationName", "")
        missing = f"The operation {name} does not exist."
        if f"/locations/{location}/publishers/google/models/{model}/operations/" not in name:
            raise google_errors.refused(404, missing)
        return self._operations.read(name, missing)

    def forget(self) -> None:
        """Forget all operations, as Vertex AI does after some time."""
        self._operations.forget()

    def _result(self, number: str, model: str, instance: JSON, parameters: JSON) -> JSON:
        if "emulator-job-failed" in model:
            return {"error": {"code": 13, "message": "Video generation failed."}}
        kind = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
        if UNSAFE in instance.get("prompt", ""):
            reasons = ["The prompt could not be submitted. Support codes: 58061214"]
            filtered = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": reasons}
            return {"response": {"@type": kind, **filtered}}
        videos = [
            self._video(number, index, parameters.get("storageUri"))
            for index in range(parameters.get("sampleCount", 1))
        ]
        return {"response": {"@type": kind, "raiMediaFilteredCount": 0, "videos": videos}}

    def _video(self, number: str, index: int, storage_uri: str | None) -> JSON:
        if not storage_uri:
            return {"bytesBase64Encoded": base64.b64encode(MP4).decode(), "mimeType": "video/mp4"}
        uri = f"{storage_uri.rstrip('/')}/{number}/sample_{index}.mp4"
        self._storage.write(uri, MP4)
        return {"gcsUri": uri, "mimeType": "video/mp4"}


def _check(model: str, instance: JSON, parameters: JSON) -> None:
    if not instance.get("prompt") and not instance.get("image"):
        raise google_errors.invalid_argument("A prompt or an image is needed.")
    feature = "video_extension" if "video" in instance else "text_to_video"
    allowed_seconds = SECONDS.get(model[:5], SECONDS["veo-3"])
    if feature == "video_extension":
        allowed_seconds = EXTENSION_SECONDS
    if parameters.get("durationSeconds", allowed_seconds[-1]) not in allowed_seconds:
        raise google_errors.invalid_argument(
            f"Unsupported output video duration {parameters['durationSeconds']} seconds, supported durations "
            f"are {list(allowed_seconds)} for feature {feature}."
        )
    if parameters.get("aspectRatio", "16:9") not in RATIOS:
        raise google_errors.invalid_argument(f"Unsupported aspect ratio {parameters['aspectRatio']}.")
    if parameters.get("resolution", "720p") not in RESOLUTIONS:
        raise google_errors.invalid_argument(f"Unsupported resolution {parameters['resolution']}.")
    if not 1 <= parameters.get("sampleCount", 1) <= 4:
        raise google_errors.invalid_argument("sampleCount must be between 1 and 4.")
    for name in ("image", "lastFrame", "video"):
        if name in instance and not instance[name].get("mimeType"):
            raise google_errors.invalid_argument(f"{name}.mimeType is not set.")
    uri = parameters.get("storageUri", "gs://")
    if not uri.startswith("gs://"):
        raise google_errors.invalid_argument(f"Invalid storageUri: {uri}")
