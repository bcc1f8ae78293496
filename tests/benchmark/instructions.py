"""Instructions retired in user space: the measure that a busy machine does not move.

Two ways to read them. `Hardware` asks the processor, through `perf_event_open(2)`, while a subject runs as
it always does; many virtual machines do not let a program do so. `Callgrind` runs the subject on valgrind's
simulated processor: some fifty times slower, and exact everywhere.
"""

import contextlib
import ctypes
import os
import platform
import re
import shutil
import struct
import subprocess
from pathlib import Path

_SYSCALLS = {"x86_64": 298, "aarch64": 241}
_HARDWARE, _INSTRUCTIONS = 0, 1
_INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
_FLAG_CLOEXEC = 8
_ATTRIBUTES_SIZE = 128
_ATTRIBUTES = "=IIQQQQQ"  # type, size, config, sample period, sample type, read format, flags


def readable():
    """Return whether the processor counts instructions for this program."""
    try:
        fd = _open_counter(0)
    except OSError:
        return False
    os.close(fd)
    return True


def _open_counter(thread, kind=_HARDWARE, config=_INSTRUCTIONS):
    """A counter of one thread and of all that it will begin, running; raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR
    attributes = struct.pack(_ATTRIBUTES, kind, _ATTRIBUTES_SIZE, config, 0, 0, 0, flags)
    buffer = ctypes.create_string_buffer(attributes, _ATTRIBUTES_SIZE)
    number = _SYSCALLS.get(platform.machine())
    if number is None:
        raise OSError("perf_event_open has a number that is not known here")
    fd = libc.syscall(number, buffer, thread, -1, -1, ctypes.c_ulong(_FLAG_CLOEXEC))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return fd


class Hardware:
    """Counts what the processes of a subject do."""

    def __init__(self, processes):
        self._processes = processes

    def measure(self, work):
        """The instructions while `work` runs."""
        fds = []
        try:
            for pid in self._processes:
                for task in Path(f"/proc/{pid}/task").iterdir():
                    with contextlib.suppress(ProcessLookupError):
                        fds.append(_open_counter(int(task.name)))
            work()
            return sum(struct.unpack("=Q", os.read(fd, 8))[0] for fd in fds)
        finally:
            for fd in fds:
                os.close(fd)


class Callgrind:
    """Counts what a subject does that was begun with `prefix`; its files go to `folder`.

    gunicorn's worker is a fork of the process that was begun; each has a pipe of its own that takes orders.
    """

    def __init__(self, folder):
        self._folder = folder
        self._folder.mkdir()
        self._pid = None
        self._dumps = 0

    @staticmethod
    def installed():
        return bool(shutil.which("valgrind") and shutil.which("vgdb"))

    def prefix(self, *, at_start):
        """The command that runs a subject. Counting begins `at_start`, or with `attach`."""
        begin = f"--instr-atstart={'yes' if at_start else 'no'}"
        options = ("--tool=callgrind", begin, "--trace-children=yes", self._pipes)
        return ("valgrind", *options, f"--callgrind-out-file={self._folder}/out.%p")

    @property
    def _pipes(self):
        return f"--vgdb-prefix={self._folder}/pipe"

    def attach(self, processes):
        """Begin to simulate the last process, the worker; raises `RuntimeError` if it cannot."""
        self._pid = processes[-1]
        self._order("instrumentation", "on")

    def since_start(self, processes):
        """The instructions of the worker, the last process, and of its parent until the fork."""
        self._pid = processes[-1]
        return self._dump()

    def measure(self, work):
        """The instructions while `work` runs."""
        self._order("zero")
        work()
        return self._dump()

    def _dump(self):
        self._order("dump")
        self._dumps += 1
        dumped = (self._folder / f"out.{self._pid}.{self._dumps}").read_text()
        return int(re.search(r"^totals: (\d+)", dumped, re.MULTILINE)[1])

    def _order(self, *words):
        command = ["vgdb", f"--pid={self._pid}", self._pipes, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"valgrind does not take orders: {done.stderr.strip()}")
