"""Optional features that Vertex AI has refused for a model, remembered for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from vertex_compat.types import Model

REFUSED_SECONDS: Final = 3600.0
"""After this time a feature is tried again: organization policies change, and Vertex AI learns features."""

MAX_MODELS: Final = 256
MAX_FEATURES: Final = 64
"""Features that are remembered of one model: clients choose the names of some."""

OF_ONE_REQUEST: Final = ("messages.", "recording.")
"""Prefixes of the names of features that depend on the request. They are not remembered."""


class RefusedFeatures:
    """The features that Vertex AI has refused, for each project and model."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[tuple[str | None, str], dict[str, float]] = {}

    def of(self, model: Model) -> frozenset[str]:
        """Return the features that are not to be used with a model."""
        refused = self._until.get((model.project, model.resource))
        if not refused:
            return frozenset()
        now = self._clock()
        return frozenset(feature for feature, until in list(refused.items()) if until > now)

    def add(self, model: Model, features: frozenset[str]) -> None:
        """Remember features; the oldest are forgotten if there are too many."""
        lasting = [feature for feature in features if not feature.startswith(OF_ONE_REQUEST)]
        if not lasting:
            return
        refused = self._until.setdefault((model.project, model.resource), {})
        for feature in lasting:
            refused.pop(feature, None)
            refused[feature] = self._clock() + REFUSED_SECONDS
        _drop_oldest(refused, MAX_FEATURES)
        _drop_oldest(self._until, MAX_MODELS)


def _drop_oldest(entries: dict[Any, Any], limit: int) -> None:
    while len(entries) > limit:
        entries.pop(next(iter(entries)), None)
