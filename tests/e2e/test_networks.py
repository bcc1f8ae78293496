"""The function behind a proxy, and with the certificates of a company's own authority."""

import json
import subprocess

import certifi
import pytest
from benchmark import certificates
from helpers.connect_proxy import ConnectProxy
from helpers.fixtures import post, question
from helpers.server import app_with_emulator, served
from helpers.tls_front import TlsFront

from vertex_compat.config.settings import InvalidSetting, Settings
from vertex_compat.upstream import network
from vertex_compat.upstream.network import MIN_AUTHORITIES, Network

USER = "alice:pass%40word"  # the password is `pass@word`


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(emulator, authority):
    """The emulator over TLS."""
    with TlsFront(int(emulator.url.rpartition(":")[2]), authority) as front:
        yield front


@pytest.fixture
def plain_proxy():
    with ConnectProxy() as proxy:
        yield proxy


@pytest.fixture
def proxy():
    with ConnectProxy(user="alice:pass@word") as proxy:
        yield proxy


@pytest.fixture
def app(monkeypatch, emulator):
    """Return the function in front of a URL, with these variables in the environment."""

    def make(url, **env):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return app_with_emulator(emulator, **{"GOOGLE_VERTEX_BASE_URL": url} | env)

    return make


def proxied(proxy, user=USER):
    return {"HTTPS_PROXY": f"http://{user}@{proxy.address}", "HTTP_PROXY": f"http://{user}@{proxy.address}"}


def hashed(authority, folder):
    """A directory of certificates as OpenSSL has it."""
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(authority.authority)]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    (folder / f"{name}.0").write_bytes(authority.authority.read_bytes())
    return folder


# Proxies


def test_all_calls_but_the_metadata_server_use_the_proxy(
    emulator, storage, secure, proxy, authority, tmp_path
):
    services = {name: secure.url for name in emulator.env if not name.startswith("GCE_")}
    settings = {
        **services,
        **proxied(proxy),
        "SSL_CERT_FILE": str(authority.authority),
        "K_SERVICE": "function",
    }
    settings |= {"VERTEX_COMPAT_AUTH": "none", "GCS_BUCKET_NAME": "emulated-bucket"}
    with served(emulator, tmp_path / "log", **settings) as server, server.client() as client:
        stream = client.chat.completions.create(**question("google", stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        file = client.files.create(file=("a.txt", b"hello"), purpose="user_data")
        assert client.files.content(file.id).read() == b"hello"
    assert set(proxy.targets) == {f"CONNECT {secure.host}"}
    assert emulator.calls
    assert storage.objects


def test_proxy_forwards_plain_http(app, emulator, proxy):
    response = post(app(emulator.url, **proxied(proxy)), question("google"))
    assert response.status_code == 200
    assert proxy.targets[0].startswith(f"POST {emulator.url}/v1")


def test_no_proxy_excludes_a_host(app, secure, proxy, authority):
    env = proxied(proxy) | {"NO_PROXY": "localhost", "SSL_CERT_FILE": str(authority.authority)}
    assert post(app(secure.url, **env), question("google")).status_code == 200
    assert proxy.targets == []


def test_all_proxy_counts_where_no_other_does(app, secure, plain_proxy, authority):
    env = {"all_proxy": plain_proxy.address, "SSL_CERT_FILE": str(authority.authority)}
    assert post(app(secure.url, **env), question("google")).status_code == 200
    assert plain_proxy.targets == [f"CONNECT {secure.host}"]


def test_refusal_of_the_proxy_is_an_error(app, secure, proxy, authority):
    env = proxied(proxy, "alice:wrong") | {"SSL_CERT_FILE": str(authority.authority)}
    response = post(app(secure.url, **env), question("google"))
    assert response.status_code == 503
    assert "The proxy did not connect to Vertex AI" in response.json["error"]["message"]
    assert "407" in response.json["error"]["message"]


def test_proxy_of_an_unknown_kind_is_named(app, secure):
    response = post(app(secure.url, HTTPS_PROXY="socks9://127.0.0.1:1"), question("google"))
    assert response.status_code == 503
    assert "socks9://" in response.json["error"]["message"]


# Certificates


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificate_bundle_of_the_environment_is_trusted(app, secure, authority, name):
    response = post(app(secure.url, **{name: str(authority.authority)}), question("google"))
    assert response.status_code == 200


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"])
def test_certificate_directory_of_the_environment_is_trusted(app, secure, authority, tmp_path, name):
    env = {name: str(hashed(authority, tmp_path))}
    assert post(app(secure.url, **env), question("google")).status_code == 200


def test_system_directory_of_authorities_is_trusted(app, secure, authority, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed(authority, tmp_path)))  # OpenSSL's, not a setting of ours
    for number in range(MIN_AUTHORITIES):
        (tmp_path / f"{number:08x}.0").write_bytes(b"")
    assert post(app(secure.url), question("google")).status_code == 200
    assert Network().context.cert_store_stats()["x509"] == 0  # read when they are needed


def test_certifi_is_trusted_without_a_full_system_directory(authority, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed(authority, tmp_path)))
    monkeypatch.setattr(network, "SYSTEM_DIRECTORY", str(tmp_path))
    assert Network().ca_path == certifi.where()
    assert Network().context.cert_store_stats()["x509_ca"] >= MIN_AUTHORITIES


def test_unknown_authority_is_a_503_that_names_the_variables(app, secure):
    response = post(app(secure.url), question("google"))
    assert response.status_code == 503
    error = response.json["error"]
    assert error["code"] == "certificate_not_trusted"
    assert "REQUESTS_CA_BUNDLE, SSL_CERT_FILE or SSL_CERT_DIR" in error["message"]


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_missing_certificate_file_stops_the_start(name):
    with pytest.raises(InvalidSetting, match=name):
        Settings.from_env({name: "/nowhere/ca.pem"})


# Path prefix


@pytest.mark.parametrize("prefix", ["/vertex", "vertex/", "/a/b"])
def test_base_path_is_removed(app, emulator, prefix):
    client = app(emulator.url, VERTEX_COMPAT_BASE_PATH=prefix)
    path = "/" + prefix.strip("/")
    assert post(client, question("google"), f"{path}/v1/chat/completions").status_code == 200
    assert post(client, question("google"), "/v1/chat/completions").status_code == 200
    assert client.get(path, headers={"Accept": "text/html"}).data.startswith(b"<!")
    assert client.get(f"{path}/health").status_code == 200
    assert client.get(f"{path}x/health").status_code == 404


def test_script_name_is_no_part_of_the_path(app, emulator):
    client = app(emulator.url)
    body = json.dumps(question("google"))
    response = client.post("/v1/chat/completions", data=body, base_url="http://localhost/vertex")
    assert response.status_code == 200


@pytest.mark.parametrize("value", ["a b", "/ä", "/a?b"])
def test_invalid_base_path_stops_the_start(value):
    with pytest.raises(InvalidSetting, match="VERTEX_COMPAT_BASE_PATH"):
        Settings.from_env({"VERTEX_COMPAT_BASE_PATH": value})
