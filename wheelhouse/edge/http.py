"""The one way to the web: proxies, credentials, redirects and retries over one transport.

Retries happen here and nowhere else, and only for what is safe to ask twice. `get` and `head` answer with whatever the
server said for good (404, 403, …); what cannot be had is one of the errors of `wheelhouse.edge.http_errors`.

urllib3 and ssl are imported with the first question: a run that finds all it wants in the cache or the store asks none.
httpx comes with the first large file: of a small question its values cost a fifth (decision 17).
"""

from __future__ import annotations

import base64
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urljoin, urlsplit

from msgspec import Struct, field

from wheelhouse import __version__
from wheelhouse.edge.credentials import Keyring
from wheelhouse.edge.http_errors import (
    BadUrl,
    CutOff,
    HttpError,
    ProxyRefused,
    ServerFailed,
    TooLarge,
    TooManyRedirects,
    Unreachable,
    UnsafeRedirect,
)
from wheelhouse.events import Listener, Noted, ignore
from wheelhouse.urls import host, origin, redact, split_credentials

if TYPE_CHECKING:
    import ssl

    import httpx
    from tenacity import RetryCallState

    from wheelhouse.edge.proxies import Proxies
    from wheelhouse.edge.transport import Reply, Transport

REDIRECTS = 10
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_MEETINGS = 3  # tries before a host that nobody answers for is given up: it costs a connect timeout each

T = TypeVar("T")


class HttpSettings(Struct, frozen=True, kw_only=True):
    """How to reach the web. Times are in seconds.

    `credentials` by origin ("https://host:port"; the port may be left out) win over netrc's. `proxy` serves both
    schemes and wins over the environment; NO_PROXY holds for either. `keyring` is asked after a 401.
    `max_wait` caps every pause between two attempts, the server's `Retry-After` too.
    """

    ca_file: Path | None = None
    client_cert: Path | None = None
    proxy: str | None = None
    connect_timeout: float = 10
    read_timeout: float = 30
    attempts: int = 5
    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    keyring: Keyring = field(default_factory=lambda: Keyring("disabled"))
    max_wait: float = 30


class Answer(Struct, frozen=True):
    """A whole answer: `url` where it came from, after redirects; `headers` of the wire; `content` decoded."""

    status_code: int
    headers: Mapping[str, str]  # by any spelling of their names
    content: bytes
    url: str


class Http:
    """Asks questions of the web; safe to share between threads. Close it, or use it in a `with`."""

    def __init__(self, settings: HttpSettings, *, listen: Listener = ignore) -> None:
        self.settings = settings
        self._listen = listen
        self._credentials = {origin(place): pair for place, pair in settings.credentials.items()}
        self._given_up: dict[str, Unreachable | ProxyRefused] = {}  # by origin, for the run
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._transports: dict[str | None, Transport] = {}  # by proxy
        self._trusted: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up all connections; whoever waits for the next attempt wakes and fails."""
        self._closed.set()
        with self._lock:
            for transport in self._transports.values():
                transport.close()

    def get(self, url: str, *, headers: Mapping[str, str] | None = None, limit: int | None = None) -> Answer:
        """The whole answer, its body decoded and in memory; `limit` is in bytes of the decoded body.

        Raises an `HttpError` after the retries; `TooLarge` at once.
        """
        return self._patiently(url, lambda: self._whole("GET", url, headers, limit))

    def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer without a body. Raises as `get`."""
        return self._patiently(url, lambda: self._whole("HEAD", url, headers, None))

    @contextmanager
    def stream(self, url: str, *, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """One attempt at an answer; read its body with `iter_raw()`: bytes as stored, for ranges and digests.

        Raises `HttpError`, also while the body is read; `ServerFailed` for a status that may pass. Whoever asks
        retries, waits `pause`, and calls `give_up` when out of attempts.
        """
        with self._answer("GET", url, {"Accept-Encoding": "identity", **(headers or {})}) as answer:
            yield answer.as_httpx()

    def proxy_for(self, url: str) -> str | None:
        """The proxy that `url` is asked through, without credentials."""
        proxy = self._proxies.choose(url)
        return None if proxy is None else redact(proxy)

    def give_up(self, error: HttpError) -> None:
        """Remember for the rest of the run that nobody answers there: later questions fail at once."""
        if isinstance(error, Unreachable | ProxyRefused):
            self._given_up.setdefault(origin(error.url), error)

    def worth_another(self, error: HttpError) -> bool:
        """Whether the same question may fare better in a moment."""
        return error.transient and origin(error.url) not in self._given_up and not self._closed.is_set()

    def pause(self, attempt: int, error: HttpError | None = None) -> float:
        """Seconds to wait after the failed attempt number `attempt` (1, 2, …): exponential with jitter, or as asked.

        A server's `Retry-After` (RFC 9110, 10.2.3) is a floor, and `max_wait` the ceiling of both.
        """
        asked = error.retry_after if isinstance(error, ServerFailed) and error.retry_after is not None else 0.0
        grown: float = 0.5 * 2 ** min(attempt - 1, 16) * random.uniform(0.5, 1.5)  # noqa: S311
        return min(max(grown, asked), self.settings.max_wait)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until `close`."""
        self._closed.wait(seconds)

    def _patiently(self, url: str, ask: Callable[[], T]) -> T:
        """`ask`, again and again while that may help."""
        try:
            return ask()
        except HttpError as error:
            failed = error
        if not self.worth_another(failed):
            self.give_up(failed)
            raise failed
        return self._again(failed, ask)

    def _again(self, failed: HttpError, ask: Callable[[], T]) -> T:
        """The attempts after the first one, which `failed`."""
        from tenacity import Retrying, retry_if_exception
        from tenacity.nap import sleep_using_event

        def failure(state: RetryCallState) -> HttpError:
            error = state.outcome.exception() if state.outcome else None
            assert isinstance(error, HttpError)
            return error

        def stop(state: RetryCallState) -> bool:
            few = isinstance(failure(state), Unreachable)
            return state.attempt_number >= min(self.settings.attempts, _MEETINGS if few else self.settings.attempts)

        def tell(state: RetryCallState) -> None:
            self._listen(Noted(f"{failure(state)}; attempt {state.attempt_number + 1} follows"))

        patience = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, HttpError) and self.worth_another(error)),
            stop=stop,
            wait=lambda state: self.pause(state.attempt_number, failure(state)),
            sleep=sleep_using_event(self._closed),
            before_sleep=tell,
            reraise=True,
        )
        past = [failed]

        def attempt() -> T:
            if past:
                raise past.pop()
            return ask()

        try:
            return patience(attempt)
        except HttpError as error:
            self.give_up(error)
            raise

    def _whole(self, method: str, url: str, headers: Mapping[str, str] | None, limit: int | None) -> Answer:
        with self._answer(method, url, headers or {}) as answer:
            pieces, count = [], 0
            for piece in answer.decoded():
                pieces.append(piece)
                count += len(piece)
                if limit is not None and count > limit:
                    raise TooLarge(url, limit)
            return Answer(answer.status_code, answer.headers, b"".join(pieces), answer.url)

    @contextmanager
    def _answer(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[Reply]:
        """The final answer behind at most `REDIRECTS` redirects; the body is still to be read."""
        place = url
        for _ in range(REDIRECTS + 1):
            answer = self._ask(method, place, headers)
            with closing(answer):
                location = answer.headers.get("location")
                if answer.status_code not in (301, 302, 303, 307, 308) or location is None:
                    if answer.status_code in TRANSIENT:
                        wait = retry_after(answer.headers.get("retry-after"), now=time.time())
                        raise ServerFailed(place, answer.status_code, retry_after=wait)
                    yield answer
                    return
            place = _next_place(place, location)
        raise TooManyRedirects(url, REDIRECTS)

    def _ask(self, method: str, url: str, headers: Mapping[str, str]) -> Reply:
        """One question, one answer. Credentials are chosen anew for each place, so none travels to another origin."""
        try:
            bare, credentials = split_credentials(url)
            asked = origin(bare)
            target = urlsplit(bare)
        except ValueError as error:
            raise BadUrl(url) from error
        if target.scheme not in ("http", "https") or not target.hostname:
            raise BadUrl(url)
        if self._closed.is_set():
            raise CutOff(url)
        if known := self._given_up.get(asked):
            raise known.again(url) from known
        transport = self._transport(self._proxies.choose(bare))
        credentials = credentials or self._credentials.get(asked) or self._netrc.get(target.hostname)

        def send(pair: tuple[str, str] | None) -> Reply:
            return transport.ask(method, bare, {**_ALWAYS, **headers, **(_basic(pair) if pair else {})})

        answer = send(credentials)
        if answer.status_code == 401 and not (credentials and credentials[1]):
            kept = self.settings.keyring.find(bare, credentials[0] if credentials else None)
            if kept is not None:
                answer.close()
                self._credentials[asked] = kept
                return send(kept)
        return answer

    def _transport(self, proxy: str | None) -> Transport:
        from wheelhouse.edge.transport import Transport

        with self._lock:
            if proxy not in self._transports:
                self._transports[proxy] = Transport(
                    self._tls,
                    connect_timeout=self.settings.connect_timeout,
                    read_timeout=self.settings.read_timeout,
                    proxy=proxy,
                )
            return self._transports[proxy]

    def _tls(self) -> ssl.SSLContext:
        from wheelhouse.edge.trust import trust

        with self._lock:
            if self._trusted is None:
                self._trusted = trust(self.settings.ca_file, self.settings.client_cert)
            return self._trusted

    @cached_property
    def _proxies(self) -> Proxies:
        from wheelhouse.edge.proxies import Proxies

        return Proxies.from_environment(self.settings.proxy)

    @cached_property
    def _netrc(self) -> Mapping[str, tuple[str, str]]:
        return read_netrc(os.environ, self._listen)


_ALWAYS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
    "User-Agent": f"wheelhouse/{__version__}",
}


def _next_place(url: str, location: str) -> str:
    """Where a redirect leads; https is never left, and only the web is entered. Raises `UnsafeRedirect`."""
    try:
        place = urljoin(url, location)
        scheme = urlsplit(place).scheme
    except ValueError as error:
        raise UnsafeRedirect(url, location) from error
    if scheme not in ("http", "https") or (url.lower().startswith("https:") and scheme != "https"):
        raise UnsafeRedirect(url, place)
    return place


def _basic(pair: tuple[str, str]) -> dict[str, str]:
    """The header with user and password (RFC 7617), in UTF-8 as curl and pip send it."""
    told = ":".join(pair).encode()
    return {"Authorization": f"Basic {base64.b64encode(told).decode()}"}


def retry_after(value: str | None, *, now: float) -> float | None:
    """Seconds that `Retry-After` asks to wait (RFC 9110, 10.2.3: a number or a date); None where it says nothing."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def read_netrc(environment: Mapping[str, str], listen: Listener = ignore) -> dict[str, tuple[str, str]]:
    """User and password by host, from NETRC or ~/.netrc (~/_netrc on Windows). A broken file is noted, no more.

    Its `default` entry is left out: it would go to every host that a page points to.
    """
    try:
        named = environment.get("NETRC")
        places = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
        file = next((place for place in places if place.is_file()), None)
    except (OSError, RuntimeError) as error:
        listen(Noted(f"netrc is not read: {type(error).__name__}"))
        return {}
    if file is None:
        return {}
    import netrc

    try:
        known = netrc.netrc(str(file)).hosts
    except netrc.NetrcParseError as error:
        listen(Noted(f"`{error.filename}` is not read: {error.msg}"))
        return {}
    except (OSError, ValueError) as error:
        listen(Noted(f"netrc is not read: {type(error).__name__}"))
        return {}
    return {name: (login, password) for name, (login, _, password) in known.items() if name != "default" and password}


__all__ = ["Http", "HttpError", "HttpSettings", "host", "origin", "read_netrc", "redact", "retry_after"]
