"""A lock as text: PEP 751 `pylock.toml`, written and read through `packaging.pylock`."""

from __future__ import annotations

import os.path
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli_w
from packaging.markers import Marker
from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock, PylockValidationError
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError
from wheelhouse.lock.model import (
    Lock,
    LockedBuild,
    LockedHeldBack,
    LockedPackage,
    LockedSdist,
    LockedSource,
    LockedWheel,
)
from wheelhouse.target import Target, TargetError


class BadLock(WheelhouseError):
    """A file that is no lock of ours, or a damaged one."""

    hint = "run `wheelhouse lock` to write it anew"

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(source, problem)
        self.source, self.problem = source, " ".join(problem.split())  # some are told in several lines

    def __str__(self) -> str:
        return f"`{self.source}` is not a lock of wheelhouse: {self.problem}"


def dump(lock: Lock, *, folder: Path, wheel_folder: str | None = None) -> str:
    """The text of `pylock.toml` (PEP 751) in `folder`, which is absolute; the same for the same lock.

    With `wheel_folder` (`wheels/`, or empty) every wheel is named by a path below it in place of its URL. A local
    wheel is named by its path from `folder`, so that no absolute path is ever written.
    """
    pylock = Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(lock.environment)],
        requires_python=lock.requires_python,
        created_by="wheelhouse",
        packages=[_package(pin, folder, wheel_folder) for pin in lock.pins()],
        tool={"wheelhouse": _tool(lock, folder, wheel_folder)},
    )
    return tomli_w.dumps(dict(pylock.to_dict()))


def _package(pin: LockedPackage | LockedSource, folder: Path, wheel_folder: str | None) -> Package:
    is_wheel = isinstance(pin, LockedPackage)
    url, path = _place(pin.file, folder, wheel_folder if is_wheel else None)
    hashes = {"sha256": pin.file.digest.hex}
    wheel = PackageWheel(name=pin.file.filename, size=pin.file.size, hashes=hashes, url=url, path=path)
    sdist = PackageSdist(name=pin.file.filename, size=pin.file.size, hashes=hashes, url=url, path=path)
    return Package(
        name=pin.name,
        version=pin.version,
        dependencies=[{"name": name} for name in pin.dependencies] or None,
        index=pin.index,
        wheels=[wheel] if is_wheel else None,
        sdist=None if is_wheel else sdist,
    )


def _place(file: LockedWheel | LockedSdist, folder: Path, wheel_folder: str | None) -> tuple[str | None, str | None]:
    """URL and path, one of them None: a path below `wheel_folder`, a local file's path from `folder`, else the URL."""
    path = None
    if wheel_folder is not None:
        path = f"{wheel_folder}{file.filename}"
    elif file.url.startswith("file:"):
        from urllib.request import url2pathname  # with it come http.client and ssl

        path = _relative(url2pathname(urlsplit(file.url).path), folder)
    return file.url if path is None else None, path


def _relative(path: str, folder: Path) -> str | None:
    try:
        return os.path.relpath(path, folder).replace(os.sep, "/")
    except ValueError:  # another drive of Windows: there is no way from here to there
        return None


def _tool(lock: Lock, folder: Path, wheel_folder: str | None) -> dict[str, Any]:
    tool: dict[str, Any] = {"format": 1, "target": lock.label}
    if lock.inputs is not None:
        tool["inputs"] = str(lock.inputs)
    tool["roots"] = list(lock.roots)
    if lock.stand_in is not None:
        tool["stand-in"] = lock.stand_in
    if lock.accepted:
        tool["accepted"] = list(lock.accepted)
    if lock.computed_hashes:
        tool["computed-hashes"] = list(lock.computed_hashes)
    if lock.held_back:
        tool["held-back"] = [
            {"name": each.name, "newer": str(each.newer), "reason": each.reason} for each in lock.held_back
        ]
    if lock.builds:
        tool["built"] = {build.name: _build(build) for build in lock.builds}
    installed = {pin.name: pin.installed for pin in lock.packages if pin.installed is not None}
    if installed:
        tool["installed"] = installed
    tool["required-by"] = {pin.name: list(pin.required_by) for pin in lock.pins()}
    if lock.installer is not None:
        package = _package(lock.installer, folder, wheel_folder)
        wheel = dict(_toml(package.wheels[0])) if package.wheels else {}
        tool["installer"] = {"name": package.name, "version": str(package.version), "wheel": wheel}
        if package.index is not None:
            tool["installer"]["index"] = package.index
    return tool


def _build(build: LockedBuild) -> dict[str, Any]:
    fields: dict[str, Any] = {"sdist": build.sdist, "hashes": {"sha256": build.digest.hex}}
    fields |= {"requires": list(build.requires), "python": build.python}
    return fields if build.repeatable is None else {**fields, "repeatable": build.repeatable}


def _toml(wheel: PackageWheel) -> Mapping[str, Any]:
    fields = {
        "name": wheel.name,
        "url": wheel.url,
        "path": wheel.path,
        "size": wheel.size,
        "hashes": dict(wheel.hashes),
    }
    return {key: value for key, value in fields.items() if value is not None}


def parse(text: str, *, source: str, folder: Path) -> Lock:
    """The lock that `text` holds; `folder` is the absolute folder of its file, `source` its name for messages.

    Raises `BadLock` for what is no PEP 751 lock, for one that wheelhouse did not write, and for hostile file names.
    """
    try:
        table = tomllib.loads(text)
        pylock = Pylock.from_dict(table)
    except RecursionError:
        raise BadLock(source, "its tables are nested too deeply") from None
    except (ValueError, PylockValidationError) as error:  # TOML that is none, a number that is too long, a wrong field
        raise BadLock(source, str(error)) from error
    tool = (pylock.tool or {}).get("wheelhouse")
    if not isinstance(tool, dict) or "target" not in tool:
        raise BadLock(source, "it has no `[tool.wheelhouse]` table with a target")
    try:
        return _lock(pylock, tool, folder)
    except _Unreadable as error:
        raise BadLock(source, str(error)) from None
    except (KeyError, TypeError, ValueError, AttributeError, InvalidVersion) as error:
        raise BadLock(source, f"`[tool.wheelhouse]` is damaged ({type(error).__name__}: {error})") from error


class _Unreadable(Exception):
    pass


def _lock(pylock: Pylock, tool: Mapping[str, Any], folder: Path) -> Lock:
    label = str(tool["target"])
    try:
        if Target.parse(label).label != label:  # it names folders
            raise _Unreadable(f"`{label}` is not the canonical name of its target")
    except TargetError as error:
        raise _Unreadable(str(error)) from None
    required_by = tool.get("required-by", {})
    installed = tool.get("installed", {})
    pins = [
        _pin(package, required_by.get(package.name, ()), installed.get(package.name), folder)
        for package in pylock.packages
    ]
    names = [pin.name for pin in pins]
    for name in names:
        if names.count(name) > 1:
            raise _Unreadable(f"`{name}` stands there twice")
    roots = tuple(canonicalize_name(name) for name in tool.get("roots", ()))
    for name in (*roots, *(each for pin in pins for each in pin.dependencies)):
        if name not in names:
            raise _Unreadable(f"`{name}` is required and not there")
    environments = pylock.environments or ()
    return Lock(
        label=label,
        requires_python=pylock.requires_python or SpecifierSet(),
        environment=str(environments[0]) if environments else "",
        packages=tuple(pin for pin in pins if isinstance(pin, LockedPackage)),
        sources=tuple(pin for pin in pins if isinstance(pin, LockedSource)),
        installer=_installer(tool.get("installer"), folder),
        roots=roots,
        inputs=Digest(str(tool["inputs"]).removeprefix("sha256:")) if "inputs" in tool else None,
        held_back=tuple(
            LockedHeldBack(
                name=canonicalize_name(each["name"]), newer=Version(each["newer"]), reason=str(each["reason"])
            )
            for each in tool.get("held-back", ())
        ),
        stand_in=str(tool["stand-in"]) if "stand-in" in tool else None,
        builds=tuple(_built(canonicalize_name(name), table) for name, table in tool.get("built", {}).items()),
        accepted=tuple(str(each) for each in tool.get("accepted", ())),
        computed_hashes=tuple(str(each) for each in tool.get("computed-hashes", ())),
    )


def _version(package: Package) -> Version:
    if package.version is None:
        raise _Unreadable(f"`{package.name}` has no version")
    return package.version


def _pin(package: Package, required_by: Any, installed: Any, folder: Path) -> LockedPackage | LockedSource:
    wheels, sdist = list(package.wheels or ()), package.sdist
    if len(wheels) != (1 if sdist is None else 0):
        found = f"{len(wheels)} wheels{'' if sdist is None else ' and an sdist'}"
        raise _Unreadable(f"`{package.name}` has {found}, and a lock of one target has one wheel or one sdist")
    name, version = package.name, _version(package)
    dependencies = tuple(canonicalize_name(each["name"]) for each in package.dependencies or ())
    told = tuple(str(each) for each in required_by)
    if sdist is None:
        wheel = _locked(wheels[0], folder)
        if installed is not None and (type(installed) is not int or installed < 0):
            raise _Unreadable(f"`{name}` takes {installed!r} bytes installed")
        return LockedPackage(
            name=name,
            version=version,
            wheel=wheel,
            index=package.index,
            dependencies=dependencies,
            required_by=told,
            installed=installed,
        )
    filename, url, digest, size = _file(sdist, folder)
    source = LockedSdist(filename=filename, url=url, digest=digest, size=size)
    return LockedSource(
        name=name, version=version, sdist=source, index=package.index, dependencies=dependencies, required_by=told
    )


def _built(name: NormalizedName, table: Mapping[str, Any]) -> LockedBuild:
    return LockedBuild(
        name=name,
        sdist=str(table["sdist"]),
        digest=Digest(table["hashes"]["sha256"]),
        requires=tuple(str(each) for each in table["requires"]),
        python=str(table["python"]),
        repeatable=table.get("repeatable"),
    )


def _locked(wheel: PackageWheel, folder: Path) -> LockedWheel:
    filename, url, digest, size = _file(wheel, folder)
    return LockedWheel(filename=filename, url=url, digest=digest, size=size)


def _file(file: PackageWheel | PackageSdist, folder: Path) -> tuple[str, str, Digest, int | None]:
    """File name, URL, digest and size, none of them hostile."""
    filename = file.filename
    if "/" in filename or "\\" in filename or not filename.isprintable() or " " in filename:
        raise _Unreadable(f"{filename!r} is no file name of a wheel or sdist")
    if file.size is not None and file.size < 0:
        raise _Unreadable(f"`{filename}` has a size below zero")
    if "sha256" not in file.hashes:
        raise _Unreadable(f"`{filename}` has no SHA-256")
    url = file.url
    if url is None:
        from urllib.request import pathname2url

        url = "file:" + pathname2url(os.path.normpath(folder / (file.path or "")))
        url = url if url.startswith("file://") else url.replace("file:", "file://", 1)
    if urlsplit(url).scheme not in ("http", "https", "file"):
        raise _Unreadable(f"`{filename}` has a URL that is neither http, https nor file")
    return filename, url, Digest(file.hashes["sha256"].lower()), file.size


def _installer(table: Mapping[str, Any] | None, folder: Path) -> LockedPackage | None:
    if table is None:
        return None
    wheel = table["wheel"]
    named = parse_wheel_filename(wheel["name"])[:2]
    if named != (canonicalize_name(table["name"]), Version(table["version"])):
        raise _Unreadable(f"`{wheel['name']}` is no wheel of `{table['name']}` {table['version']}")
    return LockedPackage(
        name=canonicalize_name(table["name"]),
        version=Version(table["version"]),
        index=table.get("index"),
        wheel=_locked(
            PackageWheel(
                name=wheel["name"],
                url=wheel.get("url"),
                path=wheel.get("path"),
                size=wheel.get("size"),
                hashes=wheel["hashes"],
            ),
            folder,
        ),
    )
