"""Write the audio of a chat answer in OpenAI's two formats."""

from __future__ import annotations

import base64
import binascii
import io
import re
import wave
from typing import Final

from vertex_compat import errors
from vertex_compat.types import DeltaFields

SAMPLE_RATE: Final = 24_000
"""OpenAI's `pcm16`, and Gemini's unless the MIME type names another."""

SAMPLE_BYTES: Final = 2


class AudioOutput:
    """The audio of one answer: 16-bit samples as they come, or a WAV file at its end.

    A client may decode each piece of base64 or all of them joined, so only the last piece is padded.
    """

    def __init__(self, audio_format: str, id_: str) -> None:
        self._format = audio_format
        self._id = {"id": id_}
        self._buffer = bytearray()
        self._rate = SAMPLE_RATE
        self._is_pcm = True
        self._started = False

    def read(self, mime_type: str, data: str) -> DeltaFields:
        """Return the fields of a delta for base64 `data`; none if it has to wait for more."""
        if rate := re.search(r"rate=(\d{1,6})", mime_type):
            self._rate = int(rate[1])
        self._is_pcm = mime_type.lower().startswith(("audio/l16", "audio/pcm"))
        self._buffer += _decode(data)
        if self._format == "wav":
            return {}
        ready = len(self._buffer) - len(self._buffer) % 3
        return self._piece(ready) if ready else {}

    def end(self) -> DeltaFields:
        """Return the fields of the last delta, none if there was no audio."""
        if self._format == "wav" and self._is_pcm and self._buffer:
            self._buffer = bytearray(_wav(self._buffer, self._rate))
        if not (self._buffer or self._started):
            return {}
        # It is not stored, so it can be referred to no longer than now.
        return {"audio": self._piece(len(self._buffer))["audio"] | {"transcript": "", "expires_at": 0}}

    def _piece(self, size: int) -> DeltaFields:
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        first = {} if self._started else self._id
        self._started = True
        return {"audio": first | {"data": base64.b64encode(piece).decode()}}


def _decode(data: str) -> bytes:
    try:
        return base64.b64decode(data)
    except (binascii.Error, ValueError):
        raise errors.UpstreamFault("Vertex AI answered with audio that is not valid base64.") from None


def _wav(samples: bytes | bytearray, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_BYTES)
        writer.setframerate(rate or SAMPLE_RATE)
        writer.writeframes(samples)
    return file.getvalue()
