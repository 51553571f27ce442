"""A project page becomes a listing: its files in groups, one a version, newest first.

Most files of most pages are named and linked as build tools and PyPI do; these are known at a glance.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.simple.links import Links, is_safe
from wheelhouse.simple.listing import Entry, Hashes, Listing, Versions
from wheelhouse.simple.model import File, Page
from wheelhouse.simple.names import split, version

_LARGEST = 2**63 - 1  # bytes; more cannot be a size of a file
_ORDINARY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}")
_ORDINARY_URL = (
    r"(?:https://[a-z0-9-]++(?:\.[a-z0-9-]++)*+/|(?:\.\./)++)(?:[A-Za-z0-9_+-]++/)*+[A-Za-z0-9._+-]{1,200}+(?<![._+-])"
    r"(?:#sha256=[0-9a-f]{64})?"
)
_ORDINARY_TIME = r"\d{4}-\d\d-\d\dT[0-9:.]*+Z"
_ORDINARY_URLS = re.compile(rf"(?:{_ORDINARY_URL}\n)*+{_ORDINARY_URL}")  # a line each
_ORDINARY_TIMES = re.compile(rf"(?:{_ORDINARY_TIME}\n)*+{_ORDINARY_TIME}")
_SDIST = ".tar.gz"
_LONGEST = 120  # letters of each half of a name that is put together from halves seen before: nobody has to count them


def grouped(
    project: NormalizedName, base: str, url: str, entries: Sequence[Entry], *, stand_in: str | None = None
) -> Listing:
    """The listing of a page at `url`, whose relative links are joined to `base`; sets the entries' `tail`.

    Left out are files with a hostile name, an unusable URL or a size that none has.
    """
    links = Links(base, is_local=base[:5].lower() == "file:")
    plain_urls = _each_is(_ORDINARY_URLS, [entry.url for entry in entries])
    by_text: dict[str, list[Entry]] = {}
    groups: dict[Version, tuple[str, list[Entry]]] = {}
    unnamed = []
    start, alike = "\n", list[Entry]()  # "NAME-VERSION-" of the wheel before, and its group
    tails: dict[str, str] = {}  # of what wheels' names end with, "TAGS.whl"
    stem = "\n"  # "NAME-" of the sdist before
    for entry in entries:
        filename = entry.filename
        if plain_urls and 0 <= (entry.size or 0) <= _LARGEST:  # most files, a third as long as what stands below
            if filename.startswith(start):
                tail = tails.get(filename[len(start) :])
                if tail is not None:
                    entry.tail = tail
                    alike.append(entry)
                    continue
            elif filename.startswith(stem) and filename.endswith(_SDIST) and len(filename) <= 2 * _LONGEST:
                same = by_text.get(filename[len(stem) : -len(_SDIST)])
                if same is not None:
                    same.append(entry)
                    continue
        if not _is_usable(entry, links, plain_urls):
            continue
        named = split(project, filename)
        if named is None:
            unnamed.append(filename)
            continue
        group = by_text.get(named[0])
        if group is None:
            key = version(named[0])
            assert key is not None
            group = by_text[named[0]] = groups.setdefault(key, (named[0], []))[1]
        entry.tail = named[1]
        group.append(entry)
        if entry.tail is not None and entry.tail[0] == ":":
            half = len(filename) - len(entry.tail) - 3
            if half <= _LONGEST and len(filename) - half <= _LONGEST:
                start, alike = filename[:half], group
                tails[filename[half:]] = entry.tail
        elif filename.endswith(_SDIST):
            stem = filename[: -len(named[0] + _SDIST)]
    ordered = sorted(groups, reverse=True)
    lists = [groups[each][1] for each in ordered]
    plain_times = _each_is(_ORDINARY_TIMES, [entry.upload_time or "" for entry in entries])
    return Listing(
        base=base,
        url=url,
        versions=Versions.of(ordered, [groups[each][0] for each in ordered]),
        groups=lists,
        unnamed=unnamed,
        stand_in=stand_in,
        untimed=not plain_times and any(not entry.upload_time for group in lists for entry in group),
        days=[_first_day(group, plain=plain_times) for group in lists],
    )


def _each_is(pattern: re.Pattern[str], texts: list[str]) -> bool:
    """Whether all of them are of one form; asked once of a page, not ten thousand times."""
    lines = "\n".join(texts)
    return lines.count("\n") == len(texts) - 1 and pattern.fullmatch(lines) is not None


def _first_day(group: list[Entry], *, plain: bool) -> str:
    """The day before which none of these was uploaded; empty where one has no time, or not in UTC as PEP 700 wants it.

    What has the form of a time and is none counts as uploaded too late, by whatever day. `plain`: all have that form.
    """
    times = [entry.upload_time or "" for entry in group]
    if plain or all(t[4:5] == t[7:8] == "-" and t[10:11] == "T" and t[-1] == "Z" for t in times):
        return min(times)[:10]
    return ""


def listing_of(page: Page) -> Listing:
    """The listing of a page whose files are values already."""
    found = grouped(page.project, page.url, page.url, [_entry(file) for file in page.files])
    files = {(file.filename, file.url): file for file in page.files}
    if len(files) == len(page.files):
        for at in range(len(found.versions)):
            for place, row in enumerate(found.rows(at)):
                found.put(at, place, files[row.filename, row.url])
    return found


def _is_usable(row: Entry, links: Links, plain_url: bool) -> bool:
    """No hostile name, no unusable URL, no size that none has."""
    if row.size is not None and not 0 <= row.size <= _LARGEST:
        return False
    if not (_ORDINARY_NAME.fullmatch(row.filename) or is_safe(row.filename)):
        return False
    return plain_url or links.resolve(row.url) is not None


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
