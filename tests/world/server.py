"""FakeIndex: an emulation of PyPI on the loopback; faults and the proxy come along for the tests' imports."""

from __future__ import annotations

import gzip
import hashlib
import re
import threading
from collections.abc import Callable
from typing import Literal
from urllib.parse import quote, unquote

from wheelhouse.digests import Digest
from world import pages
from world.faults import (
    ChangeETag,
    Corrupt,
    Fault,
    IgnoreRange,
    NoLength,
    Redirect,
    Replace,
    Request,
    Reset,
    Response,
    Slow,
    Stall,
    Status,
    Truncate,
)
from world.loopback import LoopbackServer
from world.pages import Form, Listed
from world.proxy import FakeProxy
from world.wheels import SdistFile, WheelFile

__all__ = [
    "ChangeETag",
    "Corrupt",
    "FakeIndex",
    "FakeProxy",
    "Fault",
    "FileServer",
    "Form",
    "IgnoreRange",
    "Listed",
    "NoLength",
    "Redirect",
    "Replace",
    "Request",
    "Reset",
    "Response",
    "Slow",
    "Stall",
    "Status",
    "Truncate",
]

_MODIFIED = "Mon, 01 Jan 2024 00:00:00 GMT"


class FileServer(LoopbackServer):
    """Serves bytes by path, with validators and ranges as a static file host does.

    `ranges=False` ignores Range headers. `validator` is the kind of ETag that files carry.
    """

    def __init__(
        self,
        *,
        tls: bool = False,
        auth: tuple[str, str] | None = None,
        ranges: bool = True,
        validator: Literal["strong", "weak", "none"] = "strong",
    ) -> None:
        super().__init__(tls=tls, auth=auth)
        self.ranges, self.validator = ranges, validator
        self.files: dict[str, bytes] = {}  # by decoded path
        self.file_headers = {
            "Content-Type": "application/octet-stream",
            "Cache-Control": "max-age=365000000, immutable, public",
        }
        self._etags: dict[str, tuple[bytes, str]] = {}

    def answer(self, request: Request) -> Response:
        path = unquote(request.path.partition("?")[0])
        content = self.files.get(path)
        if content is None:
            return Response(404, {"Content-Type": "text/plain"}, b"404 Not Found\n")
        return self._ranged(request, content, {**self.file_headers, **self._validators(path, content)})

    def _validators(self, path: str, content: bytes) -> dict[str, str]:
        if self.validator == "none":
            return {}
        held = self._etags.get(path)
        if held is None or held[0] is not content:
            held = self._etags[path] = content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return {"ETag": f"W/{held[1]}" if self.validator == "weak" else held[1], "Last-Modified": _MODIFIED}

    def _ranged(self, request: Request, content: bytes, headers: dict[str, str]) -> Response:
        if not self.ranges:
            return Response(200, headers, content)
        headers["Accept-Ranges"] = "bytes"
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
        if asked is None or asked.groups() == ("", "") or request.method != "GET":
            return Response(200, headers, content)
        condition = request.headers.get("if-range")
        if condition is not None and (condition.startswith("W/") or condition not in _strong(headers)):
            return Response(200, headers, content)  # RFC 9110, 13.1.5: a weak validator never matches
        first, last = asked.groups()
        start = int(first) if first else max(0, len(content) - int(last))
        end = min(int(last) + 1, len(content)) if first and last else len(content)
        if start >= end:
            return Response(416, {**headers, "Content-Range": f"bytes */{len(content)}"})
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        return Response(206, headers, content[start:end], offset=start)


class FakeIndex(FileServer):
    """PyPI on the loopback: `/simple/` pages, `/files/…` with `.metadata` beside the wheels.

    `form`: `both` negotiates as PyPI does, `json` and `html` offer only that, `html-only` is a static text/html page
    whatever is asked. `links` says whether pages point at files by absolute URL (as PyPI does) or relatively.
    `compress` lets pages be gzipped where the client accepts it.
    """

    def __init__(
        self,
        *,
        form: Form = "both",
        tls: bool = False,
        auth: tuple[str, str] | None = None,
        ranges: bool = True,
        validator: Literal["strong", "weak", "none"] = "strong",
        links: Literal["absolute", "relative"] = "absolute",
        compress: bool = True,
    ) -> None:
        super().__init__(tls=tls, auth=auth, ranges=ranges, validator=validator)
        self.form: Form = form
        self.links, self.compress = links, compress
        self.simple = f"{self.url}/simple"
        self.page_headers = {"Cache-Control": "max-age=600, public", "Vary": "Accept, Accept-Encoding"}
        self.projects: dict[str, list[Listed]] = {}
        self._pending: dict[str, Callable[[], None]] = {}
        self._filling = threading.RLock()

    def add(
        self,
        file: WheelFile | SdistFile | tuple[str, bytes],
        *,
        project: str | None = None,
        requires_python: str | None = "from-metadata",
        yanked: bool | str = False,
        upload_time: str | None = "2024-01-01T00:00:00.000000Z",
        digest: bool | str | Digest = True,
        metadata: Literal["core", "dist-info", "both", False] = "core",
        metadata_digest: bool | str | Digest | None = None,
        size: bool = True,
        url: str | None = None,
    ) -> Listed:
        """List a file and serve it.

        `digest`: True tells the right one, False none, anything else is told as it stands. `metadata` is the spelling
        of the PEP 658 promise, False for no promise and no `.metadata` file; `metadata_digest`: None the right one,
        True a promise without a digest, anything else a lie. `url` is what the page points at instead.
        """
        if isinstance(file, tuple):
            filename, content = file
            held, told_python = None, None
        else:
            filename, content = file.filename, file.content
            held, told_python = file.metadata if isinstance(file, WheelFile) else None, file.requires_python
        promised = held is not None and metadata is not False
        right = hashlib.sha256(content).hexdigest()
        path = f"/files/{right[:2]}/{right[2:4]}/{right[4:]}/{filename}"
        where = self.url + quote(path)
        core: bool | str = False
        if promised and held is not None:
            lie = metadata_digest if metadata_digest is not None else Digest.of(held)
            core = lie if isinstance(lie, bool) else pages.as_hex(lie)
        listed = Listed(
            filename=filename,
            url=where,
            href=url if url is not None else where if self.links == "absolute" else "../.." + quote(path),
            content=content,
            metadata=held if promised else None,
            digest=None if digest is False else right if digest is True else pages.as_hex(digest),
            requires_python=told_python if requires_python == "from-metadata" else requires_python,
            yanked=yanked,
            upload_time=upload_time,
            size=len(content) if size else None,
            core_metadata=core,
            spelling=metadata or "core",
        )
        self.files[path] = content
        if listed.metadata is not None:
            self.files[f"{path}.metadata"] = listed.metadata
        self.projects.setdefault(pages.normalized(project or pages.project_of(filename)), []).append(listed)
        return listed

    def provide(self, project: str, fill: Callable[[], None]) -> None:
        """Let `fill` add the project's files when they are first asked for: a world with many wheels starts at once."""
        self._pending[pages.normalized(project)] = fill

    def remove(self, filename: str) -> None:
        """Take a file from its page; its bytes can still be had, as after a deletion from a cached host."""
        for listed in self.projects.values():
            listed[:] = [entry for entry in listed if entry.filename != filename]

    def listed(self, filename: str) -> Listed:
        """The entry of a file by its name."""
        self.complete()
        return next(entry for entries in self.projects.values() for entry in entries if entry.filename == filename)

    def complete(self) -> None:
        """Fill in every project that `provide` left for later."""
        for name in list(self._pending):
            self._fill(name)

    def _fill(self, name: str) -> None:
        with self._filling:
            fill = self._pending.get(name)
            if fill is not None:
                fill()
                del self._pending[name]

    def answer(self, request: Request) -> Response:
        path = unquote(request.path.partition("?")[0])
        if path == "/simple":
            return _moved("/simple/")
        if path == "/simple/":
            return self._root(request)
        if (named := re.fullmatch(r"/simple/([^/]+)(/?)", path)) is not None:
            name = pages.normalized(named[1])
            if not named[2] or name != named[1]:
                return _moved(f"/simple/{name}/")
            return self._project(name, request)
        if path not in self.files and path.startswith("/files/"):
            self.complete()  # a client that knows the file from an earlier page
        return super().answer(request)

    def _root(self, request: Request) -> Response:
        with self._filling:
            names = sorted({*self.projects, *self._pending})
        kind = pages.negotiated(self.form, request.headers.get("accept"))
        return self._page(request, kind, (pages.root_json if kind == pages.JSON else pages.root_html)(names))

    def _project(self, name: str, request: Request) -> Response:
        self._fill(name)
        files = self.projects.get(name)
        if files is None:
            return Response(404, {"Content-Type": "text/plain"}, b"404 Not Found\n")
        kind = pages.negotiated(self.form, request.headers.get("accept"))
        render = pages.project_json if kind == pages.JSON else pages.project_html
        return self._page(request, kind, render(name, files))

    def _page(self, request: Request, kind: str, body: bytes) -> Response:
        etag = f'"{hashlib.sha256(kind.encode() + body).hexdigest()[:22]}"'
        headers = {**self.page_headers, "ETag": etag}
        if etag in request.headers.get("if-none-match", ""):
            return Response(304, headers)
        headers["Content-Type"] = f"{kind}; charset=UTF-8" if kind == pages.PLAIN else kind
        if self.compress and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(200, {**headers, "Content-Encoding": "gzip"}, gzip.compress(body, 1, mtime=0))
        return Response(200, headers, body)


def _moved(to: str) -> Response:
    return Response(301, {"Location": to})


def _strong(headers: dict[str, str]) -> tuple[str | None, ...]:
    return headers.get("ETag"), headers.get("Last-Modified")
