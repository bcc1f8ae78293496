"""Cloud Text-to-Speech, and Gemini's models that speak. What is heard is silence, in real containers."""

import base64
import io
import struct
import wave

from vertex_compat.emulator import google, proto
from vertex_compat.emulator.answers import JSON, Answer, pretty_answer
from vertex_compat.emulator.asked import Asked
from vertex_compat.emulator.gemini.body import GENERATE
from vertex_compat.emulator.model import count
from vertex_compat.emulator.proto import Count, Decimal, Enum, Message, Repeated, Value, Words

RATE = 24_000
LONGEST = 5000  # bytes
FASTEST = 2.0
SLOWEST = 0.25

ENCODING = Enum(
    "AudioEncoding",
    ("AUDIO_ENCODING_UNSPECIFIED", "LINEAR16", "MP3", "OGG_OPUS", "MULAW", "ALAW", "PCM", "M4A"),
)
INPUTS = ("text", "ssml", "markup", "multiSpeakerMarkup")
SYNTHESIZE = Message(
    "SynthesizeSpeechRequest",
    {
        "input": Message(
            "SynthesisInput",
            {**dict.fromkeys(("text", "ssml", "markup", "prompt"), Words()), "multiSpeakerMarkup": Value()},
            one_of=INPUTS,
        ),
        "voice": Message(
            "VoiceSelectionParams",
            dict.fromkeys(("languageCode", "name", "ssmlGender", "modelName"), Words()),
        ),
        "audioConfig": Message(
            "AudioConfig",
            {
                "audioEncoding": ENCODING,
                **dict.fromkeys(("speakingRate", "pitch", "volumeGainDb"), Decimal("TYPE_DOUBLE")),
                "sampleRateHertz": Count(),
                "effectsProfileId": Repeated(Words()),
            },
        ),
    },
)


def synthesized(asked: Asked) -> Answer:
    """Answer `text:synthesize`."""
    body = proto.read(SYNTHESIZE, asked.body)
    given, voice, config = (body.get(name, {}) for name in ("input", "voice", "audioConfig"))
    said = next((given[name] for name in INPUTS if given.get(name)), "")
    if not said:
        raise google.invalid("Either `input.text` or `input.ssml` is longer than the limit or empty.")
    if len(str(said).encode()) > LONGEST:
        raise google.invalid(
            f"Either `input.text` or `input.ssml` is longer than the limit of {LONGEST} bytes."
        )
    if "ssml" in given and not said.strip().startswith("<speak"):
        raise google.invalid("Invalid SSML. Newer voices like Neural2 require valid SSML.")
    if not voice.get("languageCode"):
        raise google.invalid("Voice language code is required.")
    name = voice.get("name", "")
    if name and not name.startswith(f"{voice['languageCode']}-"):
        raise google.invalid(
            f"Requested language code '{voice['languageCode']}' doesn't match the voice '{name}''s language."
        )
    if not SLOWEST <= config.get("speakingRate", 1) <= FASTEST:
        raise google.invalid(f"Invalid speaking rate. Must be in the range [{SLOWEST}, {FASTEST}].")
    encoding = config.get("audioEncoding", "AUDIO_ENCODING_UNSPECIFIED")
    if encoding not in SOUNDS:
        raise google.invalid("Unsupported audio encoding.")
    return pretty_answer({"audioContent": base64.b64encode(SOUNDS[encoding]).decode()})


def speaks(model: str) -> bool:
    """Tell whether a Gemini is one that speaks."""
    return "-tts" in model


def spoken(asked: Asked) -> Answer:
    """Answer `generateContent` of a Gemini that speaks: samples, without a container."""
    body = proto.read(GENERATE, asked.body)
    config: JSON = body.get("generationConfig", {})
    if config.get("responseModalities") != ["AUDIO"]:
        raise google.invalid(
            "The requested combination of response modalities is not supported by the model."
        )
    if "systemInstruction" in body or "tools" in body:
        raise google.invalid("Developer instruction is not enabled for this model.")
    parts = [part for content in body.get("contents", []) for part in content.get("parts", [])]
    if not parts or not all(part.get("text") for part in parts):
        raise google.invalid("Model tried to generate text, but it should only be used for TTS.")
    tokens = sum(count(part["text"]) for part in parts)
    data = base64.b64encode(SAMPLES).decode()
    part = {"inlineData": {"mimeType": f"audio/L16;codec=pcm;rate={RATE}", "data": data}}
    return pretty_answer(
        {
            "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
            "usageMetadata": {
                "promptTokenCount": tokens,
                "candidatesTokenCount": 25,
                "totalTokenCount": tokens + 25,
                "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 25}],
            },
            "modelVersion": asked.model,
        }
    )


# Silence

SAMPLES = bytes(2 * RATE // 10)


def _wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(RATE)
        written.writeframes(SAMPLES)
    return file.getvalue()


def _mp3() -> bytes:
    """MPEG-2 layer III, 64 kbit/s, 24 kHz, mono: frames of 192 bytes in which nothing is said."""
    return (bytes.fromhex("fff384c4") + bytes(188)) * 5


def _ogg(packets: list[bytes]) -> bytes:
    """Each packet in a page of its own: https://www.rfc-editor.org/rfc/rfc3533."""
    pages = []
    for place, packet in enumerate(packets):
        kind = (2 if place == 0 else 0) | (4 if place == len(packets) - 1 else 0)
        position = max(place - 1, 0) * 960
        head = struct.pack("<4sBBqIII", b"OggS", 0, kind, position, 1, place, 0)
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
