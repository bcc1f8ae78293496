"""The helpers of Anthropic's SDK with every publisher: tool runner, betas, streams, parsing."""

import anthropic
import pydantic
import pytest

GEMINI = "gemini-3.8-flash"
CLAUDE = "claude-sonnet-5-5"
MODELS = [GEMINI, CLAUDE, "mistral-medium-3", "deepseek-ai/deepseek-v4.1-flash-maas"]
QUESTION = "What is the weather? Use parallel tools."
HELLO = [{"role": "user", "content": "Hello"}]

each_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture
def sdk(front_door):
    with anthropic.Anthropic(base_url=front_door.url, api_key="sk-test", max_retries=0) as client:
        yield client


@pytest.fixture
def cities():
    """The cities whose weather was asked for."""
    return []


@pytest.fixture
def weather(cities):
    """A tool that knows the weather of one city."""

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather of a city.

        Args:
            city: The name of the city.
        """
        cities.append(city)
        if len(cities) > 1:
            raise ValueError("No such city")
        return "Sunny"

    return get_weather


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def runner(client, model, tools, **more):
    messages = [{"role": "user", "content": QUESTION}]
    return client.beta.messages.tool_runner(
        model=model, max_tokens=4000, messages=messages, tools=tools, **more
    )


@each_model
def test_the_tool_runner_runs_to_the_end(sdk, emulator, weather, cities, model):
    """It asks for a message thread; without one it sends all messages."""
    first, last = runner(sdk, model, [weather])
    assert first.stop_reason == "tool_use"
    assert len(cities) == 2
    assert last.stop_reason == "end_turn"
    assert "Sunny" in text_of(last)
    assert "No such city" in text_of(last)
    assert QUESTION in emulator.calls[-1].body.decode()


@each_model
def test_the_tool_runner_streams_to_the_end(sdk, weather, cities, model):
    thinking = {"type": "adaptive"}
    texts, reasons = [], []
    for stream in runner(sdk, model, [weather], stream=True, thinking=thinking):
        texts.append("".join(event.text for event in stream if event.type == "text"))
        reasons.append(stream.get_final_message().stop_reason)
    assert reasons == ["tool_use", "end_turn"]
    assert len(cities) == 2
    assert "Sunny" in texts[-1]


@each_model
def test_beta_messages_take_betas(sdk, emulator, model):
    betas = ["context-1m-2025-08-07", "fine-grained-tool-streaming-2025-05-14"]
    message = sdk.beta.messages.create(model=model, max_tokens=50, messages=HELLO, betas=betas)
    assert text_of(message).startswith("You said: Hello")
    upstream_body = emulator.calls[-1].json
    assert ("anthropic_beta" in upstream_body) == (model == CLAUDE)


@each_model
def test_beta_streams_give_events_texts_and_a_message(sdk, model):
    params = {"model": model, "max_tokens": 4000, "messages": HELLO, "thinking": {"type": "adaptive"}}
    with sdk.beta.messages.stream(**params, betas=["context-1m-2025-08-07"]) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert {"text", "content_block_stop"} <= set(kinds)
    with sdk.messages.stream(**params) as stream:
        text = "".join(stream.text_stream)
    assert text == text_of(message)


@each_model
def test_raw_streams_are_iterated(sdk, model):
    stream = sdk.messages.create(model=model, max_tokens=50, messages=HELLO, stream=True)
    kinds = [event.type for event in stream]
    assert kinds[-2:] == ["message_delta", "message_stop"]


class City(pydantic.BaseModel):
    name: str
    people: int


@each_model
def test_answers_are_parsed(sdk, model):
    parsed = sdk.messages.parse(model=model, max_tokens=500, messages=HELLO, output_format=City)
    assert isinstance(parsed.parsed_output, City)


@each_model
def test_message_threads_are_refused_by_name(sdk, emulator, model):
    with pytest.raises(anthropic.BadRequestError, match="'thread'") as raised:
        sdk.beta.messages.create(model=model, max_tokens=50, messages=HELLO, thread={"type": "create"})
    details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert raised.value.body["error"]["details"] == details
    assert emulator.calls == []
