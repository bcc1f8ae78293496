"""Google's SDK talks with every publisher over the Gemini API, through the front door."""

import base64
import json
from types import SimpleNamespace

import httpx2 as httpx
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import models as genai_models
from google.genai import types
from helpers.fixtures import MODELS

GEMINI = "gemini-3.8-flash"
CLAUDE = "claude-opus-4-8"
CHATTING = {**MODELS, "google": GEMINI, "anthropic": CLAUDE}
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HELLO = {"contents": [{"parts": [{"text": "Hello"}]}]}
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="The weather.",
            parameters=types.Schema(
                type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"]
            ),
        )
    ]
)

each_publisher = pytest.mark.parametrize("model", CHATTING.values(), ids=CHATTING.keys())


def client_of(server, key="sk-test"):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=server.url))


@pytest.fixture
def sdk(front_door):
    with client_of(front_door) as client:
        yield client


@each_publisher
def test_every_publisher_answers_whole_and_streamed(sdk, model):
    whole = sdk.models.generate_content(model=model, contents="Hello")
    assert whole.text.startswith("You said: Hello")
    assert whole.candidates[0].finish_reason == "STOP"
    assert whole.usage_metadata.total_token_count > 0
    chunks = list(sdk.models.generate_content_stream(model=model, contents="Hello"))
    assert len(chunks) > 2
    assert "".join(chunk.text or "" for chunk in chunks).startswith("You said: Hello")


@pytest.mark.parametrize(
    "model", [GEMINI, CLAUDE, "mistral-medium-3", "meta/llama-4-maverick-17b-128e-instruct-maas"]
)
def test_a_chat_calls_a_tool_and_reads_its_result(sdk, model):
    chat = sdk.chats.create(
        model=model,
        config=types.GenerateContentConfig(
            tools=[WEATHER], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
        ),
    )
    called = chat.send_message("What is the weather? Use the tools.")
    (call,) = called.function_calls
    assert call.name == "get_weather"
    answer = chat.send_message(
        types.Part.from_function_response(name=call.name, response={"output": "Sunny"})
    )
    assert answer.text


def test_claude_s_thinking_travels_in_the_signature(sdk, emulator):
    config = types.GenerateContentConfig(
        tools=[WEATHER],
        thinking_config=types.ThinkingConfig(include_thoughts=True),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    chat = sdk.chats.create(model=CLAUDE, config=config)
    called = chat.send_message("Think, then use the tools.")
    assert any(part.thought for part in called.candidates[0].content.parts)
    call = called.function_calls[0]
    chat.send_message(types.Part.from_function_response(name=call.name, response={"output": "Sunny"}))
    upstream_body = json.loads(emulator.calls[-1].body)["messages"]
    assert upstream_body[1]["content"][0]["type"] == "thinking"
    assert upstream_body[1]["content"][0]["signature"]


def test_gemini_gets_the_body_as_it_came_with_roles(app, emulator):
    body = HELLO | {"generationConfig": {"temperature": 0.5, "topK": 3}, "safetySettings": []}
    response = app.post(f"/v1beta/models/{GEMINI}:generateContent", json=body)
    assert response.status_code == 200
    upstream_body = json.loads(emulator.calls[0].body)
    assert upstream_body == body | {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_without_alt_the_stream_is_a_json_array(app):
    for model in (GEMINI, CLAUDE):
        response = app.post(f"/v1beta/models/{model}:streamGenerateContent", json=HELLO)
        assert response.mimetype == "application/json"
        chunks = response.get_json()
        assert len(chunks) > 2
        assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


def test_snake_case_and_other_versions_of_the_path_work(app):
    body = {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "generation_config": {"max_output_tokens": 50, "stop_sequences": ["END"]},
    }
    for path in ("/v1beta", "/v1alpha", "/v1"):
        response = app.post(f"{path}/models/mistral-medium-3:generateContent", json=body)
        assert response.status_code == 200, response.json


def test_generation_config_reaches_other_publishers(app, emulator):
    config = {
        "maxOutputTokens": 50,
        "stopSequences": ["END"],
        "temperature": 0.5,
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "nullable": True}}},
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
    }
    body = HELLO | {"generationConfig": config, "safetySettings": []}
    response = app.post("/v1beta/models/mistral-medium-3:generateContent", json=body)
    assert response.status_code == 200, response.json
    upstream_body = json.loads(emulator.calls[0].body)
    assert (upstream_body["max_tokens"], upstream_body["stop"], upstream_body["temperature"]) == (
        50,
        ["END"],
        0.5,
    )
    schema = upstream_body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["n"]["type"] == ["integer", "null"]
    ignored = response.headers["x-vertex-compat-ignored"]
    assert "generationConfig.mediaResolution" in ignored
    assert "safetySettings" in ignored


def test_embeddings_are_those_of_the_model(sdk):
    for model in ("gemini-embedding-001", "text-embedding-005"):
        result = sdk.models.embed_content(model=model, contents=["One", "Two"])
        assert len(result.embeddings) == 2
        assert result.embeddings[0].values != result.embeddings[1].values


def test_one_content_is_embedded(app):
    body = {"content": {"parts": [{"text": "One"}]}, "outputDimensionality": 8}
    response = app.post("/v1beta/models/text-embedding-005:embedContent", json=body)
    assert len(response.json["embedding"]["values"]) == 8


def test_options_of_embeddings_reach_the_model(sdk, emulator):
    config = types.EmbedContentConfig(task_type="RETRIEVAL_QUERY", output_dimensionality=256)
    result = sdk.models.embed_content(model="gemini-embedding-001", contents="One", config=config)
    assert len(result.embeddings[0].values) == 256
    upstream_body = emulator.calls[-1].json
    assert upstream_body["instances"][0]["task_type"] == "RETRIEVAL_QUERY"
    assert upstream_body["parameters"] == {"outputDimensionality": 256}


def test_files_are_embedded_by_models_that_read_them(sdk, emulator):
    picture = types.Part.from_bytes(data=PIXEL, mime_type="image/png")
    stored = types.Part.from_uri(file_uri="gs://public/a.png", mime_type="image/png")
    contents = [types.Content(parts=[part]) for part in (picture, stored, types.Part(text="A dot"))]
    result = sdk.models.embed_content(model="gemini-embedding-2", contents=contents)
    assert len(result.embeddings) == 3
    kinds = [call.json["content"]["parts"][0].keys() for call in emulator.calls]
    assert sorted(map(str, kinds)) == sorted(
        map(str, ({"inlineData": 0}.keys(), {"fileData": 0}.keys(), {"text": 0}.keys()))
    )


PICTURE_PART = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


@pytest.mark.parametrize(
    ("model", "parts", "reason"),
    [
        ("text-embedding-005", [PICTURE_PART], "embeds texts only"),
        ("gemini-embedding-2", [PICTURE_PART, {"text": "A dot"}], "texts or one file"),
        ("gemini-embedding-2", [{"fileData": {"fileUri": "https://a.example/b.png"}}], "gs://"),
        ("gemini-embedding-2", [{"fileData": {"fileUri": "gs://a/b"}}], "extension"),
        ("gemini-embedding-2", [], "no text"),
    ],
)
def test_contents_that_cannot_be_embedded_are_named(app, emulator, model, parts, reason):
    single = app.post(f"/v1beta/models/{model}:embedContent", json={"content": {"parts": parts}})
    requests = [{"content": {"parts": [{"text": "One"}]}}, {"content": {"parts": parts}}]
    many = app.post(f"/v1beta/models/{model}:batchEmbedContents", json={"requests": requests})
    for response, field in ((single, "content"), (many, "requests[1].content")):
        error = response.json["error"]
        assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
        assert reason in error["message"]
        assert error["details"][0]["fieldViolations"][0]["field"] == field
    assert not emulator.calls


def predict(app, model="gemini-3.1-flash-image", prompt="A cat", **parameters):
    body = {"instances": [{"prompt": prompt}], "parameters": parameters}
    return app.post(f"/v1beta/models/{model}:predict", json=body)


@pytest.mark.parametrize("model", ["gemini-3.1-flash-image", "imagen-4.0-generate-001"])
def test_predict_makes_images(app, emulator, model):
    response = predict(app, model, sampleCount=2, aspectRatio="16:9")
    assert response.status_code == 200, response.text
    pictures = [
        types.Image(image_bytes=prediction["bytesBase64Encoded"])
        for prediction in response.json["predictions"]
    ]
    assert len(pictures) == 2
    assert {prediction["mimeType"] for prediction in response.json["predictions"]} == {"image/png"}
    method = ":predict" if "imagen" in model else ":generateContent"
    assert all(call.path.endswith(method) for call in emulator.calls)
    assert '"aspectRatio":"16:9"' in emulator.calls[0].body.decode().replace(" ", "")


def test_predict_accepts_requests_of_google_s_sdk(app, emulator):
    config = types.GenerateImagesConfig(
        number_of_images=1,
        aspect_ratio="3:4",
        image_size="2K",
        output_mime_type="image/jpeg",
        output_compression_quality=80,
        negative_prompt="dogs",
        include_rai_reason=True,
        person_generation="DONT_ALLOW",
    )
    parameters = genai_models._GenerateImagesParameters_to_vertex(
        SimpleNamespace(vertexai=True),
        types._GenerateImagesParameters(model="imagen-4.0-generate-001", prompt="A cat", config=config),
    )
    body = {name: parameters[name] for name in ("instances", "parameters")}
    response = app.post("/v1/models/imagen-4.0-generate-001:predict", json=body)
    images = genai_models._GenerateImagesResponse_from_vertex(response.json)
    parsed = types.GenerateImagesResponse.model_validate(images)
    assert parsed.generated_images[0].image.mime_type == "image/jpeg"
    assert parsed.generated_images[0].enhanced_prompt == "A cat, in detail"
    assert emulator.calls[0].json["parameters"] == body["parameters"]


def test_predict_names_what_a_model_ignores(app):
    response = predict(app, negativePrompt="dogs", storageUri="gs://a/b", includeRaiReason=True)
    assert response.headers["x-vertex-compat-ignored"] == "parameters.negativePrompt, parameters.storageUri"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "instances"),
        ({"instances": []}, "instances"),
        ({"instances": [{"prompt": "a"}, {"prompt": "b"}]}, "instances"),
        ({"instances": [{"prompt": ""}]}, "instances[0].prompt"),
        ({"instances": [{"prompt": "a", "image": {}}]}, "instances[0].image"),
        ({"instances": [{"prompt": "a"}], "parameters": {"sampleCount": 11}}, "parameters.sampleCount"),
        (
            {"instances": [{"prompt": "a"}], "parameters": {"outputOptions": {"mimeType": "image/webp"}}},
            "parameters.outputOptions.mimeType",
        ),
        ({"instances": [{"prompt": "unsafe"}]}, "instances[0].prompt"),
    ],
)
def test_predict_errors_name_the_field(app, body, field):
    error = app.post("/v1beta/models/imagen-4.0-generate-001:predict", json=body).json["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["fieldViolations"][0]["field"] == field


def test_predict_needs_a_model_that_makes_images(app):
    response = predict(app, CLAUDE)
    assert (response.status_code, response.json["error"]["status"]) == (404, "NOT_FOUND")
    assert "make images" in response.json["error"]["message"]


def test_models_are_listed(sdk):
    listed = {model.name: model for model in sdk.models.list(config={"page_size": 20})}
    assert f"models/{GEMINI}" in listed
    assert "generateContent" in listed[f"models/{GEMINI}"].supported_actions
    assert sdk.models.get(model=CLAUDE).name == f"models/{CLAUDE}"


def test_keys_are_taken_as_google_s_clients_send_them(serve):
    server = serve(VERTEX_COMPAT_API_KEYS="sk-secret-of-the-tests")
    url = f"{server.url}/v1beta/models/{GEMINI}:generateContent"
    key = "sk-secret-of-the-tests"
    assert httpx.post(f"{url}?key={key}", json=HELLO).status_code == 200
    assert httpx.post(url, json=HELLO, headers={"x-goog-api-key": key}).status_code == 200
    refused = httpx.post(f"{url}?key=wrong", json=HELLO)
    assert (refused.status_code, refused.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    chat = httpx.post(f"{server.url}/v1/chat/completions?key={key}", json={})
    assert chat.status_code == 401


@pytest.mark.parametrize(
    ("model", "code", "status"),
    [
        ("gemini-emulator-status-429", 429, "RESOURCE_EXHAUSTED"),
        ("claude-emulator-status-429", 429, "RESOURCE_EXHAUSTED"),
        ("no-such-model", 404, "NOT_FOUND"),
    ],
)
def test_the_sdk_raises_its_own_errors(sdk, model, code, status):
    with pytest.raises(genai_errors.APIError) as raised:
        sdk.models.generate_content(model=model, contents="Hello")
    assert (raised.value.code, raised.value.status) == (code, status)


@pytest.mark.parametrize("model", ["claude-emulator-cut-2", "gemini-emulator-cut-2"])
def test_a_cut_stream_ends_with_an_error(sdk, model):
    with pytest.raises(genai_errors.APIError, match=r"broke|ended"):
        list(sdk.models.generate_content_stream(model=model, contents="Hello"))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        (
            {"contents": [{"parts": [{"inlineData": {"data": "x"}}]}]},
            "contents[0].parts[0].inlineData.mimeType",
        ),
        (HELLO | {"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        (
            {
                "contents": [
                    {
                        "parts": [
                            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1/files/x"}}
                        ]
                    }
                ]
            },
            "contents[0].parts[0].fileData.fileUri",
        ),
    ],
)
def test_wrong_requests_get_google_s_error(app, body, param):
    response = app.post(f"/v1beta/models/{CLAUDE}:generateContent", json=body)
    error = response.json["error"]
    assert (response.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["fieldViolations"][0]["field"] == param


def test_files_of_the_files_api_are_refused_for_gemini_too(app, emulator):
    part = {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}}
    response = app.post(f"/v1beta/models/{GEMINI}:generateContent", json={"contents": [{"parts": [part]}]})
    assert response.status_code == 400
    assert emulator.calls == []


def test_tokens_are_counted(sdk, app, emulator):
    for model in (GEMINI, CLAUDE):
        assert sdk.models.count_tokens(model=model, contents="Hello, how are you?").total_tokens > 2
    wrapped = {"generateContentRequest": HELLO | {"model": f"models/{GEMINI}"}}
    emulator.forget_calls()
    assert app.post(f"/v1beta/models/{GEMINI}:countTokens", json=wrapped).json["totalTokens"] > 0
    assert json.loads(emulator.calls[0].body)["contents"][0]["role"] == "user"
    assert app.post(f"/v1beta/models/{CLAUDE}:countTokens", json=wrapped).json["totalTokens"] > 0


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
@pytest.mark.parametrize("value", [5, [1], "x"])
def test_counting_an_invalid_request_is_a_400(app, model, value):
    response = app.post(f"/v1beta/models/{model}:countTokens", json={"generateContentRequest": value})
    assert (response.status_code, response.json["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("model", ["gemini-3.5-transcribe", "gemini-3.1-flash-image", "gemini-3.8-flash-tts"])
def test_every_gemini_gets_its_requests(app, emulator, model):
    app.post(f"/v1beta/models/{model}:generateContent", json=HELLO)
    assert emulator.calls[0].path.endswith(f"/{model}:generateContent")


def test_an_embedding_model_generates_no_content(app):
    response = app.post("/v1beta/models/text-embedding-005:generateContent", json=HELLO)
    assert (response.status_code, response.json["error"]["status"]) == (404, "NOT_FOUND")
