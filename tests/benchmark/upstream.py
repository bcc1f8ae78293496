"""A mock of Vertex AI, over TLS, and of the metadata server, much faster than the subjects.

    python tests/benchmark/upstream.py --certificate chain.pem --key key.pem

It has one thread, one epoll, and answers that were rendered beforehand (`wires`). Every piece of a stream is
an HTTP chunk and a TLS record of its own. In a stream without pauses, many records are sent with one system
call, as far as the peer takes them.

It prints the ports that it listens on (`plain` always, `tls` where it has a certificate) and ends when its
standard input does. Besides Vertex's paths and the metadata server's there is `GET /benchmark/open`: how
many streams it is still sending.
"""

import argparse
import contextlib
import gc
import heapq
import itertools
import json
import select
import socket
import ssl
import sys
import time

from wires import LOCATION, PROJECT, WIRES, requested_pieces

TOKEN = "ya29.benchmark"
AT_ONCE = 32
"""The number of pieces that are sent together in a stream without pauses: about 12 kB."""

EMAIL = f"benchmark@{PROJECT}.invalid"  # a real account's domain would have google-auth ask Google about it
METADATA = {
    "/": "computeMetadata/\n",
    "/computeMetadata/v1/project/project-id": PROJECT,
    "/computeMetadata/v1/project/numeric-project-id": "123456789012",
    "/computeMetadata/v1/instance/region": f"projects/123456789012/regions/{LOCATION}",
    "/computeMetadata/v1/instance/service-accounts/default/email": EMAIL,
    "/computeMetadata/v1/instance/service-accounts/default/token": json.dumps(
        {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}
    ),
    "/computeMetadata/v1/instance/service-accounts/default/": json.dumps(
        {"aliases": ["default"], "email": EMAIL, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
    ),
}
METADATA |= {path.replace("/default/", f"/{EMAIL}/"): value for path, value in METADATA.items()}

_LIKE_GOOGLE = (
    "Vary: Origin\r\nVary: X-Origin\r\nVary: Referer\r\nDate: Sat, 21 Nov 2026 05:00:00 GMT\r\n"
    "Server: scaffolding on HTTPServer2\r\nX-XSS-Protection: 0\r\nX-Frame-Options: SAMEORIGIN\r\n"
    "X-Content-Type-Options: nosniff\r\n"
)
BEGIN_STREAM = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    f"{_LIKE_GOOGLE}Content-Disposition: attachment\r\nTransfer-Encoding: chunked\r\n\r\n"
).encode()
END_STREAM = b"0\r\n\r\n"


def whole(status, content, content_type="application/json; charset=UTF-8", headers=_LIKE_GOOGLE):
    """A whole response, as bytes."""
    content = content.encode() if isinstance(content, str) else content
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{headers}Content-Length: {len(content)}\r\n"
    return f"{head}\r\n".encode() + content


def in_chunk(data, *, split):
    """The records of one chunk of a chunked body: a single one, or `split` its frame in others."""
    size = b"%X\r\n" % len(data)
    return [size, data, b"\r\n"] if split else [b"%b%b\r\n" % (size, data)]


REPLIES = {name: whole("200 OK", wire.reply) for name, wire in WIRES.items()}
UNAUTHORIZED = whole(
    "401 Unauthorized", '{"error": {"code": 401, "status": "UNAUTHENTICATED", "message": ""}}'
)
NOT_FOUND = whole(
    "404 Not Found", '{"error": {"code": 404, "status": "NOT_FOUND", "message": "no such path"}}'
)


class Stream:
    """One streamed answer on its way. `pace` is in nanoseconds, 0 for as fast as it goes."""

    __slots__ = ("connection", "due", "number", "pace", "pieces", "split", "wire")

    def __init__(self, connection, wire, pieces, pace, split):
        self.connection = connection
        self.wire = wire
        self.pieces = pieces
        self.pace = pace
        self.split = split
        self.number = 0
        self.due = 0

    def next(self):
        """The records that are to go out now."""
        first = self.number
        last = min(self.pieces, first + (1 if self.pace else AT_ONCE))
        now = time.monotonic_ns()
        events = [self.wire.head] if first == 0 and self.wire.head else []
        events += [self.wire.piece(number, now) for number in range(first, last)]
        events += [self.wire.tail] if last == self.pieces else []
        records = [record for event in events for record in in_chunk(event, split=self.split)]
        self.number = last
        self.due = max(self.due + self.pace, now) if self.due else now + self.pace
        begin = [BEGIN_STREAM] if first == 0 else []
        return begin + records + ([END_STREAM] if self.ended else [])

    @property
    def ended(self):
        return self.number == self.pieces


class Connection:
    """One client: bytes in, answered requests out. `unsent` waits until the client takes more."""

    def __init__(self, sock, context):
        self.sock = sock
        self.unsent = b""
        self.stream = None
        self.awaits = select.EPOLLIN
        self._received = b""
        self._tls = None
        if context:
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
            self._shaken = False

    def read(self):
        """The next request's head and body, None if it is not complete; raises `OSError` at the end."""
        data = self.sock.recv(65_536)
        if not data:
            raise ConnectionResetError
        self._received += self._decrypt(data) if self._tls else data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return None
        length = _header(head, b"content-length")
        size = int(length) if length else 0
        if len(body) < size:
            return None
        self._received = body[size:]
        return head, body[:size]

    def _decrypt(self, data):
        self._incoming.write(data)
        plain = []
        with contextlib.suppress(ssl.SSLWantReadError):
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
            while block := self._tls.read(65_536):
                plain.append(block)
        self._push(self._outgoing.read())
        return b"".join(plain)

    def send(self, records):
        """Send `records`, as far as they are taken now; the others stay in `unsent`."""
        if self._tls:
            for record in records:
                self._tls.write(record)
            self._push(self._outgoing.read())
        else:
            self._push(b"".join(records))

    def flush(self):
        """Try to send what is left."""
        data, self.unsent = self.unsent, b""
        self._push(data)

    def _push(self, data):
        if self.unsent or not data:
            self.unsent += data
            return
        try:
            size = self.sock.send(data)
        except BlockingIOError:
            size = 0
        self.unsent = data[size:]


class Server:
    """All connections, and whose turn it is."""

    def __init__(self, *, split=False):
        self._split = split
        self._epoll = select.epoll()
        self._listeners = {}
        self._connections = {}
        self._paced = []  # a heap of (when, number, stream)
        self._numbers = itertools.count()
        self._flowing = set()  # streams that go as fast as they can and are not held up
        self.open = 0

    def listen(self, context=None):
        """Take connections on a free port, over TLS if there is a context; gives the port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        listener.setblocking(False)
        self._listeners[listener.fileno()] = listener, context
        self._epoll.register(listener, select.EPOLLIN)
        return listener.getsockname()[1]

    def serve(self):
        """Serve until standard input ends."""
        self._epoll.register(sys.stdin, select.EPOLLIN)
        while True:
            for fd, event in self._epoll.poll(self._idle()):
                if fd == sys.stdin.fileno():
                    return
                if fd in self._listeners:
                    self._accept(*self._listeners[fd])
                else:
                    self._attend(self._connections[fd], event)
            self._send_what_is_due()

    def _idle(self):
        """Seconds until something is due."""
        if self._flowing:
            return 0
        if self._paced:
            return max(0, (self._paced[0][0] - time.monotonic_ns()) / 1e9)
        return None

    def _accept(self, listener, context):
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections[sock.fileno()] = Connection(sock, context)
                self._epoll.register(sock, select.EPOLLIN)

    def _attend(self, connection, event):
        try:
            if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and (
                request := connection.read()
            ):
                self._answer(connection, *request)
            if event & select.EPOLLOUT:
                connection.flush()
            self._settle(connection)
        except OSError:  # the other side has left, with a word of TLS's or without
            self._close(connection)

    def _answer(self, connection, head, body):
        target = head.split(b" ", 2)[1].decode()
        path = target.partition("?")[0]
        if path == "/benchmark/open":
            connection.send([whole("200 OK", str(self.open))])
        elif (wire := _publisher(path)) is None:
            connection.send([_metadata(path)])
        elif _header(head, b"authorization") != f"Bearer {TOKEN}".encode():
            connection.send([UNAUTHORIZED])
        elif "stream" in path or (
            wire.publisher == "openapi" and b'"stream":true' in body.replace(b" ", b"")
        ):
            pieces, pace = requested_pieces(body)
            self._begin(Stream(connection, wire, max(pieces, 1), pace * 1_000_000, self._split))
        else:
            connection.send([REPLIES[wire.publisher]])

    def _begin(self, stream):
        stream.connection.stream = stream
        self.open += 1
        self._go_on(stream)

    def _go_on(self, stream):
        """Send the next pieces; then the stream has ended, waits for its time, or for its client."""
        connection = stream.connection
        connection.send(stream.next())
        if stream.ended:
            self._end(connection)
        elif stream.pace:
            heapq.heappush(self._paced, (stream.due, next(self._numbers), stream))
        self._settle(connection)

    def _send_what_is_due(self):
        now = time.monotonic_ns()
        due = list(self._flowing)
        while self._paced and self._paced[0][0] <= now:
            due.append(heapq.heappop(self._paced)[2])
        for stream in due:
            if stream.connection.stream is stream:
                try:
                    self._go_on(stream)
                except OSError:
                    self._close(stream.connection)

    def _settle(self, connection):
        """Wait for what the connection is waiting for."""
        stream = connection.stream
        if stream and not stream.pace and not connection.unsent:
            self._flowing.add(stream)
        else:
            self._flowing.discard(stream)
        awaits = select.EPOLLIN | (select.EPOLLOUT if connection.unsent else 0)
        if awaits != connection.awaits:
            connection.awaits = awaits
            self._epoll.modify(connection.sock, awaits)

    def _end(self, connection):
        if connection.stream:
            self._flowing.discard(connection.stream)
            connection.stream = None
            self.open -= 1

    def _close(self, connection):
        self._end(connection)
        self._connections.pop(connection.sock.fileno(), None)
        connection.sock.close()


def _publisher(path):
    if "/endpoints/openapi/" in path:
        return WIRES["openapi"]
    _, _, after = path.partition("/publishers/")
    return WIRES.get(after.partition("/")[0])


def _metadata(path):
    if path not in METADATA:
        return NOT_FOUND
    value = METADATA[path]
    kind = "application/json" if value.startswith("{") else "application/text"
    return whole("200 OK", value, kind, "Metadata-Flavor: Google\r\nServer: Metadata Server for VM\r\n")


def _header(head, name):
    """The value of a header; names are compared without their case."""
    place = head.lower().find(b"\r\n" + name + b":")
    return head[place + len(name) + 3 :].partition(b"\r\n")[0].strip() if place >= 0 else None


def main():
    parser = argparse.ArgumentParser(
        description="A fast mock of Vertex AI; ends when its standard input does."
    )
    parser.add_argument("--certificate", help="PEM of the certificate; without it there is no TLS")
    parser.add_argument("--key", help="PEM of its key")
    parser.add_argument(
        "--split", action="store_true", help="send the frame of a chunk in TLS records of its own"
    )
    options = parser.parse_args()
    server = Server(split=options.split)
    ports = {"plain": server.listen()}
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
        ports["tls"] = server.listen(context)
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    gc.disable()  # no pause in anybody's figures; a run is short, and leaves little
    server.serve()


if __name__ == "__main__":
    main()
