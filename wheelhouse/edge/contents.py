"""What single wheels hold, before they are downloaded: from the cache, the store, or a range of their end.

No wheel is ever downloaded for it: a server that does not serve ranges leaves it unknown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from packaging.utils import NormalizedName

from wheelhouse.contents import Contents, contents, pack, unpack
from wheelhouse.digests import Digest
from wheelhouse.edge.cache import Cache
from wheelhouse.edge.files import local_path
from wheelhouse.edge.http_errors import HttpError, Refused, TooLarge
from wheelhouse.edge.store import Store
from wheelhouse.edge.window import ContentRange
from wheelhouse.edge.workers import Task, Workers
from wheelhouse.events import Listener, Noted, ignore
from wheelhouse.lock import Lock, LockedWheel
from wheelhouse.metadata import BadMetadata, Missing, SparseFile, members
from wheelhouse.urls import origin

if TYPE_CHECKING:
    from wheelhouse.edge.http import Http

T = TypeVar("T")
_TAIL = 32 * 2**10  # bytes of a wheel's end: central directory and METADATA of nine wheels in ten (measured on 90)
_ROUNDS = 6
_LARGEST_DIRECTORY = 16 * 2**20  # bytes; torch's, with 10,600 members, has 2 MiB
_KEPT = 64 * 2**20  # bytes of tails that were read for METADATA


class NoRanges(Exception):  # not an error: the caller does without
    """The server does not serve ranges of this file, or other ones than were asked for."""


class Tails:
    """Files known by ranges of their end. Safe to share between threads; the last 64 MiB that were read are kept."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._kept: dict[str, SparseFile] = {}  # oldest first
        self._bytes = 0
        self._lock = threading.Lock()

    def read(self, url: str, reader: Callable[[SparseFile], T], *, whole: int = 0, keep: bool = False) -> tuple[T, int]:
        """What `reader` makes of the file, given ever more of it until it raises no `Missing`; and the file's size.

        A server that ignores ranges may send a file of `whole` bytes at most. With `keep` the next reader of the file
        goes on from here. Raises `NoRanges`, what `Http` raises, `ValueError`, and what `reader` raises.
        """
        sparse = self._taken(url)
        if sparse is None:
            start, content, size = self._range(url, f"-{_TAIL}", max(_TAIL, whole))
            sparse = SparseFile(size)
            sparse.add(start, content)
        for _ in range(_ROUNDS):
            try:
                found = reader(sparse)
            except Missing as gap:
                start, content, size = self._range(url, f"{gap.start}-{gap.end - 1}", max(gap.end - gap.start, whole))
                if size != sparse.size:
                    raise NoRanges from None
                sparse.add(start, content)
            else:
                if keep:
                    self._keep(url, sparse)
                return found, sparse.size
        raise NoRanges

    def _taken(self, url: str) -> SparseFile | None:
        with self._lock:
            sparse = self._kept.pop(url, None)
            self._bytes -= 0 if sparse is None else sparse.known
            return sparse

    def _keep(self, url: str, sparse: SparseFile) -> None:
        with self._lock:
            self._kept[url] = sparse
            self._bytes += sparse.known
            while self._bytes > _KEPT:
                self._bytes -= self._kept.pop(next(iter(self._kept))).known

    def _range(self, url: str, wanted: str, limit: int) -> tuple[int, bytes, int]:
        """(offset, bytes, size of the file) of a range; a server that ignores ranges may send a small file whole."""
        headers = {"Range": f"bytes={wanted}", "Accept-Encoding": "identity"}
        answer = self._http.get(url, headers=headers, limit=limit)
        if answer.status_code == 200:
            return 0, answer.content, len(answer.content)
        if answer.status_code in (401, 403, 404, 410):
            raise Refused(url, answer.status_code, proxy=self._http.proxy_for(url))
        told = ContentRange.of(answer)
        if told is None or told.total is None or told.last >= told.total:
            raise NoRanges
        if told.last - told.first + 1 != len(answer.content):
            raise NoRanges
        return told.first, answer.content, told.total


class ContentsReader:
    """Contents of wheels, for every target of a run. Safe to share between threads."""

    def __init__(
        self, cache: Cache, store: Store, tails: Tails, *, offline: bool = False, listen: Listener = ignore
    ) -> None:
        self._cache, self._store, self._tails, self._offline, self._listen = cache, store, tails, offline, listen
        self._known: dict[tuple[Digest, str], Contents] = {}
        self._asked: dict[tuple[Digest, str], Task[Contents | None]] = {}
        self._without: set[str] = set()  # origins that serve no ranges, or nothing at all

    def expect(self, wheel: LockedWheel, workers: Workers) -> None:
        """The contents of this wheel will be asked for soon."""
        if self.at_hand(wheel) is None:
            self._ask(wheel, workers)

    def _ask(self, wheel: LockedWheel, workers: Workers) -> Task[Contents | None]:
        key = wheel.digest, wheel.url
        if key not in self._asked:
            self._asked[key] = workers.submit(self.contents, wheel)
        return self._asked[key]

    def every(self, wheels: Iterable[LockedWheel], workers: Workers) -> dict[str, Contents]:
        """The contents of these wheels by file name, as far as they can be known; servers are asked all at once."""
        found: dict[str, Contents | None] = {}
        tasks: dict[str, Task[Contents | None]] = {}
        for wheel in wheels:
            found[wheel.filename] = self.at_hand(wheel)
            if found[wheel.filename] is None:
                tasks[wheel.filename] = self._ask(wheel, workers)
                workers.hurry(tasks[wheel.filename])
        found.update((filename, task.result()) for filename, task in tasks.items())
        return {filename: contents for filename, contents in found.items() if contents is not None}

    def of(self, lock: Lock, workers: Workers) -> dict[NormalizedName, Contents]:
        """The contents of a lock's wheels by project, as far as they can be known."""
        found = self.every([package.wheel for package in lock.packages], workers)
        return {each.name: found[each.wheel.filename] for each in lock.packages if each.wheel.filename in found}

    def at_hand(self, wheel: LockedWheel) -> Contents | None:
        """The contents as an earlier call, or an earlier run, found them."""
        known = self._known.get((wheel.digest, wheel.url))
        if known is not None:
            return known
        packed = self._cache.contents(wheel.digest, wheel.url)
        try:
            return None if packed is None else self._remember(wheel, unpack(packed))
        except ValueError:
            return None

    def contents(self, wheel: LockedWheel) -> Contents | None:
        """The wheel's contents; None where nothing can be known without downloading it."""
        found = self.at_hand(wheel)
        if found is None:
            found = self._from_disk(wheel) or self._from_tail(wheel)
            if found is not None:
                self._cache.later(lambda: self._cache.keep_contents(wheel.digest, wheel.url, pack(found)))
                self._remember(wheel, found)
        return found

    def _remember(self, wheel: LockedWheel, found: Contents) -> Contents:
        self._known[wheel.digest, wheel.url] = found
        return found

    def _from_disk(self, wheel: LockedWheel) -> Contents | None:
        path = local_path(wheel.url)
        if path is None and self._store.has(wheel.digest, wheel.size):
            path = self._store.path(wheel.digest)
        try:
            if path is not None:
                with path.open("rb") as file:
                    return contents(members(file, wheel.filename))
        except (OSError, BadMetadata, ValueError) as error:
            self._tell(wheel, error)
        return None

    def _from_tail(self, wheel: LockedWheel) -> Contents | None:
        server = origin(wheel.url)
        if self._offline or server in self._without or local_path(wheel.url) is not None:
            return None
        try:
            return self._tails.read(wheel.url, lambda sparse: _listed(sparse, wheel.filename))[0]
        except (NoRanges, TooLarge):
            self._without.add(server)
            self._listen(Noted(f"what is in `{wheel.filename}` is not known: its server does not serve ranges"))
        except (HttpError, BadMetadata, ValueError) as error:
            if isinstance(error, HttpError) and not isinstance(error, Refused):
                self._without.add(server)  # it cannot be reached: nobody waits for that once per wheel
            self._tell(wheel, error)
        return None

    def _tell(self, wheel: LockedWheel, error: Exception) -> None:
        self._listen(Noted(f"what is in `{wheel.filename}` is not known: {error}"))


def _listed(sparse: SparseFile, filename: str) -> Contents:
    try:
        return contents(members(sparse, filename))
    except Missing as gap:
        if gap.end - gap.start > _LARGEST_DIRECTORY:
            raise ValueError(f"its directory has {gap.end - gap.start} bytes") from None
        raise
