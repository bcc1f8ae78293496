"""Requests to the Messages and Gemini APIs with one value changed: a call, or a clear error."""

import re
from itertools import islice

import pytest
from helpers.fixtures import RecordingTransport, function, post
from helpers.mutations import mutations

REPLACEMENTS = (None, "NEW_VALUE", "", 5.5, -1, 2**70, 1e300, True, [], ["q"], [None], {"q": 1})
ONE_IN = 3
"""Of so many changes one is made: each field has several."""

PNG = {"data": "iVBORw0KGgo="}
CACHE = {"type": "ephemeral", "ttl": "5m"}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png"} | PNG}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "enum": [1]}}, "required": ["a"]}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "allowed_domains": ["a.com"]}
SEARCH_RESULT = {"type": "web_search_result", "url": "https://a.com", "title": "t", "encrypted_content": "e"}
ASSISTANT_BLOCKS = [
    {"type": "thinking", "thinking": "Hm.", "signature": "vc1.c2ln"},
    {"type": "redacted_thinking", "data": "c2ln"},
    {"type": "text", "text": "Yes.", "citations": None},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [SEARCH_RESULT]},
    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
]
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": False}
MESSAGES = {
    "system": [{"type": "text", "text": "Help.", "cache_control": CACHE}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi", "cache_control": CACHE},
                PICTURE,
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
                {
                    "type": "search_result",
                    "source": "s",
                    "title": "t",
                    "content": [{"type": "text", "text": "r"}],
                },
            ],
        },
        {"role": "assistant", "content": ASSISTANT_BLOCKS},
        {"role": "user", "content": [RESULT | {"content": [{"type": "text", "text": "1"}, PICTURE]}]},
        {"role": "user", "content": "So?"},
    ],
    "tools": [
        {"name": "f", "description": "d", "input_schema": SCHEMA, "cache_control": CACHE},
        SEARCH | {"user_location": {"type": "approximate", "city": "Bern"}},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
}
CREATE = {
    **MESSAGES,
    "max_tokens": 2048,
    "stop_sequences": ["x"],
    "temperature": 1,
    "top_k": 5,
    "top_p": 0.9,
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
    "stream": False,
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "container": None,
}
DOCUMENT = {"type": "document", "title": "t", "context": "c", "citations": {"enabled": True}, "source": PDF}
READ = CREATE | {"messages": [{"role": "user", "content": [DOCUMENT]}]}

INLINE = {"inlineData": {"mimeType": "image/png"} | PNG}
CONTENT = {
    "systemInstruction": {"parts": [{"text": "Help."}]},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "Hi"},
                INLINE,
                {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "Hm.", "thought": True},
                {
                    "functionCall": {"id": "c1", "name": "f", "args": {"a": 1}},
                    "thoughtSignature": "c2ln",
                },
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "f", "response": {"r": 1}, "parts": [INLINE]}}
            ],
        },
    ],
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "f",
                    "description": "d",
                    "parameters": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER", "enum": ["1"]}}},
                },
                {"name": "g", "parametersJsonSchema": SCHEMA},
            ]
        },
        {"googleSearch": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "temperature": 1,
        "topP": 0.9,
        "topK": 5,
        "candidateCount": 1,
        "maxOutputTokens": 2048,
        "stopSequences": ["x"],
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.1,
        "seed": 1,
        "responseLogprobs": False,
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024},
        "responseModalities": ["TEXT"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "labels": {"a": "b"},
}
COUNTED = {"generateContentRequest": {name: CONTENT[name] for name in ("contents", "tools")}}
EMBEDDED = {
    "content": {"parts": [{"text": "a"}]},
    "taskType": "RETRIEVAL_DOCUMENT",
    "outputDimensionality": 8,
}
PREDICTED = {
    "instances": [{"prompt": "a"}],
    "parameters": {"sampleCount": 1, "aspectRatio": "1:1", "outputOptions": {"mimeType": "image/png"}},
}


def gemini(model, method):
    return f"/v1beta/models/{model}:{method}"


REQUESTS = {
    "Messages to Gemini": ("/v1/messages", CREATE | {"model": "gemini-3.8-flash"}),
    "Messages to Gemini with a document": ("/v1/messages", READ | {"model": "gemini-3.8-flash"}),
    "Messages to Mistral": ("/v1/messages", CREATE | {"model": "mistral-medium-3"}),
    "Messages to Claude": ("/v1/messages", CREATE | {"model": "claude-sonnet-5-5"}),
    "tokens of Messages": ("/v1/messages/count_tokens", MESSAGES | {"model": "gemini-3.8-flash"}),
    "content of Claude": (gemini("claude-sonnet-5-5", "generateContent"), CONTENT),
    "stream of Mistral": (gemini("mistral-medium-3", "streamGenerateContent"), CONTENT),
    "content of Gemini": (gemini("gemini-3.8-flash", "generateContent"), CONTENT),
    "tokens of content": (gemini("claude-sonnet-5-5", "countTokens"), COUNTED),
    "embedContent": (gemini("gemini-embedding-001", "embedContent"), EMBEDDED),
    "batchEmbedContents": (gemini("gemini-embedding-001", "batchEmbedContents"), {"requests": [EMBEDDED]}),
    "predict": (gemini("imagen-4.0-generate-001", "predict"), PREDICTED),
}

CHAT_NAMES = ("image_url", "max_completion_tokens", "response_format", "tool_call_id", "tool_calls")
"""Parameters of OpenAI's API, which a client of another one does not know."""


def spelled(path):
    """A path as errors write it: `contents[0].parts`."""
    parts = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in path]
    return "".join(parts).removeprefix(".")


def error_text(path, status, answer):
    """The message and the fields of an error in the form of the API."""
    error = answer["error"]
    if path.startswith("/v1/"):
        assert answer["type"] == "error"
        assert error["type"] == ("not_found_error" if status == 404 else "invalid_request_error")
        return error["message"]
    assert error["code"] == status
    assert error["status"] == ("NOT_FOUND" if status == 404 else "INVALID_ARGUMENT")
    violations = [entry for detail in error.get("details", ()) for entry in detail["fieldViolations"]]
    return " ".join([error["message"], *(violation["field"] for violation in violations)])


def names(text, place):
    """Return whether a text has the path of a place, of its parent or of its child."""
    # Paths within the request that is counted may be used, of which only the contents are required.
    inner = place[1:] or ("contents",) if place[0] == "generateContentRequest" else place
    paths = re.findall(r"[A-Za-z_]+(?:\[\d+\]|\.[A-Za-z_]+)*", text)
    return any(is_part(spelled(location), path) for location in (place, inner) for path in paths)


def is_part(first, other):
    """Return whether one of two paths leads to the other."""
    short, long = sorted((first, other), key=len)
    return long.startswith(short) and long[len(short) :][:1] in {"", ".", "["}


@pytest.mark.parametrize("name", REQUESTS)
def test_changed_request_is_a_call_or_names_the_change(name):
    path, body = REQUESTS[name]
    transport = RecordingTransport()
    app = function(transport, VERTEX_COMPAT_FETCH="off")
    post(app, body, path)
    assert transport.calls
    for place, mutated in islice(mutations(body, REPLACEMENTS), len(name) % ONE_IN, None, ONE_IN):
        transport.calls.clear()
        answer = post(app, mutated, path)
        if transport.calls:
            continue
        detail = f"{place}: {answer.status_code} {answer.get_data()[:300]}"
        assert answer.status_code in {400, 404}, detail
        text = error_text(path, answer.status_code, answer.json)
        assert not any(chat_name in text for chat_name in CHAT_NAMES), detail
        assert names(text, place) or "tool choice names" in text, detail
