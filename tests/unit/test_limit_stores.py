"""The stores of limits: both count the same, exactly, also for requests at once."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.redis import redis_server

from vertex_compat.limits.memory_store import MemoryLimitStore
from vertex_compat.limits.quota import Amount, Quota, StoreUnavailable
from vertex_compat.limits.redis_store import RedisLimitStore


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redis")
    with redis_server(folder) as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
def store(request):
    if request.param == "memory":
        return MemoryLimitStore()
    return RedisLimitStore(request.getfixturevalue("redis_url"))


@pytest.fixture
def key(request):
    return request.node.name


def reserve(store, quota, tokens=0, cost=0):
    return store.reserve(quota, Amount(tokens, cost))


def test_requests_at_once_never_pass_a_limit(store, key):
    quota = Quota(key, requests=100, tokens=10_000, budget=10**9, period="2026-11")

    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(lambda _: reserve(store, quota, 10, 1000), range(400)))

    assert sum(decision.refused is None for decision in decisions) == 100
    assert {decision.refused for decision in decisions} == {None, "requests"}
    assert max(decision.tokens for decision in decisions) == 1000


def test_settlement_replaces_the_reservation_to_the_token(store, key):
    quota = Quota(key, tokens=1000, budget=5000, period="2026-11")
    decision = reserve(store, quota, 900, 4000)

    assert reserve(store, quota, 200).refused == "tokens"
    store.settle(quota, decision, Amount(900, 4000), Amount(123, 456))
    again = reserve(store, quota, 877, 4544)
    assert (again.refused, again.tokens, again.spent) == (None, 1000, 5000)
    assert reserve(store, quota, 0, 1).refused == "budget"
    assert reserve(store, quota, 1, 0).refused == "tokens"


def test_refused_request_counts_nothing(store, key):
    quota = Quota(key, requests=5, tokens=10)

    assert reserve(store, quota, 11).refused == "tokens"
    decision = reserve(store, quota, 10)
    assert (decision.refused, decision.requests, decision.tokens) == (None, 1, 10)


def test_running_requests_are_counted_until_they_end(store, key):
    quota = Quota(key, parallel=2)
    first, second = reserve(store, quota), reserve(store, quota)

    assert (first.refused, second.refused, reserve(store, quota).refused) == (None, None, "parallel")
    store.settle(quota, first, Amount(), Amount())
    assert reserve(store, quota).refused is None


def test_budget_of_another_period_begins_at_nothing(store, key):
    november = Quota(key, budget=10, period="2026-11")
    december = november._replace(period="2026-12")

    assert reserve(store, november, cost=10).refused is None
    assert reserve(store, november, cost=1).refused == "budget"
    assert reserve(store, december, cost=10).refused is None


def test_minute_begins_again_after_sixty_seconds():
    now = [1000.0]
    store = MemoryLimitStore(clock=lambda: now[0])
    quota = Quota("key", requests=1, tokens=10)
    decision = reserve(store, quota, 10)

    now[0] += 59
    refused = reserve(store, quota)
    assert (refused.refused, refused.reset) == ("requests", pytest.approx(1))
    now[0] += 1
    assert reserve(store, quota, 5).refused is None
    store.settle(quota, decision, Amount(10, 0), Amount(0, 0))  # of the minute before
    now[0] += 1
    assert reserve(store, quota._replace(requests=9), 6).refused == "tokens"


def test_counts_survive_the_instance_that_made_them(redis_url, key):
    quota = Quota(key, budget=100, period="2026-11")

    assert reserve(RedisLimitStore(redis_url), quota, cost=60).refused is None
    assert reserve(RedisLimitStore(redis_url), quota, cost=60).refused == "budget"


def test_unavailable_redis_fails_quickly(tmp_path):
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        reserve(RedisLimitStore(f"unix://{tmp_path}/none"), Quota("key", requests=1))
    with pytest.raises(StoreUnavailable):
        reserve(RedisLimitStore("redis://127.0.0.1:1"), Quota("key", requests=1))
    assert time.monotonic() - started < 1
