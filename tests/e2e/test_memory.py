"""The memory of large bodies goes back to the system."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from helpers.server import served

MEGABYTE = 1 << 20
BODY_BYTES = 8 * MEGABYTE
CLIENTS = 6


def resident(pid):
    """Bytes of memory that a process has now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_large_bodies_leave_no_memory_behind(shared_emulator, tmp_path):
    with served(shared_emulator, tmp_path / "log", VERTEX_COMPAT_MEMORY_BUDGET="400") as server:

        def ask(size):
            message = {"role": "user", "content": "word " * (size // 5)}
            body = json.dumps({"model": "gemini-3.8-flash", "messages": [message]})
            headers = {"Content-Type": "application/json"}
            return requests.post(f"{server.url}/v1/chat/completions", body, headers=headers, timeout=60)

        assert ask(1000).status_code == 200
        before = resident(server.worker)
        with ThreadPoolExecutor(CLIENTS) as pool:
            statuses = {response.status_code for response in pool.map(ask, [BODY_BYTES] * 2 * CLIENTS)}
        assert statuses == {200}
        server.wait_for_log(lambda log: log.count("POST /v1/chat/completions") == 1 + 2 * CLIENTS)
        assert resident(server.worker) - before < 5 * BODY_BYTES
