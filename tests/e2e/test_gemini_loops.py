"""Agents that call tools many times, with clients that keep much or little of an answer.

Gemini 3 refuses a step without the signature of its thought, and the emulator does too.
"""

import json

import pytest
from helpers import gemini

from vertex_compat.publishers.google.chat import signatures

STEPS = 10
MODELS = ["gemini-3.8-flash", "gemini-3.1-pro-preview", "gemini-2.5-flash"]
"""Signs its calls; gives them ids as well; does neither."""

TOOLS = [
    gemini.function(
        "weather", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    ),
    gemini.function("time of day, 时间", {"type": "object", "properties": {}}),
]


def everything(client, **params):
    return client.chat.completions.create(**params).choices[0].message.model_dump(exclude_none=True)


def little(client, **params):
    """Return a message as a framework keeps it that knows OpenAI's fields alone."""
    message = client.chat.completions.create(**params).choices[0].message
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in message.tool_calls or ()
    ]
    return {"role": "assistant", "content": message.content} | ({"tool_calls": calls} if calls else {})


def accumulated(client, **params):
    """Return the message that the SDK's own accumulator builds from a stream."""
    with client.chat.completions.stream(**params) as stream:
        return (
            stream.get_final_completion().choices[0].message.model_dump(exclude_none=True, exclude={"parsed"})
        )


def joined(client, **params):
    """Return the message that a loop of a few lines builds from a stream."""
    text, calls = "", {}
    for chunk in client.chat.completions.create(stream=True, **params):
        delta = chunk.choices[0].delta
        text += delta.content or ""
        for piece in delta.tool_calls or ():
            call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += piece.id or ""
            call["name"] += piece.function.name or ""
            call["arguments"] += piece.function.arguments or ""
    tool_calls = [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": call["arguments"]},
        }
        for _, call in sorted(calls.items())
    ]
    return {"role": "assistant", "content": text or None} | ({"tool_calls": tool_calls} if tool_calls else {})


@pytest.mark.parametrize("keeps", [everything, little, accumulated, joined])
@pytest.mark.parametrize(
    "prompt", ["Use a tool in 10 steps", "Use parallel tools in 10 steps: time of day, 时间 and weather"]
)
@pytest.mark.parametrize("model", MODELS)
def test_an_agent_survives_ten_steps(plain, emulator, model, prompt, keeps):
    messages = [{"role": "user", "content": prompt}]
    for step in range(STEPS):
        message = keeps(plain, model=model, messages=messages, tools=TOOLS)
        assert message["tool_calls"], step
        messages.append(message)
        for call in message["tool_calls"]:
            json.loads(call["function"]["arguments"])
            messages.append(gemini.result("fine", call["id"]))
    last = keeps(plain, model=model, messages=messages, tools=TOOLS)
    assert "fine" in last["content"]
    assert not last.get("tool_calls")
    upstream_body = json.dumps(emulator.calls[-1].json)
    assert "skip_thought" not in upstream_body
    assert signatures.SKIP not in upstream_body
    steps = emulator.calls[-1].json["contents"][1::2]
    assert [bool(step["parts"][0].get("thoughtSignature")) for step in steps] == [model != MODELS[2]] * STEPS
    assert not any("thoughtSignature" in part for step in steps for part in step["parts"][1:])


@pytest.mark.parametrize("keeps", [everything, little, accumulated, joined])
def test_an_agent_survives_ten_turns(plain, keeps):
    messages = []
    for turn in range(STEPS):
        messages.append({"role": "user", "content": f"Use a tool, {turn}"})
        for _ in range(2):
            messages.append(keeps(plain, model=MODELS[1], messages=messages, tools=TOOLS))
            calls = messages[-1].get("tool_calls", ())
            messages += [gemini.result(json.dumps({"a": turn}), call["id"]) for call in calls]
        assert messages[-1]["content"]


def test_a_history_of_another_model_is_taken(plain, emulator):
    """Its ids and signatures mean nothing here; what Google documents stands in for them."""
    other = gemini.called("weather", "weather", ids=["toolu_01", "toolu_02"])
    other["thinking_blocks"] = [{"type": "thinking", "thinking": "Hm.", "signature": "EqQBCkYIBBgC"}]
    messages = [
        {"role": "user", "content": "Go"},
        other,
        gemini.result("1", "toolu_02"),
        gemini.result("2", "toolu_01"),
    ]
    answer = plain.chat.completions.create(model=MODELS[0], messages=messages, tools=TOOLS)
    assert answer.choices[0].message.content
    _, model_turn, result_turn = emulator.calls[-1].json["contents"]
    assert model_turn["parts"][0]["thoughtSignature"] == signatures.SKIP
    assert "thoughtSignature" not in model_turn["parts"][1]
    assert [part["functionResponse"]["response"] for part in result_turn["parts"]] == [
        {"output": "2"},
        {"output": "1"},
    ]
