"""The items of a chain of responses, over few stored objects.

Each response of a chain is stored with its `turn` (the first is 0), its own input and output, and a
`segment`. A segment has the items between the response's bases and itself. Every 64th response has a segment
of all earlier items. Every 8th has those since the last 64th, and all others have those since the last 8th.
So any response is rebuilt from itself and at most two bases, and a chain of 200 stores each item some eight
times.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.operations.stored.store import DAY_SECONDS, ObjectStore, get_written
from vertex_compat.types import JSON

FOLDER: Final = "responses/"

FULL_EVERY: Final = 64
PART_EVERY: Final = 8

MAX_BASE_AGE_SECONDS: Final = DAY_SECONDS
"""A base that is older is copied, so that a chain outlives its first responses."""

Level = Literal["full", "part", "delta"]


class Base(msgspec.Struct, frozen=True):
    """A response whose segment and items come before another one's."""

    token: str
    level: Level
    created_at: int


class Background(msgspec.Struct, frozen=True):
    """The interaction that makes a response in the background."""

    id: str
    location: str
    project: str | None = None


class ResponseRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stored response. `bases` are at most two, oldest first."""

    response: JSON
    input: list[JSON]
    created_at: int
    expires_at: int | None = None
    turn: int = 0
    level: Level = "full"
    bases: list[Base] = []
    segment: list[JSON] = []
    background: Background | None = None

    def items(self) -> list[JSON]:
        """Return the items that this object holds, in their order."""
        return [*self.segment, *self.input, *self.response["output"]]


class Piece(NamedTuple):
    """The items that one stored response holds."""

    base: Base
    items: list[JSON]


class History(NamedTuple):
    """A chain up to its last response. `parent` is None for an empty chain."""

    pieces: list[Piece]
    parent: ResponseRecord | None = None

    def items(self) -> list[JSON]:
        """Return all items of the chain."""
        return [item for piece in self.pieces for item in piece.items]

    def next_record(self, response: JSON, input_: list[JSON], expires_at: int | None) -> ResponseRecord:
        """Return the record of a response that follows."""
        turn = self.parent.turn + 1 if self.parent else 0
        bases = self._bases(turn)
        added_pieces = self.pieces[len(bases) :]
        level: Level = "full" if not bases else "part" if turn % PART_EVERY == 0 else "delta"
        return ResponseRecord(
            response=response,
            input=input_,
            created_at=response["created_at"],
            expires_at=expires_at,
            turn=turn,
            level=level,
            bases=[piece.base for piece in bases],
            segment=[item for piece in added_pieces for item in piece.items],
        )

    def _bases(self, turn: int) -> list[Piece]:
        """Return the pieces that the response number `turn` refers to instead of copying them."""
        if turn % FULL_EVERY == 0:
            return []
        levels = {"full"} if turn % PART_EVERY == 0 else {"full", "part"}
        bases = [piece for piece in self.pieces if piece.base.level in levels]
        oldest = time.time() - MAX_BASE_AGE_SECONDS
        return [] if any(piece.base.created_at < oldest for piece in bases) else bases


EMPTY: Final = History([])

_decode = msgspec.json.Decoder(ResponseRecord).decode


def read_record(store: ObjectStore, token: str) -> ResponseRecord | None:
    """Return a stored response, None if there is none or it has expired."""
    stored = get_written(store, FOLDER + token, token)
    if stored is None:
        return None
    record = _decode(stored.content)
    return None if record.expires_at is not None and record.expires_at < time.time() else record


def load(store: ObjectStore, token: str) -> History | None:
    """Return the chain up to a response; None if it, or a base of it, is not stored any more."""
    if (last := read_record(store, token)) is None:
        return None
    records: Iterable[ResponseRecord | None] = ()
    if last.bases:
        with ThreadPoolExecutor(len(last.bases)) as pool:
            records = list(pool.map(lambda base: read_record(store, base.token), last.bases))
    pieces = []
    for base, record in zip(last.bases, records, strict=True):
        if record is None:
            return None
        pieces.append(Piece(base, record.items()))
    return History([*pieces, Piece(Base(token, last.level, last.created_at), last.items())], last)


def write(store: ObjectStore, token: str, record: ResponseRecord) -> None:
    """Store a response that has just been made; raises `ApiError`."""
    try:
        store.put(FOLDER + token, msgspec.json.encode(record), record.expires_at, 0)
    except errors.Conflict:  # a retry of a write that has arrived
        return
