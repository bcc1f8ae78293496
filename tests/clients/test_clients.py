"""The examples of this folder's README, run unchanged against the function on the emulator.

What they need is installed by `.ci/run`, beside this file; without it they are skipped, except there.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import ruamel.yaml
from helpers.server import KEY, ROOT, bare_environment

HERE = Path(__file__).parent
PYTHON = HERE / ".venv" / "bin" / "python"

PAGE = (HERE / "README.md").read_text()
SNIPPETS = re.findall(r"([^\n]+):\n\n```(\w+)\n(.*?)```", PAGE, re.DOTALL)
SNIPPETS += re.findall(
    r"(any OpenAI client):\n\n```(python)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
)

LOCAL = ("openai import", "google import")
"""Packages of the tests' own environment."""


def run(language, snippet):
    """The command that runs a snippet from its standard input, None where that is not installed."""
    if language == "sh":
        return ["bash", "-euo", "pipefail"]
    if language == "js":
        return ["node", "--input-type=module", "-"] if (HERE / "node_modules").exists() else None
    if any(f"from {name}" in snippet for name in LOCAL):
        return [sys.executable, "-"]
    return [PYTHON, "-"] if PYTHON.exists() else None


def filled_in(snippet, server):
    return snippet.replace("https://YOUR-FUNCTION-URL", server.url).replace("YOUR_KEY", KEY)


@pytest.fixture
def server(serve):
    return serve(VERTEX_COMPAT_API_KEYS=f"me:{KEY}")


@pytest.mark.parametrize(
    ("language", "snippet"),
    [(language, snippet) for _, language, snippet in SNIPPETS if language in {"python", "js", "sh"}],
    ids=[name for name, language, _ in SNIPPETS if language in {"python", "js", "sh"}],
)
def test_a_snippet_runs_and_prints_the_answer(server, emulator, language, snippet):
    command = run(language, snippet)
    if command is None:
        in_ci = "CI" in os.environ
        assert not in_ci, "CI installs what the snippets need"
        pytest.skip("what it needs is not installed: see .ci/run")
    done = subprocess.run(
        command,
        cwd=HERE,
        env=bare_environment(),
        input=filled_in(snippet, server),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = "".join(re.findall(r'"content":"([^"]*)"', done.stdout)) if language == "sh" else done.stdout
    assert "You said: Why is the sky blue?" in text
    for model in re.findall(
        r"[a-z]+-[a-z]+-\d-\d|gemini-3\.8-flash|mistral-medium-3|text-embedding-005", snippet
    ):
        assert any(model in call.path for call in emulator.calls), model


def test_every_kind_of_client_has_a_snippet():
    names = " ".join(name for name, _, _ in SNIPPETS)
    for client in ("Python", "JavaScript", "curl", "LangChain", "LlamaIndex", "Vercel", "Google"):
        assert client in names


def test_a_chat_app_finds_the_models_that_its_settings_name(server):
    (example,) = [snippet for _, language, snippet in SNIPPETS if language == "yaml"]
    (app,) = ruamel.yaml.YAML(typ="safe").load(filled_in(example, server))["endpoints"]["custom"]
    assert app["baseURL"] == f"{server.url}/v1"
    with server.client(key=app["apiKey"]) as client:
        listed = {model.id for model in client.models.list()}
    assert set(app["models"]["default"]) <= listed
