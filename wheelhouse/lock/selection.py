"""What someone else's lock selects for a target, before any wheel is chosen.

A target without a patch level stands for every one of its minor version. So a marker's answer is a set of patch levels,
held as the bits of a number: bit 0 is the oldest (`target.environments[0]`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import cast

from msgspec import Struct
from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import Package
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from wheelhouse.lock.refusals import BadMarker, PackageReason
from wheelhouse.target import Target
from wheelhouse.target.model import PATCH_VARIABLES


class Unjudged(Exception):
    """A marker that cannot be judged; whoever knows the package makes a refusal of it."""

    def __init__(self, reason: BadMarker) -> None:
        super().__init__(reason)
        self.reason = reason


class Selected(Struct, frozen=True, kw_only=True):
    """A package that the lock selects at the patch levels of `where`, or one whose markers cannot be judged.

    `dependencies` may name packages that are not selected; `required_by` reads as `LockedPackage.required_by`.
    """

    package: Package
    where: int
    dependencies: tuple[NormalizedName, ...] = ()
    required_by: tuple[str, ...] = ()
    problem: PackageReason | None = None


class Selection(Struct, frozen=True, kw_only=True):
    """What a lock selects. `roots` is None where the lock does not tell what was asked for."""

    selected: tuple[Selected, ...]
    requires_python: SpecifierSet
    environments: tuple[str, ...] = ()  # markers, one of which must hold; none: any environment
    roots: tuple[NormalizedName, ...] | None = None


class Judge:
    """Where markers hold: a bit for each patch level of the target. Each marker is evaluated once.

    `extras` and `groups` are the values of `extras` and `dependency_groups` in a lock's markers (PEP 751).
    """

    def __init__(self, target: Target, *, extras: Collection[str] = (), groups: Collection[str] = ()) -> None:
        self._environments = target.environments
        self._sets = {"extras": frozenset(extras), "dependency_groups": frozenset(groups)}
        self._known: dict[str, int] = {}
        self.everywhere = (1 << len(target.environments)) - 1
        self.newest = 1 << (len(target.environments) - 1)

    def where(self, marker: str | None) -> int:
        """The patch levels at which the marker holds. Raises `Unjudged`."""
        if marker is None:
            return self.everywhere
        known = self._known.get(marker)
        if known is None:
            known = self._known[marker] = self._evaluate(marker)
        return known

    def _evaluate(self, text: str) -> int:
        try:
            marker = Marker(text)
            if not any(variable in text for variable in PATCH_VARIABLES):
                return self.everywhere if self._holds(marker, -1) else 0
            return sum(1 << at for at in range(len(self._environments)) if self._holds(marker, at))
        except UndefinedEnvironmentName as error:
            raise Unjudged(BadMarker(text, f"`{error.args[0]}` is not known in a lock")) from error
        except (InvalidMarker, UndefinedComparison) as error:
            problem = str(error).partition("\n")[0].rstrip(".")
            raise Unjudged(BadMarker(text, problem[:1].lower() + problem[1:])) from error
        except RecursionError as error:
            raise Unjudged(BadMarker(text, "it is nested too deep")) from error

    def _holds(self, marker: Marker, at: int) -> bool:
        environment = {**self._environments[at], **self._sets}
        return marker.evaluate(cast(Mapping[str, str | AbstractSet[str]], environment), context="lock_file")
