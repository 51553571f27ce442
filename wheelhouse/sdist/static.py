"""What an sdist says of itself for good: its core metadata where that is static, and what builds it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from msgspec import Struct
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse import metadata
from wheelhouse.metadata import LARGEST_METADATA, BadMetadata, CoreMetadata
from wheelhouse.metadata.sdist import project_and_version
from wheelhouse.sdist.archive import members

_STATIC_SINCE = (2, 2)  # PEP 643
# What decides the closure. PEP 643 and PEP 621 name them differently; `Dynamic.fields` has PEP 643's names.
_DECIDING = {
    "Requires-Dist": "dependencies",
    "Requires-Python": "requires-python",
    "Provides-Extra": "optional-dependencies",
}
_HEADER = re.compile(r"^(metadata-version|dynamic)[ \t]*:(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)


class Dynamic(Struct, frozen=True):
    """Only the build tells what the project requires. `fields` may be empty: `reason` is for a message."""

    fields: tuple[str, ...]
    reason: str


class BuildSystem(Struct, frozen=True):
    """`[build-system]` (PEP 518), or its default where there is none. `backend_path` is relative to the tree."""

    requires: tuple[Requirement, ...]
    backend: str
    backend_path: tuple[str, ...] = ()


# PEP 517: without `build-backend` "the source tree is not using this specification": setuptools runs setup.py
LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
_LEGACY_REQUIRES = ("setuptools>=40.8.0", "wheel")  # the first setuptools that has this backend


def static_metadata(
    content: BinaryIO | bytes, filename: str, *, name: NormalizedName | None = None, version: Version | None = None
) -> CoreMetadata | Dynamic:
    """The core metadata of every wheel that this sdist builds into, or why only a build can tell.

    It is static where PKG-INFO has Metadata-Version 2.2 or later and `Dynamic` names neither Requires-Dist nor
    Requires-Python nor Provides-Extra (PEP 643: those are then the same in every wheel). Else `[project]` counts, where
    `dynamic` leaves those out (PEP 621: a backend must then take them, absent ones as empty) and PKG-INFO does not
    contradict it: a backend that knows no `[project]` ignores the table. An older PKG-INFO alone never counts:
    setuptools wrote there what was true on the author's machine, or nothing.

    `name` and `version` are those of `filename` unless given; the metadata must agree with them. Raises `BadMetadata`
    for that, and for a damaged or hostile archive.
    """
    if name is None or version is None:
        told = project_and_version(filename)
        name, version = name or told[0], version or told[1]
    files = _read(content, filename)
    pkg_info = files.get("PKG-INFO")
    why = Dynamic((), "it has no PKG-INFO")
    if pkg_info is not None:
        judged = _dynamic(pkg_info, filename)
        if judged is None:
            return metadata.parse(pkg_info, filename=filename, name=name, version=version)
        why = judged
    if "pyproject.toml" in files:
        project = _pyproject(files["pyproject.toml"], filename).get("project")
        if isinstance(project, dict):
            return _from_project(project, pkg_info, filename, name, version, why)
    return why


def build_system(content: BinaryIO | bytes, filename: str) -> BuildSystem:
    """What builds the sdist, by its pyproject.toml (PEP 517, 518), else setuptools.

    Raises `BadMetadata` for a pyproject.toml that breaks the rules, and for a damaged or hostile archive.
    """
    legacy = tuple(Requirement(line) for line in _LEGACY_REQUIRES)
    pyproject = _read(content, filename).get("pyproject.toml")
    table = _pyproject(pyproject, filename).get("build-system") if pyproject is not None else None
    if table is None:
        return BuildSystem(legacy, LEGACY_BACKEND)
    if not isinstance(table, dict) or "requires" not in table:  # PEP 518: "mandatory"
        raise BadMetadata(filename, "`[build-system]` of its pyproject.toml has no `requires`")
    backend = table.get("build-backend", LEGACY_BACKEND)
    if not isinstance(backend, str):
        raise BadMetadata(filename, "`build-backend` of its pyproject.toml is not a string")
    lines = _strings(table, "requires", filename)
    return BuildSystem(
        tuple(_requirement(line, filename) for line in lines), backend, _strings(table, "backend-path", filename)
    )


def _dynamic(pkg_info: bytes, filename: str) -> Dynamic | None:
    """Why PKG-INFO does not decide; None where it does."""
    text = pkg_info.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")[0]
    headers = [(key.lower(), value.strip()) for key, value in _HEADER.findall(text.decode("utf-8", "replace"))]
    versions = [value for key, value in headers if key == "metadata-version"]
    if len(versions) != 1 or not (match := re.fullmatch(r"(\d{1,4})\.(\d{1,4})", versions[0], re.ASCII)):
        raise BadMetadata(filename, f"`Metadata-Version` of its PKG-INFO is {' and '.join(versions) or 'missing'}")
    if (int(match[1]), int(match[2])) < _STATIC_SINCE:
        return Dynamic((), f"its PKG-INFO has Metadata-Version {versions[0]}, which promises nothing (PEP 643)")
    named = {value.lower() for key, value in headers if key == "dynamic"}
    fields = tuple(field for field in ("Name", "Version", *_DECIDING) if field.lower() in named)
    return Dynamic(fields, f"its PKG-INFO calls {' and '.join(fields)} dynamic") if fields else None


def _from_project(
    project: Mapping[str, Any],
    pkg_info: bytes | None,
    filename: str,
    name: NormalizedName,
    version: Version,
    why: Dynamic,
) -> CoreMetadata | Dynamic:
    """What `[project]` says, if it says it for good; else a `Dynamic`."""
    dynamic = _strings(project, "dynamic", filename)
    if fields := tuple(field for field, key in _DECIDING.items() if key in dynamic):
        return Dynamic(fields, f"its pyproject.toml calls {' and '.join(_DECIDING[each] for each in fields)} dynamic")
    if why.fields:  # PKG-INFO is the backend's own word, written later
        return why
    if "version" not in project and "version" not in dynamic:
        return Dynamic((), "`[project]` of its pyproject.toml has no version")
    written = _metadata_of(project, filename, version)
    static = metadata.parse(written, filename=filename, name=name, version=version)
    if pkg_info is not None and not _agree(static, pkg_info, filename):
        return Dynamic((), "its PKG-INFO and its pyproject.toml do not agree")
    return static


def _metadata_of(project: Mapping[str, Any], filename: str, version: Version) -> bytes:
    """`[project]` as the headers of core metadata: who reads these judges all of it."""

    def text(key: str, default: str = "") -> str:
        value = project.get(key, default)
        if not isinstance(value, str):
            raise BadMetadata(filename, f"`{key}` of its pyproject.toml is not a string")
        return " ".join(value.split())  # never a second header

    lines = ["Metadata-Version: 2.2", f"Name: {text('name')}", f"Version: {text('version', str(version))}"]
    if python := text("requires-python"):
        lines.append(f"Requires-Python: {python}")
    lines += [f"Requires-Dist: {_requirement(line, filename)}" for line in _strings(project, "dependencies", filename)]
    extras = project.get("optional-dependencies", {})
    if not isinstance(extras, dict):
        raise BadMetadata(filename, "`optional-dependencies` of its pyproject.toml is not a table")
    for extra in extras:
        if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", extra):
            raise BadMetadata(filename, f"its pyproject.toml names an extra {extra!r}")
        lines.append(f"Provides-Extra: {extra}")
        for line in _strings(extras, extra, filename):
            requirement = _requirement(line, filename)
            own = f'extra == "{extra}"'
            requirement.marker = Marker(own if requirement.marker is None else f"({requirement.marker}) and {own}")
            lines.append(f"Requires-Dist: {requirement}")
    return "\n".join((*lines, "")).encode()


def _agree(static: CoreMetadata, pkg_info: bytes, filename: str) -> bool:
    """Whether an older PKG-INFO says nothing else; markers, which each backend writes in its own way, are left out.

    One without any Requires-Dist is no contradiction: setuptools left them out for years.
    """
    told = metadata.parse(pkg_info, filename=filename, name=static.name, version=static.version)
    if told.requires_python is not None and told.requires_python != static.requires_python:
        return False

    def plain(requires: Iterable[Requirement]) -> set[tuple[str, str, str]]:
        return {(canonicalize_name(r.name), str(r.specifier), r.url or "") for r in requires}

    return not told.requires or plain(told.requires) == plain(static.requires)


def _requirement(line: str, filename: str) -> Requirement:
    try:
        return Requirement(" ".join(line.split()))
    except (InvalidRequirement, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise BadMetadata(filename, f"a requirement of its pyproject.toml cannot be read: {problem}") from error


def _strings(table: Mapping[str, Any], key: str, filename: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadMetadata(filename, f"`{key}` of its pyproject.toml is not a list of strings")
    return tuple(value)


def _pyproject(content: bytes, filename: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise BadMetadata(filename, f"its pyproject.toml cannot be read: {problem}") from error


def _read(content: BinaryIO | bytes, filename: str) -> dict[str, bytes]:
    """PKG-INFO and pyproject.toml of the sdist's one folder, those that are there.

    The whole archive is passed: who unpacks it takes the last member of a name, so a second one is refused.
    """
    found: dict[str, bytes] = {}
    with members(content, filename) as every:
        for member in every:
            parts = PurePosixPath(member.path).parts
            if len(parts) != 2 or parts[1] not in ("PKG-INFO", "pyproject.toml"):
                continue
            if parts[1] in found:
                raise BadMetadata(filename, f"it holds two `{parts[1]}`")
            if member.size > LARGEST_METADATA:
                raise BadMetadata(filename, f"its `{parts[1]}` has {member.size} bytes")
            found[parts[1]] = member.stream.read(LARGEST_METADATA + 1)
    return found
