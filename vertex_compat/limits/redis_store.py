"""Counts in Redis or Valkey, shared by all instances, with two round trips a request.

The scripts run as one step each on the server, so no two requests can pass the same limit. Times are the
server's. The client library is no dependency of the function: this module is imported where
`VERTEX_COMPAT_REDIS_URL` is set, and only there.

https://redis.io/docs/latest/develop/programmability/eval-intro/
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from vertex_compat.limits.quota import (
    LEASE_SECONDS,
    MINUTE_SECONDS,
    Amount,
    Decision,
    Limit,
    Quota,
    StoreUnavailable,
)

TIMEOUT_SECONDS: Final = 0.05

PERIOD_SECONDS: Final = 40 * 86_400
"""Lifetime of a budget's count after its last change; the longest period is a month."""

_NONE: Final = -1
"""Stands for a limit that the key does not have."""

_REFUSED: Final[tuple[Limit | None, ...]] = (None, "parallel", "requests", "tokens", "budget")

_RESERVE: Final = """
local minute, running, budget = KEYS[1], KEYS[2], KEYS[3]
local requests, tokens = tonumber(ARGV[1]), tonumber(ARGV[2])
local parallel, money = tonumber(ARGV[3]), tonumber(ARGV[4])
local asked_tokens, asked_money, id = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local length, lease, period = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local known = redis.call('HMGET', minute, 'started', 'requests', 'tokens')
local started, counted, used = tonumber(known[1]), tonumber(known[2]) or 0, tonumber(known[3]) or 0
if not started or now - started >= length then started, counted, used = now, 0, 0 end
local spent = tonumber(redis.call('GET', budget) or '0')
local refused = 0
if parallel >= 0 then
  redis.call('ZREMRANGEBYSCORE', running, '-inf', now)
  if redis.call('ZCARD', running) >= parallel then refused = 1 end
end
if refused == 0 and requests >= 0 and counted >= requests then refused = 2 end
if refused == 0 and tokens >= 0 and used + asked_tokens > tokens then refused = 3 end
if refused == 0 and money >= 0 and spent + asked_money > money then refused = 4 end
if refused == 0 then
  counted, used, spent = counted + 1, used + asked_tokens, spent + asked_money
  redis.call('HSET', minute, 'started', started, 'requests', counted, 'tokens', used)
  redis.call('PEXPIRE', minute, length)
  if parallel >= 0 then
    redis.call('ZADD', running, now + lease, id)
    redis.call('PEXPIRE', running, lease)
  end
  if money >= 0 then
    redis.call('INCRBY', budget, asked_money)
    redis.call('EXPIRE', budget, period)
  end
end
local window, total = string.format('%.0f', started), string.format('%.0f', spent)
return {refused, window, counted, used, total, started + length - now}
"""

_SETTLE: Final = """
local minute, running, budget = KEYS[1], KEYS[2], KEYS[3]
local tokens, money, id, window, has_budget = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
redis.call('ZREM', running, id)
if redis.call('HGET', minute, 'started') == window then redis.call('HINCRBY', minute, 'tokens', tokens) end
if has_budget == '1' then redis.call('INCRBY', budget, money) end
return 1
"""


class RedisLimitStore:
    """Exact for all instances that share the server."""

    def __init__(self, url: str) -> None:
        client = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._reserve = client.register_script(_RESERVE)
        self._settle = client.register_script(_SETTLE)

    def reserve(self, quota: Quota, amount: Amount) -> Decision:
        """Count a request and the amount reserved for it; raises `StoreUnavailable`."""
        id_ = secrets.token_hex(8)
        limits = (quota.requests, quota.tokens, quota.parallel, quota.budget)
        answer = _run(
            self._reserve,
            quota,
            [_NONE if limit is None else limit for limit in limits]
            + [*amount, id_, int(MINUTE_SECONDS * 1000), int(LEASE_SECONDS * 1000), PERIOD_SECONDS],
        )
        refused, window, requests, tokens, spent, reset = answer
        return Decision(_REFUSED[refused], id_, int(window), requests, tokens, int(spent), reset / 1000)

    def settle(self, quota: Quota, decision: Decision, reserved: Amount, used: Amount) -> None:
        """Replace what was reserved by what was used; raises `StoreUnavailable`."""
        tokens, cost = used.tokens - reserved.tokens, used.cost - reserved.cost
        _run(
            self._settle,
            quota,
            [tokens, cost, decision.id, decision.window, int(quota.budget is not None)],
        )


def _run(script: Any, quota: Quota, arguments: list[Any]) -> Any:
    """Run a script. The braces keep a key's counts on one node of a cluster."""
    name = f"vertex_compat:{{{quota.key}}}"
    try:
        return script(
            keys=[f"{name}:minute", f"{name}:running", f"{name}:spent:{quota.period}"], args=arguments
        )
    except redis.RedisError as error:
        raise StoreUnavailable(type(error).__name__) from None
