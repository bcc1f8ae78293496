"""The emulator as a WSGI app: one table of paths, and one straight line from a request to its answer.

    route → note in the journal → a scripted answer, or: token → project → fault → the publisher's room

It needs no server of its own; `werkzeug.test.Client` can talk to it.
"""

import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import ClientDisconnected, HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from vertex_compat.emulator import (
    claude,
    dedicated,
    endpoints,
    faults,
    gemini,
    google,
    google_models,
    jamba,
    mistral,
    openapi,
    speech,
)
from vertex_compat.emulator.answers import (
    JSON_TYPE,
    Answer,
    Cut,
    Dialect,
    Refused,
    Step,
    Wait,
    html_answer,
    json_answer,
)
from vertex_compat.emulator.asked import Asked
from vertex_compat.emulator.cloud import Cloud
from vertex_compat.emulator.connection import gone, reset
from vertex_compat.emulator.faults import Fault
from vertex_compat.emulator.journal import Call, Entry, Journal, as_json, parsed
from vertex_compat.emulator.metadata import PROJECT, PROJECT_NUMBER, Metadata
from vertex_compat.emulator.storage import NOTED, UPLOADS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@dataclass(frozen=True, slots=True)
class Room:
    """One publisher's door: how it answers, and how it says what is not an answer."""

    publisher: str
    answer: Callable[[Asked], Answer]
    dialect: Callable[[Asked], Dialect]


GOOGLE = Room("google", google_models.answer, gemini.dialect)
CLAUDE = Room("anthropic", claude.answer, claude.dialect)
MISTRAL = Room("mistralai", mistral.answer, mistral.dialect)
JAMBA = Room("ai21", jamba.answer, jamba.dialect)
OPENAPI = Room("openapi", openapi.answer, openapi.dialect)
ENDPOINT = Room("endpoints", endpoints.answer, endpoints.dialect)
SPEECH = Room("texttospeech", speech.synthesized, gemini.dialect)

PLACE = "/<any(v1, v1beta1):version>/projects/<project>/locations/<location>"
NOWHERE = {"project": PROJECT, "location": "global"}
ROOMS = Map(
    [
        Rule(f"{PLACE}/publishers/google/models/<model>:<verb>", endpoint=GOOGLE, methods=["POST"]),
        Rule(f"{PLACE}/publishers/anthropic/models/<model>:<verb>", endpoint=CLAUDE, methods=["POST"]),
        Rule(f"{PLACE}/publishers/mistralai/models/<model>:<verb>", endpoint=MISTRAL, methods=["POST"]),
        Rule(f"{PLACE}/publishers/ai21/models/<model>:<verb>", endpoint=JAMBA, methods=["POST"]),
        Rule(f"{PLACE}/endpoints/openapi/chat/completions", endpoint=OPENAPI, methods=["POST"]),
        Rule(f"{PLACE}/endpoints/<model>/chat/completions", endpoint=ENDPOINT, methods=["POST"]),
        Rule(f"{PLACE}/endpoints/<model>:<verb>", endpoint=ENDPOINT, methods=["POST"]),
        Rule(
            "/<any(v1, v1beta1):version>/text:synthesize", endpoint=SPEECH, methods=["POST"], defaults=NOWHERE
        ),
    ],
    merge_slashes=False,
)
VERBS = {
    "google": {"generateContent", "streamGenerateContent", "countTokens", "predict", "embedContent"},
    "endpoints": {
        "",
        "generateContent",
        "streamGenerateContent",
        "predict",
        "rawPredict",
        "streamRawPredict",
    },
    "openapi": {""},
    "texttospeech": {""},
}
PARTNER_VERBS = {"rawPredict", "streamRawPredict"}
LOCATION = re.compile(r"global|us|eu|[a-z]+-[a-z]+[0-9]{1,2}")
SLICE_SECONDS = 0.1  # how often a waiting answer looks whether the emulator is being closed


class App:
    """A Vertex, its metadata server, and a journal of what was asked of them."""

    def __init__(self, *, pace: float = 0.0, token_lifetime: float = 3599) -> None:
        self.pace = pace
        self.journal = Journal()
        self.metadata = Metadata(token_lifetime)
        self.cloud = Cloud(self.metadata)
        self.scripts: deque[Answer] = deque()
        self.closing = threading.Event()
        self._failed_once: set[tuple[str, Fault]] = set()
        self._lock = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterator[bytes]:
        """Answer one request: the WSGI interface."""
        request = Request(environ)
        try:
            request.get_data()  # all of it: then nothing but the client's leaving makes the socket readable
        except ClientDisconnected:
            raise ConnectionAbortedError("the client left") from None
        entry = None
        if request.path == "/" or request.path.startswith("/computeMetadata"):
            answer = self.metadata.answer(request.path, request.args, _headers(request))
        elif request.path == "/emulator/calls":
            answer = self._calls(request)
        else:
            answer, entry = self._vertex(request)
        return self._played(answer, entry, environ, start_response)

    def _calls(self, request: Request) -> Answer:
        if request.method == "DELETE":
            self.journal.clear()
            return Answer(204, (b"",))
        if request.method == "GET":
            return json_answer([as_json(call) for call in self.journal.calls()])
        return html_answer(405, "Method Not Allowed")

    def _vertex(self, request: Request) -> tuple[Answer, Entry]:
        body = request.get_data()
        if request.path.startswith(UPLOADS):
            body = body[:NOTED]
        call = Call(
            request.method, request.path, request.args.to_dict(), _headers(request), body, parsed(body)
        )
        entry = self.journal.begin(call)
        with self._lock:
            scripted = self.scripts.popleft() if self.scripts else None
        try:
            answer = scripted or self._answer(request, call, entry)
        except Refused as refused:
            answer = refused.answer
        entry.answered(answer.status)
        return answer, entry

    def _answer(self, request: Request, call: Call, entry: Entry) -> Answer:
        if answer := self.cloud.answer(request):
            return answer
        try:
            room, found = ROOMS.bind_to_environ(request.environ).match()
        except HTTPException:
            return html_answer(404, "Not Found")
        verb = found.get("verb", "")
        if verb not in VERBS.get(room.publisher, PARTNER_VERBS) or not LOCATION.fullmatch(found["location"]):
            return html_answer(404, "Not Found")
        self.metadata.check(call.headers.get("authorization", ""))
        resource = f"projects/{found['project']}/locations/{found['location']}"
        if found["project"] not in {PROJECT, PROJECT_NUMBER}:
            where = f"//aiplatform.googleapis.com/{resource}"
            denied = f"Permission 'aiplatform.endpoints.predict' denied on resource '{where}'"
            raise google.refused(
                403, f"{denied} (or it may not exist).", [google.error_info("IAM_PERMISSION_DENIED")]
            )
        deployed = found["model"] if room is ENDPOINT else ""
        dedicated.check(call.headers.get("host", ""), found["location"], deployed)
        asked = Asked(
            version=found["version"],
            project=found["project"],
            location=found["location"],
            model=found.get("model", ""),
            verb=verb,
            query=call.query,
            headers=call.headers,
            body=_object(call),
            number=entry.number,
            fault=_fault(call, found.get("model", "")),
        )
        return self._from(room, asked)

    def _from(self, room: Room, asked: Asked) -> Answer:
        fault, dialect = asked.fault, room.dialect(asked)
        if fault.name == "only" and fault.location != asked.location:
            publisher, _, name = (asked.model or str(asked.body.get("model"))).rpartition("/")
            message = google.not_found_text(asked.resource, publisher or room.publisher, name)
            envelope = google.envelope(404, message)
            return json_answer([envelope] if room is OPENAPI else envelope, 404)
        if not self._spent(fault, asked):
            answer = faults.instead(fault, dialect)
            if answer:
                return answer
        return faults.bend(fault, room.answer(asked), dialect)

    def _spent(self, fault: Fault, asked: Asked) -> bool:
        """Tell whether a fault of the kind that happens once has happened to this model."""
        if not fault.once:
            return False
        key = (asked.model or str(asked.body.get("model")), fault)
        with self._lock:
            seen = key in self._failed_once
            self._failed_once.add(key)
        return seen

    def _played(
        self, answer: Answer, entry: Entry | None, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterator[bytes]:
        """Send the answer step by step. What the last step did decides how it ended.

        Status line and headers leave with the first bytes: a wait before them is a silent connection.
        """
        line: socket.socket | None = environ.get("werkzeug.socket")
        response = Response(status=answer.status)
        headers = list(answer.headers.items()) or [("Content-Type", JSON_TYPE)]
        start_response(response.status, headers)
        how: Any = "client_left"  # unless we get to the end
        try:
            for step in self._paced(answer):
                if isinstance(step, Cut):
                    how = "cut"
                    reset(line)
                    raise ConnectionAbortedError("cut on demand")
                if isinstance(step, Wait):
                    if not self._wait(step.seconds, line):
                        raise ConnectionAbortedError("the client left")
                elif not self._wait(0, line):
                    raise ConnectionAbortedError("the client left")
                else:
                    yield step
            how = "complete"
        finally:
            if entry:
                entry.ended(how)

    def _paced(self, answer: Answer) -> Iterator[Step]:
        pace = self.pace if answer.streamed and not answer.hurried else 0
        for place, step in enumerate(answer.steps):
            if pace and place:
                yield Wait(pace)
            yield step

    def _wait(self, seconds: float, line: socket.socket | None) -> bool:
        """Be silent so long; False as soon as the client has left or the emulator closes."""
        end = time.monotonic() + seconds
        while not (seconds and self.closing.is_set()):
            now = max(min(end - time.monotonic(), SLICE_SECONDS), 0)
            if line is None:
                self.closing.wait(now)
            elif gone(line, now):
                return False
            if time.monotonic() >= end:
                return True
        return False


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _object(call: Call) -> dict[str, Any]:
    if isinstance(call.json, dict):
        return call.json
    if not call.body:
        return {}
    raise google.invalid(
        "Invalid JSON payload received. "
        + (
            'Unknown name "": Root element must be a message.'
            if call.json is not None
            else "Unexpected token."
        )
    )


def _fault(call: Call, model: str) -> Fault:
    named = call.json.get("model") if isinstance(call.json, dict) else None
    try:
        return faults.asked_for(call.headers.get(faults.HEADER, ""), model, str(named or ""))
    except ValueError as unknown:
        raise google.invalid(str(unknown)) from None
