"""Requests in Google's own words with one value changed: a call to Vertex, or a 400.

Each change is tried with one of the models, with `--exhaustive` with all.
"""

import pytest
from helpers.fixtures import ScriptedTransport, function, post
from helpers.gemini import HELLO
from helpers.mutations import mutations, share

ANSWER = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}

SIGNED = {"google": {"thought_signature": "c2lnSW1n"}}
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}

GOOGLE = {
    "thinking_config": {"thinking_level": "low", "include_thoughts": True},
    "safety_settings": [{"category": "HARM_CATEGORY_JAILBREAK", "threshold": "OFF"}],
    "image_config": {"aspect_ratio": "1:1"},
    "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}},
    "retrieval_config": {"lat_lng": {"latitude": 1, "longitude": 2}},
    "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["g"]}},
    "tools": [
        {"functionDeclarations": [{"name": "g", "parameters": {"type": "OBJECT"}}]},
        {"google_search": {"exclude_domains": ["a.example"]}},
    ],
    "model_armor_config": {"prompt_template_name": "t"},
    "audio_transcription_config": {"language_codes": ["de"]},
    "generation_output_config": {"gcs_destination": {"output_uri_prefix": "gs://b/p"}},
    "routing_config": {"auto_mode": {}},
    "labels": {"team": "a"},
}
FUNCTION = {
    "name": "f",
    "parameters": {
        "type": "object",
        "properties": {"a": {"anyOf": [{"$ref": "#/$defs/b"}, {"type": ["string", "null"]}]}},
        "required": ["a"],
        "$defs": {"b": {"type": "array", "prefixItems": [{"enum": ["x"]}], "items": {"type": "integer"}}},
    },
}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PARTS = [{"text": "a"}]
MESSAGES = [
    {"role": "user", "content": [PNG | {"video_metadata": {"fps": 1}}, {"type": "text", "text": "Hi"}]},
    {
        "role": "assistant",
        "content": "Hello",
        "extra_content": SIGNED,
        "images": [PNG | {"extra_content": SIGNED}],
        "tool_calls": [
            {
                "id": "1",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": SIGNED,
            }
        ],
    },
    {
        "role": "tool",
        "tool_call_id": "1",
        "content": "{}",
        "extra_content": {"google": {"parts": [{"text": "a"}]}},
    },
]
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
FORMAT = {
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": FUNCTION["parameters"]}}
}


MODELS = ["gemini-4-hydrogen", "gemini-2.5-flash", "gemini-1.5-pro"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "params",
    [
        {"messages": HELLO, "google": GOOGLE},
        {"messages": HELLO, "extra_body": {"google": GOOGLE}},
        {"messages": HELLO, "tools": [{"type": "function", "function": FUNCTION}]},
        {"messages": MESSAGES},
        {"messages": HELLO} | THINKING,
        {"messages": HELLO} | FORMAT,
        {"messages": HELLO, "tools": [{"type": "function", "function": FUNCTION}]} | FORMAT,
        {"messages": HELLO, "tools": [{"googleSearch": {"excludeDomains": ["a"]}}, {"type": "web_search"}]},
    ],
    ids=["google", "extra_body", "tools", "messages", "thinking", "format", "tools-format", "built-in"],
)
def test_changed_value_is_never_an_unexpected_error(model, params, exhaustive):
    transport = ScriptedTransport()
    client = function(transport)
    for path, mutated in mutations(params, accepts=None if exhaustive else share(model, MODELS)):
        transport.bodies = [ANSWER]
        answer = post(client, {"model": model, **mutated})
        assert answer.status_code in {200, 400}, f"{path}: {answer.status_code} {answer.get_data()[:300]}"
        if answer.status_code == 400:
            assert answer.json["error"]["message"], path
