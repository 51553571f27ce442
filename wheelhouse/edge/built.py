"""A wheel that was built here, judged: is it whole, is it the sdist's, and does it run on the target?"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from packaging.utils import InvalidWheelFilename, NormalizedName, parse_wheel_filename
from packaging.version import Version

from wheelhouse import metadata
from wheelhouse.edge.files import BadFileName, wheel_filename
from wheelhouse.edge.interpreters import Interpreter
from wheelhouse.errors import WheelhouseError
from wheelhouse.metadata import CoreMetadata
from wheelhouse.target import Target

_CHUNK = 1 << 20
# Executables and libraries of Linux, macOS (thin and fat) and Windows by their first bytes
_BINARY = {
    b"\x7fELF": "Linux",
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xce\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
}
_NEEDS = re.compile(rb"GLIBC_2\.([0-9]{1,3})(?![0-9])")
_LONGEST_NEED = 16  # bytes: what may lie across two chunks
_UNSIGNED = ("RECORD", "RECORD.jws", "RECORD.p7s")  # binary distribution format: not listed with a digest


class BadBuild(WheelhouseError):
    """The build gave a wheel that cannot be used anywhere."""

    hint = (
        "the project's build is broken here; ask for another version, or give a prebuilt wheel: `NAME @ https://….whl`"
    )

    def __init__(self, filename: str, reason: str) -> None:
        super().__init__(filename, reason)
        self.filename, self.reason = filename, reason

    def __str__(self) -> str:
        return f"the built wheel `{self.filename}` cannot be used: {self.reason}"


class Contents(Struct, frozen=True, kw_only=True):
    """What is in a wheel, as far as it decides where it runs."""

    metadata: CoreMetadata
    binaries: tuple[str, ...]  # members with compiled code, in order
    glibc: tuple[int, int] | None  # the newest symbol version of glibc that any of them names


def examine(wheel: Path, *, project: NormalizedName, version: Version) -> Contents:
    """What the wheel holds. Raises `BadBuild` unless it is a whole wheel of that project and version.

    `glibc` is read from the bytes of each ELF file, not from its table of needed versions: it can only be too new.
    """
    name = wheel.name
    try:
        told, told_version, _, _ = parse_wheel_filename(wheel_filename(name))
    except (InvalidWheelFilename, BadFileName) as error:
        raise BadBuild(name, "its file name is not a wheel's") from error
    if (told, told_version) != (project, version):
        raise BadBuild(name, f"it is {told} {told_version}, and the sdist is {project} {version}")
    try:
        with wheel.open("rb") as file:
            core = metadata.parse(metadata.read_metadata(file, name), filename=name, name=project, version=version)
            binaries, glibc = _check(file, name)
    except metadata.BadMetadata as error:
        raise BadBuild(name, error.reason) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, csv.Error, NotImplementedError) as error:
        raise BadBuild(name, f"it is damaged: {error}") from error
    return Contents(metadata=core, binaries=binaries, glibc=glibc)


def misfit(wheel: str, contents: Contents, target: Target, interpreter: Interpreter) -> str | None:
    """Why a wheel that `interpreter` built does not run on the target; None where it does.

    A pure wheel (`none-any`, no compiled code in it) needs no more than a tag that fits. A compiled one also needs this
    machine to be the target's platform, the Python to have its ABI, and no newer C library than the target's.
    """
    _, _, _, tags = parse_wheel_filename(wheel)
    pure = all((tag.abi, tag.platform) == ("none", "any") for tag in tags)
    if not pure or contents.binaries:
        what = f"holds compiled code (`{contents.binaries[0]}`)" if contents.binaries else f"is `{wheel}`"
        if not interpreter.has_platform_of(target):
            here = f"{interpreter.os} {interpreter.arch}" + (f" ({interpreter.libc[0]})" if interpreter.libc else "")
            return f"its wheel {what}, and this machine, {here}, is not the target's platform"
        if not interpreter.has_abi_of(target):
            wanted = f"Python {target.python[0]}.{target.python[1]}" + " (free-threaded)" * target.free_threaded
            return f"its wheel {what}, and no {wanted} was found on this machine; it was built with {interpreter}"
    if (part := target.why_not(tags)) is not None:
        return f"its wheel is `{wheel}`, whose {part} tag does not fit the target"
    floor = target.libc
    if contents.glibc is not None and floor is not None and floor.name == "glibc" and contents.glibc > floor.version:
        newest = "{}.{}".format(*contents.glibc)
        return f"compiled on this machine it needs glibc {newest}, and the target has {floor}"
    return None


def _check(file: io.BufferedIOBase | io.BufferedReader, name: str) -> tuple[tuple[str, ...], tuple[int, int] | None]:
    """Every member against RECORD (binary distribution format), and the compiled ones with what they need."""
    binaries: list[str] = []
    needs: set[int] = set()
    with zipfile.ZipFile(file) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        if len(set(names)) != len(names):
            raise BadBuild(name, "it holds a file twice")
        records = [each for each in names if each.endswith(".dist-info/RECORD") and each.count("/") == 1]
        if len(records) != 1:
            raise BadBuild(name, f"it holds {len(records) or 'no'} RECORD files, not one")
        folder = records[0].removesuffix("RECORD")
        rows = csv.reader(io.StringIO(archive.read(records[0]).decode("utf-8")))
        listed = {row[0]: (row[1], row[2]) for row in rows if row}
        for member in names:
            digest, size = hashlib.sha256(), 0
            before = b""
            compiled = False
            with archive.open(member) as stream:
                for chunk in iter(lambda: stream.read(_CHUNK), b""):
                    if size == 0 and (_BINARY.get(chunk[:4]) or _is_windows(chunk)):
                        compiled = True
                        binaries.append(member)
                    if compiled:
                        needs |= {int(found) for found in _NEEDS.findall(before + chunk)}
                        before = chunk[-_LONGEST_NEED:]
                    digest.update(chunk)
                    size += len(chunk)
            if member in {folder + each for each in _UNSIGNED}:
                continue
            if member not in listed:
                raise BadBuild(name, f"its RECORD does not name `{member}`")
            own = "sha256=" + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
            if listed[member][0].startswith("sha256=") and listed[member] != (own, str(size)):
                raise BadBuild(name, f"its RECORD is wrong about `{member}`")
        if missing := sorted(set(listed) - set(names)):
            raise BadBuild(name, f"its RECORD names `{missing[0]}`, which is not there")
    return tuple(sorted(binaries)), (2, max(needs)) if needs else None


def _is_windows(chunk: bytes) -> bool:
    """An executable or library of Windows: `MZ`, and `PE` where its header says."""
    at = int.from_bytes(chunk[60:64], "little")
    return chunk[:2] == b"MZ" and chunk[at : at + 4] == b"PE\0\0"


def differences(first: Path, second: Path) -> tuple[str, ...]:
    """What tells two builds of one wheel apart, a line each; none where they are the same bytes."""
    if first.name != second.name:
        return (f"the first is `{first.name}`, the second `{second.name}`",)
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as other:
        found = tuple(_differences(one, other))
    if not found and first.read_bytes() != second.read_bytes():
        return ("the archives are written in two ways",)
    return found


def _differences(one: zipfile.ZipFile, other: zipfile.ZipFile) -> Iterator[str]:
    names, others = one.namelist(), other.namelist()
    for name in sorted(set(names) ^ set(others)):
        yield f"`{name}` is only in the {'first' if name in names else 'second'}"
    for name in sorted(set(names) & set(others)):
        if name.endswith(".dist-info/RECORD"):
            continue  # it differs when another file does
        a, b = one.getinfo(name), other.getinfo(name)
        if (a.CRC, a.file_size) != (b.CRC, b.file_size):
            yield f"`{name}` has other bytes"
        elif a.date_time != b.date_time:
            yield f"`{name}` has another time"
        elif a.external_attr != b.external_attr:
            yield f"`{name}` has another mode"
    if names != others and sorted(names) == sorted(others):
        yield "the files are in another order"
