"""The resolver's catalog in life: it blocks on answers that were asked for ahead by threads.

What is asked ahead is a guess (the newest fitting wheel of each project, its metadata, its dependencies); what the
solver gets never depends on it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.edge.files import local_path
from wheelhouse.edge.http_errors import HttpError
from wheelhouse.edge.shared import Shared
from wheelhouse.edge.workers import Dropped, Task
from wheelhouse.errors import WheelhouseError
from wheelhouse.indexes import Index, Indexes, Route, in_torch_family
from wheelhouse.lock import LockedWheel
from wheelhouse.metadata import BadMetadata, CoreMetadata
from wheelhouse.resolve import refusals
from wheelhouse.resolve.candidates import Candidate, Listed, Source
from wheelhouse.resolve.catalog import Hint
from wheelhouse.resolve.project import Project
from wheelhouse.resolve.wants import Want
from wheelhouse.simple import Listing, Page, listing_of
from wheelhouse.target import Target

_CALM = 24  # tasks; a small closure waits for the net, and guessing what is needed at last saves an answer's time


class ChannelUnreachable(WheelhouseError):
    """The target's PyTorch channel cannot be reached at all; PyPI may stand in for it."""

    def __init__(self, index: Index, cause: HttpError) -> None:
        super().__init__(index, cause)
        self.index, self.cause, self.hint = index, cause, cause.hint

    def __str__(self) -> str:
        return str(self.cause)


class ChannelFailed(WheelhouseError):
    """The target's PyTorch channel answers, but not as it should; nothing stands in for it.

    An intercepted channel must not quietly change the build.
    """

    def __init__(self, index: Index, cause: HttpError, *, hint: str) -> None:
        super().__init__(index, cause)
        self.index, self.cause, self.hint = index, cause, hint

    def __str__(self) -> str:
        return str(self.cause)


class Rules(Struct, frozen=True, kw_only=True):
    """Which files of which projects count; `exclude_newer` is an aware moment."""

    exclude_newer: datetime | None = None
    from_sdist: frozenset[NormalizedName] = frozenset()  # these may be built
    no_binary: frozenset[NormalizedName] = frozenset()  # these must be
    hashes: Mapping[NormalizedName, frozenset[Digest]] = field(default_factory=dict)
    direct: Mapping[NormalizedName, Listed] = field(default_factory=dict)  # these come from one file of their own


class LiveCatalog:
    """The catalog of one target. The solver's thread asks; guesses run in the shared workers."""

    def __init__(
        self,
        shared: Shared,
        indexes: Indexes,
        target: Target,
        *,
        rules: Rules,
        preferred: Mapping[NormalizedName, Version] | None = None,
        source_metadata: Callable[[Candidate], CoreMetadata] | None = None,
        apart: Collection[NormalizedName] = (),
    ) -> None:
        """`source_metadata` is asked for an sdist's, in the solver's thread: it may have to run the project's code.

        `apart`: projects of whose wheels nobody asks what they hold, but for those that end in the closure.
        """
        self._shared, self._indexes, self._target, self._rules = shared, indexes, target, rules
        self._preferred, self._source_metadata = preferred or {}, source_metadata
        self._projects: dict[NormalizedName, Project | None] = {}
        self._guessed: set[tuple[object, ...]] = set()
        self._taken: set[NormalizedName] = {*apart}
        self._later: deque[LockedWheel] = deque()  # taken, and nobody asked yet what they hold
        self._lock = threading.Lock()

    @property
    def direct(self) -> frozenset[NormalizedName]:
        """The projects that come from one file of their own."""
        return frozenset(self._rules.direct)

    def project(self, name: NormalizedName) -> Project | None:
        if name not in self._projects:
            self._find(name, self._shared.wait)
        return self._projects[name]

    def _find(self, name: NormalizedName, wait: Callable[[Task[Any]], Any]) -> None:
        """Puts a project together from its route's pages; a `wait` that gives up raises and leaves it for later."""
        direct = self._rules.direct.get(name)
        route = self._indexes.route(name)
        files: Sequence[Source] | Sequence[Listed] | None = [direct] if direct is not None else None
        if direct is None and route is not None:
            files = self._files(route, name, wait)
        hashes = self._rules.hashes.get(name, frozenset())
        if hashes and files is not None:
            single = [_with_digest(each) for each in _single(files)]
            files = single
            if direct is not None and single[0].file.digest is None:
                hashes = frozenset()  # it is compared when it was fetched
        project = None
        if files is not None:
            project = Project(
                name,
                files,
                self._target,
                exclude_newer=self._rules.exclude_newer if direct is None else None,
                standing_in=in_torch_family(name)
                if direct is not None
                else route is not None and route.rule == "stand-in",
                from_sdist=name in self._rules.from_sdist,
                no_binary=name in self._rules.no_binary,
                hashes=hashes,
            )
        with self._lock:
            self._projects.setdefault(name, project)

    def _files(self, route: Route, name: NormalizedName, wait: Callable[[Task[Any]], Any]) -> Sequence[Source] | None:
        """The files that count, by the route's rule; None where every index that may answer lacks the project."""
        if route.rule == "channel":
            channel, *others = route.indexes
            page = self._channel_page(channel, name, wait)
            if page is not None:
                return [Source(page, channel)]
            return self._first(others, name, wait, only_any=True)
        if route.rule != "beside-default":
            return self._first(route.indexes, name, wait)
        *given, channel = route.indexes
        files = self._first(given, name, wait)
        try:
            page = self._channel_page(channel, name, wait)
        except ChannelUnreachable:
            if files is None:
                raise
            return files  # the channel could only have added versions that the default index lacks
        if page is None:
            return files
        return self._beside(name, files or [], Source(page, channel))

    def _first(
        self,
        indexes: Sequence[Index],
        name: NormalizedName,
        wait: Callable[[Task[Any]], Any],
        *,
        only_any: bool = False,
    ) -> list[Source] | None:
        """The files of the first index that lists the project; those behind it are not asked."""
        for index in indexes:
            page: Listing | None = wait(self._shared.page(index, name))
            if page is not None:
                return [Source(page, index, only_any)]
        return None

    def _channel_page(self, channel: Index, name: NormalizedName, wait: Callable[[Task[Any]], Any]) -> Listing | None:
        try:
            page: Listing | None = wait(self._shared.page(channel, name))
            return page
        except HttpError as error:
            if error.unreachable:
                raise ChannelUnreachable(channel, error) from error
            between = "does a proxy or firewall stand between? name it: `--proxy URL`, and its CA: `--cert FILE`"
            hints = [error.hint, *([] if "--cert" in error.hint else [between])]
            hints.append("`--torch-index pypi` takes PyPI's builds, where their metadata proves the accelerator")
            raise ChannelFailed(channel, error, hint="\n".join(filter(None, hints))) from error

    def _beside(self, name: NormalizedName, files: Sequence[Source], more: Source) -> list[Source]:
        """The first index's files, and the channel's for versions that the first does not list at all."""
        known = set(Project(name, files, self._target).versions)
        fresh = (at for at, version in enumerate(more.listing.versions) if version not in known)
        added = tuple(file for at in fresh for file, _ in more.listing.files(at))
        page = Page(project=name, url=more.listing.url, files=added)
        return [*files, Source(listing_of(page), more.index)]

    def metadata(self, candidate: Candidate) -> CoreMetadata | refusals.BadMetadata:
        try:
            if candidate.is_sdist:
                assert self._source_metadata is not None
                return self._source_metadata(candidate)
            self._ask_contents()
            found: CoreMetadata = self._shared.wait(self._shared.metadata(candidate))
            return found
        except BadMetadata as error:
            return refusals.BadMetadata(error.reason)

    def expect_metadata(self, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            if not candidate.is_sdist:
                self._shared.expect(candidate)

    def take(self, candidate: Candidate) -> None:
        file = candidate.file
        if candidate.is_sdist or file.digest is None:
            return
        with self._lock:
            if candidate.project in self._taken:
                return
            self._taken.add(candidate.project)  # the first choice is nearly always the last
        self._later.append(LockedWheel(filename=file.filename, url=file.url, digest=file.digest, size=file.size))
        self._ask_contents()

    def _ask_contents(self) -> None:
        """Of the wheels that were taken, as far as that is in nobody's way.

        Where nothing else is asked either, the lock asks for it in the end, if there is one.
        """
        while self._later and 0 < self._shared.workers.busy < _CALM:
            with suppress(IndexError):  # another thread was quicker
                self._shared.wheels.contents.expect(self._later.popleft(), self._shared.workers)

    def expect(self, hints: Iterable[Hint]) -> None:
        queue = deque(hints)  # not a recursion: chains of requirements may be longer than Python's stack
        while queue:
            hint = queue.popleft()
            key = (hint.project, str(hint.specifier), hint.extras)
            with self._lock:
                if key in self._guessed:
                    continue
                self._guessed.add(key)
            queue.extend(self._guess(hint))

    def _guess(self, hint: Hint) -> list[Hint]:
        """One step of the guess: pages, then the best candidate's metadata, then its dependencies. Never waits.

        Gives what to guess next; nothing where an answer is still to come, which then goes on by itself.
        """

        def again() -> None:
            self.expect(self._guess(hint))

        waiting: list[Task[Any]] = []

        def glance(task: Task[Any]) -> Any:
            if not task.done:
                waiting.append(task)
                raise _NotYet
            return task.result()

        try:
            if hint.project not in self._projects:
                self._find(hint.project, glance)
            project = self._projects[hint.project]
            candidate = self._best(project, hint) if project is not None else None
            if candidate is None or candidate.is_sdist:
                return []
            if self._shared.is_kept(candidate):
                return []  # who needs it has it in a moment, and expects what it requires
            task = self._shared.metadata(candidate)
            if candidate.file.metadata and self._shared.workers.busy < _CALM:
                self.take(candidate)  # metadata that is read from the wheel brings this along
            metadata: CoreMetadata = glance(task)
            requires = metadata.requires_for(hint.extras)
            wants = [Want.of(each) for each in requires if self._target.admits(each.marker, hint.extras)]
        except _NotYet:
            self._shared.after(waiting[-1], again)
            return []
        except (WheelhouseError, Dropped):
            return []  # told only if the solver asks for that very thing
        return [Hint(want.project, want.specifier, want.extras) for want in wants]

    def _best(self, project: Project, hint: Hint) -> Candidate | None:
        first, asked = self._preferred.get(hint.project), hint.specifier.prereleases is True
        for version in project.within(hint.specifier, first=first):
            if version.is_prerelease and not asked:
                continue
            candidate = project.offer(version).candidate
            if candidate is not None:
                return candidate
        return None


def _single(files: Sequence[Source] | Sequence[Listed]) -> Iterator[Listed]:
    for each in files:
        if isinstance(each, Listed):
            yield each
        else:
            yield from (Listed(file, each.index, each.only_any) for file in each.listing.every())


def _with_digest(listed: Listed) -> Listed:
    """A file of this machine, which no page tells the digest of, with its digest."""
    path = local_path(listed.file.url)
    if path is None or listed.file.digest is not None:
        return listed
    try:
        with path.open("rb") as file:
            digest = Digest(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError:
        return listed  # told by who needs the file
    return replace(listed, file=replace(listed.file, digest=digest))


class _NotYet(Exception):
    """A guess would have to wait, which a task never does."""
