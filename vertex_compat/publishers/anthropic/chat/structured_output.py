"""JSON answers by Claude's structured outputs, by a tool's arguments, or by an instruction.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs. On Vertex AI an organization policy
(`constraints/vertexai.allowedPartnerModelFeatures`) may deny structured outputs, and does so by default.
Then the answer is the arguments of one more tool; so it is for older models, and for schemas that structured
outputs do not support.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import mapping, text
from vertex_compat.publishers import json_schema
from vertex_compat.publishers.anthropic.chat.context import CallContext
from vertex_compat.types import JSON, JSONAnswer

if TYPE_CHECKING:
    from vertex_compat.publishers.anthropic import request_types as wire

POLICY_FEATURE: Final = "policy.structured_outputs"
"""Structured outputs as such, which an organization policy may deny."""

SCHEMA_FEATURE: Final = "messages.schema"
"""The schema of this request as a structured output: it may be too complex."""

FORMATS: Final = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"}
)
MAX_OPTIONAL: Final = 24
MAX_UNIONS: Final = 16
MAX_DEFINITIONS: Final = 100

_CONSTRAINTS: Final = (
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "pattern",
    "uniqueItems",
)
"""Keywords that structured outputs do not enforce: their text goes into the description."""

_UNSUPPORTED: Final = frozenset(
    {"contains", "dependentRequired", "dependentSchemas", "if", "not", "patternProperties", "prefixItems"}
    | {"propertyNames", "unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef"}
)


def requested_schema(body: JSON) -> JSON | None:
    """Return the JSON Schema that the answer must fit; {} for any object, None for any text."""
    params = body.get("response_format") or {}
    match params:
        case {"type": "json_schema", "json_schema": {"schema": {} as schema}}:
            return json_schema.modernize(schema)
        case {"type": "json_schema", "json_schema": {}}:
            return {}
        case {"type": "json_object"}:
            schema = params.get("response_schema")
            return json_schema.modernize(schema) if isinstance(schema, dict) else {}
        case {} | {"type": "text"} if params.get("type", "text") == "text":
            return None
    raise errors.BadRequest(
        "'response_format' must be text, json_object, or json_schema with a json_schema.",
        param="response_format",
        code="invalid_value",
    )


def may_use(context: CallContext) -> bool:
    """Return whether a structured output can be tried, and note that it is."""
    return context.use(POLICY_FEATURE) and context.use(SCHEMA_FEATURE)


def to_supported(schema: JSON) -> JSON | None:
    """Return the schema as structured outputs take it, None if they cannot hold an answer to it.

    Objects are closed, and limits become text in descriptions. Maps, recursion and conditions have no such
    form.
    """
    if any(not _is_supported(node) for node in json_schema.subschemas(schema)):
        return None
    if _optional_count(schema) > MAX_OPTIONAL or _union_count(schema) > MAX_UNIONS or _is_recursive(schema):
        return None
    result: JSON = json_schema.map_schema(schema, _close_objects)
    return result


def _is_supported(node: JSON) -> bool:
    if _UNSUPPORTED & node.keys():
        return False
    if isinstance(reference := node.get("$ref"), str) and not reference.startswith(
        ("#/$defs/", "#/definitions/")
    ):
        return False
    if "object" in _types(node) or "properties" in node:
        additional = node.get("additionalProperties")  # an object without known properties is a map
        return additional is False or (additional is None and bool(node.get("properties")))
    return not isinstance(node.get("enum"), list) or not any(
        isinstance(choice, dict | list) for choice in node["enum"]
    )


def _types(node: JSON) -> list[Any]:
    types = node.get("type")
    return types if isinstance(types, list) else [types]


def _optional_count(schema: JSON) -> int:
    return sum(
        len(node["properties"].keys() - set(node.get("required") or ()))
        for node in json_schema.subschemas(schema)
        if isinstance(node.get("properties"), dict)
    )


def _union_count(schema: JSON) -> int:
    return sum(
        "anyOf" in node or "oneOf" in node or isinstance(node.get("type"), list)
        for node in json_schema.subschemas(schema)
    )


def _is_recursive(schema: JSON) -> bool:
    """Return whether a definition refers to itself, directly or through others."""
    definitions = {
        f"#/{keyword}/{name}": {
            node["$ref"] for node in json_schema.subschemas(inner) if isinstance(node.get("$ref"), str)
        }
        for keyword in ("$defs", "definitions")
        for name, inner in mapping(schema.get(keyword)).items()
    }
    if len(definitions) > MAX_DEFINITIONS:
        return True
    # Remove definitions whose references are all removed; what remains refers to itself, or to such a one.
    while leaves := [name for name, references in definitions.items() if not references & definitions.keys()]:
        for name in leaves:
            del definitions[name]
    return bool(definitions)


def _close_objects(node: JSON) -> JSON:
    constraints: JSON = {keyword: node.pop(keyword) for keyword in _CONSTRAINTS if keyword in node}
    if "format" in node and text(node["format"]) not in FORMATS:
        constraints["format"] = node.pop("format")
    if constraints:
        limits = ", ".join(f"{keyword}: {value}" for keyword, value in constraints.items())
        node["description"] = " ".join(filter(None, [text(node.get("description")), f"({limits})"]))
    if "oneOf" in node:
        node["anyOf"] = node.pop("oneOf")
    if "properties" in node:
        node["additionalProperties"] = False
    return node


TOOL: Final = "json_tool_call"
PROPERTY_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")

_TOOL_DESCRIPTION: Final = (
    "Takes your whole answer to the user: its arguments are the JSON that was asked for."
)
_JSON_ONLY: Final = (
    "Write your answer to the user as one JSON object, without any other text and without a code fence."
)


class AnswerFormat(msgspec.Struct, frozen=True):
    """The way to get JSON: `output` is `output_config.format`, `tool` is an additional tool.

    `answer` says how to read it, None if there is no such answer.
    """

    output: wire.OutputFormat | None = None
    tool: wire.Tool | None = None
    answer: JSONAnswer | None = None


def choose(schema: JSON, context: CallContext, *, calls_demanded: bool, has_citations: bool) -> AnswerFormat:
    """Return how the model is made to answer with JSON that fits the schema."""
    wrapped = bool(schema) and not json_schema.is_object(schema)
    object_schema = json_schema.wrap(schema) if wrapped else schema
    native = bool(schema) and context.profile.supports_structured_outputs and not has_citations
    closed = to_supported(object_schema) if native else None
    if closed is not None and may_use(context):
        answer = JSONAnswer(TOOL, closed, wrapped, source="constrained")
        return AnswerFormat(output={"type": "json_schema", "schema": closed}, answer=answer)
    if calls_demanded:  # what the client gets is a call
        context.ignore("response_format")
        return AnswerFormat()
    if not schema:  # a tool without properties is called without arguments
        context.instructions.append(_JSON_ONLY)
        return AnswerFormat(answer=JSONAnswer(TOOL, source="text"))
    object_schema, names = json_schema.rename_properties(object_schema, PROPERTY_NAME)
    tool: wire.Tool = {"name": TOOL, "description": _TOOL_DESCRIPTION, "input_schema": object_schema}
    return AnswerFormat(tool=tool, answer=JSONAnswer(TOOL, object_schema, wrapped, names))
