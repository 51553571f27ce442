"""What a probe saw on a server, as a value; the JSON that `probe.py` and `probe.sh` write, read and judged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from msgspec import Struct, field

from wheelhouse.errors import WheelhouseError
from wheelhouse.target.checkdigits import digits, split
from wheelhouse.target.words import TargetError, arch, normalise

FORMAT = 1  # of the probe's JSON; a higher one may mean other things by the same keys
LARGEST = 4_000_000  # characters; a real one has some ten thousand
_MANY = 2000  # entries of one list or object
_LONG = 1000  # characters of one text that is shown
T = TypeVar("T")


class BadProbe(WheelhouseError):
    """A file that is no probe's JSON, or a damaged one. `what` says what is wrong with it."""

    hint = "write it again on the server: `python3 probe.py --output probe.json`, or `sh probe.sh --output probe.json`"

    def __init__(self, source: str, what: str, *, hint: str = "") -> None:
        super().__init__(source, what)
        self.source, self.what = source, what
        self.hint = hint or self.hint

    def __str__(self) -> str:
        return f"`{self.source}` is no probe of a server: {self.what}"


class Gpu(Struct, frozen=True, kw_only=True):
    """One GPU: its name as `nvidia-smi` tells it, and its compute capability (8, 0), None where nobody told it."""

    name: str
    capability: tuple[int, int] | None = None
    memory: int | None = None  # bytes


class SeenPython(Struct, frozen=True, kw_only=True):
    """One interpreter on the server."""

    path: str
    version: tuple[int, int, int]
    implementation: str = "cpython"
    abi: str = ""  # "cp310", "cp313t"
    venv: bool = False
    ensurepip: bool = False
    pip: str | None = None
    headers: bool | None = None  # Python.h is there; None: unknown
    bits: int = 64


class Space(Struct, frozen=True, kw_only=True):
    """One place of the server's disks; `what` is `root`, `temporary`, `home` or `named`. Sizes in bytes."""

    what: str
    path: str
    filesystem: str | None = None
    free: int | None = None
    total: int | None = None
    noexec: bool = False
    read_only: bool = False
    writable: bool | None = None


class Server(Struct, frozen=True, kw_only=True):
    """A machine as its probe saw it. Sizes are in bytes; None means that nobody could tell."""

    label: str  # the target label that the probe proposes, without its check digits; "" where it could propose none
    os: str
    arch: str
    distribution: str = ""  # "Red Hat Enterprise Linux 8.9 (Ootpa)"
    libc: tuple[str, tuple[int, int]] | None = None  # ("glibc", (2, 28))
    pythons: tuple[SeenPython, ...] = ()
    driver: str | None = None  # "515.65.01"; None: no NVIDIA driver was seen
    gpus: tuple[Gpu, ...] = ()
    libraries: Mapping[str, str | None] = field(default_factory=dict)  # SONAME → path, None where it is missing
    programs: Mapping[str, str | None] = field(default_factory=dict)  # name → path, None where it is missing
    shadows: tuple[tuple[str, str, str], ...] = ()  # (library, path, by): CUDA libraries found before the wheels' own
    ngc: str | None = None  # the release of an NGC container, "24.12"; None: it is none
    selinux: str | None = None
    free: Mapping[str, int] = field(default_factory=dict)  # path → free bytes
    noexec: tuple[str, ...] = ()  # mounts on which nothing may be run
    kernel: str = ""
    container: str | None = None  # "docker", "podman", …
    driver_cuda: str | None = None  # the newest CUDA that the driver says it runs, "11.7"
    devices: tuple[str, ...] = ()  # /dev/nvidia*
    libcuda: str | None = None  # path of libcuda.so.1
    environment: Mapping[str, str] = field(default_factory=dict)  # LD_LIBRARY_PATH and others, where they are set
    toolkits: tuple[tuple[str, str | None], ...] = ()  # (path, version) of system-wide CUDA
    cudnn: tuple[tuple[str, str | None], ...] = ()  # (path, version) of system-wide cuDNN
    space: tuple[Space, ...] = ()
    problems: tuple[str, ...] = ()  # what the probe could not do, NVIDIA's problems first


def parse(text: str, source: str) -> Server:
    """The server that a probe's JSON tells of; `source` is what an error calls the file.

    Null, a missing key and one that is not known are no faults: an old or hindered probe tells less. Every text is made
    fit to be shown. Raises `BadProbe` for what is no probe's JSON, for a value of the wrong kind, for a label whose
    check digits do not fit, and for a probe that is newer than this program knows.
    """
    if len(text) > LARGEST:
        raise BadProbe(source, "it is far too large")
    try:
        found = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        told = f"line {error.lineno} is not JSON" if isinstance(error, json.JSONDecodeError) else "it is not JSON"
        raise BadProbe(source, "it is empty" if not text.strip() else told) from None
    if not isinstance(found, dict) or "probe" not in found:
        raise BadProbe(source, "its key `probe` is missing")
    return _Reader(source, found).server()


class _Reader:
    """One object of the JSON; `place` says where it stands."""

    def __init__(self, source: str, found: Mapping[str, Any], place: str = "") -> None:
        self.source, self.found, self.place = source, found, place

    def server(self) -> Server:
        self._check_format()
        system, nvidia = self.inner("system"), self.inner("nvidia")
        space = tuple(each._space() for each in self.inners("space"))
        machine = system.text("machine").lower()
        return Server(
            label=self._label(),
            os=system.text("os").lower(),
            arch=_arch(machine) or machine,
            distribution=system.text("distribution"),
            libc=self.inner("libc")._libc(),
            pythons=tuple(python for each in self.inners("pythons") for python in each._python()),
            driver=nvidia.dotted("driver"),
            gpus=tuple(each._gpu() for each in nvidia.inners("gpus")),
            libraries=self.paths("libraries"),
            programs=self.paths("programs"),
            shadows=tuple(
                (each.text("library"), each.text("path"), each.text("by")) for each in self.inners("shadows")
            ),
            ngc=system.text("ngc") or None,
            selinux=self.text("selinux") or None,
            free={each.path: each.free for each in space if each.path and each.free is not None},
            noexec=tuple(dict.fromkeys(each.path for each in space if each.noexec)),
            kernel=system.text("kernel"),
            container=system.text("container") or None,
            driver_cuda=nvidia.dotted("cuda"),
            devices=nvidia.texts("devices"),
            libcuda=nvidia.text("libcuda") or None,
            environment={name: value for name, value in self.paths("environment").items() if value is not None},
            toolkits=tuple((each.text("path"), each.text("version") or None) for each in self.inners("cuda")),
            cudnn=tuple((each.text("path"), each.text("version") or None) for each in self.inners("cudnn")),
            space=space,
            problems=(*nvidia.texts("problems"), *self.texts("problems")),
        )

    def _check_format(self) -> None:
        told = self.number("probe")
        if told is None or told < 1:
            self.fail("probe", "is no number of a format")
        elif told > FORMAT:
            raise BadProbe(
                self.source,
                f"a newer probe wrote it (format {told}, and this wheelhouse reads {FORMAT})",
                hint="bring wheelhouse up to date, or carry its own probe there: `wheelhouse probe --write DIR`",
            )

    def _label(self) -> str:
        """The proposed label. Where the line says the same with check digits, they must fit."""
        label, line = self.text("label"), self.text("line")
        if line:
            hint = f"{BadProbe.hint}\nfor another target than the probe proposes type its label: `--target LABEL`"
            try:
                written, found = split(line)
            except TargetError as error:
                raise BadProbe(self.source, f"in its `line`, {error}", hint=hint) from None
            if written != label or found not in (None, digits(label)):
                raise BadProbe(self.source, "its `label` and its `line` do not fit each other", hint=hint)
        return label

    def _libc(self) -> tuple[str, tuple[int, int]] | None:
        name, version = self.text("name").lower(), self.dotted("version")
        if name not in ("glibc", "musl") or version is None:
            return None
        major, minor, *_ = (*map(int, version.split(".")), 0)
        return name, (major, minor)

    def _python(self) -> Iterator[SeenPython]:
        """The interpreter; nothing where nobody could tell its version."""
        version = self.text("version")
        if not version:
            return
        match = re.match(r"([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?", version, re.ASCII)
        if match is None:
            self.fail("version", "is no version of a Python")
            return
        yield SeenPython(
            path=self.text("path"),
            version=(int(match[1]), int(match[2]), int(match[3] or 0)),
            implementation=self.text("implementation").lower() or "cpython",
            abi=self.text("abi"),
            venv=bool(self.flag("venv")),
            ensurepip=bool(self.flag("ensurepip")),
            pip=self.text("pip") or None,
            headers=self.flag("headers"),
            bits=self.number("bits") or 64,
        )

    def _gpu(self) -> Gpu:
        told = self.dotted("compute_capability")
        major, minor, *_ = (0, 0) if told is None else (*map(int, told.split(".")), 0)
        return Gpu(
            name=self.text("name") or "a GPU without a name",
            capability=None if told is None else (major, minor),
            memory=self.number("memory"),
        )

    def _space(self) -> Space:
        return Space(
            what=self.text("what"),
            path=self.text("path"),
            filesystem=self.text("filesystem") or None,
            free=self.number("free"),
            total=self.number("total"),
            noexec=bool(self.flag("noexec")),
            read_only=bool(self.flag("read_only")),
            writable=self.flag("writable"),
        )

    def value(self, key: str, kind: type[T], shown: str) -> T | None:
        found = self.found.get(key)
        if found is not None and (not isinstance(found, kind) or (kind is int and isinstance(found, bool))):
            self.fail(key, f"is not {shown}")
        return found

    def text(self, key: str) -> str:
        """A text that is fit to be shown, empty where nobody could tell."""
        return _shown(self.value(key, str, "a text") or "")

    def dotted(self, key: str) -> str | None:
        """A version such as `515.65.01`, of one to four numbers."""
        found = self.text(key).strip()
        if found and not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6}){0,3}", found, re.ASCII):
            self.fail(key, "is no version")
        return found or None

    def number(self, key: str) -> int | None:
        found = self.value(key, int, "a whole number")
        if found is not None and not 0 <= found < 2**63:
            self.fail(key, "is no number that can be")
        return found

    def flag(self, key: str) -> bool | None:
        return self.value(key, bool, "true or false")

    def array(self, key: str) -> list[Any]:
        found: list[Any] = self.value(key, list, "a list") or []
        if len(found) > _MANY:
            self.fail(key, f"has more than {_MANY} entries")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        found = self.array(key)
        if not all(isinstance(each, str) for each in found):
            self.fail(key, "is not a list of texts")
        return tuple(_shown(each) for each in found)

    def paths(self, key: str) -> dict[str, str | None]:
        """An object of names and texts, null where a thing is missing."""
        found: dict[str, Any] = self.value(key, dict, "an object") or {}
        if len(found) > _MANY:
            self.fail(key, f"has more than {_MANY} entries")
        if not all(isinstance(each, str | None) for each in found.values()):
            self.fail(key, "is not an object of texts")
        return {_shown(name): None if each is None else _shown(each) for name, each in found.items()}

    def inner(self, key: str) -> _Reader:
        return _Reader(self.source, self.value(key, dict, "an object") or {}, f"{self.place}{key}.")

    def inners(self, key: str) -> Iterator[_Reader]:
        for at, each in enumerate(self.array(key)):
            if not isinstance(each, dict):
                self.fail(f"{key}[{at}]", "is not an object")
            yield _Reader(self.source, each, f"{self.place}{key}[{at}].")

    def fail(self, key: str, what: str) -> None:
        raise BadProbe(self.source, f"`{self.place}{key}` {what}")


def _arch(machine: str) -> str | None:
    try:
        return arch(normalise(machine))
    except TargetError:  # an architecture that is known and that no target can have
        return None


def _shown(text: str) -> str:
    """On one line, not too long, and without what could move a terminal's cursor."""
    printable = "".join(each if each.isprintable() else "?" for each in text[:_LONG])
    return printable if len(text) <= _LONG else printable + "…"
