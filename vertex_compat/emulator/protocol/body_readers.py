"""Readers that check JSON bodies against tables of fields.

A reader returns the value as the server would understand it, and appends what it does not accept to a list of
problems. Error codes and messages are pydantic's, which partners' servers use; Google's are in
`proto_json.py`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a body."""

    code: str
    path: Path
    message: str
    value: Any = None

    @property
    def location(self) -> str:
        """The path in dotted form."""
        return ".".join(map(str, self.path))


class Reader(Protocol):
    """Checks the values of one field."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Return the value as understood; append problems."""


def quote_choices(choices: tuple[str, ...]) -> str:
    """List choices as pydantic does: 'a', 'b' or 'c'."""
    names = [f"'{choice}'" for choice in choices]
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


@dataclass(frozen=True, slots=True)
class AnyValue:
    """Any JSON but null."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if value is None:
            problems.append(Problem("missing_value", path, "Input should be a valid value", value))
        return value


@dataclass(frozen=True, slots=True)
class String:
    """A string, optionally one of `choices` or matching `pattern`."""

    choices: tuple[str, ...] = ()
    pattern: str = ""
    min_length: int = 0

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if self.choices and value not in self.choices:
            problems.append(
                Problem("literal_error", path, f"Input should be {quote_choices(self.choices)}", value)
            )
        elif not isinstance(value, str):
            problems.append(Problem("string_type", path, "Input should be a valid string", value))
        elif self.pattern and not re.fullmatch(self.pattern, value):
            problems.append(
                Problem(
                    "string_pattern_mismatch", path, f"String should match pattern '^{self.pattern}$'", value
                )
            )
        elif len(value) < self.min_length:
            problems.append(
                Problem(
                    "string_too_short",
                    path,
                    f"String should have at least {self.min_length} character",
                    value,
                )
            )
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number between `low` and `high`, inclusive."""

    low: float | None = None
    high: float | None = None
    whole: bool = False

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            kind = ("int_type", "integer") if self.whole else ("float_type", "number")
            problems.append(Problem(kind[0], path, f"Input should be a valid {kind[1]}", value))
        elif self.whole and isinstance(value, float) and not value.is_integer():
            problems.append(Problem("int_type", path, "Input should be a valid integer", value))
        elif self.low is not None and value < self.low:
            message = f"Input should be greater than or equal to {self.low}"
            problems.append(Problem("greater_than_equal", path, message, value))
        elif self.high is not None and value > self.high:
            message = f"Input should be less than or equal to {self.high}"
            problems.append(Problem("less_than_equal", path, message, value))
        return value


def integer(low: float | None = None, high: float | None = None) -> Number:
    """Return a reader of integers."""
    return Number(low, high, whole=True)


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, bool):
            problems.append(Problem("bool_type", path, "Input should be a valid boolean", value))
        return value


@dataclass(frozen=True, slots=True)
class Nullable:
    """A value that may be null."""

    inner: Reader

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        return None if value is None else self.inner.read(value, path, problems)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    item: Reader
    min_length: int = 0
    max_length: int | None = None

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, list):
            problems.append(Problem("list_type", path, "Input should be a valid list", value))
            return value
        if len(value) < self.min_length:
            message = f"List should have at least {self.min_length} item after validation, not {len(value)}"
            problems.append(Problem("too_short", path, message, value))
        if self.max_length is not None and len(value) > self.max_length:
            message = f"List should have at most {self.max_length} items after validation, not {len(value)}"
            problems.append(Problem("too_long", path, message, value))
        return [self.item.read(item, (*path, location), problems) for location, item in enumerate(value)]


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object with arbitrary keys."""

    item: Reader | None = None  # None: any JSON, including null

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, dict):
            problems.append(Problem("dict_type", path, "Input should be a valid dictionary", value))
            return value
        if self.item is None:
            return value
        return {name: self.item.read(item, (*path, name), problems) for name, item in value.items()}


@dataclass(frozen=True, slots=True)
class Object:
    """An object with these fields only."""

    fields: Mapping[str, Reader]
    required: tuple[str, ...] = ()

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, dict):
            problems.append(
                Problem("model_attributes_type", path, "Input should be a valid dictionary", value)
            )
            return value
        absent = (name for name in self.required if name not in value)
        problems.extend(Problem("missing", (*path, name), "Field required", value) for name in absent)
        read = {}
        for name, field_value in value.items():
            reader = self.fields.get(name)
            if reader:
                read[name] = reader.read(field_value, (*path, name), problems)
            else:
                message = "Extra inputs are not permitted"
                problems.append(Problem("extra_forbidden", (*path, name), message, field_value))
        return read


@dataclass(frozen=True, slots=True)
class Discriminated:
    """An object whose kind one of its fields names; the kind joins the path, as in pydantic."""

    tag: str
    kinds: Mapping[str, Reader]
    default: str = ""
    in_path: bool = True

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        if not isinstance(value, dict):
            problems.append(Problem("model_attributes_type", path, "Input should be an object", value))
            return value
        kind = value.get(self.tag, self.default)
        if not kind:
            problems.append(Problem("missing", (*path, self.tag), "Field required", value))
        elif isinstance(kind, str) and kind in self.kinds:
            return self.kinds[kind].read(value, (*path, kind) if self.in_path else path, problems)
        else:
            message = (
                f"Input tag '{kind}' found using '{self.tag}' does not match any of the expected tags: "
                + ", ".join(f"'{name}'" for name in self.kinds)
            )
            problems.append(Problem("union_tag_invalid", path, message, value))
        return value


@dataclass(frozen=True, slots=True)
class StringOr:
    """A string, or what `other` reads."""

    other: Reader
    text: Reader = field(default_factory=String)

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        return (self.text if isinstance(value, str) else self.other).read(value, path, problems)


@dataclass(frozen=True, slots=True)
class Deferred:
    """A reader that is looked up when used, for recursive schemas."""

    find: Callable[[], Reader]

    def read(self, value: Any, path: Path, problems: list[Problem]) -> Any:
        """Read it."""
        return self.find().read(value, path, problems)


def validate(reader: Reader, body: Any) -> tuple[Any, list[Problem]]:
    """Return a body as understood, and its problems."""
    problems: list[Problem] = []
    return reader.read(body, (), problems), problems
