"""A lock as text: PEP 751 `pylock.toml`, written and read through `packaging.pylock`."""

from __future__ import annotations

import os.path
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import pathname2url, url2pathname

import tomli_w
from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel, Pylock, PylockValidationError
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError
from wheelhouse.lock.model import Lock, LockedHeldBack, LockedPackage, LockedWheel


class BadLock(WheelhouseError):
    """A file that is no lock of ours, or a damaged one."""

    hint = "run `wheelhouse lock` to write it anew"

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(source, problem)
        self.source, self.problem = source, problem

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
        packages=[_package(package, folder, wheel_folder) for package in lock.packages],
        tool={"wheelhouse": _tool(lock, folder, wheel_folder)},
    )
    pylock.validate()
    return tomli_w.dumps(dict(pylock.to_dict()))


def _package(package: LockedPackage, folder: Path, wheel_folder: str | None) -> Package:
    return Package(
        name=package.name,
        version=package.version,
        dependencies=[{"name": name} for name in package.dependencies] or None,
        index=package.index,
        wheels=[_wheel(package.wheel, folder, wheel_folder)],
    )


def _wheel(wheel: LockedWheel, folder: Path, wheel_folder: str | None) -> PackageWheel:
    url, path = wheel.url, None
    if wheel_folder is not None:
        path = f"{wheel_folder}{wheel.filename}"
    elif url.startswith("file:"):
        path = _relative(url2pathname(urlsplit(url).path), folder)
    return PackageWheel(
        name=wheel.filename,
        url=url if path is None else None,
        path=path,
        size=wheel.size,
        hashes={"sha256": wheel.digest.hex},
    )


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
    if lock.computed_hashes:
        tool["computed-hashes"] = list(lock.computed_hashes)
    if lock.held_back:
        tool["held-back"] = [
            {"name": each.name, "newer": str(each.newer), "reason": each.reason} for each in lock.held_back
        ]
    tool["required-by"] = {package.name: list(package.required_by) for package in lock.packages}
    if lock.installer is not None:
        package = _package(lock.installer, folder, wheel_folder)
        wheel = dict(_toml(package.wheels[0])) if package.wheels else {}
        tool["installer"] = {"name": package.name, "version": str(package.version), "wheel": wheel}
        if package.index is not None:
            tool["installer"]["index"] = package.index
    return tool


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
    except (tomllib.TOMLDecodeError, PylockValidationError) as error:
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
    required_by = tool.get("required-by", {})
    packages = tuple(
        LockedPackage(
            name=package.name,
            version=_version(package),
            wheel=_only_wheel(package, folder),
            index=package.index,
            dependencies=tuple(canonicalize_name(each["name"]) for each in package.dependencies or ()),
            required_by=tuple(str(each) for each in required_by.get(package.name, ())),
        )
        for package in pylock.packages
    )
    environments = pylock.environments or ()
    return Lock(
        label=str(tool["target"]),
        requires_python=pylock.requires_python or SpecifierSet(),
        environment=str(environments[0]) if environments else "",
        packages=packages,
        installer=_installer(tool.get("installer"), folder),
        roots=tuple(canonicalize_name(name) for name in tool.get("roots", ())),
        inputs=Digest(str(tool["inputs"]).removeprefix("sha256:")) if "inputs" in tool else None,
        held_back=tuple(
            LockedHeldBack(
                name=canonicalize_name(each["name"]), newer=Version(each["newer"]), reason=str(each["reason"])
            )
            for each in tool.get("held-back", ())
        ),
        stand_in=str(tool["stand-in"]) if "stand-in" in tool else None,
        computed_hashes=tuple(str(each) for each in tool.get("computed-hashes", ())),
    )


def _version(package: Package) -> Version:
    if package.version is None:
        raise _Unreadable(f"`{package.name}` has no version")
    return package.version


def _only_wheel(package: Package, folder: Path) -> LockedWheel:
    wheels = list(package.wheels or ())
    if len(wheels) != 1:
        raise _Unreadable(f"`{package.name}` has {len(wheels)} wheels, and a lock of one target has one")
    return _locked(wheels[0], folder)


def _locked(wheel: PackageWheel, folder: Path) -> LockedWheel:
    filename = wheel.filename
    if "/" in filename or "\\" in filename or filename.startswith(".") or not filename.endswith(".whl"):
        raise _Unreadable(f"`{filename}` is no file name of a wheel")
    if "sha256" not in wheel.hashes:
        raise _Unreadable(f"`{filename}` has no SHA-256")
    url = wheel.url
    if url is None:
        url = "file:" + pathname2url(os.path.normpath(folder / (wheel.path or "")))
        url = url if url.startswith("file://") else url.replace("file:", "file://", 1)
    if urlsplit(url).scheme not in ("http", "https", "file"):
        raise _Unreadable(f"`{filename}` has a URL that is neither http, https nor file")
    return LockedWheel(filename=filename, url=url, digest=Digest(wheel.hashes["sha256"].lower()), size=wheel.size)


def _installer(table: Mapping[str, Any] | None, folder: Path) -> LockedPackage | None:
    if table is None:
        return None
    wheel = table["wheel"]
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
