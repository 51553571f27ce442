"""Sizes of locks: in bytes for machines, in words for people."""

from __future__ import annotations

from wheelhouse.lock import Lock


def total(lock: Lock) -> int | None:
    """The sum of the pins' files in bytes, None where an index does not tell one."""
    sizes = [pin.file.size for pin in lock.pins()]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def readable(size: int) -> str:
    """Bytes for people, in powers of 1000, as indexes show them: `670.2 MB`."""
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{size} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def counted(lock: Lock) -> str:
    """How much a lock is, for people: `5 packages, 12.3 MB`."""
    count = len(lock.pins())
    sizes = [pin.file.size for pin in lock.pins()]
    known = sum(size for size in sizes if size is not None)
    text = "1 package" if count == 1 else f"{count} packages"
    if None not in sizes:
        return f"{text}, {readable(known)}"
    unknown = sizes.count(None)
    return f"{text}, {readable(known)} and {unknown} of unknown size" if known else text
