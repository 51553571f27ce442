"""The catalog as one target sees it: usable candidates in order of preference, and their dependencies.

Both solvers, the report on what was held back and the stories stand on this one view.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.config import Override
from wheelhouse.indexes import NeedsAccelerator, in_torch_family
from wheelhouse.metadata import CoreMetadata
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.catalog import Catalog, Hint
from wheelhouse.resolve.project import Project
from wheelhouse.resolve.proof import unproven
from wheelhouse.resolve.refusals import BadMetadata, Reason, Refusal, RequiresPython
from wheelhouse.resolve.wants import Want, asks_for_pre, is_exact, undeclared_by
from wheelhouse.target import MarkerError, Target

# To propose where a target names none: what PyTorch has there at all, and a CUDA that many servers drive
_BUILDS = {
    ("linux", "x86_64"): ("cpu", "cu121"),
    ("windows", "x86_64"): ("cpu", "cu121"),
    ("linux", "aarch64"): ("cpu", "cu130"),
}
WINDOW = 6  # at most 2^6 versions of one project are expected at once


class View:
    """What may be chosen, and why the rest may not. Answers are memoised and depend on nothing but the catalog.

    `preferred` are the previous lock's versions: they come first where they are still allowed.
    `constraints` hold for every project, asked for or not. `pre` admits pre-releases of every project. `overrides`
    change what projects require; `direct` are the projects that come from a URL or path of their own.
    """

    def __init__(
        self,
        catalog: Catalog,
        target: Target,
        *,
        constraints: Mapping[NormalizedName, SpecifierSet] | None = None,
        preferred: Mapping[NormalizedName, Version] | None = None,
        pre: bool = False,
        overrides: Sequence[Override] = (),
        direct: Collection[NormalizedName] = (),
    ) -> None:
        self.target, self.constraints, self.preferred, self.pre = target, constraints or {}, preferred or {}, pre
        self._overrides, self.direct = tuple(overrides), frozenset(direct)
        self._catalog = catalog
        self._barred: frozenset[Candidate] = frozenset()
        self._usable: dict[Candidate, CoreMetadata | Reason] = {}
        self._matching: dict[tuple[NormalizedName, str], _Kept] = {}
        self._possible: dict[NormalizedName, tuple[Candidate, ...]] = {}
        self._wanted: dict[tuple[Candidate, frozenset[NormalizedName]], tuple[Want, ...]] = {}
        self._dependencies: dict[tuple[Candidate, frozenset[NormalizedName]], tuple[Want, ...]] = {}  # of the chosen
        # By identity, for hashing a set costs more than asking it; the set is kept so that its id stays its own
        self._contains: dict[int, tuple[SpecifierSet, dict[Version, bool]]] = {}
        self._walked: dict[NormalizedName, tuple[int, int]] = {}  # candidates asked about, versions expected
        self.refusals: dict[NormalizedName, dict[str, Reason]] = {}  # wheels whose core metadata ruled them out

    def without(self, candidates: Iterable[Candidate]) -> View:
        """The same view, but these candidates may not be taken. What was worked out so far is shared."""
        other = copy.copy(self)
        other._barred = self._barred | frozenset(candidates)
        other._matching, other._possible = {}, {}
        return other

    def project(self, name: NormalizedName) -> Project | None:
        """The project, None where no index has it.

        Raises `NeedsAccelerator` where only a channel could have it and the target names none.
        """
        if self.target.accelerator is None and in_torch_family(name):
            label = self.target.label
            os_arch, python = "-".join(label.split("-")[:2]), "-".join(label.split("-")[2:])
            builds = _BUILDS.get((self.target.os, self.target.arch), ("cpu",))
            raise NeedsAccelerator(name, label, labels=[f"{os_arch}-{build}-{python}" for build in builds])
        return self._catalog.project(name)

    def usable(self, candidate: Candidate, *, walking: bool = True) -> CoreMetadata | Reason:
        """The candidate's core metadata, or why the wheel may not be used after all.

        Who is `walking` down the versions of a project is helped to the next ones.
        """
        found = self._usable.get(candidate)
        if found is None:
            if walking:
                self._look_ahead(candidate)
            found = self._usable[candidate] = self._judge(candidate, self._catalog.metadata(candidate))
            if isinstance(found, Reason):
                self.refusals.setdefault(candidate.project, {})[candidate.file.filename] = found
        return found

    def _look_ahead(self, candidate: Candidate) -> None:
        """A solver that walks down the versions of a project gets them as quickly as the network can bring them.

        With the n-th one after the first that is asked about, the 2^(n+1) below it are expected.
        """
        count, expected = self._walked.get(candidate.project, (0, 0))
        project = self.project(candidate.project) if count >= 1 else None
        if project is not None and candidate.version in project.versions:
            at, versions = project.versions.place(candidate.version), project.versions
            last = min(at + 1 + (1 << min(count + 1, WINDOW)), len(versions))
            if last > expected:
                ahead = [versions[each] for each in range(max(at + 1, expected), last)]
                ahead = [each for each in ahead if not each.is_prerelease or candidate.version.is_prerelease]
                offers = [project.offer(each).candidate for each in ahead]
                self._catalog.expect_metadata([each for each in offers if each is not None])
                expected = last
        self._walked[candidate.project] = count + 1, expected

    def _judge(self, candidate: Candidate, metadata: CoreMetadata | Reason) -> CoreMetadata | Reason:
        if isinstance(metadata, Reason):
            return metadata
        requires_python = metadata.requires_python  # the channel's pages do not give it, and pages may be wrong
        if requires_python is not None and not self.target.admits_python(requires_python):
            return RequiresPython(str(requires_python))
        try:
            for requirement in self._requires(candidate, metadata, ()):
                holds = self.target.admits(requirement.marker)
                if holds and requirement.url is not None and canonicalize_name(requirement.name) not in self.direct:
                    return BadMetadata(f"it requires `{requirement.name}` from a URL, and no index has that")
        except MarkerError as error:
            return BadMetadata(str(error))
        project = self.project(candidate.project)
        if project is not None and project.standing_in:
            lacking = unproven(candidate, metadata, self.target)
            if lacking is not None:
                return lacking
        return metadata

    def contains(self, specifier: SpecifierSet, version: Version) -> bool:
        """Whether the version is in the set; the pre-release rule is applied elsewhere. Memoised."""
        _, known = self._contains.setdefault(id(specifier), (specifier, {}))
        found = known.get(version)
        if found is None:
            found = known[version] = specifier.contains(version, prereleases=True)
        return found

    def expect(self, hints: Iterable[Hint]) -> None:
        """These will be asked about soon."""
        self._catalog.expect(hints)

    def expect_metadata(self, candidates: Sequence[Candidate]) -> None:
        """The core metadata of these will be asked for soon."""
        self._catalog.expect_metadata([each for each in candidates if each not in self._usable])

    def known_dependencies(self) -> Iterator[tuple[Candidate, tuple[Want, ...]]]:
        """Every candidate whose dependencies somebody asked for so far, in the order of asking."""
        for (candidate, _), wants in list(self._dependencies.items()):
            yield candidate, wants

    def constrained(self, name: NormalizedName, specifier: SpecifierSet) -> SpecifierSet:
        """The specifier together with the project's constraint."""
        constraint = self.constraints.get(name)
        return specifier if constraint is None else specifier & constraint

    def versions(self, name: NormalizedName, specifier: SpecifierSet) -> Iterator[Candidate]:
        """The candidates whose tags fit, before any core metadata is read: preferred first, then newest first.

        Pre-releases come last, and the caller takes them only where nothing else was usable (PEP 440), unless
        the specifier names one or all were asked for; then they stand in their order.
        """
        asked, exact = self.pre or asks_for_pre(specifier), is_exact(specifier)
        later: list[Candidate] = []
        for candidate in self._offered(name, specifier):
            if candidate.file.yanked is not None and not exact:
                continue
            if candidate.version.is_prerelease and not asked:
                later.append(candidate)
            else:
                yield candidate
        yield from later

    def possible(self, name: NormalizedName) -> tuple[Candidate, ...]:
        """Every candidate that some set of requirements could admit, pre-releases and yanked ones too; newest first."""
        found = self._possible.get(name)
        if found is None:
            constraint = self.constrained(name, SpecifierSet())
            found = self._possible[name] = tuple(self._offered(name, constraint))
        return found

    def _offered(self, name: NormalizedName, specifier: SpecifierSet) -> Iterator[Candidate]:
        """Of each version in the set the file to take, a yanked one where there is no other.

        Preferred first, then newest. Files are judged only as far as somebody asks.
        """
        project = self.project(name)
        if project is None:
            return
        first = self.preferred.get(name)
        for version in project.within(specifier, first=first):
            candidate = self.offered(name, version)
            if candidate is not None:
                yield candidate

    def offered(self, name: NormalizedName, version: Version) -> Candidate | None:
        """Of a listed version the file to take, a yanked one where there is no other; None where there is none.

        The caller passes a version of the project.
        """
        project = self.project(name)
        assert project is not None
        candidate = project.offer(version).candidate or project.offer(version, yanked=True).candidate
        return None if candidate in self._barred else candidate

    def admits(self, candidate: Candidate, specifier: SpecifierSet) -> bool:
        """Whether the rules on yanked files (PEP 592) and pre-releases (PEP 440) let the set, all that is required of
        its project, have this candidate. The caller passes a usable candidate in the set.
        """
        specifier = self.constrained(candidate.project, specifier)
        if candidate.file.yanked is not None and not is_exact(specifier):
            return False
        if not candidate.version.is_prerelease or self.pre or asks_for_pre(specifier):
            return True
        best = next(self.matching(candidate.project, specifier), None)
        return best is None or best.version.is_prerelease

    def matching(self, name: NormalizedName, specifier: SpecifierSet) -> Iterator[Candidate]:
        """The usable candidates, best first, constraint included; core metadata is read as far as is asked."""
        return self.unconstrained(name, self.constrained(name, specifier))

    def unconstrained(self, name: NormalizedName, specifier: SpecifierSet) -> Iterator[Candidate]:
        """As `matching`, without the constraint."""
        key = (name, str(specifier))
        kept = self._matching.get(key)
        if kept is None:
            kept = self._matching[key] = _Kept(lambda: self._find(name, specifier))
        return iter(kept)

    def _find(self, name: NormalizedName, specifier: SpecifierSet) -> Iterator[Candidate]:
        found_final = False
        asked = self.pre or asks_for_pre(specifier)
        for candidate in self.versions(name, specifier):
            if candidate.version.is_prerelease and found_final and not asked:
                return
            if isinstance(self.usable(candidate), CoreMetadata):
                found_final = found_final or not candidate.version.is_prerelease
                yield candidate

    def dependencies(self, candidate: Candidate, extras: frozenset[NormalizedName]) -> tuple[Want, ...]:
        """What the candidate wants on the target with these extras. Its own extras are followed, not wanted.

        The caller passes a usable candidate, and will ask about what it wants.
        """
        key = (candidate, extras)
        found = self._dependencies.get(key)
        if found is None:
            found = self._dependencies[key] = self.wanted_by(candidate, extras)
            self._catalog.take(candidate)
            self._catalog.expect(
                Hint(want.project, self.constrained(want.project, want.specifier), want.extras) for want in found
            )
        return found

    def wanted_by(self, candidate: Candidate, extras: frozenset[NormalizedName]) -> tuple[Want, ...]:
        """As `dependencies`, of a candidate that is only looked at: nothing is expected to follow."""
        key = (candidate, extras)
        found = self._wanted.get(key)
        if found is None:
            found = self._wanted[key] = self._depend(candidate, extras)
        return found

    def _depend(self, candidate: Candidate, extras: frozenset[NormalizedName]) -> tuple[Want, ...]:
        metadata = self.usable(candidate)
        assert isinstance(metadata, CoreMetadata)
        known, grown = extras, True
        undeclared = self._undeclared(candidate)
        while grown:
            wants: list[Want] = [*undeclared]
            grown = False
            for requirement in self._requires(candidate, metadata, known):
                if not self.target.admits(requirement.marker, known):
                    continue
                want = Want.of(requirement)
                if want.project != candidate.project:
                    wants.append(want)
                    continue
                if not want.extras <= known:
                    known, grown = known | want.extras, True  # `foo[all]` that wants `foo[a,b]`
                if not self.contains(want.specifier, candidate.version):
                    wants.append(want)
        return tuple(wants)

    def _requires(
        self, candidate: Candidate, metadata: CoreMetadata, extras: Collection[NormalizedName]
    ) -> Sequence[Requirement]:
        """What the candidate's metadata says it requires with these extras, as the overrides have it."""
        requires = metadata.requires_for(extras)
        for override in self._overrides:
            if override.project == candidate.project and self.contains(override.versions, candidate.version):
                kept = (each for each in requires if canonicalize_name(each.name) not in override.drop)
                requires = (*kept, *override.add)
        return requires

    def _undeclared(self, candidate: Candidate) -> list[Want]:
        """What the wheel is known to import without declaring it, where an index has that."""
        return [
            Want(name, requirement.specifier, frozenset(), f"{requirement} (undeclared)")
            for requirement in undeclared_by(candidate.project, candidate.version)
            if self.project(name := canonicalize_name(requirement.name)) is not None
        ]

    def refused(
        self, name: NormalizedName, specifier: SpecifierSet
    ) -> Iterator[tuple[Version, Reason, tuple[Refusal, ...]]]:
        """The versions in the set that have no usable candidate, newest first, each with its reason and its files."""
        project = self.project(name)
        if project is None:
            return
        exact = is_exact(specifier)
        ruled_out = self.refusals.get(name, {})
        for version in project.versions:
            if not self.contains(specifier, version):
                continue
            offer = project.offer(version, yanked=exact)
            if offer.candidate is None:
                reason = offer.reason()
                if reason is not None:
                    yield version, reason, offer.refusals
            elif offer.candidate.file.filename in ruled_out:
                reason = ruled_out[offer.candidate.file.filename]
                yield version, reason, (Refusal(offer.candidate.file.filename, reason), *offer.refusals)


class _Kept:
    """An iterator's items, kept as far as somebody asked, so that each is worked out once."""

    def __init__(self, start: Callable[[], Iterator[Candidate]]) -> None:
        self._rest = start()
        self._items: list[Candidate] = []

    def __iter__(self) -> Iterator[Candidate]:
        at = 0
        while True:
            if at == len(self._items):
                item = next(self._rest, None)
                if item is None:
                    return
                self._items.append(item)
            yield self._items[at]
            at += 1
