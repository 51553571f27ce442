"""What is asked for: typed requirements, files of every kind, and what the folder has when nothing is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from packaging.specifiers import SpecifierSet

from wheelhouse.edge import requirement_files
from wheelhouse.edge.config_files import Found
from wheelhouse.errors import UsageError
from wheelhouse.events import Event, Noted, Said
from wheelhouse.projects import ProjectInputs
from wheelhouse.requirements import IndexOptions, LocalProject, RequirementsFile, Root, asked
from wheelhouse.target import Target, TargetError


class Asked(Struct, frozen=True, kw_only=True):
    """Requirements and constraints, and what their files say beside them."""

    roots: tuple[Root, ...] = ()
    constraints: tuple[Root, ...] = ()
    told: tuple[IndexOptions, ...] = ()  # of requirements files, in their order
    pythons: Mapping[str, SpecifierSet] = field(default_factory=dict)  # `requires-python` by project file


def asked_of(options: Mapping[str, Any], found: Found | None, listen: Callable[[Event], None]) -> Asked:
    """What is asked for. Raises `UsageError`, and what the files raise.

    Without a requirement and a file: the files of the configuration, else what lies in the current folder; which that
    is, is said.
    """
    for text in options["requirement"]:
        if requirement_files.kind(Path(text)) == "lock" and Path(text).is_file():
            raise _is_lock(Path(text))
    typed = [_named(asked(text)) for text in options["requirement"]]
    paths: Sequence[Path] = options["requirement_files"]
    if not paths and not typed:
        paths = _unnamed(options, found, listen)
    files: list[RequirementsFile | ProjectInputs] = [_read(path, options, listen) for path in paths]
    projects = [path for path in paths if requirement_files.kind(path) == "project"]
    if not projects:
        _check_no_project(options, found)
    written = [file for file in files if isinstance(file, RequirementsFile)]
    constraining = [requirement_files.read(path) for path in options["constraint_files"]]
    return Asked(
        roots=(*typed, *(root for file in files for root in _roots(file))),
        constraints=(*_constraints(constraining), *(root for file in written for root in file.constraints)),
        told=tuple(file.options for file in (*written, *constraining)),
        pythons={
            str(path): file.requires_python
            for path, file in zip(paths, files, strict=True)
            if isinstance(file, ProjectInputs) and file.requires_python is not None
        },
    )


def check_pythons(pythons: Mapping[str, SpecifierSet], targets: Sequence[Target]) -> None:
    """Raises `UsageError` for a target whose Python a project's `requires-python` does not admit."""
    for source, allowed in pythons.items():
        for target in targets:
            if not target.admits_python(allowed):
                raise UsageError(
                    f"`{source}` needs Python {allowed}, and the target `{target.label}` is for"
                    f" {target.python[0]}.{target.python[1]}{'' if target.patch is None else f'.{target.patch}'}",
                    hint=_other_python(target, allowed),
                )


def _other_python(target: Target, allowed: SpecifierSet) -> str:
    for minor in range(8, 20):
        label = re.sub(r"(?<=-)py3[\d.]*(?=-|t|$)", f"py3{minor}", target.label)
        try:
            if Target.parse(label).admits_python(allowed):
                return f"name a target with another Python: `--target {label}`"
        except TargetError:
            continue
    return "correct `requires-python`, or name other targets"


def _unnamed(options: Mapping[str, Any], found: Found | None, listen: Callable[[Event], None]) -> Sequence[Path]:
    """The files that count where none is named."""
    if found is not None and found.config.requirements:
        paths = [found.path(text) for text in found.config.requirements]
        named = ", ".join(f"`{path}`" for path in paths)
        listen(Said(f"reading {named}, as `{found.config.source}` says"))
        return paths
    folder = Path() if found is None else found.folder
    project = folder / requirement_files.PROJECT
    extras = [*options.get("extras", ()), *options.get("groups", ())]
    wants_project = bool(extras or options.get("all_extras")) and project.is_file()
    path = project if wants_project else requirement_files.default(folder)
    listen(Said(f"reading `{path}`"))
    return [path]


def _read(path: Path, options: Mapping[str, Any], listen: Callable[[Event], None]) -> RequirementsFile | ProjectInputs:
    kind = requirement_files.kind(path)
    if kind == "lock":
        raise _is_lock(path)
    if kind == "requirements":
        return requirement_files.read(path)
    if kind == "script":
        inputs = requirement_files.read_script(path)
    else:
        inputs = requirement_files.read_project(
            path,
            extras=options.get("extras", ()),
            groups=options.get("groups", ()),
            all_extras=options.get("all_extras", False),
        )
    for key in inputs.ignored:
        listen(Noted(f"`{key}` of `{path}` is not followed"))
    return inputs


def _is_lock(path: Path) -> UsageError:
    return UsageError(
        f"`{path}` is a lock: there is nothing to resolve in it",
        hint=f"`wheelhouse fetch {path} --target LABEL` takes what it pins, and `bundle` after it",
    )


def _check_no_project(options: Mapping[str, Any], found: Found | None) -> None:
    """Extras and groups are a project's; those of the configuration wait for one."""
    config = None if found is None else found.config
    for option, key in (("--extra", "extras"), ("--group", "groups")):
        names = tuple(options.get(key, ()))
        if names and (config is None or names != getattr(config, key)):
            raise UsageError(
                f"`{option} {names[0]}` names a part of a project, and no pyproject.toml is read",
                hint=f"`-r pyproject.toml {option} {names[0]}`",
            )
    if options.get("all_extras"):
        hint = "`-r pyproject.toml --all-extras`"
        raise UsageError("`--all-extras` means a project's, and no pyproject.toml is read", hint=hint)


def _roots(file: RequirementsFile | ProjectInputs) -> Sequence[Root]:
    folders = file.folders if isinstance(file, RequirementsFile) else ()
    return [*file.roots, *map(_named, folders)]


def _named(found: Root | LocalProject) -> Root:
    return requirement_files.named(found) if isinstance(found, LocalProject) else found


def _constraints(files: Sequence[RequirementsFile]) -> tuple[Root, ...]:
    roots = tuple(root for file in files for root in (*file.roots, *file.constraints))
    for root in roots:
        if root.requirement.extras:
            raise UsageError(
                f"line {root.line} of `{root.source}`: a constraint cannot have extras",
                hint=f"write it without: `{root.requirement.name}{root.requirement.specifier}`",
            )
    return roots
