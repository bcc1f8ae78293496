"""The width and height of images, read from the first bytes of their files."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Final

HEAD_CHARACTERS: Final = 87_384
"""Base64 of the first 65,538 bytes: the metadata before the size can fill one JPEG segment."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8"
_NO_FRAMES: Final = frozenset({0xC4, 0xC8, 0xCC})
"""Markers between SOF0 (0xC0) and SOF15 (0xCF) that begin no frame."""


def dimensions(data: str) -> str | None:
    """Return `WIDTHxHEIGHT` of a PNG or JPEG in base64.

    None if its first bytes do not have them.
    """
    try:
        head = base64.b64decode(data[:HEAD_CHARACTERS])
    except binascii.Error:
        return None
    if head.startswith(_PNG) and len(head) >= len(_PNG) + 16:
        width, height = struct.unpack(">II", head[16:24])
        return f"{width}x{height}"
    return _of_jpeg(head) if head.startswith(_JPEG) else None


def _of_jpeg(head: bytes) -> str | None:
    """Read the first frame header; https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.2.2."""
    position = len(_JPEG)
    while position + 9 <= len(head) and head[position] == 0xFF:
        marker = head[position + 1]
        length, _, height, width = struct.unpack(">HBHH", head[position + 2 : position + 9])
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            return f"{width}x{height}"
        position += 2 + length
    return None
