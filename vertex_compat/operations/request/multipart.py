"""Forms as OpenAI's clients upload them: `multipart/form-data`.

https://www.rfc-editor.org/rfc/rfc7578. A list is a field that occurs several times, with `[]`
after its name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
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

MAX_HEAD_BYTES: Final = 1_048_576
"""Bytes of the head of a part, or of the text before the first part."""

_CHUNK_BYTES: Final = 65_536


class UploadedFile(NamedTuple):
    """A file, with its name and type as the client gives them."""

    filename: str
    content_type: str
    data: bytes


class Form(NamedTuple):
    """Fields and files by their names, which are without `[]`."""

    fields: JSON
    files: dict[str, list[UploadedFile]]

    def decode(self, schema: type[msgspec.Struct], file_names: Collection[str]) -> JSON:
        """Return the fields with the types of `schema`; other fields are strings.

        A file under a name that is not in `file_names` is a field with its filename. Raises `BadRequest`,
        also for a file in place of a field and the reverse.
        """
        for name in file_names:
            if self.fields.get(name):
                raise _wrong_part(f"{name!r} is a file of the form, not a field.", name)
        others = {name: files[0].filename for name, files in self.files.items() if name not in file_names}
        for name in others.keys() & {*schema.__struct_fields__}:
            raise _wrong_part(f"{name!r} is a field of the form, not a file.", name)
        typed = body.validate(self.fields, schema, strict=False)
        fields = {
            name: getattr(typed, name, text) for name, text in self.fields.items() if name not in file_names
        }
        return body.drop_nulls(others | fields)

    def file(self, name: str) -> UploadedFile | None:
        """Return the file with a name; raises `BadRequest` if there are several."""
        files = self.files.get(name, [])
        if len(files) > 1:
            raise several_files(name)
        return files[0] if files else None


def several_files(name: str) -> errors.BadRequest:
    """Return the error for a second file with a name that one file may have."""
    return _wrong_part(f"The form has more than one file {name!r}.", name)


def _wrong_part(message: str, name: str) -> errors.BadRequest:
    return errors.BadRequest(message, param=name, code="invalid_type")


class PartData(NamedTuple):
    """A part, or as much of it as has been received: `more` says that the rest follows."""

    part: Field | File
    data: bytes
    more: bool

    @property
    def text(self) -> str:
        """The data as text."""
        return self.data.decode("utf-8", "replace")


def read(context: RequestContext) -> Form:
    """Return the form in a request's body; raises `BadRequest`, `PayloadTooLarge`.

    A model in the path takes precedence over one in the form.
    """
    lists: dict[str, list[str]] = {}
    form = Form({}, {})
    for whole in whole_parts(iter_parts(context, _chunks(context.body))):
        name = (whole.part.name or "").removesuffix("[]")
        if isinstance(whole.part, File):
            content_type = whole.part.headers.get("Content-Type", "")
            upload = UploadedFile(whole.part.filename, content_type, whole.data)
            form.files.setdefault(name, []).append(upload)
        elif whole.part.name != name:
            lists.setdefault(name, []).append(whole.text)
        else:
            form.fields[name] = whole.text
    if model := context.path_args.get("model"):
        form.fields["model"] = model
    return Form(form.fields | lists, form.files)


def whole_parts(parts: Iterable[PartData]) -> Iterator[PartData]:
    """Yield each part once, with all of its data."""
    data: list[bytes] = []
    for part in parts:
        data.append(part.data)
        if not part.more:
            yield PartData(part.part, b"".join(data), more=False)
            data = []


def iter_parts(context: RequestContext, chunks: Iterable[bytes]) -> Iterator[PartData]:
    """Yield the parts of the form whose bytes are `chunks` as they come.

    Raises `BadRequest`, `PayloadTooLarge`.
    """
    kind, options = parse_options_header(context.content_type)
    boundary = options.get("boundary", "").encode("latin-1", "replace")
    if kind != "multipart/form-data" or not boundary:
        raise errors.BadRequest("This operation takes a form, of Content-Type multipart/form-data.")
    try:
        yield from _decode(MultipartDecoder(boundary, MAX_HEAD_BYTES, max_parts=MAX_PARTS), chunks)
    except RequestEntityTooLarge:
        raise errors.PayloadTooLarge(
            f"The form has more than {MAX_PARTS} parts, or a part whose head has no end."
        ) from None
    except (ValueError, HTTPException, OSError):  # it is incomplete, or its framing is wrong
        raise errors.BadRequest("The form in the request body could not be read to its end.") from None


def _chunks(content: bytes) -> Iterator[bytes]:
    return (content[start : start + _CHUNK_BYTES] for start in range(0, len(content), _CHUNK_BYTES))


def _decode(decoder: MultipartDecoder, chunks: Iterable[bytes]) -> Iterator[PartData]:
    part: Field | File | None = None
    for chunk in chain(chunks, [None]):
        decoder.receive_data(chunk)
        while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
            if isinstance(event, Field | File):
                part = event
            elif isinstance(event, Data) and part:
                yield PartData(part, event.data, event.more_data)
