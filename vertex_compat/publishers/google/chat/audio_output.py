"""The sound of a chat's answer, in OpenAI's two forms."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import Final

from vertex_compat import errors
from vertex_compat.types import JSON

SAMPLES_A_SECOND: Final = 24_000
"""What OpenAI's `pcm16` has, and Gemini unless it says otherwise."""


class AudioOutput:
    """The sound of one answer: samples of 16 bits as they come, or a WAV file of all of them at its end.

    A client may decode each piece of base64 or all of them joined, so no piece but the last is padded.
    """

    def __init__(self, form: str, identity: str) -> None:
        self._form = form
        self._id = {"id": identity}
        self._held = bytearray()
        self._rate = SAMPLES_A_SECOND
        self._samples = True
        self._heard = False

    def read(self, file: JSON) -> JSON:
        """What a piece of sound is in a delta; may be nothing yet."""
        mime = file.get("mimeType", "")
        if rate := re.search(r"rate=(\d+)", mime):
            self._rate = int(rate[1])
        self._samples = mime.lower().startswith(("audio/l16", "audio/pcm"))
        self._held += _decoded(file.get("data", ""))
        if self._form == "wav":
            return {}
        ready = len(self._held) - len(self._held) % 3
        return self._piece(ready) if ready else {}

    def end(self) -> JSON:
        """What is left to say of it in a last delta."""
        if self._form == "wav" and self._samples and self._held:
            self._held = bytearray(_wav_header(len(self._held), self._rate)) + self._held
        if not (self._held or self._heard):
            return {}
        # It is not kept, so it can be referred to no longer than now.
        return {"audio": self._piece(len(self._held))["audio"] | {"transcript": "", "expires_at": 0}}

    def _piece(self, size: int) -> JSON:
        piece = bytes(self._held[:size])
        del self._held[:size]
        identity = {} if self._heard else self._id
        self._heard = True
        return {"audio": identity | {"data": base64.b64encode(piece).decode()}}


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data)
    except binascii.Error:
        raise errors.UpstreamFault("Vertex AI answered with a sound that cannot be decoded.") from None


def _wav_header(size: int, rate: int) -> bytes:
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)
