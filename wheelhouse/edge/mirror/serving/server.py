"""uvicorn, set up for a mirror: sockets, TLS, bounds, a stop that ends."""

from __future__ import annotations

import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any

import uvicorn
from msgspec import Struct

from wheelhouse.edge.mirror.serving.access import AccessLog
from wheelhouse.edge.mirror.serving.app import App, Gate
from wheelhouse.edge.mirror.serving.connection import patient
from wheelhouse.edge.mirror.serving.source import Source
from wheelhouse.errors import WheelhouseError

_BACKLOG = 1024
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Settings(Struct, frozen=True, kw_only=True):
    """How a mirror is served. `grace` is in seconds: how long a stop waits for answers under way."""

    host: str = "127.0.0.1"
    port: int = 8080  # 0: one that is free
    cert: Path | None = None
    key: Path | None = None
    grace: int = 10
    patience: int = 60  # seconds for which a client may send no request, or take no bytes
    connections: int = 4096  # at a time; whoever comes later is told 503


class CannotServe(WheelhouseError):
    """The server cannot start. `reason` is the system's."""

    def __init__(self, what: str, reason: str, hint: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason, self.hint = what, reason, hint

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


class MirrorServer:
    """A server that is bound to its port; `run` answers until `stop`, SIGINT or SIGTERM.

    Raises `CannotServe` when the address or the certificate cannot be used. `access_log` gets the lines of the access
    log, `tell` sentences on what went wrong inside.
    """

    def __init__(
        self,
        source: Source,
        settings: Settings,
        *,
        gate: Gate | None = None,
        access_log: IO[str] | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        _check_certificate(settings)
        self._sockets = _bound(settings)
        self.port: int = self._sockets[0].getsockname()[1]
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"{'https' if settings.cert else 'http'}://{shown}:{self.port}/"
        self._log = None if access_log is None else AccessLog(_writer(access_log), _now)
        self._app = App(source, gate=gate, log=self._log)
        self._tell = tell
        self.is_local = all(ip_address(each.getsockname()[0]).is_loopback for each in self._sockets)
        config = uvicorn.Config(
            self._app,
            http=patient(settings.patience),
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # who a client is, is not the client's to say
            server_header=False,
            limit_concurrency=min(settings.connections, _most_connections()),
            timeout_graceful_shutdown=settings.grace,
            ssl_certfile=settings.cert,
            ssl_keyfile=settings.key,
        )
        self._server = _Server(config)

    def run(self) -> None:
        """Answers until it is stopped, then for at most `grace` seconds more. A second signal ends it at once."""
        with _faults_told(self._tell):
            try:
                self._server.run(sockets=self._sockets)
            finally:
                self._app.close()
                if self._log is not None:
                    self._log.close()

    def stop(self) -> None:
        """Ends `run`, from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn raises the signal again when it is done; a stop that was asked for is no failure here."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self._asked_to_stop) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _asked_to_stop(self, number: int, frame: object) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def _bound(settings: Settings) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise CannotServe(
            f"`{settings.host}` is no address of this machine", "it is not known", "`--host 0.0.0.0` is every address"
        ) from None
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            if sockets and settings.port == 0:
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            sockets.append(socket.create_server(address, family=family, backlog=_BACKLOG))
    except OSError as error:
        for each in sockets:
            each.close()
        reason = (error.strerror or str(error)).lower()
        raise CannotServe(
            f"`{settings.host}:{settings.port}` cannot be listened on", reason.partition(" (")[0],
            "`--port` and `--host` name another; below 1024 the system asks for rights",
        ) from None  # fmt: skip
    return sockets


def _check_certificate(settings: Settings) -> None:
    """Says what is wrong with a certificate before anything listens; uvicorn reads it again."""
    if settings.cert is None:
        return

    def no_password() -> str:
        raise ValueError("the key is protected by a password")

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.cert, settings.key, no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise CannotServe(
            f"`{settings.cert}` cannot be used for TLS",
            str(reason).lower().replace("_", " "),
            "`--cert` is a PEM file of the certificate and those above it, `--key` its private key without a password",
        ) from None


def _most_connections() -> int:
    """How many connections the system's bound on open files admits, each with a file; the soft bound is raised."""
    try:
        import resource
    except ImportError:  # Windows has no such bound
        return 4096
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_000 if hard == resource.RLIM_INFINITY else min(hard, 10_000)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return 4096 if soft == resource.RLIM_INFINITY else max(16, (soft - 64) // 2)


def _now() -> datetime:
    return datetime.now().astimezone()


def _writer(file: IO[str]) -> Callable[[str], None]:
    def write(text: str) -> None:
        with suppress(OSError, ValueError):  # nobody reads it any more; the mirror goes on
            file.write(text)
            file.flush()

    return write


class _Faults(logging.Handler):
    """What uvicorn logs of failures inside, as a sentence; that clients talk nonsense is none."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._say = tell

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Exception):
            self._say(f"an answer was broken off: {type(error).__name__}: {error}")


@contextmanager
def _faults_told(tell: Callable[[str], None]) -> Iterator[None]:
    logger = logging.getLogger("uvicorn.error")
    handler: Any = _Faults(tell)
    handlers: Sequence[logging.Handler] = logger.handlers
    before, spread, level = list(handlers), logger.propagate, logger.level
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before, spread
        logger.setLevel(level)
