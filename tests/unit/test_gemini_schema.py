"""JSON Schema for current models, and as Google's `Schema` for those before 2.0."""

import time

import pytest
from helpers.gemini import BUDGETS, CURRENT, OLD, body, call, config, function

from vertex_compat import errors


def lowered(schema):
    shape = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    return config(OLD, response_format=shape)["responseSchema"]


def lowered_schema(schema):
    return {"type": "STRING", "description": f"It has to fit the JSON Schema {schema}."}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"type": "STRING"}),
        ({"type": "string", "enum": ["a", "", "b"]}, {"type": "STRING", "enum": ["a", "b"]}),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        ({"type": "string", "format": "email"}, lowered_schema('{"format":"email"}')),
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "STRING", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}),
        (
            {"oneOf": [{"type": "string"}, {"const": "a"}]},
            {"anyOf": [{"type": "STRING"}, {"type": "STRING", "enum": ["a"]}]},
        ),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"]}),
        ({"const": 7}, lowered_schema('{"enum":[7]}') | {"type": "INTEGER"}),
        ({"type": "integer", "enum": [1, 2]}, lowered_schema('{"enum":[1,2]}') | {"type": "INTEGER"}),
        ({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}),
        (
            {"enum": ["a", 1]},
            {
                "anyOf": [
                    {"type": "STRING", "enum": ["a"]},
                    lowered_schema('{"enum":[1]}') | {"type": "INTEGER"},
                ]
            },
        ),
        ({"type": "null"}, {"type": "STRING", "nullable": True, "description": "Always null."}),
        ({}, {"type": "STRING"}),
        ({"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}),
        (
            {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]},
            {"type": "ARRAY", "items": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}},
        ),
        ({"type": "object", "properties": {}, "required": ["a"]}, {"type": "OBJECT"}),
        (
            {
                "type": "object",
                "properties": {"a": True},
                "required": ["a", "b"],
                "additionalProperties": {"type": "number"},
            },
            {
                "type": "OBJECT",
                "properties": {"a": {"type": "STRING"}},
                "required": ["a"],
                "additionalProperties": {"type": "NUMBER"},
            },
        ),
        (
            {
                "allOf": [
                    {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"properties": {"b": {"type": "number"}}, "required": ["b"]},
                ]
            },
            {
                "type": "OBJECT",
                "properties": {"a": {"type": "STRING"}, "b": {"type": "NUMBER"}},
                "required": ["a", "b"],
            },
        ),
        (
            {"$defs": {"a/b": {"type": "string", "title": "T"}}, "$ref": "#/$defs/a~1b", "description": "D"},
            {"type": "STRING", "title": "T", "description": "D"},
        ),
        (
            {"description": "D", "anyOf": [{"type": "string"}, {"type": "number", "exclusiveMinimum": 3}]},
            {
                "anyOf": [
                    {"type": "STRING", "description": "D"},
                    {
                        "type": "NUMBER",
                        "description": 'D It has to fit the JSON Schema {"exclusiveMinimum":3}.',
                    },
                ]
            },
        ),
    ],
)
def test_a_schema_for_a_model_that_reads_no_json_schema(schema, expected):
    assert lowered(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {
            "$ref": "#/$defs/tree",
            "$defs": {
                "tree": {
                    "type": "object",
                    "properties": {"left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}},
                }
            },
        },
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"$ref": "https://example.com/schema"},
        {"type": "array", "items": {"$ref": "#"}},
    ],
)
def test_a_schema_that_cannot_be_written_out_is_refused(schema):
    with pytest.raises(errors.BadRequest) as caught:
        lowered(schema)
    assert caught.value.param == "response_format"


def test_recursive_schema_works_for_current_models():
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}}}
    shape = {"type": "json_schema", "json_schema": {"name": "n", "schema": tree}}
    assert config(CURRENT, response_format=shape)["responseJsonSchema"] == tree


def test_arguments_of_alternatives_have_the_properties_of_all():
    kind, word = {"kind": {"const": "x"}}, {"type": "string"}
    first = {"type": "object", "properties": {"a": word, **kind}, "required": ["a", "kind"]}
    other = {"type": "object", "properties": {"b": word, **kind}, "required": ["kind"]}
    (tool,) = body(OLD, tools=[function("f", {"anyOf": [first, other]})])["tools"]
    parameters = tool["functionDeclarations"][0]["parameters"]
    assert parameters["type"] == "OBJECT"
    assert parameters["properties"].keys() == {"a", "b", "kind"}
    assert parameters["required"] == ["kind"]
    assert parameters["description"] == "Give one of these groups: a, kind | b, kind."


def test_words_beside_a_reference_are_kept_beside_an_alternative():
    schema = {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/definitions/A", "description": "D"},
            "b": {"$ref": "#/definitions/A"},
        },
        "definitions": {"A": {"type": "string", "default": {"$ref": "no reference"}}},
    }
    (tool,) = call(tools=[function("f", schema)]).body["tools"]
    assert tool["functionDeclarations"][0]["parametersJsonSchema"] == {
        "type": "object",
        "properties": {
            "a": {"description": "D", "anyOf": [{"$ref": "#/$defs/A"}]},
            "b": {"$ref": "#/$defs/A"},
        },
        "$defs": {"A": {"type": "string", "default": {"$ref": "no reference"}}},
    }
    assert "definitions" in schema


# What current models refuse


def parameters(schema, model=CURRENT):
    (declaration,) = body(model, tools=[function("f", schema)])["tools"][0]["functionDeclarations"]
    return declaration["parametersJsonSchema"]


def test_required_names_without_a_property_are_left_out():
    items = {"type": "object", "required": ["type"]}
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": items}},
        "required": ["a", "message"],
    }
    pruned = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}}
    assert parameters(schema) == pruned | {"required": ["a"]}
    shape = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert config(response_format=shape)["responseJsonSchema"] == pruned | {"required": ["a"]}


def test_alternatives_that_only_require_are_left_out():
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    assert parameters(schema) == {"type": "object", "properties": schema["properties"]}


@pytest.mark.parametrize(
    ("schema", "root"),
    [
        (
            {"additionalProperties": False, "properties": {}},
            {"additionalProperties": False, "properties": {}},
        ),
        (
            {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
            {"properties": {"a": {"type": "string"}}},
        ),
        ({"type": ["object", "null"], "properties": {}}, {"properties": {}}),
        ({"type": "object", "properties": None}, {}),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "properties": {}}, {"properties": {}}),
    ],
)
def test_root_of_parameters_is_an_object(schema, root):
    assert parameters(schema) == {"type": "object", **root}


MISTYPED = [
    {"type": "object", "required": [[1]]},
    {"type": "object", "properties": {"a": {"prefixItems": 5}}},
    {"type": "object", "properties": {"a": {"type": []}}},
    {"type": "object", "properties": {"a": {"type": 5}}},
    {"type": "object", "properties": 5},
    {"type": "object", "anyOf": {}},
    {"type": [[]]},
]


@pytest.mark.parametrize("model", [CURRENT, BUDGETS, OLD])
@pytest.mark.parametrize("schema", MISTYPED)
def test_keyword_of_a_wrong_type_is_refused(model, schema):
    with pytest.raises(errors.BadRequest) as caught:
        call(model, tools=[function("f", schema)])
    assert caught.value.param == "tools[0].function.parameters"


@pytest.mark.parametrize("declaration", [1, {}, {"name": 5}, None])
def test_native_declaration_without_a_name_is_refused(declaration):
    with pytest.raises(errors.BadRequest) as caught:
        call(google={"tools": [{"functionDeclarations": [declaration]}]})
    assert caught.value.param == "google.tools.functionDeclarations[0]"


NAMES = [f"p{number}" for number in range(20_000)]


@pytest.mark.parametrize(
    "params",
    [
        {"google": {"tools": [{"functionDeclarations": [{"name": name} for name in NAMES]}]}},
        {"tools": [function("f", {"type": "object", "properties": {"a": {}}, "required": NAMES})]},
        {"tools": [function("f", {"allOf": [{"properties": {name: {}}} for name in NAMES[:2000]]})]},
    ],
    ids=["declarations", "required", "allOf"],
)
@pytest.mark.parametrize("model", [CURRENT, BUDGETS, OLD])
def test_large_schemas_cost_linear_time(model, params):
    started = time.process_time()
    call(model, **params)
    assert time.process_time() - started < 1
