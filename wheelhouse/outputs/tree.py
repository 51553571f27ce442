"""A lock for people to read: the tree of what needs what, and the chains that lead to one project."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName

from wheelhouse.lock import Lock, LockedPackage, LockedSource
from wheelhouse.outputs.sizes import readable


def tree(lock: Lock) -> Iterator[str]:
    """The lock's projects below those that asked for them, a line each with its size.

    `(*)` marks a project whose branch stands above.
    """
    packages = {package.name: package for package in lock.pins()}
    shown: set[NormalizedName] = set()
    waiting = [(root, "", "") for root in reversed(lock.roots)]  # name, what stands before its branch, the branch
    while waiting:
        name, before, branch = waiting.pop()
        package = packages[name]
        again = name in shown
        repeated = again and package.dependencies
        beside = " (*)" if repeated else "" if again else _size(package)
        yield f"{before}{branch}{name} {package.version}{beside}"
        if not repeated:
            shown.add(name)
            below = before + {"": "", "├── ": "│   ", "└── ": "    "}[branch]
            last = len(package.dependencies) - 1
            for at, each in reversed(list(enumerate(package.dependencies))):
                waiting.append((each, below, "└── " if at == last else "├── "))


def _size(package: LockedPackage | LockedSource) -> str:
    size = package.file.size
    told = [] if size is None else [readable(size)]
    if isinstance(package, LockedSource):
        told.insert(0, "to be built")
    return f" ({', '.join(told)})" if told else ""


def why(lock: Lock, name: NormalizedName) -> Iterator[str]:
    """The shortest chain from what was asked for to the project, then everyone who requires it and how.

    Gives nothing for a project that the lock lacks.
    """
    package = lock.package(name)
    if package is None:
        return
    yield f"{name} {package.version}"
    yield "  " + " -> ".join(chain(lock, name))
    for line in package.required_by:
        yield f"  {asker(line)}"
    for held in lock.held_back:
        if held.name == name:
            yield f"  held back: {held.newer} {held.reason}"


def asker(line: str) -> str:
    """A line of `required_by` for people: who requires it, and how."""
    who, _, what = line.partition(": ")
    if who == "(constraint)":
        return f"limited by the constraint `{what}`"
    return f"asked for as `{what}`" if who.startswith("(") else f"`{who}` requires `{what}`"


def chain(lock: Lock, name: NormalizedName) -> list[str]:
    """The shortest way from what was asked for to the project; the project alone where nothing leads to it."""
    dependencies = {package.name: package.dependencies for package in lock.pins()}
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
