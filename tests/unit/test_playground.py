"""The playground as a client without a browser sees it; `browser/` looks at it in one."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.fixtures import RecordingTransport, function

from vertex_compat.config.settings import InvalidSetting
from vertex_compat.operations.service.playground import PAGE

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


def page_for(accept=BROWSER, path="/", **env):
    headers = {"Accept": accept} if accept is not None else {}
    return function(RecordingTransport(), **env).get(path, headers=headers)


def policy(answer):
    parts = answer.headers["Content-Security-Policy"].split("; ")
    return {name: sources for name, _, sources in (part.partition(" ") for part in parts)}


class Page(HTMLParser):
    """The resources of a page that a browser would load, run or follow."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.texts = {}
        self._open = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data):
        self.texts[self._open] = self.texts.get(self._open, "") + data

    def handle_endtag(self, _):
        self._open = None


@pytest.fixture(scope="module")
def page():
    return Page(page_for().text)


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/*", "application/json;q=0.5, text/html"])
@pytest.mark.parametrize("path", ["/", "/v1", "/v1/"])
def test_client_that_prefers_html_gets_the_page(accept, path):
    answer = page_for(accept, path)
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.text.startswith("<!doctype html>")
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    "accept",
    [None, "", "*/*", "application/json", "text/html;q=0.5, application/json", "image/png", "nonsense;;q=x,"],
)
def test_client_that_does_not_prefer_html_gets_json(accept):
    answer = page_for(accept)
    assert answer.json["name"] == "vertex_compat"
    assert answer.headers["Vary"] == "Accept"


def test_head_request_has_the_page_s_headers():
    answer = function(RecordingTransport()).head("/", headers={"Accept": BROWSER})
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.data == b""


def test_playground_can_be_switched_off():
    answer = page_for(VERTEX_COMPAT_PLAYGROUND="off")
    assert answer.json["name"] == "vertex_compat"
    assert "Content-Security-Policy" not in answer.headers
    assert page_for(VERTEX_COMPAT_PLAYGROUND="on").mimetype == "text/html"


def test_a_wrong_switch_stops_the_start():
    with pytest.raises(InvalidSetting, match="VERTEX_COMPAT_PLAYGROUND takes on or off"):
        page_for(VERTEX_COMPAT_PLAYGROUND="perhaps")


def test_playground_is_public_with_keys_and_closed_without():
    assert page_for(VERTEX_COMPAT_API_KEYS="sk-one-0123456789").mimetype == "text/html"
    closed = page_for(K_SERVICE="deployed")
    assert closed.status_code == 401
    assert "VERTEX_COMPAT_API_KEYS" in closed.json["error"]["message"]


def test_only_its_own_script_and_style_may_run(page):
    allowed = policy(page_for())
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        assert [name for name, _ in page.elements].count(tag) == 1
        digest = base64.b64encode(hashlib.sha256(page.texts[tag].encode()).digest()).decode()
        assert allowed.pop(directive) == f"'sha256-{digest}'"
    assert allowed == {
        "default-src": "'none'",
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_nothing_leaks_to_other_sites():
    headers = page_for().headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"


def test_page_loads_no_other_file(page):
    for tag, attributes in page.elements:
        for name in {"src", "srcset", "href", "action", "poster", "data"} & attributes.keys():
            assert attributes[name].startswith(("data:", "#")), (tag, attributes)
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
    assert "@import" not in page.texts["style"]
    assert "url(" not in page.texts["style"]


def test_script_stores_nothing_and_writes_no_html(page):
    assert not re.findall(
        r"localStorage|sessionStorage|indexedDB|document\.cookie|caches\b|pushState|replaceState"
        r"|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function",
        page.texts["script"],
    )


def test_every_field_has_a_name(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for name in {"aria-labelledby", "aria-describedby", "aria-controls"} & attributes.keys():
            assert set(attributes[name].split()) <= set(ids)


def test_page_and_its_screenshot_are_small():
    assert PAGE.stat().st_size < 52_000
    assert (Path(__file__).parents[1] / "browser" / "playground.png").stat().st_size < 150_000
