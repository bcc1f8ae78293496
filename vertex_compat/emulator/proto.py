"""Google's protocol-buffer JSON, as its front end reads it.

Names in camelCase or snake_case, one message where a list is expected, whole numbers as strings, null for
"not given": all fine. A name that the message does not have is not, at any depth. The sentences are Google's.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vertex_compat.emulator.answers import Refused
from vertex_compat.emulator.google import refused
from vertex_compat.emulator.strict import Path, Problem, Reader, examined

PACKAGE = "type.googleapis.com/google.cloud.aiplatform.v1"
INT32 = 2**31


def camel(name: str) -> str:
    """Spell a name the JSON way."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def snake(name: str) -> str:
    """Spell a name the proto way, as messages do."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def place(path: Path) -> str:
    """Show a path as Google does: contents[0].parts[1]."""
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{snake(step)}" for step in path)
    return shown.removeprefix(".")


def _invalid(path: Path, kind: str, value: Any) -> Problem:
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return Problem(kind, path, f"Invalid value at '{place(path)}' ({kind}), {shown}", value)


@dataclass(frozen=True, slots=True)
class Words:
    """A string field."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, str):
            problems.append(_invalid(path, "TYPE_STRING", value))
        return value


@dataclass(frozen=True, slots=True)
class Decimal:
    """A float or double field."""

    kind: str = "TYPE_FLOAT"

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            problems.append(_invalid(path, self.kind, value))
        return value


@dataclass(frozen=True, slots=True)
class Count:
    """An int32 or int64 field; `5.0` and `"5"` are 5."""

    kind: str = "TYPE_INT32"

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,20}", value):
            value = int(value)
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        broken = isinstance(value, float) and not value.is_integer()
        if not numeric or broken or (self.kind == "TYPE_INT32" and not -INT32 <= value < INT32):
            problems.append(_invalid(path, self.kind, value))
            return value
        return int(value)


@dataclass(frozen=True, slots=True)
class Truth:
    """A bool field."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, bool):
            problems.append(_invalid(path, "TYPE_BOOL", value))
        return value


@dataclass(frozen=True, slots=True)
class Bytes:
    """A bytes field: base64, in either alphabet, padded or not."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, str) or decoded(value) is None:
            shown = f'Base64 decoding failed for "{str(value)[:60]}"'
            problems.append(
                Problem("TYPE_BYTES", path, f"Invalid value at '{place(path)}' (TYPE_BYTES), {shown}", value)
            )
        return value


def decoded(value: str) -> bytes | None:
    """Decode base64 in either alphabet; None when it is none."""
    standard = value.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except ValueError:  # binascii's own, or not even ASCII
        return None


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum field, in any case."""

    name: str
    values: tuple[str, ...]

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        known = value.upper() if isinstance(value, str) else value
        if known not in self.values and not isinstance(value, bool):
            if isinstance(value, int) and 0 <= value < len(self.values):
                return self.values[value]
            problems.append(_invalid(path, f"{PACKAGE}.{self.name}", value))
        return known


@dataclass(frozen=True, slots=True)
class Repeated:
    """A list; one message alone is a list of one."""

    item: Reader

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if isinstance(value, list):
            return [self.item.read(one, (*path, number), problems) for number, one in enumerate(value)]
        if isinstance(value, dict) and isinstance(self.item, Message):
            return [self.item.read(value, path, problems)]
        problems.append(Problem("list", path, f"Invalid value at '{place(path)}', expected a list", value))
        return []


@dataclass(frozen=True, slots=True)
class Struct:
    """A field that holds any JSON object."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, dict):
            problems.append(_invalid(path, "type.googleapis.com/google.protobuf.Struct", value))
            return {}
        return value


@dataclass(frozen=True, slots=True)
class Value:
    """A field that holds any JSON."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:  # noqa: ARG002 - all is well
        """Read it."""
        return value


@dataclass(frozen=True, slots=True)
class Entries:
    """A map with names of the client's choice."""

    item: Reader

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, dict):
            problems.append(_invalid(path, "map", value))
            return {}
        return {name: self.item.read(one, (*path, name), problems) for name, one in value.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """A message: these fields, and of those in `one_of` only one."""

    name: str
    fields: Mapping[str, Reader]
    one_of: tuple[str, ...] = ()

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it; the names come out in camelCase."""
        if not isinstance(value, dict):
            problems.append(_invalid(path, f"{PACKAGE}.{self.name}", value))
            return {}
        read: dict[str, Any] = {}
        for name, held in value.items():
            known = name if name in self.fields else camel(name)
            if known not in self.fields:
                problems.append(_unknown(name, path))
            elif held is not None:
                if known in self.one_of and any(other in read for other in self.one_of):
                    problems.append(_second(known, path))
                read[known] = self.fields[known].read(held, (*path, known), problems)
        return read


def _unknown(name: str, path: Path) -> Problem:
    where = f" at '{place(path)}'" if path else ""
    message = f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
    return Problem("unknown", path, message)


def _second(name: str, path: Path) -> Problem:
    message = (
        f"Invalid value at '{place(path)}' (oneof), oneof field 'data' is already set. Cannot set '{name}'"
    )
    return Problem("oneof", path, message)


def read(message: Message, body: Any) -> dict[str, Any]:
    """Read a body, or refuse it with all that is wrong.

    Raises:
        Refused: 400 INVALID_ARGUMENT.

    """
    value, problems = examined(message, body)
    if problems:
        raise _refusal(problems)
    return dict(value)


def _refusal(problems: list[Problem]) -> Refused:
    violations = [{"field": place(one.path), "description": one.message} for one in problems]
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}
    return refused(400, "\n".join(one.message for one in problems), [detail])
