"""nab's PubGrub over the view: a solution, or a proof that there is none. The only module that knows nab-resolver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from nab_resolver.errors import ResolutionError, ResolutionTerminatedError
from nab_resolver.resolver import BaseProvider, Resolver
from nab_resolver.types import Incompatibility, IncompatibilityCause, RootRequirement, Term
from packaging.utils import NormalizedName

from wheelhouse.errors import WheelhouseError
from wheelhouse.metadata import CoreMetadata
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.refusals import Reason
from wheelhouse.resolve.version_sets import ROOT, Choice, Choices, Versions
from wheelhouse.resolve.view import WINDOW, View
from wheelhouse.resolve.wants import Want

MAX_STEPS = 50_000


class Node(NamedTuple):
    """A project, or one extra of it: `foo[bar]` wants exactly the same `foo`."""

    project: NormalizedName
    extra: str = ""

    def __str__(self) -> str:
        return f"{self.project}[{self.extra}]" if self.extra else self.project


class Proof(Exception):
    """There is no solution; `lines` derive it, one step a line, found once more by `tell` when somebody reads them.

    Nearly always resolvelib's story is told; putting nab's proof into words took 5 ms of 130 (numba, all cached).
    """

    def __init__(self, tell: Callable[[], tuple[str, ...]]) -> None:
        super().__init__(tell)
        self._tell = tell

    @cached_property
    def lines(self) -> tuple[str, ...]:
        return self._tell()


class OutOfSteps(Exception):
    """Neither a solution nor a proof was found in `steps` steps."""

    def __init__(self, steps: int) -> None:
        super().__init__(steps)
        self.steps = steps


class _Provider(BaseProvider[Node, Choice]):
    """With `whole`, a version without an extra that is wanted and that the newest has is none to go back to."""

    def __init__(self, view: View, roots: Sequence[Want], *, whole: bool) -> None:
        self._view, self._roots, self._whole = view, roots, whole
        self.went_without = False  # whether some version was refused for that
        self._direct = {want.project for want in roots}
        self._projects: dict[NormalizedName, Choices] = {}
        self._requires: dict[tuple[Node, Choice], Mapping[Node, Versions]] = {}
        self._met: defaultdict[Node, int] = defaultdict(int)  # the choices that were made or looked at, as bits
        self._rounds: defaultdict[Node, int] = defaultdict(int)  # how often another choice was made
        self._clauses: list[Incompatibility[Node, Choice]] = []

    def anew(self) -> _Provider:
        """The same before anything was asked of it."""
        return _Provider(self._view, self._roots, whole=self._whole)

    def choices(self, project: NormalizedName) -> Choices:
        """The project's candidates. Pre-releases and yanked files are among them, last.

        Which of them may be taken depends on all that is wanted in the end, and a set that grew while it is searched
        would make a false proof: the caller judges what comes out.
        """
        found = self._projects.get(project)
        if found is None:
            found = self._projects[project] = Choices(self._view, project)
        return found

    def versions(self, want: Want) -> Versions:
        """What the want admits."""
        return self.choices(want.project).within(want.specifier)

    def choose_version(self, package: Node, version_range: Any) -> Choice | None:
        choices = self.choices(package.project)
        for choice in choices.choices(version_range):
            if self._is_usable(choice):
                self._look_ahead(package, choices, choice)
                return choice
        return None

    def has_satisfying_version(self, package: Node, version_range: Any) -> bool:
        return any(self._is_usable(choice) for choice in self.choices(package.project).choices(version_range))

    def _is_usable(self, choice: Choice) -> bool:
        return not isinstance(self._view.usable(choice.candidate), Reason)

    def _look_ahead(self, package: Node, choices: Choices, chosen: Choice) -> None:
        """Tell what the next older versions require, before each is chosen and refused by itself.

        With the n-th choice after the third, that of the next 2^n. What a version requires is true whatever is
        chosen, and those that require the same are refused together: urllib3<1.25.4 with boto3 walks down 2,900
        versions (3.5 s of CPU one by one, 0.7 s together).
        """
        met = self._met[package]
        if met >> chosen.at & 1:
            return
        self._met[package] |= 1 << chosen.at
        self._rounds[package] += 1
        if self._rounds[package] < 4 or chosen.is_yanked:
            return
        older = choices.choices(Versions(~(met | (2 << chosen.at) - 1), choices))
        window = list(islice(older, 1 << min(self._rounds[package] - 3, WINDOW)))
        expected, behind = window, next(older, None)
        if behind is None or behind.candidate.version.is_prerelease:  # those of newer versions come before it
            expected = list(islice(choices.choices(Versions(~met, choices)), 1 << WINDOW))
        self._view.expect_metadata([each.candidate for each in expected])
        extras = _extras(package)
        together: dict[tuple[Node, Versions], int] = {}
        for choice in window:
            try:
                usable = isinstance(self._view.usable(choice.candidate, walking=False), CoreMetadata)
            except WheelhouseError:
                break  # told if it is ever chosen; what is only looked at stops nobody
            self._met[package] |= 1 << choice.at
            if usable:
                for want in self._view.wanted_by(choice.candidate, extras):
                    if want.project in self._projects:  # others are no reason yet to refuse it
                        for node in nodes(want):
                            key = node, self.versions(want)
                            together[key] = together.get(key, 0) | 1 << choice.at
        for (node, versions), bits in together.items():
            terms = [Term(package, Versions(bits, choices)), Term(node, versions, positive=False)]
            self._clauses.append(Incompatibility(terms, cause=IncompatibilityCause.DEPENDENCY))

    def consume_pending_clauses(self) -> list[Incompatibility[Node, Choice]]:
        clauses, self._clauses = self._clauses, []
        return clauses

    def get_dependencies(self, package: Node, version: Choice) -> Mapping[Node, Any]:
        found = self._requires.get((package, version))
        if found is None:
            found = self._requires[package, version] = self._depend(package, version)
        return found

    def _depend(self, package: Node, version: Choice) -> Mapping[Node, Versions]:
        if self._whole and package.extra and self._lost(package, version):
            self.went_without = True
            return {Node(package.project): self.choices(package.project).none(f"with `{package.extra}`")}
        found = {Node(package.project): Versions.singleton(version)} if package.extra else {}
        for want in self._view.dependencies(version.candidate, _extras(package)):
            for node in nodes(want):
                versions = self.versions(want)
                found[node] = found[node] & versions if node in found else versions
        return found

    def _lost(self, package: Node, version: Choice) -> bool:
        """Whether this version lacks the extra and the newest that may be taken has it."""
        if self._has(version, package.extra):
            return False
        every = self.choices(package.project).choices(Versions.full())
        newest = next((choice for choice in every if self._is_usable(choice)), version)
        return self._has(newest, package.extra)

    def _has(self, choice: Choice, extra: str) -> bool:
        metadata = self._view.usable(choice.candidate)
        return isinstance(metadata, CoreMetadata) and extra in metadata.extras

    def prioritize(
        self,
        package: Node,
        version_range: Any,
        conflict_counts: Mapping[Node, int],
        culprit_counts: Mapping[Node, int] | None = None,
    ) -> Any:
        return (-conflict_counts.get(package, 0), package.project not in self._direct, str(package))

    def widen_decision(self, package: Node, version: Choice) -> None:
        return None


def _extras(package: Node) -> frozenset[NormalizedName]:
    return frozenset({NormalizedName(package.extra)}) if package.extra else frozenset()


def nodes(want: Want) -> list[Node]:
    """The project that is wanted, and each extra of it."""
    return [Node(want.project), *(Node(want.project, extra) for extra in sorted(want.extras))]


def propose(view: View, roots: Sequence[Want], *, max_steps: int = MAX_STEPS) -> dict[NormalizedName, Candidate]:
    """A solution, without the extras that nobody has to be without.

    pip and uv take an old release that lacks an extra where the newer ones, which have it, cannot be had together with
    something else. Here that counts only where there is no other solution (pandas[aws] with boto3).

    Raises `Proof` when there is none, and `OutOfSteps` when `max_steps` decided nothing.
    """
    provider = _Provider(view, roots, whole=True)
    try:
        return _solve(provider, roots, max_steps)
    except (Proof, OutOfSteps):
        if not provider.went_without:
            raise
    return _solve(_Provider(view, roots, whole=False), roots, max_steps)


def _solve(provider: _Provider, roots: Sequence[Want], max_steps: int) -> dict[NormalizedName, Candidate]:
    try:
        pins = _resolved(provider, roots, max_steps, lambda versions: "")
    except ResolutionTerminatedError:
        raise OutOfSteps(max_steps) from None
    except ResolutionError:
        raise Proof(lambda: _steps(provider.anew(), roots, max_steps)) from None
    return {node.project: choice.candidate for node, choice in pins.items()}


def _resolved(
    provider: _Provider, roots: Sequence[Want], max_steps: int, shown: Callable[[Any], str]
) -> dict[Node, Choice]:
    resolver: Resolver[Node, Choice] = Resolver(
        provider, max_iterations=max_steps, range_type=Versions, root_version=ROOT, format_range=shown
    )
    return resolver.resolve(
        [RootRequirement(node, provider.versions(want), want.text) for want in roots for node in nodes(want)]
    )


def _steps(provider: _Provider, roots: Sequence[Want], max_steps: int) -> tuple[str, ...]:
    """The proof in words: the same search again, which asks nothing of anybody."""
    try:
        _resolved(provider, roots, max_steps, str)
    except ResolutionError as error:
        return tuple(line.rstrip() for line in str(error).splitlines() if line.strip())
    raise AssertionError("the same search found something else")
