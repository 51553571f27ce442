"""What the checks say of a lock: told, accepted by name, or the end of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from wheelhouse.compat.model import Finding, Severity, Subject
from wheelhouse.compat.rules import findings, in_order
from wheelhouse.compat.server import Server
from wheelhouse.compat.verdict import Stopped, Verdict
from wheelhouse.edge.session import Session
from wheelhouse.events import Found, Said
from wheelhouse.lock import Lock
from wheelhouse.lock.subject import subject_of

_LONG = 10**8  # bytes of wheels that take longer than a moment to read


class Checks(Struct, frozen=True, kw_only=True):
    """How sets are judged: `accept` are the rules whose errors do not stop anything, `servers` the probed machines by
    target label; `binaries`: the libraries inside the wheels, which the store must have, are read too.
    """

    accept: frozenset[str] = frozenset()
    servers: Mapping[str, Server] = field(default_factory=dict)
    binaries: bool = False


def remembering(checks: Checks, before: Lock | None) -> Checks:
    """The same, with the rules that were accepted for the lock of an earlier run."""
    return checks if before is None else replace(checks, accept=checks.accept | frozenset(before.accepted))


def verdict_of(lock: Lock, checks: Checks, session: Session) -> Verdict:
    """The findings on a lock; what was accepted when it was locked stays so. Raises `NotFetched` for its binaries."""
    contents = session.wheels.contents.of(lock, session.workers)
    subject = subject_of(lock, server=checks.servers.get(lock.label), contents=contents)
    found = findings(subject)
    if checks.binaries and subject.target.os == "linux":
        found = in_order((*found, *_of_binaries(lock, subject, found, session)))
    return Verdict(label=lock.label, findings=found, accept=checks.accept | frozenset(lock.accepted))


def _of_binaries(lock: Lock, subject: Subject, known: Sequence[Finding], session: Session) -> Sequence[Finding]:
    """What the libraries inside the wheels say that nothing said before them."""
    from wheelhouse.compat import binaries
    from wheelhouse.edge.binaries import facts, is_kept

    wheels = [package.wheel for package in lock.packages]
    unread = [wheel for wheel in wheels if not is_kept(wheel, session.settings.cache_dir)]
    if sum(wheel.size or 0 for wheel in unread) > _LONG:
        count = "1 wheel" if len(unread) == 1 else f"{len(unread)} wheels"
        session.tell_once(Said(f"reading the libraries inside {count}"))
    read = facts(wheels, session.store, session.settings.cache_dir, listen=session.listen)
    by_name = {package.name: read[package.wheel.filename] for package in lock.packages}
    return binaries.findings(subject, by_name, known)


def judged(lock: Lock, checks: Checks, session: Session, *, done: str) -> tuple[Lock, int]:
    """The lock, with the rules that were accepted recorded in it, and how many notes there are; the rest is told.

    `done` says what does not happen where an error stops it: "no lock was written". Raises `Stopped`.
    """
    verdict = verdict_of(lock, checks, session)
    for finding in verdict.findings:
        severity = verdict.weight(finding)
        if severity is not Severity.NOTE:
            accepted = severity is not finding.severity
            told = Found(
                f"{severity}, accepted" if accepted else str(severity),
                finding.rule,
                finding.what,
                why=finding.why,
                hint=finding.way_out,
            )
            session.tell_once(told)
    if verdict.errors:
        raise Stopped(lock.label, verdict.errors, done=done)
    return replace(lock, accepted=verdict.accepted), len(verdict.of(Severity.NOTE))
