"""CPU and peak memory of one request by the size of its body: texts, an image as data URL.

    .venv/bin/python tests/benchmark/body_sizes.py

The served function sends each request to the emulator, three times; CPU is the least of the three. Memory is
the worker's highest resident size above that of a worker that has answered one small request, the most of
the three.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from helpers.server import served

from vertex_compat.emulator import Emulator

SIZES = {"1 KB": 1 << 10, "32 KB": 1 << 15, "1 MB": 1 << 20, "8 MB": 1 << 23, "32 MB": 1 << 25}
"""In ascending order: memory that a request has used may stay with the process."""
MODELS = {
    "Gemini": "gemini-3.8-flash",
    "Claude": "claude-sonnet-5-5",
    "Mistral": "mistral-medium-3",
    "open models": "qwen/qwen3.5-397b-a17b-maas",
}
RUNS = 3
MEASURABLE = 1 << 20
"""Size from which the body's share of the memory can be told."""

LIMITS = {"VERTEX_COMPAT_MAX_BODY": "64", "VERTEX_COMPAT_MEMORY_BUDGET": "1000"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"


def text(size):
    return [{"type": "text", "text": ("word " * (size // 5))[:size]}]


def picture(size):
    data = PNG + "AAAA" * ((size - len(PNG)) // 4)
    return [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    ]


def cpu(pid):
    """Seconds of CPU that a process has used."""
    return time.clock_gettime(~pid << 3 | 2)


def peak(pid):
    """The highest resident size of a process since `reset`, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def reset(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def post(url, body):
    return requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=120)


def rows(name, model, kind, emulator):
    """The lines of the table for one model and one kind of content, from a server of their own."""
    with tempfile.TemporaryDirectory() as folder, served(emulator, Path(folder) / "log", **LIMITS) as server:
        url = f"{server.url}/v1/chat/completions"

        def chat(size):
            message = {"role": "user", "content": kind(size)}
            return json.dumps({"model": model, "messages": [message]}).encode()

        post(url, chat(1000)).raise_for_status()
        worker = server.worker
        reset(worker)
        idle = peak(worker)
        for size, count in SIZES.items():
            body = chat(count)
            seconds, memory = [], []
            for _ in range(RUNS):
                reset(worker)
                began = cpu(worker)
                post(url, body).raise_for_status()
                seconds.append(cpu(worker) - began)
                memory.append(peak(worker) - idle)
            used = max(memory)
            bodies = f"{used / len(body):.1f}" if count >= MEASURABLE else ""
            figures = f"{min(seconds) * 1000:.1f} | {used / 1e6:.1f} | {bodies}"
            yield f"| {name}, {kind.__name__} | {size} | {figures} |"


def main():
    """Print the table."""
    sys.stdout.write("| | body | CPU ms | peak memory, MB | the same, in bodies |\n|---|---|---|---|---|\n")
    with Emulator() as emulator:
        for name, model in MODELS.items():
            for kind in (text, picture):
                for row in rows(name, model, kind, emulator):
                    sys.stdout.write(f"{row}\n")


if __name__ == "__main__":
    main()
