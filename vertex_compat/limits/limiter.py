"""Limits and budgets of keys: reserved before a call, settled after the request.

A request reserves the tokens of its prompt (an estimate) and the most that it lets the model answer, and what
they cost. So requests that run at the same time cannot all pass the last token or dollar. When it has ended,
the reservation is replaced by what Vertex counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import date
from typing import Final, Literal, TypeAlias

from vertex_compat import errors
from vertex_compat.limits.estimate import Estimate
from vertex_compat.limits.quota import Amount, Decision, LimitStore, Quota, StoreUnavailable
from vertex_compat.routing import pricing
from vertex_compat.routing.catalog import today
from vertex_compat.routing.rules import KeyRule
from vertex_compat.types import Model, Units

_log = logging.getLogger(__name__)

OnFailure: TypeAlias = Literal["allow", "refuse"]

MAX_FAILURES: Final = 3
"""Consecutive failures after which the store is not called for `RETRY_SECONDS`, so that no request waits."""

RETRY_SECONDS: Final = 1.0


class Limiter:
    """The limits of all keys. One for the process.

    `on_failure` None: refuse only where there is a budget.
    """

    def __init__(self, store: LimitStore, on_failure: OnFailure | None = None) -> None:
        self._store = store
        self._on_failure = on_failure
        self._down_until = 0.0
        self._failures = 0
        self._quotas: dict[str, tuple[KeyRule, date, Quota]] = {}

    def allowance(self, key: str | None, rule: KeyRule | None) -> Allowance | None:
        """Return what a request with this key may use, None if nothing limits it."""
        if key is None or rule is None or not rule.is_limited():
            return None
        day = today()
        cached = self._quotas.get(key)
        if cached is None or cached[0] is not rule or cached[1] != day:
            cached = self._quotas[key] = rule, day, _quota(key, rule, day)
        return Allowance(self, cached[2])

    def reserve(self, quota: Quota, amount: Amount) -> Decision | None:
        """Return the store's decision; None if the store is unavailable and the request is allowed."""
        if time.monotonic() >= self._down_until:
            try:
                decision = self._store.reserve(quota, amount)
            except StoreUnavailable as error:
                self._handle_failure(error)
            else:
                self._failures = 0
                return decision
        if (self._on_failure or ("allow" if quota.budget is None else "refuse")) == "allow":
            return None
        raise errors.Unavailable(
            "The limits of this API key cannot be checked at the moment. Try again later.",
            code="limits_unavailable",
            headers={"Retry-After": "1"},
        )

    def settle(self, quota: Quota, decision: Decision, reserved: Amount, used: Amount) -> None:
        """Report a request's use to the store. If it is unavailable, the reservation stays."""
        try:
            self._store.settle(quota, decision, reserved, used)
        except StoreUnavailable as error:
            self._handle_failure(error)

    def _handle_failure(self, error: StoreUnavailable) -> None:
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            self._down_until = time.monotonic() + RETRY_SECONDS
        if self._failures == 1:
            _log.error("The store of limits (VERTEX_COMPAT_REDIS_URL) does not answer: %s", error)


class Allowance:
    """The part of its key's limits that one request may use."""

    def __init__(self, limiter: Limiter, quota: Quota) -> None:
        self._limiter = limiter
        self._quota = quota
        self._decision: Decision | None = None
        self._reserved = Amount()
        self._has_reserved = False

    @property
    def has_budget(self) -> bool:
        """True if the cost of the request counts against a budget."""
        return self._quota.budget is not None

    def reserve(
        self,
        models: Iterable[Model],
        estimate: Callable[[], Estimate],
        units: Callable[[Model], Units | None] = lambda _: None,
    ) -> None:
        """Reserve the cost of the most expensive of `models`; a second call changes nothing.

        Raises `RateLimited`, `Forbidden`.
        """
        if not self._has_reserved:
            tokens = estimate()
            costs = [self._cost(model, tokens, units(model)) for model in models]
            self._reserve(Amount(sum(tokens), max(costs, default=0)))

    def reserve_nothing(self) -> None:
        """Count a request that costs nothing; raises `RateLimited`."""
        if not self._has_reserved:
            self._reserve(Amount())

    def _reserve(self, amount: Amount) -> None:
        self._has_reserved = True
        self._reserved = amount
        decision = self._limiter.reserve(self._quota, amount)
        if decision and decision.refused:
            raise refusal(self._quota, decision)
        self._decision = decision

    def headers(self) -> dict[str, str]:
        """Return OpenAI's headers with the limits and what remains of them."""
        return _headers(self._quota, self._decision) if self._decision else {}

    def settle(self, tokens: int | None, cost: int | None) -> None:
        """Replace the reservation by what the request has used; None keeps that part of it."""
        if self._decision:
            used = Amount(
                self._reserved.tokens if tokens is None else tokens,
                self._reserved.cost if cost is None else cost,
            )
            self._limiter.settle(self._quota, self._decision, self._reserved, used)
            self._decision = None

    def _cost(self, model: Model, tokens: Estimate, units: Units | None) -> int:
        if not self.has_budget:
            return 0
        price = model.profile.price
        cost = pricing.max_cost(price, *tokens, units, day=today()) if price else None
        if cost is None:
            raise errors.Forbidden(
                f"This API key has a budget, and the price of {model.requested_name[:200]!r} is not known. "
                'Its price can be set in the settings file, under [models."NAME".price].',
                param="model",
            )
        return cost


def refusal(quota: Quota, decision: Decision) -> errors.ClientFault:
    """Return the 429 that names the limit that is reached."""
    headers = _headers(quota, decision)
    seconds = max(1, round(decision.reset + 0.5))
    match decision.refused:
        case "budget":
            period = "month" if len(quota.period) == len("2026-11") else "day"
            return errors.QuotaExceeded(
                f"You exceeded the budget of this API key for this {period} (UTC). "
                f"Wait for the next {period}, or ask the operator to raise it.",
                headers=headers | {"x-should-retry": "false"},
            )
        case "parallel":
            text, seconds = f"{quota.parallel} requests at once", 1
        case "requests":
            text = f"{quota.requests} requests per minute"
        case _:
            text = f"{quota.tokens} tokens per minute"
    return errors.RateLimited(
        f"Rate limit reached for this API key: {text}. Try again in {seconds} s.",
        code="rate_limit_exceeded",
        headers=headers | {"Retry-After": str(seconds)},
    )


def _quota(key: str, rule: KeyRule, day: date) -> Quota:
    budget = None if rule.budget_usd is None else round(rule.budget_usd * pricing.NANO)
    form = "%Y-%m" if rule.budget_period == "month" else "%Y-%m-%d"
    return Quota(
        key,
        rule.requests_per_minute,
        rule.tokens_per_minute,
        rule.max_parallel_requests,
        budget,
        f"{day:{form}}" if budget is not None else "",
    )


def _headers(quota: Quota, decision: Decision) -> dict[str, str]:
    """Return `x-ratelimit-…` for the limits that the key has.

    https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
    """
    headers = {}
    for name, limit, used in (
        ("requests", quota.requests, decision.requests),
        ("tokens", quota.tokens, decision.tokens),
    ):
        if limit is not None:
            headers[f"x-ratelimit-limit-{name}"] = str(limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(max(0, limit - used))
            headers[f"x-ratelimit-reset-{name}"] = f"{decision.reset:.3f}s"
    return headers
