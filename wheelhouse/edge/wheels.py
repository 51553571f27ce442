"""Core metadata, size and digest of single wheels, with as few bytes asked for as will do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wheelhouse import metadata as core
from wheelhouse.digests import Digest
from wheelhouse.edge.cache import Cache
from wheelhouse.edge.contents import ContentsReader, NoRanges, Tails
from wheelhouse.edge.files import local_path
from wheelhouse.edge.http_errors import HttpError, TooLarge
from wheelhouse.edge.store import Store
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Listener, Noted, ignore
from wheelhouse.lock import LockedWheel
from wheelhouse.metadata import BadMetadata
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.simple import File

if TYPE_CHECKING:
    from wheelhouse.edge.http import Http

_LARGEST_ANSWER = 80 * 2**20  # bytes that a server may send whole where a range was asked for
_DIGITS = 18  # of a size in bytes that can be one


class NotCached(WheelhouseError):
    """`--offline`, and no earlier run has seen this."""

    hint = "run the same command once without `--offline`"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} is not in the cache, and `--offline` forbids to ask for it"


class WheelReader:
    """Asks files' own servers, for every target of a run. Safe to share between threads; it decides nothing.

    `sizes` gathers file sizes (bytes) by URL that answers told on the way; `contents` tells what is in the wheels.
    """

    def __init__(
        self, http: Http, cache: Cache, store: Store, *, offline: bool = False, listen: Listener = ignore
    ) -> None:
        self._http, self._cache, self._store, self._offline, self._listen = http, cache, store, offline, listen
        self.sizes: dict[str, int] = {}
        self._tails = Tails(http)
        self.contents = ContentsReader(cache, store, self._tails, offline=offline, listen=listen)

    def metadata(self, candidate: Candidate) -> core.CoreMetadata:
        """The core metadata of the candidate's own wheel: from the cache, its PEP 658 file, its tail, or all of it.

        Raises `BadMetadata` for a wheel that cannot be used, and what `Http` raises for one that cannot be had.
        """
        file = candidate.file
        kept = self._cache.metadata(file.digest, file.url) if file.digest is not None else None
        if kept is not None:
            content, size = kept
            if size is not None:
                self.sizes[file.url] = size
            return core.unpack(content, filename=file.filename, name=candidate.project, version=candidate.version)
        content = self._read_metadata(file)
        found: core.CoreMetadata | None = None
        try:
            found = core.parse(content, filename=file.filename, name=candidate.project, version=candidate.version)
            return found
        finally:
            self._cache.later(lambda: self._keep(file, found, content))

    def _keep(self, file: File, metadata: core.CoreMetadata | None, content: bytes) -> None:
        """What could not be parsed is kept as it is."""
        if file.digest is not None:
            packed = content if metadata is None else core.pack(metadata)
            self._cache.keep_metadata(file.digest, file.url, packed, self.sizes.get(file.url, file.size))

    def at_hand(self, candidate: Candidate) -> bool:
        """Whether the cache has the candidate's core metadata."""
        file = candidate.file
        return file.digest is not None and self._cache.has_metadata(file.digest, file.url)

    def stored_metadata(self, wheel: LockedWheel) -> core.CoreMetadata:
        """The core metadata of a wheel that the store has. Raises `BadMetadata`."""
        return core.parse(_from_disk(self._store.path(wheel.digest), wheel.filename), filename=wheel.filename)

    def _read_metadata(self, file: File) -> bytes:
        path = local_path(file.url)
        if path is not None:
            return _from_disk(path, file.filename)
        if file.digest is not None and self._store.has(file.digest, file.size):
            return _from_disk(self._store.path(file.digest), file.filename)
        if self._offline:
            from wheelhouse.edge.download import last_seen

            seen = last_seen(file.url, self._store) if file.digest is None else None
            if seen is None:
                raise NotCached(f"the metadata of `{file.filename}`")
            return _from_disk(self._store.path(seen[0]), file.filename)
        if file.metadata:
            content = self._advertised(file)
            if content is not None:
                return content
        content = self._from_tail(file)
        return content if content is not None else self._from_whole(file)

    def _advertised(self, file: File) -> bytes | None:
        """The PEP 658 file; None where it is missing or not the one that the page promised."""
        try:
            answer = self._http.get(file.metadata_url, limit=core.LARGEST_METADATA)
        except TooLarge as error:
            self._listen(Noted(f"the metadata file of `{file.filename}` is not used: {error}"))
            return None
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
            found, self.sizes[file.url] = self._tails.read(
                file.url, lambda sparse: core.read_metadata(sparse, file.filename), whole=_LARGEST_ANSWER, keep=True
            )
            return found
        except NoRanges:
            return None
        except (TooLarge, ValueError) as error:
            self._listen(Noted(f"ranges of `{file.filename}` cannot be used: {error}"))
        return None

    def _from_whole(self, file: File) -> bytes:
        self._listen(Noted(f"`{file.filename}` is fetched whole for its metadata: its server does not serve ranges"))
        from wheelhouse.edge.download import fetch_unknown

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
        if answer.status_code != 200 or not length.isdecimal() or len(length) > _DIGITS:
            return None
        self._cache.later(lambda: self._keep_size(file, int(length)))
        return int(length)

    def _keep_size(self, file: File, size: int) -> None:
        kept = self._cache.metadata(file.digest, file.url) if file.digest is not None else None
        if kept is not None and file.digest is not None:
            self._cache.keep_metadata(file.digest, file.url, kept[0], size)

    def digest(self, file: File) -> tuple[Digest, int]:
        """The digest and size of a file whose index tells none: it is fetched into the store."""
        from wheelhouse.edge import download

        if self._offline and local_path(file.url) is None:
            seen = download.last_seen(file.url, self._store)
            if seen is None:
                raise NotCached(f"`{file.filename}`, whose index gives no digest,")
            return seen
        return download.fetch_unknown(file.filename, file.url, self._store, self._http, listen=self._listen)


def _from_disk(path: Path, filename: str) -> bytes:
    try:
        with path.open("rb") as wheel:
            return core.read_metadata(wheel, filename)
    except OSError as error:
        raise BadMetadata(filename, str(error)) from error
