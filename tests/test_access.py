"""Client keys: who gets in, and what those who do not are told."""

import pytest
from corpus import Notes, function

KEYS = {"VERTEX_COMPAT_API_KEYS": "sk-one,sk-two"}
DEPLOYED = {"K_SERVICE": "vertex-compat"}


def asked(path="/v1/models", authorization=None, **env):
    headers = {} if authorization is None else {"Authorization": authorization}
    return function(Notes(), **env).get(path, headers=headers)


def told(answer):
    assert answer.status_code == 401
    error = answer.json["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    return error["message"]


@pytest.mark.parametrize(
    "authorization", ["Bearer sk-one", "Bearer sk-two", "bearer sk-one", "BEARER sk-two", "Bearer  sk-one "]
)
def test_every_configured_key_opens(authorization):
    assert asked(authorization=authorization, **KEYS).status_code == 200
    assert asked(authorization=authorization, **KEYS, **DEPLOYED).status_code == 200


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic c2stb25l", "sk-one", "Bearersk-one"]
)
def test_without_a_key_nobody_gets_in_and_is_told_how(authorization):
    answer = asked(authorization=authorization, **KEYS)
    assert "Authorization: Bearer" in told(answer)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "key",
    [
        "sk-three",
        "sk-on",
        "sk-onee",
        "SK-ONE",
        "sk-one,sk-two",
        "sk-one sk-two",
        "*",
        "é",
        "\x00",
        "x" * 10_000,
    ],
)
def test_a_wrong_key_is_refused_and_not_repeated(key):
    answer = asked(authorization=f"Bearer {key}", **KEYS)
    message = told(answer)
    assert message == "Incorrect API key provided."
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_on_a_laptop_without_keys_everybody_gets_in():
    assert asked().status_code == 200
    assert asked(authorization="Bearer anything").status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/models", "/models/gemini-2.5-flash", "/nowhere"])
@pytest.mark.parametrize("authorization", [None, "Bearer sk-one"])
def test_deployed_without_keys_everything_is_closed_and_says_how_to_open_it(path, authorization):
    message = told(asked(path, authorization, **DEPLOYED))
    assert "VERTEX_COMPAT_API_KEYS" in message


@pytest.mark.parametrize("auth", ["iam", "none"])
def test_where_others_check_the_function_does_not(auth):
    assert asked(VERTEX_COMPAT_AUTH=auth, **DEPLOYED).status_code == 200
    assert asked(VERTEX_COMPAT_AUTH=auth, **KEYS, authorization="Bearer wrong").status_code == 200


@pytest.mark.parametrize("path", ["/health", "/v1/health", "/health/"])
@pytest.mark.parametrize("env", [KEYS, DEPLOYED, {}], ids=["keys", "fail-closed", "open"])
def test_health_needs_no_key(path, env):
    assert asked(path, **env).status_code == 200


def test_the_description_needs_no_key_where_keys_exist():
    assert asked("/", **KEYS).status_code == 200
    assert asked("/v1/", **KEYS).status_code == 200


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
    told(asked(path, **KEYS))


def test_a_refused_chat_makes_no_call():
    notes = Notes()
    answer = function(notes, **KEYS).post("/v1/chat/completions", json={"model": "gemini-2.5-flash"})
    told(answer)
    assert notes.calls == []
