"""What a mirror is, and what a side has: the two small files that say it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError
from wheelhouse.mirroring.names import LOCK

FORMAT = 1
# 64 bits of each digest: of a million files two agree with a probability of 3 in 100 million, and then an import says
# which file it lacks. The whole digest would make the file that has to leave a closed network four times as large.
PREFIX = 16
_ID = re.compile(r"[0-9a-f]{32}")


class BadState(WheelhouseError):
    """A file that was to say what a mirror is or has, and does not. `what` is what it should be."""

    def __init__(self, source: str, what: str, problem: str) -> None:
        super().__init__(source, what, problem)
        self.source, self.what, self.problem = source, what, " ".join(problem.split())

    def __str__(self) -> str:
        return f"`{self.source}` is not {self.what}: {self.problem}"


class Identity(Struct, frozen=True, kw_only=True):
    """`mirror.json`. `id` is random; `origins` are the mirrors that this one has taken imports of, sorted."""

    id: str
    origins: tuple[str, ...] = ()

    def knows(self, origin: str) -> bool:
        """Whether an export of that mirror is no stranger's here."""
        return origin == self.id or origin in self.origins

    def with_origin(self, origin: str) -> Identity:
        return self if self.knows(origin) else replace(self, origins=tuple(sorted({*self.origins, origin})))

    def text(self, tool: str) -> str:
        facts = {"format": FORMAT, "id": self.id, "origins": list(self.origins), "tool": tool}
        return json.dumps(facts, indent=1) + "\n"

    @classmethod
    def parse(cls, content: bytes, source: str) -> Identity:
        """Raises `BadState`."""
        what = "a mirror of wheelhouse"
        facts = _object(content, source, what)
        origins = facts.get("origins", [])
        if not isinstance(origins, list):
            raise BadState(source, what, "its origins are no list")
        return cls(
            id=mirror_id(facts.get("id"), source, what),
            origins=tuple(mirror_id(each, source, what) for each in origins),
        )


class State(Struct, frozen=True, kw_only=True):
    """What a side has: the one file that has to come out of a closed network."""

    mirror: str  # its id
    files: frozenset[str]  # the first 16 hexadecimal characters of each wheel's SHA-256
    locks: frozenset[str]  # `<label>/<sha256>`
    origins: tuple[str, ...] = ()

    @classmethod
    def of(cls, identity: Identity, files: Iterable[Digest], locks: Iterable[str]) -> State:
        return cls(
            mirror=identity.id,
            files=frozenset(digest.hex[:PREFIX] for digest in files),
            locks=frozenset(locks),
            origins=identity.origins,
        )

    def has(self, digest: Digest) -> bool:
        return digest.hex[:PREFIX] in self.files

    def text(self) -> str:
        """The same text for the same state."""
        facts = {
            "format": FORMAT,
            "kind": "state of a mirror",
            "mirror": self.mirror,
            "origins": list(self.origins),
            "locks": sorted(self.locks),
            "files": " ".join(sorted(self.files)),
        }
        return json.dumps(facts, indent=1) + "\n"

    @classmethod
    def parse(cls, content: bytes, source: str) -> State:
        """Raises `BadState`."""
        what = "the state of a mirror"
        facts = _object(content, source, what)
        locks, files, origins = facts.get("locks"), facts.get("files"), facts.get("origins", [])
        if facts.get("kind") != "state of a mirror" or not isinstance(locks, list) or not isinstance(files, str):
            raise BadState(source, what, "it has no locks and files")
        if not isinstance(origins, list):
            raise BadState(source, what, "its origins are no list")
        for lock in locks:
            if not isinstance(lock, str) or not LOCK.fullmatch(lock):
                raise BadState(source, what, f"{str(lock)[:80]!r} is no lock")
        prefixes = files.split()
        for prefix in prefixes:
            if not re.fullmatch(rf"[0-9a-f]{{{PREFIX}}}", prefix):
                raise BadState(source, what, f"{prefix[:80]!r} is no file")
        return cls(
            mirror=mirror_id(facts.get("mirror"), source, what),
            files=frozenset(prefixes),
            locks=frozenset(locks),
            origins=tuple(mirror_id(each, source, what) for each in origins),
        )


def mirror_id(value: object, source: str, what: str) -> str:
    """A mirror's id. Raises `BadState`."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise BadState(source, what, "the id of the mirror is damaged")
    return value


def _object(content: bytes, source: str, what: str) -> dict[str, object]:
    try:
        facts = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadState(source, what, f"no JSON ({error})") from error
    if not isinstance(facts, dict):
        raise BadState(source, what, "no JSON object")
    if facts.get("format") != FORMAT:
        raise BadState(source, what, "it has another format than 1; a newer wheelhouse may have written it")
    return facts
