"""The mirror, told once: locks become pages of an index, which are looked after and carried to other mirrors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from wheelhouse.edge import locks
from wheelhouse.edge.files import readable
from wheelhouse.edge.mirror import exporting, importing, look, maintain, publish
from wheelhouse.edge.mirror.derived import published
from wheelhouse.edge.mirror.places import opened
from wheelhouse.edge.mirror.tree import Changes, identity
from wheelhouse.edge.store import Store
from wheelhouse.errors import UsageError
from wheelhouse.events import Listener, Said, Warned
from wheelhouse.lock import Lock
from wheelhouse.mirroring import names
from wheelhouse.mirroring.comparing import Difference, difference
from wheelhouse.mirroring.listing import Listing
from wheelhouse.mirroring.publication import Publication, publication
from wheelhouse.mirroring.state import State
from wheelhouse.target import Target

if TYPE_CHECKING:
    from wheelhouse.edge.session import Session

_REFERENCE = re.compile(r"(?P<label>[A-Za-z0-9_.-]+?)(?:/(?P<sha256>[0-9a-f]{1,64}))?(?:\.toml)?")


def publications(found: Sequence[Lock], session: Session) -> list[Publication]:
    """Locks as a mirror publishes them, with the wheels that were built here in place of their sdists.

    Raises `NotBuilt`, and `BadName` for what a mirror does not take.
    """
    from wheelhouse.edge.sdists import completed

    made = []
    for each in found:
        target = Target.parse(each.label)
        known = {source.name: session.sdists.built(source.sdist, target) for source in each.sources}
        made.append(publication(completed(each, {name: built for name, built in known.items() if built is not None})))
    return made


def add(found: Sequence[Lock], place: str, session: Session, *, endpoint: str | None = None) -> publish.Added:
    """Publish locks, all of whose wheels are fetched. Raises `NotFetched`, and what the mirror refuses."""
    storage = opened(place, endpoint=endpoint, listen=session.listen)
    added = publish.add(storage, publications(found, session), session.store, added=publish.now())
    held = f"{counted(added.files, 'wheel')} ({readable(added.size)}) of {counted(len(added.locks), 'lock')}"
    new = f"{added.new} new ({readable(added.new_size)}), {counted(added.pages, 'page')} changed"
    session.listen(Said(f"{held} in `{place}`: {new}"))
    return added


def counted(count: int, noun: str) -> str:
    """`1 lock`, `2 locks`."""
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def reference(text: str, place: str, session: Session, *, endpoint: str | None = None) -> str:
    """The published lock that a person means: a lock file, `<label>/<start of its sha256>`, or a label that one has.

    Raises `NoMirror`, and `UsageError` where there is no such lock, or more than one.
    """
    storage = opened(place, endpoint=endpoint)
    identity(storage)
    there = published(storage)
    if Path(text).is_file():
        wanted = publications([locks.read(Path(text))], session)[0].reference
        if wanted in there:
            return wanted
        alike = [lock for lock in there if lock.startswith(f"{wanted.partition('/')[0]}/")]
        raise _not_there(f"`{place}` has not published `{text}`", alike)
    asked = _REFERENCE.fullmatch(text.removeprefix("locks/").rstrip("/"))
    found = [
        lock for lock in there if asked is not None and lock.startswith(f"{asked['label']}/{asked['sha256'] or ''}")
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise _not_there(f"`{text}` means several locks of `{place}`", found)
    raise _not_there(f"`{place}` has no lock `{text}`", there)


def _not_there(what: str, others: Sequence[str]) -> UsageError:
    shown = ", ".join(f"`{label}/{sha256[:12]}`" for label, _, sha256 in (lock.partition("/") for lock in others[:8]))
    return UsageError(what, hint=f"it has {shown}" if others else "`wheelhouse mirror list --locks` shows what it has")


def remove_lock(lock: str, place: str, listen: Listener, *, endpoint: str | None = None) -> Changes:
    """Take back a published lock, and from every page what only this lock has; the files stay until `gc`."""
    changes = publish.remove_lock(opened(place, endpoint=endpoint, listen=listen), lock)
    _tell(lock, place, changes, listen)
    return changes


def remove_project(text: str, place: str, listen: Listener, *, endpoint: str | None = None) -> Changes:
    """Take a project, or `NAME==VERSION`, off every page. Raises `UsageError` where no page has it."""
    name, separator, written = text.partition("==")
    try:
        version = Version(written.strip()) if separator else None
    except InvalidVersion:
        hint = f"`--project {name.strip()}==2.1.0`"
        raise UsageError(f"`{written}` is no version", hint=hint) from None
    try:
        project = names.project(name.strip())
    except names.BadName as error:
        raise UsageError(str(error), hint="`--project numpy`, or for one version `--project numpy==2.1.0`") from None
    storage = opened(place, endpoint=endpoint, listen=listen)
    changes = publish.remove_project(storage, project, version)
    _tell(text, place, changes, listen)
    for lock in publish.naming(storage, changes.went):
        label, _, sha256 = lock.partition("/")
        listen(
            Warned(
                f"the published lock `{label}/{sha256[:12]}` still names it, and keeps its files",
                hint=f"`wheelhouse mirror remove {label}/{sha256[:12]} --from {place}`",
            )
        )
    return changes


def _tell(what: str, place: str, changes: Changes, listen: Listener) -> None:
    listen(
        Said(
            f"removed `{what}` from `{place}`: {counted(len(changes.went), 'file')} off"
            f" {counted(changes.pages, 'page')}; `wheelhouse mirror gc {place}` shows what can go"
        )
    )


def gc(place: str, listen: Listener, *, yes: bool, endpoint: str | None = None) -> maintain.Garbage:
    """What nothing names any more; with `yes` it is removed. Raises `BadRecord` where a page is damaged."""
    storage = opened(place, endpoint=endpoint, listen=listen)
    return maintain.gc(storage) if yes else maintain.garbage(storage)


def verify(
    place: str, store: Store, listen: Listener, *, repair: bool, quick: bool, endpoint: str | None = None
) -> maintain.Verified:
    """Read every byte of a mirror; with `repair` make whole what can be."""
    storage = opened(place, endpoint=endpoint, listen=listen)
    return maintain.repair(storage, store, quick=quick) if repair else maintain.verify(storage, quick=quick)


def listing(place: str, project: str | None, *, locks: bool, endpoint: str | None = None) -> Listing:
    """The projects of a mirror, its locks, or one project's files. Raises `UsageError` for a project it has not."""
    storage = opened(place, endpoint=endpoint)
    if project is not None:
        try:
            return look.listing_of(storage, names.project(project))
        except names.BadName as error:
            raise UsageError(str(error), hint="`wheelhouse mirror list` shows what it has") from None
    return look.listing_of_locks(storage) if locks else look.listing(storage)


def diff(left: str, right: str, *, endpoint: str | None = None) -> Difference:
    """What each of two mirrors alone has; either may be the state of one."""
    return difference(look.contents(left, endpoint=endpoint), look.contents(right, endpoint=endpoint))


def state(place: str, *, endpoint: str | None = None) -> State:
    """What a mirror has, as a small value."""
    return look.state(opened(place, endpoint=endpoint))


def export(place: str, since: Path | None, output: Path, *, endpoint: str | None = None) -> exporting.Exported:
    """Write what the other side lacks. Raises `BadState` for a state that is none."""
    told = None
    if since is not None:
        try:
            told = State.parse(since.read_bytes(), str(since))
        except OSError as error:
            raise locks.Unreadable(since, (error.strerror or str(error)).lower()) from error
    return exporting.export(opened(place, endpoint=endpoint), output, told)


def take(
    path: Path, place: str, listen: Listener, *, from_any: bool, endpoint: str | None = None
) -> importing.Imported:
    """Publish an export, after every byte of it was verified."""
    return importing.take(opened(place, endpoint=endpoint, listen=listen), path, from_any=from_any)
