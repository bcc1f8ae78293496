"""Answers of the emulator: streams, faults, scripts, clients that leave; and its journal."""

import contextlib
import gzip
import http.client
import json
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests

TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
PLACE = "/v1/projects/emulated-project/locations/us-central1"
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hello, wörld"}]}]}
CLAUDE = {
    "anthropic_version": "vertex-2023-10-16",
    "max_tokens": 4000,
    "messages": [{"role": "user", "content": "Hello"}],
}
CHAT = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def bearer(emulator):
    answer = requests.get(emulator.url + TOKEN_PATH, headers={"Metadata-Flavor": "Google"}, timeout=5)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
def ask(emulator, bearer):
    """Ask one of five publishers for a stream or a whole answer, of a model of that name."""

    def call_publisher(publisher, name, *, stream=True, headers=None, read=True, timeout=10):
        path, body = {
            "google": (
                f"publishers/google/models/gemini-{name}:"
                + ("streamGenerateContent?alt=sse" if stream else "generateContent"),
                GEMINI,
            ),
            "anthropic": (
                f"publishers/anthropic/models/claude-{name}:streamRawPredict",
                CLAUDE | {"stream": stream},
            ),
            "mistralai": (
                f"publishers/mistralai/models/mistral-{name}:streamRawPredict",
                CHAT | {"model": f"mistral-{name}", "stream": stream},
            ),
            "ai21": (
                f"publishers/ai21/models/jamba-{name}:streamRawPredict",
                CHAT | {"model": f"jamba-{name}", "stream": stream},
            ),
            "openapi": (
                "endpoints/openapi/chat/completions",
                CHAT | {"model": f"qwen/{name}-maas", "stream": stream},
            ),
        }[publisher]
        url = f"{emulator.url}{PLACE}/{path}"
        return requests.post(
            url, json=body, headers=bearer | (headers or {}), stream=not read, timeout=timeout
        )

    return call_publisher


PUBLISHERS = ("google", "anthropic", "mistralai", "ai21", "openapi")
BREAK = {"google": b"\r\n\r\n"}


def events(answer, publisher):
    separator = BREAK.get(publisher, b"\n\n")
    return [event for event in answer.content.split(separator) if event]


def received(answer):
    """Read what arrives until the connection breaks; tell whether it broke."""
    body = b""
    try:
        for block in answer.iter_content(None):
            body += block
    except requests.exceptions.ChunkedEncodingError:
        return body, True
    return body, False


def sole_call(emulator, ended):
    [call] = emulator.wait_for(lambda calls: calls and calls[-1].ended == ended)
    return call


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_a_status_comes_in_the_publishers_own_envelope(ask, publisher):
    answer = ask(publisher, "emulator-status-500")
    assert answer.status_code == 500
    body = answer.json()
    keys = {
        "google": lambda: body["error"]["status"] == "INTERNAL",
        "anthropic": lambda: body["error"]["type"] == "api_error",
        "mistralai": lambda: body["object"] == "error",
        "ai21": lambda: "detail" in body,
        "openapi": lambda: body[0]["error"]["code"] == 500,
    }
    assert keys[publisher]()


def test_status_once_fails_only_the_first_call_of_a_model(ask):
    statuses = [ask("anthropic", "emulator-status-529-once").status_code for _ in range(3)]
    assert statuses == [529, 200, 200]
    assert ask("anthropic", "emulator-status-529-once-more").status_code == 529


def test_a_header_selects_a_fault(ask):
    answer = ask("google", "3.8-flash", headers={"x-emulator-fault": "status-503"})
    assert answer.json()["error"]["status"] == "UNAVAILABLE"


def test_unknown_fault_lists_known_faults(ask):
    answer = ask("google", "emulator-explode-3")
    assert answer.status_code == 400
    assert "status-N-once" in answer.json()["error"]["message"]


def test_html_comes_where_json_was_expected(ask):
    for name, status in (("emulator-html", 404), ("emulator-html-200", 200)):
        answer = ask("openapi", name)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=UTF-8")
        assert answer.text.startswith("<!DOCTYPE html>")


def test_quota_says_when_to_retry(ask):
    answer = ask("mistralai", "emulator-quota")
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers
    [detail] = answer.json()["error"]["details"]
    assert detail["retryDelay"] == "1s"
    assert isinstance(ask("openapi", "emulator-quota").json(), list)
    assert ask("anthropic", "emulator-retry-after-7").headers["Retry-After"] == "7"


def test_an_answer_can_be_empty(ask):
    answer = ask("google", "emulator-empty")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_a_good_status_can_carry_an_error(ask, publisher):
    whole = ask(publisher, "emulator-error-body", stream=False)
    assert whole.status_code == 200
    assert "error" in whole.text or "detail" in whole.text
    streamed = ask(publisher, "emulator-error-body")
    assert streamed.headers["Content-Type"].startswith("text/event-stream")
    assert len(events(streamed, publisher)) == 1


def test_error_replaces_array_of_chunks(emulator, bearer):
    url = f"{emulator.url}{PLACE}/publishers/google/models/gemini-emulator-error-body:streamGenerateContent"
    [error] = requests.post(url, json=GEMINI, headers=bearer, timeout=5).json()
    assert error["error"]["code"] == 500


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_an_error_comes_after_some_events(ask, publisher):
    whole = events(ask(publisher, "2.5"), publisher)
    broken = events(ask(publisher, "emulator-error-event-2"), publisher)
    assert len(broken) == 3
    assert len(whole) > 3
    last = broken[-1].split(b"data: ")[1]
    assert b"error" in last or b"detail" in last
    if publisher == "anthropic":
        assert broken[-1].startswith(b"event: error\n")
        assert json.loads(last)["error"] == {"type": "overloaded_error", "message": "Overloaded"}


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_an_event_can_be_garbage(ask, publisher):
    broken = events(ask(publisher, "emulator-garbage-1"), publisher)
    data = broken[1].split(b"data: ")[1]
    with pytest.raises(json.JSONDecodeError):
        json.loads(data)


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_a_connection_is_cut_after_some_events(emulator, ask, publisher):
    with ask(publisher, "emulator-cut-2", read=False) as answer:
        body, broke = received(answer)
    assert broke
    assert body.count(BREAK.get(publisher, b"\n\n")) == 2
    assert sole_call(emulator, "cut").status == 200


def test_a_connection_can_be_cut_before_the_status_line(emulator, ask):
    with pytest.raises(requests.exceptions.ConnectionError):
        ask("google", "emulator-cut-0")
    assert sole_call(emulator, "cut")


def test_a_connection_is_cut_in_the_middle_of_an_event(ask):
    with ask("google", "emulator-half-1", read=False) as answer:
        body, broke = received(answer)
    assert broke
    whole, half = body.split(b"\r\n\r\n")
    json.loads(whole[6:])
    assert half.startswith(b"data: {")


def test_a_whole_answer_is_cut_short_of_its_announced_length(ask):
    with ask("anthropic", "emulator-cut-1", stream=False, read=False) as answer:
        first = answer.raw.read1(1 << 20)
        _, broke = received(answer)
    assert broke
    assert 0 < len(first) < int(answer.headers["Content-Length"])


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_a_stream_can_end_cleanly_without_being_finished(emulator, ask, publisher):
    broken = events(ask(publisher, "emulator-end-2"), publisher)
    assert len(broken) == 2
    assert b"DONE" not in broken[-1]
    assert sole_call(emulator, "complete")


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_can_be_compressed(ask, stream):
    plain = ask("google", "2.5-flash", stream=stream)
    packed = ask("google", "emulator-gzip", stream=stream, read=False)
    assert packed.headers["Content-Encoding"] == "gzip"
    raw = packed.raw.read(decode_content=False)
    assert len(gzip.decompress(raw)) > len(raw)
    assert len(events(plain, "google")) == len(gzip.decompress(raw).split(b"\r\n\r\n")) - stream


def test_faults_for_many_and_large_events(ask):
    many = events(ask("google", "emulator-many-500"), "google")
    assert len(many) == 500
    big = events(ask("mistralai", "emulator-big-2"), "mistralai")
    assert max(map(len, big)) > 2 << 20


def test_a_delay_comes_before_the_status_line(ask):
    with pytest.raises(requests.exceptions.ReadTimeout):
        ask("google", "emulator-delay-60", timeout=0.1)
    started = time.monotonic()
    assert ask("google", "emulator-delay-0.2").status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_pause_comes_after_the_first_event(ask):
    with ask("google", "emulator-pause-60", read=False, timeout=(5, 0.5)) as answer:
        blocks = answer.iter_content(None)
        assert next(blocks).count(b"\r\n\r\n") == 1
        with pytest.raises(requests.exceptions.ConnectionError, match="timed out"):
            next(blocks)


@pytest.mark.parametrize("fault", ["silent", "delay-60", "pause-60"])
def test_a_client_that_leaves_during_silence_is_noticed_at_once(emulator, ask, fault):
    def leave():
        with contextlib.suppress(requests.exceptions.RequestException):
            ask("google", f"emulator-{fault}", timeout=0.1)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    left_at = time.monotonic()
    assert sole_call(emulator, "client_left")
    assert time.monotonic() - left_at < 0.5  # the poll wakes at once; the rest is for a busy machine


def test_disconnect_is_noticed_between_slow_events(emulator, ask):
    emulator.pace = 30
    with ask("anthropic", "2.5", read=False) as answer:
        blocks = answer.iter_content(None)
        assert next(blocks)
        assert emulator.calls[-1].ended is None
    assert sole_call(emulator, "client_left").status == 200


def test_a_client_that_leaves_a_fast_stream_is_noticed(emulator, ask):
    with ask("google", "emulator-many-1000000", read=False) as answer:
        blocks = answer.iter_content(64)
        assert next(blocks)
    assert sole_call(emulator, "client_left")


def test_events_are_flushed_one_by_one(emulator, ask):
    emulator.pace = 0.02
    with ask("mistralai", "small", read=False) as answer:
        blocks = list(answer.raw.read_chunked())
    assert all(block.count(b"\n\n") == 1 for block in blocks)
    assert len(blocks) > 5


def test_a_model_can_live_in_one_location_only(emulator, ask, bearer):
    assert ask("google", "emulator-only-us-central1").status_code == 200
    away = ask("google", "emulator-only-europe-west4")
    assert away.status_code == 404
    assert away.json()["error"]["status"] == "NOT_FOUND"
    body = CHAT | {"model": "qwen/emulator-only-global-maas"}
    place = f"{emulator.url}/v1/projects/emulated-project/locations/{{}}/endpoints/openapi/chat/completions"
    for location, status in (("global", 200), ("us", 404)):
        assert (
            requests.post(place.format(location), json=body, headers=bearer, timeout=5).status_code == status
        )


# Scripts and the journal


def test_a_script_is_played_to_the_letter(emulator):
    emulator.script(b"nothing", status=418, headers={"X-Tea": "green"})
    answer = requests.post(f"{emulator.url}/v1/anything", data=b"\xff", timeout=5)
    assert (answer.status_code, answer.content, answer.headers["X-Tea"]) == (418, b"nothing", "green")
    [call] = emulator.wait_for(lambda calls: calls and calls[0].ended)
    assert (call.method, call.path, call.body, call.json) == ("POST", "/v1/anything", b"\xff", None)
    assert (call.status, call.ended) == (418, "complete")


def test_scripts_run_in_turn_before_default_answers(emulator, ask):
    emulator.script([b"data: {}\r\n", b"\r\n"])
    emulator.script(status=500)
    assert ask("google", "3.8-flash").content == b"data: {}\r\n\r\n"
    assert ask("google", "3.8-flash").status_code == 500
    assert ask("google", "3.8-flash").status_code == 200


def test_a_script_can_cut_delay_and_pause(emulator, ask):
    emulator.script([b"data: 1\n\n", b"data: 2\n\n"], cut=True, pause=0.01, delay=0.01)
    with ask("google", "3.8-flash", read=False) as answer:
        assert received(answer) == (b"data: 1\n\ndata: 2\n\n", True)
    assert sole_call(emulator, "cut")


def test_the_journal_can_be_read_from_outside(emulator, ask):
    ask("google", "3.8-flash")
    emulator.wait_for(lambda calls: calls[0].ended)
    listed = requests.get(f"{emulator.url}/emulator/calls", timeout=5).json()
    assert [call["body"] for call in listed] == [GEMINI]
    assert listed[0]["query"] == {"alt": "sse"}
    assert listed[0]["status"] == 200
    assert listed[0]["ended"] == "complete"
    assert requests.delete(f"{emulator.url}/emulator/calls", timeout=5).status_code == 204
    assert emulator.calls == []


def test_wait_that_times_out_lists_the_calls(emulator):
    with pytest.raises(TimeoutError, match="calls so far"):
        emulator.wait_for(lambda calls: len(calls) == 1, timeout=0.01)


def test_calls_are_recorded_while_they_run(emulator, ask):
    def wait():
        with contextlib.suppress(requests.exceptions.RequestException):
            ask("google", "emulator-silent")

    thread = threading.Thread(target=wait)
    thread.start()
    [call] = emulator.wait_for(lambda calls: calls and calls[0].status)
    assert call.ended is None
    emulator.close()  # ends the silence
    emulator.wait_for(lambda calls: calls[0].ended)
    thread.join()


# Connections


def test_connection_stays_open_after_responses_of_all_kinds(emulator, bearer):
    model_path = f"{PLACE}/publishers/google/models/gemini-3.8-flash:"
    line = http.client.HTTPConnection(emulator.host, timeout=5)
    sockets = set()
    for method, path in [
        ("POST", f"{model_path}generateContent"),
        ("POST", f"{model_path}streamGenerateContent?alt=sse"),
        ("HEAD", "/v1/nothing"),
        ("DELETE", "/emulator/calls"),
        ("GET", "/"),
    ]:
        line.request(method, path, json.dumps(GEMINI) if method == "POST" else None, bearer)
        response = line.getresponse()
        response.read()
        assert not response.will_close
        sockets.add(line.sock)
    line.close()
    assert len(sockets) == 1


def test_connection_ends_after_a_response_short_of_its_length(emulator):
    emulator.script(b"abc", headers={"Content-Length": "9"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="6 more expected"):
        requests.post(f"{emulator.url}/v1/anything", timeout=5)


def test_open_connections_end_with_the_emulator(emulator):
    name, port = emulator.host.split(":")
    with socket.create_connection((name, int(port)), timeout=5) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 ")
        emulator.close()
        while line.recv(1 << 16):
            pass


# Paths


def test_paths_that_google_does_not_know_are_html(emulator, bearer):
    known_path = f"{PLACE}/publishers/google/models/gemini-3.8-flash:generateContent"
    for path in (
        known_path.replace("/v1/", "/v3/"),
        known_path.replace(":generateContent", ":generate"),
        known_path.replace(":generateContent", ""),
        known_path.replace("us-central1", "US_Central"),
        known_path.replace("google", "acme"),
        f"{PLACE}/endpoints/openapi/completions",
    ):
        answer = requests.post(emulator.url + path, json=GEMINI, headers=bearer, timeout=5)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=UTF-8"), path
    for path in (
        known_path.replace("/v1/", "/v1beta1/"),
        known_path.replace("emulated-project", "123456789012"),
        known_path.replace("us-central1", "global"),
        known_path.replace("us-central1", "northamerica-northeast1"),
    ):
        answer = requests.post(emulator.url + path, json=GEMINI, headers=bearer, timeout=5)
        assert answer.status_code == 200, path
    percent = f"{PLACE}/publishers/anthropic/models/claude-sonnet-5-5%40default:rawPredict"
    assert requests.post(emulator.url + percent, json=CLAUDE, headers=bearer, timeout=5).status_code == 200
    denied = requests.post(
        emulator.url + known_path.replace("emulated-project", "other"), json=GEMINI, headers=bearer, timeout=5
    )
    assert denied.json()["error"]["status"] == "PERMISSION_DENIED"


def test_disconnect_inside_request_is_not_logged(emulator, capfd):
    name, port = emulator.host.split(":")
    with socket.create_connection((name, int(port))) as line:
        line.sendall(b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
    requests.get(emulator.url, timeout=5)
    emulator.close()
    assert emulator.calls == []
    assert capfd.readouterr().err == ""


def test_a_second_request_on_the_line_is_not_taken_for_leaving(emulator):
    name, port = emulator.host.split(":")
    head = "POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    emulator.script(b"late", delay=0.05)
    with socket.create_connection((name, int(port))) as line:
        line.sendall(head.encode() + b"GET / HTTP/1.1\r\n")
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 200")
    emulator.wait_for(lambda calls: calls[0].ended)


def test_an_empty_body_is_an_empty_message(emulator, bearer):
    url = f"{emulator.url}{PLACE}/publishers/google/models/gemini-3.8-flash:generateContent"
    answer = requests.post(url, headers=bearer, timeout=5)
    assert "at least one contents field" in answer.json()["error"]["message"]
    emulator.forget_calls()
    assert requests.put(f"{emulator.url}/emulator/calls", timeout=5).status_code == 405
    assert emulator.calls == []


def test_revoked_tokens_are_refused(emulator, ask):
    emulator.revoke_tokens()
    assert ask("google", "3.8-flash").json()["error"]["status"] == "UNAUTHENTICATED"
    assert emulator.calls[-1].status == 401
    assert emulator.metadata_fault is None
    assert emulator.pace == 0


def test_hundreds_of_streams_run_at_once(emulator, bearer):
    emulator.pace = 0.01
    payload = json.dumps(GEMINI)
    lines = []
    for _ in range(200):
        line = http.client.HTTPConnection(emulator.host, timeout=30)
        path = f"{PLACE}/publishers/google/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
        line.request("POST", path, payload, bearer | {"Content-Type": "application/json"})
        lines.append(line)
    bodies = {line.getresponse().read().count(b"\r\n\r\n") for line in lines}
    for line in lines:
        line.close()
    assert len(bodies) == 1
    emulator.wait_for(lambda calls: [call.ended for call in calls] == ["complete"] * 200)


# The command


@pytest.fixture
def command():
    started = []

    def start(*options):
        line = [sys.executable, "-m", "vertex_compat.emulator", "--port", "0", *options]
        process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_command_prints_address_and_ends_with_parent(command):
    process, output = command("--until-stdin-closes", "--token-lifetime", "60")
    assert output.startswith("listening on http://127.0.0.1:")
    url = output.removeprefix("listening on ").strip()
    answer = requests.get(url + TOKEN_PATH, headers={"Metadata-Flavor": "Google"}, timeout=5).json()
    assert answer["expires_in"] <= 60
    process.stdin.close()
    assert process.wait(5) == 0
    assert process.stdout.read() == ""
    process.stdin = None


def test_the_command_explains_itself():
    line = [sys.executable, "-m", "vertex_compat.emulator", "--help"]
    output = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    for word in ("--pace", "--token-lifetime", "status-N-once", "x-emulator-fault", "gemini-emulator-cut-2"):
        assert word in output


def test_an_emulator_is_gone_when_it_is_closed(emulator):
    emulator.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(tuple(emulator.host.split(":"))).close()
