"""`python main.py`: run the function on this machine, in front of Vertex AI or the emulator.

functions-framework serves it with the production server, as on Google Cloud.
"""

from __future__ import annotations

import argparse
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from vertex_compat import errors
from vertex_compat.config import api_keys
from vertex_compat.config.settings import InvalidSetting, Settings
from vertex_compat.upstream.credentials import Credentials, credentials_factory
from vertex_compat.upstream.network import Network
from vertex_compat.upstream.transport import HttpTransport

ROOT: Final = Path(__file__).resolve().parent.parent

BANNER: Final = """
vertex_compat is listening on {url}{upstream}.

Open it in a browser, or try it from another terminal:

curl -sN {url}/v1/chat/completions -H "Authorization: Bearer {key}" -H "Content-Type: application/json" -d \
'{{"model": "gemini-3.8-flash", "stream": true, "messages": [{{"role": "user", "content": "Say hello."}}]}}'

Or with OpenAI's SDK:

{python} -m pip install --quiet openai && {python} - <<'END'
from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key="{key}")
for model in ("gemini-3.8-flash", "claude-sonnet-5-5", "mistral-medium-3", "xai/grok-4.7"):
    print(f"\\n{{model}}: ", end="")
    stream = client.chat.completions.create(
        model=model, stream=True, messages=[{{"role": "user", "content": "Say hello."}}]
    )
    for chunk in stream:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
END

Ctrl-C ends it.
"""


def main() -> None:
    """Run the command line; returns when the server has ended."""
    options = _options()
    if options.new_key:
        _print_key(options.new_key)
        return
    if options.check is not None:
        with _run_emulator() if options.emulator else nullcontext():
            sys.exit(_check(options.check))
    _check_port(options.host, options.port)
    if options.emulator:
        with _run_emulator() as url:
            _serve(options.host, options.port, f", on an emulator of Vertex AI ({url})")
    else:
        _serve(options.host, options.port, f", on project {_project()}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python main.py",
        description=(
            "Serve OpenAI's API over Vertex AI's models on this machine.\n"
            "When it listens, it says what to paste into another terminal to try it."
        ),
        epilog=(
            "examples:\n"
            "  python main.py --emulator              without Google: an emulator answers, at no cost\n"
            "  gcloud auth application-default login  once, for Vertex AI itself:\n"
            "  python main.py                         real models, with your own credentials\n"
            "  python main.py --check                 do the credentials, models and services work?\n\n"
            "An OpenAI client's base URL is then http://HOST:PORT/v1, its key anything.\n\n"
            "Settings come from the environment, as in the cloud. The first that one wants:\n"
            "  GOOGLE_CLOUD_PROJECT    the project, if not that of the credentials\n"
            "  GOOGLE_CLOUD_LOCATION   where models may be called: global, eu, us-central1, …\n"
            "  VERTEX_COMPAT_API_KEYS  keys that clients have to show; with none, nobody has to\n"
            "README.md lists all of them under Settings."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--emulator", action="store_true", help="run without Google: on an emulator of Vertex AI"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        default=int(os.environ.get("PORT", "8080")),
        help="port to listen on (default: $PORT, or 8080)",
    )
    parser.add_argument(
        "--new-key", metavar="NAME", help="print a new client key and the line to store, with its digest"
    )
    parser.add_argument(
        "--check",
        nargs="*",
        metavar="MODEL",
        help="call each of these models once, or those of the settings file, and the services that the "
        "settings need; print a table, and exit with 1 if one fails",
    )
    return parser.parse_args()


def _check(names: list[str]) -> int:
    """Print the table of `check.run`; return the exit status."""
    from vertex_compat import check  # noqa: PLC0415  (imports every publisher)

    try:
        settings = Settings.from_env()
    except InvalidSetting as error:
        sys.exit(f"vertex_compat: {error}")
    credentials = Credentials(credentials_factory(settings), Network.from_settings(settings))
    rows = check.run(settings, HttpTransport(settings, credentials), credentials, names)
    print(check.table(rows))  # noqa: T201  (output for a terminal)
    return int(any(row.failed for row in rows))


@contextmanager
def _run_emulator() -> Iterator[str]:
    """Run an emulator and set the environment variables that lead to it; the value is its URL."""
    with _emulator() as url:
        os.environ.update(_pointing_at(url))
        yield url


def _print_key(name: str) -> None:
    try:
        key, line = api_keys.new_key(name)
    except ValueError as error:
        sys.exit(f"vertex_compat: {error}")
    print(f"The key, for its user:\n  {key}\nThe line for VERTEX_COMPAT_API_KEYS:\n  {line}")  # noqa: T201  (output for a terminal)


def _check_port(host: str, port: int) -> None:
    """Exit with a message if the address is in use; the server itself would retry for seconds."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.exit(
                f"vertex_compat: cannot listen on {host}:{port} ({error.strerror}). Choose another --port."
            )


def _project() -> str:
    """Return the project of the Application Default Credentials, or exit with what is missing."""
    settings = Settings.from_env()
    if settings.auth == "caller":  # it needs no credentials of ours
        return settings.project or str(settings.routing.file.project)
    credentials = Credentials(credentials_factory(settings), Network.from_settings(settings))
    try:
        credentials.token()
        project = settings.project or credentials.project()
    except errors.ApiError as error:
        sys.exit(f"vertex_compat: {error.message}\nOr try it without Google: python main.py --emulator")
    if not project:
        sys.exit("vertex_compat: the credentials name no Google Cloud project. Set GOOGLE_CLOUD_PROJECT.")
    return project


@contextmanager
def _emulator() -> Iterator[str]:
    """Run the emulator in a process of its own, which ends with this one; the value is its URL."""
    command = [sys.executable, "-m", "vertex_compat.emulator", "--port", "0", "--until-stdin-closes"]
    with subprocess.Popen(  # noqa: S603  (our own module)
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        url = line.strip().rpartition(" ")[2]
        if not url:
            sys.exit("vertex_compat: the emulator did not start.")
        try:
            yield url
        finally:
            process.terminate()


def _pointing_at(url: str) -> Mapping[str, str]:
    """Return the emulator's variables; remove this machine's credentials from the environment."""
    for name in (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_PROJECT",
        "GCLOUD_PROJECT",
        "VERTEXAI_PROJECT",
        "NO_GCE_CHECK",
    ):
        os.environ.pop(name, None)
    host = urlsplit(url).netloc
    no_proxy = ",".join(filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1"]))
    return {
        "no_proxy": no_proxy,
        "NO_PROXY": no_proxy,
        "CLOUDSDK_CONFIG": os.devnull,
        "GCE_METADATA_HOST": host,
        "GCE_METADATA_IP": host,
        "GOOGLE_VERTEX_BASE_URL": url,
        "GOOGLE_VERTEX_DEDICATED_BASE_URL": url,
        "GOOGLE_SPEECH_BASE_URL": url,
        "GOOGLE_TEXTTOSPEECH_BASE_URL": url,
        "GOOGLE_DISCOVERYENGINE_BASE_URL": url,
        "GOOGLE_LANGUAGE_BASE_URL": url,
        "GOOGLE_MODELARMOR_BASE_URL": url,
        "GOOGLE_IAMCREDENTIALS_BASE_URL": url,
        "STORAGE_EMULATOR_HOST": url,
        "GCS_BUCKET_NAME": os.environ.get("GCS_BUCKET_NAME", "emulated-bucket"),
    }


def _serve(host: str, port: int, upstream: str) -> None:
    url = f"http://{host}:{port}"
    key = "YOUR_KEY" if Settings.from_env().keys.digests else "unused"
    banner = BANNER.format(url=url, key=key, python=sys.executable, upstream=upstream)
    threading.Thread(target=_greet, args=(host, port, banner), daemon=True).start()
    sys.argv = ["functions-framework", "--target", "vertex_compat", "--source", str(ROOT / "main.py")]
    sys.argv += ["--host", host, "--port", str(port)]
    runpy.run_module("functions_framework", run_name="__main__")


def _greet(host: str, port: int, banner: str) -> None:
    """Print the banner when the server accepts connections."""
    for _ in range(600):
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            print(banner, flush=True)  # noqa: T201  (output for a terminal)
            return
