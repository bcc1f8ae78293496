"""Features of WSGI servers beyond PEP 3333, and the fallback without each of them.

gunicorn's threads (production), gunicorn's sync workers, waitress, Flask's own server and Flask's test client
all serve the function. What differs:

=====================  ==========================  ====================================================
Offered                By                          Without it
=====================  ==========================  ====================================================
client's socket        gunicorn                    a disconnect shows at the next write, not while the
                                                   model is silent; no deadline for a slow body
start and stop hooks   gunicorn (`GunicornHooks`)  streams that last longer than the server waits at its
                                                   end are cut
end of a chunked body  all but old servers         a request without Content-Length has no body
=====================  ==========================  ====================================================
"""

from __future__ import annotations

import io
import socket
from typing import IO, Any, NamedTuple


class Body(NamedTuple):
    """The body of a WSGI request: its stream, and its length in bytes, None if it is not known."""

    stream: IO[bytes]
    length: int | None


def client_socket(environ: dict[str, Any]) -> socket.socket | None:
    """Return the socket of the client's connection.

    None if the server does not give access to it.
    """
    sock: socket.socket | None = environ.get("gunicorn.socket")
    return sock


def take_body(environ: dict[str, Any]) -> Body:
    """Return the body, and leave an empty one, since functions-framework reads without limit.

    The `wsgi.input_terminated` that is left tells werkzeug that the empty body ends by itself, whatever
    Content-Length says.
    """
    stream, terminated = environ["wsgi.input"], environ.get("wsgi.input_terminated")
    environ["wsgi.input"], environ["wsgi.input_terminated"] = io.BytesIO(), True
    length = environ.get("CONTENT_LENGTH", "")
    if length.isdecimal() and "HTTP_TRANSFER_ENCODING" not in environ:
        return Body(stream, int(length))
    return Body(stream, None if terminated else 0)
