"""What changed from one lock to another: versions, sizes, what came and what went."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from packaging.utils import NormalizedName

from wheelhouse.lock import Lock, LockedPackage, LockedSource
from wheelhouse.outputs.sizes import readable, total

Pin = LockedPackage | LockedSource


class Change(Struct, frozen=True):
    """One project whose file is not the same in both locks; a side is None where the lock lacks it."""

    name: NormalizedName
    old: Pin | None
    new: Pin | None

    @property
    def kind(self) -> str:
        """`added`, `removed`, `upgraded`, `downgraded`, or `rebuilt`: the same version in another file."""
        if self.old is None:
            return "added"
        if self.new is None:
            return "removed"
        if self.old.version == self.new.version:
            return "rebuilt"
        return "upgraded" if self.new.version > self.old.version else "downgraded"


def diff(old: Lock, new: Lock) -> tuple[Change, ...]:
    """Every project whose file differs by digest, sorted by name."""
    before = {package.name: package for package in old.pins()}
    after = {package.name: package for package in new.pins()}
    changes = []
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was is None or now is None or was.file.digest != now.file.digest:
            changes.append(Change(name, was, now))
    return tuple(changes)


def facts(old: Lock, new: Lock) -> dict[str, object]:
    """The difference for machines; sizes in bytes, null where an index does not tell."""
    return {
        "old": {"target": old.label, "packages": len(old.pins()), "size": total(old)},
        "new": {"target": new.label, "packages": len(new.pins()), "size": total(new)},
        "changes": [
            {"name": change.name, "kind": change.kind, "old": _side(change.old), "new": _side(change.new)}
            for change in diff(old, new)
        ],
    }


def lines(old: Lock, new: Lock) -> Iterator[str]:
    """The difference for people: a table of changes, then one line of sums."""
    changes = diff(old, new)
    rows = [
        (change.kind, str(change.name), _version(change.old), _version(change.new), _growth(change))
        for change in changes
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield f"{cells[0]}  {cells[1]}  {cells[2]}  {cells[3]}  {row[4]}".rstrip()
    before, after = total(old), total(new)
    sums = f"{len(old.pins())} packages, then {len(new.pins())}"
    if before is not None and after is not None:
        sums += f"; {readable(before)}, then {readable(after)}"
    yield sums if changes else f"no difference; {len(new.pins())} packages"


def _version(package: Pin | None) -> str:
    return "-" if package is None else str(package.version)


def _side(package: Pin | None) -> dict[str, object] | None:
    if package is None:
        return None
    file = package.file
    return {"version": str(package.version), "file": file.filename, "size": file.size, "sha256": file.digest.hex}


def _growth(change: Change) -> str:
    old = change.old.file.size if change.old is not None else 0
    new = change.new.file.size if change.new is not None else 0
    if old is None or new is None or old == new:
        return ""
    return f"{'+' if new > old else '-'}{readable(abs(new - old))}"
