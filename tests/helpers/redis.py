"""A Redis server for tests: Debian's `redis-server`, on a socket in a folder of its own."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest
import redis


@contextmanager
def redis_server(folder):
    """The URL of a server that keeps nothing on disk."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    path = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as process:
        client = redis.Redis(unix_socket_path=str(path))
        deadline = time.monotonic() + 10
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        client.close()
        try:
            yield f"unix://{path}"
        finally:
            process.terminate()
