"""OpenTelemetry metrics of requests to models, where a collector is set.

OpenTelemetry is no dependency of the function: `main` imports this module if the environment names a
collector, and never otherwise. The SDK reads its own variables (`OTEL_…`).

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from vertex_compat import __version__
from vertex_compat.server.request_log import RequestLog
from vertex_compat.server.telemetry.tracing import operation_name

TOKEN_BUCKETS: Final = tuple(4.0**power for power in range(14))
SECOND_BUCKETS: Final = tuple(0.01 * 2**power for power in range(14))
"""The conventions' boundaries of the histograms."""

_GOOGLE_PATHS: Final = ("/v1beta", "/vertex-ai", "/v1alpha")


def exporting() -> Metrics:
    """Return metrics that are sent to the collector that the environment names."""
    return Metrics(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))


class Metrics:
    """The instruments. `record` is called with each request that has ended."""

    def __init__(self, provider: MeterProvider) -> None:
        self._meter = meter = provider.get_meter("vertex_compat", __version__)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            explicit_bucket_boundaries_advisory=TOKEN_BUCKETS,
        )
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            explicit_bucket_boundaries_advisory=SECOND_BUCKETS,
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            explicit_bucket_boundaries_advisory=SECOND_BUCKETS,
        )
        self._output_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_per_output_chunk",
            unit="s",
            description="The mean time between two chunks of a stream, recorded once for each stream.",
            explicit_bucket_boundaries_advisory=SECOND_BUCKETS,
        )
        self._cost = meter.create_counter("vertex_compat.cost", unit="USD")
        self._attempts = meter.create_counter("vertex_compat.upstream.attempts", unit="{call}")
        self._refused = meter.create_counter("vertex_compat.requests.refused", unit="{request}")

    def observe_capacity(self, running: Callable[[], int], free: Callable[[], int]) -> None:
        """Export how many requests run in this instance, and how many more it takes."""
        for name, count in (("in_flight", running), ("free", free)):
            self._meter.create_observable_gauge(
                f"vertex_compat.requests.{name}", [_observer(count)], unit="{request}"
            )

    def record(self, log: RequestLog, status: int) -> None:
        """Count a request that has ended. Requests that name no model are counted only if refused."""
        key = {"vertex_compat.key": log.key} if log.key else {}
        if status == 429:
            self._refused.add(1, key | {"error.type": log.error or "429"})
        if not log.model:
            return
        entry = log.as_dict(status)
        attributes = key | {
            "gen_ai.operation.name": operation_name(entry["operation"]),
            "gen_ai.provider.name": "gcp.vertex_ai",
            "gen_ai.request.model": entry.get("served", "unknown"),  # clients choose the names that they send
            "vertex_compat.api": _client_api(entry["operation"]),
        }
        if "error" in entry or status >= 400:
            attributes["error.type"] = entry.get("error", str(status))
        self._duration.record(time.monotonic() - log.started_at, attributes)
        self._attempts.add(len(log.calls), attributes)
        if log.first_byte_at:
            self._first_chunk.record(log.first_byte_at - log.started_at, attributes)
        if log.chunks and (seconds := log.chunks.mean()) is not None:
            self._output_chunk.record(seconds, attributes)
        for kind, name in (("input", "prompt_tokens"), ("output", "completion_tokens")):
            if name in entry:
                self._tokens.record(entry[name], attributes | {"gen_ai.token.type": kind})
        if "cost_usd" in entry:
            self._cost.add(entry["cost_usd"], attributes)


def _observer(count: Callable[[], int]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(count())]


def _client_api(operation: str) -> str:
    path = operation.partition(" ")[2]
    if path.startswith(_GOOGLE_PATHS):
        return "google"
    return "anthropic" if path.removeprefix("/v1").startswith("/messages") else "openai"
