"""Every publisher, streaming and not, under every fault of the network.

The laws:

* The client gets the whole answer, or an HTTP error, or an event that OpenAI's client raises.
* Text before an error is a beginning of the answer.
* The client does not wait longer than it must.
* The call to Vertex has ended, and no thread or descriptor is left.
* The next request is answered.
"""

import contextlib
import gzip
import http.client
import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import openai
import pytest
from benchmark import certificates
from helpers.chat_client import ask, is_clean, named
from helpers.connections import posted
from helpers.fake_upstream import (
    CLOSE,
    JSON,
    NEVER,
    RESET,
    SSE,
    CannedResponse,
    Upstream,
    chunk,
    emulator_response,
)
from helpers.fixtures import MODELS, question
from helpers.server import free_port

ALL = {**MODELS, "predictions": "1234567890"}
WORDS = "ab 茴 👩‍🚀"
LIMIT = 24  # tokens: some ten events
PATIENCE = 0.5  # seconds for which the upstream may be silent
PROMPT = 2.0  # seconds in which a client hears of a fault, and the upstream of an end
SOON_ENOUGH = 5.0  # seconds for the slowest error where the upstream refuses or resets, retries and all

each_publisher = pytest.mark.parametrize("publisher", ALL)
streaming_or_not = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


class Outcome(NamedTuple):
    """The answer that a client got: the text, its end, and the error if there was one."""

    text: str
    reasons: list[str]
    error: openai.APIError | None


def outcome(client, publisher, *, stream):
    text, reasons = "", []
    try:
        answer = ask(client, ALL[publisher], WORDS, stream=stream, max_tokens=LIMIT)
        if not stream:
            choice = answer.choices[0]
            return Outcome(choice.message.content, [choice.finish_reason], None)
        for piece in answer:
            for choice in piece.choices:
                text += choice.delta.content or ""
                reasons += [choice.finish_reason] if choice.finish_reason else []
    except openai.APIError as error:
        return Outcome(text, reasons, error)
    return Outcome(text, reasons, None)


@pytest.fixture(scope="module")
def upstream():
    fake = Upstream()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def answers(shared_emulator, servers):
    """Return Vertex AI's responses without a fault, and the client's answers to them."""
    pairs = {}
    with servers().client() as client:
        for publisher in ALL:
            for stream in (False, True):
                whole = outcome(client, publisher, stream=stream)
                assert whole.error is None
                pairs[publisher, stream] = (
                    emulator_response(shared_emulator.calls[-1], shared_emulator.url),
                    whole,
                )
    return pairs


class Subject:
    """The function in front of the upstream, its client, and the laws."""

    def __init__(self, upstream, server, answers):
        self._upstream = upstream
        self._server = server
        self._answers = answers
        self._client = server.client()
        self._descriptors = 0

    def valid_response(self, publisher, stream):
        """The honest answer."""
        return self._answers[publisher, stream][0]

    def ask(self, publisher, stream, *plays):
        """Return the client's answer if the upstream sends this, and then a correct response."""
        self._upstream.plays.clear()
        self._upstream.plays.extend(plays)
        self._upstream.otherwise = self.valid_response(publisher, stream).steps()
        return outcome(self._client, publisher, stream=stream)

    def after(self, publisher, stream, *plays, patience=0.0):
        """As `ask`, for a fault: the laws hold."""
        whole = self._answers[publisher, stream][1]
        began = time.monotonic()
        got = self.ask(publisher, stream, *plays)
        assert time.monotonic() - began < patience + PROMPT
        assert self._upstream.idle(PROMPT)
        assert got == whole or self.is_told(got, whole)
        assert self.ask(publisher, stream) == whole  # the next request
        self.is_tidy()
        return got

    @staticmethod
    def is_told(got, whole):
        assert got.error
        assert whole.text.startswith(got.text)
        assert got.text or not got.reasons
        is_clean(str(got.error.body))
        assert got.error.message
        if isinstance(got.error, openai.APIStatusError):
            assert not got.text
            assert got.error.status_code >= 400
        else:
            assert not isinstance(got.error, openai.APIConnectionError)
        return True

    def warm_up(self):
        """Make the connections of correct requests, which stay open, and count the descriptors."""
        for publisher in ALL:
            self.ask(publisher, stream=False)
        self._descriptors = self._server.count("fd")

    def is_tidy(self):
        """No descriptor has been left behind, but those of some more idle connections.

        A request that comes before the last one's connection is idle again opens another.
        """
        deadline = time.monotonic() + PROMPT
        while self._server.count("fd") > self._descriptors + 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def threads(self):
        return self._server.count("task")


@pytest.fixture(scope="module")
def subject(upstream, servers, answers):
    here = {"GOOGLE_VERTEX_BASE_URL": upstream.url, "GOOGLE_CLOUD_LOCATION": "us-central1"}
    server = servers(VERTEX_COMPAT_TIMEOUT=str(PATIENCE), **here)
    function = Subject(upstream, server, answers)
    function.warm_up()
    return function


@pytest.fixture(scope="module", autouse=True)
def leaves_nothing_behind(subject):
    before = subject.threads()
    yield
    # On a busy machine the server's pool starts some more, but not one for each of hundreds of requests.
    assert subject.threads() <= before + 8


# Before an answer

PAGE = b"<!DOCTYPE html><html><title>Error</title><p>That is all we know."
REFUSAL = json.dumps(
    {"error": {"code": 429, "message": "Too many.", "status": "RESOURCE_EXHAUSTED"}}
).encode()
FAILURE = json.dumps({"error": {"code": 500, "message": "Oh.", "status": "INTERNAL"}}).encode()
NONSENSE = bytes(range(256)) * 16


def page(status):
    return CannedResponse((PAGE,), "text/html", status).steps()


def refused(status, *headers, body=REFUSAL):
    return CannedResponse((body,), JSON, status, headers).steps()


INSTEAD = {
    "closed at once": ([CLOSE], 503),
    "reset at once": ([RESET], 503),
    "reset in the status line": ([b"HTTP/1.1 20", RESET], 503),
    "reset in the headers": ([b"HTTP/1.1 200 OK\r\nContent-Ty", RESET], 503),
    "closed in the headers": ([b"HTTP/1.1 200 OK\r\nContent-Ty", CLOSE], None),
    "not http": ([b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE], 503),
    "garbage": ([NONSENSE, CLOSE], 503),
    "no status": ([b"HTTP/1.1 abc OK\r\n\r\n", CLOSE], 503),
    "a header without end": ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, CLOSE], None),
    "headers without end": ([b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 5000, CLOSE], None),
    "html 200": (page("200 OK"), 502),
    "html 403": (page("403 Forbidden"), 403),
    "html 404": (page("404 Not Found"), 404),
    "html 502": (page("502 Bad Gateway"), 502),
    "nothing": ([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], 502),
    "no content": ([b"HTTP/1.1 204 No Content\r\n\r\n"], 502),
    "a redirection": (
        [b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"],
        502,
    ),
    "429": (refused("429 Too Many Requests"), 429),
    "429 with a wait": (refused("429 Too Many Requests", "Retry-After: 7"), 429),
    "500": (refused("500 Internal Server Error", body=FAILURE), 502),
    "503": (refused("503 Service Unavailable", body=FAILURE), 503),
    "503 that breaks off": ([CannedResponse((), JSON, "503 Service Unavailable").opening, RESET], 503),
    "401 again and again": (refused("401 Unauthorized", body=b"{}"), 502),
    "an error under a good status": (CannedResponse((FAILURE,), JSON).steps(), 502),
    "an error in a stream": (CannedResponse((b"data: " + FAILURE + b"\n\n",), SSE).steps(), 502),
}
"""Fault → what is said instead of an answer, and the status that the client gets, where it is always one."""


@each_publisher
@streaming_or_not
@pytest.mark.parametrize("fault", INSTEAD)
def test_response_that_is_no_answer_is_an_error(subject, publisher, stream, fault):
    steps, status = INSTEAD[fault]
    plays = [steps] * (2 if fault.startswith("401") else 1)
    got = subject.after(publisher, stream, *plays)
    assert isinstance(got.error, openai.APIStatusError)
    assert got.error.status_code == status or (status is None and got.error.status_code >= 502)
    if fault == "429 with a wait":
        assert got.error.response.headers["retry-after"] == "7"


@each_publisher
@streaming_or_not
def test_an_upstream_that_never_answers_is_a_504(subject, publisher, stream):
    got = subject.after(publisher, stream, [NEVER], patience=PATIENCE)
    assert (got.error.status_code, got.error.code) == (504, "timeout")


@each_publisher
@streaming_or_not
def test_upstream_with_headers_only_is_a_504(subject, publisher, stream):
    opening = subject.valid_response(publisher, stream).opening
    got = subject.after(publisher, stream, [opening, NEVER], patience=PATIENCE)
    assert (got.error.status_code, got.error.code) == (504, "timeout")


# In an answer


def in_one(response):
    return b"".join(response.blocks)


def short_of_its_length(response):
    body = in_one(response)
    return [response.head + b"Content-Length: %d\r\n\r\n" % (len(body) + 9), body[:-9], CLOSE]


def no_chunk(response):
    return [response.opening, chunk(response.blocks[0][:9]), b"zz\r\n", CLOSE]


def packed(response, content):
    return response.but(content, headers=("Content-Encoding: gzip",)).steps()


BROKEN = {
    "reset after the headers": lambda response: [response.opening, RESET],
    "closed after the headers": lambda response: [response.opening, CLOSE],
    "short of its length": short_of_its_length,
    "a chunk that is none": no_chunk,
    "an endless chunk": lambda response: [response.opening, b"f" * 100_000, CLOSE],
    "closed before the last chunk": lambda response: [
        *response.but(in_one(response)[:-30]).steps()[:-1],
        CLOSE,
    ],
    "gzip that is none": lambda response: packed(response, in_one(response)),
    "gzip that breaks off": lambda response: packed(response, gzip.compress(in_one(response))[:-40]),
    "an encoding that nobody asked for": lambda response: response.but(
        headers=("Content-Encoding: br",)
    ).steps(),
    "events that are called an object": lambda response: response.but(
        b"data: {}\n\n", content_type=JSON
    ).steps(),
    "not utf-8": lambda response: response.but(in_one(response).replace(b"ab", b"\xff\xfe")).steps(),
}
"""Fault → what it makes of an honest answer. None of these can be an answer."""


@each_publisher
@streaming_or_not
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_answer_is_an_error(subject, publisher, stream, fault):
    got = subject.after(publisher, stream, BROKEN[fault](subject.valid_response(publisher, stream)))
    assert got.error
    if not stream:
        assert got.error.status_code == 502


ODD = {
    "gzip": lambda response: packed(response, gzip.compress(in_one(response))),
    "another content type": lambda response: response.but(
        content_type="application/octet-stream" if response.content_type == SSE else "application/json; x=y"
    ).steps(),
    "no keep-alive": lambda response: [*response.but(headers=("Connection: close",)).steps(), CLOSE],
    "no length": lambda response: [response.head + b"Connection: close\r\n\r\n", in_one(response), CLOSE],
    "byte by byte": lambda response: response.but(*(bytes([byte]) for byte in in_one(response))).steps(),
    "torn chunks": lambda response: [bytes([byte]) for byte in b"".join(response.steps())],
    "a hint before it": lambda response: [b"HTTP/1.1 100 Continue\r\n\r\n", *response.steps()],
    "all at once": lambda response: [b"".join(response.steps())],
    "trailers": lambda response: [*response.steps()[:-1], b"0\r\nX-Sum: 1\r\n\r\n"],
    "extensions": lambda response: [
        response.opening,
        *(chunk(block).replace(b"\r\n", b";x=1\r\n", 1) for block in response.blocks),
        b"0\r\n\r\n",
    ],
}
"""Unusual responses that are valid answers."""


@each_publisher
@streaming_or_not
@pytest.mark.parametrize("fault", ODD)
def test_unusual_but_valid_response_is_answered(subject, publisher, stream, fault):
    got = subject.after(publisher, stream, ODD[fault](subject.valid_response(publisher, stream)))
    assert got.error is None


# At every event

LAST = b"0\r\n\r\n"  # chunk


class Place(NamedTuple):
    """A place in a stream: the chunks before it, the event at it, and the chunks from it on."""

    before: list[bytes]
    event: bytes
    following: list[bytes]


AT = {
    "reset": lambda at: [*at.before, RESET],
    "closed": lambda at: [*at.before, CLOSE],
    "ended": lambda at: [*at.before, LAST],
    "reset in its middle": lambda at: [*at.before, chunk(at.event)[: len(at.event) // 2], RESET],
    "ended in its middle": lambda at: [*at.before, chunk(at.event[: len(at.event) // 2]), LAST],
    "garbage": lambda at: [*at.before, chunk(b'data: {"choi\xff\n\n'), *at.following, LAST],
    "an error": lambda at: [*at.before, chunk(b"data: " + FAILURE + b"\n\n"), *at.following, LAST],
}
"""Fault → what follows the headers, for a place in the stream."""


@each_publisher
@pytest.mark.parametrize("fault", AT)
def test_a_fault_at_any_event_is_an_error(subject, publisher, fault):
    response = subject.valid_response(publisher, stream=True)
    chunks = [*map(chunk, response.blocks)]
    for place, event in enumerate(response.blocks):
        steps = AT[fault](Place(chunks[:place], event, chunks[place:]))
        subject.after(publisher, True, [response.opening, *steps])


@each_publisher
def test_silence_at_an_event_is_a_timeout_error(subject, publisher):
    response = subject.valid_response(publisher, stream=True)
    half = len(response.blocks) // 2
    steps = [response.opening, *map(chunk, response.blocks[:half]), NEVER]
    got = subject.after(publisher, True, steps, patience=PATIENCE)
    assert got.error.code == "timeout"


# What fails once


OPENING = CannedResponse((), SSE).opening

ONCE = {
    "503": refused("503 Service Unavailable", body=FAILURE),
    "500": refused("500 Internal Server Error", body=FAILURE),
    "429 with a wait": refused("429 Too Many Requests", "Retry-After: 0"),
    "401": refused("401 Unauthorized", body=b"{}"),
    "reset at once": [RESET],
    "closed at once": [CLOSE],
    "reset in the headers": [b"HTTP/1.1 200 OK\r\nContent-Ty", RESET],
    "reset after the headers": [OPENING, RESET],
    "closed after the headers": [OPENING, CLOSE],
    "reset in the first event": [OPENING, chunk(b"data: {"), RESET],
}


@pytest.fixture(scope="module")
def patient(upstream, servers, answers):
    here = {"GOOGLE_VERTEX_BASE_URL": upstream.url, "GOOGLE_CLOUD_LOCATION": "us-central1"}
    return Subject(upstream, servers(VERTEX_COMPAT_RETRIES="2", **here), answers)


QUICK = {
    "429 with a wait",
    "401",
    "reset after the headers",
    "closed after the headers",
    "reset in the first event",
}
"""Faults that are retried without a delay."""


@streaming_or_not
@pytest.mark.parametrize("fault", ONCE)
def test_request_that_fails_once_is_answered(patient, upstream, answers, fault, stream):
    for publisher in ALL if fault in QUICK else ["google", "anthropic"]:
        before = upstream.calls
        assert patient.ask(publisher, stream, ONCE[fault]) == answers[publisher, stream][1]
        assert upstream.calls == before + 2


@streaming_or_not
def test_upstream_that_always_refuses_is_an_early_error(patient, stream):
    for fault in ("503", "reset at once", "reset after the headers"):
        began = time.monotonic()
        got = patient.ask("google", stream, *[ONCE[fault]] * 9)
        assert got.error.status_code in {502, 503}
        assert time.monotonic() - began < SOON_ENOUGH


# No way to Vertex


def all_ask(server):
    """Return the clients' answers of all publishers, streamed and whole."""

    cases = [(publisher, stream) for publisher in ALL for stream in (False, True)]
    with server.client() as client, ThreadPoolExecutor(len(cases)) as pool:
        return list(pool.map(lambda case: outcome(client, case[0], stream=case[1]), cases))


def unreachable(serve, url, within=SOON_ENOUGH, **env):
    """The errors when Vertex is at an address that does not answer."""
    server = serve(GOOGLE_VERTEX_BASE_URL=url, **env)
    began = time.monotonic()
    errors = [got.error for got in all_ask(server)]
    assert time.monotonic() - began < within
    for error in errors:
        assert isinstance(error, openai.APIStatusError)
        is_clean(error.response.text)
        assert ".invalid" not in error.response.text
    assert "Traceback" not in server.log()
    return {(error.status_code, error.code) for error in errors}


@pytest.mark.parametrize("retries", ["0", "2"])
def test_a_closed_port_is_a_503(serve, retries):
    url = f"http://127.0.0.1:{free_port()}"
    assert unreachable(serve, url, VERTEX_COMPAT_RETRIES=retries) == {(503, "service_unavailable")}


def test_an_unknown_host_name_is_a_503(serve):
    assert unreachable(serve, "http://vertex.invalid", within=2 * SOON_ENOUGH) == {
        (503, "service_unavailable")
    }


def test_an_upstream_that_cannot_tls_is_a_503(serve, shared_emulator):
    url = shared_emulator.url.replace("http:", "https:")
    assert unreachable(serve, url) == {(503, "service_unavailable")}


def test_an_untrusted_certificate_is_a_503(serve, tmp_path):
    certificate = certificates.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=shake_hands, args=(listener, context), daemon=True).start()
        assert unreachable(serve, url, VERTEX_COMPAT_RETRIES="2") == {(503, "certificate_not_trusted")}
        listener.shutdown(socket.SHUT_RDWR)


def shake_hands(listener, context):
    """Offer the certificate to whoever comes, until the listener is closed."""
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        with contextlib.suppress(OSError), line, context.wrap_socket(line, server_side=True):
            pytest.fail("somebody believes us")


def test_a_connection_that_is_never_made_is_a_504(serve):
    """The queue of the listener is full, so that the kernel answers nobody."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as fillers:
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        assert unreachable(serve, url, within=CONNECTED + PROMPT) == {(504, "timeout")}


CONNECTED = 5.0  # seconds in which a connection has to be made


# Big ones, once for each kind of wire


each_wire = pytest.mark.parametrize("publisher", ["google", "anthropic", "openapi"])


def all_of(server, model):
    """The bytes of a whole stream."""
    connection = posted(server, question("google", model=model, stream=True))
    with connection as line, contextlib.closing(http.client.HTTPResponse(line)) as answer:
        answer.begin()
        return answer.read()


@each_wire
def test_an_event_of_many_megabytes_is_passed_on(front_door, publisher, exhaustive):
    megabytes = 50 if exhaustive else 12
    read = all_of(front_door, named(publisher, f"big-{megabytes}"))
    assert b"data: [DONE]" in read
    assert read.count(b"x") > megabytes << 20


@each_wire
def test_a_stream_of_very_many_events_is_passed_on(front_door, publisher, exhaustive):
    count = 100_000 if exhaustive else 20_000
    read = all_of(front_door, named(publisher, f"many-{count}"))
    assert b"data: [DONE]" in read
    assert read.count(b'"content":"x "') == count
