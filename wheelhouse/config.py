"""`wheelhouse.toml`, or `[tool.wheelhouse]` of pyproject.toml: what a project always asks for, as a value.

Paths stay as written: they are relative to the file, and whoever reads it knows where that is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct, field
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, NormalizedName, canonicalize_name

from wheelhouse.errors import WheelhouseError

T = TypeVar("T")


class BadConfig(WheelhouseError):
    """The configuration cannot be meant. `key` is the path to the value, such as `indexes[1].url`."""

    def __init__(self, source: str, key: str, problem: str, *, hint: str = "") -> None:
        super().__init__(source, key, problem)
        self.source, self.key, self.problem, self.hint = source, key, problem, hint

    def __str__(self) -> str:
        return f"`{self.source}`: `{self.key}` {self.problem}" if self.key else f"`{self.source}` {self.problem}"


class NamedIndex(Struct, frozen=True, kw_only=True):
    """An index that routes may name. `url` may hold credentials; `find_links`: it is a page or folder of files."""

    name: str
    url: str
    find_links: bool = False


class NamedRoute(Struct, frozen=True):
    """Projects whose normalized name fits the pattern (`fnmatch`) come from the index of that name only."""

    pattern: str
    index: str


class Override(Struct, frozen=True, kw_only=True):
    """What a project's own requirements are taken to be: `drop` goes, then `add` comes. For the versions in the set."""

    project: NormalizedName
    versions: SpecifierSet = field(default_factory=SpecifierSet)
    drop: tuple[NormalizedName, ...] = ()
    add: tuple[Requirement, ...] = ()


class Config(Struct, frozen=True, kw_only=True):
    """What the file says; empty or None where it says nothing."""

    source: str
    targets: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    index_url: str | None = None
    indexes: tuple[NamedIndex, ...] = ()
    routes: tuple[NamedRoute, ...] = ()
    pytorch_url: str | None = None
    torch_index: str | None = None
    exclude_newer: str | None = None
    pre: bool = False
    allow_older: tuple[str, ...] = ()
    from_sdist: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    lock_dir: str | None = None
    wheel_dir: str | None = None
    output: str | None = None


def parse(text: str, source: str, *, table: tuple[str, ...] = ()) -> Config | None:
    """The configuration in a TOML file, or in one of its tables (`("tool", "wheelhouse")`); None where that is absent.

    Raises `BadConfig` for text that is no TOML, for an unknown key, and for a value of the wrong type or form.
    """
    import tomllib  # where there is a file

    try:
        found: Any = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfig(source, "", f"is no TOML: {error}") from error
    for name in table:
        found = found.get(name) if isinstance(found, dict) else None
        if found is None:
            return None
    if not isinstance(found, dict):
        raise BadConfig(source, ".".join(table), "is no table")
    return _Reader(source, found, "".join(f"{name}." for name in table)).config()


class _Reader:
    def __init__(self, source: str, table: Mapping[str, Any], prefix: str = "") -> None:
        self.source, self.table, self.prefix = source, table, prefix
        self.seen: list[str] = []

    def config(self) -> Config:
        config = Config(
            source=self.source,
            targets=self.strings("targets"),
            requirements=self.strings("requirements"),
            constraints=self.strings("constraints"),
            extras=self.strings("extras"),
            groups=self.strings("groups"),
            index_url=self.string("index-url"),
            indexes=tuple(each.index() for each in self.tables("indexes")),
            routes=self.routes(),
            pytorch_url=self.string("pytorch-url"),
            torch_index=self.choice("torch-index", ("auto", "pytorch", "pypi")),
            exclude_newer=self.string("exclude-newer"),
            pre=self.flag("pre"),
            allow_older=self.strings("allow-older"),
            from_sdist=self.strings("from-sdist"),
            accept=self.strings("accept"),
            overrides=tuple(each.override() for each in self.tables("overrides")),
            lock_dir=self.string("lock-dir"),
            wheel_dir=self.string("wheel-dir"),
            output=self.string("output"),
        )
        self.finish()
        self._check_routes(config)
        return config

    def _check_routes(self, config: Config) -> None:
        names = [index.name for index in config.indexes]
        for route in config.routes:
            if route.index not in names:
                self.fail(f"routes.{route.pattern!r}", f"names the index `{route.index}`, which is not in `indexes`")
        for name in names:
            if names.count(name) > 1:
                self.fail("indexes", f"names `{name}` twice")

    def index(self) -> NamedIndex:
        found = NamedIndex(name=self.required("name"), url=self.required("url"), find_links=self.flag("find-links"))
        self.finish()
        return found

    def override(self) -> Override:
        found = Override(
            project=self.parsed("project", self.required("project"), _name),
            versions=self.parsed("versions", self.string("versions") or "", SpecifierSet),
            drop=tuple(self.parsed("drop", each, _name) for each in self.strings("drop")),
            add=tuple(self.parsed("add", each, Requirement) for each in self.strings("add")),
        )
        if any(each.url for each in found.add):
            self.fail("add", "names a URL: add the name, and ask for `NAME @ URL` beside your requirements")
        self.finish()
        return found

    def routes(self) -> tuple[NamedRoute, ...]:
        table = self.value("routes", dict, "a table of patterns and index names") or {}
        for pattern, index in table.items():
            if not isinstance(index, str) or not re.fullmatch(r"[A-Za-z0-9._*?\[\]-]+", pattern):
                self.fail(f"routes.{pattern!r}", "must name an index for a project or a pattern such as `mycompany-*`")
        return tuple(NamedRoute(_pattern(pattern), index) for pattern, index in table.items())

    def value(self, key: str, kind: type[T], shown: str) -> T | None:
        self.seen.append(key)
        found = self.table.get(key)
        if found is not None and not isinstance(found, kind):
            self.fail(key, f"must be {shown}")
        return found

    def string(self, key: str) -> str | None:
        return self.value(key, str, "a string")

    def required(self, key: str) -> str:
        found = self.string(key)
        if not found:
            self.fail(key, "is missing")
        return found or ""

    def flag(self, key: str) -> bool:
        return bool(self.value(key, bool, "true or false"))

    def choice(self, key: str, choices: tuple[str, ...]) -> str | None:
        found = self.string(key)
        if found is not None and found not in choices:
            self.fail(key, f"must be one of {', '.join(f'`{each}`' for each in choices)}")
        return found

    def strings(self, key: str) -> tuple[str, ...]:
        found: list[Any] = self.value(key, list, "an array of strings") or []
        if not all(isinstance(each, str) for each in found):
            self.fail(key, "must be an array of strings")
        return tuple(found)

    def tables(self, key: str) -> list[_Reader]:
        found: list[Any] = self.value(key, list, "an array of tables") or []
        if not all(isinstance(each, dict) for each in found):
            self.fail(key, "must be an array of tables")
        return [_Reader(self.source, each, f"{self.prefix}{key}[{at}].") for at, each in enumerate(found)]

    def parsed(self, key: str, text: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(text)
        except (InvalidName, InvalidRequirement, InvalidSpecifier) as error:
            raise BadConfig(
                self.source, self.prefix + key, f"cannot be read: {str(error).partition(chr(10))[0]}"
            ) from None

    def finish(self) -> None:
        """Every key was asked for: an unknown one is refused by its name."""
        for key in self.table:
            if key not in self.seen:
                from difflib import get_close_matches

                near = get_close_matches(key.replace("_", "-"), self.seen, 1)
                hint = f"did you mean `{near[0]}`?" if near else f"known are: {', '.join(self.seen)}"
                raise BadConfig(self.source, self.prefix + key, "is not known", hint=hint)

    def fail(self, key: str, problem: str) -> None:
        raise BadConfig(self.source, self.prefix + key, problem)


def _name(text: str) -> NormalizedName:
    return canonicalize_name(text, validate=True)


def _pattern(text: str) -> str:
    """A pattern in the form of normalized names."""
    return re.sub(r"[-_.]+", "-", text).lower()


def example(targets: Sequence[str] = (), requirements: Sequence[str] = ()) -> str:
    """The text of a commented `wheelhouse.toml` with these targets and requirements files in place of the examples.

    The labels and paths are written as TOML's basic strings, so they may hold anything.
    """
    text = EXAMPLE
    for key, values in (("targets", targets), ("requirements", requirements)):
        if values:
            quoted = ", ".join(json.dumps(each, ensure_ascii=False) for each in values)  # JSON's escapes are TOML's
            head, _, tail = text.partition(f"\n{key} = ")
            text = f"{head}\n{key} = [{quoted}]\n{tail.partition(chr(10))[2]}"
        elif key == "targets":  # nobody's machine may be locked for by an example
            text = text.replace("\ntargets = ", "\n# targets = ", 1)
    return text


EXAMPLE = """\
# wheelhouse.toml: what `wheelhouse build` does here when it is given no argument. Every key may be left out.
# The same keys may stand in pyproject.toml, below `[tool.wheelhouse]`. Paths start from this file's folder. What is
# typed, or set by a WHEELHOUSE_ variable, counts in place of what stands here.

# The machines to lock for; `wheelhouse targets` shows the parts of a label.
targets = ["linux-x86_64-cu121-py310"]

# Requirements files, a pyproject.toml (with extras and groups of it) or a script; and constraints files.
requirements = ["requirements.in"]
# extras = ["plot"]
# groups = ["dev"]
# constraints = ["constraints.txt"]

# Leave out files uploaded after this day.
# exclude-newer = "2026-01-31"

# Take pre-releases; accept old releases where newer ones are source distributions only.
# pre = false
# allow-older = ["deepspeed"]

# Projects that may be built from their source distribution (this runs their code, here).
# from-sdist = ["openai-whisper"]

# Checks whose errors stop nothing: what they find is known and wanted.
# accept = ["driver"]

# The default index, and a mirror of PyTorch's channels. `${NAME}` in a URL is taken from the environment.
# index-url = "https://example.org/simple"
# pytorch-url = "https://example.org/pytorch/whl"
# torch-index = "auto"

# Where locks, wheel folders and bundles are written.
# lock-dir = "lockfiles"
# wheel-dir = "wheels"
# output = "bundles"

# Other indexes, and which projects come from them, and only from them. An index that no route names is asked before the
# default one. With `find-links = true` it is a page or a folder of wheels.
# [[indexes]]
# name = "company"
# url = "https://packages.example.org/simple"
#
# [routes]
# "mycompany-*" = "company"

# What a project's own requirements are taken to be.
# [[overrides]]
# project = "whisperx"
# versions = "<3.5"
# drop = ["onnxruntime"]
# add = ["onnxruntime-gpu<1.19"]
"""
