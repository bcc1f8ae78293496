"""The emulator as a WSGI app: routes requests to the emulated services.

    record in the journal → scripted response, or: route → token → project → fault → model server

It needs no server of its own: `werkzeug.test.Client` can call it.
"""

import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import ClientDisconnected, HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response as WSGIResponse

from vertex_compat.emulator import faults
from vertex_compat.emulator.faults import Fault
from vertex_compat.emulator.google_models import dispatch, gemini, speech
from vertex_compat.emulator.journal import Call, Entry, Journal, call_as_json, parse_json
from vertex_compat.emulator.partner_models import (
    claude,
    dedicated_hosts,
    deployed_endpoints,
    jamba,
    maas,
    mistral,
)
from vertex_compat.emulator.project import PROJECT, PROJECT_NUMBER
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.connection import client_has_left, reset
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.responses import (
    JSON_TYPE,
    Cut,
    ErrorFormat,
    RequestRefused,
    Response,
    Step,
    Wait,
    html_response,
    json_response,
)
from vertex_compat.emulator.resources.metadata_server import MetadataServer
from vertex_compat.emulator.resources.routes import ProjectResources
from vertex_compat.emulator.resources.storage import MAX_LOGGED_BYTES, UPLOADS
from vertex_compat.emulator.services import iam_credentials, model_armor, moderation, ranking

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@dataclass(frozen=True, slots=True)
class ModelServer:
    """The functions that serve one publisher's models: its answers and its error format."""

    publisher: str
    answer: Callable[[ModelRequest], Response]
    error_format: Callable[[ModelRequest], ErrorFormat]


GOOGLE = ModelServer("google", dispatch.answer, gemini.error_format)
CLAUDE = ModelServer("anthropic", claude.answer, claude.error_format)
MISTRAL = ModelServer("mistralai", mistral.answer, mistral.error_format)
JAMBA = ModelServer("ai21", jamba.answer, jamba.error_format)
OPENAPI = ModelServer("openapi", maas.answer, maas.error_format)
OPENAPI_EMBEDDINGS = ModelServer("openapi", maas.embed, maas.error_format)
ENDPOINT = ModelServer("endpoints", deployed_endpoints.answer, deployed_endpoints.error_format)
SPEECH = ModelServer("texttospeech", speech.synthesize, gemini.error_format)
SPEECH_TO_TEXT = ModelServer("speech", lambda _: html_response(404, "Not Found"), gemini.error_format)
"""Its answers come from `ProjectResources`, which has the recordings."""
RANKING = ModelServer("discoveryengine", ranking.rank, gemini.error_format)
SIGNING = ModelServer("iamcredentials", iam_credentials.sign, gemini.error_format)
MODERATION = ModelServer("language", moderation.moderate, gemini.error_format)
MODEL_ARMOR = ModelServer("modelarmor", model_armor.sanitize, gemini.error_format)

LOCATION_PATH = "/<any(v1, v1beta1):version>/projects/<project>/locations/<location>"
NO_LOCATION = {"project": PROJECT, "location": "global"}
MODEL_ROUTES = Map(
    [
        Rule(f"{LOCATION_PATH}/publishers/google/models/<model>:<verb>", endpoint=GOOGLE, methods=["POST"]),
        Rule(
            f"{LOCATION_PATH}/publishers/anthropic/models/<model>:<verb>", endpoint=CLAUDE, methods=["POST"]
        ),
        Rule(
            f"{LOCATION_PATH}/publishers/mistralai/models/<model>:<verb>", endpoint=MISTRAL, methods=["POST"]
        ),
        Rule(f"{LOCATION_PATH}/publishers/ai21/models/<model>:<verb>", endpoint=JAMBA, methods=["POST"]),
        Rule(f"{LOCATION_PATH}/endpoints/openapi/chat/completions", endpoint=OPENAPI, methods=["POST"]),
        Rule(f"{LOCATION_PATH}/endpoints/openapi/embeddings", endpoint=OPENAPI_EMBEDDINGS, methods=["POST"]),
        Rule(f"{LOCATION_PATH}/endpoints/<model>/chat/completions", endpoint=ENDPOINT, methods=["POST"]),
        Rule(f"{LOCATION_PATH}/endpoints/<model>:<verb>", endpoint=ENDPOINT, methods=["POST"]),
        Rule(f"{LOCATION_PATH}/endpoints/<model>/invoke/<path:route>", endpoint=ENDPOINT, methods=["POST"]),
        Rule(
            "/<any(v1, v1beta1):version>/text:synthesize",
            endpoint=SPEECH,
            methods=["POST"],
            defaults=NO_LOCATION,
        ),
        Rule(
            "/<any(v1):version>/projects/-/serviceAccounts/<model>:<verb>",
            endpoint=SIGNING,
            methods=["POST"],
            defaults=NO_LOCATION,
        ),
        Rule(
            "/<any(v2):version>/projects/<project>/locations/<location>/recognizers/<model>:<verb>",
            endpoint=SPEECH_TO_TEXT,
            methods=["POST"],
        ),
        Rule(f"{LOCATION_PATH}/rankingConfigs/<model>:<verb>", endpoint=RANKING, methods=["POST"]),
        Rule(f"{LOCATION_PATH}/templates/<model>:<verb>", endpoint=MODEL_ARMOR, methods=["POST"]),
        Rule(
            "/<any(v2):version>/documents:moderateText",
            endpoint=MODERATION,
            methods=["POST"],
            defaults=NO_LOCATION,
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
        "invoke/tokenize",
        "invoke/v1/chat/completions",
        "invoke/v1/embeddings",
    },
    "openapi": {""},
    "texttospeech": {""},
    "discoveryengine": {"rank"},
    "speech": {"recognize"},
    "iamcredentials": {"signBlob"},
    "language": {""},
    "modelarmor": {"sanitizeUserPrompt", "sanitizeModelResponse"},
}
PARTNER_VERBS = {"rawPredict", "streamRawPredict"}
LOCATION = re.compile(r"global|us|eu|[a-z]+-[a-z]+[0-9]{1,2}")
SLICE_SECONDS = 0.1  # between two checks of a waiting response for the emulator's end


class App:
    """The emulated services, with a journal of the calls they received."""

    def __init__(self, *, pace: float = 0.0, token_lifetime: float = 3599) -> None:
        self.pace = pace
        self.journal = Journal()
        self.metadata = MetadataServer(token_lifetime)
        self.cloud = ProjectResources(self.metadata)
        self.scripts: deque[Response] = deque()
        self.closing = threading.Event()
        self._failed_once: set[tuple[str, Fault]] = set()
        self._lock = threading.Lock()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Generator[bytes, None, None]:
        """Answer one request: the WSGI interface."""
        request = Request(environ)
        try:
            request.get_data()  # the whole body, so that the socket is readable only when the client leaves
        except ClientDisconnected:
            raise ConnectionAbortedError("the client left") from None
        entry = None
        if request.path == "/" or request.path.startswith("/computeMetadata"):
            answer = self.metadata.answer(request.path, request.args, _headers(request))
        elif request.path == "/emulator/calls":
            answer = self._calls(request)
        else:
            answer, entry = self._vertex(request)
        return self._send(answer, entry, environ, start_response)

    def _calls(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.journal.clear()
            return Response(204, (b"",))
        if request.method == "GET":
            return json_response([call_as_json(call) for call in self.journal.calls()])
        return html_response(405, "Method Not Allowed")

    def _vertex(self, request: Request) -> tuple[Response, Entry]:
        body = request.get_data()
        if request.path.startswith(UPLOADS):
            body = body[:MAX_LOGGED_BYTES]
        call = Call(
            request.method, request.path, request.args.to_dict(), _headers(request), body, parse_json(body)
        )
        entry = self.journal.begin(call)
        with self._lock:
            scripted = self.scripts.popleft() if self.scripts else None
        try:
            answer = scripted or self._answer(request, call, entry)
        except RequestRefused as refused:
            answer = refused.answer
        entry.set_status(answer.status)
        return answer, entry

    def _answer(self, request: Request, call: Call, entry: Entry) -> Response:
        if answer := self.cloud.answer(request):
            return answer
        try:
            server, path_args = MODEL_ROUTES.bind_to_environ(request.environ).match()
        except HTTPException:
            return html_response(404, "Not Found")
        verb = f"invoke/{path_args['route']}" if "route" in path_args else path_args.get("verb", "")
        if verb not in VERBS.get(server.publisher, PARTNER_VERBS) or not LOCATION.fullmatch(
            path_args["location"]
        ):
            return html_response(404, "Not Found")
        self.metadata.check(call.headers.get("authorization", ""))
        resource = f"projects/{path_args['project']}/locations/{path_args['location']}"
        if path_args["project"] not in {PROJECT, PROJECT_NUMBER}:
            name = f"//aiplatform.googleapis.com/{resource}"
            denied = f"Permission 'aiplatform.endpoints.predict' denied on resource '{name}'"
            raise google_errors.refused(
                403, f"{denied} (or it may not exist).", [google_errors.error_info("IAM_PERMISSION_DENIED")]
            )
        deployed = path_args["model"] if server is ENDPOINT else ""
        dedicated_hosts.check(call.headers.get("host", ""), path_args["location"], deployed)
        model_request = ModelRequest(
            version=path_args["version"],
            project=path_args["project"],
            location=path_args["location"],
            model=path_args.get("model", ""),
            verb=verb,
            query=call.query,
            headers=call.headers,
            body=_object(call),
            number=entry.number,
            fault=_fault(call, path_args.get("model", "")),
        )
        return self._respond(server, model_request)

    def _respond(self, server: ModelServer, request: ModelRequest) -> Response:
        fault, error_format = request.fault, server.error_format(request)
        if fault.name == "only" and fault.location != request.location:
            publisher, _, name = (request.model or str(request.body.get("model"))).rpartition("/")
            message = google_errors.model_not_found_message(
                request.resource, publisher or server.publisher, name
            )
            envelope = google_errors.envelope(404, message)
            return json_response([envelope] if server is OPENAPI else envelope, 404)
        if not self._already_failed(fault, request):
            answer = faults.replacement(fault, error_format)
            if answer:
                return answer
        answer_model = self.cloud.speech.recognize if server is SPEECH_TO_TEXT else server.answer
        return faults.alter(fault, answer_model(request), error_format)

    def _already_failed(self, fault: Fault, request: ModelRequest) -> bool:
        """Return whether a fault that occurs once per model has occurred for this model."""
        if not fault.once:
            return False
        key = (request.model or str(request.body.get("model")), fault)
        with self._lock:
            has_failed = key in self._failed_once
            self._failed_once.add(key)
        return has_failed

    def _send(
        self,
        answer: Response,
        entry: Entry | None,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Generator[bytes, None, None]:
        """Send the response step by step, and record in the journal how it ended.

        The status line and headers are sent with the first bytes, so a wait before them is silent.
        """
        connection: socket.socket | None = environ.get("werkzeug.socket")
        response = WSGIResponse(status=answer.status)
        headers = list(answer.headers.items()) or [("Content-Type", JSON_TYPE)]
        start_response(response.status, headers)
        ending: Any = "client_left"  # replaced when the last step has been sent
        try:
            for step in self._with_pace(answer):
                if isinstance(step, Cut):
                    ending = "cut"
                    reset(connection)
                    raise ConnectionAbortedError("cut on demand")
                if isinstance(step, Wait):
                    if not self._wait(step.seconds, connection):
                        raise ConnectionAbortedError("the client left")
                elif not self._wait(0, connection):
                    raise ConnectionAbortedError("the client left")
                else:
                    yield step
            ending = "complete"
        finally:
            if entry:
                entry.set_ending(ending)

    def _with_pace(self, answer: Response) -> Iterator[Step]:
        pace = self.pace if answer.streamed and not answer.unpaced else 0
        for index, step in enumerate(answer.steps):
            if pace and index:
                yield Wait(pace)
            yield step

    def _wait(self, seconds: float, connection: socket.socket | None) -> bool:
        """Wait; return False as soon as the client has left or the emulator closes."""
        end = time.monotonic() + seconds
        while not (seconds and self.closing.is_set()):
            now = max(min(end - time.monotonic(), SLICE_SECONDS), 0)
            if connection is None:
                self.closing.wait(now)
            elif client_has_left(connection, now):
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
    raise google_errors.invalid_argument(
        "Invalid JSON payload received. "
        + (
            'Unknown name "": Root element must be a message.'
            if call.json is not None
            else "Unexpected token."
        )
    )


def _fault(call: Call, model: str) -> Fault:
    body = call.json if isinstance(call.json, dict) else {}
    config = body.get("config")
    body_model = body.get("model") or (config.get("model") if isinstance(config, dict) else None)
    try:
        return faults.find(call.headers.get(faults.HEADER, ""), model, str(body_model or ""))
    except ValueError as unknown:
        raise google_errors.invalid_argument(str(unknown)) from None
