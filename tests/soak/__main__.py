"""The soak test: 500 parallel streams on one core, one in ten faulty, twice.

Says how many were exact, what gaps there were between chunks, and what the process takes after each round.
An event of Vertex that brings no chunk makes a gap too: how late chunks are, `tests/benchmark` knows.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from crowd import Size, alone, crowd, percentile, run
from helpers.server import served

from vertex_compat.emulator import Emulator

MEGABYTE = 1 << 20


def main():
    parser = argparse.ArgumentParser(prog="python tests/soak", description=__doc__)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--pace", type=float, default=0.2, help="seconds between two events of a stream")
    parser.add_argument("--core", type=int, default=0, help="on which the function runs")
    options = parser.parse_args()
    with (
        Emulator(pace=options.pace) as emulator,
        tempfile.TemporaryDirectory() as folder,
        served(emulator, Path(folder) / "log") as server,
    ):
        os.sched_setaffinity(server.worker, {options.core})
        for number in range(options.rounds):
            streams = run(server.address, [*crowd(options.streams)], 300, bar(options.streams))
            sys.stdout.write(f"round {number + 1}: {report(streams, server)}\n")


def bar(total):
    """A progress bar on a line of its own."""

    def show(done):
        filled = 40 * done // total
        sys.stderr.write(f"\r[{'#' * filled}{'.' * (40 - filled)}] {done}/{total} " + "\n" * (done == total))
        sys.stderr.flush()

    return show


def report(streams, server):
    """Return the outcome of the streams and the resources of the function, in a sentence."""
    healthy = [stream for stream in streams if not stream.faulty]
    expected = {model: alone(server.address, model) for model in {stream.model for stream in healthy}}
    exact = sum(stream.whole and stream.text == expected[stream.model] for stream in healthy)
    error_count = sum(stream.has_error for stream in streams if stream.faulty)
    firsts = [stream.times[0] - stream.began for stream in healthy]
    pace = server.emulator.pace
    delays = [
        max(later - earlier - pace, 0)
        for stream in healthy
        for earlier, later in zip(stream.times[:-2], stream.times[1:-1], strict=True)
    ]
    size = Size.of(server.worker)
    return (
        f"{exact} of {len(healthy)} exact, {error_count} of {len(streams) - len(healthy)} told; "
        f"first chunk p50 {percentile(firsts, 0.5):.2f} s, p99 {percentile(firsts, 0.99):.2f} s; "
        f"gaps beyond the pace p50 {1000 * percentile(delays, 0.5):.0f} ms, "
        f"p99 {1000 * percentile(delays, 0.99):.0f} ms; "
        f"{size.memory / MEGABYTE:.0f} MB, {size.threads} threads, {size.descriptors} descriptors"
    )


if __name__ == "__main__":
    main()
