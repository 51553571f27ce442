"""Project pages and core metadata from the world: each read once a run, whoever asks and however often.

The answers that are told apart: a page; None for "no such project"; `Refused`; an unreachable or failing host
(`http_errors`); nonsense (`NotAPage`); and under `--offline` what no earlier run has seen (`NotCached`).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import httpx
from packaging.utils import NormalizedName

from wheelhouse import metadata as core
from wheelhouse.digests import Digest
from wheelhouse.edge.cache import Cache, CachedPage, lifetime
from wheelhouse.edge.download import fetch_unknown
from wheelhouse.edge.http import Http
from wheelhouse.edge.http_errors import HttpError, Refused, TooLarge
from wheelhouse.edge.store import Store
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Listener, Noted, ignore
from wheelhouse.indexes import PYTORCH_URL, Index, channel_of
from wheelhouse.metadata import BadMetadata, Missing, SparseFile
from wheelhouse.resolve.candidates import Candidate, belongs
from wheelhouse.simple import ACCEPT, File, Page, parse_page
from wheelhouse.urls import host

LARGEST_PAGE = 256 * 2**20  # bytes; the largest project pages have some 20 MiB
_TAIL = 32 * 2**10  # bytes of a wheel's end: central directory and METADATA of nine wheels in ten (measured on 90)
_ROUNDS = 6


class NotCached(WheelhouseError):
    """`--offline`, and no earlier run has seen this."""

    hint = "run the same command once without `--offline`"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} is not in the cache, and `--offline` forbids to ask for it"


class NoFolder(WheelhouseError):
    """A find-links folder that cannot be read."""

    exit_code = 2

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"the find-links folder `{self.path}` cannot be read: {self.reason}"


@dataclass(frozen=True, slots=True)
class _Asked:
    status: int
    url: str
    content_type: str
    body: bytes


class Reader:
    """Reads indexes for every target of a run. Safe to share between threads; it decides nothing.

    `sizes` gathers file sizes (bytes) by URL that answers told on the way. Under `pytorch_url`, and nowhere else, S3's
    AccessDenied means "no such project".
    """

    def __init__(
        self,
        http: Http,
        cache: Cache,
        store: Store,
        *,
        offline: bool = False,
        pytorch_url: str = PYTORCH_URL,
        listen: Listener = ignore,
    ) -> None:
        self._http, self._cache, self._store, self._offline, self._listen = http, cache, store, offline, listen
        self._pytorch_url = pytorch_url
        self._links: dict[Index, tuple[File, ...]] = {}
        self._links_read = threading.Lock()
        self.sizes: dict[str, int] = {}

    def page(self, index: Index, project: NormalizedName) -> Page | None:
        """What the index lists for the project; None when it says that it has no such project."""
        if index.find_links:
            return self._find_links(index, project)
        folder = local_path(index.page_url(project))
        if folder is not None:
            return _local_page(folder / "index.html", index.page_url(project), project)
        asked = self._ask(index.page_url(project))
        if self._is_absent(index.page_url(project), asked):
            return None
        if asked.status != 200:
            raise Refused(asked.url, asked.status, proxy=self._http.proxy_for(asked.url))
        return parse_page(project, asked.url, asked.content_type, asked.body)

    def _find_links(self, index: Index, project: NormalizedName) -> Page | None:
        with self._links_read:  # one page for all projects: who comes second waits for the first
            if index not in self._links:
                self._links[index] = self._all_links(index, project)
        files = tuple(file for file in self._links[index] if belongs(file.filename, project))
        return Page(project=project, url=index.url, files=files) if files else None

    def _all_links(self, index: Index, project: NormalizedName) -> tuple[File, ...]:
        path = local_path(index.url)
        if path is not None and path.is_dir():
            return _listed(path)
        if path is not None:
            try:
                body = path.read_bytes()
            except OSError as error:
                raise NoFolder(path, error.strerror or str(error)) from error
            return parse_page(project, index.url, "", body).files
        asked = self._ask(index.url)
        if asked.status != 200:
            raise Refused(asked.url, asked.status, proxy=self._http.proxy_for(asked.url))
        return parse_page(project, asked.url, asked.content_type, asked.body).files

    def _ask(self, url: str) -> _Asked:
        cached = self._cache.page(url)
        if cached is not None and (self._offline or cached.is_fresh()):
            return _from_cache(cached)
        if self._offline:
            raise NotCached(f"the page `{url}`")
        conditions = cached.conditions() if cached is not None else {}
        answer = self._http.get(url, headers={"Accept": ACCEPT, **conditions}, limit=LARGEST_PAGE)
        if answer.status_code == 304 and cached is not None:
            self._keep(url, answer, cached.url, cached.content_type, cached.body, old=cached)
            return _from_cache(cached)
        asked = _Asked(
            answer.status_code, str(answer.request.url), answer.headers.get("content-type", ""), answer.content
        )
        if asked.status == 200:
            self._keep(url, answer, asked.url, asked.content_type, asked.body)
        elif self._is_absent(url, asked):
            self._keep(url, answer, asked.url, "", None)
        return asked

    def _is_absent(self, url: str, asked: _Asked) -> bool:
        """404 and 410; and S3's AccessDenied, which PyTorch's index answers for a project that it does not have."""
        if asked.status in (404, 410):
            return True
        denied = asked.status == 403 and b"<Code>AccessDenied</Code>" in asked.body[:4096]
        return denied and channel_of(url, self._pytorch_url) is not None

    def _keep(
        self,
        asked: str,
        answer: httpx.Response,
        url: str,
        content_type: str,
        body: bytes | None,
        *,
        old: CachedPage | None = None,
    ) -> None:
        headers = answer.headers
        self._cache.keep_page(
            asked,
            CachedPage(
                url=url,
                content_type=content_type,
                body=body,
                etag=headers.get("etag", old.etag if old is not None else None),
                last_modified=headers.get("last-modified", old.last_modified if old is not None else None),
                expires=time.time() + lifetime(headers),
            ),
        )

    def metadata(self, candidate: Candidate) -> core.CoreMetadata:
        """The core metadata of the candidate's own wheel: from the cache, its PEP 658 file, its tail, or all of it.

        Raises `BadMetadata` for a wheel that cannot be used, and what `Http` raises for one that cannot be had.
        """
        file = candidate.file
        kept = self._cache.metadata(file.digest) if file.digest is not None else None
        if kept is not None:
            content, size = kept
            if size is not None:
                self.sizes[file.url] = size
        else:
            content = self._read_metadata(file)
            if file.digest is not None:
                self._cache.keep_metadata(file.digest, content, self.sizes.get(file.url, file.size))
        return core.parse(content, filename=file.filename, name=candidate.project, version=candidate.version)

    def _read_metadata(self, file: File) -> bytes:
        path = local_path(file.url)
        if path is not None:
            return _from_disk(path, file.filename)
        if file.digest is not None and self._store.has(file.digest, file.size):
            return _from_disk(self._store.path(file.digest), file.filename)
        if self._offline:
            raise NotCached(f"the metadata of `{file.filename}`")
        if file.metadata:
            content = self._advertised(file)
            if content is not None:
                return content
        content = self._from_tail(file)
        return content if content is not None else self._from_whole(file)

    def _advertised(self, file: File) -> bytes | None:
        """The PEP 658 file; None where it is missing or not the one that the page promised."""
        answer = self._http.get(file.metadata_url, limit=core.LARGEST_METADATA)
        if answer.status_code != 200:
            self._listen(Noted(f"`{file.filename}` has no metadata file, though its index says so"))
            return None
        if file.metadata_digest is not None and Digest.of(answer.content) != file.metadata_digest:
            self._listen(Noted(f"the metadata file of `{file.filename}` is not the promised one; the wheel is asked"))
            return None
        return answer.content

    def _from_tail(self, file: File) -> bytes | None:
        """METADATA by ranges from the wheel's end; None where the server does not serve ranges of it."""
        try:
            first = self._range(file.url, f"bytes=-{_TAIL}")
            if first is None:
                return None
            start, content, size = first
            sparse = SparseFile(size)
            sparse.add(start, content)
            for _ in range(_ROUNDS):
                try:
                    found = core.read_metadata(sparse, file.filename)
                    self.sizes[file.url] = size
                    return found
                except Missing as missing:
                    more = self._range(file.url, f"bytes={missing.start}-{missing.end - 1}")
                    if more is None or more[2] != size:
                        return None
                    sparse.add(more[0], more[1])
        except (TooLarge, ValueError) as error:
            self._listen(Noted(f"ranges of `{file.filename}` cannot be used: {error}"))
        return None

    def _range(self, url: str, wanted: str) -> tuple[int, bytes, int] | None:
        """(offset, bytes, size of the file) of a range; a server that ignores ranges may send a small file whole."""
        headers = {"Range": wanted, "Accept-Encoding": "identity"}
        answer = self._http.get(url, headers=headers, limit=80 * 2**20)
        if answer.status_code == 200:
            return 0, answer.content, len(answer.content)
        if answer.status_code != 206:
            if answer.status_code in (401, 403, 404, 410):
                raise Refused(url, answer.status_code, proxy=self._http.proxy_for(url))
            return None
        unit, _, rest = answer.headers.get("content-range", "").partition(" ")
        span, _, size = rest.partition("/")
        start, _, end = span.partition("-")
        if unit != "bytes" or not (start.isdecimal() and end.isdecimal() and size.isdecimal()):
            return None
        if int(end) - int(start) + 1 != len(answer.content) or int(end) >= int(size):
            return None
        return int(start), answer.content, int(size)

    def _from_whole(self, file: File) -> bytes:
        self._listen(Noted(f"`{file.filename}` is fetched whole for its metadata: its server does not serve ranges"))
        digest, size = fetch_unknown(file.filename, file.url, self._store, self._http, listen=self._listen)
        if file.digest is not None and digest != file.digest:
            raise BadMetadata(file.filename, f"the wheel is {digest}, but its index says {file.digest}")
        self.sizes[file.url] = size
        return _from_disk(self._store.path(digest), file.filename)

    def size(self, file: File) -> int | None:
        """The file's size in bytes, from an answer already seen or a HEAD; None where the server does not tell."""
        known = file.size if file.size is not None else self.sizes.get(file.url)
        if known is not None:
            return known
        path = local_path(file.url)
        try:
            if path is not None:
                return path.stat().st_size
            if self._offline:
                return None
            answer = self._http.head(file.url, headers={"Accept-Encoding": "identity"})
        except (HttpError, OSError):
            return None
        length = answer.headers.get("content-length", "")
        return int(length) if answer.status_code == 200 and length.isdecimal() else None

    def digest(self, file: File) -> tuple[Digest, int]:
        """The digest and size of a file whose index tells none: it is fetched into the store."""
        if self._offline and local_path(file.url) is None:
            raise NotCached(f"`{file.filename}`, whose index gives no digest,")
        return fetch_unknown(file.filename, file.url, self._store, self._http, listen=self._listen)


def local_path(url: str) -> Path | None:
    """The path that a `file:` URL names; None for any other URL."""
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _local_page(path: Path, url: str, project: NormalizedName) -> Page | None:
    """A project page of an index that is a folder."""
    try:
        return parse_page(project, url, "", path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NoFolder(path, error.strerror or str(error)) from error


def _listed(folder: Path) -> tuple[File, ...]:
    """The files of a find-links folder, by name."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise NoFolder(folder, error.strerror or str(error)) from error
    return tuple(File(filename=path.name, url=path.absolute().as_uri()) for path in paths)


def _from_disk(path: Path, filename: str) -> bytes:
    try:
        with path.open("rb") as wheel:
            return core.read_metadata(wheel, filename)
    except OSError as error:
        raise BadMetadata(filename, str(error)) from error


def _from_cache(cached: CachedPage) -> _Asked:
    body = cached.body
    return _Asked(404 if body is None else 200, cached.url, cached.content_type, body or b"")


def shown(index: Index) -> str:
    """An index for a message: its host, or its folder."""
    path = local_path(index.url)
    return str(path) if path is not None else unquote(host(index.url))
