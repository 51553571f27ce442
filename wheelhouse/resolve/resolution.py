"""From requirements to a closed set of pins: one solver's proposal, another's opinion, and who wanted what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.metadata import CoreMetadata
from wheelhouse.resolve import explain, pinned, pubgrub
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.catalog import Hint
from wheelhouse.resolve.held_back import HeldBack, OnlyOlder, held_back
from wheelhouse.resolve.view import View
from wheelhouse.resolve.wants import Conflict, Want, together


class Pin(Struct, frozen=True, kw_only=True):
    """One project of the closure."""

    candidate: Candidate
    extras: frozenset[NormalizedName]
    metadata: CoreMetadata
    dependencies: tuple[NormalizedName, ...]
    wanted_by: tuple[tuple[str, Want], ...]  # who wants what: ("torchvision", torch==2.1.2); "" for what was asked for


class Resolution(Struct, frozen=True, kw_only=True):
    """A closed set: every requirement of every pin is met by a pin. Sorted by project."""

    pins: tuple[Pin, ...]
    roots: tuple[NormalizedName, ...]
    held_back: tuple[HeldBack, ...]


def resolve(
    view: View,
    roots: Sequence[Want],
    *,
    allow_older: Collection[NormalizedName] = (),
    max_steps: int | None = None,
) -> Resolution:
    """The newest closed set that meets the roots; the same for the same catalog, in whatever order it is asked.

    Raises `explain.Impossible` or `explain.Undecided` (after `max_steps` of the search) when there is none, and
    `OnlyOlder` when a pin is old only because newer releases are source distributions and `allow_older` (names, or
    `:all:`) does not accept it.
    """
    roots = sorted(roots, key=lambda want: want.text)  # the order of a file's lines changes neither pins nor stories
    view.expect(Hint(want.project, want.specifier, want.extras) for want in roots)
    if conflicts := pinned.conflict(view, roots):
        raise explain.impossible(view, roots, conflicts)
    pins = _closed(view, roots, max_steps)
    held = held_back(view, ((pin.candidate.project, pin.candidate.version, _required(pin)) for pin in pins))
    refused = tuple(
        each for each in held if each.is_error and each.project not in allow_older and ":all:" not in allow_older
    )
    if refused:
        raise OnlyOlder(refused)
    return Resolution(pins=pins, roots=tuple(sorted({want.project for want in roots})), held_back=held)


def _closed(view: View, roots: Sequence[Want], max_steps: int | None) -> tuple[Pin, ...]:
    """A closed set in which nobody has a pre-release or a yanked file that nobody asked for.

    The solvers judge that by wants that may be gone in the end, so it is judged once more; what should not be there is
    barred, and they are asked again.
    """
    barred: tuple[Candidate, ...] = ()
    while True:
        try:
            pins = close(view, roots, _propose(view, roots, max_steps))
        except explain.Impossible as error:
            if barred:
                raise explain.Unasked(error, barred) from None
            raise
        unasked = tuple(pin.candidate for pin in pins if not view.admits(pin.candidate, _required(pin)))
        if not unasked:
            return pins
        barred += unasked
        view = view.without(unasked)


def _propose(view: View, roots: Sequence[Want], max_steps: int | None) -> Mapping[NormalizedName, Candidate]:
    """nab's solution where it holds. What nab cannot do is asked of resolvelib: no solver's word alone is printed.

    resolvelib's last words, where it has any, tell the story that people know from pip.
    """
    proof: pubgrub.Proof | None = None
    steps = max_steps or pubgrub.MAX_STEPS
    try:
        proposal = pubgrub.propose(view, roots, max_steps=steps)
        if holds(view, roots, proposal):
            return proposal
    except pubgrub.Proof as told:
        proof = told
    except pubgrub.OutOfSteps:
        pass
    from wheelhouse.resolve import backtracking  # hardly ever needed

    conflicts: tuple[Conflict, ...] = ()
    try:
        proposal = backtracking.propose(view, roots)
        if holds(view, roots, proposal):
            return proposal
    except backtracking.NoSolution as claim:
        if claim.proven:
            raise explain.impossible(view, roots, claim.conflicts) from None
        conflicts = claim.conflicts
    if proof is None:
        raise explain.Undecided(steps)
    raise explain.impossible(view, roots, conflicts, proof=proof.lines)


def holds(view: View, roots: Sequence[Want], chosen: Mapping[NormalizedName, Candidate]) -> bool:
    """Whether every want that the roots lead to is met by what was chosen."""
    seen: dict[NormalizedName, frozenset[NormalizedName]] = {}
    queue = list(roots)
    while queue:
        want = queue.pop()
        candidate = chosen.get(want.project)
        if candidate is None or not view.contains(want.specifier, candidate.version):
            return False
        known = seen.get(want.project)
        grown = want.extras if known is None else known | want.extras
        if grown != known:
            seen[want.project] = grown
            queue.extend(view.dependencies(candidate, grown))
    return True


def _required(pin: Pin) -> SpecifierSet:
    """All that is required of the pin, in one set."""
    return together(want for _, want in pin.wanted_by)


def close(view: View, roots: Sequence[Want], chosen: Mapping[NormalizedName, Candidate]) -> tuple[Pin, ...]:
    """The pins that the roots reach in a proposal, each with its extras and who wanted it; the rest is dropped."""
    extras: dict[NormalizedName, frozenset[NormalizedName]] = {}
    queue: list[tuple[str, Want]] = [("", want) for want in roots]
    wanted: dict[NormalizedName, dict[tuple[str, str], Want]] = {}
    while queue:
        who, want = queue.pop()
        name = want.project
        wanted.setdefault(name, {})[who, want.text] = want
        known = extras.get(name)
        grown = want.extras if known is None else known | want.extras
        if known is None or grown != known:
            extras[name] = grown
            queue.extend((name, each) for each in view.dependencies(chosen[name], grown))
    pins = []
    for name in sorted(extras):
        metadata = view.usable(chosen[name])
        assert isinstance(metadata, CoreMetadata)
        wants = view.dependencies(chosen[name], extras[name])
        pins.append(
            Pin(
                candidate=chosen[name],
                extras=extras[name],
                metadata=metadata,
                dependencies=tuple(sorted({want.project for want in wants})),
                wanted_by=tuple(
                    (who, want) for (who, _), want in sorted(wanted[name].items(), key=lambda item: item[0])
                ),
            )
        )
    return tuple(pins)


def unmet(view: View, roots: Sequence[Want], pins: Sequence[Pin]) -> tuple[str, ...]:
    """The requirements that a set of pins does not meet; empty for every resolution."""
    versions: dict[NormalizedName, Version] = {pin.candidate.project: pin.candidate.version for pin in pins}
    missing = []
    for want in (*roots, *(want for pin in pins for want in view.dependencies(pin.candidate, pin.extras))):
        version = versions.get(want.project)
        if version is None or not view.contains(want.specifier, version):
            missing.append(want.text)
    return tuple(sorted(set(missing)))
