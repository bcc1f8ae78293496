"""The table: what is measured, what is aimed at, and whether it was met."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain

import probes
from apis import APIS

EACH_ROUND = (
    probes.one_client,
    probes.many_clients,
    probes.first_token,
    probes.paced,
    probes.saturated,
    probes.other_apis,
)


@dataclass(frozen=True)
class Row:
    """One line. `unit` is what a figure is divided by to be shown, and its name.

    The target is a limit for ours ÷ floor where `of_floor`, else for our own figure. `more` says that more is
    better. `counted` is the probe that counts instructions on callgrind: a second measure with the same
    limit.
    """

    key: str
    title: str
    probe: Callable
    limit: float
    unit: tuple[float, str] = (1, "")
    digits: int = 0
    of_floor: bool = True
    more: bool = False
    counted: Callable | None = None

    @property
    def target(self):
        sign = "≥" if self.more else "≤"
        return (
            f"{sign} {self.limit:g} x floor"
            if self.of_floor
            else f"{sign} {self.limit / self.unit[0]:g}{self.unit[1]}"
        )

    def met(self, ratio):
        """Return whether a ratio (or a figure, where that counts) is within the limit."""
        return ratio >= self.limit if self.more else ratio <= self.limit

    def show(self, figure):
        return f"{figure / self.unit[0]:,.{self.digits}f}{self.unit[1]}"


def _of_api(api):
    """Return the rows of an API besides chat."""
    name = api.path.replace("MODEL", "…")
    chat = Row(api.key, name, probes.other_apis, 0.85, (1e-3, " ms CPU"), 2, counted=probes.simulated_apis)
    chunk = replace(chat, key=f"{api.key}_chunk", title=f"a chunk, {name}", unit=(1e-6, " µs CPU"), digits=0)
    return chat, chunk


ROWS = (
    Row("cold", "cold start to first answer", probes.cold_start, 1.0, (1, " s"), 2),
    Row(
        "deployed",
        "the same, deployed by our commands",
        probes.cold_start_deployed,
        0.85,
        (1, " s"),
        2,
        counted=probes.simulated_starts,
    ),
    Row(
        "source",
        "the same, without valid bytecode",
        probes.cold_start_source,
        1.2,
        (1, " s"),
        2,
        counted=probes.simulated_starts,
    ),
    Row("idle", "idle memory (PSS)", probes.cold_start, 1.05, (1e6, " MB"), 1),
    Row(
        "unary",
        "one non-streaming chat",
        probes.one_client,
        0.85,
        (1e-3, " ms CPU"),
        2,
        counted=probes.simulated,
    ),
    Row("rate", "requests/s at 32 clients", probes.many_clients, 1.2, more=True),
    Row("latency", "latency added, one client, p50", probes.one_client, 1.0, (1e-3, " ms"), 2),
    Row("paced", "a streamed chunk, paced", probes.paced, 0.75, (1e-6, " µs CPU"), counted=probes.simulated),
    Row(
        "saturated",
        "a streamed chunk, saturated",
        probes.saturated,
        0.85,
        (1e-6, " µs CPU"),
        counted=probes.simulated,
    ),
    Row("first", "time to first token added, p50", probes.first_token, 1.0, (1e-3, " ms"), 2),
    Row("streams", "slow streams held on one core", probes.slow_streams, 900, of_floor=False, more=True),
    Row("memory", "memory per 100 streams", probes.together, 15e6, (1e6, " MB"), 1, of_floor=False),
    Row("left", "upstream streams open after their clients left", probes.together, 0, of_floor=False),
    *chain.from_iterable(map(_of_api, APIS)),
    Row("size", "installed size", probes.size, 30e6, (1e6, " MB"), of_floor=False),
    Row("distributions", "distributions", probes.size, 32, of_floor=False),
)

WITHOUT_PUBLISHER = frozenset({"size", "distributions"})


class Results:
    """Figures by publisher, row, subject and measure (`value`, `instructions`), and failures.

    Only those of the rows in `wanted`: a probe may give more.
    """

    def __init__(self, keys):
        self._keys = frozenset(keys)
        self.samples = {}
        self.failures = []

    def add(self, publisher, subject, figures):
        """Add what a probe gave."""
        for row, figure in figures.items():
            if isinstance(figure, probes.Cost):
                self._sample(publisher, row, subject, "value", figure.seconds)
                self._sample(publisher, row, subject, "instructions", figure.instructions)
            else:
                self._sample(publisher, row, subject, "value", figure)

    def _sample(self, publisher, row, subject, measure, figure):
        if figure is not None and row in self._keys:
            self.samples.setdefault((publisher, row, subject, measure), []).append(figure)

    def get(self, publisher, row, subject, measure="value"):
        """The median; None if it was not measured."""
        samples = sorted(self.samples.get((publisher, row, subject, measure), ()))
        if not samples:
            return None
        middle = len(samples) // 2
        return samples[middle] if len(samples) % 2 else (samples[middle - 1] + samples[middle]) / 2

    def ratio(self, publisher, row, measure="value", of="ours", to="floor"):
        """The ratio of one's figure to another's; None if there is none."""
        figure, other = self.get(publisher, row, of, measure), self.get(publisher, row, to, measure)
        return figure / other if figure is not None and other else None

    def verdict(self, publisher, row):
        """Return whether ours meets the target; None if not measured."""
        if not row.of_floor:
            figure = self.get(publisher, row.key, "ours")
            return None if figure is None else row.met(figure)
        ratios = [self.ratio(publisher, row.key, measure) for measure in ("value", "instructions")]
        measured = [ratio for ratio in ratios if ratio is not None]
        return all(map(row.met, measured)) if measured else None

    def publishers(self, row):
        """The publishers that a row was measured for, in the order of measuring."""
        return list(dict.fromkeys(publisher for publisher, key, _, _ in self.samples if key == row.key))

    def subjects(self):
        return list(dict.fromkeys(subject for _, _, subject, _ in self.samples))


def markdown(results, subjects):
    """The table. Where a column has two figures, the second is thousands of instructions."""
    names = [name for name in subjects if name != "ours"]
    head = ["", "publisher", *names, "**ours**", "ours ÷ floor", "target", ""]
    lines = [head, ["---"] * len(head)]
    for row in ROWS:
        for publisher in results.publishers(row):
            cells = [_figure(results, publisher, row, name) for name in (*names, "ours")]
            verdict = {True: "✓", False: "✗", None: ""}[results.verdict(publisher, row)]
            publisher_cell = "" if row.key in WITHOUT_PUBLISHER else publisher
            lines.append(
                [row.title, publisher_cell, *cells, _ratios(results, publisher, row), row.target, verdict]
            )
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _figure(results, publisher, row, subject):
    figure = results.get(publisher, row.key, subject)
    counted = results.get(publisher, row.key, subject, "instructions")
    parts = [row.show(figure)] if figure is not None else []
    if counted is not None:
        parts.append(f"{counted / 1000:,.0f}")
    return " / ".join(parts) or "-"


def _ratios(results, publisher, row):
    ratios = [results.ratio(publisher, row.key, measure) for measure in ("value", "instructions")]
    return " / ".join(f"{ratio:.2f}" for ratio in ratios if ratio is not None)


def as_json(results, about):
    """Everything, for a machine to read."""
    figures = [
        {
            "publisher": publisher,
            "row": row,
            "subject": subject,
            "measure": measure,
            "median": results.get(publisher, row, subject, measure),
            "samples": samples,
        }
        for (publisher, row, subject, measure), samples in results.samples.items()
    ]
    return {**about, "figures": figures, "failures": results.failures}
