"""Linked files are fetched for models that read no links, and for no others."""

import base64

import pytest
from helpers.fixtures import function, question
from helpers.server import app_with_emulator

from vertex_compat import errors
from vertex_compat.operations.request import inline_urls
from vertex_compat.upstream.url_fetcher import Fetched

PNG = b"\x89PNG" + bytes(20)
DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
CAT = "https://example.com/cat.png"


def image(url):
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def user(*parts):
    return {"role": "user", "content": list(parts)}


class Internet:
    def __init__(self):
        self.asked = []

    def fetch(self, url, place):
        self.asked.append((url, place))
        if "missing" in url:
            raise errors.BadRequest("The link answers 404.", param=place, code="invalid_url")
        return Fetched(PNG, "image/png")


def test_a_link_becomes_the_file_and_the_rest_stays():
    text = {"type": "text", "text": "Look"}
    (message,) = inline_urls.inline_messages([user(text, image(CAT))], Internet().fetch)
    assert message["content"] == [text, {"type": "image_url", "image_url": {"detail": "low", "url": DATA}}]


def test_a_bare_link_and_a_file_are_links_too():
    file = {"type": "file", "file": {"file_id": CAT, "filename": "cat.png"}}
    (message,) = inline_urls.inline_messages(
        [user({"type": "image_url", "image_url": CAT}, file)], Internet().fetch
    )
    assert message["content"][0]["image_url"] == {"url": DATA}
    assert message["content"][1]["file"] == {"filename": "cat.png", "file_data": DATA}


def test_url_used_twice_is_fetched_once():
    internet = Internet()
    inline_urls.inline_messages([user(image(CAT)), user(image(CAT))], internet.fetch)
    assert internet.asked == [(CAT, "messages[0].content[0]")]


@pytest.mark.parametrize("url", [DATA, "gs://bucket/cat.png", "http://example.com/cat.png"])
def test_what_is_no_https_link_is_left_alone(url):
    internet = Internet()
    messages = [user(image(url)), {"role": "assistant", "content": "text"}, {"role": "assistant"}]
    assert inline_urls.inline_messages(messages, internet.fetch) == messages
    assert internet.asked == []


def test_too_many_links_are_refused_before_any_is_fetched():
    internet = Internet()
    with pytest.raises(errors.BadRequest):
        inline_urls.inline_messages(
            [user(*[image(f"{CAT}?{number}") for number in range(21)])], internet.fetch
        )
    assert internet.asked == []


def test_a_link_that_cannot_be_fetched_is_a_400_that_names_it():
    with pytest.raises(errors.BadRequest) as refused:
        inline_urls.inline_messages([user(image("https://example.com/missing"))], Internet().fetch)
    assert refused.value.param == "messages[0].content[0]"


def ask(app, model, url):
    return app.post("/v1/chat/completions", json=question("google", model=model, messages=[user(image(url))]))


def test_claude_s_links_are_fetched_and_inner_addresses_are_not(app, emulator):
    answer = ask(app, "claude-sonnet-4-5", "https://169.254.169.254/computeMetadata/v1/token.png")
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == "messages[0].content[0]"
    assert "not public" in answer.json["error"]["message"]
    assert emulator.calls == []


def test_gemini_reads_links_itself(app, emulator):
    assert ask(app, "gemini-2.5-flash", CAT).status_code == 200
    assert CAT in str(emulator.calls[0].json)


def test_fetching_can_be_switched_off(emulator):
    answer = ask(app_with_emulator(emulator, VERTEX_COMPAT_FETCH="off"), "claude-sonnet-4-5", CAT)
    assert answer.status_code == 200
    assert CAT in str(emulator.calls[0].json)


def test_a_wrong_switch_stops_the_start():
    with pytest.raises(ValueError, match="VERTEX_COMPAT_FETCH takes on or off"):
        function(None, VERTEX_COMPAT_FETCH="maybe")
