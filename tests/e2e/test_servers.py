"""The same conversation under every server that can run the function."""

import http.client
import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from helpers.connections import posted
from helpers.fixtures import question
from helpers.server import FUNCTIONS_FRAMEWORK, KEY, ROOT, bare_environment, served

APP = "functions_framework.create_app('vertex_compat', 'main.py')"
WAITRESS = """
import functions_framework, waitress
app = functions_framework.create_app("vertex_compat", "main.py")
waitress.serve(app, listen="127.0.0.1:PORT", threads=8)
"""

WITHOUT_POSIX = """
import functions_framework, os, select, signal, sys, waitress
sys.modules["gunicorn"] = None
set_blocking = os.set_blocking
del os.set_blocking, os.sysconf, select.poll, select.epoll, signal.SIGALRM, signal.setitimer
app = functions_framework.create_app("vertex_compat", "main.py")
os.set_blocking = set_blocking  # waitress needs it where it is not on Windows
waitress.serve(app, listen="127.0.0.1:PORT", threads=8)
"""
"""Starts the function without what Windows lacks."""

SERVERS = {
    "gunicorn threads": FUNCTIONS_FRAMEWORK,
    "gunicorn sync": (
        "-m",
        "gunicorn",
        "--bind",
        "127.0.0.1:PORT",
        "--worker-class",
        "sync",
        APP.replace(".", ":", 1),
    ),
    "Flask": (*FUNCTIONS_FRAMEWORK, "--debug"),
    "waitress": ("-c", WAITRESS),
    "without POSIX": ("-c", WITHOUT_POSIX),
}

SETTINGS = {"VERTEX_COMPAT_API_KEYS": KEY, "GCS_BUCKET_NAME": "emulated-bucket"}
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
JSON = {"Content-Type": "application/json"}
CHAT = "/v1/chat/completions"
FORM = {"Content-Type": "multipart/form-data; boundary=xyz"}
UPLOAD = (
    b'--xyz\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
    b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nhello\r\n--xyz--\r\n"
)


def chat(**more):
    return json.dumps(question("google") | more)


STEPS = {
    "chat": ("POST", CHAT, AUTHORIZED | JSON, chat()),
    "stream": ("POST", CHAT, AUTHORIZED | JSON, chat(stream=True)),
    "5 MB": ("POST", CHAT, AUTHORIZED | JSON, chat(user="x" * 5_000_000)),
    "bad JSON": ("POST", CHAT, AUTHORIZED | JSON, "{"),
    "wrong key": ("POST", CHAT, {"Authorization": "Bearer sk-wrong-0123456789"} | JSON, chat()),
    "unknown model": ("POST", CHAT, AUTHORIZED | JSON, chat(model="nobody-knows-it")),
    "upload": ("POST", "/v1/files", AUTHORIZED | FORM, UPLOAD.decode()),
    "models": ("GET", "/v1/models", AUTHORIZED, None),
    "health": ("GET", "/health", {}, None),
    "icon": ("GET", "/favicon.ico", AUTHORIZED, None),
}

EXPECTED = {
    "chat": (200, '"chat.completion"'),
    "stream": (200, "data: [DONE]"),
    "5 MB": (200, '"chat.completion"'),
    "bad JSON": (400, "JSON"),
    "wrong key": (401, "invalid_api_key"),
    "unknown model": (404, "model_not_found"),
    "upload": (200, '"a.txt"'),
    "models": (200, "gemini"),
    "health": (200, ""),
    "icon": (404, "unknown_url"),
}

IN_PROCESS = """
import json, sys
import functions_framework
client = functions_framework.create_app("vertex_compat", "main.py").test_client()
for name, (method, path, headers, body) in json.load(sys.stdin).items():
    response = client.open(path, method=method, headers=headers, data=body)
    print(json.dumps([name, response.status_code, response.get_data(as_text=True)]), file=sys.stderr)
"""


def check(name, status, body):
    expected, part = EXPECTED[name]
    assert status == expected, (name, body[-2000:])
    assert part in body, (name, body[-2000:])


@contextmanager
def running(emulator, tmp_path, arguments, **env):
    with served(emulator, tmp_path / "log", arguments, **SETTINGS, **env) as server:
        yield server


def converse(server):
    for name, (method, path, headers, body) in STEPS.items():
        connection = http.client.HTTPConnection(*server.address, timeout=60)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        check(name, response.status, response.read().decode())
        connection.close()


def check_client_that_leaves(server):
    """A client that leaves does no harm, and the next one is answered."""
    with posted(server, question("google", model="gemini-emulator-pause-1", stream=True), headers=AUTHORIZED):
        pass
    connection = http.client.HTTPConnection(*server.address, timeout=60)
    connection.request("POST", CHAT, chat(), AUTHORIZED | JSON)
    assert connection.getresponse().status == 200
    connection.close()
    assert "Traceback" not in server.log()
    assert "Unexpected error" not in server.log()


@pytest.mark.parametrize("arguments", SERVERS.values(), ids=SERVERS)
def test_conversation_is_the_same_under_every_server(emulator, storage, tmp_path, arguments):  # noqa: ARG001  (empty)
    with running(emulator, tmp_path, arguments) as server:
        converse(server)
        check_client_that_leaves(server)


def test_conversation_with_several_workers(emulator, storage, tmp_path):  # noqa: ARG001  (empty)
    with running(emulator, tmp_path, FUNCTIONS_FRAMEWORK, WORKERS="2") as server:
        converse(server)
        check_client_that_leaves(server)


def test_conversation_in_flasks_test_client(emulator, storage):  # noqa: ARG001  (empty)
    settings = SETTINGS | {"CLOUDSDK_CONFIG": os.devnull}
    done = subprocess.run(
        [sys.executable, "-c", IN_PROCESS],
        cwd=ROOT,
        env=bare_environment() | emulator.env | settings,
        input=json.dumps(STEPS),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    results = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("[")]
    assert [name for name, _, _ in results] == list(STEPS)
    for result in results:
        check(*result)
