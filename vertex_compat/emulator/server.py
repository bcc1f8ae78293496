"""The app on a socket: a thread a connection, every block of an answer flushed by itself."""

import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from vertex_compat.emulator.answers import JSON_TYPE, SSE_TYPE, Answer, Cut, Step, Wait
from vertex_compat.emulator.app import App
from vertex_compat.emulator.connection import to_be_reset
from vertex_compat.emulator.journal import Call
from vertex_compat.emulator.metadata import PROJECT

CLOSE_POLL_SECONDS = 0.05


class Handler(WSGIRequestHandler):
    """Says nothing, and sends each block in one packet at once."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # werkzeug flushes after each block; unbuffered, a chunk would be three packets
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug names it so
        """Keep quiet, but for what the emulator itself did wrong."""
        if type == "error":
            sys.stderr.write(f"{message % args}\n" if args else f"{message}\n")

    def finish(self) -> None:
        """Close both ends, also when the client has left and the last bytes go nowhere."""
        try:
            super().finish()
        except OSError:
            self.rfile.close()

    def connection_dropped(self, error: BaseException, environ: object = None) -> None:  # noqa: ARG002
        """Do not wait for another request where the answer broke off."""
        self.close_connection = True


class Server(ThreadedWSGIServer):
    """Takes hundreds of connections at once, and can reset one."""

    request_queue_size = 1024

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection; one that is to be reset gets no orderly end before."""
        if isinstance(request, socket.socket) and to_be_reset(request):
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves in the middle of its request is no news."""


class Emulator:
    """A Vertex on loopback for the time of a `with` block.

    with Emulator() as emulator:
        os.environ.update(emulator.env)
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, pace: float = 0.0, token_lifetime: float = 3599
    ) -> None:
        self.app = App(pace=pace, token_lifetime=token_lifetime)
        self.project = PROJECT
        self._server = Server(host, port, self.app, Handler)
        self._thread = threading.Thread(target=self.serve, name="vertex-emulator", daemon=True)

    def serve(self) -> None:
        """Serve until closed."""
        self._server.serve_forever(CLOSE_POLL_SECONDS)

    def close(self) -> None:
        """Stop serving; answers that are waiting end."""
        self.app.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._thread.join()

    @property
    def host(self) -> str:
        """Name and port, as GCE_METADATA_HOST wants them."""
        return f"{self._server.host}:{self._server.port}"

    @property
    def url(self) -> str:
        """Where Vertex is."""
        return f"http://{self.host}"

    @property
    def env(self) -> dict[str, str]:
        """Give the environment that points a function here. The project is for the metadata server to say."""
        return {
            "GOOGLE_VERTEX_BASE_URL": self.url,
            "GOOGLE_VERTEX_DEDICATED_BASE_URL": self.url,
            "GOOGLE_TEXTTOSPEECH_BASE_URL": self.url,
            "STORAGE_EMULATOR_HOST": self.host,
            "GCE_METADATA_HOST": self.host,
            "GCE_METADATA_IP": self.host,
        }

    @property
    def pace(self) -> float:
        """Seconds between the events of a stream."""
        return self.app.pace

    @pace.setter
    def pace(self, seconds: float) -> None:
        self.app.pace = seconds

    @property
    def calls(self) -> list[Call]:
        """The calls to Vertex so far; a new list each time."""
        return self.app.journal.calls()

    def forget_calls(self) -> None:
        """Empty the journal."""
        self.app.journal.clear()

    def wait_for(self, predicate: Callable[[list[Call]], object], timeout: float = 5.0) -> list[Call]:
        """Wait until the calls satisfy the predicate, and give them; TimeoutError when they do not."""
        return self.app.journal.wait_for(predicate, timeout)

    @property
    def token_fetches(self) -> int:
        """How often a token was asked for."""
        return self.app.metadata.token_fetches

    def revoke_tokens(self) -> None:
        """Make every token given so far worthless."""
        self.app.metadata.revoke_tokens()

    @property
    def metadata_fault(self) -> str | None:
        """What is wrong with the metadata server: `down`, `503`, `garbage`, `slow:SECONDS`, or None."""
        return self.app.metadata.fault

    @metadata_fault.setter
    def metadata_fault(self, fault: str | None) -> None:
        self.app.metadata.fault = fault

    def script(
        self,
        body: bytes | Iterable[bytes] = b"",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        cut: bool = False,
        delay: float = 0,
        pause: float = 0,
    ) -> None:
        """Queue exactly this answer for the next call to Vertex, whatever it asks.

        Bytes are sent with their length; a list of blocks is sent chunked, each block flushed by itself,
        `pause` seconds apart. `delay` is the silence before the status line; `cut` resets the connection at
        the end.
        """
        blocks = [body] if isinstance(body, bytes) else list(body)
        said = {"Content-Type": JSON_TYPE if isinstance(body, bytes) else SSE_TYPE}
        if isinstance(body, bytes) and not cut:
            said["Content-Length"] = str(len(body))
        steps: list[Step] = [Wait(delay)] if delay else []
        for place, block in enumerate(blocks):
            steps += [Wait(pause)] if pause and place else []
            steps.append(block)
        steps += [Cut()] if cut else []
        self.app.scripts.append(
            Answer(status, steps, said | dict(headers or {}), streamed=True, hurried=True)
        )
