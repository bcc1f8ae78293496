"""The limits of a key, and the result of a request for a part of them."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

Limit: TypeAlias = Literal["parallel", "requests", "tokens", "budget"]

MINUTE_SECONDS: Final = 60.0

LEASE_SECONDS: Final = 3600.0
"""A request of a killed instance counts as running for this time: Cloud Run's longest request."""


class Quota(NamedTuple):
    """The limits of one key; None is no limit.

    `requests` and `tokens` are per minute. `parallel` is the number of requests that may run at the same
    time. `budget` is in nano-dollars, and `period` names the day or month that it is for.
    """

    key: str
    requests: int | None = None
    tokens: int | None = None
    parallel: int | None = None
    budget: int | None = None
    period: str = ""


class Amount(NamedTuple):
    """Tokens and nano-dollars."""

    tokens: int = 0
    cost: int = 0


class Decision(NamedTuple):
    """The answer of a store to a request, and the counts of the key after it.

    `refused` names the limit that is reached, None where the request is granted. `id` and `window` identify
    the reservation and the minute that it was counted in. `reset` is the rest of that minute in seconds.
    """

    refused: Limit | None
    id: str
    window: int
    requests: int
    tokens: int
    spent: int
    reset: float


class StoreUnavailable(Exception):
    """The store of the counts does not answer."""


class LimitStore(Protocol):
    """Keeps the counts of all keys."""

    def reserve(self, quota: Quota, amount: Amount) -> Decision:
        """Count a request and the amount reserved for it; raises `StoreUnavailable`."""

    def settle(self, quota: Quota, decision: Decision, reserved: Amount, used: Amount) -> None:
        """Replace what was reserved by what was used; raises `StoreUnavailable`."""
