"""What a project offers to one target: for each version the one wheel it would take, or why there is none."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from packaging.specifiers import Specifier, SpecifierSet
from packaging.tags import Tag, parse_tag
from packaging.utils import BuildTag, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelhouse.digests import Digest
from wheelhouse.indexes import Index, is_labelled
from wheelhouse.metadata import specifiers
from wheelhouse.resolve.refusals import (
    BadName,
    NoBinary,
    NotAny,
    Reason,
    Refusal,
    RequiresPython,
    SdistOnly,
    TooNew,
    WrongBuild,
    WrongDigest,
    WrongTag,
    Yanked,
    nearness,
)
from wheelhouse.simple.model import File
from wheelhouse.target import Target

_SDIST = re.compile(r"\.(?:tar\.gz|zip|tar\.bz2|tgz|tar\.xz|tar\.Z|tar)$")
ACCELERATOR = re.compile(r"(?:cpu|cu\d{2,3}|rocm\d[\d.]*|xpu)(?=$|\.)")
_TAGS = re.compile(r"[\w.]+-[\w.]+-[\w.]+")
_BUILD = re.compile(r"(\d+)(.*)", re.ASCII)
BUILDABLE = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """One wheel that fits the target, or an sdist that may be built into one.

    Compared by identity: a project gives the same object each time.
    """

    project: NormalizedName
    version: Version
    file: File
    index: Index
    is_sdist: bool = False

    def __str__(self) -> str:
        return f"{self.project} {self.version}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A file on a project page, and the index that lists it. `only_any`: it must be a `none-any` wheel."""

    file: File
    index: Index
    only_any: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What one version offers: the wheel to take, if any, and every file that was left out."""

    candidate: Candidate | None
    refusals: tuple[Refusal, ...]

    def reason(self) -> Reason | None:
        """Why the version has no candidate: the reason of the file that came nearest; None when it has one.

        A source distribution speaks only for a version without any wheel.
        """
        reasons = [refusal.reason for refusal in self.refusals if not isinstance(refusal.reason, BadName)]
        wheels = [reason for reason in reasons if not isinstance(reason, SdistOnly)]
        return max(wheels or reasons, key=nearness, default=None) if self.candidate is None else None


class Project:
    """A project as one target sees it. Files are judged when their version is asked for, each once.

    `files` in the order of preference of their indexes; `exclude_newer` is an aware moment. With `from_sdist` a version
    without a fitting wheel offers its sdist, with `no_binary` always. Where `hashes` is not empty no other file counts.
    """

    def __init__(
        self,
        name: NormalizedName,
        files: Iterable[Listed],
        target: Target,
        *,
        exclude_newer: datetime | None = None,
        standing_in: bool = False,
        from_sdist: bool = False,
        no_binary: bool = False,
        hashes: frozenset[Digest] = frozenset(),
    ) -> None:
        self.name, self.standing_in = name, standing_in
        self._from_sdist, self._no_binary, self._hashes = from_sdist or no_binary, no_binary, hashes
        self._target, self._exclude_newer = target, exclude_newer
        self._offers: dict[tuple[Version, bool], Offer] = {}
        self._cuts: dict[str, int] = {}
        self.unnamed: list[Refusal] = []
        self._files: dict[Version, list[tuple[Listed, str | None]]] = {}  # None: an sdist, else the wheel's tail
        for listed in files:
            split = _split(name, listed.file.filename)
            if split is None:
                self.unnamed.append(Refusal(listed.file.filename, BadName()))
            else:
                self._files.setdefault(split[0], []).append((listed, split[1]))
        self.versions: tuple[Version, ...] = tuple(sorted(self._files, reverse=True))

    def within(self, specifiers: SpecifierSet) -> list[Version]:
        """The versions in the set, newest first; which pre-releases may be taken is the caller's to say.

        `>=`, `>`, `<` and `<=` each admit all versions from some place on, found in a few steps: asking every version
        about every requirement took half of the time of boto3 with urllib3<1.25.4 (warm: 8.9 s of CPU, then 4.3 s).
        """
        start, end = 0, len(self.versions)
        others = []
        for specifier in specifiers:
            if specifier.operator in (">=", ">"):
                end = min(end, self._cut(specifier, newest=True))
            elif specifier.operator in ("<", "<="):
                start = max(start, self._cut(specifier, newest=False))
            else:
                others.append(specifier)
        return [
            version
            for version in self.versions[start:end]
            if all(specifier.contains(version, prereleases=True) for specifier in others)
        ]

    def _cut(self, specifier: Specifier, *, newest: bool) -> int:
        """Where the versions, newest first, stop being admitted (`newest`: the newest are), or begin to be."""
        text = str(specifier)
        found = self._cuts.get(text)
        if found is None:
            found = self._cuts[text] = bisect_left(
                range(len(self.versions)),
                True,
                key=lambda at: specifier.contains(self.versions[at], prereleases=True) != newest,
            )
        return found

    def offer(self, version: Version, *, yanked: bool = False) -> Offer:
        """What the version offers; with `yanked` its yanked files count as ordinary ones.

        The caller passes a version of `versions`.
        """
        key = (version, yanked)
        found = self._offers.get(key)
        return found if found is not None else self._offers.setdefault(key, self._judge(version, yanked))

    def listed(self, version: Version) -> tuple[Listed, ...]:
        """Every wheel and sdist of the version, whether it fits or not."""
        return tuple(listed for listed, _ in self._files[version])

    def offers(self) -> Iterator[tuple[Version, Offer]]:
        """Every version, newest first, with its offer."""
        for version in self.versions:
            yield version, self.offer(version)

    def _judge(self, version: Version, yanked: bool) -> Offer:
        best: tuple[int, tuple[int, str], int] | None = None
        taken: Listed | None = None
        refusals: list[Refusal] = []
        for position, (listed, tail) in enumerate(self._files[version]):
            verdict = self._verdict(version, listed, tail, yanked)
            if isinstance(verdict, Reason):
                refusals.append(Refusal(listed.file.filename, verdict))
                continue
            rank, build = verdict
            key = (-rank, build, -position)  # best tag, then highest build number, then first index
            if best is None or key > best:
                best, taken = key, listed
        if taken is None:
            return Offer(None, tuple(refusals))
        is_sdist = not taken.file.filename.endswith(".whl")
        return Offer(Candidate(self.name, version, taken.file, taken.index, is_sdist), tuple(refusals))

    def _verdict(
        self, version: Version, listed: Listed, tail: str | None, yanked: bool
    ) -> Reason | tuple[int, tuple[int, str]]:
        file = listed.file
        if file.yanked is not None and not yanked:
            return Yanked(file.yanked)
        if self._exclude_newer is not None and (file.upload_time is None or file.upload_time >= self._exclude_newer):
            return TooNew(file.upload_time)
        if file.requires_python is not None and not _admits_python(self._target, file.requires_python):
            return RequiresPython(file.requires_python)
        if tail is None:
            return self._sdist_verdict(file)
        build_text, _, tag_text = tail.rpartition(":")
        tags = _tags(tag_text)
        rank = self._target.rank(tags)
        if rank is None:
            return WrongTag(tag_text, self._target.why_not(tags) or "platform")
        if listed.only_any and not all(tag.platform == "any" and tag.abi == "none" for tag in tags):
            return NotAny()
        wrong = self._wrong_build(version)
        if wrong is not None:
            return wrong
        if self._hashes and file.digest not in self._hashes:
            return WrongDigest()
        return NoBinary() if self._no_binary else (rank, _build_key(build_text))

    def _sdist_verdict(self, file: File) -> Reason | tuple[int, tuple[int, str]]:
        """An sdist that may be built ranks behind every wheel, and a .tar.gz (PEP 625) before the older forms."""
        if self._hashes and file.digest not in self._hashes:
            return WrongDigest()
        if not self._from_sdist or not file.filename.endswith(BUILDABLE):
            return SdistOnly()
        return (len(self._target.tags) + (0 if file.filename.endswith(".tar.gz") else 1), (-1, ""))

    def _wrong_build(self, version: Version) -> WrongBuild | None:
        """A channel's page also lists what lies beside the channel: only the target's own build may be taken."""
        accelerator = self._target.accelerator
        if accelerator is None:
            return None
        named = ACCELERATOR.match(version.local or "")
        if named is not None:
            return None if version.local == accelerator else WrongBuild(version.local or "", accelerator)
        labelled = (
            is_labelled(self.name)
            and not self.standing_in
            and self._target.os != "macos"
            and self._target.arch == "x86_64"
        )
        return WrongBuild(version.local or "", accelerator) if labelled else None


def _split(project: NormalizedName, filename: str) -> tuple[Version, str | None] | None:
    """The version of a wheel or sdist of `project`, and a wheel's `build:tags`; None for any other name.

    PEP 427 and 491 for wheels, PEP 625 and its forerunners for sdists.
    """
    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        if len(parts) not in (5, 6) or _project(parts[0]) != project:
            return None
        build = parts[2] if len(parts) == 6 else ""
        if len(parts) == 6 and not _BUILD.fullmatch(build):
            return None
        version = None if "__" in parts[0] or parts[1].strip() != parts[1] else _version(parts[1])
        tags = "-".join(parts[-3:])
        return None if version is None or not _readable(tags) else (version, f"{build}:{tags}")
    stem = _SDIST.sub("", filename)
    if stem == filename:
        return None
    at = stem.find("-")
    while at != -1:
        if _project(stem[:at]) == project and (version := _version(stem[at + 1 :])) is not None:
            return version, None
        at = stem.find("-", at + 1)
    return None


def belongs(filename: str, project: NormalizedName) -> bool:
    """Whether the name is that of a wheel or sdist of the project."""
    return _split(project, filename) is not None


@lru_cache(maxsize=1 << 14)
def _readable(tags: str) -> bool:
    """Whether tags can be those of an honest wheel; packaging refuses what would expand without bounds."""
    return _TAGS.fullmatch(tags) is not None and tags.count(".") < 40


@lru_cache(maxsize=4096)
def _project(text: str) -> NormalizedName:
    return canonicalize_name(text)


@lru_cache(maxsize=1 << 16)
def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


@lru_cache(maxsize=1 << 14)
def _tags(text: str) -> frozenset[Tag]:
    try:
        return parse_tag(text)
    except ValueError:  # packaging refuses too many or malformed tags: such a wheel fits nobody
        return frozenset()


def _build_key(text: str) -> tuple[int, str]:
    match = _BUILD.fullmatch(text)
    build: BuildTag = (int(match[1]), match[2]) if match else ()
    return (build[0], build[1]) if build else (-1, "")


_python: dict[tuple[str, str], bool] = {}


def _admits_python(target: Target, text: str) -> bool:
    key = (target.label, text)
    known = _python.get(key)
    if known is None:
        python = specifiers(text)
        known = _python[key] = python is None or target.admits_python(python)
    return known
