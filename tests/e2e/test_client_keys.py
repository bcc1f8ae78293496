"""Keys in a file, which is read again while the function runs; the last valid ones stay."""

import hashlib
import logging
import re
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
    path.write_text("one:sk-one-0123456789\n")
    return api_keys.ApiKeyFile(path, api_keys.read(path), clock=clock)


def names(keys):
    return sorted(keys.digests.values())


def test_keys_are_separated_by_commas_or_lines():
    same = api_keys.parse("a:sk-a-0123456789,b:sk-b-0123456789,sk-c-0123456789")
    assert names(same) == ["a", "b", f"key-{hashlib.sha256(b'sk-c-0123456789').hexdigest()[:8]}"]
    for text in (
        "a:sk-a-0123456789\nb:sk-b-0123456789\nsk-c-0123456789\n",
        " a:sk-a-0123456789 ,b:sk-b-0123456789\r\n\r\nsk-c-0123456789",
        "\na:sk-a-0123456789, b:sk-b-0123456789,\tsk-c-0123456789\n\n",
    ):
        assert api_keys.parse(text) == same


def test_name_may_have_two_keys():
    assert names(api_keys.parse("search:sk-old-0123456789\nsearch:sk-new-0123456789")) == ["search", "search"]


@given(st.text())
def test_any_text_is_keys_or_an_error_that_shows_none(text):
    try:
        keys = api_keys.parse(text)
    except ValueError as error:
        assert str(error).startswith(("takes keys", "has ", "is not valid TOML", "takes only"))  # noqa: PT017
    else:
        assert all(len(digest) == 32 for digest in keys.digests)


def test_digest_stands_for_its_key():
    digest = hashlib.sha256(b"sk-a-0123456789").hexdigest()

    assert api_keys.parse(f"a:sha256:{digest}") == api_keys.parse("a:sk-a-0123456789")
    assert api_keys.parse(f"sha256:{digest}") == api_keys.parse("sk-a-0123456789")


def test_new_key_is_let_in_by_the_line_to_store():
    key, line = api_keys.new_key("search")
    app = function(RecordingTransport(), VERTEX_COMPAT_API_KEYS=line)

    assert key not in line
    assert app.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    with pytest.raises(ValueError, match="a key's name"):
        api_keys.new_key("two words")


def test_short_key_is_refused_and_one_below_sixteen_is_warned_of(caplog):
    with pytest.raises(ValueError, match="of less than 8 characters"):
        api_keys.parse("search:secret7")
    assert not caplog.records
    for _ in range(2):
        api_keys.parse("search:sk-quite-shor")
    (record,) = caplog.records
    assert "'search' has less than 16" in record.message


TOML = """
[keys.search]
key = "sk-search-0123456789"
models = ["gemini-*"]
requests_per_minute = 60

[keys.all]
key = ["sk-all-0123456789", "sk-new-0123456789"]
"""


def test_toml_file_has_keys_and_their_rules():
    keys = api_keys.parse(TOML)

    assert names(keys) == ["all", "all", "search"]
    assert keys.rules["search"].models == ("gemini-*",)
    assert keys.rules["search"].requests_per_minute == 60
    assert keys.rules.keys() == {"search"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[keys.a]\nmodels = 'x'", "for `key` in"),
        ("[keys.a]\nkey = 'sk-a-0123456789'\nmodles = []", "unknown field `modles`"),
        ("[keys.a]\nkey = 'sk-a-0123456789'\n[other]\nx = 1", "takes only tables"),
        ("[keys]\na = 1\n[keys.b]\nkey = 'sk-b-0123456789'", "takes only tables"),
        ("[keys.'a b']\nkey = 'sk-a-0123456789'", "other characters"),
        ("[keys.a]\nkey = ", "is not valid TOML"),
    ],
)
def test_mistake_in_toml_says_where(text, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        api_keys.parse(text)


def test_rules_in_the_key_file_change_with_it(path, clock):
    path.write_text(TOML)
    file = api_keys.ApiKeyFile(path, api_keys.read(path), clock=clock)
    path.write_text(TOML.replace("gemini-*", "claude-*"))
    clock.now += api_keys.REFRESH_SECONDS

    assert file.keys().rules["search"].models == ("claude-*",)


def test_rules_in_the_key_file_hold(path):
    path.write_text(TOML)
    app = function(RecordingTransport(), VERTEX_COMPAT_API_KEYS_FILE=str(path))

    def status(key, model):
        return app.get(f"/v1/models/{model}", headers={"Authorization": f"Bearer {key}"}).status_code

    assert status("sk-search-0123456789", "gemini-3.8-flash") == 200
    assert status("sk-search-0123456789", "claude-opus-5-5") == 403
    assert status("sk-all-0123456789", "claude-opus-5-5") == 200


def test_expired_key_is_refused(path):
    path.write_text(
        "[keys.old]\nkey = 'sk-old-0123456789'\nexpires = 2026-01-31\n"
        "[keys.new]\nkey = 'sk-new-0123456789'\nexpires = 2099-01-31T12:00:00Z\n"
    )
    app = function(RecordingTransport(), VERTEX_COMPAT_API_KEYS_FILE=str(path))

    answer = app.get("/v1/models", headers={"Authorization": "Bearer sk-old-0123456789"})
    assert answer.status_code == 401
    assert "'old' has expired" in answer.json["error"]["message"]
    assert app.get("/v1/models", headers={"Authorization": "Bearer sk-new-0123456789"}).status_code == 200


def test_file_is_read_again_after_some_seconds(file, path, clock):
    assert names(file.keys()) == ["one"]
    path.write_text("two:sk-two-0123456789")
    assert names(file.keys()) == ["one"]
    clock.now += api_keys.REFRESH_SECONDS
    assert names(file.keys()) == ["two"]


def test_replaced_link_is_followed(tmp_path, clock):
    """As a secret's volume changes: its file is a link, which is replaced by another."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "keys").write_text(f"v{version}:sk-{version}-0123456789")
    (tmp_path / "..data").symlink_to(tmp_path / "1")
    path = tmp_path / "..data" / "keys"
    file = api_keys.ApiKeyFile(path, api_keys.read(path), clock=clock)
    (tmp_path / "next").symlink_to(tmp_path / "2")
    (tmp_path / "next").rename(tmp_path / "..data")
    clock.now += api_keys.REFRESH_SECONDS
    assert names(file.keys()) == ["v2"]


def remove(path):
    path.unlink()


def empty(path):
    path.write_text("")


def spoil(path):
    path.write_text("one:sk-one-0123456789\ntwo:sk wrong\n")


def garble(path):
    path.write_bytes(b"\xff\xfe\x00")


def replace_by_a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("harm", [spoil, garble])
def test_file_with_a_mistake_leaves_the_last_good_keys(file, path, clock, caplog, harm):
    harm(path)
    for _ in range(300):
        clock.now += api_keys.REFRESH_SECONDS
        assert names(file.keys()) == ["one"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(path) in record.message
    assert "sk" not in record.message


def test_empty_file_refuses_every_request(file, path, clock):
    empty(path)
    clock.now += api_keys.REFRESH_SECONDS
    assert names(file.keys()) == []


@pytest.mark.parametrize("harm", [remove, replace_by_a_folder])
def test_removed_file_refuses_requests_after_the_grace(file, path, clock, caplog, harm):
    harm(path)
    clock.now += api_keys.REFRESH_SECONDS
    assert names(file.keys()) == ["one"]
    clock.now += api_keys.GRACE_SECONDS
    assert names(file.keys()) == []
    first, last = caplog.records
    assert (first.levelno, last.levelno) == (logging.ERROR, logging.ERROR)
    assert "600 seconds" in first.message
    assert "No key is accepted any more" in last.message


def test_file_that_contradicts_the_rules_is_refused(path, clock, caplog):
    def check(keys):
        if "search" not in keys.digests.values():
            raise InvalidSetting("[keys.search] is not the name of a key in VERTEX_COMPAT_API_KEYS_FILE.")

    path.write_text("search:sk-search-0123456789")
    file = api_keys.ApiKeyFile(path, api_keys.read(path), check, clock)
    path.write_text("saerch:sk-search-0123456789")
    clock.now += api_keys.REFRESH_SECONDS

    assert names(file.keys()) == ["search"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "[keys.search]" in record.message


def test_empty_file_refuses_requests_at_the_front_door(path):
    path.write_text("")
    app = function(RecordingTransport(), VERTEX_COMPAT_API_KEYS_FILE=str(path))

    assert app.get("/v1/models").status_code == 401
    assert app.get("/v1/models", headers={"Authorization": "Bearer anything-at-all"}).status_code == 401


def test_file_that_is_valid_again_is_loaded(file, path, clock, caplog):
    spoil(path)
    clock.now += api_keys.REFRESH_SECONDS
    file.keys()
    path.write_text("three:sk-three-0123456789")
    clock.now += api_keys.REFRESH_SECONDS
    assert names(file.keys()) == ["three"]
    remove(path)
    clock.now += api_keys.REFRESH_SECONDS
    file.keys()
    assert len(caplog.records) == 2


@pytest.mark.parametrize("content", [None, "a,,b", "sk one", "schlüssel", "short"])
def test_wrong_file_stops_the_start(path, content):
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidSetting, match="VERTEX_COMPAT_API_KEYS_FILE") as caught:
        Settings.from_env({"VERTEX_COMPAT_API_KEYS_FILE": str(path)})
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert "schl" not in message


def test_file_and_variable_exclude_each_other(path):
    path.write_text("sk-one-0123456789")
    env = {"VERTEX_COMPAT_API_KEYS_FILE": str(path)}
    assert len(names(Settings.from_env(env).keys)) == 1
    with pytest.raises(InvalidSetting, match="exclude"):
        Settings.from_env(env | {"VERTEX_COMPAT_API_KEYS": "sk-two-0123456789"})


def test_settings_file_has_rules_for_keys_of_the_file(path, tmp_path):
    path.write_text("search:sk-search-0123456789\nall:sk-all-0123456789")
    rules = tmp_path / "rules.toml"
    rules.write_text('[keys.search]\nmodels = ["gemini-*"]\n')
    env = {"VERTEX_COMPAT_API_KEYS_FILE": str(path), "VERTEX_COMPAT_CONFIG": str(rules)}
    app = function(RecordingTransport(), **env)

    def status(key, model):
        return app.get(f"/v1/models/{model}", headers={"Authorization": f"Bearer {key}"}).status_code

    assert status("sk-search-0123456789", "gemini-3.8-flash") == 200
    assert status("sk-search-0123456789", "claude-sonnet-5-5") == 403
    assert status("sk-all-0123456789", "claude-sonnet-5-5") == 200
    rules.write_text("[keys.nobody]\n")
    with pytest.raises(InvalidSetting, match="VERTEX_COMPAT_API_KEYS_FILE"):
        Settings.from_env(env)


def test_running_function_takes_new_keys(serve, path):
    path.write_text("sk-old-0123456789")
    server = serve(VERTEX_COMPAT_API_KEYS_FILE=str(path), K_SERVICE="vertex-compat")

    def opens(key):
        try:
            with server.client(key) as client:
                return bool(ask(client, MODELS["google"]).choices)
        except openai.AuthenticationError:
            return False

    assert opens("sk-old-0123456789")
    assert not opens("sk-new-0123456789")
    path.write_text("renewed:sk-new-0123456789\n")
    deadline = time.monotonic() + 4 * api_keys.REFRESH_SECONDS
    while not opens("sk-new-0123456789") and time.monotonic() < deadline:
        time.sleep(0.2)  # the only way to learn that another process has read a file is to ask again
    assert opens("sk-new-0123456789")
    assert not opens("sk-old-0123456789")
    log = server.wait_for_log(lambda text: '"key":"renewed"' in text)
    assert "sk-" not in log
