"""The CPU time that limits and the cost of an answer add to a request, counted in memory.

    .venv/bin/python tests/benchmark/key_limits.py

Prints microseconds a request: the best of several runs, since other programs only add to it.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vertex_compat.limits import estimate
from vertex_compat.limits.limiter import Limiter
from vertex_compat.limits.memory_store import MemoryLimitStore
from vertex_compat.routing import catalog, model_names, pricing
from vertex_compat.routing.rules import KeyRule
from vertex_compat.types import Usage

RUNS = 9
REQUESTS = 10_000

MODEL = model_names.resolve("gemini-3.8-flash")
BODY = json.dumps(
    {"model": MODEL.name, "max_tokens": 500, "messages": [{"role": "user", "content": "word " * 200}]}
).encode()
USAGE = Usage(250, 120, {"cached_tokens": 0}, {"reasoning_tokens": 30})

RULES = {
    "no limit": KeyRule(),
    "requests per minute": KeyRule(requests_per_minute=10**9),
    "requests, tokens, parallel requests and budget": KeyRule(
        requests_per_minute=10**9, tokens_per_minute=10**12, max_parallel_requests=1000, budget_usd=10**6
    ),
}


def limited(rule):
    """One request: reserve, tell the headers, settle."""
    limiter = Limiter(MemoryLimitStore())

    def request():
        if allowance := limiter.allowance("search", rule):
            allowance.reserve((MODEL,), lambda: estimate.of_body(BODY))
            allowance.headers()
            allowance.settle(370, 637_500)

    return request


def costed():
    """The cost of one answer."""
    pricing.cost(MODEL.profile.price, [USAGE], location="global", tier=None, day=catalog.today())


def microseconds(request):
    best = float("inf")
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(REQUESTS):
            request()
        best = min(best, time.process_time() - began)
    return best / REQUESTS * 1e6


def main():
    for name, rule in RULES.items():
        sys.stdout.write(f"{microseconds(limited(rule)):6.1f} µs  {name}\n")
    sys.stdout.write(f"{microseconds(costed):6.1f} µs  cost of an answer\n")


if __name__ == "__main__":
    main()
