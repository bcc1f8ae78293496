"""Paths and methods: what exists, with and without `/v1`, and what is said of the rest."""

import pytest
from helpers.fixtures import RecordingTransport, function, post, question

from vertex_compat import __version__
from vertex_compat.routing.catalog import CATALOG


@pytest.fixture(scope="module")
def notes():
    return RecordingTransport()


@pytest.fixture(scope="module")
def app(notes):
    return function(notes)


@pytest.mark.parametrize(
    "path",
    [
        "/chat/completions",
        "/v1/chat/completions",
        "/chat/completions/",
        "/v1/chat/completions/",
        "/v1/chat/completions?a=b",
    ],
)
def test_one_operation_answers_every_spelling_of_its_path(app, notes, path):
    before = len(notes.calls)
    post(app, question("google"), path)
    assert len(notes.calls) == before + 1


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/"])
def test_root_describes_the_service(app, path):
    answer = app.get(path)
    assert answer.status_code == 200
    assert answer.json["name"] == "vertex_compat"
    assert answer.json["version"] == __version__
    assert "POST /chat/completions" in answer.json["operations"]


@pytest.mark.parametrize("path", ["/health", "/v1/health", "/health/"])
def test_health_is_a_200_without_calls(app, notes, path):
    before = len(notes.calls)
    answer = app.get(path)
    assert answer.status_code == 200
    assert answer.is_json
    assert len(notes.calls) == before


def test_a_head_request_is_answered_without_a_body(app):
    answer = app.head("/health")
    assert answer.status_code == 200
    assert answer.data == b""


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/embeddings", "POST"),
        ("PUT", "/chat/completions", "POST"),
        ("DELETE", "/v1/chat/completions/", "POST"),
        ("OPTIONS", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/gemini-3.8-flash", "GET"),
        ("POST", "/health", "GET"),
        ("POST", "/", "GET"),
    ],
)
def test_wrong_method_error_lists_the_allowed_ones(app, method, path, allowed):
    answer = app.open(path, method=method)
    assert answer.status_code == 405
    assert allowed in answer.headers["Allow"].split(", ")
    error = answer.json["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", "method_not_supported")


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/v1/nowhere",
        "/v2/models",
        "/v1/v1/models",
        "/chat",
        "/completions/extra",
        "/chat//completions",
        "/v1/chat/completions%00",
        "/é",
        "/%ff",
        "/..%2f",
        "/" + "x" * 5000,
        "/healthz",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_a_404_in_openai_s_form(app, method, path):
    answer = app.open(path, method=method)
    assert answer.status_code == 404
    error = answer.json["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) < 1000


# Models


def test_the_models_are_listed_in_openai_s_form(app):
    listed = app.get("/v1/models").json
    assert listed["object"] == "list"
    assert {entry["id"] for entry in listed["data"]} >= set(CATALOG.names())
    for entry in listed["data"]:
        assert entry.keys() >= {"id", "object", "created", "owned_by"}
        assert entry["object"] == "model"
        assert isinstance(entry["created"], int)
        assert entry["owned_by"]


def test_every_listed_model_can_be_retrieved(app):
    for entry in app.get("/models").json["data"]:
        assert app.get(f"/models/{entry['id']}").json == entry


@pytest.mark.parametrize(
    ("path", "name", "owner"),
    [
        ("gemini-3.8-flash", "gemini-3.8-flash", "google"),
        ("gemini-tomorrow", "gemini-tomorrow", "google"),
        ("claude-sonnet-5-5", "claude-sonnet-5-5", "anthropic"),
        ("claude-sonnet-5-5%40default", "claude-sonnet-5-5@default", "anthropic"),
        ("zai-org/glm-5.2-maas", "zai-org/glm-5.2-maas", "zai-org"),
        ("zai-org%2Fglm-5.2-maas", "zai-org/glm-5.2-maas", "zai-org"),
        ("vertex_ai/xai/grok-4.3", "vertex_ai/xai/grok-4.3", "xai"),
        ("codestral-2@001", "codestral-2@001", "mistralai"),
    ],
)
def test_a_model_s_name_may_hold_slashes_and_at_signs(app, path, name, owner):
    answer = app.get(f"/v1/models/{path}")
    assert answer.status_code == 200
    assert (answer.json["id"], answer.json["object"], answer.json["owned_by"]) == (name, "model", owner)


@pytest.mark.parametrize("name", ["gpt-5", "nobody", "a/b/c", "%2e%2e", "gemini-%20", "chat-bison"])
def test_an_unknown_model_is_a_404(app, name):
    answer = app.get(f"/v1/models/{name}")
    assert answer.status_code == 404
    assert answer.json["error"]["code"] == "model_not_found"
