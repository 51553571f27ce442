"""Someone else's lock as the source of truth: `pylock.toml` (PEP 751) of any tool, or `uv.lock`, taken for one target.

The packages are those that the other tool pinned. Ours is only to choose the one wheel of each that the target takes.
"""

from __future__ import annotations

import os.path
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import pathname2url

from packaging.pylock import Package, PackageArchive, PackageWheel
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, NormalizedName, parse_wheel_filename
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.indexes import in_torch_family, is_labelled, proven_accelerator
from wheelhouse.lock import standard, uv
from wheelhouse.lock.model import Lock, LockedPackage, LockedWheel
from wheelhouse.lock.record import ROOT, inputs_digest
from wheelhouse.lock.refusals import (
    BadFile,
    CannotAdopt,
    NeedsPython,
    NoDigest,
    NotALock,
    NotAWheel,
    NoWheel,
    OtherBuild,
    OtherMachine,
    PackageReason,
    RefusedPackage,
    SeveralPins,
)
from wheelhouse.lock.selection import Judge, Selected, Selection, Unjudged
from wheelhouse.lock.times import utc
from wheelhouse.resolve.candidates import ACCELERATOR
from wheelhouse.simple.links import Links, digest, is_safe
from wheelhouse.target import Target
from wheelhouse.urls import redact

_ANYWHERE = "file:///"  # a lock is a file of the person who runs us: it may name files
_NEARNESS = {"interpreter": 0, "abi": 1, "platform": 2}


def adopt(
    text: str,
    *,
    source: str,
    folder: Path,
    target: Target,
    extras: Collection[str] = (),
    groups: Collection[str] = (),
) -> Lock:
    """The lock of one target that `text`, a `pylock.toml` (PEP 751) or a `uv.lock`, holds for it.

    `source` is the file's name for messages, `folder` the absolute folder that its paths start from; `extras` and
    `groups` are the project's, beside the lock's default groups. Packages count at every patch level that the target
    stands for: `Requires-Python` of the lock narrows ours. The project itself (the folder `.`) is left out, as uv does.
    There is no installer in the lock: the caller adds it.

    Raises `NotALock`, `OtherMachine`, `UsageError` (an extra or group that the lock does not have), and `CannotAdopt`
    with every package that cannot be taken.
    """
    table = _table(text, source)
    if "lock-version" in table:
        selection = standard.read(table, source=source, target=target, extras=extras, groups=groups)
    elif isinstance(table.get("version"), int) and ("package" in table or "requires-python" in table):
        selection = uv.read(table, source=source, target=target, extras=extras, groups=groups)
    else:
        problem, hint = _unknown(table)
        raise NotALock(source, problem, hint=hint)
    judge = Judge(target)
    alive, requires_python = _admitted(selection, source, target, judge)
    packages, refused, narrowing = _packages(selection, alive, folder, target)
    refused += _other_builds(packages, target)
    if refused:
        raise CannotAdopt(source, target.label, sorted(refused, key=lambda each: (each.name, str(each))))
    facts = {"lock": str(Digest.of(text.encode("utf-8", "surrogatepass"))), "target": target.label,
             "extras": sorted(extras), "groups": sorted(groups)}  # fmt: skip
    return Lock(
        label=target.label,
        requires_python=requires_python & narrowing,
        environment=target.marker,
        packages=tuple(packages),
        roots=_roots(selection, packages),
        inputs=inputs_digest(facts),
    )


def _table(text: str, source: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:  # a number of 5000 digits is a ValueError too
        raise NotALock(source, f"it is no TOML: {str(error).partition(chr(10))[0]}") from error


def _unknown(table: Mapping[str, Any]) -> tuple[str, str]:
    """The problem with TOML that is no lock that we read, and what to type for the formats that people have."""
    metadata = table.get("metadata")
    keys = metadata if isinstance(metadata, dict) else {}
    if "lock_version" in keys:
        return "it is a lock of pdm in its own format", "write a standard one: `pdm export -f pylock -o pylock.toml`"
    if "content-hash" in keys:
        return (
            "it is a lock of Poetry in its own format",
            "write a standard one with poetry-plugin-export: `poetry export -f pylock.toml -o pylock.toml`",
        )
    return "it has neither a `lock-version` (PEP 751) nor the `version` of a `uv.lock`", ""


def _admitted(selection: Selection, source: str, target: Target, judge: Judge) -> tuple[int, SpecifierSet]:
    """The patch levels that the lock is for, and the target's Python narrowed to them.

    As for a pin: the newest decides, older ones may drop out.
    """
    lock_again = "lock anew for this machine, or name a target that the lock is for"
    allowed = target.requires_python
    if not target.admits_python(selection.requires_python):
        raise OtherMachine(source, target.label, f"it is for Python `{selection.requires_python}`", hint=lock_again)
    alive = judge.everywhere
    if target.excluded(selection.requires_python):
        allowed &= selection.requires_python
        versions = [each["python_full_version"] for each in target.environments]
        held = [selection.requires_python.contains(each, prereleases=True) for each in versions]
        alive = sum(1 << at for at, each in enumerate(held) if each)
    if selection.environments:
        shown = " or ".join(f"`{each}`" for each in selection.environments[:3])
        try:
            holding = 0
            for marker in selection.environments:
                holding |= judge.where(marker)
        except Unjudged as unjudged:
            raise NotALock(source, f"its environments cannot be judged: {unjudged.reason.problem}") from None
        if not holding & judge.newest:
            raise OtherMachine(source, target.label, f"it is for the environments {shown}", hint=lock_again)
        for at, environment in enumerate(target.environments):
            if alive & ~holding & 1 << at:
                allowed &= SpecifierSet(f"!={environment['python_full_version']}")
        alive &= holding
    return alive, allowed


def _packages(
    selection: Selection, alive: int, folder: Path, target: Target
) -> tuple[list[LockedPackage], list[RefusedPackage], SpecifierSet]:
    """The packages with their wheels, sorted by name; those that cannot be taken; what narrows the lock's Python."""
    counting: dict[NormalizedName, list[Selected]] = {}
    for each in selection.selected:
        if each.where & alive or each.problem is not None:
            counting.setdefault(each.package.name, []).append(each)
    taken: list[LockedPackage] = []
    refused: list[RefusedPackage] = []
    narrowing = SpecifierSet()
    for name, found in sorted(counting.items()):
        one, *others = found
        if others:
            refused.append(RefusedPackage(name, None, _several(found, alive)))
            continue
        required = one.package.requires_python
        verdict = one.problem or _python(required, target) or _wheel(one.package, folder, target)
        if isinstance(verdict, PackageReason):
            refused.append(RefusedPackage(name, _shown_version(one.package), verdict))
            continue
        if required is not None and target.excluded(required):
            narrowing &= required
        taken.append(
            LockedPackage(
                name=name,
                version=verdict[1],
                wheel=verdict[0],
                index=_index(one.package),
                dependencies=tuple(sorted(each for each in one.dependencies if each in counting)),
                required_by=tuple(
                    each for each in one.required_by if each.startswith(ROOT) or each.split(":")[0] in counting
                ),
            )
        )
    return taken, refused, narrowing


def _several(found: Sequence[Selected], alive: int) -> PackageReason:
    """Why entries of one name cannot be taken; PEP 751: an ambiguity "MUST" be an error."""
    problem = next((each.problem for each in found if each.problem is not None), None)
    together = any(one.where & other.where & alive for one in found for other in found if one is not other)
    versions = tuple(_shown_version(each.package) or "?" for each in found)
    return problem or SeveralPins(tuple(sorted(set(versions))), by_patch=not together)


def _python(required: SpecifierSet | None, target: Target) -> PackageReason | None:
    return None if required is None or target.admits_python(required) else NeedsPython(str(required))


def _shown_version(package: Package) -> str | None:
    return None if package.version is None else str(package.version)


def _wheel(package: Package, folder: Path, target: Target) -> tuple[LockedWheel, Version] | PackageReason:
    """The wheel that the target takes, and its version; the best tag first, then the highest build number (PEP 427)."""
    if package.vcs is not None:
        return NotAWheel("a repository", redact(package.vcs.url or package.vcs.path or ""))
    if package.directory is not None:
        return NotAWheel("a folder", package.directory.path)
    wheels: Sequence[PackageWheel | PackageArchive] = package.wheels or ()
    if package.archive is not None:
        if not _filename(package.archive).endswith(".whl"):
            return NotAWheel("an archive", redact(package.archive.url or package.archive.path or ""))
        wheels = (package.archive,)
    best: tuple[int, tuple[int, str], PackageWheel | PackageArchive, Version] | None = None
    others: list[tuple[int, str]] = []
    for each in wheels:
        filename = _filename(each)
        try:
            name, version, build, tags = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            return BadFile(filename, "whose name is no wheel's")
        if name != package.name or (package.version is not None and version != package.version):
            return BadFile(filename, "which is another project's, or another version")
        rank = target.rank(tags)
        if rank is None:
            others.append((-_NEARNESS[target.why_not(tags) or "platform"], _tags(filename)))
        elif best is None or (-rank, build or (-1, "")) > (-best[0], best[1]):
            best = rank, build or (-1, ""), each, version
    if best is None:
        return NoWheel(tuple(dict.fromkeys(text for _, text in sorted(others))), sdist=package.sdist is not None)
    found = _located(best[2], folder)
    return found if isinstance(found, PackageReason) else (found, best[3])


def _tags(filename: str) -> str:
    return "-".join(filename.removesuffix(".whl").split("-")[-3:])


def _filename(wheel: PackageWheel | PackageArchive) -> str:
    """The file's name: PEP 751's `name`, else the end of its path or URL.

    uv exports a `name` in lower case beside the URL of `PySocks-1.7.1-….whl`: then the URL has the file's own.
    """
    if wheel.path and not wheel.url:
        last = wheel.path.replace("\\", "/").rpartition("/")[2]
    else:
        found = Links(_ANYWHERE, is_local=True).resolve(wheel.url or "")
        last = found[1] if found is not None else ""
    name = wheel.name if isinstance(wheel, PackageWheel) else None
    return last if not name or last.lower() == name.lower() else name


def _located(wheel: PackageWheel | PackageArchive, folder: Path) -> LockedWheel | PackageReason:
    filename = _filename(wheel)
    if not is_safe(filename) or filename.startswith("."):
        return BadFile(filename, "a name that no file of ours may have")
    sha256 = digest(wheel.hashes.get("sha256", ""))
    if sha256 is None:
        return NoDigest(filename)
    if wheel.url:
        link = Links(_ANYWHERE, is_local=True).resolve(wheel.url) if "://" in wheel.url else None
        if link is None:
            return BadFile(filename, "whose URL is none of https, http or file")
        url = link[0]
    else:
        path = os.path.normpath(folder / (wheel.path or "").replace("\\", "/"))
        url = "file://" + pathname2url(path).removeprefix("//")
    size = wheel.size if wheel.size is not None and wheel.size >= 0 else None
    return LockedWheel(filename=filename, url=url, digest=sha256, size=size, upload_time=utc(wheel.upload_time))


def _index(package: Package) -> str | None:
    """The index, where it is one on the network: a lock of ours holds no absolute path."""
    index = package.index or ""
    return redact(index) if index.startswith(("https://", "http://")) else None


def _other_builds(packages: Sequence[LockedPackage], target: Target) -> list[RefusedPackage]:
    """PyTorch's wheels that are for another accelerator than the target's.

    A local version names the build. Where there is none (PyPI's torch) the pinned CUDA runtime proves it, as for a
    stand-in; what PyPI has for Windows is a `cpu` build; macOS and Linux on ARM have builds without a name.
    """
    if target.accelerator is None or target.os == "macos":
        return []
    pins = tuple(Requirement(f"{package.name}=={package.version.public}") for package in packages)
    proven = proven_accelerator(pins) or ("cpu" if target.os == "windows" else None)
    unnamed = target.os == "linux" and target.arch == "aarch64"
    refused = []
    for package in packages:
        named = ACCELERATOR.match(package.version.local or "")
        if not in_torch_family(package.name) or (named is None and not is_labelled(package.name)):
            continue
        build = (package.version.local if named else proven) or None
        if build != target.accelerator and not (build is None and unnamed):
            reason = OtherBuild(build, target.accelerator)
            refused.append(RefusedPackage(package.name, str(package.version), reason))
    return refused


def _roots(selection: Selection, packages: Sequence[LockedPackage]) -> tuple[NormalizedName, ...]:
    """What was asked for; where the lock does not tell, every package that no other depends on."""
    taken = [package.name for package in packages]
    if selection.roots is not None:
        return tuple(name for name in taken if name in selection.roots)
    needed = {name for package in packages for name in package.dependencies if name != package.name}
    return tuple(name for name in taken if name not in needed)
