"""Small real wheels and sdists, the same bytes for the same arguments.

The bytes depend on nothing but the arguments and the zlib at hand: compare digests with the file's own, not literals.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.metadata
import io
import itertools
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from wheelhouse.digests import Digest

Broken = Literal["zip", "no-metadata", "metadata", "wrong-name", "wrong-version", "record", "two-dist-infos"]
_DATE = (2024, 1, 1, 0, 0, 0)

_BACKEND = '''
"""Builds the wheel of the folder it lies in: standard library only, so that no index is needed."""
import base64, hashlib, os, zipfile

with open("PKG-INFO", encoding="utf-8") as file:
    METADATA = file.read()
FIELDS = dict(line.split(": ", 1) for line in METADATA.split("\\n\\n")[0].splitlines())
STEM = FIELDS["Name"].replace("-", "_").replace(".", "_") + "-" + FIELDS["Version"]
TAG = {tag!r}

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    {fail}
    files = {{}}
    for folder, _, names in os.walk("src"):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, "src").replace(os.sep, "/")] = file.read()
    pure = "true" if TAG.endswith("-none-any") else "false"
    wheel = "Wheel-Version: 1.0\\nGenerator: world\\nRoot-Is-Purelib: " + pure + "\\nTag: " + TAG + "\\n"
    files[STEM + ".dist-info/METADATA"] = METADATA.encode()
    files[STEM + ".dist-info/WHEEL"] = wheel.encode()
    record = ""
    for name, content in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += name + ",sha256=" + digest + "," + str(len(content)) + "\\n"
    files[STEM + ".dist-info/RECORD"] = (record + STEM + ".dist-info/RECORD,,\\n").encode()
    filename = STEM + "-" + TAG + ".whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content)
    return filename
'''


@dataclass(frozen=True)
class WheelFile:
    """A wheel in memory; `metadata` is its METADATA, byte for byte, as a PEP 658 file would hold it."""

    filename: str
    content: bytes
    metadata: bytes
    requires_python: str | None

    @cached_property
    def digest(self) -> Digest:
        return Digest.of(self.content)


@dataclass(frozen=True)
class SdistFile:
    """An sdist in memory; `metadata` is its PKG-INFO."""

    filename: str
    content: bytes
    metadata: bytes
    requires_python: str | None

    @cached_property
    def digest(self) -> Digest:
        return Digest.of(self.content)


def build_wheel(
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    build: str | None = None,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Sequence[str] = (),
    modules: Mapping[str, str] | None = None,
    metadata_version: str = "2.1",
    padding: int = 0,
    scripts: Sequence[str] = (),
    broken: Broken | None = None,
    filename: str | None = None,
) -> WheelFile:
    """A wheel that installs, unless `broken` says how not.

    `modules` maps paths in the wheel to their text (default: one package with `__version__`), `scripts` are console
    entry points (`"tool = tool:main"`), `padding` is the size in bytes of a blob that does not compress, at the front
    of the file. `filename` overrides the name alone. `broken`: `zip` no archive at all, `no-metadata` without METADATA,
    `metadata` an unreadable one, `wrong-name` and `wrong-version` one of another project, `record` with wrong digests
    in RECORD, `two-dist-infos` with a second folder.
    """
    if modules is None:
        modules = {f"{_module(name)}/__init__.py": f'__version__ = "{version}"\n'}
    return _build_wheel(
        name, version, tag, build, tuple(requires), requires_python, tuple(extras), tuple(modules.items()),
        metadata_version, padding, tuple(scripts), broken, filename,
    )  # fmt: skip


def build_sdist(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Sequence[str] = (),
    modules: Mapping[str, str] | None = None,
    metadata_version: str = "2.1",
    tag: str = "py3-none-any",
    build_requires: Sequence[str] = (),
    broken: Literal["build"] | None = None,
) -> SdistFile:
    """A `.tar.gz` that builds into a wheel of `tag` with the standard library alone (its backend lies in the tree).

    `build_requires` are listed in pyproject.toml all the same; `broken="build"` makes the backend fail.
    """
    if modules is None:
        modules = {f"{_module(name)}/__init__.py": f'__version__ = "{version}"\n'}
    metadata = _metadata(name, version, metadata_version, requires, requires_python, extras)
    listed = ", ".join(f'"{requirement}"' for requirement in build_requires)
    files = {
        "PKG-INFO": metadata,
        "pyproject.toml": (
            f'[build-system]\nrequires = [{listed}]\nbuild-backend = "backend"\nbackend-path = ["."]\n\n'
            f'[project]\nname = "{name}"\nversion = "{version}"\n'
        ).encode(),
        "backend.py": _BACKEND.format(
            tag=tag, fail='raise RuntimeError("the compiler is missing")' if broken else "pass"
        ).encode(),
        **{f"src/{path}": text.encode() for path, text in modules.items()},
    }
    stem = f"{_escaped(name)}-{version}"
    buffer = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", fileobj=buffer, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, content in files.items():
            info = tarfile.TarInfo(f"{stem}/{path}")
            info.size, info.mtime = len(content), 1704067200
            archive.addfile(info, io.BytesIO(content))
    return SdistFile(f"{stem}.tar.gz", buffer.getvalue(), metadata, requires_python)


@cache
def pip_wheel() -> WheelFile:
    """The pip that is installed beside the tests, as the wheel it came from (what installing added is left out)."""
    distribution = importlib.metadata.distribution("pip")
    files: dict[str, bytes] = {}
    dist_info = ""
    for path in distribution.files or ():
        posix = path.as_posix()
        top, _, rest = posix.partition("/")
        if top.endswith(".dist-info"):
            dist_info = top
            if rest in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}:
                continue
        elif top != "pip" or "__pycache__" in posix:
            continue
        files[posix] = path.read_binary()
    metadata = files[f"{dist_info}/METADATA"]
    content = _zipped(files, dist_info)
    filename = f"pip-{distribution.version}-py3-none-any.whl"
    return WheelFile(filename, content, metadata, distribution.metadata["Requires-Python"])


@cache
def _build_wheel(
    name: str,
    version: str,
    tag: str,
    build: str | None,
    requires: tuple[str, ...],
    requires_python: str | None,
    extras: tuple[str, ...],
    modules: tuple[tuple[str, str], ...],
    metadata_version: str,
    padding: int,
    scripts: tuple[str, ...],
    broken: Broken | None,
    filename: str | None,
) -> WheelFile:
    stem = f"{_escaped(name)}-{version.replace('-', '_')}"
    dist_info = f"{stem}.dist-info"
    filename = filename or "-".join(filter(None, (stem, build, tag))) + ".whl"
    metadata = _metadata(
        "somebody-else" if broken == "wrong-name" else name,
        "0.0.999" if broken == "wrong-version" else version,
        metadata_version, requires, requires_python, extras,
    )  # fmt: skip
    if broken == "metadata":
        metadata = b"\xff\xfe this is not core metadata\n"
    if broken == "zip":
        return WheelFile(filename, b"<html>this is not a wheel</html>\n" * 40, metadata, requires_python)
    files: dict[str, bytes] = {}
    if padding:
        files[f"{_module(name)}/padding.bin"] = hashlib.shake_128(filename.encode()).digest(padding)
    files |= {path: text.encode() for path, text in modules}
    if broken == "two-dist-infos":
        files["somebody_else-1.0.dist-info/METADATA"] = b"Metadata-Version: 2.1\nName: somebody-else\nVersion: 1.0\n"
    files[f"{dist_info}/WHEEL"] = _wheel_text(tag, build).encode()
    if scripts:
        files[f"{dist_info}/entry_points.txt"] = "\n".join(("[console_scripts]", *scripts, "")).encode()
    tops = sorted({path.split("/")[0].removesuffix(".py") for path, _ in modules})
    files[f"{dist_info}/top_level.txt"] = "".join(f"{top}\n" for top in tops).encode()
    if broken != "no-metadata":
        files[f"{dist_info}/METADATA"] = metadata
    return WheelFile(filename, _zipped(files, dist_info, lie=broken == "record"), metadata, requires_python)


def _metadata(
    name: str, version: str, metadata_version: str, requires: Sequence[str], requires_python: str | None,
    extras: Sequence[str],
) -> bytes:  # fmt: skip
    lines = [
        f"Metadata-Version: {metadata_version}",
        f"Name: {name}",
        f"Version: {version}",
        "Summary: made up",
    ]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    return "\n".join((*lines, "", f"{name} {version}\n")).encode()


def _wheel_text(tag: str, build: str | None) -> str:
    interpreters, abis, platforms = tag.split("-")[:3]
    lines = ["Wheel-Version: 1.0", "Generator: world"]
    lines.append(f"Root-Is-Purelib: {'true' if (abis, platforms) == ('none', 'any') else 'false'}")
    expanded = itertools.product(interpreters.split("."), abis.split("."), platforms.split("."))
    lines += [f"Tag: {'-'.join(parts)}" for parts in expanded]
    if build is not None:
        lines.append(f"Build: {build}")
    return "".join(f"{line}\n" for line in lines)


def _zipped(files: Mapping[str, bytes], dist_info: str, *, lie: bool = False) -> bytes:
    """The archive with a RECORD at its end; blobs stored, text deflated."""
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content + b"!" * lie).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    record = "".join((*lines, f"{dist_info}/RECORD,,\n")).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in (*files.items(), (f"{dist_info}/RECORD", record)):
            info = zipfile.ZipInfo(path, _DATE)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            info.compress_type = zipfile.ZIP_STORED if path.endswith(".bin") else zipfile.ZIP_DEFLATED
            archive.writestr(info, content, compresslevel=1)
    return buffer.getvalue()


def _escaped(name: str) -> str:
    """The name as wheel file names carry it, its case kept as older build tools did."""
    return re.sub(r"[-_.]+", "_", name)


def _module(name: str) -> str:
    return _escaped(name).lower()
