"""`urllib3`, the fastest well-kept transport for threads (measured: decision 17), and `httpx` over it for large files.

Every failure is translated once, here, into `wheelhouse.edge.http_errors`.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import urllib3
import urllib3.connection
from urllib3 import exceptions as u3

from wheelhouse.edge.http_errors import BadUrl, CutOff, HttpError, ProxyRefused, Stalled, TlsFailed, Unreachable
from wheelhouse.urls import redact, split_credentials

if TYPE_CHECKING:
    import httpx

CONNECTIONS = 64  # kept alive for each host; as many as the threads that we ever run
_E = TypeVar("_E", bound=BaseException)
_PIECE = 1 << 16  # bytes that are unpacked at once: they may become a thousand times as many, before anybody counts
_PLAIN: dict[str, Any] = {
    "redirect": False,
    "retries": urllib3.Retry(total=False, redirect=False),  # made once; `False` would be made one for each question
    "preload_content": False,
    "decode_content": False,
}
_CHUNK = 1 << 19  # bytes asked of the socket at once; what is there is taken, so nothing read is lost in a timeout


class Reply:
    """An answer whose body is still to be read. Close it: what was not read to its end gives up its connection."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, url: str, proxy: str | None) -> None:
        self.status_code, self.headers, self.url = answer.status, answer.headers, url
        self._answer, self._proxy = answer, proxy

    def decoded(self) -> Iterator[bytes]:
        """The body without its `Content-Encoding`. Raises `HttpError` only."""
        with _translated(self.url, self._proxy):
            yield from self._answer.stream(_PIECE, decode_content=True)

    def raw(self) -> Iterator[bytes]:
        """The body as it is on the wire and as soon as it comes. Raises `HttpError` only."""
        with _translated(self.url, self._proxy):
            while data := self._answer.read1(_CHUNK, decode_content=False):
                yield data

    def as_httpx(self) -> httpx.Response:
        """The same in the form in which large files are read."""
        from wheelhouse.edge.web import response

        return response(self.status_code, list(self.headers.items()), self.raw)

    def close(self) -> None:
        self._answer.close()
        self._answer.release_conn()


class _Response(HTTPResponse):
    """An answer of which 64 KiB are taken from the socket at once: nearly always all of it, head and body.

    With 8 KiB, the default, core metadata came in three pieces, each with a fight of 30 threads for the interpreter.
    """

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp = io.BufferedReader(self.fp.detach(), _PIECE)


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


class Transport:
    """HTTP/1.1 with keep-alive, straight or through one proxy. One attempt, no redirects.

    `tls` is called once, for the first https question. Raises `HttpError` only.
    """

    def __init__(
        self,
        tls: Callable[[], ssl.SSLContext],
        *,
        connect_timeout: float,
        read_timeout: float,
        proxy: str | None = None,
    ) -> None:
        self._tls = tls
        self._proxy = proxy
        self._timeout = urllib3.Timeout(connect=connect_timeout, read=read_timeout)
        self._lock = threading.Lock()
        self._managers: dict[str, urllib3.PoolManager] = {}  # by scheme
        self._pools: dict[tuple[str, str], urllib3.HTTPConnectionPool] = {}  # by scheme and host, where no proxy stands

    def _manager(self, scheme: str) -> urllib3.PoolManager:
        with self._lock:
            if scheme not in self._managers:
                self._managers[scheme] = self._new_manager(self._tls() if scheme == "https" else None)
            return self._managers[scheme]

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        if self._proxy is not None or "/." in parts.path:  # the manager knows what a proxy wants, and takes dots out
            return self._manager(scheme).urlopen(method, url, headers=headers, **_PLAIN)
        # It reads each URL once more, and finds the pool by a key of 20 parts: a tenth of what a small answer costs
        pool = self._pools.get((scheme, parts.netloc))
        if pool is None:
            pool = self._pools[scheme, parts.netloc] = self._manager(scheme).connection_from_url(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return pool.urlopen(method, target, headers=headers, assert_same_host=False, **_PLAIN)

    def _new_manager(self, context: ssl.SSLContext | None) -> urllib3.PoolManager:
        if self._proxy is None:
            manager = urllib3.PoolManager(32, maxsize=CONNECTIONS, timeout=self._timeout, ssl_context=context)
            manager.pool_classes_by_scheme = _POOLS
            return manager
        proxy, credentials = split_credentials(self._proxy)
        manager = urllib3.ProxyManager(
            proxy,
            32,
            maxsize=CONNECTIONS,
            timeout=self._timeout,
            ssl_context=context,
            proxy_ssl_context=self._tls() if proxy.startswith("https:") else None,
            proxy_headers=None if credentials is None else urllib3.make_headers(proxy_basic_auth=":".join(credentials)),
        )
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def ask(self, method: str, url: str, headers: Mapping[str, str]) -> Reply:
        """One question, whose `url` holds no credentials."""
        with _translated(url, self._proxy):
            answer = self._send(method, url, headers)
        if answer.status == 407 and self._proxy is not None:
            answer.close()
            raise ProxyRefused(url, self._proxy, "407 Proxy Authentication Required")
        return Reply(answer, url, self._proxy)

    def close(self) -> None:
        with self._lock:
            for pool in list(self._pools.values()):
                pool.close()
            for manager in self._managers.values():
                manager.clear()


@contextmanager
def _translated(url: str, proxy: str | None) -> Iterator[None]:
    """urllib3's failures as ours."""
    try:
        yield
    except (u3.HTTPError, OSError, ValueError) as error:
        raise _translation(error, url, proxy) from error


def _translation(error: Exception, url: str, proxy: str | None) -> HttpError:
    causes = tuple(_causes(error))
    if isinstance(error, u3.ProxySchemeUnknown):
        return ProxyRefused(url, proxy or "", "only http and https proxies are spoken to")
    if tunnel := next((str(cause) for cause in causes if "Tunnel connection failed" in str(cause)), None):
        return ProxyRefused(url, proxy or "", tunnel.rpartition("Tunnel connection failed: ")[2].rstrip("')\""))
    if isinstance(error, u3.ProxyError):
        if verification := _first(causes, ssl.SSLCertVerificationError):
            return TlsFailed(proxy or url, _tls_reason(verification))
        return ProxyRefused(url, proxy or "", _connect_reason(causes))
    if isinstance(error, u3.ConnectTimeoutError):  # NewConnectionError is one too
        return Unreachable(url, _connect_reason(causes))
    if isinstance(error, u3.ReadTimeoutError):
        return Stalled(url)
    if broken := _first(causes, ssl.SSLError):
        # An end in the middle of a handshake or record says nothing about trust
        if isinstance(broken, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return CutOff(url)
        return TlsFailed(url, _tls_reason(broken))
    if isinstance(error, u3.SSLError):  # a certificate for another host, for example
        return TlsFailed(url, str(error))
    if isinstance(error, u3.LocationValueError):
        return BadUrl(url)
    return CutOff(url)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and all that stands behind it; urllib3 keeps causes in `args`, `__cause__` and `__context__`."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or one in seen:
            continue
        seen.append(one)
        yield one
        waiting += [one.__cause__, one.__context__, *(each for each in one.args if isinstance(each, BaseException))]


def _first(causes: tuple[BaseException, ...], kind: type[_E]) -> _E | None:
    return next((cause for cause in causes if isinstance(cause, kind)), None)


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or "the certificate cannot be verified"
    return (error.reason or str(error)).replace("_", " ").lower()


def _connect_reason(causes: tuple[BaseException, ...]) -> str:
    if any(isinstance(cause, u3.NameResolutionError | socket.gaierror) for cause in causes):
        return "name resolution"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "connection refused"
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return "connect timeout"
    system = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    return "connect timeout" if system is None else redact(system.lower())
