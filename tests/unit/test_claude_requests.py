"""Requests to Claude: thinking, tools, answers in JSON, files, and incomplete histories."""

import pytest
from helpers.fixtures import RecordingTransport, function, post, question, upstream_call

from vertex_compat.publishers.anthropic.chat.chat import CHAT
from vertex_compat.routing.catalog import CATALOG
from vertex_compat.types import Model

PDF = "data:application/pdf;base64,JVBERi0xLjQ="
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
OPEN_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
MAP_SCHEMA = {"type": "object", "additionalProperties": {"type": "integer"}}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}
FORCED = {"type": "function", "function": {"name": "weather"}}
OLDER = "claude-sonnet-4-5"
"""Thinks within a budget, and its calls can be forced."""

FORCIBLE = "claude-opus-4-8"
"""Current, and its calls can be forced."""

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


def translated(model="claude-sonnet-5-5", **more):
    return upstream_call(question("anthropic", **more) | {"model": model}, VERTEX_COMPAT_FETCH="off")


def request(body, model="claude-sonnet-5-5", refused=()):
    """The call for a model that has refused optional features."""
    resource = f"publishers/anthropic/models/{model}"
    target = Model(
        model,
        "anthropic",
        model,
        resource,
        ("global",),
        profile=CATALOG.profile("anthropic", model),
        refused_features=frozenset(refused),
    )
    return CHAT.request(question("anthropic") | body, target)


def refused(**more):
    notes = RecordingTransport()
    answer = post(function(notes), question("anthropic", **more))
    assert not notes.calls
    assert answer.status_code == 400
    return answer.json["error"]


def with_schema(schema):
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}


def loop(*thoughts, results=True):
    """A conversation whose last call is being answered."""
    call = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Is it raining?"},
        {"role": "assistant", "content": None, "tool_calls": [call], "thinking_blocks": [*thoughts]},
    ]
    return messages + [{"role": "tool", "tool_call_id": "toolu_1", "content": "Yes"}] * results


# Thinking


@pytest.mark.parametrize(
    ("effort", "budget"),
    [("minimal", 1024), ("low", 1024), ("medium", 2048), ("high", 4096), ("xhigh", 8192), ("max", 16384)],
)
def test_older_models_think_within_a_budget(effort, budget):
    call = translated(OLDER, reasoning_effort=effort)
    assert call.body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert call.ignored == ()


@pytest.mark.parametrize(
    ("model", "effort", "level", "ignored"),
    [
        ("claude-opus-5", "low", "low", ()),
        ("claude-opus-5", "minimal", "low", ("reasoning_effort",)),
        ("claude-opus-4-7", "xhigh", "xhigh", ()),
        ("claude-sonnet-4-6", "xhigh", "max", ("reasoning_effort",)),
        ("claude-sonnet-9", "high", "high", ()),
    ],
)
def test_newer_models_get_adaptive_thinking_and_effort(model, effort, level, ignored):
    call = translated(model, reasoning_effort=effort)
    assert call.body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert call.body["output_config"] == {"effort": level}
    assert call.ignored == ignored


@pytest.mark.parametrize(
    ("limit", "thinking"),
    [(9000, 4096), (4097, 4096), (4096, 2048), (1500, 1024), (1025, 1024), (1024, None), (1, None)],
)
def test_a_budget_is_always_below_the_limit(limit, thinking):
    call = translated(OLDER, reasoning_effort="high", max_tokens=limit)
    assert call.body["max_tokens"] == limit
    assert call.body.get("thinking", {}).get("budget_tokens") == thinking
    assert call.ignored == (() if thinking == 4096 else ("reasoning_effort",))


@pytest.mark.parametrize(
    ("model", "thinking", "expected", "ignored"),
    [
        (
            "claude-sonnet-4-5",
            {"type": "enabled", "budget_tokens": 5000},
            {"type": "enabled", "budget_tokens": 5000},
            (),
        ),
        (
            "claude-sonnet-4-5",
            {"type": "enabled", "budget_tokens": 7},
            {"type": "enabled", "budget_tokens": 1024},
            ("thinking",),
        ),
        ("claude-sonnet-4-5", {"type": "disabled"}, None, ()),
        ("claude-sonnet-4-5", {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 2048}, ()),
        ("claude-3-5-haiku", {"type": "enabled"}, None, ("thinking",)),
        (
            "claude-sonnet-4-6",
            {"type": "enabled", "budget_tokens": 5000},
            {"type": "enabled", "budget_tokens": 5000},
            (),
        ),
        (
            "claude-opus-5",
            {"type": "enabled", "budget_tokens": 5000},
            {"type": "adaptive", "display": "summarized"},
            ("thinking",),
        ),
        (
            "claude-opus-5",
            {"type": "adaptive", "display": "omitted"},
            {"type": "adaptive", "display": "omitted"},
            (),
        ),
        ("claude-opus-5", {"type": "disabled"}, {"type": "disabled"}, ()),
        ("claude-opus-5-5", {"type": "disabled"}, None, ("thinking",)),
    ],
)
def test_anthropic_s_own_words_are_taken(model, thinking, expected, ignored):
    call = translated(model, thinking=thinking)
    assert call.body.get("thinking") == expected
    assert call.ignored == ignored


@pytest.mark.parametrize(
    "thinking", [True, "enabled", {}, {"type": "loud"}, {"type": "enabled", "budget_tokens": "x"}]
)
def test_thinking_of_no_known_form_is_refused(thinking):
    assert refused(thinking=thinking)["param"] == "thinking"


@pytest.mark.parametrize(
    ("model", "params", "expected"),
    [
        (
            "claude-sonnet-4-5",
            {"temperature": 0.5, "top_p": 0.9, "top_k": 3, "reasoning_effort": "low"},
            set(),
        ),
        (
            "claude-sonnet-4",
            {"temperature": 1, "top_p": 0.95, "reasoning_effort": "low"},
            {"temperature", "top_p"},
        ),
        ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 0.9, "top_k": 3}, {"temperature", "top_k"}),
        ("claude-opus-5", {"temperature": 1, "top_p": 1, "top_k": 3}, set()),
        ("claude-3-5-haiku", {"temperature": 0, "top_p": 0.9, "top_k": 3}, {"temperature", "top_p", "top_k"}),
    ],
)
def test_sampling_that_the_model_refuses_is_left_out_and_named(model, params, expected):
    call = translated(model, **params)
    assert {"temperature", "top_p", "top_k"} & call.body.keys() == expected
    assert set(call.ignored) == params.keys() - expected - {"reasoning_effort"}


# Thoughts in history


def test_thoughts_go_back_as_they_were_and_first():
    redacted = {"type": "redacted_thinking", "data": "eA=="}
    messages = loop(THOUGHT | {"cache_control": None}, redacted)
    for model, thinking in ((OLDER, "enabled"), ("claude-sonnet-5-5", "adaptive")):
        call = translated(model, messages=messages, tools=[WEATHER], reasoning_effort="low")
        assert call.body["messages"][1]["content"][:2] == [THOUGHT, redacted]
        assert call.body["thinking"]["type"] == thinking


@pytest.mark.parametrize(
    "block", [THOUGHT | {"signature": ""}, {"type": "thinking", "thinking": "Hm."}, {"type": "other"}]
)
def test_older_model_whose_thoughts_are_lost_does_not_think(block):
    call = translated(OLDER, messages=loop(block), tools=[WEATHER], reasoning_effort="low")
    assert "thinking" not in call.body
    assert call.ignored == ("reasoning_effort",)
    assert [item["type"] for item in call.body["messages"][1]["content"]] == ["tool_use"]


def test_an_adaptive_model_needs_no_thoughts_back():
    call = translated("claude-opus-5", messages=loop(), tools=[WEATHER], reasoning_effort="low")
    assert call.body["thinking"]["type"] == "adaptive"


# Tools


def test_history_tools_are_declared_when_client_sends_none():
    call = translated(messages=loop())
    assert call.body["tools"] == [{"name": "weather", "input_schema": {"type": "object"}}]
    assert call.body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("params", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "tool", "name": "weather"}),
        ({"tool_choice": FORCED}, {"type": "tool", "name": "weather"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, None),
    ],
)
def test_the_choice_of_tools(params, choice):
    assert translated(FORCIBLE, tools=[WEATHER], **params).body.get("tool_choice") == choice


def test_a_demanded_call_comes_before_thinking_within_a_budget():
    call = translated(OLDER, tools=[WEATHER], tool_choice="required", reasoning_effort="low")
    assert "thinking" not in call.body
    assert call.ignored == ("reasoning_effort",)


def test_model_that_cannot_be_forced_gets_an_instruction():
    call = translated("claude-fable-5", tools=[WEATHER], tool_choice=FORCED)
    assert call.body["tool_choice"] == {"type": "auto"}
    assert "weather" in call.body["system"][-1]["text"]
    assert call.ignored == ("tool_choice",)


def test_illegal_tool_name_is_renamed_and_restored():
    name = "naïve.tool/1"
    call = translated(tools=[{"type": "function", "function": {"name": name}}])
    (legal_name,) = call.tool_names
    assert call.tool_names[legal_name] == name
    assert call.body["tools"] == [{"name": legal_name, "input_schema": {"type": "object"}}]


def test_strict_is_dropped_for_schemas_with_any_property_names():
    def tool(schema):
        return {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}

    assert translated(tools=[tool(SCHEMA)]).body["tools"][0]["strict"] is True
    assert translated(tools=[tool(OPEN_SCHEMA)]).body["tools"][0]["strict"] is True
    call = translated(tools=[tool(MAP_SCHEMA)])
    assert "strict" not in call.body["tools"][0]
    assert call.ignored == ("tools.function.strict",)


def test_web_search_is_the_tool_that_vertex_has():
    place = {"type": "approximate", "approximate": {"city": "Paris", "country": "FR"}}
    call = translated(web_search_options={"user_location": place})
    location = {"type": "approximate", "city": "Paris", "country": "FR"}
    assert call.body["tools"] == [
        {"type": "web_search_20250305", "name": "web_search", "user_location": location}
    ]
    assert call.body["anthropic_beta"] == ["web-search-2025-03-05"]
    assert not call.ignored
    assert translated(web_search_options={"search_context_size": "low"}).ignored == (
        "web_search_options.search_context_size",
    )


def test_a_tool_of_another_publisher_is_dropped_and_named():
    call = translated(tools=[WEATHER, {"googleSearch": {}}, {"type": "image_generation"}])
    assert [tool["name"] for tool in call.body["tools"]] == ["weather"]
    assert call.ignored == ("tools.googleSearch", "tools.image_generation")


@pytest.mark.parametrize(
    "betas", [["context-1m-2025-08-07", "of-tomorrow"], "context-1m-2025-08-07, of-tomorrow"]
)
def test_unknown_beta_is_sent_until_it_is_refused(betas):
    call = translated(anthropic_beta=betas)
    assert call.body["anthropic_beta"] == ["context-1m-2025-08-07", "of-tomorrow"]
    assert call.headers["anthropic-beta"] == "context-1m-2025-08-07,of-tomorrow"
    assert call.optional_features == ("anthropic_beta.of-tomorrow",)
    call = request({"anthropic_beta": betas}, refused={"anthropic_beta.of-tomorrow"})
    assert call.body["anthropic_beta"] == ["context-1m-2025-08-07"]
    assert call.ignored == ("anthropic_beta",)


# Answers in JSON


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-5", "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"]
)
def test_a_schema_is_a_structured_output_from_claude_4_5_on(model):
    call = translated(model, response_format=with_schema(SCHEMA))
    assert call.body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert call.optional_features == ("policy.structured_outputs", "messages.schema")
    assert "tools" not in call.body
    assert call.json_answer.source == "constrained"
    assert call.ignored == ()


def test_limits_of_a_schema_become_descriptions():
    schema = translated(response_format=with_schema(OPEN_SCHEMA)).body["output_config"]["format"]["schema"]
    assert schema == {
        "type": "object",
        "properties": {"a": {"type": "integer", "description": "(minimum: 1)"}},
        "additionalProperties": False,
    }


@pytest.mark.parametrize("root", [{"type": "array", "items": {"type": "string"}}, {"enum": ["a", "b"]}])
def test_a_root_that_is_no_object_is_wrapped(root):
    call = translated(response_format=with_schema(root))
    schema = call.body["output_config"]["format"]["schema"]
    assert schema["type"] == "object"
    assert schema["properties"] == {"value": root}
    assert call.json_answer.wrapped


@pytest.mark.parametrize(
    ("model", "schema"),
    [("claude-sonnet-4", SCHEMA), ("claude-3-7-sonnet", OPEN_SCHEMA), ("claude-opus-5", MAP_SCHEMA)],
)
def test_other_models_answer_by_a_forced_call(model, schema):
    call = translated(model, response_format=with_schema(schema))
    assert call.body["tools"][0]["input_schema"] == schema
    assert call.body["tool_choice"] == {"type": "tool", "name": call.json_answer.tool}
    assert call.ignored == ()


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-1"])
def test_unforced_answer_call_gets_an_instruction(model):
    call = translated(model, response_format=with_schema(MAP_SCHEMA))
    assert call.body["tool_choice"] == {"type": "auto"}
    assert call.json_answer.tool in call.body["system"][-1]["text"]
    assert call.ignored == ("response_format",)


def test_a_refused_structured_output_becomes_a_tool():
    body = {"response_format": with_schema(SCHEMA)}
    call = request(body, FORCIBLE, refused={"policy.structured_outputs"})
    assert call.body["tool_choice"] == {"type": "tool", "name": "json_tool_call"}
    assert "output_config" not in call.body


def test_json_without_a_schema_is_an_instruction():
    call = translated(response_format={"type": "json_object"})
    assert "tools" not in call.body
    assert "JSON object" in call.body["system"][-1]["text"]
    assert call.json_answer.source == "text"


def test_with_tools_one_of_them_or_the_answer_is_demanded():
    call = translated("claude-sonnet-4", response_format=with_schema(SCHEMA), tools=[WEATHER])
    assert [tool["name"] for tool in call.body["tools"]] == ["weather", call.json_answer.tool]
    assert call.body["tool_choice"] == {"type": "any"}


def test_answer_call_with_thinking_budget_gets_an_instruction():
    call = translated("claude-sonnet-4", response_format=with_schema(SCHEMA), reasoning_effort="low")
    assert call.body["thinking"]["type"] == "enabled"
    assert call.body["tool_choice"] == {"type": "auto"}
    assert call.json_answer.tool in call.body["system"][-1]["text"]


@pytest.mark.parametrize("shape", [{"type": "xml"}, {"type": "json_schema"}])
def test_a_response_format_of_no_known_kind_is_refused(shape):
    assert refused(response_format=shape)["param"] == "response_format"


# Files


def part(kind, **fields):
    return {"type": kind, kind: fields}


@pytest.mark.parametrize(
    ("params", "block"),
    [
        (
            part("image_url", url="data:image/jpg;base64,_-8"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/+8="}},
        ),
        (
            part("image_url", url="https://example.com/cat"),
            {"type": "image", "source": {"type": "url", "url": "https://example.com/cat"}},
        ),
        (
            part("file", file_data=PDF, filename="a.pdf"),
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="},
            },
        ),
        (
            part("file", file_data="data:text/csv,a%3Bb"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a;b"}},
        ),
    ],
)
def test_files_become_blocks(params, block):
    call = translated(
        messages=[{"role": "user", "content": [params | {"cache_control": {"type": "ephemeral"}}]}]
    )
    assert call.body["messages"][0]["content"] == [block | {"cache_control": {"type": "ephemeral"}}]


@pytest.mark.parametrize(
    "params",
    [
        part("image_url", url="gs://bucket/cat.png"),
        part("image_url", url="http://example.com/cat.png"),
        part("image_url", url="data:image/tiff;base64,AAAA"),
        part("input_audio", data="AAAA", format="wav"),
        part("file", file_data="data:text/plain;base64,/+8="),
        part("file", file_data="data:application/zip;base64,AAAA"),
    ],
)
def test_a_file_that_claude_does_not_take_is_named(params):
    messages = [{"role": "user", "content": [{"type": "text", "text": "See:"}, params]}]
    assert refused(messages=messages)["param"] == "messages[0].content[1]"


@pytest.mark.parametrize("inside", [False, True])
def test_citations_context_and_title_of_a_file_reach_claude(inside):
    more = {"citations": {"enabled": True}, "context": "ctx", "title": "T"}
    params = part(
        "file", file_data="data:text/plain;base64,QQ==", filename="d.txt", **(more if inside else {})
    )
    call = translated(messages=[{"role": "user", "content": [params | ({} if inside else more)]}])
    source = {"type": "text", "media_type": "text/plain", "data": "A"}
    assert call.body["messages"][0]["content"] == [{"type": "document", "source": source} | more]


def test_anthropic_s_own_parts_are_sent_as_they_are():
    search_result = {
        "type": "search_result",
        "source": "s",
        "title": "t",
        "content": [{"type": "text", "text": "r"}],
    }
    texts = {"type": "content", "content": [{"type": "text", "text": "a"}]}
    document = {"type": "document", "source": texts, "citations": {"enabled": True}}
    call = translated(messages=[{"role": "user", "content": [search_result, document]}])
    assert call.body["messages"][0]["content"] == [search_result, document]


def test_cited_documents_and_a_schema_use_the_tool():
    document = part("file", file_data=PDF) | {"citations": {"enabled": True}}
    call = translated(
        messages=[{"role": "user", "content": [document]}],
        response_format=with_schema(SCHEMA),
        tools=[WEATHER],
    )
    assert "output_config" not in call.body
    assert call.json_answer.tool


def test_breakpoints_of_the_cache_stay_where_they_are():
    cache = {"type": "ephemeral", "ttl": "1h"}
    call = translated(
        messages=[
            {"role": "system", "content": "Be kind.", "cache_control": cache},
            *loop(results=False),
            {"role": "tool", "tool_call_id": "toolu_1", "content": "Yes", "cache_control": cache},
            {"role": "user", "content": [{"type": "text", "text": "So?", "cache_control": cache}]},
        ],
        tools=[WEATHER | {"cache_control": cache}],
    )
    assert call.body["system"][0]["cache_control"] == cache
    assert call.body["tools"][0]["cache_control"] == cache
    result, text = call.body["messages"][-1]["content"]
    assert result["content"][0]["cache_control"] == cache
    assert text["cache_control"] == cache


# Ids


def test_ids_are_unique_and_each_result_finds_its_call():
    call = {"id": "0", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    turn = [
        {"role": "assistant", "content": None, "tool_calls": [call, call]},
        {"role": "tool", "tool_call_id": "0", "content": "first"},
        {"role": "tool", "tool_call_id": "0", "content": "second"},
    ]
    body = translated(messages=[{"role": "user", "content": "Go."}, *turn, *turn], tools=[WEATHER]).body
    used = [
        block["id"]
        for message in body["messages"]
        for block in message["content"]
        if block["type"] == "tool_use"
    ]
    results = [
        block
        for message in body["messages"]
        for block in message["content"]
        if block["type"] == "tool_result"
    ]
    assert len(set(used)) == 4
    assert [result["tool_use_id"] for result in results] == used
    assert [result["content"][0]["text"] for result in results] == ["first", "second"] * 2


@pytest.mark.parametrize("identity", ["call_" + "x" * 1200, "functions.f:0", "é"])
def test_illegal_call_id_is_replaced_deterministically(identity):
    call = {"id": identity, "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": identity, "content": "Yes"},
    ]
    bodies = [translated(messages=messages).body for _ in range(2)]
    used = bodies[0]["messages"][1]["content"][0]["id"]
    assert used == bodies[1]["messages"][1]["content"][0]["id"]
    assert used == bodies[0]["messages"][2]["content"][0]["tool_use_id"]
    assert used.replace("_", "").isalnum()
    assert len(used) <= 64
