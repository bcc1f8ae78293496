"""Answers of other publishers in the Messages API, and the next request with them."""

import json

import anthropic
import pytest

from vertex_compat.emulator.protocol.model_request import signature

GEMINI = "gemini-3.8-flash"
MISTRAL = "mistral-medium-3"
DEPLOYED = "endpoints/1234567890"
DEPLOYED_REASONING = "endpoints/9000567890"

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture
def sdk(front_door):
    with anthropic.Anthropic(base_url=front_door.url, api_key="sk-test", max_retries=0) as client:
        yield client


def answer(client, *, streamed, **params):
    params = {"max_tokens": 4000, "messages": [{"role": "user", "content": "Hello"}]} | params
    if not streamed:
        return client.messages.create(**params)
    with client.messages.stream(**params) as stream:
        return stream.get_final_message()


@streamed_or_not
@pytest.mark.parametrize("model", [DEPLOYED, DEPLOYED_REASONING])
def test_stop_sequence_that_the_server_names(sdk, model, streamed):
    message = answer(sdk, streamed=streamed, model=model, stop_sequences=["never", "opinion"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "opinion")
    assert message.content[-1].text.endswith("has no ")


@streamed_or_not
@pytest.mark.parametrize("model", [GEMINI, MISTRAL, DEPLOYED])
def test_end_that_no_stop_sequence_made(sdk, model, streamed):
    stop = "never" if model == DEPLOYED else "opinion"
    message = answer(sdk, streamed=streamed, model=model, stop_sequences=[stop])
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)


THINK = {"thinking": {"type": "enabled", "budget_tokens": 2000}}


def test_gemini_gets_the_signature_of_its_text_back(sdk, emulator):
    messages = [{"role": "user", "content": "Hello"}]
    first = answer(sdk, streamed=False, model=GEMINI, messages=messages, **THINK)
    assert [block.type for block in first.content] == ["thinking", "thinking", "text"]
    assert not first.content[0].thinking
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": "Go on"}]
    answer(sdk, streamed=False, model=GEMINI, messages=messages, **THINK)
    text = first.content[2].text
    assert emulator.calls[-1].json["contents"][1] == {
        "role": "model",
        "parts": [{"text": text, "thoughtSignature": signature(text)}],
    }


@streamed_or_not
@pytest.mark.parametrize("options", [{}, THINK], ids=["plain", "thinking"])
def test_the_last_block_is_the_answer(sdk, streamed, options):
    """Claude Code prints it, and nothing where it is no text."""
    message = answer(sdk, streamed=streamed, model=GEMINI, **options)
    assert message.content[-1].text.startswith("You said: Hello")


@streamed_or_not
def test_no_signature_is_sent_without_a_request(sdk, streamed):
    message = answer(sdk, streamed=streamed, model=GEMINI)
    assert [block.type for block in message.content] == ["text"]


CODE_TOOLS = ["code_execution_20250522", "code_execution_20250825", "code_execution_20260521"]


@streamed_or_not
@pytest.mark.parametrize("kind", CODE_TOOLS)
def test_code_that_google_runs_comes_as_blocks(sdk, emulator, kind, streamed):
    tools = [{"type": kind, "name": "code_execution"}, WEATHER]
    message = answer(sdk, streamed=streamed, model=GEMINI, tools=tools)
    call, result, text = message.content
    assert (call.type, call.name, call.input) == (
        "server_tool_use",
        "code_execution",
        {"code": "print(6 * 7)\n"},
    )
    assert (result.type, result.tool_use_id) == ("code_execution_tool_result", call.id)
    output = result.content
    assert isinstance(output, anthropic.types.CodeExecutionResultBlock)
    assert (output.stdout, output.stderr, output.return_code, output.content) == ("42\n", "", 0, [])
    assert text.text.startswith("You said: Hello")
    assert message.stop_reason == "end_turn"
    assert {"codeExecution": {}} in emulator.calls[-1].json["tools"]


WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}


@pytest.mark.parametrize("model", [GEMINI, MISTRAL, "meta/llama-4-maverick-17b-128e-instruct-maas"])
def test_blocks_of_code_return_in_the_history(sdk, emulator, model):
    tools = [{"type": CODE_TOOLS[0], "name": "code_execution"}]
    messages = [{"role": "user", "content": "What is 6 * 7?"}]
    first = answer(sdk, streamed=True, model=GEMINI, messages=messages, tools=tools)
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": "Go on"}]
    raw = sdk.messages.with_raw_response.create(model=model, max_tokens=900, messages=messages, tools=tools)
    assert raw.parse().content
    history = json.dumps(emulator.calls[-1].json)
    positions = [history.index(text) for text in ("print(6 * 7)", "42", "You said", "Go on")]
    assert positions == sorted(positions)
    ignored = raw.headers.get("x-vertex-compat-ignored", "")
    assert ("tools.code_execution_20250522" in ignored) == (model != GEMINI)


@streamed_or_not
@pytest.mark.parametrize("output", ["ZeroDivisionError", None])
def test_code_that_failed_has_its_output_in_stderr(sdk, emulator, streamed, output):
    result = {"outcome": "OUTCOME_FAILED"} | ({"output": output} if output else {})
    parts = [{"executableCode": {"language": "PYTHON", "code": "1/0"}}, {"codeExecutionResult": result}]
    content = {"role": "model", "parts": [*parts, {"text": "It fails."}]}
    body = json.dumps({"candidates": [{"content": content, "finishReason": "STOP"}]})
    emulator.script([f"data: {body}\r\n\r\n".encode()] if streamed else body.encode())
    tools = [{"type": CODE_TOOLS[0], "name": "code_execution"}]
    message = answer(sdk, streamed=streamed, model=GEMINI, tools=tools)
    run = message.content[1].content
    assert (run.stdout, run.stderr, run.return_code) == ("", output or "OUTCOME_FAILED", 1)
    assert message.content[2].text == "It fails."


BASH = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "bash_code_execution",
    "input": {"command": "ls"},
}
EDITOR = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "text_editor_code_execution"}


@pytest.mark.parametrize(
    ("call", "kind", "result", "texts"),
    [
        (
            BASH,
            "bash_code_execution",
            {
                "type": "bash_code_execution_result",
                "stdout": "a.txt",
                "stderr": "b",
                "return_code": 2,
                "content": [],
            },
            ["```bash\nls\n```", "```output\na.txt\n```", "```error\nb\n```"],
        ),
        (
            BASH,
            "bash_code_execution",
            {"type": "bash_code_execution_tool_result_error", "error_code": "unavailable"},
            ['```error\n{"error_code":"unavailable"}\n```'],
        ),
        (
            EDITOR | {"input": {"command": "view", "path": "a.txt"}},
            "text_editor_code_execution",
            {"type": "text_editor_code_execution_view_result", "file_type": "text", "content": "Read me"},
            ['```json\n{"command":"view","path":"a.txt"}\n```', "Read me"],
        ),
    ],
)
def test_claude_s_code_is_text_for_another_model(sdk, emulator, call, kind, result, texts):
    blocks = [call, {"type": f"{kind}_tool_result", "tool_use_id": "srvtoolu_1", "content": result}]
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": "Go on"},
    ]
    answer(sdk, streamed=False, model=GEMINI, messages=messages)
    sent_text = "".join(part["text"] for part in emulator.calls[-1].json["contents"][1]["parts"])
    for text in texts:
        assert text in sent_text


def test_output_that_only_claude_can_read_is_named(sdk):
    result = {"type": "encrypted_code_execution_result", "encrypted_stdout": "a", "stderr": "b"}
    result |= {"return_code": 0, "content": []}
    block = {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": result}
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": [block]}]
    raw = sdk.messages.with_raw_response.create(model=GEMINI, max_tokens=900, messages=messages)
    assert raw.headers["x-vertex-compat-ignored"] == "messages.content.encrypted_stdout"


@pytest.mark.parametrize(
    "block",
    [
        BASH | {"input": []},
        BASH | {"input": "ls"},
        {
            "type": "code_execution_tool_result",
            "tool_use_id": "a",
            "content": {"stdout": 5, "return_code": 0},
        },
    ],
)
def test_blocks_of_code_must_have_their_types(sdk, block):
    blocks = [block]
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": blocks}]
    with pytest.raises(anthropic.BadRequestError, match="content"):
        answer(sdk, streamed=False, model=GEMINI, messages=messages)


SERVER_TOOLS = [
    {"type": "code_execution_20250825", "name": "code_execution"},
    {"type": "web_search_20260318", "name": "web_search"},
]


@pytest.mark.parametrize("tools", [SERVER_TOOLS, SERVER_TOOLS[:1], [*SERVER_TOOLS, WEATHER]])
def test_server_tools_are_not_offered_where_none_may_be_used(sdk, emulator, tools):
    message = answer(sdk, streamed=False, model=GEMINI, tools=tools, tool_choice={"type": "none"})
    assert [block.type for block in message.content] == ["text"]
    upstream_body = json.dumps(emulator.calls[-1].json)
    assert "codeExecution" not in upstream_body
    assert "googleSearch" not in upstream_body
