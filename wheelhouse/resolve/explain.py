"""Why there is no solution, told as a story: who wanted what, by which chain, and what was refused why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.errors import WheelhouseError
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.provider import Conflict
from wheelhouse.resolve.refusals import (
    BadMetadata,
    NotAny,
    NotProven,
    Reason,
    RequiresPython,
    SdistOnly,
    TooNew,
    WrongBuild,
    WrongTag,
    Yanked,
)
from wheelhouse.resolve.view import View, Want

_SHOWN = 4  # versions named per reason


class Impossible(WheelhouseError):
    """There is no solution, and that is proven. `sentence` says it, `details` tell the story, a line each.

    `missing` are the wants that not one wheel of their project meets; `absent` the projects that no index lists.
    """

    def __init__(
        self,
        sentence: str,
        details: Sequence[str],
        *,
        hint: str = "",
        missing: Sequence[tuple[NormalizedName, SpecifierSet]] = (),
        absent: Sequence[NormalizedName] = (),
    ) -> None:
        super().__init__(sentence, details)
        self.sentence, self.details, self.hint = sentence, tuple(details), hint
        self.missing, self.absent = tuple(missing), tuple(absent)

    def __str__(self) -> str:
        return "\n".join([self.sentence, *(f"  {line}" for line in self.details)])

    def adding(self, detail: str, *, hint: str = "") -> Impossible:
        """The same story with one more line, and another way out before the ones it had."""
        hints = "\n".join(each for each in (hint, self.hint) if each)
        return Impossible(self.sentence, (*self.details, detail), hint=hints, missing=self.missing, absent=self.absent)


class Undecided(WheelhouseError):
    """Both solvers gave up; that is no proof that there is no solution."""

    hint = "pin or constrain some of the projects (`-c constraints.txt`) to make the search smaller"

    def __init__(self, steps: int) -> None:
        super().__init__(steps)
        self.steps = steps

    def __str__(self) -> str:
        return f"no solution found in {self.steps} steps, and no proof that there is none"


def impossible(
    view: View, roots: Sequence[Want], conflicts: Sequence[Conflict], *, proof: Sequence[str] = ()
) -> Impossible:
    """The story of a set of wants that cannot be met.

    `conflicts` are the solver's last words; where they are empty, or nothing is wrong with them alone, the roots speak.
    """
    told = [*conflicts, *(Conflict(want, None) for want in roots)]
    by_project: dict[NormalizedName, list[Conflict]] = {}
    for conflict in told:
        by_project.setdefault(conflict.want.project, []).append(conflict)
    for name, group in by_project.items():
        if view.project(name) is None:
            return Impossible(
                f"no index lists a project named `{name}`",
                _chains(view, roots, group),
                hint="check the spelling; a private index is given with `--extra-index-url`",
                absent=(name,),
            )
    for name, group in by_project.items():
        for conflict in group:
            if next(view.matching(name, conflict.want.specifier), None) is None:
                return _nothing_fits(view, roots, name, conflict)
    for name, group in by_project.items():
        if next(view.matching(name, _together(group)), None) is None:
            texts = _unique(conflict.want.text for conflict in group)
            lines = [*_chains(view, roots, group), *_refused(view, name, _together(group))]
            return Impossible(f"{_listed(texts)} cannot be met together", lines)
    lines = [*_chains(view, roots, conflicts), *proof]
    return Impossible("no set of versions meets all requirements", lines)


def _nothing_fits(view: View, roots: Sequence[Want], name: NormalizedName, conflict: Conflict) -> Impossible:
    specifier = view.constrained(name, conflict.want.specifier)
    refused = [reason for _, reason, _ in view.refused(name, specifier)]
    lines = [*_chains(view, roots, [conflict]), *_refused(view, name, specifier)]
    constraint = view.constraints.get(name)
    if constraint is not None:
        lines.append(f"the constraint `{name}{constraint}` holds too")
    hint = ""
    if refused and all(isinstance(reason, SdistOnly) for reason in refused):
        sentence = f"`{conflict.want.text}` is only offered as source distributions, and wheelhouse takes wheels only"
        hint = "build its wheel on a machine like the target and give its folder with `--find-links`"
    else:
        sentence = f"no wheel of `{conflict.want.text}` fits `{view.target.label}`"
    return Impossible(sentence, lines, hint=hint, missing=((name, specifier),))


def _together(group: Iterable[Conflict]) -> SpecifierSet:
    together = SpecifierSet()
    for conflict in group:
        together &= conflict.want.specifier
    return together


def _refused(view: View, name: NormalizedName, specifier: SpecifierSet) -> list[str]:
    """What the index has, and why it does not count: one line a reason."""
    project = view.project(name)
    if project is None:
        return []
    groups: dict[str, list[Version]] = {}
    for version, reason, _ in view.refused(name, specifier):
        groups.setdefault(_kind(reason), []).append(version)
    if not groups:
        if not project.versions:
            return [f"the index lists no files of `{name}` that can be read"]
        newest, oldest = project.versions[0], project.versions[-1]
        within = f"{newest}" if newest == oldest else f"{oldest} to {newest}"
        return [
            f"the index has `{name}` {within}; no version is `{specifier}`" if str(specifier) else f"`{name}` {within}"
        ]
    lines = []
    for kind, versions in groups.items():
        shown = ", ".join(str(version) for version in versions[:_SHOWN])
        more = f" and {len(versions) - _SHOWN} more" if len(versions) > _SHOWN else ""
        lines.append(f"`{name}` {shown}{more}: {kind}")
    return lines


def _kind(reason: Reason) -> str:
    match reason:
        case SdistOnly():
            return "only a source distribution"
        case WrongTag(part="platform"):
            return f"wheels only for other platforms (such as `{reason.tags.rpartition('-')[2]}`)"
        case WrongTag():
            return f"wheels only for other Pythons (such as `{reason.tags.rpartition('-')[0]}`)"
        case WrongBuild():
            return f"not the `{reason.accelerator}` build"
        case RequiresPython():
            return f"needs Python {reason.specifier}"
        case TooNew() | Yanked() | NotProven() | NotAny() | BadMetadata():
            return str(reason)
        case _:
            return str(reason)


def _unique(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts))


def _listed(texts: Sequence[str]) -> str:
    quoted = [f"`{text}`" for text in texts]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _chains(view: View, roots: Sequence[Want], conflicts: Iterable[Conflict]) -> list[str]:
    """One line a want: what it is, who has it, and who wanted that, down to what was asked for."""
    lines = []
    for conflict in conflicts:
        if conflict.parent is None:
            lines.append(f"`{conflict.want.text}` was asked for")
        else:
            chain = " <- ".join(_path(view, roots, conflict.parent))
            lines.append(f"`{conflict.want.text}` is required by {chain}")
    return list(dict.fromkeys(lines))


def _path(view: View, roots: Sequence[Want], candidate: Candidate) -> list[str]:
    """From the candidate to a root: each candidate that wanted the one before. The shortest of those seen."""
    wanted_by: dict[NormalizedName, list[Candidate]] = {}
    for parent, wants in view.known_dependencies():
        for want in wants:
            wanted_by.setdefault(want.project, []).append(parent)
    asked = {want.project: want.text for want in reversed(roots)}
    paths: list[list[Candidate]] = [[candidate]]
    seen = {candidate.project}
    while paths:
        path = paths.pop(0)
        last = path[-1]
        if last.project in asked:
            return [*(f"`{each}`" for each in path), f"asked for as `{asked[last.project]}`"]
        for parent in wanted_by.get(last.project, []):
            if parent.project not in seen:
                seen.add(parent.project)
                paths.append([*path, parent])
    return [f"`{candidate}`"]
