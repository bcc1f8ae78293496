"""The CPU of a request grows in proportion to its size: every operation but chat."""

import base64
import json
import time

import pytest
from helpers.fixtures import RecordingTransport, function
from helpers.linear import TIMES, assert_linear, cpu_seconds

GEMINI, CLAUDE, MISTRAL = "gemini-3.8-flash", "claude-sonnet-5-5", "mistral-medium-3"
MAAS = "deepseek-ai/deepseek-v4.1-flash-maas"
CHATTING = (GEMINI, CLAUDE, MISTRAL, MAAS)


def schema(depth, width):
    """A JSON Schema of nested objects with some properties on each level."""
    node = {"type": "string"}
    for _ in range(depth):
        fields = {f"field_{number}": {"type": "string"} for number in range(width)}
        node = {"type": "object", "properties": {"inner": node, **fields}, "required": ["inner", *fields]}
    return node


# The Responses API


def items(model, count):
    call = {"type": "function_call", "name": "look", "arguments": '{"at": "x"}'}
    input_ = [{"role": "user", "content": "Begin."}]
    for number in range(count):
        input_.append(call | {"call_id": f"call_{number}"})
        input_.append({"type": "function_call_output", "call_id": f"call_{number}", "output": "y" * 500})
        input_.append({"role": "assistant", "content": [{"type": "output_text", "text": f"{number}"}]})
    tool = {"type": "function", "name": "look", "parameters": schema(1, 1)}
    return "/v1/responses", {"model": model, "input": input_, "tools": [tool]}


def response_schema(model, count):
    format_ = {"type": "json_schema", "name": "answer", "schema": schema(2, count), "strict": False}
    return "/v1/responses", {"model": model, "input": "Hi", "text": {"format": format_}}


# The Messages API


def blocks(model, count):
    messages = [{"role": "user", "content": "Begin."}]
    for number in range(count):
        use = {"type": "tool_use", "id": f"toolu_{number}", "name": "look", "input": {"at": "x"}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": "y" * 500}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": f"{number}"}, use]})
        messages.append({"role": "user", "content": [result, {"type": "text", "text": "Next."}]})
    tools = [{"name": "look", "input_schema": schema(1, 1)}]
    return "/v1/messages", {"model": model, "max_tokens": 100, "messages": messages, "tools": tools}


def message_tools(model, count):
    tools = [{"name": f"look_{number}", "input_schema": schema(2, 3)} for number in range(count)]
    messages = [{"role": "user", "content": "Hi"}]
    return "/v1/messages", {"model": model, "max_tokens": 100, "messages": messages, "tools": tools}


# The Gemini API


def contents(model, count):
    turns = [{"role": "user", "parts": [{"text": "Begin."}]}]
    for number in range(count):
        call = {"functionCall": {"name": "look", "args": {"at": "x"}, "id": f"{number}"}}
        result = {"name": "look", "response": {"output": "y" * 500}, "id": f"{number}"}
        turns.append({"role": "model", "parts": [{"text": f"{number}"}, call]})
        turns.append({"role": "user", "parts": [{"functionResponse": result}]})
    tools = [{"functionDeclarations": [{"name": "look", "parametersJsonSchema": schema(1, 1)}]}]
    return f"/v1beta/models/{model}:generateContent", {"contents": turns, "tools": tools}


def declarations(model, count):
    listed = [{"name": f"look_{number}", "parametersJsonSchema": schema(2, 3)} for number in range(count)]
    body = {"contents": [{"parts": [{"text": "Hi"}]}], "tools": [{"functionDeclarations": listed}]}
    return f"/v1beta/models/{model}:generateContent", body


# Chat


def deep_schema(model, count):
    function_ = {"name": "look", "parameters": schema(count, 120)}
    messages = [{"role": "user", "content": "Hi"}]
    tools = [{"type": "function", "function": function_}]
    return "/v1/chat/completions", {"model": model, "messages": messages, "tools": tools}


FOR_EACH_MODEL = {
    "Responses items": (items, 400),
    "Responses schema": (response_schema, 800),
    "Messages blocks": (blocks, 400),
    "Messages tools": (message_tools, 250),
    "Gemini contents": (contents, 400),
    "Gemini declarations": (declarations, 250),
    "deep schema": (deep_schema, 7),
}

# Other operations


def embeddings(model, count):
    return "/v1/embeddings", {"model": model, "input": ["word " * 50] * count}


def prompt(model, count):
    return "/v1/completions", {"model": model, "prompt": "word " * count}


def moderation(_, count):
    return "/v1/moderations", {"input": "word " * count}


def documents(model, count):
    return "/v1/rerank", {"model": model, "query": "word", "documents": ["word " * 50] * count}


def document(model, count):
    url = f"data:application/pdf;base64,{base64.b64encode(b'%PDF-1.4 ' + b'x' * count).decode()}"
    return "/v1/ocr", {"model": model, "document": {"type": "document_url", "document_url": url}}


def picture(model, count):
    url = (
        f"data:image/png;base64,{base64.b64encode(bytes.fromhex('89504e470d0a1a0a') + bytes(count)).decode()}"
    )
    return "/v1/images/edits", {"model": model, "prompt": "A cat", "images": [{"image_url": url}]}


BOUNDARY = "boundary-of-a-form"


def words(model, count):
    return "/v1/audio/speech", {"model": model, "input": "word " * count, "voice": "alloy"}


def recording(model, count):
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    wav = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(count)
    form = field.encode() + file.encode() + wav + f"\r\n--{BOUNDARY}--\r\n".encode()
    return "/v1/audio/transcriptions", form


OTHERS = {
    "embeddings": (embeddings, "gemini-embedding-001", 250),
    "embeddings of an open model": (embeddings, "intfloat/multilingual-e5-small-maas", 250),
    "completions": (prompt, GEMINI, 100_000),
    "moderations": (moderation, "", 100_000),
    "rerank": (documents, "semantic-ranker-default-004", 50),
    "ocr": (document, "mistral-ocr-2505", 1_000_000),
    "ocr by chat": (document, GEMINI, 1_000_000),
    "image edits": (picture, "gemini-3.1-flash-image", 2_000_000),  # 1 MB still fits in a processor's cache
    "speech": (words, "gemini-3.8-flash-tts", 400),
    "transcriptions": (recording, GEMINI, 1_000_000),
}

CASES = [
    pytest.param(make, model, count, id=f"{name} {model.partition('/')[0]}")
    for name, (make, count) in FOR_EACH_MODEL.items()
    for model in CHATTING
] + [pytest.param(make, model, count, id=name) for name, (make, model, count) in OTHERS.items()]


@pytest.fixture(scope="module")
def transport():
    return RecordingTransport()


@pytest.fixture(scope="module")
def app(transport):
    return function(transport, GOOGLE_CLOUD_PROJECT="project-1")


def send(app, path, body):
    if isinstance(body, bytes):
        return app.post(path, data=body, content_type=f"multipart/form-data; boundary={BOUNDARY}")
    return app.post(path, data=json.dumps(body), content_type="application/json")


def seconds(app, transport, path, body):
    """CPU of a request that was translated, in several threads if it makes several calls."""
    took, response = cpu_seconds(lambda: send(app, path, body), time.process_time)
    assert transport.calls, response.data
    transport.calls.clear()
    response.close()
    return took


@pytest.mark.parametrize(("make", "model", "count"), CASES)
def test_cpu_grows_in_proportion_to_the_size(app, transport, make, model, count):
    small, large = make(model, count), make(model, TIMES * count)
    assert_linear(lambda: seconds(app, transport, *small), lambda: seconds(app, transport, *large))
