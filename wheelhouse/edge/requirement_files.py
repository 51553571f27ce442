"""Requirements files, projects, scripts and constraints files from disk, and what counts when nobody names any."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from wheelhouse import projects
from wheelhouse.edge.files import path_of
from wheelhouse.edge.locks import Unreadable
from wheelhouse.errors import UsageError
from wheelhouse.projects import ProjectInputs
from wheelhouse.requirements import LocalProject, RequirementError, RequirementsFile, Root, decode, parse

DEFAULTS = ("requirements.in", "requirements.txt")
PROJECT = "pyproject.toml"


def kind(path: Path) -> Literal["project", "script", "lock", "requirements"]:
    """What a file that was named with `-r` is, by its name."""
    if path.suffix == ".py":
        return "script"
    if path.name == "uv.lock" or (path.name.startswith("pylock.") and path.suffix == ".toml"):
        return "lock"
    return "project" if path.suffix == ".toml" else "requirements"


def read_project(
    path: Path, *, extras: Collection[str] = (), groups: Collection[str] = (), all_extras: bool = False
) -> ProjectInputs:
    """What a pyproject.toml asks for. Raises `Unreadable`, and what `projects.read` raises."""
    return projects.read(_text(path), str(path), extras=extras, groups=groups, all_extras=all_extras)


def read_script(path: Path) -> ProjectInputs:
    """What a script's own block asks for. Raises `Unreadable`, and what `projects.script` raises."""
    return projects.script(_text(path), str(path))


def read(path: Path) -> RequirementsFile:
    """The file and all that it includes, `${NAME}` taken from the environment.

    Raises `Unreadable`, and what `requirements.parse` raises.
    """
    return parse(_text(path), str(path), _load, environ=os.environ)


def named(project: LocalProject) -> Root:
    """The folder as a requirement: its pyproject.toml tells its name. Raises `RequirementError` where it does not."""
    import tomllib  # where there is a file

    folder = path_of(project.path) if project.path.startswith("file:") else Path(project.path).expanduser()
    try:
        found = Requirement(str(tomllib.loads(_text(folder / PROJECT))["project"]["name"]))
    except (Unreadable, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = "its folder has no pyproject.toml that tells the project's name"
        hint = f"write `NAME @ {project.path}`"
        raise RequirementError(project.source, project.line, project.path, reason, hint=hint) from error
    found.extras, found.marker = set(project.extras), project.marker
    return Root(requirement=found, source=project.source, line=project.line, direct=project.path)


def default(folder: Path) -> Path:
    """The file that counts when none is named: requirements.in, requirements.txt, a project's pyproject.toml.

    Raises `UsageError` where there is none.
    """
    for name in DEFAULTS:
        if (folder / name).is_file():
            return folder / name
    if _has_project(folder / PROJECT):
        return folder / PROJECT
    raise UsageError(
        "nothing to lock: no requirement is named, and there is no `requirements.in` or `requirements.txt` here",
        hint="`wheelhouse lock -r FILE --target LABEL`, or `wheelhouse lock torch==2.1.2 --target LABEL`",
    )


def _has_project(path: Path) -> bool:
    """Whether the file has a `[project]`; one that is no TOML has, so that its error is told."""
    if not path.is_file():
        return False
    import tomllib

    try:
        return "project" in tomllib.loads(_text(path))
    except (ValueError, RecursionError):
        return True


def _load(path: str, including: str) -> tuple[str, str]:
    found = Path(including).parent / path
    return _text(found), os.path.normpath(found)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(path, (error.strerror or str(error)).lower()) from error
    return decode(content, str(path))
