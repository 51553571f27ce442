"""Why there is no solution, told as a story: who wanted what, by which chain, and what was refused why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.errors import WheelhouseError
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.refusals import (
    Reason,
    RequiresPython,
    SdistOnly,
    TooNew,
    WrongBuild,
    WrongTag,
    Yanked,
)
from wheelhouse.resolve.view import View
from wheelhouse.resolve.wants import Conflict, Want, together

_SHOWN = 4  # versions named per reason
_STEPS = 24  # lines of a proof that are shown


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


class Unasked(Impossible):
    """Every solution that was found takes a pre-release or a yanked file that nobody asked for.

    That is no proof that there is no other.
    """

    def __init__(self, error: Impossible, candidates: Sequence[Candidate]) -> None:
        self.candidates = tuple(candidates)
        told = {name for name, _ in error.missing}
        lines, hints = [], [error.hint] if error.hint else []
        best = {each.project: each for each in reversed(candidates)}  # the first one that was barred
        for candidate in (each for each in candidates if each is best[each.project]):
            yanked = candidate.file.yanked is not None
            if candidate.project not in told:
                lines.append(f"`{candidate}` would do, but it {'was yanked' if yanked else 'is a pre-release'}")
            name, more = ("yanked release", "") if yanked else ("pre-release", ", or give `--pre`")
            hints.append(f"to take a {name}, name it: `{candidate.project}=={candidate.version}`{more}")
        super().__init__(
            error.sentence,
            (*error.details, *lines),
            hint="\n".join(hints),
            missing=error.missing,
            absent=error.absent,
        )


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

    `conflicts` are resolvelib's last words, `proof` nab's steps. What was asked for directly speaks
    first, then a conflict of one version of each project; where several versions of a project were tried in turn, none
    of their conflicts is the whole reason.
    """
    asked = [Conflict(want, None) for want in roots]
    story = _one_reason(view, roots, asked)
    if story is None and not _tried(conflicts):
        story = _one_reason(view, roots, [*conflicts, *asked])
    return _attempts(view, roots, conflicts, proof) if story is None else story


def _one_reason(view: View, roots: Sequence[Want], conflicts: Sequence[Conflict]) -> Impossible | None:
    """The story of wants that cannot be met, alone or together on one project; None where there is no such project."""
    by_project: dict[NormalizedName, list[Conflict]] = {}
    for conflict in conflicts:
        by_project.setdefault(conflict.want.project, []).append(conflict)
    for name, group in by_project.items():
        if view.project(name) is None:
            ours = any(conflict.parent is None for conflict in group)
            return Impossible(
                f"no index lists a project named `{name}`",
                _chains(view, roots, group),
                hint=f"{'check the spelling; ' if ours else ''}a private index is given with `--extra-index-url`",
                absent=(name,),
            )
    for name, group in by_project.items():
        for conflict in group:
            if next(view.matching(name, conflict.want.specifier), None) is None:
                return _nothing_fits(view, roots, name, conflict)
    for name, group in by_project.items():
        wanted = together(conflict.want for conflict in group)
        if next(view.matching(name, wanted), None) is None:
            texts = _unique(conflict.want.text for conflict in group)
            lines = [*_chains(view, roots, group), *_refused(view, name, view.constrained(name, wanted))]
            lines[-1:-1] = _constraint(view, name, wanted)
            return Impossible(f"{_listed(texts)} cannot be met together", lines)
    return None


def _tried(conflicts: Sequence[Conflict]) -> dict[NormalizedName, list[Candidate]]:
    """The projects of which several versions were tried, each with those versions, newest first."""
    tried: dict[NormalizedName, dict[Candidate, None]] = {}
    for conflict in conflicts:
        if conflict.parent is not None:
            tried.setdefault(conflict.parent.project, {})[conflict.parent] = None
    return {
        name: sorted(parents, key=lambda each: each.version, reverse=True)
        for name, parents in tried.items()
        if len(parents) > 1
    }


def _attempts(view: View, roots: Sequence[Want], conflicts: Sequence[Conflict], proof: Sequence[str]) -> Impossible:
    """Who wants what, and what nothing fits: of each project the newest versions that were tried."""
    tried = _tried(conflicts)
    dropped = {each for versions in tried.values() if len(versions) > _SHOWN + 1 for each in versions[_SHOWN:]}
    kept = [each for each in conflicts if each.parent not in dropped]
    lines = _chains(view, roots, kept)
    for name, versions in sorted(tried.items()):
        if len(versions) > _SHOWN + 1:
            lines.append(f"{len(versions) - _SHOWN} more versions of `{name}` do no better")
    unfit: dict[NormalizedName, Impossible] = {}
    for conflict in kept:
        story = _one_reason(view, roots, [conflict]) if conflict.want.project not in unfit else None
        if story is not None:
            unfit[conflict.want.project] = story
            told = [story.sentence] if story.absent else [*story.details]
            told[-1:-1] = _constraint(view, conflict.want.project, conflict.want.specifier)
            lines.extend(line for line in told if line not in lines)
    if not lines:
        unfit = _without_wheels(view, roots)
        lines = [*dict.fromkeys(line for story in unfit.values() for line in story.details), *_shortened(proof)]
    return Impossible(
        "no set of versions meets all requirements",
        lines,
        hint="\n".join(dict.fromkeys(story.hint for story in unfit.values() if story.hint)),
        missing=[each for story in unfit.values() for each in story.missing],
        absent=[each for story in unfit.values() for each in story.absent],
    )


def _without_wheels(view: View, roots: Sequence[Want]) -> dict[NormalizedName, Impossible]:
    """What the first choice of a project wants and what is only there as a source distribution: a few of these.

    They stand in the middle of a proof like all the rest, and are what a person can do something about.
    """
    found: dict[NormalizedName, Impossible] = {}
    seen: set[NormalizedName] = set()
    for parent, wants in view.known_dependencies():
        for want in wants if parent.project not in seen else ():
            project = None if want.project in found else view.project(want.project)
            if project is not None and next(view.matching(want.project, want.specifier), None) is None:
                story = _nothing_fits(view, roots, want.project, Conflict(want, parent))
                if "--from-sdist" in story.hint:
                    found[want.project] = story
        seen.add(parent.project)
        if len(found) == _SHOWN:
            break
    return found


def _constraint(view: View, name: NormalizedName, specifier: SpecifierSet) -> list[str]:
    """A line for the project's constraint, where that is what leaves nothing of the set."""
    if name not in view.constraints or next(view.unconstrained(name, specifier), None) is None:
        return []
    return [f"`{name}{view.constraints[name]}` is a constraint"]


def _shortened(proof: Sequence[str]) -> list[str]:
    if len(proof) <= _STEPS:
        return list(proof)
    half = _STEPS // 2
    return [*proof[:half], f"… and {len(proof) - _STEPS} more steps …", *proof[-half:]]


def _nothing_fits(view: View, roots: Sequence[Want], name: NormalizedName, conflict: Conflict) -> Impossible:
    specifier = view.constrained(name, conflict.want.specifier)
    refused = [reason for _, reason, _ in view.refused(name, specifier)]
    lines = [*_chains(view, roots, [conflict]), *_refused(view, name, specifier)]
    hint = ""
    if next(view.unconstrained(name, conflict.want.specifier), None) is not None:
        sentence = f"no wheel of `{conflict.want.text}` fits the constraint `{name}{view.constraints[name]}`"
    elif any(isinstance(reason, SdistOnly) for reason in refused) and all(
        isinstance(reason, SdistOnly | Yanked | TooNew | RequiresPython) for reason in refused
    ):
        sentence = f"`{conflict.want.text}` is only offered as source distributions, and none may be built"
        hint = (
            f"to build it, which runs its code here: `--from-sdist {name}`\n"
            "or build its wheel on a machine like the target and give its folder with `--find-links`"
        )
    else:
        sentence = f"no wheel of `{conflict.want.text}` fits `{view.target.label}`"
    return Impossible(sentence, lines, hint=hint, missing=((name, specifier),))


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
        case TooNew(upload_time=datetime()):
            return "uploaded after `--exclude-newer`"  # each on a day of its own, which would be a line each
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
