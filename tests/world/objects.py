"""A store of objects on the loopback: as much of S3 as a mirror needs, heeding conditions as a real store does."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

Kind = Literal["s3", "ceph", "swift", "rclone"]


class Objects(ThreadingHTTPServer):
    """One bucket, in memory. Signatures are not looked at; `asked` is each method with its status."""

    daemon_threads = True

    def __init__(self, kind: Kind) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kind = kind
        self.held: dict[str, bytes] = {}
        self.asked: list[tuple[str, int]] = []
        self.damaged = False  # whether what is sent arrives with its first byte changed
        self.late = 0  # how many listings do not show yet what was put
        self.unlisted: dict[str, int] = {}
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def refusal(self, key: str, condition: str | None) -> int | None:
        """The status that a write with this `If-Match` is refused with."""
        if condition is None or self.kind == "rclone":
            return None
        if self.kind == "swift":
            return 501
        if key not in self.held:
            return 412
        etag = _etag(self.held[key])
        return None if condition == (etag.strip('"') if self.kind == "ceph" else etag) else 412

    def listed(self) -> dict[str, bytes]:
        """What a listing shows now."""
        shown = {key: content for key, content in self.held.items() if self.unlisted[key] <= 0}
        self.unlisted = {key: left - 1 for key, left in self.unlisted.items()}
        return shown


@contextmanager
def objects(kind: Kind) -> Iterator[Objects]:
    """The store, until the end of the block."""
    with Objects(kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Objects

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        key = unquote(url.path).split("/", 2)[2] if url.path.count("/") > 1 else ""
        with self.server.lock:
            if not key:
                prefix = parse_qs(url.query).get("prefix", [""])[0]
                self._answer(200, _listing(self.server.listed(), prefix))
            elif key in self.server.held:
                self._answer(200, self.server.held[key], _etag(self.server.held[key]))
            else:
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.server.damaged:
            content = b"?" + content[1:]
        key = unquote(urlsplit(self.path).path).split("/", 2)[2]
        with self.server.lock:
            status = self.server.refusal(key, self.headers.get("If-Match"))
            if status is not None:
                self._answer(status, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            if hashlib.sha256(content).hexdigest() != self.headers["x-amz-content-sha256"]:
                self._answer(400, b"<Error><Code>XAmzContentSHA256Mismatch</Code></Error>")
                return
            self.server.held[key] = content
            self.server.unlisted[key] = self.server.late
            self._answer(200, b"", _etag(content))

    def do_POST(self) -> None:
        """The bulk delete."""
        content = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        with self.server.lock:
            keys = re.findall("<Key>(.*?)</Key>", content)
            for key in keys:
                self.server.held.pop(key, None)
        rows = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{rows}</DeleteResult>".encode())

    def do_DELETE(self) -> None:
        with self.server.lock:
            self.server.held.pop(unquote(urlsplit(self.path).path).split("/", 2)[2], None)
        self._answer(204, b"")

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, status: int, body: bytes, etag: str | None = None) -> None:
        self.server.asked.append((self.command, status))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT")
        if etag is not None:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _listing(held: dict[str, bytes], prefix: str) -> bytes:
    rows = (
        f"<Contents><Key>{key}</Key><LastModified>2026-11-22T10:00:00.000Z</LastModified>"
        f"<ETag>{_etag(content)}</ETag><Size>{len(content)}</Size></Contents>"
        for key, content in sorted(held.items())
        if key.startswith(prefix)
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(rows)}</ListBucketResult>".encode()
