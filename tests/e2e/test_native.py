"""Google's own clients, over this function instead of over Vertex AI."""

import json

import httpx2 as httpx
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from google.oauth2.credentials import Credentials

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
    answer = client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    assert answer.text.startswith("You said: Hello")


def test_google_s_sdk_streams(front_door):
    client = google(front_door)
    chunks = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello"))
    assert len(chunks) > 3
    assert "".join(chunk.text or "" for chunk in chunks).startswith("You said: Hello")


def test_google_s_sdk_gets_google_s_errors(front_door):
    client = google(front_door)
    with pytest.raises(genai_errors.ClientError) as refused:
        client.models.generate_content(model="gemini-emulator-status-429", contents="Hello")
    assert (refused.value.code, refused.value.status) == (429, "RESOURCE_EXHAUSTED")


def test_the_body_goes_and_the_answer_comes_as_they_are(app, emulator):
    body = json.dumps(HELLO | {"generationConfig": {"temperature": 0.5}}, indent=3).encode()
    answer = app.post(f"{BASE}/publishers/google/models/gemini-2.5-flash:generateContent", data=body)
    assert emulator.calls[0].body == body
    assert answer.json["candidates"][0]["finishReason"] == "STOP"


def test_the_function_s_own_token_is_used(app, emulator):
    headers = {"Authorization": "Bearer sk-of-the-client"}
    path = f"{BASE}/publishers/google/models/gemini-2.5-flash:generateContent"
    assert app.post(path, json=HELLO, headers=headers).status_code == 200
    assert "sk-of-the-client" not in str(emulator.calls[0].headers)


def test_a_key_is_needed_and_may_come_in_google_s_header(serve):
    server = serve(VERTEX_COMPAT_API_KEYS="sk-test-0123456789")
    client = google(server)
    assert client.models.generate_content(model="gemini-2.5-flash", contents="Hi").text
    url = f"{server.url}{BASE}/publishers/google/models/gemini-2.5-flash:generateContent"
    assert httpx.post(url, json=HELLO).status_code == 401
    assert httpx.post(url, json=HELLO, headers={"x-goog-api-key": "sk-test-0123456789"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/publishers/google/models/gemini-2.5-flash:predictLongRunning", 404),
        ("/publishers/google/models/gemini-2.5-flash", 404),
        ("/cachedContents", 404),
        ("/batchPredictionJobs", 404),
        ("/publishers/google/models/../../../x:generateContent", 404),
        ("/publishers/google/models/a%2F..%2Fb:generateContent", 404),
        ("/endpoints/openapi/chat/completions", 400),
    ],
)
def test_only_inference_passes(app, emulator, path, status):
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
    answer = app.post(f"{base}/publishers/google/models/gemini-2.5-flash:generateContent", json=HELLO)
    assert answer.status_code == status
    assert emulator.calls == []


def test_a_location_that_the_operator_has_set_is_not_left(serve):
    server = serve(GOOGLE_CLOUD_LOCATION="europe-west4")
    client = google(server)
    with pytest.raises(genai_errors.ClientError) as refused:
        client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    assert refused.value.code == 403
    client = google(server, "europe-west4")
    answer = client.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    assert answer.text


def test_partner_models_pass_in_their_own_words(app):
    body = {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    answer = app.post(f"{BASE}/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict", json=body)
    assert answer.json["type"] == "message"


def test_a_stream_that_breaks_breaks(front_door):
    client = google(front_door)
    with pytest.raises(Exception, match=r"(?i)incomplete|peer closed|disconnected|protocol"):
        list(client.models.generate_content_stream(model="gemini-emulator-cut-2", contents="Hello"))
