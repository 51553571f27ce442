"""A target: its label, and everything about that machine that decides what it can take."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Literal, cast

from msgspec import Struct
from packaging.markers import Environment, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.version import Version

from wheelhouse.errors import WheelhouseError
from wheelhouse.target.label import read
from wheelhouse.target.tags import environment, platforms, tags
from wheelhouse.target.words import Libc, newest_patch

PATCH_VARIABLES = ("python_full_version", "implementation_version")  # all that differs between patch levels


class MarkerError(WheelhouseError):
    """A marker that the dependency specifiers' rules cannot evaluate, such as `os_name ~= "a"`."""

    def __init__(self, marker: Marker, reason: str) -> None:
        super().__init__(marker, reason)
        self.marker, self.reason = marker, reason

    def __str__(self) -> str:
        return f"the marker `{self.marker}` cannot be evaluated: {self.reason.rstrip('.')}"


class Target(Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """The machine a lock is for, made by `Target.parse`. Equal where the canonical label is equal.

    It asks nothing of the machine that runs us. Without a patch level it stands for every known one of its minor
    version (`.0` to the newest known): see `admits` and `excluded`.
    """

    label: str
    os: Literal["linux", "windows", "macos"]
    arch: Literal["x86_64", "aarch64"]
    accelerator: str | None  # "cu121", "cpu", "rocm6.0", "xpu": chooses an index, never a tag
    python: tuple[int, int]
    patch: int | None
    free_threaded: bool
    libc: Libc | None  # on Linux alone
    macos: tuple[int, int] | None  # on macOS alone
    driver: str | None  # an NVIDIA driver, "515.65"
    gpu: str | None  # a compute capability, "sm80"
    tags: tuple[Tag, ...]  # most preferred first
    environments: tuple[Environment, ...]  # complete, one per patch level that must hold, oldest first

    def __eq__(self, other: object) -> bool:
        return self.label == other.label if isinstance(other, Target) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.label)

    def __str__(self) -> str:
        return self.label

    @classmethod
    def parse(cls, label: str) -> Target:
        """The target that a label names; order of its parts, case and aliases are free.

        Raises `TargetError`, whose hint names the nearest right spelling or a whole right label.
        """
        parts = read(label)
        python = parts.python
        patches = range(newest_patch(python.version) + 1) if python.patch is None else (python.patch,)
        return cls(
            label=str(parts),
            os=parts.os,
            arch=parts.arch,
            accelerator=parts.accelerator,
            python=python.version,
            patch=python.patch,
            free_threaded=python.free_threaded,
            libc=parts.libc,
            macos=parts.macos,
            driver=parts.driver,
            gpu=parts.gpu,
            tags=tags(python, platforms(parts.os, parts.arch, libc=parts.libc, macos=parts.macos)),
            environments=tuple(environment(parts.os, parts.arch, python.version, patch) for patch in patches),
        )

    def admits(self, marker: Marker | None, extra: Collection[str] = ()) -> bool:
        """Whether the marker holds at any patch level, with any of the extras (without one: `extra` is empty).

        Raises `MarkerError`. Answers are kept: asking again costs a look-up.
        """
        if marker is None:
            return True
        extras = frozenset(extra)
        # By identity, for writing a marker costs more than evaluating it; it is kept so that its id stays its own
        _, known = self._markers.setdefault(id(marker), (marker, {}))
        answer = known.get(extras)
        if answer is None:
            key = (str(marker), extras)
            answer = self._admitted.get(key)
            if answer is None:
                answer = self._admitted[key] = self._evaluate(marker, *key)
            known[extras] = answer
        return answer

    def _evaluate(self, marker: Marker, text: str, extras: frozenset[str]) -> bool:
        differs = any(variable in text for variable in PATCH_VARIABLES)
        candidates = self.environments if differs else self.environments[-1:]
        try:
            # as pip does: the marker is asked once per extra, and of an empty one where there is none
            return any(
                marker.evaluate(cast(Mapping[str, str | AbstractSet[str]], {**environment, "extra": extra}))
                for environment in candidates
                for extra in extras or ("",)
            )
        except UndefinedEnvironmentName as error:
            raise MarkerError(marker, f"{error.args[0]} is not a variable of core metadata") from error
        except UndefinedComparison as error:
            raise MarkerError(marker, str(error)) from error

    def admits_python(self, specifiers: SpecifierSet) -> bool:
        """Whether a `Requires-Python` admits the newest patch level."""
        return self._judge(specifiers)[0]

    def excluded(self, specifiers: SpecifierSet) -> bool:
        """Whether a `Requires-Python` keeps some patch level of the target away: a pin with it narrows the lock."""
        return self._judge(specifiers)[1]

    def _judge(self, specifiers: SpecifierSet) -> tuple[bool, bool]:
        answer = self._python_admitted.get(specifiers)
        if answer is None:
            held = [specifiers.contains(version, prereleases=True) for version in self._versions]
            answer = self._python_admitted[specifiers] = (held[-1], not all(held))
        return answer

    def rank(self, tags: AbstractSet[Tag]) -> int | None:
        """The position of the best of these tags among the target's, lower is better; None where none fits."""
        positions = self._positions
        return min((positions[tag] for tag in tags if tag in positions), default=None)

    def why_not(self, tags: AbstractSet[Tag]) -> Literal["interpreter", "abi", "platform"] | None:
        """The part of the tags that keeps a wheel away: interpreter before ABI before platform; None where it fits.

        Of several tags the one that comes farthest counts: `cp310-cp310-win_amd64` for a Linux fails by its platform.
        """
        if self.rank(tags) is not None:
            return None
        if any((tag.interpreter, tag.abi) in self._pairs for tag in tags):
            return "platform"
        return "abi" if any(self._runs(tag) for tag in tags) else "interpreter"

    def _runs(self, tag: Tag) -> bool:
        """Whether the tag's interpreter would do: cp310 for cp310, an older cp3 for a stable ABI alone, py3, py310."""
        own = f"cp{self.python[0]}{self.python[1]}"
        if tag.interpreter == own:
            return True
        stable = tag.interpreter.startswith("cp3") and tag.abi in {"abi3", "abi3t"}
        return tag.interpreter in self._interpreters and (stable or tag.interpreter.startswith("py"))

    @property
    def requires_python(self) -> SpecifierSet:
        """The interpreters that the label names: `==3.10.*`, with a patch level `==3.10.12`."""
        minor = f"{self.python[0]}.{self.python[1]}"
        return SpecifierSet(f"=={minor}.*" if self.patch is None else f"=={minor}.{self.patch}")

    @property
    def marker(self) -> str:
        """A marker that holds on such a machine and on no other kind, for a lock's `environments` (PEP 751)."""
        variables = self.environments[-1]
        return (
            f'sys_platform == "{variables["sys_platform"]}"'
            f' and platform_machine == "{variables["platform_machine"]}"'
            f' and implementation_name == "{variables["implementation_name"]}"'
        )

    @property
    def lock_name(self) -> str:
        """The lock's file name, `pylock.linux-x86_64-cu121-py310.toml`; PEP 751 allows no dot in the middle part."""
        return f"pylock.{self.label.replace('.', '_')}.toml"

    @cached_property
    def _positions(self) -> dict[Tag, int]:
        return {tag: at for at, tag in reversed(tuple(enumerate(self.tags)))}

    @cached_property
    def _pairs(self) -> frozenset[tuple[str, str]]:
        """Interpreter and ABI of each tag."""
        return frozenset((tag.interpreter, tag.abi) for tag in self.tags)

    @cached_property
    def _interpreters(self) -> frozenset[str]:
        return frozenset(tag.interpreter for tag in self.tags)

    @cached_property
    def _versions(self) -> tuple[Version, ...]:
        return tuple(Version(each["python_full_version"]) for each in self.environments)

    # What was asked before, and its answers
    @cached_property
    def _admitted(self) -> dict[tuple[str, frozenset[str]], bool]:
        return {}

    @cached_property
    def _markers(self) -> dict[int, tuple[Marker, dict[frozenset[str], bool]]]:
        return {}

    @cached_property
    def _python_admitted(self) -> dict[SpecifierSet, tuple[bool, bool]]:
        return {}
