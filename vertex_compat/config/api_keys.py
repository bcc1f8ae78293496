"""Client keys: how they are written down, and a file of them that may change while the function runs.

Kept are digests, never the keys.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

_log = logging.getLogger(__name__)

ApiKeys: TypeAlias = Mapping[bytes, str]
"""SHA-256 digest → the key's name."""

AGE: Final = 5.0
"""Seconds that keys are used before their file is looked at again."""

_PATIENCE: Final = 1.0
"""Seconds that a request waits for another one's look at the file: a mounted secret comes from afar."""

_MAX_FILE_BYTES: Final = 1_048_576
_BETWEEN: Final = re.compile(r",|\s*\n\s*")


def parse(text: str) -> ApiKeys:
    """`key` or `name:key`, separated by commas or lines; raises `ValueError`, whose text shows no key.

    A key without a name is called by its place. Several may have one name, as while one replaces another.
    """
    keys = {}
    for place, entry in enumerate(_BETWEEN.split(text.strip()), start=1):
        name, colon, key = entry.strip().partition(":")
        if not colon:
            name, key = f"key-{place}", name
        if not key or not re.fullmatch(r"[\x21-\x7e]+", key) or not re.fullmatch(r"[\w-]{1,40}", name):
            raise ValueError(
                "takes keys, or name:key pairs, of printable ASCII, separated by commas or lines."
            )
        keys[hashlib.sha256(key.encode()).digest()] = name
    return keys


def read(path: Path) -> ApiKeys:
    """The keys in a file; raises `ValueError`, whose text goes on after the name of the setting."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES)
        return parse(content.decode("ascii", "replace"))
    except OSError as error:
        raise ValueError(f"names {str(path)!r}, which cannot be read: {error.strerror}.") from None
    except ValueError as wrong:
        raise ValueError(f"names {str(path)!r}, which {wrong}") from None


class ApiKeyFile:
    """The keys in a file that is looked at again every few seconds, when they are asked for.

    It is read, not only asked for its time: a mounted secret is fetched by reading it. What cannot be read or
    is wrong is an error in the log, and the keys that were good before serve on.
    """

    def __init__(self, path: Path, keys: ApiKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._keys = keys
        self._clock = clock
        self._read = clock()
        self._complaint = ""
        self._lock = threading.Lock()

    def keys(self) -> ApiKeys:
        """The keys as they were in the file a few seconds ago, or are now."""
        if self._clock() - self._read >= AGE and self._lock.acquire(timeout=_PATIENCE):
            try:
                if self._clock() - self._read >= AGE:  # and nobody has looked meanwhile
                    self._look()
            finally:
                self._lock.release()
        return self._keys

    def _look(self) -> None:
        try:
            self._keys = read(self._path)
            complaint = ""
        except ValueError as wrong:
            complaint = f"The file of client keys {wrong} Those that were read before serve on."
        if complaint and complaint != self._complaint:
            _log.error(complaint)
        self._complaint = complaint
        self._read = self._clock()
