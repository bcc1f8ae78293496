"""SIGTERM and Cloud Run's ten seconds: each response ends whole or with an error."""

import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import openai
import pytest
from helpers.chat_client import ask, joined, named
from helpers.connections import arrived, posted, read_until
from helpers.fixtures import MODELS, events_of, question

KILLED = 10  # seconds after SIGTERM: Cloud Run's

SHUT = "shut down"


def body_of(answer):
    """The body of a raw answer in chunks."""
    head, _, remainder = answer.partition(b"\r\n\r\n")
    assert b"chunked" in head
    body = b""
    while remainder:
        size, _, remainder = remainder.partition(b"\r\n")
        body, remainder = body + remainder[: int(size, 16)], remainder[int(size, 16) + 2 :]
    return body


def rest_of(line):
    """All that comes until the server closes."""
    read = b""
    while block := line.recv(65536):
        read += block
    return read


def until_refused(server):
    """Send requests until the server is gone: each is answered, or its connection is refused."""
    end = time.monotonic() + KILLED / 2
    while time.monotonic() < end:
        try:
            line = socket.create_connection(server.address, timeout=1)
        except ConnectionRefusedError:
            return
        with line, suppress(ConnectionError):  # the one that came in the moment in which the port closed
            line.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b" 200 " in rest_of(line)
    pytest.fail("the port stays open")


def ended(server):
    """The exit code, where the process ends in time."""
    return server.process.wait(KILLED)


def test_responses_that_end_in_time_are_complete(serve_alone):
    """A stream and a whole answer that are running, and a request on an open connection."""
    server = serve_alone()
    with server.client() as client, ThreadPoolExecutor(2) as pool:
        whole = joined(ask(client, MODELS["google"], stream=True))
        stream = pool.submit(lambda: joined(ask(client, named("anthropic", "pause-2"), stream=True)))
        answer = pool.submit(ask, client, named("mistralai", "delay-1.5"))
        open_line = http.client.HTTPConnection(*server.address, timeout=KILLED)
        open_line.request("GET", "/health")
        assert open_line.getresponse().read()
        server.emulator.wait_for(lambda calls: len(calls) == 3)
        server.stop()
        began = time.monotonic()
        until_refused(server)
        open_line.request("POST", "/v1/chat/completions", json.dumps(question("google")))
        late = open_line.getresponse()
        assert (late.status, late.getheader("connection")) == (200, "close")
        assert json.load(late)["choices"]
        assert stream.result()[:2] == whole[:2]
        assert answer.result().choices[0].finish_reason == "stop"
        assert ended(server) == 0
        assert time.monotonic() - began < 6
    assert [call.ended for call in server.emulator.calls] == ["complete"] * 4


def test_longer_responses_end_with_an_error_before_the_kill(serve_alone):
    """Streams before and after their first event, busy streams, and whole answers."""
    server = serve_alone()
    silent = [named(publisher, "silent") for publisher in MODELS]
    server.emulator.pace = 0.3
    with server.client() as client, ThreadPoolExecutor(20) as pool:
        waited_for = [
            pool.submit(ask, client, model, stream=stream) for model in silent for stream in (False, True)
        ]
        paused = pool.submit(events, server, named("anthropic", "pause-30"))
        busy = pool.submit(events, server, MODELS["openapi"], words="a long word " * 500)
        server.emulator.wait_for(lambda calls: len(calls) == len(waited_for) + 2)
        server.stop()
        began = time.monotonic()
        for answer in waited_for:
            error = answer.exception()
            assert isinstance(error, openai.InternalServerError)
            assert (error.status_code, error.code) == (503, "service_unavailable")
            assert SHUT in error.message
        for stream in (paused, busy):
            *chunks, last = stream.result()
            assert chunks
            assert SHUT in last["error"]["message"]
            assert last["error"]["code"] == "service_unavailable"
            assert not any(choice["finish_reason"] for chunk in chunks for choice in chunk["choices"])
        assert ended(server) == 0
        assert 5 < time.monotonic() - began < KILLED
    assert {call.ended for call in server.emulator.calls} == {"client_left"}


def events(server, model, words="Hello"):
    """The events of a stream, as a client without retries or opinions gets them."""
    messages = [{"role": "user", "content": words}]
    with posted(server, question("google", model=model, stream=True, messages=messages)) as line:
        return events_of(body_of(rest_of(line)))


def test_a_stuck_client_does_not_keep_the_process(serve_alone):
    server = serve_alone()
    with posted(server, question("google", model=named("google", "many-10000000"), stream=True)) as line:
        read_until(line, b"data: ")
        time.sleep(1)  # now both its buffers and ours are full, and our thread stands in a write
        server.stop()
        assert ended(server) == 0


def test_late_connection_is_refused_immediately(serve_alone):
    server = serve_alone()
    with posted(server, question("google", model=named("google", "pause-30"))):
        arrived(server.emulator)
        server.stop()
        until_refused(server)
        assert server.process.poll() is None  # it still has the stream
