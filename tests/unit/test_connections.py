"""The head of an answer, read here: what `http.client` reads, one must find here too."""

import http.client
import socket
import threading
import time
from contextlib import contextmanager
from math import ceil

import pytest
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from vertex_compat import errors
from vertex_compat.server.client_connection import ClientConnection, ClientDisconnected
from vertex_compat.upstream import connection_pool

NAMES = st.sampled_from(
    [
        "Connection",
        "Content-Length",
        "Content-Type",
        "Retry-After",
        "Server",
        "Transfer-Encoding",
        "X-Request-Id",
        "transfer-encoding",
        "vary",
    ]
) | st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
VALUES = st.sampled_from(
    ["", "0", "17", "-1", "abc", "chunked", "close", "keep-alive", "Keep-Alive"]
) | st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f\x85"), max_size=40)
ENDS = st.sampled_from(["\r\n", "\n"])
AFTER = st.sampled_from([b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n"])


@st.composite
def heads(draw):
    end = draw(ENDS)
    status = draw(st.sampled_from([200, 201, 204, 304, 308, 401, 404, 429, 500, 503, 599]))
    reason = draw(st.sampled_from(["", " ", " OK", " Not Found"]))
    lines = [f"HTTP/1.{draw(st.sampled_from('01'))} {status}{reason}"]
    for _ in range(draw(st.integers(0, 6))):
        value = draw(VALUES)
        space = draw(st.sampled_from(["", " ", "  ", "\t"]))
        lines.append(f"{draw(NAMES)}:{space}{value}")
    return (end.join(lines) + end * 2).encode("latin-1")


def read(kind, head, after=b"", pieces=1):
    """What a class of response makes of a head that comes in so many pieces."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        data = head + after
        step = max(1, len(data) // pieces)
        blocks = [data[at : at + step] for at in range(0, len(data), step)]

        def send():
            for block in blocks:
                theirs.sendall(block)
            theirs.shutdown(socket.SHUT_WR)

        connection_pool.wait_for(ClientConnection(), 10)
        sender = threading.Thread(target=send)
        sender.start()
        try:
            response = kind(ours)
            response.begin()
            ours.settimeout(10)
            rest = response.fp.read() if response.fp else None
            response.close()
        finally:
            sender.join()
        return response, rest


def told(response):
    headers = [(name.lower(), value) for name, value in response.msg.items()]
    return response.version, response.status, response.reason, headers, response.chunked, response.length


@given(heads(), AFTER, st.integers(1, 4))
@example(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", b"", 1)
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", b"{}", 1)
def test_a_head_says_what_http_client_finds_in_it(head, after, pieces):
    found, rest = read(connection_pool.PooledResponse, head, after, pieces)
    known, known_rest = read(http.client.HTTPResponse, head, after)
    folded = [(name, " ".join(value.split())) for name, value in told(known)[3]]
    assert [(name, " ".join(value.split())) for name, value in told(found)[3]] == folded
    assert told(found)[:3] == told(known)[:3]
    assert told(found)[4:] == told(known)[4:]
    assert rest == known_rest
    for name, value in found.msg.items():
        assert found.msg.get(name.upper(), "") == found.getheader(name).split(", ")[0] or value


@given(heads(), st.integers(1, 4))
def test_keep_alive_decision_matches_http_client(head, pieces):
    found, _ = read(connection_pool.PooledResponse, head, b"", pieces)
    known, _ = read(http.client.HTTPResponse, head)
    assert found.will_close == known.will_close


@pytest.mark.parametrize("pieces", [1, 2, 7, 1000])
def test_news_on_the_way_are_read_over(pieces):
    head = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    found, rest = read(
        connection_pool.PooledResponse, head + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}", pieces
    )
    assert (found.status, found.length, rest) == (200, 2, b"{}")


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"", http.client.RemoteDisconnected),
        (b"\r\n\r\n", http.client.BadStatusLine),
        (b"nonsense\r\n\r\n", http.client.BadStatusLine),
        (b"HTTP/2 200\r\n\r\n", http.client.BadStatusLine),
        (b"HTTP/1.1 20 OK\r\n\r\n", http.client.BadStatusLine),
        (b"HTTP/1.1 200 OK\r\nA: b", http.client.HTTPException),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n", http.client.HTTPException),
        (b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", http.client.HTTPException),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n", http.client.HTTPException),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n", http.client.HTTPException),
        (b"HTTP/1.1 100 Continue\r\n\r\n", http.client.HTTPException),
    ],
)
def test_a_head_that_is_none_is_an_error(head, error, pieces):
    with pytest.raises(error):
        read(connection_pool.PooledResponse, head, pieces=pieces)


def test_silence_ends_with_patience_and_a_departure_at_once():
    ours, theirs = socket.socketpair()
    here, there = socket.socketpair()
    with ours, theirs, here, there:
        connection_pool.wait_for(ClientConnection(here), 0.05)
        with pytest.raises(errors.DeadlineExceeded):
            connection_pool.PooledResponse(ours).begin()
        theirs.sendall(b"HTTP/1.1 200")  # and no more
        with pytest.raises(errors.DeadlineExceeded):
            connection_pool.PooledResponse(ours).begin()
        connection_pool.wait_for(ClientConnection(here), 30)
        there.close()
        with pytest.raises(ClientDisconnected):
            connection_pool.PooledResponse(ours).begin()


@contextmanager
def answering(read):
    """The pool for a server that takes one request in its own way (`read(line)`), and answers it."""

    def answer():
        line, _ = server.accept()
        with line:
            read(line)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        connection_pool.wait_for(ClientConnection(), 10)
        try:
            yield connection_pool.Pools(1).of("http://{}:{}".format(*server.getsockname()))
        finally:
            thread.join()


def ask(pool, body, seconds):
    """The answer to a request; each write may take so long."""
    return pool.urlopen(
        "POST",
        "/",
        body=body,
        headers={"A": "b"},
        retries=False,
        preload_content=False,
        timeout=urllib3.Timeout(connect=seconds, read=30),
    )


@pytest.mark.parametrize("size", [0, 1, connection_pool.TOGETHER, connection_pool.TOGETHER + 1, 1_000_000])
def test_a_request_is_whole_and_a_small_one_is_one_write(size):
    writes = []
    body = b"x" * size
    got = []

    def read(line):
        while not b"".join(got).endswith(b"\r\n\r\n" + body):
            got.append(line.recv(1 << 20))

    with answering(read) as pool:
        connection = pool._get_conn()
        connection.connect()
        connection.sock = Spy(connection.sock, writes)
        pool._put_conn(connection)
        assert ask(pool, body, 10).status == 200
    head = b"".join(got).removesuffix(body)
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert f"Content-Length: {size}\r\n".encode() in head
    pieces = ceil(size / connection_pool.TOGETHER)
    assert len(writes) == (1 if pieces <= 1 else 1 + pieces)
    assert max(writes) <= connection_pool.TOGETHER + len(head)


def test_a_large_body_gets_through_a_slow_line():
    limit = 1
    took = []

    def read(line):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        begun = time.monotonic()
        while (data := line.recv(1 << 18)) and not data.endswith(b"."):
            time.sleep(0.02)
        took.append(time.monotonic() - begun)

    with answering(read) as pool:
        assert ask(pool, b"x" * (16 << 20) + b".", limit).status == 200
    assert took[0] > 2 * limit


class Spy:
    """A socket whose writes are counted."""

    def __init__(self, sock, writes):
        self._sock = sock
        self._writes = writes

    def sendall(self, data):
        self._writes.append(len(data))
        self._sock.sendall(data)

    def __getattr__(self, name):
        return getattr(self._sock, name)
