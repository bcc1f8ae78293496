"""The image of `.github/docs/dashboard.json`: its charts, by the log of a run.

    .venv/bin/python tests/benchmark/dashboard.py

The function is served for a minute to clients with three keys. Its log is read every few seconds, as Cloud
Logging would read it. Titles, labels and metrics are those of the dashboard; the interval is shorter.
"""

import json
import math
import random
import re
import sys
import tempfile
import threading
from html import escape
from pathlib import Path
from typing import NamedTuple

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from helpers.server import ROOT, served

from vertex_compat.emulator.server import Emulator

DOCS = ROOT / ".github" / "docs"
INTERVAL_SECONDS = 5
INTERVALS = 12
PACE_SECONDS = 0.01
"""Between two events of the emulator's streams."""

CLIENTS = (
    ("search", "gemini-3.8-flash", 0.15),
    ("search", "gemini-embedding-001", 0.3),
    ("support", "claude-sonnet-5-5", 0.5),
    ("support", "gemini-3.8-flash", 0.4),
    ("agents", "claude-opus-5-5", 0.8),
    ("agents", "mistral-medium-3", 0.6),
)
"""Key, model, and the mean seconds between two requests."""

QUERY = re.compile(r"sum by \((?P<label>model|key).*user_vertex_compat_(?P<field>\w+)_(?P<kind>sum|bucket)\{")
LABELS = {"model": "served", "key": "key"}
COLOURS = ("#1a73e8", "#d97757", "#16a34a", "#7c3aed", "#f59e0b", "#555555")
NAMES = (sorted({model for _, model, _ in CLIENTS}), sorted({key for key, _, _ in CLIENTS}))
COLOUR = {name: colour for names in NAMES for name, colour in zip(names, COLOURS, strict=False)}
WIDTH, HEIGHT = 610, 230
MARGIN_LEFT, RIGHT, TOP, BOTTOM = 56, 20, 52, 30
STEPS = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
"""Multiples of a power of ten at which an axis ends."""


class Chart(NamedTuple):
    """A chart of the dashboard: what it shows, of which values, by which label."""

    title: str
    label: str
    field: str
    is_percentile: bool


def charts():
    for tile in json.loads((DOCS / "dashboard.json").read_text())["mosaicLayout"]["tiles"]:
        widget = tile["widget"]
        match = QUERY.search(widget["xyChart"]["dataSets"][0]["timeSeriesQuery"]["prometheusQuery"])
        title = widget["title"].replace("5 minutes", f"{INTERVAL_SECONDS} seconds")
        yield Chart(title, LABELS[match["label"]], match["field"], match["kind"] == "bucket")


# The run


def run():
    """The entries of the log that came in each interval."""
    with Emulator(pace=PACE_SECONDS) as emulator, tempfile.TemporaryDirectory() as folder:
        keys = {key: f"sk-{key}-0123456789abcdef" for key, _, _ in CLIENTS}
        env = {
            "K_SERVICE": "vertex-compat",
            "VERTEX_COMPAT_API_KEYS": ",".join(f"{name}:{key}" for name, key in keys.items()),
        }
        with served(emulator, Path(folder, "log"), **env) as server:
            ended = threading.Event()
            threads = [
                threading.Thread(target=client, args=(server.url, keys[key], model, pause, ended))
                for key, model, pause in CLIENTS
            ]
            for thread in threads:
                thread.start()
            yield from intervals(server, ended)
            for thread in threads:
                thread.join()


def intervals(server, ended):
    read = 0
    for _ in range(INTERVALS):
        ended.wait(INTERVAL_SECONDS)
        lines = server.log().splitlines()
        yield [
            entry for line in lines[read:] if line.startswith("{") and "served" in (entry := json.loads(line))
        ]
        read = len(lines)
    ended.set()


def client(url, key, model, pause, ended):
    """Make requests until the run has ended, of the same lengths in every run."""
    chance = random.Random(f"{key} {model}")
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {key}"
        while not ended.wait(chance.expovariate(1 / pause)):
            text = "word " * chance.randint(20, 2000)
            if "embedding" in model:
                session.post(f"{url}/v1/embeddings", json={"model": model, "input": text})
                continue
            body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 2000}
            session.post(f"{url}/v1/chat/completions", json=body | {"stream": chance.random() < 0.7})


def series(chart, entries):
    """Label → the chart's value in each interval; None where there is none."""
    names = sorted({entry[chart.label] for part in entries for entry in part if chart.field in entry})
    values = {}
    for name in names:
        parts = [
            [entry[chart.field] for entry in part if entry[chart.label] == name and chart.field in entry]
            for part in entries
        ]
        values[name] = [percentile(part) if chart.is_percentile else sum(part) for part in parts]
    return values


def percentile(values, share=0.95):
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None


# The picture


def picture(entries):
    all_charts = list(charts())
    rows = math.ceil(len(all_charts) / 2)
    tiles = [
        f'<g transform="translate({number % 2 * WIDTH},{number // 2 * HEIGHT})">{tile(chart, entries)}</g>'
        for number, chart in enumerate(all_charts)
    ]
    size = f'width="{2 * WIDTH}" height="{rows * HEIGHT}" viewBox="0 0 {2 * WIDTH} {rows * HEIGHT}"'
    style = "text{font:10px sans-serif;fill:#444}.t{font-size:13px;fill:#111}.g{stroke:#ddd}"
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{style}</style>{background}'
    return "\n".join([head, *tiles, "</svg>\n"])


def tile(chart, entries):
    values = series(chart, entries)
    totals = [sum(filter(None, part)) for part in zip(*values.values(), strict=True)]
    highest = (
        max(filter(None, [value for part in values.values() for value in part]))
        if chart.is_percentile
        else max(totals)
    )
    top = rounded(highest)
    draw = lines if chart.is_percentile else bars
    return "\n".join(
        [
            f'<text class="t" x="12" y="18">{escape(chart.title)}</text>',
            *legend(values),
            *axis(top),
            *draw(values, top),
        ]
    )


def rounded(highest):
    power = 10 ** math.floor(math.log10(highest))
    return next(step * power for step in STEPS if step * power >= highest)


def legend(values):
    x = 12
    for name in values:
        yield f'<rect x="{x}" y="27" width="9" height="9" fill="{COLOUR[name]}"/>'
        yield f'<text x="{x + 13}" y="36">{escape(name)}</text>'
        x += 22 + round(5.7 * len(name))


def axis(top):
    for share in (0, 0.5, 1):
        y = height(share * top, top)
        yield f'<path class="g" d="M{MARGIN_LEFT} {y}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{MARGIN_LEFT - 6}" y="{y + 4}" text-anchor="end">{share * top:,.6g}</text>'
    for number in (0, INTERVALS // 2, INTERVALS):
        x = MARGIN_LEFT + number * step()
        yield f'<text x="{x:g}" y="{HEIGHT - 8}" text-anchor="middle">{number * INTERVAL_SECONDS} s</text>'


def bars(values, top):
    heights = [0.0] * INTERVALS
    for name, part in values.items():
        for number, value in enumerate(part):
            low, heights[number] = heights[number], heights[number] + value
            y, x = height(heights[number], top), MARGIN_LEFT + (number + 0.1) * step()
            tall = round(height(low, top) - y, 1)
            size = f'width="{0.8 * step():.1f}" height="{tall}"'
            yield f'<rect x="{x:.1f}" y="{y}" {size} fill="{COLOUR[name]}"/>'


def lines(values, top):
    for name, part in values.items():
        points = [
            f"{MARGIN_LEFT + (number + 0.5) * step():.1f},{height(value, top)}"
            for number, value in enumerate(part)
            if value is not None
        ]
        yield f'<polyline points="{" ".join(points)}" fill="none" stroke="{COLOUR[name]}" stroke-width="2"/>'


def height(value, top):
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)


def step():
    return (WIDTH - MARGIN_LEFT - RIGHT) / INTERVALS


if __name__ == "__main__":
    (DOCS / "dashboard.svg").write_text(picture(list(run())))
