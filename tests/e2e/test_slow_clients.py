"""A client that has stopped reading: little is read from Vertex, others are not affected."""

import json
import socket
import time
from contextlib import contextmanager

import pytest
from helpers.chat_client import ask, joined, named
from helpers.connections import SOON, posted
from helpers.fixtures import MODELS, question

from vertex_compat.emulator.protocol.responses import SSE_TYPE, Response

MEGABYTE = 1 << 20
MOST = 10 * MEGABYTE  # that may be taken from the upstream for a client that has stopped reading
ENDLESS = 2_000_000  # events

DELTAS = {
    "google": {"candidates": [{"content": {"role": "model", "parts": [{"text": "x" * 200}]}}]},
    "openapi": {"choices": [{"index": 0, "delta": {"content": "x" * 200}, "finish_reason": None}]},
    "anthropic": {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "x" * 200},
    },
}
"""An event of each wire, without an end in sight."""

OPENINGS = {
    "anthropic": [
        {"type": "message_start", "message": {"role": "assistant", "content": [], "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
}


class Endless:
    """An upstream answer without an end, and how much of it has been taken."""

    def __init__(self, publisher):
        self.sent_bytes = 0
        self._publisher = publisher

    def __iter__(self):
        for event in OPENINGS.get(self._publisher, []):
            yield b"data: " + json.dumps(event).encode() + b"\n\n"
        block = b"data: " + json.dumps(DELTAS[self._publisher]).encode() + b"\n\n"
        for _ in range(ENDLESS):
            self.sent_bytes += len(block)
            yield block

    def final_size(self):
        """Return the number of bytes that were accepted when no more are, for a while."""
        before, deadline = -1, time.monotonic() + 20
        while self.sent_bytes != before or not before:
            before = self.sent_bytes
            assert time.monotonic() < deadline
            time.sleep(0.5)
        return before


@contextmanager
def stuck(server, publisher):
    """A client that has asked for a stream and reads nothing of it; and the stream."""
    endless = Endless(publisher)
    server.emulator.app.scripts.append(
        Response(200, endless, {"Content-Type": SSE_TYPE}, streamed=True, unpaced=True)
    )
    content = json.dumps(question(publisher, stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(server.address)
        line.sendall(head.encode() + content)
        yield line, endless


@pytest.mark.parametrize("publisher", DELTAS)
def test_little_is_taken_for_a_client_that_does_not_read(front_door, emulator, publisher):
    with stuck(front_door, publisher) as (_, endless):
        size = endless.final_size()
        assert 0 < size < MOST
        with front_door.client() as client:  # the others are served
            assert joined(ask(client, MODELS[publisher], stream=True))[1] == ["stop"]
        assert endless.sent_bytes == size
        emulator.wait_for(lambda calls: calls[1].ended == "complete")
    emulator.wait_for(lambda calls: calls[0].ended == "client_left", SOON)


def test_upstream_read_stops_for_a_client_that_stops_reading(front_door, emulator):
    """The kernel gives a connection more room the faster it is read."""
    with stuck(front_door, "google") as (line, endless):
        read = 0
        while read < 3 * MOST:
            read += len(line.recv(MEGABYTE))
        before = endless.sent_bytes
        assert endless.final_size() - before < MOST
    emulator.wait_for(lambda calls: calls[0].ended == "client_left", SOON)


def test_a_client_that_never_reads_again_is_given_up(serve, emulator):
    server = serve(VERTEX_COMPAT_TIMEOUT="1.5")
    with stuck(server, "google") as (_, endless):
        assert endless.final_size() < MOST
        emulator.wait_for(lambda calls: calls[0].ended == "client_left", timeout=20)
    log = server.wait_for_log(lambda text: "error=client_left" in text)
    assert "Traceback" not in log


def test_a_client_that_reads_slowly_gets_everything(serve):
    """Slower than it comes, and with pauses, but never for longer than is waited for."""
    server = serve(VERTEX_COMPAT_TIMEOUT="1.5")
    words = question("google", model=named("google", "many-60000"), stream=True)
    with posted(server, words) as line:
        read = b""
        while not read.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):  # the last event, the last chunk
            read += line.recv(MEGABYTE)
            time.sleep(0.02)
    assert read.count(b'"content":"x "') == 60_000
