"""A span for each request to a model, exported over OTLP.

OpenTelemetry is no dependency of the function: `main` imports this module if the environment names a
collector, and else never. The SDK reads its own variables (`OTEL_…`). No prompt and no answer is ever in a
span.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-spans.md
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from vertex_compat import __version__
from vertex_compat.server.request_log import RequestLog
from vertex_compat.types import JSON

Note = Callable[[RequestLog, int], None]
"""Takes the record of a request that has ended, and its status."""

OPERATIONS: Final = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/messages": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
"""Path → the convention's name of the operation; the others make images, speech and text of speech."""

ATTRIBUTES: Final = {
    "model": "gen_ai.request.model",
    "served": "gen_ai.response.model",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "cost_usd": "vertex_compat.cost_usd",
    "service_tier": "vertex_compat.service_tier",
    "status": "http.response.status_code",
    "publisher": "vertex_compat.publisher",
    "location": "vertex_compat.location",
    "attempts": "vertex_compat.attempts",
    "key": "vertex_compat.key",
    "ignored": "vertex_compat.ignored",
    "request_id": "vertex_compat.request_id",
}
"""The log's name → the convention's; what it has no name for is under our own."""


def exporting() -> Note:
    """Spans to the collector that the environment names."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return spans(provider)


def spans(provider: TracerProvider) -> Note:
    """Return the function that records a request as a span, a child of the client's if any."""
    tracer = provider.get_tracer("vertex_compat", __version__)
    parents = TraceContextTextMapPropagator()

    def note(record: RequestLog, status: int) -> None:
        if not record.model:
            return
        entry = record.as_dict(status)
        ended_at = time.time_ns()
        started_at = ended_at - round((time.monotonic() - record.started_at) * 1e9)
        attributes = _attributes(entry)
        span = tracer.start_span(
            f"{attributes['gen_ai.operation.name']} {entry['model']}",
            context=parents.extract({"traceparent": record.traceparent or ""}),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=started_at,
        )
        if "error.type" in attributes:
            span.set_status(StatusCode.ERROR)
        span.end(ended_at)

    return note


def operation_name(operation: str) -> str:
    """Return the convention's name of an operation, of which the log has method and path."""
    path = operation.partition(" ")[2].rstrip("/").removeprefix("/v1")
    return OPERATIONS.get(path, "generate_content")


def _attributes(entry: JSON) -> JSON:
    attributes = {attribute: entry[field] for field, attribute in ATTRIBUTES.items() if field in entry}
    attributes |= {f"vertex_compat.{unit}": count for unit, count in entry.get("units", {}).items()}
    attributes["gen_ai.operation.name"] = operation_name(entry["operation"])
    attributes["gen_ai.provider.name"] = "gcp.vertex_ai"
    if "ms_to_first" in entry:
        attributes["gen_ai.request.stream"] = True
        attributes["gen_ai.response.time_to_first_chunk"] = entry["ms_to_first"] / 1000
    if error := entry.get("error") or (str(entry["status"]) if entry["status"] >= 400 else None):
        attributes["error.type"] = error
    return attributes
