"""A project as one target sees it: for each version the one wheel it would take, and why not another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, parse_tag
from packaging.utils import BuildTag, NormalizedName
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.indexes import Index, is_labelled
from wheelhouse.metadata import specifiers
from wheelhouse.resolve.candidates import ACCELERATOR, BUILDABLE, Candidate, Listed, Offer, Source
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
)
from wheelhouse.resolve.spans import Span, Spans
from wheelhouse.simple import listing_of
from wheelhouse.simple.links import digest, moment, plain
from wheelhouse.simple.listing import Entry, Versions
from wheelhouse.simple.model import File, Page
from wheelhouse.simple.names import BUILD
from wheelhouse.target import Target

# A moment that there is, as nearly all pages write it; the last days of a month are looked at more closely
_ORDINARY_TIME = re.compile(
    r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z", re.ASCII
)


class Project:
    """A project as one target sees it. Files are judged when their version is asked for, each once.

    `files` in the order of preference of their indexes, each alone or as an index lists them; `exclude_newer` is an
    aware moment. With `from_sdist` a version without a fitting wheel offers its sdist, with `no_binary` always. Where
    `hashes` is not empty no other file counts.
    """

    def __init__(
        self,
        name: NormalizedName,
        files: Iterable[Listed] | Sequence[Source],
        target: Target,
        *,
        exclude_newer: datetime | None = None,
        standing_in: bool = False,
        from_sdist: bool = False,
        no_binary: bool = False,
        hashes: frozenset[Digest] = frozenset(),
    ) -> None:
        self.name = name
        self._from_sdist, self._no_binary, self._hashes = from_sdist or no_binary, no_binary, hashes
        self._target, self._exclude_newer = target, exclude_newer
        self._newest = "" if exclude_newer is None else exclude_newer.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        self._offers: dict[tuple[Version, bool], Offer] = {}
        self._sources = _sources(name, files)
        told = {source.listing.stand_in for source in self._sources}  # a mirror's page says that PyPI stood in
        self.standing_in = standing_in or (target.accelerator is not None and target.accelerator in told)
        self.unnamed = [Refusal(each, BadName()) for source in self._sources for each in source.listing.unnamed]
        self.versions = Versions(())
        if len(self._sources) == 1:
            self.versions = self._sources[0].listing.versions
        elif self._sources:
            every = {version: None for source in self._sources for version in source.listing.versions}
            ordered = sorted(every, reverse=True)
            self.versions = Versions.of(ordered, [str(each) for each in ordered])
        self._spans = Spans(self.versions)

    def within(self, specifiers: SpecifierSet, *, first: Version | None = None) -> Iterator[Version]:
        """The versions in the set, newest first, but `first` before them if it is one of them.

        Each of `>=`, `>`, `<`, `<=`, `==` and `~=` admits one stretch of the versions, found in a few steps; what
        stands in it is looked at as far as somebody asks. (Asking every version about every requirement took half of
        the time of boto3 with urllib3<1.25.4; warm: 8.9 s of CPU, then 4.3 s.)
        """
        admitted = self._spans.within(specifiers)
        return admitted if first is None else self._preferring(first, specifiers, admitted)

    def span(self, specifiers: SpecifierSet) -> Span:
        """Which stretch of `versions` the set admits, and what it leaves out of that."""
        return self._spans.of(specifiers)

    def _preferring(self, first: Version, specifiers: SpecifierSet, admitted: Iterator[Version]) -> Iterator[Version]:
        try:
            first = self.versions[self.versions.place(first)]
        except KeyError:
            return admitted
        if not specifiers.contains(first, prereleases=True):
            return admitted
        return chain((first,), (version for version in admitted if version != first))

    def offer(self, version: Version, *, yanked: bool = False) -> Offer:
        """What the version offers; with `yanked` its yanked files count as ordinary ones.

        The caller passes a version of `versions`.
        """
        key = (version, yanked)
        found = self._offers.get(key)
        return found if found is not None else self._offers.setdefault(key, self._judge(version, yanked))

    def listed(self, version: Version) -> tuple[Listed, ...]:
        """Every wheel and sdist of the version, whether it fits or not."""
        return tuple(
            Listed(file, source.index, source.only_any)
            for source, at in self._places(version)
            for file, _ in source.listing.files(at)
        )

    def untimed(self) -> Iterator[Index]:
        """The indexes that list a file of the project without a time of upload."""
        return (source.index for source in self._sources if source.listing.untimed)

    def _places(self, version: Version) -> Iterator[tuple[Source, int]]:
        for source in self._sources:
            with suppress(KeyError):
                yield source, source.listing.versions.place(version)

    def offers(self) -> Iterator[tuple[Version, Offer]]:
        """Every version, newest first, with its offer."""
        for version in self.versions:
            yield version, self.offer(version)

    def _judge(self, version: Version, yanked: bool) -> Offer:
        best: tuple[int, tuple[int, str], int] | None = None
        taken: tuple[Source, int, int] | None = None
        position = 0
        for source, at in self._places(version):
            # The cheapest questions first; `_refused` asks for the reason, if anybody does
            if self._is_of_later(source, at):
                continue
            for place, row in enumerate(source.listing.rows(at)):
                position -= 1
                if row.tail is not None and _rank(self._target, row.tail) is None:
                    continue
                verdict = self._verdict(version, source, row, yanked)
                if not isinstance(verdict, Reason):
                    key = (-verdict[0], verdict[1], position)  # best tag, then highest build number, then first index
                    if best is None or key > best:
                        best, taken = key, (source, at, place)
        candidate = None
        if taken is not None:
            source, at, place = taken
            file = source.listing.file(at, place)
            candidate = Candidate(self.name, version, file, source.index, not file.filename.endswith(".whl"))
        return Offer(candidate, lambda: tuple(self._refused(version, yanked)))

    def _refused(self, version: Version, yanked: bool) -> Iterator[Refusal]:
        for source, at in self._places(version):
            for row in source.listing.rows(at):
                verdict = self._verdict(version, source, row, yanked)
                if isinstance(verdict, Reason):
                    yield Refusal(row.filename, verdict)

    def _verdict(
        self, version: Version, source: Source, row: Entry, yanked: bool
    ) -> Reason | tuple[int, tuple[int, str]]:
        if row.yanked and not yanked:
            return Yanked(plain(row.reason or ""))
        if self._exclude_newer is not None and not self._is_older(row.upload_time):
            time = moment(row.upload_time) if row.upload_time else None
            if time is None or time >= self._exclude_newer:
                return TooNew(time)
        if row.requires_python:
            required = plain(row.requires_python)
            if not _admits_python(self._target, required):
                return RequiresPython(required)
        if row.tail is None:
            return self._sdist_verdict(row)
        build_text, _, tag_text = row.tail.rpartition(":")
        rank = _rank(self._target, row.tail)
        if rank is None:
            return WrongTag(tag_text, self._target.why_not(_tags(tag_text)) or "platform")
        if source.only_any and not all(tag.platform == "any" and tag.abi == "none" for tag in _tags(tag_text)):
            return NotAny()
        wrong = self._wrong_build(version)
        if wrong is not None:
            return wrong
        if self._is_other(row):
            return WrongDigest()
        return NoBinary() if self._no_binary else (rank, _build_key(build_text))

    def is_too_new(self, version: Version) -> bool:
        """Whether all of it was uploaded after the last day that counts, as far as that is clear at a glance.

        The caller passes a version of `versions`.
        """
        return all(self._is_of_later(source, at) for source, at in self._places(version))

    def _is_of_later(self, source: Source, at: int) -> bool:
        """Whether all that the index lists of its version at that place was uploaded after the last day that counts."""
        return bool(self._newest) and source.listing.days[at] > self._newest[:10]

    def _is_older(self, time: str | None) -> bool:
        """Whether a time as nearly all pages write it is before the last second that counts: told by its text alone."""
        return time is not None and time[:19] < self._newest and _ORDINARY_TIME.fullmatch(time) is not None

    def _is_other(self, row: Entry) -> bool:
        """Whether hashes are asked for, and the file's is none of them."""
        return bool(self._hashes) and digest(row.sha256) not in self._hashes

    def _sdist_verdict(self, row: Entry) -> Reason | tuple[int, tuple[int, str]]:
        """An sdist that may be built ranks behind every wheel, and a .tar.gz (PEP 625) before the older forms."""
        if self._is_other(row):
            return WrongDigest()
        if not self._from_sdist or not row.filename.endswith(BUILDABLE):
            return SdistOnly()
        return (len(self._target.tags) + (0 if row.filename.endswith(".tar.gz") else 1), (-1, ""))

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


def _sources(name: NormalizedName, files: Iterable[Listed] | Sequence[Source]) -> tuple[Source, ...]:
    """The files by index; single ones are put together as if their index had listed them on a page."""
    sources: list[Source] = []
    single: dict[tuple[Index, bool], list[File]] = {}
    for each in files:
        if isinstance(each, Source):
            sources.append(each)
        else:
            single.setdefault((each.index, each.only_any), []).append(each.file)
    for (index, only_any), listed in single.items():
        page = Page(project=name, url=index.url, files=tuple(listed))
        sources.append(Source(listing_of(page), index, only_any))
    return tuple(sources)


@lru_cache(maxsize=1 << 14)
def _tags(text: str) -> frozenset[Tag]:
    try:
        return parse_tag(text)
    except ValueError:  # packaging refuses too many or malformed tags: such a wheel fits nobody
        return frozenset()


_ranks: dict[tuple[str, str], int | None] = {}


def _rank(target: Target, tail: str) -> int | None:
    """As `target.rank` of a wheel's `build:tags`: thousands of wheels share a few."""
    key = target.label, tail
    if key not in _ranks:
        _ranks[key] = target.rank(_tags(tail.rpartition(":")[2]))
    return _ranks[key]


def _build_key(text: str) -> tuple[int, str]:
    match = BUILD.fullmatch(text)
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
