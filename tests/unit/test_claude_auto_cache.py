"""Automatic prompt caching for Claude: where the breakpoints are, and when there are none."""

import json

import pytest
from helpers.fixtures import upstream_call

from vertex_compat import errors
from vertex_compat.publishers.anthropic.chat import auto_cache

LONG = "word " * 4000
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("a", "b")
]


def chat(**more):
    messages = [
        {"role": "system", "content": LONG},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three"},
    ]
    return {"model": "claude-opus-4-8", "messages": messages, "tools": TOOLS, "auto_cache": True} | more


def breakpoints(body):
    """The names and numbers of the blocks that have a breakpoint."""
    found = [
        (name, number)
        for name in ("tools", "system")
        for number, block in enumerate(body.get(name, ()))
        if "cache_control" in block
    ]
    return found + [
        ("messages", number)
        for number, message in enumerate(body["messages"])
        for block in message["content"]
        if "cache_control" in block
    ]


def test_tools_system_and_last_but_one_user_turn_are_cached():
    call = upstream_call(chat())
    assert breakpoints(call.body) == [("tools", 1), ("system", 0), ("messages", 0)]
    assert "auto_cache" not in call.body
    assert call.ignored == ()


def test_nothing_is_cached_unless_it_is_asked_for():
    assert breakpoints(upstream_call(chat(auto_cache=False)).body) == []


def test_a_short_prompt_is_not_cached():
    messages = [{"role": "user", "content": "Hi"}]
    assert breakpoints(upstream_call(chat(messages=messages)).body) == []


def test_the_client_s_own_breakpoints_win():
    part = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body = upstream_call(chat(messages=[{"role": "user", "content": [part]}])).body
    assert breakpoints(body) == [("messages", 0)]
    assert body["messages"][0]["content"][0]["cache_control"]["ttl"] == "1h"


def test_a_wrong_value_is_refused():
    with pytest.raises(errors.BadRequest):
        auto_cache.requested({"auto_cache": "yes"})


def test_other_publishers_do_not_get_the_parameter():
    body = chat(model="meta/llama-3.3-70b-instruct-maas", tools=[])
    assert "auto_cache" not in json.dumps(upstream_call(body).body)
