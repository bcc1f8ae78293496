"""Client keys: their forms, and a file of keys that may change while the function runs.

Only SHA-256 digests are kept. A key may be configured as its digest (`sha256:…`), so that a
reader of the secret cannot use the key.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from vertex_compat.routing import rules
from vertex_compat.routing.rules import ConfigError, KeyRule

_log = logging.getLogger(__name__)

Digests: TypeAlias = Mapping[bytes, str]
"""SHA-256 digest → the key's name."""

REFRESH_SECONDS: Final = 5.0
"""Age of the keys at which a request reads their file again."""

GRACE_SECONDS: Final = 600.0
"""The last keys stay valid for this time after their file was removed or cannot be read."""

MIN_KEY_LENGTH: Final = 8
SHORT_KEY_LENGTH: Final = 16
"""A shorter key is accepted with a warning."""

MAX_FILE_BYTES: Final = 1_048_576

_LOCK_TIMEOUT_SECONDS: Final = 1.0
"""Longest wait for a request that reads the file: a mounted secret is fetched over the network."""

_NAME: Final = re.compile(r"[\w-]{1,40}")
_KEY: Final = re.compile(r"[\x21-\x7e]+")
_DIGEST: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")
_VARIABLE: Final = "VERTEX_COMPAT_API_KEYS_FILE"
_TOML: Final = re.compile(r"^[ \t]*\[keys\.", re.MULTILINE)


class UnreadableKeys(ValueError):
    """The file is not there, or may not be read."""


class ApiKeys(NamedTuple):
    """Keys, and the rules that stand beside them in a TOML file, by name."""

    digests: Digests
    rules: Mapping[str, KeyRule] = {}


def parse(text: str) -> ApiKeys:
    """Read keys; raises `ValueError`, whose text shows no key.

    Two forms: `key` or `name:key`, separated by commas or lines; or TOML with a table `[keys.NAME]` for each
    name. A table holds `key` (a string or a list) and rules as in the settings file. Several keys may have
    one name, as while one replaces another. A key without a name is called by its digest. An empty text has
    no keys.
    """
    if _TOML.search(text):
        return _from_toml(text)
    lines = [line for line in text.splitlines() if line.strip()]
    return ApiKeys(dict(_entry(entry.strip()) for line in lines for entry in line.split(",")))


def read(path: Path) -> ApiKeys:
    """Read the keys in a file.

    Raises `ValueError`, whose text continues a sentence that begins with the name of the setting.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise UnreadableKeys(f"names {str(path)!r}, which cannot be read: {error.strerror}.") from None
    try:
        return parse(content.decode("utf-8", "replace"))
    except ValueError as error:
        raise ValueError(f"names {str(path)!r}, which {error}") from None


def new_key(name: str) -> tuple[str, str]:
    """Return a new key, and the line to store, which holds only its digest; raises `ValueError`."""
    if not _NAME.fullmatch(name):
        raise ValueError("a key's name has up to 40 letters, digits, underscores and dashes.")
    key = f"vc-{secrets.token_urlsafe(32)}"
    return key, f"{name}:sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def _entry(entry: str) -> tuple[bytes, str]:
    name, colon, key = entry.partition(":")
    if name == "sha256" or not colon:
        name, key = "", entry
    if not _KEY.fullmatch(key) or not (not name or _NAME.fullmatch(name)):
        raise ValueError("takes keys, or name:key pairs, of printable ASCII, separated by commas or lines.")
    digest = _digest(key, name)
    return digest, name or f"key-{digest.hex()[:8]}"


def _digest(key: str, name: str) -> bytes:
    if hashed := _DIGEST.fullmatch(key):
        return bytes.fromhex(hashed[1])
    key_name = f"the key {name!r}" if name else "a key"
    if len(key) < MIN_KEY_LENGTH:
        hint = "`python main.py --new-key NAME` makes one"
        raise ValueError(f"has {key_name} of less than {MIN_KEY_LENGTH} characters; {hint}.")
    digest = hashlib.sha256(key.encode()).digest()
    if len(key) < SHORT_KEY_LENGTH:
        _warn(f"The client key {name or digest.hex()[:8]!r} has less than {SHORT_KEY_LENGTH} characters.")
    return digest


@cache
def _warn(message: str) -> None:
    """Log a warning once, however often the file is read."""
    _log.warning(message)


def _from_toml(text: str) -> ApiKeys:
    import tomllib  # noqa: PLC0415  (few deployments have TOML: cold start)

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not valid TOML: {error}.") from None
    if tables.keys() != {"keys"} or not _has_tables_only(tables["keys"]):
        raise ValueError("takes only tables [keys.NAME] in TOML.")
    digests: dict[bytes, str] = {}
    keys: dict[str, KeyRule] = {}
    for name, table in tables["keys"].items():
        fields = dict(table)
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"has a key's name with other characters than letters, digits, _ and -: {name!r}."
            )
        digests |= {_digest(key, name): name for key in _key_list(fields.pop("key", None), name)}
        if fields:
            keys[name] = _rule(name, fields)
    return ApiKeys(digests, keys)


def _has_tables_only(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(table, dict) for table in value.values())


def _key_list(value: Any, name: str) -> list[str]:
    keys = [value] if isinstance(value, str) else value
    if not isinstance(keys, list) or not all(isinstance(key, str) and _KEY.fullmatch(key) for key in keys):
        raise ValueError(f"takes a string, or a list of strings, for `key` in [keys.{name}].")
    return keys


def _rule(name: str, fields: Mapping[str, Any]) -> KeyRule:
    try:
        return rules.key_rule(name, fields)
    except ConfigError as error:
        raise ValueError(f"has a mistake: {error}") from None


class ApiKeyFile:
    """The keys in a file, which is read again every few seconds, when a request needs them.

    Its content is read, not its modification time: a mounted secret is fetched by reading it. If the file has
    a mistake, or `check` refuses it, the log has an error, and the last valid keys stay in use. An empty file
    has no keys, so every request is refused. Without the file, the last keys are valid for `GRACE_SECONDS`
    more.
    """

    def __init__(
        self,
        path: Path,
        keys: ApiKeys,
        check: Callable[[ApiKeys], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._keys = keys
        self._check = check
        self._clock = clock
        self._read_at = self._readable_at = clock()
        self._complaint = ""
        self._lock = threading.Lock()

    def keys(self) -> ApiKeys:
        """Return the keys that are in the file now, or were a few seconds ago."""
        if self._clock() - self._read_at >= REFRESH_SECONDS and self._lock.acquire(
            timeout=_LOCK_TIMEOUT_SECONDS
        ):
            try:
                if self._clock() - self._read_at >= REFRESH_SECONDS:  # no other request has read it since
                    self._refresh()
            finally:
                self._lock.release()
        return self._keys

    def _refresh(self) -> None:
        complaint = ""
        try:
            keys = read(self._path)
        except UnreadableKeys as error:
            complaint = f"{_VARIABLE} {error} The last keys stay valid for {GRACE_SECONDS:g} seconds."
            if self._clock() - self._readable_at > GRACE_SECONDS:
                self._keys = ApiKeys({})
                complaint = f"{_VARIABLE} {error} No key is accepted any more."
        except ValueError as error:
            self._readable_at = self._clock()
            complaint = f"{_VARIABLE} {error} The last valid keys stay in use."
        else:
            self._readable_at = self._clock()
            complaint = self._accept(keys)
        if complaint and complaint != self._complaint:
            _log.error(complaint)
        self._complaint = complaint
        self._read_at = self._clock()

    def _accept(self, keys: ApiKeys) -> str:
        """Take new keys, unless `check` refuses them; return the error for the log."""
        try:
            self._check(keys)
        except ValueError as error:
            return f"{error} The last valid keys stay in use."
        self._keys = keys
        return ""
