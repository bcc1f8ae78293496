"""Pages of other origins, as a browser lets them call by the rules of Fetch."""

import http.client
import json

import pytest
from helpers.fixtures import RecordingTransport, function, question
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat.config.settings import InvalidSetting, Settings
from vertex_compat.server import cors

PAGE = "https://app.example.com"
SDK = "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-retry-count"
SAFELISTED = {"cache-control", "content-language", "content-length", "content-type", "expires", "pragma"}


class Browser:
    """A browser with a page of `origin`: sends preflights, hides headers that are not exposed."""

    class Blocked(Exception):
        pass

    def __init__(self, server, origin):
        self._address = server.address
        self._origin = origin

    def fetch(self, method, path, headers, body=None):
        """https://fetch.spec.whatwg.org/#cors-preflight-fetch, for a request that is not simple."""
        names = ",".join(sorted(name.lower() for name in headers))
        asks = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": names}
        status, answer_headers, _ = self._send("OPTIONS", path, asks)
        if not 200 <= status < 300 or answer_headers.get("access-control-allow-origin") not in {
            "*",
            self._origin,
        }:
            raise Browser.Blocked("preflight")
        if method not in {
            header.strip() for header in answer_headers["access-control-allow-methods"].split(",")
        }:
            raise Browser.Blocked("method")
        allowed = {
            header.strip().lower()
            for header in answer_headers.get("access-control-allow-headers", "").split(",")
        }
        if not {name.lower() for name in headers} <= allowed:
            raise Browser.Blocked("headers")
        status, answer_headers, content = self._send(method, path, headers, body)
        if answer_headers.get("access-control-allow-origin") not in {"*", self._origin}:
            raise Browser.Blocked("answer")
        exposed = {
            header.strip().lower()
            for header in answer_headers.get("access-control-expose-headers", "").split(",")
        }
        return (
            status,
            {name: answer_headers[name] for name in answer_headers.keys() & (SAFELISTED | exposed)},
            content,
        )

    def _send(self, method, path, headers, body=None):
        line = http.client.HTTPConnection(*self._address, timeout=10)
        try:
            line.request(method, path, body, {"Origin": self._origin, **headers})
            answer = line.getresponse()
            answer_headers = [(name.lower(), value) for name, value in answer.getheaders()]
            assert len({name for name, _ in answer_headers}) == len(
                answer_headers
            )  # a header twice is one that browsers refuse
            return answer.status, dict(answer_headers), answer.read()
        finally:
            line.close()


@pytest.fixture
def server(serve):
    return serve(
        VERTEX_COMPAT_CORS_ORIGINS=f"{PAGE}, http://localhost:3000",
        VERTEX_COMPAT_API_KEYS="sk-one-0123456789",
        K_SERVICE="vertex-compat",
    )


def headers(key="sk-one-0123456789"):
    return dict.fromkeys(SDK.split(","), "x") | {
        "authorization": f"Bearer {key}",
        "content-type": "application/json",
    }


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:3000"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_page_that_may_call_reads_answer_and_headers(server, origin, stream):
    body = json.dumps(question("google", stream=stream))
    status, answer_headers, content = Browser(server, origin).fetch(
        "POST", "/v1/chat/completions", headers(), body
    )
    assert status == 200
    assert b"Hello" in content or b"data:" in content
    assert answer_headers.keys() >= {"x-request-id", "x-vertex-compat-target", "openai-processing-ms"}


@pytest.mark.parametrize(
    ("method", "path", "key", "body", "expected"),
    [
        ("POST", "/v1/chat/completions", "wrong", "{}", 401),
        ("POST", "/v1/chat/completions", "sk-one-0123456789", "{", 400),
        ("GET", "/v1/nowhere", "sk-one-0123456789", None, 404),
        ("DELETE", "/v1/models", "sk-one-0123456789", None, 405),
        (
            "POST",
            "/v1/chat/completions",
            "sk-one-0123456789",
            json.dumps(question("google", model="no")),
            404,
        ),
    ],
)
def test_a_page_reads_errors_as_well(server, method, path, key, body, expected):
    status, answer_headers, content = Browser(server, PAGE).fetch(method, path, headers(key), body)
    assert status == expected
    assert json.loads(content)["error"]["message"]
    assert "x-request-id" in answer_headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://app.example.com", f"{PAGE}.evil.example", f"{PAGE}:8443", "null"],
)
def test_a_page_that_may_not_call_is_blocked(server, origin):
    with pytest.raises(Browser.Blocked, match="preflight"):
        Browser(server, origin).fetch("GET", "/v1/models", headers())


def test_off_unless_it_is_set(front_door):
    with pytest.raises(Browser.Blocked, match="preflight"):
        Browser(front_door, PAGE).fetch("GET", "/v1/models", headers())


def test_no_cookies_and_vary_for_caches():
    app = function(RecordingTransport(), VERTEX_COMPAT_CORS_ORIGINS=PAGE)
    for origin in (PAGE, "https://evil.example", None):
        given_headers = {"Origin": origin} if origin else {}
        answer = app.get("/v1/models", headers=given_headers)
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert ("Access-Control-Allow-Origin" in answer.headers) == (origin == PAGE)


def test_all_origins_may_call_where_the_settings_say_so():
    app = function(
        RecordingTransport(), VERTEX_COMPAT_CORS_ORIGINS="*", VERTEX_COMPAT_API_KEYS="sk-one-0123456789"
    )
    asks = {"Origin": "null", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": SDK}
    answer = app.options("/v1/chat/completions", headers=asks)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Headers"] == SDK
    assert app.get("/v1/models", headers={"Origin": PAGE}).status_code == 401


def test_options_that_no_browser_sent_is_no_preflight():
    app = function(
        RecordingTransport(), VERTEX_COMPAT_CORS_ORIGINS="*", VERTEX_COMPAT_API_KEYS="sk-one-0123456789"
    )
    assert app.options("/v1/models").status_code == 401
    headers = {"Authorization": "Bearer sk-one-0123456789", "Origin": PAGE}
    assert app.options("/v1/models", headers=headers).status_code == 405


@given(st.text())
def test_allowed_headers_have_only_characters_of_names(requested):
    given_headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": requested,
    }
    headers = cors.headers(frozenset({PAGE}), "OPTIONS", given_headers.get)
    repeated = headers.get("Access-Control-Allow-Headers", "")
    assert set(repeated) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, \t")


@pytest.mark.parametrize(
    "value",
    [
        "example.com",
        "https://example.com/",
        "https://example.com/page",
        "https://*.example.com",
        "https://a.example,",
        "null",
        "https://EXAMPLE.com",
        "https://a@b",
    ],
)
def test_invalid_origin_stops_the_start(value):
    with pytest.raises(InvalidSetting, match="VERTEX_COMPAT_CORS_ORIGINS"):
        Settings.from_env({"VERTEX_COMPAT_CORS_ORIGINS": value})
