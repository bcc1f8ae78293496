"""Clients that leave, clients that wait, and the use of connections on both sides."""

import http.client
import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from benchmark import certificates
from helpers.chat_client import ask, joined, named
from helpers.connections import SOON, arrived, posted, read_until
from helpers.credentials import Account
from helpers.fixtures import MODELS, RecordingTransport, cases, events_of, folded, function, post, question

from vertex_compat.config.settings import Settings
from vertex_compat.server.client_connection import ClientConnection, ClientDisconnected
from vertex_compat.upstream import connection_pool
from vertex_compat.upstream.credentials import Credentials
from vertex_compat.upstream.transport import HttpTransport

each_publisher = pytest.mark.parametrize("publisher", MODELS)


def all_left(emulator, count=1):
    """Return whether the upstream call is closed soon after the client has left."""
    calls = emulator.wait_for(lambda calls: all(call.ended for call in calls), timeout=SOON)
    return [call.ended for call in calls] == ["client_left"] * count


# Who leaves


@each_publisher
@pytest.mark.parametrize("stream", [False, True])
def test_disconnect_while_model_is_silent_ends_call(front_door, emulator, publisher, stream):
    with posted(front_door, question("google", model=named(publisher, "silent"), stream=stream)):
        arrived(emulator)
    assert all_left(emulator)


@each_publisher
def test_disconnect_after_first_event_ends_upstream_call(front_door, emulator, publisher):
    with posted(front_door, question("google", model=named(publisher, "pause-30"), stream=True)) as line:
        read_until(line, b"data: ")
    assert all_left(emulator)


@each_publisher
def test_a_client_that_leaves_in_mid_stream_ends_the_call(front_door, emulator, publisher):
    emulator.pace = 0.02
    with posted(front_door, question(publisher, stream=True)) as line:
        read_until(line, b'"content":"')
    assert all_left(emulator)


def test_a_client_that_leaves_a_hurried_stream_ends_the_call(front_door, emulator):
    with posted(front_door, question("google", model=named("google", "many-10000000"), stream=True)) as line:
        read_until(line, b'"content":"')
    assert all_left(emulator)


def test_disconnect_during_whole_answer_ends_upstream_call(front_door, emulator):
    with posted(front_door, question("google", model=named("google", "pause-30"))):
        arrived(emulator)
    assert all_left(emulator)


@pytest.mark.parametrize("publisher", ["anthropic", "mistralai"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_all_calls_for_its_choices(front_door, emulator, publisher, stream):
    with posted(front_door, question("google", model=named(publisher, "silent"), n=3, stream=stream)):
        arrived(emulator, 3)
    assert all_left(emulator, 3)


def test_sdk_closing_stream_ends_upstream_call(client, emulator):
    emulator.pace = 0.02
    stream = ask(client, MODELS["anthropic"], stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    assert all_left(emulator)


def test_disconnect_during_retry_pause_ends_request(emulator):
    emulator.script(b"", status=503, headers={"Retry-After": "20"})
    notes = RecordingTransport()
    settings = {"GOOGLE_VERTEX_BASE_URL": emulator.url, "GOOGLE_CLOUD_LOCATION": "us-central1"}
    post(function(notes, **settings), question("google"))
    here, there = socket.socketpair()
    with here, there, ThreadPoolExecutor(1) as pool:
        network = HttpTransport(Settings.from_env(settings), Credentials(Account().find))
        opened = pool.submit(network.open, notes.calls[0], notes.models[0], ClientConnection(here))
        emulator.wait_for(lambda calls: [call.ended for call in calls] == ["complete"])
        assert not opened.done()
        there.close()
        assert isinstance(opened.exception(SOON), ClientDisconnected)


def test_one_that_leaves_does_not_disturb_another(front_door, emulator):
    with posted(front_door, question("google", model=named("google", "pause-1"), stream=True)) as stays:
        with posted(front_door, question("google", model=named("google", "silent"), stream=True)):
            arrived(emulator, 2)
        assert b"data: [DONE]" in read_until(stays, b"[DONE]")


# Who waits


@pytest.mark.parametrize("publisher", ["google", "anthropic"])
def test_a_silent_model_s_client_gets_signs_of_life(serve, publisher):
    server = serve(VERTEX_COMPAT_KEEPALIVE="0.1")
    with posted(server, question("google", model=named(publisher, "pause-1"), stream=True)) as line:
        read = read_until(line, b"[DONE]")
    assert read.count(b": keepalive\n\n") >= 3


def test_the_sdk_passes_over_signs_of_life(serve):
    with serve(VERTEX_COMPAT_KEEPALIVE="0.1").client() as client:
        assert joined(ask(client, named("google", "pause-0.3"), stream=True))[1] == ["stop"]


def test_fast_stream_has_no_keepalive(serve):
    with posted(serve(VERTEX_COMPAT_KEEPALIVE="0.1"), question("google", stream=True)) as line:
        assert b"keepalive" not in read_until(line, b"[DONE]")


def test_an_event_is_passed_on_when_it_comes_and_not_later(front_door, emulator):
    """The first words are with the client while the model has not said the next ones."""
    for publisher in MODELS:
        with posted(front_door, question("google", model=named(publisher, "pause-30"), stream=True)) as line:
            read_until(line, b'"role":"assistant"')
            assert emulator.calls[-1].ended is None


# The connections to Vertex


class Lasting(BaseHTTPRequestHandler):
    """Says the same again and again, on a connection that stays open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.server.lines.append(self.request)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status, content_type, blocks = self.server.says
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if content_type == "text/event-stream":
            self.send_header("Transfer-Encoding", "chunked")
            blocks = [b"%x\r\n%s\r\n" % (len(block), block) for block in [*blocks, b""]]
        else:
            self.send_header("Content-Length", str(sum(map(len, blocks))))
        self.end_headers()
        for number, block in enumerate(blocks):
            if number:
                time.sleep(self.server.pause)
            self.wfile.write(block)

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(params=["http", "https"])
def upstream(request, certificate):
    """A server whose connections last.

    `says` is its answer, between whose blocks it makes a `pause`. `lines` are the connections that were made.
    `trust` has the setting for its certificate.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), Lasting) as server:
        server.lines = []
        server.says = (200, "application/json", [b"{}"])
        server.pause = 0
        server.url = f"{request.param}://127.0.0.1:{server.server_port}"
        server.trust = {}
        if request.param == "https":
            server.trust = {"REQUESTS_CA_BUNDLE": str(certificate.bundle)}
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.chain, certificate.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()
        hang_up(server.lines)


def hang_up(lines):
    for line in lines:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)


def before(upstream, **env):
    """The function in front of a server that wants no token."""
    account = Account()
    settings = {"GOOGLE_VERTEX_BASE_URL": upstream.url, "VERTEX_COMPAT_RETRIES": "0", **upstream.trust, **env}
    return function(lambda read: HttpTransport(read, Credentials(account.find)), **settings)


def in_blocks(case, size=100):
    return [case.stream[at : at + size] for at in range(0, len(case.stream), size)]


def one_of_each(kind):
    """One case of each publisher that has a file of this kind."""
    by_publisher = {case.publisher: case for case in cases(kind).args[1]}
    return pytest.mark.parametrize("case", by_publisher.values(), ids=by_publisher)


@one_of_each("reply.json")
def test_one_connection_serves_answer_after_answer(upstream, case):
    app = before(upstream)
    upstream.says = (200, "application/json", [case.path("reply.json").read_bytes()])
    for _ in range(4):
        assert post(app, case.question(stream=False)).status_code == 200
    assert len(upstream.lines) == 1


@one_of_each("stream.sse")
def test_one_connection_serves_stream_after_stream(upstream, case):
    app = before(upstream)
    upstream.says = (200, "text/event-stream", in_blocks(case))
    for _ in range(4):
        answer = post(app, case.question(stream=True))
        assert answer.data.endswith(b"data: [DONE]\n\n")
        answer.close()
    assert len(upstream.lines) == 1


def test_answer_with_pauses_longer_than_poll_is_whole(upstream):
    app = before(upstream)
    (case,) = (
        recorded
        for recorded in cases("stream.sse").args[1]
        if (recorded.publisher, recorded.name) == ("google", "recorded")
    )
    pieces = []
    for pause in (0, 1.4 * connection_pool.POLL_INTERVAL_SECONDS, 0):
        upstream.pause = pause
        upstream.says = (200, "text/event-stream", in_blocks(case, len(case.stream) // 3 + 1))
        answer = post(app, case.question(stream=True))
        *chunks, done = events_of(answer.data)
        answer.close()
        assert done == "[DONE]"
        pieces.append(folded(chunks))
    assert pieces[0] == pieces[1] == pieces[2]
    assert len(upstream.lines) == 1


@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_a_refusal_leaves_the_connection_usable(upstream, status):
    app = before(upstream)
    upstream.says = (status, "application/json", [b'{"error":{"message":"no"}}'])
    for _ in range(4):
        assert post(app, question("google")).status_code == status
    assert len(upstream.lines) == 1


@pytest.mark.parametrize("retries", [0, 1])
def test_silent_tls_handshake_is_retried(monkeypatch, retries):
    monkeypatch.setattr(connection_pool, "CONNECT_TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "https://{}:{}".format(*silent.getsockname())
        settings = {"GOOGLE_VERTEX_BASE_URL": url, "VERTEX_COMPAT_RETRIES": str(retries)}
        app = function(lambda read: HttpTransport(read, Credentials(Account().find)), **settings)
        answer = post(app, question("google"))
        assert (answer.status_code, answer.json["error"]["code"]) == (504, "timeout")
        silent.setblocking(False)
        for _ in range(1 + retries):
            silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_connection_closed_while_idle_is_replaced(upstream):
    app = before(upstream)
    (case,) = (
        recorded
        for recorded in cases("reply.json").args[1]
        if (recorded.publisher, recorded.name) == ("google", "recorded")
    )
    upstream.says = (200, "application/json", [case.path("reply.json").read_bytes()])
    assert post(app, question("google")).status_code == 200
    hang_up(upstream.lines)
    assert post(app, question("google")).status_code == 200
    assert len(upstream.lines) == 2


# The connections to clients


def test_a_client_s_connection_serves_request_after_request(front_door):
    line = http.client.HTTPConnection(*front_door.address, timeout=10)
    try:
        for number in range(6):
            stream = bool(number % 2)
            line.request("POST", "/v1/chat/completions", json.dumps(question("google", stream=stream)))
            if number == 0:
                first = line.sock
            answer = line.getresponse()
            assert answer.status == 200
            assert answer.read()
            assert line.sock is first
    finally:
        line.close()


BODY = json.dumps(question("google")).encode()


def raw(server, content, *, broken_off=False):
    """Return the response to these bytes, until the server closes."""
    with socket.create_connection(server.address, timeout=10) as line:
        line.sendall(content)
        if broken_off:
            line.shutdown(socket.SHUT_WR)
        read = b""
        while block := line.recv(65536):
            read += block
        return read


def request(*headers, body=BODY, method="POST", path="/v1/chat/completions", version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def text_of(answer):
    """Status and JSON of a raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_a_body_may_come_in_chunks(front_door):
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(BODY[at : at + 9]), BODY[at : at + 9]) for at in range(0, len(BODY), 9)
    )
    status, answer = text_of(
        raw(front_door, request("Transfer-Encoding: chunked", body=chunks + b"0\r\n\r\n"))
    )
    assert status == 200
    assert answer["choices"]


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=utf-16",
    ],
)
def test_a_body_is_read_as_json_whatever_it_calls_itself(front_door, content_type):
    answer = raw(front_door, request(f"Content-Type: {content_type}", f"Content-Length: {len(BODY)}"))
    assert text_of(answer)[0] == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff", b"x" * 100_000, b"[" * 100_000, BODY + b"x", BODY[:-1]],
    ids=lambda body: repr(body[-12:]),
)
def test_malformed_body_is_a_400_over_http(front_door, body):
    status, answer = text_of(raw(front_door, request(f"Content-Length: {len(body)}", body=body)))
    assert status == 400
    assert answer["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (f"Content-Length: {len(BODY)}", BODY[:-5]),
        ("Transfer-Encoding: chunked", b"%x\r\n%s" % (len(BODY), BODY[:-5])),
        ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(BODY), BODY)),
        ("Transfer-Encoding: chunked", b"zz\r\nabc"),
    ],
    ids=["short of its length", "short of its chunk", "short of its end", "no chunk"],
)
def test_a_body_that_breaks_off_is_a_400(front_door, emulator, header, body):
    status, answer = text_of(raw(front_door, request(header, body=body), broken_off=True))
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"
    assert emulator.calls == []


def test_a_request_without_a_body_is_a_400(front_door):
    assert text_of(raw(front_door, request(body=b"")))[0] == 400


def test_http_1_0_client_is_answered(front_door):
    status, answer = text_of(raw(front_door, request(f"Content-Length: {len(BODY)}", version="1.0")))
    assert status == 200
    assert answer["choices"]


@pytest.mark.parametrize(
    "line",
    ["Authorization: Bearer \xe9\xff", "Authorization: \x7f", "X-Request-Id: ' OR 1=1", "Accept: text/html"],
)
def test_no_header_brings_it_down(front_door, line):
    headers = [line, f"Content-Length: {len(BODY)}"]
    content = "\r\n".join(
        ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    ).encode("latin-1")
    answer = raw(front_door, content + b"\r\n\r\n" + BODY)
    assert int(answer.split()[1]) in {200, 400}


def test_function_answers_after_all_connection_tests(front_door):
    with front_door.client() as client:
        assert ask(client, MODELS["google"]).choices
