"""Hostile requests: no secret is shown, no setting is overridden, and there is no 500.

`EXAMPLES` in the environment is how many inputs each property is tried on.
"""

import base64
import http.client
import json
import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from helpers.fixtures import MODELS, function, post, question
from helpers.schemas import ANY, Refuses
from helpers.server import app_with_emulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("EXAMPLES", settings().max_examples * 2 // 5))
EAGER = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
SCHEMA = {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/b"}]}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
CHAT = {
    "model": "gemini-3-flash-preview",
    "messages": [
        {
            "role": "system",
            "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi"},
                {
                    "type": "image_url",
                    "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"},
                },
                {"type": "input_audio", "input_audio": {"data": PIXEL, "format": "wav"}},
                {
                    "type": "file",
                    "file": {"file_data": f"data:application/pdf;base64,{PIXEL}", "filename": "a"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": "x",
            "tool_calls": [CALL],
            "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}],
            "extra_content": {"google": {"thought_signature": "c2ln"}},
        },
        {"role": "tool", "tool_call_id": "call_1", "content": '{"b": 2}'},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "parameters": SCHEMA | {"$defs": {"b": {"type": "null"}}}},
        },
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": SCHEMA, "strict": True},
    },
    "stream": False,
    "stream_options": None,
    "stop": ["x"],
    "n": 2,
    "logit_bias": {"1": 2},
    "seed": 1,
    "metadata": {"a": "b"},
    "reasoning_effort": "low",
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "google": {"thinking_config": {"thinking_budget": 5}, "safety_settings": [{"category": "x"}]},
    "modalities": ["text"],
    "web_search_options": {"search_context_size": "low"},
    "extra_body": {"google": {"top_k": 4}},
}
ITEMS = [
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "Hi"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
        ],
    },
    {
        "type": "reasoning",
        "id": "r",
        "summary": [{"type": "summary_text", "text": "t"}],
        "encrypted_content": "e",
    },
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "x", "annotations": []}],
    },
]
BODIES = {
    "/chat/completions": CHAT,
    "/responses": {
        "model": "gemini-3-flash-preview",
        "input": ITEMS,
        "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}, {"type": "web_search"}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "tool_choice": {"type": "function", "name": "f"},
        "metadata": {"a": "b"},
    },
    "/completions": {
        "model": "codestral-2",
        "prompt": ["a", "b"],
        "suffix": "c",
        "stop": ["x"],
        "logprobs": 1,
    },
    "/embeddings": {"model": "gemini-embedding-001", "input": ["a", "b"], "dimensions": 8},
    "/images/generations": {"model": "gemini-3-pro-image", "prompt": "x", "size": "1024x1024", "n": 2},
    "/audio/speech": {
        "model": "gemini-3.8-flash-tts",
        "input": "x",
        "voice": {"languageCode": "de-DE", "name": "Kore"},
    },
    "/moderations": {"input": ["x"]},
    "/vector_stores": {
        "name": "x",
        "metadata": {"a": "b"},
        "expires_after": {"anchor": "last_active_at", "days": 1},
        "chunking_strategy": {
            "type": "static",
            "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 10},
        },
    },
    "/videos": {
        "model": "veo-3.1-generate-preview",
        "prompt": "x",
        "seconds": "8",
        "size": "1280x720",
        "input_reference": {"image_url": "data:image/png;base64,YQ=="},
    },
    "/ocr": {
        "model": "mistral-ocr-2505",
        "document": {"type": "document_url", "document_url": "data:application/pdf;base64,YQ=="},
        "pages": [0],
        "include_image_base64": True,
    },
    "/rerank": {"model": "rerank-v3.5", "query": "a", "documents": ["b", {"text": "c"}], "top_n": 1},
    "/messages": {
        "model": "gemini-3.8-flash",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "s"}],
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}]},
        ],
        "tools": [{"name": "f", "input_schema": SCHEMA | {"$defs": {"b": {"type": "null"}}}}],
    },
    "/v1beta/models/claude-sonnet-5-5:generateContent": {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"a": 1}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
        "generationConfig": {"stopSequences": ["x"], "temperature": 1},
    },
    "/messages/batches": {
        "requests": [
            {
                "custom_id": "a",
                "params": {
                    "model": "gemini-3.8-flash",
                    "max_tokens": 5,
                    "messages": [{"role": "user", "content": "Hi"}],
                    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
                },
            }
        ]
    },
    "/batches": {
        "input_file_id": "file-x",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"a": "b"},
    },
    "/fine_tuning/jobs": {
        "model": "gemini-3.8-flash",
        "training_file": "gs://emulated-bucket/a.jsonl",
        "suffix": "s",
        "hyperparameters": {"n_epochs": 1, "learning_rate_multiplier": 0.5},
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"adapter_size": 4}}},
    },
    "/vertex-ai/v1/projects/p/locations/us-central1/endpoints/openapi/chat/completions": {
        "model": "meta/llama-4-maverick-17b-128e-instruct-maas",
        "messages": [{"role": "user", "content": "Hi"}],
    },
    "/vertex-ai/v1/publishers/google/models/gemini-3.8-flash:generateContent": {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}]
    },
}
NAMES = [*MODELS.values(), "codestral-2", "text-embedding-005", "12345", "multimodalembedding@001"]

ODD = ANY | st.sampled_from(
    [
        2**63,
        -(2**70),
        1e308,
        "\x00",
        "\ud83d\ude00",
        "\uffff",
        "data:;base64,",
        "data:x",
        "gs://",
        "gs://b/../c",
        "https://",
        "a" * 70_000,
        [[]] * 50,
        {"$ref": "#"},
        {"type": "object", "$ref": "#/properties"},
    ]
)


def places(value, path=()):
    """The ways to all that a body holds."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def replaced(value, path, other):
    """A copy with something else in one place."""
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


@st.composite
def spoilt(draw, body):
    """A good body with one to three places that are odd."""
    if "model" in body:
        body = body | {"model": draw(st.sampled_from([body["model"], *NAMES]))}
    for _ in range(draw(st.integers(1, 3))):
        body = replaced(body, draw(st.sampled_from(list(places(body)))), draw(ODD))
        if not isinstance(body, dict):
            break
    return body


@pytest.fixture(scope="module")
def refusing():
    return function(Refuses(), GCS_BUCKET_NAME="emulated-bucket", GOOGLE_CLOUD_PROJECT="emulated-project")


ERRORS = ({"message", "type", "param", "code"}, {"message", "status", "code"}, {"message", "type"})
"""The fields of an error of OpenAI's, Google's and Anthropic's API."""


def is_fault_of_the_client_or_sent(answer):
    assert answer.status_code in {400, 403, 404, 413, 503, 529}, answer.text
    assert answer.status_code < 500 or "No." in answer.text
    error = answer.json["error"]
    assert error.keys() - {"details"} in ERRORS
    assert error["message"]


@pytest.mark.parametrize("path", BODIES)
@EAGER
@given(data=st.data())
def test_mutated_body_is_refused_or_sent(refusing, path, data):
    body = data.draw(spoilt(BODIES[path]))
    answer = post(refusing, json.dumps(body).encode(), path)
    is_fault_of_the_client_or_sent(answer)


@pytest.mark.parametrize("path", BODIES)
@EAGER
@given(content=st.binary(max_size=200), cut=st.none() | st.integers(0, 5000))
def test_any_bytes_are_refused_or_sent(refusing, path, content, cut):
    if cut is not None:  # a good body with bytes in it that do not belong there
        good = json.dumps(BODIES[path]).encode()
        content = good[:cut] + content[:3] + good[cut + 1 :]
    is_fault_of_the_client_or_sent(post(refusing, content, path))


@pytest.mark.parametrize("path", BODIES)
def test_unchanged_bodies_are_sent(refusing, path):
    status = post(refusing, json.dumps(BODIES[path]).encode(), path).status_code
    expected = {"/batches": 404, "/fine_tuning/jobs": 404}  # no such file
    expected |= {"/messages": 529, "/messages/batches": 529}
    assert status == expected.get(path, 503)


EARLIER_FAULTS = {
    "a system's part without a type": (
        "/chat/completions",
        {"model": "gemini-3.8-flash", "messages": [{"role": "system", "content": [{"text": "s"}]}]},
        503,
    ),
    "no UTF-8": ("/vertex-ai/v1/endpoints/openapi/chat/completions", b'{"model": "\x80"}', 400),
    "no UTF-8 for a chat": ("/chat/completions", b'{"model": "\x80"}', 400),
    "no UTF-8 for the Messages API": ("/messages", b'{"model": "\x80"}', 400),
    "no UTF-8 in a beta of Claude's": (
        "/messages",
        b'{"model": "claude-sonnet-5-5", "anthropic_beta": ["\x80"]}',
        400,
    ),
    "no UTF-8 in thinking of another model": (
        "/messages",
        b'{"model": "claude-sonnet-5-5", "messages": ["\x80", {"signature": "vc1."}]}',
        400,
    ),
    "no UTF-8 for the Gemini API": (
        "/v1beta/models/gemini-3.8-flash:generateContent",
        b'{"contents": [{"parts": [{"functionResponse": "\x80"}]}]}',
        400,
    ),
    "deep, for Google's clients": (
        "/vertex-ai/v1/endpoints/openapi/chat/completions",
        b'{"model":' + b"[" * 100_000,
        400,
    ),
}


@pytest.mark.parametrize(("path", "body", "status"), EARLIER_FAULTS.values(), ids=EARLIER_FAULTS)
def test_earlier_faults_stay_fixed(refusing, path, body, status):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert post(refusing, content, path).status_code == status


# What a client may choose

EVIL = "evil.example"
CHOOSES = {
    "vertex_project": "evil-project",
    "vertex_location": "europe-west9",
    "vertex_credentials": "{}",
    "vertex_ai_project": "evil-project",
    "vertex_ai_location": "europe-west9",
    "api_base": f"https://{EVIL}",
    "base_url": f"https://{EVIL}",
    "api_version": "../v9",
    "api_key": "evil",
    "project": "evil-project",
    "project_id": "evil-project",
    "location": "europe-west9",
    "region": "europe-west9",
    "endpoint": f"https://{EVIL}/x",
    "name": "projects/evil-project/locations/europe-west9/endpoints/1",
    "parent": "projects/evil-project/locations/europe-west9",
    "headers": {"Authorization": "Bearer evil", "x-goog-user-project": "evil-project"},
    "extra_headers": {"x-goog-user-project": "evil-project"},
    "extra_query": {"project": "evil-project"},
    "custom_llm_provider": "openai",
    "path": "../../evil-project",
}
LOCATION = "us-central1"


@pytest.fixture(scope="module")
def app_with_location(shared_emulator):
    return app_with_emulator(
        shared_emulator,
        GOOGLE_CLOUD_LOCATION=LOCATION,
        GCS_BUCKET_NAME="emulated-bucket",
        STORAGE_EMULATOR_HOST=shared_emulator.host,
        VERTEX_COMPAT_AUTH="none",  # without it, a foreign `Host` is refused before anything else
    )


CHOICES = st.dictionaries(st.sampled_from(sorted(CHOOSES)), st.just(None), min_size=1).map(
    lambda names: {name: CHOOSES[name] for name in names}
)
CONTAINERS = st.sampled_from(["", "google", "extra_body", "metadata", "thinking"])


def stays(emulator):
    """Every call went to this project, this place and this host, by nothing but our token."""
    expected = re.compile(
        rf"/v1(?:beta1)?/projects/emulated-project/locations/{LOCATION}/[\w/.@:-]+|/(?:upload/)?storage/.*"
    )
    for call in emulator.calls:
        assert expected.fullmatch(call.path), call.path
        assert not {".", ".."} & set(call.path.split("/"))
        assert call.headers["host"] == emulator.host
        assert call.headers["authorization"].startswith("Bearer ya29.emulator-")
        assert "x-goog-user-project" not in call.headers
        assert not {"project", "key", "access_token", "quotaUser"} & call.query.keys()


@pytest.mark.parametrize("model", [*MODELS.values(), "text-embedding-005", "codestral-2"])
@EAGER
@given(choices=CHOICES, container=CONTAINERS)
def test_body_cannot_select_project_location_or_host(
    app_with_location, shared_emulator, model, choices, container
):
    shared_emulator.forget_calls()
    path, body = "/v1/chat/completions", question("google", model=model)
    if model.startswith("text-embedding"):
        path, body = "/v1/embeddings", {"model": model, "input": "x"}
    body |= {container: choices} if container else choices
    headers = {"x-goog-user-project": "evil-project", "x-vertex-project": "evil-project", "Host": EVIL}
    answer = app_with_location.post(path, json=body, headers=headers)
    assert answer.status_code in {200, 400, 403, 404}
    stays(shared_emulator)


PIECES = st.sampled_from(
    [
        "gemini-3.8-flash",
        "claude-sonnet-5-5",
        "meta/llama",
        "projects/evil-project",
        "/locations/europe-west9",
        "/publishers/google/models/",
        "/endpoints/1",
        "..",
        "/",
        "%2e%2e%2f",
        "?",
        "#",
        "@",
        ":",
        "\r\n",
        "\x00",
        "é",
        "evil.example",
        "gs://",
        "vertex_ai/",
        "openai/",
        "endpoints/",
        "gemini/",
        "123",
        "-maas",
        "\\",
        " ",
        "{}",
    ]
)
NAME = st.lists(PIECES, min_size=1, max_size=5).map("".join) | st.text(max_size=30)


@EAGER
@given(name=NAME)
def test_no_model_name_leads_to_another_host_or_project(app_with_location, shared_emulator, name):
    shared_emulator.forget_calls()
    answer = post(app_with_location, question("google", model=name))
    assert answer.status_code < 500 or answer.status_code == 502
    stays(shared_emulator)
    target = answer.headers.get("x-vertex-compat-target", "")
    assert target.isprintable()
    assert target.isascii()


@EAGER
@given(name=NAME, model=NAME)
def test_no_id_leads_to_another_host_or_project(app_with_location, shared_emulator, name, model):
    shared_emulator.forget_calls()
    quoted = quote(name, safe="")
    for path in (f"/files/{quoted}", f"/files/{quoted}/content", f"/batches/{quoted}", f"/models/{quoted}"):
        assert app_with_location.get(path).status_code < 500
    for path in (f"/fine_tuning/jobs/{quoted}", f"/responses/{quoted}"):
        assert app_with_location.get(path).status_code < 500
    content = question("google", model=model)
    assert app_with_location.post(f"/vertex-ai/v1/{quoted}:generateContent", json=content).status_code < 500
    stays(shared_emulator)


RESPONSE_HEADERS = {
    "allow",
    "cache-control",
    "content-length",
    "content-type",
    "openai-processing-ms",
    "retry-after",
    "www-authenticate",
    "x-accel-buffering",
    "x-request-id",
    "x-should-retry",
    "x-vertex-compat-cost-usd",
    "x-vertex-compat-ignored",
    "x-vertex-compat-target",
}


@EAGER
@given(
    name=NAME,
    header=st.text(st.characters(exclude_characters="\r\n\x00", max_codepoint=255), max_size=50),
    field=st.text(max_size=40),
)
def test_response_headers_are_known_and_printable(app_with_location, name, header, field):
    body = question("google", model=name) | {field: 1, "stop_at\r\nX-Evil": 1}
    given_headers = {"X-Request-Id": header, "X-Cloud-Trace-Context": header, "Traceparent": header}
    for answer in (
        post(app_with_location, body),
        app_with_location.post("/v1/chat/completions", json=body | question("google"), headers=given_headers),
    ):
        assert answer.status_code < 500
        assert {key.lower() for key, _ in answer.headers} <= RESPONSE_HEADERS
        for value in answer.headers.values():
            assert value.isascii()
            assert value.isprintable()


# What gets out

CANARY = "c4n4ry-of-a-prompt"
KEY = "sk-canary-of-a-key"
FAULTS = [
    "status-400",
    "status-401",
    "status-403",
    "status-500",
    "quota",
    "html",
    "html-200",
    "empty",
    "error-body",
    "error-event-1",
    "garbage-1",
    "cut-0",
    "cut-1",
    "half-1",
    "end-1",
    "gzip",
    "blocked",
    "refusal",
]
NAMED = {
    "google": "gemini-emulator-{}",
    "anthropic": "claude-emulator-{}",
    "mistralai": "mistral-emulator-{}",
    "ai21": "jamba-emulator-{}",
    "openapi": "meta/emulator-{}-maas",
}
INSIDES = re.compile(
    r"Traceback|File \"|ya29|Bearer |127\.0\.0\.1|localhost|169\.254|computeMetadata|metadata\.google|urllib3"
    r"|requests\.exceptions|site-packages|0x[0-9a-f]{8}|Max retries|gunicorn|Werkzeug|Python/"
)


@pytest.fixture
def deployed(serve):
    return serve(
        VERTEX_COMPAT_API_KEYS=f"canary:{KEY}",
        K_SERVICE="vertex-compat",
        VERTEX_COMPAT_CORS_ORIGINS="*",
        GCS_BUCKET_NAME="emulated-bucket",
    )


def everything(server, method, path, body=None, headers=()):
    """All that comes back, head and body, as one text."""
    line = http.client.HTTPConnection(*server.address, timeout=20)
    try:
        line.request(method, path, body, {"Authorization": f"Bearer {KEY}", **dict(headers)})
        answer = line.getresponse()
        head = "\n".join(f"{name}: {value}" for name, value in answer.getheaders() if name != "Server")
        try:
            return head, answer.read().decode(errors="replace")
        except http.client.IncompleteRead as cut:
            return head, cut.partial.decode(errors="replace")
    finally:
        line.close()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("publisher", NAMED)
def test_no_error_shows_secrets(deployed, publisher, fault):
    model = NAMED[publisher].format(fault)
    for stream in (False, True):
        body = json.dumps(
            {
                "model": model,
                "stream": stream,
                "user": CANARY,
                "messages": [{"role": "user", "content": CANARY}],
            }
        )
        head, content = everything(deployed, "POST", "/v1/chat/completions", body)
        assert not INSIDES.search(head + content), (head, content)
        assert KEY not in head + content
        assert CANARY not in head
    is_clean(deployed)


def is_clean(server):
    log = server.wait_for_log(lambda text: "canary" in text)  # the key's name
    assert KEY not in log
    assert CANARY not in log
    assert "ya29" not in log
    assert "Traceback" not in log
    for line in log.splitlines():
        assert json.loads(line)["message"]  # one entry a line, and nothing else


HOSTILE = {
    "prompt that is no JSON": ("POST", "/v1/chat/completions", f'{{"messages": "{CANARY}'),
    "prompt of a wrong type": (
        "POST",
        "/v1/chat/completions",
        json.dumps({"model": "x", "messages": CANARY}),
    ),
    "schema": ("POST", "/v1/chat/completions", json.dumps(question("google", tools=[{CANARY: 1}]))),
    "role": (
        "POST",
        "/v1/chat/completions",
        json.dumps({"model": "gemini-3.8-flash", "messages": [{"role": CANARY, "content": "x"}]}),
    ),
    "path": ("GET", "/v1/%0d%0aX-Evil:%20x", None),
    "lines in a path": ("GET", "/v1/a%0ab", None),
    "a browser's wish": ("GET", "/favicon.ico", None),
    "robots": ("GET", "/robots.txt", None),
    "two slashes": ("GET", "/v1//models", None),
    "method": ("BREW", "/v1/models", None),
    "form": ("POST", "/v1/audio/transcriptions", CANARY),
    "file": ("POST", "/v1/files", CANARY),
    "file's id": ("GET", "/v1/files/file-%0d%0a", None),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_requests_leak_no_internals(deployed, hostile):
    head, content = everything(deployed, *hostile)
    assert not INSIDES.search(head + content), (head, content)
    assert "X-Evil: x" not in head
    assert KEY not in head + content
    everything(deployed, "GET", "/v1/models")
    is_clean(deployed)


def test_the_function_listens_on_its_port_only(serve_alone, tmp_path):
    """gunicorn's first process does nothing else: its control socket would be a thread there."""
    home = tmp_path / "home"
    home.mkdir()
    server = serve_alone(HOME=str(home), XDG_RUNTIME_DIR=str(home))
    with server.client() as client:
        assert client.models.list().data
    assert [thread.name for thread in Path(f"/proc/{server.pid}/task").iterdir()] == [str(server.pid)]
    assert not [*home.rglob("*")]
