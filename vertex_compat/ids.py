"""Ids that say where a thing is, so that nobody has to remember it: a kind, and a place in base64url.

One place has one id, and what is not an id of ours has no place.
"""

from __future__ import annotations

import base64
from typing import Final

FILE: Final = "file-"

_SCHEME: Final = "gs://"


def encode(kind: str, place: str) -> str:
    """The id of what is at `place`; `kind` is how it begins, such as `file-`."""
    return kind + base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def decode(kind: str, identity: str) -> str | None:
    """The place that an id means, None if it is none."""
    coded = identity.removeprefix(kind)
    try:
        place = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
    except ValueError:  # no base64, or no text in it
        return None
    return place if place and encode(kind, place) == identity else None


def of_file(uri: str) -> str:
    """The id of a file that stands at a `gs://` URI."""
    return encode(FILE, uri.removeprefix(_SCHEME))


def uri_of(file_id: str) -> str | None:
    """The `gs://` URI that a file's id means, None if it is no id of ours."""
    place = decode(FILE, file_id)
    return f"{_SCHEME}{place}" if place else None
