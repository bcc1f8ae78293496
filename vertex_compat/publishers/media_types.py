"""Media types of files, by the client's declaration, the first bytes and the name.

https://mimesniff.spec.whatwg.org. Images and PDF are what their bytes say: Claude refuses a JPEG that is
declared as PNG. Containers such as WebM, MP4 and Ogg hold sound or film, so there the declaration counts.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from typing import Final

_ALIASES: Final = {
    "application/x-pdf": "application/pdf",
    "audio/vnd.wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/m4a",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
}
"""Other names of a type → the name that publishers take."""

_UNSPECIFIC: Final = frozenset(
    {"", "*/*", "application/octet-stream", "application/unknown", "binary/octet-stream"}
)
"""Types that say nothing about a file."""

_SIGNATURES: Final = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"....ftyp(?:heic|heix|mif1|msf1)", re.DOTALL), "image/heic"),
    (re.compile(rb"%PDF-"), "application/pdf"),
)

_RECORDINGS: Final = (
    (re.compile(rb"RIFF....WAVE", re.DOTALL), {"audio": "audio/wav"}),
    (re.compile(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"), {"audio": "audio/mp3"}),
    (re.compile(rb"fLaC"), {"audio": "audio/flac"}),
    (re.compile(rb"OggS"), {"audio": "audio/ogg", "video": "video/ogg"}),
    (re.compile(rb"\x1a\x45\xdf\xa3"), {"audio": "audio/webm", "video": "video/webm"}),
    (re.compile(rb"....ftyp", re.DOTALL), {"audio": "audio/mp4", "video": "video/mp4"}),
)
"""First bytes of a recording → kind of the client's part → media type."""

_EXTENSIONS: Final = {
    ".flac": "audio/flac",
    ".flv": "video/x-flv",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".m4a": "audio/m4a",
    ".md": "text/markdown",
    ".mkv": "video/x-matroska",
    ".mp3": "audio/mp3",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".wmv": "video/wmv",
}
"""Extensions that the standard library does not know, or gives a type that publishers refuse."""

_EXTENSION: Final = re.compile(r"\.[A-Za-z0-9]{1,5}$")

_ENCODED_BYTES: Final = 32
"""Characters of base64 that hold the bytes of every signature."""


def normalize(media_type: str | None) -> str | None:
    """Return the usual name of a type without its parameters, None for one that says nothing."""
    if media_type is None:
        return None
    name = media_type.partition(";")[0].strip().lower()
    name = _ALIASES.get(name, name)
    if name in _UNSPECIFIC:
        return None
    return name if "/" in name else of_name(f"a.{name}")  # clients write `png`, too


def of_bytes(data: bytes) -> str | None:
    """Return the type of an image or a PDF, None for any other file."""
    return next((media_type for signature, media_type in _SIGNATURES if signature.match(data)), None)


def of_base64(data: str) -> str | None:
    """Return the type of an image or a PDF in base64 of either alphabet.

    None for any other file.
    """
    return of_bytes(_first_bytes(data))


def of_recording(data: str, kind: str) -> str | None:
    """Return the type of a recording in base64, for which the client declares no type."""
    return _of_recording(_first_bytes(data), kind)


def of_sound(data: bytes) -> str | None:
    """Return the type of a sound file by its first bytes, None for any other file."""
    return _of_recording(data, "audio")


def _of_recording(data: bytes, kind: str) -> str | None:
    return next((of_kind.get(kind) for signature, of_kind in _RECORDINGS if signature.match(data)), None)


def _first_bytes(data: str) -> bytes:
    encoded = data[:_ENCODED_BYTES].rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError):
        return b""


def of_name(name: str | None) -> str | None:
    """Return the type that the extension of a file name or path stands for."""
    if not name:
        return None
    extension = _EXTENSION.search(name[-8:])
    if extension and (media_type := _EXTENSIONS.get(extension[0].lower())):
        return media_type
    return mimetypes.guess_type(name, strict=False)[0]
