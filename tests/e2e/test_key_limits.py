"""Limits, budgets and cost of keys, with counts in memory and in a real Redis."""

import http.client
import io
import json
import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import redis
import requests
from helpers.redis import redis_server
from helpers.server import app_with_emulator, served

from vertex_compat.config.settings import InvalidSetting, Settings

KEY = "sk-limited-0123456789"
HEADERS = {"Authorization": f"Bearer {KEY}"}
CHAT = {
    "model": "gemini-3.8-flash",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Say hello."}],
}


@pytest.fixture
def limited(emulator, tmp_path):
    """Makes the function with one key and these rules; `env` are more settings."""

    def make(rules, before="single_instance = true", **env):
        path = tmp_path / "vertex_compat.toml"
        path.write_text(f"{before}\n[keys.alice]\n{rules}\n")
        return app_with_emulator(
            emulator, VERTEX_COMPAT_CONFIG=str(path), VERTEX_COMPAT_API_KEYS=f"alice:{KEY}", **env
        )

    return make


def ask(app, path="/v1/chat/completions", headers=HEADERS, **fields):
    body = json.dumps(CHAT | fields).encode()
    return app.post(path, data=body, content_type="application/json", headers=headers)


# Cost


def test_whole_answer_has_its_cost_in_a_header(limited, capfd):
    answer = ask(limited("models = ['*']"))

    usage = answer.json["usage"]
    cost = (usage["prompt_tokens"] * 0.75 + usage["completion_tokens"] * 3.75) / 1e6
    assert float(answer.headers["x-vertex-compat-cost-usd"]) == pytest.approx(cost)
    answer.close()
    assert "cost_usd=" in capfd.readouterr().out


def test_stream_has_its_cost_in_the_usage(limited):
    answer = ask(limited("models = ['*']"), stream=True, stream_options={"include_usage": True})

    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    usage = events[-1]["usage"]
    cost = (usage["prompt_tokens"] * 0.75 + usage["completion_tokens"] * 3.75) / 1e6
    assert usage["cost_usd"] == pytest.approx(cost)
    assert "x-vertex-compat-cost-usd" not in answer.headers


def test_unknown_price_is_no_cost(limited):
    answer = ask(limited("models = ['*']"), model="gemini-9-ultra")

    assert answer.status_code == 200
    assert "x-vertex-compat-cost-usd" not in answer.headers


def test_key_without_limits_has_no_rate_limit_headers(limited):
    answer = ask(limited("models = ['*']"))

    assert not [name for name, _ in answer.headers if name.startswith("x-ratelimit")]


# Limits


def test_requests_per_minute_are_limited_and_in_headers(limited):
    app = limited("requests_per_minute = 2")
    answers = [ask(app) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0", "0"]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "2"
    error = answers[2].json["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert 0 < int(answers[2].headers["Retry-After"]) <= 61


def test_tokens_are_reserved_and_settled_by_the_count(limited):
    app = limited("tokens_per_minute = 250")
    first = ask(app)
    used = first.json["usage"]["total_tokens"]
    remaining = int(first.headers["x-ratelimit-remaining-tokens"])
    first.close()
    second = ask(app)

    assert remaining <= 250 - 100  # the most that the answer may have is reserved
    assert int(second.headers["x-ratelimit-remaining-tokens"]) == remaining - used
    second.close()
    assert ask(app, max_tokens=10_000).status_code == 429


@pytest.mark.parametrize(
    ("path", "body", "form"),
    [
        ("/v1/chat/completions", CHAT, lambda answer: answer["error"]["code"] == "rate_limit_exceeded"),
        (
            "/v1/responses",
            {"model": "gemini-3.8-flash", "input": "Hi"},
            lambda answer: answer["error"]["code"] == "rate_limit_exceeded",
        ),
        (
            "/v1/messages",
            {**CHAT, "model": "claude-opus-5-5"},
            lambda answer: answer["type"] == "error" and answer["error"]["type"] == "rate_limit_error",
        ),
        (
            "/v1beta/models/gemini-3.8-flash:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
            lambda answer: answer["error"]["status"] == "RESOURCE_EXHAUSTED",
        ),
        (
            "/v1/embeddings",
            {"model": "gemini-embedding-001", "input": "Hi"},
            lambda answer: answer["error"]["code"] == "rate_limit_exceeded",
        ),
    ],
)
def test_limit_error_has_the_form_of_each_api(limited, path, body, form):
    app = limited("requests_per_minute = 1")
    for status in (200, 429):
        answer = app.post(
            path, data=json.dumps(body).encode(), content_type="application/json", headers=HEADERS
        )
        assert answer.status_code == status
        assert (status == 200) or form(answer.json)


def test_budget_is_spent_to_its_end_and_no_further(limited):
    app = limited("budget_usd = 0.002\nbudget_period = 'day'")
    spent, answer = 0.0, ask(app)
    while answer.status_code == 200:
        spent += float(answer.headers["x-vertex-compat-cost-usd"])
        answer.close()
        answer = ask(app)

    assert answer.status_code == 429
    assert (answer.json["error"]["type"], answer.json["error"]["code"]) == ("insufficient_quota",) * 2
    assert "for this day" in answer.json["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert 0.001 < spent <= 0.002


def test_model_without_a_price_is_refused_to_a_key_with_a_budget(limited):
    answer = ask(limited("budget_usd = 1"), model="gemini-9-ultra")

    assert answer.status_code == 403
    assert 'models."NAME".price' in answer.json["error"]["message"]


def test_embeddings_count_against_a_budget(limited):
    app = limited("budget_usd = 1")
    body = json.dumps({"model": "gemini-embedding-001", "input": "Hello"}).encode()
    answer = app.post("/v1/embeddings", data=body, content_type="application/json", headers=HEADERS)

    assert answer.status_code == 200
    assert float(answer.headers["x-vertex-compat-cost-usd"]) > 0


def test_failed_call_costs_nothing(limited):
    app = limited("tokens_per_minute = 300")
    for _ in range(5):
        answer = ask(app, model="gemini-emulator-status-400")
        assert answer.status_code == 400
        answer.close()


def test_requests_at_once_are_limited(limited):
    app = limited("max_parallel_requests = 1")
    first = ask(app, stream=True)
    assert ask(app).status_code == 429
    first.close()
    assert ask(app).status_code == 200


def test_budget_without_a_shared_store_stops_the_start(tmp_path):
    path = tmp_path / "vertex_compat.toml"
    path.write_text("[keys.alice]\nbudget_usd = 1\n")
    env = {"VERTEX_COMPAT_CONFIG": str(path), "VERTEX_COMPAT_API_KEYS": f"alice:{KEY}"}

    with pytest.raises(InvalidSetting, match="VERTEX_COMPAT_REDIS_URL"):
        Settings.from_env(env)
    assert Settings.from_env(env | {"VERTEX_COMPAT_REDIS_URL": "redis://localhost"}).redis_url


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://a b"])
def test_store_that_is_no_redis_url_stops_the_start(url):
    with pytest.raises(InvalidSetting, match="VERTEX_COMPAT_REDIS_URL takes a URL"):
        Settings.from_env({"VERTEX_COMPAT_REDIS_URL": url})


# Redis


def test_redis_away_allows_rate_limited_keys_and_refuses_budgets(limited, tmp_path, caplog):
    away = {"VERTEX_COMPAT_REDIS_URL": f"unix://{tmp_path}/none"}
    caplog.set_level(logging.ERROR, "vertex_compat.limits")

    app = limited("requests_per_minute = 1", before="", **away)
    assert [ask(app).status_code for _ in range(3)] == [200, 200, 200]
    assert len([record for record in caplog.records if "does not answer" in record.message]) == 1
    answer = ask(limited("budget_usd = 1", before="", **away))
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "limits_unavailable")
    refusing = limited("requests_per_minute = 1", before="on_limit_store_failure = 'refuse'", **away)
    assert ask(refusing).status_code == 503
    allowing = limited("budget_usd = 1", before="on_limit_store_failure = 'allow'", **away)
    assert ask(allowing).status_code == 200


@contextmanager
def two_instances(emulator, tmp_path, rules):
    """Two served functions with the same rules over one Redis, and that server's folder."""
    config = tmp_path / "vertex_compat.toml"
    config.write_text(rules)
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_server(folder) as url:
        env = {
            "VERTEX_COMPAT_CONFIG": str(config),
            "VERTEX_COMPAT_API_KEYS": f"alice:{KEY}",
            "VERTEX_COMPAT_REDIS_URL": f"{url}?socket_timeout=10",  # a busy machine is slow, Redis is not
        }
        with (
            served(emulator, tmp_path / "one", **env) as first,
            served(emulator, tmp_path / "two", **env) as two,
        ):
            yield first, two, folder


def test_two_instances_share_a_limit_exactly_until_redis_is_gone(shared_emulator, tmp_path):
    rules = "[keys.alice]\nrequests_per_minute = 200\n"
    with two_instances(shared_emulator, tmp_path, rules) as (first, two, folder):
        started = time.monotonic()
        statuses = load([first.url, two.url], 800)
        assert time.monotonic() - started < 60
        assert statuses == {200: 200, 429: 600}
        assert load([first.url], 1) == {429: 1}
        stop(folder)
        assert load([first.url, two.url], 20) == {200: 20}


def test_two_instances_share_a_budget_to_the_token(shared_emulator, tmp_path):
    rules = "[keys.alice]\nbudget_usd = 0.02\nmax_parallel_requests = 20\n"
    with two_instances(shared_emulator, tmp_path, rules) as (first, two, folder):
        answers = load([first.url, two.url], 200, answers=True)
        paid = [answer for answer in answers if answer.status_code == 200]
        assert {answer.status_code for answer in answers} == {200, 429}
        assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 429} == {
            "insufficient_quota"
        }
        cost = sum(round(float(answer.headers["x-vertex-compat-cost-usd"]) * 1e9) for answer in paid)
        assert 0.015e9 < cost <= 0.02e9
        wait_until(lambda: spent(folder) == cost)


def spent(folder):
    """The nano-dollars that Redis has for the one key with a budget."""
    with redis.Redis(unix_socket_path=str(folder / "redis.sock")) as client:
        (name,) = client.keys("*:spent:*")
        return int(client.get(name))


def wait_until(holds):
    deadline = time.monotonic() + 5
    while not holds():  # a request is settled after its last byte
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stop(folder):
    redis.Redis(unix_socket_path=str(folder / "redis.sock")).shutdown(nosave=True)


def load(urls, count, *, answers=False):
    """The answers to `count` requests of 16 parallel clients, or the count of each status."""
    body = json.dumps(CHAT).encode()

    def run(worker):
        with requests.Session() as session:
            session.headers.update(HEADERS | {"Content-Type": "application/json"})
            return [
                session.post(f"{urls[number % len(urls)]}/v1/chat/completions", data=body)
                for number in range(worker, count, 16)
            ]

    with ThreadPoolExecutor(16) as pool:
        results = [answer for part in pool.map(run, range(16)) for answer in part]
    return results if answers else Counter(answer.status_code for answer in results)


def test_azure_client_sends_its_key_in_a_header(limited):
    app = limited("models = ['*']")

    path = "/openai/deployments/gemini-3.8-flash/chat/completions?api-version=2026-10-01"
    assert ask(app, path=path, headers={"api-key": KEY}).status_code == 200
    assert ask(app, path=path, headers={"api-key": "wrong-key-0123"}).status_code == 401


def test_uncounted_call_keeps_its_reservation(limited):
    app = limited("tokens_per_minute = 6000")
    path = "/vertex-ai/v1/publishers/google/models/text-embedding-005:predict"
    body = json.dumps({"instances": [{"content": "Hi"}]})
    statuses = []
    for _ in range(2):
        answer = app.post(path, data=body, content_type="application/json", headers=HEADERS)
        statuses.append(answer.status_code)
        answer.close()

    assert statuses == [200, 429]


CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
INTERACTION = {"model": "gemini-3.8-flash", "input": "Hi", "store": False}
MESSAGES = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 100, "messages": CHAT["messages"]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("publishers/google/models/gemini-3.8-flash:generateContent", CONTENTS),
        ("publishers/google/models/gemini-3.8-flash:streamGenerateContent?alt=sse", CONTENTS),
        ("publishers/anthropic/models/claude-opus-5-5:rawPredict", MESSAGES),
        ("publishers/anthropic/models/claude-opus-5-5:streamRawPredict", MESSAGES | {"stream": True}),
        ("endpoints/openapi/chat/completions", CHAT | {"model": "xai/grok-4.3"}),
        ("interactions", INTERACTION),
        ("interactions", INTERACTION | {"stream": True}),
    ],
)
def test_forwarded_answer_is_counted_and_has_a_cost(limited, capfd, path, body):
    app = limited("tokens_per_minute = 6000")
    for _ in range(2):
        answer = app.post(
            f"/vertex-ai/v1/projects/emulated-project/locations/global/{path}",
            data=json.dumps(body),
            content_type="application/json",
            headers=HEADERS,
        )
        assert (answer.status_code, bool(answer.text)) == (200, True)
        answer.close()

    assert capfd.readouterr().out.count(" cost_usd=") == 2


def test_answer_without_counts_keeps_its_reservation(limited):
    app = limited("tokens_per_minute = 1500")
    statuses = []
    for _ in range(2):
        answer = ask(app, model="1234567890", max_tokens=1000)
        statuses.append(answer.status_code)
        answer.close()

    assert statuses == [200, 429]


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/batches", "batches"),
        ("/v1/messages/batches", "batches"),
        ("/v1/fine_tuning/jobs", "fine_tuning"),
    ],
)
def test_uncounted_jobs_need_a_rule_that_names_them(limited, path, operation):
    refused = ask(limited("budget_usd = 1"), path=path)
    allowed = ask(limited(f"budget_usd = 1\noperations = ['{operation}']"), path=path)

    assert (refused.status_code, f"may not use {operation}" in refused.text) == (403, True)
    assert (allowed.status_code, "may not use" in allowed.text) == (400, False)


@pytest.mark.parametrize(("number", "status"), [("1", 200), ("8", 429)])
def test_form_reserves_each_requested_image(limited, number, status):
    app = limited("tokens_per_minute = 10000")
    form = {"model": "gemini-3.1-flash-image", "prompt": "a cat", "n": number}
    form["image"] = (io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"0" * 40), "a.png")

    assert app.post("/v1/images/edits", data=form, headers=HEADERS).status_code == status


def test_counting_tokens_costs_nothing(limited):
    app = limited("tokens_per_minute = 1\nbudget_usd = 0.00001\nrequests_per_minute = 2")
    fields = {"model": "claude-opus-5-5", "max_tokens": None}
    statuses = []
    for _ in range(3):
        answer = ask(app, path="/v1/messages/count_tokens", **fields)
        statuses.append(answer.status_code)
        answer.close()

    assert statuses == [200, 200, 429]


def test_client_that_leaves_keeps_its_reservation(serve, tmp_path):
    path = tmp_path / "vertex_compat.toml"
    path.write_text("[keys.alice]\ntokens_per_minute = 6000\n")
    server = serve(VERTEX_COMPAT_CONFIG=str(path), VERTEX_COMPAT_API_KEYS=f"alice:{KEY}")
    fields = CHAT | {"max_tokens": 5000}
    line = http.client.HTTPConnection(*server.address, timeout=20)
    body = json.dumps(fields | {"model": "gemini-emulator-silent"})
    line.request("POST", "/v1/chat/completions", body, HEADERS)
    server.emulator.wait_for(lambda calls: len(calls) == 1)
    line.close()
    server.wait_for_log(lambda text: "error=client_left" in text)

    assert requests.post(f"{server.url}/v1/chat/completions", json=fields, headers=HEADERS).status_code == 429


def test_refused_forwarded_call_costs_nothing(limited):
    app = limited("tokens_per_minute = 6000")
    path = "/vertex-ai/v1/publishers/google/models/gemini-emulator-status-400:generateContent"
    for _ in range(3):
        answer = app.post(
            path, data=json.dumps({"contents": []}), content_type="application/json", headers=HEADERS
        )
        assert answer.status_code == 400
        answer.close()


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/chat/completions", {}),
        ("/v1/chat/completions", {"stream": True, "metadata": {"team": "search"}}),
        ("/v1/chat/completions", {"model": "claude-opus-5-5"}),
        ("/v1/messages", {"model": "claude-opus-5-5"}),
    ],
)
def test_billing_label_names_the_key(limited, emulator, path, fields):
    app = limited("models = ['*']", before="billing_labels = true")
    answer = ask(app, path=path, **fields)
    answer.close()

    assert answer.status_code == 200
    (call,) = [call for call in emulator.calls if call.method == "POST"]
    assert call.json["labels"] == {"vertex_compat_key": "k-alice"} | fields.get("metadata", {})


def test_no_billing_label_unless_the_settings_say_so(limited, emulator):
    ask(limited("models = ['*']")).close()

    (call,) = [call for call in emulator.calls if call.method == "POST"]
    assert "labels" not in call.json
