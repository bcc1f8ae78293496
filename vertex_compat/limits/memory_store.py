"""Counts in the memory of one process."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import msgspec

from vertex_compat.limits.quota import MINUTE_SECONDS, Amount, Decision, Limit, Quota


class _Counts(msgspec.Struct):
    """The counts of one key.

    Its minute begins with the first request after the last one has ended.
    """

    started_at: float
    window: int = 0
    requests: int = 0
    tokens: int = 0
    period: str = ""
    spent: int = 0
    running: set[str] = msgspec.field(default_factory=set)


class MemoryLimitStore:
    """Exact for one process; every instance counts for itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ids = itertools.count()
        self._counts: dict[str, _Counts] = {}

    def reserve(self, quota: Quota, amount: Amount) -> Decision:
        """Count a request and the amount reserved for it, unless that exceeds a limit."""
        with self._lock:
            now = self._clock()
            counts = self._current(quota, now)
            id_ = str(next(self._ids))
            refused = _reached_limit(quota, counts, amount)
            if refused is None:
                counts.requests += 1
                counts.tokens += amount.tokens
                counts.spent += amount.cost
                counts.running.add(id_)
            reset = MINUTE_SECONDS - (now - counts.started_at)
            return Decision(refused, id_, counts.window, counts.requests, counts.tokens, counts.spent, reset)

    def settle(self, quota: Quota, decision: Decision, reserved: Amount, used: Amount) -> None:
        """Replace what was reserved by what was used."""
        with self._lock:
            counts = self._counts[quota.key]
            counts.running.discard(decision.id)
            if counts.window == decision.window:
                counts.tokens += used.tokens - reserved.tokens
            if counts.period == quota.period:
                counts.spent += used.cost - reserved.cost

    def _current(self, quota: Quota, now: float) -> _Counts:
        counts = self._counts.setdefault(quota.key, _Counts(now))
        if now - counts.started_at >= MINUTE_SECONDS:
            counts.started_at, counts.requests, counts.tokens = now, 0, 0
            counts.window += 1
        if counts.period != quota.period:
            counts.period, counts.spent = quota.period, 0
        return counts


def _reached_limit(quota: Quota, counts: _Counts, amount: Amount) -> Limit | None:
    if quota.parallel is not None and len(counts.running) >= quota.parallel:
        return "parallel"
    if quota.requests is not None and counts.requests >= quota.requests:
        return "requests"
    if quota.tokens is not None and counts.tokens + amount.tokens > quota.tokens:
        return "tokens"
    if quota.budget is not None and counts.spent + amount.cost > quota.budget:
        return "budget"
    return None
