"""Wheels on disk by SHA-256, shared by all targets and by all runs.

<root>/sha256/ab/<hex>.whl             whole, verified, read-only (it may have hard links elsewhere)
<root>/sha256/ab/<hex>.partial         a contiguous prefix of it
<root>/sha256/ab/<hex>.source.json     where the prefix came from, and that server's validator
<root>/sha256/ab/<hex>.lock            held by the one process and thread that writes the three above
<root>/incoming/<hex of the URL>.…     the same for a file whose digest nobody told
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Set
from pathlib import Path

from msgspec import Struct

from wheelhouse.digests import Check, Digest, DigestMismatch
from wheelhouse.edge import files
from wheelhouse.errors import WheelhouseError
from wheelhouse.lock import LockedWheel

_CHUNK = 1 << 20
_GLANCE = 0.05  # seconds between two looks at a lock that another process holds
_HEX = re.compile(r"[0-9a-f]{64}")
# No hard link here: another file system, none at all, a policy, or the limit of links to one file
_NO_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
)


class NotStored(WheelhouseError):
    """A wheel was to be laid out that the store does not have."""

    hint = "run `wheelhouse fetch`"

    def __init__(self, digest: Digest) -> None:
        super().__init__(digest)
        self.digest = digest

    def __str__(self) -> str:
        return f"the store has no wheel with {self.digest}"


class Source(Struct, frozen=True):
    """Where a prefix came from. `validator` is a strong ETag (RFC 9110, 8.8.1), quotes included, or None."""

    url: str
    validator: str | None


class StoreInfo(Struct, frozen=True, kw_only=True):
    """What the store holds; sizes are in bytes."""

    count: int
    size: int
    partials: int
    partial_size: int


class Slot(Struct, frozen=True):
    """The place of one file that is being written; its names share one stem."""

    stem: Path

    @property
    def partial(self) -> Path:
        return self.stem.with_name(f"{self.stem.name}.partial")

    @property
    def _source(self) -> Path:
        return self.stem.with_name(f"{self.stem.name}.source.json")

    @property
    def memo(self) -> Path:
        """For a file of unknown digest: what it turned out to be."""
        return self.stem.with_name(f"{self.stem.name}.known.json")

    @contextlib.contextmanager
    def locked(self, stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Nobody else writes here, in no process; waits for whoever does until `stop` says so (`InterruptedError`)."""
        from filelock import FileLock, Timeout

        self.stem.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.stem.with_name(f"{self.stem.name}.lock"))
        while True:
            if stop():
                raise InterruptedError
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                threading.Event().wait(_GLANCE)
        try:
            yield
        finally:
            lock.release()

    def size(self) -> int:
        """Bytes of the prefix; 0 where there is none."""
        try:
            return self.partial.stat().st_size
        except FileNotFoundError:
            return 0

    def source(self) -> Source | None:
        """Where the prefix came from, if that is known."""
        try:
            told = json.loads(self._source.read_bytes())
            return Source(str(told["url"]), None if told["validator"] is None else str(told["validator"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def comes_from(self, source: Source) -> None:
        """Remember it; to be called while the prefix is empty or of that very source."""
        if self.source() != source:
            # No fsync: one that a crash loses or spoils reads as unknown
            temporary = files.beside(self._source)
            temporary.write_text(json.dumps({"url": source.url, "validator": source.validator}), "utf-8")
            files.rename(temporary, self._source)

    def forget(self) -> None:
        """No prefix, no source."""
        files.remove(self.partial)
        files.remove(self._source)


class Store:
    """Wheels under `root`, which need not exist yet. Methods may be called from any thread."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: Digest) -> Path:
        """Where the wheel is, or would be."""
        return self._stem(digest).with_suffix(".whl")

    def has(self, digest: Digest, size: int | None = None) -> bool:
        """Whether the whole wheel is here; one of another `size` (bytes) was damaged and does not count."""
        try:
            found = self.path(digest).stat().st_size
        except OSError:
            return False
        return size is None or found == size

    def present(self, wheels: Iterable[LockedWheel]) -> frozenset[Digest]:
        """Which of `wheels` are here; what `plan` wants to know."""
        return frozenset(wheel.digest for wheel in wheels if self.has(wheel.digest, wheel.size))

    def names(self) -> tuple[Digest, ...]:
        """Every whole wheel, in order."""
        return tuple(sorted(Digest(path.stem) for path in self._every(".whl")))

    def slot(self, digest: Digest) -> Slot:
        """Where the wheel grows until it is whole."""
        return Slot(self._stem(digest))

    def incoming(self, url: str) -> Slot:
        """Where a file grows whose digest nobody told."""
        return Slot(self.root / "incoming" / Digest.of(url.encode()).hex)

    def keep(self, slot: Slot, digest: Digest) -> Path:
        """The finished prefix of `slot`, which the caller verified, is the wheel with `digest`: flushed, one rename."""
        final = self.path(digest)
        final.parent.mkdir(parents=True, exist_ok=True)
        files.settle(slot.partial, final)
        _make_read_only(final)
        slot.forget()
        return final

    def adopt(self, path: Path, digest: Digest) -> Path:
        """A copy of a local file, verified while it is read; the file itself stays as it is.

        Raises `DigestMismatch`, and `OSError` where it cannot be read.
        """
        final = self.path(digest)
        if not self.has(digest):
            final.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, final, Check(path.name, expected=digest))
            _make_read_only(final)
        return final

    def place(self, digest: Digest, destination: Path) -> Path:
        """The wheel at `destination`: a hard link, or a verified copy where none can be. Always in one step.

        A right file that is already there stays: the same file, a copy that was verified when it was made and still has
        the size and time of the store's, or one with the same bytes. `destination.name` is the caller's to judge
        (`files.wheel_filename`).
        Raises `NotStored`; `DigestMismatch` when the store's own file is damaged, which is then removed from the store.
        """
        source = self.path(digest)
        if not source.exists():
            raise NotStored(digest)
        if _is_right(destination, source, digest):
            return destination
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = files.beside(destination)
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            try:
                files.rename(temporary, destination)
            finally:
                files.remove(temporary)
            return destination
        try:
            _copy(source, destination, Check(destination.name, expected=digest))
        except DigestMismatch:  # and nothing else: a full disk there is no fault of the wheel
            files.remove(source)
            raise
        return destination

    def info(self) -> StoreInfo:
        """What is here, counted."""
        wheels = [path.stat().st_size for path in self._every(".whl")]
        partials = [path.stat().st_size for path in self._every(".partial")]
        return StoreInfo(count=len(wheels), size=sum(wheels), partials=len(partials), partial_size=sum(partials))

    def prune(self, keep: Set[Digest] = frozenset()) -> StoreInfo:
        """Remove every wheel and partial but those of `keep`, and tell what went. What is being written stays."""
        from filelock import FileLock, Timeout

        kept = {digest.hex for digest in keep}
        stems: dict[Path, list[Path]] = {}
        for path in self._every():
            stems.setdefault(path.with_name(path.name.partition(".")[0]), []).append(path)
        wheels: list[int] = []
        partials: list[int] = []
        for stem, members in sorted(stems.items()):
            if stem.name in kept:
                continue
            try:
                with FileLock(stem.with_name(f"{stem.name}.lock"), timeout=0):
                    for path in members:
                        if path.suffix in (".whl", ".partial"):
                            (wheels if path.suffix == ".whl" else partials).append(path.stat().st_size)
                        if path.suffix != ".lock":
                            files.remove(path)
            except (Timeout, FileNotFoundError):
                continue
        return StoreInfo(count=len(wheels), size=sum(wheels), partials=len(partials), partial_size=sum(partials))

    def _stem(self, digest: Digest) -> Path:
        return self.root / "sha256" / digest.hex[:2] / digest.hex

    def _every(self, suffix: str = "") -> Iterator[Path]:
        for pattern in ("sha256/*/*", "incoming/*"):
            for path in self.root.glob(pattern):
                if path.name.endswith(suffix) and _HEX.fullmatch(path.name.partition(".")[0]):
                    yield path


def _is_right(destination: Path, source: Path, digest: Digest) -> bool:
    """Whether `destination` is the wheel already. Bytes are read only where size and time do not tell."""
    try:
        if destination.is_symlink():
            return False
        if destination.samefile(source):
            return True
        found, kept = destination.stat(), source.stat()
        if found.st_size != kept.st_size:
            return False
        if found.st_mtime_ns == kept.st_mtime_ns and found.st_mtime_ns % 10**9:  # whole seconds: not precise enough
            return True
        check = Check(destination.name)
        with destination.open("rb") as file:
            while chunk := file.read(_CHUNK):
                check.update(chunk)
        return check.digest() == digest
    except OSError:
        return False


def _copy(source: Path, destination: Path, check: Check) -> None:
    """The bytes of `source`, checked as they pass, become `destination` in one step. Its time is that of `source`, its
    mode an ordinary file's.
    """
    temporary = files.beside(destination)
    try:
        with source.open("rb") as read, temporary.open("xb") as write:
            while chunk := read.read(_CHUNK):
                check.update(chunk)
                write.write(chunk)
        check.finish()
        found = source.stat()
        os.utime(temporary, ns=(found.st_atime_ns, found.st_mtime_ns))
        files.settle(temporary, destination)
    except OSError as error:
        if files.is_full(error):
            raise files.NoSpace(
                destination.parent, needed=source.stat().st_size, free=shutil.disk_usage(destination.parent).free
            ) from error
        raise
    finally:
        files.remove(temporary)


def _make_read_only(path: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems know no modes; the digest is judged again before an install
        path.chmod(0o444)
