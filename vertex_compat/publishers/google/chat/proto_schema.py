"""Translate JSON Schema to Google's `Schema`, for Gemini before 2.0.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/Schema has fewer keywords.
What it cannot express is added to the description, so that the model still reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from vertex_compat import errors
from vertex_compat.publishers.google.chat import json_schema
from vertex_compat.types import JSON

MAX_NODES: Final = 5000
MAX_DEPTH: Final = 64
"""A schema that is larger when its references are written out is refused."""

_SAME: Final[Mapping[str, tuple[str, ...]]] = {
    "STRING": ("minLength", "maxLength", "pattern"),
    "NUMBER": ("minimum", "maximum"),
    "INTEGER": ("minimum", "maximum"),
    "BOOLEAN": (),
    "ARRAY": ("minItems", "maxItems"),
    "OBJECT": ("minProperties", "maxProperties", "propertyOrdering"),
}
"""Type → the keywords that mean the same in both."""

_SAME_FOR_ANY: Final = ("title", "description", "default")

_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "STRING": frozenset({"date-time", "enum"}),
    "NUMBER": frozenset({"float", "double"}),
    "INTEGER": frozenset({"int32", "int64"}),
}

_DESCRIBED: Final = frozenset(
    {"contains", "dependentRequired", "dependentSchemas", "else", "exclusiveMaximum", "exclusiveMinimum"}
    | {"if", "maxContains", "minContains", "multipleOf", "not", "patternProperties", "propertyNames"}
    | {"then", "unevaluatedProperties", "uniqueItems"}
)
"""Constraints that `Schema` does not have, which are added to the description."""

_HINTS: Final = (
    ("properties", "object"),
    ("additionalProperties", "object"),
    ("items", "array"),
    ("prefixItems", "array"),
    ("minimum", "number"),
    ("maximum", "number"),
)
"""Keyword → the type of a schema that has it and names no type."""

_TYPES: Final = {"string", "number", "integer", "boolean", "array", "object"}


def translate(schema: JSON, param: str) -> JSON:
    """Return the same schema as a `Schema`; raises `BadRequest` where that cannot be."""
    json_schema.check(schema, param)
    return _Translation(schema, param).translate(schema)


def parameters(schema: JSON, param: str) -> JSON:
    """Return the `parameters` of a declaration, empty if it has none.

    They are an object's, so of alternatives it has the properties of all.
    """
    json_schema.check(schema, param)
    if "object" not in json_schema.root_types(schema):
        raise json_schema.not_an_object(param)
    translated = translate(schema, param)
    branches = translated.get("anyOf", [translated])
    properties = {name: inner for branch in branches for name, inner in branch.get("properties", {}).items()}
    if not properties:
        return {}
    if "anyOf" not in translated:
        return translated
    required = [set(branch.get("required", ())) for branch in branches]
    shared = [name for name in properties if all(name in names for names in required)]
    groups = [", ".join(sorted(branch.get("properties", {}))) for branch in branches]
    description = f"Give one of these groups: {' | '.join(groups)}."
    merged = {"type": "OBJECT", "properties": properties, "description": description}
    return merged | ({"required": shared} if shared else {})


class _Translation:
    """The translation of one schema, in whose root references are looked up."""

    def __init__(self, root: JSON, param: str) -> None:
        self._root = root
        self._param = param
        self._nodes_left = MAX_NODES

    def translate(self, node: Any, depth: int = 0) -> JSON:
        """Return `node` as a `Schema`."""
        node = self._resolve(node, depth)
        alternatives = list(_alternatives(node))
        if not alternatives:
            return self._of_type(node, depth)
        translated = [
            self.translate(alternative, depth + 1)
            for alternative in alternatives
            if not _is_null(alternative)
        ]
        branches = [branch for schema in translated for branch in schema.get("anyOf", [schema])]
        if any(map(_is_null, alternatives)):
            branches = [branch | {"nullable": True} for branch in branches]
        if len(branches) > 1:
            return {"anyOf": branches}
        return (
            branches[0] if branches else {"type": "STRING", "nullable": True, "description": "Always null."}
        )

    def _resolve(self, node: Any, depth: int) -> JSON:
        """Return `node` with the content of its `$ref` and `allOf` in it."""
        self._nodes_left -= 1
        if self._nodes_left < 0 or depth > MAX_DEPTH:
            raise self._invalid(
                "The schema refers to itself, or is too large: this model accepts no references."
            )
        if not isinstance(node, dict):
            return {}
        if isinstance(reference := node.get("$ref"), str):
            node = {**node, "allOf": [self._target(reference), *(node.get("allOf") or ())]}
            del node["$ref"]
        if not isinstance(members := node.get("allOf"), list):
            return dict(node)
        own_keywords = {keyword: value for keyword, value in node.items() if keyword != "allOf"}
        schemas = [self._resolve(member, depth + 1) for member in members]
        return self._resolve(_merge([*schemas, own_keywords]), depth + 1)

    def _target(self, reference: str) -> Any:
        """Return what a reference within the schema refers to."""
        head, _, path = reference.partition("#")
        target: Any = self._root
        for step in path.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, dict) else None
        if head or (path and not path.startswith("/")) or not isinstance(target, dict | bool):
            raise self._invalid(f"The schema refers to {reference[:200]!r}, which is not in it.")
        return target

    def _of_type(self, node: JSON, depth: int) -> JSON:
        type_ = _type(node).upper()
        typed: JSON = {"type": type_}
        names = (*_SAME_FOR_ANY, *_SAME[type_])
        typed |= {name: node[name] for name in names if node.get(name) is not None}
        if node.get("nullable") is True:
            typed["nullable"] = True
        limits, described = _value_limits(node, type_)
        typed |= limits
        if type_ == "OBJECT":
            typed |= self._properties(node, depth)
        if type_ == "ARRAY":
            typed["items"] = self.translate(_items(node), depth + 1)
        if described:
            description = typed.get("description")
            own_description = [description] if isinstance(description, str) and description else []
            typed["description"] = " ".join([*own_description, _in_words(described)])
        return typed

    def _properties(self, node: JSON, depth: int) -> JSON:
        fields: JSON = {}
        if isinstance(additional := node.get("additionalProperties"), dict | bool):
            fields["additionalProperties"] = (
                self.translate(additional, depth + 1) if isinstance(additional, dict) else additional
            )
        if not isinstance(properties := node.get("properties"), dict) or not properties:
            return fields
        fields["properties"] = {name: self.translate(inner, depth + 1) for name, inner in properties.items()}
        required = node.get("required")
        declared = [name for name in required if name in properties] if isinstance(required, list) else []
        return fields | ({"required": declared} if declared else {})

    def _invalid(self, message: str) -> errors.BadRequest:
        return errors.BadRequest(message, param=self._param, code="invalid_value")


def _value_limits(node: JSON, type_: str) -> tuple[JSON, JSON]:
    """Return `format` and `enum` where `Schema` takes them, and the other limits as keywords."""
    limits: JSON = {}
    described = {keyword: value for keyword, value in node.items() if keyword in _DESCRIBED}
    format_ = node.get("format")
    if isinstance(format_, str) and format_ in _FORMATS.get(type_, ()):
        limits["format"] = format_
    elif format_ is not None:
        described["format"] = format_
    choices = [choice for choice in _choices(node) if choice != ""]  # an empty one is refused
    if choices and type_ == "STRING" and all(isinstance(choice, str) for choice in choices):
        limits["enum"] = choices
    elif choices:
        described["enum"] = choices
    return limits, described


def _alternatives(node: JSON) -> Iterator[JSON]:
    """Yield the alternatives of a schema, each with the shared keywords; none for one schema."""
    for keyword in ("anyOf", "oneOf"):
        if isinstance(branches := node.get(keyword), list) and branches:
            shared = {name: value for name, value in node.items() if name not in {keyword, "discriminator"}}
            yield from (_branch(shared, branch) for branch in branches)
            return
    types, groups = node.get("type"), _by_type(_choices(node))
    if types == "null":
        yield {"type": "null"}
    elif len(groups) > 1 or "null" in groups or (groups and isinstance(types, list)):
        shared = {name: value for name, value in node.items() if name != "const"}
        yield from ({**shared, "type": type_, "enum": group} for type_, group in groups.items())
    elif isinstance(types, list):
        yield from ({**node, "type": type_} for type_ in types)


def _branch(shared: JSON, branch: Any) -> JSON:
    """Return a branch with what stands beside it; `allOf` resolves a branch that is a reference."""
    return {"type": "null"} if _is_null(branch) else {"allOf": [shared, branch]}


def _is_null(node: Any) -> bool:
    return isinstance(node, dict) and node.get("type") in ("null", ["null"])


def _choices(node: JSON) -> list[Any]:
    if "const" in node:
        return [node["const"]]
    return node["enum"] if isinstance(node.get("enum"), list) else []


def _by_type(choices: Iterable[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for choice in choices:
        groups.setdefault(_type_of(choice), []).append(choice)
    return groups


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _type(node: JSON) -> str:
    type_ = node.get("type")
    if isinstance(type_, str) and type_.lower() in _TYPES:
        return type_.lower()
    if choices := _choices(node):
        return _type_of(choices[0])
    return next((hint for keyword, hint in _HINTS if keyword in node), "string")


def _items(node: JSON) -> Any:
    """Return the schema of an array's items; any item of a tuple may have any of its types."""
    items = node.get("items")
    positions = [*(node.get("prefixItems") or ()), *(items if isinstance(items, list) else ())]
    return {"anyOf": positions} if positions else items


def _merge(schemas: Iterable[JSON]) -> JSON:
    """Return the schema that fits all of several; the later one counts in a contradiction."""
    merged: JSON = {}
    required: dict[str, None] = {}
    for schema in schemas:
        for keyword, value in schema.items():
            if keyword in {"properties", "$defs"} and isinstance(value, dict):
                merged.setdefault(keyword, {}).update(value)
            elif keyword == "required" and isinstance(value, list):
                required |= dict.fromkeys(value)
            elif value is not None or keyword not in merged:
                merged[keyword] = value
    return merged | ({"required": list(required)} if required else {})


def _in_words(constraints: JSON) -> str:
    return f"It has to fit the JSON Schema {msgspec.json.encode(constraints).decode()}."
