"""The whole program, told once: requirements become a lock, a lock becomes verified wheels, wheels become a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wheelhouse import __version__
from wheelhouse.edge import download, folders, locks, verification
from wheelhouse.edge.session import Session
from wheelhouse.errors import Failures, UsageError, WheelhouseError
from wheelhouse.events import Said, Warned
from wheelhouse.lock import Lock, dump
from wheelhouse.locking import Wanted, lock_target
from wheelhouse.outputs.bundle import Entry, layout
from wheelhouse.plan import plan
from wheelhouse.target import Target


class NotAll(Failures):
    """Some targets could not be locked; `written` are the locks of the others."""

    def __init__(self, errors: Sequence[WheelhouseError], written: Sequence[Path]) -> None:
        super().__init__(errors)
        self.written = tuple(written)


def lock(wanted: Wanted, targets: Sequence[Target], folder: Path, session: Session) -> list[Path]:
    """Resolve for every target and write a lock for each that can be resolved.

    Raises `NotAll` with what went wrong, after every target was tried.
    """
    written: list[Path] = []
    errors: list[WheelhouseError] = []
    for target in targets:
        try:
            before = locks.previous(folder, target)
            found = lock_target(wanted, target, before, session)
            written.append(locks.write(found, folder, target))
            _tell(found, written[-1], before, session)
        except WheelhouseError as error:
            errors.append(error)
    if errors:
        raise NotAll(errors, written)
    return written


def _tell(found: Lock, path: Path, before: Lock | None, session: Session) -> None:
    for each in found.held_back:
        pin = found.package(each.name)
        session.listen(
            Warned(f"`{each.name}` is held back at {pin.version if pin else '?'}: {each.newer} {each.reason}")
        )
    if before is not None and before.stand_in != found.stand_in:
        was, now = (
            f"PyPI (in place of `{each.stand_in}`)" if each.stand_in else "its channel" for each in (before, found)
        )
        session.listen(Warned(f"torch now comes from {now}; in the lock before it came from {was}"))
    session.listen(Said(f"locked {len(found.packages)} packages for `{found.label}` in `{path}`"))


def fetch(found: Sequence[Lock], wheel_dir: Path, session: Session, *, jobs: int) -> list[Path]:
    """Have every wheel in the store, each verified, then make each target's wheel folder installable as it stands.

    Raises `FetchFailed` after everything else was fetched; only complete folders are laid out.
    """
    wheels = [wheel for each in found for wheel in each.wheels()]
    failure: WheelhouseError | None = None
    try:
        download.fetch(
            plan(wheels, session.store.present(wheels)), session.store, session.http, jobs=jobs, listen=session.listen
        )
    except download.FetchFailed as error:
        failure = error
    laid_out = []
    for each in found:
        if all(session.store.has(wheel.digest, wheel.size) for wheel in each.wheels()):
            folder = wheel_dir / each.label
            folders.update(_entries(each, session, wheel_folder="", folder=folder), folder, session.store)
            laid_out.append(folder)
            session.listen(Said(f"{len(each.wheels())} wheels for `{each.label}` in `{folder}`"))
    if failure is not None:
        raise failure
    return laid_out


def bundle(found: Sequence[Lock], output: Path, session: Session, *, tar: bool) -> list[Path]:
    """Lay out each lock as a bundle, or as one tar file; every wheel is read and verified once more on the way."""
    written = []
    for each in found:
        verification.stored(each, session.store)
        entries = _entries(each, session, wheel_folder="wheels/", folder=output / each.label)
        path = output / (f"{each.label}.tar" if tar else each.label)
        if tar:
            folders.pack(entries, path, each.label, session.store)
        else:
            folders.replace(entries, path, session.store)
        session.listen(Said(f"bundle for `{each.label}` in `{path}`"))
        written.append(path)
    return written


def _entries(each: Lock, session: Session, *, wheel_folder: str, folder: Path) -> tuple[Entry, ...]:
    return layout(
        each,
        Target.parse(each.label),
        lock_toml=dump(each, folder=folder.absolute(), wheel_folder=wheel_folder),
        unpacked=folders.unpacked(session.store, each.wheels()),
        scripts=folders.scripts(),
        tool=f"wheelhouse {__version__}",
        wheel_folder=wheel_folder,
    )


def verify(paths: Sequence[Path], session: Session) -> list[Path]:
    """Read every byte of locks' wheels in the store, of wheel folders and of bundles, against its digest.

    Gives what was found good. Raises `Damaged`, or `Failures` with one for each path, after all were read.
    """
    good: list[Path] = []
    errors: list[WheelhouseError] = []
    for path in paths:
        try:
            verification.verify(path, session.store)
            good.append(path)
        except WheelhouseError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else Failures(errors)
    return good


def everything(wheel_dir: Path, output: Path) -> list[Path]:
    """Every wheel folder and bundle that is there. Raises `UsageError` where there is none."""
    found = [path for folder in (wheel_dir, output) for path in verification.verifiable(folder)]
    if not found:
        raise UsageError(
            f"there is nothing to verify in `{wheel_dir}` and `{output}`", hint="name a lock, a folder or a bundle"
        )
    return found


def build(
    wanted: Wanted,
    targets: Sequence[Target],
    session: Session,
    *,
    lock_dir: Path,
    wheel_dir: Path,
    output: Path,
    jobs: int,
    tar: bool,
) -> list[Path]:
    """Lock, fetch and bundle. What can be done for one target is done, whatever happens to another."""
    failure: WheelhouseError | None = None
    try:
        paths = lock(wanted, targets, lock_dir, session)
    except NotAll as error:
        paths, failure = list(error.written), error
    found = [locks.read(path) for path in paths]
    if found:
        fetch(found, wheel_dir, session, jobs=jobs)
    bundles = bundle(found, output, session, tar=tar)
    if failure is not None:
        raise failure
    return bundles
