"""One line in the log for each request: its key, model, duration, tokens and error.

On Cloud Run the line is JSON with the names of Cloud Logging
(https://cloud.google.com/logging/docs/structured-logging), elsewhere it is text. It never holds a prompt, a
response, a key or a token.
"""

from __future__ import annotations

import re
import secrets
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from vertex_compat.limits.limiter import Allowance
from vertex_compat.model_profile import Price
from vertex_compat.routing import catalog, pricing
from vertex_compat.types import JSON, Units, Usage

CLIENT_DISCONNECTED: Final = "client_left"
"""The `error` of a request whose client disconnected. It is logged without a severity above INFO."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")
_CLOUD_TRACE: Final = re.compile(r"([0-9a-f]{32})(?:/.*)?")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_EXECUTION: Final = re.compile(r"[A-Za-z0-9]{1,64}")


class ChunkTimes(msgspec.Struct):
    """The number of streamed chunks of a request, and the times of the first and the last."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0

    def note(self) -> None:
        """Note a chunk that has come now."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.count += 1

    def mean(self) -> float | None:
        """Return the mean seconds between two chunks; None if there were fewer."""
        return (self.last - self.first) / (self.count - 1) if self.count > 1 else None


class RequestLog(msgspec.Struct):
    """Facts about one request, collected while it runs."""

    operation: str
    id: str
    trace: str | None
    traceparent: str | None = None
    """The W3C's header, if it is valid."""
    execution: str | None = None
    """functions-framework's id of the request."""
    started_at: float = msgspec.field(default_factory=time.monotonic)
    first_byte_at: float | None = None
    key: str | None = None
    model: str | None = None
    target: str | None = None
    ignored: str | None = None
    guardrail: str | None = None
    error: str | None = None
    allowance: Allowance | None = None
    price: Price | None = None
    """Of the model that answers."""
    service_tier: str | None = None
    units: Units | None = None
    """Quantities that are paid for besides tokens."""
    chunks: ChunkTimes | None = None
    """Counted only for metrics."""
    calls: list[str] = msgspec.field(default_factory=list)
    """The upstream's id of each upstream call, or ""."""
    usages: dict[object, Usage] = msgspec.field(default_factory=dict)
    _cached_cost: tuple[tuple[object, ...], int | None] | None = None

    @staticmethod
    def start(method: str, path: str, environ: Mapping[str, Any]) -> RequestLog:
        """Return the log of a request that has arrived, with the headers of WSGI's environment.

        A valid request id of the client's is used.
        """
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        parent = _TRACEPARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))
        trace = _CLOUD_TRACE.fullmatch(environ.get("HTTP_X_CLOUD_TRACE_CONTEXT", "")) or parent
        execution = environ.get("HTTP_FUNCTION_EXECUTION_ID", "")
        return RequestLog(
            operation=f"{method} {path[:100]}",
            id=request_id if _REQUEST_ID.fullmatch(request_id) else f"req_{secrets.token_hex(16)}",
            trace=trace[1] if trace else None,
            traceparent=parent[0] if parent else None,
            execution=execution if _EXECUTION.fullmatch(execution) else None,
        )

    def headers(self) -> dict[str, str]:
        """Return the headers about the request."""
        return {"x-request-id": self.id, "openai-processing-ms": str(_ms(self.started_at, time.monotonic()))}

    def write(self, status: int, *, project: str | None, deployed: bool) -> None:
        """Write the line in one piece, since other threads write too."""
        line = self._structured_entry(status, project) if deployed else self._readable(status).encode()
        # Not `sys.stdout`: functions-framework puts a writer of its own there, which reads our JSON again.
        if out := sys.__stdout__:
            out.buffer.write(line + b"\n")
            out.buffer.flush()

    def _structured_entry(self, status: int, project: str | None) -> bytes:
        entry = self.as_dict(status)
        entry["severity"] = self._severity(status)
        entry["message"] = f"{self.operation} {status}"
        if self.trace and project:
            entry["logging.googleapis.com/trace"] = f"projects/{project}/traces/{self.trace}"
        if self.execution:
            entry["logging.googleapis.com/labels"] = {"execution_id": self.execution}
        return msgspec.json.encode(entry)

    def _severity(self, status: int) -> str:
        # A stream may fail after its status was sent.
        failed_later = status < 400 and self.error not in {None, CLIENT_DISCONNECTED}
        return "ERROR" if failed_later or status >= 500 else "WARNING" if status >= 400 else "INFO"

    def _readable(self, status: int) -> str:
        entry = self.as_dict(status)
        fields = " ".join([f"{name}={value}" for name, value in entry.items() if name not in _NOT_REPEATED])
        line = f"{status} {self.operation} {fields}"
        if line.isprintable():
            return line
        return "".join([char if char.isprintable() else "?" for char in line])  # no line breaks of a client's

    def as_dict(self, status: int) -> JSON:
        """Return the fields of the line that are known."""
        now = time.monotonic()
        model, _, location = (self.target or "").rpartition("; location=")
        publisher, _, served = model.partition("/")
        entry = {
            "operation": self.operation,
            "status": status,
            "ms": _ms(self.started_at, now),
            "ms_to_first": _ms(self.started_at, self.first_byte_at) if self.first_byte_at else None,
            "model": self.model[:200] if self.model else None,
            "publisher": publisher or None,
            "served": served or None,
            "location": location or None,
            "attempts": len(self.calls) or None,
            **self._counts(),
            "units": self.units and self.units.counts(),
            "cost_usd": self.cost_usd(),
            "service_tier": self._tier(),
            "key": self.key,
            "ignored": self.ignored,
            "guardrail": self.guardrail,
            "error": self.error,
            "request_id": self.id,
            "upstream_id": (self.calls and self.calls[-1]) or None,
        }
        return {name: value for name, value in entry.items() if value is not None}

    def cost(self) -> int | None:
        """Return the nano-dollars of the answers counted so far; None if the price is not known."""
        if self.price is None or not (self.usages or self.units):
            return None
        key = (self.target, self.units, *map(id, self.usages.values()))
        if self._cached_cost is None or self._cached_cost[0] != key:
            location = (self.target or "").rpartition("; location=")[2] or "global"
            usages, tier, day = self.usages.values(), self._tier(), catalog.today()
            cost = pricing.cost(self.price, usages, self.units, location=location, tier=tier, day=day)
            self._cached_cost = key, cost
        return self._cached_cost[1]

    def _tier(self) -> str | None:
        """Return the tier that was set, else the one that an answer names."""
        return self.service_tier or next(
            filter(None, (usage.service_tier for usage in self.usages.values())), None
        )

    def cost_usd(self) -> float | None:
        """Return the cost in US dollars; None if the price is not known."""
        cost = self.cost()
        return None if cost is None else cost / pricing.NANO

    def tokens(self) -> int:
        """Return the tokens of prompts and answers counted so far."""
        return sum(usage.prompt + usage.completion for usage in self.usages.values())

    def _counts(self) -> dict[str, int | None]:
        """Return the tokens of all responses; None instead of 0."""
        prompt = completion = cached = reasoning = 0
        for usage in self.usages.values():
            prompt += usage.prompt
            completion += usage.completion
            cached += usage.prompt_details.get("cached_tokens", 0)
            reasoning += usage.completion_details.get("reasoning_tokens", 0)
        return {
            "prompt_tokens": prompt or None,
            "completion_tokens": completion or None,
            "cached_tokens": cached or None,
            "reasoning_tokens": reasoning or None,
        }


_NOT_REPEATED: Final = frozenset({"operation", "status"})


def _ms(start: float, end: float) -> int:
    return round((end - start) * 1000)
