"""The function in front of an emulator, in this process or under its production server."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import google.auth.credentials
import openai
from google.auth import exceptions

from helpers.fixtures import function
from vertex_compat.upstream.credentials import Credentials
from vertex_compat.upstream.transport import HttpTransport

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-test-0123456789"
SETTINGS = (
    "VERTEX_COMPAT_",
    "GOOGLE_",
    "VERTEXAI_",
    "GCLOUD_",
    "GCE_",
    "GCS_",
    "CLOUDSDK_",
    "NO_GCE_CHECK",
    "STORAGE_EMULATOR_HOST",
    "OPENAI_",
    "OTEL_",
    "LOG_EXECUTION_ID",
    "K_SERVICE",
    "THREADS",
    "WORKERS",
    "PORT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_",
)
"""Prefixes of environment variables that change the function or its client."""


def bare_environment():
    """The environment without a setting of ours or of Google's."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(SETTINGS)}


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs without the proxies of the environment."""


class EmulatorCredentials(google.auth.credentials.Credentials):
    """Tokens of an emulator's metadata server, whatever the environment says."""

    def __init__(self, emulator):
        super().__init__()
        self._emulator = emulator

    def refresh(self, request):  # noqa: ARG002  (google-auth's signature)
        url = f"{self._emulator.url}/computeMetadata/v1/instance/service-accounts/default/token"
        token_request = urllib.request.Request(url, headers={"Metadata-Flavor": "Google"})
        try:
            with DIRECT.open(token_request, timeout=5) as answer:
                body = json.load(answer)
        except OSError as error:
            raise exceptions.RefreshError("no token") from error
        self.token = body["access_token"]
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=body["expires_in"])


def app_with_emulator(emulator, **env):
    """The function with a real network, in front of `emulator`."""

    def network(settings):
        return HttpTransport(
            settings, Credentials(find=lambda: (EmulatorCredentials(emulator), emulator.project))
        )

    places = {name: value for name, value in emulator.env.items() if not name.startswith("GCE_")}
    return function(network, **(places | {"VERTEX_COMPAT_RETRIES": "0"} | env))


class Served:
    """A running function and the clients for it."""

    def __init__(self, url, emulator, log, process):
        self.url = url
        self.emulator = emulator
        self.process = process
        self.stop = process.terminate
        self.pid = process.pid
        self._log = log

    @property
    def address(self):
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    @property
    def worker(self):
        """The process id of gunicorn's one worker, in which the function runs."""
        (worker,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(worker)

    def count(self, kind):
        """Return the number of the worker's threads (`task`) or file descriptors (`fd`)."""
        return len([*Path(f"/proc/{self.worker}/{kind}").iterdir()])

    def client(self, key=KEY, kind=openai.OpenAI, **options):
        return kind(
            base_url=f"{self.url}/v1",
            api_key=key,
            max_retries=0,
            timeout=20,
            _strict_response_validation=True,
            **options,
        )

    def log(self):
        """Return the output of the function so far."""
        return self._log.read_text(errors="replace")

    def wait_for_log(self, holds, timeout=20):
        """Wait until `holds` is true of the output; a log line follows its answer's last byte."""
        deadline = time.monotonic() + timeout
        while not holds(text := self.log()):
            assert time.monotonic() < deadline, text[-10_000:]
            time.sleep(0.01)
        return text


def run_python(code, *, check=True):
    """Run `code` in a new Python in this project without settings; return the result."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=check,
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


FUNCTIONS_FRAMEWORK = ("-m", "functions_framework", "--target", "vertex_compat", "--source", "main.py")
FUNCTIONS_FRAMEWORK += ("--host", "127.0.0.1", "--port", "PORT")
"""The arguments of Python that start the function under functions-framework's production server."""


@contextmanager
def served(emulator, log, arguments=FUNCTIONS_FRAMEWORK, **env):
    """Serve the function in a `with` block; PORT in the arguments is its port."""
    port = free_port()
    command = [sys.executable, *[argument.replace("PORT", str(port)) for argument in arguments]]
    pointed = {**emulator.env, "CLOUDSDK_CONFIG": os.devnull, "VERTEX_COMPAT_RETRIES": "0"}
    environment = {name: value for name, value in {**bare_environment(), **pointed, **env}.items() if value}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            wait_until_open(port, process, log)
            yield Served(f"http://127.0.0.1:{port}", emulator, log, process)
        finally:
            process.terminate()
            process.wait(20)


def wait_until_open(port, process, log):
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)  # the only way to learn that another process listens is to try again
        else:
            return
    raise RuntimeError(f"the function did not start:\n{log.read_text(errors='replace')}")
