"""Every byte against its digest: the store's wheels of a lock, a wheel folder, a bundle, a bundle's tar file."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

from wheelhouse.edge import files, locks
from wheelhouse.edge.store import Store
from wheelhouse.errors import WheelhouseError
from wheelhouse.lock import Lock

_CHUNK = 1 << 20
_SUMS = "SHA256SUMS"


class Damaged(WheelhouseError):
    """What was verified is not what it should be; `problems` has a line for each file."""

    def __init__(self, path: Path | str, problems: tuple[str, ...], *, hint: str = "") -> None:
        super().__init__(path, problems)
        self.path, self.problems = path, problems
        self.hint = hint or "copy it again from where it was made, or make it anew with `wheelhouse bundle`"

    def __str__(self) -> str:
        return "\n".join([f"`{self.path}` is damaged", *(f"  {problem}" for problem in self.problems)])


class NotFetched(WheelhouseError):
    """Wheels of a lock that are not in the store yet."""

    hint = "run `wheelhouse fetch`"

    def __init__(self, label: str, filenames: tuple[str, ...]) -> None:
        super().__init__(label, filenames)
        self.label, self.filenames = label, filenames

    def __str__(self) -> str:
        first, more = self.filenames[0], len(self.filenames) - 1
        those = f" and {more} more of `{self.label}` are" if more else f" of `{self.label}` is"
        return f"`{first}`{those} not fetched yet"


def verify(path: Path, store: Store) -> None:
    """Verify a lock (its wheels in the store), a folder with SHA256SUMS, a folder of such folders, or a tar of one.

    Raises `Damaged`, `Unreadable` for a path that is none of these, and `BadLock`.
    """
    if path.is_dir():
        if (path / _SUMS).is_file():
            _folder(path)
            return
        below = sorted(each.parent for each in path.glob(f"*/{_SUMS}"))
        if not below:
            raise locks.Unreadable(path, f"it has no {_SUMS}")
        problems = []
        for folder in below:
            try:
                _folder(folder)
            except Damaged as error:
                problems += [f"{folder.name}: {problem}" for problem in error.problems]
        if problems:
            raise Damaged(path, tuple(problems))
    elif path.suffix == ".tar":
        _tar(path)
    else:
        stored(locks.read(path), store)


def verifiable(folder: Path) -> list[Path]:
    """The wheel folders, bundles and tar files of bundles below a folder, by name."""
    found = {path.parent for path in folder.glob(f"*/{_SUMS}")} | set(folder.glob("*.tar"))
    return sorted(found)


def stored(lock: Lock, store: Store) -> None:
    """Read every wheel of the lock in the store.

    Raises `NotFetched` before anything is read; `Damaged` after, and then a damaged wheel is no longer in the store.
    """
    wheels = lock.wheels()
    missing = tuple(wheel.filename for wheel in wheels if not store.has(wheel.digest))
    if missing:
        raise NotFetched(lock.label, missing)
    problems = []
    for wheel in wheels:
        path = store.path(wheel.digest)
        if _digest_of(path) != wheel.digest.hex:
            files.remove(path)
            problems.append(f"`{wheel.filename}` was damaged and is removed")
    if problems:
        raise Damaged(store.root, tuple(problems), hint="run `wheelhouse fetch`")


def _folder(folder: Path) -> None:
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    try:
        sums = _sums((folder / _SUMS).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Damaged(folder, (f"`{_SUMS}` cannot be read: {error}",)) from error
    _compare(folder, sums, present - {_SUMS}, lambda name: _digest_of(folder / name))


def _tar(path: Path) -> None:
    try:
        with tarfile.open(path, "r:") as archive:
            members = _members(path, archive)
            listed = members.pop(_SUMS, None)
            if listed is None:
                raise Damaged(path, (f"it has no `{_SUMS}`",))
            sums = _sums(_content(archive, listed).read().decode())
            _compare(path, sums, members, lambda name: _hash(_content(archive, members[name])))
    except (tarfile.TarError, OSError, ValueError) as error:
        raise Damaged(path, (f"it cannot be read: {error}",)) from error


def _members(path: Path, archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """The files by their names in the bundle. Raises `Damaged` for what would unpack to anything but one bundle."""
    members: dict[str, tarfile.TarInfo] = {}
    top: str | None = None
    problems = []
    for member in archive:
        if member.isdir():
            continue
        folder, _, name = member.name.partition("/")
        top = folder if top is None else top
        if not member.isfile():
            problems.append(f"`{member.name}` is no file")
        elif folder != top or ".." in name.split("/"):
            problems.append(f"`{member.name}` does not lie in `{top}`")
        elif name in members:
            problems.append(f"`{member.name}` is in it twice")
        else:
            members[name] = member
    if problems:
        raise Damaged(path, tuple(problems))
    return members


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    assert content is not None
    return content


def _compare(path: Path, sums: Mapping[str, str], present: Iterable[str], digest_of: Callable[[str], str]) -> None:
    names = set(present)
    problems = [f"`{name}` is missing" for name in sorted(set(sums) - names)]
    problems += [f"`{name}` does not belong there" for name in sorted(names - set(sums))]
    for name in sorted(names & set(sums)):
        actual = digest_of(name)
        if actual != sums[name]:
            problems.append(f"`{name}` is sha256:{actual}, but {_SUMS} says sha256:{sums[name]}")
    if problems:
        raise Damaged(path, tuple(problems))


def _sums(text: str) -> dict[str, str]:
    sums = {}
    for line in text.splitlines():
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != 64:
            raise ValueError(f"`{line[:40]}` is no line of sha256sum")
        sums[name] = digest
    return sums


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return _hash(file)


def _hash(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
