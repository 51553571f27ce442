"""A lock out of its text: PEP 751 `pylock.toml`, read through `packaging.pylock`."""

from __future__ import annotations

import os.path
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock, PylockValidationError
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from wheelhouse.digests import Digest
from wheelhouse.lock.model import (
    BadLock,
    FileFacts,
    Lock,
    LockedBuild,
    LockedHeldBack,
    LockedPackage,
    LockedSdist,
    LockedSource,
    LockedWheel,
)
from wheelhouse.lock.times import utc
from wheelhouse.target import Target, TargetError


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
    installed, yanked = tool.get("installed", {}), tool.get("yanked", {})
    pins = [
        _pin(package, required_by.get(package.name, ()), installed.get(package.name), yanked.get(package.name), folder)
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


def _pin(package: Package, required_by: Any, installed: Any, yanked: Any, folder: Path) -> LockedPackage | LockedSource:
    wheels, sdist = list(package.wheels or ()), package.sdist
    if len(wheels) != (1 if sdist is None else 0):
        found = f"{len(wheels)} wheels{'' if sdist is None else ' and an sdist'}"
        raise _Unreadable(f"`{package.name}` has {found}, and a lock of one target has one wheel or one sdist")
    name, version = package.name, _version(package)
    dependencies = tuple(canonicalize_name(each["name"]) for each in package.dependencies or ())
    told = tuple(str(each) for each in required_by)
    if sdist is None:
        wheel = _wheel(wheels[0], yanked, folder)
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
    return LockedSource(
        name=name,
        version=version,
        sdist=LockedSdist(**_file(sdist, yanked, folder)),
        index=package.index,
        dependencies=dependencies,
        required_by=told,
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


def _wheel(wheel: PackageWheel, yanked: Any, folder: Path) -> LockedWheel:
    return LockedWheel(**_file(wheel, yanked, folder))


def _file(file: PackageWheel | PackageSdist, yanked: Any, folder: Path) -> FileFacts:
    """The file's fields, none of them hostile."""
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
    if yanked is not None and not isinstance(yanked, str):
        raise _Unreadable(f"`{filename}` is yanked for {yanked!r}")
    return {
        "filename": filename,
        "url": url,
        "digest": Digest(file.hashes["sha256"].lower()),
        "size": file.size,
        "upload_time": utc(file.upload_time),
        "yanked": yanked,
    }


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
        wheel=_wheel(
            PackageWheel(
                name=wheel["name"],
                upload_time=_moment(wheel),
                url=wheel.get("url"),
                path=wheel.get("path"),
                size=wheel.get("size"),
                hashes=wheel["hashes"],
            ),
            table.get("yanked"),
            folder,
        ),
    )


def _moment(table: Mapping[str, Any]) -> datetime | None:
    told = table.get("upload-time")
    if not isinstance(told, datetime | None):
        raise _Unreadable(f"`{table['name']}` was uploaded at {told!r}")
    return told
