"""Cloud Text-to-Speech and Gemini's speech models; they answer silence in valid containers."""

import base64
import io
import struct
import wave

from vertex_compat.emulator.google_models.gemini import replies
from vertex_compat.emulator.google_models.gemini.body import GENERATE
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import (
    AnyField,
    EnumField,
    IntegerField,
    Message,
    NumberField,
    RepeatedField,
    StringField,
)
from vertex_compat.emulator.protocol.responses import JSON, SSE_TYPE, Response, pretty_json_response
from vertex_compat.emulator.text_model.replies import count_tokens

RATE = 24_000
AUDIO_TOKENS = 25
MAX_INPUT_BYTES = 5000
MAX_SPEAKING_RATE = 2.0
MIN_SPEAKING_RATE = 0.25

ENCODING = EnumField(
    "AudioEncoding",
    ("AUDIO_ENCODING_UNSPECIFIED", "LINEAR16", "MP3", "OGG_OPUS", "MULAW", "ALAW", "PCM", "M4A"),
)
INPUTS = ("text", "ssml", "markup", "multiSpeakerMarkup")
SYNTHESIZE = Message(
    "SynthesizeSpeechRequest",
    {
        "input": Message(
            "SynthesisInput",
            {
                **dict.fromkeys(("text", "ssml", "markup", "prompt"), StringField()),
                "multiSpeakerMarkup": AnyField(),
            },
            one_of=INPUTS,
        ),
        "voice": Message(
            "VoiceSelectionParams",
            dict.fromkeys(("languageCode", "name", "ssmlGender", "modelName"), StringField()),
        ),
        "audioConfig": Message(
            "AudioConfig",
            {
                "audioEncoding": ENCODING,
                **dict.fromkeys(("speakingRate", "pitch", "volumeGainDb"), NumberField("TYPE_DOUBLE")),
                "sampleRateHertz": IntegerField(),
                "effectsProfileId": RepeatedField(StringField()),
            },
        ),
    },
)


def synthesize(request: ModelRequest) -> Response:
    """Answer `text:synthesize`."""
    body = proto_json.read(SYNTHESIZE, request.body)
    input_, voice, config = (body.get(name, {}) for name in ("input", "voice", "audioConfig"))
    text = next((input_[name] for name in INPUTS if input_.get(name)), "")
    if not text:
        raise google_errors.invalid_argument(
            "Either `input.text` or `input.ssml` is longer than the limit or empty."
        )
    if len(str(text).encode()) > MAX_INPUT_BYTES:
        raise google_errors.invalid_argument(
            f"Either `input.text` or `input.ssml` is longer than the limit of {MAX_INPUT_BYTES} bytes."
        )
    if "ssml" in input_ and not text.strip().startswith("<speak"):
        raise google_errors.invalid_argument("Invalid SSML. Newer voices like Neural2 require valid SSML.")
    if not voice.get("languageCode"):
        raise google_errors.invalid_argument("Voice language code is required.")
    name = voice.get("name", "")
    if name and not name.startswith(f"{voice['languageCode']}-"):
        raise google_errors.invalid_argument(
            f"Requested language code '{voice['languageCode']}' doesn't match the voice '{name}''s language."
        )
    if not MIN_SPEAKING_RATE <= config.get("speakingRate", 1) <= MAX_SPEAKING_RATE:
        raise google_errors.invalid_argument(
            f"Invalid speaking rate. Must be in the range [{MIN_SPEAKING_RATE}, {MAX_SPEAKING_RATE}]."
        )
    encoding = config.get("audioEncoding", "AUDIO_ENCODING_UNSPECIFIED")
    if encoding not in SOUNDS:
        raise google_errors.invalid_argument("Unsupported audio encoding.")
    return pretty_json_response({"audioContent": base64.b64encode(SOUNDS[encoding]).decode()})


def is_speech_model(model: str) -> bool:
    """Return whether a Gemini model is a speech model."""
    return "-tts" in model


def speak(request: ModelRequest) -> Response:
    """Answer a speech model's request: raw samples without a container."""
    body = proto_json.read(GENERATE, request.body)
    config: JSON = body.get("generationConfig", {})
    if config.get("responseModalities") != ["AUDIO"]:
        raise google_errors.invalid_argument(
            "The requested combination of response modalities is not supported by the model."
        )
    if "systemInstruction" in body or "tools" in body:
        raise google_errors.invalid_argument("Developer instruction is not enabled for this model.")
    parts = [part for content in body.get("contents", []) for part in content.get("parts", [])]
    if not parts or not all(part.get("text") for part in parts):
        raise google_errors.invalid_argument(
            "Model tried to generate text, but it should only be used for TTS."
        )
    tokens = sum(count_tokens(part["text"]) for part in parts)
    if request.verb == "generateContent":
        return pretty_json_response(_chunk(SAMPLES, request, tokens))
    half = len(SAMPLES) // 4 * 2
    chunks = (_chunk(SAMPLES[:half], request, None), _chunk(SAMPLES[half:], request, tokens))
    headers = replies.STREAM_HEADERS | {"Content-Type": SSE_TYPE}
    return Response(200, map(replies.sse, chunks), headers, streamed=True)


def _chunk(samples: bytes, request: ModelRequest, tokens: int | None) -> JSON:
    """Return a response with samples; `tokens` of the prompt, None if it is not the last chunk."""
    data = base64.b64encode(samples).decode()
    part = {"inlineData": {"mimeType": f"audio/L16;codec=pcm;rate={RATE}", "data": data}}
    content = {"role": "model", "parts": [part]}
    if tokens is None:
        return {"candidates": [{"content": content}], "modelVersion": request.model}
    return {
        "candidates": [{"content": content, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": tokens,
            "candidatesTokenCount": AUDIO_TOKENS,
            "totalTokenCount": tokens + AUDIO_TOKENS,
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": AUDIO_TOKENS}],
        },
        "modelVersion": request.model,
    }


# Silence

SAMPLES = bytes(2 * RATE // 10)


def _wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(SAMPLES)
    return file.getvalue()


def _mp3() -> bytes:
    """Return silence as MPEG-2 layer III, 64 kbit/s, 24 kHz, mono: frames of 192 bytes."""
    return (bytes.fromhex("fff384c4") + bytes(188)) * 5


def _ogg(packets: list[bytes]) -> bytes:
    """Return an Ogg file with one packet per page (RFC 3533)."""
    pages = []
    for index, packet in enumerate(packets):
        kind = (2 if index == 0 else 0) | (4 if index == len(packets) - 1 else 0)
        position = max(index - 1, 0) * 960
        head = struct.pack("<4sBBqIII", b"OggS", 0, kind, position, 1, index, 0)
        page = bytearray(head + bytes([1, len(packet)]) + packet)
        page[22:26] = struct.pack("<I", _checksum(page))
        pages.append(bytes(page))
    return b"".join(pages)


def _checksum(page: bytearray) -> int:
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


OPUS_HEAD = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, RATE, 0, 0)
OPUS_TAGS = b"OpusTags" + struct.pack("<I", 8) + b"emulator" + struct.pack("<I", 0)
OPUS_SILENCE = b"\xf8\xff\xfe"

SOUNDS = {
    "LINEAR16": _wav(),
    "PCM": SAMPLES,
    "MP3": _mp3(),
    "OGG_OPUS": _ogg([OPUS_HEAD, OPUS_TAGS, OPUS_SILENCE, OPUS_SILENCE]),
}
