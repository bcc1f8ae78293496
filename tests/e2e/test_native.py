"""Google's own clients, over this function instead of over Vertex AI."""

import json

import httpx2 as httpx
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from google.oauth2.credentials import Credentials
from helpers.server import app_with_emulator

PROJECT = "emulated-project"
BASE = f"/vertex-ai/v1beta1/projects/{PROJECT}/locations/us-central1"
HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def google(server, location="us-central1"):
    """google-genai's client, whose credentials are a key for this function."""
    options = types.HttpOptions(base_url=f"{server.url}/vertex-ai")
    key = Credentials(token="sk-test-0123456789")
    return genai.Client(
        vertexai=True, project=PROJECT, location=location, http_options=options, credentials=key
    )


def test_google_s_sdk_is_answered(front_door):
    client = google(front_door)
    answer = client.models.generate_content(model="gemini-3.8-flash", contents="Hello")
    assert answer.text.startswith("You said: Hello")


def test_google_s_sdk_streams(front_door):
    client = google(front_door)
    chunks = list(client.models.generate_content_stream(model="gemini-3.8-flash", contents="Hello"))
    assert len(chunks) > 3
    assert "".join(chunk.text or "" for chunk in chunks).startswith("You said: Hello")


def test_google_s_sdk_gets_google_s_errors(front_door):
    client = google(front_door)
    with pytest.raises(genai_errors.ClientError) as refused:
        client.models.generate_content(model="gemini-emulator-status-429", contents="Hello")
    assert (refused.value.code, refused.value.status) == (429, "RESOURCE_EXHAUSTED")


def test_body_and_answer_pass_unchanged(app, emulator):
    body = json.dumps(HELLO | {"generationConfig": {"temperature": 0.5}}, indent=3).encode()
    answer = app.post(f"{BASE}/publishers/google/models/gemini-3.8-flash:generateContent", data=body)
    assert emulator.calls[0].body == body
    assert answer.json["candidates"][0]["finishReason"] == "STOP"


def test_the_function_s_own_token_is_used(app, emulator):
    headers = {"Authorization": "Bearer sk-of-the-client"}
    path = f"{BASE}/publishers/google/models/gemini-3.8-flash:generateContent"
    assert app.post(path, json=HELLO, headers=headers).status_code == 200
    assert "sk-of-the-client" not in str(emulator.calls[0].headers)


def test_a_key_is_needed_and_may_come_in_google_s_header(serve):
    server = serve(VERTEX_COMPAT_API_KEYS="sk-test-0123456789")
    client = google(server)
    assert client.models.generate_content(model="gemini-3.8-flash", contents="Hi").text
    url = f"{server.url}{BASE}/publishers/google/models/gemini-3.8-flash:generateContent"
    assert httpx.post(url, json=HELLO).status_code == 401
    assert httpx.post(url, json=HELLO, headers={"x-goog-api-key": "sk-test-0123456789"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/publishers/google/models/gemini-3.8-flash", 405),
        ("/publishers/google/models/gemini-3.8-flash:tuneModel", 404),
        ("/batchPredictionJobs", 404),
        ("/publishers/google/models/../../../x:generateContent", 404),
        ("/publishers/google/models/a%2F..%2Fb:generateContent", 404),
        ("/endpoints/openapi/chat/completions", 400),
    ],
)
def test_only_inference_paths_are_passed_on(app, emulator, path, status):
    answer = app.post(BASE + path, json={})
    assert answer.status_code == status
    assert answer.json["error"]["code"] == status
    assert emulator.calls == []


@pytest.mark.parametrize(
    ("base", "status"),
    [
        ("/vertex-ai/v1/projects/another-project/locations/us-central1", 404),
        (f"/vertex-ai/v1/projects/{PROJECT}/locations/evil.example", 400),
        (f"/vertex-ai/v1/projects/{PROJECT}/locations/us-central1.evil.example%2F", 404),
        (f"/vertex-ai/v9/projects/{PROJECT}/locations/us-central1", 404),
    ],
)
def test_no_other_project_and_no_other_host_is_reached(app, emulator, base, status):
    answer = app.post(f"{base}/publishers/google/models/gemini-3.8-flash:generateContent", json=HELLO)
    assert answer.status_code == status
    assert emulator.calls == []


def test_a_location_that_the_operator_has_set_is_not_left(serve):
    server = serve(GOOGLE_CLOUD_LOCATION="europe-west4")
    client = google(server)
    with pytest.raises(genai_errors.ClientError) as refused:
        client.models.generate_content(model="gemini-3.8-flash", contents="Hello")
    assert refused.value.code == 403
    client = google(server, "europe-west4")
    answer = client.models.generate_content(model="gemini-3.8-flash", contents="Hello")
    assert answer.text


def test_partner_models_pass_in_their_own_words(app):
    body = {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    answer = app.post(f"{BASE}/publishers/anthropic/models/claude-sonnet-5-5:rawPredict", json=body)
    assert answer.json["type"] == "message"


def test_a_stream_that_breaks_breaks(front_door):
    client = google(front_door)
    with pytest.raises(Exception, match=r"(?i)incomplete|peer closed|disconnected|protocol"):
        list(client.models.generate_content_stream(model="gemini-emulator-cut-2", contents="Hello"))


CLAUDE_BODY = {
    "anthropic_version": "vertex-2023-10-16",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Hello"}],
}


def test_headers_that_vertex_reads_are_forwarded(app, emulator):
    headers = {
        "anthropic-beta": "context-1m-2025-08-07",
        "X-Vertex-AI-LLM-Shared-Request-Type": "priority",
        "x-goog-request-params": "location=us-central1",
        "X-Other": "kept here",
    }
    path = f"{BASE}/publishers/anthropic/models/claude-opus-5-5:rawPredict"
    assert app.post(path, json=CLAUDE_BODY, headers=headers).status_code == 200
    upstream_headers = emulator.calls[0].headers
    assert upstream_headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert upstream_headers["x-vertex-ai-llm-shared-request-type"] == "priority"
    assert upstream_headers["x-goog-request-params"] == "location=us-central1"
    assert "x-other" not in upstream_headers


def test_a_stream_without_alt_is_a_json_array(app, emulator):
    path = f"{BASE}/publishers/google/models/gemini-3.8-flash:streamGenerateContent"
    response = app.post(f"{path}?%24alt=json;enum-encoding%3Dint", json=HELLO)
    assert isinstance(response.get_json(), list)
    assert emulator.calls[0].query == {"$alt": "json;enum-encoding=int"}


def test_models_and_endpoints_are_described(app):
    model = app.get(f"{BASE}/publishers/google/models/gemini-3.8-flash")
    assert model.json["name"] == "publishers/google/models/gemini-3.8-flash"
    endpoint = app.get(f"{BASE}/endpoints/1234567890")
    assert endpoint.json["name"].endswith("/endpoints/1234567890")
    assert app.delete(f"{BASE}/endpoints/1234567890").status_code == 405


def test_cached_contents_are_managed(front_door):
    client = google(front_door)
    config = types.CreateCachedContentConfig(contents=[{"role": "user", "parts": [{"text": "Long"}]}])
    cached_content = client.caches.create(model="gemini-3.8-flash", config=config)
    assert client.caches.get(name=cached_content.name).name == cached_content.name
    assert cached_content.name in {cache.name for cache in client.caches.list()}
    update = types.UpdateCachedContentConfig(expire_time="2027-01-01T00:00:00Z")
    assert client.caches.update(name=cached_content.name, config=update).expire_time.year == 2027
    client.caches.delete(name=cached_content.name)
    with pytest.raises(genai_errors.ClientError):
        client.caches.get(name=cached_content.name)


def test_keys_that_do_not_share_have_no_cached_contents(serve):
    server = serve(VERTEX_COMPAT_API_KEYS="a:sk-alice-0123456789,b:sk-bob-0123456789")
    headers = {"Authorization": "Bearer sk-alice-0123456789"}
    refused = httpx.get(f"{server.url}{BASE}/cachedContents", headers=headers)
    assert (refused.status_code, refused.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


INTERACTIONS = f"{BASE}/interactions"
ONE_KEY = "me:sk-test-0123456789"
TWO_KEYS = "a:sk-alice-0123456789,b:sk-bob-0123456789"


def test_interactions_run_whole_and_streamed(front_door):
    client = google(front_door, "global")
    first = client.interactions.create(model="gemini-3.8-flash", input="Hello")
    assert (first.status, first.steps[-1].content[0].text) == ("completed", "Researched: Hello")
    events = client.interactions.create(
        model="gemini-3.8-flash", input="And now?", previous_interaction_id=first.id, stream=True
    )
    kinds = [event.event_type for event in events]
    assert (kinds[0], kinds[-1]) == ("interaction.created", "interaction.completed")
    assert kinds.count("step.delta") == 3


@pytest.mark.parametrize("prefix", ["/vertex-ai", ""])
def test_stored_interactions_are_managed(front_door, prefix):
    options = types.HttpOptions(base_url=f"{front_door.url}{prefix}")
    key = Credentials(token="sk-test-0123456789")
    client = genai.Client(
        vertexai=True, project=PROJECT, location="global", http_options=options, credentials=key
    )
    running = client.interactions.create(agent="deep-research-pro", input="Why?", background=True)
    assert running.status == "queued"
    assert client.interactions.get(running.id).status == "in_progress"
    assert client.interactions.cancel(running.id).status == "cancelled"
    client.interactions.delete(running.id)
    with pytest.raises(Exception, match="Error code: 404"):
        client.interactions.get(running.id)


def interact(app, key=None, **fields):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {name: value for name, value in {"input": "Hello", **fields}.items() if value is not None}
    return app.post(INTERACTIONS, json=body, headers=headers)


def test_interaction_passes_unchanged(app, emulator):
    body = b'{"model": "models/gemini-3.8-flash",  "input": "Hello", "store": false}'
    answer = app.post(f"{INTERACTIONS}?alt=sse&x=1", data=body, headers={"Api-Revision": "2026-05-20"})
    assert answer.json["status"] == "completed"
    (call,) = emulator.calls
    assert (call.body, call.headers["api-revision"]) == (body, "2026-05-20")
    assert answer.headers["x-vertex-compat-target"] == "google/gemini-3.8-flash; location=us-central1"


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({}, 400, "'model' or an 'agent'"),
        ({"model": "gemini-3.8-flash", "agent": "deep-research-pro"}, 400, "'model' or an 'agent'"),
        ({"model": 5}, 400, "'model' must be the name"),
        ({"model": "projects/x/locations/y/models/z"}, 400, "'model' must be the name"),
        ({"model": "../../endpoints/1"}, 400, "'model' must be the name"),
    ],
)
def test_interaction_needs_one_valid_model_or_agent(app, emulator, fields, status, reason):
    answer = interact(app, **fields)
    assert (answer.status_code, reason in answer.json["error"]["message"]) == (status, True)
    assert emulator.calls == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "", "POST"), ("POST", "/v1_x", "DELETE, GET"), ("GET", "/v1_x/cancel", "POST")],
)
def test_interactions_take_their_methods_only(app, emulator, method, path, allowed):
    answer = app.open(f"{INTERACTIONS}{path}", method=method, json={})
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert emulator.calls == []


STATELESS = {"model": "gemini-3.8-flash", "store": False}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"store": None}, "store"),
        ({"store": True}, "store"),
        ({"background": True}, "store"),
        ({"previous_interaction_id": "v1_emulated1"}, "previous_interaction_id"),
        ({"previousInteractionId": "v1_emulated1"}, "previous_interaction_id"),
        ({"cached_content": "cachedContents/1"}, "cached_content"),
        ({"environment": "e"}, "environment"),
    ],
)
def test_keys_that_do_not_share_store_no_interaction(emulator, fields, field):
    app = app_with_emulator(emulator, VERTEX_COMPAT_API_KEYS=TWO_KEYS)
    refused = interact(app, "sk-alice-0123456789", **STATELESS | fields)
    assert (refused.status_code, refused.json["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert refused.json["error"]["details"][0]["fieldViolations"][0]["field"] == field
    assert emulator.calls == []
    assert interact(app, "sk-alice-0123456789", **STATELESS).json["status"] == "completed"
    headers = {"Authorization": "Bearer sk-alice-0123456789"}
    for method in ("GET", "DELETE"):
        assert app.open(f"{INTERACTIONS}/v1_x", method=method, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("rule", "fields", "status"),
    [
        ("models = ['gemini-*']", {}, 200),
        ("models = ['claude-*']", {}, 403),
        ("models = ['gemini-*']", {"model": None, "agent": "deep-research-pro"}, 403),
        ("models = ['gemini-*', 'deep-research-*']", {"model": None, "agent": "deep-research-pro"}, 200),
        ("operations = ['chat']", {}, 403),
        ("budget_usd = 5.0", {}, 200),
        ("budget_usd = 5.0", {"model": None, "agent": "deep-research-pro"}, 403),
    ],
)
def test_a_key_s_rule_holds_for_interactions(tmp_path, emulator, rule, fields, status):
    settings = tmp_path / "vertex_compat.toml"
    settings.write_text(f"single_instance = true\n[keys.me]\n{rule}\n")
    app = app_with_emulator(emulator, VERTEX_COMPAT_CONFIG=str(settings), VERTEX_COMPAT_API_KEYS=ONE_KEY)
    answer = interact(app, "sk-test-0123456789", **STATELESS | fields)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("model_armor = 'projects/emulated-project/locations/us-central1/templates/t1'", "Model Armor"),
        ("enforced_labels = {team = 'x'}", "enforced settings"),
    ],
)
def test_settings_that_interactions_would_evade_refuse_them(tmp_path, emulator, setting, reason):
    settings = tmp_path / "vertex_compat.toml"
    settings.write_text(f"{setting}\n")
    app = app_with_emulator(emulator, VERTEX_COMPAT_CONFIG=str(settings))
    answer = interact(app, **STATELESS)
    assert (answer.status_code, reason in answer.json["error"]["message"]) == (403, True)
    assert emulator.calls == []


def test_google_s_sdk_tries_clothes_on(front_door):
    picture = types.Image(image_bytes=b"\x89PNG\r\n\x1a\n", mime_type="image/png")
    source = types.RecontextImageSource(
        person_image=picture, product_images=[types.ProductImage(product_image=picture)]
    )
    config = types.RecontextImageConfig(number_of_images=2, output_mime_type="image/jpeg")
    client = google(front_door)
    answer = client.models.recontext_image(model="virtual-try-on-001", source=source, config=config)
    assert [image.image.mime_type for image in answer.generated_images] == ["image/jpeg"] * 2
    with pytest.raises(genai_errors.ClientError, match="product image"):
        source.product_images *= 2
        client.models.recontext_image(model="virtual-try-on-001", source=source)


def test_google_s_sdk_upscales(front_door):
    client = google(front_door)
    picture = types.Image(image_bytes=b"\x89PNG\r\n\x1a\n", mime_type="image/png")
    answer = client.models.upscale_image(
        model="imagen-4.0-upscale-preview", image=picture, upscale_factor="x2"
    )
    assert [image.image.mime_type for image in answer.generated_images] == ["image/png"]
    with pytest.raises(genai_errors.ClientError, match="upscaleFactor"):
        client.models.upscale_image(model="imagen-4.0-upscale-preview", image=picture, upscale_factor="x9")


def test_a_video_is_started_and_polled(app):
    model = f"{BASE}/publishers/google/models/veo-3.1-generate-001"
    started = app.post(f"{model}:predictLongRunning", json={"instances": [{"prompt": "A cat"}]})
    assert started.status_code == 200, started.json
    polled = app.post(f"{model}:fetchPredictOperation", json={"operationName": started.json["name"]})
    assert polled.json["name"] == started.json["name"]


def test_mistral_s_client_is_answered_at_the_root(front_door):
    path = f"projects/{PROJECT}/locations/us-central1/publishers/mistralai/models/mistral-medium-3:rawPredict"
    body = {"model": "mistral-medium-3", "messages": [{"role": "user", "content": "Hello"}]}
    for version in ("v1", "v1beta1"):
        response = httpx.post(f"{front_door.url}/{version}/{path}", json=body)
        assert response.json()["choices"][0]["message"]["content"].startswith("You said: Hello")


def test_a_key_for_gemini_may_use_gemini_here_too(tmp_path, serve):
    settings = tmp_path / "vertex_compat.toml"
    settings.write_text("[keys.me]\nmodels = ['gemini-*']\n")
    server = serve(VERTEX_COMPAT_CONFIG=str(settings), VERTEX_COMPAT_API_KEYS="me:sk-test-0123456789")
    headers = {"Authorization": "Bearer sk-test-0123456789"}
    url = f"{server.url}{BASE}/publishers"
    gemini = f"{url}/google/models/gemini-3.8-flash:generateContent"
    assert httpx.post(gemini, json=HELLO, headers=headers).status_code == 200
    claude = f"{url}/anthropic/models/claude-opus-5-5:rawPredict"
    assert httpx.post(claude, json=CLAUDE_BODY, headers=headers).status_code == 403


def test_a_dry_run_of_a_passed_call_shows_it(app, emulator):
    path = f"{BASE}/publishers/google/models/gemini-3.8-flash:generateContent"
    dry_run = app.post(path, json=HELLO, headers={"x-vertex-compat-debug": "request"}).json
    assert dry_run["url"].endswith("gemini-3.8-flash:generateContent")
    assert emulator.calls == []
