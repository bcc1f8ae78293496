"""A Vertex to talk to: as a plain WSGI app for what is said, on a socket for how it is sent."""

import json

import pytest
from werkzeug.test import Client

from vertex_compat.emulator import App, Emulator

TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
FLAVOR = {"Metadata-Flavor": "Google"}
PLACE = "/v1/projects/emulated-project/locations/us-central1"

HELLO = [{"role": "user", "content": "Hello, wörld"}]
GEMINI_HELLO = [{"role": "user", "parts": [{"text": "Hello, wörld"}]}]


class Vertex:
    """The app without a socket, and short ways to its doors."""

    def __init__(self):
        self.app = App()
        self.client = Client(self.app)
        self.token = self.client.get(TOKEN_PATH, headers=FLAVOR).get_json()["access_token"]

    def post(self, path, body, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        allowed = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return self.client.post(PLACE + path, data=data, headers=allowed | named)

    def gemini(self, model="gemini-3.8-flash", verb="generateContent", contents=None, **body):
        params = {"contents": contents or GEMINI_HELLO} | body
        return self.post(f"/publishers/google/models/{model}:{verb}", params)

    def gemini_stream(self, model="gemini-3.8-flash", **body):
        answer = self.gemini(model, "streamGenerateContent?alt=sse", **body)
        assert answer.mimetype == "text/event-stream", answer.text
        return [json.loads(line[6:]) for line in answer.text.split("\r\n\r\n") if line]

    def claude(self, model="claude-sonnet-5-5", /, headers=None, **body):
        params = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 4000, "messages": HELLO} | body
        verb = "streamRawPredict" if body.get("stream") else "rawPredict"
        params = {name: value for name, value in params.items() if value is not ...}
        return self.post(f"/publishers/anthropic/models/{model}:{verb}", params, **(headers or {}))

    def claude_stream(self, model="claude-sonnet-5-5", **body):
        answer = self.claude(model, stream=True, **body)
        assert answer.mimetype == "text/event-stream", answer.text
        events = [event.split("\n") for event in answer.text.split("\n\n") if event]
        assert all(len(lines) == 2 for lines in events)
        read = [(name.removeprefix("event: "), json.loads(data[6:])) for name, data in events]
        assert all(name == data["type"] for name, data in read)
        return [data for _, data in read]

    def mistral(self, model="mistral-small-2503", /, **body):
        params = {"model": model.partition("@")[0], "messages": HELLO} | body
        params = {name: value for name, value in params.items() if value is not ...}
        verb = "streamRawPredict" if body.get("stream") else "rawPredict"
        return self.post(f"/publishers/mistralai/models/{model}:{verb}", params)

    def jamba(self, **body):
        params = {"model": "jamba-1.5-large", "messages": HELLO} | body
        return self.post("/publishers/ai21/models/jamba-1.5-large@001:rawPredict", params)

    def openapi(self, model="meta/llama-4-maverick-17b-128e-instruct-maas", **body):
        return self.post("/endpoints/openapi/chat/completions", {"model": model, "messages": HELLO} | body)

    def endpoint(self, **body):
        return self.post("/endpoints/1234567890/chat/completions", {"messages": HELLO} | body)


@pytest.fixture
def vertex():
    return Vertex()


@pytest.fixture(scope="session")
def long_lived_vertex():
    return Vertex()


@pytest.fixture
def emulator():
    with Emulator() as running:
        yield running


@pytest.fixture
def chunks():
    """Read the chunks of an OpenAI-shaped stream, and whether it said that it was done."""

    def read(answer):
        assert answer.mimetype == "text/event-stream", answer.text
        events = [event.removeprefix("data: ") for event in answer.text.split("\n\n") if event]
        done = events[-1] == "[DONE]"
        return [json.loads(event) for event in events[: len(events) - done]], done

    return read
