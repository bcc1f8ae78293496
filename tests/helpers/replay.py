"""Responses of the emulator, recorded once and replayed with changes."""

from dataclasses import dataclass, replace

from helpers.fixtures import CannedResponse
from helpers.server import EmulatorCredentials
from vertex_compat import errors
from vertex_compat.upstream.credentials import Credentials
from vertex_compat.upstream.transport import HttpTransport

MAX_CALLS = 50
"""Of one request; one that makes more does not end."""


@dataclass(frozen=True)
class Recorded:
    """A response, or the error that was raised in its place."""

    content: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    error: errors.ApiError | None = None
    own: bool = False
    """True for an object of the bucket that this function wrote."""

    def played(self):
        if self.error:
            raise self.error
        response = CannedResponse([self.content], self.content_type)
        response.headers = dict(self.headers)
        return response

    def but(self, content):
        return replace(self, content=content)


class RecordingEmulator:
    """A transport to the emulator that records the responses."""

    def __init__(self, settings, emulator):
        credentials_and_project = EmulatorCredentials(emulator), emulator.project
        self._transport = HttpTransport(settings, Credentials(find=lambda: credentials_and_project))
        self.project = self._transport.project
        self.responses = []

    def open(self, call, model, client, **options):
        try:
            response = self._transport.open(call, model, client, **options)
        except errors.ApiError as error:
            self.responses.append(Recorded(error=error))
            raise
        content = b""
        while not response.complete:
            content += response.read_available()
        headers = tuple(response.headers.items())
        own = call.path.endswith("alt=media") and "predictions" not in call.path
        self.responses.append(Recorded(content, response.content_type, headers, own=own))
        response.close()
        return self.responses[-1].played()


class Replay:
    """A transport that answers with recorded responses in their order; the last one is repeated."""

    def __init__(self, responses, project):
        self._responses = list(responses)
        self._project = project
        self._calls = 0

    def project(self, _):
        return self._project

    def open(self, call, model, client, **_):  # noqa: ARG002
        self._calls += 1
        assert self._calls <= MAX_CALLS
        return self._responses[min(self._calls, len(self._responses)) - 1].played()
