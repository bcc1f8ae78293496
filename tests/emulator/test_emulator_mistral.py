import pytest

HELLO = {"role": "user", "content": "Hello"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def call(call_id="abcDEF123", arguments='{"city":"Paris"}'):
    return {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


def assistant(*calls, **more):
    return {"role": "assistant"} | ({"tool_calls": list(calls)} if calls else {}) | more


def result(call_id="abcDEF123", **more):
    return {"role": "tool", "name": "get_weather", "content": "21 °C", "tool_call_id": call_id} | more


UNPROCESSABLE = [
    ({"seed": 1}, ["seed"], "extra_forbidden"),
    ({"max_completion_tokens": 5}, ["max_completion_tokens"], "extra_forbidden"),
    ({"stream_options": {"include_usage": True}}, ["stream_options"], "extra_forbidden"),
    ({"user": "me"}, ["user"], "extra_forbidden"),
    ({"logit_bias": {}}, ["logit_bias"], "extra_forbidden"),
    ({"top_k": 5}, ["top_k"], "extra_forbidden"),
    ({"service_tier": "auto"}, ["service_tier"], "extra_forbidden"),
    ({"stop": None}, ["stop"], "list_type"),
    ({"temperature": None}, ["temperature"], "float_type"),
    ({"temperature": 1.6}, ["temperature"], "less_than_equal"),
    ({"max_tokens": "5"}, ["max_tokens"], "int_type"),
    ({"messages": ...}, ["messages"], "missing"),
    ({"messages": [{"role": "developer", "content": "x"}]}, ["messages", 0], "union_tag_invalid"),
    ({"messages": [HELLO | {"name": "Bob"}]}, ["messages", 0, "user", "name"], "extra_forbidden"),
    (
        {"messages": [HELLO, assistant(content=None), HELLO]},
        ["messages", 1, "assistant", "content"],
        "list_type",
    ),
    (
        {"messages": [HELLO, assistant(content="a", refusal="b"), HELLO]},
        ["messages", 1, "assistant", "refusal"],
        "extra_forbidden",
    ),
    (
        {"messages": [HELLO, assistant(content="a", reasoning_content="b"), HELLO]},
        ["messages", 1, "assistant", "reasoning_content"],
        "extra_forbidden",
    ),
    ({"tool_choice": "must"}, ["tool_choice"], "literal_error"),
    ({"response_format": {"type": "xml"}}, ["response_format", "type"], "literal_error"),
    (
        {"tools": [{"function": {"name": "a b", "parameters": {}}}]},
        ["tools", 0, "function", "name"],
        "string_pattern_mismatch",
    ),
]


@pytest.mark.parametrize(("body", "param", "kind"), UNPROCESSABLE)
def test_mistral_cannot_process(vertex, body, param, kind):
    answer = vertex.mistral(**body)
    assert answer.status_code == 422
    problem = answer.get_json()["detail"][0]
    assert (problem["loc"], problem["type"]) == (["body", *param], kind)
    assert set(problem) == {"type", "loc", "msg", "input"}


REFUSED = [
    (
        [HELLO, assistant(content="a")],
        "Expected last role User or Tool (or Assistant with prefix True) for serving",
    ),
    ([HELLO, {"role": "system", "content": "x"}, HELLO], "Unexpected role 'system' after role 'user'"),
    ([HELLO, assistant(call()), result(), HELLO], "Unexpected role 'user' after role 'tool'"),
    ([assistant(content="a"), HELLO], "Unexpected role 'assistant'"),
    ([HELLO, assistant(), HELLO], "Assistant message must have either content or tool_calls, but not none."),
    (
        [HELLO, assistant(call("call_1")), result("call_1")],
        "Tool call id was call_1 but must be a-z, A-Z, 0-9",
    ),
    ([HELLO, assistant(call()), result("toolong1234")], "Tool call id was toolong1234"),
    (
        [HELLO, assistant(call(), call("abcDEF124")), result()],
        "Not the same number of function calls and responses",
    ),
    ([HELLO, assistant(call()), HELLO], "Not the same number of function calls and responses"),
    ([HELLO, assistant(call()), result("abcDEF999")], "Unexpected tool call id"),
]


@pytest.mark.parametrize(("messages", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_mistral_refuses(vertex, messages, message):
    answer = vertex.mistral(messages=messages, tools=[TOOL])
    body = answer.get_json()
    assert answer.status_code == 400
    assert body["object"] == "error"
    assert message in body["message"]


ACCEPTED = [
    {"random_seed": 5, "max_tokens": 9, "safe_prompt": True, "temperature": 0, "top_p": 1, "stop": "x"},
    {"messages": [{"role": "system", "content": "a"}, HELLO]},
    {"messages": [HELLO, assistant(call()), result()], "tools": [TOOL]},
    {"messages": [HELLO, assistant(call()), result(), assistant(content="21"), HELLO], "tools": [TOOL]},
    {"messages": [HELLO, assistant(call(arguments={"city": "Paris"})), result()], "tools": [TOOL]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://x/y.png"}]}]},
    {"tools": [TOOL], "tool_choice": "any", "parallel_tool_calls": False},
    {"response_format": {"type": "json_object"}},
]


@pytest.mark.parametrize("body", ACCEPTED)
def test_mistral_accepts(vertex, body):
    answer = vertex.mistral(**body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"tool_choice": "any"},
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
        {"response_format": {"type": "json_schema"}},
    ],
)
def test_mistral_refuses_inconsistent_parameters(vertex, body):
    answer = vertex.mistral(**body)
    assert answer.status_code == 400
    assert answer.get_json()["object"] == "error"


def folded(read):
    """Put the chunks of a Mistral stream together as a message."""
    message = {"role": "assistant", "content": ""}
    for chunk in read:
        delta = chunk["choices"][0]["delta"]
        if isinstance(delta.get("content"), list):
            message.setdefault("thoughts", "")
            message["thoughts"] += delta["content"][0]["thinking"][0]["text"]
        else:
            message["content"] += delta.get("content", "")
        message |= {"tool_calls": delta["tool_calls"]} if "tool_calls" in delta else {}
    return message, read[-1]["choices"][0]["finish_reason"], read[-1]["usage"]


BODIES = [
    {},
    {"max_tokens": 6},
    {"stop": ["opinion"]},
    {"prompt_mode": "reasoning"},
    {"response_format": {"type": "json_object"}},
    {"tools": [TOOL], "tool_choice": "required"},
    {"messages": [HELLO, assistant(content="I say", prefix=True)]},
]


def plain(message):
    content = message["content"] or ""
    calls = [
        {"name": entry["function"]["name"], "arguments": entry["function"]["arguments"]}
        for entry in message.get("tool_calls", [])
    ]
    if isinstance(content, list):
        return content[1]["text"], content[0]["thinking"][0]["text"], calls
    return content, message.get("thoughts"), calls


@pytest.mark.parametrize("body", BODIES)
def test_mistral_stream_equals_whole_answer(vertex, chunks, body):
    read, done = chunks(vertex.mistral(stream=True, **body))
    message, finish, usage = folded(read)
    whole = vertex.mistral(**body).get_json()
    assert done
    assert plain(message) == plain(whole["choices"][0]["message"])
    assert finish == whole["choices"][0]["finish_reason"]
    assert usage == whole["usage"]


def test_the_chunks_of_a_mistral_stream_are_the_recorded_ones(vertex, chunks):
    read, _ = chunks(vertex.mistral(stream=True, max_tokens=6))
    assert read[0]["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None, "logprobs": None}
    ]
    assert all("usage" not in chunk for chunk in read[:-1])
    assert read[-1]["choices"][0]["delta"]["content"]
    assert read[-1]["choices"][0]["finish_reason"] == "length"
    assert len({chunk["id"] for chunk in read}) == 1
    assert len(read[0]["id"]) == 32


def test_a_call_comes_whole_with_an_id_of_nine_characters(vertex, chunks):
    read, _ = chunks(vertex.mistral(stream=True, tools=[TOOL], tool_choice="any"))
    [tool_call] = read[-1]["choices"][0]["delta"]["tool_calls"]
    assert len(tool_call["id"]) == 9
    assert tool_call["id"].isalnum()
    assert tool_call["function"] == {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    assert read[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_version_in_the_path_is_not_part_of_the_name(vertex):
    assert vertex.mistral("mistral-small-2503@001").get_json()["model"] == "mistral-small-2503"
    answer = vertex.mistral("mistral-small-2503@001", model_in_body=1)
    assert answer.status_code == 422
    other = vertex.post(
        "/publishers/mistralai/models/mistral-small-2503:rawPredict",
        {"model": "mistral-large", "messages": [HELLO]},
    )
    assert other.get_json()["message"] == "Invalid model: mistral-large"


def test_codestral_fills_in_the_middle(vertex, chunks):
    path = "/publishers/mistralai/models/codestral-2:rawPredict"
    body = {"model": "codestral-2", "prompt": "def f(", "suffix": "return a", "max_tokens": 20}
    answer = vertex.post(path, body).get_json()
    assert "def f(" in answer["choices"][0]["message"]["content"]
    read, done = chunks(vertex.post(path.replace(":rawP", ":streamRawP"), body | {"stream": True}))
    assert done
    assert folded(read)[0]["content"] == answer["choices"][0]["message"]["content"]
    assert vertex.post(path, body | {"n": 2}).status_code == 422
    assert vertex.mistral(messages=..., prompt="x").status_code == 400


def test_unknown_mistral_models_get_googles_error(vertex):
    assert vertex.mistral("gpt-4").get_json()["error"]["status"] == "NOT_FOUND"
