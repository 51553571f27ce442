"""Sizes of locks: in bytes for machines, in words for people."""

from __future__ import annotations

from collections.abc import Iterator, Set

from wheelhouse.digests import Digest
from wheelhouse.lock import Lock, LockedPackage, LockedSdist, LockedWheel


def total(lock: Lock) -> int | None:
    """The sum of the pins' files in bytes, None where an index does not tell one."""
    sizes = [pin.file.size for pin in lock.pins()]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def installed(lock: Lock) -> int | None:
    """What the pins take on disk once they are installed, in bytes, None where one is not known before its download.

    In whole blocks of 4 KiB, with bytecode and folders, as `install.py` measures; without the virtual environment.
    """
    sizes = [pin.installed if isinstance(pin, LockedPackage) else None for pin in lock.pins()]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def bundled(lock: Lock) -> int | None:
    """The sum of the bundle's wheels in bytes, None where one is not known or still to be built."""
    sizes = [wheel.size for wheel in lock.wheels()]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) and not lock.sources else None


def foreseen(lock: Lock, present: Set[Digest] = frozenset()) -> str:
    """What a lock will take, for people: `2.7 GB to download, 4.8 GB installed, bundle 2.7 GB`; only what is known.

    `present` are the wheels that need not be downloaded any more. Empty for a lock without pins.
    """
    if not lock.pins():
        return ""
    files: list[LockedWheel | LockedSdist] = [*lock.wheels(), *(source.sdist for source in lock.sources)]
    missing = [file.size for file in files if file.digest not in present]
    known = [size for size in missing if size is not None]
    told = []
    if len(known) == len(missing):
        told.append(f"{readable(sum(known))} to download" if missing else "nothing to download")
    return ", ".join((*told, *_taken(lock)))


def carried(lock: Lock) -> str:
    """How much a lock is, in the words of `foreseen`: `5 packages, 40.0 MB installed, bundle 14.1 MB`.

    The bundle's sum counts the pip that installs the rest.
    """
    return ", ".join((_packages(len(lock.pins())), *(_taken(lock) if lock.pins() else ())))


def _taken(lock: Lock) -> Iterator[str]:
    if (on_disk := installed(lock)) is not None:
        yield f"{readable(on_disk)} installed"
    if (size := bundled(lock)) is not None:
        yield f"bundle {readable(size)}"
    elif lock.sources:
        count = "1 package is" if len(lock.sources) == 1 else f"{len(lock.sources)} packages are"
        yield f"{count} still to be built"


def _packages(count: int) -> str:
    return "1 package" if count == 1 else f"{count} packages"


def readable(size: int) -> str:
    """Bytes for people, in powers of 1000, as indexes show them: `670.2 MB`."""
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{size} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def counted(lock: Lock) -> str:
    """What the pins of a lock sum up to, below their tree: `5 packages, 12.3 MB, 40.0 MB installed`. Without the pip
    that the bundle brings and that no tree shows.
    """
    sizes = [pin.file.size for pin in lock.pins()]
    known = sum(size for size in sizes if size is not None)
    text = _packages(len(sizes))
    if None not in sizes:
        unpacked = installed(lock)
        return f"{text}, {readable(known)}" + (f", {readable(unpacked)} installed" if unpacked else "")
    unknown = sizes.count(None)
    return f"{text}, {readable(known)} and {unknown} of unknown size" if known else text
