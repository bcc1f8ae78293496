import json

import pytest

TOOL = {
    "name": "get_weather",
    "description": "Weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
EMPTY_TOOL = {"name": "ping", "input_schema": {"type": "object", "properties": {}}}
SONNET = "claude-sonnet-5-5"
SONNET_4_5 = "claude-sonnet-4-5@20250929"
THINKING = {"type": "enabled", "budget_tokens": 1024}
CACHE = {"type": "ephemeral"}
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}


def schema_tool(**schema):
    return {"name": "t", "input_schema": {"type": "object", **schema}}


def user(*content):
    return {
        "role": "user",
        "content": list(content) if content and isinstance(content[0], dict) else content[0],
    }


def assistant(*content):
    return user(*content) | {"role": "assistant"}


def text(words="Hello", **more):
    return {"type": "text", "text": words} | more


def use(call_id="toolu_1", name="get_weather", params=None):
    return {"type": "tool_use", "id": call_id, "name": name, "input": params or {}}


def result(call_id="toolu_1", content="21 °C", **more):
    return {"type": "tool_result", "tool_use_id": call_id, "content": content} | more


def tools_body(*messages, **more):
    return {"tools": [TOOL], "messages": [user("Hi"), *messages]} | more


def message_of(answer):
    body = answer.get_json()
    assert body["type"] == "error"
    return body["error"]["type"], body["error"]["message"]


REFUSED = [
    ({"model": "claude-sonnet-4-5"}, "model: Extra inputs are not permitted"),
    ({"max_tokens": ...}, "max_tokens: Field required"),
    ({"anthropic_version": ...}, "anthropic_version: Field required"),
    ({"anthropic_version": "2023-06-01"}, "anthropic_version: Input should be"),
    ({"messages": ...}, "messages: Field required"),
    ({"messages": []}, "messages: at least one message is required"),
    ({"frequency_penalty": 1}, "frequency_penalty: Extra inputs are not permitted"),
    ({"service_tier": "auto"}, "service_tier: Extra inputs are not permitted"),
    ({"cache_control": CACHE}, "cache_control: Extra inputs are not permitted"),
    ({"system": None}, "system: Input should be a valid list"),
    ({"temperature": None}, "temperature: Input should be a valid number"),
    ({"stop_sequences": None}, "stop_sequences: Input should be a valid list"),
    ({"tools": None}, "tools: Input should be a valid list"),
    ({"temperature": 1.5}, "temperature: Input should be less than or equal to 1"),
    ({"temperature": "1"}, "temperature: Input should be a valid number"),
    ({"temperature": 0.5, "top_p": 0.5}, "`temperature` and `top_p` cannot both be specified"),
    ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
    (
        {"max_tokens": 64001},
        "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens",
    ),
    ({"stop_sequences": [" "]}, "stop_sequences: each stop sequence must contain non-whitespace"),
    ({"messages": [assistant("Hi")]}, 'first message must use the "user" role'),
    ({"messages": [{"role": "system", "content": "x"}, user("Hi")]}, 'Unexpected role "system"'),
    ({"messages": [{"role": "tool", "content": "x"}]}, 'Unexpected role "tool"'),
    ({"messages": [user("")]}, "must have non-empty content"),
    ({"messages": [user(text(""))]}, "text content blocks must be non-empty"),
    ({"messages": [user(text(" "))]}, "must contain non-whitespace text"),
    ({"messages": [user({"type": "image_url"})]}, "Input tag 'image_url' found using 'type'"),
    ({"messages": [user(text("Hi", colour=1))]}, "messages.0.content.0.text.colour: Extra inputs"),
    ({"messages": [user({"type": "text", "text": None})]}, "messages.0.content.0.text.text: Input should be"),
    ({"messages": [user("Hi") | {"name": "Bob"}]}, "messages.0.name: Extra inputs are not permitted"),
    (
        {
            "messages": [
                user("Hi"),
                assistant("So "),
            ]
        },
        "cannot end with trailing whitespace",
    ),
    (
        {"messages": [user({"type": "image", "source": {"type": "url", "url": "gs://b/o"}})]},
        "String should match pattern",
    ),
    (
        {"messages": [user({"type": "image", "source": {"type": "file", "file_id": "f"}})]},
        "Input tag 'file'",
    ),
    (
        {
            "messages": [
                user(
                    {"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "AA=="}}
                )
            ]
        },
        "media_type: Input should be 'image/jpeg'",
    ),
    (
        {
            "messages": [
                user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "*"}})
            ]
        },
        "Invalid base64 data",
    ),
    ({"tools": [TOOL | {"name": "get weather"}]}, "tools.0.custom.name: String should match pattern"),
    ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
    ({"tools": [{"name": "f", "input_schema": {}}]}, "tools.0.custom.input_schema.type: Field required"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "Input tag 'function'"),
    ({"tools": [TOOL | {"parameters": {}}]}, "tools.0.custom.parameters: Extra inputs"),
    ({"tool_choice": {"type": "auto"}}, "may only be specified while providing tools"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "Tool 'x' not found"),
    ({"tools": [schema_tool(anyOf=[])]}, "does not support oneOf, allOf, or anyOf at the top level"),
    ({"tools": [schema_tool(properties={"a[b]": {}})]}, "Property keys should match pattern"),
    ({"tools": [schema_tool(properties={"a": {"items": [{}]}})]}, "must match JSON Schema draft 2020-12"),
    ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice: Input should be an object"),
    ({"tools": [TOOL], "disable_parallel_tool_use": True}, "disable_parallel_tool_use: Extra inputs"),
    ({"messages": [user("Hi"), assistant(use()), user(result())]}, "must define tools"),
    (
        tools_body(assistant(use())),
        "`tool_use` ids were found without `tool_result` blocks immediately after",
    ),
    (tools_body(assistant(use()), user("So?")), "`tool_use` ids were found without `tool_result`"),
    (
        tools_body(assistant(use("a"), use("b")), user(result("a"))),
        "`tool_use` ids were found without `tool_result` blocks immediately after: b",
    ),
    (tools_body(assistant(use()), user(text(), result())), "`tool_use` ids were found without `tool_result`"),
    (tools_body(assistant("So"), user(result())), "unexpected `tool_use_id` found in `tool_result` blocks"),
    (tools_body(assistant(use("a b")), user(result("a b"))), "String should match pattern"),
    (tools_body(assistant(use("a"), use("a")), user(result("a"))), "`tool_use` ids must be unique"),
    (tools_body(assistant(use(params="{}")), user(result())), "input: Input should be a valid dictionary"),
    ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "greater than or equal to 1024"),
    ({"thinking": {"type": "enabled", "budget_tokens": 4000}}, "`max_tokens` must be greater than"),
    ({"thinking": THINKING, "temperature": 0.5}, "`temperature` may only be set to 1 when thinking"),
    ({"thinking": THINKING, "top_k": 5}, "`top_k` must be unset"),
    ({"thinking": THINKING, "top_p": 0.5}, "`top_p` must be greater than or equal to 0.95"),
    (
        {"thinking": THINKING, "tools": [TOOL], "tool_choice": {"type": "any"}},
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    ({"thinking": THINKING, "messages": [user("Hi"), assistant("So")]}, "cannot be prefilled"),
    ({"thinking": {"type": "adaptive"}}, '"thinking.type.adaptive" is not supported'),
    (
        tools_body(assistant(use()), user(result()), thinking=THINKING),
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    ),
    (
        {
            "messages": [
                user("Hi"),
                assistant({"type": "thinking", "thinking": "Hm", "signature": "bogus"}, text("So")),
                user("And?"),
            ]
        },
        "Invalid `signature` in `thinking` block",
    ),
    ({"output_config": {"effort": "low"}}, "output_config.effort: Extra inputs are not permitted"),
    (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        "'additionalProperties' must be explicitly set to false",
    ),
    ({"anthropic_beta": ["files-api-2025-04-14"]}, "Unexpected value(s) `files-api-2025-04-14`"),
    (
        {"system": [text(cache_control=CACHE)] * 5},
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    ({"anthropic_version": "2026-10-21", "top_k": 5}, "top_k: Extra inputs are not permitted"),
    ({"messages": [user("Hi"), assistant(""), user("So?")]}, "must have non-empty content"),
    ({"messages": [user(" ")]}, "must contain non-whitespace text"),
    ({"messages": [5]}, "messages.0: Input should be an object"),
    ({"messages": "Hi"}, "messages: Input should be a valid list"),
    ({"messages": [{"content": "Hi"}]}, "messages.0.role: Field required"),
    ({"max_tokens": 1.5}, "max_tokens: Input should be a valid integer"),
    ({"metadata": "me"}, "metadata: Input should be a valid dictionary"),
    (tools_body(assistant(use()), user(result(), result())), "Found multiple `tool_result` blocks with id"),
    (
        {
            "messages": [
                user("Hi"),
                assistant({"type": "redacted_thinking", "data": "?"}, text()),
                user("So?"),
            ]
        },
        "Invalid `data` in `redacted_thinking` block",
    ),
    ({"tools": [{"name": "f", "input_schema": {"type": "string"}}]}, "Input should be 'object'"),
    ({"tools": [TOOL | {"strict": True}]}, "'additionalProperties' must be explicitly set to false"),
    (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "integer", "minimum": 1}}}},
        "For 'integer' type, properties minimum are not supported",
    ),
    (
        {"output_config": {"format": {"type": "xml", "schema": CLOSED}}},
        "output_config.format.type: Input should be 'json_schema'",
    ),
    (tools_body(assistant(use()), user(result(content=[text("")]))), "text content blocks must be non-empty"),
]


@pytest.mark.parametrize(("body", "expected"), REFUSED, ids=[message for _, message in REFUSED])
def test_claude_4_5_refuses(vertex, body, expected):
    answer = vertex.claude(SONNET_4_5, **body)
    assert answer.status_code == 400
    kind, message = message_of(answer)
    assert kind == "invalid_request_error"
    assert expected in message


REFUSED_BY_MODEL = [
    ("claude-opus-4-8", {"temperature": 1}, "`temperature` is deprecated for this model"),
    ("claude-opus-5", {"top_p": 0.9}, "`top_p` is deprecated for this model"),
    ("claude-opus-4-7", {"thinking": THINKING}, '"thinking.type.enabled" is not supported'),
    ("claude-opus-5-5", {"thinking": {"type": "disabled"}}, '"thinking.type.disabled" is not supported'),
    (
        "claude-opus-4-6",
        {"messages": [user("Hi"), assistant("So")]},
        "does not support assistant message prefill",
    ),
    ("claude-opus-4-6", {"output_config": {"effort": "xhigh"}}, "Supported levels: high, low, max, medium."),
    ("claude-3-haiku@20240307", {"thinking": THINKING}, "not supported by this model"),
    ("claude-3-5-sonnet-v2@20241022", {"max_tokens": 9000}, "9000 > 8192"),
    (
        "claude-fable-5",
        {"tools": [TOOL], "tool_choice": {"type": "any"}},
        "are not supported for this model",
    ),
    (
        "claude-sonnet-4@20250514",
        {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}},
        "output_config.format: Extra inputs are not permitted",
    ),
    (
        "claude-opus-4-8",
        {"thinking": {"type": "adaptive"}, "tools": [TOOL], "tool_choice": {"type": "any"}},
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    (
        "claude-opus-5",
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "xhigh"}},
        "is not supported at effort level",
    ),
    (
        "claude-sonnet-5-5",
        {"tools": [{"type": "computer_20251124", "name": "computer"}]},
        "does not support tool types: computer_20251124",
    ),
]


@pytest.mark.parametrize(("name", "body", "message"), REFUSED_BY_MODEL)
def test_claude_refuses_what_a_model_lacks(vertex, name, body, message):
    answer = vertex.claude(name, **body)
    assert answer.status_code == 400
    assert message in message_of(answer)[1]


ACCEPTED = [
    (SONNET_4_5, {"system": "Be short.", "metadata": {"user_id": "a"}, "top_k": 5}),
    (SONNET_4_5, {"messages": [user("Hi"), user("there"), assistant("So")]}),
    (SONNET, {"messages": [user(text(citations=None, cache_control=None))]}),
    (SONNET, tools_body(assistant("Look:"), assistant(use()), user(result(), text("Well?")))),
    (
        SONNET,
        tools_body(assistant(use("a"), use("b")), user(result("b")), user(result("a", is_error=True))),
    ),
    (SONNET, tools_body(assistant(use()), user(result(content=[text("21")])))),
    (SONNET, {"anthropic_beta": ["context-1m-2025-08-07"]}),
    (SONNET_4_5, {"thinking": {"type": "disabled"}, "temperature": 0.2}),
    ("claude-opus-5", {"thinking": {"type": "adaptive"}, "tools": [TOOL], "tool_choice": {"type": "any"}}),
    ("claude-opus-4-6", {"thinking": THINKING}),
    ("claude-opus-4-8", {"thinking": {"type": "adaptive", "display": "summarized"}}),
    (
        "claude-opus-5-5",
        {"output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": CLOSED}}},
    ),
    ("claude-haiku-4-5@20251001", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    (
        SONNET_4_5,
        {
            "thinking": {"type": "enabled", "budget_tokens": 5000},
            "headers": {"anthropic_beta": "interleaved-thinking-2025-05-14"},
        },
    ),
]


@pytest.mark.parametrize(("name", "body"), ACCEPTED)
def test_claude_accepts(vertex, name, body):
    answer = vertex.claude(name, **body)
    assert answer.status_code == 200, answer.text


def folded(events):
    """Join a stream as a client does; the first event must be the message, the last the stop."""
    assert events[0]["type"] == "message_start"
    assert events[-1]["type"] == "message_stop"
    message = events[0]["message"]
    open_block = None
    for event in events[1:]:
        match event:
            case {"type": "content_block_start", "index": index, "content_block": block}:
                assert open_block is None
                assert index == len(message["content"])
                open_block = dict(block) | ({"input": ""} if block["type"] == "tool_use" else {})
            case {"type": "content_block_delta", "delta": {"type": kind} as delta}:
                name = {"input_json_delta": "partial_json"}.get(kind, kind.removesuffix("_delta"))
                target = {"partial_json": "input"}.get(name, name)
                open_block[target] += delta[name]
            case {"type": "content_block_stop"}:
                if open_block["type"] == "tool_use":
                    open_block["input"] = json.loads(open_block["input"] or "{}")
                message["content"].append(open_block)
                open_block = None
            case {"type": "message_delta", "delta": delta, "usage": usage}:
                message |= delta
                message["usage"] = message["usage"] | usage
    return message


BODIES = [
    (SONNET, {}),
    (SONNET, {"max_tokens": 7}),
    (SONNET, {"stop_sequences": ["opinion", "zzz"]}),
    (SONNET_4_5, {"thinking": THINKING}),
    (SONNET_4_5, {"thinking": THINKING, "messages": [user("redacted?")]}),
    (SONNET, {"tools": [TOOL], "messages": [user("Use the tool in parallel")]}),
    (SONNET, {"tools": [EMPTY_TOOL], "messages": [user("Use ping")]}),
    (SONNET_4_5, {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "get_weather"}}),
    (SONNET, tools_body(assistant(use()), user(result()))),
    (SONNET, {"system": [text("Long and cached", cache_control=CACHE)]}),
    ("claude-opus-5-5", {}),
    ("claude-opus-4-8", {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}}),
    ("claude-emulator-refusal", {}),
    ("claude-emulator-blocked", {}),
]


def without_ids(message):
    blocks = [
        {name: block[name] for name in block if name not in {"id", "citations"}}
        for block in message["content"]
    ]
    return message | {"id": "", "content": blocks, "stop_details": message.get("stop_details")}


@pytest.mark.parametrize(("name", "body"), BODIES)
def test_claude_stream_equals_whole_answer(vertex, name, body):
    whole = vertex.claude(name, **body).get_json()
    assert without_ids(folded(vertex.claude_stream(name, **body))) == without_ids(whole)
    assert whole["id"].startswith("msg_vrtx_")
    assert "@" not in whole["model"]


def test_thinking_that_comes_back_as_it_was_is_accepted(vertex):
    params = {"thinking": THINKING, "tools": [TOOL], "messages": [user("Use the tool")]}
    first = vertex.claude(SONNET_4_5, **params).get_json()
    kinds = [block["type"] for block in first["content"]]
    assert kinds == ["thinking", "text", "tool_use"]
    assert first["stop_reason"] == "tool_use"
    back = [*params["messages"], assistant(*first["content"]), user(result(first["content"][-1]["id"]))]
    second = vertex.claude(SONNET_4_5, **params | {"messages": back})
    assert second.status_code == 200, second.text
    assert "21 °C" in second.get_json()["content"][-1]["text"]

    first["content"][0]["thinking"] += "!"
    third = vertex.claude(SONNET_4_5, **params | {"messages": back})
    assert "Invalid `signature`" in message_of(third)[1]


def test_two_calls_come_unless_parallel_use_is_disabled(vertex):
    params = {"tools": [TOOL], "messages": [user("Use the tool in parallel")]}
    for choice, calls in (({"type": "any"}, 2), ({"type": "any", "disable_parallel_tool_use": True}, 1)):
        content = vertex.claude(SONNET_4_5, tool_choice=choice, **params).get_json()["content"]
        assert [block["type"] for block in content] == ["tool_use"] * calls


def test_the_stop_sequence_is_named(vertex):
    answer = vertex.claude(SONNET_4_5, stop_sequences=["opinion"]).get_json()
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", "opinion")
    assert "opinion" not in answer["content"][0]["text"]


def test_cached_tokens_are_beside_the_input_tokens(vertex):
    plain = vertex.claude(SONNET, system=[text("Long and cached")]).get_json()["usage"]
    cached = vertex.claude(SONNET, system=[text("Long and cached", cache_control=CACHE)]).get_json()["usage"]
    assert cached["cache_creation_input_tokens"] > 0
    assert cached["input_tokens"] < plain["input_tokens"]


def test_newest_models_think_without_showing_it(vertex):
    thinking = vertex.claude("claude-opus-5-5").get_json()["content"][0]
    assert (thinking["type"], thinking["thinking"]) == ("thinking", "")
    assert thinking["signature"]


def test_the_frames_of_a_claude_stream_are_the_recorded_ones(vertex):
    answer = vertex.claude(SONNET, stream=True)
    assert answer.data.startswith(b"event: message_start\ndata: {")
    assert b"event: ping\n" in answer.data
    assert b" }\n\n" in answer.data
    assert b"[DONE]" not in answer.data
    again = vertex.claude(SONNET, stream=True)
    assert len(again.data.split(b"\n\n")) == len(answer.data.split(b"\n\n"))


def test_stream_path_without_stream_field_is_a_whole_answer(vertex):
    body = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 9, "messages": [user("Hi")]}
    answer = vertex.post(f"/publishers/anthropic/models/{SONNET}:streamRawPredict", body)
    assert answer.get_json()["type"] == "message"


def test_unknown_claude_models_get_googles_error(vertex):
    answer = vertex.claude("claude-nonexistent-9")
    assert answer.status_code == 404
    assert (
        "publishers/anthropic/models/claude-nonexistent-9` not found" in answer.get_json()["error"]["message"]
    )


def test_tokens_are_counted_under_the_literal_name(vertex):
    path = "/publishers/anthropic/models/count-tokens:rawPredict"
    body = {"anthropic_version": "vertex-2023-10-16", "messages": [user("Hello, wörld")]}
    counted = vertex.post(path, body | {"model": "claude-sonnet-4-5"}).get_json()
    assert counted == {"input_tokens": vertex.claude(SONNET_4_5).get_json()["usage"]["input_tokens"]}
    dated = vertex.post(path, body | {"model": SONNET_4_5})
    assert "not supported for token counting" in message_of(dated)[1]
    assert "model: Field required" in message_of(vertex.post(path, body))[1]
