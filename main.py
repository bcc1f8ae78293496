"""The HTTP entry point: hands the Flask request to `app.App.handle`.

`functions-framework --target vertex_compat` serves it, `gcloud functions deploy --entry-point vertex_compat`
deploys it, `python main.py` runs it on this machine (`--help` says how).
"""

import gc
import os
import sys

gc.disable()  # imports make no garbage: collecting would be a tenth of the start

# A stream holds a thread; functions-framework's default is 4 a CPU. Deploy with the same --concurrency.
os.environ.setdefault("THREADS", "500")

import flask
import functions_framework

from vertex_compat.app import App
from vertex_compat.config.settings import InvalidSetting, Settings
from vertex_compat.server.capacity import concurrency
from vertex_compat.server.gunicorn_hooks import GunicornHooks
from vertex_compat.upstream.credentials import Credentials, credentials_factory
from vertex_compat.upstream.network import Network
from vertex_compat.upstream.transport import HttpTransport

try:
    _settings = Settings.from_env()
except InvalidSetting as error:
    sys.exit(f"vertex_compat: {error}")

_on_request_end = []
_metrics = None
if _settings.traces or _settings.metrics:
    try:
        from vertex_compat.server.telemetry import metrics, tracing
    except ImportError:
        sys.exit(
            "vertex_compat: a collector is set (OTEL_EXPORTER_OTLP_ENDPOINT), and the packages "
            "opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http are not installed."
        )
    if _settings.traces:
        _on_request_end.append(tracing.exporting())
    if _settings.metrics:
        _metrics = metrics.exporting()
        _on_request_end.append(_metrics.record)

sys.setswitchinterval(concurrency.SWITCH_INTERVAL_SECONDS)
_server = GunicornHooks(_settings.upstream_timeout, _settings.head_timeout)
_server.install()
_credentials = Credentials(credentials_factory(_settings), Network.from_settings(_settings))
if _settings.metadata_host and _settings.auth != "caller":  # elsewhere there may be no credentials
    _server.on_worker_start = _credentials.prefetch
_app = App(_settings, HttpTransport(_settings, _credentials), _on_request_end, _server)
if _metrics:
    _metrics.observe_capacity(_app.running, _app.free)

gc.freeze()
gc.enable()


@functions_framework.http
def vertex_compat(request: flask.Request) -> flask.Response:
    """Answer a request of OpenAI's, Anthropic's or Google's API."""
    return _app.handle(request)


@functions_framework.errorhandler(404)  # type: ignore[untyped-decorator]
def unrouted(_: Exception) -> flask.Response:
    """Answer the paths that functions-framework does not route, such as /favicon.ico."""
    return _app.handle(flask.request)


if __name__ == "__main__":
    from vertex_compat import cli

    cli.main()
else:
    # functions-framework reads this variable when it has loaded this file.
    os.environ["THREADS"] = str(_settings.threads + concurrency.RESERVE_THREADS)
