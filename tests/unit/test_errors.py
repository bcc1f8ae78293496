"""Errors of every upstream, in each of their forms, and the client's errors for them."""

import json

import pytest
from helpers.fixtures import STATUSES
from hypothesis import example, given
from hypothesis import strategies as st

from vertex_compat import errors

UPSTREAM_MESSAGE = "The words of the upstream: 不行 🙅"


def google(status, name="INVALID_ARGUMENT", **more):
    return {"error": {"code": status, "message": UPSTREAM_MESSAGE, "status": name, **more}}


def anthropic(kind="invalid_request_error"):
    return {
        "type": "error",
        "error": {"type": kind, "message": UPSTREAM_MESSAGE},
        "request_id": "req_vrtx_011",
    }


def mistral(kind="invalid_request_error", code=None):
    return {"object": "error", "message": UPSTREAM_MESSAGE, "type": kind, "param": None, "code": code}


DETAIL = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": UPSTREAM_MESSAGE, "input": 1}]

ENVELOPES = {
    "google": google,
    "google with empty details": lambda status: google(status, details=[]),
    "google in a list": lambda status: [google(status)],
    "anthropic": lambda _: anthropic(),
    "anthropic without a request id": lambda _: {k: v for k, v in anthropic().items() if k != "request_id"},
    "mistral": lambda _: mistral(),
    "mistral with a code of its own": lambda _: mistral("invalid_function_call", "3280"),
    "vllm": lambda status: mistral("BadRequestError", status),
    "newer vllm": lambda status: {
        "error": {"message": UPSTREAM_MESSAGE, "type": "BadRequestError", "param": None, "code": status}
    },
    "tgi": lambda _: {"error": UPSTREAM_MESSAGE, "error_type": "validation"},
    "jamba": lambda _: {"detail": UPSTREAM_MESSAGE},
}


def answer_to(status, body, headers=None):
    """Return the client's error, and OpenAI's object in it."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = errors.from_upstream(status, content, headers)
    assert error.body().keys() == {"error"}
    inner = error.body()["error"]
    assert inner.keys() == {"message", "type", "param", "code"}
    return error, inner


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("envelope", ENVELOPES)
def test_status_selects_the_class_and_the_message_stays(envelope, status):
    error, inner = answer_to(status, ENVELOPES[envelope](status))
    assert (error.status, inner["type"], inner["code"]) == STATUSES[status]
    assert UPSTREAM_MESSAGE in inner["message"]
    assert inner["param"] is None


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)!!1</title>\n<p>It\xe2\x80\x99s all.",
        b"\x00\xff\xfe garbage",
        b'{"error": {"message": "cut of',
        b"null",
        b"[]",
        b"{}",
        b'"a string"',
        b"7",
        b'{"error": null}',
        b'{"error": {}}',
        b'{"error": []}',
        b'{"error": {"message": null}}',
        b'[[[{"error": {"code": "x", "message": 7, "status": [1]}}]]]',
        b'{"detail": [1, null, {"loc": null, "msg": null}]}',
        b'{"message": {"detail": {"a": 1}}}',
        b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:24]),
)
def test_empty_error_body_gets_a_status_and_a_message(content, status):
    error, inner = answer_to(status, content)
    assert (error.status, inner["type"], inner["code"]) == STATUSES[status]
    assert inner["message"].strip()
    assert "<" not in inner["message"]


def test_our_own_refused_credentials_are_not_called_the_client_s():
    _, inner = answer_to(401, google(401, "UNAUTHENTICATED"))
    assert "this function's own credentials" in inner["message"]


@pytest.mark.parametrize("status", [301, 302, 304, 307])
def test_a_redirection_is_the_upstream_s_fault(status):
    assert answer_to(status, b"")[0].status == 502


def test_a_failed_precondition_has_a_code_of_its_own():
    error, inner = answer_to(400, google(400, "FAILED_PRECONDITION"))
    assert (error.status, inner["code"]) == (400, "failed_precondition")


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 215000 tokens > 200000 maximum",
        "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
    ],
)
@pytest.mark.parametrize("envelope", ["google", "google in a list", "anthropic", "mistral", "vllm"])
def test_a_prompt_that_is_too_long_has_openai_s_code(message, envelope):
    body = json.loads(
        json.dumps(ENVELOPES[envelope](400)).replace(json.dumps(UPSTREAM_MESSAGE)[1:-1], message)
    )
    error, inner = answer_to(400, body)
    assert (error.status, inner["code"]) == (400, "context_length_exceeded")
    assert answer_to(500, body)[1]["code"] is None


# FastAPI's validation, which Mistral and Jamba have


def test_validation_error_names_last_path_as_param():
    error, inner = answer_to(422, {"detail": DETAIL})
    assert (error.status, inner["param"]) == (400, "seed")
    assert "seed" in inner["message"]
    assert UPSTREAM_MESSAGE in inner["message"]


def test_a_validation_error_may_stand_inside_a_message():
    wrapped = {
        "object": "error",
        "message": {"detail": DETAIL},
        "type": "invalid_request_error",
        "code": None,
    }
    error, inner = answer_to(422, wrapped)
    assert (error.status, inner["param"]) == (400, "seed")
    assert UPSTREAM_MESSAGE in inner["message"]


def test_all_fields_of_a_validation_error_are_named():
    both = [*DETAIL, {"type": "missing", "loc": ["body", "messages", 0, "role"], "msg": "Field required"}]
    _, inner = answer_to(422, {"detail": both})
    assert "messages.0.role" in inner["message"]
    assert "Field required" in inner["message"]


def test_a_parameter_that_the_upstream_names_is_passed_on():
    _, inner = answer_to(
        400,
        {"error": {"message": UPSTREAM_MESSAGE, "type": "BadRequestError", "param": "top_p", "code": 400}},
    )
    assert inner["param"] == "top_p"


def test_endless_words_are_cut():
    _, inner = answer_to(400, {"error": {"message": "x" * 1_000_000}})
    assert 100 < len(inner["message"]) < 10_000


# Retry-After


def retry_info(delay):
    return [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]


@pytest.mark.parametrize(("value", "seconds"), [("12", "12"), ("0", "0"), ("120", "120")])
def test_retry_after_is_passed_on(value, seconds):
    error, _ = answer_to(429, google(429), {"Retry-After": value})
    assert error.headers["Retry-After"] == seconds


def test_retry_after_may_be_a_date():
    date = "Sat, 21 Nov 2026 05:00:00 GMT"
    assert answer_to(503, b"", {"Retry-After": date})[0].headers["Retry-After"] == date


@pytest.mark.parametrize(
    ("delay", "seconds"), [("12s", "12"), ("1.5s", "2"), ("0.2s", "1"), ("34.07s", "34")]
)
@pytest.mark.parametrize("in_list", [False, True])
def test_retry_info_becomes_retry_after(delay, seconds, in_list):
    body = google(429, "RESOURCE_EXHAUSTED", details=retry_info(delay))
    error, _ = answer_to(429, [body] if in_list else body)
    assert error.headers["Retry-After"] == seconds


def test_the_header_comes_before_the_body():
    error, _ = answer_to(429, google(429, details=retry_info("12s")), {"Retry-After": "3"})
    assert error.headers["Retry-After"] == "3"


@pytest.mark.parametrize(
    "delay", ["", "s", "-1s", "1e9s", "9" * 40 + "s", "soon", 12, None, ["12s"], "1s\r\nX: y"]
)
def test_a_retry_info_that_makes_no_sense_is_passed_over(delay):
    assert answer_to(429, google(429, details=retry_info(delay)))[0].headers == {}


@pytest.mark.parametrize("value", ["1\r\nSet-Cookie: a=b", "<b>", "x" * 1000, "é"])
def test_a_hostile_retry_after_reaches_no_client(value):
    assert answer_to(429, b"", {"Retry-After": value})[0].headers == {}


# Errors that come under a good status: bodies and events


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (google(503, "UNAVAILABLE"), 503, "service_unavailable"),
        ([google(429, "RESOURCE_EXHAUSTED")], 429, "rate_limit_exceeded"),
        ({"error": {"message": UPSTREAM_MESSAGE, "status": "DEADLINE_EXCEEDED"}}, 504, "timeout"),
        ({"error": {"message": UPSTREAM_MESSAGE, "status": "INTERNAL"}}, 502, None),
        (anthropic("overloaded_error"), 503, "service_unavailable"),
        (anthropic("rate_limit_error"), 429, "rate_limit_exceeded"),
        (anthropic("api_error"), 502, None),
        (mistral("invalid_request_error"), 400, None),
        (mistral("of tomorrow"), 502, None),
        (mistral("BadRequestError", 400), 400, None),
        ({"error": {"message": UPSTREAM_MESSAGE, "type": "BadRequestError", "code": "400"}}, 400, None),
        ({"error": {"message": UPSTREAM_MESSAGE, "code": 1234}}, 502, None),
        ({"error": UPSTREAM_MESSAGE}, 502, None),
    ],
)
def test_error_body_with_status_200_keeps_its_own_status(event, status, code):
    assert errors.is_error(event)
    error = errors.from_body(200, event)
    assert (error.status, error.body()["error"]["code"]) == (status, code)
    assert UPSTREAM_MESSAGE in error.message


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        None,
        7,
        "error",
        {"error": None},
        {"error": {}},
        {"candidates": []},
        {"type": "message_start", "message": {"error": "no"}},
        {"object": "chat.completion.chunk", "choices": [], "error": None},
        [{"candidates": []}, google(500)],
    ],
)
def test_normal_body_is_not_read_as_an_error(event):
    assert not errors.is_error(event)


# Anything at all

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "message",
                    "detail",
                    "details",
                    "code",
                    "status",
                    "type",
                    "param",
                    "loc",
                    "msg",
                    "retryDelay",
                ]
            ),
            inner,
        )
    ),
)
HEADERS = st.dictionaries(st.sampled_from(["Retry-After", "retry-after", "Content-Type"]), st.text())


def is_legal(error):
    assert isinstance(error, errors.ApiError)
    assert 400 <= error.status <= 599
    inner = json.loads(json.dumps(error.body()))["error"]
    assert inner.keys() == {"message", "type", "param", "code"}
    assert isinstance(inner["message"], str)
    assert inner["message"]
    assert isinstance(inner["type"], str)
    assert isinstance(inner["param"], str | None)
    assert isinstance(inner["code"], str | None)
    for name, value in error.headers.items():
        assert f"{name}: {value}".isascii()
        assert f"{name}: {value}".isprintable()


@given(status=st.integers(200, 599), content=st.binary(), headers=HEADERS)
def test_any_bytes_make_a_legal_error(status, content, headers):
    is_legal(errors.from_upstream(status, content, headers))


@given(status=st.integers(200, 599), body=ANYTHING, headers=HEADERS)
@example(status=422, body={"detail": [{"loc": [], "msg": "x"}]}, headers={})
@example(status=422, body={"detail": [{"loc": "body", "msg": "x"}]}, headers={})
@example(status=422, body={"detail": [{"loc": 7, "msg": "x"}]}, headers={})
@example(status=422, body={"detail": [{"loc": {"a": 1}, "msg": "x"}]}, headers={})
@example(status=400, body={"error": {"details": [{"retryDelay": "1s"}, 1, None]}}, headers={})
@example(status=200, body={"error": {"code": True}}, headers={})
def test_any_json_makes_a_legal_error(status, body, headers):
    is_legal(errors.from_body(status, body, headers))
    is_legal(errors.from_upstream(status, json.dumps(body).encode(), headers))
