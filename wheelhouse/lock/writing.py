"""A lock as text: PEP 751 `pylock.toml`.

`packaging.pylock` reads what is written here (the tests hold one against the other); to write by it takes five times as
long, for a copy of every value.
"""

from __future__ import annotations

import os.path
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli_w
from packaging.markers import Marker

from wheelhouse.lock.model import Lock, LockedBuild, LockedPackage, LockedSdist, LockedSource, LockedWheel
from wheelhouse.lock.times import TomlMoment


def dump(lock: Lock, *, folder: Path, wheel_folder: str | None = None) -> str:
    """The text of `pylock.toml` (PEP 751) in `folder`, which is absolute; the same for the same lock.

    With `wheel_folder` (`wheels/`, or empty) every wheel is named by a path below it in place of its URL. A local
    wheel is named by its path from `folder`, so that no absolute path is ever written.
    """
    table = {
        "lock-version": "1.0",
        "environments": [str(Marker(lock.environment))],
        "requires-python": str(lock.requires_python),
        "created-by": "wheelhouse",
        "packages": [_package(pin, folder, wheel_folder) for pin in lock.pins()],
        "tool": {"wheelhouse": _tool(lock, folder, wheel_folder)},
    }
    return tomli_w.dumps(table)


def _package(pin: LockedPackage | LockedSource, folder: Path, wheel_folder: str | None) -> dict[str, Any]:
    package: dict[str, Any] = {"name": pin.name, "version": str(pin.version)}
    if pin.dependencies:
        package["dependencies"] = [{"name": name} for name in pin.dependencies]
    if pin.index is not None:
        package["index"] = pin.index
    if isinstance(pin, LockedPackage):
        return {**package, "wheels": [_file(pin.file, folder, wheel_folder)]}
    return {**package, "sdist": _file(pin.file, folder, None)}


def _file(file: LockedWheel | LockedSdist, folder: Path, wheel_folder: str | None) -> dict[str, Any]:
    url, path = _place(file, folder, wheel_folder)
    time = None if file.upload_time is None else TomlMoment.of(file.upload_time)
    fields = {
        "name": file.filename,
        "upload-time": time,
        "url": url,
        "path": path,
        "size": file.size,
        "hashes": {"sha256": file.digest.hex},
    }
    return {key: value for key, value in fields.items() if value is not None}


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
        pip = lock.installer
        wheel = _file(pip.wheel, folder, wheel_folder)
        tool["installer"] = {"name": pip.name, "version": str(pip.version), "wheel": wheel}
        if pip.index is not None:
            tool["installer"]["index"] = pip.index
        if pip.wheel.yanked is not None:
            tool["installer"]["yanked"] = pip.wheel.yanked
    return tool


def _build(build: LockedBuild) -> dict[str, Any]:
    fields: dict[str, Any] = {"sdist": build.sdist, "hashes": {"sha256": build.digest.hex}}
    fields |= {"requires": list(build.requires), "python": build.python}
    return fields if build.repeatable is None else {**fields, "repeatable": build.repeatable}
