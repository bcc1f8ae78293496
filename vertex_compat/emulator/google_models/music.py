"""Lyria: `predict` of music models. Every clip is silence.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/lyria-music-generation.
"""

import base64

from vertex_compat.emulator.google_models.embeddings import PREDICT
from vertex_compat.emulator.google_models.speech import SOUNDS
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import IntegerField, Message, StringField
from vertex_compat.emulator.protocol.responses import Response, pretty_json_response

FAMILY = "lyria-"
UNSAFE = "unsafe"

INSTANCE = Message(
    "MusicInstance", {"prompt": StringField(), "negativePrompt": StringField(), "seed": IntegerField()}
)
PARAMETERS = Message("MusicParameters", {"sampleCount": IntegerField()})


def predict(request: ModelRequest) -> Response:
    """Answer `predict`."""
    body = proto_json.read(PREDICT, request.body)
    instances = [proto_json.read(INSTANCE, one) for one in body.get("instances") or []]
    count = proto_json.read(PARAMETERS, body.get("parameters") or {}).get("sampleCount")
    if len(instances) != 1 or not instances[0].get("prompt"):
        raise google_errors.invalid_argument("Exactly one instance with a prompt is needed.")
    if count is not None and "seed" in instances[0]:
        raise google_errors.invalid_argument("seed and sample_count cannot be used together.")
    if not 1 <= (count or 1) <= 4:
        raise google_errors.invalid_argument("sample_count must be between 1 and 4.")
    if UNSAFE in instances[0]["prompt"]:
        raise google_errors.invalid_argument("The prompt was blocked by the safety filters.")
    clip = {"audioContent": base64.b64encode(SOUNDS["LINEAR16"]).decode(), "mimeType": "audio/wav"}
    return pretty_json_response({"predictions": [clip] * (count or 1), "modelDisplayName": "Lyria 2"})
