"""One target's lock: which indexes answer, the resolution, PyPI in an unreachable channel's place, and the ways out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote, urlsplit

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.config import NamedRoute, Override
from wheelhouse.digests import Digest, DigestMismatch
from wheelhouse.edge.catalog import ChannelUnreachable, LiveCatalog, Rules
from wheelhouse.edge.direct import OtherBytes, direct_files, hashes_of
from wheelhouse.edge.index import shown
from wheelhouse.edge.session import Session
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Said, Warned
from wheelhouse.indexes import PYTORCH_URL, Index, Indexes, NoStandIn, TorchIndex, in_torch_family, without_channels
from wheelhouse.lock import Lock, LockedPackage
from wheelhouse.lock.record import inputs_digest, record
from wheelhouse.metadata import CoreMetadata
from wheelhouse.requirements import Root
from wheelhouse.resolve.candidates import Candidate, Listed
from wheelhouse.resolve.channels import channels_offering
from wheelhouse.resolve.explain import Impossible
from wheelhouse.resolve.refusals import TooNew
from wheelhouse.resolve.resolution import Resolution, resolve
from wheelhouse.resolve.view import View
from wheelhouse.resolve.wants import Want
from wheelhouse.target import Target
from wheelhouse.urls import redact

PIP = canonicalize_name("pip")


@dataclass(frozen=True, kw_only=True)
class Wanted:
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


def lock_target(wanted: Wanted, target: Target, before: Lock | None, session: Session) -> Lock:
    """The target's lock; `before` is the one that an earlier run wrote.

    Raises `Impossible`, `OnlyOlder`, `NoStandIn`, and what indexes raise.
    """
    attempt = _Attempt(wanted, target, before, session)
    stand_in: str | None = None
    try:
        resolution, installer = attempt.run(standing_in=wanted.torch_index == "pypi")
    except ChannelUnreachable as error:
        stand_in = target.accelerator or ""
        _may_stand_in(wanted, target, error)
        try:
            resolution, installer = attempt.run(standing_in=True)
        except Impossible as impossible:
            if impossible.missing and not any(in_torch_family(name) for name, _ in impossible.missing):
                raise  # it has nothing to do with the channel
            reason = f"PyTorch's channel `{stand_in}` cannot be reached ({error}), so PyPI's own build was to stand in"
            raise impossible.adding(reason, hint=error.hint) from None
        _tell_stand_in(target, resolution, error, session)
    if wanted.torch_index == "pypi":
        stand_in = target.accelerator
    digests, sizes = _complete(resolution, installer, session, attempt._hashes())
    for pin in resolution.pins:
        if pin.candidate.is_sdist:  # the user named it: `fetch` may build it here
            session.sdists.allow(pin.candidate.file.digest or digests[pin.candidate.file.url])
    return record(
        resolution,
        target,
        installer=installer,
        inputs=inputs_digest(_facts(wanted, target)),
        stand_in=stand_in,
        digests=digests,
        sizes=sizes,
        constraints=constraints_of(wanted, target),
    )


def constraints_of(wanted: Wanted, target: Target) -> dict[NormalizedName, SpecifierSet]:
    """The constraints that hold on the target, those of one project together."""
    constraints: dict[NormalizedName, SpecifierSet] = {}
    for each in wanted.constraints:
        if target.admits(each.requirement.marker):
            name = canonicalize_name(each.requirement.name)
            constraints[name] = constraints.get(name, SpecifierSet()) & each.requirement.specifier
    return constraints


def installer_for(wanted: Wanted, target: Target, session: Session) -> LockedPackage:
    """The pip that runs on the target's Python, for a lock that another tool wrote.

    Raises `Impossible` where no index has one, and what indexes raise.
    """
    attempt = _Attempt(wanted, target, None, session)
    candidate = attempt.installer(attempt.catalog())
    resolution = Resolution(pins=(), roots=(), held_back=())
    digests, sizes = _complete(resolution, candidate, session, {})
    inputs = inputs_digest({})
    lock = record(resolution, target, installer=candidate, inputs=inputs, stand_in=None, digests=digests, sizes=sizes)
    assert lock.installer is not None
    return lock.installer


def view_for(wanted: Wanted, target: Target, session: Session, *, standing_in: bool) -> View:
    """What the target may choose from, by these rules and indexes; nothing is asked yet.

    `standing_in`: PyPI stands in for the target's channel. Raises `ForeignChannel`.
    """
    attempt = _Attempt(wanted, target, None, session)
    catalog = attempt.catalog(attempt._indexes(standing_in))
    constraints = constraints_of(wanted, target)
    return View(catalog, target, constraints=constraints, pre=wanted.pre, overrides=wanted.overrides)


@dataclass(frozen=True)
class _Attempt:
    """One target's resolution, with or without PyPI in the channel's place."""

    wanted: Wanted
    target: Target
    before: Lock | None
    session: Session

    def run(self, *, standing_in: bool) -> tuple[Resolution, Candidate]:
        wanted, target = self.wanted, self.target
        indexes = self._indexes(standing_in)
        preferred = _preferred(wanted, self.before)
        catalog = self.catalog(indexes, preferred)
        view = View(
            catalog,
            target,
            constraints=constraints_of(wanted, target),
            preferred=preferred,
            pre=wanted.pre,
            overrides=wanted.overrides,
            direct=catalog.direct,
        )
        roots = [_want(root) for root in wanted.roots if target.admits(root.requirement.marker)]
        if not roots:
            self.session.tell_once(Warned(f"nothing is asked for on `{target.label}`: the lock is empty"))
        try:
            resolution = resolve(view, roots, allow_older=wanted.allow_older)
        except Impossible as error:
            raise self._with_ways_out(error, indexes, view) from None
        _tell_times(view, resolution, wanted, self.session)
        _tell_extras(resolution, self.session)
        return resolution, self.installer(catalog)

    def _indexes(self, standing_in: bool) -> Indexes:
        wanted, target = self.wanted, self.target
        base = wanted.pytorch_url.rstrip("/")
        extra, notes = without_channels(
            wanted.extra_indexes, accelerator=target.accelerator, label=target.label, pytorch_url=base
        )
        for note in notes:
            self.session.tell_once(Said(note))
        channel = Index(f"{base}/{target.accelerator}") if target.accelerator is not None else None
        return Indexes(
            default=wanted.default_index,
            extra=tuple(Index(url) for url in extra),
            find_links=wanted.find_links,
            channel=channel,
            pytorch_url=base,
            standing_in=standing_in,
            routes=tuple((route.pattern, index) for route, index in wanted.routes),
        )

    def catalog(
        self, indexes: Indexes | None = None, preferred: Mapping[NormalizedName, Version] | None = None
    ) -> LiveCatalog:
        wanted = self.wanted
        indexes = indexes if indexes is not None else self._indexes(standing_in=False)
        direct = direct_files(wanted.roots, self.target)
        built = {name for name, each in direct.items() if not each.file.filename.endswith(".whl")}
        rules = Rules(
            exclude_newer=wanted.exclude_newer,
            from_sdist=wanted.from_sdist | built,  # a path or URL of its own is asking for it by name
            no_binary=wanted.no_binary,
            hashes=self._hashes(),
            direct=direct,
        )
        return LiveCatalog(
            self.session.shared,
            indexes,
            self.target,
            rules=rules,
            preferred=preferred,
            source_metadata=self._source_metadata,
        )

    def _hashes(self) -> dict[NormalizedName, frozenset[Digest]]:
        return hashes_of((*self.wanted.roots, *self.wanted.constraints), self.target)

    def _source_metadata(self, candidate: Candidate) -> CoreMetadata:
        file = candidate.file
        try:
            path, digest = self.session.sdists.fetch(file.filename, file.url, file.digest, file.size)
        except DigestMismatch as error:
            who = "requirement" if candidate.index.find_links else "index"
            raise OtherBytes(file.filename, f"its {who} says {error.expected}", actual=error.actual) from error
        _check_hashes(candidate, digest, self._hashes())  # before any of its code is run
        return self.session.sdists.metadata(
            path,
            digest,
            project=candidate.project,
            version=candidate.version,
            target=self.target,
            settings=self.session.build_settings(),
        )

    def installer(self, catalog: LiveCatalog) -> Candidate:
        """The newest pip that runs on the target's Python, wheels alone; it need not be in the closure."""
        preferred: dict[NormalizedName, Version] = {}
        if self.before is not None and self.before.installer is not None and not self.wanted.upgrade:
            preferred[PIP] = self.before.installer.version
        every = View(catalog, self.target, preferred=preferred).matching(PIP, SpecifierSet())
        found = next((each for each in every if not each.is_sdist), None)
        if found is None:
            raise Impossible(
                f"no index has a pip for `{self.target.label}`, and the offline side needs one",
                (),
                hint="give a folder with a pip wheel: `--find-links FOLDER`",
            )
        return found

    def _with_ways_out(self, error: Impossible, indexes: Indexes, view: View) -> Impossible:
        """Add what only the world can tell: the channels that have the version, the indexes that were ignored."""
        for name, specifier in error.missing:
            if name in view.direct:
                continue
            if in_torch_family(name) and not indexes.standing_in and indexes.channel is not None:
                if any(reason == TooNew(None) for _, reason, _ in view.refused(name, specifier)):
                    hint = (
                        "leave out `--exclude-newer`, or take PyPI's builds, which it can judge: `--torch-index pypi`"
                    )
                    return error.adding("PyTorch's channels tell no upload times", hint=hint)
                offering = self._channels(name, specifier, indexes)
                if offering:
                    names = ", ".join(f"`{channel}`" for channel in offering)
                    nearest = _nearest(self.target.accelerator or "", offering)
                    label = self.target.label.replace(f"-{self.target.accelerator}-", f"-{nearest}-")
                    line = f"PyTorch's channel `{self.target.accelerator}` lacks it; these channels have it: {names}"
                    return error.adding(line, hint=f"`--target {label}`")
        if error.absent and self.wanted.ignored_indexes:
            ignored = " ".join(self.wanted.ignored_indexes)
            return error.adding("pip is configured here with indexes that wheelhouse does not follow", hint=ignored)
        return error

    def _channels(self, name: NormalizedName, specifier: SpecifierSet, indexes: Indexes) -> tuple[str, ...]:
        try:
            page = self.session.shared.wait(self.session.shared.page(indexes.all_channels, name))
        except WheelhouseError:
            return ()  # it would only have helped the message
        files = () if page is None else page.files
        return channels_offering(name, [Listed(file, indexes.all_channels) for file in files], specifier, self.target)


def _nearest(accelerator: str, offering: Sequence[str]) -> str:
    """The channel to propose: of the CUDA ones the newest that the same driver runs, else the oldest newer one."""

    def age(channel: str) -> tuple[int, int]:
        return int(channel[2:-1]), int(channel[-1])  # cu121 is CUDA 12.1

    if accelerator.startswith("cu"):
        channels = sorted((each for each in offering if each.startswith("cu")), key=age)
        older = [each for each in channels if age(each) < age(accelerator)]
        if channels:
            return older[-1] if older else channels[0]
    return offering[-1]


def _preferred(wanted: Wanted, before: Lock | None) -> Mapping[NormalizedName, Version]:
    if before is None or wanted.upgrade:
        return {}
    return {each.name: each.version for each in before.pins() if each.name not in wanted.upgrade_packages}


def _may_stand_in(wanted: Wanted, target: Target, error: ChannelUnreachable) -> None:
    channel = target.accelerator or ""
    if wanted.torch_index == "pytorch":
        raise NoStandIn(channel, str(error), hint=f"{error.hint}\ndrop `--torch-index pytorch` to let PyPI stand in")
    if channel == "cpu" and target.os == "linux":
        raise NoStandIn(channel, str(error), hint=f"{error.hint}\nPyPI has no CPU build of torch for Linux")


def _tell_stand_in(target: Target, resolution: Resolution, error: ChannelUnreachable, session: Session) -> None:
    family = [str(pin.candidate) for pin in resolution.pins if in_torch_family(pin.candidate.project)]
    if family:
        proof = "whose metadata proves the same CUDA build"
        if target.accelerator == "cpu":
            proof = "which has no other build there"
        session.listen(
            Warned(
                f"PyTorch's channel `{target.accelerator}` cannot be reached ({error}); PyPI stands in for it with"
                f" {', '.join(family)}, {proof}",
                hint="`--torch-index pytorch` forbids this",
            )
        )


def _tell_times(view: View, resolution: Resolution, wanted: Wanted, session: Session) -> None:
    """Once per index: files without an upload time are refused under `--exclude-newer`."""
    if wanted.exclude_newer is None:
        return
    for pin in resolution.pins:
        project = view.project(pin.candidate.project)
        for version in project.versions if project is not None else ():
            for listed in project.listed(version) if project is not None else ():
                if listed.file.upload_time is None:
                    place = shown(listed.index)
                    session.tell_once(
                        Warned(f"`{place}` lists files without an upload time, which `--exclude-newer` refuses")
                    )


def _tell_extras(resolution: Resolution, session: Session) -> None:
    """As pip and uv do: an extra that a release does not have is no error, but hardly what was meant."""
    for pin in resolution.pins:
        for extra in sorted(pin.extras - pin.metadata.extras):
            session.tell_once(Warned(f"`{pin.candidate}` has no extra named `{extra}`"))


def _want(root: Root) -> Want:
    """What a root wants; the text of one that names its file ends with the file's name, which tells no secret."""
    want = Want.of(root.requirement)
    if root.direct is None:
        return want
    filename = unquote(urlsplit(root.direct).path.rpartition("/")[2])
    return Want(want.project, want.specifier, want.extras, f"{want.text} @ {filename}")


def _check_hashes(candidate: Candidate, digest: Digest, hashes: Mapping[NormalizedName, frozenset[Digest]]) -> None:
    """A file that nobody told the digest of, now that it is there. Raises `OtherBytes`."""
    if digest not in hashes.get(candidate.project, (digest,)):
        raise OtherBytes(candidate.file.filename, "its requirement names other hashes", actual=digest)


def _complete(
    resolution: Resolution,
    installer: Candidate,
    session: Session,
    hashes: Mapping[NormalizedName, frozenset[Digest]],
) -> tuple[dict[str, Digest], dict[str, int]]:
    """What the pages left open: digests by download (said aloud), sizes by HEAD, all at once."""
    candidates = [*(pin.candidate for pin in resolution.pins), installer]
    digests: dict[str, Digest] = {}
    sizes: dict[str, int] = {}
    for candidate in candidates:
        if candidate.file.digest is None and candidate.is_sdist:
            path, digests[candidate.file.url] = session.sdists.fetch(candidate.file.filename, candidate.file.url, None)
            sizes[candidate.file.url] = path.stat().st_size
        elif candidate.file.digest is None:
            if not candidate.index.find_links:
                session.listen(
                    Warned(
                        f"`{shown(candidate.index)}` gives no digest for `{candidate.file.filename}`; it is computed"
                    )
                )
            digests[candidate.file.url], sizes[candidate.file.url] = session.wheels.digest(candidate.file)
            _check_hashes(candidate, digests[candidate.file.url], hashes)
    unsized = [candidate.file for candidate in candidates if candidate.file.url not in sizes]
    tasks = [(file, session.workers.submit(session.wheels.size, file)) for file in unsized]
    for file, task in tasks:
        size = session.shared.wait(task)
        if size is not None:
            sizes[file.url] = size
    return digests, sizes


def _facts(wanted: Wanted, target: Target) -> dict[str, object]:
    """Everything that decides a lock, as plain values."""
    return {
        "target": target.label,
        "requirements": sorted(str(root.requirement) for root in wanted.roots),
        "constraints": sorted(str(root.requirement) for root in wanted.constraints),
        "index": None if wanted.default_index is None else wanted.default_index.url,
        "extra-indexes": list(wanted.extra_indexes),
        "find-links": [index.url for index in wanted.find_links],
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
