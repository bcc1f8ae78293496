"""JSON Schema for Gemini: nearly as it is for current models, as Google's `Schema` for those before 2.0.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/control-generated-output. `Schema` has fewer
words. What it has no word for is told in the description, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON

_OF_NAMES: Final = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
"""Keywords whose object has names of the client's, each with a schema."""

_OF_DATA: Final = frozenset(
    {"const", "default", "enum", "example", "examples", "required", "propertyOrdering"}
)
"""Keywords that hold no schema."""


def adapted(schema: JSON) -> JSON:
    """A schema for models that read JSON Schema.

    Two things they do not take: keywords beside a `$ref`, which go beside an `anyOf` with the `$ref` instead,
    and `definitions`, which was `$defs` in older drafts.
    """
    made: JSON = _adapted(schema)
    if "definitions" in made and "$defs" not in made:
        made["$defs"] = made.pop("definitions")
    return made


def _adapted(node: Any) -> Any:
    if isinstance(node, list):
        return [_adapted(one) for one in node]
    if not isinstance(node, dict):
        return node
    made: JSON = {}
    for keyword, held in node.items():
        if keyword in _OF_NAMES and isinstance(held, dict):
            made[keyword] = {name: _adapted(inner) for name, inner in held.items()}
        else:
            made[keyword] = held if keyword in _OF_DATA else _adapted(held)
    if isinstance(reference := made.get("$ref"), str):
        made["$ref"] = reference.replace("#/definitions/", "#/$defs/", 1)
        if any(not keyword.startswith("$") for keyword in made):
            beside = "allOf" if "anyOf" in made else "anyOf"
            made[beside] = [*made.get(beside, []), {"$ref": made.pop("$ref")}]
    return made


# Google's `Schema`

_MAX_NODES: Final = 5000
_MAX_DEPTH: Final = 64
"""Nodes, and levels: a schema that grows beyond when its references are written out is refused."""

_KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "STRING": ("minLength", "maxLength", "pattern"),
    "NUMBER": ("minimum", "maximum"),
    "INTEGER": ("minimum", "maximum"),
    "BOOLEAN": (),
    "ARRAY": ("minItems", "maxItems"),
    "OBJECT": ("minProperties", "maxProperties", "propertyOrdering"),
}
"""Type → the keywords that mean the same in both."""

_OF_ANY: Final = ("title", "description", "default")

_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "STRING": frozenset({"date-time", "enum"}),
    "NUMBER": frozenset({"float", "double"}),
    "INTEGER": frozenset({"int32", "int64"}),
}

_TOLD: Final = frozenset(
    {"contains", "dependentRequired", "dependentSchemas", "else", "exclusiveMaximum", "exclusiveMinimum"}
    | {"if", "maxContains", "minContains", "multipleOf", "not", "patternProperties", "propertyNames"}
    | {"then", "unevaluatedProperties", "uniqueItems"}
)
"""Keywords that say what fits and that `Schema` does not have."""

_HINTS: Final = (
    ("properties", "object"),
    ("additionalProperties", "object"),
    ("items", "array"),
    ("prefixItems", "array"),
    ("minimum", "number"),
    ("maximum", "number"),
)
"""Keyword → the type of a schema that has it and does not say its type."""

_TYPES: Final = {"string", "number", "integer", "boolean", "array", "object"}


def lowered(schema: JSON, place: str) -> JSON:
    """The same as a `Schema`; raises `BadRequest` where that cannot be."""
    return _Lowering(schema, place).lower(schema)


def lowered_parameters(schema: JSON, place: str) -> JSON:
    """`parameters` of a declaration; none if there is nothing to give.

    They are an object's, so of alternatives it has the properties of all.
    """
    made = lowered(schema, place)
    branches = made.get("anyOf", [made])
    properties = {name: held for one in branches for name, held in one.get("properties", {}).items()}
    if not properties:
        return {}
    if "anyOf" not in made:
        return {"parameters": made}
    shared = [name for name in properties if all(name in one.get("required", ()) for one in branches)]
    alternatives = [sorted(one.get("properties", {})) for one in branches]
    told = f"Give one of these groups: {' | '.join(', '.join(group) for group in alternatives)}."
    merged = {"type": "OBJECT", "properties": properties, "description": told}
    return {"parameters": merged | ({"required": shared} if shared else {})}


class _Lowering:
    """One schema on its way. References are looked up in its root."""

    def __init__(self, root: JSON, place: str) -> None:
        self._root = root
        self._place = place
        self._left = _MAX_NODES

    def lower(self, node: Any, depth: int = 0) -> JSON:
        """`node` as a `Schema`."""
        node = self._resolved(node, depth)
        alternatives = list(_alternatives(node))
        if not alternatives:
            return self._typed(node, depth)
        lowered = [self.lower(one, depth + 1) for one in alternatives if not _is_null(one)]
        branches = [branch for one in lowered for branch in one.get("anyOf", [one])]
        if any(map(_is_null, alternatives)):
            branches = [one | {"nullable": True} for one in branches]
        if len(branches) > 1:
            return {"anyOf": branches}
        return (
            branches[0] if branches else {"type": "STRING", "nullable": True, "description": "Always null."}
        )

    def _resolved(self, node: Any, depth: int) -> JSON:
        """`node` without `$ref` and `allOf`: what they bring is its own."""
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            raise self._fault("The schema holds itself, or is too large: this model takes no references.")
        if not isinstance(node, dict):
            return {}
        if isinstance(reference := node.get("$ref"), str):
            node = {**node, "allOf": [self._at(reference), *(node.get("allOf") or ())]}
            del node["$ref"]
        if not isinstance(members := node.get("allOf"), list):
            return dict(node)
        rest = {keyword: held for keyword, held in node.items() if keyword != "allOf"}
        for member in reversed(members):
            rest = _both(self._resolved(member, depth + 1), rest)
        return self._resolved(rest, depth + 1)

    def _at(self, reference: str) -> Any:
        """What a reference within the schema means."""
        head, _, path = reference.partition("#")
        found: Any = self._root
        for step in path.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, dict) else None
        if head or (path and not path.startswith("/")) or not isinstance(found, dict | bool):
            raise self._fault(f"The schema refers to {reference[:200]!r}, which is not in it.")
        return found

    def _typed(self, node: JSON, depth: int) -> JSON:
        kind = _type(node).upper()
        made: JSON = {"type": kind}
        made |= {name: node[name] for name in (*_OF_ANY, *_KEPT[kind]) if node.get(name) is not None}
        if node.get("nullable") is True:
            made["nullable"] = True
        told = {keyword: held for keyword, held in node.items() if keyword in _TOLD}
        if (form := node.get("format")) in _FORMATS.get(kind, ()):
            made["format"] = form
        elif form is not None:
            told["format"] = form
        choices = [one for one in _choices(node) if one != ""]  # an empty one is refused
        if choices and kind == "STRING" and all(isinstance(one, str) for one in choices):
            made["enum"] = choices
        elif choices:
            told["enum"] = choices
        if kind == "OBJECT":
            made |= self._properties(node, depth)
        if kind == "ARRAY":
            made["items"] = self.lower(_item(node), depth + 1)
        if told:
            made["description"] = " ".join([*filter(None, [made.get("description")]), _in_words(told)])
        return made

    def _properties(self, node: JSON, depth: int) -> JSON:
        made: JSON = {}
        if isinstance(others := node.get("additionalProperties"), dict | bool):
            made["additionalProperties"] = (
                self.lower(others, depth + 1) if isinstance(others, dict) else others
            )
        if not isinstance(given := node.get("properties"), dict) or not given:
            return made
        made["properties"] = {name: self.lower(inner, depth + 1) for name, inner in given.items()}
        if isinstance(named := node.get("required"), list) and (
            known := [one for one in named if one in given]
        ):
            made["required"] = known
        return made

    def _fault(self, said: str) -> errors.BadRequest:
        return errors.BadRequest(said, param=self._place, code="invalid_value")


def _alternatives(node: JSON) -> Iterator[JSON]:
    """The schemas of which one has to fit, each with what holds for all; nothing if there is one only."""
    for keyword in ("anyOf", "oneOf"):
        if isinstance(branches := node.get(keyword), list) and branches:
            rest = {name: held for name, held in node.items() if name not in {keyword, "discriminator"}}
            yield from (_branch(rest, one) for one in branches)
            return
    kinds, groups = node.get("type"), _by_type(_choices(node))
    if kinds == "null":
        yield {"type": "null"}
    elif len(groups) > 1 or "null" in groups or (groups and isinstance(kinds, list)):
        rest = {name: held for name, held in node.items() if name != "const"}
        yield from ({**rest, "type": kind, "enum": group} for kind, group in groups.items())
    elif isinstance(kinds, list):
        yield from ({**node, "type": kind} for kind in kinds)


def _branch(rest: JSON, branch: Any) -> JSON:
    """A branch with what stands beside it; `allOf` sees to a branch that is a reference."""
    return {"type": "null"} if _is_null(branch) else {"allOf": [rest, branch]}


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
    kind = node.get("type")
    if isinstance(kind, str) and kind.lower() in _TYPES:
        return kind.lower()
    if choices := _choices(node):
        return _type_of(choices[0])
    return next((hint for keyword, hint in _HINTS if keyword in node), "string")


def _item(node: JSON) -> Any:
    """What the items of an array are. Those of a tuple are one of its types, whatever their place."""
    given = node.get("items")
    places = [*(node.get("prefixItems") or ()), *(given if isinstance(given, list) else ())]
    return {"anyOf": places} if places else given


def _both(one: JSON, other: JSON) -> JSON:
    """The schema of what fits `one` and `other`; where they disagree, `other` counts."""
    merged = {**one, **other}
    for keyword in ("properties", "$defs"):
        if isinstance(one.get(keyword), dict) and isinstance(other.get(keyword), dict):
            merged[keyword] = {**one[keyword], **other[keyword]}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        merged["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return merged


def _in_words(told: JSON) -> str:
    return f"It has to fit the JSON Schema {msgspec.json.encode(told).decode()}."
