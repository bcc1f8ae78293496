"""Readers of proto JSON, as Google's front end parses it.

Accepted: names in camelCase or snake_case, one message in place of a list, integers as strings, null for an
unset field. Refused: unknown names at any depth. Messages are Google's.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vertex_compat.emulator.protocol.body_readers import Path, Problem, Reader, validate
from vertex_compat.emulator.protocol.google_errors import refused
from vertex_compat.emulator.protocol.responses import RequestRefused

PACKAGE = "type.googleapis.com/google.cloud.aiplatform.v1"
INT32 = 2**31


def camel(name: str) -> str:
    """Return a field name in camelCase."""
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


def snake(name: str) -> str:
    """Return a field name in snake_case."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def field_path(path: Path) -> str:
    """Return a path as in Google's messages: contents[0].parts[1]."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{snake(step)}" for step in path)
    return text.removeprefix(".")


def _invalid(path: Path, kind: str, value: Any) -> Problem:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return Problem(kind, path, f"Invalid value at '{field_path(path)}' ({kind}), {text}", value)


@dataclass(frozen=True, slots=True)
class StringField:
    """A string field."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, str):
            problems.append(_invalid(path, "TYPE_STRING", value))
        return value


@dataclass(frozen=True, slots=True)
class NumberField:
    """A float or double field."""

    kind: str = "TYPE_FLOAT"

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            problems.append(_invalid(path, self.kind, value))
        return value


@dataclass(frozen=True, slots=True)
class IntegerField:
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
class BoolField:
    """A bool field."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, bool):
            problems.append(_invalid(path, "TYPE_BOOL", value))
        return value


@dataclass(frozen=True, slots=True)
class BytesField:
    """A bytes field: base64, in either alphabet, padded or not."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, str) or decode_base64(value) is None:
            reason = f'Base64 decoding failed for "{str(value)[:60]}"'
            problems.append(
                Problem(
                    "TYPE_BYTES", path, f"Invalid value at '{field_path(path)}' (TYPE_BYTES), {reason}", value
                )
            )
        return value


def decode_base64(value: str) -> bytes | None:
    """Return decoded base64 of either alphabet, or None."""
    standard = value.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except ValueError:  # binascii.Error, or not ASCII
        return None


@dataclass(frozen=True, slots=True)
class EnumField:
    """An enum field, in any case."""

    name: str
    values: tuple[str, ...]

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        name = value.upper() if isinstance(value, str) else value
        if name not in self.values and not isinstance(value, bool):
            if isinstance(value, int) and 0 <= value < len(self.values):
                return self.values[value]
            problems.append(_invalid(path, f"{PACKAGE}.{self.name}", value))
        return name


@dataclass(frozen=True, slots=True)
class RepeatedField:
    """A list; one message alone is a list of one."""

    item: Reader

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if isinstance(value, list):
            return [self.item.read(item, (*path, number), problems) for number, item in enumerate(value)]
        if isinstance(value, dict) and isinstance(self.item, Message):
            return [self.item.read(value, path, problems)]
        problems.append(
            Problem("list", path, f"Invalid value at '{field_path(path)}', expected a list", value)
        )
        return []


@dataclass(frozen=True, slots=True)
class StructField:
    """A field that holds any JSON object."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, dict):
            problems.append(_invalid(path, "type.googleapis.com/google.protobuf.Struct", value))
            return {}
        return value


@dataclass(frozen=True, slots=True)
class AnyField:
    """A field that holds any JSON."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:  # noqa: ARG002 - all is well
        """Read it."""
        return value


@dataclass(frozen=True, slots=True)
class MapField:
    """A map with arbitrary keys."""

    item: Reader

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, dict):
            problems.append(_invalid(path, "map", value))
            return {}
        return {name: self.item.read(item, (*path, name), problems) for name, item in value.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """A message with these fields; at most one of those in `one_of`."""

    name: str
    fields: Mapping[str, Reader]
    one_of: tuple[str, ...] = ()

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it; returned keys are in camelCase."""
        if not isinstance(value, dict):
            problems.append(_invalid(path, f"{PACKAGE}.{self.name}", value))
            return {}
        read: dict[str, Any] = {}
        for name, field_value in value.items():
            field_name = name if name in self.fields else camel(name)
            if field_name not in self.fields:
                problems.append(_unknown_name(name, path))
            elif field_value is not None:
                if field_name in self.one_of and any(other in read for other in self.one_of):
                    problems.append(_second(field_name, path))
                read[field_name] = self.fields[field_name].read(field_value, (*path, field_name), problems)
        return read


def _unknown_name(name: str, path: Path) -> Problem:
    location = f" at '{field_path(path)}'" if path else ""
    message = f'Invalid JSON payload received. Unknown name "{name}"{location}: Cannot find field.'
    return Problem("unknown", path, message)


def _second(name: str, path: Path) -> Problem:
    message = (
        f"Invalid value at '{field_path(path)}' (oneof), oneof field 'data' is already set. "
        f"Cannot set '{name}'"
    )
    return Problem("oneof", path, message)


def read(message: Message, body: Any) -> dict[str, Any]:
    """Return a checked body; keys are in camelCase.

    Raises:
        RequestRefused: 400 INVALID_ARGUMENT.

    """
    value, problems = validate(message, body)
    if problems:
        raise _refusal(problems)
    return dict(value)


def _refusal(problems: list[Problem]) -> RequestRefused:
    violations = [{"field": field_path(problem.path), "description": problem.message} for problem in problems]
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}
    return refused(400, "\n".join(problem.message for problem in problems), [detail])
