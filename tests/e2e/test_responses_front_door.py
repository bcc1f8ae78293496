"""The Responses API as its users call it: OpenAI's SDK and its Agents SDK, over a socket."""

import asyncio
import json

import agents
import httpx2 as httpx
import openai
import pytest
from pydantic import BaseModel

MODELS = [
    "gemini-3.8-flash",
    "gemini-3-pro-preview",
    "claude-sonnet-5-5",
    "claude-opus-5",
    "mistral-medium-3",
    "meta/llama-4-maverick-17b-128e-instruct-maas",
    "jamba-1.5-large",
    "endpoints/1234567890",
]
WITH_TOOLS = [
    "gemini-3.8-flash",
    "gemini-3-pro-preview",
    "claude-sonnet-5-5",
    "claude-opus-5",
    "mistral-medium-3",
]

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def user(text):
    return {"role": "user", "content": text}


@pytest.mark.parametrize("model", MODELS)
def test_final_response_of_a_stream_equals_the_whole_response(client, model):
    whole = client.responses.create(model=model, input="Say hello.", instructions="Be brief.")
    with client.responses.stream(model=model, input="Say hello.", instructions="Be brief.") as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_response()
    assert whole.status == streamed.status == "completed"
    assert whole.output_text == streamed.output_text != ""
    assert whole.usage == streamed.usage


def test_the_async_client_is_answered(front_door):
    async def ask():
        async with front_door.client(kind=openai.AsyncOpenAI) as client:
            return await client.responses.create(model="claude-sonnet-5-5", input=[user("Say hello.")])

    assert asyncio.run(ask()).output_text


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_at_its_limit_is_incomplete(client, model):
    cut = client.responses.create(model=model, input="Tell me everything.", max_output_tokens=1100)
    assert cut.status == "completed"
    short = client.responses.create(model=model, input="Tell me everything.", max_output_tokens=4)
    assert short.status == "incomplete"
    assert short.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("model", WITH_TOOLS)
def test_tool_loop_of_ten_turns_needs_only_items(client, model, emulator):
    items = [user("Use the tool get_weather.")]
    for _ in range(10):
        response = client.responses.create(
            model=model, input=items, tools=[WEATHER], reasoning={"effort": "low"}
        )
        calls = [item for item in response.output if item.type == "function_call"]
        assert calls
        assert all("city" in json.loads(call.arguments) for call in calls)
        items += [item.model_dump(exclude_none=True) for item in response.output]
        items += [{"type": "function_call_output", "call_id": c.call_id, "output": "sunny"} for c in calls]
        response = client.responses.create(
            model=model, input=items, tools=[WEATHER], reasoning={"effort": "low"}
        )
        assert "sunny" in response.output_text
        items += [item.model_dump(exclude_none=True) for item in response.output]
        items.append(user("Use the tool get_weather again."))
    assert all(call.status == 200 for call in emulator.calls)


@pytest.mark.parametrize("model", WITH_TOOLS)
def test_a_structured_answer_is_parsed(client, model):
    class Person(BaseModel):
        name: str
        age: int

    response = client.responses.parse(model=model, input="Invent somebody.", text_format=Person)
    assert isinstance(response.output_parsed, Person)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "rs_1"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0].content"),
        ({"input": [{"role": "nobody", "content": "Hello"}]}, "input[0]"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": "Hello", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "Hello", "conversation": "conv_1"}, "conversation"),
        ({"input": "Hello", "background": True}, "background"),
        (
            {
                "input": "Hello",
                "tools": [{"type": "image_generation"}],
                "tool_choice": {"type": "image_generation"},
            },
            "tool_choice",
        ),
        (
            {"input": "Hello", "tools": [{"type": "image_generation"}], "tool_choice": "required"},
            "tool_choice",
        ),
        ({"input": "Hello", "temperature": 3}, "temperature"),
        ({"input": "Hello", "max_output_tokens": 0}, "max_output_tokens"),
    ],
)
def test_unsupported_parameter_is_a_400_that_names_it(client, params, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="gemini-3.8-flash", **params)
    assert refused.value.param == param
    assert len(refused.value.body["message"]) > 20


@pytest.mark.parametrize(
    ("model", "tools"),
    [
        ("gemini-3.8-flash", [{"googleSearch": {}}]),
        ("claude-sonnet-5-5", [{"type": "web_search_20250305", "name": "web_search"}]),
    ],
)
def test_a_search_is_the_model_s_own(client, emulator, model, tools):
    response = client.responses.create(model=model, input="Who won?", tools=[{"type": "web_search"}])
    assert response.output_text
    assert emulator.calls[0].json["tools"] == tools


def test_a_search_that_must_not_leave_is_none(client, emulator):
    raw = client.responses.with_raw_response.create(
        model="gemini-3.8-flash",
        input="Who won?",
        tools=[{"type": "web_search", "external_web_access": False}],
    )
    assert raw.headers["x-vertex-compat-ignored"] == "tools.web_search"
    assert "tools" not in emulator.calls[0].json


def test_nothing_is_stored(client):
    response = client.responses.create(model="gemini-3.8-flash", input="Hello", store=True)
    assert response.model_dump()["store"] is False
    for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.NotFoundError, match="stores no responses"):
            call(response.id)


def test_ignored_parameters_are_named(client):
    raw = client.responses.with_raw_response.create(
        model="claude-sonnet-5-5", input="Hello", store=True, truncation="auto", top_logprobs=2
    )
    ignored = raw.headers["x-vertex-compat-ignored"].split(", ")
    assert {"store", "truncation", "top_logprobs"} <= set(ignored)


def test_an_upstream_that_breaks_is_a_failed_response(client):
    stream = client.responses.create(model="claude-emulator-cut-3", input="Hello", stream=True)
    kinds = [event.type for event in stream]
    assert kinds[0] == "response.created"
    assert kinds[-2:] == ["error", "response.failed"]


def test_an_error_before_the_first_event_is_an_http_error(client):
    with pytest.raises(openai.RateLimitError):
        client.responses.create(model="gemini-emulator-status-429", input="Hello", stream=True)


# The Agents SDK, whose default is the Responses API


@agents.function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"It is sunny in {city}."


@pytest.fixture
def run(front_door):
    """Runs an agent over the function; `stream` gives the kinds of its events too."""
    agents.set_tracing_disabled(True)

    async def go(agent, text, stream):
        async with front_door.client(kind=openai.AsyncOpenAI) as client:
            provider = agents.OpenAIProvider(openai_client=client, use_responses=True)
            config = agents.RunConfig(model_provider=provider)
            if not stream:
                return await agents.Runner.run(agent, text, run_config=config), []
            result = agents.Runner.run_streamed(agent, text, run_config=config)
            return result, [event.type async for event in result.stream_events()]

    return lambda agent, text, stream=False: asyncio.run(go(agent, text, stream))


@pytest.mark.parametrize("model", WITH_TOOLS)
def test_an_agent_uses_its_tool(run, model):
    agent = agents.Agent(name="a", instructions="Help.", model=model, tools=[get_weather])
    result, _ = run(agent, "Use the tool get_weather.")
    assert "sunny" in result.final_output


@pytest.mark.parametrize("model", WITH_TOOLS)
def test_an_agent_hands_over_to_another(run, model):
    other = agents.Agent(name="other", model=model)
    agent = agents.Agent(name="first", model=model, handoffs=[other])
    result, _ = run(agent, "Use the tool transfer_to_other.")
    assert result.last_agent.name == "other"


@pytest.mark.parametrize("model", WITH_TOOLS)
def test_an_agent_streams(run, model):
    agent = agents.Agent(name="a", model=model, tools=[get_weather])
    result, kinds = run(agent, "Use the tool get_weather.", stream=True)
    assert "raw_response_event" in kinds
    assert "sunny" in result.final_output


@pytest.mark.parametrize("model", WITH_TOOLS)
def test_an_agent_answers_in_a_form(run, model):
    class Person(BaseModel):
        name: str
        age: int

    result, _ = run(agents.Agent(name="a", model=model, output_type=Person), "Invent somebody.")
    assert isinstance(result.final_output, Person)


# Codex CLI


def test_the_request_of_codex_is_answered(front_door):
    request = {
        "model": "gemini-3-pro-preview",
        "instructions": "You are a coding agent.",
        "input": [
            {
                "type": "message",
                "role": "developer",
                "content": [{"type": "input_text", "text": "Sandbox: none."}],
            },
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Use the tool shell."}],
            },
        ],
        "tools": [
            {
                "type": "function",
                "name": "shell",
                "description": "Runs a command",
                "strict": False,
                "parameters": {
                    "type": "object",
                    "properties": {"command": {"type": "array", "items": {"type": "string"}}},
                    "required": ["command"],
                    "additionalProperties": False,
                },
            },
            {
                "type": "custom",
                "name": "apply_patch",
                "description": "Edits files",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
            },
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0198",
        "text": {"verbosity": "medium"},
    }
    with httpx.stream("POST", f"{front_door.url}/v1/responses", json=request, timeout=20) as answer:
        assert answer.status_code == 200, answer.read()
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    assert events[-1]["type"] == "response.completed"
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert "shell" in [item.get("name") for item in done]


INTERPRETER = {"type": "code_interpreter", "container": {"type": "auto"}}


def test_code_that_google_runs_is_an_item_for_all_models(client, emulator):
    messages = [user("What is 6 * 7?")]
    whole = client.responses.create(model="gemini-3.8-flash", input=messages, tools=[INTERPRETER])
    with client.responses.stream(model="gemini-3.8-flash", input=messages, tools=[INTERPRETER]) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_response()
    for response in (whole, streamed):
        (call,) = [item for item in response.output if item.type == "code_interpreter_call"]
        assert call.code == "print(6 * 7)\n"
        assert [output.logs for output in call.outputs] == ["42\n"]
        assert "print(" not in response.output_text != ""
    assert "response.code_interpreter_call_code.done" in kinds
    items = [*messages, *(item.model_dump(exclude_none=True) for item in whole.output), user("Say it again.")]
    for model in ("gemini-3.8-flash", "claude-sonnet-5-5", "mistral-medium-3"):
        emulator.forget_calls()
        answer = client.responses.with_raw_response.create(model=model, input=items, tools=[INTERPRETER])
        assert answer.parse().output_text
        ignored = answer.headers.get("x-vertex-compat-ignored", "")
        assert ("tools.code_interpreter" in ignored) == (model != "gemini-3.8-flash")
        assert "print(6 * 7)" in json.dumps(emulator.calls[-1].json)


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "claude-sonnet-5-5"])
@pytest.mark.parametrize("tool", [INTERPRETER, {"type": "web_search"}])
def test_hosted_tools_are_not_offered_where_none_may_be_used(client, emulator, model, tool):
    response = client.responses.create(model=model, input="Hi", tools=[tool], tool_choice="none")
    assert {item.type for item in response.output} <= {"message", "reasoning"}
    assert "tools" not in emulator.calls[-1].json


def test_code_interpreter_that_must_be_used_has_to_exist(client):
    with pytest.raises(openai.BadRequestError, match="code_interpreter") as caught:
        client.responses.create(
            model="claude-sonnet-5-5",
            input="What is 6 * 7?",
            tools=[INTERPRETER],
            tool_choice={"type": "code_interpreter"},
        )
    assert caught.value.param == "tool_choice"


def test_drafts_of_an_image_are_partial_images(client, emulator):
    tool = {"type": "image_generation", "partial_images": 3, "size": "1024x1536", "output_format": "jpeg"}
    with client.responses.stream(model="gemini-3-pro-image", input="Draw a cat.", tools=[tool]) as stream:
        events = list(stream)
        response = stream.get_final_response()
    drafts = [event for event in events if event.type == "response.image_generation_call.partial_image"]
    assert [draft.partial_image_index for draft in drafts] == [0, 1]
    (picture,) = [item for item in response.output if item.type == "image_generation_call"]
    assert {draft.item_id for draft in drafts} == {picture.id}
    assert drafts[0].partial_image_b64 != drafts[1].partial_image_b64 == picture.result
    work = [event.type.rpartition(".")[2] for event in events if "image_generation_call" in event.type]
    assert work == ["in_progress", "generating", "partial_image", "partial_image", "completed"]
    config = emulator.calls[-1].json["generationConfig"]
    assert config["imageConfig"] == {
        "aspectRatio": "2:3",
        "imageOutputOptions": {"mimeType": "image/jpeg"},
    }
    assert config["thinkingConfig"] == {"includeThoughts": True}


def test_image_of_which_only_drafts_came_has_failed(client, emulator):
    draft = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}
    reply = {"candidates": [{"content": {"parts": [draft, {"text": "No."}]}, "finishReason": "STOP"}]}
    emulator.script([b"data: %s\n\n" % json.dumps(reply).encode()])
    tool = {"type": "image_generation", "partial_images": 1}
    with client.responses.stream(model="gemini-3-pro-image", input="Draw a cat.", tools=[tool]) as stream:
        assert "response.image_generation_call.completed" not in [event.type for event in stream]
        response = stream.get_final_response()
    assert [item.status for item in response.output] == ["failed", "completed"]
    again = [*response.output, user("Try again.")]
    items = [item if isinstance(item, dict) else item.model_dump(exclude_none=True) for item in again]
    assert client.responses.create(model="gemini-3-pro-image", input=items).output_text


def test_options_of_images_without_a_counterpart_are_named(client):
    tool = {"type": "image_generation", "partial_images": 2, "quality": "high", "moderation": "low"}
    raw = client.responses.with_raw_response.create(
        model="gemini-2.5-flash-image", input="Draw a cat.", tools=[tool]
    )
    named = ["moderation", "partial_images", "quality"]
    assert sorted(raw.headers["x-vertex-compat-ignored"].split(", ")) == [
        f"tools.image_generation.{name}" for name in named
    ]


@pytest.mark.parametrize(
    "option",
    [
        {"background": "transparent"},
        {"input_image_mask": {}},
        {"output_format": "webp"},
        {"size": "big"},
        {"partial_images": 4},
    ],
)
def test_invalid_image_option_is_a_400_that_names_it(client, option):
    tools = [{"type": "web_search"}, {"type": "image_generation", **option}]
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="gemini-3-pro-image", input="Draw a cat.", tools=tools)
    assert refused.value.param == f"tools[1].{min(option)}"


def test_images_of_a_model_are_sent_back_in_the_next_turn(client, emulator):
    model = "gemini-3.1-flash-image"
    messages, tools = [user("Draw a cat.")], [{"type": "image_generation"}]
    whole = client.responses.create(model=model, input=messages, tools=tools)
    with client.responses.stream(model=model, input=messages, tools=tools) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_response()
    for response in (whole, streamed):
        (picture,) = [item for item in response.output if item.type == "image_generation_call"]
        assert picture.result.startswith("iVBORw0KGgo")
    assert "response.image_generation_call.completed" in kinds
    items = [*messages, *(item.model_dump(exclude_none=True) for item in whole.output), user("Now a dog.")]
    assert client.responses.create(model=model, input=items).output_text
    _, turn, _ = emulator.calls[-1].json["contents"]
    assert [part["inlineData"]["mimeType"] for part in turn["parts"] if "inlineData" in part] == ["image/png"]
