"""Lyria: `predict` of music models. Every clip is silence.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/lyria-music-generation.
"""

import base64

from vertex_compat.emulator.google_models.embeddings import PREDICT
from vertex_compat.emulator.google_models.gemini.body import GENERATE
from vertex_compat.emulator.google_models.speech import SOUNDS
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import IntegerField, Message, StringField
from vertex_compat.emulator.protocol.responses import Response, pretty_json_response

FAMILY = "lyria-"
UNSAFE = "unsafe"

INSTANCE = Message(
    "MusicInstance", {"prompt": StringField(), "negative_prompt": StringField(), "seed": IntegerField()}
)
PARAMETERS = Message("MusicParameters", {"sample_count": IntegerField()})


def predict(request: ModelRequest) -> Response:
    """Answer `predict`."""
    body = proto_json.read(PREDICT, request.body)
    instances = [proto_json.read(INSTANCE, instance) for instance in body.get("instances") or []]
    count = proto_json.read(PARAMETERS, body.get("parameters") or {}).get("sample_count")
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


def generate(request: ModelRequest) -> Response:
    """Answer `generateContent`, which later models have: lyrics, and a file of MP3."""
    body = proto_json.read(GENERATE, request.body)
    prompt = " ".join(
        part.get("text", "") for content in body.get("contents") or [] for part in content.get("parts") or []
    )
    if not prompt.strip():
        raise google_errors.invalid_argument("A prompt is needed.")
    counts = {"promptTokenCount": len(prompt.split()), "totalTokenCount": len(prompt.split())}
    if UNSAFE in prompt:
        return pretty_json_response(
            {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": counts}
        )
    blob = {"mimeType": "audio/mpeg", "data": base64.b64encode(SOUNDS["MP3"]).decode()}
    content = {"role": "model", "parts": [{"text": "La la la."}, {"inlineData": blob}]}
    candidate = {"content": content, "finishReason": "STOP"}
    return pretty_json_response({"candidates": [candidate], "usageMetadata": counts})
