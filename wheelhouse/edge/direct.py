"""Requirements that say which file they mean: by a URL, by a path on this machine, by hashes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import NormalizedName, canonicalize_name

from wheelhouse.digests import Digest
from wheelhouse.edge.files import local_path
from wheelhouse.errors import UsageError, WheelhouseError
from wheelhouse.indexes import Index
from wheelhouse.requirements import Root
from wheelhouse.resolve.candidates import Listed
from wheelhouse.simple import File
from wheelhouse.simple.names import belongs
from wheelhouse.target import Target
from wheelhouse.urls import redact, split_credentials


class OtherBytes(WheelhouseError):
    """A file is not the one that its index or its requirement promised, before any lock says what it is."""

    hint = "run the same command again; if that does not help, whoever promised it is to correct the hash or the file"

    def __init__(self, filename: str, promised: str, *, actual: Digest) -> None:
        super().__init__(filename, promised, actual)
        self.filename, self.promised, self.actual = filename, promised, actual

    def __str__(self) -> str:
        return f"`{self.filename}` is {self.actual}, but {self.promised}"


def hashes_of(roots: Iterable[Root], target: Target) -> dict[NormalizedName, frozenset[Digest]]:
    """The digests that count on the target, by project, where some are named: as in pip, those that every line names.

    Raises `UsageError` where two lines have none in common.
    """
    found: dict[NormalizedName, frozenset[Digest]] = {}
    for root in roots:
        if not root.hashes or not target.admits(root.requirement.marker):
            continue
        name = canonicalize_name(root.requirement.name)
        found[name] = found.get(name, frozenset(root.hashes)) & frozenset(root.hashes)
        if not found[name]:
            what = f"{_where(root)} names other hashes of `{name}` than the lines before it: no file can have both"
            raise UsageError(what, hint="leave out one of them")
    return found


def direct_files(roots: Iterable[Root], target: Target) -> dict[NormalizedName, Listed]:
    """The file of each root that names one and holds on the target; a path is relative to the current folder.

    Raises `UsageError` for a file that is not there or is no wheel or sdist of the project, and for two files of one.
    """
    found: dict[NormalizedName, Listed] = {}
    for root in roots:
        if root.direct is None or not target.admits(root.requirement.marker):
            continue
        name = canonicalize_name(root.requirement.name)
        file = _file(root, name)
        if name in found and found[name].file.url != file.url:
            raise UsageError(
                f"`{name}` is to come from two files: `{found[name].file.filename}` and `{file.filename}`",
                hint="name one of them",
            )
        found[name] = Listed(file, Index(file.url, find_links=True))
    return found


def _file(root: Root, name: NormalizedName) -> File:
    place = root.direct or ""
    shown = redact(place)
    if urlsplit(place).scheme in ("http", "https"):
        url = split_credentials(place)[0].partition("#")[0]
    else:
        path = local_path(place) if place.startswith("file:") else Path(place).expanduser()
        if path is None or not path.is_file():
            raise UsageError(f"`{shown}` of {_where(root)} is not there", hint="correct its path")
        url = path.absolute().as_uri()
    filename = unquote(urlsplit(url).path.rpartition("/")[2])
    if not belongs(filename, name):
        raise UsageError(f"`{shown}` of {_where(root)} is no wheel or sdist of `{name}`", hint="correct name or path")
    told = len(root.hashes) == 1 and local_path(url) is None  # a file of this machine is read, not believed
    digest = root.hashes[0] if told else None
    return File(filename=filename, url=url, digest=digest)


def _where(root: Root) -> str:
    return f"line {root.line} of `{root.source}`" if root.line else f"the {root.source}"
