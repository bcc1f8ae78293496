"""A journal of the calls that the emulator received, for tests to read."""

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

MAX_CALLS = 10_000  # the oldest are removed first

Ending = Literal["complete", "client_left", "cut"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the request, the status of its response, and how the response ended."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    json: Any  # the body parsed, or None
    status: int | None = None  # None until the response is known
    ended: Ending | None = None  # None while the response is being sent


class Journal:
    """Calls in order of arrival. Thread-safe; readers can wait for a condition."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}  # by number
        self._changed = threading.Condition()
        self._arrived = 0

    def begin(self, call: Call) -> "Entry":
        """Add a call that has just arrived."""
        with self._changed:
            self._arrived += 1
            self._calls[self._arrived] = call
            if len(self._calls) > MAX_CALLS:
                del self._calls[next(iter(self._calls))]
            self._changed.notify_all()
            return Entry(self, self._arrived)

    def calls(self) -> list[Call]:
        """Return the calls so far."""
        with self._changed:
            return list(self._calls.values())

    def clear(self) -> None:
        """Remove all calls."""
        with self._changed:
            self._calls.clear()
            self._changed.notify_all()

    def wait_for(self, predicate: Callable[[list[Call]], object], timeout: float) -> list[Call]:
        """Wait until the calls satisfy the predicate, and return them.

        Raises:
            TimeoutError: when they do not within `timeout` seconds; its message lists the calls.

        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not predicate(list(self._calls.values())):
                if not self._changed.wait(deadline - time.monotonic()):
                    outcomes = [(call.path, call.status, call.ended) for call in self._calls.values()]
                    raise TimeoutError(f"not within {timeout} s; calls so far: {outcomes}")
            return list(self._calls.values())

    def note(self, number: int, **changes: Any) -> None:
        """Update a call, unless it has been removed."""
        with self._changed:
            if number in self._calls:
                self._calls[number] = dataclasses.replace(self._calls[number], **changes)
                self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Entry:
    """Updates the journal's record of one call."""

    journal: Journal
    number: int

    def set_status(self, status: int) -> None:
        """Record the status."""
        self.journal.note(self.number, status=status)

    def set_ending(self, ending: Ending) -> None:
        """Record how the response ended."""
        self.journal.note(self.number, ended=ending)


def call_as_json(call: Call) -> dict[str, Any]:
    """Return a call as JSON; a body that is not JSON becomes text."""
    fields = {name: getattr(call, name) for name in ("method", "path", "status", "ended")}
    body = call.json if call.json is not None else call.body.decode(errors="replace")
    return fields | {"query": dict(call.query), "headers": dict(call.headers), "body": body}


def parse_json(body: bytes) -> Any:
    """Return the body decoded from JSON, or None."""
    try:
        value = json.loads(body, parse_constant=_no_number)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # rejects unpaired surrogates
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
