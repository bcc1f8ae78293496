"""The text model: what it says, counts and calls; and values that satisfy schemas."""

import itertools

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat.emulator.text_model import replies, schema_values
from vertex_compat.emulator.text_model.replies import Prompt, Tool

TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name", "children"],
    "additionalProperties": False,
}
SCHEMAS = [
    {"type": "object"},
    {"type": "object", "properties": {"a": {"const": 5}, "b": {"enum": ["x", "y"]}}, "required": ["a", "b"]},
    {"type": "array", "items": {"type": "integer", "minimum": 3, "maximum": 3}, "minItems": 2},
    {"type": "number", "exclusiveMinimum": 8},
    {"type": "number", "maximum": -2},
    {"type": "string", "minLength": 12},
    {"type": "string", "maxLength": 2},
    {"type": "string", "format": "date-time"},
    {"type": ["string", "null"]},
    {"type": "null"},
    {"type": "boolean"},
    {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    {
        "allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}],
        "required": ["a"],
    },
    {
        "$defs": {"city": {"type": "string"}},
        "properties": {"city": {"$ref": "#/$defs/city"}},
        "required": ["city"],
    },
    TREE,
]


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("only_required", [True, False])
def test_instances_satisfy_their_schemas(schema, only_required):
    instance = schema_values.example_value(schema, only_required=only_required)
    if isinstance(instance, dict) and only_required:
        assert set(instance) == set(schema.get("required", ()))
    jsonschema.validate(instance, schema)


def test_googles_spellings_are_understood():
    schema = {
        "type": "OBJECT",
        "properties": {"n": {"type": "INTEGER"}, "of": {"type": "ARRAY", "items": {"type": "STRING"}}},
    }
    assert schema_values.example_value(schema) == {"n": 7, "of": ["of 1"]}


def test_a_schema_without_end_has_an_end():
    schema = {"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]}
    assert schema_values.example_value(schema)
    assert schema_values.example_value(None) == {}


@given(text=st.text(), limit=st.none() | st.integers(1, 60), stop=st.text(min_size=1, max_size=3))
def test_a_reply_is_its_pieces_within_its_limit(text, limit, stop):
    reply = replies.generate(Prompt(text, 1, limit=limit, stops=(stop,)))
    assert stop not in reply.text
    assert limit is None or reply.tokens <= limit
    assert reply.ending in {"stop", "length", "stop_sequence"}
    assert (reply.stop is None) == (reply.ending != "stop_sequence")


@given(st.text())
def test_tokens_joined_are_the_text(text):
    assert "".join(replies.tokenize(text)) == text


TOOLS = (Tool("first"), Tool("second"))
CALLS = [
    ({"text": "Hello"}, []),
    ({"text": "Hello", "forced": True}, ["first"]),
    ({"text": "the tool, please"}, ["first"]),
    ({"text": "use SECOND"}, ["second"]),
    ({"text": "first and second in parallel"}, ["first", "second"]),
    ({"text": "second, in parallel"}, ["second", "second"]),
    ({"text": "first and second in parallel", "parallel": False}, ["first"]),
    ({"text": "the tool", "results": ("done",)}, []),
    ({"text": "the tool", "forced": True, "results": ("done",)}, []),
]


@pytest.mark.parametrize(("prompt", "names"), CALLS)
def test_tools_are_called_when_they_are_meant(prompt, names):
    reply = replies.generate(Prompt(tokens=1, tools=TOOLS, **prompt))
    assert [call.name for call in reply.calls] == names
    assert reply.ending == ("calls" if names else "stop")


def test_candidates_differ_and_repeat_themselves():
    prompt = Prompt("Hello", 1)
    texts = [replies.generate(prompt, number).text for number in (0, 1, 2)]
    assert all(first != other for first, other in itertools.combinations(texts, 2))
    assert texts[1] == replies.generate(prompt, 1).text
