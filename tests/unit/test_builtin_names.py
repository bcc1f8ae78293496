"""OpenAI's names that clients have built in, and models that only another API serves."""

import pytest
from helpers.fixtures import RecordingTransport, function, post

from vertex_compat import errors
from vertex_compat.routing import rules
from vertex_compat.routing.catalog import CATALOG, data
from vertex_compat.routing.router import Router

SPEECH = ("/v1/audio/speech", {"input": "Hello", "voice": "alloy"})
IMAGES = ("/v1/images/generations", {"prompt": "A cat"})
CHAT = ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})
EMBEDDINGS = ("/v1/embeddings", {"input": "Hi"})


@pytest.mark.parametrize("name", data().builtin_names)
def test_builtin_name_resolves_to_a_current_model(name):
    (model,) = Router(rules.parse({}), None, None).candidates(name)

    assert model.requested_name == name
    assert CATALOG.replacement(model.name) is None
    assert model.publisher == "texttospeech" or model.profile.price


@pytest.mark.parametrize(
    ("name", "request_", "target"),
    [
        ("tts-1", SPEECH, "texttospeech/"),
        ("gpt-4o-mini-tts", SPEECH, "texttospeech/"),
        ("gpt-image-1", IMAGES, "google/gemini-3.1-flash-image"),
        ("dall-e-3", IMAGES, "google/gemini-3.1-flash-image"),
    ],
)
def test_builtin_name_is_answered_and_the_target_named(app, name, request_, target):
    path, body = request_
    answer = post(app, {"model": name, **body}, path)

    assert answer.status_code == 200
    assert answer.headers["x-vertex-compat-target"].startswith(target)


def test_builtin_names_can_be_switched_off(tmp_path):
    path = tmp_path / "vertex_compat.toml"
    path.write_text("builtin_names = false")
    app = function(RecordingTransport(), VERTEX_COMPAT_CONFIG=str(path))

    assert post(app, {"model": "tts-1", **SPEECH[1]}, SPEECH[0]).status_code == 404


def test_alias_takes_precedence_over_a_builtin_name():
    config = rules.parse({"models": {"tts-1": {"target": "gemini-3.8-flash-tts"}}})

    assert Router(config, None, None).candidates("tts-1")[0].name == "gemini-3.8-flash-tts"


@pytest.mark.parametrize(
    "name", ["gpt-4o", "gpt-5", "o3", "text-embedding-3-small", "text-embedding-ada-002"]
)
def test_chat_and_embedding_names_of_openai_are_not_found(name):
    with pytest.raises(errors.NotFound):
        Router(rules.parse({}), None, None).candidates(name)


def test_key_for_a_model_may_use_it_by_its_builtin_name():
    router = Router(rules.parse({"allow": ["gemini-*"]}), None, None)

    assert router.candidates("gpt-image-1")
    with pytest.raises(errors.Forbidden):
        router.candidates("tts-1")


@pytest.mark.parametrize(
    ("name", "request_", "reason"),
    [
        ("gemini-3.8-live", CHAT, "Live API, a WebSocket API"),
        ("gemini-live-2.5-flash-native-audio", CHAT, "Live API"),
        ("gemini-3.5-transcribe-live", CHAT, "Live API"),
        ("gemini-omni-1.2-flash", CHAT, "Interactions API"),
        ("deep-research-pro-preview-12-2025", CHAT, "Interactions API"),
        ("virtual-try-on-001", IMAGES, "It is served only by Vertex AI's own 'predict'"),
        ("veo-3.1-generate-preview", CHAT, "It serves: videos."),
        ("mistral-ocr-2505", CHAT, "It serves: ocr."),
        ("gemini-embedding-001", CHAT, "It serves: embeddings."),
        ("gemini-3.8-flash", EMBEDDINGS, "does not embed. It serves: chat, transcriptions, ocr."),
        ("gemini-3.8-flash", SPEECH, "does not speak."),
        ("claude-opus-5-5", EMBEDDINGS, "does not embed."),
    ],
)
def test_model_of_another_operation_is_not_called(name, request_, reason):
    transport = RecordingTransport()
    path, body = request_
    answer = post(function(transport), {"model": name, **body}, path)

    assert answer.status_code == 404
    assert reason in answer.json["error"]["message"]
    assert answer.json["error"]["param"] == "model"
    assert not transport.calls


# Paths that name the model


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/openai/deployments/gemini-3.8-flash/chat/completions?api-version=2026-10-01", CHAT[1]),
        ("/openai/deployments/gemini-3.8-flash/chat/completions", {"model": "claude-opus-5-5", **CHAT[1]}),
        ("/v1/engines/gemini-3.8-flash/chat/completions", CHAT[1]),
        ("/engines/google/gemini-3.8-flash/completions", {"prompt": "Hi"}),
        ("/openai/v1/chat/completions", {"model": "gemini-3.8-flash", **CHAT[1]}),
        ("/openai/responses?api-version=preview", {"model": "gemini-3.8-flash", "input": "Hi"}),
    ],
)
def test_path_names_the_model(app, path, body):
    answer = post(app, body, path)

    assert answer.status_code == 200
    assert answer.headers["x-vertex-compat-target"].startswith("google/gemini-3.8-flash;")


def test_embeddings_of_an_old_engine_path(app):
    answer = post(app, {"input": "Hi"}, "/v1/engines/gemini-embedding-001/embeddings")

    assert answer.json["data"][0]["embedding"]


@pytest.mark.parametrize(
    "path",
    ["/openai/deployments/gemini-3.8-flash/files", "/openai/deployments//chat/completions", "/engines/x"],
)
def test_other_path_with_a_model_is_unknown(app, path):
    assert post(app, CHAT[1], path).status_code == 404


def test_body_that_is_not_an_object_is_a_400_on_a_deployment(app):
    answer = app.post("/openai/deployments/gemini-3.8-flash/chat/completions", data=b"[1]")

    assert answer.status_code == 400


def test_voices_and_speech_models_are_listed(app):
    voices = [voice["id"] for voice in app.get("/v1/audio/voices").json["voices"]]
    models = [model["id"] for model in app.get("/v1/audio/models").json["models"]]

    assert voices[0] == "alloy"
    assert {"Kore", "nova"} <= set(voices)
    assert models[0] == "tts-1"
    assert "gemini-3.8-flash-tts" in models
    assert "gemini-3.8-flash" not in models
