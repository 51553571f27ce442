"""One target's lock: the resolution, PyPI in an unreachable channel's place, and what is recorded."""

from __future__ import annotations

from wheelhouse.edge.catalog import ChannelUnreachable
from wheelhouse.edge.session import Session
from wheelhouse.indexes import NoStandIn, in_torch_family
from wheelhouse.lock import Lock, LockedPackage
from wheelhouse.lock.record import inputs_digest, record, with_known_times
from wheelhouse.locking.attempt import Attempt
from wheelhouse.locking.completing import complete
from wheelhouse.locking.telling import tell_stand_in, tell_stand_in_of_mirror
from wheelhouse.locking.wanted import Wanted, constraints_of, facts_of
from wheelhouse.resolve.explain import Impossible
from wheelhouse.resolve.resolution import Resolution
from wheelhouse.resolve.view import View
from wheelhouse.target import Target


def lock_target(wanted: Wanted, target: Target, before: Lock | None, session: Session) -> Lock:
    """The target's lock; `before` is the one that an earlier run wrote.

    Raises `Impossible`, `OnlyOlder`, `NoStandIn`, and what indexes raise.
    """
    attempt = Attempt(wanted, target, before, session)
    stand_in: str | None = None
    try:
        resolution, installer = attempt.run(standing_in=wanted.torch_index == "pypi")
    except ChannelUnreachable as error:
        stand_in = target.accelerator or ""
        _may_stand_in(wanted, target, error)
        try:
            resolution, installer = attempt.run(standing_in=True)
        except Impossible as impossible:
            if impossible.missing and not any(in_torch_family(name) for name, _ in impossible.missing):
                raise  # it has nothing to do with the channel
            reason = f"PyTorch's channel `{stand_in}` cannot be reached ({error}), so PyPI's own build was to stand in"
            raise impossible.adding(reason, hint=error.hint) from None
        tell_stand_in(target, resolution, error, session)
    if wanted.torch_index == "pypi":
        stand_in = target.accelerator
    if stand_in is None:
        stand_in = tell_stand_in_of_mirror(target, resolution, attempt.indexes(False).channel, session)
    completed = complete(resolution, installer, session, attempt.hashes())
    for pin in resolution.pins:
        if pin.candidate.is_sdist:  # the user named it: `fetch` may build it here
            session.sdists.allow(pin.candidate.file.digest or completed.digests[pin.candidate.file.url])
    found = record(
        resolution,
        target,
        installer=installer,
        inputs=inputs_digest(facts_of(wanted, target)),
        stand_in=stand_in,
        digests=completed.digests,
        sizes=completed.sizes,
        constraints=constraints_of(wanted, target),
        installed=completed.installed,
    )
    return with_known_times(found, before)


def installer_for(wanted: Wanted, target: Target, session: Session) -> LockedPackage:
    """The pip that runs on the target's Python, for a lock that another tool wrote.

    Raises `Impossible` where no index has one, and what indexes raise.
    """
    attempt = Attempt(wanted, target, None, session)
    candidate = attempt.installer(attempt.catalog())
    resolution = Resolution(pins=(), roots=(), held_back=())
    completed = complete(resolution, candidate, session, {})
    lock = record(
        resolution,
        target,
        installer=candidate,
        inputs=inputs_digest({}),
        stand_in=None,
        digests=completed.digests,
        sizes=completed.sizes,
    )
    assert lock.installer is not None
    return lock.installer


def view_for(wanted: Wanted, target: Target, session: Session, *, standing_in: bool) -> View:
    """What the target may choose from, by these rules and indexes; nothing is asked yet.

    `standing_in`: PyPI stands in for the target's channel. Raises `ForeignChannel`.
    """
    attempt = Attempt(wanted, target, None, session)
    catalog = attempt.catalog(attempt.indexes(standing_in))
    constraints = constraints_of(wanted, target)
    return View(catalog, target, constraints=constraints, pre=wanted.pre, overrides=wanted.overrides)


def _may_stand_in(wanted: Wanted, target: Target, error: ChannelUnreachable) -> None:
    channel = target.accelerator or ""
    if wanted.torch_index == "pytorch":
        raise NoStandIn(channel, str(error), hint=f"{error.hint}\ndrop `--torch-index pytorch` to let PyPI stand in")
    if channel == "cpu" and (target.os, target.arch) == ("linux", "x86_64"):
        raise NoStandIn(channel, str(error), hint=f"{error.hint}\nPyPI has no CPU build of torch for Linux x86_64")
