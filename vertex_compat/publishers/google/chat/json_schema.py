"""Adapt JSON Schema for Gemini from 2.0 on.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/control-generated-output
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from vertex_compat import errors
from vertex_compat.publishers import json_schema
from vertex_compat.types import JSON


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_VALID: Final[Mapping[str, Callable[[Any], bool]]] = {
    "$defs": lambda value: isinstance(value, dict),
    "allOf": lambda value: isinstance(value, list),
    "anyOf": lambda value: isinstance(value, list),
    "definitions": lambda value: isinstance(value, dict),
    "enum": lambda value: isinstance(value, list),
    "items": lambda value: isinstance(value, dict | list | bool),
    "oneOf": lambda value: isinstance(value, list),
    "prefixItems": lambda value: isinstance(value, list),
    "properties": lambda value: isinstance(value, dict),
    "required": lambda value: isinstance(value, bool) or _is_strings(value),
    "type": lambda value: isinstance(value, str) or (bool(value) and _is_strings(value)),
}
"""Keyword → whether a value is one of its values, in some draft. `null` counts as not set."""


def check(schema: JSON, param: str) -> None:
    """Raise `BadRequest` where a keyword has a value of the wrong type."""
    for node in json_schema.subschemas(schema):
        for keyword, is_valid in _VALID.items():
            if (value := node.get(keyword)) is not None and not is_valid(value):
                raise errors.BadRequest(
                    f"Invalid value for '{param}': {keyword!r} of a schema has a wrong type.",
                    param=param,
                    code="invalid_value",
                )


_UNCHANGED: Final = frozenset(
    {"const", "default", "description", "examples", "format", "maxItems", "maxLength", "maximum", "minItems"}
    | {"minLength", "minimum", "multipleOf", "pattern", "propertyOrdering", "title", "uniqueItems"}
)
"""Keywords that mean the same in every draft, and whose values hold no schema."""


def _is_ready(node: Any) -> bool:
    """Return whether Gemini accepts a schema as it is.

    Most schemas are: this saves rewriting them.
    """
    return isinstance(node, dict) and all(
        _is_ready_keyword(keyword, value, node) for keyword, value in node.items()
    )


def _is_ready_keyword(keyword: str, value: Any, node: JSON) -> bool:
    if keyword == "type":
        return isinstance(value, str) and value in json_schema.TYPES
    if keyword == "properties":
        return isinstance(value, dict) and all(map(_is_ready, value.values()))
    if keyword == "required":
        properties = node.get("properties")
        return isinstance(properties, dict) and _is_strings(value) and properties.keys() >= set(value)
    if keyword == "items":
        return _is_ready(value)
    if keyword == "additionalProperties":
        return isinstance(value, bool) or _is_ready(value)
    if keyword in {"anyOf", "enum"}:
        return isinstance(value, list) and bool(value) and (keyword == "enum" or all(map(_is_ready, value)))
    return keyword in _UNCHANGED and value is not None


def parameters(schema: JSON, param: str) -> JSON:
    """Return the schema of a function's parameters, whose root is an object.

    Raises `BadRequest`.
    """
    if schema.get("type") == "object" and _is_ready(schema):
        return schema
    check(schema, param)
    if "object" not in root_types(schema):
        raise not_an_object(param)
    root = adapt(schema, param)
    if "type" in root or not {"$ref", "allOf", "anyOf", "oneOf"} & root.keys():
        root["type"] = "object"
    return root


def root_types(schema: JSON) -> list[str]:
    """Return the types of a checked schema's root in lower case; `object` if it names none."""
    types = schema.get("type") or "object"
    return [type_.lower() for type_ in (types if isinstance(types, list) else [types])]


def not_an_object(param: str) -> errors.BadRequest:
    """Return the error for parameters of another type."""
    return errors.BadRequest(
        f"Invalid value for '{param}': the schema must be of type 'object'.",
        param=param,
        code="invalid_value",
    )


def adapt(schema: JSON, param: str) -> JSON:
    """Return a schema for models that read JSON Schema; raises `BadRequest`.

    They refuse keywords beside a `$ref`, which go beside an `anyOf` with the `$ref` instead. They refuse
    `definitions`, the `$defs` of older drafts, and `required` names without a property.
    """
    if _is_ready(schema):
        return dict(schema)
    check(schema, param)
    adapted: JSON = json_schema.map_schema(json_schema.modernize(schema), _adapt)
    if "definitions" in adapted and "$defs" not in adapted:
        adapted["$defs"] = adapted.pop("definitions")
    return adapted


def _adapt(node: JSON) -> JSON:
    node = _declared_required(node)
    if isinstance(reference := node.get("$ref"), str):
        node["$ref"] = reference.replace("#/definitions/", "#/$defs/", 1)
        if any(not keyword.startswith("$") for keyword in node):
            combination = "allOf" if "anyOf" in node else "anyOf"
            node[combination] = [*node.get(combination, []), {"$ref": node.pop("$ref")}]
    return node


def _declared_required(node: JSON) -> JSON:
    """Return a node without the `required` names that it does not declare.

    An `anyOf` whose branches named nothing else is left out too.
    """
    node = dict(node)
    if isinstance(required := node.get("required"), list):
        properties = node.get("properties")
        declared = properties.keys() if isinstance(properties, dict) else ()
        node["required"] = [name for name in required if name in declared]
        if not node["required"]:
            del node["required"]
    for keyword in json_schema.COMBINATORS:
        if keyword in node and not any(node[keyword]):
            del node[keyword]
    return node
