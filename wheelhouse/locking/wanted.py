"""What is asked for, and by which rules; what of it decides a lock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.config import NamedRoute, Override
from wheelhouse.indexes import PYTORCH_URL, Index, TorchIndex
from wheelhouse.lock import Lock
from wheelhouse.requirements import Root
from wheelhouse.resolve.wants import Want
from wheelhouse.target import Target
from wheelhouse.urls import redact


class Wanted(Struct, frozen=True, kw_only=True):
    """What is asked for, and by which rules. Index URLs hold no credentials."""

    roots: tuple[Root, ...]
    constraints: tuple[Root, ...] = ()
    default_index: Index | None = None
    extra_indexes: tuple[str, ...] = ()
    find_links: tuple[Index, ...] = ()
    pytorch_url: str = PYTORCH_URL
    torch_index: TorchIndex = "auto"
    ignored_indexes: tuple[str, ...] = ()  # options of pip's configuration that are not followed
    exclude_newer: datetime | None = None
    pre: bool = False
    allow_older: frozenset[NormalizedName] = frozenset()
    from_sdist: frozenset[NormalizedName] = frozenset()  # may be built from their source distribution
    no_binary: frozenset[NormalizedName] = frozenset()  # of these also: their wheels do not count
    routes: tuple[tuple[NamedRoute, Index], ...] = ()  # the first pattern that fits decides
    overrides: tuple[Override, ...] = ()
    upgrade: bool = False
    upgrade_packages: frozenset[NormalizedName] = frozenset()


def constraints_of(wanted: Wanted, target: Target) -> dict[NormalizedName, SpecifierSet]:
    """The constraints that hold on the target, those of one project together."""
    constraints: dict[NormalizedName, SpecifierSet] = {}
    for each in wanted.constraints:
        if target.admits(each.requirement.marker):
            name = canonicalize_name(each.requirement.name)
            constraints[name] = constraints.get(name, SpecifierSet()) & each.requirement.specifier
    return constraints


def preferred_versions(wanted: Wanted, before: Lock | None) -> Mapping[NormalizedName, Version]:
    if before is None or wanted.upgrade:
        return {}
    return {each.name: each.version for each in before.pins() if each.name not in wanted.upgrade_packages}


def want_of(root: Root) -> Want:
    """What a root wants; the text of one that names its file ends with the file's name, which tells no secret."""
    want = Want.of(root.requirement)
    if root.direct is None:
        return want
    filename = unquote(urlsplit(root.direct).path.rpartition("/")[2])
    return Want(want.project, want.specifier, want.extras, f"{want.text} @ {filename}")


def facts_of(wanted: Wanted, target: Target) -> dict[str, object]:
    """Everything that decides a lock, as plain values."""
    return {
        "target": target.label,
        "requirements": sorted(str(root.requirement) for root in wanted.roots),
        "constraints": sorted(str(root.requirement) for root in wanted.constraints),
        "index": None if wanted.default_index is None else wanted.default_index.url,
        "extra-indexes": list(wanted.extra_indexes),
        # a folder stands elsewhere on every machine
        "find-links": [index.url for index in wanted.find_links if not index.url.startswith("file:")],
        "pytorch": wanted.pytorch_url,
        "torch-index": wanted.torch_index,
        "exclude-newer": None if wanted.exclude_newer is None else wanted.exclude_newer.isoformat(),
        "pre": wanted.pre,
        "allow-older": sorted(wanted.allow_older),
        "from-sdist": sorted(wanted.from_sdist),
        "no-binary": sorted(wanted.no_binary),
        "routes": [[route.pattern, index.url] for route, index in wanted.routes],
        "overrides": [
            [each.project, str(each.versions), list(each.drop), [str(one) for one in each.add]]
            for each in wanted.overrides
        ],
        "direct": sorted(redact(root.direct) for root in wanted.roots if root.direct is not None),
        "hashes": sorted(digest.hex for root in (*wanted.roots, *wanted.constraints) for digest in root.hashes),
    }
