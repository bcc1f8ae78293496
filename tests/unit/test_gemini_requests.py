"""Requests to Gemini. The emulator checks every body here by Vertex AI's rules."""

import base64

import pytest
from helpers.gemini import (
    BUDGETS,
    CURRENT,
    HELLO,
    LEVELS,
    OLD,
    OLDEST,
    TUNED,
    body,
    call,
    called,
    config,
    function,
    result,
    user,
)

from vertex_compat import errors
from vertex_compat.publishers.google.chat import signatures
from vertex_compat.publishers.google.chat.chat import CHAT
from vertex_compat.routing import model_names

PNG = "data:image/png;base64,iVBORw0KGgo="


def refused(**params):
    with pytest.raises(errors.BadRequest) as caught:
        call(**params)
    return caught.value


def parts(*content, model=CURRENT):
    (only,) = body(model, messages=[user(*content)])["contents"]
    return only["parts"]


# Messages


def test_oldest_model_gets_system_text_as_user_turn():
    upstream_body = body(OLDEST, messages=[{"role": "system", "content": "Be kind."}, *HELLO])
    assert upstream_body["contents"] == [{"role": "user", "parts": [{"text": "Be kind."}, {"text": "Hello"}]}]


def test_a_model_of_tomorrow_has_a_system():
    assert "systemInstruction" in body(
        "gemini-9-ultra", messages=[{"role": "system", "content": "Be kind."}, *HELLO]
    )


def test_text_and_calls_of_one_message_stay_together():
    message = called("f") | {"content": "Let me see."}
    turn = body(messages=[*HELLO, message, result()])["contents"][1]
    text, sent_call = turn["parts"]
    assert (turn["role"], text) == ("model", {"text": "Let me see."})
    assert sent_call["functionCall"] == {"id": "call_0", "name": "f", "args": {}}


def test_fields_that_gemini_lacks_are_named():
    messages = [
        {"role": "user", "content": "Hi", "name": "ann"},
        {"role": "assistant", "audio": {"id": "audio_1"}},
        *HELLO,
    ]
    assert call(messages=messages).ignored == ("messages.audio", "messages.name")


def test_name_of_a_result_is_used():
    history = [*HELLO, called("f"), result() | {"name": "f"}]
    assert call(messages=history).ignored == ()


# Files


def inline(mime, data="AAAA"):
    return {"inlineData": {"mimeType": mime, "data": data}}


def linked(mime, uri):
    return {"fileData": {"mimeType": mime, "fileUri": uri}}


def part(kind, **source):
    return {"type": kind, kind: source}


YOUTUBE = "https://www.youtube.com/watch?v=x"
DATA = "data:audio/mp3;base64,AAAA"
WAV = base64.b64encode(b"RIFF\x24\0\0\0WAVEfmt ").decode()
MP3 = base64.b64encode(b"ID3\x04\0\0\0\0\0\0").decode()
MP4 = base64.b64encode(b"\0\0\0\x18ftypisom").decode()


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (part("image_url", url=PNG), inline("image/png", "iVBORw0KGgo=")),
        ({"type": "image_url", "image_url": "gs://b/a.jpeg"}, linked("image/jpeg", "gs://b/a.jpeg")),
        (part("image_url", url="https://e.com/a.mp4"), linked("video/mp4", "https://e.com/a.mp4")),
        (part("image_url", url="gs://b/a", format="image/webp"), linked("image/webp", "gs://b/a")),
        (part("image_url", url="gs://b/a", format="PNG"), linked("image/png", "gs://b/a")),
        (part("file", file_id="gs://b/a", format="pdf"), linked("application/pdf", "gs://b/a")),
        (part("image_url", url=YOUTUBE), linked("video/mp4", YOUTUBE)),
        (part("file", file_id="gs://b/a.pdf"), linked("application/pdf", "gs://b/a.pdf")),
        (part("file", file_id="gs://b/a", format="text/plain"), linked("text/plain", "gs://b/a")),
        (part("file", file_data="data:application/pdf;base64,AAAA"), inline("application/pdf")),
        (part("file", file_data="AAAA", filename="a.csv"), inline("text/csv")),
        (part("input_audio", data="AAAA", format="mp3"), inline("audio/mp3")),
        (part("input_audio", data="gs://b/x", format="audio/flac"), linked("audio/flac", "gs://b/x")),
        (part("audio_input", audio_input=DATA), inline("audio/mp3")),
        (part("audio_input", audio_input=WAV), inline("audio/wav", WAV)),
        (part("input_audio", data=MP3), inline("audio/mp3", MP3)),
        (part("video_url", url=f"data:;base64,{MP4}"), inline("video/mp4", MP4)),
    ],
)
def test_a_file_in_every_form(params, expected):
    assert parts(params, {"type": "text", "text": "What is it?"}) == [expected, {"text": "What is it?"}]


@pytest.mark.parametrize(
    "params",
    [
        part("image_url", url="https://e.com/a?x=1"),
        part("image_url", url="data:;base64,AAAA"),
        part("file", file_data="AAAA"),
        part("file", file_id="gs://b/a", format="application/octet-stream"),
        part("audio_input", audio_input="AAAA"),
        part("video_url", url="gs://b/v"),
        part("image_url", url="gs://b/a", format="picture"),
    ],
)
def test_a_media_type_is_not_guessed(params):
    error = refused(messages=[user(params)])
    assert error.param == "messages[0].content[0]"
    assert "'format'" in error.message


@pytest.mark.parametrize(
    "url", ["http://e.com/a.png", "ftp://e.com/a.png", "file:///etc/passwd", "data:image/png;base64,???"]
)
def test_file_without_a_supported_url_is_refused(url):
    assert (
        refused(messages=[user({"type": "image_url", "image_url": {"url": url}})]).param
        == "messages[0].content[0]"
    )


def test_a_part_of_a_video():
    file = {
        "file_id": "gs://b/v.mp4",
        "video_metadata": {"fps": 5, "start_offset": "10s", "end_offset": "20s"},
    }
    (upstream_part,) = parts(part("file", **file))
    assert upstream_part["videoMetadata"] == {"fps": 5, "startOffset": "10s", "endOffset": "20s"}


def test_detail_is_of_the_file_or_of_the_request():
    images = [
        {"type": "image_url", "image_url": {"url": PNG, "detail": detail}}
        for detail in ("low", "auto", "original")
    ]
    levels = [part.get("mediaResolution") for part in parts(*images, model=LEVELS)]
    assert levels == [{"level": "MEDIA_RESOLUTION_LOW"}, None, {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"}]
    assert config(BUDGETS, messages=[user(*images)]) == {"mediaResolution": "MEDIA_RESOLUTION_HIGH"}
    assert config(BUDGETS, messages=[user(images[0])]) == {"mediaResolution": "MEDIA_RESOLUTION_LOW"}
    assert "mediaResolution" not in config(BUDGETS, messages=[user(images[1])])
    assert (
        refused(messages=[user({"type": "image_url", "image_url": {"url": PNG, "detail": "x"}})]).code
        == "invalid_value"
    )


# Functions


def declared(model=CURRENT, **params):
    (tool,) = body(model, **params)["tools"]
    return tool["functionDeclarations"]


def calling(model=CURRENT, **params):
    return body(model, **params).get("toolConfig", {}).get("functionCallingConfig")


def test_a_function_keeps_its_schema_word_for_word():
    schema = {
        "type": "object",
        "properties": {"a": {"oneOf": [{"const": 1}, {"type": "null"}]}},
        "additionalProperties": False,
    }
    assert declared(tools=[function("f", schema, description="Does.")]) == [
        {"name": "f", "description": "Does.", "parametersJsonSchema": schema}
    ]


@pytest.mark.parametrize("parameters", [None, {}])
@pytest.mark.parametrize("model", [CURRENT, BUDGETS, OLD])
def test_a_function_without_arguments(model, parameters):
    assert declared(model, tools=[function("f", parameters)]) == [{"name": "f"}]


def test_an_old_model_has_no_empty_object():
    assert declared(OLD, tools=[function("f", {"type": "object", "properties": {}})]) == [{"name": "f"}]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"mode": "AUTO"}),
        ({"tool_choice": "none"}, {"mode": "NONE"}),
        ({"tool_choice": "required"}, {"mode": "ANY"}),
        ({"tool_choice": "validated"}, {"mode": "VALIDATED"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "g"}}},
            {"mode": "ANY", "allowedFunctionNames": ["g"]},
        ),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [function("g")]},
                }
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["g"]},
        ),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "required", "tools": [function("g")]},
                }
            },
            {"mode": "ANY", "allowedFunctionNames": ["g"]},
        ),
    ],
)
def test_how_the_model_may_choose(params, expected):
    assert calling(tools=[function("f"), function("g")], **params) == expected


def test_strict_holds_calls_to_their_schema_where_the_model_can():
    strict = {"tools": [function("f", strict=True)]}
    assert calling(**strict) == {"mode": "VALIDATED"}
    assert calling("gemini-2.0-flash", **strict) is None
    assert call("gemini-2.0-flash", **strict).ignored == ("tools.function.strict",)


def test_allowed_tools_of_a_model_without_the_field():
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [function("g")]}}
    params = {"tools": [function("f"), function("g")], "tool_choice": allowed}
    assert declared("gemini-2.0-flash", **params) == [{"name": "g"}]


def test_the_older_functions():
    params = {"functions": [{"name": "f", "parameters": {"type": "object"}}], "function_call": {"name": "f"}}
    assert declared(**params) == [{"name": "f", "parametersJsonSchema": {"type": "object"}}]
    assert calling(**params) == {"mode": "ANY", "allowedFunctionNames": ["f"]}
    history = [
        *HELLO,
        {"role": "assistant", "function_call": {"name": "f", "arguments": '{"a": 1}'}},
        {"role": "function", "name": "f", "content": "2"},
    ]
    _, call_turn, result_turn = body(messages=history, **params)["contents"]
    sent_call, sent_result = (
        call_turn["parts"][0]["functionCall"],
        result_turn["parts"][0]["functionResponse"],
    )
    assert (sent_call["name"], sent_call["args"]) == ("f", {"a": 1})
    assert (sent_result["name"], sent_result["response"]) == ("f", {"output": "2"})
    assert sent_call.get("id") == sent_result.get("id")


@pytest.mark.parametrize("name", ["-x", "get weather", "größe", "a" * 200])
def test_a_name_that_gemini_refuses_is_the_same_one_everywhere(name):
    upstream_call = call(
        tools=[function(name)],
        tool_choice={"type": "function", "function": {"name": name}},
        messages=[*HELLO, called(name), result()],
    )
    body(tools=[function(name)], messages=[*HELLO, called(name), result()])
    (declaration,) = upstream_call.body["tools"][0]["functionDeclarations"]
    legal = declaration["name"]
    assert upstream_call.tool_names == {legal: name}
    assert upstream_call.body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [legal]
    _, call_turn, result_turn = upstream_call.body["contents"]
    assert call_turn["parts"][0]["functionCall"]["name"] == legal
    assert result_turn["parts"][0]["functionResponse"]["name"] == legal


def test_two_functions_of_one_name_are_refused():
    assert refused(tools=[function("f"), function("f")]).param == "tools"


def test_parameters_that_are_no_object_are_refused():
    assert refused(tools=[function("f", {"type": "array"})]).param == "tools[0].function.parameters"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("plain", {"output": "plain"}),
        ('{"a": [1]}', {"a": [1]}),
        ("[1]", {"output": "[1]"}),
        ('{"schema": {"$ref": "#/x"}}', {"output": '{"schema": {"$ref": "#/x"}}'}),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], {"output": "a\nb"}),
        (None, {"output": ""}),
    ],
)
def test_tool_result_becomes_a_function_response(content, expected):
    result_turn = body(messages=[*HELLO, called("f"), result(content)])["contents"][2]
    assert result_turn["parts"] == [{"functionResponse": {"id": "call_0", "name": "f", "response": expected}}]


def test_results_come_in_the_calls_order_and_none_is_missing():
    messages = [*HELLO, called("f", "g", "h"), result("2", "call_2"), result("0", "call_0"), *HELLO]
    *_, result_turn, user_turn = body(messages=messages)["contents"]
    assert [part["functionResponse"]["response"] for part in result_turn["parts"]] == [
        {"output": "0"},
        {"error": "No result was given for this call."},
        {"output": "2"},
    ]
    assert user_turn == {"role": "user", "parts": [{"text": "Hello"}]}


def test_image_of_a_tool_result_is_sent_in_each_form():
    image = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": PNG}}]
    inline = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    messages = [*HELLO, called("f"), result(image)]
    result_turn = body(LEVELS, messages=messages)["contents"][2]
    assert result_turn["parts"][0]["functionResponse"]["parts"] == [inline]
    *_, result_turn, image_turn = body(BUDGETS, messages=messages)["contents"]
    assert "parts" not in result_turn["parts"][0]["functionResponse"]
    assert image_turn["parts"] == [{"text": "Files returned by f:"}, inline]


def test_a_result_in_google_s_own_form():
    file = {"file_data": {"mime_type": "image/png", "display_name": "a.png", "file_uri": "gs://b/a.png"}}
    message = result('{"image": {"$ref": "a.png"}}', extra_content={"google": {"parts": [file]}})
    result_turn = body(LEVELS, messages=[*HELLO, called("f"), message])["contents"][2]
    inner = result_turn["parts"][0]["functionResponse"]
    assert inner["response"] == {"image": {"$ref": "a.png"}}
    assert inner["parts"] == [
        {"fileData": {"mimeType": "image/png", "displayName": "a.png", "fileUri": "gs://b/a.png"}}
    ]


# Google's tools


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ({"googleSearch": {}}, {"googleSearch": {}}),
        ({"google_search": {"exclude_domains": ["e.com"]}}, {"googleSearch": {"excludeDomains": ["e.com"]}}),
        ({"googleSearchRetrieval": {}}, {"googleSearch": {}}),
        ({"google_search_retrieval": {}}, {"googleSearch": {}}),
        ({"enterpriseWebSearch": {}}, {"enterpriseWebSearch": {}}),
        ({"urlContext": {}}, {"urlContext": {}}),
        ({"codeExecution": {}}, {"codeExecution": {}}),
        ({"googleMaps": {"enable_widget": True}}, {"googleMaps": {"enableWidget": True}}),
        ({"type": "web_search"}, {"googleSearch": {}}),
        ({"type": "web_search_preview"}, {"googleSearch": {}}),
        ({"type": "url_context"}, {"urlContext": {}}),
        ({"type": "code_interpreter"}, {"codeExecution": {}}),
    ],
)
def test_a_tool_of_google_s(tool, expected):
    assert body(tools=[tool])["tools"] == [expected]


def test_web_search_options_and_native_tools():
    assert body(web_search_options={})["tools"] == [{"googleSearch": {}}]
    assert body(google={"tools": [{"google_search": {}}]})["tools"] == [{"googleSearch": {}}]
    assert body(OLD, tools=[{"googleSearch": {}}])["tools"] == [{"googleSearchRetrieval": {}}]


def test_an_option_that_a_tool_does_not_have_is_named():
    upstream_call = call(tools=[{"googleSearch": {"disable_attribution": False}}])
    assert upstream_call.body["tools"] == [{"googleSearch": {}}]
    assert upstream_call.ignored == ("tools.googleSearch.disableAttribution",)


def test_functions_beside_google_s_tools_from_gemini_3_on():
    tools = [function("f"), {"googleSearch": {}}]
    assert body(LEVELS, tools=tools)["tools"] == [
        {"functionDeclarations": [{"name": "f"}]},
        {"googleSearch": {}},
    ]


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"tools": [function("f"), {"googleSearch": {}}]}, "tools.googleSearch"),
        ({"tools": [function("f"), {"type": "web_search"}]}, "tools.web_search"),
        ({"tools": [function("f")], "web_search_options": {}}, "web_search_options"),
        (
            {"tools": [function("f")], "google": {"tools": [{"google_search": {}}]}},
            "google.tools.google_search",
        ),
    ],
)
def test_search_beside_functions_is_left_out_before_gemini_3(params, name):
    upstream_call = call(BUDGETS, **params)
    assert upstream_call.body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert upstream_call.ignored == (name,)


@pytest.mark.parametrize(
    "type_", ["image_generation", "file_search", "local_shell", "computer_use_preview", "mcp"]
)
def test_tool_that_google_does_not_run_is_left_out(type_):
    upstream_call = call(tools=[function("f"), {"type": type_, "output_format": "png"}])
    assert upstream_call.body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert upstream_call.ignored == (f"tools.{type_}",)


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("web_search_2025_08_26", "googleSearch"),
        ("web_search_preview", "googleSearch"),
        ("web_search_20250305", "googleSearch"),
        ("code_execution_20250825", "codeExecution"),
        ("code_interpreter", "codeExecution"),
    ],
)
def test_tool_with_a_counterpart_becomes_it(type_, kind):
    assert body(tools=[{"type": type_}])["tools"] == [{kind: {}}]


def test_tool_choice_none_sends_no_hosted_tools():
    assert "tools" not in body(tools=[{"googleSearch": {}}], tool_choice="none")


@pytest.mark.parametrize(
    "tool", [{"type": "custom", "custom": {"name": "x"}}, {"type": "nonsense"}, {}, {"googleSearch": 7}]
)
def test_a_tool_that_gemini_does_not_have_is_refused(tool):
    assert refused(tools=[tool]).param.startswith("tools")


# Reasoning


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        (BUDGETS, "none", {"thinkingBudget": 0}),
        (BUDGETS, "minimal", {"thinkingBudget": 1, "includeThoughts": True}),
        (BUDGETS, "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        (BUDGETS, "medium", {"thinkingBudget": 2048, "includeThoughts": True}),
        (BUDGETS, "high", {"thinkingBudget": 4096, "includeThoughts": True}),
        (BUDGETS, "xhigh", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128, "includeThoughts": False}),
        ("gemini-2.5-pro", "max", {"thinkingBudget": 32768, "includeThoughts": True}),
        ("gemini-2.5-flash-lite", "minimal", {"thinkingBudget": 512, "includeThoughts": True}),
        (TUNED, "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        (LEVELS, "none", {"thinkingLevel": "MINIMAL", "includeThoughts": False}),
        (LEVELS, "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        (LEVELS, "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        (LEVELS, "max", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3-pro-preview", "minimal", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "minimal", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-2.0-flash", "high", None),
    ],
)
def test_an_effort_is_a_budget_or_a_level(model, effort, expected):
    assert config(model, reasoning_effort=effort).get("thinkingConfig") == expected


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("gemini-2.5-pro", "none"),
        (LEVELS, "none"),
        (LEVELS, "xhigh"),
        ("gemini-3-pro-preview", "medium"),
        ("gemini-2.0-flash", "low"),
    ],
)
def test_an_effort_that_the_model_does_not_have_is_named(model, effort):
    assert call(model, reasoning_effort=effort).ignored == ("reasoning_effort",)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (
            {"thinking": {"type": "enabled", "budget_tokens": 700}},
            {"thinkingBudget": 700, "includeThoughts": True},
        ),
        ({"thinking": {"type": "enabled", "budget_tokens": 0}}, {"thinkingBudget": 0}),
        ({"thinking": {"type": "enabled"}}, {"includeThoughts": True}),
        ({"thinking": {"type": "disabled"}}, {"thinkingBudget": 0}),
        (
            {"google": {"thinking_config": {"include_thoughts": True, "thinking_budget": 5}}},
            {"includeThoughts": True, "thinkingBudget": 5},
        ),
        ({"extra_body": {"google": {"thinkingConfig": {"thinkingBudget": -1}}}}, {"thinkingBudget": -1}),
    ],
)
def test_thinking_of_gemini_2_5_in_other_words(params, expected):
    assert config(BUDGETS, **params)["thinkingConfig"] == expected


def test_the_words_closest_to_google_s_count():
    params = {
        "reasoning_effort": "low",
        "thinking": {"type": "enabled", "budget_tokens": 9},
        "google": {"thinking_config": {"thinking_budget": 7}},
    }
    upstream_call = call(**params)
    assert upstream_call.body["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 7}
    assert upstream_call.ignored == ("reasoning_effort", "thinking")


def test_a_level_in_small_letters():
    assert config(LEVELS, google={"thinking_config": {"thinking_level": "low"}})["thinkingConfig"] == {
        "thinkingLevel": "LOW"
    }


@pytest.mark.parametrize(
    "params",
    [
        {"thinking": {"type": "sometimes"}},
        {"thinking": {"type": "enabled", "budget_tokens": "many"}},
        {"google": {"thinking_config": {"thinking_level": "low", "thinking_budget": 1}}},
        {"google": {"thinking_config": 7}},
        {"google": {"tools": [7]}},
        {"extra_body": {"google": 7}},
    ],
)
def test_malformed_reasoning_and_google_options_are_refused(params):
    assert refused(**params).param


# Structured answers


LIST = {"type": "array"}
AS_JSON = {"responseMimeType": "application/json"}
ENUM = {"type": "string", "enum": ["a", "b"]}


def json_schema(**described):
    return {"type": "json_schema", "json_schema": {"name": "n", **described}}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ({"type": "text"}, {}),
        ({"type": "json_object"}, AS_JSON),
        ({"type": "json_object", "response_schema": LIST}, AS_JSON | {"responseJsonSchema": LIST}),
        (json_schema(schema=LIST), AS_JSON | {"responseJsonSchema": LIST}),
        (
            json_schema(schema=LIST, description="A."),
            AS_JSON | {"responseJsonSchema": {"description": "A.", **LIST}},
        ),
        (json_schema(), AS_JSON),
        ({"type": "application/json"}, AS_JSON),
        (
            {"type": "text/x.enum", "response_schema": ENUM},
            {"responseMimeType": "text/x.enum", "responseJsonSchema": ENUM},
        ),
    ],
)
def test_the_form_of_an_answer(shape, expected):
    assert config(response_format=shape) == expected


@pytest.mark.parametrize("shape", [{"type": "json"}, {"type": "json_schema"}])
def test_a_form_that_is_none_is_refused(shape):
    assert refused(response_format=shape).param.startswith("response_format")


# The rest


def test_google_s_own_parameters_are_read_in_each_place():
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    cached = "projects/p/locations/l/cachedContents/1"
    for params in (
        {"safety_settings": safety, "cached_content": cached, "labels": {"team_a": "b"}},
        {"google": {"safety_settings": safety, "cached_content": cached, "labels": {"team_a": "b"}}},
        {
            "extra_body": {
                "google": {"safetySettings": safety, "cachedContent": cached, "labels": {"team_a": "b"}}
            }
        },
    ):
        upstream_body = body(**params)
        assert (upstream_body["safetySettings"], upstream_body["cachedContent"], upstream_body["labels"]) == (
            safety,
            cached,
            {"team_a": "b"},
        )


def test_unknown_google_options_are_named():
    upstream_call = call(
        google={"of_tomorrow": 1, "thinking_config": {"mood": 1}},
        extra_body={"google": {"thought_tag_marker": "t"}, "x": 1},
    )
    assert upstream_call.ignored == (
        "extra_body.x",
        "extra_body.google.thought_tag_marker",
        "google.of_tomorrow",
        "google.thinking_config.mood",
    )


def test_a_cache_has_its_own_system_and_tools():
    cached = "projects/p/locations/l/cachedContents/1"
    assert refused(cached_content=cached, tools=[function("f")]).param == "cached_content"
    assert (
        refused(cached_content=cached, messages=[{"role": "system", "content": "x"}, *HELLO]).param
        == "cached_content"
    )


def test_metadata_are_labels():
    assert body(metadata={"team": "a"})["labels"] == {"team": "a"}
    upstream_call = call(metadata={"Request Id": "Ä/1" * 40})
    assert list(upstream_call.body["labels"]) == ["request_id"]
    assert len(upstream_call.body["labels"]["request_id"]) == 63
    assert upstream_call.ignored == ("metadata",)


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("flex", {"X-Vertex-AI-LLM-Shared-Request-Type": "flex"}),
        ("priority", {"X-Vertex-AI-LLM-Shared-Request-Type": "priority"}),
        ("auto", {}),
        ("default", {}),
        ("scale", {"X-Vertex-AI-LLM-Request-Type": "dedicated"}),
        ("gold", {}),
    ],
)
def test_a_service_tier_is_a_header(tier, expected):
    upstream_call = call(service_tier=tier)
    assert upstream_call.headers == expected
    assert upstream_call.ignored == (("service_tier",) if tier == "gold" else ())


def test_logprobs():
    assert config(logprobs=True, top_logprobs=3) == {"responseLogprobs": True, "logprobs": 3}
    assert config(logprobs=True, top_logprobs=0) == {"responseLogprobs": True}
    assert config(logprobs=False) == {}
    assert refused(top_logprobs=3).param == "top_logprobs"


def test_penalties_of_a_model_without_them():
    assert call(LEVELS, presence_penalty=1, frequency_penalty=1).ignored == (
        "frequency_penalty",
        "presence_penalty",
    )
    assert config(BUDGETS, presence_penalty=1) == {"presencePenalty": 1}


def test_stops_beyond_five_are_named():
    upstream_call = call(stop=list("abcdefg"))
    assert upstream_call.body["generationConfig"]["stopSequences"] == list("abcde")
    assert upstream_call.ignored == ("stop",)


@pytest.mark.parametrize("seed", [7, -7, 2**31, 2**62, -(2**62)])
def test_seed_is_reduced_to_31_bits(seed):
    upstream_seed = config(seed=seed)["seed"]
    assert (upstream_seed == seed) == (abs(seed) < 2**31)


def test_modalities():
    assert config(modalities=["text", "image"], image_config={"aspect_ratio": "16:9"}) == {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "16:9"},
    }
    speech = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
    for voice in ("alloy", "Kore", {"id": "Kore"}):
        upstream_call = call(modalities=["text", "audio"], audio={"voice": voice, "format": "pcm16"})
        assert upstream_call.body["generationConfig"] == {
            "responseModalities": ["AUDIO"],
            "speechConfig": speech,
        }
        assert upstream_call.audio_format == "pcm16"
    assert refused(modalities=["smell"]).param == "modalities"
    assert refused(modalities=["audio"], audio={"format": "mp3"}).param == "audio.format"
    assert refused(modalities=["audio"], audio={"format": "wav"}, stream=True).param == "audio.format"
    assert call(modalities=["text"], audio={"voice": "alloy"}).ignored == ("audio",)


def test_a_tuned_gemini():
    assert call(TUNED).path == "endpoints/1234567890:generateContent"
    assert call(TUNED, stream=True).path == "endpoints/1234567890:streamGenerateContent?alt=sse"


def test_deeply_nested_request_is_refused():
    deep = {"type": "object"}
    for _ in range(1000):
        deep = {"type": "object", "properties": {"a": deep}}
    with pytest.raises(errors.BadRequest, match="nested too deeply"):
        CHAT.request({"messages": HELLO, "tools": [function("f", deep)]}, model_names.resolve(CURRENT))


# Signatures

SIGNATURE = base64.b64encode(b"why the model called\xfb\xff").decode()


def ids(gemini_id=None, signature=None):
    return signatures.call_id("seed", signatures.CallMarks(gemini_id, signature))


@pytest.mark.parametrize("own", [None, "vcyiitct", "名前/+"])
@pytest.mark.parametrize("signature", [None, SIGNATURE, "AAA=", "AA=="])
def test_id_holds_signature_and_id_of_its_call(own, signature):
    identity = ids(own, signature)
    assert identity.replace("_", "").replace("-", "").isalnum()
    assert identity.isascii()
    assert signatures.of_call(identity, {}) == (own, signature)


@pytest.mark.parametrize(
    "identity",
    [
        "call_1",
        "toolu_01",
        "call_" + "0" * 24 + "_s",
        "call_" + "0" * 24 + "_sA",
        "",
        "call_" + "0" * 24 + "_i0",
    ],
)
def test_foreign_call_id_has_no_signature(identity):
    assert signatures.of_call(identity, {}) == (None, None)


def step(model, message):
    return call(model, messages=[*HELLO, message, result(call=message["tool_calls"][0]["id"])]).body[
        "contents"
    ][1:]


def test_a_signature_comes_back_from_where_the_client_kept_it():
    message = called("f", ids=[ids(signature="AAAA")])
    assert step(LEVELS, message)[0]["parts"][0]["thoughtSignature"] == "AAAA"
    message["tool_calls"][0]["extra_content"] = signatures.extra_content(SIGNATURE)
    assert step(LEVELS, message)[0]["parts"][0]["thoughtSignature"] == SIGNATURE
    assert step(BUDGETS, message)[0]["parts"][0]["thoughtSignature"] == SIGNATURE


def test_unsigned_call_gets_skip_value_in_current_turn_only():
    old, new = called("f", ids=["call_1"]), called("f", "g", ids=["call_2", "call_3"])
    messages = [*HELLO, old, result(call="call_1"), *HELLO, new, result(call="call_2")]
    contents = body(LEVELS, messages=messages)["contents"]
    signed = [[part.get("thoughtSignature") for part in content["parts"]] for content in contents]
    assert signed == [[None], [None], [None], [None], [signatures.SKIP, None], [None, None]]
    assert "thoughtSignature" not in str(body(BUDGETS, messages=messages))


def test_gemini_s_own_id_goes_with_the_call_and_its_result():
    call_part, result_part = step(LEVELS, called("f", ids=[ids("abc", SIGNATURE)]))
    assert call_part["parts"][0]["functionCall"]["id"] == "abc"
    assert result_part["parts"][0]["functionResponse"]["id"] == "abc"
    assert '"id"' not in str(step(BUDGETS, called("f", ids=[ids("abc")])))


def test_a_signed_text():
    signed = {"extra_content": signatures.extra_content(SIGNATURE)}
    for message in (
        {"role": "assistant", "content": "Hi.", **signed},
        {"role": "assistant", "content": [{"type": "text", "text": "Hi."}], **signed},
        {"role": "assistant", "content": [{"type": "text", "text": "Hi.", **signed}]},
    ):
        assert body(LEVELS, messages=[*HELLO, message, *HELLO])["contents"][1]["parts"] == [
            {"text": "Hi.", "thoughtSignature": SIGNATURE}
        ]


def test_google_s_thought_flag_is_sent_back():
    message = {"role": "assistant", "content": "Hm.", "extra_content": {"google": {"thought": True}}}
    assert body(messages=[*HELLO, message, *HELLO])["contents"][1]["parts"] == [
        {"text": "Hm.", "thought": True}
    ]


def test_labels_are_merged_from_metadata_and_labels():
    assert body(metadata={"a": "1"}, labels={"b": "2"})["labels"] == {"a": "1", "b": "2"}


def test_the_largest_penalty_is_one_that_gemini_2_5_takes():
    upstream_call = call(BUDGETS, presence_penalty=2, frequency_penalty=-2)
    assert upstream_call.body["generationConfig"] == {"presencePenalty": 1.99, "frequencyPenalty": -2}
    assert upstream_call.ignored == ("presence_penalty",)


def test_search_context_size_is_named_as_ignored():
    upstream_call = call(web_search_options={"search_context_size": "low"})
    assert upstream_call.body["tools"] == [{"googleSearch": {}}]
    assert upstream_call.ignored == ("web_search_options.search_context_size",)


def test_search_can_exclude_domains_and_not_select_them():
    filters = {"blocked_domains": ["a.example"], "allowed_domains": ["b.example"]}
    upstream_call = call(web_search_options={"filters": filters})
    assert upstream_call.body["tools"] == [{"googleSearch": {"excludeDomains": ["a.example"]}}]
    assert upstream_call.ignored == ("web_search_options.filters.allowed_domains",)


@pytest.mark.parametrize(
    ("filters", "param"),
    [
        (5, ""),
        ([1], ""),
        ({"blocked_domains": "a"}, ".blocked_domains"),
        ({"blocked_domains": [1]}, ".blocked_domains[0]"),
    ],
)
def test_filters_of_a_search_have_their_type(filters, param):
    with pytest.raises(errors.BadRequest) as raised:
        call(web_search_options={"filters": filters})
    assert raised.value.param == f"web_search_options.filters{param}"
