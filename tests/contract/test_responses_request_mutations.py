"""Requests to Responses and chat with one value changed: a call or a client error.

Each change is tried with one of the models, with `--exhaustive` with all.
"""

import pytest
from helpers.fixtures import RecordingTransport, function, post
from helpers.mutations import mutations, share

PNG = "data:image/png;base64,iVBORw0KGgo="
RESPONSES = {
    "instructions": "Help.",
    "input": [
        {"type": "additional_tools", "role": "developer", "tools": [{"type": "custom", "name": "exec"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": PNG}]},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "content": [{"type": "reasoning_text", "text": "Hm."}],
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "namespace": "n", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "1"}]},
        {"type": "custom_tool_call", "call_id": "c2", "name": "exec", "input": "1+1"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "2"},
        {"type": "tool_search_call", "call_id": "c3", "execution": "client", "arguments": {"query": "a"}},
        {
            "type": "tool_search_output",
            "call_id": "c3",
            "execution": "client",
            "tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g"}]}],
        },
        {
            "type": "local_shell_call",
            "call_id": "c4",
            "action": {"type": "exec", "command": ["ls"], "env": {}},
        },
        {"type": "local_shell_call_output", "id": "c4", "output": "a"},
        {"type": "shell_call", "call_id": "c5", "action": {"commands": ["ls"], "timeout_ms": 5}},
        {
            "type": "shell_call_output",
            "call_id": "c5",
            "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
        {
            "type": "apply_patch_call",
            "call_id": "c6",
            "status": "completed",
            "operation": {"type": "update_file", "path": "a", "diff": "@@"},
        },
        {"type": "apply_patch_call_output", "call_id": "c6", "status": "completed", "output": "done"},
        {"type": "compaction", "encrypted_content": "gAAA"},
        {"type": "configuration_update", "reasoning": {"effort": "low"}, "text": {"verbosity": "low"}},
    ],
    "tools": [
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}},
        {"type": "custom", "name": "e", "format": {"type": "grammar", "syntax": "lark", "definition": "a"}},
        {"type": "shell", "environment": {"type": "local"}},
        {"type": "apply_patch"},
        {"type": "local_shell"},
        {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}},
        {
            "type": "web_search_2025_08_26",
            "filters": {"allowed_domains": ["a.com"]},
            "user_location": {"type": "approximate", "city": "Bern"},
        },
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "f"}, {"type": "shell"}],
    },
    "text": {
        "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}},
        "verbosity": "low",
    },
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
}

CHAT = {
    "system": [{"type": "text", "text": "Help."}],
    "messages": [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": PNG}],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "ok"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
            ],
            "reasoning": "Hm.",
            "tool_calls": [{"id": "t2", "type": "custom", "custom": {"name": "e", "input": "1"}}],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "1"}]},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
                },
                {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,YQ=="},
            ],
        },
        {"role": "tool", "tool_call_id": "t2", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
    ],
    "tools": [
        {"name": "f", "description": "d", "input_schema": {"type": "object"}},
        {
            "type": "custom",
            "custom": {"name": "e", "format": {"type": "grammar", "grammar": {"syntax": "regex"}}},
        },
        {"type": "function", "name": "g", "parameters": {"type": "object"}},
    ],
    "tool_choice": {"type": "custom", "custom": {"name": "e"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
}

REPLACEMENTS = (None, "NEW_VALUE", 2, 2**70, True, ["q"], [None], {"q": 1})


MODELS = ["mistral-medium-3", "openai/1234567890"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("path", "request_"), [("/v1/responses", RESPONSES), ("/v1/chat/completions", CHAT)])
def test_changed_request_is_a_call_or_a_client_error(model, path, request_, exhaustive):
    transport = RecordingTransport()
    app = function(transport)
    accepts = None if exhaustive else share(model, MODELS)
    for place, mutated in mutations(request_, REPLACEMENTS, accepts):
        transport.calls.clear()
        answer = post(app, {"model": model, **mutated}, path)
        detail = f"{place}: {answer.status_code} {answer.get_data()[:200]}"
        if transport.calls:
            continue
        assert answer.status_code in {400, 404}, detail
        error = answer.json["error"]
        assert error["message"], detail
        if path == "/v1/responses":
            assert "messages[" not in error["message"] + (error["param"] or ""), detail
