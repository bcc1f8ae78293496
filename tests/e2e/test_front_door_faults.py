"""Faults of the upstream: OpenAI's client gets OpenAI's error, never a traceback or a token."""

import http.client
import json
import socket
import threading

import openai
import pytest
from helpers.chat_client import ask, failed, is_clean, joined, named
from helpers.fixtures import MODELS, STATUSES, events_of, post, question
from helpers.server import free_port

from vertex_compat import vertex

PUBLISHERS = [*MODELS]
each_publisher = pytest.mark.parametrize("publisher", PUBLISHERS)
streaming_or_not = pytest.mark.parametrize("stream", [False, True])


def raw_stream(server, model, **more):
    """Status and body of a stream as it comes over the wire."""
    line = http.client.HTTPConnection(*server.address, timeout=10)
    body = json.dumps(question("google", model=model, stream=True, **more))
    line.request("POST", "/v1/chat/completions", body)
    answer = line.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        line.close()


# Refusals


@each_publisher
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529])
@streaming_or_not
def test_a_refusal_has_the_status_that_it_means(client, publisher, status, stream):
    error = failed(client, named(publisher, f"status-{status}"), stream=stream)
    assert (error.status_code, error.type, error.code) == STATUSES[status]
    is_error_of_the_sdk = {
        400: openai.BadRequestError,
        403: openai.PermissionDeniedError,
        404: openai.NotFoundError,
        429: openai.RateLimitError,
    }
    assert isinstance(error, is_error_of_the_sdk.get(error.status_code, openai.APIStatusError))


@each_publisher
@streaming_or_not
def test_the_publisher_s_message_reaches_the_client(client, publisher, stream):
    error = failed(client, named(publisher, "status-400"), stream=stream)
    assert "Status 400 was requested." in error.message


@each_publisher
@streaming_or_not
def test_a_wait_that_the_upstream_asks_for_reaches_the_client(client, publisher, stream):
    error = failed(client, named(publisher, "retry-after-7"), stream=stream)
    assert error.status_code == 429
    assert error.response.headers["retry-after"] == "7"
    error = failed(client, named(publisher, "quota"), stream=stream)
    assert error.status_code == 429
    assert error.response.headers["retry-after"] == "1"


@each_publisher
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("html", 404),
        ("html-200", 502),
        ("empty", 502),
        ("error-body", 502),
        ("cut-0", 503),
        ("cut-1", 502),
        ("half-0", 502),
        ("end-0", 502),
    ],
)
def test_a_whole_answer_that_is_none_is_an_error(client, publisher, fault, status):
    assert failed(client, named(publisher, fault)).status_code == status


@each_publisher
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("html", 404),
        ("html-200", 502),
        ("empty", 502),
        ("error-event-0", None),
        ("garbage-0", 502),
        ("cut-0", 503),
        ("half-0", 502),
        ("end-0", 502),
    ],
)
def test_failure_before_first_byte_is_http_error(client, publisher, fault, status):
    error = failed(client, named(publisher, fault), stream=True)
    assert error.status_code == status or (status is None and error.status_code in {502, 503})


@each_publisher
@pytest.mark.parametrize("fault", ["error-event-3", "garbage-3", "cut-3", "half-3", "end-3"])
def test_fault_inside_a_stream_is_an_error_event(client, emulator, publisher, fault):
    emulator.pace = 0.02  # the first event arrives before the fault does
    stream = ask(client, named(publisher, fault), stream=True)
    chunks = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in stream:
            chunks.append(chunk)
    assert not isinstance(caught.value, openai.APIStatusError | openai.APIConnectionError)
    assert caught.value.message
    is_clean(str(caught.value.body))
    assert chunks
    assert joined(chunks)[1] == []


@each_publisher
@pytest.mark.parametrize("fault", ["error-event-3", "garbage-3", "cut-3", "half-3", "end-3"])
def test_error_event_is_the_last_of_its_stream(front_door, emulator, publisher, fault):
    emulator.pace = 0.02
    status, body = raw_stream(front_door, named(publisher, fault), stream_options={"include_usage": True})
    assert status == 200
    *chunks, last = events_of(body)
    assert last.keys() == {"error"}
    assert last["error"].keys() == {"message", "type", "param", "code"}
    assert chunks
    assert all(chunk["choices"] and not chunk["usage"] for chunk in chunks)
    is_clean(body.decode())


def test_failure_of_one_call_ends_the_others(client, front_door, emulator):
    """Claude is called three times for three choices; the second call is refused."""
    emulator.script(
        b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', status=529
    )
    error = failed(client, MODELS["anthropic"], n=3)
    assert error.status_code == 503
    emulator.wait_for(lambda calls: len(calls) == 3 and all(call.ended for call in calls))
    emulator.script(b'{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}', status=429)
    assert failed(client, MODELS["mistralai"], n=3, stream=True).status_code == 429
    emulator.wait_for(lambda calls: len(calls) == 6 and all(call.ended for call in calls))
    assert ask(front_door.client(), MODELS["anthropic"], n=3).choices


@each_publisher
@streaming_or_not
def test_a_refused_prompt_is_no_fault(client, publisher, stream):
    answer = ask(client, named(publisher, "refusal"), stream=stream)
    reasons = joined(answer)[1] if stream else [answer.choices[0].finish_reason]
    assert reasons == ["content_filter"]


@streaming_or_not
def test_a_prompt_that_gemini_blocks_is_no_fault(client, stream):
    answer = ask(client, named("google", "blocked"), stream=stream)
    if stream:
        chunks = list(answer)
        assert "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks)
        assert joined(chunks)[1] == ["content_filter"]
    else:
        assert answer.choices[0].message.refusal
        assert answer.choices[0].finish_reason == "content_filter"


# What is only odd


ODD = ["gzip", "delay-0.2", "pause-0.2", "many-300"]


@pytest.mark.parametrize(
    ("publisher", "fault"),
    [(model, fault) for model in MODELS for fault in ODD if model != "endpoints" or "." not in fault],
)  # an endpoint's id has no dot
@streaming_or_not
def test_unusual_but_valid_response_is_answered(client, publisher, stream, fault):
    answer = ask(client, named(publisher, fault), stream=stream)
    if stream:
        text, reasons, _ = joined(answer)
    else:
        text, reasons = answer.choices[0].message.content, [answer.choices[0].finish_reason]
    assert reasons == ["stop"]
    assert text


def test_a_container_that_cannot_stream_is_streamed_all_the_same(client, emulator):
    response = {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Whole."}, "finish_reason": "stop"}
        ]
    }
    emulator.script(json.dumps(response).encode())
    assert joined(ask(client, MODELS["endpoints"], stream=True))[:2] == ("Whole.", ["stop"])


def test_bytes_that_come_one_by_one_are_read(client, emulator):
    candidate = {"content": {"parts": [{"text": "你好👋"}]}, "finishReason": "STOP"}
    event = json.dumps({"candidates": [candidate]}, ensure_ascii=False)
    emulator.script([bytes([byte]) for byte in f"data: {event}\r\n\r\n".encode()])
    assert joined(ask(client, MODELS["google"], stream=True))[:2] == ("你好👋", ["stop"])


# Silence


def test_an_upstream_that_never_answers_is_a_504(serve):
    server = serve(VERTEX_COMPAT_TIMEOUT="0.5")
    with server.client() as client:
        for stream in (False, True):
            error = failed(client, named("google", "silent"), stream=stream)
            assert (error.status_code, error.code) == (504, "timeout")


def test_silence_in_mid_stream_is_error_event(serve):
    with serve(VERTEX_COMPAT_TIMEOUT="0.5").client() as client, pytest.raises(openai.APIError) as caught:
        list(ask(client, named("anthropic", "pause-30"), stream=True))
    assert caught.value.code == "timeout"


# Tries again


def test_call_that_fails_once_is_retried(serve, emulator):
    with serve(VERTEX_COMPAT_RETRIES="1").client() as client:
        emulator.script(b"", status=503, headers={"Retry-After": "0"})
        assert ask(client, MODELS["google"]).choices
        assert [call.status for call in emulator.calls] == [503, 200]
        emulator.forget_calls()
        emulator.script(b"", status=429, headers={"Retry-After": "0"})
        assert joined(ask(client, MODELS["anthropic"], stream=True))[1] == ["stop"]
        assert [call.status for call in emulator.calls] == [429, 200]


def test_sole_failing_call_is_retried_after_a_delay(serve, emulator):
    with serve(VERTEX_COMPAT_RETRIES="1").client() as client:
        assert ask(client, named("mistralai", "status-503-once-here")).choices
    assert [call.status for call in emulator.calls] == [503, 200]


def test_repeated_failure_tells_the_client_not_to_retry(serve, emulator):
    emulator.script(b"", status=503, headers={"Retry-After": "0"})
    emulator.script(b"", status=503, headers={"Retry-After": "0"})
    with serve(VERTEX_COMPAT_RETRIES="1").client() as client:
        error = failed(client, MODELS["mistralai"])
    assert error.status_code == 503
    assert error.response.headers["x-should-retry"] == "false"
    assert len(emulator.calls) == 2


@pytest.mark.parametrize("status", [400, 403, 413, 422])
def test_client_errors_are_not_retried(serve, emulator, status):
    with serve(VERTEX_COMPAT_RETRIES="1").client() as client:
        assert failed(client, named("mistralai", f"status-{status}")).status_code == STATUSES[status][0]
    assert len(emulator.calls) == 1


def test_no_retry_after_the_answer_has_begun(serve, emulator):
    with serve(VERTEX_COMPAT_RETRIES="1").client() as client, pytest.raises(openai.APIError):
        list(ask(client, named("mistralai", "cut-3"), stream=True))
    assert len(emulator.calls) == 1


# Our own credentials


@streaming_or_not
def test_a_token_that_vertex_no_longer_takes_is_renewed(client, emulator, stream):
    ask(client, MODELS["google"])
    emulator.forget_calls()
    emulator.revoke_tokens()
    answer = ask(client, MODELS["google"], stream=stream)
    assert joined(answer)[1] == ["stop"] if stream else answer.choices
    assert [call.status for call in emulator.calls] == [401, 200]
    assert len({call.headers["authorization"] for call in emulator.calls}) == 2


def test_many_refused_calls_renew_the_token_once(front_door, emulator):
    with front_door.client() as client:
        ask(client, MODELS["google"])
    emulator.revoke_tokens()
    before = emulator.token_fetches
    together = threading.Barrier(12)
    answers = []

    def status_of():
        with front_door.client() as client:
            together.wait(10)
            answers.append(ask(client, MODELS["google"]).choices)

    threads = [threading.Thread(target=status_of) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all(answers)
    assert len(answers) == 12
    assert emulator.token_fetches == before + 1


@pytest.mark.parametrize("fault", ["down", "503", "garbage"])
def test_missing_token_is_503_until_available(serve_alone, fault):
    server = serve_alone(lambda emulator: setattr(emulator, "metadata_fault", fault))
    with server.client() as client:
        for stream in (False, True):
            error = failed(client, MODELS["google"], stream=stream)
            assert error.status_code in {502, 503}
            assert error.code in {"upstream_authentication_error", "project_not_set"}
        assert server.emulator.calls == []
        server.emulator.metadata_fault = None
        assert ask(client, MODELS["google"]).choices


def test_a_slow_token_is_waited_for(serve_alone):
    server = serve_alone(lambda emulator: setattr(emulator, "metadata_fault", "slow:0.3"))
    with server.client() as client:
        assert ask(client, MODELS["google"]).choices


def test_failing_token_server_is_503_without_details(serve_alone):
    server = serve_alone()
    with server.client() as client:
        ask(client, MODELS["google"])
        server.emulator.metadata_fault = "503"
        server.emulator.revoke_tokens()
        error = failed(client, MODELS["google"])
    assert (error.status_code, error.code) == (503, "upstream_authentication_error")


# No way to Vertex


@streaming_or_not
def test_a_vertex_that_cannot_be_reached_is_a_503(serve_alone, stream):
    server = serve_alone(GOOGLE_VERTEX_BASE_URL=f"http://127.0.0.1:{free_port()}")
    with server.client() as client:
        error = failed(client, MODELS["google"], stream=stream)
    assert (error.status_code, error.code) == (503, "service_unavailable")


def test_upstream_without_tls_is_upstream_error(serve_alone, shared_emulator):
    server = serve_alone(GOOGLE_VERTEX_BASE_URL=shared_emulator.url.replace("http:", "https:"))
    with server.client() as client:
        assert failed(client, MODELS["google"]).status_code in {502, 503}


def test_a_vertex_that_hangs_up_at_once_is_a_503(serve_alone):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = serve_alone(GOOGLE_VERTEX_BASE_URL=f"http://127.0.0.1:{listener.getsockname()[1]}")
        threading.Thread(target=hang_up, args=(listener,), daemon=True).start()
        with server.client() as client:
            assert failed(client, MODELS["google"]).status_code == 503


def hang_up(listener):
    """Close every connection as soon as it is made, until the listener is closed."""
    while True:
        try:
            listener.accept()[0].close()
        except OSError:
            return


def test_an_unknown_project_is_an_error(serve):
    with serve(GOOGLE_CLOUD_PROJECT="another-project").client() as client:
        error = failed(client, MODELS["google"])
    assert (error.status_code, error.code) == (403, "permission_denied")


SERVICES = {
    "discoveryengine": (
        "/rerank",
        {"model": "semantic-ranker-default-004", "query": "a", "documents": ["b"]},
    ),
    "language": ("/moderations", {"input": "a"}),
    "texttospeech": ("/audio/speech", {"model": "tts-1", "input": "a", "voice": "en-US-Standard-C"}),
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_403_of_an_optional_service_names_the_role(app, emulator, service):
    path, body = SERVICES[service]
    denied = {"code": 403, "message": "Permission denied on resource.", "status": "PERMISSION_DENIED"}
    emulator.script(json.dumps({"error": denied}).encode(), status=403)
    error = post(app, body, path).json["error"]
    assert error["code"] == "permission_denied"
    assert error["message"].startswith(denied["message"])
    assert f"needs the role {vertex.ROLES[service]}" in error["message"]


# Locations


def test_model_in_another_location_is_found_and_remembered(client, emulator):
    name = named("mistralai", "only-europe-west4")
    assert ask(client, name).choices
    assert [call.status for call in emulator.calls] == [404, 200]
    assert ask(client, name).choices
    assert [call.status for call in emulator.calls] == [404, 200, 200]


def test_no_other_location_is_tried_if_one_is_set(serve, emulator):
    with serve(GOOGLE_CLOUD_LOCATION="us-central1").client() as client:
        error = failed(client, named("mistralai", "only-europe-west4"))
    assert (error.status_code, error.code) == (404, "model_not_found")
    assert len(emulator.calls) == 1


def test_retired_model_404_names_replacement(client, emulator):
    gone = {"error": {"code": 404, "message": "Publisher Model `x` not found.", "status": "NOT_FOUND"}}
    for _ in range(3):
        emulator.script(json.dumps(gone).encode(), status=404)
    error = failed(client, "gemini-1.5-pro")
    assert error.status_code == 404
    assert "use 'gemini-3" in error.message


# The log


def test_log_has_no_traceback_token_or_prompt(front_door):
    before = len(front_door.log())
    with front_door.client() as client:
        for publisher in PUBLISHERS:
            ask(client, MODELS[publisher], "a secret of the client")
            for fault in ("status-500", "garbage-0", "cut-0", "html", "html-200"):
                failed(client, named(publisher, fault))
    log = front_door.log()[before:]
    for word in ("Traceback", "ya29", "sk-test-0123456789", "a secret of the client"):
        assert word not in log
