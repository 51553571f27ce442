"""A forward proxy on the loopback: CONNECT for https, absolute URLs for http; it counts what passes."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from world.faults import Request, Response
from world.loopback import LoopbackServer, basic


class FakeProxy(LoopbackServer):
    """`requests` hold what clients asked of the proxy: `CONNECT host:port`, or an absolute URL.

    `routes` maps `host:port` to the `host:port` where it really lies (`pypi.test`, `pytorch.test` and `index.test` have
    certificates); all else must be on the loopback. With `auth` clients must send Proxy-Authorization, else 407.
    `tunnels` counts the CONNECTs that were opened, `passed` the bytes that went to clients.
    """

    def __init__(
        self, *, auth: tuple[str, str] | None = None, routes: Mapping[str, str] | None = None, tls: bool = False
    ) -> None:
        super().__init__(tls=tls)
        self.proxy_auth = auth
        self.routes = dict(routes or {})
        self.tunnels = 0
        self.passed = 0

    def answer(self, request: Request) -> Response:
        if self.proxy_auth and request.headers.get("proxy-authorization") != basic(*self.proxy_auth):
            return Response(407, {"Proxy-Authenticate": 'Basic realm="world"', "Content-Type": "text/plain"}, b"407\n")
        if request.method == "CONNECT":
            try:
                self.reach(request.path).close()
            except OSError:
                return Response(502, {"Content-Type": "text/plain"}, b"502 Bad Gateway\n")
            return Response(200, tunnel=request.path)
        return self._forwarded(request)

    def reach(self, address: str) -> socket.socket:
        """A connection to where `host:port` lies; OSError when that is nowhere on the loopback."""
        host, _, port = self.routes.get(address, address).rpartition(":")
        if host not in ("127.0.0.1", "localhost"):
            raise ConnectionRefusedError(f"{address} is not on the loopback")
        return socket.create_connection((host, int(port)), timeout=5)

    def tunnel(self, client: socket.socket, address: str) -> None:
        """Carry bytes both ways until one side ends or the proxy closes."""
        with self.reach(address) as server:
            with self._lock:
                self.tunnels += 1
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            other = {client: server, server: client}
            while not self.closing.is_set():
                for ready in select.select([client, server], [], [], 0.05)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    other[ready].sendall(data)
                    if ready is server:
                        with self._lock:
                            self.passed += len(data)

    def _forwarded(self, request: Request) -> Response:
        parts = urlsplit(request.path)
        if parts.scheme != "http" or parts.hostname is None:
            return Response(400, {"Content-Type": "text/plain"}, b"400 not an absolute http URL\n")
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        hop_by_hop = {"connection", "proxy-connection", "proxy-authorization", "host"}
        lines = [f"{request.method} {target or '/'} HTTP/1.0", f"Host: {parts.netloc}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in request.headers.items() if name not in hop_by_hop]
        answer = bytearray()
        try:
            with self.reach(f"{parts.hostname}:{parts.port or 80}") as server:
                server.sendall("\r\n".join((*lines, "", "")).encode("latin-1"))
                with contextlib.suppress(ConnectionResetError):
                    while data := server.recv(65536):
                        answer += data
        except OSError:
            return Response(502, {"Content-Type": "text/plain"}, b"502 Bad Gateway\n")
        head, _, body = bytes(answer).partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in rest)
        promised = int(headers.pop("Content-Length", len(body)))
        headers.pop("Connection", None)
        with self._lock:
            self.passed += len(body)
        return Response(int(first.split()[1]), headers, body, promised=promised)
