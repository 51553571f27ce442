"""`uv.lock` read for one target: uv's own format, version 1, walked from the project with its markers and extras.

Sources: uv's documentation ("Project structure: the lockfile", "Resolution: lockfile versioning"), and what uv 0.13
writes. Every revision of version 1 can be read: revisions only add what older readers may ignore.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct, field
from packaging.pylock import Package, PackageArchive, PackageDirectory, PackageSdist, PackageVcs, PackageWheel
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelhouse.errors import UsageError
from wheelhouse.lock.record import ROOT
from wheelhouse.lock.refusals import BadMarker, NotALock
from wheelhouse.lock.selection import Judge, Selected, Selection, Unjudged
from wheelhouse.simple.links import moment
from wheelhouse.target import Target

VERSION = 1
_OURS = ("virtual", "editable", "directory")  # sources that are folders
# uv writes which of a workspace's extras and groups are on as `extra == "extra-4-demo-cpu"`: a set, not one name
_EXTRA = re.compile(r"""\bextra\s*(==|!=)\s*(["'])([^"']*)\2""")

T = TypeVar("T")
_KINDS: Mapping[type, str] = {str: "a string", int: "a number", dict: "a table", list: "an array"}
_Section = tuple[str, str]  # ("", ""): a package's own dependencies; ("extra", name); ("group", name)
_BASE: _Section = ("", "")


class _Edge(Struct, frozen=True, eq=False):
    name: NormalizedName
    version: str | None
    source: Mapping[str, Any] | None
    extras: tuple[NormalizedName, ...]
    marker: str | None


class _Node(Struct, frozen=True, eq=False):
    name: NormalizedName
    table: Mapping[str, Any]
    source: Mapping[str, Any]
    sections: Mapping[_Section, tuple[_Edge, ...]]
    asked: Mapping[tuple[_Section, NormalizedName], str] = field(default_factory=dict)  # as the project wrote it

    @property
    def version(self) -> str | None:
        version = self.table.get("version")
        return version if isinstance(version, str) else None


def read(
    table: Mapping[str, Any], *, source: str, target: Target, extras: Collection[str], groups: Collection[str]
) -> Selection:
    """What the lock selects for the target, from its project on, with these extras and groups of the project.

    A workspace starts at its root project, at all members where there is none; a script's lock at its requirements.
    Raises `NotALock`, and `UsageError` for an extra or a group that the lock does not have.
    """
    return _Reader(table, source).selection(target, extras, groups)


class _Reader:
    def __init__(self, table: Mapping[str, Any], source: str) -> None:
        self.table, self.source = table, source
        self._check_version()
        self.nodes = [self._node(each) for each in self._tables(table, "package")]
        self.by_name: dict[NormalizedName, list[_Node]] = {}
        for node in self.nodes:
            self.by_name.setdefault(node.name, []).append(node)
        self.roots = self._roots()

    def selection(self, target: Target, extras: Collection[str], groups: Collection[str]) -> Selection:
        start = [(root, section) for root in self.roots for section in self._wanted(root, extras, groups)]
        self._check_known(extras, "extra")
        self._check_known(groups, "group")
        active: frozenset[str] = frozenset()
        while True:  # an extra that is reached may switch on others; the set only grows
            walk = _Walk(self, Judge(target, extras=active), start)
            grown = active | walk.active()
            if grown == active:
                return walk.selection()
            active = grown

    def _check_version(self) -> None:
        version, revision = self.table.get("version"), self.table.get("revision", 0)
        if version != VERSION or isinstance(version, bool):
            raise NotALock(
                self.source,
                f"it is a `uv.lock` of version {version!r}, and only version {VERSION} is known",
                hint="write it as a standard lock: `uv export --format pylock.toml -o pylock.toml`",
            )
        if not isinstance(revision, int) or isinstance(revision, bool) or revision < 0:
            raise NotALock(self.source, "its `revision` is no number")

    def _wanted(self, root: _Node, extras: Collection[str], groups: Collection[str]) -> list[_Section]:
        chosen = [("extra", canonicalize_name(each)) for each in extras]
        chosen += [("group", canonicalize_name(each)) for each in groups]
        return [_BASE, *(each for each in chosen if each in root.sections)]

    def _check_known(self, names: Collection[str], kind: str) -> None:
        known = sorted({name for root in self.roots for found, name in root.sections if found == kind})
        for each in names:
            if canonicalize_name(each) not in known:
                shown = ", ".join(f"`{name}`" for name in known)
                raise UsageError(
                    f"`{self.source}` has no {kind} `{each}`",
                    hint=f"it has {shown}" if known else f"leave out `--{kind}`",
                )

    def _roots(self) -> list[_Node]:
        manifest = self._table(self.table, "manifest")
        roots = [node for node in self.nodes if _is_here(node.source)]
        if not roots:
            members = [self._name(each) for each in self._strings(manifest, "members")]
            roots = [node for node in self.nodes if node.name in members and any(k in node.source for k in _OURS)]
        requirements = self._edges(manifest, "requirements")
        written = {self._name(each.get("name")): each for each in self._tables(manifest, "requirements")}
        loose = self._table(manifest, "dependency-groups")
        sections: dict[_Section, tuple[_Edge, ...]] = {_BASE: requirements}
        sections |= {("group", self._name(key)): self._edges(loose, key) for key in loose}
        if requirements or loose:  # of a script, or of a workspace whose root is no project
            asked = {(_BASE, name): _requirement(name, each) for name, each in written.items()}
            roots.append(_Node(canonicalize_name(""), {}, {}, sections, asked))
        if not roots:
            raise NotALock(self.source, "it names no project, workspace member or script requirement to start from")
        return roots

    def _node(self, table: Mapping[str, Any]) -> _Node:
        name = self._name(table.get("name"))
        sections: dict[_Section, tuple[_Edge, ...]] = {_BASE: self._edges(table, "dependencies")}
        metadata = self._table(table, "metadata")
        development = self._table(metadata, "requires-dev")
        # an extra or a group without dependencies stands in the metadata alone
        sections |= {("extra", self._name(each)): () for each in self._strings(metadata, "provides-extras")}
        sections |= {("group", self._name(each)): () for each in development}
        for kind, key in (("extra", "optional-dependencies"), ("group", "dev-dependencies")):
            found = self._table(table, key)
            sections |= {(kind, self._name(each)): self._edges(found, each) for each in found}
        return _Node(name, table, self._table(table, "source"), sections, self._asked(metadata, development))

    def _asked(
        self, metadata: Mapping[str, Any], development: Mapping[str, Any]
    ) -> dict[tuple[_Section, NormalizedName], str]:
        written: list[tuple[_Section, Mapping[str, Any]]] = []
        for each in self._tables(metadata, "requires-dist"):
            extra = _EXTRA.search(str(each.get("marker", "")))
            written.append((("extra", self._name(extra[3])) if extra else _BASE, each))
        for group in development:
            written += [(("group", self._name(group)), each) for each in self._tables(development, group)]
        asked: dict[tuple[_Section, NormalizedName], str] = {}
        for section, each in written:
            wanted = self._name(each.get("name"))
            text = _requirement(wanted, each)
            # written twice under different markers: which one counts is not ours to say
            asked[section, wanted] = text if asked.get((section, wanted), text) == text else wanted
        return asked

    def _edges(self, table: Mapping[str, Any], key: str) -> tuple[_Edge, ...]:
        return tuple(
            _Edge(
                name=self._name(each.get("name")),
                version=self._typed(each, "version", str),
                source=self._typed(each, "source", dict),
                extras=tuple(
                    self._name(extra) for extra in (*self._strings(each, "extra"), *self._strings(each, "extras"))
                ),
                marker=self._typed(each, "marker", str),
            )
            for each in self._tables(table, key)
        )

    def follow(self, edge: _Edge, judge: Judge, here: int) -> Iterator[tuple[_Node, int]]:
        """The packages that an edge leads to, and at which patch levels; several where the lock forks."""
        found = [
            node
            for node in self.by_name.get(edge.name, ())
            if edge.version in (None, node.version) and edge.source in (None, node.source)
        ]
        if not found:
            pin = edge.name if edge.version is None else f"{edge.name}=={edge.version}"
            raise NotALock(self.source, f"it requires `{pin}`, and holds no such package")
        if len(found) == 1:
            yield found[0], here
            return
        for node in found:
            markers = self._strings(node.table, "resolution-markers")
            where = 0 if markers else judge.everywhere
            for marker in markers:
                where |= judge.where(_as_sets(marker))
            yield node, here & where

    def package(self, node: _Node) -> Package:
        """The package in the words of PEP 751."""
        source = node.source
        common: dict[str, Any] = {"name": node.name, "version": self._version(node)}
        for kind in _OURS:
            if kind in source:
                return Package(**common, directory=PackageDirectory(path=str(source[kind])))
        if "git" in source:
            return Package(**common, vcs=PackageVcs(type="git", url=str(source["git"]), commit_id=""))
        registry = str(source.get("registry", ""))
        wheels = tuple(self._wheel(each, source, registry) for each in self._tables(node.table, "wheels"))
        sdist = self._typed(node.table, "sdist", dict)
        if not wheels and "registry" not in source:
            place = str(source.get("url") or source.get("path") or "")
            return Package(**common, archive=PackageArchive(url=place, hashes={}))
        return Package(
            **common,
            index=registry or None,
            wheels=wheels or None,
            sdist=PackageSdist(name=f"{node.name}.tar.gz", hashes={}) if sdist is not None else None,
        )

    def _wheel(self, table: Mapping[str, Any], source: Mapping[str, Any], registry: str) -> PackageWheel:
        url, path = self._typed(table, "url", str), self._typed(table, "path", str)
        name = self._typed(table, "filename", str)
        if url is None and path is not None and registry and "://" not in registry:
            path = f"{registry}/{path}"  # uv: relative to the folder that is the index
        elif url is None and path is None and isinstance(source.get("path"), str):
            path = source["path"]
        algorithm, _, value = (self._typed(table, "hash", str) or "").partition(":")
        return PackageWheel(
            name=name,
            upload_time=moment(self._typed(table, "upload-time", str) or ""),
            url=url,
            path=path,
            size=self._typed(table, "size", int),
            hashes={algorithm: value} if value else {},
        )

    def requires_python(self) -> SpecifierSet:
        text = self._typed(self.table, "requires-python", str) or ""
        try:
            return SpecifierSet(text)
        except InvalidSpecifier as error:
            raise NotALock(self.source, f"its `requires-python` is `{text}`") from error

    def environments(self) -> tuple[str, ...]:
        """What the project limits its lock to (`tool.uv.environments`)."""
        return tuple(_as_sets(each) for each in self._strings(self.table, "supported-markers"))

    def _version(self, node: _Node) -> Version | None:
        text = self._typed(node.table, "version", str)
        try:
            return None if text is None else Version(text)
        except InvalidVersion as error:
            raise NotALock(self.source, f"`{node.name}` has the version `{text}`") from error

    def _name(self, value: Any) -> NormalizedName:
        try:
            return canonicalize_name(value, validate=True)
        except (InvalidName, TypeError) as error:
            raise NotALock(self.source, f"`{value}` is no name of a project, an extra or a group") from error

    def _typed(self, table: Mapping[str, Any], key: str, kind: type[T]) -> T | None:
        value = table.get(key)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise NotALock(self.source, f"its `{key}` is not {_KINDS[kind]}")
        return value

    def _table(self, table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        return self._typed(table, key, dict) or {}

    def _tables(self, table: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
        return self._list(table, key, dict)

    def _strings(self, table: Mapping[str, Any], key: str) -> Sequence[str]:
        return self._list(table, key, str)

    def _list(self, table: Mapping[str, Any], key: str, kind: type[T]) -> list[T]:
        found: list[Any] = self._typed(table, key, list) or []
        if not all(isinstance(each, kind) for each in found):
            raise NotALock(self.source, f"its `{key}` holds what is not {_KINDS[kind]}")
        return found


class _Walk:
    """Every package that is reached, at which patch levels and through whom; loops end, since levels are only added."""

    def __init__(self, reader: _Reader, judge: Judge, start: Sequence[tuple[_Node, _Section]]) -> None:
        self.reader, self.judge = reader, judge
        self.starts = {root for root, _ in start}
        self.reached: dict[tuple[_Node, _Section], int] = {}
        self.dependencies: dict[_Node, dict[NormalizedName, None]] = {}
        self.required_by: dict[_Node, dict[str, None]] = {}
        self.problems: dict[_Node, BadMarker] = {}
        self.direct: dict[NormalizedName, None] = {}
        self.queue = [(root, section, judge.everywhere) for root, section in start]
        while self.queue:
            node, section, where = self.queue.pop()
            known = self.reached.get((node, section), 0)
            if where | known != known or (node, section) not in self.reached:
                self.reached[node, section] = where | known
                for edge in node.sections.get(section, ()):
                    self._go(node, section, edge, where | known)

    def _go(self, node: _Node, section: _Section, edge: _Edge, here: int) -> None:
        try:
            here &= self.judge.where(None if edge.marker is None else _as_sets(edge.marker))
            if not here:
                return
            ends = [(child, where) for child, where in self.reader.follow(edge, self.judge, here) if where]
        except Unjudged as unjudged:
            for child in self.reader.by_name.get(edge.name, ()):
                self.problems.setdefault(child, unjudged.reason)
            return
        for child, where in ends:
            self._require(node, section, child, edge)
            for wanted in (_BASE, *(("extra", extra) for extra in edge.extras)):
                self.queue.append((child, wanted, where))

    def _require(self, node: _Node, section: _Section, child: _Node, edge: _Edge) -> None:
        if child in self.starts:  # the project asks for itself with an extra
            return
        extras = f"[{','.join(edge.extras)}]" if edge.extras else ""
        if node in self.starts:
            self.direct[child.name] = None
            text = f"{ROOT}: {node.asked.get((section, child.name), child.name + extras)}"
        else:
            self.dependencies.setdefault(node, {})[child.name] = None
            text = f"{node.name}: {child.name}{extras}"
        self.required_by.setdefault(child, {})[text] = None

    def active(self) -> frozenset[str]:
        """uv's names for the extras and groups that are on, and for the projects that the walk starts from."""
        on = {f"project-{len(node.name)}-{node.name}" for node in self.starts}
        for node, (kind, name) in self.reached:
            if kind:
                on.add(f"{kind}-{len(node.name)}-{node.name}-{name}")
        return frozenset(on)

    def selection(self) -> Selection:
        nodes = [node for node in self.reader.nodes if (node, _BASE) in self.reached or node in self.problems]
        return Selection(
            selected=tuple(
                Selected(
                    package=self.reader.package(node),
                    where=self.reached.get((node, _BASE), 0),
                    dependencies=tuple(self.dependencies.get(node, ())),
                    required_by=tuple(sorted(self.required_by.get(node, ()))),
                    problem=self.problems.get(node),
                )
                for node in nodes
                if node not in self.starts
            ),
            requires_python=self.reader.requires_python(),
            environments=self.reader.environments(),
            roots=tuple(sorted(self.direct)),
        )


def _is_here(source: Mapping[str, Any]) -> bool:
    return any(source.get(kind) == "." for kind in _OURS)


def _as_sets(marker: str) -> str:
    """uv's marker with its extras as PEP 751 writes them: `"extra-4-demo-cpu" in extras`."""
    return _EXTRA.sub(lambda match: f'"{match[3]}" {"in" if match[1] == "==" else "not in"} extras', marker)


def _requirement(name: NormalizedName, table: Mapping[str, Any]) -> str:
    extras = table.get("extras")
    shown = f"[{','.join(map(str, extras))}]" if isinstance(extras, list) and extras else ""
    return f"{name}{shown}{table.get('specifier', '')}"
