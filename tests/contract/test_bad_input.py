"""Whatever a client sends, the fault is its own: never an error of this function's."""

import json

import pytest
from helpers.fixtures import function
from helpers.schemas import ANY, Refuses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EAGER = settings(
    max_examples=settings().max_examples * 3 // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

MODELS = st.sampled_from(
    [
        "text-embedding-005",
        "gemini-embedding-001",
        "gemini-embedding-2",
        "multimodalembedding@001",
        "endpoints/1",
        "codestral-2",
        "gemini-3.8-flash",
        "claude-sonnet-5-5",
        "imagen-3.0-generate-001",
        "gemini-3-pro-image",
        "gemini-3.8-flash-tts",
        "vertex_ai/",
        "vertex_ai/x",
    ]
)
WORDS = {
    "/embeddings": ("input", "dimensions", "encoding_format", "task_type", "instance_key", "title"),
    "/completions": ("prompt", "suffix", "n", "echo", "stop", "stream", "max_tokens", "logprobs", "best_of"),
    "/images/generations": (
        "prompt",
        "n",
        "image",
        "mask",
        "size",
        "quality",
        "output_format",
        "aspect_ratio",
        "background",
    ),
    "/audio/speech": (
        "input",
        "voice",
        "response_format",
        "speed",
        "audioConfig",
        "use_ssml",
        "instructions",
    ),
}
LIKELY = st.sampled_from(
    [
        "a",
        ["a", "b"],
        [1],
        [[1]],
        "gs://b/a.png",
        "data:image/png;base64,aGk=",
        1,
        2,
        True,
        "1024x1024",
        "mp3",
        "pcm",
    ]
) | st.fixed_dictionaries({"languageCode": ANY, "name": ANY})


@pytest.fixture(scope="module")
def refusing():
    return function(Refuses())


@pytest.mark.parametrize("path", WORDS)
@EAGER
@given(data=st.data())
def test_any_json_is_answered_as_the_client_s_fault_or_sent(refusing, path, data):
    words = st.dictionaries(st.sampled_from(WORDS[path]), LIKELY | ANY)
    body = {"model": data.draw(MODELS)} | data.draw(words)
    answer = refusing.post(f"/v1{path}", data=json.dumps(body), content_type="application/json")
    assert answer.status_code in {400, 404, 503}, answer.text
    assert answer.json["error"].keys() == {"message", "type", "param", "code"}


FORMS = ["/audio/transcriptions", "/audio/translations", "/images/edits"]
NAMES = st.sampled_from(
    ["file", "image", "image[]", "mask", "model", "prompt", "stream", "n", "include[]", ""]
)
PART = st.builds(
    lambda name, file, data: (
        b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
        % (name.encode(), b'; filename="a.wav"' if file else b"", data)
    ),
    NAMES,
    st.booleans(),
    st.binary(max_size=20) | st.just(b"gemini-3.8-flash") | st.just(b"\x89PNG\r\n\x1a\n"),
)
FORM = st.lists(PART, max_size=6).map(lambda parts: b"".join(parts) + b"--x--\r\n")


def cut(form, place):
    return form[: place % (len(form) + 1)]


@pytest.mark.parametrize("path", FORMS)
@EAGER
@given(st.binary(max_size=200) | FORM | st.builds(cut, FORM, st.integers(0)))
def test_any_form_is_answered_as_the_client_s_fault_or_sent(refusing, path, form):
    answer = refusing.post(f"/v1{path}", data=form, content_type="multipart/form-data; boundary=x")
    assert answer.status_code in {400, 404, 503}, answer.text


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", "multipart/x; boundary=x"],
)
def test_body_that_is_no_form_is_a_400(refusing, path, content_type):
    answer = refusing.post(f"/v1{path}", data=b"--x--", content_type=content_type)
    assert answer.status_code == 400


def test_a_form_of_very_many_parts_is_too_large(refusing):
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    content = part * 1000 + b"--x--\r\n"
    answer = refusing.post(FORMS[0], data=content, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 413
