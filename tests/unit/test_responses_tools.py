"""Tools and items of the Responses API that the client runs, and names in errors."""

import json

import pytest
from helpers.fixtures import CannedTransport, RecordingTransport, function, post
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

EVENT = TypeAdapter(ResponseStreamEvent)

MODELS = ["gemini-3.8-flash", "claude-sonnet-5-5", "mistral-medium-3", "openai/1234567890"]
MISTRAL = "mistral-medium-3"
SHELL_FUNCTION = {
    "type": "function",
    "name": "run",
    "strict": False,
    "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}
SEARCH = {
    "type": "tool_search",
    "execution": "client",
    "description": "search tools",
    "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
}
CALENDAR = {
    "type": "namespace",
    "name": "mcp__cal",
    "description": "",
    "tools": [{"type": "function", "name": "list", "parameters": {"type": "object", "properties": {}}}],
}
EXEC = {
    "type": "namespace",
    "name": "functions",
    "description": "",
    "tools": [{"type": "custom", "name": "exec", "description": "run js"}],
}


def upstream_body(model=MISTRAL, **params):
    """The upstream body of a request, and the names that its header lists."""
    transport = RecordingTransport()
    answer = post(function(transport), {"model": model, **params}, "/v1/responses")
    assert transport.calls, answer.json
    (call,) = transport.calls
    return call.body, list(call.ignored)


def refused(model=MISTRAL, **params):
    transport = RecordingTransport()
    answer = post(function(transport), {"model": model, **params}, "/v1/responses")
    assert not transport.calls
    assert answer.status_code == 400
    return answer.json["error"]


def calls(*functions):
    return [
        {"id": f"call_{number}", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for number, (name, arguments) in enumerate(functions)
    ]


def answer_with(tools, *functions, **params):
    """The output items of a response in which the model calls functions, whole and streamed."""
    body = {"model": MISTRAL, "input": "Go.", "tools": tools, **params}
    message = {"content": "", "tool_calls": calls(*functions)}
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    transport = CannedTransport([json.dumps(whole).encode()], "application/json")
    output = post(function(transport), body, "/v1/responses").json["output"]
    chunk = {"choices": [{"index": 0, "delta": message, "finish_reason": "tool_calls"}]}
    transport = CannedTransport([f"data: {json.dumps(chunk)}\n\n".encode()], "text/event-stream")
    stream = post(function(transport), {**body, "stream": True}, "/v1/responses").get_data()
    events = [json.loads(line[6:]) for line in stream.decode().splitlines() if line.startswith("data: ")]
    for event in events:
        EVENT.validate_python(event)
    streamed = events[-1]["response"]["output"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == streamed
    assert [{**item, "id": ""} for item in streamed] == [{**item, "id": ""} for item in output]
    return output


def names(body):
    return [tool["function"]["name"] for tool in body.get("tools", ())]


@pytest.mark.parametrize("model", MODELS)
def test_additional_tools_are_offered(model):
    items = [
        {"type": "additional_tools", "role": "developer", "tools": [EXEC]},
        {"role": "user", "content": "hi"},
    ]
    body, ignored = upstream_body(model, input=items, tools=[])
    assert "functions__exec" in json.dumps(body)
    assert not ignored


def test_call_of_an_additional_custom_tool_has_its_namespace():
    items = [
        {"type": "additional_tools", "role": "developer", "tools": [EXEC]},
        {"role": "user", "content": "hi"},
    ]
    (item,) = answer_with([], ("functions__exec", {"input": "1+1"}), input=items)
    expected = {"type": "custom_tool_call", "name": "exec", "namespace": "functions", "input": "1+1"}
    assert item.items() >= expected.items()


SEARCH_RESULTS = [
    {"role": "user", "content": "list my calendars"},
    {
        "type": "tool_search_call",
        "call_id": "ts1",
        "execution": "client",
        "arguments": {"query": "calendar"},
        "status": "completed",
    },
    {
        "type": "tool_search_output",
        "call_id": "ts1",
        "execution": "client",
        "status": "completed",
        "tools": [CALENDAR],
    },
]


def test_tools_that_a_client_search_found_are_offered():
    body, ignored = upstream_body(input=SEARCH_RESULTS, tools=[SEARCH, SHELL_FUNCTION])
    assert names(body) == ["tool_search", "run", "mcp__cal__list"]
    assert body["tools"][0]["function"]["parameters"]["properties"] == {"query": {"type": "string"}}
    _, call, result = body["messages"]
    assert call["tool_calls"][0]["function"] == {"name": "tool_search", "arguments": '{"query":"calendar"}'}
    assert result["content"] == "These tools can be called now: mcp__cal__list."
    assert not ignored


def test_call_of_the_client_search_is_its_item():
    (item,) = answer_with([SEARCH], ("tool_search", {"query": "mail"}))
    expected = {"type": "tool_search_call", "execution": "client", "arguments": {"query": "mail"}}
    assert item.items() >= {**expected, "call_id": "call_0", "status": "completed"}.items()


def test_search_on_openais_servers_is_left_out_and_named():
    items = [
        {"role": "user", "content": "hi"},
        {"type": "tool_search_call", "call_id": None, "execution": "server", "arguments": {}},
        {"type": "tool_search_output", "call_id": None, "execution": "server", "tools": [CALENDAR]},
    ]
    body, ignored = upstream_body(input=items, tools=[{"type": "tool_search"}, SHELL_FUNCTION])
    assert names(body) == ["run", "mcp__cal__list"]
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert ignored == ["tools.tool_search"]


@pytest.mark.parametrize(
    ("tool", "arguments", "fields"),
    [
        (
            {"type": "local_shell"},
            {"command": ["ls", "-l"], "timeout_ms": 5, "working_directory": "/w", "env": {"A": "1"}},
            {
                "type": "local_shell_call",
                "action": {
                    "type": "exec",
                    "command": ["ls", "-l"],
                    "env": {"A": "1"},
                    "timeout_ms": 5,
                    "working_directory": "/w",
                },
            },
        ),
        (
            {"type": "local_shell"},
            {"command": "ls"},
            {
                "type": "local_shell_call",
                "action": {"type": "exec", "command": ["bash", "-lc", "ls"], "env": {}},
            },
        ),
        (
            {"type": "shell", "environment": {"type": "local"}},
            {"commands": ["ls", "pwd"], "max_output_length": 10},
            {"type": "shell_call", "action": {"commands": ["ls", "pwd"], "max_output_length": 10}},
        ),
        (
            {"type": "apply_patch"},
            {"type": "update_file", "path": "a", "diff": "@@\n-a\n+b"},
            {
                "type": "apply_patch_call",
                "operation": {"type": "update_file", "path": "a", "diff": "@@\n-a\n+b"},
            },
        ),
        (
            {"type": "apply_patch"},
            {"type": "delete_file", "path": "a", "diff": ""},
            {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}},
        ),
    ],
)
def test_call_of_a_client_run_tool_is_its_item(tool, arguments, fields):
    (item,) = answer_with([tool], (tool["type"], arguments))
    assert item.items() >= {**fields, "call_id": "call_0", "status": "completed"}.items()


@pytest.mark.parametrize("arguments", [{"path": "a"}, {"type": "rename", "path": "a", "diff": ""}, ["x"], 3])
def test_arguments_that_fit_no_item_are_a_function_call(arguments):
    (item,) = answer_with([{"type": "apply_patch"}], ("apply_patch", arguments))
    assert (item["type"], item["name"]) == ("function_call", "apply_patch")
    assert json.loads(item["arguments"]) == arguments


@pytest.mark.parametrize(
    ("call", "output", "name", "arguments", "content"),
    [
        (
            {
                "type": "local_shell_call",
                "id": "lsh_1",
                "call_id": "call_1",
                "action": {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": None},
            },
            {"type": "local_shell_call_output", "id": "call_1", "output": "a b"},
            "local_shell",
            {"command": ["ls"], "env": {}},
            "a b",
        ),
        (
            {"type": "shell_call", "call_id": "call_1", "action": {"commands": ["ls"]}},
            {
                "type": "shell_call_output",
                "call_id": "call_1",
                "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
            },
            "shell",
            {"commands": ["ls"]},
            '[{"stdout":"a","stderr":"","outcome":{"type":"exit","exit_code":0}}]',
        ),
        (
            {
                "type": "apply_patch_call",
                "call_id": "call_1",
                "status": "completed",
                "operation": {"type": "delete_file", "path": "a"},
            },
            {
                "type": "apply_patch_call_output",
                "call_id": "call_1",
                "status": "failed",
                "output": "No such file",
            },
            "apply_patch",
            {"type": "delete_file", "path": "a"},
            "failed: No such file",
        ),
    ],
)
def test_items_of_client_run_tools_are_calls_and_results(call, output, name, arguments, content):
    body, _ = upstream_body(input=[{"role": "user", "content": "Go."}, call, output])
    _, call_message, result = body["messages"]
    assert call_message["tool_calls"][0]["function"]["name"] == name
    assert json.loads(call_message["tool_calls"][0]["function"]["arguments"]) == arguments
    assert result["content"] == content
    assert result["tool_call_id"] == call_message["tool_calls"][0]["id"]


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "image_generation", "output_format": "png"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "mcp", "server_label": "x"},
        {"type": "web_search", "external_web_access": True},
    ],
)
def test_offered_server_tool_is_left_out_and_named(tool):
    body, ignored = upstream_body(input="hi", tools=[tool, SHELL_FUNCTION], tool_choice="auto")
    assert names(body) == ["run"]
    assert ignored == [f"tools.{tool['type']}"]


def test_demanded_search_of_a_model_without_one_is_refused():
    error = refused(input="hi", tools=[{"type": "web_search"}], tool_choice={"type": "web_search"})
    assert error["param"] == "tool_choice"


@pytest.mark.parametrize("type_", ["web_search_2025_08_26", "web_search_preview_2025_03_11"])
def test_dated_name_of_a_search_is_the_search(type_):
    body, ignored = upstream_body("gemini-3.8-flash", input="news?", tools=[{"type": type_}])
    assert body["tools"] == [{"googleSearch": {}}]
    assert not ignored


def test_domains_of_a_search_are_sent_or_named():
    search = {"type": "web_search", "filters": {"allowed_domains": ["example.com"]}}
    body, ignored = upstream_body("claude-sonnet-5-5", input="news?", tools=[search])
    assert body["tools"][0]["allowed_domains"] == ["example.com"]
    assert not ignored
    _, ignored = upstream_body("gemini-3.8-flash", input="news?", tools=[search])
    assert ignored == ["tools.web_search.filters.allowed_domains"]
    search = {"type": "web_search", "filters": {"blocked_domains": ["example.com"]}}
    body, ignored = upstream_body("gemini-3.8-flash", input="news?", tools=[search])
    assert body["tools"] == [{"googleSearch": {"excludeDomains": ["example.com"]}}]
    assert not ignored


@pytest.mark.parametrize("kind", ["shell", "apply_patch"])
def test_tool_choice_names_a_client_run_tool(kind):
    body, _ = upstream_body(input="Go.", tools=[{"type": kind}, SHELL_FUNCTION], tool_choice={"type": kind})
    assert body["tool_choice"] == {"type": "function", "function": {"name": kind}}


def test_client_run_tool_does_not_replace_a_function():
    body, _ = upstream_body(input="Go.", tools=[{**SHELL_FUNCTION, "name": "shell"}, {"type": "shell"}])
    assert names(body) == ["shell", "shell_tool"]
    (item,) = answer_with(
        [{**SHELL_FUNCTION, "name": "shell"}, {"type": "shell"}], ("shell_tool", {"commands": ["ls"]})
    )
    assert item["type"] == "shell_call"


# Other items


def test_compaction_of_another_server_is_named():
    items = [{"type": "compaction", "encrypted_content": "gAAAA"}, {"role": "user", "content": "hi"}]
    body, ignored = upstream_body(input=items)
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert ignored == ["input.compaction"]


@pytest.mark.parametrize(
    ("item", "name", "arguments", "output"),
    [
        (
            {
                "type": "mcp_call",
                "id": "mcp_1",
                "server_label": "docs",
                "name": "find",
                "arguments": '{"q":"a"}',
                "output": "b",
            },
            "docs__find",
            {"q": "a"},
            "b",
        ),
        (
            {
                "type": "code_interpreter_call",
                "id": "ci_1",
                "code": "1+1",
                "outputs": [{"type": "logs", "logs": "2"}, {"type": "image", "url": "https://a"}],
            },
            "code_interpreter",
            {"code": "1+1"},
            "2",
        ),
    ],
)
def test_call_of_openais_servers_is_a_call_with_its_result(item, name, arguments, output):
    body, ignored = upstream_body(
        input=[{"role": "user", "content": "q"}, item, {"role": "user", "content": "r"}]
    )
    _, call, result, _, _ = body["messages"]
    assert call["tool_calls"][0]["function"]["name"] == name
    assert json.loads(call["tool_calls"][0]["function"]["arguments"]) == arguments
    assert result["content"] == output
    assert ignored == (["input.outputs.url"] if "outputs" in item else [])


def test_image_that_code_drew_is_in_the_result_of_its_call():
    pixel = "data:image/png;base64,iVBORw0KGgo="
    outputs = [{"type": "logs", "logs": "2"}, {"type": "image", "url": pixel}]
    item = {"type": "code_interpreter_call", "id": "ci_1", "code": "plot()", "outputs": outputs}
    body, ignored = upstream_body(
        "claude-sonnet-5-5", input=[{"role": "user", "content": "q"}, item, {"role": "user", "content": "r"}]
    )
    (result,) = [block for block in body["messages"][2]["content"] if block["type"] == "tool_result"]
    assert [part["type"] for part in result["content"]] == ["text", "image"]
    assert not ignored


def test_instructions_without_input_are_a_request():
    body, _ = upstream_body("openai/1234567890", input=[], instructions="Say hello.")
    assert body["messages"][0] == {"role": "system", "content": "Say hello."}


def test_configuration_update_changes_the_effort():
    items = [
        {"role": "user", "content": "hi"},
        {"type": "configuration_update", "reasoning": {"effort": "low"}},
    ]
    body, _ = upstream_body("openai/1234567890", input=items, reasoning={"effort": "high"})
    assert body["reasoning_effort"] == "low"


def test_empty_effort_is_not_sent():
    assert (
        "reasoning_effort" not in upstream_body("openai/1234567890", input="hi", reasoning={"effort": ""})[0]
    )


def test_reasoning_goes_back_to_a_model_that_reads_it():
    items = [
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "They greet."}]},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "And?"},
    ]
    body, ignored = upstream_body("zai-org/glm-5.2-maas", input=items)
    assert body["messages"][1]["reasoning_content"] == "They greet."
    assert not ignored
    _, ignored = upstream_body(input=items)
    assert ignored == ["input.reasoning_content"]


def test_outputs_without_ids_belong_to_the_calls_in_order():
    items = [
        {"role": "user", "content": "q"},
        {"type": "function_call", "name": "a", "arguments": "{}"},
        {"type": "function_call", "name": "b", "arguments": "{}"},
        {"type": "function_call_output", "output": "RB", "name": "b"},
        {"type": "function_call_output", "output": "RA", "name": "a"},
    ]
    body, _ = upstream_body(input=items)
    calls_ = body["messages"][1]["tool_calls"]
    results = {result["tool_call_id"]: result["content"] for result in body["messages"][2:]}
    assert [results[call["id"]] for call in calls_] == ["RA", "RB"]


# Names in errors


@pytest.mark.parametrize(
    ("params", "param"),
    [
        (
            {
                "input": [
                    {"type": "reasoning", "summary": []},
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "a"},
                            {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA"},
                        ],
                    },
                ]
            },
            "input[1].content[1]",
        ),
        ({"input": "a", "reasoning": {"effort": "extreme"}}, "reasoning.effort"),
        ({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, "input[0].name"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0]"),
        ({"input": "a", "tools": [{"type": "image_generation"}, {"type": "function"}]}, "tools[1].name"),
        (
            {
                "input": "a",
                "tools": [{"type": "image_generation"}, {"type": "function", "name": "f", "parameters": 3}],
            },
            "tools[1]",
        ),
        ({"input": [{"type": "additional_tools", "tools": 3}]}, "input[0].tools"),
    ],
)
def test_error_s_param_is_the_client_s_own_name(params, param):
    error = refused(**params)
    assert error["param"] == param
    assert "messages" not in error["message"]


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "claude-sonnet-5-5"])
@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"search_context_size": "huge"}, "search_context_size"),
        ({"filters": "example.com"}, "filters"),
        ({"filters": {"allowed_domains": "example.com"}}, "filters.allowed_domains"),
        ({"filters": {"blocked_domains": [1]}}, "filters.blocked_domains[0]"),
        ({"user_location": {"city": 1}}, "user_location.city"),
    ],
)
def test_wrong_options_of_a_search_are_named(app, emulator, model, options, param):
    body = {"model": model, "input": "Hi", "tools": [SHELL_FUNCTION, {"type": "web_search", **options}]}
    answer = post(app, body, "/v1/responses")
    assert (answer.status_code, answer.json["error"]["param"]) == (400, f"tools[1].{param}")
    if "user_location" in options:
        options, param = {"user_location": {"approximate": {"city": 1}}}, "user_location.approximate.city"
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "web_search_options": options}
    answer = post(app, body)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, f"web_search_options.{param}")
    assert not emulator.calls


@pytest.mark.parametrize(
    ("allowed", "functions", "searches"),
    [
        ([{"type": "function", "name": "run"}], True, False),
        ([{"type": "web_search"}], False, True),
        ([{"type": "web_search_preview"}, {"type": "function", "name": "run"}], True, True),
    ],
)
@pytest.mark.parametrize("model", ["gemini-3.8-flash", "claude-sonnet-5-5"])
def test_only_allowed_tools_are_offered(model, allowed, functions, searches):
    choice = {"type": "allowed_tools", "mode": "auto", "tools": allowed}
    tools = [SHELL_FUNCTION, {"type": "web_search"}]
    body, ignored = upstream_body(model, input="Hi", tools=tools, tool_choice=choice)
    text = json.dumps(body)
    assert ('"run"' in text) == functions
    assert ("googleSearch" in text or "web_search_20250305" in text) == searches
    assert not ignored
