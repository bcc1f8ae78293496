"""Compare speed and size: ours, a bare pass-through on the same stack, an empty function.

    python tests/benchmark                        everything, some minutes a publisher
    python tests/benchmark --quick                whether it works, in seconds; the figures mean nothing
    python tests/benchmark --publishers google --rows paced saturated
    python tests/benchmark --before ../old        another checkout beside this one: what a change gave
    python tests/benchmark --venv litellm=/path/to/venv    LiteLLM's proxy too, from an environment with
                                                  `pip install 'litellm[proxy]' google-auth`

A mock of Vertex AI (`upstream.py`) answers over TLS, a load client (`client.py`) checks every byte. The
subjects run one after the other in every round, on a core of their own, and the table shows medians over
the rounds. Instructions come from the processor where it tells, else from valgrind's callgrind where that is
installed (`apt-get install valgrind`). It runs on Linux; a quiet machine with two cores or more is best.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import instructions
import plot
import probes
import rows
import subject as subjects
from bench import QUICK, Bench, Sizes
from client import WrongAnswer
from wires import WIRES


def main():
    """Measure; 1 if something went wrong, whether or not the targets are met."""
    options = _options()
    sizes = QUICK if options.quick else Sizes()
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    results = rows.Results(options.rows)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        with Bench(Path(folder), sizes, tls=not options.plain, split=options.split) as bench:
            compared = _subjects(options, bench.url, Path(folder))
            steps = list(_steps(options, bench, compared))
            _measure(bench, steps, results)
        about = _about(options, bench)
    sys.stdout.write(rows.markdown(results, [subject.name for subject in compared]))
    if options.json:
        options.json.write_text(json.dumps(rows.as_json(results, about), indent=1) + "\n")
    if options.plot:
        plot.draw(results, options.plot)
    for failure in results.failures:
        sys.stderr.write(f"{failure}\n")
    return 1 if results.failures else 0


def _options():
    parser = argparse.ArgumentParser(
        prog="python tests/benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    keys = [row.key for row in rows.ROWS]
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round")
    parser.add_argument("--rounds", type=int, help="rounds, of which the table shows the median")
    parser.add_argument("--rows", nargs="+", choices=keys, default=keys, metavar="ROW", help=" ".join(keys))
    parser.add_argument("--publishers", nargs="+", choices=WIRES, default=list(WIRES), help="(default: all)")
    parser.add_argument(
        "--subjects", nargs="+", default=["hello", "floor", "ours"], help="(default: hello floor ours)"
    )
    parser.add_argument(
        "--ours", type=Path, default=subjects.ROOT, metavar="FOLDER", help="the checkout to measure"
    )
    parser.add_argument(
        "--before", type=Path, metavar="FOLDER", help="another checkout, measured as `before`"
    )
    parser.add_argument(
        "--venv",
        nargs="+",
        default=[],
        metavar="SUBJECT=FOLDER",
        help="run a subject from a virtual environment, all of which counts as installed",
    )
    parser.add_argument(
        "--instructions",
        choices=("auto", "no"),
        default="auto",
        help="auto: from the processor, else from callgrind, except with --quick",
    )
    parser.add_argument("--plain", action="store_true", help="no TLS between the subjects and the mock")
    parser.add_argument(
        "--split", action="store_true", help="the mock sends each chunk in three TLS records, not in one"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a PNG (needs matplotlib)")
    return parser.parse_args()


def _subjects(options, url, folder):
    """The subjects that are compared, in the order of the columns."""
    pythons = {}
    for option in options.venv:
        name, _, path = option.partition("=")
        pythons[name] = str(Path(path) / "bin" / "python")
    factories = {
        "hello": subjects.hello,
        "floor": subjects.floor,
        "ours": lambda: subjects.this_function("ours", options.ours.resolve() / "main.py"),
    }
    names = list(options.subjects)
    if options.before:
        factories["before"] = lambda: subjects.this_function("before", options.before.resolve() / "main.py")
        names.append("before")
    if "litellm" in pythons:
        factories["litellm"] = lambda: subjects.litellm(pythons["litellm"], url, folder)
        names.append("litellm")
    compared = [factories[name]() for name in names]
    return [
        replace(subject, python=pythons[subject.name], requirements=())
        if subject.name in pythons
        else subject
        for subject in compared
    ]


def _steps(options, bench, compared):
    """The measurements in order: (label, probe, subject, wire)."""
    selected = {row.probe for row in rows.ROWS if row.key in options.rows}
    counted = dict.fromkeys(row.counted for row in rows.ROWS if row.counted and row.key in options.rows)
    chatting = [item for item in compared if item.chats]
    alone = [probe for probe in (probes.together, probes.slow_streams) if probe in selected]
    if _simulates(options, bench):
        alone += counted
    if probes.size in selected:
        yield from (("installed", probes.size, item, WIRES[options.publishers[0]]) for item in compared)
    for publisher in options.publishers:
        wire = WIRES[publisher]
        for probe in [item for item in probes.STARTS if item in selected]:
            for number in range(bench.sizes.rounds):
                yield from ((f"{publisher}, round {number + 1}", probe, item, wire) for item in compared)
        for number in range(bench.sizes.rounds):
            for probe in [item for item in rows.EACH_ROUND if item in selected]:
                yield from ((f"{publisher}, round {number + 1}", probe, item, wire) for item in chatting)
        for probe in alone:
            yield from ((publisher, probe, item, wire) for item in chatting)


def _simulates(options, bench):
    """Return whether callgrind is the only source of instruction counts."""
    is_automatic = options.instructions == "auto" and not options.quick
    return is_automatic and not bench.hardware and instructions.Callgrind.installed()


def _measure(bench, steps, results):
    progress = Progress(len(steps))
    for label, probe, subject, wire in steps:
        progress.show(f"{label}: {probe.__name__}, {subject.name}")
        try:
            results.add(wire.publisher, subject.name, probe(bench, subject, wire))
        except (WrongAnswer, RuntimeError, OSError) as error:
            results.failures.append(f"{label}: {probe.__name__}, {subject.name}: {error}")
        progress.done += 1
    progress.end()


class Progress:
    """A bar on standard error; where that is no terminal, a line now and then."""

    WIDTH = 30

    def __init__(self, steps):
        self.done = 0
        self._steps = steps
        self._started_at = self._printed_at = time.monotonic()

    def show(self, step):
        """Say what comes now."""
        filled = self.WIDTH * self.done // max(1, self._steps)
        bar = "█" * filled + "·" * (self.WIDTH - filled)
        now = time.monotonic()
        if sys.stderr.isatty():
            sys.stderr.write(
                f"\r\033[K{bar} {self.done}/{self._steps} {now - self._started_at:.0f} s  {step}"
            )
        elif now - self._printed_at > 30:
            self._printed_at = now
            sys.stderr.write(f"{self.done}/{self._steps} {now - self._started_at:.0f} s  {step}\n")
        sys.stderr.flush()

    def end(self):
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")


def _about(options, bench):
    """The machine and the method of the measurement."""
    counter = "processor" if bench.hardware else "callgrind" if instructions.Callgrind.installed() else None
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": options.quick,
        "tls": not options.plain,
        "split": options.split,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "busy": os.getloadavg(),
        "instructions": counter if options.instructions == "auto" else None,
        "sizes": asdict(bench.sizes),
    }


if __name__ == "__main__":
    sys.exit(main())
