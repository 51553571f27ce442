"""The whole program, told once: requirements become a lock, a lock becomes verified wheels, wheels become a bundle.

What needs the network is imported where it is used: `verify` starts without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from wheelhouse import __version__
from wheelhouse.checking import Checks, judged, remembering, verdict_of
from wheelhouse.compat.verdict import Verdict
from wheelhouse.edge import locks
from wheelhouse.edge.store import Store
from wheelhouse.errors import Failures, UsageError, WheelhouseError
from wheelhouse.events import Said, Warned
from wheelhouse.lock import Lock, LockedSource, dump
from wheelhouse.outputs.sizes import foreseen
from wheelhouse.target import Target

if TYPE_CHECKING:
    from wheelhouse.edge.sdists import Built
    from wheelhouse.edge.session import Session
    from wheelhouse.locking import Wanted
    from wheelhouse.outputs.bundle import Entry


TORCH = canonicalize_name("torch")
NO_CHECKS = Checks()  # nothing is accepted, no server was probed


class NotAll(Failures):
    """Some could not be done; `written` is what was made of the others."""

    def __init__(self, errors: Sequence[WheelhouseError], written: Sequence[Path]) -> None:
        flat = [each for error in errors for each in (error.errors if isinstance(error, Failures) else (error,))]
        super().__init__(tuple({str(error): error for error in flat}.values()))
        self.written = tuple(written)


class ForTarget(WheelhouseError):
    """An error that does not say for which of several targets it was met."""

    def __init__(self, labels: Sequence[str], error: WheelhouseError) -> None:
        super().__init__(labels, error)
        self.labels, self.error = tuple(labels), error
        self.hint, self.exit_code = error.hint, error.exit_code

    def __str__(self) -> str:
        return f"for {', '.join(f'`{label}`' for label in self.labels)}: {self.error}"


def lock(
    wanted: Wanted, targets: Sequence[Target], folder: Path, session: Session, *, checks: Checks = NO_CHECKS
) -> list[Path]:
    """Resolve for every target and write a lock for each that can be resolved and that no check stops.

    Raises `NotAll` with what went wrong, after every target was tried.
    """
    from wheelhouse.locking import lock_target

    if any(root.direct is not None for root in wanted.roots):
        from wheelhouse.edge.local_projects import packed

        wanted = replace(wanted, roots=tuple(packed(root, folder / "sdists") for root in wanted.roots))
    written: list[Path] = []
    errors: dict[Target, WheelhouseError] = {}
    pinned: set[NormalizedName] = set()
    for target in targets:
        try:
            before = locks.previous(folder, target)
            found = lock_target(wanted, target, before, session)
            pinned |= {pin.name for pin in found.pins()}
            known = checks if wanted.upgrade else remembering(checks, before)
            found, notes = judged(found, replace(known, binaries=False), session, done="no lock was written")
            written.append(locks.write(found, folder, target))
            _tell(found, written[-1], before, notes, checks.accept, session)
        except WheelhouseError as error:
            errors[target] = error
    if errors:
        raise NotAll(_with_targets(errors, targets), written)
    _tell_unused(wanted, pinned, session)
    return written


def _tell_unused(wanted: Wanted, pinned: Collection[NormalizedName], session: Session) -> None:
    """A name that an option gives and that no lock has was hardly meant so."""
    given = {"--from-sdist": wanted.from_sdist, "--allow-older": wanted.allow_older}
    given["--upgrade-package"] = wanted.upgrade_packages
    for option, names in given.items():
        for name in sorted(names - {":all:"}):
            if name not in pinned:
                session.listen(Warned(f"`{option} {name}` names a project that is in no lock of this run"))


def _with_targets(errors: Mapping[Target, WheelhouseError], targets: Sequence[Target]) -> list[WheelhouseError]:
    """Each different error once, with the targets that met it where it does not name them and not all did."""
    alike: dict[str, list[Target]] = {}
    for target, error in errors.items():
        alike.setdefault(str(error), []).append(target)
    told = []
    for text, met in alike.items():
        named = len(met) == len(targets) or all(f"`{target.label}`" in text for target in met)
        told.append(errors[met[0]] if named else ForTarget([target.label for target in met], errors[met[0]]))
    return told


def _tell(
    found: Lock, path: Path, before: Lock | None, notes: int, accepted: Collection[str], session: Session
) -> None:
    for each in found.held_back:
        pin = found.package(each.name)
        session.listen(
            Warned(f"`{each.name}` is held back at {pin.version if pin else '?'}: {each.newer} {each.reason}")
        )
    if before is not None and before.stand_in != found.stand_in and before.package(TORCH) and found.package(TORCH):
        was, now = (
            f"PyPI (in place of `{each.stand_in}`)" if each.stand_in else "its channel" for each in (before, found)
        )
        session.listen(Warned(f"torch now comes from {now}; in the lock before it came from {was}"))
    sizes = foreseen(found, session.store.present(found.wheels()))
    told = f"locked {_count(len(found.pins()), 'package')} for `{found.label}` in `{path}`"
    session.listen(Said(f"{told}: {sizes}" if sizes else told))
    for rule in sorted(set(found.accepted) - set(accepted)):
        session.listen(Said(f"`{rule}` stays accepted, as the lock before says; `--upgrade` asks again"))
    if notes:
        session.listen(Said(f"{_count(notes, 'thing')} to know before the visit: `wheelhouse check {path}`"))


def _count(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def fetch(
    found: Sequence[Lock],
    wheel_dir: Path,
    session: Session,
    *,
    jobs: int,
    from_sdist: Collection[NormalizedName] = (),
) -> list[Path]:
    """Have every wheel in the store, each verified, then make each target's wheel folder installable as it stands.

    Sdists of the locks are built where the user allowed that when they were locked here, or names them in `from_sdist`.
    Raises `NotAll` after everything else was fetched; only complete folders are laid out.
    """
    from wheelhouse.edge import folders
    from wheelhouse.plan import plan

    folders.writable(wheel_dir)
    wheels = [wheel for each in found for wheel in each.wheels()]
    errors: list[WheelhouseError] = []
    missing = plan(wheels, session.store.present(wheels))
    for each in found:
        folders.room(each.wheels(), wheel_dir / each.label, session.store)
    if missing.downloads:
        from wheelhouse.edge import download

        try:
            download.fetch(missing, session.store, session.http, jobs=jobs, listen=session.listen)
        except download.FetchFailed as error:
            errors.append(error)
    laid_out: list[Path] = []
    for each in found:
        folder = wheel_dir / each.label
        try:
            whole = _built(each, session, from_sdist)
            if not all(session.store.has(wheel.digest, wheel.size) for wheel in whole.wheels()):
                continue
            folders.update(_entries(whole, session, wheel_folder="", folder=folder), folder, session.store)
        except WheelhouseError as error:
            errors.append(error)
            continue
        laid_out.append(folder)
        session.listen(Said(f"{_count(len(whole.wheels()), 'wheel')} for `{each.label}` in `{folder}`"))
    if errors:
        raise NotAll(errors, laid_out)
    return laid_out


def _built(each: Lock, session: Session, allowed: Collection[NormalizedName]) -> Lock:
    """The lock with a wheel for each of its sdists, built now where no earlier run has; in this thread.

    Raises the errors of all builds that failed.
    """
    if not each.sources:
        return each
    from wheelhouse.edge.sdists import completed

    wheels: dict[NormalizedName, Built] = {}
    errors: list[WheelhouseError] = []
    for source in each.sources:
        try:
            wheels[source.name] = _build(each, source, session, allowed)
        except WheelhouseError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else Failures(errors)
    return completed(each, wheels)


def _build(each: Lock, source: LockedSource, session: Session, allowed: Collection[NormalizedName]) -> Built:
    """One sdist's wheel, if the user allowed it by name, now or when it was locked here."""
    from wheelhouse.edge.sdists import BuiltOtherwise, NotAllowed, unmet

    target, sdist = Target.parse(each.label), source.sdist
    if source.name not in allowed and not session.sdists.is_allowed(sdist.digest):
        raise NotAllowed(source.name, sdist.filename)
    index = None if each.installer is None else each.installer.index  # who has pip has what builds
    built = session.sdists.build(
        sdist,
        project=source.name,
        version=source.version,
        target=target,
        store=session.store,
        settings=session.build_settings(index, source.index),
    )
    missing = unmet(each, session.wheels.stored_metadata(built.wheel), target)
    if missing:
        raise BuiltOtherwise(built.wheel.filename, missing)
    return built


def bundle(
    found: Sequence[Lock], output: Path, session: Session, *, tar: bool, checks: Checks = NO_CHECKS
) -> list[Path]:
    """Lay out each lock as a bundle, or as one tar file; every wheel is read and verified once more on the way.

    Raises `NotAll` after every lock was tried.
    """
    from wheelhouse.edge import folders, verification
    from wheelhouse.edge.sdists import completed

    written: list[Path] = []
    errors: list[WheelhouseError] = []
    for each in found:
        path = output / (f"{each.label}.tar" if tar else each.label)
        try:
            target = Target.parse(each.label)
            known = {source.name: session.sdists.built(source.sdist, target) for source in each.sources}
            whole = completed(each, {name: built for name, built in known.items() if built is not None})
            verification.stored(whole, session.store)
            whole, _ = judged(whole, checks, session, done="no bundle was made")
            entries = _entries(whole, session, wheel_folder="wheels/", folder=output / each.label)
            if tar:
                folders.pack(entries, path, each.label, session.store)
            else:
                folders.replace(entries, path, session.store)
        except WheelhouseError as error:
            errors.append(error)
            continue
        session.listen(Said(f"bundle for `{each.label}` in `{path}`"))
        written.append(path)
    if errors:
        raise NotAll(errors, written)
    return written


def _entries(each: Lock, session: Session, *, wheel_folder: str, folder: Path) -> tuple[Entry, ...]:
    from wheelhouse.compat.needs import needs
    from wheelhouse.edge import folders
    from wheelhouse.lock.subject import subject_of
    from wheelhouse.outputs.bundle import layout

    return layout(
        each,
        Target.parse(each.label),
        lock_toml=dump(each, folder=folder.absolute(), wheel_folder=wheel_folder),
        unpacked=folders.unpacked(session.store, each.wheels()),
        needs=needs(subject_of(each), each.accepted),
        scripts=folders.scripts(),
        tool=f"wheelhouse {__version__}",
        wheel_folder=wheel_folder,
    )


def verify(paths: Sequence[Path], store: Store) -> list[Path]:
    """Read every byte of locks' wheels in the store, of wheel folders and of bundles, against its digest.

    Gives what was found good. Raises `NotAll` after all were read.
    """
    from wheelhouse.edge import verification

    good: list[Path] = []
    errors: list[WheelhouseError] = []
    for path in paths:
        try:
            verification.verify(path, store)
            good.append(path)
        except WheelhouseError as error:
            errors.append(error)
    if errors:
        raise NotAll(errors, good)
    return good


def check(found: Sequence[Lock], checks: Checks, session: Session) -> list[Verdict]:
    """What the checks say of each lock; nothing is fetched. Raises `NotFetched` where binaries are to be read."""
    return [verdict_of(each, checks, session) for each in found]


def everything(wheel_dir: Path, output: Path) -> list[Path]:
    """Every wheel folder and bundle that is there. Raises `UsageError` where there is none."""
    from wheelhouse.edge import verification

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
    checks: Checks = NO_CHECKS,
) -> list[Path]:
    """Lock, fetch and bundle. What can be done for one target is done, whatever happens to another."""
    errors: list[WheelhouseError] = []

    def done(paths: Callable[[], list[Path]]) -> list[Path]:
        try:
            return paths()
        except NotAll as error:
            errors.append(error)
            return list(error.written)

    found = [locks.read(path) for path in done(lambda: lock(wanted, targets, lock_dir, session, checks=checks))]
    fetched = done(lambda: fetch(found, wheel_dir, session, jobs=jobs))
    whole = [each for each in found if wheel_dir / each.label in fetched]
    bundles = done(lambda: bundle(whole, output, session, tar=tar, checks=checks))
    if errors:
        raise NotAll(errors, bundles)
    return bundles
