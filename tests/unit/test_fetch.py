"""URLs that a client may make this function fetch, and URLs that it may not."""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from helpers.connect_proxy import ConnectProxy

from vertex_compat import errors
from vertex_compat.server.capacity.memory_budget import HeldMemory, MemoryBudget
from vertex_compat.upstream import url_fetcher
from vertex_compat.upstream.linked_files import MAX_BYTES_PER_REQUEST, LinkedFiles
from vertex_compat.upstream.network import Network
from vertex_compat.upstream.url_fetcher import UrlFetcher, is_public

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "64:ff9b::a9fe:a9fe",
        "2001:0:a9fe:a9fe::",
        "2002:a9fe:a9fe::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "ff02::1",
        "64:ff9b:1::1",
        "fec0::1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "4000::1",
        "2001:2::1",
        "3fff::1",
    ],
)
def test_an_address_inside_is_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "::ffff:8.8.8.8", "2001:4860:4860::8888"])
def test_an_address_of_the_internet_is_public(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://localhost/",
        "https://someone:secret@127.0.0.1/",
        "https://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",
    ],
)
def test_no_spelling_of_an_inner_address_is_connected_to(url, monkeypatch):
    connected = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: connected.append(address))
    with pytest.raises(errors.BadRequest, match="not public") as refused:
        UrlFetcher().fetch(url, "messages[0].content[1]")
    assert refused.value.param == "messages[0].content[1]"
    assert connected == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "gopher://x",
        "https://",
        "//x",
    ],
)
def test_only_https_is_fetched(url):
    with pytest.raises(errors.BadRequest, match="Only https"):
        UrlFetcher().fetch(url, "place")


# A server of the test's own stands for the internet: for it alone loopback is public.


DRIPS = {
    "/drip": (b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", b"x"),
    "/drip-head": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "/early": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
"""The first piece of the response, and the piece that is repeated after it."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers)))
        if self.path in DRIPS:
            self.drip(*DRIPS[self.path])
        match self.path:
            case "/image.png":
                self.answer(200, {"Content-Type": "image/png; charset=x"}, PNG)
            case "/page":
                self.answer(200, {"Content-Type": "text/x-html"}, b"<html>")
            case "/blob" | "/program":
                data = PNG if self.path == "/blob" else b"MZ"
                self.answer(200, {"Content-Type": "application/octet-stream"}, data)
            case "/missing":
                self.answer(404, {"Content-Type": "image/png"}, b"")
            case "/moved":
                self.answer(302, {"Location": "/image.png"}, b"")
            case "/inside":
                self.answer(302, {"Location": "https://169.254.169.254/token"}, b"")
            case "/plain":
                self.answer(302, {"Location": "http://127.0.0.1/image.png"}, b"")
            case "/round":
                self.answer(302, {"Location": "/round"}, b"")
            case "/large":
                self.answer(200, {"Content-Type": "image/png"}, bytes(url_fetcher.MAX_BYTES + 1))
            case "/half":
                self.answer(200, {"Content-Type": "image/png"}, bytes(16 * 1024 * 1024))

    def drip(self, head, drop):
        with contextlib.suppress(OSError):  # the fetcher gives up
            self.wfile.write(head)
            while not self.server.ended.wait(0.01):
                self.wfile.write(drop)

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # the fetcher has seen enough
            self.wfile.write(body)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + builder.public_bytes(pem))
    return path


@pytest.fixture
def internet(certificate):
    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            """A fetcher that leaves is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    server.requests, server.ended = [], threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    server.url = f"https://localhost:{server.server_port}"
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetcher(certificate):
    loopback = ipaddress.ip_network("127.0.0.0/8")
    return UrlFetcher(
        Network(ca_bundle=certificate),
        public=lambda address: address.version == 4 and address in loopback,
        ports=None,
    )


def test_a_file_comes_with_its_type(internet, fetcher):
    assert fetcher.fetch(f"{internet.url}/image.png", "place") == (PNG, "image/png")


def test_generic_type_is_replaced_by_that_of_the_bytes(internet, fetcher):
    assert fetcher.fetch(f"{internet.url}/blob", "place") == (PNG, "image/png")


def test_fetch_sends_no_credentials(internet, fetcher):
    fetcher.fetch(f"{internet.url}/image.png", "place")
    (_, headers) = internet.requests[0]
    assert not {"authorization", "cookie", "metadata-flavor"} & {name.lower() for name in headers}


def test_a_redirect_is_followed(internet, fetcher):
    assert fetcher.fetch(f"{internet.url}/moved", "place").data == PNG


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/inside", "not public"),
        ("/plain", "Only https"),
        ("/round", "redirected too often"),
        ("/program", "does not lead to"),
        ("/missing", "answers with status 404"),
        ("/large", "larger than"),
    ],
)
def test_unusable_link_error_has_a_reason(internet, fetcher, path, says):
    with pytest.raises(errors.BadRequest, match=says):
        fetcher.fetch(internet.url + path, "place")


@pytest.mark.parametrize("path", DRIPS)
def test_fetch_from_a_server_that_drips_ends_at_the_deadline(internet, fetcher, monkeypatch, path):
    monkeypatch.setattr(url_fetcher, "MAX_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(errors.BadRequest, match=r"too long|could not be fetched"):
        fetcher.fetch(f"{internet.url}{path}", "place")
    assert time.monotonic() - began < 5


def test_files_of_a_request_are_limited_together(internet, fetcher):
    sizes = []
    files = LinkedFiles(fetcher.fetch, sizes.append)
    assert files.fetch(f"{internet.url}/half", "first").mime == "image/png"
    with pytest.raises(errors.BadRequest, match="31457280 bytes together") as refused:
        files.fetch(f"{internet.url}/half", "second")
    assert refused.value.param == "second"
    assert sum(sizes) <= MAX_BYTES_PER_REQUEST


def test_files_count_in_the_memory_budget(internet, fetcher):
    memory = HeldMemory(MemoryBudget(1024 * 1024))
    with pytest.raises(errors.RateLimited):
        LinkedFiles(fetcher.fetch, memory.add).fetch(f"{internet.url}/half", "place")


def test_only_port_443_is_fetched(certificate):
    fetcher = UrlFetcher(Network(ca_bundle=certificate), public=lambda _: True)
    with pytest.raises(errors.BadRequest, match="port 443"):
        fetcher.fetch("https://localhost:8443/image.png", "place")


def test_file_is_fetched_through_the_proxy(internet, certificate, monkeypatch):
    with ConnectProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        network = Network(ca_bundle=certificate, use_proxies=True)
        fetcher = UrlFetcher(network, public=lambda _: True, ports=None)
        assert fetcher.fetch(f"{internet.url}/image.png", "place").data == PNG
        assert proxy.targets == [f"CONNECT localhost:{internet.server_port}"]


def test_proxy_is_not_used_for_internal_addresses(certificate, monkeypatch):
    with ConnectProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        fetcher = UrlFetcher(Network(ca_bundle=certificate, use_proxies=True))
        with pytest.raises(errors.BadRequest, match="not public"):
            fetcher.fetch("https://127.0.0.1/", "place")
        assert proxy.targets == []


def test_a_certificate_for_another_name_is_refused(internet, fetcher):
    with pytest.raises(errors.BadRequest, match="could not be fetched"):
        fetcher.fetch(f"https://127.0.0.1:{internet.server_port}/image.png", "place")


def test_the_address_that_counts_is_the_one_that_is_connected_to(internet, certificate, monkeypatch):
    """A name with a public address when it is checked, and an internal one when it is used."""
    outside = ipaddress.ip_address("93.184.216.34")
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (str(outside), internet.server_port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    connect = socket.socket.connect
    inside = ("127.0.0.1", internet.server_port)
    monkeypatch.setattr(socket.socket, "connect", lambda self, _: connect(self, inside))
    with pytest.raises(errors.BadRequest, match="not public"):
        UrlFetcher(Network(ca_bundle=certificate), ports=None).fetch(f"{internet.url}/image.png", "place")
    assert internet.requests == []
