"""One line in the log for each request: who asked what of which model, and how it went.

Deployed, the line is JSON, in the names that Cloud Logging knows
(https://cloud.google.com/logging/docs/structured-logging); else it is for reading. No prompt, no answer, no
key and no token of ours is ever in it.
"""

from __future__ import annotations

import re
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from vertex_compat.wire import JSON, Usage

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")
_CLOUD_TRACE: Final = re.compile(r"([0-9a-f]{32})(?:/.*)?")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class Record:
    """What is known of a request so far."""

    operation: str
    id: str
    trace: str | None
    started: float = field(default_factory=time.monotonic)
    first: float | None = None
    key: str | None = None
    model: str | None = None
    target: str | None = None
    ignored: str | None = None
    error: str | None = None
    usages: dict[object, Usage] = field(default_factory=dict)

    @staticmethod
    def begin(method: str, path: str, header: Callable[[str, str], str]) -> Record:
        """The record of a request that has come in. A client's own request id is kept."""
        given = header("X-Request-Id", "")
        cloud = _CLOUD_TRACE.fullmatch(header("X-Cloud-Trace-Context", ""))
        trace = cloud or _TRACEPARENT.fullmatch(header("Traceparent", ""))
        return Record(
            operation=f"{method} {path[:100]}",
            id=given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(16)}",
            trace=trace[1] if trace else None,
        )

    def headers(self) -> dict[str, str]:
        """What a client is told of its request."""
        return {"x-request-id": self.id, "openai-processing-ms": str(_ms(self.started, time.monotonic()))}

    def write(self, status: int, *, project: str | None, deployed: bool) -> None:
        """Write the line."""
        entry = self._entry(status)
        if deployed:
            entry["severity"] = "ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO"
            entry["message"] = f"{self.operation} {status}"
            if self.trace and project:
                entry["logging.googleapis.com/trace"] = f"projects/{project}/traces/{self.trace}"
            line = msgspec.json.encode(entry).decode()
        else:
            said = " ".join(f"{name}={value}" for name, value in entry.items() if name not in _SHOWN)
            line = f"{status} {self.operation} {said}"
            line = "".join(
                one if one.isprintable() else "?" for one in line
            )  # no client writes lines of its own
        print(line, file=sys.stdout, flush=True)  # noqa: T201  (standard output is where Cloud Run takes logs)

    def _entry(self, status: int) -> JSON:
        now = time.monotonic()
        usages = self.usages.values()
        entry = {
            "operation": self.operation,
            "status": status,
            "ms": _ms(self.started, now),
            "ms_to_first": _ms(self.started, self.first) if self.first else None,
            "model": self.model[:200] if self.model else None,
            "target": self.target,
            "prompt_tokens": sum(usage.prompt for usage in usages) or None,
            "completion_tokens": sum(usage.completion for usage in usages) or None,
            "cached_tokens": sum(usage.prompt_details.get("cached_tokens", 0) for usage in usages) or None,
            "key": self.key,
            "ignored": self.ignored,
            "error": self.error,
            "request_id": self.id,
        }
        return {name: value for name, value in entry.items() if value is not None}


_SHOWN: Final = frozenset({"operation", "status"})


def _ms(begin: float, end: float) -> int:
    return round((end - begin) * 1000)
