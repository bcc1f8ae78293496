"""Cloud Text-to-Speech: voices instead of models.

https://cloud.google.com/text-to-speech/docs/reference/rest/v1/text/synthesize
"""

from __future__ import annotations

import base64
import re
from typing import Final

from vertex_compat import errors
from vertex_compat.publishers import voices
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, Audio, Model, Publisher, SpeechAdapter, UnaryAdapter, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=frozenset(
        {"audioConfig", "input", "response_format", "speed", "stream_format", "use_ssml", "voice"}
    ),
    ignored=frozenset({"instructions"}),
)

ENCODINGS: Final = {"mp3": "MP3", "opus": "OGG_OPUS", "wav": "LINEAR16", "pcm": "PCM"}

MIMES: Final = {
    "MP3": "audio/mpeg",
    "OGG_OPUS": "audio/opus",
    "LINEAR16": "audio/wav",
    "MULAW": "audio/wav",
    "ALAW": "audio/wav",
    "PCM": "audio/pcm",
    "M4A": "audio/mp4",
}

SAMPLES_A_SECOND: Final = 24_000
FASTEST: Final = 2.0


def request(body: JSON, _: Model) -> list[UpstreamCall]:
    """OpenAI's body → Google's. The client's `audioConfig` goes before everything else."""
    ignored = PARAMETERS.apply(body)[1]
    text = body["input"]
    is_ssml = body.get("use_ssml") or re.search(r"<speak[\s>]", text)
    sent = {
        "input": {"ssml" if is_ssml else "text": text},
        "voice": _voice(body.get("voice", "alloy")),
        "audioConfig": _audio(body) | body.get("audioConfig", {}),
    }
    return [UpstreamCall("text:synthesize", sent, service="texttospeech", ignored=tuple(ignored))]


def _voice(given: str | JSON) -> JSON:
    """`{languageCode, name}`, `{id}`, an OpenAI voice, a Gemini one, or a name such as `en-US-Studio-O`."""
    if isinstance(given, dict):
        if "id" not in given:
            return given
        given = str(given["id"])
    name = voices.ON_CLOUD.get(given.lower(), given)
    if name.capitalize() in voices.GEMINI:
        name = f"en-US-Chirp3-HD-{name.capitalize()}"
    language = "-".join(name.split("-")[:2])
    if language == name:
        raise errors.BadRequest(
            f"Unknown voice {given[:64]!r}. A voice is one of {', '.join(voices.ON_CLOUD)}, a name such as "
            "'en-US-Studio-O', or an object {languageCode, name}.",
            param="voice",
            code="invalid_value",
        )
    return {"languageCode": language, "name": name}


def _audio(body: JSON) -> JSON:
    wanted = body.get("response_format", "mp3")
    if wanted not in ENCODINGS:
        raise errors.BadRequest(
            f"Cloud Text-to-Speech makes {', '.join(ENCODINGS)}, not {wanted}.",
            param="response_format",
            code="unsupported_value",
        )
    config: JSON = {"audioEncoding": ENCODINGS[wanted]}
    if wanted == "pcm":
        config["sampleRateHertz"] = SAMPLES_A_SECOND
    if "speed" in body:
        if body["speed"] > FASTEST:
            raise errors.BadRequest(
                f"Cloud Text-to-Speech speaks at a speed of {FASTEST:g} at most.",
                param="speed",
                code="invalid_value",
            )
        config["speakingRate"] = body["speed"]
    return config


def response(answer: JSON, call: UpstreamCall) -> Audio:
    """The file in the answer."""
    mime = MIMES.get(call.body["audioConfig"]["audioEncoding"], "application/octet-stream")
    return Audio(base64.b64decode(answer["audioContent"]), mime)


PUBLISHER: Final = Publisher("texttospeech", speech=SpeechAdapter(UnaryAdapter(request, response)))
