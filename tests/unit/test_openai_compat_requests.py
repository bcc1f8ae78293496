"""Requests to servers with OpenAI's API: rewritten where they refuse, with losses named."""

import pytest
from helpers.fixtures import RecordingTransport, function, post, question, upstream_call
from msgspec.structs import replace

from vertex_compat.publishers.mistral import mistral
from vertex_compat.types import Model

MISTRAL = "mistral-medium-3"
LLAMA = "meta/llama-4-maverick-17b-128e-instruct-maas"
GLM = "zai-org/glm-5.2-maas"
DEPLOYED = "openai/1234567890"

PNG = "data:image/png;base64,iVBORw0KGgo="
SCREENSHOT = [
    {"role": "user", "content": "look at a.png"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_abc12",
                "type": "function",
                "function": {"name": "read_file", "arguments": '{"path":"a.png"}'},
            }
        ],
    },
    {
        "role": "tool",
        "tool_call_id": "call_abc12",
        "content": [
            {"type": "text", "text": "Image read successfully"},
            {"type": "image_url", "image_url": {"url": PNG}},
        ],
    },
]


def upstream_body(model, messages=None, **more):
    body = question("mistralai", model=model, **more)
    return upstream_call(body | ({"messages": messages} if messages else {}))


@pytest.mark.parametrize("model", [MISTRAL, LLAMA, DEPLOYED])
@pytest.mark.parametrize("question_after", [None, "What is in it?"])
def test_image_in_tool_result_follows_as_the_users(model, question_after):
    after = [{"role": "user", "content": question_after}] if question_after else []
    messages = upstream_body(model, [*SCREENSHOT, *after]).body["messages"]
    tool = next(message for message in messages if message["role"] == "tool")
    assert tool["content"] == "Image read successfully\n[The image is in the next message.]"
    expected = ["user", "assistant", "tool", *(["assistant"] if model == MISTRAL else []), "user"]
    assert [message["role"] for message in messages] == expected
    assert messages[-1]["content"] == [
        {"type": "text", "text": "Result of the tool call read_file:"},
        {"type": "image_url", "image_url": {"url": PNG}},
        *([{"type": "text", "text": question_after}] if question_after else []),
    ]


@pytest.mark.parametrize("model", [GLM, "codestral-2", "jamba-1.5-large", "openai/gpt-oss-120b-maas"])
def test_image_in_tool_result_is_noted_for_text_model(model):
    messages = upstream_body(model, SCREENSHOT).body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    note = "[The image is left out: this model does not read it.]"
    assert messages[-1]["content"] == f"Image read successfully\n{note}"


def test_image_in_tool_result_is_noted_in_a_prompt():
    (instance,) = upstream_body("1234567890", SCREENSHOT).body["instances"]
    assert "Image read successfully\n[The image is left out" in instance["prompt"]


@pytest.mark.parametrize("model", [DEPLOYED, LLAMA, "deepseek-ai/deepseek-v4.1-flash-maas"])
def test_later_system_message_becomes_the_users(model):
    messages = [
        {"role": "system", "content": "A"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yo"},
        {"role": "system", "content": "B"},
        {"role": "user", "content": "q"},
    ]
    assert upstream_body(model, messages).body["messages"] == [
        *messages[:3],
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<system>\nB\n</system>"},
                {"type": "text", "text": "q"},
            ],
        },
    ]


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize("model", [MISTRAL, LLAMA, DEPLOYED])
@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": None}}, "n"),
        ({"type": "json_schema", "json_schema": {"schema": SCHEMA, "description": None}}, "response"),
        ({"type": "json_object", "response_schema": SCHEMA, "enforce_validation": False}, "response"),
        ({"type": "json_schema", "response_schema": SCHEMA}, "response"),
    ],
)
def test_schema_is_named_and_without_nulls(model, form, name):
    format_ = upstream_body(model, response_format=form).body["response_format"]
    assert format_ == {"type": "json_schema", "json_schema": {"name": name, "schema": SCHEMA}}


def test_format_without_schema_is_sent_alone():
    form = {"type": "json_object", "enforce_validation": False}
    assert upstream_body(LLAMA, response_format=form).body["response_format"] == {"type": "json_object"}
    assert "response_format" not in upstream_body(LLAMA).body


def remembered(field):
    reasoning = "One and one."
    if field == "reasoning_details":
        reasoning = [{"type": "reasoning.text", "text": reasoning}]
    return [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Two.", field: reasoning},
        {"role": "user", "content": "Sure?"},
    ]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_details"])
def test_reasoning_goes_back_to_models_that_read_it(field):
    call = upstream_body(GLM, remembered(field))
    assert call.body["messages"][1]["reasoning_content"] == "One and one."
    assert not call.ignored
    call = upstream_body("mistral-medium-3-5", remembered(field))
    assert call.body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "One and one."}], "closed": True},
        {"type": "text", "text": "Two."},
    ]
    assert not call.ignored


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_details"])
@pytest.mark.parametrize("model", [MISTRAL, LLAMA, DEPLOYED, "jamba-1.5-large"])
def test_reasoning_that_is_not_sent_is_named(model, field):
    call = upstream_body(model, remembered(field))
    assert call.body["messages"][1] == {"role": "assistant", "content": "Two."}
    assert call.ignored == (f"messages.{field}",)


@pytest.mark.parametrize("model", [MISTRAL, LLAMA, DEPLOYED, "jamba-1.5-large"])
def test_images_of_the_model_are_named(model):
    picture = {"type": "image_url", "image_url": {"url": PNG}}
    messages = [
        {"role": "user", "content": "Draw."},
        {"role": "assistant", "content": "Here.", "images": [picture]},
        {"role": "user", "content": "Thanks."},
    ]
    call = upstream_body(model, messages)
    assert call.body["messages"][1] == {"role": "assistant", "content": "Here."}
    assert call.ignored == ("messages.images",)


def test_newer_fields_of_mistral_are_sent():
    fields = {"logprobs": True, "top_logprobs": 2, "metadata": {"a": "b"}, "min_tokens": 3}
    call = upstream_body(MISTRAL, **fields)
    assert {name: call.body[name] for name in fields} == fields
    assert not call.ignored


TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]


@pytest.mark.parametrize("model", [MISTRAL, LLAMA, DEPLOYED, "jamba-1.5-large"])
def test_forced_function_leaves_the_others_offered(model):
    choice = {"type": "function", "function": {"name": "g"}}
    body = upstream_body(model, tools=TOOLS, tool_choice=choice).body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f", "g"]
    assert body["tool_choice"] == choice


@pytest.mark.parametrize("model", [MISTRAL, LLAMA, DEPLOYED, "jamba-1.5-large"])
def test_offered_server_tools_are_left_out_and_named(model):
    others = [{"type": "web_search_20250305", "name": "web_search"}, {"googleSearch": {}}]
    call = upstream_body(model, tools=[*others, *TOOLS])
    assert [tool["function"]["name"] for tool in call.body["tools"]] == ["f", "g"]
    assert call.ignored == ("tools.web_search_20250305", "tools.googleSearch")


@pytest.mark.parametrize("switch", ["enable_thinking", "thinking"])
def test_tags_are_text_where_thinking_is_switched_off(switch):
    model = "qwen/qwen3-next-80b-a3b-thinking-maas"
    assert upstream_body(model).reasoning_tags
    assert not upstream_body(model, chat_template_kwargs={switch: False}).reasoning_tags


def test_newer_fields_that_a_server_refuses_are_left_out():
    params = question("mistralai", logprobs=True, metadata={"a": "b"}, seed=1)
    refused = frozenset({"logprobs", "metadata"})
    model = Model(
        "m",
        "mistralai",
        "mistral-small-2503",
        "publishers/mistralai/models/mistral-small-2503",
        ("us-central1",),
    )
    call = mistral.request(params, model)
    assert set(call.optional_features) == refused
    call = mistral.request(params, replace(model, refused_features=refused))
    assert call.body.keys() & refused == set()
    assert call.body["random_seed"] == 1
    assert set(call.ignored) == refused


@pytest.mark.parametrize(
    ("model", "name", "limit", "expected"),
    [
        (MISTRAL, "max_tokens", 100_000, 8_191),
        (MISTRAL, "max_completion_tokens", 8_191, 8_191),
        ("zai-org/glm-5.2-maas", "max_completion_tokens", 200_000, 64_000),
        ("openai/gpt-oss-120b-maas", "max_tokens", 1_000_000, 32_768),
        ("mistral-of-tomorrow", "max_tokens", 1_000_000, 1_000_000),
        (DEPLOYED, "max_tokens", 1_000_000, 1_000_000),
    ],
)
def test_max_tokens_are_those_that_the_model_has(model, name, limit, expected):
    call = upstream_body(model, **{name: limit})
    assert call.body["max_tokens"] == expected
    assert (name in call.ignored) is (limit != expected)


def test_a_completion_s_max_tokens_are_limited_too():
    body = {"model": "codestral-2", "prompt": "def", "suffix": "return", "max_tokens": 1_000_000}
    transport = RecordingTransport()
    post(function(transport), body, "/v1/completions")
    (call,) = transport.calls
    assert (call.body["max_tokens"], call.ignored) == (128_000, ("max_tokens",))
