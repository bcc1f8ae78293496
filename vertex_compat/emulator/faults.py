"""Faults on demand: by the header `x-emulator-fault`, or by a model name that contains `emulator-FAULT`.

`gemini-emulator-cut-2`, `claude-emulator-status-529`, `mistral-emulator-error-event-1`,
`meta/emulator-html-maas`, `jamba-emulator-delay-0.5`: the name passes through whatever stands between the
client and the emulator, so that a fault can be asked for from outside.
"""

import dataclasses
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vertex_compat.emulator.answers import (
    HTML_TYPE,
    JSON_TYPE,
    SSE_TYPE,
    Answer,
    Cut,
    Dialect,
    Step,
    Wait,
    html_answer,
    json_answer,
    whole,
)
from vertex_compat.emulator.google import envelope as google_envelope

HEADER = "x-emulator-fault"

FAULTS = {
    "status-N": "HTTP status N in the publisher's own error envelope",
    "status-N-once": "the same, but only the first time for a model name",
    "retry-after-S": "429 with the header Retry-After: S",
    "quota": "429 RESOURCE_EXHAUSTED in Google's envelope, with RetryInfo of 1 s",
    "html": "an HTML page with status 404",
    "html-200": "an HTML page with status 200",
    "empty": "status 200 and no body",
    "silent": "the request is accepted and never answered",
    "delay-S": "S seconds (decimals allowed) before the first byte",
    "pause-S": "S seconds of silence after the first event",
    "error-body": "status 200 with an error envelope as the body or the first event",
    "error-event-K": "after K events an error event in that wire",
    "garbage-K": "after K events an event that is not JSON",
    "cut-K": "the TCP connection is reset after K events (0: before the status line)",
    "half-K": "the TCP connection is reset in the middle of event K+1",
    "end-K": "the stream ends cleanly after K events, unfinished",
    "many-N": "a stream of N small events as fast as possible",
    "big-N": "one event of N megabytes",
    "gzip": "the answer is gzip-encoded",
    "blocked": "the model's prompt filter refuses the prompt",
    "refusal": "the model breaks off: refused after some text",
    "only-LOCATION": "the model exists in that location only (404 NOT_FOUND elsewhere)",
}

_PATTERN = re.compile(
    r"(?:(?P<name>status|retry-after|delay|pause|error-event|garbage|cut|half|end|many|big)"
    r"-(?P<number>\d+(?:\.\d+)?)"
    r"(?P<once>-once)?"
    r"|only-(?P<location>global|us-[a-z]+\d+|[a-z]+-[a-z]+\d+|us|eu)"
    r"|(?P<plain>html-200|html|error-body|silent|empty|gzip|quota|blocked|refusal))(?![a-z0-9])"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What shall go wrong. Without a name: nothing."""

    name: str = ""
    number: float = 0
    once: bool = False
    location: str = ""

    @property
    def count(self) -> int:
        """The number, where it counts things."""
        return int(self.number)


NONE = Fault()


def asked_for(header: str, *models: str) -> Fault:
    """Find the fault that a call asks for, in its header or in a model's name.

    Raises:
        ValueError: when the header or a name asks for a fault that does not exist.

    """
    wanted = (
        [header] if header else [name.partition("emulator-")[2] for name in models if "emulator-" in name]
    )
    if not wanted:
        return NONE
    found = _PATTERN.match(wanted[0])
    if not found:
        raise ValueError(f"The emulator has no fault {wanted[0]!r}. It has: {', '.join(FAULTS)}.")
    if found["location"]:
        return Fault("only", location=found["location"])
    return Fault(found["plain"] or found["name"], float(found["number"] or 0), bool(found["once"]))


def instead(fault: Fault, dialect: Dialect) -> Answer | None:
    """Give the answer that comes instead of the model's, if the fault is of that kind."""
    make = _INSTEAD.get(fault.name)
    return make(fault, dialect) if make else None


def bend(fault: Fault, answer: Answer, dialect: Dialect) -> Answer:
    """Spoil the model's answer, if the fault is of that kind."""
    if fault.name == "gzip":
        return _gzipped(answer)
    if fault.name == "many":
        return dataclasses.replace(answer, hurried=True)
    if fault.name == "error-body":
        envelope = dialect.envelope(500, "An error in an answer that said 200.")
        if not answer.headers["Content-Type"].startswith(SSE_TYPE):
            return json_answer(envelope)
        return dataclasses.replace(answer, steps=(dialect.event(envelope),))
    if fault.name not in _BENT:
        return answer
    steps: Iterable[Step] = answer.steps if answer.streamed else _halves(answer.steps)
    return dataclasses.replace(answer, steps=_BENT[fault.name](steps, fault, dialect))


def _status(fault: Fault, dialect: Dialect) -> Answer:
    return json_answer(dialect.envelope(fault.count, f"Status {fault.count} was asked for."), fault.count)


def _retry_after(fault: Fault, dialect: Dialect) -> Answer:
    seconds = f"{fault.number:g}"
    return json_answer(dialect.envelope(429, "Too many requests."), 429, {"Retry-After": seconds})


def _quota(_: Fault, dialect: Dialect) -> Answer:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
    body = google_envelope(429, "Resource exhausted. Please try again later.", [retry])
    in_array = isinstance(dialect.envelope(429, ""), list)
    return json_answer([body] if in_array else body, 429)


_INSTEAD: dict[str, Callable[[Fault, Dialect], Answer]] = {
    "status": _status,
    "retry-after": _retry_after,
    "quota": _quota,
    "html": lambda _, __: html_answer(404, "Not Found"),
    "html-200": lambda _, __: whole(200, b"<!DOCTYPE html><title>Sign in</title><p>Welcome", HTML_TYPE),
    "empty": lambda _, __: whole(200, b"", JSON_TYPE),
    "silent": lambda _, __: Answer(200, (Wait(math.inf),)),
}


def _halves(steps: Iterable[Step]) -> Iterator[Step]:
    """Cut a body of one piece in two, so that faults between events work on it as well."""
    for step in steps:
        if isinstance(step, bytes):
            yield step[: len(step) // 2]
            yield step[len(step) // 2 :]
        else:
            yield step


def _delayed(steps: Iterable[Step], fault: Fault, _: Dialect) -> Iterator[Step]:
    yield Wait(fault.number)
    yield from steps


def _paused(steps: Iterable[Step], fault: Fault, _: Dialect) -> Iterator[Step]:
    for place, step in enumerate(steps):
        yield step
        if place == 0:
            yield Wait(fault.number)


def _first(steps: Iterable[Step], fault: Fault) -> Iterator[Step]:
    for place, step in enumerate(steps):
        if place == fault.count:
            return
        yield step


def _cut(steps: Iterable[Step], fault: Fault, _: Dialect) -> Iterator[Step]:
    yield from _first(steps, fault)
    yield Cut()


def _half(steps: Iterable[Step], fault: Fault, _: Dialect) -> Iterator[Step]:
    for place, step in enumerate(steps):
        if place == fault.count:
            yield step[: len(step) // 2] if isinstance(step, bytes) else step
            break
        yield step
    yield Cut()


def _ended(steps: Iterable[Step], fault: Fault, _: Dialect) -> Iterator[Step]:
    yield from _first(steps, fault)


def _error_event(steps: Iterable[Step], fault: Fault, dialect: Dialect) -> Iterator[Step]:
    yield from _first(steps, fault)
    yield dialect.event(dialect.envelope(503, "The model is overloaded. Please try again later."))


def _garbage(steps: Iterable[Step], fault: Fault, dialect: Dialect) -> Iterator[Step]:
    for place, step in enumerate(steps):
        if place == fault.count:
            yield dialect.garbage
        yield step


_BENT: dict[str, Callable[[Iterable[Step], Fault, Dialect], Iterator[Step]]] = {
    "delay": _delayed,
    "pause": _paused,
    "cut": _cut,
    "half": _half,
    "end": _ended,
    "error-event": _error_event,
    "garbage": _garbage,
}


def _gzipped(answer: Answer) -> Answer:
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
    return dataclasses.replace(
        answer, steps=_gzip_steps(answer.steps), headers=headers | {"Content-Encoding": "gzip"}
    )


def _gzip_steps(steps: Iterable[Step]) -> Iterator[Step]:
    packer = zlib.compressobj(wbits=31)  # 31: with gzip's header
    for step in steps:
        yield packer.compress(step) + packer.flush(zlib.Z_SYNC_FLUSH) if isinstance(step, bytes) else step
    yield packer.flush()
