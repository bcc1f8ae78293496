"""The load: many parallel HTTP calls on one thread, with the time of each block of bytes.

While a load runs, only the end of each answer is looked for. Afterwards every byte is checked (`read_whole`,
`read_stream`), so the checks cost the subjects nothing. A mismatch raises `WrongAnswer`, so no figure is of a
wrong answer.
"""

import bisect
import contextlib
import json
import re
import select
import socket
import ssl
import time
from typing import NamedTuple

from wires import ANSWER, PIECE

KEY = "sk-benchmark"
"""The key that every subject knows its clients by."""

_BLOCK = 262_144
_DATA = re.compile(rb"^data: (.*)", re.MULTILINE)
_END_OF_CHUNKS = b"\r\n0\r\n\r\n"


class WrongAnswer(Exception):
    """An answer that differs from what the upstream sent, or that is late."""


class Exchange:
    """One request, and what came of it: `blocks` of bytes, each with its time."""

    __slots__ = ("_length", "_size", "_tail", "blocks", "done", "ended", "sent_at", "sock")

    def __init__(self, sock, sent_at):
        self.sock = sock
        self.sent_at = sent_at
        self.blocks = []
        self.done = 0  # when the answer was complete, 0 before
        self.ended = False  # the connection did, before the answer was complete
        self._length = None  # of the whole response, None until known, -1 for chunks
        self._size = 0
        self._tail = b""

    def take(self, now, data):
        """Note a block; whether the answer is complete with it."""
        self.blocks.append((now, data))
        self._size += len(data)
        if self._length is None:
            self._measure()
        if self._length == -1:
            self._tail = (self._tail + data[-len(_END_OF_CHUNKS) :])[-len(_END_OF_CHUNKS) :]
            complete = self._tail == _END_OF_CHUNKS
        else:
            complete = self._length == self._size
        if complete:
            self.done = now
        return complete

    def _measure(self):
        head, separator, _ = self.raw().partition(b"\r\n\r\n")
        if separator:
            length = _header(head, b"content-length")
            self._length = len(head) + 4 + int(length) if length else -1

    def raw(self):
        return b"".join([data for _, data in self.blocks])


class Load:
    """Calls to one address, which run in parallel; over TLS if there is a context."""

    def __init__(self, address, context=None):
        self._address = address
        self._context = context
        self._epoll = select.epoll()
        self._running = {}
        self._socks = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def running(self):
        """Return the number of exchanges that are not over."""
        return len(self._running)

    def begin(self, request, sock=None):
        """Send `request`, on a connection of its own or on one that is free again."""
        sock = sock or self._connect()
        exchange = Exchange(sock, time.monotonic_ns())
        if sock.send(request) != len(request):
            raise WrongAnswer("The subject does not take a request.")
        self._running[sock.fileno()] = exchange
        return exchange

    def _connect(self):
        sock = socket.create_connection(self._address, timeout=20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context:
            sock = self._context.wrap_socket(sock, server_hostname=self._address[0])
        sock.setblocking(False)
        self._epoll.register(sock, select.EPOLLIN)
        self._socks.add(sock)
        return sock

    def pump(self, seconds):
        """Take what comes next, waiting for it at most so long; the exchanges that are over now."""
        over = []
        for fd, _ in self._epoll.poll(seconds):
            exchange = self._running.get(fd)
            if exchange is None:  # an idle connection, closed by the other side
                self._epoll.unregister(fd)
            elif self._read(exchange):
                del self._running[fd]
                over.append(exchange)
        return over

    def _read(self, exchange):
        """Take what is there; whether the exchange is over."""
        while True:
            try:
                data = exchange.sock.recv(_BLOCK)
            except (BlockingIOError, ssl.SSLWantReadError):
                return False
            except OSError:
                data = b""
            if not data:
                exchange.ended = True
                return True
            if exchange.take(time.monotonic_ns(), data):
                return True
            if not self._context:  # only TLS may hold back more than a poll shows
                return False

    def run(self, seconds):
        """Take what comes for so long, or until all exchanges are over."""
        latest = time.monotonic() + seconds
        over = []
        while self._running and (remaining := latest - time.monotonic()) > 0:
            over += self.pump(remaining)
        return over

    def finish(self, seconds):
        """Read until all exchanges are over; raises `WrongAnswer` after `seconds`."""
        over = self.run(seconds)
        if self._running:
            raise WrongAnswer(f"{len(self._running)} answers were not complete after {seconds:g} s.")
        return over

    def close(self):
        """Leave, whatever is still to come."""
        for sock in self._socks:
            sock.close()
        self._epoll.close()


def request(address, path, body, key=KEY):
    """An HTTP request."""
    host, port = address
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\nAccept: */*\r\n"
    head += "User-Agent: benchmark\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def closed_loop(load, request_bytes, count, clients=1, seconds=60):
    """`count` calls by so many clients, each of which asks again when its answer is complete."""
    for _ in range(min(clients, count)):
        load.begin(request_bytes)
    over = []
    latest = time.monotonic() + seconds
    while len(over) < count:
        if time.monotonic() > latest:
            raise WrongAnswer(f"Only {len(over)} of {count} answers were complete after {seconds:g} s.")
        for exchange in load.pump(1):
            if exchange.ended:
                raise WrongAnswer(f"The subject closed a connection: {exchange.raw()[:300]!r}")
            over.append(exchange)
            if len(over) + load.running < count:
                load.begin(request_bytes, exchange.sock)
    return over


def percentile(values, share):
    """The value that `share` of all values are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# What came


class Body(NamedTuple):
    """The body of an answer without its framing, and when each part of it was there."""

    data: bytes
    ends: list[int]
    times: list[int]

    def arrival(self, end):
        """Return the time at which the first `end` bytes had arrived."""
        return self.times[bisect.bisect_left(self.ends, end)]


class Piece(NamedTuple):
    """A piece of a stream that has come: when it was sent, and when it was there."""

    sent_at: int
    there: int


@contextlib.contextmanager
def _understood(exchange):
    """Whatever is not there or is of another kind makes a wrong answer, too."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise WrongAnswer(f"{error!r} in {exchange.raw()[:500]!r}") from error


def read_whole(exchange, wire, *, native):
    """Check an answer that is not streamed."""
    with _understood(exchange):
        data = _body(exchange).data
        if not native:
            _check_answer(data)
        elif data != wire.reply:
            raise WrongAnswer(f"These are not the upstream's bytes: {data[:300]!r}")


def _check_answer(data):
    answer = json.loads(data)
    text = answer["choices"][0]["message"]["content"]
    if text != ANSWER or answer["choices"][0]["finish_reason"] != "stop":
        raise WrongAnswer(f"This is not the upstream's answer: {data[:300]!r}")
    if answer["usage"]["completion_tokens"] != 200:
        raise WrongAnswer(f"These are not the upstream's counts: {answer['usage']!r}")


def read_stream(exchange, wire, pieces=None, *, native):
    """Return the checked pieces of a stream; `pieces` is their number, None if it is left early."""
    with _understood(exchange):
        body = _body(exchange)
        came = _native_pieces(body, wire, pieces) if native else _openai_pieces(body, pieces)
    if pieces is not None and len(came) != pieces:
        raise WrongAnswer(f"{len(came)} pieces of {pieces} came.")
    return came


def read_api_whole(exchange, api):
    """Check an answer in another API than chat."""
    with _understood(exchange):
        data = _body(exchange).data
        if api.text(json.loads(data)) != ANSWER:
            raise WrongAnswer(f"This is not the upstream's answer: {data[:300]!r}")


def read_api_stream(exchange, api, pieces):
    """Check a whole stream in another API than chat."""
    with _understood(exchange):
        events = _body(exchange).data.replace(b"\r\n", b"\n").split(b"\n\n")
        data = [_DATA.search(event)[1] for event in events if b"data: " in event]
        came = _in_order("".join([api.delta(json.loads(event)) for event in data]).encode(), 0)
        if len(came) != pieces or api.last not in data[-1].replace(b": ", b":"):
            raise WrongAnswer(f"{len(came)} pieces of {pieces} came, and then {data[-1]!r}")


def _native_pieces(body, wire, pieces):
    data = body.data
    if not data.startswith(wire.head[: len(data)]):
        raise WrongAnswer(f"The stream begins with {data[:300]!r}")
    place = len(wire.head)
    came = []
    while pieces is None or len(came) < pieces:
        size = len(wire.piece(len(came), 0))
        event = data[place : place + size]
        if len(event) < size:
            break
        match = PIECE.search(event)
        if not match or event != wire.piece(len(came), int(match[2])):
            raise WrongAnswer(f"Piece {len(came)} is {event!r}")
        place += size
        came.append(Piece(int(match[2]), body.arrival(place)))
    if pieces is not None and data[place:] != wire.tail:
        raise WrongAnswer(f"After {len(came)} pieces comes {data[place : place + 300]!r}")
    return came


def _openai_pieces(body, pieces):
    events = body.data.split(b"\n\n")
    remainder = events.pop()
    if pieces is not None and (remainder or not events or events[-1] != b"data: [DONE]"):
        raise WrongAnswer(f"The stream ends with {body.data[-300:]!r}")
    came, reasons, ids, place = [], [], set(), 0
    for event in events:
        place += len(event) + 2
        if event.startswith(b":") or event == b"data: [DONE]":
            continue
        if not event.startswith(b"data: {"):
            raise WrongAnswer(f"This is no event of a chat: {event!r}")
        chunk = json.loads(event[6:])
        if "error" in chunk:
            raise WrongAnswer(f"The stream says {event!r}")
        ids.add(chunk["id"])
        for choice in chunk["choices"]:
            text = (choice["delta"].get("content") or "").encode()
            pieces_of_text = [
                Piece(int(match[2]), body.arrival(place)) for match in _in_order(text, len(came))
            ]
            came += pieces_of_text
            reasons += filter(None, [choice.get("finish_reason")])
    if len(ids) > 1 or (pieces is not None and reasons != ["stop"]):
        raise WrongAnswer(f"The chunks have {len(ids)} ids and the finish reasons {reasons}.")
    return came


def _in_order(text, number):
    """The pieces in `text`, which is made of nothing else, counted from `number`."""
    matches = list(PIECE.finditer(text))
    whole = b"".join([match[0] for match in matches]) == text
    if not whole or [int(match[1]) for match in matches] != list(range(number, number + len(matches))):
        raise WrongAnswer(f"After {number} pieces comes the text {text!r}")
    return matches


def _body(exchange):
    """The body of a 200; of one that is not complete, what has come of it."""
    raw = exchange.raw()
    head, separator, _ = raw.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise WrongAnswer(f"The subject answered {raw[:500]!r}")
    ends, total = [], 0
    for _, data in exchange.blocks:
        total += len(data)
        ends.append(total)
    times = [when for when, _ in exchange.blocks]
    start = len(head) + len(separator)
    if _header(head, b"content-length"):
        return Body(raw[start:], [end - start for end in ends], times)
    parts, part_ends, part_times, total = [], [], [], 0
    for data, end in _chunks(raw, start):
        total += len(data)
        parts.append(data)
        part_ends.append(total)
        part_times.append(times[bisect.bisect_left(ends, end)])
    return Body(b"".join(parts), part_ends, part_times)


def _chunks(raw, place):
    """The complete chunks of a chunked body and where each ends; raises at a wrong framing."""
    while (line := raw.find(b"\r\n", place)) >= 0:
        size = int(raw[place:line], 16)
        end = line + 2 + size + 2
        if end > len(raw) or size == 0:
            return
        if raw[end - 2 : end] != b"\r\n":
            raise WrongAnswer(f"A chunk ends with {raw[end - 2 : end]!r}")
        yield raw[line + 2 : end - 2], end
        place = end


def _header(head, name):
    place = head.lower().find(b"\r\n" + name + b":")
    return head[place + len(name) + 3 :].partition(b"\r\n")[0].strip() if place >= 0 else None
