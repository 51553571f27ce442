"""The architecture (docs/layout.md), read from the imports and calls of every module.

A finding is one line, `wheelhouse/plan.py:7: …`, so that a failing test says where to look and why it is wrong.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import wheelhouse

HOUSE = Path(wheelhouse.__file__).parent

# A module imports its own room and floors to the left; never a neighbour on its floor, never one to the right.
FLOORS = (
    {"errors"},
    {"digests", "target", "metadata", "events", "urls", "contents"},
    {"sdist"},
    {"indexes", "simple", "compat"},
    {"requirements", "config"},
    {"projects"},
    {"resolve"},
    {"lock"},
    {"plan", "outputs", "mirroring"},
    {"edge"},
    {"locking"},
    {"adopting", "checking"},
    {"workflow", "mirror_workflow"},
    {"cli"},
    {"__main__"},
)
FREE = {"data", "__init__"}  # tables and the package itself: anyone may read them, they import no room
MAY_ASK_THE_MACHINE = {"edge", "offline"}
ASKING_MODULES = {"platform", "sysconfig"}
ASKING_NAMES = {"sys_tags", "platform_tags", "default_environment"}


def room_of(path: str) -> str:
    """The room of a file below wheelhouse/: the first part of its path."""
    return Path(path).parts[0].removesuffix(".py")


def floor_of(room: str) -> int | None:
    return next((height for height, rooms in enumerate(FLOORS) if room in rooms), None)


def imports(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of everything that is imported, wherever in the file it stands."""
    package = ("wheelhouse", *Path(path).parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*start, *([node.module] if node.module else [])))
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def wrong_imports(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    room = room_of(path)
    height = floor_of(room)
    if height is None and room not in FREE | {"offline"}:
        yield 1, f"room `{room}` stands on no floor"
        return
    for line, name in imports(path, tree):
        top, _, rest = name.partition(".")
        if room == "offline":
            if top not in sys.stdlib_module_names:
                yield line, f"`offline` imports `{name}`, which is not in the standard library"
            continue
        if top != "wheelhouse":
            continue
        other = rest.partition(".")[0]
        if other == "offline":
            yield line, f"`{room}` imports `offline`, which nobody may"
        elif other in ("", room, *FREE) or (room in FREE and other == "data"):
            continue
        elif floor_of(other) is None:
            # a name of the package itself (`from wheelhouse import __version__`), else a room that nobody has placed
            if (HOUSE / other).exists() or (HOUSE / f"{other}.py").exists():
                yield line, f"`{room}` imports `{other}`, a room on no floor"
        elif room in FREE:
            yield line, f"`{room}` imports `{other}`, but belongs to no floor"
        elif (there := floor_of(other)) is not None and height is not None and there >= height:
            way = "a neighbour on its floor" if there == height else "which stands further up"
            yield line, f"`{room}` imports `{other}`, {way}"


def questions_to_this_machine(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What would make the running machine answer for the target."""
    if room_of(path) in MAY_ASK_THE_MACHINE:
        return
    reads_pylock = False
    for line, name in imports(path, tree):
        reads_pylock = reads_pylock or name.startswith("packaging.pylock")
        if name.partition(".")[0] in ASKING_MODULES:
            yield line, f"`{name.partition('.')[0]}` asks this machine"
        elif name.rpartition(".")[2] in ASKING_NAMES:
            yield line, f"`{name.rpartition('.')[2]}` asks this machine"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ASKING_NAMES:
            yield node.lineno, f"`{node.attr}` asks this machine"
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if called == "evaluate" and isinstance(function, ast.Attribute) and not gives(node, environment=0):
            yield node.lineno, "`evaluate` without an environment asks this machine"
        elif called == "cpython_tags" and not gives(node, python_version=0, abis=1, platforms=2):
            yield node.lineno, "`cpython_tags` without `python_version`, `abis` and `platforms` asks this machine"
        elif called == "compatible_tags" and not gives(node, python_version=0, interpreter=1, platforms=2):
            yield node.lineno, "`compatible_tags` without all of its arguments asks this machine"
        elif called == "mac_platforms" and not gives(node, version=0, arch=1):
            yield node.lineno, "`mac_platforms` without `version` and `arch` asks this machine"
        elif called == "select" and reads_pylock and not gives(node, environment=None, tags=None):
            yield node.lineno, "`Pylock.select` without `environment` and `tags` asks this machine"


def gives(call: ast.Call, **positions: int | None) -> bool:
    """Whether a call gives each of these arguments, by name or at its position, and none of them as None."""

    def given(name: str, position: int | None) -> bool:
        values = [keyword.value for keyword in call.keywords if keyword.arg == name]
        if position is not None and not any(isinstance(each, ast.Starred) for each in call.args):
            values += call.args[position : position + 1]
        return bool(values) and not any(isinstance(each, ast.Constant) and each.value is None for each in values)

    return all(given(name, position) for name, position in positions.items())


RULES: tuple[Callable[[str, ast.AST], Iterator[tuple[int, str]]], ...] = (wrong_imports, questions_to_this_machine)


def findings(path: str, source: str) -> list[str]:
    """What is wrong with the source of `wheelhouse/<path>`, a line each, in the order of the file."""
    tree = ast.parse(source)
    found = {finding for rule in RULES for finding in rule(path, tree)}
    return [f"wheelhouse/{path}:{line}: {reason}" for line, reason in sorted(found)]


def modules() -> list[str]:
    return sorted(path.relative_to(HOUSE).as_posix() for path in HOUSE.rglob("*.py"))


def test_every_module_keeps_to_its_floor_and_asks_nothing_of_this_machine() -> None:
    found = [line for path in modules() for line in findings(path, (HOUSE / path).read_text(encoding="utf-8"))]
    assert not found, "\n" + "\n".join(found)


def test_the_house_was_read() -> None:
    assert {"errors.py", "plan.py", "target/model.py", "data/__init__.py"} <= set(modules())
    assert len([room for floor in FLOORS for room in floor]) == len(set().union(*FLOORS))


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        # uphill, sideways, however it is written
        ("plan.py", "import wheelhouse.edge.http", ["1: `plan` imports `edge`, which stands further up"]),
        ("plan.py", "from wheelhouse.workflow import lock", ["1: `plan` imports `workflow`, which stands further up"]),
        ("plan.py", "from wheelhouse import cli", ["1: `plan` imports `cli`, which stands further up"]),
        ("plan.py", "\nfrom . import cli", ["2: `plan` imports `cli`, which stands further up"]),
        ("resolve/view.py", "from ..lock import Lock", ["1: `resolve` imports `lock`, which stands further up"]),
        (
            "target/model.py",
            "from wheelhouse.metadata import x",
            ["1: `target` imports `metadata`, a neighbour on its floor"],
        ),
        ("simple/html.py", "import wheelhouse.compat", ["1: `simple` imports `compat`, a neighbour on its floor"]),
        (
            "lock.py",
            "def f():\n    if True:\n        from wheelhouse.plan import plan",
            ["3: `lock` imports `plan`, which stands further up"],
        ),
        ("data/__init__.py", "from wheelhouse.lock import x", ["1: `data` imports `lock`, but belongs to no floor"]),
        ("drawer.py", "", ["1: room `drawer` stands on no floor"]),
        # offline
        (
            "workflow.py",
            "from wheelhouse.offline import install",
            ["1: `workflow` imports `offline`, which nobody may"],
        ),
        (
            "offline/install.py",
            "import os\nimport click",
            ["2: `offline` imports `click`, which is not in the standard library"],
        ),
        (
            "offline/install.py",
            "from wheelhouse.errors import UsageError",
            ["1: `offline` imports `wheelhouse.errors.UsageError`, which is not in the standard library"],
        ),
        # questions to the machine that runs us
        ("lock.py", "import platform", ["1: `platform` asks this machine"]),
        ("lock.py", "import sysconfig as s", ["1: `sysconfig` asks this machine"]),
        ("lock.py", "from platform import machine", ["1: `platform` asks this machine"]),
        ("lock.py", "from packaging.tags import sys_tags", ["1: `sys_tags` asks this machine"]),
        ("lock.py", "from packaging import tags\ntags.sys_tags()", ["2: `sys_tags` asks this machine"]),
        ("lock.py", "markers.default_environment()", ["1: `default_environment` asks this machine"]),
        ("lock.py", "marker.evaluate()", ["1: `evaluate` without an environment asks this machine"]),
        ("lock.py", "marker.evaluate(environment=None)", ["1: `evaluate` without an environment asks this machine"]),
        (
            "lock.py",
            "marker.evaluate(context='requirement')",
            ["1: `evaluate` without an environment asks this machine"],
        ),
        (
            "lock.py",
            "cpython_tags((3, 10), platforms=['any'])",
            ["1: `cpython_tags` without `python_version`, `abis` and `platforms` asks this machine"],
        ),
        (
            "lock.py",
            "tags.compatible_tags((3, 10), platforms=['any'])",
            ["1: `compatible_tags` without all of its arguments asks this machine"],
        ),
        (
            "lock.py",
            "mac_platforms((13, 0))",
            ["1: `mac_platforms` without `version` and `arch` asks this machine"],
        ),
        (
            "lock.py",
            "from packaging.pylock import Pylock\nPylock.from_dict(x).select(environment=e)",
            ["2: `Pylock.select` without `environment` and `tags` asks this machine"],
        ),
    ],
)
def test_a_planted_fault_is_found_with_its_file_and_line(path: str, source: str, expected: list[str]) -> None:
    assert findings(path, source) == [f"wheelhouse/{path}:{line}" for line in expected]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("plan.py", "from wheelhouse.lock import Lock\nfrom wheelhouse.digests import Digest\nimport click"),
        ("resolve/pubgrub.py", "from .catalog import Catalog\nfrom wheelhouse.resolve import resolution"),
        ("target/words.py", "from wheelhouse.data import table\nfrom wheelhouse import __version__"),
        ("outputs/bundle.py", "from wheelhouse.lock import Lock"),
        ("cli.py", "from wheelhouse.workflow import lock\nfrom wheelhouse.edge.store import Store"),
        ("__main__.py", "from wheelhouse.cli import main"),
        (
            "offline/install.py",
            "from __future__ import annotations\nimport platform, sysconfig\nfrom os.path import join",
        ),
        ("edge/pip.py", "import platform\nfrom packaging.tags import sys_tags\nmarker.evaluate()"),
        ("lock.py", "marker.evaluate(environment)\nmarker.evaluate(environment=e, context='lock_file')"),
        ("lock.py", "cpython_tags((3, 10), ['cp310'], p)\ncpython_tags((3, 10), abis=[a], platforms=p)"),
        ("lock.py", "from packaging.pylock import Pylock\npylock.select(environment=e, tags=t)"),
        ("resolve/candidates.py", "candidates.select(page)\nplatform = tag.platform"),
    ],
)
def test_what_the_house_allows_is_not_found(path: str, source: str) -> None:
    assert findings(path, source) == []
