"""Anthropic's own SDK with every publisher, against the strict emulator."""

import base64
import json

import anthropic
import httpx2 as httpx
import pytest
from helpers.fixtures import MODELS

CLAUDE = "claude-opus-4-8"
GEMINI = "gemini-3.8-flash"
CHATTING = {**MODELS, "google": GEMINI, "anthropic": CLAUDE}
WEATHER = {
    "name": "get_weather",
    "description": "The weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

each_publisher = pytest.mark.parametrize("model", CHATTING.values(), ids=CHATTING.keys())


@pytest.fixture
def sdk(front_door):
    with anthropic.Anthropic(base_url=front_door.url, api_key="sk-test", max_retries=0) as client:
        yield client


def ask(client, *, streamed, **params):
    params = {"max_tokens": 500, "messages": [{"role": "user", "content": "Hello"}]} | params
    if not streamed:
        return client.messages.create(**params)
    with client.messages.stream(**params) as stream:
        return stream.get_final_message()


both_ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@each_publisher
@both_ways
def test_every_publisher_answers(sdk, model, streamed):
    message = ask(sdk, streamed=streamed, model=model)
    assert message.content[0].text.startswith("You said: Hello")
    assert (message.role, message.model, message.stop_reason) == ("assistant", model, "end_turn")
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


@pytest.mark.parametrize(
    "model", [CLAUDE, GEMINI, "mistral-medium-3", "meta/llama-4-maverick-17b-128e-instruct-maas"]
)
@both_ways
def test_a_tool_is_called_and_its_result_read(sdk, model, streamed):
    messages = [{"role": "user", "content": "What is the weather? Use the tools."}]
    called = ask(sdk, streamed=streamed, model=model, messages=messages, tools=[WEATHER])
    assert called.stop_reason == "tool_use"
    (use,) = [block for block in called.content if block.type == "tool_use"]
    assert use.name == "get_weather"
    assert isinstance(use.input, dict)
    result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "Sunny"}]}
    messages += [{"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    answer = ask(sdk, streamed=streamed, model=model, messages=messages, tools=[WEATHER])
    assert answer.stop_reason == "end_turn"


def test_claude_gets_the_body_unchanged(app, emulator):
    body = {
        "model": CLAUDE,
        "max_tokens": 20,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "metadata": {"user_id": "u"},
        "stop_sequences": ["END"],
    }
    response = app.post("/v1/messages?beta=true", json=body)
    assert response.status_code == 200
    assert response.json["model"] == CLAUDE
    upstream_body = json.loads(emulator.calls[0].body)
    assert upstream_body.pop("anthropic_version") == "vertex-2023-10-16"
    assert upstream_body == {name: value for name, value in body.items() if name != "model"}


def test_betas_go_upstream_twice_and_unknown_ones_are_named(app, emulator):
    headers = {"anthropic-beta": "context-1m-2025-08-07, of-tomorrow-2027-01-01"}
    body = {"model": CLAUDE, "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}
    response = app.post("/v1/messages", json=body, headers=headers)
    call = emulator.calls[-1]  # the first one is refused for the beta that is not known
    assert json.loads(call.body)["anthropic_beta"] == ["context-1m-2025-08-07"]
    assert call.headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert response.headers["x-vertex-compat-ignored"] == "anthropic_beta"


def test_thinking_of_gemini_comes_back_and_is_kept_from_claude(sdk, emulator):
    think = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000, "tools": [WEATHER]}
    messages = [{"role": "user", "content": "Think, then use the tools."}]
    first = ask(sdk, streamed=True, model=GEMINI, messages=messages, **think)
    assert first.content[0].type == "thinking"
    (use,) = [block for block in first.content if block.type == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "Sunny"}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    assert ask(sdk, streamed=False, model=GEMINI, messages=messages, **think).stop_reason == "end_turn"
    assert "thoughtSignature" in emulator.calls[-1].body.decode()
    del think["thinking"]
    assert ask(sdk, streamed=False, model=CLAUDE, messages=messages, **think).stop_reason == "end_turn"
    assert "vc1." not in emulator.calls[-1].body.decode()


def test_blocks_of_every_kind_reach_gemini(app, emulator):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    pdf = base64.b64encode(b"%PDF-1.4\n%%EOF").decode()
    body = {
        "model": GEMINI,
        "max_tokens": 50,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=1;"},
            {"type": "text", "text": "Be brief."},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    image,
                    {
                        "type": "document",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": pdf},
                    },
                    {"type": "document", "title": "T", "source": {"type": "text", "data": "Plain"}},
                    {"type": "text", "text": "Look"},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": [image]},
                    {"type": "text", "text": "And now?"},
                ],
            },
            {"role": "system", "content": "A reminder."},
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
    }
    response = app.post("/v1/messages", json=body)
    assert response.status_code == 200, response.json
    upstream_body = json.loads(emulator.calls[0].body)
    texts = [part.get("text") for part in upstream_body["systemInstruction"]["parts"]]
    assert texts == ["Be brief.", "A reminder."]
    first = upstream_body["contents"][0]["parts"]
    assert [next(iter(part)) for part in first] == ["inlineData", "inlineData", "text", "text"]
    assert 'title="T"' in first[2]["text"]


def test_client_run_tools_become_functions_and_keep_their_names(app, emulator):
    tools = [
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "user_location": {"type": "approximate", "city": "X"},
        },
        {"type": "web_fetch_20250910", "name": "web_fetch"},
    ]
    body = {
        "model": "mistral-medium-3",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": tools,
    }
    response = app.post("/v1/messages", json=body)
    assert response.status_code == 200, response.json
    names = [tool["function"]["name"] for tool in json.loads(emulator.calls[0].body)["tools"]]
    assert names == ["bash", "str_replace_based_edit_tool"]
    ignored = response.headers["x-vertex-compat-ignored"]
    assert "tools.web_fetch_20250910" in ignored
    assert "tools.web_search" in ignored


def test_web_search_is_gemini_s_own(app, emulator):
    body = {
        "model": GEMINI,
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [{"type": "web_search_20260318", "name": "web_search"}],
    }
    response = app.post("/v1/messages", json=body)
    assert response.status_code == 200
    assert {"googleSearch": {}} in json.loads(emulator.calls[0].body)["tools"]


@pytest.mark.parametrize(
    ("choice", "mode"),
    [
        ({"type": "any"}, {"mode": "ANY"}),
        ({"type": "tool", "name": "get_weather"}, {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}),
        ({"type": "none"}, {"mode": "NONE"}),
        ({"type": "auto"}, {"mode": "AUTO"}),
    ],
)
def test_tool_choice_reaches_gemini(app, emulator, choice, mode):
    body = {
        "model": GEMINI,
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [WEATHER],
        "tool_choice": choice,
    }
    assert app.post("/v1/messages", json=body).status_code == 200
    assert json.loads(emulator.calls[0].body)["toolConfig"]["functionCallingConfig"] == mode


HELLO = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": GEMINI, "messages": HELLO}, "max_tokens"),
        ({"max_tokens": 5, "messages": HELLO}, "model"),
        (
            {"model": GEMINI, "max_tokens": 5, "messages": [{"role": "user", "content": 5}]},
            "messages[0].content",
        ),
        (
            {"model": GEMINI, "max_tokens": 5, "messages": HELLO, "tools": [{"input_schema": {}}]},
            "tools[0].name",
        ),
        (
            {
                "model": "mistral-medium-3",
                "max_tokens": 5,
                "messages": [
                    *HELLO,
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "See"},
                            {"type": "image", "source": {"type": "file", "file_id": "f"}},
                        ],
                    },
                ],
            },
            "messages[1].content[1].source",
        ),
        ({"model": GEMINI, "max_tokens": 5, "messages": HELLO, "mcp_servers": [{}]}, "mcp_servers"),
    ],
)
def test_wrong_requests_get_anthropic_s_error(app, body, param):
    response = app.post("/v1/messages", json=body)
    assert response.status_code == 400
    assert response.json["type"] == "error"
    assert response.json["error"]["type"] == "invalid_request_error"
    assert param in response.json["error"]["message"]
    assert response.headers["request-id"] == response.json["request_id"]


@pytest.mark.parametrize(
    ("path", "headers", "status", "kind"),
    [
        ("/v1/messages", {}, 400, "invalid_request_error"),
        ("/v1/messages/batches", {}, 400, "invalid_request_error"),
        ("/v1/unknown", {"anthropic-version": "2023-06-01"}, 404, "not_found_error"),
    ],
)
def test_errors_before_the_operation_have_anthropic_s_form(app, path, headers, status, kind):
    response = app.post(path, data=b"[]", headers=headers)
    assert (response.status_code, response.json["error"]["type"]) == (status, kind)


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("claude-emulator-status-429", anthropic.RateLimitError),
        ("gemini-emulator-status-429", anthropic.RateLimitError),
        ("claude-emulator-status-503", anthropic.OverloadedError),
        ("gemini-emulator-status-404", anthropic.NotFoundError),
        ("no-such-model", anthropic.NotFoundError),
    ],
)
def test_the_sdk_raises_its_own_errors(sdk, model, error):
    with pytest.raises(error) as raised:
        ask(sdk, streamed=False, model=model)
    assert raised.value.body["type"] == "error"
    assert raised.value.request_id


@pytest.mark.parametrize("model", ["claude-emulator-cut-2", "gemini-emulator-cut-2"])
def test_a_cut_stream_ends_with_an_error_event(sdk, model):
    with pytest.raises(anthropic.APIStatusError, match=r"broke|ended"):
        ask(sdk, streamed=True, model=model)


def test_keys_are_taken_as_anthropic_s_clients_send_them(serve):
    server = serve(VERTEX_COMPAT_API_KEYS="sk-secret-of-the-tests")
    body = {"model": CLAUDE, "max_tokens": 5, "messages": HELLO}
    url = f"{server.url}/v1/messages"
    assert httpx.post(url, json=body, headers={"x-api-key": "sk-secret-of-the-tests"}).status_code == 200
    bearer = {"Authorization": "Bearer sk-secret-of-the-tests"}
    assert httpx.post(url, json=body, headers=bearer).status_code == 200
    refused = httpx.post(url, json=body, headers={"x-api-key": "wrong"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")


def test_head_of_the_root_is_answered(front_door):
    assert httpx.head(front_door.url).status_code == 200


def test_a_dry_run_shows_the_call(app, emulator):
    body = {"model": CLAUDE, "max_tokens": 5, "messages": HELLO}
    dry_run = app.post("/v1/messages", json=body, headers={"x-vertex-compat-debug": "request"}).json
    assert dry_run["url"].endswith(":rawPredict")
    assert emulator.calls == []


@pytest.mark.parametrize("model", [CLAUDE, "claude-sonnet-5-5", GEMINI])
def test_tokens_are_counted_by_the_model_s_publisher(app, emulator, model):
    body = {
        "model": model,
        "system": "Be brief.",
        "messages": HELLO,
        "tools": [WEATHER],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "adaptive"} if model == CLAUDE else {"type": "disabled"},
    }
    response = app.post("/v1/messages/count_tokens?beta=true", json=body)
    assert response.json.keys() == {"input_tokens"}
    assert response.json["input_tokens"] > 5
    path = emulator.calls[0].path
    if model == GEMINI:
        assert path.endswith(f"{GEMINI}:countTokens")
    else:
        assert path.endswith("locations/us-east5/publishers/anthropic/models/count-tokens:rawPredict")


def test_counting_for_a_model_without_it_is_an_error(app):
    body = {"model": "mistral-medium-3", "messages": HELLO}
    response = app.post("/v1/messages/count_tokens", json=body)
    assert (response.status_code, response.json["error"]["type"]) == (404, "not_found_error")
    assert "count tokens" in response.json["error"]["message"]


def test_the_sdk_counts_and_lists(sdk):
    counted = sdk.messages.count_tokens(model=CLAUDE, messages=HELLO)
    assert counted.input_tokens > 0
    listed = list(sdk.models.list(limit=5))
    assert len(listed) > 5
    assert CLAUDE in {model.id for model in listed}
    assert sdk.models.retrieve(CLAUDE).max_input_tokens
    first = sdk.models.list(limit=1)
    assert first.has_more
    assert sdk.models.list(limit=1, before_id=listed[1].id).data[0].id == listed[0].id


SEALED = {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "vc1.e30="}]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {"model": CLAUDE, "max_tokens": 5, "messages": [[1], SEALED]}),
        ("/v1/messages", {"model": CLAUDE, "max_tokens": 5, "messages": {"a": SEALED}}),
        ("/v1/messages", {"model": GEMINI, "max_tokens": 5, "messages": HELLO, "output_format": [1]}),
        ("/v1/messages/count_tokens", {"model": GEMINI, "messages": HELLO, "metadata": [1]}),
        ("/v1/messages/count_tokens", {"model": GEMINI, "messages": HELLO, "max_tokens": {}}),
    ],
)
def test_values_of_a_wrong_type_are_a_400(app, path, body):
    response = app.post(path, json=body)
    assert (response.status_code, response.json["error"]["type"]) == (400, "invalid_request_error")
