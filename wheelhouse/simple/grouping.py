"""A project page becomes a listing: its files in groups, one a version, newest first.

Most files of most pages are named and linked as build tools and PyPI do; these are known at a glance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.simple.links import Links, is_safe
from wheelhouse.simple.listing import Entry, Hashes, Listing, Versions
from wheelhouse.simple.model import File, Page
from wheelhouse.simple.names import split, version

_LARGEST = 2**63 - 1  # bytes; more cannot be a size of a file
_ORDINARY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}")
_ORDINARY_WHEEL = re.compile(
    r"([A-Za-z0-9._]{1,80})-([A-Za-z0-9.+_]{1,40})-(\w{1,30}-\w{1,20}-[\w.]{1,80})\.whl", re.ASCII
)
_ORDINARY_URL = re.compile(
    r"(?:https://[a-z0-9-]+(?:\.[a-z0-9-]+)*/|(?:\.\./)+)(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9._+-]{0,200}[A-Za-z0-9]"
    r"(?:#sha256=[0-9a-f]{64})?"
)


def grouped(
    project: NormalizedName, base: str, url: str, entries: Iterable[Entry], *, stand_in: str | None = None
) -> Listing:
    """The listing of a page at `url`, whose relative links are joined to `base`; sets the entries' `tail`.

    Left out are files with a hostile name, an unusable URL or a size that none has.
    """
    links = Links(base, is_local=base[:5].lower() == "file:")
    by_text: dict[str, list[Entry]] = {}
    groups: dict[Version, tuple[str, list[Entry]]] = {}
    unnamed = []
    ours: set[str] = set()  # spellings of the project's name in the names of its wheels
    ordinary_wheel, ordinary_url = _ORDINARY_WHEEL.fullmatch, _ORDINARY_URL.fullmatch
    for entry in entries:
        # Nearly all, ten times as quickly as by what stands below
        wheel = ordinary_wheel(entry.filename)
        size = entry.size or 0
        if wheel is not None and 0 <= size <= _LARGEST and ordinary_url(entry.url):
            name, text, tags = wheel.groups()
            if name in ours and text in by_text:
                entry.tail = f":{tags}"
                by_text[text].append(entry)
                continue
        if not _is_usable(entry, links):
            continue
        named = split(project, entry.filename)
        if named is None:
            unnamed.append(entry.filename)
            continue
        group = by_text.get(named[0])
        if group is None:
            key = version(named[0])
            assert key is not None
            group = by_text[named[0]] = groups.setdefault(key, (named[0], []))[1]
        if wheel is not None:
            ours.add(wheel[1])
        entry.tail = named[1]
        group.append(entry)
    ordered = sorted(groups, reverse=True)
    return Listing(
        base=base,
        url=url,
        versions=Versions.of(ordered, [groups[each][0] for each in ordered]),
        groups=[groups[each][1] for each in ordered],
        unnamed=unnamed,
        stand_in=stand_in,
        untimed=any(not entry.upload_time for _, group in groups.values() for entry in group),
        days=[_first_day(groups[each][1]) for each in ordered],
    )


def _first_day(group: list[Entry]) -> str:
    """The day before which none of these was uploaded; empty where one has no time, or not in UTC as PEP 700 wants it.

    What has the form of a time and is none counts as uploaded too late, by whatever day.
    """
    times = [entry.upload_time or "" for entry in group]
    return min(times)[:10] if all(t[4:5] == t[7:8] == "-" and t[10:11] == "T" and t[-1] == "Z" for t in times) else ""


def listing_of(page: Page) -> Listing:
    """The listing of a page whose files are values already."""
    found = grouped(page.project, page.url, page.url, (_entry(file) for file in page.files))
    files = {(file.filename, file.url): file for file in page.files}
    if len(files) == len(page.files):
        for at in range(len(found.versions)):
            for place, row in enumerate(found.rows(at)):
                found.put(at, place, files[row.filename, row.url])
    return found


def _is_usable(row: Entry, links: Links) -> bool:
    """No hostile name, no unusable URL, no size that none has."""
    if row.size is not None and not 0 <= row.size <= _LARGEST:
        return False
    if _ORDINARY_NAME.fullmatch(row.filename) and _ORDINARY_URL.fullmatch(row.url):
        return True  # looking closer takes ten times as long
    return is_safe(row.filename) and links.resolve(row.url) is not None


def _entry(file: File) -> Entry:
    return Entry(
        file.filename,
        file.url,
        Hashes() if file.digest is None else Hashes(file.digest.hex),
        file.size,
        file.requires_python,
        False if file.yanked is None else file.yanked or True,
        None if file.upload_time is None else file.upload_time.isoformat(),
        file.metadata if file.metadata_digest is None else Hashes(file.metadata_digest.hex),
    )
