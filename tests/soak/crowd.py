"""Hundreds of parallel streams, some of them faulty: what each client got, and when."""

import http.client
import json
import selectors
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

MODELS = ("gemini-emulator-{}", "claude-emulator-{}", "mistral-emulator-{}", "meta/emulator-{}-maas")
FAULTS = ("cut-3", "half-4", "error-event-2", "garbage-3", "end-4")
HEALTHY = "pause-0"
ONE_IN = 10  # streams is faulty
WORDS = "茴香豆的“茴”字有几种写法？ 👩‍👩‍👧‍👦 Größe "
DONE = b"data: [DONE]\n\n"


@dataclass
class Stream:
    """One client's stream: what came, and the times of it."""

    model: str
    faulty: bool
    began: float = 0.0
    raw: bytearray = field(default_factory=bytearray)
    times: list[float] = field(default_factory=list)

    @property
    def body(self):
        """The body without its chunks."""
        head, _, remainder = bytes(self.raw).partition(b"\r\n\r\n")
        if b"chunked" not in head:
            return remainder
        body = b""
        while remainder:
            size, _, remainder = remainder.partition(b"\r\n")
            body, remainder = body + remainder[: int(size, 16)], remainder[int(size, 16) + 2 :]
        return body

    @property
    def text(self):
        """Return the text of the model, without the ids of this answer."""
        events = [json.loads(event[6:]) for event in self.body.split(b"\n\n") if event[:7] == b"data: {"]
        deltas = (choice["delta"] for event in events for choice in event.get("choices", ()))
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def whole(self):
        return self.body.endswith(DONE)

    @property
    def has_error(self):
        """Return whether the client got an error: as an event, or as a status."""
        return not self.whole and b'{"error":' in self.body


def crowd(count):
    """So many streams, one in `ONE_IN` of them faulty, over all publishers."""
    for number in range(count):
        faulty = number % ONE_IN == 0
        fault = FAULTS[number // ONE_IN % len(FAULTS)] if faulty else HEALTHY
        yield Stream(MODELS[(number // ONE_IN + number) % len(MODELS)].format(fault), faulty)


def run(address, streams, seconds, progress=lambda _: None):
    """Ask for all streams at once and read them to their ends, in one thread."""
    waiting = selectors.DefaultSelector()
    for stream in streams:
        line = socket.create_connection(address, timeout=seconds)
        line.sendall(_request(stream.model))
        line.setblocking(False)
        stream.began = time.monotonic()
        waiting.register(line, selectors.EVENT_READ, stream)
    deadline = time.monotonic() + seconds
    done = 0
    while done < len(streams):
        assert time.monotonic() < deadline, f"{len(streams) - done} streams have not ended"
        for key, _ in waiting.select(1):
            block = key.fileobj.recv(1 << 16)
            key.data.raw += block
            key.data.times.append(time.monotonic())
            if not block:
                waiting.unregister(key.fileobj)
                key.fileobj.close()
                done += 1
                progress(done)
    waiting.close()
    return streams


def _request(model):
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": WORDS * 4}], "stream": True})
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()


def alone(address, model):
    """Return the answer to a single client: the text that all others have to get."""
    line = http.client.HTTPConnection(*address, timeout=30)
    line.request("POST", "/v1/chat/completions", _request(model).partition(b"\r\n\r\n")[2])
    answer = line.getresponse()
    stream = Stream(model, faulty=False, raw=bytearray(b"HTTP/1.1 200 OK\r\n\r\n" + answer.read()))
    line.close()
    assert stream.whole
    return stream.text


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@dataclass(frozen=True)
class Size:
    """The memory, threads and descriptors of a process."""

    memory: int  # bytes resident
    threads: int
    descriptors: int

    @staticmethod
    def of(pid):
        status = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return Size(
            int(fields["VmRSS"].split()[0]) * 1024,
            int(fields["Threads"]),
            len([*Path(f"/proc/{pid}/fd").iterdir()]),
        )
