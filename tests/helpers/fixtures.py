"""The fixtures as values, and the short ways from them through the function's parts."""

import functools
import io
import json
import socket
import weakref
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import flask
import flask.testing
import pytest
from werkzeug.test import TestResponse, create_environ, run_wsgi_app

from vertex_compat import sse
from vertex_compat.app import App
from vertex_compat.config.settings import Settings
from vertex_compat.operations.chat import chat
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.server.client_connection import ClientDisconnected
from vertex_compat.types import parts_of

FIXTURES = Path(__file__).parents[1] / "fixtures"

MODELS = {
    "google": "gemini-3.8-flash",
    "anthropic": "claude-sonnet-5-5",
    "mistralai": "mistral-small-2503",
    "ai21": "jamba-1.5-large",
    "openapi": "xai/grok-4.7",
    "endpoints": "endpoints/1234567890",
}
"""One current model of each publisher; Jamba's were retired and may still run in older projects."""

RECORDED_MODELS = {
    **MODELS,
    "google": "gemini-2.5-flash",
    "anthropic": "claude-sonnet-4-5",
    "openapi": "meta/llama-3.3-70b-instruct-maas",
}
"""The models that the fixtures were recorded with, where these name none."""

STATUSES = {
    400: (400, "invalid_request_error", None),
    401: (502, "server_error", "upstream_authentication_error"),
    402: (502, "server_error", "upstream_billing_error"),
    403: (403, "invalid_request_error", "permission_denied"),
    404: (404, "invalid_request_error", "model_not_found"),
    408: (504, "server_error", "timeout"),
    413: (413, "invalid_request_error", None),
    422: (400, "invalid_request_error", None),
    429: (429, "rate_limit_error", "rate_limit_exceeded"),
    499: (502, "server_error", None),
    500: (502, "server_error", None),
    501: (502, "server_error", None),
    502: (502, "server_error", None),
    503: (503, "server_error", "service_unavailable"),
    504: (504, "server_error", "timeout"),
    529: (503, "server_error", "service_unavailable"),
}
"""HTTP status of the upstream → status, type and code for the client."""


@dataclass(frozen=True)
class Case:
    """All files of one name, of one publisher."""

    publisher: str
    name: str

    def path(self, kind):
        return FIXTURES / self.publisher / f"{self.name}.{kind}"

    def json(self, kind):
        return json.loads(self.path(kind).read_bytes())

    def has(self, kind):
        return self.path(kind).exists()

    @functools.cached_property
    def stream(self):
        return self.path("stream.sse").read_bytes()

    def question(self, **more):
        """The request that the case answers."""
        params = self._question or question(self.publisher, model=RECORDED_MODELS[self.publisher])
        return params | more

    @functools.cached_property
    def _question(self):
        return self.json("openai.json") if self.has("openai.json") else None


def question(publisher, **more):
    return {"model": MODELS[publisher], "messages": [{"role": "user", "content": "Hello"}]} | more


def all_cases(kind):
    """All cases that have a file of this kind."""
    paths = sorted(FIXTURES.glob(f"*/*.{kind}"))
    assert paths, f"no fixtures *.{kind}"
    return [Case(path.parent.name, path.name.removesuffix(f".{kind}")) for path in paths]


def cases(kind):
    """All cases that have a file of this kind, as parameters of a test."""
    return pytest.mark.parametrize("case", all_cases(kind), ids=lambda case: f"{case.publisher}-{case.name}")


def without(value, *names):
    return {name: field for name, field in value.items() if name not in names}


def counted(answer):
    """An answer without its cost and without zeros in the usage, which mean the same as none."""
    usage = {
        name: {kind: count for kind, count in value.items() if count} if isinstance(value, dict) else value
        for name, value in answer["usage"].items()
        if name != "cost_usd"
    }
    return answer | {"usage": {name: value for name, value in usage.items() if value != {}}}


# The function in this process


def closed_when_dropped(answer):
    """The answer, which ends what belongs to the request before the garbage collector runs."""
    if close := getattr(answer.response, "close", None):
        finalizer = weakref.finalize(answer, close)
        finalizer.atexit = False
        answer.call_on_close(finalizer.detach)
    return answer


class FunctionClient(flask.testing.FlaskClient):
    """Flask's test client, whose answers may be dropped unread."""

    def open(self, *args, **kwargs):
        return closed_when_dropped(super().open(*args, **kwargs))


class FunctionApp(flask.Flask):
    """A Flask app with nothing but the function, for every path and method, without routes."""

    test_client_class = FunctionClient

    def __init__(self, handler):
        super().__init__("vertex_compat", static_folder=None)
        self._handler = handler

    def create_url_adapter(self, request):
        """No request is matched with a route."""

    def dispatch_request(self):
        return self._handler.handle(flask.request)


def function(transport, **env):
    """Flask's test client on the function alone, with settings from `env` only.

    `transport` is a network, or a callable that makes one from the settings.
    """
    settings = Settings.from_env(env)
    return FunctionApp(App(settings, transport(settings) if callable(transport) else transport)).test_client()


POST = create_environ(method="POST", content_type="application/json")


def post(client, body, path="/v1/chat/completions"):
    """Return the answer to a request, as `client.post` does, without the cost of cookies."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    path_info, _, query = path.partition("?")
    environ = POST | {
        "PATH_INFO": unquote(path_info).encode().decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": path,
        "RAW_URI": path,
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.input": io.BytesIO(content),
    }
    request = flask.Request(environ)
    return closed_when_dropped(TestResponse(*run_wsgi_app(client.application, environ), request=request))


# Requests


class RecordingTransport:
    """A network that notes the calls and makes none: nobody waits for an answer."""

    def __init__(self):
        self.calls = []
        self.models = []

    def open(self, call, model, client, **_):  # noqa: ARG002
        self.calls.append(call)
        self.models.append(model)
        raise ClientDisconnected


def upstream_calls(body, **env):
    """The calls that a chat request leads to, described; an error's body where there is none."""
    notes = RecordingTransport()
    answer = post(function(notes, **env), body)
    assert notes.calls, answer.json
    return notes.calls


def upstream_call(body, **env):
    calls = upstream_calls(body, **env)
    assert all(call == calls[0] for call in calls)
    return calls[0]


# Answers


class CannedResponse:
    """An upstream answer made of blocks that have arrived, on a socket that has come to its end."""

    location = "us-central1"
    headers = {}  # noqa: RUF012

    def __init__(self, blocks, content_type):
        self.content_type = content_type
        self.closed = False
        self._blocks = [block for block in blocks if block]
        self._here, there = socket.socketpair()
        there.close()

    def fileno(self):
        return self._here.fileno()

    @property
    def complete(self):
        return not self._blocks

    def set_blocking(self, lingers):
        """It never has to."""

    def read_available(self):
        return self._blocks.pop(0)

    def close(self):
        self.closed = True
        self._here.close()


class CannedTransport:
    """A network on which every call gets the same answer."""

    def __init__(self, blocks, content_type):
        self.blocks = blocks
        self.content_type = content_type
        self.answers = []

    def open(self, call, model, client, **_):  # noqa: ARG002
        self.answers.append(CannedResponse(self.blocks, self.content_type))
        return self.answers[-1]


class ScriptedTransport:
    """A transport that answers each call with a JSON object, or a list of events as a stream."""

    def __init__(self, *bodies):
        self.bodies = list(bodies)
        self.calls = []
        self.answers = []

    def open(self, call, model, client, **_):  # noqa: ARG002
        self.calls.append(call)
        body = self.bodies.pop(0)
        if isinstance(body, dict):
            answer = CannedResponse([json.dumps(body).encode()], "application/json")
        else:
            answer = CannedResponse([sse.encode(event) for event in body], "text/event-stream")
        self.answers.append(answer)
        return answer


def reply_to(body, blocks, content_type="application/json"):
    """Return the client's answer to `blocks` of the upstream: an object, or a stream's bytes."""
    network = CannedTransport(blocks, content_type)
    answer = post(function(network), body)
    answer_body = answer.get_json() if answer.is_json else answer.get_data()
    assert network.answers, answer_body
    assert answer.status_code == 200, answer_body
    answer.close()
    assert all(response.closed for response in network.answers)
    return answer_body


@functools.cache
def call_of(case):
    """The call that the stream of a case answers."""
    return upstream_call(case.question(stream=True))


def chunks_of(case, blocks, *, include_usage=True):
    """The bytes of OpenAI's stream for the blocks of a publisher's."""
    feed = PUBLISHERS[case.publisher].chat.stream(call_of(case))
    decoder = sse.Decoder()
    chunks = chat.ChatChunkEncoder(case.question()["model"], include_usage=include_usage)
    lines = []

    def take(events):
        for event in events:
            if event != b"[DONE]":
                lines.extend(chunks.encode(0, part) for part in parts_of(feed(json.loads(event))))

    for block in blocks:
        take(decoder.feed(block))
    take(decoder.close())
    return b"".join([*lines, chunks.finish()])


def events_of(stream):
    """The data of OpenAI's events, as a strict reader sees them; `[DONE]` is a string."""
    assert stream.endswith(b"\n\n")
    read = []
    for event in stream.decode().removesuffix("\n\n").split("\n\n"):
        if event.startswith(":"):
            continue
        assert event.startswith("data: ")
        assert "\n" not in event
        data = event.removeprefix("data: ")
        read.append(data if data == "[DONE]" else json.loads(data))
    return read


def without_cost(usage):
    """The counts of a stream's usage: a whole answer has its cost in a header."""
    return without(usage, "cost_usd")


def folded(chunks):
    """The whole answer that a client makes of chunks, by OpenAI's rules and none of our code."""
    choices = {}
    for chunk in chunks:
        for piece in chunk["choices"]:
            choice = choices.setdefault(piece["index"], {"message": {"refusal": None}, "logprobs": None})
            for name, value in piece["delta"].items():
                if name == "tool_calls":
                    fold_calls(choice["message"].setdefault(name, {}), value)
                else:
                    previous = choice["message"].get(name)
                    choice["message"][name] = value if previous is None else previous + value
            if piece.get("logprobs"):
                previous = choice["logprobs"] or {"content": [], "refusal": None}
                content = previous["content"] + piece["logprobs"]["content"]
                choice["logprobs"] = {"content": content, "refusal": None}
            if piece["finish_reason"]:
                choice["finish_reason"] = piece["finish_reason"]
    for choice in choices.values():
        if calls := choice["message"].get("tool_calls"):
            choice["message"]["tool_calls"] = [calls[index] for index in sorted(calls)]
            # The first chunk may have come before it was known that there would be no text.
            choice["message"]["content"] = choice["message"]["content"] or None
    first = chunks[0]
    return {
        "object": "chat.completion",
        "model": first["model"],
        "choices": [{"index": index, **choices[index]} for index in sorted(choices)],
        "usage": next(
            (without_cost(chunk["usage"]) for chunk in reversed(chunks) if chunk.get("usage")), None
        ),
    }


def fold_calls(calls, pieces):
    """OpenAI's accumulators join all strings of a call, so what is said twice is doubled."""
    for piece in pieces:
        call = calls.setdefault(piece["index"], {})
        for name, value in piece.items():
            if name == "function":
                function = call.setdefault("function", {})
                for key, text in value.items():
                    function[key] = function.get(key, "") + text
            elif name != "index":
                call[name] = call[name] + value if isinstance(call.get(name), str) else value
