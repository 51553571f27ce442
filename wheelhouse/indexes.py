"""Which index answers for which project: the default index, extra indexes, find-links and PyTorch's channels.

Nothing here asks an index; `edge` does, in the order that a `Route` gives.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.data import table
from wheelhouse.errors import UsageError, WheelhouseError

PYTORCH_URL = "https://download.pytorch.org/whl"
TorchIndex = Literal["auto", "pytorch", "pypi"]


class Index(Struct, frozen=True):
    """A place that lists files: a Simple Repository API root, or a find-links page or folder.

    `url` holds no credentials.
    """

    url: str
    find_links: bool = False

    def page_url(self, project: NormalizedName) -> str:
        """Where this index lists `project`'s files (PEP 503: `<root>/<normalized name>/`)."""
        return self.url if self.find_links else f"{self.url.rstrip('/')}/{project}/"


Rule = Literal["first", "channel", "beside-default", "stand-in"]


class Route(Struct, frozen=True):
    """The indexes to ask for one project, in order, and how their answers are put together.

    - `first`: the first index that lists the project is the only one that counts (dependency confusion).
    - `channel`: the first index alone; only when it lacks the project, the second, and of that only `none-any` wheels.
    - `beside-default`: as `first`, and the last one, the channel, for versions that the first does not list at all.
    - `stand-in`: the default index stands in for the channel; every wheel must prove its CUDA build.
    """

    indexes: tuple[Index, ...]
    rule: Rule


class NeedsAccelerator(UsageError):
    """A project of the torch family is wanted, and the target does not say which build."""

    def __init__(self, project: str, label: str, *, labels: Sequence[str]) -> None:
        super().__init__(
            f"`{project}` is built per accelerator, and the target `{label}` does not say which build",
            hint=f"say which build: {' or '.join(f'`--target {each}`' for each in labels)}",
        )


class ForeignChannel(UsageError):
    """An index option names a channel of PyTorch's index that is not the target's."""

    def __init__(self, url: str, channel: str, target: str, *, accelerator: str | None) -> None:
        what = f"PyTorch's channel `{channel}`" if channel else "PyTorch's, with all channels together"
        if accelerator is None:
            why = f"the target `{target}` names no accelerator"
            hint = "say which build the target takes, such as `cpu` or `cu121`, and drop that index option"
        else:
            why = f"the target `{target}` takes its own"
            hint = "drop that index option; the target's accelerator chooses the channel"
        super().__init__(f"the index `{url}` is {what}, but {why}", hint=hint)


class NoStandIn(WheelhouseError):
    """The channel cannot be reached and nothing may stand in for it."""

    def __init__(self, channel: str, reason: str, *, hint: str) -> None:
        super().__init__(channel, reason)
        self.channel, self.reason, self.hint = channel, reason, hint

    def __str__(self) -> str:
        return f"PyTorch's channel `{self.channel}` cannot be reached ({self.reason})"


@functools.cache
def _matcher(kind: str) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in table("torch_family.json")[kind]))


def in_torch_family(project: NormalizedName) -> bool:
    """Whether the project comes from a PyTorch channel only."""
    return _matcher("family").match(project) is not None


def is_labelled(project: NormalizedName) -> bool:
    """Whether the channel's wheels of this project carry the channel as their local version (`2.1.2+cu121`)."""
    return _matcher("labelled").match(project) is not None


def _beside_default(project: NormalizedName) -> bool:
    return _matcher("beside_default").match(project) is not None


class Indexes(Struct, frozen=True, kw_only=True):
    """Every index of one target, and which of them answers for which project.

    `extra` and `find_links` are in the order they were given. `channel` is None without an accelerator.
    """

    default: Index | None  # None: `--no-index`
    extra: tuple[Index, ...] = ()
    find_links: tuple[Index, ...] = ()
    channel: Index | None = None
    pytorch_url: str = PYTORCH_URL
    standing_in: bool = False  # the default index stands in for an unreachable channel
    routes: tuple[tuple[str, Index], ...] = ()  # patterns of normalized names, and who alone answers for them

    @property
    def all_channels(self) -> Index:
        """The page root that lists the wheels of every channel together (`<base>/torch/`)."""
        return Index(self.pytorch_url)

    def route(self, project: NormalizedName) -> Route | None:
        """Whom to ask for `project`; None where only a channel could answer and the target has none.

        A route of the user's own comes first: the first pattern that fits (`fnmatch`).
        """
        for pattern, index in self.routes:
            if fnmatch.fnmatchcase(project, pattern):
                return Route((index,), "first")
        default = () if self.default is None else (self.default,)
        if in_torch_family(project):
            if self.channel is None:
                return None
            if self.standing_in:
                return Route(default, "stand-in")
            return Route((self.channel, *default), "channel")
        given = (*self.find_links, *self.extra, *default)
        if _beside_default(project) and self.channel is not None and not self.standing_in:
            return Route((*given, self.channel), "beside-default")
        return Route(given, "first")


def channel_of(url: str, pytorch_url: str) -> str | None:
    """The channel that an index URL names under PyTorch's base URL: `cu121`; `""` for the base itself; else None."""
    bases = {_plain(pytorch_url), _plain(PYTORCH_URL)}
    plain = _plain(url)
    for base in bases:
        if plain == base:
            return ""
        if plain.startswith(base + "/"):
            return plain[len(base) + 1 :]
    return None


def _plain(url: str) -> str:
    """Host and path: scheme, credentials and a port that goes without saying make no other index."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, 80, 443) else f":{parts.port}"
    return f"{parts.hostname or ''}{port}{parts.path.rstrip('/')}"


def without_channels(
    urls: tuple[str, ...], *, accelerator: str | None, label: str, pytorch_url: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The index URLs that are none of PyTorch's, and notes on those that were dropped.

    Raises `ForeignChannel` for a channel that is not the target's: it would mix builds.
    """
    kept, notes = [], []
    for url in urls:
        channel = channel_of(url, pytorch_url)
        if channel is None:
            kept.append(url)
        elif channel == accelerator:
            notes.append(f"the index `{url}` is the target's own channel and is used for PyTorch's projects only")
        else:
            raise ForeignChannel(url, channel, label, accelerator=accelerator)
    return tuple(kept), tuple(notes)


def proven_accelerator(requires: tuple[Requirement, ...]) -> str | None:
    """The accelerator that torch's core metadata proves: `cu121` from `nvidia-cuda-runtime-cu12==12.1.105`.

    Missing pins prove nothing (torch 2.0 and older CUDA 11.7 builds, CPU builds, macOS): None.
    """
    for requirement in requires:
        if canonicalize_name(requirement.name) not in table("torch_family.json")["proof"]["projects"]:
            continue
        for specifier in requirement.specifier:
            if specifier.operator == "==":
                release = Version(specifier.version.removesuffix(".*")).release
                if len(release) >= 2:
                    return f"cu{release[0]}{release[1]}"
    return None


def pinned_torch(requires: tuple[Requirement, ...]) -> Version | None:
    """The one torch version that a project of the family is built for, where its core metadata pins it."""
    for requirement in requires:
        if canonicalize_name(requirement.name) == "torch":
            for specifier in requirement.specifier:
                if specifier.operator == "==" and not specifier.version.endswith(".*"):
                    return Version(specifier.version)
    return None
