"""Gemini's checks of tools: combinations, names, schemas, and function calling modes."""

import re
from collections.abc import Iterator
from typing import Any

from vertex_compat.emulator.google_models.gemini.body import BUILT_IN_TOOLS
from vertex_compat.emulator.google_models.gemini.models import FIRST_SIGNING, THINKING, Generation
from vertex_compat.emulator.protocol.google_errors import invalid_argument
from vertex_compat.emulator.protocol.responses import JSON

FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
FUNCTION_NAME_RULE = (
    "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), "
    "underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128."
)


def check(body: JSON, kind: Generation) -> None:
    """Check a request's tools and toolConfig.

    Raises:
        RequestRefused: 400 INVALID_ARGUMENT.

    """
    _check_tools(body.get("tools", []), kind)
    _check_calling(body)


def _check_tools(tools: list[JSON], kind: Generation) -> None:
    functions = [function for tool in tools for function in tool.get("functionDeclarations", [])]
    built_in = [name for tool in tools for name in BUILT_IN_TOOLS if name in tool]
    if any(not tool for tool in tools):
        raise invalid_argument("Unable to submit request because a tool has none of the kinds of tools set.")
    if "googleSearchRetrieval" in built_in and kind.version > THINKING["gemini-1"].version:
        raise invalid_argument(
            "google_search_retrieval is not supported. Please use google_search field instead."
        )
    with_functions = sum("functionDeclarations" in tool for tool in tools)
    if kind.version < FIRST_SIGNING and functions and (built_in or with_functions > 1):
        raise invalid_argument("Multiple tools are supported only when they are all search tools.")
    names = [function.get("name", "") for function in functions]
    for index, function in enumerate(functions):
        _check_declaration(function, f"tools[0].function_declarations[{index}]", kind)
        if names.index(names[index]) != index:
            raise invalid_argument(f"Duplicate function declaration found: {names[index]}")


def _check_declaration(function: JSON, field: str, kind: Generation) -> None:
    if not FUNCTION_NAME.fullmatch(function.get("name", "")):
        raise invalid_argument(f"{field}.name: {FUNCTION_NAME_RULE}")
    for schema_field, json_schema_field in (
        ("parameters", "parametersJsonSchema"),
        ("response", "responseJsonSchema"),
    ):
        if schema_field in function and json_schema_field in function:
            raise invalid_argument(f"{field}: only one of {schema_field} and {json_schema_field} may be set.")
    if "parameters" in function:
        parameters = function["parameters"]
        if parameters.get("type") != "OBJECT":
            raise invalid_argument(
                f"{field}.parameters.type: should be OBJECT for the parameters of a function"
            )
        if parameters.get("properties") == {} and kind.version < THINKING["gemini-2.5"].version:
            raise invalid_argument(f"{field}.parameters.properties: should be non-empty for OBJECT type")
        check_schema(parameters, f"{field}.parameters", root=True)
    check_references(function.get("parametersJsonSchema"), f"{field}.parameters_json_schema")
    json_schema = function.get("parametersJsonSchema")
    if json_schema is not None and not (
        isinstance(json_schema, dict) and json_schema.get("type", "object") == "object"
    ):
        raise invalid_argument(f"{field}.parameters_json_schema: should be a schema of type object")


def check_schema(schema: JSON, field: str, *, root: bool = False) -> None:
    """Check a Schema message beyond its field names."""
    if not root and "defs" in schema:
        raise invalid_argument(f"{field}.defs: only the root schema may have definitions")
    if not schema.get("type") and not {"anyOf", "ref", "enum"} & schema.keys() and not root:
        raise invalid_argument(f"{field}: schema didn't specify the schema type field")
    if schema.get("type") == "ARRAY" and not schema.get("items"):
        raise invalid_argument(f"{field}.items: missing field.")
    if "" in schema.get("enum", []):
        raise invalid_argument(f"{field}.enum[{schema['enum'].index('')}]: cannot be empty")
    if schema.get("enum") and schema.get("type") not in {"STRING", "INTEGER", None}:
        raise invalid_argument(f"{field}.enum: only allowed for STRING type")
    for index, name in enumerate(schema.get("required", [])):
        if name not in schema.get("properties", {}):
            raise invalid_argument(f"{field}.required[{index}]: property is not defined")
    for path, inner in _inner_schemas(schema, field):
        check_schema(inner, path)


def check_references(schema: Any, field: str) -> None:
    """Check a JSON Schema.

    Beside `$ref` there are only keys that begin with `$`, and `required` names properties.
    """
    if isinstance(schema, dict):
        if "$ref" in schema and any(not name.startswith("$") for name in schema):
            raise invalid_argument(f"{field}: beside $ref only names that begin with $ may be set")
        properties, required = schema.get("properties"), schema.get("required")
        for name in required if isinstance(required, list) else []:
            if name not in (properties if isinstance(properties, dict) else {}):
                raise invalid_argument(f"{field}: schema requires unspecified property {name!r}")
        for inner in schema.values():
            check_references(inner, field)
    elif isinstance(schema, list):
        for inner in schema:
            check_references(inner, field)


def _inner_schemas(schema: JSON, field: str) -> Iterator[tuple[str, JSON]]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{field}.properties[{name}]", inner
    for name, inner in schema.get("defs", {}).items():
        yield f"{field}.defs[{name}]", inner
    for index, inner in enumerate(schema.get("anyOf", [])):
        yield f"{field}.any_of[{index}]", inner
    if schema.get("items"):
        yield f"{field}.items", schema["items"]


def _check_calling(body: JSON) -> None:
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    mode, allowed_names = calling.get("mode", "AUTO"), calling.get("allowedFunctionNames", [])
    declared_names = {
        function["name"]
        for tool in body.get("tools", [])
        for function in tool.get("functionDeclarations", [])
    }
    if mode in {"ANY", "VALIDATED"} and not declared_names:
        raise invalid_argument("Function calling config is set without function_declarations.")
    if allowed_names and mode not in {"ANY", "VALIDATED"}:
        raise invalid_argument("Allowed function names should only be set when function calling mode is ANY.")
    for name in allowed_names:
        if name not in declared_names:
            raise invalid_argument(f"Allowed function name `{name}` is not among the function declarations.")
