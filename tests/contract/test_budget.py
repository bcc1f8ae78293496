"""Limits of the modules that a cold start loads, and of the packages of a deployment."""

import json
import subprocess
import sys

from helpers.server import ROOT, bare_environment

LOADED_WITH_MAIN = {"google", "gunicorn", "msgspec", "typing_extensions"}
"""Beside functions-framework and what that has loaded by then. Whoever adds one says what it costs: gunicorn
nothing, since functions-framework loads it next."""

ONLY_WHEN_NEEDED = {
    "asyncio": "google-auth's base class of credentials",
    "certifi": "systems without a directory of certificate authorities",
    "cryptography": "key files",
    "google.auth.compute_engine": "the metadata server without ours",
    "google.auth.credentials": "accounts other than the runtime's",
    "requests": "google-auth's transport, for accounts other than the runtime's",
    "urllib3": "proxies, linked files, compressed answers",
    "vertex_compat.upstream.model_list": "VERTEX_COMPAT_DISCOVER",
    "vertex_compat.cli": "`python main.py`",
    "vertex_compat.operations.service.openapi_spec": "/openapi.json",
    "vertex_compat.server.telemetry.tracing": "a collector",
}
"""Module → what it is for, of those that a first chat does without."""

DISTRIBUTIONS = {
    "anyio",
    "blinker",
    "certifi",
    "cffi",
    "charset-normalizer",
    "click",
    "cloudevents",
    "cryptography",
    "deprecation",
    "flask",
    "functions-framework",
    "google-auth",
    "gunicorn",
    "h11",
    "idna",
    "itsdangerous",
    "jinja2",
    "markupsafe",
    "msgspec",
    "packaging",
    "pyasn1",
    "pyasn1-modules",
    "pycparser",
    "requests",
    "starlette",
    "typing-extensions",
    "urllib3",
    "uvicorn",
    "uvicorn-worker",
    "watchdog",
    "werkzeug",
}
"""All that requirements.txt brings."""

FIRST_CHAT = """
import sys
import functions_framework
before = set(sys.modules)
import main
import flask
from werkzeug.test import EnvironBuilder
asked = EnvironBuilder(
    method="POST",
    path="/v1/chat/completions",
    json={"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "Hello"}]},
    headers={"Authorization": "Bearer sk-test-0123456789"},
)
answer = main.vertex_compat(flask.Request(asked.get_environ()))
assert answer.status_code == 200, answer.get_data(as_text=True)
print("\\n".join(sorted(set(sys.modules) - before)))
"""


def started(emulator):
    """The modules that are loaded up to the first answer, without functions-framework's."""
    deployed = {
        "K_SERVICE": "function",
        "GCE_METADATA_HOST": emulator.url.removeprefix("http://"),
        "GOOGLE_VERTEX_BASE_URL": emulator.url,
        "VERTEX_COMPAT_API_KEYS": "sk-test-0123456789",
    }
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CHAT],
        cwd=ROOT,
        env=bare_environment() | deployed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {line for line in done.stdout.splitlines() if not line.startswith("{")}


def test_a_first_chat_loads_nothing_that_has_not_been_weighed(emulator):
    loaded = started(emulator)
    assert "vertex_compat.upstream.transport" in loaded
    assert not loaded & ONLY_WHEN_NEEDED.keys()
    others = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert others - {"main", "vertex_compat", "user_function"} <= LOADED_WITH_MAIN


def test_modules_that_are_loaded_late_can_be_imported():
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    names = ONLY_WHEN_NEEDED.keys() - {"vertex_compat.server.telemetry.tracing"}
    subprocess.run([sys.executable, "-c", code, *names], cwd=ROOT, timeout=60, check=True)


def test_a_deployment_installs_nothing_that_has_not_been_weighed():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    script = ROOT / "tests" / "benchmark" / "installed.py"
    done = subprocess.run(
        [sys.executable, str(script), *lines], capture_output=True, text=True, timeout=60, check=True
    )
    assert set(json.loads(done.stdout)["distributions"]) <= DISTRIBUTIONS
    assert len(DISTRIBUTIONS) <= 32
