"""What is asked for in one exact version has to be taken, so what it requires has to hold: told before a search begins.

Pins that do not go together are the commonest of conflicts. A search sees them too, but a solver that works with the
versions that there are waits for the pages of everything that the pins require.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from packaging.utils import NormalizedName

from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.view import View
from wheelhouse.resolve.wants import Conflict, Want, is_exact, together


def conflict(view: View, roots: Sequence[Want]) -> tuple[Conflict, ...]:
    """The wants of one project that no version which is listed can meet together; empty where there is no such project.

    Only what holds for every solution is looked at: what was asked for, and what those of it require that can be taken
    in one version alone. Of two wants at least, for one that cannot be met by itself is another story.
    """
    wants: dict[NormalizedName, list[Conflict]] = {}
    for each in [*(Conflict(want, None) for want in roots), *_required(view, roots)]:
        wants.setdefault(each.want.project, []).append(each)
    for name in sorted(wants):
        group = wants[name]
        if len({str(each.want.specifier) for each in group}) < 2 or all(each.parent is None for each in group):
            continue
        project = view.project(name)
        if project is None or not all(any(project.within(each.want.specifier)) for each in group):
            continue
        if not any(project.within(together(each.want for each in group))):
            return tuple(group)
    return ()


def _required(view: View, roots: Sequence[Want]) -> list[Conflict]:
    """What those that have to be taken require, with the extras that they want of each other."""
    taken = {want.project: candidate for want in roots if (candidate := _only(view, want)) is not None}
    extras: dict[NormalizedName, frozenset[NormalizedName]] = {}
    queue = [want for want in roots if want.project in taken]
    while queue:
        want = queue.pop()
        known = extras.get(want.project)
        grown = want.extras if known is None else known | want.extras
        if grown != known:
            extras[want.project] = grown
            queue += [each for each in view.dependencies(taken[want.project], grown) if each.project in taken]
    return [
        Conflict(want, taken[name]) for name in sorted(extras) for want in view.dependencies(taken[name], extras[name])
    ]


def _only(view: View, want: Want) -> Candidate | None:
    """The one candidate of an exact version. An sdist may have to be built to be read: it waits."""
    if not is_exact(want.specifier):
        return None
    found = list(islice(view.matching(want.project, want.specifier), 2))
    return found[0] if len(found) == 1 and not found[0].is_sdist else None
