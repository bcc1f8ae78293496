"""The metadata server: by hand, and as google-auth calls it."""

import json
import os
import subprocess
import sys

import pytest
from werkzeug.test import Client

from vertex_compat.emulator import App
from vertex_compat.emulator.resources.metadata_server import CLOUD_PLATFORM, MetadataServer

ROOT = "/computeMetadata/v1/"
TOKEN = "instance/service-accounts/default/token"
FLAVOR = {"Metadata-Flavor": "Google"}
MODELS = "/v1/projects/emulated-project/locations/us-central1/publishers/google/models"
GENERATE = f"{MODELS}/gemini-3.8-flash:generateContent"
BODY = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


@pytest.fixture
def app():
    return App()


@pytest.fixture
def client(app):
    return Client(app)


def get(client, path, **query):
    return client.get(ROOT + path, headers=FLAVOR, query_string=query)


def generate(client, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post(GENERATE, json=BODY, headers=headers)


def test_every_answer_says_that_it_is_googles(client):
    answers = [
        client.get("/", headers=FLAVOR),
        get(client, TOKEN),
        get(client, "nothing"),
        client.get(ROOT + TOKEN),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 403]
    assert {answer.headers["Metadata-Flavor"] for answer in answers} == {"Google"}


TEXTS = {
    "project/project-id": "emulated-project",
    "project/numeric-project-id": "123456789012",
    "instance/region": "projects/123456789012/regions/us-central1",
    "instance/service-accounts/default/email": "emulator@emulated-project.invalid",
}


@pytest.mark.parametrize(("path", "text"), TEXTS.items())
def test_facts_are_plain_text(client, path, text):
    answer = get(client, path)
    assert (answer.text, answer.mimetype) == (text, "application/text")


def test_there_is_no_universe_domain_as_on_most_machines(client):
    assert get(client, "universe/universe-domain").status_code == 404


def test_the_account_is_described_by_its_name_and_as_default(client):
    for account in ("default", "emulator@emulated-project.invalid"):
        answer = get(client, f"instance/service-accounts/{account}/", recursive="true").get_json()
        assert answer == {
            "aliases": ["default"],
            "email": "emulator@emulated-project.invalid",
            "scopes": [CLOUD_PLATFORM],
        }


def test_a_token_opens_vertex(client):
    token = get(client, TOKEN).get_json()
    assert token["token_type"] == "Bearer"
    assert 3590 < token["expires_in"] <= 3599
    assert token["access_token"].startswith("ya29.emulator-")
    assert generate(client, token["access_token"]).status_code == 200


def refusal(answer):
    assert answer.status_code in {401, 403}
    error = answer.get_json()["error"]
    return error["status"], error["details"][0]["reason"]


def test_vertex_refuses_invalid_tokens(app, client):
    assert refusal(generate(client, "")) == ("UNAUTHENTICATED", "CREDENTIALS_MISSING")
    assert refusal(generate(client, "ya29.other")) == ("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED")
    token = get(client, TOKEN).get_json()["access_token"]
    app.metadata.revoke_tokens()
    assert refusal(generate(client, token)) == ("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED")
    assert generate(client, get(client, TOKEN).get_json()["access_token"]).status_code == 200


def test_token_with_a_narrower_scope_is_refused(client):
    narrow = get(client, TOKEN, scopes="https://www.googleapis.com/auth/devstorage.read_only")
    assert refusal(generate(client, narrow.get_json()["access_token"])) == (
        "PERMISSION_DENIED",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
    )
    wide = get(client, TOKEN, scopes=CLOUD_PLATFORM).get_json()["access_token"]
    assert generate(client, wide).status_code == 200


def test_token_is_reused_until_shortly_before_its_end():
    now = [0.0]
    metadata = MetadataServer(3600, clock=lambda: now[0])

    def fetch():
        [body] = metadata.answer(ROOT + TOKEN, {}, {"metadata-flavor": "Google"}).steps
        return json.loads(body)

    first = fetch()
    now[0] = 3299
    again = fetch()
    assert again["access_token"] == first["access_token"]
    assert again["expires_in"] == 301
    now[0] = 3301
    assert fetch()["access_token"] != first["access_token"]
    assert metadata.token_fetches == 3
    metadata.check(f"Bearer {first['access_token']}")
    now[0] = 3600
    with pytest.raises(Exception, match="401"):
        metadata.check(f"Bearer {first['access_token']}")


def test_the_metadata_server_can_fail(app, client):
    app.metadata.fault = "503"
    assert get(client, TOKEN).status_code == 503
    app.metadata.fault = "garbage"
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(get(client, TOKEN).data)
    app.metadata.fault = "slow:0.01"
    assert get(client, TOKEN).status_code == 200
    app.metadata.fault = "down"
    with pytest.raises(ConnectionAbortedError):
        get(client, TOKEN)
    assert app.metadata.token_fetches == 4


GOOGLE_AUTH = """
import google.auth, google.auth.transport.requests, json, sys
from google.auth.compute_engine import _metadata
request = google.auth.transport.requests.Request()
assert _metadata.ping(request)
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(request)
session = google.auth.transport.requests.AuthorizedSession(credentials)
answer = session.post(sys.argv[1], json=json.loads(sys.argv[2]))
print(json.dumps([type(credentials).__module__, project, credentials.service_account_email,
                  credentials.universe_domain, credentials.expired, answer.status_code]))
"""


def run_google_auth(emulator, tmp_path):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GOOGLE_", "GCE_", "CLOUDSDK"))
    }
    environment |= emulator.env | {"HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    line = [sys.executable, "-c", GOOGLE_AUTH, emulator.url + GENERATE, json.dumps(BODY)]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_google_auth_finds_project_and_token(emulator, tmp_path):
    done = run_google_auth(emulator, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        "google.auth.compute_engine.credentials",
        "emulated-project",
        "emulator@emulated-project.invalid",
        "googleapis.com",
        False,
        200,
    ]
    assert emulator.token_fetches == 1
    assert "GOOGLE_CLOUD_PROJECT" not in emulator.env


def test_google_auth_sees_a_broken_metadata_server(emulator, tmp_path):
    emulator.metadata_fault = "garbage"
    done = run_google_auth(emulator, tmp_path)
    assert "invalid JSON" in done.stderr
