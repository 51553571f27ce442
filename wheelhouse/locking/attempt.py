"""One target's resolution: which indexes answer, which files count, and the ways out where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.digests import Digest, DigestMismatch
from wheelhouse.edge.catalog import LiveCatalog, Rules
from wheelhouse.edge.direct import OtherBytes, direct_files, hashes_of
from wheelhouse.edge.session import Session
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Said, Warned
from wheelhouse.indexes import Index, Indexes, in_torch_family, without_channels
from wheelhouse.lock import Lock
from wheelhouse.locking.completing import check_hashes
from wheelhouse.locking.telling import tell_doubts, tell_extras, tell_times
from wheelhouse.locking.wanted import Wanted, constraints_of, preferred_versions, want_of
from wheelhouse.metadata import CoreMetadata
from wheelhouse.resolve.candidates import Candidate, Listed
from wheelhouse.resolve.catalog import Hint
from wheelhouse.resolve.channels import channels_offering
from wheelhouse.resolve.explain import Impossible
from wheelhouse.resolve.refusals import TooNew
from wheelhouse.resolve.resolution import Resolution, resolve
from wheelhouse.resolve.view import View
from wheelhouse.target import Target

PIP = canonicalize_name("pip")


class Attempt(Struct, frozen=True):
    """One target's resolution, with or without PyPI in the channel's place."""

    wanted: Wanted
    target: Target
    before: Lock | None
    session: Session

    def run(self, *, standing_in: bool) -> tuple[Resolution, Candidate]:
        wanted, target = self.wanted, self.target
        indexes = self.indexes(standing_in)
        preferred = preferred_versions(wanted, self.before)
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
        roots = [want_of(root) for root in wanted.roots if target.admits(root.requirement.marker)]
        if not roots:
            self.session.tell_once(Warned(f"nothing is asked for on `{target.label}`: the lock is empty"))
        catalog.expect([Hint(PIP, SpecifierSet(), frozenset())])  # the installer is asked for last, and comes meanwhile
        try:
            resolution = resolve(view, roots, allow_older=wanted.allow_older)
        except Impossible as error:
            raise self._with_ways_out(error, indexes, view) from None
        tell_times(view, resolution, wanted, self.session)
        tell_extras(resolution, self.session)
        tell_doubts(resolution, target, self.session)
        return resolution, self.installer(catalog)

    def indexes(self, standing_in: bool) -> Indexes:
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
        indexes = indexes if indexes is not None else self.indexes(standing_in=False)
        direct = direct_files(wanted.roots, self.target)
        built = {name for name, each in direct.items() if not each.file.filename.endswith(".whl")}
        rules = Rules(
            exclude_newer=wanted.exclude_newer,
            from_sdist=wanted.from_sdist | built,  # a path or URL of its own is asking for it by name
            no_binary=wanted.no_binary,
            hashes=self.hashes(),
            direct=direct,
        )
        return LiveCatalog(
            self.session.shared,
            indexes,
            self.target,
            rules=rules,
            preferred=preferred,
            source_metadata=self._source_metadata,
            apart=(PIP,),
        )

    def hashes(self) -> dict[NormalizedName, frozenset[Digest]]:
        return hashes_of((*self.wanted.roots, *self.wanted.constraints), self.target)

    def _source_metadata(self, candidate: Candidate) -> CoreMetadata:
        file = candidate.file
        try:
            path, digest = self.session.sdists.fetch(file.filename, file.url, file.digest, file.size)
        except DigestMismatch as error:
            who = "requirement" if candidate.index.find_links else "index"
            raise OtherBytes(file.filename, f"its {who} says {error.expected}", actual=error.actual) from error
        check_hashes(candidate, digest, self.hashes())  # before any of its code is run
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
        files = () if page is None else page.every()
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
