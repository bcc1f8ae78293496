"""OpenAI's own client with Claude, Mistral and deployed models, against the strict emulator."""

import json

import openai
import pydantic
import pytest
from helpers.fixtures import MODELS

WEATHER = {
    "type": "function",
    "function": {
        "name": "get weather!",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
NOW = {"type": "function", "function": {"name": "now"}}
THINKERS = ["claude-sonnet-5-5", "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-5", "claude-opus-5-5"]


def whole(client, **params):
    return client.chat.completions.create(**params).choices[0]


def streamed(client, **params):
    """The same, put together from a stream by OpenAI's own accumulator."""
    with client.chat.completions.stream(**params) as stream:
        return stream.get_final_completion().choices[0]


both_ways = pytest.mark.parametrize("ask", [whole, streamed])


def results(message):
    return [
        {"role": "tool", "tool_call_id": call.id, "content": f"It is {call.id}"}
        for call in message.tool_calls
    ]


@both_ways
@pytest.mark.parametrize("model", THINKERS)
def test_thinking_with_tools_goes_on_for_ten_turns(client, emulator, model, ask):
    messages = []
    for turn in range(10):
        messages.append(
            {"role": "user", "content": f"Turn {turn}: use the tools in parallel, and redacted thoughts"}
        )
        params = {"model": model, "messages": messages, "tools": [WEATHER, NOW], "reasoning_effort": "high"}
        called = ask(client, **params)
        assert called.finish_reason == "tool_calls"
        assert [call.function.name for call in called.message.tool_calls] == ["get weather!", "now"]
        assert [json.loads(call.function.arguments) for call in called.message.tool_calls][1] == {}
        assert called.message.reasoning_content
        assert [block["type"] for block in called.message.thinking_blocks] == [
            "thinking",
            "redacted_thinking",
        ]
        messages += [called.message.to_dict(exclude_none=True), *results(called.message)]
        message = ask(client, **params)
        assert message.finish_reason == "stop"
        assert called.message.tool_calls[0].id in message.message.content
        assert emulator.calls[-1].json["thinking"]["type"] in {"enabled", "adaptive"}
        messages.append(message.message.to_dict(exclude_none=True))


@both_ways
def test_a_conversation_with_tools_goes_on_with_every_publisher(client, ask):
    """Each one takes over what all before it have left: calls, ids, thoughts."""
    models = ["claude-sonnet-5-5", *MODELS.values(), "gemini-3-pro-preview"]
    models += ["zai-org/glm-5.2-maas", "deepseek-ai/deepseek-v4.1-flash-maas", "claude-opus-5"]
    messages = [{"role": "system", "content": "Be kind."}]
    for model in models:
        messages.append({"role": "user", "content": "Use the tool"})
        called = ask(client, model=model, messages=messages, tools=[WEATHER])
        assert called.finish_reason == "tool_calls", model
        messages += [called.message.to_dict(exclude_none=True), *results(called.message)]
        assert all(
            ask(client, model=other, messages=messages, tools=[WEATHER]).message.content for other in models
        )
        message = ask(client, model=model, messages=messages, tools=[WEATHER])
        messages.append(message.message.to_dict(exclude_none=True))


class Place(pydantic.BaseModel):
    city: str
    zip: int


@both_ways
@pytest.mark.parametrize("effort", [openai.omit, "low"])
@pytest.mark.parametrize("model", [*THINKERS, "claude-haiku-5-5", "claude-3-5-haiku"])
def test_an_answer_fits_its_schema(client, model, effort, ask):
    schema = Place.model_json_schema() | {"additionalProperties": False}
    response_format = {
        "type": "json_schema",
        "json_schema": {"name": "place", "schema": schema, "strict": True},
    }
    messages = [{"role": "user", "content": "Which place? Use the tool json_tool_call"}]
    message = ask(
        client, model=model, messages=messages, response_format=response_format, reasoning_effort=effort
    )
    assert Place.model_validate_json(message.message.content)
    assert message.finish_reason == "stop"
    assert not message.message.tool_calls


@both_ways
def test_json_mode_answers_in_json(client, ask):
    messages = [{"role": "user", "content": "In JSON, please."}]
    message = ask(
        client, model="claude-sonnet-5-5", messages=messages, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(message.message.content), dict)


def test_a_refusal_has_its_finish_reason(client):
    choice = whole(client, model="claude-emulator-refusal", messages=[{"role": "user", "content": "Hi"}])
    assert choice.finish_reason == "content_filter"
    assert choice.message.refusal


@pytest.mark.parametrize("stream", [False, True])
def test_a_bare_endpoint_predicts_without_its_echo(client, emulator, stream):
    params = {"model": "1234567890", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 500}
    if stream:
        chunks = list(client.chat.completions.create(stream=True, **params))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    else:
        text = client.chat.completions.create(**params).choices[0].message.content
    assert text.startswith("You said: Hello")
    assert emulator.calls[-1].json == {"instances": [{"prompt": "Hello", "max_tokens": 500}]}


def test_a_container_with_a_chat_template_is_sent_messages(client, emulator):
    more = {"@requestFormat": "chatCompletions"}
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    completion = client.chat.completions.create(model="1234567890", messages=messages, extra_body=more)
    assert completion.choices[0].message.content.startswith("You said: Hello")
    assert completion.usage.completion_tokens > 0
    assert emulator.calls[-1].json["instances"][0]["messages"] == messages
