"""Fields of Messages requests: sent on to models of other publishers, or named as ignored."""

import pytest
from helpers.fixtures import RecordingTransport, function, post

HELLO = [{"role": "user", "content": "Hello"}]
FUNCTION = {"name": "f", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20260318", "name": "web_search"}


def call_of(**params):
    transport = RecordingTransport()
    body = {"model": "gemini-3.8-flash", "max_tokens": 50, "messages": HELLO} | params
    answer = post(function(transport), body, "/v1/messages")
    assert transport.calls, answer.json
    return transport.calls[0]


@pytest.mark.parametrize(
    ("params", "ignored"),
    [
        ({"tools": [FUNCTION | {"input_examples": [{}]}]}, ["tools[0].input_examples"]),
        ({"tools": [FUNCTION | {"cache_control": {"type": "ephemeral"}, "defer_loading": False}]}, []),
        ({"tools": [SEARCH | {"max_uses": 3}]}, ["tools.web_search_20260318.max_uses"]),
        ({"tools": [SEARCH | {"blocked_domains": ["a.example"]}]}, []),
        (
            {"tools": [SEARCH | {"allowed_domains": ["a.example"]}]},
            ["tools.web_search_20260318.allowed_domains"],
        ),
        (
            {"tools": [SEARCH | {"user_location": {"type": "approximate", "city": "Graz"}}]},
            ["tools.web_search_20260318.user_location"],
        ),
        ({"tools": [SEARCH], "tool_choice": {"type": "any"}}, ["tool_choice"]),
        (
            {"tools": [SEARCH, FUNCTION], "tool_choice": {"type": "tool", "name": "web_search"}},
            ["tool_choice"],
        ),
        ({"tools": [SEARCH, FUNCTION], "tool_choice": {"type": "any"}}, []),
        (
            {"output_config": {"effort": "low", "task_budget": {"type": "tokens"}}},
            ["output_config.task_budget"],
        ),
        ({"container": "c"}, ["container"]),
    ],
)
def test_parameters_are_used_or_named(params, ignored):
    assert list(call_of(**params).ignored) == ignored


def test_requested_citations_are_named():
    source = {"type": "text", "media_type": "text/plain", "data": "x"}
    document = {"type": "document", "source": source, "citations": {"enabled": True}}
    call = call_of(messages=[{"role": "user", "content": [document]}])
    assert call.ignored == ("messages.citations",)


def test_a_document_s_context_comes_before_it():
    source = {"type": "text", "media_type": "text/plain", "data": "x"}
    document = {"type": "document", "title": "T", "context": "Of 2026.", "source": source}
    (content,) = call_of(messages=[{"role": "user", "content": [document]}]).body["contents"]
    assert [part["text"] for part in content["parts"]] == ["Of 2026.", '<document title="T">\nx\n</document>']


def test_the_summary_of_a_compaction_is_kept():
    compaction = {"type": "compaction", "content": "They greeted."}
    messages = [*HELLO, {"role": "assistant", "content": [compaction]}, *HELLO]
    assert call_of(messages=messages).body["contents"][1]["parts"] == [{"text": "They greeted."}]


@pytest.mark.parametrize(
    ("model", "result"),
    [
        ("gemini-3.8-flash", {"error": "No file"}),
        ("mistral-medium-3", "Error:\nNo file"),
        ("xai/grok-4.7", "Error:\nNo file"),
    ],
)
def test_a_failed_call_is_an_error_to_every_model(model, result):
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    answer = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": "No file"}
    messages = [*HELLO, {"role": "assistant", "content": [use]}, {"role": "user", "content": [answer]}]
    body = call_of(model=model, messages=messages, tools=[FUNCTION]).body
    if "contents" in body:
        assert body["contents"][2]["parts"][0]["functionResponse"]["response"] == result
    else:
        assert body["messages"][2]["content"] == result


def test_ids_of_another_api_come_back_as_they_were():
    use = {"type": "tool_use", "id": "vc1_ZnVuY3Rpb25zLm5vdzow", "name": "f", "input": {}}
    answer = {"type": "tool_result", "tool_use_id": use["id"], "content": "x"}
    messages = [*HELLO, {"role": "assistant", "content": [use]}, {"role": "user", "content": [answer]}]
    body = call_of(model="zai-org/glm-5.2-maas", messages=messages, tools=[FUNCTION]).body
    assert body["messages"][1]["tool_calls"][0]["id"] == "functions.now:0"
    assert body["messages"][2]["tool_call_id"] == "functions.now:0"
