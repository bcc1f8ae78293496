"""The span of a request, as OpenTelemetry's own SDK collects it."""

import gzip
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import flask
import pytest
from helpers.fixtures import question
from helpers.server import ROOT, EmulatorCredentials, bare_environment
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.trace import SpanKind, StatusCode

from vertex_compat.app import App
from vertex_compat.config.settings import Settings
from vertex_compat.server.telemetry import tracing
from vertex_compat.upstream.credentials import Credentials
from vertex_compat.upstream.transport import HttpTransport

SECRET = "what the client said"
PARENT = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


@pytest.fixture
def ask(emulator):
    """`ask(path, body)` answers a request in this process and gives its span."""
    collected = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(collected))
    settings = Settings.from_env({"GOOGLE_VERTEX_BASE_URL": emulator.url, "VERTEX_COMPAT_RETRIES": "0"})
    credentials = Credentials(find=lambda: (EmulatorCredentials(emulator), emulator.project))
    function = App(settings, HttpTransport(settings, credentials), [tracing.spans(provider)])
    server = flask.Flask("traced")

    def ask(path, body, **headers):
        with server.test_request_context(path, method="POST", json=body, headers=headers):
            body = function.handle(flask.request).get_app_iter(flask.request.environ)
            assert b"".join(body)
            body.close()
        spans = collected.get_finished_spans()
        collected.clear()
        return spans

    yield ask
    provider.shutdown()


def test_paid_units_and_cost_are_attributes(ask):
    body = {"model": "veo-3.1-generate-preview", "prompt": "A wave", "seconds": "4"}
    (span,) = ask("/v1/videos", body)

    assert span.attributes["vertex_compat.seconds"] == 4
    assert span.attributes["vertex_compat.cost_usd"] == pytest.approx(1.6)


def test_a_chat_is_a_span_of_the_convention_s(ask):
    body = question("anthropic") | {"messages": [{"role": "user", "content": SECRET}]}
    (span,) = ask("/v1/chat/completions", body, traceparent=PARENT)
    attributes = span.attributes
    assert span.name == f"chat {body['model']}"
    assert span.kind is SpanKind.CLIENT
    assert attributes[gen_ai.GEN_AI_OPERATION_NAME] == gen_ai.GenAiOperationNameValues.CHAT.value
    assert attributes[gen_ai.GEN_AI_PROVIDER_NAME] == gen_ai.GenAiProviderNameValues.GCP_VERTEX_AI.value
    assert attributes[gen_ai.GEN_AI_REQUEST_MODEL] == body["model"]
    assert attributes[gen_ai.GEN_AI_RESPONSE_MODEL].startswith("claude-")
    assert attributes[gen_ai.GEN_AI_USAGE_INPUT_TOKENS] > 0
    assert attributes[gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS] > 0
    assert attributes["vertex_compat.publisher"] == "anthropic"
    assert span.status.status_code is StatusCode.UNSET
    assert 0 < span.end_time - span.start_time < 20e9
    assert SECRET not in span.to_json()


def test_parent_of_the_span_is_the_client_s_span(ask):
    (span,) = ask("/v1/chat/completions", question("google"), traceparent=PARENT)
    assert f"00-{span.context.trace_id:032x}-{span.parent.span_id:016x}-01" == PARENT


@pytest.mark.parametrize("headers", [{}, {"traceparent": "00-nonsense-01"}])
def test_span_without_a_valid_parent_is_a_root(ask, headers):
    (span,) = ask("/v1/chat/completions", question("google"), **headers)
    assert span.parent is None


def test_a_stream_has_its_first_chunk(ask):
    (span,) = ask("/v1/chat/completions", question("google", stream=True))
    took = (span.end_time - span.start_time) / 1e9
    assert 0 <= span.attributes["gen_ai.response.time_to_first_chunk"] <= took + 0.001
    assert span.attributes["gen_ai.request.stream"] is True


def test_embeddings_are_called_so(ask):
    (span,) = ask("/embeddings/", {"model": "text-embedding-005", "input": SECRET})
    assert span.attributes[gen_ai.GEN_AI_OPERATION_NAME] == gen_ai.GenAiOperationNameValues.EMBEDDINGS.value
    assert SECRET not in span.to_json()


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [("gemini-emulator-status-503", "service_unavailable", 503), ("nope", "model_not_found", 404)],
)
def test_failure_is_an_error_in_the_span(ask, model, error, status):
    (span,) = ask("/v1/chat/completions", question("google", model=model))
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == error
    assert span.attributes["http.response.status_code"] == status


def test_request_without_a_model_has_no_span(ask):
    assert ask("/v1/nothing", {}) == ()


def test_spans_reach_the_collector_that_the_environment_names(serve_alone):
    got = threading.Event()
    spans = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans.extend(span.name for scope in resource.scope_spans for span in scope.spans)
            got.set()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{collector.server_port}"
        server = serve_alone(OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY="50")
        with server.client() as client:
            client.chat.completions.create(**question("google"))
        assert got.wait(20)
        collector.shutdown()
    assert spans == [f"chat {question('google')['model']}"]


def test_a_collector_without_the_packages_stops_the_start():
    without = "import sys; sys.modules['opentelemetry'] = None; import main"
    environment = bare_environment() | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    done = subprocess.run(
        [sys.executable, "-c", without],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http are not installed" in done.stderr
    assert done.stderr.count("\n") == 1
