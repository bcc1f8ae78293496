"""Client keys: who gets in, and what those who do not are told."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import openai
import pytest
from helpers.chat_client import ask
from helpers.credentials import identity
from helpers.fixtures import MODELS, RecordingTransport, function

from vertex_compat.config.settings import InvalidSetting, Settings

KEYS = {"VERTEX_COMPAT_API_KEYS": "sk-one-0123456789,sk-two-0123456789"}
DEPLOYED = {"K_SERVICE": "vertex-compat"}


def answer_to(path="/v1/models", authorization=None, **env):
    headers = {} if authorization is None else {"Authorization": authorization}
    return function(RecordingTransport(), **env).get(path, headers=headers)


def error_of(answer):
    assert answer.status_code == 401
    error = answer.json["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    return error["message"]


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer sk-one-0123456789",
        "Bearer sk-two-0123456789",
        "bearer sk-one-0123456789",
        "BEARER sk-two-0123456789",
        "Bearer  sk-one-0123456789 ",
    ],
)
def test_every_configured_key_is_accepted(authorization):
    assert answer_to(authorization=authorization, **KEYS).status_code == 200
    assert answer_to(authorization=authorization, **KEYS, **DEPLOYED).status_code == 200


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic c2stb25l", "sk-one-0123456789", "Bearersk-one"]
)
def test_request_without_a_key_is_a_401_with_advice(authorization):
    answer = answer_to(authorization=authorization, **KEYS)
    assert "Authorization: Bearer" in error_of(answer)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "key",
    [
        "sk-three-0123456789",
        "sk-one-012345678",
        "sk-one-01234567890",
        "SK-ONE",
        "sk-one-0123456789,sk-two-0123456789",
        "sk-one-0123456789 sk-two-0123456789",
        "*",
        "é",
        "\x00",
        "x" * 10_000,
    ],
)
def test_a_wrong_key_is_refused_and_not_repeated(key):
    answer = answer_to(authorization=f"Bearer {key}", **KEYS)
    message = error_of(answer)
    assert message == "Incorrect API key provided."
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_on_a_laptop_without_keys_everybody_gets_in():
    assert answer_to().status_code == 200
    assert answer_to(authorization="Bearer anything").status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/models", "/models/gemini-3.8-flash", "/nowhere"])
@pytest.mark.parametrize("authorization", [None, "Bearer sk-one-0123456789"])
def test_deployed_without_keys_every_request_is_401(path, authorization):
    message = error_of(answer_to(path, authorization, **DEPLOYED))
    assert "VERTEX_COMPAT_API_KEYS" in message


def test_auth_none_lets_everybody_call():
    assert answer_to(VERTEX_COMPAT_AUTH="none", **DEPLOYED).status_code == 200
    assert answer_to(VERTEX_COMPAT_AUTH="none", authorization="Bearer eyJ.Cloud.Run").status_code == 200


def test_auth_none_ignores_keys():
    assert answer_to(VERTEX_COMPAT_AUTH="none", **KEYS, authorization="Bearer wrong").status_code == 200


@pytest.mark.parametrize("path", ["/health", "/v1/health", "/health/"])
@pytest.mark.parametrize("env", [KEYS, DEPLOYED, {}], ids=["keys", "fail-closed", "open"])
def test_health_needs_no_key(path, env):
    assert answer_to(path, **env).status_code == 200


def test_description_needs_no_key():
    assert answer_to("/", **KEYS).status_code == 200
    assert answer_to("/v1/", **KEYS).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/models/",
        "/v1/models",
        "/v1//models",
        "/health/models",
        "/v1/v1/health",
        "/v1health",
        "/%2e%2e/health",
    ],
)
def test_no_spelling_of_a_path_gets_past_the_keys(path):
    error_of(answer_to(path, **KEYS))


def test_a_refused_chat_makes_no_call():
    notes = RecordingTransport()
    answer = function(notes, **KEYS).post("/v1/chat/completions", json={"model": "gemini-3.8-flash"})
    error_of(answer)
    assert notes.calls == []


# Cloud Run's check, and keys beside it

IAM = {"VERTEX_COMPAT_AUTH": "iam", **KEYS, **DEPLOYED}


def asked_with(headers, path="/v1/models", **env):
    return function(RecordingTransport(), **env).get(path, headers=headers)


@pytest.mark.parametrize("header", ["Authorization", "X-Serverless-Authorization"])
def test_iam_accepts_an_identity_token(header):
    headers = {header: f"Bearer {identity()}"}
    assert asked_with(headers, VERTEX_COMPAT_AUTH="iam", **DEPLOYED).status_code == 200


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "eyJhbGciOiJSUzI1NiJ9.eyJ9.SIGNATURE_REMOVED_BY_GOOGLE",
        "a.b.c.d",
        identity(iss="https://evil.example"),
        identity(exp=time.time() - 60),
        identity(exp="never"),
        "é.é.é",
        "." * 10_000,
    ],
)
def test_iam_refuses_other_tokens(token):
    headers = {"Authorization": f"Bearer {token}"}
    answer = asked_with(headers, VERTEX_COMPAT_AUTH="iam", **DEPLOYED)
    assert "gcloud auth print-identity-token" in error_of(answer)


def test_iam_without_token_refuses_but_answers_probes():
    assert "print-identity-token" in error_of(answer_to(VERTEX_COMPAT_AUTH="iam", **DEPLOYED))
    assert answer_to("/health", VERTEX_COMPAT_AUTH="iam", **DEPLOYED).status_code == 200


def test_email_of_the_identity_token_has_its_rules(tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text('[keys."alice@example.com"]\nmodels = ["gemini-*"]\n')
    env = {"VERTEX_COMPAT_AUTH": "iam", "VERTEX_COMPAT_CONFIG": str(rules), **DEPLOYED}
    alice = {"Authorization": f"Bearer {identity()}"}
    bob = {"Authorization": f"Bearer {identity('bob@example.com')}"}
    claude = "/v1/models/claude-sonnet-5-5"
    assert asked_with(alice, claude, **env).status_code == 403
    assert asked_with(bob, claude, **env).status_code == 200


def test_unverified_email_is_not_a_name(tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text('[keys."alice@example.com"]\nmodels = ["claude-*"]\n')
    env = {"VERTEX_COMPAT_AUTH": "iam", "VERTEX_COMPAT_CONFIG": str(rules), **DEPLOYED}
    headers = {"Authorization": f"Bearer {identity(email_verified=False)}"}
    assert asked_with(headers, "/v1/models/gemini-3.5-flash", **env).status_code == 200


def test_iam_with_keys_requires_both():
    key = {"Authorization": "Bearer sk-one-0123456789"}
    token = {"X-Serverless-Authorization": f"Bearer {identity()}"}
    assert asked_with(key | token, **IAM).status_code == 200
    assert asked_with({"x-api-key": "sk-one-0123456789"} | token, **IAM).status_code == 200
    wrong = {"Authorization": "Bearer wrong"} | token
    for headers in ({}, key, token, wrong, {"Authorization": f"Bearer {identity()}"}):
        assert "X-Serverless-Authorization" in error_of(asked_with(headers, **IAM))


def test_a_key_beside_an_identity_token_brings_its_rules(tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text('[keys.search]\nmodels = ["gemini-*"]\n')
    env = IAM | {"VERTEX_COMPAT_API_KEYS": "search:sk-search-0123456789", "VERTEX_COMPAT_CONFIG": str(rules)}
    headers = {
        "Authorization": "Bearer sk-search-0123456789",
        "X-Serverless-Authorization": f"Bearer {identity()}",
    }
    app = function(RecordingTransport(), **env)
    assert app.get("/v1/models/gemini-3.8-flash", headers=headers).status_code == 200
    assert app.get("/v1/models/claude-sonnet-5-5", headers=headers).status_code == 403


def test_iam_without_keys_leaves_openapi_public():
    assert answer_to("/", **IAM).status_code == 200


# No keys, not on Cloud Run


def keyless(peer="127.0.0.1", path="/v1/models", headers=None, **env):
    app = function(RecordingTransport(), **env)
    return app.get(path, headers=headers or {}, environ_base={"REMOTE_ADDR": peer}).status_code


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", ""])
def test_this_machine_needs_no_key(peer):
    assert keyless(peer) == 200


@pytest.mark.parametrize("peer", ["10.0.0.1", "192.168.1.7", "8.8.8.8", "::ffff:8.8.8.8", "fe80::1", "x"])
def test_other_machines_need_a_key(peer):
    assert keyless(peer) == 403
    assert keyless(peer, path="/health") == 200
    assert keyless(peer, VERTEX_COMPAT_AUTH="none") == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "a.localhost"]
)
def test_host_of_this_machine_needs_no_key(host):
    assert keyless(headers={"Host": host}) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "[::2]", "[x"]
)
def test_other_host_is_refused_without_a_key(host):
    assert keyless(headers={"Host": host}) == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost:8080"}, 200),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
)
def test_pages_of_other_origins_are_refused_without_a_key(headers, status):
    assert keyless(headers={"Host": "localhost:8080"} | headers) == status


def test_origin_of_the_settings_needs_no_key():
    headers = {"Host": "localhost:8080", "Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
    assert keyless(headers=headers, VERTEX_COMPAT_CORS_ORIGINS="https://app.example") == 200
    assert keyless(headers=headers, VERTEX_COMPAT_CORS_ORIGINS="https://other.example") == 403


# The caller's own token

CALLER = {"VERTEX_COMPAT_AUTH": "caller", "GOOGLE_CLOUD_PROJECT": "emulated-project"}


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Basic eWE6MjkK", "ya29.x", "Bearer ya29 x", "Bearer ya29\u00e9"]
)
def test_request_without_a_token_is_a_401_with_advice(authorization):
    assert "gcloud auth print-access-token" in error_of(answer_to(authorization=authorization, **CALLER))


@pytest.mark.parametrize("path", ["/", "/health"])
def test_public_paths_need_no_token(path):
    assert answer_to(path, **CALLER).status_code == 200


@pytest.mark.parametrize(
    ("env", "rules", "named"),
    [
        ({"GOOGLE_CLOUD_PROJECT": ""}, "", "GOOGLE_CLOUD_PROJECT"),
        (KEYS, "", "VERTEX_COMPAT_API_KEYS"),
        ({"VERTEX_COMPAT_DISCOVER": "on"}, "", "VERTEX_COMPAT_DISCOVER"),
        ({}, 'impersonate = "a@b.iam.gserviceaccount.com"', "impersonate"),
        ({}, '[models.x]\ntarget = "gemini-4-argon"\nimpersonate = "a@b.c"', "impersonate"),
    ],
    ids=["no project", "keys", "discovery", "another account", "another account for a model"],
)
def test_caller_mode_excludes_settings_with_credentials(tmp_path, env, rules, named):
    path = tmp_path / "rules.toml"
    path.write_text(rules)
    with pytest.raises(InvalidSetting, match=named) as caught:
        Settings.from_env(CALLER | env | {"VERTEX_COMPAT_CONFIG": str(path)})
    assert "\n" not in str(caught.value)


def callers_token(emulator):
    url = f"{emulator.url}/computeMetadata/v1/instance/service-accounts/default/token"
    with urlopen(Request(url, headers={"Metadata-Flavor": "Google"}), timeout=5) as answer:
        return json.load(answer)["access_token"]


@pytest.fixture
def for_callers(serve_alone):
    return serve_alone(**CALLER, K_SERVICE="vertex-compat", GCS_BUCKET_NAME="bucket")


def test_caller_mode_uses_caller_token_and_fetches_none(for_callers):
    token = callers_token(for_callers.emulator)
    with for_callers.client(token) as client:
        assert ask(client, MODELS["google"]).choices
        assert list(ask(client, MODELS["anthropic"], stream=True))
        assert client.files.create(file=("a.txt", b"hello"), purpose="user_data").id
    assert {call.headers["authorization"] for call in for_callers.emulator.calls} == {f"Bearer {token}"}
    assert for_callers.emulator.token_fetches == 1  # which was the caller's
    assert token not in for_callers.log()


@pytest.mark.parametrize("stream", [False, True])
def test_a_token_that_vertex_refuses_is_the_caller_s_401(for_callers, stream):
    good = callers_token(for_callers.emulator)
    for token in ("ya29.of-nobody", "eyJhbGciOi.an-identity.token"):
        with for_callers.client(token) as client, pytest.raises(openai.AuthenticationError) as caught:
            ask(client, MODELS["google"], stream=stream)
        assert token not in caught.value.response.text
        assert "Google refused your access token" in caught.value.message
    with for_callers.client(good) as client:
        assert ask(client, MODELS["google"]).choices
    assert for_callers.emulator.token_fetches == 1
    assert for_callers.emulator.calls[0].headers["authorization"] == "Bearer ya29.of-nobody"


def test_operation_that_a_caller_may_not_use_is_a_403(for_callers):
    with (
        for_callers.client(callers_token(for_callers.emulator)) as client,
        pytest.raises(openai.PermissionDeniedError),
    ):
        ask(client, "gemini-emulator-status-403")


def test_the_tokens_of_two_callers_do_not_mix(for_callers):
    emulator = for_callers.emulator
    first = callers_token(emulator)
    with ThreadPoolExecutor(8) as pool, for_callers.client(first) as good, for_callers.client("no") as bad:

        def asks(number):
            client = bad if number % 2 else good
            try:
                return bool(ask(client, MODELS["google"], words=str(number)).choices)
            except openai.AuthenticationError:
                return False

        assert list(pool.map(asks, range(40))) == [number % 2 == 0 for number in range(40)]
