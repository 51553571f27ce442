"""FakePyTorch: download.pytorch.org/whl on the loopback, as its generator printed it in the autumn of 2025.

That is: static HTML whatever is asked, own copies of third-party files beside the channels, `.metadata` only for what
was uploaded since January 2025, a 403 from S3 for everything that is not there.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal
from urllib.parse import unquote

from wheelhouse.digests import Digest
from world.faults import Request, Response
from world.pages import as_hex
from world.server import FileServer
from world.wheels import SdistFile, WheelFile

CHANNELS = ("cpu", "cu118", "cu121", "cu124", "cu126", "cu128")
DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message>'
    b"<RequestId>0000000000000000</RequestId><HostId>00000000</HostId></Error>"
)


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """One line of a project page. `url` is where the bytes lie on this server, `href` what the page says."""

    filename: str
    channel: str  # "" for files directly under /whl/
    key: str
    url: str
    href: str
    digest: str | None
    metadata_digest: str | None
    requires_python: str | None

    def __str__(self) -> str:
        attributes = f'href="{self.href}' + (f'#sha256={self.digest}"' if self.digest else '"')
        if self.metadata_digest is not None:
            attributes += f' data-dist-info-metadata="sha256={self.metadata_digest}"'
            attributes += f' data-core-metadata="sha256={self.metadata_digest}"'
        if self.requires_python is not None:
            attributes += f' data-requires-python="{self.requires_python.replace(">", "&gt;")}"'
        return f"    <a {attributes}>{self.filename}</a><br/>"


class FakePyTorch(FileServer):
    """`base` is what `--pytorch-url` names, `channel("cu121")` one index under it.

    Unless `empty` it comes with its world: torch, torchvision and torchaudio of five versions, triton, NVIDIA's
    libraries, xformers, and the old third-party copies. `timestamp` ends every page.
    """

    def __init__(
        self,
        *,
        empty: bool = False,
        tls: bool = False,
        auth: tuple[str, str] | None = None,
        ranges: bool = True,
        validator: Literal["strong", "weak", "none"] = "strong",
        timestamp: int = 1760000000,
    ) -> None:
        super().__init__(tls=tls, auth=auth, ranges=ranges, validator=validator)
        self.base = f"{self.url}/whl"
        self.timestamp = timestamp
        self.file_headers = {"Content-Type": "binary/octet-stream"}
        self.page_headers = {"Content-Type": "text/html", "Cache-Control": "no-cache,no-store,must-revalidate"}
        self.channels = set(CHANNELS)
        self.projects: dict[str, list[Anchor]] = {}
        self._pending: dict[str, Callable[[], None]] = {}
        self._filling = threading.RLock()
        if not empty:
            self._come_to_life()

    def _come_to_life(self) -> None:
        from world.channels import contents  # which build on this class's `add`

        for project, fill in contents().items():
            self.provide(project, partial(fill, self))

    def channel(self, name: str) -> str:
        """The index URL of a channel."""
        return f"{self.base}/{name}"

    def add(
        self,
        file: WheelFile | SdistFile | tuple[str, bytes],
        *,
        channel: str = "",
        digest: bool | str | Digest = True,
        metadata: bool = False,
        metadata_digest: str | Digest | None = None,
        requires_python: str | None = None,
        href: str | None = None,
    ) -> Anchor:
        """List a file in `channel`, or directly under `/whl/`, from where every channel lists it.

        `digest`: True tells the right one, False none, anything else a lie. `metadata` puts `.metadata` beside it and
        tells its digest (`metadata_digest` to lie). `href` is what the page points at instead: another host, say.
        """
        filename, content = file if isinstance(file, tuple) else (file.filename, file.content)
        key = f"/whl/{channel}/{filename}" if channel else f"/whl/{filename}"
        beside = None if isinstance(file, tuple) or not metadata else file.metadata
        told: str | None = None
        if beside is not None:
            told = as_hex(metadata_digest if metadata_digest is not None else Digest.of(beside))
            self.files[f"{key}.metadata"] = beside
        right = hashlib.sha256(content).hexdigest()
        anchor = Anchor(
            filename=filename,
            channel=channel,
            key=key.replace("+", "%2B"),
            url=self.url + key.replace("+", "%2B").replace(" ", "%20"),
            href=href if href is not None else key.replace("+", "%2B"),
            digest=None if digest is False else right if digest is True else as_hex(digest),
            metadata_digest=told,
            requires_python=requires_python,
        )
        self.files[key] = content
        if channel:
            self.channels.add(channel)
        # The first '-'-separated field, lower case, '_' as '-'; dots are not touched.
        self.projects.setdefault(filename.split("-")[0].lower().replace("_", "-"), []).append(anchor)
        return anchor

    def provide(self, project: str, fill: Callable[[], None]) -> None:
        """Let `fill` add the project's files when they are first asked for."""
        self._pending[project] = fill

    def complete(self) -> None:
        """Fill in every project that `provide` left for later."""
        for name in list(self._pending):
            self._fill(name)

    def listed(self, filename: str, *, channel: str = "") -> Anchor:
        """The anchor of a file in a channel, or directly under `/whl/`."""
        self.complete()
        found = (anchor for anchors in self.projects.values() for anchor in anchors if anchor.filename == filename)
        return next(anchor for anchor in found if anchor.channel == channel)

    def _fill(self, name: str) -> None:
        with self._filling:
            fill = self._pending.get(name)
            if fill is not None:
                fill()
                del self._pending[name]

    def answer(self, request: Request) -> Response:
        raw = request.path.partition("?")[0]
        path = unquote(raw)
        if not path.startswith("/whl/"):
            return _denied()
        if path.endswith("/"):
            return self._page(request, path)
        if path not in self.files:
            self.complete()
        if path not in self.files or "+" in raw:  # S3 reads a bare + in a path as a blank
            return _denied()
        return super().answer(request)

    def _page(self, request: Request, path: str) -> Response:
        rest = path[len("/whl/") : -1]
        channel, _, project = rest.rpartition("/")
        is_root = rest == "" or rest in self.channels
        lines = self._root(rest) if is_root else self._project(channel, project)
        if lines is None:
            return _denied()
        frame = ("<!DOCTYPE html>", "<html>", "  <body>", *lines, "  </body>", "</html>")
        body = "\n".join((*frame, f"<!--TIMESTAMP {self.timestamp}-->")).encode()
        headers = {**self.page_headers, "ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(304, headers)
        return Response(200, headers, body)

    def _root(self, channel: str) -> list[str]:
        self.complete()
        names = [
            name
            for name, anchors in self.projects.items()
            if channel == "" or any(anchor.channel in ("", channel) for anchor in anchors)
        ]
        names.sort(key=lambda name: name.replace("-", "_"))
        return [f'    <a href="{name}/">{name}</a><br/>' for name in names]

    def _project(self, channel: str, project: str) -> list[str] | None:
        self._fill(project)
        if channel and channel not in self.channels:
            return None
        anchors = [
            anchor
            for anchor in self.projects.get(project, ())
            if anchor.channel in ("", channel) or (channel == "" and "/" not in anchor.channel)
        ]
        if not anchors:
            return None
        anchors.sort(key=lambda anchor: anchor.key)
        return [f"    <h1>Links for {project}</h1>", *map(str, anchors)]


def fake_pytorch(*, tls: bool = False, auth: tuple[str, str] | None = None) -> FakePyTorch:
    """PyTorch's index with its world; enter it to start it."""
    return FakePyTorch(tls=tls, auth=auth)


def _denied() -> Response:
    return Response(403, {"Content-Type": "application/xml"}, DENIED)
