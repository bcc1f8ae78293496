"""Chat requests in shapes of other APIs, and custom tools, on every publisher."""

import json

import pytest
from helpers.fixtures import CannedTransport, events_of, function, post, question, reply_to, upstream_call

from vertex_compat.operations.batches import row_operations
from vertex_compat.operations.chat import chat
from vertex_compat.routing import model_names

READ_FILE = {"type": "object", "properties": {"path": {"type": "string"}}}
CALL = {"id": "toolu_1", "type": "function", "function": {"name": "read_file", "arguments": '{"path":"a"}'}}

CURSOR = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "input_text", "text": "read a"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "ok"},
                {"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {"path": "a"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Go on."},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "text", "text": "AAA"}],
                },
            ],
        },
    ],
    "tools": [{"name": "read_file", "description": "d", "input_schema": READ_FILE}],
}
CHAT = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "read a"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "ok"}], "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": [{"type": "text", "text": "AAA"}]},
        {"role": "user", "content": [{"type": "text", "text": "Go on."}]},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "read_file", "description": "d", "parameters": READ_FILE},
        }
    ],
}
PUBLISHERS = ["google", "anthropic", "mistralai", "openapi", "endpoints", "ai21"]


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_anthropics_blocks_are_calls_and_results(publisher):
    assert (
        upstream_call(question(publisher, **CURSOR)).body == upstream_call(question(publisher, **CHAT)).body
    )


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "name": "read_file", "description": "d", "parameters": READ_FILE},
        {"name": "read_file", "description": "d", "parameters": READ_FILE},
        {"type": "custom", "name": "read_file", "description": "d", "input_schema": READ_FILE},
    ],
)
def test_flat_tool_is_a_function(tool):
    expected = upstream_call(question("openapi", tools=CHAT["tools"])).body
    assert upstream_call(question("openapi", tools=[tool])).body == expected


PNG = "iVBORw0KGgo="


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    ],
)
def test_image_of_another_api_is_an_image(part):
    messages = [{"role": "user", "content": [part]}]
    (message,) = upstream_call(question("mistralai", messages=messages)).body["messages"]
    url = {"url": f"data:image/png;base64,{PNG}"}
    assert message["content"] == [{"type": "image_url", "image_url": url}]


def test_items_among_messages_are_calls_and_results():
    items = [
        {"role": "system", "content": [{"type": "input_text", "text": "s"}]},
        {"role": "user", "content": "read a"},
        {"type": "function_call", "call_id": "toolu_1", "name": "read_file", "arguments": '{"path":"a"}'},
        {"type": "function_call_output", "call_id": "toolu_1", "output": "AAA"},
    ]
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "read a"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "AAA"},
    ]
    expected = upstream_call(question("mistralai", messages=messages)).body
    assert upstream_call(question("mistralai", messages=items)).body == expected


def test_top_level_system_is_the_first_message():
    messages = upstream_call(question("openapi", system=[{"type": "text", "text": "s"}])).body["messages"]
    assert messages[0] == {"role": "system", "content": "s"}


def test_empty_reasoning_effort_is_not_sent():
    assert "reasoning_effort" not in upstream_call(question("openapi", reasoning_effort="")).body


@pytest.mark.parametrize(
    "part", [{"type": "mystery"}, {"type": "image", "source": "x"}, {"type": "tool_use"}]
)
def test_unknown_part_is_named(part):
    transport = CannedTransport([b"{}"], "application/json")
    answer = post(function(transport), question("openapi", messages=[{"role": "user", "content": [part]}]))
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == "messages[0].content[0].type"


INPUT = {
    "instructions": "s",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "read a"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "ok"}]},
        {"type": "function_call", "call_id": "toolu_1", "name": "read_file", "arguments": '{"path":"a"}'},
        {
            "type": "function_call_output",
            "call_id": "toolu_1",
            "output": [{"type": "input_text", "text": "AAA"}],
        },
        {"role": "user", "content": [{"type": "input_text", "text": "Go on."}]},
    ],
    "tools": [{"type": "function", "name": "read_file", "description": "d", "parameters": READ_FILE}],
    "max_output_tokens": 100,
    "reasoning": {"effort": "low"},
}


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_input_stands_for_messages(publisher):
    model = {"model": question(publisher)["model"], "seed": 7}
    expected = {**model, **CHAT, "max_completion_tokens": 100, "reasoning_effort": "low"}
    assert upstream_call({**model, **INPUT}).body == upstream_call(expected).body


def test_input_is_answered_as_chat():
    body = {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
    answer = reply_to({"model": "openai/1", "input": "Hello"}, [json.dumps(body).encode()])
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"] == "Hi"


PDF = "data:application/pdf;base64,JVBERi0="


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (
            {
                "system": "s",
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "tool_result", "tool_use_id": "a", "content": "x"},
                            {"type": "tool_result", "tool_use_id": "b", "content": "y"},
                            {"type": "text", "text": "z"},
                            {"type": "input_file", "file_data": PDF},
                        ],
                    }
                ],
            },
            "messages[0].content[3]",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "x"},
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "tool_use", "id": "a", "input": {}},
                            {"type": "text", "text": 3},
                        ],
                    },
                ],
            },
            "messages[1].content[1]",
        ),
        ({"system": [{"type": "image"}], "messages": [{"role": "user", "content": "x"}]}, "system"),
        ({"input": ["x"]}, "input[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": PDF}]}]},
            "input[0].content[0]",
        ),
    ],
)
def test_error_names_the_place_that_the_client_sent(body, param):
    transport = CannedTransport([b"{}"], "application/json")
    answer = post(function(transport), {"model": "openai/1234567890", **body})
    assert answer.status_code == 400
    assert (answer.json["error"]["param"] or "").startswith(param), answer.json


# Custom tools

GRAMMAR = {"syntax": "lark", "definition": "start: /.+/s"}
PATCH = {
    "type": "custom",
    "custom": {
        "name": "ApplyPatch",
        "description": "Apply a patch",
        "format": {"type": "grammar", "grammar": GRAMMAR},
    },
}
FLAT_PATCH = {
    "type": "custom",
    "name": "ApplyPatch",
    "description": "Apply a patch",
    "format": {"type": "grammar", **GRAMMAR},
}
AS_FUNCTION = {
    "type": "function",
    "function": {
        "name": "ApplyPatch",
        "description": "Apply a patch\nThe input follows this lark grammar:\nstart: /.+/s",
        "parameters": {
            "type": "object",
            "properties": {"input": {"type": "string"}},
            "required": ["input"],
        },
    },
}
PATCHED = {"id": "call_1", "type": "custom", "custom": {"name": "ApplyPatch", "input": "*** Begin Patch"}}
HISTORY = [
    {"role": "user", "content": "patch it"},
    {"role": "assistant", "content": None, "tool_calls": [PATCHED]},
    {"role": "tool", "tool_call_id": "call_1", "content": "Done"},
]
FUNCTION_HISTORY = [
    HISTORY[0],
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "ApplyPatch", "arguments": '{"input":"*** Begin Patch"}'},
            }
        ],
    },
    HISTORY[2],
]


@pytest.mark.parametrize("tool", [PATCH, FLAT_PATCH])
@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_custom_tool_is_a_function_of_one_string(publisher, tool):
    choice = {"type": "custom", "custom": {"name": "ApplyPatch"}}
    call = upstream_call(question(publisher, tools=[tool], tool_choice=choice, messages=HISTORY))
    named = {"type": "function", "function": {"name": "ApplyPatch"}}
    expected = question(publisher, tools=[AS_FUNCTION], tool_choice=named, messages=FUNCTION_HISTORY)
    assert call.body == upstream_call(expected).body


def calls(*arguments):
    named = {"index": 0, "id": "call_1", "function": {"name": "ApplyPatch", "arguments": arguments[0]}}
    following = [{"index": 0, "function": {"arguments": piece}} for piece in arguments[1:]]
    other = {"index": 1, "id": "call_2", "function": {"name": "f", "arguments": "{}"}}
    return [named, *following, other]


def test_call_of_a_custom_tool_is_answered_in_its_form():
    message = {"content": None, "tool_calls": calls('{"input": "*** Begin Patch"}')}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    answer = reply_to(question("openapi", tools=[PATCH, *CHAT["tools"]]), [json.dumps(body).encode()])
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    first, second = choice["message"]["tool_calls"]
    assert first == PATCHED
    assert second["function"] == {"name": "f", "arguments": "{}"}


def test_streamed_call_of_a_custom_tool_has_its_form():
    deltas = [{"tool_calls": [call]} for call in calls('{"input": "***', ' Begin Patch"}')]
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    blocks = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    params = question("openapi", tools=[PATCH, *CHAT["tools"]], stream=True)
    *read, _ = events_of(reply_to(params, blocks, "text/event-stream"))
    entries = [
        call
        for chunk in read
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
        if call["index"] == 0
    ]
    assert entries[0] == {
        "index": 0,
        "id": "call_1",
        "type": "custom",
        "custom": {"name": "ApplyPatch", "input": ""},
    }
    assert "".join(call["custom"]["input"] for call in entries) == "*** Begin Patch"


def test_custom_tool_without_a_name_is_an_error():
    transport = CannedTransport([b"{}"], "application/json")
    answer = post(function(transport), question("openapi", tools=[{"type": "custom", "custom": {}}]))
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == "tools[0].custom.name"


def test_custom_tool_of_a_batch_comes_back_in_its_form():
    operation = row_operations.OPERATIONS["/v1/chat/completions"]
    body = {**question("google", tools=[PATCH]), "model": "gemini-3.8-flash"}
    model = model_names.resolve(body["model"])
    call = operation.request(chat.parse(json.dumps(body).encode()), model)
    assert call.custom_tools == ("ApplyPatch",)
    part = {"functionCall": {"name": "ApplyPatch", "args": {"input": "*** Begin Patch"}}}
    reply = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}]}
    identity = row_operations.ResponseIdentity("1", 1, body["model"])
    answer = operation.response(reply, call, "google", identity, {})
    (custom_call,) = answer["choices"][0]["message"]["tool_calls"]
    assert (custom_call["type"], custom_call["custom"]) == ("custom", PATCHED["custom"])
