"""Clients that rely on stored responses, each with what it does by default.

What they need is installed by `.ci/run`, beside this file; without it they are skipped, except there.
"""

import os
import subprocess
from pathlib import Path

import pytest
from helpers.server import KEY, bare_environment

PYTHON = Path(__file__).parent / ".venv" / "bin" / "python"

AGENT_FRAMEWORK = """
import asyncio, sys
from agent_framework import Agent
from agent_framework.openai import OpenAIChatClient

def get_weather(city: str) -> str:
    "The weather of a city."
    return f"It is sunny in {city}."

async def main():
    client = OpenAIChatClient(model="gemini-3.8-flash", base_url=sys.argv[1], api_key=sys.argv[2])
    agent = Agent(client=client, instructions="Be brief.", tools=[get_weather])
    session = agent.create_session()
    print((await agent.run("Use the tool get_weather.", session=session)).text)
    print((await agent.run("Thank you.", session=session)).text)

asyncio.run(main())
"""

LANGCHAIN = """
import sys
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    model="gemini-3.8-flash", base_url=sys.argv[1], api_key=sys.argv[2], use_previous_response_id=True
)
messages = [HumanMessage("My name is Alice.")]
messages.append(model.invoke(messages))
messages.append(HumanMessage("Who am I?"))
answer = model.invoke(messages)
assert isinstance(answer, AIMessage)
print(answer.text)
"""


@pytest.fixture
def server(serve, storage):  # noqa: ARG001  (an empty storage)
    return serve(VERTEX_COMPAT_API_KEYS=f"me:{KEY}", GCS_BUCKET_NAME="memory-of-clients")


@pytest.mark.parametrize("script", [AGENT_FRAMEWORK, LANGCHAIN], ids=["agent-framework", "langchain"])
def test_a_client_continues_from_a_stored_response(server, emulator, script):
    if not PYTHON.exists():
        assert "CI" not in os.environ, "CI installs what the clients need"
        pytest.skip("what it needs is not installed: see .ci/run")
    done = subprocess.run(
        [PYTHON, "-c", script, f"{server.url}/v1", KEY],
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    reads = [call for call in emulator.calls if call.method == "GET" and "/responses" in call.path]
    assert reads, "no stored response was read"
