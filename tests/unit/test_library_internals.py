"""The private parts of pinned libraries that the product relies on.

A new version of a library that changes one of them fails here first.
"""

import http.client
import inspect
import io
import re
import socket
from types import SimpleNamespace

import certifi
import gunicorn.config
import gunicorn.http.wsgi
import gunicorn.workers.gthread
import msgspec
import pytest
import urllib3._base_connection
import urllib3.connection
import urllib3.response
import werkzeug.wsgi
from gunicorn.workers.sync import SyncWorker
from helpers.server import ROOT

from vertex_compat.server import gunicorn_hooks

PINNED = {"functions-framework", "flask", "requests", "google-auth", "msgspec"}
BOUNDED = {"urllib3", "certifi", "werkzeug", "gunicorn"}


def requirements():
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    return {re.match(r"[\w-]+", line)[0].lower(): line for line in lines if line}


def test_requirements_name_what_is_imported_with_bounds():
    named = requirements()
    assert named.keys() == PINNED | BOUNDED
    assert all("==" in named[name] for name in PINNED)
    assert all(re.search(r">=[\d.]+, ?<\d+", named[name]) for name in BOUNDED)


def test_http_client_response_has_the_parts_that_are_read():
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        response = http.client.HTTPResponse(here)
        response.begin()
        assert isinstance(response.fp, io.BufferedReader)
        assert response.fp.peek(1) == b"{}"
        assert (response.chunked, response.length, response.will_close) == (False, 2, False)
        response.close()


def test_http_client_makes_responses_by_response_class():
    source = inspect.getsource(http.client.HTTPConnection.getresponse)
    assert "self.response_class(self.sock, method=self._method)" in source
    assert "if self.headers is not None:" in inspect.getsource(http.client.HTTPResponse.begin)


def test_urllib3_connection_leaves_getresponse_to_http_client():
    assert issubclass(urllib3.connection.HTTPSConnection, http.client.HTTPConnection)
    assert "_new_conn" in vars(urllib3.connection.HTTPConnection)
    assert urllib3._base_connection.ProxyConfig._fields == (
        "ssl_context",
        "use_forwarding_for_https",
        "assert_hostname",
        "assert_fingerprint",
    )
    assert {"GzipDecoder", "DeflateDecoder"} <= vars(urllib3.response).keys()


@pytest.mark.parametrize(
    "connection_class",
    [http.client.HTTPConnection, urllib3.connection.HTTPConnection],
    ids=["direct", "proxied"],
)
def test_an_iterable_with_content_length_is_sent_unchunked(connection_class):
    blocks = []
    connection = connection_class("localhost")
    connection.send = blocks.append
    connection.sock = socket.socket()
    connection.request("POST", "/", iter([b"a", b"b"]), {"Content-Length": "2"})
    connection.sock.close()
    assert b"Transfer-Encoding" not in blocks[0]
    assert blocks[1:] == [b"a", b"b"]


def test_gunicorn_settings_have_the_patched_defaults():
    names = ("GracefulTimeout", "Keepalive", "ControlSocketDisable", "WhenReady", "PostWorkerInit")
    for name in names:
        setting = getattr(gunicorn.config, name)
        assert hasattr(setting, "default"), name
    assert gunicorn.config.LimitRequestLine.name == "limit_request_line"


def test_gunicorn_threads_have_the_parts_of_the_hooks():
    worker = gunicorn.workers.gthread.ThreadWorker
    assert "self.tpool.submit(self.handle, conn)" in inspect.getsource(worker.enqueue_req)
    assert {"accept", "set_accept_enabled", "handle_exit"} <= vars(worker).keys()
    assert "method_queue" in inspect.getsource(worker.__init__)
    assert inspect.signature(gunicorn.workers.gthread.PollableMethodQueue.defer).parameters
    assert "self.sock = sock" in inspect.getsource(gunicorn.workers.gthread.TConn.__init__)
    assert not hasattr(SyncWorker, "method_queue")


@pytest.fixture
def chunk_writer(monkeypatch):
    """Return gunicorn's class of responses and the one that replaces it."""
    plain = gunicorn.http.wsgi.Response
    monkeypatch.setattr(gunicorn.http.wsgi, "Response", plain)
    gunicorn_hooks._install_chunk_writer()
    return plain, gunicorn.http.wsgi.Response


def bytes_written(response_class, version, method, headers, chunks):
    """Return the bytes of a response without the date, and its length for the access log."""
    request = SimpleNamespace(version=version, method=method, should_close=lambda: False)
    here, there = socket.socketpair()
    with there:
        with here:
            response = response_class(request, here, gunicorn.config.Config())
            response.start_response("200 OK", headers)
            for chunk in chunks:
                response.write(chunk)
            response.close()
        return re.sub(rb"Date: .*", b"", there.recv(65_536)), response.sent


@pytest.mark.parametrize("chunks", [[], [b"a"], [b"a", b"", b"b" * 300, b"\r\n"]])
@pytest.mark.parametrize("headers", [[], [("Content-Length", "3")]])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
def test_gunicorn_chunks_are_as_its_own(chunk_writer, version, method, headers, chunks):
    plain, replacement = (bytes_written(class_, version, method, headers, chunks) for class_ in chunk_writer)
    assert replacement == plain


def test_gunicorn_chunk_is_sent_in_one_piece(chunk_writer):
    _, response_class = chunk_writer
    pieces = []
    response = response_class(None, SimpleNamespace(sendall=pieces.append), gunicorn.config.Config())
    response.chunked = response.headers_sent = True
    response.write(b"data: {}\n\n")
    assert pieces == [b"A\r\ndata: {}\n\n\r\n"]
    with pytest.raises(TypeError):
        response.write("text")


def test_gunicorn_makes_responses_of_the_modules_class():
    assert re.search(r"= Response$|= Response\(", inspect.getsource(gunicorn.http.wsgi.create), re.MULTILINE)


def test_gunicorn_gives_the_clients_socket():
    assert '"gunicorn.socket": sock' in inspect.getsource(gunicorn.http.wsgi.default_environ)


def test_werkzeug_reads_a_terminated_input_as_it_is():
    environ = {"wsgi.input": io.BytesIO(), "wsgi.input_terminated": True, "CONTENT_LENGTH": "5"}
    assert werkzeug.wsgi.get_input_stream(environ) is environ["wsgi.input"]


def test_certifi_and_msgspec_have_what_is_used():
    assert certifi.where().endswith(".pem")
    assert msgspec.json.Decoder(msgspec.Raw)
