"""An export as it arrives: a folder or a tar file of strangers, judged before anything of it is used."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from wheelhouse.digests import Check, Digest, DigestMismatch, SizeMismatch
from wheelhouse.edge.mirror.storage import CHUNK
from wheelhouse.errors import WheelhouseError
from wheelhouse.mirroring.export import MANIFEST, SUMS, Manifest, parse_sums

_LARGEST = 1 << 30  # bytes of a file that is read as a whole


class BadExport(WheelhouseError):
    """What was to be imported is damaged, or no export; `problems` has a line for each thing that is wrong."""

    def __init__(self, path: Path, problems: tuple[str, ...], *, hint: str = "") -> None:
        super().__init__(path, problems)
        self.path, self.problems = path, problems
        self.hint = hint or "nothing was changed; copy the export again, or make it anew"

    def __str__(self) -> str:
        shown = [f"  {problem}" for problem in self.problems[:20]]
        if len(self.problems) > 20:
            shown.append(f"  and {len(self.problems) - 20} more")
        return "\n".join([f"`{self.path}` cannot be imported", *shown])


class Source(Protocol):
    """Files by name. Names are as they came: nothing is a path before it was judged."""

    def sizes(self) -> dict[str, int]:
        """Every file. Raises `BadExport` for what is no ordinary file."""

    def open(self, name: str) -> BinaryIO:
        """A file that can seek; several may be open at a time."""


class Reader:
    """An export that is read through its list of digests: what is not listed there cannot be asked for."""

    def __init__(self, path: Path, source: Source) -> None:
        self._path, self._source = path, source
        self._sizes = source.sizes()
        if SUMS not in self._sizes:
            raise BadExport(path, (f"it has no {SUMS}",), hint="name a folder or file that `mirror export` wrote")
        try:
            self.digests: dict[str, Digest] = parse_sums(self._read(SUMS), SUMS)
        except WheelhouseError as error:
            raise BadExport(path, (str(error),)) from error

    def verified(self) -> Manifest:
        """Every byte against its digest, and nothing there that is not listed. Raises `BadExport`."""
        there, listed = set(self._sizes) - {SUMS}, set(self.digests)
        problems = [f"`{name}` is listed in {SUMS} and not there" for name in sorted(listed - there)]
        problems += [f"`{_shown(name)}` is there and not listed in {SUMS}" for name in sorted(there - listed)]
        for name in sorted(listed & there):
            check = Check(name, expected=self.digests[name])
            try:
                for chunk in self.chunks(name):
                    check.update(chunk)
                check.finish()
            except DigestMismatch as error:
                problems.append(f"`{name}` is damaged: its SHA-256 is {error.actual.hex}")
            except (SizeMismatch, OSError, tarfile.TarError) as error:
                problems.append(f"`{name}` cannot be read: {str(error).lower()}")
        if problems:
            raise BadExport(self._path, tuple(problems))
        try:
            return Manifest.parse(self.small(MANIFEST), MANIFEST)
        except WheelhouseError as error:
            raise BadExport(self._path, (str(error),)) from error

    def small(self, name: str) -> bytes:
        """All of a file. Raises `BadExport` where it is not listed."""
        if name not in self.digests:
            raise BadExport(self._path, (f"`{name}` is not in it",))
        content = self._read(name)
        if Digest.of(content) != self.digests[name]:
            raise BadExport(self._path, (f"`{name}` changed while it was read",))
        return content

    def size(self, name: str) -> int:
        return self._sizes[name]

    def chunks(self, name: str) -> Iterator[bytes]:
        with self._source.open(name) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def open(self, name: str) -> BinaryIO:
        return self._source.open(name)

    def _read(self, name: str) -> bytes:
        if self._sizes[name] > _LARGEST:
            raise BadExport(self._path, (f"`{name}` has {self._sizes[name]} bytes",))
        with self._source.open(name) as file:
            return file.read()


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """The export in a folder or a tar file. Raises `BadExport`."""
    try:
        if path.is_dir():
            yield Reader(path, _Folder(path))
            return
        with ExitStack() as stack:
            if not path.exists():
                raise FileNotFoundError
            with _headers_judged():
                archive = stack.enter_context(tarfile.open(path, "r:"))
            yield Reader(path, _Tar(path, archive))
    except tarfile.TarError as error:
        raise BadExport(path, (f"it is no tar file, or a damaged one: {str(error).lower()}",)) from error
    except EOFError as error:
        raise BadExport(path, ("it was cut off",)) from error
    except FileNotFoundError as error:
        raise BadExport(path, ("it is not there",), hint="name a folder or file that `mirror export` wrote") from error


@contextmanager
def _headers_judged() -> Iterator[None]:
    """Sizes below zero, beyond all bounds or of nothing: tarfile meets them with errors of many kinds."""
    try:
        yield
    except (ValueError, OverflowError, MemoryError, RecursionError, OSError) as error:
        raise tarfile.ReadError(f"a header cannot be read ({type(error).__name__})") from error


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def sizes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        folders = [""]
        while folders:
            folder = folders.pop()
            for each in list(os.scandir(self._path / folder)):
                name = f"{folder}{each.name}"
                if each.is_dir(follow_symlinks=False):
                    folders.append(f"{name}/")
                elif each.is_file(follow_symlinks=False):
                    found[name] = each.stat(follow_symlinks=False).st_size
                else:
                    raise BadExport(self._path, (f"`{_shown(name)}` is no ordinary file",))
        return found

    def open(self, name: str) -> BinaryIO:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self._path / name, flags), "rb")


class _Tar:
    def __init__(self, path: Path, archive: tarfile.TarFile) -> None:
        self._path, self._archive = path, archive
        self._members: dict[str, tarfile.TarInfo] = {}

    def sizes(self) -> dict[str, int]:
        for member in self._every():
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
                raise BadExport(self._path, (f"`{_shown(member.name)}` is no ordinary file",))
            if member.name in self._members:
                raise BadExport(self._path, (f"`{_shown(member.name)}` is in it twice",))
            self._members[member.name] = member
        return {name: member.size for name, member in self._members.items()}

    def _every(self) -> Iterator[tarfile.TarInfo]:
        """Every member; all of it has to lie in the file."""
        whole = self._path.stat().st_size
        while True:
            with _headers_judged():
                member = self._archive.next()
            if member is None:
                return
            if member.size < 0 or member.offset_data + member.size > whole:
                raise tarfile.ReadError(f"`{_shown(member.name)}` is said to have {member.size} bytes")
            yield member

    def open(self, name: str) -> BinaryIO:
        member = self._members[name]
        return cast(BinaryIO, io.BufferedReader(_Part(self._path, member.offset_data, member.size)))


class _Part(io.RawIOBase):
    """A range of a file, with a place of its own in it: members of a tar file are read by several threads."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        if at < 0:
            raise ValueError(f"seek before the start of the file: {at}")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        wanted = max(min(len(view), self._size - self._at), 0)
        self._file.seek(self._start + self._at)
        count = self._file.readinto(view[:wanted]) if wanted else 0
        if wanted and not count:
            raise OSError("the tar file was cut off")
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _shown(name: str) -> str:
    return name[:200].encode("unicode_escape").decode()
