"""Files as Claude's `image` and `document` blocks.

https://platform.claude.com/docs/en/build-with-claude/vision and …/pdf-support. Claude on Vertex AI takes no
`gs://` and `http://` URLs.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final, Literal

from vertex_compat import errors
from vertex_compat.json_values import mapping
from vertex_compat.publishers.chat_messages import Media

if TYPE_CHECKING:
    from vertex_compat.publishers.anthropic import request_types as wire

IMAGES: Final = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
PDF: Final = "application/pdf"

_DOCUMENT_FIELDS: Final[tuple[Literal["citations", "context", "title"], ...]] = (
    "citations",
    "context",
    "title",
)
_TEXTS: Final = re.compile(r"text/.+|application/(?:json|xml|x-yaml|yaml|javascript)")


def block(media: Media) -> wire.ImageBlock | wire.DocumentBlock:
    """Return the block for a file; raises `BadRequest` for a type that Claude does not take."""
    mime = media.mime
    if media.uri and not media.uri.lower().startswith("https://"):
        raise _fault(media, "Claude does not read gs:// or http:// URLs: send a data URI or an https:// URL")
    if mime in IMAGES or (media.kind == "image" and mime is None and media.uri):
        return {"type": "image", "source": _source(media)}
    if mime == PDF:
        return _document(media, _source(media))
    if mime and _TEXTS.fullmatch(mime) and media.data:
        return _document(media, {"type": "text", "media_type": "text/plain", "data": _decode(media)})
    raise _fault(
        media, f"Claude takes JPEG, PNG, GIF, WebP, PDF and text, not {mime or 'a file of an unknown type'}"
    )


def _document(media: Media, source: wire.FileSource | wire.PlainTextSource) -> wire.DocumentBlock:
    """Return the document with its name, and the client's `citations`, `context` and `title`."""
    document: wire.DocumentBlock = {"type": "document", "source": source}
    if media.name:
        document["title"] = media.name
    for holder in (mapping(media.raw.get("file")), media.raw):
        for name in _DOCUMENT_FIELDS:
            if holder.get(name):
                document[name] = holder[name]
    return document


def _source(media: Media) -> wire.FileSource:
    if media.data is None:
        return {"type": "url", "url": media.uri}
    return {"type": "base64", "media_type": media.mime, "data": _standard_base64(media.data)}


def _standard_base64(data: str) -> str:
    """Return base64 in the standard alphabet, padded."""
    data = data.rstrip("=").replace("-", "+").replace("_", "/")
    return data + "=" * (-len(data) % 4)


def _decode(media: Media) -> str:
    try:
        content = base64.b64decode(_standard_base64(media.data or "")).decode()
    except ValueError:
        raise _fault(media, "The file is declared as text, but it is not UTF-8") from None
    if not content.strip():
        raise _fault(media, "The file is empty")
    return content


def _fault(media: Media, reason: str) -> errors.BadRequest:
    return errors.BadRequest(f"{reason}.", param=media.param, code="unsupported_value")
