"""The place where subjects are measured: the mock, the cores, and the subjects that run."""

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import certificates
import instructions
import subject as subjects
from client import Load, request
from upstream import TOKEN

STARTS_WITHIN = 120
"""Seconds; LiteLLM and valgrind on a busy machine need them."""


@dataclass(frozen=True)
class Sizes:
    """Amounts of a measurement. `pace` and `slow_pace` are milliseconds between two pieces."""

    rounds: int = 5
    calls: int = 100
    rated_calls: int = 600
    clients: int = 32
    firsts: int = 40
    paced_streams: int = 8
    paced_pieces: int = 100
    pace: int = 20
    saturated_streams: int = 4
    saturated_pieces: int = 1500
    simulated_calls: int = 40
    simulated_pieces: int = 200
    levels: tuple[int, ...] = tuple(range(100, 1000, 100))
    slow_pace: int = 200
    settle: float = 1
    hold: float = 3
    together: int = 100
    leave: float = 3


QUICK = Sizes(
    rounds=1,
    calls=5,
    rated_calls=64,
    firsts=3,
    paced_streams=2,
    paced_pieces=10,
    saturated_streams=2,
    saturated_pieces=100,
    simulated_calls=2,
    simulated_pieces=10,
    levels=(10,),
    settle=0.3,
    hold=0.6,
    together=10,
    leave=1,
)
"""For a look at whether everything works; the figures mean nothing."""


@dataclass(frozen=True)
class Cores:
    """Processor cores of the programs. The subject has a core of its own, if there are two."""

    subject: int
    load: int
    upstream: int

    @staticmethod
    def detect():
        cores = sorted(os.sched_getaffinity(0))
        return Cores(cores[-1], cores[0], cores[1] if len(cores) > 2 else cores[0])


class Bench:
    """A `with` block in which the mock runs; everything that was started ends with it."""

    def __init__(self, folder, sizes, *, tls=True, split=False):
        self.sizes = sizes
        self.cores = Cores.detect()
        self.hardware = instructions.readable()
        self._folder = folder
        self._certificates = certificates.make(folder)
        self._authorities = certificates.directory(self._certificates)
        self._tls = tls
        self._split = split
        self._stack = ExitStack()
        self._resources = ExitStack()
        self._warm = {}
        self._started = 0

    def __enter__(self):
        os.sched_setaffinity(0, {self.cores.load})
        files = ("--certificate", str(self._certificates.chain), "--key", str(self._certificates.key))
        split = ["--split"] if self._split else []
        self._mock = self._stack.enter_context(
            subprocess.Popen(
                [sys.executable, str(subjects.HERE / "upstream.py"), *files, *split],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=lambda: subjects.begin_on({self.cores.upstream}),  # noqa: PLW1509  (one thread)
            )
        )
        self._ports = json.loads(self._mock.stdout.readline())
        self._address = "127.0.0.1", self._ports["tls" if self._tls else "plain"]
        self._context = ssl.create_default_context(cafile=self._certificates.authority) if self._tls else None
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self._address[1]}"
        self._environment = subjects.environment(
            self.url, self._ports["plain"], self._certificates.python_path, self._authorities
        )
        return self

    def __exit__(self, *_):
        self.stop_warm()
        self._mock.stdin.close()
        self._stack.close()

    # The mock

    def direct(self):
        """A load on the mock itself, with nothing in between."""
        return Load(self._address, self._context)

    def asks_directly(self, wire, pieces=0, pace=0):
        """A request for the mock itself."""
        body = wire.native_body(pieces, pace)
        return request(self._address, wire.path(stream=bool(pieces)), body, TOKEN)

    def open_streams(self):
        """Return the number of streams that the mock is sending."""
        url = f"http://127.0.0.1:{self._ports['plain']}/benchmark/open"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.read())

    # The subjects

    def warm(self, subject, wire):
        """The subject, which runs on for the next probes and has answered before."""
        if subject not in self._warm:
            run = self._resources.enter_context(self._started_alone(subject))
            self.first_answer(run, wire)
            self._warm[subject] = run
        return self._warm[subject]

    def stop_warm(self):
        """End what `warm` keeps."""
        self._resources.close()
        self._warm.clear()

    def deployed(self, subject, *, compiled):
        """The subject as a fresh instance finds it, with or without bytecode of its own source."""
        return subjects.deployed(subject, self._folder, compiled=compiled)

    @contextmanager
    def fresh(self, subject):
        """The subject, begun now, while no other runs; it may not listen yet."""
        self.stop_warm()
        with self._started_alone(subject) as run:
            yield run

    @contextmanager
    def simulated(self, subject, wire):
        """The subject on callgrind, and the callgrind; it has answered before."""
        self.stop_warm()
        callgrind = instructions.Callgrind(self._folder / f"callgrind-{self._started}")
        with self._started_alone(subject, callgrind.prefix(at_start=False), {"PYTHONHASHSEED": "0"}) as run:
            self.first_answer(run, wire)
            callgrind.attach(run.processes)
            yield run, callgrind

    def simulated_start(self, subject, wire):
        """Return the instructions of a subject from its start to its first answer, on callgrind."""
        self.stop_warm()
        callgrind = instructions.Callgrind(self._folder / f"callgrind-{self._started}")
        with self._started_alone(subject, callgrind.prefix(at_start=True), {"PYTHONHASHSEED": "0"}) as run:
            self.first_answer(run, wire)
            return callgrind.since_start(run.processes)

    def _started_alone(self, subject, prefix=(), more=None):
        self._started += 1
        log = self._folder / f"{self._started:04d}-{subject.name}.log"
        environment = self._environment | (more or {})
        return subjects.running(subject, environment, {self.cores.subject}, log, prefix)

    def first_answer(self, run, wire):
        """Ask until the subject listens; return its answer. Raises `RuntimeError` if it never does."""
        request = run.subject.asks(run.address, wire)
        latest = time.monotonic() + STARTS_WITHIN
        with Load(run.address) as load:
            while not run.ended and time.monotonic() < latest:
                try:
                    exchange = load.begin(request)
                except ConnectionRefusedError:
                    time.sleep(0.001)
                else:
                    load.finish(STARTS_WITHIN)
                    return exchange
        last_line = run.log.read_text(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"{run.subject.name} does not start: {last_line}")
