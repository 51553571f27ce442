"""Laying out files: a target's wheel folder, and a bundle. A folder is ours when it has our MANIFEST.json."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path

from wheelhouse.edge import files
from wheelhouse.edge.store import Store
from wheelhouse.errors import WheelhouseError
from wheelhouse.lock import LockedWheel
from wheelhouse.metadata import unpacked_size
from wheelhouse.outputs.bundle import Entry

MANIFEST = "MANIFEST.json"
SUMS = "SHA256SUMS"


class ForeignFolder(WheelhouseError):
    """The folder to write holds files that wheelhouse did not put there."""

    hint = "name another folder with `--output`, or empty this one"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"`{self.path}` exists and is no bundle of wheelhouse"


class StrayFile(WheelhouseError):
    """The bundle to replace holds a file that is no part of it."""

    hint = "name another folder with `--output`, or move that file away"

    def __init__(self, path: Path, stray: str) -> None:
        super().__init__(path, stray)
        self.path, self.stray = path, stray

    def __str__(self) -> str:
        return f"`{self.path}` holds `{self.stray}`, which is no part of the bundle"


def scripts() -> dict[str, bytes]:
    """The offline side's programs, as they are copied into bundles."""
    folder = resources.files("wheelhouse") / "offline"
    names = ("install.sh", "install.py", "probe.sh", "probe.py")
    return {name: (folder / name).read_bytes() for name in names}


def unpacked(store: Store, wheels: Sequence[LockedWheel]) -> dict[str, int]:
    """The unpacked size in bytes of each stored wheel, by file name, from its central directory."""
    sizes = {}
    for wheel in wheels:
        with suppress(WheelhouseError, OSError), store.path(wheel.digest).open("rb") as file:
            sizes[wheel.filename] = unpacked_size(file, wheel.filename)
    return sizes


def writable(folder: Path) -> None:
    """Make the folder, so that whoever cannot write there hears of it before anything is fetched.

    Raises `CannotWrite`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = files.beside(folder / "probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise files.CannotWrite(folder, (error.strerror or str(error)).lower()) from error


def room(wheels: Iterable[LockedWheel], folder: Path, store: Store, *, copied: bool = False) -> None:
    """Wheels are linked, and cost nothing, where the store is on the same file system; else they are copied.

    Raises `NoSpace` before anything is written, also before the wheels are fetched: sizes that the lock tells will do.
    `copied`: they are, wherever the store is (a tar file).
    """
    place = _existing(folder)
    try:
        if not copied and place.stat().st_dev == _existing(store.root).stat().st_dev:
            return
        there = {path.name: path.stat().st_size for path in folder.rglob("*.whl")} if not copied else {}
        needed = sum(size for wheel in wheels if (size := _size(wheel, store)) != there.get(wheel.filename))
    except OSError:
        return  # writing will tell
    free = files.free_space(place)
    if needed > free:
        error = files.NoSpace(folder, needed=needed, free=free)
        error.hint = "free some space, or name another place: `--wheel-dir` for `fetch`, `--output` for bundles"
        raise error


def _existing(path: Path) -> Path:
    """The nearest folder that is there: its file system will hold `path`."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _size(wheel: LockedWheel, store: Store) -> int:
    """Bytes of a wheel; 0 where nobody told them and it is not fetched yet."""
    if store.has(wheel.digest, wheel.size):
        return store.path(wheel.digest).stat().st_size
    return wheel.size or 0


def _wheels(entries: Sequence[Entry]) -> list[LockedWheel]:
    return [entry.wheel for entry in entries if entry.wheel is not None]


def update(entries: Sequence[Entry], folder: Path, store: Store) -> None:
    """Make a wheel folder hold the entries; wheels that an earlier layout put there and this one lacks are removed."""
    room(_wheels(entries), folder, store)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {entry.path for entry in entries}
        stale = [name for name in _laid_out(folder) if name not in names]
        # While it changes, the folder does not look complete, but its manifest always knows which wheels are ours
        (folder / SUMS).unlink(missing_ok=True)
        for name in stale:
            files.remove(folder / name)
        for entry in sorted(entries, key=lambda each: (each.path == SUMS, each.path != MANIFEST)):
            _put(entry, folder, store)
    except OSError as error:
        raise files.CannotWrite(folder, (error.strerror or str(error)).lower()) from error


def replace(entries: Sequence[Entry], folder: Path, store: Store) -> None:
    """Build a bundle beside its place, then put it there in one step; an older bundle of ours makes room.

    Raises `ForeignFolder` for a folder that is no bundle, and `StrayFile` for a bundle with other things in it.
    """
    room(_wheels(entries), folder, store)
    fresh = files.beside(folder)
    old = files.beside(folder)
    try:
        _may_go(folder, entries)
        fresh.mkdir(parents=True)
        for entry in entries:
            _put(entry, fresh, store)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    except OSError as error:
        raise files.CannotWrite(folder, (error.strerror or str(error)).lower()) from error
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        for leftover in (fresh, old):
            if leftover.exists():
                shutil.rmtree(leftover, ignore_errors=True)


def _may_go(folder: Path, entries: Sequence[Entry]) -> None:
    """Nothing is lost with the folder: it is empty, or a bundle of ours with nothing else in it."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        ours = {str(wheel["path"]) for target in manifest["targets"] for wheel in target["wheels"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise ForeignFolder(folder) from None
    ours |= {entry.path for entry in entries}
    present = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    }
    if strays := sorted(present - ours):
        raise StrayFile(folder, strays[0])


def pack(entries: Sequence[Entry], path: Path, prefix: str, store: Store) -> None:
    """The entries as an uncompressed tar (wheels are compressed), byte for byte the same for the same entries."""
    room(_wheels(entries), path.parent, store, copied=True)
    temporary = files.beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
            for entry in entries:
                info = tarfile.TarInfo(f"{prefix}/{entry.path}")
                info.mode = 0o755 if entry.executable else 0o644
                if entry.wheel is not None:
                    stored = store.path(entry.wheel.digest)
                    info.size = stored.stat().st_size
                    with stored.open("rb") as content:
                        archive.addfile(info, content)
                else:
                    info.size = len(entry.content or b"")
                    archive.addfile(info, io.BytesIO(entry.content or b""))
        files.settle(temporary, path)
    except OSError as error:
        raise files.CannotWrite(path, (error.strerror or str(error)).lower()) from error
    finally:
        temporary.unlink(missing_ok=True)


def _put(entry: Entry, folder: Path, store: Store) -> None:
    path = folder / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.wheel is not None:
        files.wheel_filename(path.name)
        store.place(entry.wheel.digest, path)
        return
    files.put(path, entry.content or b"")
    path.chmod(0o755 if entry.executable else 0o644)


def _laid_out(folder: Path) -> tuple[str, ...]:
    """The wheels that the folder's own manifest names; nothing where it has none or a damaged one."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        paths = [str(wheel["path"]) for target in manifest["targets"] for wheel in target["wheels"]]
        return tuple(path for path in paths if path == files.wheel_filename(path))
    except (OSError, ValueError, KeyError, TypeError, WheelhouseError):
        return ()
