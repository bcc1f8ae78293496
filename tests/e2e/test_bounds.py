"""Time limits where the token server is slow, down, or sends invalid responses."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import google.auth._helpers
import pytest
from helpers.chat_client import ask, failed, joined
from helpers.fixtures import MODELS, post, question

WITHOUT_A_TOKEN = 10.0  # seconds in which a client hears that there is none
AT_ONCE = 2.0
COLD = 50  # requests that come together to a function that has no token yet

each_fault = pytest.mark.parametrize("fault", ["down", "503", "garbage", "slow:60"])

on_google_or_not = pytest.mark.parametrize(
    "env", [{}, {"K_SERVICE": "here", "VERTEX_COMPAT_AUTH": "none"}], ids=["elsewhere", "on google"]
)
"""Environment of a deployed function, which asks the metadata server itself; else google-auth does."""


def has(fault):
    return lambda emulator: setattr(emulator, "metadata_fault", fault)


@each_fault
@on_google_or_not
def test_without_a_token_the_error_comes_in_time(serve_alone, fault, env):
    server = serve_alone(has(fault), **env)
    with server.client() as client, ThreadPoolExecutor(3) as pool:
        began = time.monotonic()
        futures = [pool.submit(failed, client, MODELS["google"], stream=bool(n % 2)) for n in range(3)]
        for future in futures:  # those that waited for another's fetch share its failure
            assert future.result().status_code in {502, 503}
        assert time.monotonic() - began < WITHOUT_A_TOKEN
        server.emulator.metadata_fault = None
        assert ask(client, MODELS["google"]).choices


@each_fault
@on_google_or_not
def test_a_token_that_is_still_good_is_used_meanwhile(serve_alone, fault, env):
    def short(emulator):
        emulator.app.metadata.token_lifetime = 200  # seconds: so short that it is to be renewed at once

    server = serve_alone(short, **env)
    with server.client() as client:
        ask(client, MODELS["google"])
        server.emulator.metadata_fault = fault
        for _ in range(3):
            began = time.monotonic()
            assert joined(ask(client, MODELS["google"], stream=True))[1] == ["stop"]
            assert time.monotonic() - began < AT_ONCE
        server.emulator.metadata_fault = None


def test_first_token_is_fetched_before_the_first_request(serve_alone):
    server = serve_alone(has("503"), K_SERVICE="here", VERTEX_COMPAT_AUTH="none")
    server.wait_for_log(lambda log: "could not get an access token" in log)


@on_google_or_not
def test_many_cold_requests_fetch_one_token(serve_alone, env):
    server = serve_alone(has("slow:0.5"), **env)
    with server.client() as client, ThreadPoolExecutor(COLD) as pool:
        answers = [pool.submit(ask, client, MODELS["google"]) for _ in range(COLD)]
        assert all(answer.result().choices for answer in answers)
    assert 1 <= server.emulator.token_fetches <= 2


@pytest.mark.parametrize("hours", [3, -3])
def test_a_clock_that_jumps_is_no_fault(app, emulator, monkeypatch, hours):
    """Forward, a good token looks old; back, an old one looks good until Vertex refuses it."""
    assert post(app, question("google")).status_code == 200
    true = google.auth._helpers.utcnow
    monkeypatch.setattr(google.auth._helpers, "utcnow", lambda: true() + timedelta(hours=hours))
    if hours < 0:
        emulator.revoke_tokens()
    for _ in range(3):
        assert post(app, question("google")).status_code == 200
    monkeypatch.undo()
    assert post(app, question("google")).status_code == 200
