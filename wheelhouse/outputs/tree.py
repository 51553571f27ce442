"""A lock for people to read: the tree of what needs what, and the chains that lead to one project."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName

from wheelhouse.lock import Lock


def tree(lock: Lock) -> Iterator[str]:
    """The lock's projects below those that asked for them, a line each; `(*)` marks one whose branch stands above."""
    versions = {package.name: package for package in lock.packages}
    shown: set[NormalizedName] = set()

    def branch(name: NormalizedName, prefix: str, tail: str) -> Iterator[str]:
        package = versions[name]
        repeated = name in shown and package.dependencies
        yield f"{prefix}{tail}{name} {package.version}{' (*)' if repeated else ''}"
        if repeated:
            return
        shown.add(name)
        below = prefix + {"": "", "├── ": "│   ", "└── ": "    "}[tail]
        for at, each in enumerate(package.dependencies):
            yield from branch(each, below, "└── " if at == len(package.dependencies) - 1 else "├── ")

    for root in lock.roots:
        yield from branch(root, "", "")


def why(lock: Lock, name: NormalizedName) -> Iterator[str]:
    """The shortest chain from what was asked for to the project, then everyone who requires it and how.

    Gives nothing for a project that the lock lacks.
    """
    package = lock.package(name)
    if package is None:
        return
    yield f"{name} {package.version}"
    yield "  " + " -> ".join(_chain(lock, name))
    for line in package.required_by:
        who, _, what = line.partition(": ")
        yield f"  asked for as `{what}`" if who.startswith("(") else f"  `{who}` requires `{what}`"
    for held in lock.held_back:
        if held.name == name:
            yield f"  held back: {held.newer} {held.reason}"


def _chain(lock: Lock, name: NormalizedName) -> list[str]:
    dependencies = {package.name: package.dependencies for package in lock.packages}
    paths: list[list[NormalizedName]] = [[root] for root in lock.roots]
    seen = set(lock.roots)
    for path in paths:  # grows while it is walked: breadth first
        if path[-1] == name:
            return list(path)
        for each in dependencies[path[-1]]:
            if each not in seen:
                seen.add(each)
                paths.append([*path, each])
    return [name]
