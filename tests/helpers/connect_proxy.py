"""An HTTP proxy on loopback, for CONNECT tunnels and for forwarding."""

import base64
import select
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class ConnectProxy:
    """A proxy that notes the targets of its requests in `targets`.

    `hosts` maps names to addresses, as a company's DNS would; all other names are refused with 502. Where
    `user` is set ("name:password"), a request without these credentials is refused with 407.
    """

    def __init__(self, hosts=(), user=None):
        self.targets = []
        self.headers = []
        self._hosts = dict(hosts)
        self._user = user
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def url(self):
        return f"http://{self._user}@{self.address}" if self._user else f"http://{self.address}"

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                block = client.recv(65536)
                if not block:
                    return
                head += block
            head, _, body = head.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            self.targets.append(f"{method} {target}")
            fields = dict(line.lower().split(": ", 1) for line in lines)
            self.headers.append(fields)
            if self._user and fields.get("proxy-authorization") != self._credentials():
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            elif method == "CONNECT":
                self._tunnel(client, target)
            else:
                self._forward(client, method, target, lines, body)

    def _credentials(self):
        return f"basic {base64.b64encode(self._user.encode()).decode()}".lower()

    def _connect(self, target):
        host, _, port = target.rpartition(":")
        address = self._hosts.get(target) or self._hosts.get(host)
        if address is None and host not in {"127.0.0.1", "localhost"}:
            return None
        host, port = address or (host, int(port))
        return socket.create_connection((host, port))

    def _tunnel(self, client, target):
        upstream = self._connect(target)
        if upstream is None:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with upstream:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _relay(client, upstream)

    def _forward(self, client, method, target, lines, body):
        url = urlsplit(target)
        upstream = self._connect(f"{url.hostname}:{url.port or 80}")
        path = url._replace(scheme="", netloc="").geturl()
        headers = [line for line in lines if not line.lower().startswith("proxy-")]
        with upstream:
            upstream.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *headers, "", ""]).encode() + body)
            _relay(client, upstream)


def _relay(first, other):
    """Pass bytes both ways until a side closes."""
    pairs = {first: other, other: first}
    while True:
        for ready in select.select([first, other], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            pairs[ready].sendall(data)
