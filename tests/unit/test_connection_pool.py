"""Connections: the bytes that are sent, the wait for a response, and reuse."""

import http.client
import socket
import threading
import time
from contextlib import contextmanager
from math import ceil

import pytest

from vertex_compat import errors
from vertex_compat.server.client_connection import ClientConnection, ClientDisconnected
from vertex_compat.upstream import connection_pool
from vertex_compat.upstream.connection_pool import ConnectionPool
from vertex_compat.upstream.network import Network
from vertex_compat.upstream.response import HTTPUpstreamResponse

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def read(head, after=b"", blocks=1, client=None, timeout=10):
    """Return the response to a head that arrives in so many blocks."""
    here, there = socket.socketpair()
    with here, there:
        data = head + after
        step = max(1, ceil(len(data) / blocks))

        def send():
            for start in range(0, len(data), step):
                there.sendall(data[start : start + step])
            there.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            response = connection_pool.InterruptibleResponse(
                here, client=client or ClientConnection(), timeout=timeout
            )
            response.begin()
            following = response.fp.read()
            response.close()
        finally:
            sender.join()
        return response, following


@pytest.mark.parametrize("blocks", [1, 2, 7, 1000])
def test_informational_responses_are_skipped(blocks):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    response, following = read(early + OK, b"{}", blocks)
    assert (response.status, response.length, following) == (200, 2, b"{}")
    assert "Link" not in response.headers


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"", http.client.RemoteDisconnected),
        (b"\r\n\r\n", http.client.BadStatusLine),
        (b"nonsense\r\n\r\n", http.client.BadStatusLine),
        (b"HTTP/1.1 20 OK\r\n\r\n", http.client.BadStatusLine),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n", http.client.HTTPException),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n", http.client.HTTPException),
        (b"HTTP/1.1 100 Continue\r\n\r\n", http.client.HTTPException),
    ],
)
def test_invalid_head_is_an_error(head, error, blocks):
    with pytest.raises(error):
        read(head, blocks=blocks)


def test_content_length_of_5000_digits_is_no_length():
    response, _ = read(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
    assert response.length is None


def test_wait_for_head_ends_at_timeout_or_disconnect():
    here, there = socket.socketpair()
    local, client = socket.socketpair()
    with here, there, local, client:

        def begin(timeout):
            connection_pool.InterruptibleResponse(
                here, client=ClientConnection(local), timeout=timeout
            ).begin()

        with pytest.raises(errors.DeadlineExceeded):
            begin(0.05)
        there.sendall(b"HTTP/1.1 200")  # and no more
        with pytest.raises(errors.DeadlineExceeded):
            begin(0.05)
        client.close()
        with pytest.raises(ClientDisconnected):
            begin(30)


@contextmanager
def serving(*handlers):
    """The pool of a server that handles each connection by a function of its own."""

    def serve():
        for handle in handlers:
            sock, _ = server.accept()
            with sock:
                handle(sock)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield connection_pool.ConnectionPools(1, Network()).pool_for(
                "http://{}:{}".format(*server.getsockname())
            )
        finally:
            thread.join()


def request(pool, body=b""):
    """The connection and the response of a request."""
    return pool.request("POST", "/", body, {"A": "b"}, ClientConnection(), 30)


def received(sock, body=b""):
    """A request with this body, read to its end."""
    data = b""
    while not data.endswith(b"\r\n\r\n" + body):
        data += sock.recv(1 << 20)
    return data


@pytest.mark.parametrize(
    "size", [0, 1, connection_pool.MAX_SINGLE_WRITE, connection_pool.MAX_SINGLE_WRITE + 1, 1_000_000]
)
def test_request_arrives_whole(size):
    body = b"x" * size
    heads = []

    def handle(sock):
        heads.append(received(sock, body).removesuffix(body))
        sock.sendall(OK)

    with serving(handle) as pool:
        connection, response = request(pool, body)
        connection.close()
    assert response.status == 200
    assert heads[0].startswith(b"POST / HTTP/1.1\r\n")
    assert f"Content-Length: {size}\r\n".encode() in heads[0]
    assert b"Transfer-Encoding" not in heads[0]


def test_large_body_gets_through_a_slow_line(monkeypatch):
    monkeypatch.setattr(connection_pool, "CONNECT_TIMEOUT_SECONDS", 1)
    took = []

    def handle(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        began = time.monotonic()
        while (data := sock.recv(1 << 18)) and not data.endswith(b"."):
            time.sleep(0.02)
        took.append(time.monotonic() - began)
        sock.sendall(OK)

    with serving(handle) as pool:
        connection, response = request(pool, b"x" * (16 << 20) + b".")
        connection.close()
    assert response.status == 200
    assert took[0] > 2


def test_response_before_the_body_was_read_is_returned():
    def handle(sock):
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1 << 20):
            pass

    with serving(handle) as pool:
        connection, response = request(pool, b"x" * (1 << 20))
        response.close()
        connection.close()
    assert response.status == 413


def test_released_connection_is_used_again():
    def handle(sock):
        for _ in range(2):
            received(sock)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with serving(handle) as pool:
        first, response = request(pool)
        response.close()
        pool.release(first)
        second, response = request(pool)
        second.close()
    assert second is first


def test_response_closed_twice_releases_its_connection_once():
    """Else two requests at once could have the connection, and read each other's responses."""

    def handle(sock):
        received(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    released = []
    with serving(handle) as pool:
        connection, head = request(pool)
        response = HTTPUpstreamResponse(connection, head, "global", released.append)
        response.close()
        response.close()
        connection.close()
    assert released == [connection]


def test_connection_that_the_server_closed_is_not_used_again():
    def handle(sock):
        received(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with serving(handle, handle) as pool:
        first, response = request(pool)
        response.close()
        sock = first.sock
        pool.release(first)
        sock.settimeout(5)
        assert sock.recv(1, socket.MSG_PEEK) == b""
        second, response = request(pool)
        second.close()
    assert second is not first
    assert response.status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://",
        "http://host:99999",
        "http://[::1",
        f"https://{'a' * 70}.com",
        "https://a..com",
        "http://a b",
    ],
)
def test_invalid_origin_is_an_invalid_url(origin):
    with pytest.raises(http.client.InvalidURL):
        ConnectionPool(origin, 1, Network()).request("GET", "/", b"", {}, ClientConnection(), 1)
