"""The table as a picture: every figure as a multiple of the floor's, targets included.

Where instructions were counted, they stand for the time, which is noise on a busy machine.

matplotlib draws it. It is imported only here and only when a picture is asked for.
"""

from rows import ROWS

TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 50)
COLOURS = ("#1a73e8", "#d97757", "#f59e0b", "#16a34a", "#7c3aed")


def draw(results, path):
    """Write a PNG; raises `ImportError` where there is no matplotlib."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    rows = [row for row in reversed(ROWS) if any(_points(results, row, "ours"))]
    publishers = list(dict.fromkeys(name for row in rows for name in results.publishers(row)))
    figure, axes = plt.subplots(figsize=(11, 0.55 * len(rows) + 1.8), layout="constrained")
    axes.axvline(1, color="#555555", linewidth=1)
    for place, row in enumerate(rows):
        if (limit := _limit(results, row)) is not None:
            axes.plot([limit, limit], [place - 0.35, place + 0.35], color="#dc2626", linewidth=2)
        for subject, filled in (("litellm", False), ("ours", True)):
            for publisher, multiple in _points(results, row, subject):
                number = publishers.index(publisher)
                colour = COLOURS[number % len(COLOURS)]
                height = place + 0.12 * ((len(publishers) - 1) / 2 - number)
                axes.plot(
                    multiple,
                    height,
                    "o",
                    markersize=7,
                    color=colour,
                    markerfacecolor=colour if filled else "none",
                )
    axes.set_yticks(range(len(rows)), [_title(results, row) for row in rows])
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [f"{tick:g} x" for tick in TICKS])
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.set_xlabel("cost, as a multiple of a bare pass-through on the same stack (left is better)")
    marks = [
        plt.Line2D([], [], marker="o", linestyle="", color=COLOURS[number % len(COLOURS)], label=publisher)
        for number, publisher in enumerate(publishers)
    ]
    marks.append(plt.Line2D([], [], color="#dc2626", linewidth=2, label="target"))
    if "litellm" in results.subjects():
        style = {"marker": "o", "linestyle": "", "color": "#555555", "markerfacecolor": "none"}
        marks.append(plt.Line2D([], [], label="LiteLLM's proxy", **style))
    figure.legend(handles=marks, loc="outside upper center", ncols=len(marks), frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _points(results, row, subject):
    """The subject's cost as a multiple of the floor's, for each publisher; a rate is inverted."""
    points = []
    for publisher in results.publishers(row):
        ratio = results.ratio(publisher, row.key, _measure(results, publisher, row), of=subject)
        if ratio:
            points.append((publisher, 1 / ratio if row.more else ratio))
    return points


def _measure(results, publisher, row):
    counted = results.get(publisher, row.key, "floor", "instructions")
    return "value" if counted is None else "instructions"


def _title(results, row):
    counted = any(
        _measure(results, publisher, row) == "instructions" for publisher in results.publishers(row)
    )
    return f"{row.title} (instructions)" if counted else row.title


def _limit(results, row):
    """The target as such a multiple; None if it is none."""
    limit = row.limit
    if not row.of_floor:
        floors = [results.get(publisher, row.key, "floor") for publisher in results.publishers(row)]
        positive = [floor for floor in floors if floor]
        if not positive or not limit:
            return None
        limit /= sum(positive) / len(positive)
    return 1 / limit if row.more else limit
