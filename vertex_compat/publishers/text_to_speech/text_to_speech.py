"""Google Cloud Text-to-Speech, which has voices instead of models.

https://cloud.google.com/text-to-speech/docs/reference/rest/v1/text/synthesize
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final, cast

from vertex_compat import errors
from vertex_compat.json_values import text
from vertex_compat.publishers import voices
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Audio, Model, SpeechAdapter, UnaryAdapter, Units, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.publishers.text_to_speech import request_types as wire

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=frozenset(
        {"audioConfig", "input", "response_format", "speed", "stream_format", "use_ssml", "voice"}
    ),
    ignored=frozenset({"instructions"}),
)

ENCODINGS: Final = {"mp3": "MP3", "opus": "OGG_OPUS", "wav": "LINEAR16", "pcm": "PCM"}

MEDIA_TYPES: Final = {
    "MP3": "audio/mpeg",
    "OGG_OPUS": "audio/opus",
    "LINEAR16": "audio/wav",
    "MULAW": "audio/wav",
    "ALAW": "audio/wav",
    "PCM": "audio/pcm",
    "M4A": "audio/mp4",
}

PCM_SAMPLE_RATE: Final = 24_000
"""Samples a second of OpenAI's `pcm`."""

MAX_SPEED: Final = 2.0

MAX_INPUT_BYTES: Final = 5000
"""Of the text of one call: https://cloud.google.com/text-to-speech/quotas."""

MAX_PIECES: Final = 10
"""Calls for a longer text. OpenAI's limit of 4,096 characters has at most 16,384 bytes."""

SENTENCE_ENDS: Final = (". ", "! ", "? ", "\n", "\u3002", "\uff01", "\uff1f", "\u0964")

_SSML: Final = re.compile(r"<speak[\s>]")


def request(params: JSON, _: Model) -> list[UpstreamCall]:
    """Translate OpenAI's speech parameters; the client's `audioConfig` takes precedence.

    A text that is too long for one call is spoken in pieces.
    """
    ignored = PARAMETERS.apply(params)[1]
    content = params["input"]
    is_ssml = params.get("use_ssml") or _SSML.search(content)
    voice = _voice(params.get("voice", "alloy"))
    config: wire.AudioConfig = _audio_config(params) | params.get("audioConfig", {})
    inputs: list[wire.SynthesisInput] = (
        [{"ssml": content}] if is_ssml else [{"text": piece} for piece in _pieces(content)]
    )
    bodies: list[wire.SynthesizeSpeechRequest] = [
        {"input": part, "voice": voice, "audioConfig": config} for part in inputs
    ]
    return [
        UpstreamCall("text:synthesize", body, service="texttospeech", ignored=tuple(ignored))
        for body in bodies
    ]


def _pieces(content: str) -> list[str]:
    """Return a text in pieces that one call takes, divided between sentences if possible."""
    if len(content.encode()) > MAX_INPUT_BYTES * MAX_PIECES:
        raise errors.BadRequest(
            f"The text has more than {MAX_INPUT_BYTES * MAX_PIECES} bytes.",
            param="input",
            code="invalid_value",
        )
    pieces = []
    while len(encoded := content.encode()) > MAX_INPUT_BYTES:
        head = encoded[:MAX_INPUT_BYTES].decode("utf-8", "ignore")
        sentence = max(head.rfind(end) + len(end) if end in head else 0 for end in SENTENCE_ENDS)
        length = sentence or head.rfind(" ") + 1 or len(head)
        pieces.append(content[:length])
        content = content[length:]
    return [*pieces, content]


def _voice(voice: str | JSON) -> wire.VoiceSelectionParams:
    """Return Google's voice for a name of OpenAI's, Gemini's or its own, or for an object."""
    if isinstance(voice, dict):
        if voice.get("languageCode"):
            return cast("wire.VoiceSelectionParams", voice)
        voice = str(voice.get("id") or voice.get("name") or "")
    name = voices.ON_CLOUD.get(voice.lower(), voice)
    if name.capitalize() in voices.GEMINI:
        name = f"en-US-Chirp3-HD-{name.capitalize()}"
    language = "-".join(name.split("-")[:2])
    if language == name:
        raise errors.BadRequest(
            f"Unknown voice {voice[:64]!r}. A voice is one of {', '.join(voices.ON_CLOUD)}, a name such as "
            "'en-US-Studio-O', or an object {languageCode, name}.",
            param="voice",
            code="invalid_value",
        )
    return {"languageCode": language, "name": name}


def units(params: JSON, _: Model) -> Units:
    """Return the characters that are charged for, and the voice's type, such as `Chirp3-HD`."""
    name = str(_voice(params.get("voice", "alloy")).get("name", ""))
    kind = name.split("-", 2)[-1].rpartition("-")[0]
    return Units(characters=len(params["input"]), variant=kind)


def _audio_config(params: JSON) -> wire.AudioConfig:
    audio_format = params.get("response_format", "mp3")
    if audio_format not in ENCODINGS:
        raise errors.BadRequest(
            f"Cloud Text-to-Speech makes {', '.join(ENCODINGS)}, not {audio_format}.",
            param="response_format",
            code="unsupported_value",
        )
    config: wire.AudioConfig = {"audioEncoding": ENCODINGS[audio_format]}
    if audio_format == "pcm":
        config["sampleRateHertz"] = PCM_SAMPLE_RATE
    if "speed" in params:
        if params["speed"] > MAX_SPEED:
            raise errors.BadRequest(
                f"Cloud Text-to-Speech speaks at a speed of {MAX_SPEED:g} at most.",
                param="speed",
                code="invalid_value",
            )
        config["speakingRate"] = params["speed"]
    return config


def response(body: JSON, call: UpstreamCall) -> Audio:
    """Return the audio file of an answer; raises `UpstreamFault` if there is none."""
    encoding = call.body["audioConfig"]["audioEncoding"]
    try:
        data = base64.b64decode(text(body.get("audioContent")), validate=True)
    except ValueError:
        data = b""
    if not data:
        raise errors.UpstreamFault("Cloud Text-to-Speech answered without audio.")
    return Audio(data, MEDIA_TYPES.get(encoding, "application/octet-stream"))


SPEECH: Final = SpeechAdapter(UnaryAdapter(request, response, units), formats=lambda _: tuple(ENCODINGS))
