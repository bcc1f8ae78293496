"""Claude Code, Gemini CLI and the JavaScript SDKs of Anthropic and Google, unchanged.

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
EACH_PUBLISHER = ["gemini-3.8-flash", "claude-sonnet-5-5", "mistral-medium-3", "xai/grok-4.7"]

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
    """Return the output of a command in its own environment."""
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


def streamed(*events):
    """A publisher's answer as a stream of server-sent events."""
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events)
    return Response(200, (data,), {"Content-Type": "text/event-stream"}, streamed=True)


def gemini_says(text, name, arguments):
    parts = [{"text": text}]
    if name:
        parts.append({"functionCall": {"name": name, "args": arguments}, "thoughtSignature": SIGNATURE})
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
    counts = {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10}
    return streamed({"candidates": [candidate], "usageMetadata": counts})


def claude_says(text, name, arguments):
    blocks = [({"type": "text", "text": ""}, {"type": "text_delta", "text": text})]
    if name:
        use = {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}}
        blocks.append((use, {"type": "input_json_delta", "partial_json": json.dumps(arguments)}))
    usage = {"input_tokens": 5, "output_tokens": 5}
    message = {"id": f"msg_{name}", "type": "message", "role": "assistant", "model": "m", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
    events = [{"type": "message_start", "message": message}]
    for index, (block, delta) in enumerate(blocks):
        events += [
            {"type": "content_block_start", "index": index, "content_block": block},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    ending = {"stop_reason": "tool_use" if name else "end_turn", "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ending, "usage": usage})
    return streamed(*events, {"type": "message_stop"})


def openai_says(text, name, arguments):
    delta = {"role": "assistant", "content": text}
    if name:
        function = {"name": name, "arguments": json.dumps(arguments)}
        delta["tool_calls"] = [{"index": 0, "id": f"{name:0>9}", "type": "function", "function": function}]
    choice = {"index": 0, "delta": delta, "finish_reason": "tool_calls" if name else "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
    return streamed({"id": "1", "model": "m", "choices": [choice], "usage": usage})


SIGNATURE = "c2lnbmF0dXJl"
SAYS = {"gemini": gemini_says, "claude": claude_says}
"""Beginning of a model's name → its answer with a text and a call; the others answer in OpenAI's form."""


def says(model, text, name="", **arguments):
    return SAYS.get(model.partition("-")[0], openai_says)(text, name, arguments)


@pytest.mark.parametrize("model", EACH_PUBLISHER)
def test_claude_code_answers_with_every_publisher(home, server, model):
    result = claude_code(home, server, model, "Say hi", "--tools", "")
    assert not result["is_error"], result["result"]
    assert "Say hi" in result["result"]
    assert result["usage"]["output_tokens"] > 0


@pytest.mark.parametrize("model", EACH_PUBLISHER)
def test_claude_code_reads_and_edits_a_file(home, server, emulator, model):
    path = str(home / "work" / "notes.txt")
    emulator.app.scripts.extend(
        [
            says(model, "I read it.", "Read", file_path=path),
            says(model, "I edit it.", "Edit", file_path=path, old_string="alpha", new_string="beta"),
            says(model, "Changed."),
        ]
    )
    options = ("--tools", "Read,Edit", "--permission-mode", "acceptEdits")
    result = claude_code(home, server, model, "Replace alpha by beta in notes.txt", *options)
    assert (result["result"], result["num_turns"]) == ("Changed.", 3)
    assert (home / "work" / "notes.txt").read_text() == "beta\n"
    last = emulator.calls[-1].body.decode()
    assert last.index("I read it.") < last.index("I edit it.")
    assert last.count(f'"thoughtSignature":"{SIGNATURE}"') == (2 if model.startswith("gemini") else 0)


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
    call = emulator.calls[-1]
    assert model in (call.path if "/models/" in call.path else call.json["model"])


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


@pytest.mark.parametrize("model", EACH_PUBLISHER)
def test_the_javascript_tool_runner_streams_to_the_end(home, server, emulator, model):
    script = home / "work" / "client.mjs"
    script.write_text(TOOL_RUNNER)
    (home / "work" / "node_modules").symlink_to(AGENTS / "node_modules")
    output = run(home, ["node", script], URL=server.url, KEY=KEY, MODEL=model)
    first, last = output.split(" | end_turn | ")
    assert first.startswith("tool_use | ")
    assert "Sunny" in last
    assert "What is the weather?" in emulator.calls[-1].body.decode()


BATCH = """
import Anthropic from "@anthropic-ai/sdk";
const client = new Anthropic({ baseURL: process.env.URL, apiKey: process.env.KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "Hello" }];
const params = { model: process.env.MODEL, max_tokens: 100, messages };
let batch = await client.messages.batches.create({ requests: [{ custom_id: "a", params }] });
while (batch.processing_status !== "ended") batch = await client.messages.batches.retrieve(batch.id);
for await (const { custom_id, result } of await client.messages.batches.results(batch.id)) {
  const text = result.message.content.find((block) => block.type === "text").text;
  console.log(custom_id, result.type, text);
}
const ids = [];
for await (const listed of client.messages.batches.list({ limit: 1 })) ids.push(listed.id);
console.log(ids.includes(batch.id), (await client.messages.batches.delete(batch.id)).type);
"""


@pytest.mark.parametrize("model", ["claude-opus-5-5", "gemini-3.8-flash"])
def test_the_javascript_sdk_runs_a_batch(home, serve, storage, model):  # noqa: ARG001  (an empty storage)
    server = serve(VERTEX_COMPAT_API_KEYS=f"me:{KEY}", GCS_BUCKET_NAME="batches-of-clients")
    script = home / "work" / "client.mjs"
    script.write_text(BATCH)
    (home / "work" / "node_modules").symlink_to(AGENTS / "node_modules")
    lines = run(home, ["node", script], URL=server.url, KEY=KEY, MODEL=model).splitlines()
    assert lines[0].startswith("a succeeded You said: Hello")
    assert lines[-1] == "true message_batch_deleted"
