"""The measured program: a function behind functions-framework's production server.

A subject is pinned to one core, the load and the mock to the others. It sees nothing of this machine's
settings, believes to be on Google Cloud, and trusts the mock's certificate (`certificates`).
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from client import KEY, request
from wires import LOCATION, PROJECT, WIRES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

THREADS = 900
"""For every subject: at 1,000 and above gunicorn turns keep-alive off."""

NOT_UPLOADED = shutil.ignore_patterns("__pycache__", "emulator")
"""Files of the package that `.gcloudignore` excludes, and bytecode."""

TIME_IN_IMAGE = 315_532_801
"""Of all files, 1 January 1980: so images with the same content are the same."""

_PASSED_ON = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR")
_DIE_WITH_PARENT = 1
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Subject:
    """One of those that are compared.

    `native` says that it takes the publishers' own requests and passes bytes through; `chats`, whether it
    chats at all. `arguments` follow its Python, which runs in `folder`. `requirements` are what its
    deployment installs; where there are none, it is all that is installed beside its Python.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    python: str = sys.executable
    native: bool = False
    chats: bool = True
    requirements: tuple[str, ...] = ()
    settings: dict = field(default_factory=dict, hash=False)

    def asks(self, address, wire, pieces=0, pace=0, api=None):
        """The bytes of a request in chat or `api`: a stream if it asks for pieces."""
        if not self.chats:
            return request(address, "/", b"")
        if self.native:
            path = wire.path(stream=bool(pieces))
            return request(address, path, wire.native_body(pieces, pace))
        if api:
            return request(address, *api.request(wire, pieces, pace))
        return request(address, "/v1/chat/completions", wire.openai_body(pieces, pace))


def function(name, target, source, **more):
    """A subject that functions-framework serves."""
    arguments = ("-m", "functions_framework", "--target", target, "--source", str(source))
    return Subject(name, (*arguments, "--host", "127.0.0.1", "--port", "PORT"), source.parent, **more)


def hello():
    """The empty function."""
    return function("hello", "hello", HERE / "hello.py", chats=False, requirements=("functions-framework",))


def floor():
    """The function that passes bytes through."""
    needs = ("functions-framework", "requests", "google-auth")
    return function("floor", "floor", HERE / "floor.py", native=True, requirements=needs)


def this_function(name, source):
    """The function of this repository, or of another checkout of it."""
    lines = source.with_name("requirements.txt").read_text().splitlines()
    needs = tuple(line for line in lines if line and not line.startswith(("#", "-")))
    return function(name, "vertex_compat", source, requirements=needs)


def deployed(subject, folder, *, compiled):
    """The subject as on a fresh instance: a copy of what `.gcloudignore` uploads, in `folder`.

    The buildpack compiles it, and the image gives each file another time. `compiled` says that the build has
    SOURCE_DATE_EPOCH, as our commands set it, so that the bytecode is still valid. Nothing writes bytecode
    when the subject runs.
    """
    if not (subject.folder / "vertex_compat").is_dir():
        return replace(subject, settings={**subject.settings, "PYTHONDONTWRITEBYTECODE": "1"})
    source = folder / f"{subject.name}-{'compiled' if compiled else 'source'}"
    if not source.exists():
        shutil.copytree(subject.folder / "vertex_compat", source / "vertex_compat", ignore=NOT_UPLOADED)
        shutil.copy(subject.folder / "main.py", source)
        _build(subject.python, source, {"SOURCE_DATE_EPOCH": str(TIME_IN_IMAGE)} if compiled else {})
    return replace(
        subject,
        arguments=tuple(argument.replace(str(subject.folder), str(source)) for argument in subject.arguments),
        folder=source,
        settings={**subject.settings, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def _build(python, source, variables):
    """Do with a copy of the source what Google's buildpack for functions does."""
    command = [python, "-m", "compileall", "-f", "-q", "."]
    subprocess.run(command, cwd=source, env={**passed_on(), **variables}, check=True)
    for path in source.rglob("*.py"):
        os.utime(path, (TIME_IN_IMAGE, TIME_IN_IMAGE))


def litellm(python, upstream, folder):
    """LiteLLM's proxy from the environment that `python` belongs to."""
    config = folder / "litellm.yaml"
    config.write_text("model_list:\n" + "".join(_litellm_entry(wire, upstream) for wire in WIRES.values()))
    settings = {
        "HF_HUB_OFFLINE": "1",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # it finds ours too short
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": KEY,
    }
    script = str(Path(python).with_name("litellm"))
    arguments = (script, "--config", str(config), "--host", "127.0.0.1", "--port", "PORT")
    return Subject("litellm", arguments, folder, python=python, settings=settings)


def _litellm_entry(wire, upstream):
    """One model of its configuration. Where it is told a base, it appends only the verb."""
    base = (
        upstream + wire.whole_path.rpartition(":")[0]
        if ":" in wire.whole_path
        else upstream + wire.whole_path
    )
    return (
        f"  - model_name: {wire.model}\n    litellm_params:\n      model: vertex_ai/{wire.model}\n"
        f"      vertex_project: {PROJECT}\n      vertex_location: {LOCATION}\n      api_base: {base}\n"
    )


class Running:
    """A subject that runs."""

    def __init__(self, subject, process, address, log):
        self.subject = subject
        self.address = address
        self.log = log
        self._process = process

    @property
    def ended(self):
        """Return whether its first process has ended."""
        return self._process.poll() is not None

    @property
    def processes(self):
        """Its processes, the one that we started first."""
        pids = [self._process.pid]
        for pid in pids:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    pids += map(int, (task / "children").read_text().split())
        return pids

    def cpu(self):
        """Seconds of CPU time that its processes have used so far, to the nanosecond."""
        return sum(cpu_seconds(pid) for pid in self.processes)

    def memory(self):
        """Bytes of memory, pages shared with other processes by their share (PSS)."""
        total = 0
        for pid in self.processes:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return total * 1024

    def stop(self):
        """End it at once: it has nothing to finish."""
        for pid in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(20)


def cpu_seconds(pid):
    """CPU time of a process, by its own clock in the kernel (`clock_getcpuclockid(3)`)."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


@contextlib.contextmanager
def running(subject, environment, cores, log, prefix=()):
    """The subject, started on `cores`; `prefix` is a command that runs it (valgrind)."""
    port = free_port()
    arguments = [argument.replace("PORT", str(port)) for argument in subject.arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, subject.python, *arguments],
            cwd=subject.folder,
            env={**passed_on(), **environment, **subject.settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: begin_on(cores),  # noqa: PLW1509  (this program has one thread)
        )
    run = Running(subject, process, ("127.0.0.1", port), log)
    try:
        yield run
    finally:
        run.stop()


def begin_on(cores):
    """In a new process: stay on `cores`, and end when the process that has begun it does."""
    os.sched_setaffinity(0, cores)
    _libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def passed_on():
    """The environment variables of this process that a subject gets."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def environment(upstream, plain_port, python_path, authorities):
    """Settings of every subject, with Google's names: `upstream` is the base URL of the mock."""
    metadata = f"127.0.0.1:{plain_port}"
    return {
        "CLOUDSDK_CONFIG": os.devnull,
        "GCE_METADATA_HOST": metadata,
        "GCE_METADATA_IP": metadata,
        "GOOGLE_CLOUD_LOCATION": LOCATION,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "GOOGLE_VERTEX_BASE_URL": upstream,
        "K_SERVICE": "benchmark",
        "PYTHONPATH": str(python_path),
        "SSL_CERT_DIR": str(authorities),
        "THREADS": str(THREADS),
        "VERTEX_COMPAT_API_KEYS": KEY,
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
