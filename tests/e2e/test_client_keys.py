"""Keys in a file: read again while the function runs, and what was good stays when the file is not."""

import logging
import time

import openai
import pytest
from helpers.chat_client import ask
from helpers.fixtures import MODELS, RecordingTransport, function
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat.config import api_keys
from vertex_compat.config.settings import InvalidSetting, Settings


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def file(path, clock):
    path.write_text("one:sk-one\n")
    return api_keys.ApiKeyFile(path, api_keys.read(path), clock)


def names(keys):
    return sorted(keys.values())


def test_keys_are_separated_by_commas_or_lines():
    same = api_keys.parse("a:sk-a,b:sk-b,sk-c")
    assert names(same) == ["a", "b", "key-3"]
    for text in ("a:sk-a\nb:sk-b\nsk-c\n", " a:sk-a ,b:sk-b\r\n\r\nsk-c", "\na:sk-a, b:sk-b,\tsk-c\n\n"):
        assert api_keys.parse(text) == same


def test_a_name_may_have_two_keys_while_one_replaces_the_other():
    assert names(api_keys.parse("search:sk-old\nsearch:sk-new")) == ["search", "search"]


@given(st.text())
def test_what_is_wrong_is_told_without_what_it_is(text):
    said = ""
    try:
        keys = api_keys.parse(text)
    except ValueError as wrong:
        said = str(wrong)
    if said:
        assert said.startswith("takes keys")
    else:
        assert keys
        assert all(len(digest) == 32 for digest in keys)


def test_the_file_is_looked_at_again_after_some_seconds(file, path, clock):
    assert names(file.keys()) == ["one"]
    path.write_text("two:sk-two")
    assert names(file.keys()) == ["one"]
    clock.now += api_keys.AGE
    assert names(file.keys()) == ["two"]


def test_a_link_may_lead_elsewhere(tmp_path, clock):
    """As a secret's volume changes: its file is a link, which is replaced by another."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "keys").write_text(f"v{version}:sk-{version}")
    (tmp_path / "..data").symlink_to(tmp_path / "1")
    path = tmp_path / "..data" / "keys"
    file = api_keys.ApiKeyFile(path, api_keys.read(path), clock)
    (tmp_path / "next").symlink_to(tmp_path / "2")
    (tmp_path / "next").rename(tmp_path / "..data")
    clock.now += api_keys.AGE
    assert names(file.keys()) == ["v2"]


def remove(path):
    path.unlink()


def empty(path):
    path.write_text("")


def spoil(path):
    path.write_text("one:sk-one\ntwo:sk wrong\n")


def garble(path):
    path.write_bytes(b"\xff\xfe\x00")


def replace_by_a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("harm", [remove, empty, spoil, garble, replace_by_a_folder])
def test_invalid_key_file_keeps_last_keys_and_logs_once(file, path, clock, caplog, harm):
    harm(path)
    for _ in range(3):
        clock.now += api_keys.AGE
        assert names(file.keys()) == ["one"]
    (said,) = caplog.records
    assert said.levelno == logging.ERROR
    assert str(path) in said.message
    assert "sk" not in said.message


def test_a_file_that_is_good_again_is_taken(file, path, clock, caplog):
    spoil(path)
    clock.now += api_keys.AGE
    file.keys()
    path.write_text("three:sk-three")
    clock.now += api_keys.AGE
    assert names(file.keys()) == ["three"]
    remove(path)
    clock.now += api_keys.AGE
    file.keys()
    assert len(caplog.records) == 2


@pytest.mark.parametrize("content", [None, "", "\n", "a,,b", "sk one", "schlüssel"])
def test_a_wrong_file_stops_the_start(path, content):
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidSetting, match="VERTEX_COMPAT_API_KEYS_FILE") as caught:
        Settings.from_env({"VERTEX_COMPAT_API_KEYS_FILE": str(path)})
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert "schl" not in said


def test_the_file_or_the_variable_but_not_both(path):
    path.write_text("sk-one")
    env = {"VERTEX_COMPAT_API_KEYS_FILE": str(path)}
    assert names(Settings.from_env(env).keys) == ["key-1"]
    with pytest.raises(InvalidSetting, match="exclude"):
        Settings.from_env(env | {"VERTEX_COMPAT_API_KEYS": "sk-two"})


def test_rules_go_by_the_names_in_the_file(path, tmp_path):
    path.write_text("search:sk-search\nall:sk-all")
    rules = tmp_path / "rules.toml"
    rules.write_text('[keys.search]\nmodels = ["gemini-*"]\n')
    env = {"VERTEX_COMPAT_API_KEYS_FILE": str(path), "VERTEX_COMPAT_CONFIG": str(rules)}
    app = function(RecordingTransport(), **env)

    def status(key, model):
        return app.get(f"/v1/models/{model}", headers={"Authorization": f"Bearer {key}"}).status_code

    assert status("sk-search", "gemini-2.5-flash") == 200
    assert status("sk-search", "claude-sonnet-4-5") == 403
    assert status("sk-all", "claude-sonnet-4-5") == 200
    rules.write_text("[keys.nobody]\n")
    with pytest.raises(InvalidSetting, match="VERTEX_COMPAT_API_KEYS_FILE"):
        Settings.from_env(env)


def test_a_running_function_takes_new_keys_and_forgets_the_old(serve, path):
    path.write_text("sk-old")
    server = serve(VERTEX_COMPAT_API_KEYS_FILE=str(path), K_SERVICE="vertex-compat")

    def opens(key):
        try:
            with server.client(key) as client:
                return bool(ask(client, MODELS["google"]).choices)
        except openai.AuthenticationError:
            return False

    assert opens("sk-old")
    assert not opens("sk-new")
    path.write_text("renewed:sk-new\n")
    deadline = time.monotonic() + 4 * api_keys.AGE
    while not opens("sk-new") and time.monotonic() < deadline:
        time.sleep(0.2)  # the only way to learn that another process has read a file is to ask again
    assert opens("sk-new")
    assert not opens("sk-old")
    log = server.wait_for_log(lambda said: '"key":"renewed"' in said)
    assert "sk-" not in log
