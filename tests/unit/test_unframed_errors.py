"""Upstream errors in the wrong framing: bare JSON in a stream, or an event as an error body."""

import json

import pytest
from helpers.fixtures import CannedTransport, events_of, function, post, question

from vertex_compat import errors, sse

OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
TEXT = b'data: {"candidates": [{"content": {"parts": [{"text": "Okay"}], "role": "model"}}]}\r\n\r\n'


def stream(*blocks):
    transport = CannedTransport(list(blocks), "text/event-stream")
    return post(function(transport, VERTEX_COMPAT_RETRIES="0"), question("google", stream=True))


@pytest.mark.parametrize("indent", [None, 2])
def test_bare_error_after_text_keeps_its_reason(indent):
    *_, last = events_of(stream(TEXT, json.dumps(OVERLOADED, indent=indent).encode() + b"\n").get_data())
    assert last["error"]["message"] == "The model is overloaded."
    assert last["error"]["code"] == "service_unavailable"


@pytest.mark.parametrize("indent", [None, 2])
def test_bare_error_at_the_start_keeps_its_status(indent):
    answer = stream(json.dumps(OVERLOADED, indent=indent).encode())
    assert answer.status_code == 503
    assert answer.json["error"]["message"] == "The model is overloaded."


def test_bare_text_in_a_stream_is_ignored():
    end = b'data: {"candidates": [{"finishReason": "STOP"}]}\r\n\r\n'
    *_, done = events_of(stream(TEXT, b"nonsense\r\n", end).get_data())
    assert done == "[DONE]"


@pytest.mark.parametrize("prefix", [b"data: ", b"event: error\ndata: "])
def test_error_body_as_an_event_keeps_its_reason(prefix):
    content = prefix + json.dumps(OVERLOADED).encode() + b"\n\n"
    error = errors.from_upstream(503, content)
    assert isinstance(error, errors.Unavailable)
    assert error.message == "The model is overloaded."


def test_unframed_lines_are_bounded():
    decoder = sse.Decoder()
    for _ in range(100):
        decoder.feed(b"x" * 10_000 + b"\n")
    assert len(decoder.unframed) < sse.MAX_UNFRAMED_BYTES + 10_001
