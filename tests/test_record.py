"""The line in the log, and what a client is told of its request."""

import json

import openai
import pytest
from corpus import post, question

from vertex_compat.record import Record
from vertex_compat.wire import Usage

SECRET = "what the client said"


def begun(**headers):
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Record.begin("POST", "/v1/chat/completions", given.get)


def line(record, capsys, *, deployed=True, status=200):
    record.write(status, project="my-project", deployed=deployed)
    return capsys.readouterr().out


def test_a_deployed_function_writes_what_cloud_logging_reads(capsys):
    record = begun(X_Cloud_Trace_Context="0123456789abcdef0123456789abcdef/7;o=1")
    record.model, record.key, record.target = "gpt-4o", "team", "google/gemini-2.5-pro; location=global"
    record.usages[0] = Usage(10, 5, {"cached_tokens": 4})
    written = json.loads(line(record, capsys))
    assert written["severity"] == "INFO"
    assert (
        written["logging.googleapis.com/trace"]
        == "projects/my-project/traces/0123456789abcdef0123456789abcdef"
    )
    assert (written["prompt_tokens"], written["completion_tokens"], written["cached_tokens"]) == (10, 5, 4)
    assert (written["model"], written["key"]) == ("gpt-4o", "team")


@pytest.mark.parametrize(("status", "severity"), [(200, "INFO"), (404, "WARNING"), (503, "ERROR")])
def test_the_severity_is_that_of_the_status(capsys, status, severity):
    assert json.loads(line(begun(), capsys, status=status))["severity"] == severity


def test_the_trace_may_come_in_the_standard_s_header(capsys):
    record = begun(Traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
    assert "0123456789abcdef0123456789abcdef" in line(record, capsys)


@pytest.mark.parametrize("deployed", [True, False])
def test_no_client_writes_lines_of_its_own(capsys, deployed):
    record = begun()
    record.model = 'x"\n{"severity":"ERROR","message":"I was here"}\r\x1b[31m'
    written = line(record, capsys, deployed=deployed)
    assert written.count("\n") == 1
    assert "\r" not in written
    assert "\x1b" not in written


@pytest.mark.parametrize("given", ["", "a\nb", "x" * 129, "é", "a b"])
def test_a_request_id_that_is_no_id_is_replaced(given):
    assert begun(X_Request_Id=given).id.startswith("req_")


def test_a_client_s_own_request_id_is_kept(app):
    answer = app.post("/v1/chat/completions", json=question("google"), headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert int(answer.headers["openai-processing-ms"]) >= 0


def test_an_error_has_a_request_id_that_the_sdk_shows(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="nope", messages=[{"role": "user", "content": "Hello"}])
    assert refused.value.request_id.startswith("req_")


@pytest.mark.parametrize("stream", [False, True])
def test_the_line_has_the_counts_and_nothing_that_was_said(app, capsys, stream):
    body = question("anthropic", stream=stream) | {"messages": [{"role": "user", "content": SECRET}]}
    answer = post(app, body)
    said = answer.get_data(as_text=True)
    answer.close()
    written = capsys.readouterr().out
    assert said
    assert SECRET not in written
    assert "prompt_tokens=" in written
    assert "target=anthropic/" in written
    assert written.count("\n") == 1


def test_a_stream_that_broke_is_an_error_in_the_line(app, capsys):
    answer = post(app, question("anthropic", model="claude-emulator-cut-3", stream=True))
    answer.get_data()
    answer.close()
    assert "error=server_error" in capsys.readouterr().out


@pytest.mark.parametrize("given", [{}, {"X-Request-Id": "mine-1"}])
@pytest.mark.parametrize("publisher", ["google", "mistralai"])
def test_google_is_told_the_id_for_its_audit_logs(app, emulator, publisher, given):
    answer = app.post("/v1/chat/completions", json=question(publisher, n=2), headers=given)
    assert answer.status_code == 200
    told = {call.headers["x-goog-request-reason"] for call in emulator.calls}
    assert told == {answer.headers["x-request-id"]}
