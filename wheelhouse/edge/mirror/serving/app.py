"""The ASGI application: a request to an answer, with nothing behind it but the mirror."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import aclosing, suppress
from typing import Any, Protocol

from msgspec import Struct, field

from wheelhouse.edge.mirror.serving.access import Visit
from wheelhouse.edge.mirror.serving.pages import Pages
from wheelhouse.edge.mirror.serving.source import Opened, Source
from wheelhouse.mirroring.negotiation import asked_form, page_form, takes_gzip
from wheelhouse.mirroring.ranges import Unsatisfiable, is_known, is_unchanged, span
from wheelhouse.mirroring.routes import POLICY, SIMPLE_JSON, Document, File, Health, Page, Redirect, route

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
_TEXT = "text/plain; charset=utf-8"

SAFETY = {"content-security-policy": POLICY, "referrer-policy": "no-referrer"}


class Gate(Protocol):
    """Who may come in."""

    challenge: str

    async def user(self, authorization: str | None) -> str | None:
        """The name of the user whom the header proves; None: nobody. Raises `Busy`."""
        ...


class Busy(Exception):
    """More passwords are being checked than the server takes on: status 503."""


class Answer(Struct):
    """What is sent. The body is `content`, or a part of `opened` as `start` and `length` say."""

    status: int
    headers: dict[str, str]
    content: bytes = b""
    opened: Opened | None = None
    start: int = 0
    length: int = 0
    user: str | None = field(default=None)


class App:
    """Answers `GET` and `HEAD`, all else is refused; it writes nothing. `log` is told each visit when it is over."""

    def __init__(self, source: Source, *, gate: Gate | None = None, log: Callable[[Visit], None] | None = None) -> None:
        self._source = source
        self._pages = Pages(source)
        self._gate = gate
        self._log = log
        # What needs a password is not for caches that others share (RFC 9111, 5.2.2.9)
        scope = "public" if gate is None else "private"
        self._immutable = f"{scope}, max-age=31536000, immutable"
        self._brief = "no-cache" if gate is None else "private, no-cache"  # kept, but asked for anew each time: a 304

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # no WebSocket, no lifespan: neither is set up
            return
        began = time.monotonic()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        answer = await self._guarded(scope, headers)
        sent = 0
        try:
            sent = await _send(answer, scope["method"] == "HEAD", receive, send)
        finally:
            if answer.opened is not None:
                answer.opened.close()
            if self._log is not None:
                client = scope.get("client") or ("-", 0)
                self._log(
                    Visit(
                        client=str(client[0]),
                        user=answer.user,
                        method=scope["method"],
                        target=_target(scope),
                        version=scope["http_version"],
                        status=answer.status,
                        size=sent,
                        agent=headers.get("user-agent"),
                        seconds=time.monotonic() - began,
                    )
                )

    def close(self) -> None:
        """Lets go of threads and of the mirror."""
        self._pages.close()
        self._source.close()

    async def _guarded(self, scope: Scope, headers: Mapping[str, str]) -> Answer:
        try:
            return await self._answer(scope, headers)
        except Busy:
            return _told(503, "too many passwords are being checked", {"retry-after": "2"})
        except OSError:
            return _told(503, "the mirror cannot be read just now", {"retry-after": "5"})

    async def _answer(self, scope: Scope, headers: Mapping[str, str]) -> Answer:
        place = route(scope["raw_path"].decode("latin-1"))
        if isinstance(place, Health):
            return await self._health()
        user = None
        if self._gate is not None:
            user = await self._gate.user(headers.get("authorization"))
            if user is None:
                return _told(401, "a user name and a password are needed", {"www-authenticate": self._gate.challenge})
        answer = await self._found(place, scope, headers)
        answer.user = user
        return answer

    async def _found(
        self, place: Page | Document | File | Redirect | None, scope: Scope, headers: Mapping[str, str]
    ) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            return _told(405, "a mirror is only read", {"allow": "GET, HEAD"})
        if place is None:
            return _told(404, "there is nothing here")
        if isinstance(place, Redirect):
            query = scope["query_string"].decode("latin-1")
            return _told(301, "it is there", {"location": place.location + _kept_query(query)})
        if isinstance(place, File):
            return await self._file(place, headers)
        if isinstance(place, Document):
            return await self._page(place.key, place.media_type, headers, negotiated=False)
        try:
            form = asked_form(scope["query_string"].decode("latin-1")) or page_form(headers.get("accept", ""))
        except KeyError:
            return _told(406, f"a page is `{SIMPLE_JSON}`, `application/vnd.pypi.simple.v1+html` or `text/html`")
        ending = "json" if form == SIMPLE_JSON else "html"
        answer = await self._page(f"{place.key}/index.{ending}", form, headers, negotiated=True)
        if answer.status == 404 and place.project is not None:
            return _told(404, f"`{place.project}` is not in this index, and no other index is asked")
        return answer

    async def _health(self) -> Answer:
        """200 while the mirror can be read."""
        there = await self._source.stamp("mirror.json") is not None
        return _told(200, "ok") if there else _told(503, "the mirror is gone")

    async def _page(self, key: str, media_type: str, headers: Mapping[str, str], *, negotiated: bool) -> Answer:
        page = await self._pages.get(key)
        if page is None:
            return _told(404, "there is nothing here")
        packed = page.packed if takes_gzip(headers.get("accept-encoding", "")) else None
        content = page.content if packed is None else packed
        own = {
            "content-type": media_type,
            "x-content-type-options": "nosniff",
            **(SAFETY if "html" in media_type else {}),
            "cache-control": self._brief,
            "vary": "Accept, Accept-Encoding" if negotiated else "Accept-Encoding",
            "etag": page.etag if packed is None else page.packed_etag,
        }
        if is_known(headers.get("if-none-match"), own["etag"]):
            return Answer(304, own)
        if packed is not None:
            own["content-encoding"] = "gzip"
        own["content-length"] = str(len(content))
        return Answer(200, own, content)

    async def _file(self, place: File, headers: Mapping[str, str]) -> Answer:
        opened = await self._source.open(place.key)
        if opened is None:
            return _told(404, "there is nothing here")
        own = {
            "content-type": place.media_type,
            "cache-control": self._immutable,
            "etag": place.etag,
            "accept-ranges": "bytes",
            "x-content-type-options": "nosniff",
        }
        if is_known(headers.get("if-none-match"), place.etag):
            opened.close()
            return Answer(304, own)
        asked = headers.get("range") if is_unchanged(headers.get("if-range"), place.etag) else None
        try:
            part = span(asked, opened.size)
        except Unsatisfiable:
            opened.close()
            return _told(416, "the file has no such range", {"content-range": f"bytes */{opened.size}"})
        start, length = (0, opened.size) if part is None else (part.start, part.length)
        own["content-length"] = str(length)
        if part is not None:
            own["content-range"] = part.content_range(opened.size)
        return Answer(200 if part is None else 206, own, opened=opened, start=start, length=length)


def _told(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of one sentence, for whoever reads it. Not kept by caches: what is missing may come."""
    content = f"{sentence}\n".encode()
    own = {"content-type": _TEXT, "content-length": str(len(content)), "x-content-type-options": "nosniff"}
    return Answer(status, {**own, "cache-control": "no-store", **(headers or {})}, content)


def _kept_query(query: str) -> str:
    """The form that was asked for, carried along by a redirect: only one that there is, in the short spelling."""
    try:
        form = asked_form(query)
    except KeyError:
        return ""
    return "" if form is None else f"?format={'json' if form == SIMPLE_JSON else 'html'}"


def _target(scope: Scope) -> str:
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


async def _send(answer: Answer, head: bool, receive: Receive, send: Send) -> int:
    """Sends the answer and says how many bytes of body the server took over."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if head or answer.opened is None or answer.length == 0:
        content = b"" if head else answer.content
        await send({"type": "http.response.body", "body": content})
        return len(content)
    return await _stream(answer.opened.chunks(answer.start, answer.length), answer.length, receive, send)


async def _stream(chunks: AsyncGenerator[bytes, None], length: int, receive: Receive, send: Send) -> int:
    """Sends piece by piece, each when the client has taken most of the last; ends when it hangs up.

    ASGI: `send` to a client that is gone does nothing, so it is `receive` that tells.
    """
    sent = 0
    gone = asyncio.create_task(_hung_up(receive))
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                sent += len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": sent < length})
                # Neither of the two waits where the file is in memory and the client is gone, or as quick: without
                # this the loop would do nothing else until the end of the file, and never hear who hung up
                await asyncio.sleep(0)
                if gone.done():
                    break
    finally:
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
    return sent


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
