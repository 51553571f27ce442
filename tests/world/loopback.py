"""A real HTTP/1.1 server on the loopback that writes down what it is asked and fails when it is told to."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import ssl
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from world.faults import Fault, Request, Response

TLS_NAMES = ("pypi.test", "pytorch.test", "index.test")  # what a certificate is for besides the loopback


class LoopbackServer:
    """Keep-alive, a daemon thread per connection. What is answered is `answer`'s business.

    Entering the context starts it; leaving it ends every connection and raises what went wrong inside the server.
    """

    def __init__(self, *, tls: bool = False, auth: tuple[str, str] | None = None) -> None:
        self.auth = auth
        self.closing = threading.Event()
        self.busiest = 0  # most requests that were being answered at one time
        self._busy = 0
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._faults: list[_Scripted] = []
        self._server = _Server(self, _authority().context if tls else None)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The PEM file of the throwaway authority that signed the certificates of all fake servers."""
        return _authority().ca_file

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.hang_up()
        if self._server.crashes and error is None:
            raise ExceptionGroup("the fake server itself failed", self._server.crashes)

    # What was asked

    @property
    def requests(self) -> list[Request]:
        """Everything that was asked since the start or the last `reset`, in order of arrival."""
        with self._lock:
            return list(self._requests)

    def asked(self, where: str) -> list[Request]:
        """The requests whose path holds `where`; see `fault` for how it is matched."""
        return [request for request in self.requests if _matches(where, request)]

    def reset(self) -> None:
        """Forget what was asked. Faults stay."""
        with self._lock:
            self._requests.clear()
            self.busiest = 0

    # What goes wrong

    def fault(self, where: str, fault: Fault, *, times: int | None = 1, method: str | None = None) -> None:
        """Let the next `times` requests (None: all) whose path holds `where` meet `fault`, the first one told first.

        `where` is looked for in the path as sent and in its decoded form; with `$` at its end it must end the path, so
        that `….whl$` does not touch `….whl.metadata`. `method` narrows it to `GET` or `HEAD`.
        """
        with self._lock:
            self._faults.append(_Scripted(where, fault, times, method))

    def heal(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    # Answering

    def answer(self, request: Request) -> Response:
        """What this server says; only a proxy says nothing of its own."""
        return Response(404)

    def tunnel(self, client: socket.socket, address: str) -> None:
        """What CONNECT leads to; only a proxy lets it through."""
        client.close()

    def respond(self, request: Request) -> Response:
        """The answer with credentials asked for and faults applied; the request is written down first."""
        with self._lock:
            self._requests.append(request)
            fault = next((scripted.take() for scripted in self._faults if scripted.meets(request)), Fault())
        asked = fault.asked(request)
        if self.auth is not None and asked.headers.get("authorization") != basic(*self.auth):
            challenge = {"WWW-Authenticate": 'Basic realm="world"', "Content-Type": "text/plain"}
            response = Response(401, challenge, b"401 Unauthorized\n")
        else:
            response = self.answer(asked)
        return fault.answered(asked, response)

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1


def basic(user: str, password: str) -> str:
    """The value of an Authorization or Proxy-Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class _Scripted:
    def __init__(self, where: str, fault: Fault, times: int | None, method: str | None) -> None:
        self.where, self.fault, self.times, self.method = where, fault, times, method

    def meets(self, request: Request) -> bool:
        return self.times != 0 and self.method in (None, request.method) and _matches(self.where, request)

    def take(self) -> Fault:
        if self.times is not None:
            self.times -= 1
        return self.fault


def _matches(where: str, request: Request) -> bool:
    path = request.path.partition("?")[0]
    if where.endswith("$"):
        return path.endswith(where[:-1]) or unquote(path).endswith(where[:-1])
    return where in path or where in unquote(path)


class _Authority:
    """One certificate authority for the whole test run, and a certificate of it for the loopback."""

    def __init__(self) -> None:
        import trustme  # here, because few tests need it and it takes a while

        authority = trustme.CA()
        self._folder = tempfile.TemporaryDirectory()  # goes with the process
        self.ca_file = Path(self._folder.name) / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost", *TLS_NAMES).configure_cert(self.context)


@cache
def _authority() -> _Authority:
    return _Authority()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, owner: LoopbackServer, context: ssl.SSLContext | None) -> None:
        self.owner, self.context = owner, context
        self.crashes: list[Exception] = []
        self.connections: dict[threading.Thread, socket.socket] = {}
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)  # without the reverse look-up of the standard library
        self.server_address = self.socket.getsockname()

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(5)  # a client that never shakes hands
        with self.context.wrap_socket(request, server_side=True) as secured:
            secured.settimeout(None)
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(error, OSError) and not self.owner.closing.is_set():
            self.crashes.append(error)

    def hang_up(self) -> None:
        for thread, connection in list(self.connections.items()):
            with contextlib.suppress(OSError, ValueError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(2)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # TCP_NODELAY
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections[threading.current_thread()] = self.connection
        if self.server.owner.closing.is_set():  # came in while the server was closing
            self.connection.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        super().finish()
        self.server.connections.pop(threading.current_thread(), None)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        owner = self.server.owner
        with owner.counted():
            request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
            self._send(owner.respond(request))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_CONNECT(self) -> None:
        self.do_GET()

    def _send(self, response: Response) -> None:
        if response.silent:
            self._hang_up(reset=response.reset)
            return
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.tunnel is not None:
            self.end_headers()
            self.close_connection = True
            self.server.owner.tunnel(self.connection, response.tunnel)
            return
        bodiless = response.status in (204, 304)
        if response.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not bodiless:
            length = len(response.body) if response.promised is None else response.promised
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if bodiless or self.command == "HEAD":
            return
        self._send_body(response)

    def _send_body(self, response: Response) -> None:
        end = len(response.body) if response.cut is None else min(response.cut, len(response.body))
        pause_at, seconds = response.pause or (None, 0.0)
        sent = 0
        while True:
            if sent == pause_at and self.server.owner.closing.wait(seconds):
                return self._hang_up(reset=False)
            if sent >= end:
                break
            step = 65536 if response.rate is None else max(1, response.rate // 20)
            upto = min(end, sent + step)
            if pause_at is not None and sent < pause_at:
                upto = min(upto, pause_at)
            piece = response.body[sent:upto]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if response.chunked else piece)
            sent = upto
            if response.rate is not None and self.server.owner.closing.wait(len(piece) / response.rate):
                return self._hang_up(reset=False)
        if response.cut is not None or (response.promised is not None and response.promised > len(response.body)):
            return self._hang_up(reset=response.reset)
        if response.chunked:
            self.wfile.write(b"0\r\n\r\n")
        return None

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # discard and reset instead of FIN
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.rfile.close()
            self.connection.close()
