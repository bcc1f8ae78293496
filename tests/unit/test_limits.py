"""Bounds before work: how large, how deep and how many. Each is refused in OpenAI's form."""

import http.client
import json
import re
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import openai
import pytest
from helpers.chat_client import ask, get
from helpers.fixtures import MODELS, RecordingTransport, function, post, question
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat import errors
from vertex_compat.config.settings import InvalidSetting, Settings
from vertex_compat.operations.request import body
from vertex_compat.operations.request.body import MAX_DEPTH
from vertex_compat.server import wsgi_server
from vertex_compat.server.capacity import concurrency
from vertex_compat.server.request_body import RequestBody

MEGABYTE = 1024 * 1024


def error_of(answer):
    """Status and error of a raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return int(head.split()[1]), error


# Size


@pytest.fixture
def small(serve):
    """One that takes a megabyte."""
    return serve(VERTEX_COMPAT_MAX_BODY="1")


def padded(size):
    """A chat request of exactly so many bytes."""
    body = json.dumps(question("google")).encode()
    return body + b" " * (size - len(body))


def chunked(content, size=65_536):
    blocks = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks) + b"0\r\n\r\n"


def framed(content, framing, path="/v1/chat/completions", content_type="application/json"):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
    if framing == "chunked":
        return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked(content)
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def raw(server, content):
    with socket.create_connection(server.address, timeout=20) as line:
        line.sendall(content)
        read = b""
        while block := line.recv(65536):
            read += block
        return read


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_at_limit_is_accepted_and_above_is_413(small, framing):
    assert b" 200 " in raw(small, framed(padded(MEGABYTE), framing)).partition(b"\r\n")[0]
    status, error = error_of(raw(small, framed(padded(MEGABYTE + 1), framing)))
    assert (status, error["type"], error["code"]) == (413, "invalid_request_error", "request_too_large")
    assert "1 MB" in error["message"]


def test_openai_s_client_raises_the_limit_error(small):
    with small.client() as client, pytest.raises(openai.APIStatusError) as caught:
        ask(client, MODELS["google"], words="x" * (MEGABYTE + MEGABYTE // 2))
    assert caught.value.status_code == 413


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/audio/transcriptions", "/v1/images/edits"])
def test_a_body_without_end_is_refused_while_it_comes(small, framing, path):
    """A gigabyte is announced; the answer comes long before that much is sent."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += "Content-Length: 1000000000\r\n" if framing == "length" else "Transfer-Encoding: chunked\r\n"
    block = b"x" * 65_536
    piece = b"%x\r\n%b\r\n" % (len(block), block) if framing == "chunked" else block
    with socket.create_connection(small.address, timeout=20) as line:
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
        size_sent = 0
        with suppress(OSError):  # the server closes
            while size_sent < 64 * MEGABYTE:
                size_sent += line.send(piece)
        assert size_sent < 64 * MEGABYTE


def test_request_without_a_key_is_refused_before_its_body(serve):
    """The refusal comes though no byte of the body does."""
    server = serve(VERTEX_COMPAT_API_KEYS="sk-one-0123456789", K_SERVICE="vertex-compat")
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection(server.address, timeout=20) as line:
        line.sendall(head)
        assert line.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_memory_is_bounded_by_the_body_limit(small):
    """Twenty clients send 16 times as much as is taken, each."""
    before = resident(small)
    content = framed(b"x" * 16 * MEGABYTE, "chunked")

    def sends():
        with suppress(OSError):  # it may be closed while we are sending
            raw(small, content)

    threads = [threading.Thread(target=sends) for _ in range(20)]
    for thread in threads:
        thread.start()
    highest = before
    while any(thread.is_alive() for thread in threads):
        highest = max(highest, resident(small))
        time.sleep(0.01)
    assert highest - before < 20 * 6 * MEGABYTE


def resident(server):
    """Bytes of memory of the worker that serves."""
    workers = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    sizes = [
        re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text()) for worker in workers
    ]
    return sum(int(size[1]) for size in sizes) * 1024


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "1025", "1e3"])
def test_a_wrong_size_stops_the_start(value):
    with pytest.raises(InvalidSetting, match="VERTEX_COMPAT_MAX_BODY"):
        Settings.from_env({"VERTEX_COMPAT_MAX_BODY": value})


class Dribbles:
    """A stream that gives as much as it likes."""

    def __init__(self, blocks):
        self._blocks = list(blocks)
        self.size_read = 0

    def read(self, size):
        if not self._blocks:
            return b""
        block = self._blocks.pop(0)
        if len(block) > size:
            self._blocks.insert(0, block[size:])
        self.size_read += len(block[:size])
        return block[:size]


BLOCKS = st.lists(st.binary(min_size=1, max_size=9), max_size=9)


@given(BLOCKS, st.none() | st.integers(0, 99), st.integers(0, 60))
def test_a_body_is_whole_or_refused_and_never_read_far_beyond(blocks, length, most):
    content = b"".join(blocks)
    stream = Dribbles(blocks)
    body = RequestBody(wsgi_server.Body(stream, length), most)
    fault = None
    try:
        read = body.read()
    except errors.ApiError as error:
        fault = error
    if (length or 0) > most:
        assert isinstance(fault, errors.PayloadTooLarge)
        assert stream.size_read == 0
    elif length is not None and len(content) < length:
        assert isinstance(fault, errors.BadRequest)
    elif length is None and len(content) > most:
        assert isinstance(fault, errors.PayloadTooLarge)
    else:
        assert fault is None
        assert read == (content if length is None else content[: len(read)])
        assert body.read() is read


# Depth and number


def nested(depth, opening="[", closing="]"):
    return opening * depth + "0" + closing * depth


@pytest.mark.parametrize("depth", [MAX_DEPTH, 200, 500, 900, 1000, 5000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/chat/completions", '"metadata_of_mine"'),
        ("/v1/chat/completions", '"tools"'),
        ("/v1/chat/completions", '"messages"'),
        ("/v1/responses", '"input"'),
        ("/v1/embeddings", '"input"'),
        ("/v1/batches", '"metadata"'),
        ("/v1/messages/batches", '"requests"'),
    ],
)
def test_deep_nesting_is_a_400(path, field, opening, closing, depth):
    fields = '"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "Hi"}]'
    body = f"{{{fields}, {field}: {nested(depth, opening, closing)}}}"
    answer = post(function(RecordingTransport(), GCS_BUCKET_NAME="emulated-bucket"), body.encode(), path)
    assert answer.status_code == 400
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert "nested too deeply" in answer.json["error"]["message"]


SCHEMA_DEPTH = 20


def test_a_deep_schema_that_a_person_might_write_is_taken():
    schema = {"type": "string"}
    for _ in range(SCHEMA_DEPTH):
        schema = {"type": "object", "properties": {"inner": schema}}
    notes = RecordingTransport()
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    post(function(notes), question("google", tools=[tool]))
    assert len(notes.calls) == 1


MANY = {
    "messages": {"messages": [{"role": "user", "content": "x"}] * 10_001},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * 2_001}]},
    "tools": {"tools": [{"type": "function", "function": {"name": "f"}}] * 2_001},
    "functions": {"functions": [{"name": "f"}] * 2_001},
    "calls": {"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}] * 2_001}]},
}


@pytest.mark.parametrize("publisher", MODELS)
@pytest.mark.parametrize("many", MANY.values(), ids=MANY)
def test_body_with_too_many_items_is_a_400(publisher, many):
    answer = post(function(RecordingTransport()), question(publisher) | many)
    assert answer.status_code == 400
    assert answer.json["error"]["param"].startswith(("messages", "tools", "functions"))


@pytest.mark.parametrize("publisher", MODELS)
def test_largest_conversation_costs_linear_time(publisher):
    """No work that grows with the square of what is sent: that would be minutes here."""
    turns = [{"role": role, "content": "x"} for role in ("user", "assistant")] * 5_000
    tools = [{"type": "function", "function": {"name": f"f{number}"}} for number in range(2_000)]
    notes = RecordingTransport()
    begin = time.monotonic()
    post(function(notes), question(publisher, messages=turns, tools=tools))
    assert len(notes.calls) == 1
    assert time.monotonic() - begin < 20


# How many at once

PLACES = 5


@pytest.fixture
def narrow(serve):
    """One that runs few requests at once."""
    return serve(THREADS=str(PLACES))


class Waiting:
    """Requests that are being answered for as long as a `with` block."""

    def __init__(self, server, count, model="gemini-emulator-silent", **more):
        self._server = server
        self._lines = [self._start_call(model, more) for _ in range(count)]

    def _start_call(self, model, more):
        body = json.dumps(question("google", model=model, **more))
        line = http.client.HTTPConnection(*self._server.address, timeout=20)
        line.request("POST", "/v1/chat/completions", body)
        return line

    def __enter__(self):
        self._server.emulator.wait_for(lambda calls: len(calls) >= len(self._lines))
        return self

    def __exit__(self, *_):
        for line in self._lines:
            line.close()
        self._server.emulator.wait_for(lambda calls: all(call.ended for call in calls))


def refused(server):
    """Status and headers of a chat that comes on top."""
    line = http.client.HTTPConnection(*server.address, timeout=20)
    try:
        line.request("POST", "/v1/chat/completions", json.dumps(question("google")))
        answer = line.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    finally:
        line.close()


def test_request_over_limit_is_429_with_retry_after(narrow):
    with Waiting(narrow, PLACES):
        begin = time.monotonic()
        for _ in range(3 * concurrency.RESERVE_THREADS):
            status, headers, body = refused(narrow)
            assert status == 429
            assert headers["Retry-After"] == "1"
            assert headers["x-should-retry"] == "true"
            assert (body["error"]["type"], body["error"]["code"]) == ("rate_limit_error", "instance_busy")
            assert get(narrow, "/health")[0] == 200
        assert time.monotonic() - begin < 10
    assert served_again(narrow)


def served_again(server):
    """Return whether all slots are free, a moment later."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if refused(server)[0] == 200:
            break
        time.sleep(0.05)  # a place is free when the server has seen that its client is gone
    with Waiting(server, PLACES - 1):
        return refused(server)[0] == 200


def test_openai_s_client_retries_by_itself(narrow):
    waiting = Waiting(narrow, PLACES).__enter__()
    threading.Timer(0.5, waiting.__exit__).start()
    with narrow.client() as client:
        assert ask(client.with_options(max_retries=5), MODELS["google"]).choices


def left_in_mid_stream(server):
    line = http.client.HTTPConnection(*server.address, timeout=20)
    body = json.dumps(question("google", model="gemini-emulator-pause-30", stream=True))
    line.request("POST", "/v1/chat/completions", body)
    line.getresponse().read(1)
    line.close()


def left_at_once(server):
    with Waiting(server, 1):
        pass


def failed(server):
    line = http.client.HTTPConnection(*server.address, timeout=20)
    line.request(
        "POST", "/v1/chat/completions", json.dumps(question("google", model="gemini-emulator-cut-0"))
    )
    assert line.getresponse().status >= 500
    line.close()


def refused_as_wrong(server):
    assert error_of(raw(server, framed(b"{", "length")))[0] == 400


def broken_off(server):
    with socket.create_connection(server.address, timeout=20) as line:
        line.sendall(framed(b"x" * 100, "length")[:-50])


def asked_for_its_head(server):
    assert get(server, "/v1/models", method="HEAD")[0] == 200


def asked_for_nothing(server):
    assert get(server, "/nowhere")[0] == 404


def streamed_to_its_end(server):
    with server.client() as client:
        assert list(ask(client, MODELS["google"], stream=True))


def reset(server):
    line = socket.create_connection(server.address, timeout=20)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    line.sendall(framed(padded(500), "length"))
    line.close()


@pytest.mark.parametrize(
    "happens",
    [
        left_in_mid_stream,
        left_at_once,
        failed,
        refused_as_wrong,
        broken_off,
        asked_for_its_head,
        asked_for_nothing,
        streamed_to_its_end,
        reset,
    ],
)
def test_a_place_is_free_again_however_a_request_ends(narrow, happens):
    for _ in range(2 * PLACES):
        happens(narrow)
    assert served_again(narrow)


def test_a_place_that_is_forgotten_is_free():
    places = concurrency.ConcurrencyLimiter(1)
    place = places.try_acquire()
    assert places.try_acquire() is None
    place.release()
    place.release()
    again = places.try_acquire()
    assert again
    assert places.try_acquire() is None
    del again
    assert places.try_acquire()


# JSON values


@pytest.mark.parametrize("value", ["[]", "{}", "0", '""', "null", '{"a":0}'])
def test_body_of_too_many_values_is_a_400(value):
    many = ",".join([value] * (body.MAX_VALUES + 1))
    with pytest.raises(errors.BadRequest, match="more than 1000000 JSON values"):
        body.decode_object(f'{{"unknown": [{many}]}}'.encode())


def test_commas_in_a_text_are_no_values():
    text = r",[{\"" * body.MAX_VALUES
    assert body.decode_object(f'{{"text": "{text}"}}'.encode())["text"].startswith(',[{"')


@pytest.mark.parametrize("content", [b'"' * 3_000_000, b'"' + b'\\"' * 3_000_000, b"," * 3_000_000])
def test_counting_values_takes_linear_time(content):
    began = time.thread_time()
    with pytest.raises(errors.BadRequest):
        body.decode_object(content)
    assert time.thread_time() - began < 2
