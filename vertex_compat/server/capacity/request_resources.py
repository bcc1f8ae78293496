"""Resources that a request holds until it ends: a slot and memory."""

from __future__ import annotations

from vertex_compat.server.capacity import concurrency
from vertex_compat.server.capacity.concurrency import ConcurrencyLimiter, Slot
from vertex_compat.server.capacity.memory_budget import HeldMemory, MemoryBudget


class RequestResources:
    """A slot of the limiter, once it is acquired, and the memory that is counted in the budget."""

    __slots__ = ("_limiter", "_slot", "memory")

    def __init__(self, limiter: ConcurrencyLimiter, budget: MemoryBudget) -> None:
        self._limiter = limiter
        self._slot: Slot | None = None
        self.memory = HeldMemory(budget)

    def acquire_slot(self) -> None:
        """Occupy a slot; raises `RateLimited` if there is none."""
        self._slot = self._limiter.try_acquire()
        if self._slot is None:
            raise concurrency.busy()

    def release(self) -> None:
        """Release everything. A second call changes nothing."""
        if self._slot:
            self._slot.release()
        self.memory.release()
