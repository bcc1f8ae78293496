"""Thinking and effort of the Claude models of 2026, and thinking blocks of other models."""

import pytest
from helpers.fixtures import question, upstream_call

TOOL = {"type": "function", "function": {"name": "t"}}
SUMMARIZED = {"type": "adaptive", "display": "summarized"}


def call(model, **params):
    return upstream_call(question("anthropic") | {"model": model} | params)


@pytest.mark.parametrize(
    ("model", "params", "thinking", "effort", "ignored"),
    [
        ("claude-sonnet-5-5", {"reasoning_effort": "none"}, {"type": "between_tools"}, None, ()),
        ("claude-sonnet-5-5", {"thinking": {"type": "disabled"}}, {"type": "between_tools"}, None, ()),
        (
            "claude-sonnet-5-5",
            {"thinking": {"type": "between_tools", "display": "summarized"}, "reasoning_effort": "xhigh"},
            {"type": "between_tools"},
            "high",
            ("reasoning_effort",),
        ),
        ("claude-sonnet-5-5", {"reasoning_effort": "xhigh"}, SUMMARIZED, "xhigh", ()),
        ("claude-opus-5-5", {"reasoning_effort": "none"}, None, "low", ("reasoning_effort",)),
        ("claude-opus-5-5", {"thinking": {"type": "between_tools"}}, None, "low", ("thinking",)),
        (
            "claude-opus-5",
            {"thinking": {"type": "disabled"}, "reasoning_effort": "xhigh"},
            {"type": "disabled"},
            "high",
            ("reasoning_effort",),
        ),
        (
            "claude-sonnet-5",
            {"thinking": {"type": "disabled"}, "reasoning_effort": "xhigh"},
            {"type": "disabled"},
            "xhigh",
            (),
        ),
        ("claude-opus-4-8", {"output_config": {"effort": "max"}}, None, "max", ()),
        ("claude-opus-4-5", {"output_config": {"effort": "max"}}, None, "high", ("output_config.effort",)),
        ("claude-sonnet-4-5", {"output_config": {"effort": "low"}}, None, None, ("output_config.effort",)),
        ("claude-sonnet-4-5", {"reasoning_effort": ""}, None, None, ()),
    ],
)
def test_thinking_and_effort_are_what_the_model_takes(model, params, thinking, effort, ignored):
    upstream_call = call(model, **params)
    assert upstream_call.body.get("thinking") == thinking
    assert upstream_call.body.get("output_config", {}).get("effort") == effort
    assert upstream_call.ignored == ignored


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1"])
def test_text_between_tool_calls_is_requested(model):
    assert call(model, tools=[TOOL]).body["thinking"] == SUMMARIZED
    assert "thinking" not in call(model).body


@pytest.mark.parametrize("model", ["claude-opus-5", "claude-haiku-5-5", "claude-sonnet-4-5"])
def test_other_models_get_no_thinking_unasked(model):
    assert "thinking" not in call(model, tools=[TOOL]).body


def test_fields_that_need_a_beta_bring_it():
    thinking = {
        "type": "adaptive",
        "display": "updates",
        "block_binding": {"prefix_mismatch_behavior": "drop_block"},
    }
    upstream_call = call("claude-opus-5-5", thinking=thinking, context_management={"edits": []})
    assert upstream_call.body["thinking"] == thinking
    assert upstream_call.body["anthropic_beta"] == [
        "thinking-display-updates-2026-08-18",
        "thinking-binding-controls-2026-08-01",
        "context-management-2025-06-27",
    ]


@pytest.mark.parametrize(
    ("model", "param", "limit", "expected"),
    [
        ("claude-sonnet-4-5", "max_tokens", 100_000, 64_000),
        ("claude-opus-5-5", "max_completion_tokens", 500_000, 128_000),
        ("claude-opus-5-5", "max_completion_tokens", 128_000, 128_000),
    ],
)
def test_limit_above_the_model_s_is_lowered_and_named(model, param, limit, expected):
    upstream_call = call(model, **{param: limit})
    assert upstream_call.body["max_tokens"] == expected
    assert upstream_call.ignored == ((param,) if expected < limit else ())


# Blocks of other models


def history(producer):
    block = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln", "model": producer}
    return [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "thinking_blocks": [block]},
        {"role": "user", "content": "So?"},
    ]


@pytest.mark.parametrize(
    ("reader", "producer", "is_sent"),
    [
        ("claude-sonnet-5-5", "claude-sonnet-5-5", True),
        ("claude-sonnet-5-5", "claude-sonnet-5", True),
        ("claude-sonnet-5-5", "claude-opus-4-8", True),
        ("claude-sonnet-5-5", "claude-opus-5", False),
        ("claude-opus-5-5", "claude-sonnet-5-5", True),
        ("claude-opus-5-5", "claude-opus-5", True),
        ("claude-opus-5-5", "claude-fable-5-1", False),
        ("claude-fable-5-1", "claude-fable-5-1", True),
        ("claude-opus-5", "claude-opus-5-5", False),
        ("claude-haiku-5-5", "claude-haiku-5-5", True),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", True),
    ],
)
def test_thinking_is_sent_to_models_that_can_read_it(reader, producer, is_sent):
    upstream_call = call(reader, messages=history(producer))
    blocks = upstream_call.body["messages"][1]["content"]
    assert [block["type"] for block in blocks] == ["thinking"] * is_sent + ["text"]
    assert all("model" not in block for block in blocks)
    assert upstream_call.ignored == (() if is_sent else ("messages.thinking_blocks",))
    assert upstream_call.optional_features == (("messages.thinking_blocks",) if is_sent else ())
