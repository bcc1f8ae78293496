"""JSON Schema for publishers: keywords, older drafts as 2020-12, roots that are objects.

https://json-schema.org/draft/2020-12/schema. Clients send schemas of every draft, and OpenAPI's; Vertex AI's
publishers read 2020-12. All functions return new schemas and leave their arguments as they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from vertex_compat.types import JSON

TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})

SCHEMA_MAPS: Final = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)
"""Keywords whose value maps names to schemas."""

DATA: Final = frozenset(
    {"const", "default", "dependentRequired", "enum", "example", "examples", "propertyOrdering", "required"}
)
"""Keywords whose value holds no schema."""

COMBINATORS: Final = ("allOf", "anyOf", "oneOf")

VALUE: Final = "value"
"""The property of `wrapped` that holds a value which is not an object."""


def map_schema(schema: Any, transform: Callable[[JSON], JSON]) -> Any:
    """Return the schema with `transform` applied to every subschema, inner ones first."""
    if isinstance(schema, list):
        return [map_schema(item, transform) for item in schema]
    if not isinstance(schema, dict):
        return schema
    mapped: JSON = {}
    for keyword, value in schema.items():
        if keyword in SCHEMA_MAPS and isinstance(value, dict):
            mapped[keyword] = {name: map_schema(inner, transform) for name, inner in value.items()}
        else:
            mapped[keyword] = value if keyword in DATA else map_schema(value, transform)
    return transform(mapped)


def subschemas(schema: Any) -> Iterator[JSON]:
    """Yield the schema and every subschema."""
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            yield node
            for keyword, value in node.items():
                if keyword in SCHEMA_MAPS and isinstance(value, dict):
                    pending += value.values()
                elif keyword not in DATA:
                    pending.append(value)


# Older drafts


def modernize(schema: JSON) -> JSON:
    """Return a schema of draft 3 to 2019-09, or of OpenAPI 3.0, as draft 2020-12."""
    modern: JSON = map_schema(schema, _modernize)
    if any(isinstance(node.get("required"), bool) for node in subschemas(modern)):
        modern = map_schema(modern, _without_flag)
    return modern


def _without_flag(node: JSON) -> JSON:
    """A schema without draft 3's `required: true` outside an object's properties."""
    if not isinstance(node.get("required"), bool):
        return node
    return {keyword: value for keyword, value in node.items() if keyword != "required"}


def _modernize(node: JSON) -> JSON:
    node = {keyword: value for keyword, value in node.items() if value is not None or keyword in DATA}
    node.pop("$schema", None)
    if "type" in node:
        _normalize_type(node)
    if isinstance(node.get("items"), list):  # a tuple
        node["prefixItems"] = node.pop("items")
        if "additionalItems" in node:
            node["items"] = node.pop("additionalItems")
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(node.get(exclusive), bool) and node.pop(exclusive) and bound in node:
            node[exclusive] = node.pop(bound)
    _normalize_required(node)
    return node


def _normalize_type(node: JSON) -> None:
    """Write types in lower case, OpenAPI's `nullable` as a type, and drop unknown types."""
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    type_names = [name.lower() for name in types if isinstance(name, str) and name.lower() in TYPES]
    if node.pop("nullable", None) is True and type_names:
        type_names.append("null")
    type_names = list(dict.fromkeys(type_names))
    if type_names:
        node["type"] = type_names[0] if len(type_names) == 1 else type_names
    else:
        del node["type"]


def _normalize_required(node: JSON) -> None:
    """Make `required` a list of distinct names; in draft 3 it is a property's boolean."""
    properties = node.get("properties")
    required = node.get("required")
    names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    if isinstance(properties, dict):
        flagged = {
            name: inner.pop("required")
            for name, inner in properties.items()
            if isinstance(inner, dict) and isinstance(inner.get("required"), bool)
        }
        names += [name for name, is_required in flagged.items() if is_required]
    if names:
        node["required"] = list(dict.fromkeys(names))
    elif not isinstance(required, bool):
        node.pop("required", None)


# Roots


MAX_MERGED: Final = 500
"""Schemas that are merged into one root. A schema with more keeps the properties found so far."""


def object_root(schema: JSON) -> JSON:
    """Return a schema for arguments: an object, without a combination at its root.

    Alternatives are merged: all their properties are allowed, and those are required that all of them
    require.
    """
    root = _RootMerger(schema).flatten(schema, frozenset())
    root.pop("type", None)
    if "required" in root:
        root["required"] = list(dict.fromkeys(root["required"]))
    return {"type": "object"} | root


class _RootMerger:
    """Merges what the root of a schema refers to and combines."""

    def __init__(self, root: JSON) -> None:
        self._root = root
        self._nodes_left = MAX_MERGED

    def flatten(self, node: JSON, followed: frozenset[str]) -> JSON:
        """The schema of an object without `$ref`, `allOf`, `anyOf` and `oneOf` at its top."""
        merged = _copy({name: value for name, value in node.items() if name not in {"$ref", *COMBINATORS}})
        self._nodes_left -= 1
        if self._nodes_left < 0:
            return merged
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in followed:
            base = self.flatten(resolve(reference, self._root), followed | {reference})
            _update(base, merged)
            merged = base
        for member in _members(node, "allOf"):
            _update(merged, self.flatten(member, followed))
        for keyword in ("anyOf", "oneOf"):
            branches = [self.flatten(member, followed) for member in _members(node, keyword)]
            if objects := [branch for branch in branches if _may_be_object(branch)]:
                _update(merged, _either(objects))
        return merged


def _members(node: JSON, keyword: str) -> list[JSON]:
    members = node.get(keyword)
    return [member for member in members if isinstance(member, dict)] if isinstance(members, list) else []


def _may_be_object(node: JSON) -> bool:
    types = node.get("type", "object")
    return "object" in types if isinstance(types, list) else types == "object"


def _copy(node: JSON) -> JSON:
    """A schema whose properties and required names can be added to."""
    copy = dict(node)
    for keyword in SCHEMA_MAPS & node.keys():
        if isinstance(node[keyword], dict):
            copy[keyword] = dict(node[keyword])
    if isinstance(node.get("required"), list):
        copy["required"] = [*node["required"]]
    return copy


def _update(schema: JSON, other: JSON) -> None:
    """Make `schema` fit both of two schemas of objects; where they contradict, `other` counts."""
    for keyword, value in other.items():
        own_value = schema.get(keyword)
        if keyword in SCHEMA_MAPS and isinstance(own_value, dict) and isinstance(value, dict):
            own_value.update(value)
        elif keyword == "required" and isinstance(own_value, list) and isinstance(value, list):
            own_value += value
        else:
            schema[keyword] = value


def _either(branches: list[JSON]) -> JSON:
    """The schema of an object that fits one of several."""
    alternatives: dict[str, list[Any]] = {}
    for branch in branches:
        for name, inner in _object(branch.get("properties")).items():
            schemas = alternatives.setdefault(name, [])
            if inner not in schemas[-1:]:
                schemas.append(inner)
    merged: JSON = {}
    if alternatives:
        merged["properties"] = {
            name: schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
            for name, schemas in alternatives.items()
        }
    shared = set(alternatives).intersection(*(branch.get("required") or () for branch in branches))
    if shared:
        merged["required"] = [name for name in alternatives if name in shared]
    return merged


def _object(value: Any) -> JSON:
    return value if isinstance(value, dict) else {}


def resolve(reference: str, root: JSON) -> JSON:
    """Return the schema that a local `$ref` refers to; an empty one if there is none."""
    target: Any = root
    head, _, path = reference.partition("#")
    for step in path.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        target = target.get(key) if isinstance(target, dict) else None
    return target if isinstance(target, dict) and not head else {}


def is_object(schema: JSON) -> bool:
    """Return whether the root itself allows objects only, without combinations or references."""
    return schema.get("type") == "object" and not {"$ref", "not", "if", *COMBINATORS} & schema.keys()


def wrap(schema: JSON) -> JSON:
    """Return the schema of an object whose property `VALUE` fits `schema`."""
    definitions = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    inner = {name: value for name, value in schema.items() if name not in definitions}
    moved: JSON = map_schema(inner, _moved_references)
    definitions = {name: map_schema(value, _moved_references) for name, value in definitions.items()}
    return {
        "type": "object",
        "properties": {VALUE: moved},
        "required": [VALUE],
        "additionalProperties": False,
    } | definitions


def _moved_references(node: JSON) -> JSON:
    reference = node.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#"):
        return node
    if reference.startswith(("#/$defs/", "#/definitions/")):
        return node
    return node | {"$ref": f"#/properties/{VALUE}{reference[1:]}"}


# Property names


def rename_properties(schema: JSON, allowed: re.Pattern[str]) -> tuple[JSON, Mapping[str, str]]:
    """Return the schema with allowed property names, and new name → the client's name.

    `allowed` must accept 64 letters, digits and `_`. The same schema always gets the same names.
    """
    names = {
        name
        for node in subschemas(schema)
        if isinstance(properties := node.get("properties"), dict)
        for name in properties
    }
    used = {name for name in names if allowed.fullmatch(name)}
    new_names: dict[str, str] = {}
    for name in sorted(names - used):
        new_names[name] = _legal_name(name, used)
        used.add(new_names[name])
    if not new_names:
        return schema, {}

    def rename(node: JSON) -> JSON:
        return node | _rename_properties(node, new_names)

    return map_schema(schema, rename), {new: name for name, new in new_names.items()}


def _rename_properties(node: JSON, new_names: Mapping[str, str]) -> JSON:
    renamed: JSON = {}
    if isinstance(properties := node.get("properties"), dict):
        renamed["properties"] = {new_names.get(name, name): inner for name, inner in properties.items()}
    for keyword in ("required", "propertyOrdering"):
        if isinstance(names := node.get(keyword), list):
            renamed[keyword] = [
                new_names.get(name, name) if isinstance(name, str) else name for name in names
            ]
    return renamed


def _legal_name(name: str, used: set[str]) -> str:
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_")[:64] or "property"
    if readable not in used:
        return readable
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable[:55]}_{digest}"


def rename_keys(value: Any, names: Mapping[str, str]) -> Any:
    """Return a JSON value with the keys of its objects renamed."""
    if isinstance(value, list):
        return [rename_keys(item, names) for item in value]
    if isinstance(value, dict):
        return {names.get(key, key): rename_keys(inner, names) for key, inner in value.items()}
    return value
