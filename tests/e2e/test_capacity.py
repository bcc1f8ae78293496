"""One client cannot occupy an instance: memory, slots, slow heads and bodies, long lines."""

import json
import socket
import time

import pytest
from helpers.chat_client import get
from helpers.connections import arrived, posted
from helpers.fixtures import MODELS, RecordingTransport, function, post, question
from helpers.server import KEY, app_with_emulator

from vertex_compat.server.capacity import memory_budget
from vertex_compat.server.capacity.memory_budget import COPIES, RESERVED, HeldMemory, MemoryBudget

AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"


def exchange(server, *parts, pause=0.0):
    """Return the response to these bytes, and the seconds until it came."""
    began = time.monotonic()
    with socket.create_connection(server.address, timeout=30) as line:
        for part in parts:
            line.sendall(part)
            time.sleep(pause)
        received = b""
        while data := line.recv(65536):
            received += data
    return received, time.monotonic() - began


# Memory


def test_body_beyond_the_memory_budget_is_a_429():
    app = function(RecordingTransport(), VERTEX_COMPAT_MEMORY_BUDGET="1")
    response = post(app, question("google", user="x" * 2_000_000))
    assert response.status_code == 429
    assert response.json["error"]["code"] == "instance_busy"
    assert response.headers["Retry-After"] == "1"


def test_memory_is_released_at_the_end_of_a_request():
    app = function(RecordingTransport(), VERTEX_COMPAT_MEMORY_BUDGET="1")
    for _ in range(4):
        response = post(app, question("google", user="x" * 900_000))
        assert response.status_code != 429
        response.close()


def test_memory_budget_counts_all_requests():
    budget = MemoryBudget(100)
    first, other = HeldMemory(budget), HeldMemory(budget)
    first.add(60)
    with pytest.raises(memory_budget.errors.RateLimited):
        other.add(50)
    first.release()
    first.release()
    other.add(50)


def test_stream_that_has_begun_holds_half_of_its_memory(emulator):
    app = app_with_emulator(emulator, VERTEX_COMPAT_MEMORY_BUDGET="1")
    large = question("google", stream=True, user="x" * 600_000)
    first = post(app, large)
    second = post(app, large)
    third = post(app, large)
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 429]
    for response in (first, second, third):
        response.close()
    assert post(app, large).status_code == 200


def test_default_budget_follows_the_memory_limit(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text(f"{1 << 30}\n")
    monkeypatch.setattr(memory_budget, "memory_limit", lambda read=memory_budget.memory_limit: read((limit,)))
    assert memory_budget.default_limit() == ((1 << 30) - RESERVED) // COPIES
    limit.write_text("max\n")
    assert memory_budget.default_limit() > 0


# Slots


def test_wrong_key_is_refused_before_a_slot_is_taken(serve, emulator):
    server = serve(THREADS="1", VERTEX_COMPAT_API_KEYS=KEY)
    with posted(server, question("google", model="gemini-emulator-silent"), headers=AUTHORIZED):
        arrived(emulator)
        body = json.dumps(question("google")).encode()
        head = CHAT + b"Connection: close\r\nContent-Length: %d\r\nAuthorization: Bearer " % len(body)
        assert exchange(server, head + b"wrong-0123456789\r\n\r\n" + body)[0].startswith(b"HTTP/1.1 401 ")
        assert exchange(server, head + KEY.encode() + b"\r\n\r\n" + body)[0].startswith(b"HTTP/1.1 429 ")


# Slow clients


@pytest.fixture
def hurried(serve):
    return serve(VERTEX_COMPAT_HEAD_TIMEOUT="1", VERTEX_COMPAT_BODY_TIMEOUT="4")


def test_head_that_does_not_end_is_given_up(hurried):
    received, seconds = exchange(hurried, CHAT)
    assert received == b""
    assert seconds < 5


def test_head_that_drips_is_given_up(hurried):
    with pytest.raises(OSError):  # noqa: PT011  (a reset or a broken pipe, as it happens)
        exchange(hurried, CHAT, *([b"A: b\r\n"] * 40), pause=0.2)


def test_body_that_drips_is_a_408(hurried):
    parts = [CHAT + b"Content-Length: 1000\r\nConnection: close\r\n\r\n", *([b" "] * 4)]
    received, seconds = exchange(hurried, *parts, pause=0.2)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"request_timeout" in received
    assert seconds < 8


def test_slow_heads_do_not_stop_the_server(hurried):
    lines = [socket.create_connection(hurried.address, timeout=30) for _ in range(60)]
    for line in lines:
        line.sendall(CHAT)
    assert get(hurried, "/health")[0] == 200
    for line in lines:
        line.close()


def test_request_line_is_limited(front_door):
    line = b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert exchange(front_door, line)[0].startswith(b"HTTP/1.1 4")


# Unexpected errors


def test_log_of_an_unexpected_error_has_no_message(capfd, caplog):
    class Failing(RecordingTransport):
        def open(self, *_, **__):
            raise KeyError("a secret of the prompt")

    response = post(function(Failing()), question(next(iter(MODELS))))
    assert response.status_code == 500
    assert "KeyError" in caplog.text
    assert "test_capacity.py" in caplog.text
    assert "secret" not in caplog.text + capfd.readouterr().out
