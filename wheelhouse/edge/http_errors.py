"""What can go wrong between a question and its whole answer, each way with its own name.

Nothing here shows a user or a password: every URL is redacted when the error is made.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar, Self

from wheelhouse.errors import WheelhouseError
from wheelhouse.urls import host, redact


class HttpError(WheelhouseError):
    """A question that got no usable answer. `url` and `host` hold no credentials.

    `unreachable`: nobody was ever spoken to (only then may PyPI's torch stand in for the channel's).
    `transient`: the same question may fare better in a moment.
    """

    unreachable: ClassVar[bool] = False
    transient: bool = False

    def __init__(self, url: str, *facts: object) -> None:
        super().__init__(redact(url), *facts)
        self.url, self.host = redact(url), host(url)


class Unreachable(HttpError):
    """No connection came about.

    `reason` is "name resolution", "connection refused", "connect timeout" or the system's own words.
    """

    unreachable = True
    transient = True
    hint = "check the network, or name your proxy: HTTPS_PROXY or pip's `proxy` setting"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.reason = reason

    def again(self, url: str) -> Self:
        """The same for another URL of this host."""
        return type(self)(url, self.reason)

    def __str__(self) -> str:
        return f"`{self.host}` cannot be reached: {self.reason}"


class TlsFailed(HttpError):
    """The connection is not the host's, or cannot be proven to be. `reason` is OpenSSL's."""

    hint = (
        "does a proxy intercept TLS here? name its CA: `--cert FILE`, PIP_CERT or SSL_CERT_FILE,"
        " or add it to the system's trust store"
    )

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the TLS connection to `{self.host}` failed: {self.reason}"


class ProxyRefused(HttpError):
    """The proxy cannot be reached or does not let us through. `proxy` holds no credentials."""

    def __init__(self, url: str, proxy: str, reason: str) -> None:
        super().__init__(url, redact(proxy), reason)
        self.proxy, self.reason = redact(proxy), reason
        self.transient = reason.startswith("5") or reason == "connect timeout"
        self.hint = "check `--proxy`, HTTPS_PROXY and NO_PROXY"
        if "407" in reason:
            self.hint = "the proxy asks for a name and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"

    def again(self, url: str) -> Self:
        """The same for another URL of this host."""
        return type(self)(url, self.proxy, self.reason)

    def __str__(self) -> str:
        return f"the proxy `{self.proxy}` does not lead to `{self.host}`: {self.reason}"


class Refused(HttpError):
    """The host answered that it will not answer us (401, 403). `proxy` is the one it was asked through, if any."""

    def __init__(self, url: str, status: int, *, proxy: str | None = None) -> None:
        super().__init__(url, status)
        self.status, self.proxy = status, None if proxy is None else redact(proxy)
        self.hint = f"put the name and the password for `{self.host}` into its URL or into ~/.netrc"
        if status in (404, 410):
            self.hint = f"correct the URL; if the server hides it from strangers, {self.hint}"
        if self.proxy is not None:
            self.hint += f"\nor the proxy `{self.proxy}` forbids it"

    def __str__(self) -> str:
        through = "" if self.proxy is None else f" (through the proxy `{self.proxy}`)"
        return f"`{self.host}` refuses{through}: {status_line(self.status)} for `{self.url}`"


class ServerFailed(HttpError):
    """The host is there but cannot answer now (408, 425, 429, 5xx). `retry_after` is in seconds, where it said so."""

    transient = True
    hint = "wait a little, then run the same command again: what was fetched is kept"

    def __init__(self, url: str, status: int, *, retry_after: float | None = None) -> None:
        super().__init__(url, status)
        self.status, self.retry_after = status, retry_after

    def __str__(self) -> str:
        return f"`{self.host}` failed: {status_line(self.status)} for `{self.url}`"


class Stalled(HttpError):
    """The host stopped talking in the middle, or never began."""

    transient = True
    hint = "run the same command again: what was fetched is kept"

    def __str__(self) -> str:
        return f"`{self.host}` stopped answering for `{self.url}`"


class CutOff(HttpError):
    """The connection broke before the answer was whole."""

    transient = True
    hint = "run the same command again: what was fetched is kept"

    def __str__(self) -> str:
        return f"the connection to `{self.host}` broke for `{self.url}`"


class TooManyRedirects(HttpError):
    """The answer is always somewhere else."""

    def __init__(self, url: str, limit: int) -> None:
        super().__init__(url, limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"`{self.url}` leads to more than {self.limit} redirects"


class UnsafeRedirect(HttpError):
    """A redirect that leaves https, or that leads to no web address; it is not followed."""

    def __init__(self, url: str, location: str) -> None:
        super().__init__(url, redact(location))
        self.location = redact(location)

    def __str__(self) -> str:
        return f"`{self.url}` redirects to `{self.location}`, which is not followed"


class TooLarge(HttpError):
    """The answer has more bytes than anything honest of its kind. `limit` is in bytes."""

    def __init__(self, url: str, limit: int) -> None:
        super().__init__(url, limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the answer for `{self.url}` is larger than {self.limit} bytes"


class BadUrl(HttpError):
    """A URL that names no web server."""

    exit_code = 2

    def __str__(self) -> str:
        return f"`{self.url}` is not an http or https URL"


def status_line(code: int) -> str:
    """`code` with the name that HTTP gives it."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)
