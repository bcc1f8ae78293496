"""OpenTelemetry metrics of requests through all APIs, as its SDK collects them."""

from typing import Any

import flask
import pytest
from helpers.server import EmulatorCredentials
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics as conventions

from vertex_compat.app import App
from vertex_compat.config.settings import Settings
from vertex_compat.server.telemetry.metrics import Metrics
from vertex_compat.upstream.credentials import Credentials
from vertex_compat.upstream.transport import HttpTransport

KEY = "sk-metrics-0123456789"
MESSAGES = [{"role": "user", "content": "Say hello."}]
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]}
OPENAI = {"model": "gemini-3.8-flash", "messages": MESSAGES}
ANTHROPIC = {"model": "claude-sonnet-5-5", "messages": MESSAGES, "max_tokens": 64}
GEMINI = "/v1beta/models/gemini-3.8-flash"

REQUESTS = {
    "openai": ("/v1/chat/completions", OPENAI, "openai", False),
    "openai, streamed": ("/v1/chat/completions", OPENAI | {"stream": True}, "openai", True),
    "responses, streamed": (
        "/v1/responses",
        {"model": "gemini-3.8-flash", "input": "Hi", "stream": True},
        "openai",
        True,
    ),
    "anthropic": ("/v1/messages", ANTHROPIC, "anthropic", False),
    "anthropic, streamed": ("/v1/messages", ANTHROPIC | {"stream": True}, "anthropic", True),
    "google": (f"{GEMINI}:generateContent", CONTENTS, "google", False),
    "google, streamed": (f"{GEMINI}:streamGenerateContent?alt=sse", CONTENTS, "google", True),
}


@pytest.fixture
def collect(emulator):
    """`collect(path, body)` answers a request and returns the points of each metric by its name."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    settings = Settings.from_env(
        {
            "GOOGLE_VERTEX_BASE_URL": emulator.url,
            "VERTEX_COMPAT_API_KEYS": f"search:{KEY}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
        }
    )
    credentials = Credentials(find=lambda: (EmulatorCredentials(emulator), emulator.project))
    app = App(settings, HttpTransport(settings, credentials), [Metrics(provider).record])
    server = flask.Flask("measured")

    def collect(path, body):
        headers = {"Authorization": f"Bearer {KEY}"}
        with server.test_request_context(path, method="POST", json=body, headers=headers):
            content: Any = app.handle(flask.request).get_app_iter(flask.request.environ)
            assert b"".join(content)
            content.close()
        (scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
        return {metric.name: metric.data.data_points for metric in scope.metrics}

    yield collect
    provider.shutdown()


@pytest.mark.parametrize(("path", "body", "api", "streamed"), REQUESTS.values(), ids=REQUESTS)
def test_each_api_has_the_metrics_of_the_conventions(collect, path, body, api, streamed):
    points = collect(path, body)

    expected = {conventions.GEN_AI_CLIENT_TOKEN_USAGE, conventions.GEN_AI_CLIENT_OPERATION_DURATION}
    if streamed:
        expected.add(conventions.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK)
    expected |= {"vertex_compat.cost", "vertex_compat.upstream.attempts"}
    assert points.keys() - {conventions.GEN_AI_CLIENT_OPERATION_TIME_PER_OUTPUT_CHUNK} == expected
    for point in (point for group in points.values() for point in group):
        assert point.attributes["vertex_compat.api"] == api
        assert point.attributes["vertex_compat.key"] == "search"
        assert point.attributes["gen_ai.request.model"] == body.get("model", "gemini-3.8-flash")


def test_time_per_chunk_is_one_measurement_a_stream(collect):
    path, body, _, _ = REQUESTS["openai, streamed"]
    points = collect(path, body | {"model": "gemini-emulator-pause-1"})  # long enough for two blocks
    (chunk,) = points[conventions.GEN_AI_CLIENT_OPERATION_TIME_PER_OUTPUT_CHUNK]
    (duration,) = points[conventions.GEN_AI_CLIENT_OPERATION_DURATION]

    assert chunk.count == 1
    assert 0 < chunk.sum < duration.sum


def test_streamed_speech_has_time_to_first_chunk(collect):
    body = {
        "model": "gemini-3.8-flash-tts",
        "input": "Hi",
        "response_format": "pcm",
        "stream_format": "audio",
    }
    points = collect("/v1/audio/speech", body)

    assert conventions.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK in points
