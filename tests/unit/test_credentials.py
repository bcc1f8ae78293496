"""One token for all threads: one of them fetches and renews it, and a failure is shared."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from google.auth import exceptions
from helpers.credentials import Account

from vertex_compat import errors
from vertex_compat.upstream.credentials import Credentials

THREADS = 50

STALE = timedelta(minutes=2)  # good, but google-auth wants it renewed
INVALID = timedelta(minutes=-1)


def side_by_side(work):
    """Return the results of `work` in many threads that begin at the same moment."""
    together = threading.Barrier(THREADS)

    def begin(_):
        together.wait(10)
        return work()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def caught(work):
    try:
        return work()
    except errors.ApiError as error:
        return error


def test_many_cold_threads_fetch_one_token():
    account = Account()
    credentials = Credentials(account.find)
    assert side_by_side(credentials.token) == ["token-1"] * THREADS
    assert (account.finds, account.refreshes) == (1, 1)


def test_a_fresh_token_is_used_again_and_again():
    account = Account()
    credentials = Credentials(account.find)
    assert {credentials.token() for _ in range(100)} == {"token-1"}
    assert account.refreshes == 1


def test_no_credentials_are_sought_before_the_first_token():
    account = Account()
    Credentials(account.find)
    assert (account.finds, account.refreshes) == (0, 0)


def test_a_token_that_has_expired_is_renewed_once_for_all():
    account = Account()
    credentials = Credentials(account.find)
    credentials.token()
    account.give("old", INVALID)
    assert side_by_side(credentials.token) == ["token-2"] * THREADS
    assert account.refreshes == 2


def test_a_stale_token_is_used_while_one_thread_fetches_the_next():
    account = Account()
    credentials = Credentials(account.find)
    credentials.token()
    account.give("stale", STALE)
    account.started.clear()
    account.ended.clear()
    account.may_end.clear()
    try:
        # Nobody waits: the fetch that they set off cannot end before all of them are served.
        assert side_by_side(credentials.token) == ["stale"] * THREADS
        assert account.started.wait(5)
        assert account.refreshes == 2
    finally:
        account.may_end.set()
    assert account.ended.wait(5)
    assert credentials.token() == "token-2"
    assert account.refreshes == 2


def test_a_stale_token_serves_on_when_the_next_cannot_be_had():
    account = Account()
    credentials = Credentials(account.find)
    credentials.token()
    account.give("stale", STALE)
    account.failure = exceptions.RefreshError("no")
    account.ended.clear()
    assert credentials.token() == "stale"
    assert account.ended.wait(5)
    assert credentials.token() == "stale"
    account.failure = None
    until(lambda: credentials.token() != "stale")
    assert credentials.token() == f"token-{account.refreshes}"


def test_threads_that_wait_for_a_token_share_its_failure():
    account = Account(failure=exceptions.RefreshError("no"))
    credentials = Credentials(account.find)
    account.may_end.clear()
    with ThreadPoolExecutor(THREADS) as pool:
        answers = [pool.submit(caught, credentials.token) for _ in range(THREADS)]
        try:
            until(lambda: waiting_for_credentials() == THREADS)
        finally:
            account.may_end.set()
    assert {type(answer.result()) for answer in answers} == {errors.Unavailable}
    assert account.refreshes == 1


def waiting_for_credentials():
    """Return the number of threads in the credentials' code, or in what it called."""
    count = 0
    for top in sys._current_frames().values():
        frame = top
        while frame and not frame.f_code.co_filename.endswith("upstream/credentials.py"):
            frame = frame.f_back
        count += frame is not None
    return count


def until(condition):
    """Wait for what other threads bring about."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_after_a_failure_the_next_request_tries_again():
    account = Account(failure=exceptions.RefreshError("no"))
    credentials = Credentials(account.find)
    with pytest.raises(errors.Unavailable):
        credentials.token()
    account.failure = None
    assert credentials.token() == "token-2"


def test_a_token_that_vertex_refused_is_renewed_once_for_all():
    account = Account()
    credentials = Credentials(account.find)
    refused = credentials.token()
    assert side_by_side(lambda: credentials.renew(refused)) == ["token-2"] * THREADS
    assert account.refreshes == 2
    assert credentials.token() == "token-2"


def test_stale_refused_token_is_not_renewed():
    account = Account()
    credentials = Credentials(account.find)
    credentials.token()
    assert credentials.renew("an older one") == "token-1"
    assert account.refreshes == 1


def test_unexpected_fault_releases_the_lock():
    account = Account(failure=ValueError("what?"))
    credentials = Credentials(account.find)
    with pytest.raises((ValueError, errors.ApiError)):
        credentials.token()
    account.failure = None
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(credentials.token).result(5) == "token-2"


# What a client is told


def test_missing_credentials_error_says_how_to_get_some():
    def find():
        raise exceptions.DefaultCredentialsError("long words of Google's")

    error = caught(Credentials(find).token)
    assert error.status == 503
    assert error.code == "upstream_authentication_error"
    assert "service account" in error.message
    assert "gcloud auth application-default login" in error.message


def test_token_error_does_not_show_its_source():
    account = Account(failure=exceptions.TransportError("http://169.254.169.254/token?secret=ya29"))
    error = caught(Credentials(account.find).token)
    assert error.status == 503
    assert "169.254" not in error.message
    assert "ya29" not in error.message


def test_project_is_that_of_the_credentials():
    assert Credentials(Account().find).project() == "a-project"


def test_credentials_may_know_no_project():
    account = Account()
    credentials = Credentials(lambda: (account, None))
    assert credentials.project() is None
    assert credentials.token() == "token-1"


def test_another_project_may_pay_for_quota(serve, emulator):
    with serve(GOOGLE_CLOUD_QUOTA_PROJECT="who-pays").client() as client:
        client.chat.completions.create(
            model="gemini-3.8-flash", messages=[{"role": "user", "content": "Hello"}]
        )
    assert emulator.calls[0].headers["x-goog-user-project"] == "who-pays"


def test_no_quota_project_unless_it_is_set(client, emulator):
    client.chat.completions.create(model="gemini-3.8-flash", messages=[{"role": "user", "content": "Hello"}])
    assert "x-goog-user-project" not in emulator.calls[0].headers
