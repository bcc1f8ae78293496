"""Automatic prompt caching for Claude: the breakpoints, and the savings."""

import itertools
import json
import re

import pytest
from helpers.fixtures import upstream_call
from helpers.server import ROOT

from vertex_compat import errors
from vertex_compat.publishers.anthropic.chat import auto_cache
from vertex_compat.routing.catalog import CATALOG

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
        {"role": "assistant", "content": "Four"},
        {"role": "user", "content": "Five"},
    ]
    return {"model": "claude-opus-4-8", "messages": messages, "tools": TOOLS, "auto_cache": True} | more


def breakpoints(body):
    """The names and numbers of the blocks that have a breakpoint."""
    marks = [
        (name, number)
        for name in ("tools", "system")
        for number, block in enumerate(body.get(name, ()))
        if "cache_control" in block
    ]
    return marks + [
        ("messages", number)
        for number, message in enumerate(body["messages"])
        for block in message["content"]
        if "cache_control" in block
    ]


def test_tools_system_and_last_two_user_turns_are_cached():
    call = upstream_call(chat())
    assert breakpoints(call.body) == [("tools", 1), ("system", 0), ("messages", 2), ("messages", 4)]
    assert "auto_cache" not in call.body
    assert call.ignored == ()


def test_first_question_is_not_cached():
    messages = [{"role": "system", "content": LONG}, {"role": "user", "content": "One"}]
    assert breakpoints(upstream_call(chat(messages=messages)).body) == [("tools", 1), ("system", 0)]


def test_tools_that_are_loaded_later_have_no_breakpoint():
    tools = [TOOLS[0], TOOLS[1] | {"defer_loading": True}]
    assert ("tools", 1) not in breakpoints(upstream_call(chat(tools=tools)).body)


def test_nothing_is_cached_by_default():
    assert breakpoints(upstream_call(chat(auto_cache=False)).body) == []
    body = chat()
    del body["auto_cache"]
    assert breakpoints(upstream_call(body).body) == []


@pytest.mark.parametrize(("length", "cached"), [(auto_cache.MIN_CHARACTERS, True), (500, False)])
def test_a_short_prompt_is_not_cached(length, cached):
    messages = [{"role": "system", "content": "x" * length}, {"role": "user", "content": "Hi"}]
    body = upstream_call(chat(messages=messages, tools=[])).body
    assert bool(breakpoints(body)) == cached


def test_the_client_s_own_breakpoints_win():
    part = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body = upstream_call(chat(messages=[{"role": "user", "content": [part]}])).body
    assert breakpoints(body) == [("messages", 0)]
    assert body["messages"][0]["content"][0]["cache_control"]["ttl"] == "1h"


def test_a_breakpoint_in_a_result_is_the_client_s_own():
    call = {"id": "call_1", "type": "function", "function": {"name": "a", "arguments": "{}"}}
    part = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}
    messages = [
        {"role": "user", "content": LONG},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": [part]},
    ]
    assert breakpoints(upstream_call(chat(messages=messages)).body) == []


def test_a_wrong_value_is_refused():
    with pytest.raises(errors.BadRequest):
        auto_cache.is_requested({"auto_cache": "yes"})


def test_other_publishers_do_not_get_the_parameter():
    body = chat(model="meta/llama-4-maverick-17b-128e-instruct-maas", tools=[])
    assert "auto_cache" not in json.dumps(upstream_call(body).body)


# What it saves


PRICE = CATALOG.profile("anthropic", "claude-sonnet-4-6").price
TTL_SECONDS = 300
LOOKBACK = 20
MIN_TOKENS = 1024
"""The rules of Anthropic's cache: https://platform.claude.com/docs/en/build-with-claude/prompt-caching"""


def tokens(block):
    return len(json.dumps(block)) // 4


class Cache:
    """Return Anthropic's price of the input of requests, in millionths of a dollar."""

    def __init__(self):
        self._entries = {}

    def cost(self, body, now):
        blocks = [*body.get("tools", ()), *body.get("system", ())]
        blocks += [block for message in body["messages"] for block in message["content"]]
        plain = [{name: value for name, value in item.items() if name != "cache_control"} for item in blocks]
        ends = list(itertools.accumulate(map(tokens, plain)))
        marks = [number for number, block in enumerate(blocks) if "cache_control" in block]
        keys = [json.dumps(plain[: number + 1]) for number in range(len(plain))]
        hits = [
            number
            for mark in marks
            for number in range(max(0, mark - LOOKBACK + 1), mark + 1)
            if now - self._entries.get(keys[number], -TTL_SECONDS) < TTL_SECONDS
        ]
        read = ends[max(hits)] if hits else 0
        write = max([ends[mark] for mark in marks if ends[mark] >= MIN_TOKENS], default=0)
        self._entries |= {keys[mark]: now for mark in [*marks, *hits] if ends[mark] >= MIN_TOKENS}
        plain_tokens = ends[-1] - max(read, write)
        return (
            read * PRICE.cached_input + max(0, write - read) * PRICE.cache_write + plain_tokens * PRICE.input
        )


def share(requests, seconds_apart):
    """The input's cost with `auto_cache`, of that without."""
    cache, with_it, without = Cache(), 0.0, 0.0
    for number, messages in enumerate(requests):
        body = {"model": "claude-sonnet-4-6", "messages": messages, "tools": TOOLS}
        with_it += cache.cost(upstream_call(body | {"auto_cache": True}).body, number * seconds_apart)
        without += Cache().cost(upstream_call(body).body, 0)
    return with_it / without


def words(count, seed=0):
    """A text of about so many tokens."""
    return f"{seed:08d}" * (count // 2)


def agent(steps, *, parallel=1):
    """An agent's requests: 12,000 tokens of instructions, 2,000 more with each step."""
    messages = [{"role": "system", "content": words(12_000)}, {"role": "user", "content": "Go"}]
    for step in range(steps):
        yield list(messages)
        ids = [f"call_{step}_{number}" for number in range(parallel)]
        function = {"name": "a", "arguments": "{}"}
        calls = [{"id": id_, "type": "function", "function": function} for id_ in ids]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        size = 2_000 // parallel
        messages += [{"role": "tool", "tool_call_id": id_, "content": words(size, step)} for id_ in ids]


def conversation(turns):
    """A person's requests: 1,500 tokens of instructions, 500 more with each turn."""
    messages = [{"role": "system", "content": words(1_500)}]
    for turn in range(turns):
        messages.append({"role": "user", "content": words(100, turn)})
        yield list(messages)
        messages.append({"role": "assistant", "content": words(400, turn)})


def questions(count):
    """Questions of 500 tokens that share their instructions of 4,000."""
    for number in range(count):
        system = {"role": "system", "content": words(4_000)}
        yield [system, {"role": "user", "content": words(500, number)}]


TRAFFIC = {
    "an agent, 20 steps": lambda: share(agent(20), 10),
    "an agent, 20 steps of 12 parallel calls": lambda: share(agent(20, parallel=12), 10),
    "an agent, 3 steps": lambda: share(agent(3), 10),
    "a conversation of 10 turns, a minute apart": lambda: share(conversation(10), 60),
    "20 questions with the same instructions, a minute apart": lambda: share(questions(20), 60),
    "one question": lambda: share(questions(1), 0),
    "a conversation of 10 turns, ten minutes apart": lambda: share(conversation(10), 600),
}


@pytest.mark.parametrize("name", TRAFFIC)
def test_documented_savings_are_the_computed_ones(name):
    page = (ROOT / ".github" / "docs" / "prompt-caching.md").read_text()
    (percent,) = re.findall(rf"^\| {re.escape(name)} \| (\d+) % \|$", page, re.MULTILINE)
    assert round(TRAFFIC[name]() * 100) == int(percent)
