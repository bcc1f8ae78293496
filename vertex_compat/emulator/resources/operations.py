"""Long-running operations: one runs until it has been read once, and is done from then on."""

import itertools
import threading
from collections.abc import Callable

from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response


class Operations:
    """The operations of one service."""

    def __init__(self) -> None:
        self._operations: dict[str, JSON] = {}
        self._results: dict[str, JSON] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def start(self, parent: str, result: Callable[[str], JSON], **fields: JSON) -> Response:
        """Answer with a new operation, which has `fields` while it runs.

        `result` makes the fields of the finished operation from the operation's number.
        """
        with self._lock:
            number = f"{next(self._numbers):08x}-0000-4000-8000-000000000000"
            name = f"{parent}/operations/{number}"
            operation = self._operations[name] = {"name": name, **fields}
            self._results[name] = result(number)
        return pretty_json_response(operation)

    def read(self, name: str, missing: str) -> Response:
        """Answer with an operation; `missing` is the message if there is none of this name."""
        with self._lock:
            operation = self._operations.get(name)
            if operation is None:
                raise google_errors.refused(404, missing)
            self._operations[name] = {"name": name, "done": True, **self._results[name]}
        return pretty_json_response(operation)

    def forget(self) -> None:
        """Forget all operations, as Vertex AI does after some time."""
        with self._lock:
            self._operations.clear()
