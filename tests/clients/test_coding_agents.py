"""Claude Code, Gemini CLI and the JavaScript SDKs of Anthropic and Google, run as they are shipped.

`npm ci --prefix tests/clients/agents` installs them, as `.ci/run` does; without it these tests are skipped.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from vertex_compat.emulator.protocol.responses import Response

AGENTS = Path(__file__).parent / "agents"
BIN = AGENTS / "node_modules" / ".bin"
KEY = "sk-test-0123456789"
EACH_PUBLISHER = ["gemini-3.8-flash", "claude-sonnet-5-5", "mistral-medium-3"]

pytestmark = pytest.mark.skipif(not BIN.exists(), reason="npm ci --prefix tests/clients/agents")


@pytest.fixture
def server(serve):
    return serve(VERTEX_COMPAT_API_KEYS=f"me:{KEY}")


@pytest.fixture
def home(tmp_path):
    """A home and a working directory with nothing but one file."""
    (tmp_path / "home" / ".gemini").mkdir(parents=True)
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
    (tmp_path / "home" / ".gemini" / "settings.json").write_text(json.dumps(settings))
    work = tmp_path / "work"
    work.mkdir()
    (work / "notes.txt").write_text("alpha\n")
    return tmp_path


def run(home, command, **env):
    """What a command prints in an environment of its own."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home / "home"), "CI": "1", **env}
    done = subprocess.run(
        command,
        cwd=home / "work",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def claude_code(home, server, model, prompt, *options):
    output = run(
        home,
        [BIN / "claude", "-p", prompt, "--output-format", "json", "--model", model, *options],
        ANTHROPIC_BASE_URL=server.url,
        ANTHROPIC_API_KEY=KEY,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_AUTOUPDATER="1",
    )
    return json.loads(output)


def gemini_cli(home, server, model, prompt):
    return run(
        home,
        [BIN / "gemini", "-p", prompt, "-m", model],
        GOOGLE_GEMINI_BASE_URL=server.url,
        GEMINI_API_KEY=KEY,
        GEMINI_CLI_TRUST_WORKSPACE="true",
    )


def chunks(*parts):
    """A stream of Gemini's with these parts."""
    content = {"role": "model", "parts": list(parts)}
    chunk = {
        "candidates": [{"content": content, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10},
    }
    data = b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n"
    return Response(200, (data,), {"Content-Type": "text/event-stream"}, streamed=True)


def call(name, **args):
    return {"functionCall": {"name": name, "args": args}, "thoughtSignature": "c2lnbmF0dXJl"}


@pytest.mark.parametrize("model", EACH_PUBLISHER)
def test_claude_code_answers_with_every_publisher(home, server, model):
    result = claude_code(home, server, model, "Say hi", "--tools", "")
    assert not result["is_error"], result["result"]
    assert "Say hi" in result["result"]
    assert result["usage"]["output_tokens"] > 0


def test_claude_code_on_gemini_reads_and_edits_a_file(home, server, emulator):
    path = str(home / "work" / "notes.txt")
    emulator.app.scripts.extend(
        [
            chunks({"text": "I read it."}, call("Read", file_path=path)),
            chunks(call("Edit", file_path=path, old_string="alpha", new_string="beta")),
            chunks({"text": "Changed."}),
        ]
    )
    options = ("--tools", "Read,Edit", "--permission-mode", "acceptEdits")
    result = claude_code(home, server, "gemini-3.8-flash", "Replace alpha by beta in notes.txt", *options)
    assert (result["result"], result["num_turns"]) == ("Changed.", 3)
    assert (home / "work" / "notes.txt").read_text() == "beta\n"
    last = json.loads(emulator.calls[-1].body)
    signed = [part for content in last["contents"] for part in content["parts"] if "functionCall" in part]
    assert [part["thoughtSignature"] for part in signed] == ["c2lnbmF0dXJl"] * 2


@pytest.mark.parametrize("model", EACH_PUBLISHER)
def test_claude_code_compacts_a_conversation(home, server, emulator, model):
    options = ("--tools", "", "--continue")
    claude_code(home, server, model, "Remember the word xylophone", "--tools", "")
    assert "saxophone" in claude_code(home, server, model, "And saxophone", *options)["result"]
    long = emulator.calls[-1].body.decode()
    assert "Remember the word xylophone" in long
    assert not claude_code(home, server, model, "/compact", *options)["is_error"]
    summary = emulator.calls[-1].body.decode()
    assert "Remember the word xylophone" in summary
    assert "<summary>" in summary
    result = claude_code(home, server, model, "Say hi", *options)
    assert "Say hi" in result["result"]
    after = emulator.calls[-1].body.decode()
    assert "continued from a previous conversation" in after
    assert "Remember the word xylophone" not in after


@pytest.mark.parametrize("model", EACH_PUBLISHER)
def test_gemini_cli_answers_with_every_publisher(home, server, emulator, model):
    assert gemini_cli(home, server, model, "Say hi").strip()
    assert model in emulator.calls[-1].path


SDKS = {
    "anthropic": """
import Anthropic from "@anthropic-ai/sdk";
const client = new Anthropic({ baseURL: process.env.URL, apiKey: process.env.KEY, maxRetries: 0 });
const stream = client.messages.stream({
  model: process.env.MODEL, max_tokens: 100, messages: [{ role: "user", content: "Hello" }],
});
const message = await stream.finalMessage();
console.log(message.content.map((block) => block.text ?? "").join(""), message.stop_reason);
""",
    "google": """
import { GoogleGenAI } from "@google/genai";
const options = { baseUrl: process.env.URL };
const client = new GoogleGenAI({ apiKey: process.env.KEY, httpOptions: options });
const stream = await client.models.generateContentStream({ model: process.env.MODEL, contents: "Hello" });
let text = "";
for await (const chunk of stream) text += chunk.text ?? "";
console.log(text);
""",
}


@pytest.mark.parametrize("model", EACH_PUBLISHER)
@pytest.mark.parametrize("sdk", SDKS)
def test_the_javascript_sdks_stream(home, server, sdk, model):
    script = home / "work" / "client.mjs"
    script.write_text(SDKS[sdk])
    (home / "work" / "node_modules").symlink_to(AGENTS / "node_modules")
    output = run(home, ["node", script], URL=server.url, KEY=KEY, MODEL=model)
    assert output.startswith("You said: Hello")


TOOL_RUNNER = """
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
const client = new Anthropic({ baseURL: process.env.URL, apiKey: process.env.KEY, maxRetries: 0 });
const weather = betaTool({
  name: "get_weather", description: "The weather.",
  inputSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  run: () => "Sunny",
});
const runner = client.beta.messages.toolRunner({
  model: process.env.MODEL, max_tokens: 4000, stream: true,
  tools: [weather], betas: ["context-1m-2025-08-07"],
  messages: [{ role: "user", content: "What is the weather? Use the tools." }],
});
const turns = [];
for await (const stream of runner) {
  const message = await stream.finalMessage();
  turns.push(message.stop_reason, message.content.map((block) => block.text ?? "").join(""));
}
console.log(turns.join(" | "));
"""


@pytest.mark.parametrize("model", [*EACH_PUBLISHER, "deepseek-ai/deepseek-v3.2-maas"])
def test_the_javascript_tool_runner_streams_to_the_end(home, server, emulator, model):
    script = home / "work" / "client.mjs"
    script.write_text(TOOL_RUNNER)
    (home / "work" / "node_modules").symlink_to(AGENTS / "node_modules")
    output = run(home, ["node", script], URL=server.url, KEY=KEY, MODEL=model)
    first, last = output.split(" | end_turn | ")
    assert first.startswith("tool_use | ")
    assert "Sunny" in last
    assert "What is the weather?" in emulator.calls[-1].body.decode()
