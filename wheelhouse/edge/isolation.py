"""Where an sdist is built: a folder, an environment and processes that the machine's settings do not reach."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct, field
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from wheelhouse.edge import files
from wheelhouse.edge.interpreters import Interpreter
from wheelhouse.errors import WheelhouseError

_GETTING_PIP, _INSTALLING = "getting a pip for the build environment", "installing the build requirements"
PIP_STEPS = (_GETTING_PIP, _INSTALLING)  # those that ask an index
_GLANCE = 0.1  # seconds between two looks at a process
_LARGEST_LOG = 64 * 2**20  # bytes; what a build says beyond that is lost
_TAIL = 20  # lines of the log that an error shows
# Settings of pip, Python, uv and ourselves: a build gets ours or none
_SHUT_OUT = re.compile(r"PIP_|PYTHON|UV_|WHEELHOUSE_|VIRTUAL_ENV|PYENV_|__PYVENV|SETUPTOOLS_|DISTUTILS_", re.IGNORECASE)
_EARLIEST = 315532800  # 1980-01-01, the earliest time that a zip archive can hold
_LATEST = 4354819198  # 2107-12-31, the latest


class BuildSettings(Struct, frozen=True, kw_only=True):
    """How to build. `index_url` (None: no index) and `find_links` serve build requirements and may hold credentials.

    `constraints` hold build requirements to versions (`setuptools==80.9.0`: those of an earlier `BuiltWheel`).
    `environment` is set for the sdist's own build alone. `timeout` is in seconds, for each step. `work_folder` is where
    builds happen and where the log of a failed one stays; the same sdist is always built at the same path in it.
    """

    index_url: str | None
    work_folder: Path
    find_links: tuple[str, ...] = ()
    ca_file: Path | None = None
    client_cert: Path | None = None
    proxy: str | None = None
    constraints: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 1800
    twice: bool = False  # build again and compare


class StepFailed(WheelhouseError):
    """A process of a build ended badly. `tail` is the end of what it said, free of credentials."""

    def __init__(self, step: str, reason: str, *, tail: str, log: Path) -> None:
        super().__init__(step, reason, tail, log)
        self.step, self.reason, self.tail, self.log = step, reason, tail, log

    def __str__(self) -> str:
        return f"{self.step} {self.reason}; the whole log is `{self.log}`"


class Shell(Struct, frozen=True):
    """Runs the processes of one build, one after the other; what they say goes to `log`, without the secrets."""

    log: Path
    timeout: float
    secrets: tuple[str, ...] = ()

    def run(self, step: str, command: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> None:
        """Run it to its end. Raises `StepFailed` when it fails or takes too long.

        Then, and on Ctrl-C, and when it leaves others behind, its whole process group is killed.
        """
        start = self.log.stat().st_size if self.log.exists() else 0
        self.note(f"--- {step}\n")
        try:
            process = _start(command, cwd, environ)
        except OSError as error:
            raise StepFailed(step, f"cannot start: {error.strerror or error}", tail="", log=self.log) from error
        reader = threading.Thread(target=self._keep, args=(process.stdout,), name="build-log", daemon=True)
        reader.start()
        try:
            code = _wait(process, self.timeout)
        finally:
            _kill(process)
            reader.join(2)  # one that left its group may still hold the pipe: it is not waited for
        if code is None:
            raise StepFailed(step, f"took longer than {self.timeout:g} seconds", tail=self._tail(start), log=self.log)
        if code != 0:
            how = f"failed with exit code {code}" if code > 0 else f"was ended by signal {-code}"
            raise StepFailed(step, how, tail=self._tail(start), log=self.log)

    def note(self, text: str) -> None:
        """Write something of our own into the log."""
        with self.log.open("ab") as log:
            log.write(text.encode("utf-8", "replace"))

    def _keep(self, output: BinaryIO) -> None:
        with output, self.log.open("ab") as log:
            for line in iter(lambda: output.readline(1 << 16), b""):
                if log.tell() < _LARGEST_LOG:
                    for secret in self.secrets:
                        line = line.replace(secret.encode(), b"****")
                    log.write(line)
                    log.flush()

    def _tail(self, start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(max(start, self.log.stat().st_size - (1 << 16)))
            lines = log.read().decode("utf-8", "replace").splitlines()
        said = [line for line in lines if line.strip() and not line.startswith("--- ")]
        # a terminal would follow what a hostile build writes
        clean = (
            "".join(each if each.isprintable() or each == "\t" else "?" for each in line) for line in said[-_TAIL:]
        )
        return "\n".join(clean)


def _start(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    if sys.platform == "win32":
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        umask=0o022,
    )


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int | None:
    """The exit code; None when the time is over. In short waits: Windows sees Ctrl-C only between two."""
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(min(left, _GLANCE))
    return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The process, and all that it started and that stayed in its group."""
    if sys.platform == "win32":
        if process.poll() is None:
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], **quiet)  # type: ignore[call-overload]
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def secrets_of(urls: Iterable[str | None]) -> tuple[str, ...]:
    """Passwords and tokens that these URLs hold, as written and as meant, the longest first."""
    found: set[str] = set()
    for url in urls:
        user, _, password = urlsplit(url or "").netloc.rpartition("@")[0].partition(":")
        for secret in (password or user, f"{user}:{password}" if password else ""):
            found |= {secret, unquote(secret), quote(unquote(secret), safe="")}
    return tuple(sorted(found - {""}, key=lambda secret: (-len(secret), secret)))


def inherited() -> dict[str, str]:
    """This process's environment without what would steer pip, Python or a build tool in secret."""
    return {name: value for name, value in os.environ.items() if not _SHUT_OUT.match(name)}


class Environment:
    """A fresh virtual environment of one interpreter, and the build requirements in it."""

    def __init__(self, folder: Path, interpreter: Interpreter, shell: Shell, settings: BuildSettings) -> None:
        self.folder, self.interpreter, self._shell, self._settings = folder, interpreter, shell, settings
        scripts = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = scripts / ("python.exe" if os.name == "nt" else "python")
        self._scripts = scripts
        self._pip: tuple[str, ...] = ()

    def create(self) -> None:
        """Make it. Raises `StepFailed`."""
        ours = _supports(self.interpreter)
        command = [str(self.interpreter.path), "-I", "-m", "venv", *(["--without-pip"] if ours else [])]
        self._shell.run(
            "making the build environment", [*command, str(self.folder)], cwd=self.folder.parent, environ=inherited()
        )
        if ours:
            self._pip = (sys.executable, "-m", "pip", "--python", str(self.python))
            return
        # Our pip does not run on so old a Python: it gets the newest that does, in place of the one it was born with
        self._pip = (str(self.python), "-I", "-m", "pip")
        self._run_pip(_GETTING_PIP, "install", "--upgrade", "pip")
        if "setuptools" in {name for name, _ in self._distributions()}:
            self._run_pip("clearing the build environment", "uninstall", "--yes", "setuptools")

    def install(self, requirements: Iterable[str]) -> None:
        """Install them from wheels alone: the sdist of a build requirement is code that nobody allowed to run."""
        wanted = sorted(requirements)
        if not wanted:
            return
        # Markers are heeded in a requirements file, and not on the command line
        listed = self.folder / "build-requirements.txt"
        listed.write_text("".join(f"{line}\n" for line in wanted), "utf-8")
        options = ["--only-binary", ":all:", "--no-compile", "--no-warn-script-location"]
        if self._settings.constraints:
            bounds = self.folder / "build-constraints.txt"
            bounds.write_text("".join(f"{line}\n" for line in self._settings.constraints), "utf-8")
            options += ["-c", str(bounds)]
        self._run_pip(_INSTALLING, "install", *options, "-r", str(listed))

    def installed(self) -> tuple[str, ...]:
        """`name==version` of everything that is there to build with, in order; pip itself is not."""
        return tuple(f"{name}=={version}" for name, version in sorted(self._distributions()) if name != "pip")

    def variables(self, epoch: int) -> dict[str, str]:
        """What the build itself runs with. `epoch`: the newest time in the sdist, seconds since 1970.

        No index: what a build fetched with a pip of its own would be recorded nowhere.
        """
        found = inherited()
        found["PATH"] = os.pathsep.join(filter(None, (str(self._scripts), found.get("PATH"))))
        found |= {
            "VIRTUAL_ENV": str(self.folder),
            "SOURCE_DATE_EPOCH": str(min(max(epoch, _EARLIEST), _LATEST)),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_NO_INPUT": "1",
        }
        return found | dict(self._settings.environment)

    def _run_pip(self, step: str, *arguments: str) -> None:
        settings = self._settings
        environ = inherited() | {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INPUT": "1",
            "PIP_CACHE_DIR": str(self.folder / "pip-cache"),  # the common one may hold wheels that were built here
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        for name, value in (
            ("PIP_INDEX_URL", settings.index_url),
            ("PIP_NO_INDEX", None if settings.index_url else "1"),
            ("PIP_FIND_LINKS", " ".join(settings.find_links)),
            ("PIP_CERT", settings.ca_file),
            ("PIP_CLIENT_CERT", settings.client_cert),
            ("PIP_PROXY", settings.proxy),
        ):
            if value:
                environ[name] = str(value)
        self._shell.run(step, [*self._pip, *arguments], cwd=self.folder, environ=environ)

    def _distributions(self) -> Iterator[tuple[str, str]]:
        places = {path.parent for path in self.folder.glob("lib*/python*/site-packages/*")}
        places |= {path.parent for path in self.folder.glob("Lib/site-packages/*")}
        real = sorted({str(place.resolve()) for place in places})  # lib64 is a link to lib
        for distribution in importlib.metadata.distributions(path=real):
            yield canonicalize_name(distribution.metadata["Name"]), distribution.version


def _supports(interpreter: Interpreter) -> bool:
    """Whether the pip beside us runs on that Python."""
    try:
        admitted = SpecifierSet(importlib.metadata.metadata("pip")["Requires-Python"] or "")
    except importlib.metadata.PackageNotFoundError:
        return False
    return admitted.contains("{}.{}.{}".format(*interpreter.version), prereleases=True)


@contextlib.contextmanager
def cleared(folder: Path) -> Iterator[Path]:
    """An empty folder for one build, gone afterwards; waits for another process that builds there."""
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        remove_tree(folder)  # of a run that was killed
        folder.mkdir()
        try:
            yield folder
        finally:
            remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """`folder` is gone, read-only files and folders in it too; it need not have been there."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.is_dir() and not folder.is_symlink():
        for place, folders, names in os.walk(folder):
            for path in (Path(place), *(Path(place, name) for name in (*folders, *names))):
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(folder)
    files.remove(folder)
