"""The CPU of a request grows in proportion to its size; an agent's long history is cheap."""

import json
import time

import pytest
from helpers.fixtures import MODELS, RecordingTransport, function, post
from helpers.linear import TIMES, assert_linear, cpu_seconds

AGENT_SECONDS = 0.025

each_publisher = pytest.mark.parametrize("publisher", MODELS)


def tool(number, parameters=None):
    schema = parameters or {
        "type": "object",
        "properties": {"path": {"type": "string"}},
        "required": ["path"],
    }
    return {"type": "function", "function": {"name": f"tool_{number}", "parameters": schema}}


def call(number, name="tool_0"):
    function = {"name": name, "arguments": json.dumps({"path": f"/src/{number}", "text": "x" * 200})}
    return {"id": f"call_{number:09d}", "type": "function", "function": function}


def texts(count):
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": f"message {n}"} for n in range(2 * count + 1)]}


def parts(count):
    return {
        "messages": [{"role": "user", "content": [{"type": "text", "text": f"{n}"} for n in range(count)]}]
    }


def history(count, per_turn=2):
    messages = [{"role": "user", "content": "Begin."}]
    for turn in range(count):
        calls = [call(turn * per_turn + n) for n in range(per_turn)]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages += [
            {"role": "tool", "tool_call_id": tool_call["id"], "content": "y" * 2000} for tool_call in calls
        ]
    return {"messages": messages, "tools": [tool(0)]}


def old_functions(count):
    messages = [{"role": "user", "content": "Begin."}]
    for number in range(count):
        function = {"name": "tool_0", "arguments": "{}"}
        messages.append({"role": "assistant", "content": None, "function_call": function})
        messages.append({"role": "function", "name": "tool_0", "content": str(number)})
    return {"messages": messages, "functions": [tool(0)["function"]]}


def tools(count):
    return {"messages": [{"role": "user", "content": "Hi"}], "tools": [tool(n) for n in range(count)]}


def wide_schema(count):
    properties = {f"field_{n}": {"type": "string", "description": f"{n}"} for n in range(count)}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"messages": [{"role": "user", "content": "Hi"}], "tools": [tool(0, schema)]}


def data_url(count):
    url = "data:image/png;base64," + "iVBORw0KGgo" * count
    part = {"type": "image_url", "image_url": {"url": url[: len(url) // 4 * 4]}}
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, part]}]}


KINDS = {
    "messages": (texts, 1200),
    "parts": (parts, 500),
    "tool calls": (history, 150),
    "old functions": (old_functions, 250),
    "tools": (tools, 250),
    "schema": (wide_schema, 800),
    "data URL": (data_url, 200_000),
}


@pytest.fixture(scope="module")
def transport():
    return RecordingTransport()


@pytest.fixture(scope="module")
def app(transport):
    app = function(transport)
    app.transport = transport
    return app


def seconds(app, content):
    """CPU of a request that was translated."""
    took, response = cpu_seconds(lambda: post(app, content))
    assert app.transport.calls, response.data
    app.transport.calls.clear()
    response.close()
    return took


@each_publisher
@pytest.mark.parametrize("kind", KINDS)
def test_cpu_grows_in_proportion_to_the_size(app, publisher, kind):
    make, count = KINDS[kind]
    if kind == "data URL" and publisher == "ai21":
        pytest.skip("Jamba takes no images")
    small, large = (
        json.dumps(make(size) | {"model": MODELS[publisher]}).encode() for size in (count, TIMES * count)
    )
    assert_linear(lambda: seconds(app, small), lambda: seconds(app, large))


@each_publisher
def test_agents_history_of_a_megabyte_is_translated_in_25_ms(app, publisher):
    body = history(200) | {"model": MODELS[publisher], "tools": [tool(n) for n in range(50)]}
    content = json.dumps(body).encode()
    assert min(seconds(app, content) for _ in range(8)) <= AGENT_SECONDS * speed_of_this_machine()


def speed_of_this_machine():
    """Return the time on this machine as a multiple of that on which the limit was set."""
    began = time.thread_time()
    for _ in range(5):
        json.loads(json.dumps([{"a": number, "b": "text"} for number in range(20_000)]))
    return max(1.0, (time.thread_time() - began) / 0.12)
