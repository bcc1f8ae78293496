"""Every conversation and schema: Vertex AI accepts the request, or a 400 names the fault."""

import json

import jsonschema
import pytest
from helpers import gemini
from hypothesis import example, given
from hypothesis import strategies as st

from vertex_compat import errors
from vertex_compat.emulator.protocol.responses import RequestRefused
from vertex_compat.publishers.google.chat import signatures

MODELS = st.sampled_from(
    [
        gemini.CURRENT,
        gemini.BUDGETS,
        gemini.LEVELS,
        gemini.OLD,
        gemini.OLDEST,
        gemini.TUNED,
        "gemini-2.0-flash",
        "gemini-of-tomorrow",
    ]
)

# Conversations

TEXT = st.one_of(
    st.sampled_from(["", " ", "Hi", "茴 👩‍👩‍👧", '{"a": 1}', '{"$ref": "x"}', "[1]", "null"]),
    st.text(max_size=8),
)
NAMES = st.one_of(
    st.sampled_from(["f", "get weather", "-x", "été", "a" * 99, "a.b:c"]), st.text(min_size=1, max_size=6)
)
IDS = st.sampled_from(
    [
        "call_a",
        "call_b",
        "call_c",
        "toolu_1",
        "call_" + "0" * 24 + "_i616263_s" + signatures.SKIP.rstrip("="),
        "",
    ]
)
SIGNED = st.sampled_from(
    [
        None,
        {"google": {"thought_signature": signatures.SKIP}},
        {"google": {"thought_signature": "?"}},
        {"google": None},
        7,
    ]
)
SOURCES = st.sampled_from(
    [
        "gs://b/a.png",
        "gs://b/a",
        "https://e.com/a.pdf",
        "http://e.com/a.png",
        "https://youtu.be/x",
        "data:image/png;base64,AAAA",
        "data:,a",
        "AAAA",
        "A",
        "file-AAAA",
        "ftp://x",
        "",
    ]
)
LINK = st.fixed_dictionaries(
    {"url": SOURCES}, optional={"detail": st.sampled_from(["low", "auto", "original", "x", None])}
)
PART = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.builds(lambda link: {"type": "image_url", "image_url": link}, LINK | SOURCES),
    st.builds(lambda link: {"type": "video_url", "video_url": link}, LINK),
    st.builds(
        lambda data, form: {"type": "input_audio", "input_audio": {"data": data, "format": form}},
        SOURCES,
        st.sampled_from(["wav", "audio/mp3", None]),
    ),
    st.builds(lambda data: {"type": "audio_input", "audio_input": {"audio_input": data}}, SOURCES),
    st.builds(
        lambda file: {"type": "file", "file": file},
        st.dictionaries(st.sampled_from(["file_data", "file_id", "filename"]), SOURCES),
    ),
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": IDS,
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {"name": NAMES, "arguments": TEXT | st.just({"x": 1}) | st.none()}
            ),
        },
        optional={"extra_content": SIGNED},
    ),
    max_size=3,
)
MESSAGE = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["system", "developer"]),
        TEXT,
    ),
    st.builds(lambda content: {"role": "user", "content": content}, TEXT | st.lists(PART, max_size=3)),
    st.builds(
        lambda content, calls, extra, thinking: {
            "role": "assistant",
            "content": content,
            "tool_calls": calls,
            "extra_content": extra,
            "thinking_blocks": thinking,
        },
        TEXT | st.none(),
        CALLS | st.none(),
        SIGNED,
        st.sampled_from([None, [{"type": "thinking", "thinking": "x", "signature": "y"}]]),
    ),
    st.builds(
        lambda call, content: gemini.result(content, call), IDS, TEXT | st.none() | st.lists(PART, max_size=2)
    ),
    st.builds(lambda name, content: {"role": "function", "name": name, "content": content}, NAMES, TEXT),
    st.builds(
        lambda function: {"role": "assistant", "content": None, "function_call": function},
        st.fixed_dictionaries({"name": NAMES, "arguments": TEXT}),
    ),
)


@given(MODELS, st.lists(MESSAGE, min_size=1, max_size=8))
def test_every_conversation_is_request_or_400(model, messages):
    accepted(model, messages=messages)


def accepted(model, **body):
    fault = None
    try:
        upstream_call = gemini.call(model, **body)
    except errors.BadRequest as error:
        fault = error
    if fault:
        assert fault.param
        return
    try:
        gemini.judge(upstream_call, model)
    except RequestRefused as refused:
        pytest.fail(f"{b''.join(refused.answer.steps).decode()}\n{json.dumps(upstream_call.body)}")


# Schemas

WORDS = st.sampled_from(["a", "b", "city", "größe", "$x"])
SIMPLE = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "minLength": st.integers(0, 3),
            "format": st.sampled_from(["email", "date-time"]),
            "enum": st.lists(st.text(max_size=3), min_size=1, max_size=3),
            "description": st.text(max_size=4),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": st.integers(-3, 3),
            "exclusiveMaximum": st.integers(4, 9),
            "multipleOf": st.just(2),
            "enum": st.just([1, 2, 3]),
        },
    ),
    st.sampled_from(
        [
            {"type": "boolean"},
            {"type": "null"},
            {"const": 7},
            {"const": "x"},
            {"const": None},
            {},
            True,
            {"enum": ["a", 1, None]},
            {"enum": [None]},
            {"type": ["string", "null"]},
            {"type": ["integer", "string"], "enum": [1, "a"]},
            {"$ref": "#/$defs/leaf"},
            {"$ref": "#/$defs/leaf", "description": "d"},
        ]
    ),
)


def deeper(inner):
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("array")},
            optional={
                "items": inner,
                "minItems": st.integers(0, 2),
                "uniqueItems": st.booleans(),
                "prefixItems": st.lists(inner, min_size=1, max_size=2),
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={
                "properties": st.dictionaries(WORDS, inner, max_size=3),
                "required": st.lists(WORDS, max_size=3, unique=True),
                "additionalProperties": st.booleans() | inner,
                "title": WORDS,
            },
        ),
        st.builds(
            lambda word, branches: {word: branches},
            st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(
            lambda branches, schema: {"anyOf": branches, **schema},
            st.lists(inner, min_size=1, max_size=2),
            SIMPLE.filter(lambda schema: isinstance(schema, dict)),
        ),
    )


SCHEMAS = st.recursive(SIMPLE, deeper, max_leaves=8)
ROOT = SCHEMAS.filter(lambda schema: isinstance(schema, dict)).map(
    lambda schema: {
        **schema,
        "$defs": {"leaf": {"type": "string", "enum": ["x", "y"]}, "self": {"$ref": "#/$defs/self"}},
    }
)


@given(MODELS, ROOT)
@example(gemini.OLD, {"anyOf": [{"type": "null"}]})
@example(gemini.OLD, {"$ref": "#"})
def test_every_schema_is_response_format_or_400(model, schema):
    accepted(model, response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})


@given(MODELS, ROOT)
def test_every_schema_is_function_or_400(model, schema):
    accepted(model, tools=[gemini.function(parameters=schema)])


TYPED = st.recursive(
    SIMPLE.filter(lambda schema: isinstance(schema, dict) and schema),
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 2)}
        ),
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(WORDS, inner, max_size=3)},
            optional={
                "required": st.lists(WORDS, max_size=3, unique=True),
                "additionalProperties": st.booleans() | inner,
            },
        ),
        st.builds(
            lambda word, branches: {word: branches},
            st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
    ),
    max_leaves=6,
).map(lambda schema: {**schema, "$defs": {"leaf": {"type": "string", "enum": ["x", "y"]}}})
"""Schemas that say the type of everything. Where one does not, Google's must: a text can hold any value."""

LEAVES = st.sampled_from([None, True, 0, 1, 2, 7, 9, 1.5, "x", "y", "a"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)


@given(TYPED, VALUES)
def test_a_lowered_schema_refuses_no_value_that_the_schema_takes(schema, value):
    body = gemini.call(gemini.OLD, response_format={"type": "json_object", "response_schema": schema}).body
    if jsonschema.Draft202012Validator(schema).is_valid(value):
        jsonschema.Draft202012Validator(raised(body["generationConfig"]["responseSchema"])).validate(value)


def raised(schema):
    """A `Schema` in JSON Schema's words."""
    result = {
        name: schema[name]
        for name in schema.keys() & {"enum", "minItems", "minLength", "minimum", "required"}
    }
    if "properties" in schema:
        result["properties"] = {name: raised(inner) for name, inner in schema["properties"].items()}
    if "anyOf" in schema:
        result["anyOf"] = [raised(branch) for branch in schema["anyOf"]]
    for name in schema.keys() & {"items", "additionalProperties"}:
        result[name] = raised(schema[name]) if isinstance(schema[name], dict) else schema[name]
    if "type" in schema:
        result["type"] = [schema["type"].lower(), *(["null"] if schema.get("nullable") else [])]
    if schema.get("nullable") and "enum" in result:
        result["enum"] = [*result["enum"], None]
    return result
