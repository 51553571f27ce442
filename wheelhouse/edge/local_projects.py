"""A folder that is asked for (`./app`, `.[dev]`): packed as it is, so that it is locked and built like any sdist."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tomllib
from pathlib import Path

from msgspec.structs import replace
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelhouse.edge import files
from wheelhouse.edge.files import local_path
from wheelhouse.errors import WheelhouseError
from wheelhouse.requirements import Root

# What tools leave in a project's folder, and what we do: none of it belongs to the project
_LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", "__pycache__", ".venv", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
    | {"node_modules"}
)
# At its top alone: deeper down a package may well have such a name
_LEFT_OUT_AT_TOP = frozenset({"venv", "build", "dist", "lockfiles", "wheels", "bundles"})
_EPOCH = 315532800  # 1980-01-01, the first moment that a zip archive can hold


class NoProject(WheelhouseError):
    """A folder that cannot be packed, for it does not say without being run what project it is."""

    exit_code = 2

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason
        self.hint = (
            "let its pyproject.toml state `name` and `version` under `[project]`\n"
            f"or build it yourself, `pip wheel --no-deps {path}`, and name the wheel"
        )

    def __str__(self) -> str:
        return f"`{self.path}` cannot be locked: {self.reason}"


def packed(root: Root, into: Path) -> Root:
    """A root that names a folder, with the folder as an sdist in `into`; any other root as it is.

    Nothing of the folder is run, and the same folder gives the same bytes. Raises `NoProject`, and `CannotWrite`.
    """
    folder = _folder(root.direct or "")
    if root.direct is None or folder is None:
        return root
    name, version = _identity(folder, root.direct)
    if name != canonicalize_name(root.requirement.name):
        raise NoProject(root.direct, f"its pyproject.toml is that of `{name}`, not of `{root.requirement.name}`")
    top = f"{name.replace('-', '_')}-{version}"
    path = into / f"{top}.tar.gz"
    try:
        files.write_atomically(path, _archive(folder, top))
    except OSError as error:
        raise files.CannotWrite(path, (error.strerror or str(error)).lower()) from error
    return replace(root, direct=str(path))


def _folder(direct: str) -> Path | None:
    if "://" in direct and not direct.startswith("file:"):
        return None
    path = local_path(direct) if direct.startswith("file:") else Path(direct).expanduser()
    return path if path is not None and path.is_dir() else None


def _identity(folder: Path, shown: str) -> tuple[str, Version]:
    try:
        table = tomllib.loads((folder / "pyproject.toml").read_text("utf-8")).get("project", {})
        return canonicalize_name(table["name"], validate=True), Version(table["version"])
    except FileNotFoundError:
        raise NoProject(shown, "it has no pyproject.toml") from None
    except (KeyError, TypeError, AttributeError):
        raise NoProject(shown, "its pyproject.toml does not state `name` and `version`") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, InvalidVersion, ValueError) as error:
        raise NoProject(shown, f"its pyproject.toml cannot be read ({error})") from error


def _archive(folder: Path, top: str) -> bytes:
    """A tar.gz of the folder without times, owners and what tools left in it."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in _members(folder):
            info = tar.gettarinfo(path, f"{top}/{path.relative_to(folder).as_posix()}")
            info.mtime, info.uid, info.gid, info.uname, info.gname = _EPOCH, 0, 0, "", ""
            info.mode = 0o755 if info.mode & 0o100 else 0o644
            if info.islnk():  # a second name of a file that is packed already: a file like any other
                info.type, info.linkname, info.size = tarfile.REGTYPE, "", path.stat().st_size
            if info.isreg():
                with path.open("rb") as content:
                    tar.addfile(info, content)
            elif info.issym():
                tar.addfile(info)
    return packed.getvalue()


def _members(folder: Path) -> list[Path]:
    found = []
    for place, folders, names in os.walk(folder):
        left_out = _LEFT_OUT | _LEFT_OUT_AT_TOP if Path(place) == folder else _LEFT_OUT
        folders[:] = sorted(name for name in folders if name not in left_out and not name.endswith(".egg-info"))
        links = [name for name in folders if Path(place, name).is_symlink()]  # they are not walked into
        names = [name for name in names if not name.endswith((".pyc", ".whl"))]
        found += [Path(place, name) for name in sorted([*names, *links])]
    return found
