"""The runtime service account: tokens of the metadata server, and its faults."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from google.auth import exceptions

from vertex_compat.config.settings import InvalidSetting, Settings
from vertex_compat.upstream.credentials import SCOPES, Credentials, application_default, credentials_factory
from vertex_compat.upstream.metadata_server import TIMEOUT_SECONDS, MetadataServerCredentials


@pytest.fixture
def account(emulator):
    return MetadataServerCredentials(emulator.url.removeprefix("http://"), SCOPES)


def test_a_token_and_when_it_ends(account, emulator):
    assert account.token is None
    before = emulator.token_fetches
    account.refresh(None)
    assert account.token
    remaining = account.expiry - datetime.now(UTC).replace(tzinfo=None)
    assert timedelta(minutes=5) < remaining <= timedelta(hours=1)
    assert emulator.token_fetches == before + 1


def test_the_project_that_it_runs_in(account, emulator):
    assert account.project_id == emulator.project


@pytest.mark.parametrize("fault", ["down", "503", "garbage", "slow:60"])
def test_a_server_that_fails_is_not_waited_for(account, emulator, fault):
    emulator.metadata_fault = fault
    started_at = time.monotonic()
    with pytest.raises(exceptions.RefreshError) as caught:
        account.refresh(None)
    assert time.monotonic() - started_at < 2 * TIMEOUT_SECONDS + 2
    assert "ya29" not in str(caught.value)


def test_a_server_that_is_not_there(emulator):
    del emulator
    with pytest.raises(exceptions.RefreshError):
        MetadataServerCredentials("127.0.0.1:1", SCOPES).refresh(None)


def test_deployed_it_is_this_account_unless_a_file_names_another(emulator):
    deployed = {"K_SERVICE": "function", "GCE_METADATA_HOST": emulator.url.removeprefix("http://")}
    assert Credentials(credentials_factory(Settings.from_env(deployed))).project() == emulator.project
    for env in ({}, deployed | {"GOOGLE_APPLICATION_CREDENTIALS": "key.json"}):
        assert credentials_factory(Settings.from_env(env)).func is application_default


def test_quota_project_is_read_from_the_environment(emulator):
    env = {"K_SERVICE": "f", "GCE_METADATA_HOST": emulator.url.removeprefix("http://")}
    credentials = Credentials(
        credentials_factory(Settings.from_env(env | {"GOOGLE_CLOUD_QUOTA_PROJECT": "who-pays"}))
    )
    credentials.token()
    assert credentials.quota_project() == "who-pays"


@pytest.mark.parametrize("host", ["a/b", "user@host", "host?x", "a b", "host:port", "http://host"])
def test_a_host_that_is_none_stops_the_start(host):
    with pytest.raises(InvalidSetting, match="GCE_METADATA_HOST"):
        Settings.from_env({"K_SERVICE": "f", "GCE_METADATA_HOST": host})
