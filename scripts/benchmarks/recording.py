"""A proxy on the loopback that answers as the index and keeps, in a tree, what it was asked."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks import tree
from packaging.utils import canonicalize_name

from wheelhouse.metadata import BadMetadata, Missing, SparseFile, read_metadata
from wheelhouse.simple import ACCEPT, parse_page

TAIL = 64 * 1024  # bytes of a wheel that are read at least
_LARGEST_TAIL = 32 * 2**20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class NotThere(Exception):
    """The index says that it has no such thing."""


class Recorder:
    """Fills `folder` from the index at `upstream`, each thing once. Safe to share between threads."""

    def __init__(self, folder: Path, upstream: str, *, tls: ssl.SSLContext | None = None, proxy: str | None = None):
        self.folder, self._upstream = folder, upstream.rstrip("/")
        proxies = None if proxy is None else {"http": proxy, "https": proxy}
        handlers: list[Any] = [urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=tls)]
        self._opener = urllib.request.build_opener(*handlers)
        self._locks: dict[str, threading.Lock] = {}
        self._urls: dict[str, str] = {}
        self._guard = threading.Lock()
        for path in (folder / "upstream").glob("*.json"):
            self._urls.update(json.loads(path.read_text()))

    def answer(self, target: str, headers: Mapping[str, str]) -> tree.Answer:
        """The tree's answer; what it lacks is asked of the index first. `headers` are named in lower case."""
        if project := tree.project_of(target):
            with self._one_at_a_time(project):
                self._page(project)
        elif file := tree.file_of(target):
            with self._one_at_a_time(file[0]):
                self._file(self.folder / "files" / file[0] / file[1], headers)
        return tree.answer(self.folder, target, headers)

    @contextlib.contextmanager
    def _one_at_a_time(self, name: str) -> Iterator[None]:
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            yield

    def _page(self, project: str) -> None:
        path = self.folder / "simple" / project / "index.json"
        if path.exists() or tree.absent(path).exists():
            return
        try:
            url, content_type, body = self._get(f"{self._upstream}/{project}/", {"Accept": ACCEPT})
        except NotThere:
            tree.put(tree.absent(path), b"")
            return
        page = json.loads(body) if "json" in content_type else _as_json(project, url, content_type, body)
        urls = {}
        for file in page["files"]:
            at = urllib.parse.urljoin(url, file["url"]).partition("#")[0]
            key = tree.key_of(at)
            urls[key] = at
            file["url"] = f"../../files/{key}/{file['filename']}"
            if file.get("provenance"):
                file["provenance"] = None  # a URL, and nobody asks it while resolving
            if file["filename"].endswith(".whl") and not _speaks_of_metadata(file):
                file["core-metadata"] = file["data-dist-info-metadata"] = True  # read out of the wheel when asked for
        tree.put(self.folder / "upstream" / f"{project}.json", json.dumps(urls).encode())
        with self._guard:
            self._urls.update(urls)
        tree.write_page(self.folder, project, json.dumps(page, separators=(",", ":")).encode())

    def _file(self, path: Path, headers: Mapping[str, str]) -> None:
        url = self._urls.get(path.parent.name)
        if url is None or tree.absent(path).exists():
            return
        try:
            if path.suffix == ".metadata":
                if not path.exists():
                    tree.put(path, self._metadata(url, path.name.removesuffix(".metadata")))
            else:
                self._tail(path, url, headers.get("range", ""))
        except (NotThere, BadMetadata):
            tree.put(tree.absent(path), b"")

    def _metadata(self, url: str, filename: str) -> bytes:
        with contextlib.suppress(NotThere):
            return self._get(f"{url}.metadata", {})[2]
        first, body, size = self._range(url, f"-{TAIL}")
        wheel = SparseFile(size)
        wheel.add(first, body)
        while True:
            try:
                return read_metadata(wheel, filename)
            except Missing as gap:
                wheel.add(*self._range(url, f"{gap.start}-{gap.end - 1}")[:2])

    def _tail(self, path: Path, url: str, wanted: str) -> None:
        """Keep the wheel from the first byte that is wanted to its end."""
        tail, size = path.with_name(f"{path.name}.tail"), path.with_name(f"{path.name}.size")
        if not size.exists():
            _, body, whole = self._range(url, f"-{TAIL}")
            tree.put(tail, body)
            tree.put(size, str(whole).encode())
        whole, have = int(size.read_text()), tail.stat().st_size
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
        if found is None or not (found[1] or found[2]):
            return
        first = int(found[1]) if found[1] else max(0, whole - int(found[2]))
        if whole - have > first and whole - first <= _LARGEST_TAIL:
            _, body, _ = self._range(url, f"{first}-{whole - have - 1}")
            tree.put(tail, body + tail.read_bytes())

    def _range(self, url: str, wanted: str) -> tuple[int, bytes, int]:
        """(offset, bytes, size of the file)."""
        with self._open(url, {"Range": f"bytes={wanted}"}) as given:
            told = _CONTENT_RANGE.fullmatch(given.headers.get("Content-Range", ""))
            if given.status == 206 and told is not None:
                return int(told[1]), given.read(), int(told[3])
            size = int(given.headers.get("Content-Length") or 0)
            if size > _LARGEST_TAIL:
                raise NotThere  # it serves no ranges, and 700 MB are not fetched for the end of them
            body = given.read()
            return 0, body, len(body)

    def _get(self, url: str, headers: Mapping[str, str]) -> tuple[str, str, bytes]:
        """(URL at the end of redirects, content type, body)."""
        with self._open(url, {"Accept-Encoding": "gzip", **headers}) as given:
            body = given.read()
            if given.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            return given.url, given.headers.get("Content-Type", ""), body

    def _open(self, url: str, headers: Mapping[str, str]) -> Any:
        for attempt in range(4):
            try:
                return self._opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=60)
            except urllib.error.HTTPError as error:
                if error.code in (403, 404, 410, 416):
                    raise NotThere from error
                if attempt == 3:
                    raise
            except OSError:
                if attempt == 3:
                    raise
        raise AssertionError


@contextlib.contextmanager
def recording(recorder: Recorder) -> Iterator[str]:
    """The URL of a proxy that records."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            asked = {name.lower(): value for name, value in self.headers.items()}
            try:
                given = recorder.answer(self.path, asked)
            except Exception as error:  # noqa: BLE001  the tool that asked shall see it
                given = tree.Answer(502, body=str(error).encode())
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(given.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, *_: object) -> None:
            pass  # a client that went away

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _speaks_of_metadata(file: Mapping[str, Any]) -> bool:
    return any(name in file for name in ("core-metadata", "data-dist-info-metadata", "dist-info-metadata"))


def _as_json(project: str, url: str, content_type: str, body: bytes) -> dict[str, Any]:
    """A page of an index that speaks HTML only; it gives no sizes and no upload times."""
    page = parse_page(canonicalize_name(project), url, content_type, body)
    files = []
    for file in page.files:
        entry: dict[str, Any] = {"filename": file.filename, "url": file.url, "yanked": file.yanked is not None}
        entry["hashes"] = {} if file.digest is None else {"sha256": file.digest.hex}
        entry["requires-python"] = file.requires_python
        if file.yanked:
            entry["yanked"] = file.yanked
        if file.metadata:
            entry["core-metadata"] = {"sha256": file.metadata_digest.hex} if file.metadata_digest else True
        files.append(entry)
    return {"meta": {"api-version": "1.0"}, "name": project, "files": files}
