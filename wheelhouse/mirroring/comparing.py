"""How two mirrors differ, or a mirror and what a state says of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from wheelhouse.mirroring.names import lock_key


class Contents(Struct, frozen=True, kw_only=True):
    """What one side has. `files`: the file name (of a state: the beginning of the digest) by that beginning."""

    files: Mapping[str, str]
    locks: frozenset[str]
    pages: frozenset[tuple[str, str, str]] | None  # folder, file name, SHA-256; None: a state does not tell
    sizes: Mapping[str, int] = field(default_factory=dict)  # bytes, by the beginning of the digest


class Side(Struct, frozen=True, kw_only=True):
    """What one side alone has, sorted."""

    locks: tuple[str, ...]
    files: tuple[str, ...]
    size: int  # bytes of these files, as far as they are known
    entries: tuple[tuple[str, str], ...]  # folder and file name; none where one of the two is a state


class Difference(Struct, frozen=True, kw_only=True):
    """What each side alone has."""

    left: Side
    right: Side

    @property
    def is_none(self) -> bool:
        return all(not (side.locks or side.files or side.entries) for side in (self.left, self.right))

    def lines(self) -> Iterator[str]:
        """A line for each thing: `-` only the first has it, `+` only the second."""
        for sign, side in (("-", self.left), ("+", self.right)):
            yield from (f"{sign} {lock_key(lock)}" for lock in side.locks)
            yield from (f"{sign} {folder}/ {name}" for folder, name in side.entries)
            listed = {name for _, name in side.entries}
            yield from (f"{sign} {name}" for name in side.files if name not in listed)

    def facts(self) -> dict[str, object]:
        return {
            key: {
                "locks": list(side.locks),
                "files": list(side.files),
                "size": side.size,
                "entries": [{"page": folder, "file": name} for folder, name in side.entries],
            }
            for key, side in (("left", self.left), ("right", self.right))
        }


def difference(left: Contents, right: Contents) -> Difference:
    """What each of the two alone has."""
    return Difference(left=_only(left, right), right=_only(right, left))


def _only(one: Contents, other: Contents) -> Side:
    digests = sorted(one.files.keys() - other.files.keys())
    entries = frozenset() if one.pages is None or other.pages is None else one.pages - other.pages
    return Side(
        locks=tuple(sorted(one.locks - other.locks)),
        files=tuple(sorted(one.files[digest] for digest in digests)),
        size=sum(one.sizes.get(digest, 0) for digest in digests),
        entries=tuple(sorted((folder, name) for folder, name, _ in entries)),
    )
