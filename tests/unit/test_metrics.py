"""OpenTelemetry metrics: names of the conventions, values of the log, bounded attributes."""

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from vertex_compat.model_profile import Price
from vertex_compat.server.request_log import RequestLog
from vertex_compat.server.telemetry.metrics import Metrics
from vertex_compat.types import Usage


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def metrics(reader):
    return Metrics(MeterProvider([reader]))


def finished(**fields):
    log = RequestLog.start("POST", "/v1/chat/completions", {})
    log.model, log.target, log.key = "mine", "google/gemini-3.8-flash; location=global", "search"
    log.price, log.usages, log.calls = Price(input=1, output=2), {0: Usage(100, 10)}, ["a", "b"]
    for name, value in fields.items():
        setattr(log, name, value)
    return log


def exported(reader):
    """Name of a metric → its points."""
    data = reader.get_metrics_data()
    metrics = [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics
    return {metric.name: list(metric.data.data_points) for metric in metrics}


def test_request_is_recorded_by_the_conventions(metrics, reader):
    log = finished()
    log.first_byte_at = log.started_at + 0.25
    metrics.record(log, 200)
    points = exported(reader)

    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum for point in points["gen_ai.client.token.usage"]
    }
    assert tokens == {"input": 100, "output": 10}
    (first,) = points["gen_ai.client.operation.time_to_first_chunk"]
    assert first.sum == pytest.approx(0.25)
    (cost,) = points["vertex_compat.cost"]
    assert cost.value == pytest.approx(120e-6)
    (attempts,) = points["vertex_compat.upstream.attempts"]
    assert attempts.value == 2
    (duration,) = points["gen_ai.client.operation.duration"]
    assert dict(duration.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.vertex_ai",
        "gen_ai.request.model": "gemini-3.8-flash",
        "vertex_compat.api": "openai",
        "vertex_compat.key": "search",
    }


@pytest.mark.parametrize(
    ("operation", "api"),
    [
        ("POST /v1/messages", "anthropic"),
        ("POST /v1beta/models/gemini-3.8-flash:generateContent", "google"),
        ("POST /vertex-ai/v1/x", "google"),
        ("POST /responses", "openai"),
    ],
)
def test_api_of_the_client_is_an_attribute(metrics, reader, operation, api):
    metrics.record(finished(operation=operation), 200)

    (point,) = exported(reader)["gen_ai.client.operation.duration"]
    assert point.attributes["vertex_compat.api"] == api


def test_refused_requests_are_counted_by_their_limit(metrics, reader):
    metrics.record(finished(error="insufficient_quota", usages={}), 429)
    metrics.record(finished(error="instance_busy", model=None), 429)

    points = exported(reader)["vertex_compat.requests.refused"]
    assert {point.attributes["error.type"]: point.value for point in points} == {
        "insufficient_quota": 1,
        "instance_busy": 1,
    }


def test_name_that_a_client_invents_is_no_attribute(metrics, reader):
    for number in range(5):
        metrics.record(
            finished(model=f"invented-{number}", target=None, usages={}, error="model_not_found"), 404
        )

    assert len(exported(reader)["gen_ai.client.operation.duration"]) == 1


def test_capacity_is_observed(metrics, reader):
    metrics.observe_capacity(lambda: 3, lambda: 77)
    points = exported(reader)

    assert points["vertex_compat.requests.in_flight"][0].value == 3
    assert points["vertex_compat.requests.free"][0].value == 77
