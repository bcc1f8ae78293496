"""Endpoints with a host of their own: found by a call, or named by the settings."""

import json
import tomllib

import pytest
from helpers.fixtures import RecordingTransport, function, post, question
from helpers.server import app_with_emulator
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat import vertex
from vertex_compat.emulator.partner_models import dedicated_hosts, deployed_endpoints
from vertex_compat.routing import rules
from vertex_compat.routing.router import Router
from vertex_compat.server.client_connection import ClientConnection, ClientDisconnected
from vertex_compat.types import UpstreamCall
from vertex_compat.upstream.credentials import Credentials
from vertex_compat.upstream.dedicated_endpoints import DedicatedEndpointTransport
from vertex_compat.upstream.transport import HttpTransport

NUMBER = "123456789012"
ENDPOINT = f"{dedicated_hosts.DEDICATED}1"
SAYS_SO = {"code": 400, "message": "Not as it is.", "status": "FAILED_PRECONDITION"}


def host(endpoint, region="us-central1"):
    return f"{endpoint}.{region}-{NUMBER}.prediction.vertexai.goog"


def chat_body(model=f"openai/{ENDPOINT}", **more):
    return question("endpoints", model=model, **more)


def received_calls(emulator):
    """Method, last part of the path and host of all calls."""
    return [(call.method, call.path.rpartition("/")[2], call.headers["host"]) for call in emulator.calls]


def test_dedicated_endpoint_host_is_looked_up_once(emulator):
    app = app_with_emulator(emulator)
    for stream in (False, True):
        answer = post(app, chat_body(stream=stream))
        assert answer.status_code == 200, answer.get_data()
        answer.close()
    refused, looked, *good = received_calls(emulator)
    assert refused[1:] == ("completions", emulator.host)
    assert looked == ("GET", ENDPOINT, emulator.host)
    assert good == [("POST", "completions", host(ENDPOINT))] * 2


def test_openai_s_client_streams_from_a_dedicated_endpoint(client, emulator):
    model = f"projects/{NUMBER}/locations/europe-west4/endpoints/{ENDPOINT}"
    with client.chat.completions.create(**chat_body(model), stream=True) as stream:
        assert list(stream)[-1].choices[0].finish_reason == "stop"
    assert received_calls(emulator)[-1][2] == host(ENDPOINT, "europe-west4")


@pytest.mark.parametrize("model", [ENDPOINT, f"endpoints/{ENDPOINT}"])
def test_dedicated_host_serves_completions(emulator, model):
    body = {"model": model, "prompt": "Hi"}
    assert post(app_with_emulator(emulator), body, "/v1/completions").status_code == 200
    assert received_calls(emulator)[-1][2] == host(ENDPOINT)


def test_dedicated_host_serves_google_s_clients(emulator):
    path = f"/vertex-ai/v1/projects/{emulator.project}/locations/us-central1/endpoints/{ENDPOINT}:rawPredict"
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    assert post(app_with_emulator(emulator), body, path).status_code == 200
    assert received_calls(emulator)[-1][2] == host(ENDPOINT)


@pytest.fixture
def settings(tmp_path):
    def write(text):
        path = tmp_path / "vertex_compat.toml"
        path.write_text(text)
        return {"VERTEX_COMPAT_CONFIG": str(path)}

    return write


INVOKED = f"{deployed_endpoints.INVOKED}1"
MINE = f"[models.mine]\ntarget = 'openai/{INVOKED}'\n"
CHATS = {"model": "mine", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("stream", [False, True])
def test_invoked_endpoint_chats_by_its_container_s_path(emulator, settings, stream):
    app = app_with_emulator(emulator, **settings(f"{MINE}invoke = true"))
    answer = post(app, CHATS | {"stream": stream})
    assert (answer.status_code, ("[DONE]" if stream else "You said: Hello") in answer.text) == (200, True)
    answer.close()
    assert emulator.calls[-1].path.endswith(f"/endpoints/{INVOKED}/invoke/v1/chat/completions")
    assert received_calls(emulator)[-1][2] == host(INVOKED)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/messages/count_tokens", {}, "input_tokens"),
        ("/v1/responses/input_tokens", {"input": "Hello"}, "input_tokens"),
        (
            "/v1beta/models/mine:countTokens",
            {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
            "totalTokens",
        ),
    ],
)
def test_vllm_counts_tokens_of_an_invoked_endpoint(emulator, settings, path, body, field):
    app = app_with_emulator(emulator, **settings(f"{MINE}invoke = true\nserved_model_name = 'llama'"))
    body = body if "contents" in body else {"model": "mine", **body}
    body = body if {"contents", "input"} & body.keys() else CHATS
    answer = post(app, body, path)
    assert answer.status_code == 200, answer.text
    assert answer.json[field] > 1
    upstream_call = emulator.calls[-1]
    assert upstream_call.path.endswith(f"/endpoints/{INVOKED}/invoke/tokenize")
    assert upstream_call.json == {"model": "llama", "messages": [{"role": "user", "content": "Hello"}]}


def test_tools_are_counted_and_sampling_is_not_sent(emulator, settings):
    app = app_with_emulator(emulator, **settings(f"{MINE}invoke = true"))
    tool = {"name": "f", "description": "A long description of it.", "input_schema": {"type": "object"}}
    few = post(app, CHATS, "/v1/messages/count_tokens").json["input_tokens"]
    many = post(app, CHATS | {"tools": [tool]}, "/v1/messages/count_tokens").json["input_tokens"]
    assert many > few + 5
    assert emulator.calls[-1].json.keys() == {"model", "messages", "tools"}


def test_invoked_endpoint_embeds_with_openai_s_api(emulator, settings):
    app = app_with_emulator(emulator, **settings(f"{MINE}invoke = true"))
    answer = post(app, {"model": "mine", "input": ["a", "b"], "dimensions": 8}, "/v1/embeddings")
    assert [len(item["embedding"]) for item in answer.json["data"]] == [8, 8]
    assert answer.json["usage"]["prompt_tokens"] == 2
    assert emulator.calls[-1].path.endswith("/invoke/v1/embeddings")


def test_other_endpoints_say_that_they_do_not_count(emulator, settings):
    app = app_with_emulator(emulator, **settings(f"[models.mine]\ntarget = 'openai/{ENDPOINT}'"))
    answer = post(app, CHATS, "/v1/messages/count_tokens")
    assert (answer.status_code, answer.json["error"]["type"]) == (404, "not_found_error")
    assert "invoke = true" in answer.json["error"]["message"]
    assert emulator.calls == []


@pytest.mark.parametrize("answer", [b"{}", b'{"count": "5"}'])
def test_count_that_is_no_number_is_a_502(emulator, settings, answer):
    dns = f"dedicated_endpoint_dns = '{host(INVOKED)}'"
    app = app_with_emulator(emulator, **settings(f"{MINE}invoke = true\n{dns}"))
    emulator.script(answer)
    assert post(app, CHATS, "/v1/messages/count_tokens").status_code == 502


def test_configured_endpoint_host_is_called_directly(emulator, settings):
    text = f"[models.mine]\ntarget = 'openai/{ENDPOINT}'\n"
    env = settings(f"{text}dedicated_endpoint_dns = '{host(ENDPOINT, 'europe-west4')}'")
    assert post(app_with_emulator(emulator, **env), chat_body("mine")).status_code == 200
    (call,) = emulator.calls
    assert call.headers["host"] == host(ENDPOINT, "europe-west4")
    assert "/locations/europe-west4/" in call.path


def test_each_target_has_a_host_of_its_own(emulator, settings):
    first, other = f"{dedicated_hosts.DEDICATED}2", f"{dedicated_hosts.DEDICATED}3"
    targets = ", ".join(
        f"{{ model = 'openai/{number}', dedicated_endpoint_dns = '{host(number)}' }}"
        for number in (first, other)
    )
    app = app_with_emulator(emulator, **settings(f"[models.mine]\ntargets = [{targets}]"))
    for _ in range(20):
        assert post(app, chat_body("mine")).status_code == 200
    assert {call.headers["host"] for call in emulator.calls} == {host(first), host(other)}


def test_dry_run_names_the_host_and_no_token(settings):
    text = f"[models.mine]\ntarget = 'openai/{ENDPOINT}'\ndedicated_endpoint_dns = '{host(ENDPOINT)}'"

    def network(credentials):
        return HttpTransport(credentials, Credentials(find=lambda: pytest.fail("nobody needs a token")))

    app = function(network, GOOGLE_CLOUD_PROJECT="my-project", **settings(text))
    headers = {"x-vertex-compat-debug": "request"}
    dry_run = app.post("/v1/chat/completions", json=chat_body("mine"), headers=headers).json
    place = f"projects/my-project/locations/us-central1/endpoints/{ENDPOINT}"
    assert dry_run["url"] == f"https://{host(ENDPOINT)}/v1beta1/{place}/chat/completions"


@pytest.mark.parametrize(
    "endpoint",
    [
        {"dedicatedEndpointEnabled": True, "dedicatedEndpointDns": "evil.example"},
        {"dedicatedEndpointEnabled": True, "dedicatedEndpointDns": f"{host('1')}.evil.example"},
        {"dedicatedEndpointEnabled": True, "dedicatedEndpointDns": f"evil.example/{host('1')}"},
        {"dedicatedEndpointEnabled": True, "dedicatedEndpointDns": 7},
        {"dedicatedEndpointEnabled": False, "dedicatedEndpointDns": host("1")},
        {"dedicatedEndpointEnabled": True},
        {},
        [],
    ],
)
def test_endpoint_host_outside_google_is_not_called(emulator, endpoint):
    emulator.script(json.dumps({"error": SAYS_SO}).encode(), status=400)
    emulator.script(json.dumps(endpoint).encode())
    answer = post(app_with_emulator(emulator), chat_body("openai/77"))
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "failed_precondition"
    assert {call.headers["host"] for call in emulator.calls} == {emulator.host}
    assert len(emulator.calls) == 2


def test_host_in_an_error_message_is_not_called(emulator):
    message = f"Please access the endpoint using its dedicated domain name '{host('666', 'us-east1')}'"
    emulator.script(json.dumps({"error": SAYS_SO | {"message": message}}).encode(), status=400)
    assert post(app_with_emulator(emulator), chat_body("openai/77")).status_code == 400
    assert {call.headers["host"] for call in emulator.calls} == {emulator.host}


def test_unreadable_endpoint_returns_the_first_error(emulator):
    emulator.script(json.dumps({"error": SAYS_SO}).encode(), status=400)
    denied = {"code": 403, "message": "aiplatform.endpoints.get denied", "status": "PERMISSION_DENIED"}
    emulator.script(json.dumps({"error": denied}).encode(), status=403)
    answer = post(app_with_emulator(emulator), chat_body("openai/77"))
    assert (answer.status_code, answer.json["error"]["message"]) == (400, "Not as it is.")


def test_refusal_of_a_publisher_s_model_reads_no_endpoint(emulator):
    emulator.script(json.dumps({"error": SAYS_SO}).encode(), status=400)
    assert post(app_with_emulator(emulator), question("google")).status_code == 400
    assert len(emulator.calls) == 1


# Which hosts there are


@pytest.mark.parametrize(
    "dns",
    [
        "1234.us-central1-5678.prediction.vertexai.goog",
        "mg-endpoint-d6a4a403-d834-4a85-ba9c-439648042ba0.europe-west1-779153331066.prediction.vertexai.goog",
        "1234.us-central1-fasttryout.prediction.vertexai.goog",
    ],
)
def test_region_is_read_from_the_host(dns):
    assert vertex.region_of(dns) == dns.partition(".")[2].rpartition("-")[0].split(".")[0]


@pytest.mark.parametrize(
    "dns",
    [
        "",
        "prediction.vertexai.goog",
        ".prediction.vertexai.goog",
        "1234.prediction.vertexai.goog",
        "a.b.us-central1-5678.prediction.vertexai.goog",
        "1234.us-central1-5678.prediction.vertexai.goog.",
        "1234.us-central1-5678.prediction.vertexai.goog.evil.example",
        "1234.us-central1-5678.prediction.vertexai.goog:443",
        "1234.us-central1-5678.prediction.vertexai.goog/",
        "1234.us-central1-5678.prediction.vertexai.goog\n",
        "https://1234.us-central1-5678.prediction.vertexai.goog",
        "user@1234.us-central1-5678.prediction.vertexai.goog",
        "1234.us-central1-5678.predictionxvertexai.goog",
        "1234.us-central1-5678.evilprediction.vertexai.goog",
        "1234.us-central1-5678.prediction.p.vertexai.goog",
        "1234.US-central1-5678.prediction.vertexai.goog",
        "1234.us-central１-5678.prediction.vertexai.goog",
        "-1.us-central1-5678.prediction.vertexai.goog",
    ],
)
def test_invalid_host_stops_the_start(dns):
    assert vertex.region_of(dns) is None
    with pytest.raises(rules.ConfigError, match="does not have the form"):
        rules.parse({"models": {"mine": {"target": "openai/1", "dedicated_endpoint_dns": dns}}})


@given(
    st.text()
    | st.builds("{}{}".format, st.text(max_size=60), st.just(".prediction.vertexai.goog"))
    | st.from_regex(
        r"[a-z0-9.@/:%?#\\-]{1,40}us-central1-5[.@/:%?#\\-]?[a-z0-9]*\.prediction\.vertexai\.goog"
    )
)
def test_host_outside_google_s_domain_stops_the_start(dns):
    settings = {"models": {"mine": {"target": "openai/1", "dedicated_endpoint_dns": dns}}}
    try:
        (model,) = Router(rules.parse(settings), None, None).candidates("mine")
    except rules.ConfigError:
        return
    notes = RecordingTransport()
    with pytest.raises(ClientDisconnected):
        DedicatedEndpointTransport(notes).open(
            UpstreamCall("endpoints/1:predict", {}), model, ClientConnection()
        )
    url = vertex.url(notes.calls[0], "my-project", notes.models[0].locations[0], {})
    name, slash, path = url.removeprefix("https://").partition("/")
    assert name.endswith(".prediction.vertexai.goog")
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert slash
    assert path.startswith("v1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("target = 'gemini-4-argon'", "dedicated_endpoint_dns is for a deployed model"),
        ("target = 'other'\n[models.other]\ntarget = 'openai/1'", "not 'other'"),
        (
            "target = 'openai/1'\nlocation = 'eu'",
            "dedicated_endpoint_dns is in us-central1, and location is eu",
        ),
    ],
)
def test_a_host_is_for_a_deployed_model_where_it_runs(text, says):
    first, _, following = text.partition("\n")
    settings = tomllib.loads(f"[models.mine]\n{first}\ndedicated_endpoint_dns = '{host('1')}'\n{following}")
    with pytest.raises(rules.ConfigError, match=says):
        rules.parse(settings)


# What the container calls its model


def test_container_gets_served_model_name(emulator, settings):
    named = f"openai/{deployed_endpoints.CHECKS_NAME}1"
    text = f"[models.mine]\ntarget = '{named}'\nserved_model_name = '{deployed_endpoints.SERVED_NAME}'"
    app = app_with_emulator(emulator, **settings(text))
    assert post(app, chat_body("mine")).status_code == 200
    assert emulator.calls[-1].json["model"] == "casperhansen/llama-3-70b-instruct-awq"
    assert post(app, chat_body(named)).status_code == 404


@pytest.mark.parametrize("target", ["gemini-4-argon", "1234567890"])
def test_a_name_for_a_container_is_for_one_that_chats(target):
    with pytest.raises(rules.ConfigError, match="served_model_name is for a deployed model"):
        rules.parse({"models": {"mine": {"target": target, "served_model_name": "x"}}})
