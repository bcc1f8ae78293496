"""Rules of Gemini's models of late 2026, with OpenAI's client and the emulator."""

import json

import pytest

QUESTION = [{"role": "user", "content": "Tell me about the sea in 3 calls"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city", "country"],
            },
        },
    }
]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
POEM = [{"role": "user", "content": "Write a poem"}, {"role": "assistant", "content": "Roses are"}]


def calls(emulator):
    return [call for call in emulator.calls if "enerateContent" in call.path]


def test_long_answer_is_the_same_whole_and_streamed(client, emulator):
    whole = client.chat.completions.create(model="gemini-4-argon", messages=QUESTION)
    assert len(calls(emulator)) == 3
    emulator.forget_calls()
    short = client.chat.completions.create(
        model="gemini-4-argon", messages=[{"role": "user", "content": "Tell me about the sea in 3 words"}]
    )
    stream = client.chat.completions.create(
        model="gemini-4-argon", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    (choice,) = whole.choices
    assert choice.finish_reason == "stop"
    assert text == choice.message.content
    assert chunks[-1].usage.to_dict().keys() - whole.usage.to_dict().keys() <= {"cost_usd"}
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert whole.usage.prompt_tokens > 2 * short.usage.prompt_tokens


def test_long_answer_through_responses(client, emulator):
    answer = client.responses.create(model="gemini-4-argon", input=QUESTION[0]["content"])
    assert answer.status == "completed"
    assert len(calls(emulator)) == 3


def test_limit_above_one_call_is_accepted(client, emulator):
    answer = client.chat.completions.create(
        model="gemini-4-hydrogen", messages=QUESTION, max_completion_tokens=200_000
    )
    assert answer.choices[0].finish_reason == "stop"
    assert [call.path.rpartition(":")[2] for call in calls(emulator)] == ["streamGenerateContent"] * 3


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-3.5-flash-lite", "gemini-3.5-flash"])
def test_history_that_ends_with_the_assistant_is_answered(client, model):
    answer = client.chat.completions.create(model=model, messages=POEM)
    assert answer.choices[0].message.content


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-2.5-flash"])
def test_two_choices_of_any_generation(client, model):
    answer = client.chat.completions.create(model=model, messages=QUESTION, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-2.5-flash"])
@pytest.mark.parametrize("stream", [False, True])
def test_schema_beside_tools_of_any_generation(client, model, stream):
    completion = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Which city?"}],
        tools=TOOLS,
        response_format=JSON_SCHEMA,
        stream=stream,
    )
    if stream:
        deltas = [choice.delta for chunk in completion for choice in chunk.choices]
        content = "".join(delta.content or "" for delta in deltas)
        called = any(delta.tool_calls for delta in deltas)
    else:
        message = completion.choices[0].message
        content, called = message.content, bool(message.tool_calls)
    assert called or json.loads(content).keys() == {"city"}


def test_image_is_sent_back_in_the_conversation(client, emulator):
    def ask():
        answer = client.chat.completions.create(
            model="gemini-3-pro-image", messages=messages, modalities=["text", "image"]
        )
        return answer.choices[0].message.model_dump(exclude_none=True)

    messages = [{"role": "user", "content": "Draw a cat"}]
    messages += [ask(), {"role": "user", "content": "In red"}]
    ask()
    *_, last = calls(emulator)
    _, model, _ = json.loads(last.body)["contents"]
    assert [next(iter(part)) for part in model["parts"]] == ["text", "inlineData"]
    assert all(part["thoughtSignature"] for part in model["parts"])
