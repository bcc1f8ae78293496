"""A form as OpenAI's uploads send it: `multipart/form-data`.

https://www.rfc-editor.org/rfc/rfc7578. A list is a field that comes several times, its name with `[]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

import msgspec
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from vertex_compat import errors
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.request import body
from vertex_compat.types import JSON

MAX_PARTS: Final = 256

MAX_HELD: Final = 1_048_576
"""Bytes that the head of a part, or what is before the first one, may have."""

_BLOCK: Final = 65_536


class Upload(NamedTuple):
    """A file, with what the client says about it."""

    filename: str
    content_type: str
    data: bytes


class Form(NamedTuple):
    """Fields and files by their names, those without `[]`."""

    fields: JSON
    files: dict[str, list[Upload]]

    def decode(self, schema: type[msgspec.Struct]) -> JSON:
        """The fields, of the types that `schema` has for them; others are texts. Raises `BadRequest`."""
        read = body.check(self.fields, schema, strict=False)
        return body.without_nulls({name: getattr(read, name, text) for name, text in self.fields.items()})


class Piece(NamedTuple):
    """A part, or as much of it as has come: `more` says that the rest follows."""

    part: Field | File
    data: bytes
    more: bool

    @property
    def text(self) -> str:
        """The data as text."""
        return self.data.decode("utf-8", "replace")


def read(context: RequestContext) -> Form:
    """The form in a request's body; raises `BadRequest`, `PayloadTooLarge`."""
    lists: dict[str, list[str]] = {}
    form = Form({}, {})
    for piece in parts(pieces(context, _blocks(context.body))):
        name = (piece.part.name or "").removesuffix("[]")
        if isinstance(piece.part, File):
            upload = Upload(piece.part.filename, piece.part.headers.get("Content-Type", ""), piece.data)
            form.files.setdefault(name, []).append(upload)
        elif piece.part.name != name:
            lists.setdefault(name, []).append(piece.text)
        else:
            form.fields[name] = piece.text
    return Form(form.fields | lists, form.files)


def parts(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Whole parts."""
    data: list[bytes] = []
    for piece in pieces:
        data.append(piece.data)
        if not piece.more:
            yield Piece(piece.part, b"".join(data), more=False)
            data = []


def pieces(context: RequestContext, blocks: Iterable[bytes]) -> Iterator[Piece]:
    """The form as it comes, when `blocks` are its bytes; raises `BadRequest`, `PayloadTooLarge`."""
    kind, options = parse_options_header(context.content_type)
    boundary = options.get("boundary", "").encode("latin-1", "replace")
    if kind != "multipart/form-data" or not boundary:
        raise errors.BadRequest("This operation takes a form, of Content-Type multipart/form-data.")
    try:
        yield from _decoded(MultipartDecoder(boundary, MAX_HELD, max_parts=MAX_PARTS), blocks)
    except RequestEntityTooLarge:
        raise errors.PayloadTooLarge(
            f"The form has more than {MAX_PARTS} parts, or one whose head has no end."
        ) from None
    except (ValueError, HTTPException, OSError):  # it broke off, or its framing lies
        raise errors.BadRequest("The form in the request body could not be read to its end.") from None


def _blocks(content: bytes) -> Iterator[bytes]:
    return (content[at : at + _BLOCK] for at in range(0, len(content), _BLOCK))


def _decoded(decoder: MultipartDecoder, blocks: Iterable[bytes]) -> Iterator[Piece]:
    part: Field | File | None = None
    for block in chain(blocks, [None]):
        decoder.receive_data(block)
        while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
            if isinstance(event, Field | File):
                part = event
            elif isinstance(event, Data) and part:
                yield Piece(part, event.data, event.more_data)
