"""Raw client connections to a served function."""

import json
import socket
from contextlib import contextmanager

SOON = 2.0  # seconds within which the upstream is told that the client has left


@contextmanager
def posted(server, body, path="/v1/chat/completions", headers=None):
    """A connection on which a request has been sent and nothing has been read."""
    content = json.dumps(body).encode()
    fields = {"Host": "localhost", "Content-Length": len(content)} | (headers or {})
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    with socket.create_connection(server.address, timeout=60) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode() + content)
        yield line


def arrived(emulator, count=1):
    """Wait until the upstream has so many calls under way."""
    emulator.wait_for(lambda calls: len(calls) == count and all(call.ended is None for call in calls))


def read_until(line, needle):
    read = b""
    while needle not in read:
        block = line.recv(65536)
        assert block, read
        read += block
    return read
