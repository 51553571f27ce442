"""Project pages from indexes, find-links pages and folders.

The answers that are told apart: a page; None for "no such project"; `Refused`; an unreachable or failing host
(`http_errors`); nonsense (`NotAPage`); and under `--offline` what no earlier run has seen (`NotCached`).
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from msgspec import Struct
from packaging.utils import NormalizedName

from wheelhouse.edge.cache import Cache, CachedPage, lifetime
from wheelhouse.edge.files import local_path
from wheelhouse.edge.http_errors import Refused
from wheelhouse.edge.wheels import NotCached
from wheelhouse.errors import WheelhouseError
from wheelhouse.indexes import PYTORCH_URL, Index, channel_of
from wheelhouse.simple import ACCEPT, File, Listing, Page, listing, listing_of, parse_page
from wheelhouse.simple.listing import Bytes
from wheelhouse.simple.names import belongs
from wheelhouse.urls import host

if TYPE_CHECKING:
    from wheelhouse.edge.http import Answer, Http

_LISTING = "application/x-wheelhouse-listing; version=4"  # the form in which the cache keeps a project page
LARGEST_PAGE = 256 * 2**20  # bytes; the largest project pages have some 20 MiB


class NoFolder(WheelhouseError):
    """A find-links folder that cannot be read."""

    exit_code = 2

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"the find-links folder `{self.path}` cannot be read: {self.reason}"


class _Asked(Struct, frozen=True):
    status: int
    url: str
    content_type: str
    body: bytes
    listing: Listing | None = None  # of a project page


class PageReader:
    """Reads indexes for every target of a run. Safe to share between threads; it decides nothing.

    Under `pytorch_url`, and nowhere else, S3's
    AccessDenied means "no such project".
    """

    def __init__(
        self,
        http: Http,
        cache: Cache,
        *,
        offline: bool = False,
        refresh: bool = False,
        pytorch_url: str = PYTORCH_URL,
    ) -> None:
        """With `refresh` a page is asked about however fresh the cache's is; `offline` wins over it."""
        self._http, self._cache, self._offline = http, cache, offline
        self._refresh, self._pytorch_url = refresh, pytorch_url
        self._links: dict[Index, tuple[File, ...]] = {}
        self._links_read = threading.Lock()

    def page(self, index: Index, project: NormalizedName) -> Listing | None:
        """What the index lists for the project; None when it says that it has no such project."""
        if index.find_links:
            return self._find_links(index, project)
        folder = local_path(index.page_url(project))
        if folder is not None:
            return _local_page(folder / "index.html", index.page_url(project), project)
        asked = self._ask(index.page_url(project), project)
        if self._is_absent(index.page_url(project), asked):
            return None
        if asked.status != 200:
            raise Refused(asked.url, asked.status, proxy=self._http.proxy_for(asked.url))
        assert asked.listing is not None
        return asked.listing

    def at_hand(self, index: Index, project: NormalizedName) -> bool:
        """Whether the cache has the project's page and may answer for the index."""
        return not index.find_links and not self._refresh and self._cache.is_fresh(index.page_url(project))

    def _find_links(self, index: Index, project: NormalizedName) -> Listing | None:
        with self._links_read:  # one page for all projects: who comes second waits for the first
            if index not in self._links:
                self._links[index] = self._all_links(index, project)
        files = tuple(file for file in self._links[index] if belongs(file.filename, project))
        return listing_of(Page(project=project, url=index.url, files=files)) if files else None

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

    def _ask(self, url: str, project: NormalizedName | None = None) -> _Asked:
        """The answer for a page's URL, the cache's or the index's; with a project, its page as a listing."""
        cached = self._cache.page(url)
        known = _from_cache(cached, project) if cached is not None else None
        if cached is not None and known is not None:
            if self._offline or (cached.is_fresh() and not self._refresh):
                return known
        elif self._offline:
            raise NotCached(f"the page `{url}`")
        conditions = cached.conditions() if cached is not None and known is not None else {}
        answer = self._http.get(url, headers={"Accept": ACCEPT, **conditions}, limit=LARGEST_PAGE)
        if answer.status_code == 304 and cached is not None and known is not None:
            self._cache.later(lambda: self._keep(url, answer, cached.url, cached.content_type, cached.body, old=cached))
            return known
        status, at = answer.status_code, answer.url
        content_type, body = answer.headers.get("content-type", ""), answer.content
        if status == 200 and project is not None:
            found = listing(project, at, content_type, body)
            self._cache.later(lambda: self._keep(url, answer, at, _LISTING, found.dump()))
            return _Asked(status, at, _LISTING, b"", found)
        asked = _Asked(status, at, content_type, body)
        if status == 200:
            self._keep(url, answer, at, content_type, body)
        elif self._is_absent(url, asked):
            self._keep(url, answer, at, "", None)
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
        answer: Answer,
        url: str,
        content_type: str,
        body: Bytes | None,
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


def _local_page(path: Path, url: str, project: NormalizedName) -> Listing | None:
    """A project page of an index that is a folder."""
    try:
        return listing(project, url, "", path.read_bytes())
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


def _from_cache(cached: CachedPage, project: NormalizedName | None) -> _Asked | None:
    """The answer that an earlier run got; None where its entry cannot be used."""
    if cached.body is None:
        return _Asked(404, cached.url, cached.content_type, b"")
    if project is None:
        return _Asked(200, cached.url, cached.content_type, bytes(cached.body))
    found = Listing.load(cached.body) if cached.content_type == _LISTING else None
    return None if found is None else _Asked(200, cached.url, _LISTING, b"", found)


def shown(index: Index) -> str:
    """An index for a message: its host, or its folder."""
    path = local_path(index.url)
    return str(path) if path is not None else unquote(host(index.url))
