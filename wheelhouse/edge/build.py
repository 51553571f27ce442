"""An sdist becomes a wheel, or its metadata: in an environment of its own, and only when the caller says so.

Building runs the project's code with the rights of whoever runs us. Call it in the main thread: Ctrl-C then ends the
build with all that it started.
"""

from __future__ import annotations

import os
import re
import tarfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NoReturn

from build import BuildBackendException, BuildException, ProjectBuilder
from msgspec import Struct
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelhouse import metadata
from wheelhouse.digests import Check, Digest
from wheelhouse.edge import files, interpreters
from wheelhouse.edge.built import Contents, differences, examine, misfit
from wheelhouse.edge.interpreters import Interpreter
from wheelhouse.edge.isolation import (
    PIP_STEPS,
    BuildSettings,
    Environment,
    Shell,
    StepFailed,
    cleared,
    inherited,
    remove_tree,
    secrets_of,
)
from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Listener, Noted, Said, ignore
from wheelhouse.metadata import LARGEST_METADATA, BadMetadata
from wheelhouse.sdist import members, opened_tar
from wheelhouse.target import Target

__all__ = ["BuildFailed", "BuildSettings", "BuiltWheel", "CannotBuild", "build_wheel", "prepare_metadata"]

_CHUNK = 1 << 20
_APART = 2.0  # seconds between the starts of two builds that are compared: a zip archive tells time in steps of two


class CannotBuild(WheelhouseError):
    """The sdist does not become a wheel for the target on this machine."""

    def __init__(self, filename: str, target: Target, reason: str, *, project: str, version: Version) -> None:
        super().__init__(filename, target, reason)
        self.filename, self.target, self.reason = filename, target, reason
        self.hint = (
            f"build it where the target's platform and Python are, `pip wheel --no-deps {project}=={version}`, "
            "and name that folder with `--find-links`\n"
            f"or give a prebuilt wheel: `{project} @ https://….whl`\n"
            f"or ask for a version of `{project}` that has a wheel"
        )

    def __str__(self) -> str:
        return f"`{self.filename}` cannot be built for `{self.target}`: {self.reason}"


class BuildFailed(CannotBuild):
    """A step of the build failed. `tail` is the end of its output; `log` holds all of it."""

    def __init__(self, filename: str, target: Target, failed: StepFailed, *, project: str, version: Version) -> None:
        super().__init__(filename, target, str(failed), project=project, version=version)
        self.step, self.tail, self.log = failed.step, failed.tail, failed.log
        missing = re.search(r"^\s*ModuleNotFoundError: No module named '([\w.]+)'", failed.tail, re.MULTILINE)
        if failed.step in PIP_STEPS:
            self.hint = "pip asked the index of `--index-url` for wheels alone, with no other setting of this machine"
        elif missing:
            self.reason = f"its build needs `{missing[1]}` without saying so; the whole log is `{failed.log}`"
            self.tail = ""

    def __str__(self) -> str:
        said = "".join(f"\n    {line}" for line in self.tail.splitlines())
        return f"{super().__str__()}{said}"


class BuiltWheel(Struct, frozen=True, kw_only=True):
    """A wheel that an sdist was built into, for one target.

    `build_requires` are the build environment's distributions, `name==version`; as `BuildSettings.constraints` they
    make it again. `repeatable`: whether a second build gave the same bytes, None where nobody asked; `differences` says
    what was other.
    """

    path: Path
    digest: Digest
    size: int  # bytes
    metadata: metadata.CoreMetadata
    pure: bool
    build_requires: tuple[str, ...]
    python: str  # that built it: "3.10.13"
    repeatable: bool | None = None
    differences: tuple[str, ...] = ()

    @property
    def filename(self) -> str:
        return self.path.name


def build_wheel(
    sdist: Path,
    *,
    project: NormalizedName,
    version: Version,
    target: Target,
    into: Path,
    settings: BuildSettings,
    listen: Listener = ignore,
) -> BuiltWheel:
    """The wheel of `sdist` that runs on the target, written into the folder `into`.

    It is built with a Python of the target's version where this machine has one, else with the one that runs us, which
    does for pure wheels. What a pure wheel requires may still depend on where it was built, if a setup.py decides it.

    Raises `BadMetadata` for a damaged sdist, `BuildFailed` for a build that fails or takes too long, `BadBuild` for a
    wheel that is not the sdist's, and `CannotBuild` for one that does not run on the target.
    """
    with _bench(sdist, project, version, target, settings, listen) as bench:
        started = time.monotonic()
        wheel = bench.build("first")
        contents = examine(wheel, project=project, version=version)
        reason = misfit(wheel.name, contents, target, bench.interpreter)
        if reason is not None:
            raise CannotBuild(sdist.name, target, reason, project=project, version=version)
        found: tuple[str, ...] = ()
        if settings.twice:
            time.sleep(max(0.0, started + _APART - time.monotonic()))
            found = differences(wheel, bench.build("second", again=True))
        built = _settled(wheel, into)
        return BuiltWheel(
            path=built[0],
            digest=built[1],
            size=built[2],
            metadata=contents.metadata,
            pure=_is_pure(wheel.name, contents),
            build_requires=bench.environment.installed(),
            python=str(bench.interpreter),
            repeatable=not found if settings.twice else None,
            differences=found,
        )


def prepare_metadata(
    sdist: Path,
    *,
    project: NormalizedName,
    version: Version,
    target: Target,
    settings: BuildSettings,
    listen: Listener = ignore,
) -> bytes:
    """METADATA of the wheel that `sdist` would become (PEP 517), built whole where the backend cannot tell it alone.

    Raises as `build_wheel`, but says nothing on whether that wheel would run on the target. `metadata.parse` takes it.
    """
    with _bench(sdist, project, version, target, settings, listen) as bench:
        content = bench.metadata()
        metadata.parse(content, filename=sdist.name, name=project, version=version)
        return content


class _Bench(Struct, frozen=True, kw_only=True):
    """A build under way. Every build begins with a tree as it was unpacked, always at the same path."""

    sdist: Path
    folder: Path
    interpreter: Interpreter
    environment: Environment
    shell: Shell

    def build(self, name: str, *, again: bool = False) -> Path:
        builder = self._builder("building the wheel")
        with self._warnings_logged():
            if not again:
                self._install(builder)
            return Path(builder.build("wheel", self.folder / name))

    def metadata(self) -> bytes:
        builder = self._builder("preparing the metadata")
        with self._warnings_logged():
            self._install(builder)
            found = Path(builder.metadata_path(self.folder / "metadata")) / "METADATA"
        try:
            with found.open("rb") as file:
                content = file.read(LARGEST_METADATA + 1)
        except OSError as error:
            raise BadMetadata(self.sdist.name, "its build gives none") from error
        if len(content) > LARGEST_METADATA:
            raise BadMetadata(self.sdist.name, "it is too long")
        return content

    @contextmanager
    def _warnings_logged(self) -> Iterator[None]:
        """What the backend warns of goes to the log: pyproject_hooks warns of it again, in our process."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            finally:
                self.shell.note("".join(f"warning: {each.message}\n" for each in caught))

    def _install(self, builder: ProjectBuilder) -> None:
        self.environment.install(builder.build_system_requires)
        more = builder.get_requires_for_build("wheel")
        if more:
            self.environment.install(builder.build_system_requires | more)

    def _builder(self, step: str) -> ProjectBuilder:
        source = self.folder / "source"
        remove_tree(source)
        tree, epoch = unpack(self.sdist, source)
        temporary = self.folder / "tmp"
        remove_tree(temporary)
        temporary.mkdir()
        variables = self.environment.variables(epoch) | {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}

        def run(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
            asked = "asking for build requirements" if "get_requires_for_build_wheel" in cmd else step
            self.shell.run(asked, cmd, cwd=Path(cwd or tree), environ=variables | dict(extra_environ or {}))

        return ProjectBuilder(tree, python_executable=str(self.environment.python), runner=run)


@contextmanager
def _bench(
    sdist: Path, project: NormalizedName, version: Version, target: Target, settings: BuildSettings, listen: Listener
) -> Iterator[_Bench]:
    """Everything set up for one sdist, and cleared away afterwards; every failure is told as ours."""
    interpreter = interpreters.find(target)
    if interpreter is None:
        interpreter = interpreters.running()
        listen(
            Noted(
                f"no Python {target.python[0]}.{target.python[1]} was found here: {interpreter} builds `{sdist.name}`"
            )
        )
    settings.work_folder.mkdir(parents=True, exist_ok=True)
    work_folder = settings.work_folder.resolve()
    log = work_folder / f"{project}-{version}-py{interpreter.version[0]}{interpreter.version[1]}.log"
    place = work_folder / f"{_digest(sdist)[0].hex[:16]}-{interpreter.version[0]}{interpreter.version[1]}"
    proxies = [value for name, value in inherited().items() if name.lower().endswith("_proxy")]
    secrets = secrets_of((settings.index_url, *settings.find_links, settings.proxy, *proxies))
    shell = Shell(log, settings.timeout, secrets)
    listen(Said(f"building `{sdist.name}` with Python {interpreter}"))
    try:
        with cleared(place) as folder:
            files.remove(log)
            environment = Environment(folder / "environment", interpreter, shell, settings)
            environment.create()
            yield _Bench(sdist=sdist, folder=folder, interpreter=interpreter, environment=environment, shell=shell)
        files.remove(log)
    except StepFailed as error:
        raise BuildFailed(sdist.name, target, error, project=project, version=version) from error
    except BuildBackendException as error:
        if isinstance(error.exception, StepFailed):
            raise BuildFailed(sdist.name, target, error.exception, project=project, version=version) from error
        _refuse(sdist, target, error, project, version)
    except BuildException as error:
        _refuse(sdist, target, error, project, version)
    except OSError as error:
        if files.is_full(error):
            raise files.NoSpace(work_folder, needed=sdist.stat().st_size, free=files.free_space(work_folder)) from error
        raise files.CannotWrite(Path(error.filename or work_folder), error.strerror or str(error)) from error


def _refuse(sdist: Path, target: Target, error: Exception, project: str, version: Version) -> NoReturn:
    told = " ".join(str(error).split()).rstrip(".")
    raise CannotBuild(sdist.name, target, told, project=project, version=version) from error


def unpack(sdist: Path, into: Path) -> tuple[Path, int]:
    """Unpack the sdist into a new folder: its one top folder, and the newest time in it (seconds since 1970).

    Nothing is written outside of `into`. Modes do not depend on ours: 0755 what is executable, else 0644. Raises
    `BadMetadata`.
    """
    into.mkdir(parents=True)
    times = [0]
    with sdist.open("rb") as file:
        if sdist.name.lower().endswith(".zip"):
            with members(file, sdist.name) as every:
                for member in every:
                    parts = PurePosixPath(member.path).parts
                    if ".." in parts or PurePosixPath(member.path).is_absolute() or "\\" in member.path:
                        raise BadMetadata(sdist.name, f"it holds `{member.path}`, which leads elsewhere")
                    path = into.joinpath(*parts)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with path.open("wb") as written:
                        while chunk := member.stream.read(_CHUNK):
                            written.write(chunk)
                    path.chmod(0o755 if member.executable else 0o644)
                    os.utime(path, (member.modified, member.modified))
                    times.append(member.modified)
        else:
            if not hasattr(tarfile, "data_filter"):  # PEP 706: since 3.11.4
                raise BadMetadata(sdist.name, "to unpack it safely needs Python 3.11.4 or newer on this machine")
            with opened_tar(file, sdist.name) as tar:
                for info in tar:
                    times.append(int(info.mtime))
                    tar.extract(info, into, set_attrs=info.isreg(), filter="data")
    tops = sorted(into.iterdir())
    if len(tops) != 1 or not tops[0].is_dir() or tops[0].is_symlink():
        raise BadMetadata(sdist.name, f"it holds {len(tops)} entries at its top, not one folder")
    for place, folders, names in os.walk(tops[0]):
        for name in (*folders, *names):
            path = Path(place, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    return tops[0], max(times)


def _digest(path: Path) -> tuple[Digest, int]:
    check = Check(path.name)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            check.update(chunk)
    return check.finish(), check.count


def _settled(wheel: Path, into: Path) -> tuple[Path, Digest, int]:
    """A copy of the wheel under its name in `into`, its digest and its size."""
    into.mkdir(parents=True, exist_ok=True)
    final = into / wheel.name
    temporary = files.beside(final)
    check = Check(wheel.name)
    try:
        with wheel.open("rb") as read, temporary.open("xb") as write:
            while chunk := read.read(_CHUNK):
                check.update(chunk)
                write.write(chunk)
        files.settle(temporary, final)
    finally:
        files.remove(temporary)
    return final, check.finish(), check.count


def _is_pure(filename: str, contents: Contents) -> bool:
    return filename.endswith("-none-any.whl") and not contents.binaries
