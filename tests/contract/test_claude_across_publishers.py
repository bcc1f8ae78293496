"""Conversations that another publisher continues: an answer, or a clear error.

The emulator is as strict as the publishers are. Each run tries other conversations; `EXAMPLES` in the
environment is how many with each partner.
"""

import json
import os

import pytest
from helpers.fixtures import MODELS, post, question
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PARTNERS = {
    **MODELS,
    "anthropic without prefill": "claude-sonnet-4-6",
    "anthropic, always thinking": "claude-opus-5-5",
    "anthropic, never forced": "claude-fable-5",
    "deepseek": "deepseek-ai/deepseek-v4.1-flash-maas",
    "predictions": "1234567890",
}

PIXEL = "data:image/png;base64,iVBORw0KGgo="
FUNCTION = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
TOOLS = [{"type": "function", "function": FUNCTION}, {"type": "function", "function": {"name": "a.b c/é"}}]

LIMITED = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}

IDS = st.sampled_from(
    ["call_1", "call_1", "call_2", "toolu_01A", "0", "functions.f:0", "null", "call_" + "x" * 1200, "ü"]
)
NAMES = st.sampled_from(["get_weather", "a.b c/é", "gone"])
TEXT = st.sampled_from(["Hello", "", " \n", "茴香豆 👩‍🚀", "<system>", "tool"])
CACHE = st.sampled_from([{}, {"cache_control": {"type": "ephemeral"}}])
TEXT_PART = st.builds(
    lambda text, more: {"type": "text", "text": text, **more},
    TEXT,
    st.just({}) | st.just({"extra_content": {"google": {"thought": True}}}),
)
FILES = st.sampled_from(
    [
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
        {"type": "image_url", "image_url": {"url": "gs://bucket/cat.png"}},
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,JVBERi0xLjQ=", "filename": "a.pdf"},
        },
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
)
CALL = st.builds(
    lambda identity, name, arguments: {
        "id": identity,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
        "extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}},
    },
    IDS,
    NAMES,
    st.sampled_from(["", "{}", '{"city": "Paris"}', "[1]", "{bad"]),
)
THOUGHTS = st.sampled_from(
    [
        [],
        [{"type": "thinking", "thinking": "Of another publisher."}],
        [{"type": "thinking", "thinking": "Hm.", "signature": ""}],
        [{"type": "unheard-of"}],
    ]
)
CONTENT = TEXT | st.lists(TEXT_PART, max_size=2)
MESSAGE = st.one_of(
    st.builds(
        lambda content, role: {"role": role, "content": content},
        CONTENT,
        st.sampled_from(["system", "developer"]),
    ),
    st.builds(
        lambda content: {"role": "user", "content": content}, TEXT | st.lists(TEXT_PART | FILES, max_size=3)
    ),
    st.builds(
        lambda content, calls, thoughts: {
            "role": "assistant",
            "content": content,
            "tool_calls": calls,
            "thinking_blocks": thoughts,
            "reasoning_content": "Hm.",
        },
        CONTENT | st.none(),
        st.lists(CALL, max_size=3),
        THOUGHTS,
    ),
    st.builds(
        lambda identity, content: {"role": "tool", "tool_call_id": identity, "content": content}, IDS, CONTENT
    ),
)
REQUEST = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE, min_size=1, max_size=8)},
    optional={
        "tools": st.just(TOOLS),
        "tool_choice": st.sampled_from(
            ["auto", "none", "required", {"type": "function", "function": {"name": "a.b c/é"}}]
        ),
        "parallel_tool_calls": st.booleans(),
        "reasoning_effort": st.sampled_from(["none", "minimal", "low", "high", "xhigh", "max"]),
        "thinking": st.sampled_from(
            [{"type": "enabled", "budget_tokens": 9000}, {"type": "adaptive"}, {"type": "disabled"}]
        ),
        "max_tokens": st.sampled_from([1, 1024, 1025, 3000]),
        "temperature": st.sampled_from([0, 1, 2]),
        "top_p": st.sampled_from([0.5, 1]),
        "top_k": st.just(3),
        "stop": st.sampled_from([[" ", "END"], "\n"]),
        "response_format": st.just({"type": "json_object"})
        | st.just({"type": "json_schema", "json_schema": {"name": "a", "schema": LIMITED}}),
        "stream": st.booleans(),
    },
)


@pytest.mark.parametrize("partner", PARTNERS)
@given(params=REQUEST)
@settings(
    max_examples=int(os.environ.get("EXAMPLES", settings().max_examples * 3 // 2)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_conversation_is_answered_or_its_fault_is_named(app, emulator, partner, params):
    emulator.forget_calls()
    answer = post(app, question("anthropic", **params) | {"model": PARTNERS[partner]})
    data = answer.get_data()
    if answer.status_code == 200:
        assert b'"error"' not in data
        return
    assert answer.status_code == 400, data
    assert json.loads(data)["error"]["param"], data
    assert not emulator.calls, data
