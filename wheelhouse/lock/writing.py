"""A lock as text: PEP 751 `pylock.toml`, written through `packaging.pylock`."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli_w
from packaging.markers import Marker
from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock
from packaging.version import Version

from wheelhouse.lock.model import Lock, LockedBuild, LockedPackage, LockedSdist, LockedSource, LockedWheel
from wheelhouse.lock.times import TomlMoment


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
    )
    # Our table is plain values already; `to_dict` would copy each of them
    return tomli_w.dumps({**pylock.to_dict(), "tool": {"wheelhouse": _tool(lock, folder, wheel_folder)}})


def _package(pin: LockedPackage | LockedSource, folder: Path, wheel_folder: str | None) -> Package:
    is_wheel = isinstance(pin, LockedPackage)
    url, path = _place(pin.file, folder, wheel_folder if is_wheel else None)
    kind = PackageWheel if is_wheel else PackageSdist
    file = kind(
        name=pin.file.filename,
        upload_time=None if pin.file.upload_time is None else TomlMoment.of(pin.file.upload_time),
        url=url,
        path=path,
        size=pin.file.size,
        hashes={"sha256": pin.file.digest.hex},
    )
    return Package(
        name=pin.name,
        version=pin.version,
        dependencies=[{"name": name} for name in pin.dependencies] or None,
        index=pin.index,
        wheels=[file] if isinstance(file, PackageWheel) else None,
        sdist=file if isinstance(file, PackageSdist) else None,
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
    yanked = {pin.name: pin.file.yanked for pin in lock.pins() if pin.file.yanked is not None}
    if yanked:
        tool["yanked"] = yanked
    tool["required-by"] = {pin.name: list(pin.required_by) for pin in lock.pins()}
    if lock.installer is not None:
        package = _package(lock.installer, folder, wheel_folder)
        wheel = dict(_toml(package.wheels[0])) if package.wheels else {}
        tool["installer"] = {"name": package.name, "version": str(package.version), "wheel": wheel}
        if package.index is not None:
            tool["installer"]["index"] = package.index
        if lock.installer.wheel.yanked is not None:
            tool["installer"]["yanked"] = lock.installer.wheel.yanked
    return tool


def _build(build: LockedBuild) -> dict[str, Any]:
    fields: dict[str, Any] = {"sdist": build.sdist, "hashes": {"sha256": build.digest.hex}}
    fields |= {"requires": list(build.requires), "python": build.python}
    return fields if build.repeatable is None else {**fields, "repeatable": build.repeatable}


def _toml(wheel: PackageWheel) -> Mapping[str, Any]:
    fields = {
        "name": wheel.name,
        "upload-time": wheel.upload_time,
        "url": wheel.url,
        "path": wheel.path,
        "size": wheel.size,
        "hashes": dict(wheel.hashes),
    }
    return {key: value for key, value in fields.items() if value is not None}
