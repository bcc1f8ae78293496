"""CPU time of a piece of work, and whether it grows in proportion to the size of the work."""

import gc
import time

import pytest

TIMES = 4
"""The larger of two measurements, as a multiple of the smaller."""

FACTOR = 2.3**2
"""The highest cost allowed: 2.3 for each doubling. Work that grows with the square costs 16 times as much."""

LEAST_SECONDS = 0.004
"""Below this a measurement says nothing."""

ROUNDS = 200
"""Measurements before a test fails: another program may have used the caches during most of them."""


def cpu_seconds(work, clock=time.thread_time):
    """Return the CPU time of a call of `work`, and its result."""
    gc.disable()
    try:
        began = clock()
        result = work()
        return clock() - began, result
    finally:
        gc.enable()


def assert_linear(small, large):
    """Fail if `large()` keeps returning more than `FACTOR` times what `small()` returns.

    They measure work of which one is `TIMES` the size of the other, in turn; the least of each counts.
    """
    least_small = least_large = float("inf")
    for number in range(ROUNDS):
        least_small, least_large = min(least_small, small()), min(least_large, large())
        if number and least_large <= FACTOR * max(least_small, LEAST_SECONDS):
            return
    pytest.fail(f"{least_large:.4f} s for {TIMES} times the size of what takes {least_small:.4f} s")
