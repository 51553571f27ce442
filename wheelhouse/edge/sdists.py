"""Source distributions that may be built: fetched whole, read without running anything, built where that is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse import metadata as core
from wheelhouse.digests import Check, Digest, DigestMismatch, SizeMismatch
from wheelhouse.edge import files
from wheelhouse.edge.files import local_path
from wheelhouse.edge.http import Http
from wheelhouse.edge.http_errors import Refused, status_line
from wheelhouse.edge.store import Store
from wheelhouse.edge.transfer import NotServed
from wheelhouse.edge.wheels import NotCached
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Listener, Said, Warned, ignore
from wheelhouse.lock import Lock, LockedBuild, LockedSdist, LockedWheel
from wheelhouse.sdist import Dynamic, static_metadata
from wheelhouse.target import Target

if TYPE_CHECKING:
    from wheelhouse.edge.isolation import BuildSettings  # it costs 60 ms, and few runs build

LARGEST = 512 * 2**20  # bytes; read in one piece: PyPI refuses larger files unless asked for more


class Built(Struct, frozen=True, kw_only=True):
    """A wheel that was built for one target: what the bundle takes, and how it came about."""

    wheel: LockedWheel
    build_requires: tuple[str, ...]
    python: str
    repeatable: bool | None


class SdistReader:
    """Sdists under `folder`, by digest. Fetching and building happen in the caller's thread."""

    def __init__(
        self,
        http: Http,
        folder: Path,
        *,
        offline: bool = False,
        rebuild: bool = False,
        listen: Listener = ignore,
    ) -> None:
        """With `rebuild` nothing that an earlier build gave is taken: what a build looks at may have changed."""
        self._http, self._folder, self._offline, self._listen = http, folder, offline, listen
        self._rebuild = rebuild

    def fetch(self, filename: str, url: str, digest: Digest | None, size: int | None = None) -> tuple[Path, Digest]:
        """The sdist on disk, and its digest; bytes that are other than promised are asked for once more.

        Raises `DigestMismatch`, `SizeMismatch`, `NotServed`, and what `Http` raises.
        """
        name = _safe(filename)
        if digest is not None:
            known = self._folder / digest.hex / name
            if known.is_file() and Digest.of(known.read_bytes()) == digest:
                return known, digest
        try:
            content, found = self._checked(name, url, digest, size)
        except (DigestMismatch, SizeMismatch):
            if local_path(url) is not None:
                raise
            content, found = self._checked(name, url, digest, size)
        path = self._folder / found.hex / name
        files.write_atomically(path, content)
        return path, found

    def _checked(self, name: str, url: str, digest: Digest | None, size: int | None) -> tuple[bytes, Digest]:
        content = self._read(name, url)
        check = Check(name, expected=digest, size=size)
        check.update(content)
        return content, check.finish()

    def _read(self, name: str, url: str) -> bytes:
        local = local_path(url)
        if local is not None:
            try:
                return local.read_bytes()
            except OSError as error:
                raise NotServed(name, url, (error.strerror or str(error)).lower()) from error
        if self._offline:
            raise NotCached(f"`{name}`")
        answer = self._http.get(url, headers={"Accept-Encoding": "identity"}, limit=LARGEST)
        if answer.status_code in (404, 410):
            raise NotServed(name, url, status_line(answer.status_code))
        if answer.status_code != 200:
            raise Refused(url, answer.status_code, proxy=self._http.proxy_for(url))
        return answer.content

    def allow(self, digest: Digest) -> None:
        """Remember that the user asked by name for this sdist to be built, on this machine."""
        files.write_atomically(self._folder / digest.hex / "allowed", b"")

    def is_allowed(self, digest: Digest) -> bool:
        """Whether the user ever did; a lock alone allows nothing, since it may come from elsewhere."""
        return (self._folder / digest.hex / "allowed").is_file()

    def metadata(
        self,
        path: Path,
        digest: Digest,
        *,
        project: NormalizedName,
        version: Version,
        target: Target,
        settings: BuildSettings,
    ) -> core.CoreMetadata:
        """The core metadata of the wheel that the sdist becomes: read where it is static, else asked of its backend.

        The caller passes only an sdist that may be built. Raises `BadMetadata`, and what building raises.
        """
        found = static_metadata(path.read_bytes(), path.name, name=project, version=version)
        if not isinstance(found, Dynamic):
            return found
        kept = self._folder / digest.hex / f"{target.label}.metadata"
        try:
            if self._rebuild:
                raise FileNotFoundError
            content = kept.read_bytes()
        except OSError:
            if self._offline:  # a build asks an index for what it needs
                raise NotCached(f"what the build of `{path.name}` says of it") from None
            from wheelhouse.edge.build import prepare_metadata

            self._listen(Said(f"`{path.name}` is run for its metadata, for {found.reason}"))
            content = prepare_metadata(
                path, project=project, version=version, target=target, settings=settings, listen=self._listen
            )
            files.write_atomically(kept, content)
        if not _runs_here(target):
            self._listen(
                Warned(
                    f"`{path.name}` decides what it requires when it is run, and this machine is not `{target.label}`",
                    hint=f"ask for what it needs there beside it, or for a version of `{project}` with a wheel",
                )
            )
        return core.parse(content, filename=path.name, name=project, version=version)

    def built(self, sdist: LockedSdist, target: Target) -> Built | None:
        """The wheel that an earlier run built of the sdist for the target, if it is still there."""
        place = self._folder / sdist.digest.hex / "built" / target.label
        try:
            told = json.loads((place / "built.json").read_bytes())
            path = place / files.wheel_filename(told["filename"])
            digest = Digest(told["sha256"])
            if Digest.of(path.read_bytes()) != digest:
                return None
            wheel = LockedWheel(filename=path.name, url=path.absolute().as_uri(), digest=digest, size=int(told["size"]))
            return Built(
                wheel=wheel,
                build_requires=tuple(told["build-requires"]),
                python=str(told["python"]),
                repeatable=told["repeatable"],
            )
        except (OSError, ValueError, KeyError, TypeError, files.BadFileName):
            return None

    def build(
        self,
        sdist: LockedSdist,
        *,
        project: NormalizedName,
        version: Version,
        target: Target,
        store: Store,
        settings: BuildSettings,
    ) -> Built:
        """The sdist's wheel for the target, in the store: an earlier run's, else built now, twice, and compared.

        Raises what fetching and building raise.
        """
        known = None if self._rebuild else self.built(sdist, target)
        if known is None:
            known = self._build(sdist, project, version, target, settings)
        else:
            filename = known.wheel.filename
            self._listen(
                Said(f"`{filename}` was built before, with Python {known.python}; `--rebuild` builds it again")
            )
        path = local_path(known.wheel.url)
        assert path is not None
        store.adopt(path, known.wheel.digest)
        return known

    def _build(
        self,
        sdist: LockedSdist,
        project: NormalizedName,
        version: Version,
        target: Target,
        settings: BuildSettings,
    ) -> Built:
        from wheelhouse.edge.build import build_wheel

        if self._offline:
            raise NotCached(f"the wheel of `{sdist.filename}`")
        path, digest = self.fetch(sdist.filename, sdist.url, sdist.digest, sdist.size)
        place = self._folder / digest.hex / "built" / target.label
        wheel = build_wheel(
            path, project=project, version=version, target=target, into=place, settings=settings, listen=self._listen
        )
        if wheel.repeatable is False:
            what, more = ", ".join(wheel.differences[:4]), len(wheel.differences) - 4
            what += f", and {more} more" if more > 0 else ""
            self._listen(Warned(f"`{wheel.filename}` is not the same when it is built again: {what}"))
        told = {
            "filename": wheel.filename,
            "sha256": wheel.digest.hex,
            "size": wheel.size,
            "build-requires": list(wheel.build_requires),
            "python": wheel.python,
            "repeatable": wheel.repeatable,
        }
        files.write_atomically(place / "built.json", json.dumps(told, indent=2, sort_keys=True).encode())
        self._listen(Said(f"built `{wheel.filename}` with Python {wheel.python}"))
        found = self.built(sdist, target)
        assert found is not None
        return found


class NotAllowed(WheelhouseError):
    """A lock asks for an sdist to be built, and nobody on this machine allowed that."""

    def __init__(self, name: NormalizedName, filename: str) -> None:
        super().__init__(name, filename)
        self.name, self.filename = name, filename
        self.hint = f"to let its code run here: `wheelhouse fetch --from-sdist {name}`"

    def __str__(self) -> str:
        return f"`{self.filename}` has to be built, which runs its code, and the lock alone does not allow that"


class BuiltOtherwise(WheelhouseError):
    """The built wheel requires what the lock does not have: its metadata was not the same when it was locked."""

    hint = "lock it on a machine with the target's Python: what a setup.py requires may depend on where it runs"

    def __init__(self, filename: str, missing: tuple[str, ...]) -> None:
        super().__init__(filename, missing)
        self.filename, self.missing = filename, missing

    def __str__(self) -> str:
        names = ", ".join(f"`{each}`" for each in self.missing)
        return f"`{self.filename}` was built, and requires {names}, which the lock does not have"


def _runs_here(target: Target) -> bool:
    """Whether this machine has the target's platform and a Python of its version, so that a setup.py sees the same."""
    from wheelhouse.edge import interpreters

    return interpreters.is_platform_of(target) and interpreters.find(target) is not None


def unmet(lock: Lock, metadata: core.CoreMetadata, target: Target) -> tuple[str, ...]:
    """What a wheel requires on the target, without extras, that no pin of the lock meets."""
    pins = {pin.name: pin.version for pin in lock.pins()}
    return tuple(
        f"{requirement.name}{requirement.specifier}"
        for requirement in metadata.requires
        if target.admits(requirement.marker)
        and not (
            (version := pins.get(canonicalize_name(requirement.name))) is not None
            and requirement.specifier.contains(version, prereleases=True)
        )
    )


class NotBuilt(WheelhouseError):
    """Sdists of a lock that no earlier run has built on this machine."""

    hint = "run `wheelhouse fetch`"

    def __init__(self, label: str, filenames: tuple[str, ...]) -> None:
        super().__init__(label, filenames)
        self.label, self.filenames = label, filenames

    def __str__(self) -> str:
        return f"{', '.join(f'`{name}`' for name in self.filenames)} of `{self.label}` must be built first"


def completed(lock: Lock, wheels: Mapping[NormalizedName, Built]) -> Lock:
    """The lock with the wheels that its sdists became. Raises `NotBuilt` where one is missing."""
    missing = tuple(source.sdist.filename for source in lock.sources if source.name not in wheels)
    if missing:
        raise NotBuilt(lock.label, missing)
    builds = tuple(
        LockedBuild(
            name=source.name,
            sdist=source.sdist.filename,
            digest=source.sdist.digest,
            requires=wheels[source.name].build_requires,
            python=wheels[source.name].python,
            repeatable=wheels[source.name].repeatable,
        )
        for source in lock.sources
    )
    return lock.with_built({name: built.wheel for name, built in wheels.items()}, builds)


def _safe(filename: str) -> str:
    """`filename` if it can only name a file in the folder it is put into. Raises `BadFileName`."""
    files.wheel_filename(f"{filename}.whl")
    return filename
