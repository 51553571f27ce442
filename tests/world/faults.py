"""What can go wrong with one answer: each fault is a small value that changes what a fake server sends."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

_fresh = itertools.count(1)


@dataclass(frozen=True)
class Request:
    """What was asked: `path` as sent (query and percent-encoding included), header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]

    def without(self, *names: str) -> Request:
        return replace(self, headers={name: value for name, value in self.headers.items() if name not in names})


@dataclass(frozen=True)
class Response:
    """What is answered and how it is sent; `offset` is where `body` begins in the file that it is a part of."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    offset: int = 0
    silent: bool = False  # not even a status line
    cut: int | None = None  # stop after so many bytes of the body …
    reset: bool = False  # … with a RST instead of a FIN
    pause: tuple[int, float] | None = None  # after so many bytes of the body, for so many seconds
    rate: int | None = None  # bytes per second
    chunked: bool = False  # Transfer-Encoding instead of Content-Length
    promised: int | None = None  # Content-Length where it is another than the body's
    tunnel: str | None = None  # the host:port that the connection now leads to


class Fault:
    """Looks at the request before the server does, and at the response before it is sent."""

    def asked(self, request: Request) -> Request:
        return request

    def answered(self, request: Request, response: Response) -> Response:
        return response


@dataclass(frozen=True)
class Status(Fault):
    """Another answer: any status, with its headers and body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def answered(self, request: Request, response: Response) -> Response:
        return Response(self.status, {"Content-Type": "text/plain", **self.headers}, self.body)


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset after `after` bytes of the body, or before the status line when None."""

    after: int | None = None

    def answered(self, request: Request, response: Response) -> Response:
        return replace(response, silent=self.after is None, cut=self.after or 0, reset=True)


@dataclass(frozen=True)
class Truncate(Fault):
    """All bytes are promised, the connection closes in good order after `after` of them."""

    after: int = 0

    def answered(self, request: Request, response: Response) -> Response:
        return replace(response, cut=self.after)


@dataclass(frozen=True)
class Corrupt(Fault):
    """The byte at offset `at` of the file is flipped, where the answer holds it."""

    at: int = 0

    def answered(self, request: Request, response: Response) -> Response:
        place = self.at - response.offset
        if not 0 <= place < len(response.body):
            return response
        flipped = bytes((response.body[place] ^ 0xFF,))
        return replace(response, body=response.body[:place] + flipped + response.body[place + 1 :])


@dataclass(frozen=True)
class IgnoreRange(Fault):
    """The whole file, whatever range was asked."""

    def asked(self, request: Request) -> Request:
        return request.without("range", "if-range")


@dataclass(frozen=True)
class ChangeETag(Fault):
    """A validator that nobody has seen before; what a client holds never matches."""

    def asked(self, request: Request) -> Request:
        held = request.without("if-none-match", "if-modified-since")
        if "if-range" not in held.headers:
            return held
        return replace(held, headers={**held.headers, "if-range": '"gone"'})

    def answered(self, request: Request, response: Response) -> Response:
        return replace(response, headers={**response.headers, "ETag": f'"changed-{next(_fresh)}"'})


@dataclass(frozen=True)
class Stall(Fault):
    """After `after` bytes of the body nothing comes for `seconds` (at most 5, less when the server closes)."""

    after: int = 0
    seconds: float = 5.0

    def answered(self, request: Request, response: Response) -> Response:
        return replace(response, pause=(self.after, min(self.seconds, 5.0)))


@dataclass(frozen=True)
class Redirect(Fault):
    """Sent on to `to`, an absolute URL or a path of this server; with `times=None` and its own path, a loop."""

    to: str
    status: int = 302

    def answered(self, request: Request, response: Response) -> Response:
        return Response(self.status, {"Location": self.to})


@dataclass(frozen=True)
class Slow(Fault):
    """The body comes at so many bytes per second."""

    bytes_per_second: int

    def answered(self, request: Request, response: Response) -> Response:
        return replace(response, rate=self.bytes_per_second)


@dataclass(frozen=True)
class Replace(Fault):
    """200, with another body: a captive portal, a nonsense page, a lying metadata file."""

    body: bytes
    content_type: str = "text/html"

    def answered(self, request: Request, response: Response) -> Response:
        return Response(200, {"Content-Type": self.content_type}, self.body)


@dataclass(frozen=True)
class NoLength(Fault):
    """The same answer without Content-Length, in chunks."""

    def answered(self, request: Request, response: Response) -> Response:
        return replace(response, chunked=True)
