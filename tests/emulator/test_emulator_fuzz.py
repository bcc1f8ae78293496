"""Random requests: the emulator answers as a server does, never with an error of its own."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TOOL = {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}}
CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
USED = {"id": "abcdefABC", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGES = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": [{"type": "text", "text": "Use the tool"}]},
    {"role": "assistant", "content": "Look", "tool_calls": [USED]},
    {"role": "tool", "tool_call_id": "abcdefABC", "content": "done"},
]
CHAT = {"messages": MESSAGES, "tools": [CHAT_TOOL], "tool_choice": "auto", "stop": ["x"], "max_tokens": 9}
SHAPE = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
GEMINI = {
    "contents": [
        {
            "role": "user",
            "parts": [{"text": "Use the tool"}, {"inlineData": {"mimeType": "image/png", "data": ""}}],
        },
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
    ],
    "systemInstruction": {"parts": [{"text": "Be short."}]},
    "tools": [{"functionDeclarations": [TOOL]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "temperature": 1,
        "candidateCount": 2,
        "stopSequences": ["x"],
        "responseMimeType": "application/json",
        "responseSchema": {
            "type": "OBJECT",
            "properties": {"a": {"type": "ARRAY", "items": {"type": "STRING"}}},
        },
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 512},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    "labels": {"a": "b"},
}
CLAUDE = {
    "anthropic_version": "vertex-2023-10-16",
    "max_tokens": 2000,
    "system": [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "Use the tool"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "done"}]},
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "disabled"},
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}},
    "stop_sequences": ["x"],
    "metadata": {"user_id": "a"},
}
GOOD = {
    "/publishers/google/models/gemini-2.5-flash:generateContent": GEMINI,
    "/publishers/google/models/gemini-3.8-flash:generateContent": GEMINI,
    "/publishers/google/models/gemini-3.1-pro:streamGenerateContent?alt=sse": GEMINI,
    "/publishers/google/models/gemini-3.8-flash:countTokens": {"contents": GEMINI["contents"]},
    "/publishers/anthropic/models/claude-sonnet-5-5:rawPredict": CLAUDE,
    "/publishers/anthropic/models/claude-opus-4-6:streamRawPredict": CLAUDE | {"stream": True},
    "/publishers/mistralai/models/mistral-small:rawPredict": CHAT | {"model": "mistral-small"},
    "/publishers/mistralai/models/codestral-2:rawPredict": {
        "model": "codestral-2",
        "prompt": "a",
        "stop": "b",
    },
    "/publishers/ai21/models/jamba-1.5-mini:rawPredict": CHAT | {"model": "jamba-1.5-mini"},
    "/endpoints/openapi/chat/completions": CHAT | {"model": "qwen/qwen3-maas", "response_format": SHAPE},
    "/endpoints/123/chat/completions": CHAT | {"stream": True, "stream_options": {"include_usage": True}},
    "/endpoints/123:predict": {
        "instances": [{"prompt": "a", "stop": ["x"]}, {"inputs": "b", "parameters": {}}]
    },
}

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
)


def places(value, path=()):
    """Give the path of every value within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inner:
        yield (*path, name)
        yield from places(item, (*path, name))


def replaced(value, path, other):
    copied = copy.deepcopy(value)
    holder = copied
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = other
    return copied


@pytest.mark.parametrize("path", GOOD)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_mutated_body_is_answered_or_refused(long_lived_vertex, path, data):
    body = GOOD[path]
    for _ in range(data.draw(st.integers(1, 2))):
        body = replaced(body, data.draw(st.sampled_from(list(places(body)))), data.draw(ANYTHING))
    answer = long_lived_vertex.post(path, body)
    assert answer.status_code in {200, 400, 404, 422}
    assert answer.data  # streams are read to their end


@pytest.mark.parametrize("path", GOOD)
def test_unchanged_bodies_are_valid_after_small_corrections(long_lived_vertex, path):
    body = {name: value for name, value in GOOD[path].items() if name != "output_config"}
    if "jamba" in path:
        body["messages"] = MESSAGES[1:]
    if "gemini-3" in path:  # makes one candidate, and its own calls are signed
        body["contents"] = GEMINI["contents"][:1]
    if "gemini-3" in path and "generationConfig" in body:
        body["generationConfig"] = GEMINI["generationConfig"] | {"candidateCount": 1}
    if "gemini-2.5" in path:  # refuses functions together with JSON
        body["generationConfig"] = {"candidateCount": 2, "stopSequences": ["x"]}
    if "thinking" in body:
        body["thinking"] = {"type": "adaptive"}
    answer = long_lived_vertex.post(path, body)
    assert answer.status_code == 200, answer.text
