"""Faults on demand, by the header `x-emulator-fault` or a model name with `emulator-FAULT`.

`gemini-emulator-cut-2`, `claude-emulator-status-529`, `mistral-emulator-error-event-1`,
`meta/emulator-html-maas`, `jamba-emulator-delay-0.5`: a gateway under test passes the model's name on, so its
clients can choose the fault.
"""

import dataclasses
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vertex_compat.emulator.protocol.google_errors import envelope as google_envelope
from vertex_compat.emulator.protocol.responses import (
    HTML_TYPE,
    JSON_TYPE,
    SSE_TYPE,
    Cut,
    ErrorFormat,
    Response,
    Step,
    Wait,
    html_response,
    json_response,
    whole,
)

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
    "paused-N": "Claude with web search pauses its turn N times (stop_reason pause_turn)",
    "policy": "an organization policy denies Claude's structured outputs and web search (400)",
    "many-N": "a stream of N small events as fast as possible",
    "big-N": "one event of N megabytes",
    "gzip": "the answer is gzip-encoded",
    "blocked": "the model's prompt filter refuses the prompt",
    "refusal": "the model breaks off: refused after some text",
    "only-LOCATION": "the model exists in that location only (404 NOT_FOUND elsewhere)",
}

_PATTERN = re.compile(
    r"(?:(?P<name>status|retry-after|delay|pause|error-event|garbage|cut|half|end|many|big|paused)"
    r"-(?P<number>\d+(?:\.\d+)?)"
    r"(?P<once>-once)?"
    r"|only-(?P<location>global|us-[a-z]+\d+|[a-z]+-[a-z]+\d+|us|eu)"
    r"|(?P<plain>html-200|html|error-body|silent|empty|gzip|quota|blocked|refusal|policy))(?![a-z0-9])"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to produce; none if `name` is empty."""

    name: str = ""
    number: float = 0
    once: bool = False
    location: str = ""

    @property
    def count(self) -> int:
        """The number as a count."""
        return int(self.number)


NO_FAULT = Fault()


def find(header: str, *models: str) -> Fault:
    """Return the fault that a request's header or a model's name selects.

    Raises:
        ValueError: when no fault has that name.

    """
    names = [header] if header else [name.partition("emulator-")[2] for name in models if "emulator-" in name]
    if not names:
        return NO_FAULT
    match_ = _PATTERN.match(names[0])
    if not match_:
        raise ValueError(f"The emulator has no fault {names[0]!r}. It has: {', '.join(FAULTS)}.")
    if match_["location"]:
        return Fault("only", location=match_["location"])
    return Fault(match_["plain"] or match_["name"], float(match_["number"] or 0), bool(match_["once"]))


def replacement(fault: Fault, error_format: ErrorFormat) -> Response | None:
    """Return the response that a fault sends in place of the model's, or None."""
    make = _REPLACEMENTS.get(fault.name)
    return make(fault, error_format) if make else None


def alter(fault: Fault, answer: Response, error_format: ErrorFormat) -> Response:
    """Return the model's response as a fault changes it."""
    if fault.name == "gzip":
        return _gzip(answer)
    if fault.name == "many":
        return dataclasses.replace(answer, unpaced=True)
    if fault.name == "error-body":
        envelope = error_format.envelope(500, "An error in a response with status 200.")
        if not answer.headers["Content-Type"].startswith(SSE_TYPE):
            return json_response(envelope)
        return dataclasses.replace(answer, steps=(error_format.event(envelope),))
    if fault.name not in _ALTERATIONS:
        return answer
    steps: Iterable[Step] = answer.steps if answer.streamed else _halves(answer.steps)
    return dataclasses.replace(answer, steps=_ALTERATIONS[fault.name](steps, fault, error_format))


def _status(fault: Fault, error_format: ErrorFormat) -> Response:
    return json_response(
        error_format.envelope(fault.count, f"Status {fault.count} was requested."), fault.count
    )


def _retry_after(fault: Fault, error_format: ErrorFormat) -> Response:
    seconds = f"{fault.number:g}"
    return json_response(error_format.envelope(429, "Too many requests."), 429, {"Retry-After": seconds})


def _quota(_: Fault, error_format: ErrorFormat) -> Response:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
    body = google_envelope(429, "Resource exhausted. Please try again later.", [retry])
    in_array = isinstance(error_format.envelope(429, ""), list)
    return json_response([body] if in_array else body, 429)


_REPLACEMENTS: dict[str, Callable[[Fault, ErrorFormat], Response]] = {
    "status": _status,
    "retry-after": _retry_after,
    "quota": _quota,
    "html": lambda _, __: html_response(404, "Not Found"),
    "html-200": lambda _, __: whole(200, b"<!DOCTYPE html><title>Sign in</title><p>Welcome", HTML_TYPE),
    "empty": lambda _, __: whole(200, b"", JSON_TYPE),
    "silent": lambda _, __: Response(200, (Wait(math.inf),)),
}


def _halves(steps: Iterable[Step]) -> Iterator[Step]:
    """Split a whole body in two, so that faults between events apply to it too."""
    for step in steps:
        if isinstance(step, bytes):
            yield step[: len(step) // 2]
            yield step[len(step) // 2 :]
        else:
            yield step


def _delay(steps: Iterable[Step], fault: Fault, _: ErrorFormat) -> Iterator[Step]:
    yield Wait(fault.number)
    yield from steps


def _pause(steps: Iterable[Step], fault: Fault, _: ErrorFormat) -> Iterator[Step]:
    for index, step in enumerate(steps):
        yield step
        if index == 0:
            yield Wait(fault.number)


def _first(steps: Iterable[Step], fault: Fault) -> Iterator[Step]:
    for index, step in enumerate(steps):
        if index == fault.count:
            return
        yield step


def _cut(steps: Iterable[Step], fault: Fault, _: ErrorFormat) -> Iterator[Step]:
    yield from _first(steps, fault)
    yield Cut()


def _half(steps: Iterable[Step], fault: Fault, _: ErrorFormat) -> Iterator[Step]:
    for index, step in enumerate(steps):
        if index == fault.count:
            yield step[: len(step) // 2] if isinstance(step, bytes) else step
            break
        yield step
    yield Cut()


def _end(steps: Iterable[Step], fault: Fault, _: ErrorFormat) -> Iterator[Step]:
    yield from _first(steps, fault)


def _error_event(steps: Iterable[Step], fault: Fault, error_format: ErrorFormat) -> Iterator[Step]:
    yield from _first(steps, fault)
    yield error_format.event(error_format.envelope(503, "The model is overloaded. Please try again later."))


def _garbage(steps: Iterable[Step], fault: Fault, error_format: ErrorFormat) -> Iterator[Step]:
    for index, step in enumerate(steps):
        if index == fault.count:
            yield error_format.malformed_event
        yield step


_ALTERATIONS: dict[str, Callable[[Iterable[Step], Fault, ErrorFormat], Iterator[Step]]] = {
    "delay": _delay,
    "pause": _pause,
    "cut": _cut,
    "half": _half,
    "end": _end,
    "error-event": _error_event,
    "garbage": _garbage,
}


def _gzip(answer: Response) -> Response:
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
    return dataclasses.replace(
        answer, steps=_gzip_steps(answer.steps), headers=headers | {"Content-Encoding": "gzip"}
    )


def _gzip_steps(steps: Iterable[Step]) -> Iterator[Step]:
    packer = zlib.compressobj(wbits=31)  # 31: gzip format
    for step in steps:
        yield packer.compress(step) + packer.flush(zlib.Z_SYNC_FLUSH) if isinstance(step, bytes) else step
    yield packer.flush()
