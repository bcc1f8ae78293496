"""The emulator's HTTP server: one thread per connection, each block of a response flushed."""

import contextlib
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from vertex_compat.emulator.app import App
from vertex_compat.emulator.journal import Call
from vertex_compat.emulator.project import PROJECT
from vertex_compat.emulator.protocol.connection import will_be_reset
from vertex_compat.emulator.protocol.responses import JSON_TYPE, SSE_TYPE, Cut, Response, Step, Wait

CLOSE_POLL_SECONDS = 0.05


class Handler(WSGIRequestHandler):
    """Keeps connections open, logs only errors, and sends each block in one packet."""

    server: "Server"
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # werkzeug flushes after each block; unbuffered, a chunk would be sent in three packets
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Note the connection, which the server closes at its own end."""
        super().setup()
        self.server.connections.add(self.connection)

    def run_wsgi(self) -> None:
        """Answer one request. Werkzeug's own method waits 10 ms, and closes each connection."""
        self.environ = environ = self.make_environ()
        message = Message(self)
        try:
            with contextlib.closing(self.server.vertex(environ, message.start)) as blocks:
                for block in blocks:
                    message.send(block)
            message.finish()
        except (ConnectionError, TimeoutError) as error:
            self.connection_dropped(error, environ)
        except Exception:  # noqa: BLE001 - an error of the emulator ends one response, not its thread
            self.log_error("%s", traceback.format_exc())
            self.close_connection = True

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's parameter name
        """Log only the emulator's own errors."""
        if type == "error":
            sys.stderr.write(f"{message % args}\n" if args else f"{message}\n")

    def finish(self) -> None:
        """Close both ends, even if the client has left."""
        self.server.connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            self.rfile.close()

    def connection_dropped(self, error: BaseException, environ: object = None) -> None:  # noqa: ARG002
        """Close the connection after an interrupted response."""
        self.close_connection = True


class Message:
    """One response: status and headers with the first block, then each block by itself."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._head: tuple[int, str, list[tuple[str, str]]] | None = None
        self._has_body = False
        self._missing: int | None = None  # bytes until Content-Length; None in a chunked body

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], None]:
        """Keep status and headers for the first block: WSGI's `start_response`."""
        del exc_info
        code, _, reason = status.partition(" ")
        self._head = int(code), reason, headers
        return self.send

    def send(self, block: bytes) -> None:
        """Send a block in one packet."""
        if self._head:
            self._send_head(*self._head)
            self._head = None
        if block and self._has_body:
            if self._missing is None:
                block = b"%x\r\n%s\r\n" % (len(block), block)
            else:
                self._missing -= len(block)
            self._handler.wfile.write(block)
        self._handler.wfile.flush()

    def _send_head(self, code: int, reason: str, headers: list[tuple[str, str]]) -> None:
        handler = self._handler
        handler.send_response(code, reason)
        for name, value in headers:
            handler.send_header(name, value)
            if name.lower() == "content-length":
                self._missing = int(value)
        self._has_body = handler.command != "HEAD" and code not in {204, 304}
        if self._has_body and self._missing is None:
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()

    def finish(self) -> None:
        """End the response; the connection is closed if it is shorter than its Content-Length."""
        self.send(b"")
        if self._has_body and self._missing is None:
            self._handler.wfile.write(b"0\r\n\r\n")
            self._handler.wfile.flush()
        elif self._has_body and self._missing:
            self._handler.close_connection = True


class Server(ThreadedWSGIServer):
    """Accepts hundreds of connections and can reset one."""

    request_queue_size = 1024

    def __init__(self, host: str, port: int, app: App) -> None:
        self.vertex = app
        self.connections: set[socket.socket] = set()
        super().__init__(host, port, app, Handler)

    def close_connections(self) -> None:
        """End the connections that are open."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection, without an orderly shutdown if it will be reset."""
        if isinstance(request, socket.socket) and will_be_reset(request):
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect during their request."""


class Emulator:
    """The emulator on loopback for the duration of a `with` block.

    with Emulator() as emulator:
        os.environ.update(emulator.env)
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, pace: float = 0.0, token_lifetime: float = 3599
    ) -> None:
        self.app = App(pace=pace, token_lifetime=token_lifetime)
        self.project = PROJECT
        self._server = Server(host, port, self.app)
        self._thread = threading.Thread(target=self.serve, name="vertex-emulator", daemon=True)

    def serve(self) -> None:
        """Serve until closed."""
        self._server.serve_forever(CLOSE_POLL_SECONDS)

    def close(self) -> None:
        """Stop serving and end waiting responses."""
        self.app.closing.set()
        with contextlib.suppress(OSError):  # closed before
            self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the server, which is waiting for a client
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()

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
        """Host and port, as in GCE_METADATA_HOST."""
        return f"{self._server.host}:{self._server.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{self.host}"

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that point the function here.

        The metadata server has the project.
        """
        return {
            "GOOGLE_VERTEX_BASE_URL": self.url,
            "GOOGLE_VERTEX_DEDICATED_BASE_URL": self.url,
            "GOOGLE_SPEECH_BASE_URL": self.url,
            "GOOGLE_TEXTTOSPEECH_BASE_URL": self.url,
            "GOOGLE_DISCOVERYENGINE_BASE_URL": self.url,
            "GOOGLE_LANGUAGE_BASE_URL": self.url,
            "GOOGLE_MODELARMOR_BASE_URL": self.url,
            "GOOGLE_IAMCREDENTIALS_BASE_URL": self.url,
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
        """The calls so far, as a new list."""
        return self.app.journal.calls()

    def forget_calls(self) -> None:
        """Clear the journal."""
        self.app.journal.clear()

    def wait_for(self, predicate: Callable[[list[Call]], object], timeout: float = 5.0) -> list[Call]:
        """Wait until the calls satisfy the predicate and return them; raise TimeoutError if not."""
        return self.app.journal.wait_for(predicate, timeout)

    @property
    def token_fetches(self) -> int:
        """The number of token requests so far."""
        return self.app.metadata.token_fetches

    def revoke_tokens(self) -> None:
        """Revoke all tokens issued so far."""
        self.app.metadata.revoke_tokens()

    @property
    def metadata_fault(self) -> str | None:
        """The metadata server's fault: `down`, `503`, `garbage`, `slow:SECONDS`, or None."""
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
        """Queue this response for the next call, whatever it requests.

        Bytes are sent with their length; a list of blocks is sent chunked, each block flushed by itself,
        `pause` seconds apart. `delay` is the silence before the status line; `cut` resets the connection at
        the end.
        """
        blocks = [body] if isinstance(body, bytes) else list(body)
        default_headers = {"Content-Type": JSON_TYPE if isinstance(body, bytes) else SSE_TYPE}
        if isinstance(body, bytes) and not cut:
            default_headers["Content-Length"] = str(len(body))
        steps: list[Step] = [Wait(delay)] if delay else []
        for index, block in enumerate(blocks):
            steps += [Wait(pause)] if pause and index else []
            steps.append(block)
        steps += [Cut()] if cut else []
        self.app.scripts.append(
            Response(status, steps, default_headers | dict(headers or {}), streamed=True, unpaced=True)
        )
