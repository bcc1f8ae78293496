"""What was asked of the emulator, for tests to read."""

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

KEPT = 10_000  # calls; the oldest are forgotten first

Ending = Literal["complete", "client_left", "cut"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call to Vertex: what came, what status it got, and how the answer ended."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    json: Any  # the body parsed, or None
    status: int | None = None  # None until the answer is known
    ended: Ending | None = None  # None while the answer is on its way


class Journal:
    """The calls in the order of their arrival. Safe for threads; readers can wait for what they expect."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}  # by their number, which no other call gets
        self._changed = threading.Condition()
        self._arrived = 0

    def begin(self, call: Call) -> "Entry":
        """Note a call that just arrived."""
        with self._changed:
            self._arrived += 1
            self._calls[self._arrived] = call
            if len(self._calls) > KEPT:
                del self._calls[next(iter(self._calls))]
            self._changed.notify_all()
            return Entry(self, self._arrived)

    def calls(self) -> list[Call]:
        """Give the calls so far."""
        with self._changed:
            return list(self._calls.values())

    def clear(self) -> None:
        """Forget all calls."""
        with self._changed:
            self._calls.clear()
            self._changed.notify_all()

    def wait_for(self, predicate: Callable[[list[Call]], object], timeout: float) -> list[Call]:
        """Wait until the calls satisfy the predicate, and give them.

        Raises:
            TimeoutError: when they do not in time; its text lists the calls.

        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not predicate(list(self._calls.values())):
                if not self._changed.wait(deadline - time.monotonic()):
                    seen = [(call.path, call.status, call.ended) for call in self._calls.values()]
                    raise TimeoutError(f"not within {timeout} s; calls so far: {seen}")
            return list(self._calls.values())

    def note(self, number: int, **changes: Any) -> None:
        """Write what became of a call, unless it was forgotten meanwhile."""
        with self._changed:
            if number in self._calls:
                self._calls[number] = dataclasses.replace(self._calls[number], **changes)
                self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Entry:
    """The line of one call in the journal."""

    journal: Journal
    number: int

    def answered(self, status: int) -> None:
        """Note the status."""
        self.journal.note(self.number, status=status)

    def ended(self, how: Ending) -> None:
        """Note how the answer ended."""
        self.journal.note(self.number, ended=how)


def as_json(call: Call) -> dict[str, Any]:
    """Show a call to another process; a body that is not JSON is shown as text."""
    shown = {name: getattr(call, name) for name in ("method", "path", "status", "ended")}
    body = call.json if call.json is not None else call.body.decode(errors="replace")
    return shown | {"query": dict(call.query), "headers": dict(call.headers), "body": body}


def parsed(body: bytes) -> Any:
    """Read the body as JSON, or give None."""
    try:
        value = json.loads(body, parse_constant=_no_number)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):  # not UTF-8 is a ValueError as well
        return None
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
