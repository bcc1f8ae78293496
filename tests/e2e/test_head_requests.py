"""HEAD requests: the status and the headers of GET, over a socket, without a body."""

import re
import warnings

import pytest
import requests

from vertex_compat import routes

BUCKET = "emulated-bucket"
LENGTH_HEADERS = ("Accept-Ranges", "Content-Length", "Content-Type")
DATA = b"0123456789" * 100_000


@pytest.fixture
def front(serve, storage):  # noqa: ARG001  (an empty one)
    return serve(GCS_BUCKET_NAME=BUCKET)


@pytest.fixture
def session():
    with requests.Session() as opened:
        opened.trust_env = False
        opened.headers["Authorization"] = "Bearer sk-test"
        yield opened


def heads(session, url, **headers):
    """The status and the headers that HEAD and GET tell; HEAD has no body."""
    answers = [
        session.request(method, url, headers=headers, allow_redirects=False) for method in ("HEAD", "GET")
    ]
    assert answers[0].content == b""
    results = [
        (answer.status_code, {name: answer.headers.get(name) for name in LENGTH_HEADERS})
        for answer in answers
    ]
    return results[0], results[1], answers[1].content


@pytest.mark.parametrize("path", sorted(path for method, path in routes.TABLE if method == "GET"))
def test_head_answers_where_get_does(front, session, path):
    head, get, body = heads(session, front.url + re.sub(r"<[^>]+>", "x", path))
    assert head == get
    assert int(get[1]["Content-Length"]) == len(body)


def test_head_of_a_file_has_its_length_without_a_read(front, session, emulator):
    with front.client() as client:
        file = client.files.create(file=("a.txt", DATA), purpose="user_data")
    url = f"{front.url}/v1/files/{file.id}/content"
    head, get, body = heads(session, url)
    assert (
        head
        == get
        == (
            200,
            {
                "Accept-Ranges": "bytes",
                "Content-Length": str(len(DATA)),
                "Content-Type": "application/octet-stream",
            },
        )
    )
    assert body == DATA
    emulator.forget_calls()
    assert session.head(url, headers={"Range": "bytes=2-4"}).status_code == 200
    assert all("alt=media" not in call.path for call in emulator.calls)
    assert emulator.calls
    assert session.head(f"{front.url}/v1/files/{file.id}").headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("env", [{}, {"GCS_BUCKET_NAME": BUCKET}])
def test_head_of_a_video_has_its_length(serve, storage, session, env):  # noqa: ARG001  (an empty one)
    front = serve(**env)
    with front.client() as client, warnings.catch_warnings(action="ignore"):
        video = client.videos.create_and_poll(
            model="veo-3.1-generate-preview", prompt="A cat", poll_interval_ms=10
        )
    head, get, body = heads(session, f"{front.url}/v1/videos/{video.id}/content")
    assert head == get
    assert head[1] == {
        "Accept-Ranges": "bytes",
        "Content-Length": str(len(body)),
        "Content-Type": "video/mp4",
    }


def test_head_of_an_encoded_file_has_no_length(front, session, emulator):
    with front.client() as client:
        file = client.files.create(file=("a.txt", b"text"), purpose="user_data")
    emulator.script(b'{"size": "4", "contentEncoding": "gzip"}')
    answer = session.head(f"{front.url}/v1/files/{file.id}/content")
    assert (answer.status_code, answer.headers.get("Content-Length")) == (200, None)


def test_head_of_a_streamed_response_ends_at_once(front, session):
    with front.client() as client:
        response = client.responses.create(model="gemini-3.8-flash", input="Hello", store=True)
    answer = session.head(f"{front.url}/v1/responses/{response.id}", params={"stream": "true"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/event-stream")


def test_head_is_refused_where_get_is(front, session):
    answer = session.head(f"{front.url}/v1/embeddings")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
