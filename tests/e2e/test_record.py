"""The line in the log, and what a client is told of its request."""

import json
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from helpers.fixtures import post, question
from helpers.server import KEY

from vertex_compat.server.request_log import RequestLog
from vertex_compat.types import Usage

SECRET = "what the client said"


def new_record(**headers):
    environ = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return RequestLog.start("POST", "/v1/chat/completions", environ)


def line(record, capfd, *, deployed=True, status=200):
    record.write(status, project="my-project", deployed=deployed)
    return capfd.readouterr().out


def test_a_deployed_function_writes_what_cloud_logging_reads(capfd):
    record = new_record(X_Cloud_Trace_Context="0123456789abcdef0123456789abcdef/7;o=1")
    record.model, record.key, record.target = "gpt-4o", "team", "google/gemini-4-argon; location=global"
    record.usages[0] = Usage(10, 5, {"cached_tokens": 4})
    entry = json.loads(line(record, capfd))
    assert entry["severity"] == "INFO"
    assert (
        entry["logging.googleapis.com/trace"] == "projects/my-project/traces/0123456789abcdef0123456789abcdef"
    )
    assert (entry["prompt_tokens"], entry["completion_tokens"], entry["cached_tokens"]) == (10, 5, 4)
    assert (entry["model"], entry["key"]) == ("gpt-4o", "team")
    assert (entry["publisher"], entry["served"]) == ("google", "gemini-4-argon")
    assert entry["location"] == "global"


def test_unknown_fields_are_not_in_the_line(capfd):
    assert json.loads(line(new_record(), capfd)).keys() == {
        "message",
        "ms",
        "operation",
        "request_id",
        "severity",
        "status",
    }


def test_the_line_has_the_upstream_s_calls(capfd):
    record = new_record()
    record.calls += ["", "", "req_vrtx_011"]
    entry = json.loads(line(record, capfd))
    assert (entry["attempts"], entry["upstream_id"]) == (3, "req_vrtx_011")


def test_a_model_s_name_may_hold_slashes(capfd):
    record = new_record()
    record.target = "openapi/meta/llama-4-maverick-17b-128e-instruct-maas; location=us-central1"
    entry = json.loads(line(record, capfd))
    assert (entry["publisher"], entry["served"]) == (
        "openapi",
        "meta/llama-4-maverick-17b-128e-instruct-maas",
    )


@pytest.mark.parametrize(("status", "severity"), [(200, "INFO"), (404, "WARNING"), (503, "ERROR")])
def test_the_severity_is_that_of_the_status(capfd, status, severity):
    assert json.loads(line(new_record(), capfd, status=status))["severity"] == severity


@pytest.mark.parametrize(("error", "severity"), [("server_error", "ERROR"), ("client_left", "INFO")])
def test_broken_stream_is_severe_despite_status_200(capfd, error, severity):
    record = new_record()
    record.error = error
    assert json.loads(line(record, capfd))["severity"] == severity


def test_trace_id_is_read_from_traceparent(capfd):
    record = new_record(Traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
    assert "0123456789abcdef0123456789abcdef" in line(record, capfd)


@pytest.mark.parametrize("deployed", [True, False])
def test_client_s_text_cannot_add_log_lines(capfd, deployed):
    record = new_record()
    record.model = 'x"\n{"severity":"ERROR","message":"I was here"}\r\x1b[31m'
    log_line = line(record, capfd, deployed=deployed)
    assert log_line.count("\n") == 1
    assert "\r" not in log_line
    assert "\x1b" not in log_line


@pytest.mark.parametrize("request_id", ["", "a\nb", "x" * 129, "é", "a b"])
def test_a_request_id_that_is_no_id_is_replaced(request_id):
    assert new_record(X_Request_Id=request_id).id.startswith("req_")


def test_a_client_s_own_request_id_is_kept(app):
    answer = app.post("/v1/chat/completions", json=question("google"), headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert int(answer.headers["openai-processing-ms"]) >= 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/v1/models", 200),
        ("POST", "/v1/chat/completions", 400),
        ("GET", "/v1/embeddings", 405),
        ("GET", "/v1/nothing", 404),
        ("POST", "/vertex-ai/v1/nothing", 404),
    ],
)
def test_every_answer_has_a_request_id_and_its_time(app, method, path, status):
    answer = app.open(path, method=method)
    assert answer.status_code == status
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["openai-processing-ms"].isdecimal()


def test_an_error_has_a_request_id_that_the_sdk_shows(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="nope", messages=[{"role": "user", "content": "Hello"}])
    assert refused.value.request_id.startswith("req_")


@pytest.mark.parametrize("stream", [False, True])
def test_the_line_has_counts_and_no_prompt_or_answer(app, capfd, stream):
    body = question("anthropic", stream=stream) | {"messages": [{"role": "user", "content": SECRET}]}
    answer = post(app, body)
    answer_text = answer.get_data(as_text=True)
    answer.close()
    log_line = capfd.readouterr().out
    assert answer_text
    assert SECRET not in log_line
    assert "prompt_tokens=" in log_line
    assert "publisher=anthropic served=" in log_line
    assert log_line.count("\n") == 1


def test_log_lines_of_many_threads_are_whole(serve):
    # Cloud Functions sets LOG_EXECUTION_ID, which swaps `sys.stdout` while a request is answered.
    name = "deployed-for-lines"
    server = serve(K_SERVICE=name, LOG_EXECUTION_ID="true", VERTEX_COMPAT_API_KEYS=f"team:{KEY}")
    before = server.log().count("\n")
    ids = [f"mine-{number}" for number in range(150)]
    with server.client() as client, ThreadPoolExecutor(60) as pool:

        def ask(identity):
            question = {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": SECRET}]}
            list(client.chat.completions.create(**question, stream=True, extra_headers=own(identity)))

        def own(identity):
            return {"X-Request-Id": identity, "Function-Execution-Id": identity.replace("-", "")}

        list(pool.map(ask, ids))
    log = server.wait_for_log(lambda content: content.count("\n") >= before + len(ids))
    lines = [json.loads(text) for text in log.splitlines()[before:]]
    assert {entry["request_id"] for entry in lines} == set(ids)
    assert len(lines) == len(ids)
    for entry in lines:
        assert entry["key"] == "team"
        assert entry["ms_to_first"] <= entry["ms"]
        labels = entry["logging.googleapis.com/labels"]
        assert labels == {"execution_id": entry["request_id"].replace("-", "")}


def test_a_stream_that_broke_is_an_error_in_the_line(app, capfd):
    answer = post(app, question("anthropic", model="claude-emulator-cut-3", stream=True))
    answer.get_data()
    answer.close()
    assert "error=server_error" in capfd.readouterr().out


@pytest.mark.parametrize("headers", [{}, {"X-Request-Id": "mine-1"}])
@pytest.mark.parametrize("publisher", ["google", "mistralai"])
def test_request_id_is_sent_to_google_s_audit_logs(app, emulator, publisher, headers):
    answer = app.post("/v1/chat/completions", json=question(publisher, n=2), headers=headers)
    assert answer.status_code == 200
    reasons = {call.headers["x-goog-request-reason"] for call in emulator.calls}
    assert reasons == {answer.headers["x-request-id"]}


def test_the_line_has_the_number_of_attempts(serve, emulator):
    server = serve(K_SERVICE="counts", VERTEX_COMPAT_API_KEYS=f"team:{KEY}", VERTEX_COMPAT_RETRIES="1")
    busy = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
    reply = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
    emulator.script(json.dumps(busy).encode(), status=503)
    emulator.script(json.dumps(reply).encode(), headers={"Request-Id": "req_vrtx_011"})
    with server.client() as client:
        client.chat.completions.create(
            model="gemini-3.8-flash", messages=[{"role": "user", "content": "Hello"}]
        )
    log = server.wait_for_log(lambda reply: '"attempts"' in reply)
    entry = json.loads(log.splitlines()[-1])
    assert (entry["status"], entry["attempts"], entry["upstream_id"]) == (200, 2, "req_vrtx_011")


@pytest.mark.parametrize("tier", ["flex", "priority", "scale"])
def test_the_client_gets_the_tier(client, tier):
    messages = [{"role": "user", "content": "Hi"}]
    params = {"model": "gemini-3.8-flash", "messages": messages, "service_tier": tier}
    assert client.chat.completions.create(**params).service_tier == tier
    chunks = client.chat.completions.create(**params, stream=True, stream_options={"include_usage": True})
    assert list(chunks)[-1].service_tier == tier
    response = client.responses.create(model="gemini-3.8-flash", input="Hi", service_tier=tier)
    assert response.service_tier == tier


@pytest.mark.parametrize(
    ("model", "tier"),
    [("gemini-3.8-flash", "auto"), ("gemini-3.8-flash", "gold"), ("claude-sonnet-5-5", "flex")],
)
def test_a_response_names_the_tier_that_was_used(client, model, tier):
    assert client.responses.create(model=model, input="Hi", service_tier=tier).service_tier == "default"


def test_the_tier_is_the_one_that_vertex_ai_names(app, capfd):
    body = {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "Hi"}]}
    for more, expected in (
        ({"service_tier": "flex"}, "service_tier=flex"),
        ({"service_tier": "priority", "stream": True}, "service_tier=priority"),
        ({}, ""),
    ):
        answer = post(app, body | more)
        answer.get_data()
        answer.close()
        logged = capfd.readouterr().out
        assert expected in logged
        assert ("service_tier" in logged) == bool(expected)
