"""Settings: what each variable means, and the one sentence that a wrong one gets."""

import subprocess
import sys

import pytest
from helpers.server import ROOT, bare_environment
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat.config.settings import InvalidSetting, Settings


def read(**env):
    return Settings.from_env(env)


def test_settings_have_defaults():
    settings = read()
    assert settings.project is None
    assert settings.location is None
    assert settings.auth == "api-key"
    assert not settings.keys.digests
    assert not settings.on_cloud_run
    assert not settings.base_urls
    assert settings.retries == 2
    assert settings.upstream_timeout >= 300  # thinking models are silent for minutes
    assert 0 < settings.keepalive_interval <= 30


def test_an_empty_variable_is_not_set():
    names = [
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_CLOUD_LOCATION",
        "VERTEX_COMPAT_AUTH",
        "VERTEX_COMPAT_API_KEYS",
        "GOOGLE_VERTEX_BASE_URL",
        "K_SERVICE",
        "THREADS",
        "VERTEX_COMPAT_TIMEOUT",
        "VERTEX_COMPAT_KEEPALIVE",
        "VERTEX_COMPAT_RETRIES",
    ]
    assert read(**dict.fromkeys(names, "")) == read()
    assert read(**dict.fromkeys(names[:-3], "  ")).project is None


@pytest.mark.parametrize(
    ("name", "value", "field", "meaning"),
    [
        ("GOOGLE_CLOUD_PROJECT", "my-project-1", "project", "my-project-1"),
        ("GOOGLE_CLOUD_PROJECT", "123456789012", "project", "123456789012"),
        ("GOOGLE_CLOUD_PROJECT", "example.com:my-project", "project", "example.com:my-project"),
        ("VERTEXAI_PROJECT", "my-project-1", "project", "my-project-1"),
        ("GOOGLE_CLOUD_LOCATION", "global", "location", "global"),
        ("GOOGLE_CLOUD_LOCATION", "eu", "location", "eu"),
        ("GOOGLE_CLOUD_LOCATION", " europe-west4 ", "location", "europe-west4"),
        ("VERTEXAI_LOCATION", "us-central1", "location", "us-central1"),
        ("VERTEX_COMPAT_AUTH", "iam", "auth", "iam"),
        ("VERTEX_COMPAT_AUTH", "none", "auth", "none"),
        ("VERTEX_COMPAT_AUTH", "api-key", "auth", "api-key"),
        ("K_SERVICE", "vertex-compat", "on_cloud_run", True),
        ("THREADS", "500", "threads", 500),
        ("VERTEX_COMPAT_TIMEOUT", "30", "upstream_timeout", 30),
        ("VERTEX_COMPAT_TIMEOUT", "0.5", "upstream_timeout", 0.5),
        ("VERTEX_COMPAT_KEEPALIVE", "5", "keepalive_interval", 5),
        ("VERTEX_COMPAT_RETRIES", "0", "retries", 0),
        ("VERTEX_COMPAT_RETRIES", "10", "retries", 10),
    ],
)
def test_variable_sets_its_field(name, value, field, meaning):
    assert getattr(read(**{name: value}), field) == meaning


def test_google_s_name_comes_before_litellm_s():
    both = {"GOOGLE_CLOUD_LOCATION": "eu", "VERTEXAI_LOCATION": "us"}
    assert read(**both).location == "eu"
    assert read(GOOGLE_CLOUD_LOCATION="", VERTEXAI_LOCATION="us").location == "us"


@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:8085", "https://vertex.example.com/", "https://10.0.0.1/base"]
)
def test_the_base_url_has_no_slash_at_its_end(value):
    assert set(read(GOOGLE_VERTEX_BASE_URL=value).base_urls.values()) == {value.rstrip("/")}


def test_keys_are_stored_as_digests_and_never_shown():
    settings = read(VERTEX_COMPAT_API_KEYS="sk-secret-one-0123456789, sk-secret-two-0123456789")
    assert len(settings.keys.digests) == 2
    assert all(len(digest) == 32 for digest in settings.keys.digests)
    assert "secret" not in repr(settings)
    assert not any(repr(digest) in repr(settings) for digest in settings.keys.digests)


WRONG = [
    ("GOOGLE_CLOUD_PROJECT", "My Project"),
    ("GOOGLE_CLOUD_PROJECT", "../other"),
    ("VERTEXAI_PROJECT", "a"),
    ("GOOGLE_CLOUD_LOCATION", "us-central1.evil.example/"),
    ("GOOGLE_CLOUD_LOCATION", "US-CENTRAL1"),
    ("GOOGLE_CLOUD_LOCATION", "mars"),
    ("VERTEXAI_LOCATION", "europe"),
    ("VERTEX_COMPAT_AUTH", "apikey"),
    ("VERTEX_COMPAT_AUTH", "None"),
    ("VERTEX_COMPAT_API_KEYS", "a,,b"),
    ("VERTEX_COMPAT_API_KEYS", ","),
    ("VERTEX_COMPAT_API_KEYS", "a,b c"),
    ("VERTEX_COMPAT_API_KEYS", "schlüssel"),
    ("GOOGLE_VERTEX_BASE_URL", "localhost:8085"),
    ("GOOGLE_VERTEX_BASE_URL", "ftp://example.com"),
    ("GOOGLE_VERTEX_BASE_URL", "https://"),
    ("GOOGLE_VERTEX_BASE_URL", "https://example.com/?a=b"),
    ("GOOGLE_VERTEX_BASE_URL", "https://example.com:port"),
    ("GOOGLE_VERTEX_BASE_URL", "https://[::1"),
    ("THREADS", "0"),
    ("THREADS", "many"),
    ("THREADS", "-1"),
    ("VERTEX_COMPAT_TIMEOUT", "0"),
    ("VERTEX_COMPAT_TIMEOUT", "-1"),
    ("VERTEX_COMPAT_TIMEOUT", "nan"),
    ("VERTEX_COMPAT_TIMEOUT", "inf"),
    ("VERTEX_COMPAT_TIMEOUT", "1e9"),
    ("VERTEX_COMPAT_KEEPALIVE", "soon"),
    ("VERTEX_COMPAT_RETRIES", "-1"),
    ("VERTEX_COMPAT_RETRIES", "11"),
    ("VERTEX_COMPAT_RETRIES", "1.5"),
    ("VERTEX_COMPAT_CONFIG", "/nowhere/at/all.toml"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_value_names_the_variable_in_one_line(name, value):
    with pytest.raises(InvalidSetting, match=name) as caught:
        read(**{name: value})
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")


def test_a_wrong_key_is_not_shown():
    with pytest.raises(InvalidSetting) as caught:
        read(VERTEX_COMPAT_API_KEYS="sk-good-0123456789,sk bad")
    assert "good" not in str(caught.value)
    assert "bad" not in str(caught.value)


@given(st.text())
def test_any_location_is_taken_for_a_host_name_s_sake_or_refused(value):
    try:
        location = read(GOOGLE_CLOUD_LOCATION=value).location
    except InvalidSetting:
        return
    assert location is None or (location.isascii() and location.replace("-", "").isalnum())


def test_a_wrong_setting_stops_the_start_with_one_sentence():
    command = [sys.executable, "-c", "import main"]
    env = bare_environment() | {"GOOGLE_CLOUD_LOCATION": "mars"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "GOOGLE_CLOUD_LOCATION" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
