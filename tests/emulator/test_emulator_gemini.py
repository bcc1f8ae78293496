import json

import pytest

TOOL = {
    "name": "get_weather",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
}
TOOLS = [{"functionDeclarations": [TOOL]}]
SKIP = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def user(*parts):
    return {"role": "user", "parts": list(parts)}


def model(*parts):
    return {"role": "model", "parts": list(parts)}


def text(words="Hello"):
    return {"text": words}


def call(name="get_weather", signature=None, **more):
    part = {"functionCall": {"name": name, "args": {"city": "Paris"}} | more}
    return part | ({"thoughtSignature": signature} if signature else {})


def result(name="get_weather", **more):
    return {"functionResponse": {"name": name, "response": {"output": "21 °C"}} | more}


def message_of(answer):
    error = answer.get_json()["error"]
    assert error["code"] == answer.status_code
    return error["status"], error["message"]


REFUSED = [
    # (what is sent besides or instead of a greeting, a part of the message)
    ({"generation": {}}, 'Unknown name "generation": Cannot find field.'),
    ({"generationConfig": {"max_tokens": 5}}, "Unknown name \"max_tokens\" at 'generation_config'"),
    ({"contents": [user({"text": "a", "colour": 1})]}, "\"colour\" at 'contents[0].parts[0]'"),
    ({"generationConfig": {"temperature": "hot"}}, "'generation_config.temperature' (TYPE_FLOAT), \"hot\""),
    ({"generationConfig": {"seed": 1.5}}, "'generation_config.seed' (TYPE_INT32), 1.5"),
    ({"generationConfig": {"seed": 2**31}}, "'generation_config.seed' (TYPE_INT32)"),
    ({"contents": [user({"text": 5})]}, "'contents[0].parts[0].text' (TYPE_STRING), 5"),
    ({"contents": [{"role": "assistant", "parts": [text()]}]}, "Please use a valid role: user, model."),
    ({"contents": [{"parts": [text()]}]}, "Please use a valid role: user, model."),
    ({"contents": []}, "at least one contents field is required"),
    ({"contents": [user()]}, "it must include at least one parts field"),
    ({"contents": [user(text(""))]}, "empty text parameter"),
    ({"contents": [user({"thought": True})]}, "required oneof field 'data'"),
    ({"contents": [user({"text": "a", "inlineData": {"mimeType": "image/png", "data": "AA=="}})]}, "oneof"),
    ({"contents": [user({"fileData": {"fileUri": "gs://b/o"}})]}, "empty mimeType"),
    ({"contents": [user({"fileData": {"fileUri": "ftp://b", "mimeType": "image/png"}})]}, "file URI type"),
    ({"contents": [user({"inlineData": {"mimeType": "image/png", "data": "*"}})]}, "Base64 decoding failed"),
    ({"contents": [model(text())]}, "Please ensure that"),
    ({"contents": [user(text()), model(call())], "tools": TOOLS}, "number of function response parts"),
    (
        {"contents": [user(text()), model(call(), call()), user(result())], "tools": TOOLS},
        "number of function response parts is equal to",
    ),
    (
        {"contents": [user(text()), model(call(), call()), user(result()), user(result())], "tools": TOOLS},
        "number of function response parts is equal to",
    ),
    (
        {"contents": [user(text()), model(call()), user(text())], "tools": TOOLS},
        "number of function response",
    ),
    ({"contents": [user(text()), model(call()), user(result("other"))], "tools": TOOLS}, "names match"),
    ({"contents": [user(result())]}, "function response turn comes immediately after"),
    ({"contents": [user(call())]}, "function call turn comes immediately after"),
    ({"contents": [user(text()), model(call(id="a")), user(result(id="a"))]}, 'Unknown name "id"'),
    (
        {"contents": [user(text()), model({"functionCall": {"name": "f", "args": "{}"}}), user(result("f"))]},
        "google.protobuf.Struct",
    ),
    (
        {"generationConfig": {"temperature": 2.5}},
        "supported range is from 0 (inclusive) to 2.0001 (exclusive)",
    ),
    ({"generationConfig": {"topP": 1.5}}, "topP value of 1.5"),
    ({"generationConfig": {"candidateCount": 9}}, "candidateCount value of 9"),
    ({"generationConfig": {"maxOutputTokens": 0}}, "maxOutputTokens value of 0"),
    ({"generationConfig": {"presencePenalty": 2}}, "presencePenalty value of 2"),
    ({"generationConfig": {"stopSequences": list("abcdef")}}, "6 stop sequences"),
    ({"generationConfig": {"logprobs": 3}}, "responseLogprobs"),
    ({"generationConfig": {"responseMimeType": "text/html"}}, "responseMimeType value of text/html"),
    ({"generationConfig": {"responseSchema": {"type": "OBJECT"}}}, "responseMimeType"),
    (
        {
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseSchema": {"type": "OBJECT"},
                "responseJsonSchema": {"type": "object"},
            }
        },
        "only one of responseSchema and responseJsonSchema",
    ),
    (
        {"generationConfig": {"responseMimeType": "application/json", "responseSchema": {"$ref": "#"}}},
        "\"$ref\" at 'generation_config.response_schema'",
    ),
    (
        {
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseSchema": {"type": "OBJECT", "properties": {"a": {"const": 1}}},
            }
        },
        "\"const\" at 'generation_config.response_schema.properties.a'",
    ),
    ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 99999}}}, "budget 99999 is invalid"),
    ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}, "thinking_level is not supported"),
    (
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 1}}},
        "only one of thinking_budget and thinking_level",
    ),
    (
        {"generationConfig": {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 0}}},
        "only enabled when thinking is enabled",
    ),
    ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOUD"}}}, "ThinkingLevel"),
    ({"tools": [{"functionDeclarations": [{"name": "1st"}]}]}, "Invalid function name"),
    ({"tools": [{"functionDeclarations": [{"name": "a b"}]}]}, "Invalid function name"),
    ({"tools": [{"functionDeclarations": [TOOL, TOOL]}]}, "Duplicate function declaration"),
    ({"tools": [{"functionDeclarations": [TOOL | {"strict": True}]}]}, 'Unknown name "strict"'),
    (
        {"tools": [{"functionDeclarations": [TOOL | {"parametersJsonSchema": {"type": "object"}}]}]},
        "only one of parameters and parametersJsonSchema",
    ),
    (
        {
            "tools": [
                {"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "required": ["a"]}}]}
            ]
        },
        "required[0]: property is not defined",
    ),
    (
        {
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "f",
                            "parameters": {"type": "OBJECT", "properties": {"a": {"type": "ARRAY"}}},
                        }
                    ]
                }
            ]
        },
        "properties[a].items: missing field",
    ),
    (
        {
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "f",
                            "parameters": {
                                "type": "OBJECT",
                                "properties": {"a": {"type": "STRING", "enum": ["x", ""]}},
                            },
                        }
                    ]
                }
            ]
        },
        "enum[1]: cannot be empty",
    ),
    ({"tools": [*TOOLS, {"googleSearch": {}}]}, "Multiple tools are supported only when"),
    ({"tools": [{"fileSearch": {}}]}, 'Unknown name "fileSearch"'),
    ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "without function_declarations"),
    (
        {"tools": TOOLS, "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["get_weather"]}}},
        "only be set when function calling mode is ANY",
    ),
    (
        {
            "tools": TOOLS,
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["nothing"]}},
        },
        "`nothing` is not among",
    ),
    ({"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}, "FunctionCallingConfig.Mode"),
    ({"safetySettings": [{"category": "HARM_CATEGORY_RUDENESS", "threshold": "OFF"}]}, "HarmCategory"),
    ({"labels": {"Upper": "x"}}, "Invalid label"),
    ({"store": True}, 'Unknown name "store"'),
    ({"tools": [{"googleSearchRetrieval": {}}]}, "Please use google_search field instead"),
    (
        {
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseJsonSchema": {"properties": {"a": {"$ref": "#", "description": "again"}}},
            }
        },
        "beside $ref only names that begin with $",
    ),
    (
        {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": "object"}},
        "a JSON schema is an object",
    ),
    (
        {"contents": [user(text()), model(call()), user(result(parts=[]))]},
        "\"parts\" at 'contents[2].parts[0].function_response'",
    ),
    (
        {"contents": [user({"text": "a", "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}})]},
        "\"mediaResolution\" at 'contents[0].parts[0]'",
    ),
    (
        {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "string"}}]}]},
        "should be a schema of type object",
    ),
    (
        {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "STRING"}}]}]},
        "should be OBJECT",
    ),
    ({"tools": [{}]}, "none of the kinds of tools"),
    ({"generationConfig": {"stopSequences": [""]}}, "a stop sequence is empty"),
    ({"cachedContent": "my-cache"}, "Invalid cached content name"),
    ({"contents": [user(text()), model({"functionCall": {"args": {}}}), user(result())]}, "has no name"),
    ({"systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}}, "text parts"),
    ({"contents": "Hello"}, "expected a list"),
    ({"contents": [user(text()), model(result())]}, "function response turn comes immediately after"),
    (
        {"contents": [user(text()), model(text()), model(call()), user(result())]},
        "comes immediately after a user",
    ),
    (
        {
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "f",
                            "parameters": {
                                "type": "OBJECT",
                                "properties": {"a": {"defs": {}, "type": "STRING"}},
                            },
                        }
                    ]
                }
            ]
        },
        "only the root schema",
    ),
    (
        {
            "tools": [
                {
                    "functionDeclarations": [
                        {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {}}}}
                    ]
                }
            ]
        },
        "didn't specify the schema type field",
    ),
    (
        {
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "f",
                            "parameters": {
                                "type": "OBJECT",
                                "properties": {"a": {"type": "NUMBER", "enum": ["1"]}},
                            },
                        }
                    ]
                }
            ]
        },
        "only allowed for STRING type",
    ),
    ({"contents": [5]}, "Content), 5"),
    ({"labels": []}, "(map)"),
    ({"generationConfig": {"responseLogprobs": 1}}, "TYPE_BOOL"),
    ({"systemInstruction": {"parts": []}}, "systemInstruction"),
    (
        {
            "cachedContent": "projects/p/locations/l/cachedContents/1",
            "systemInstruction": {"parts": [text()]},
        },
        "should not be set in the request when using cached content",
    ),
]


@pytest.mark.parametrize(("body", "expected"), REFUSED, ids=[message for _, message in REFUSED])
def test_gemini_2_5_refuses(vertex, body, expected):
    params = {"contents": [user(text())]} | body
    answer = vertex.post("/publishers/google/models/gemini-2.5-flash:generateContent", params)
    status, message = message_of(answer)
    assert (answer.status_code, status) == (400, "INVALID_ARGUMENT")
    assert expected in message


REFUSED_BY_MODEL = [
    ("gemini-3-flash-preview", {"generationConfig": {"frequencyPenalty": 0.1}}, "Penalty is not enabled"),
    (
        "gemini-2.5-pro",
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
        "Budget 0 is invalid",
    ),
    (
        "gemini-2.5-pro",
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 64}}},
        "between 128 and 32768",
    ),
    (
        "gemini-2.0-flash-001",
        {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
        "thinking is not supported",
    ),
    (
        "gemini-3-pro-preview",
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MEDIUM"}}},
        "Thinking level MEDIUM is not supported for this model",
    ),
    (
        "gemini-3.1-pro-preview",
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "minimal"}}},
        "Thinking level MINIMAL",
    ),
    ("gemini-1.5-pro", {"contents": [user(text()), user(text())]}, "alternate between user and model"),
    (
        "gemini-3-flash-preview",
        {
            "contents": [
                user(text()),
                model(call(signature=SKIP)),
                user(result(parts=[{"inlineData": {"mimeType": "audio/mp3", "data": "AA=="}}])),
            ]
        },
        "cannot hold media of type audio/mp3",
    ),
    (
        "gemini-2.0-flash",
        {
            "tools": [
                {"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {}}}]}
            ]
        },
        "should be non-empty for OBJECT type",
    ),
]


@pytest.mark.parametrize(("name", "body", "message"), REFUSED_BY_MODEL)
def test_gemini_refuses_what_a_model_lacks(vertex, name, body, message):
    answer = vertex.gemini(name, **body)
    assert answer.status_code == 400
    assert message in message_of(answer)[1]


ACCEPTED = [
    ("gemini-3.8-flash", {"generation_config": {"max_output_tokens": 20, "topP": 0.8, "topK": 40}}),
    ("gemini-3.8-flash", {"contents": [{"role": "USER", "parts": {"text": "你是谁"}}]}),
    ("gemini-3.8-flash", {"generationConfig": {"seed": "5", "temperature": 0, "stopSequences": None}}),
    ("gemini-3.8-flash", {"systemInstruction": {"role": "system", "parts": [text()]}}),
    ("gemini-3.8-flash", {"contents": [user(text()), user(text())]}),
    ("gemini-2.5-flash", {"contents": [user(text()), model(text("I"))]}),
    ("gemini-2.5-flash", {"contents": [user(text()), model(call()), user(result())], "tools": TOOLS}),
    (
        "gemini-3.8-flash",
        {"contents": [user({"file_data": {"file_uri": "gs://b/o", "mime_type": "image/png"}})]},
    ),
    ("gemini-3.8-flash", {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]}),
    ("gemini-3.8-flash", {"labels": {"team": "a-1"}}),
    ("gemini-2.5-flash-lite", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}),
    ("gemini-3-flash-preview", {"tools": [*TOOLS, {"googleSearch": {}}]}),
    ("gemini-3.8-flash", {"generationConfig": {"mediaResolution": 1}}),
    ("gemini-2.5-flash-image", {"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}),
    ("gemini-3.8-flash", {"cachedContent": "projects/p/locations/l/cachedContents/1"}),
    (
        "gemini-3.8-flash",
        {
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "f",
                            "parameters": {
                                "type": "object",
                                "defs": {"a": {"type": "string"}},
                                "properties": {
                                    "a": {"ref": "#/defs/a"},
                                    "b": {"anyOf": [{"type": "number"}]},
                                },
                            },
                        }
                    ]
                }
            ]
        },
    ),
    ("gemini-3-flash-preview", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "minimal"}}}),
    (
        "gemini-3-flash-preview",
        {
            "contents": [user(text()), model(call(signature=SKIP, id="a")), user(result(id="a"))],
            "tools": TOOLS,
        },
    ),
    (
        "gemini-3-flash-preview",
        {
            "contents": [
                user(text()),
                model(call(signature="skip_thought_signature_validator")),
                user(result()),
            ]
        },
    ),
    (
        "gemini-3-flash-preview",  # an earlier turn is not looked at
        {
            "contents": [
                user(text()),
                model(call()),
                user(result()),
                model(text("21")),
                user(text("And now?")),
            ]
        },
    ),
    ("gemini-3-pro-image-preview", {"contents": [user(text()), model(call()), user(result())]}),
]


@pytest.mark.parametrize(("name", "body"), ACCEPTED)
def test_gemini_accepts(vertex, name, body):
    answer = vertex.gemini(name, **body)
    assert answer.status_code == 200, answer.text


def test_gemini_3_requires_signature_of_first_call_per_step(vertex):
    messages = [user(text("Use the tool in parallel"))]
    first = vertex.gemini("gemini-3-flash-preview", contents=messages, tools=TOOLS).get_json()
    calls = first["candidates"][0]["content"]["parts"]
    assert len(calls) == 2
    assert ["thoughtSignature" in part for part in calls] == [True, False]
    assert first["candidates"][0]["finishReason"] == "STOP"

    results = user(result(), result())
    good = vertex.gemini("gemini-3-flash-preview", contents=[*messages, model(*calls), results], tools=TOOLS)
    assert good.status_code == 200, good.text
    assert "21 °C" in good.get_json()["candidates"][0]["content"]["parts"][0]["text"]

    unsigned = [{"functionCall": part["functionCall"]} for part in calls]
    bad = vertex.gemini(
        "gemini-3-flash-preview", contents=[*messages, model(*unsigned), results], tools=TOOLS
    )
    assert bad.status_code == 400
    assert "`get_weather` in the 2. content block is missing a `thought_signature`" in message_of(bad)[1]

    swapped = [calls[1] | {"thoughtSignature": "bm90IG91cnM="}, calls[0]]
    wrong = vertex.gemini(
        "gemini-3-flash-preview", contents=[*messages, model(*swapped), results], tools=TOOLS
    )
    assert "Corrupted thought signature" in message_of(wrong)[1]


BODIES = [
    ("gemini-3.8-flash", {}),
    ("gemini-3.8-flash", {"generationConfig": {"maxOutputTokens": 7}}),
    ("gemini-3.8-flash", {"generationConfig": {"stopSequences": ["opinion"]}}),
    ("gemini-2.5-flash", {"generationConfig": {"candidateCount": 3}}),
    ("gemini-3.8-flash", {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}),
    (
        "gemini-3.8-flash",
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 512}, "maxOutputTokens": 5}},
    ),
    ("gemini-3.8-flash", {"generationConfig": {"responseMimeType": "application/json"}}),
    ("gemini-3-flash-preview", {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}),
    ("gemini-3-flash-preview", {"contents": [user(text("Use the tool, in parallel"))], "tools": TOOLS}),
    ("gemini-3.8-flash", {"tools": [{"googleSearch": {}}]}),
    ("gemini-emulator-blocked", {}),
    ("gemini-emulator-refusal", {}),
]


def summary(responses):
    """Fold responses into what they say: per candidate its parts, its end; and the last counts."""
    story = {}
    for response in responses:
        for candidate in response.get("candidates", []):
            parts, ends = story.setdefault(candidate.get("index", 0), ([], []))
            for part in candidate["content"].get("parts", []):
                alike = (
                    parts and "text" in part and "text" in parts[-1] and "thoughtSignature" not in parts[-1]
                )
                if alike and parts[-1].get("thought") == part.get("thought"):
                    parts[-1] = parts[-1] | part | {"text": parts[-1]["text"] + part["text"]}
                else:
                    parts.append(part)
            ends += [candidate["finishReason"]] if "finishReason" in candidate else []
    return story, responses[-1]["usageMetadata"], responses[-1].get("promptFeedback")


@pytest.mark.parametrize(("name", "body"), BODIES)
def test_gemini_stream_equals_whole_answer(vertex, name, body):
    stream = vertex.gemini_stream(name, **body)
    assert summary(stream) == summary([vertex.gemini(name, **body).get_json()])
    assert len({chunk["responseId"] for chunk in stream}) == 1
    for chunk in stream[:-1]:
        assert chunk["usageMetadata"] == {"trafficType": "ON_DEMAND"}
    for candidate in (choice for chunk in stream for choice in chunk.get("candidates", [])):
        assert candidate.get("index") != 0


def test_newer_models_give_their_calls_ids_that_must_come_back(vertex):
    messages = [user(text("Use the tool"))]
    first = vertex.gemini("gemini-3.1-pro-preview", contents=messages, tools=TOOLS).get_json()
    [called] = first["candidates"][0]["content"]["parts"]
    call_id = called["functionCall"]["id"]
    assert len(call_id) == 8
    for new_id, status in ((call_id, 200), ("other", 400)):
        body = {"contents": [*messages, model(called), user(result(id=new_id))], "tools": TOOLS}
        assert vertex.gemini("gemini-3.1-pro-preview", **body).status_code == status


def test_gemini_counts_add_up(vertex):
    config = {"thinkingConfig": {"thinkingBudget": 512}}
    usage = vertex.gemini(generationConfig=config).get_json()["usageMetadata"]
    parts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    assert usage["totalTokenCount"] == sum(usage[name] for name in parts)


def test_max_output_tokens_end_2_5_with_their_reason(vertex):
    answer = vertex.gemini("gemini-2.5-flash", generationConfig={"maxOutputTokens": 3}).get_json()
    candidate = answer["candidates"][0]
    assert candidate["finishReason"] == "MAX_TOKENS"
    assert candidate["content"]["parts"][0]["text"]


def test_thinking_can_use_up_all_output_tokens(vertex):
    config = {"maxOutputTokens": 3, "thinkingConfig": {"thinkingBudget": 512}}
    answer = vertex.gemini(generationConfig=config).get_json()
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert "parts" not in answer["candidates"][0]["content"]
    assert answer["usageMetadata"]["thoughtsTokenCount"] == 3


def test_a_response_schema_is_satisfied(vertex):
    schema = {
        "type": "OBJECT",
        "properties": {"n": {"type": "INTEGER"}, "colour": {"type": "STRING", "enum": ["red"]}},
        "required": ["n", "colour"],
    }
    config = {"responseMimeType": "application/json", "responseSchema": schema}
    answer = vertex.gemini(generationConfig=config).get_json()
    value = json.loads(answer["candidates"][0]["content"]["parts"][0]["text"])
    assert value["colour"] == "red"
    assert isinstance(value["n"], int)


def test_mode_any_forces_a_call_and_none_forbids_it(vertex):
    for mode, kind in (("ANY", "functionCall"), ("NONE", "text")):
        config = {"functionCallingConfig": {"mode": mode}}
        answer = vertex.gemini(tools=TOOLS, toolConfig=config).get_json()
        assert kind in answer["candidates"][0]["content"]["parts"][0]


def test_without_alt_sse_an_array_is_streamed(vertex):
    answer = vertex.gemini(verb="streamGenerateContent")
    assert answer.mimetype == "application/json"
    assert summary(answer.get_json()) == summary([vertex.gemini().get_json()])


def test_the_frames_of_a_gemini_stream_are_the_recorded_ones(vertex):
    answer = vertex.gemini(verb="streamGenerateContent?alt=sse")
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.data.startswith(b'data: {"candidates"')
    assert answer.data.endswith(b"}\r\n\r\n")
    assert b"[DONE]" not in answer.data
    assert b"event:" not in answer.data


def test_borders_between_events_fall_within_an_emoji(vertex):
    texts = [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in vertex.gemini_stream()]
    assert any(piece.endswith("\u200d") or piece.startswith("\u200d") for piece in texts)


def test_a_model_that_does_not_exist_is_not_found(vertex):
    for name in ("gemini-2.5-nonexistent", "chat-bison"):
        answer = vertex.gemini(name)
        assert answer.status_code == 404
        status, message = message_of(answer)
        assert status == "NOT_FOUND"
        assert f"/locations/us-central1/publishers/google/models/{name}` not found." in message


def test_count_tokens_agrees_with_generate(vertex):
    counted = vertex.gemini(verb="countTokens").get_json()
    assert counted["totalTokens"] == vertex.gemini().get_json()["usageMetadata"]["promptTokenCount"]
    assert counted["promptTokensDetails"][0]["modality"] == "TEXT"


def test_a_tuned_gemini_answers_at_its_endpoint(vertex):
    body = {"contents": [user(text())]}
    assert vertex.post("/endpoints/987654321:generateContent", body).status_code == 200
    stream = vertex.post("/endpoints/987654321:streamGenerateContent?alt=sse", body)
    assert stream.data.endswith(b"\r\n\r\n")
    missing = vertex.post("/endpoints/4041:generateContent", body)
    assert missing.get_json()["error"]["status"] == "NOT_FOUND"


def test_flex_traffic_is_named_so(vertex):
    answer = vertex.post(
        "/publishers/google/models/gemini-3.8-flash:generateContent",
        {"contents": [user(text())]},
        X_Vertex_AI_LLM_Shared_Request_Type="flex",
    )
    assert answer.get_json()["usageMetadata"]["trafficType"] == "ON_DEMAND_FLEX"


def test_a_body_that_is_no_json_object_is_refused(vertex):
    half_pair = b'{"contents": "\\ud83d"}'
    for body in (b"{", b"[]", b"\xff", b'{"a": NaN}', b"[" * 100_000, half_pair):
        answer = vertex.post("/publishers/google/models/gemini-3.8-flash:generateContent", body)
        assert message_of(answer)[1].startswith("Invalid JSON payload received.")


def test_logprobs_come_when_asked_for(vertex):
    config = {"responseLogprobs": True, "logprobs": 2}
    candidate = vertex.gemini(generationConfig=config).get_json()["candidates"][0]
    result = candidate["logprobsResult"]
    assert len(result["chosenCandidates"]) == len(result["topCandidates"])
    assert len(result["topCandidates"][0]["candidates"]) == 2


def test_grounding_counts_bytes(vertex):
    answer = vertex.gemini(tools=[{"googleSearch": {}}]).get_json()["candidates"][0]
    segment = answer["groundingMetadata"]["groundingSupports"][0]["segment"]
    text = answer["content"]["parts"][0]["text"]
    assert text.encode()[: segment["endIndex"]].decode() == segment["text"]
    assert segment["endIndex"] > len(segment["text"])
