"""A request in Claude's dialect with one value changed: an answer, or a 400 that names it."""

import json

import pytest
from helpers.fixtures import CannedTransport, function, post
from helpers.mutations import mutations, share

PDF = "data:application/pdf;base64,JVBERi0xLjQ="
REPLY = json.dumps(
    {
        "type": "message",
        "model": "claude-sonnet-5-5",
        "content": [{"type": "text", "text": "Found."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
).encode()

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "a b": {"type": "array", "items": [{"type": "string"}], "minItems": 1},
        "n": {"type": ["integer", "null"], "exclusiveMinimum": True, "minimum": 0, "enum": [1]},
        "r": {"$ref": "#/$defs/r"},
    },
    "required": ["a b"],
    "additionalProperties": False,
    "anyOf": [{"type": "object", "properties": {"x": {"oneOf": [{"type": "string"}]}}, "required": ["x"]}],
    "$defs": {"r": {"type": "object", "properties": {"q": {"format": "uri"}}}},
}
CACHE = {"type": "ephemeral", "ttl": "5m"}
CALL = {
    "id": "1",
    "type": "function",
    "function": {"name": "t", "arguments": '{"a b": []}'},
    "extra_content": {"anthropic": {"toolset_name": "computer"}},
}
SERVER_BLOCKS = [
    {"type": "text", "text": "Found."},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result"}]},
]
TOOLS = [
    {
        "type": "function",
        "function": {"name": "t", "description": "d", "parameters": SCHEMA, "strict": True},
        "cache_control": CACHE,
        "defer_loading": True,
        "input_examples": [{}],
        "allowed_callers": ["direct"],
    },
    {"type": "web_search_20250305", "name": "web_search", "user_location": {"type": "approximate"}},
    {"type": "computer_20250124", "name": "computer", "display_width_px": 1},
    {"name": "bare", "input_schema": {"type": "object"}},
]
MESSAGES = [
    {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": CACHE}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "u", "cache_control": CACHE},
            {
                "type": "image_url",
                "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"},
            },
            {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}, "citations": {"enabled": True}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
            {
                "type": "search_result",
                "source": "s",
                "title": "t",
                "content": [{"type": "text", "text": "r"}],
            },
        ],
    },
    {
        "role": "assistant",
        "content": "Found.",
        "thinking_blocks": [
            {"type": "thinking", "thinking": "h", "signature": "s", "model": "claude-opus-5"}
        ],
        "tool_calls": [CALL],
        "extra_content": {"anthropic": {"content": SERVER_BLOCKS}},
    },
    {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "x"}], "is_error": True},
    {"role": "user", "content": "So?"},
]
PARAMS = {
    "thinking": {
        "type": "adaptive",
        "display": "updates",
        "block_binding": {"prefix_mismatch_behavior": "error"},
    },
    "reasoning_effort": "high",
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}, "task_budget": {}},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": SCHEMA, "strict": True},
    },
    "web_search_options": {
        "user_location": {"type": "approximate", "approximate": {"city": "Rome"}},
        "filters": {"allowed_domains": ["a.com"]},
        "search_context_size": "low",
    },
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"name": "t"}]}},
    "parallel_tool_calls": False,
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "anthropic_beta": ["context-1m-2025-08-07", "new"],
    "metadata": {"user_id": "u"},
    "cache_control": CACHE,
    "fallbacks": "default",
    "speed": "fast",
    "stop": ["x"],
    "temperature": 0.5,
    "top_k": 3,
    "user": "u",
    "modalities": ["text"],
}


MODELS = ["claude-sonnet-4-5", "claude-sonnet-5-5"]


@pytest.mark.parametrize("name", ["messages", "tools", *PARAMS])
@pytest.mark.parametrize("model", MODELS)
def test_changed_value_is_answered_or_named(name, model, exhaustive):
    app = function(CannedTransport([REPLY], "application/json"), VERTEX_COMPAT_FETCH="off")
    tools = TOOLS if "4-5" in model else [tool for tool in TOOLS if "computer" not in tool.get("type", "")]
    body = {"messages": MESSAGES, "tools": tools} | PARAMS
    assert post(app, {"model": model} | body).status_code == 200
    for path, mutated in mutations({name: body[name]}, accepts=None if exhaustive else share(model, MODELS)):
        answer = post(app, {"model": model} | body | {name: None} | mutated)
        detail = f"{path}: {answer.status_code} {answer.get_data()[:300]}"
        assert answer.status_code in {200, 400}, detail
        if answer.status_code == 400:
            assert answer.json["error"]["param"] or "JSON" in answer.json["error"]["message"], detail


PLAIN_SCHEMA = {
    "type": "object",
    "description": "d",
    "properties": {
        "a": {"type": "string", "format": "phone", "minLength": 1, "description": "d"},
        "b": {"type": "array", "items": {"$ref": "#/$defs/c"}},
        "d": {"anyOf": [{"type": "integer", "enum": [1]}, {"type": "null"}]},
    },
    "required": ["a"],
    "additionalProperties": False,
    "$defs": {"c": {"type": "object", "properties": {"e": {"oneOf": [{"const": 1}]}}}},
}


SCHEMA_CASES = [
    (model, strict) for model in ("claude-sonnet-5-5", "claude-sonnet-4") for strict in (True, False)
]


@pytest.mark.parametrize("case", SCHEMA_CASES)
def test_changed_schema_is_answered_or_named(case, exhaustive):
    model, strict = case
    app = function(CannedTransport([REPLY], "application/json"))
    for path, mutated in mutations(
        {"schema": PLAIN_SCHEMA}, accepts=None if exhaustive else share(case, SCHEMA_CASES)
    ):
        schema = mutated.get("schema")
        tool = {"type": "function", "function": {"name": "t", "parameters": schema, "strict": strict}}
        shape = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": strict}}
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        for params in ({"tools": [tool]}, {"response_format": shape}):
            answer = post(app, body | params)
            detail = f"{path}: {answer.status_code} {answer.get_data()[:300]}"
            assert answer.status_code in {200, 400}, detail
