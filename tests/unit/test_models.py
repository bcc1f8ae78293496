"""`GET /models`: correct facts about models, and Vertex's own lists, which may fail."""

import json
import threading
import time

import pytest
from helpers.fixtures import RecordingTransport, function, post
from helpers.server import KEY, app_with_emulator

from vertex_compat.emulator.partner_models import dedicated_hosts
from vertex_compat.emulator.resources import listings
from vertex_compat.operations.service import models
from vertex_compat.routing.catalog import CATALOG
from vertex_compat.types import Publisher, _LazyAdapter
from vertex_compat.upstream import model_list

ON = {"VERTEX_COMPAT_DISCOVER": "on"}
MODELS = list(CATALOG.names())

CALLABLE = {
    "gemini-9-ultra",
    "gemini-embedding-001",
    "text-embedding-9",
    "gemma-4-26b-a4b-it-maas",
    "claude-opus-9",
    "mistral-medium-9",
    "meta/llama-9-scout-instruct-maas",
    "deepseek-ai/deepseek-v9-maas",
    "xai/grok-9-fast",
    "qwen/qwen9-coder-maas",
    "endpoints/1234567890",
    f"endpoints/{dedicated_hosts.DEDICATED}77",
    "gemini/2222222222",
    "endpoints/mg-endpoint-4444",
}
"""Names that a client can call, of all that the emulator lists."""


def listed(app):
    answer = app.get("/v1/models")
    assert answer.status_code == 200
    return {entry["id"]: entry for entry in answer.json["data"]}


def upstream_paths(emulator):
    return [call.path for call in emulator.calls if call.method == "GET"]


# What is said of a model

BODIES = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
    "responses": ("/v1/responses", {"input": "Hi"}),
    "completions": ("/v1/completions", {"prompt": "Hi"}),
    "embeddings": ("/v1/embeddings", {"input": "Hi"}),
    "images": ("/v1/images/generations", {"prompt": "Hi"}),
    "speech": ("/v1/audio/speech", {"input": "Hi", "voice": "alloy"}),
    "ocr": ("/v1/ocr", {"document": {"image_url": "data:image/png;base64,iVBORw0KGgo="}}),
}


@pytest.mark.parametrize("name", MODELS)
def test_listed_model_serves_its_operations(app, name):
    operations = app.get(f"/v1/models/{name}").json["operations"]
    assert operations
    for operation in operations:
        if operation != "transcriptions":  # an upload
            path, body = BODIES[operation]
            assert post(app, {"model": name, **body}, path).status_code == 200, operation


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("gemini-embedding-001", ["embeddings"]),
        ("multimodalembedding@001", ["embeddings"]),
        ("gemini-3-pro-image", ["chat", "responses", "completions", "images"]),
        ("imagen-4.0-generate-001", ["images"]),
        ("gemini-3.8-flash-lite-tts", ["speech"]),
        ("vertex_ai/", ["speech"]),
        ("gemini-9-ultra", ["chat", "responses", "completions", "transcriptions", "ocr"]),
        ("claude-opus-9", ["chat", "responses", "completions", "ocr"]),
        ("codestral-2", ["chat", "responses", "completions"]),
        ("gemini/1234", ["chat", "responses", "completions", "embeddings", "transcriptions"]),
        ("endpoints/1234", ["chat", "responses", "completions", "embeddings", "ocr"]),
        ("mistral-medium-3", ["chat", "responses", "completions", "ocr"]),
    ],
)
def test_the_operations_of_a_model_are_those_of_its_kind(app, name, operations):
    assert app.get(f"/v1/models/{name}").json["operations"] == operations


def test_name_with_targets_lists_operations_common_to_all(tmp_path):
    path = tmp_path / "vertex_compat.toml"
    path.write_text(
        "[models.mine]\ntargets = [{ model = 'gemini-3.8-flash' }, { model = 'mistral-medium-3' }]\n"
        "fallbacks = ['claude-sonnet-5-5']"
    )
    app = function(RecordingTransport(), VERTEX_COMPAT_CONFIG=str(path))
    bodies = [app.get("/v1/models/mine").json for _ in range(20)]
    assert all(entry == bodies[0] for entry in bodies)
    assert bodies[0]["publisher"] == "google"
    assert bodies[0]["operations"] == ["chat", "responses", "completions", "ocr"]
    assert {"global", "us-central1", "us-east5"} <= set(bodies[0]["locations"])


def test_retirement_is_shown_with_its_replacement(app):
    body = app.get("/v1/models/gemini-2.5-flash").json
    assert body["retires"] == "2026-10-20"
    assert body["replaced_by"] == "gemini-3.5-flash-lite"
    assert "retires" not in app.get("/v1/models/claude-opus-5-5").json


def test_price_of_a_variant_is_shown_where_it_is_known(app):
    price = app.get("/v1/models/veo-3.1-generate-preview").json["price"]

    assert price == {"second": 0.4, "variants": {"4k": {"second": 0.6}}, "regional": 1.0}


def test_limits_and_price_of_a_model_are_shown(app):
    body = app.get("/v1/models/claude-haiku-5-5").json
    assert (body["context_window"], body["max_output_tokens"]) == (1_000_000, 128_000)
    price = body["price"]
    assert (price["input"], price["output"], price["cached_input"]) == (0.1, 0.5, 0.01)
    assert price["long_context"]["above"] == 100_000
    assert "price" not in app.get("/v1/models/claude-opus-9").json


def test_settings_file_corrects_the_catalog(tmp_path):
    path = tmp_path / "vertex_compat.toml"
    (tmp_path / "prices.toml").write_text('["gemini-9-ultra"]\ninput = 1.5\noutput = 3\n')
    path.write_text(
        'prices = "prices.toml"\n'
        '[catalog."claude-opus-9"]\nmax_output_tokens = 256000\nlocations = ["us-east5"]\n'
        '[models.mine]\ntarget = "gemini-9-ultra"\nprice = { input = 7 }\n'
    )
    app = function(RecordingTransport(), VERTEX_COMPAT_CONFIG=str(path))
    body = app.get("/v1/models/claude-opus-9").json
    assert (body["max_output_tokens"], body["locations"]) == (256_000, ["us-east5"])
    assert app.get("/v1/models/gemini-9-ultra").json["price"]["output"] == 3
    assert app.get("/v1/models/mine").json["price"] == {"input": 7, "regional": 1.0}


# Vertex's own lists


def test_vertex_lists_are_read_only_if_set(app, emulator):
    assert set(listed(app)) == set(MODELS)
    assert not emulator.calls


def test_vertex_lists_show_only_callable_models(emulator):
    app = app_with_emulator(emulator, **ON)
    models = listed(app)
    assert set(models) == set(MODELS) | CALLABLE
    garden = [call for call in emulator.calls if call.path == "/v1beta1/publishers/*/models"]
    assert len(garden) == -(-(len(listings.GARDEN) - 1) // listings.MAX_PAGE_SIZE)
    assert all(call.query["filter"] == model_list.NO_HUGGING_FACE for call in garden)
    for name in CALLABLE:
        assert app.get(f"/v1/models/{name}").json == models[name]


@pytest.mark.parametrize(
    "name", sorted(name for name in CALLABLE if name.startswith(("endpoints", "gemini/")))
)
def test_a_listed_endpoint_answers(emulator, name):
    path, body = BODIES["chat"]
    assert post(app_with_emulator(emulator), {"model": name, **body}, path).status_code == 200


def test_the_lists_are_read_once_for_many_clients(emulator):
    app = app_with_emulator(emulator, **ON)
    first = listed(app)
    calls = len(upstream_paths(emulator))
    assert all(listed(app) == first for _ in range(5))
    assert len(upstream_paths(emulator)) == calls


@pytest.mark.parametrize(
    ("env", "host", "region"),
    [
        ({}, "locations/us-central1", True),
        ({"GOOGLE_CLOUD_LOCATION": "us-central1"}, "locations/us-central1", True),
        ({"GOOGLE_CLOUD_LOCATION": "europe-west4"}, "locations/europe-west4", False),
    ],
)
def test_endpoints_are_looked_for_where_their_names_are_called(emulator, env, host, region):
    models = listed(app_with_emulator(emulator, **ON, **env))
    assert any(host in path for path in upstream_paths(emulator))
    assert ("endpoints/1234567890" in models) == region


DENIED = {
    "error": {"code": 403, "message": "aiplatform.endpoints.list denied", "status": "PERMISSION_DENIED"}
}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, json.dumps(DENIED).encode()),
        (500, b"<html>oh</html>"),
        (200, b"not json"),
        (200, b'{"publisherModels": 7, "endpoints": 7}'),
        (200, b'{"publisherModels": [{}], "endpoints": [{}]}'),
        (200, b"[]"),
    ],
)
def test_failed_vertex_lists_leave_catalog_and_are_logged(emulator, caplog, status, body):
    app = app_with_emulator(emulator, **ON)
    for _ in range(2):
        emulator.script(body, status=status)
    assert set(listed(app)) == set(MODELS)
    assert "list of publisher models could not be read" in caplog.text
    assert "list of endpoints could not be read" in caplog.text
    assert set(listed(app)) == set(MODELS)
    assert len(emulator.calls) == 2  # and nobody asks again at once


def test_one_list_that_fails_leaves_the_other(emulator):
    app = app_with_emulator(emulator, **ON)
    emulator.script(json.dumps(DENIED).encode(), status=403)
    assert set(listed(app)) - set(MODELS) == {
        name for name in CALLABLE if name.startswith(("endpoints", "gemini/"))
    }


def test_a_list_without_end_ends(emulator):
    app = app_with_emulator(emulator, **ON)
    for number in range(model_list.MAX_PAGES + 5):
        emulator.script(json.dumps({"nextPageToken": f"on-{number}"}).encode())
    listed(app)
    garden = [path for path in upstream_paths(emulator) if path.endswith("publishers/*/models")]
    assert len(garden) == model_list.MAX_PAGES


def test_hanging_list_does_not_delay_the_answer(emulator):
    app = app_with_emulator(emulator, **ON)
    emulator.script(b"{}", delay=3 * model_list.INITIAL_WAIT_SECONDS)
    started_at = time.monotonic()
    assert set(listed(app)) == set(MODELS)
    first = time.monotonic()
    assert first - started_at < 2 * model_list.INITIAL_WAIT_SECONDS
    assert set(listed(app)) == set(MODELS)
    assert time.monotonic() - first < model_list.INITIAL_WAIT_SECONDS
    assert len(upstream_paths(emulator)) == 1
    for reader in threading.enumerate():  # its second list would be a call in the next test
        if reader.name == "model list":
            reader.join()


def test_discovered_models_are_filtered_by_key(emulator, tmp_path):
    path = tmp_path / "vertex_compat.toml"
    path.write_text("allow = ['gemini*', 'claude-*']\n[keys.search]\nmodels = ['claude-*']")
    env = {
        "VERTEX_COMPAT_CONFIG": str(path),
        "VERTEX_COMPAT_API_KEYS": f"search:{KEY},other:sk-other-0123456789",
    }
    app = app_with_emulator(emulator, **ON, **env)

    def names(key):
        models = app.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).json["data"]
        return {entry["id"] for entry in models}

    assert "claude-opus-9" in names(KEY)
    assert all(name.startswith("claude-") for name in names(KEY))
    assert {"claude-opus-9", "gemini/2222222222"} <= names("sk-other-0123456789")
    assert all(name.startswith(("claude-", "gemini")) for name in names("sk-other-0123456789"))


def test_openai_s_client_reads_the_list(serve):
    with serve(**ON).client() as client:
        models = {model.id: model for model in client.models.list()}
        assert set(models) == set(MODELS) | CALLABLE
        assert client.models.retrieve("qwen/qwen9-coder-maas").owned_by == "qwen"


def test_every_slot_of_a_publisher_is_an_operation():
    assert set(models.OPERATIONS) == {
        name for name, value in vars(Publisher).items() if isinstance(value, _LazyAdapter)
    } - {
        "name",
        "messages",
        "generate_content",
        "token_counts",
    }
