"""What a project or a script asks for, as requirements.

`pyproject.toml` with `[project]` (PEP 621) and `[dependency-groups]` (PEP 735), and a script's own block (PEP 723).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from packaging.dependency_groups import DependencyGroupInclude, DependencyGroupResolver
from packaging.errors import ExceptionGroup
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from wheelhouse.errors import Failures, WheelhouseError
from wheelhouse.requirements import Root
from wheelhouse.simple.links import plain


class ProjectInputs(Struct, frozen=True, kw_only=True):
    """What a project asks for. A root's line is 1 where the requirement cannot be found in the text.

    `requires_python` is None where the project names none. `ignored` are settings of other tools that would change
    what is locked and that we do not follow, as keys (`tool.uv.sources`).
    """

    roots: tuple[Root, ...]
    requires_python: SpecifierSet | None
    ignored: tuple[str, ...] = ()


class BadProject(WheelhouseError):
    """A file that asks for nothing that can be read. `key` is the path to the value: `project.dependencies[2]`."""

    def __init__(self, source: str, key: str, problem: str, *, hint: str = "") -> None:
        super().__init__(source, key, problem)
        self.source, self.key, self.problem, self.hint = source, plain(key), plain(problem), hint

    def __str__(self) -> str:
        return f"`{self.source}`: `{self.key}` {self.problem}" if self.key else f"`{self.source}` {self.problem}"


def read(
    text: str,
    source: str,
    *,
    extras: Collection[str] = (),
    groups: Collection[str] = (),
    all_extras: bool = False,
) -> ProjectInputs:
    """What `pyproject.toml` asks for: `[project] dependencies`, then the chosen extras, then the chosen groups.

    The project's own name with extras stands for these extras (`all = ["demo[plot,fast]"]`). Requirements with a URL
    pass through. Without `[project]` the groups alone count. Raises `BadProject`, or `Failures` with several.
    """
    reader = _Reader(text, source)
    if "project" not in reader.table and not groups:
        raise BadProject(source, "project", "is missing", hint=reader.without_project())
    reader.dependencies()
    for extra in reader.extras if all_extras else extras:
        reader.add_extra(extra)
    for group in groups:
        reader.add_group(group)
    return reader.inputs(reader.project, "project.requires-python")


def script(text: str, source: str) -> ProjectInputs:
    """What the `# /// script` block of a Python file asks for (PEP 723). Raises as `read`."""
    block, start = _block(text, source)
    reader = _Reader(block, source, skipped=start)
    reader.requirements(reader.strings(reader.table, "dependencies", "dependencies"), "dependencies")
    return reader.inputs(reader.table, "requires-python")


_DEEPEST = 30
_EXPORT = "write what it asks for to a file: `uv export --format pylock.toml -o pylock.toml`, or `pip-compile`"
# What other tools take from these changes the lock, or where its files come from
_SETTINGS = (
    ("uv", "index"), ("uv", "index-url"), ("uv", "extra-index-url"), ("uv", "find-links"), ("uv", "no-index"),
    ("uv", "sources"), ("uv", "constraint-dependencies"), ("uv", "override-dependencies"), ("uv", "exclude-newer"),
    ("uv", "prerelease"), ("uv", "resolution"), ("uv", "pip"), ("pdm", "source"), ("pdm", "resolution"),
    ("poetry", "source"),
)  # fmt: skip


class _Reader:
    """Collects requirements, and every error. `skipped` lines stand before the text in its file."""

    def __init__(self, text: str, source: str, *, skipped: int = 0) -> None:
        self.source, self.skipped, self.lines = source, skipped, text.splitlines()
        import tomllib  # where there is a file

        try:
            self.table: Mapping[str, Any] = tomllib.loads(text.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:  # a number of 5000 digits is a ValueError too
            raise BadProject(source, "", f"is no TOML: {str(error).partition(chr(10))[0]}") from error
        self.project = self.subtable(self.table, "project", "project")
        self.name = canonicalize_name(str(self.project.get("name", "")))
        self.dynamic = self.strings(self.project, "dynamic", "project.dynamic")
        optional = self.subtable(self.project, "optional-dependencies", "project.optional-dependencies")
        self.extras = {canonicalize_name(each): each for each in optional}
        self.optional = optional
        self.roots: dict[tuple[str, int], Root] = {}
        self.errors: list[WheelhouseError] = []
        self._opened: list[NormalizedName] = []  # extras that are being read, each within the one before

    def inputs(self, table: Mapping[str, Any], key: str) -> ProjectInputs:
        requires_python = None
        text = table.get("requires-python")
        if text is not None:
            try:
                requires_python = SpecifierSet(text)
            except (InvalidSpecifier, TypeError, AttributeError):
                self.errors.append(BadProject(self.source, key, "is no version specifier such as `>=3.10`"))
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise Failures(self.errors)
        return ProjectInputs(roots=tuple(self.roots.values()), requires_python=requires_python, ignored=self._ignored())

    def dependencies(self) -> None:
        """`[project] dependencies`."""
        if "dependencies" in self.dynamic:
            raise BadProject(
                self.source, "project.dependencies", "is dynamic: only the build backend knows it", hint=_EXPORT
            )
        key = "project.dependencies"
        self.requirements(self.strings(self.project, "dependencies", key), key)

    def add_extra(self, name: str, *, marker: Marker | None = None, at: str = "") -> None:
        """The requirements of an extra; the ones that `at` brings in count under its marker."""
        found = canonicalize_name(name)
        if found in self._opened:
            return
        if len(self._opened) >= _DEEPEST:
            self.errors.append(BadProject(self.source, at, f"is an extra within {_DEEPEST} others"))
            return
        if found not in self.extras:
            if "optional-dependencies" in self.dynamic:
                problem, hint = "is dynamic: only the build backend knows it", _EXPORT
                self.errors.append(BadProject(self.source, "project.optional-dependencies", problem, hint=hint))
                return
            shown = ", ".join(f"`{each}`" for each in self.extras.values())
            problem = f"names the extra `{name}`, which the project does not have" if at else f"has no extra `{name}`"
            hint = f"it has {shown}" if shown else "leave out `--extra`"
            self.errors.append(BadProject(self.source, at or "project.optional-dependencies", problem, hint=hint))
            return
        written = self.extras[found]
        key = f"project.optional-dependencies.{written}"
        self._opened.append(found)
        self.requirements(self.strings(self.optional, written, key), key, marker=marker)
        self._opened.pop()

    def add_group(self, name: str) -> None:
        """The requirements of a dependency group and of all that it includes (PEP 735)."""
        table = self.subtable(self.table, "dependency-groups", "dependency-groups")
        known = {canonicalize_name(each): each for each in table}
        if canonicalize_name(name) not in known:
            shown = ", ".join(f"`{each}`" for each in known.values())
            hint = f"it has {shown}" if shown else "leave out `--group`"
            self.errors.append(BadProject(self.source, "dependency-groups", f"has no group `{name}`", hint=hint))
            return
        key = f"dependency-groups.{known[canonicalize_name(name)]}"
        try:
            resolver = DependencyGroupResolver(table)
            resolver.resolve(name)
        except ExceptionGroup as errors:
            for error in _leaves(errors):
                self.errors.append(BadProject(self.source, key, f"cannot be read: {_sentence(error)}"))
            return
        except (RecursionError, TypeError, ValueError) as error:
            self.errors.append(BadProject(self.source, key, f"cannot be read: {_sentence(error)}"))
            return
        self._group(resolver, canonicalize_name(name), known, seen=set())

    def _group(
        self, resolver: DependencyGroupResolver, name: str, known: Mapping[NormalizedName, str], seen: set[str]
    ) -> None:
        if name in seen:
            return
        seen.add(name)
        key = f"dependency-groups.{known[canonicalize_name(name)]}"
        for at, item in enumerate(resolver.lookup(name)):
            if isinstance(item, DependencyGroupInclude):
                self._group(resolver, canonicalize_name(item.include_group), known, seen)
            else:
                self.requirement(str(resolver.dependency_groups[name][at]), f"{key}[{at}]", None)

    def requirements(self, texts: Sequence[str], key: str, *, marker: Marker | None = None) -> None:
        for at, text in enumerate(texts):
            self.requirement(text, f"{key}[{at}]", marker)

    def requirement(self, text: str, key: str, marker: Marker | None) -> None:
        try:
            found = Requirement(text)
        except (InvalidRequirement, RecursionError) as error:
            self.errors.append(BadProject(self.source, key, f"is no requirement: {_sentence(error)}"))
            return
        if marker is not None:
            found.marker = marker if found.marker is None else Marker(f"({marker}) and ({found.marker})")
        if self.name and canonicalize_name(found.name) == self.name:  # of itself a project wants its extras
            for extra in sorted(found.extras):
                self.add_extra(extra, marker=found.marker, at=key)
            return
        line = self._line(text, key)
        self.roots.setdefault((str(found), line), Root(requirement=found, source=self.source, line=line))

    def _line(self, text: str, key: str) -> int:
        """The line that the requirement stands in: the first with its string, from its key on."""
        forms = (f'"{text}"', f"'{text}'", '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
        name = re.escape(key.partition("[")[0].rpartition(".")[2])
        stands = re.compile(rf"""(?:^|[\s.{{,])["']?{name}["']?\s*=""")
        starts = [at for at, line in enumerate(self.lines) if stands.search(line)]
        for start in (*starts, 0):
            for at in range(start, len(self.lines)):
                if any(form in self.lines[at] for form in forms):
                    return self.skipped + at + 1
                if at > start and re.match(r"\s*\[[^\]\"']+\]\s*(?:#|$)", self.lines[at]) and start:
                    break  # another table: the string does not stand below this key
        return self.skipped + 1

    def strings(self, table: Mapping[str, Any], key: str, path: str) -> tuple[str, ...]:
        found = table.get(key, [])
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise BadProject(self.source, path, "must be an array of strings")
        return tuple(found)

    def subtable(self, table: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
        found = table.get(key, {})
        if not isinstance(found, dict):
            raise BadProject(self.source, path, "must be a table")
        return found

    def without_project(self) -> str:
        tool = self.table.get("tool")
        if isinstance(tool, dict) and "poetry" in tool:
            return "Poetry keeps it elsewhere: `poetry export -o requirements.txt`, then `-r requirements.txt`"
        if "dependency-groups" in self.table:
            return "name a dependency group: `--group NAME`"
        return "name a requirements file: `-r FILE`"

    def _ignored(self) -> tuple[str, ...]:
        tool = self.table.get("tool")
        tables = tool if isinstance(tool, dict) else {}
        return tuple(
            f"tool.{name}.{key}"
            for name, key in _SETTINGS
            if isinstance(tables.get(name), dict) and tables[name].get(key)
        )


def _block(text: str, source: str) -> tuple[str, int]:
    """The TOML of the one `script` block, and how many lines stand before it.

    PEP 723: a block ends at the last `# ///` of its run of comment lines, one that is not closed is none, and two of
    one type are an error.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    found: list[tuple[str, int]] = []
    at = 0
    while at < len(lines):
        at += 1
        if lines[at - 1].rstrip() != "# /// script":
            continue
        end = at
        while end < len(lines) and (lines[end] == "#" or lines[end].startswith("# ")):
            end += 1
        closing = [each for each in range(at, end) if lines[each].rstrip() == "# ///"]
        if closing:
            found.append(("\n".join(line[2:] for line in lines[at : closing[-1]]), at))
            at = closing[-1] + 1
    if len(found) > 1:
        raise BadProject(source, "", "has more than one `# /// script` block", hint="leave one of them")
    if not found:
        raise BadProject(
            source,
            "",
            "has no `# /// script` block that says what it needs (PEP 723)",
            hint="write one: `uv add --script FILE NAME`; or name a requirements file: `-r FILE`",
        )
    return found[0]


def _leaves(errors: BaseException) -> list[BaseException]:
    if isinstance(errors, ExceptionGroup):
        return [leaf for each in errors.exceptions for leaf in _leaves(each)]
    return [errors]


def _sentence(error: BaseException) -> str:
    text = str(error).partition("\n")[0].rstrip(".") or "it is nested too deep"
    return text[:1].lower() + text[1:]
