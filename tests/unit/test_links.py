"""Linked files are fetched for models that read no links, and for no others."""

import base64
from types import SimpleNamespace

import pytest
from helpers.fixtures import function, question
from helpers.server import app_with_emulator

from vertex_compat import errors
from vertex_compat.config.settings import Settings
from vertex_compat.operations.request import inline_urls
from vertex_compat.operations.resource_rules import ResourceRules
from vertex_compat.publishers.google.chat.chat import CHAT
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
        self.urls = []

    def fetch(self, url, place):
        self.urls.append((url, place))
        if "missing" in url:
            raise errors.BadRequest("The link answers 404.", param=place, code="invalid_url")
        return Fetched(PNG, "image/png")


def test_link_is_replaced_by_the_file():
    text = {"type": "text", "text": "Look"}
    (message,) = inline_urls.inline_messages([user(text, image(CAT))], Internet().fetch)
    assert message["content"] == [text, {"type": "image_url", "image_url": {"detail": "low", "url": DATA}}]


def test_links_in_strings_and_file_parts_are_replaced():
    file = {"type": "file", "file": {"file_id": CAT, "filename": "cat.png"}}
    (message,) = inline_urls.inline_messages(
        [user({"type": "image_url", "image_url": CAT}, file)], Internet().fetch
    )
    assert message["content"][0]["image_url"] == {"url": DATA}
    assert message["content"][1]["file"] == {"filename": "cat.png", "file_data": DATA}


def test_url_used_twice_is_fetched_once():
    internet = Internet()
    inline_urls.inline_messages([user(image(CAT)), user(image(CAT))], internet.fetch)
    assert internet.urls == [(CAT, "messages[0].content[0]")]


@pytest.mark.parametrize("url", [DATA, "gs://bucket/cat.png", "http://example.com/cat.png"])
def test_links_other_than_https_are_unchanged(url):
    internet = Internet()
    messages = [user(image(url)), {"role": "assistant", "content": "text"}, {"role": "assistant"}]
    assert inline_urls.inline_messages(messages, internet.fetch) == messages
    assert internet.urls == []


def test_too_many_links_are_refused_before_any_is_fetched():
    internet = Internet()
    with pytest.raises(errors.BadRequest):
        inline_urls.inline_messages(
            [user(*[image(f"{CAT}?{number}") for number in range(21)])], internet.fetch
        )
    assert internet.urls == []


def test_a_link_that_cannot_be_fetched_is_a_400_that_names_it():
    with pytest.raises(errors.BadRequest) as refused:
        inline_urls.inline_messages([user(image("https://example.com/missing"))], Internet().fetch)
    assert refused.value.param == "messages[0].content[0]"


def ask(app, model, url):
    return app.post("/v1/chat/completions", json=question("google", model=model, messages=[user(image(url))]))


def test_claude_s_links_are_fetched_and_inner_addresses_are_not(app, emulator):
    answer = ask(app, "claude-sonnet-5-5", "https://169.254.169.254/computeMetadata/v1/token.png")
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == "messages[0].content[0]"
    assert "not public" in answer.json["error"]["message"]
    assert emulator.calls == []


def test_gemini_reads_links_itself(app, emulator):
    assert ask(app, "gemini-3.8-flash", CAT).status_code == 200
    assert CAT in str(emulator.calls[0].json)


def test_fetching_can_be_switched_off(emulator):
    answer = ask(app_with_emulator(emulator, VERTEX_COMPAT_FETCH="off"), "claude-sonnet-5-5", CAT)
    assert answer.status_code == 200
    assert CAT in str(emulator.calls[0].json)


def test_a_wrong_switch_stops_the_start():
    with pytest.raises(ValueError, match="VERTEX_COMPAT_FETCH takes on or off"):
        function(None, VERTEX_COMPAT_FETCH="maybe")


# Media types for models that read links themselves

GEMINI = "gemini-3.8-flash"
OBJECT = "gs://photos/object-0001"


def sent_files(emulator):
    (call,) = [call for call in emulator.calls if "generateContent" in call.path]
    parts = [part for content in call.json["contents"] for part in content["parts"]]
    return [part.get("fileData") or part["inlineData"] for part in parts if "text" not in part]


def part(kind, **source):
    return {"type": kind, kind: source}


@pytest.mark.parametrize(
    "params",
    [
        part("image_url", url=OBJECT),
        {"type": "image_url", "image_url": OBJECT},
        part("video_url", url=OBJECT),
        part("file", file_id=OBJECT),
        part("file", file_data=OBJECT, format="application/octet-stream"),
        part("input_audio", data=OBJECT),
        {"type": "document", "source": {"type": "url", "url": OBJECT}},
    ],
)
def test_object_s_type_is_read_from_cloud_storage(app, emulator, storage, params):
    storage.write(OBJECT, b"x", "image/webp")
    answer = app.post(
        "/v1/chat/completions", json=question("google", model=GEMINI, messages=[user(params), user(params)])
    )
    assert answer.status_code == 200, answer.json
    assert sent_files(emulator) == [{"mimeType": "image/webp", "fileUri": OBJECT}] * 2
    assert len(emulator.calls) == 2


def test_an_object_with_a_declared_type_is_not_looked_up(app, emulator):
    params = [
        part("image_url", url=OBJECT, format="image/png"),
        part("file", file_id="gs://photos/a.pdf"),
        part("input_audio", data=OBJECT, format="wav"),
        part("image_url", url="https://youtu.be/x"),
    ]
    answer = app.post("/v1/chat/completions", json=question("google", model=GEMINI, messages=[user(*params)]))
    assert answer.status_code == 200
    types = [file["mimeType"] for file in sent_files(emulator)]
    assert types == ["image/png", "application/pdf", "audio/wav", "video/mp4"]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (OBJECT, "'format'"),
        ("gs://emulator-denied/object", "'format'"),
        ("gs://photos/another", "There is no object 'gs://photos/another'."),
        ("gs://P/x", "'format'"),
    ],
)
def test_a_type_that_cannot_be_known_is_a_400(app, emulator, storage, uri, message):
    storage.write(OBJECT, b"x")
    answer = ask(app, GEMINI, uri)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "messages[0].content[0]")
    assert message in answer.json["error"]["message"]
    assert not any("generateContent" in call.path for call in emulator.calls)


def test_object_outside_allow_gcs_is_a_403_without_a_lookup(emulator, storage, tmp_path):
    storage.write(OBJECT, b"x", "image/webp")
    config = tmp_path / "c.toml"
    config.write_text('allow_gcs = ["gs://films/*"]\n')
    app = app_with_emulator(emulator, VERTEX_COMPAT_CONFIG=str(config))
    answer = ask(app, GEMINI, OBJECT)
    assert (answer.status_code, answer.json["error"]["param"]) == (
        403,
        "messages[0].content[0].image_url.url",
    )
    assert emulator.calls == []


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (
            "/v1/messages",
            {
                "model": GEMINI,
                "max_tokens": 9,
                "messages": [
                    user({"type": "image", "source": {"type": "url", "url": "gs://emulator-denied/x"}})
                ],
            },
            "messages[0].content[0]",
        ),
        (
            "/v1/responses",
            {
                "model": GEMINI,
                "input": [user({"type": "input_image", "image_url": "gs://emulator-denied/x"})],
            },
            "input[0].content[0]",
        ),
    ],
)
def test_an_unknown_type_names_the_client_s_parameter(app, path, body, param):
    answer = app.post(path, json=body)
    assert answer.status_code == 400
    assert param in answer.text
    assert "media type" in answer.text


def test_media_types_in_other_apis_are_used(app, emulator):
    source = {"type": "url", "url": OBJECT, "media_type": "image/webp"}
    body = {"model": GEMINI, "max_tokens": 9, "messages": [user({"type": "image", "source": source})]}
    assert app.post("/v1/messages", json=body).status_code == 200
    params = {"type": "input_image", "image_url": OBJECT, "format": "image/webp"}
    assert app.post("/v1/responses", json={"model": GEMINI, "input": [user(params)]}).status_code == 200
    files = [call.json["contents"][0]["parts"][0]["fileData"] for call in emulator.calls]
    assert files == [{"mimeType": "image/webp", "fileUri": OBJECT}] * 2


def test_a_dry_run_shows_the_type_of_an_object(app, emulator, storage):
    storage.write(OBJECT, b"x", "image/webp")
    answer = app.post(
        "/v1/chat/completions",
        json=question("google", model=GEMINI, messages=[user(image(OBJECT))]),
        headers={"x-vertex-compat-debug": "request"},
    )
    assert "image/webp" in answer.text
    assert not any("generateContent" in call.path for call in emulator.calls)


def test_a_link_of_unknown_type_is_fetched_for_gemini(app, emulator):
    answer = ask(app, GEMINI, "https://169.254.169.254/picture")
    assert answer.status_code == 400
    assert "not public" in answer.json["error"]["message"]
    assert emulator.calls == []


def test_a_fetched_link_goes_to_gemini_inline():
    params = {"messages": [user(image("https://example.com/pictures/1"), image(CAT))]}
    rules = ResourceRules(Settings.from_env({}), None, "shared", None)
    inlined = inline_urls.inline(
        params, CHAT, SimpleNamespace(fetch_url=Internet().fetch, resources=rules, read=bytes)
    )
    assert [part["image_url"]["url"] for part in inlined["messages"][0]["content"]] == [DATA, CAT]
