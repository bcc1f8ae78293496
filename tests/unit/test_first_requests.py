"""First requests in parallel: what is made at its first use is made by one thread."""

import json

import pytest
from helpers.server import run_python

SIDE_BY_SIDE = """
import json, sys, threading
from vertex_compat.operations.{package} import {module}
from vertex_compat.operations.request.body import validate

threads = 12
together = threading.Barrier(threads)
body = json.loads({body!r})
sys.setswitchinterval(1e-6)

def begin():
    together.wait()
    validate(body, {module}.{schema})

started = [threading.Thread(target=begin) for _ in range(threads)]
for one in started:
    one.start()
for one in started:
    one.join()
"""

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT = {
    "model": "gemini-3.8-flash",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "1"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
}
RESPONSE = {"model": "gemini-3.8-flash", "input": "Hello", "reasoning": {"effort": "low"}}


@pytest.mark.parametrize(
    ("package", "schema", "body"), [("chat", "Chat", CHAT), ("responses", "Response", RESPONSE)]
)
def test_a_schema_that_many_threads_need_at_once_is_read_by_one(package, schema, body):
    code = SIDE_BY_SIDE.format(
        package=package, module=f"{package}_schema", schema=schema, body=json.dumps(body)
    )
    for _ in range(10):
        done = run_python(code, check=False)
        assert done.returncode == 0, done.stderr  # -11: a thread has found half of it
