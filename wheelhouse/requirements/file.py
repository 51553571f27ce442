"""Requirements files with all that they include: pip's syntax ("Requirements File Format" in its manual)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import PurePath
from urllib.parse import urljoin

from packaging.utils import InvalidName, NormalizedName, canonicalize_name

from wheelhouse.errors import Failures, WheelhouseError
from wheelhouse.requirements.line import REFUSED, read
from wheelhouse.requirements.model import IndexOptions, LocalProject, Refusal, RequirementError, RequirementsFile, Root
from wheelhouse.requirements.text import logical_lines

Load = Callable[[str, str], tuple[str, str]]


def parse(
    text: str, source: str, load: Load, *, environ: Mapping[str, str] | None = None, constraint: bool = False
) -> RequirementsFile:
    """The requirements, constraints and index options of a requirements file and of all files that it includes.

    `load` gets a path as `-r` or `-c` wrote it and the name of the file that holds that line; it gives the text and the
    included file's name, the same name for the same file. `environ` has the values for `${NAME}`; nothing else is read.
    `constraint`: the file was named with `-c`, so that all it holds are constraints.

    Raises `RequirementError`, or `Failures` with one for each bad line of all files: what pip does and we do not is
    refused with the reason, never skipped. `--prefer-binary` and `--only-binary` ask for what is always done here
    (wheels first, an sdist only where it is allowed), so that they change nothing but an earlier `--no-binary`. With
    `--require-hashes` each line without `--hash` or `#sha256=` is a bad one, in every file.
    """
    reader = _Reader(load, environ or {})
    reader.read(text, source, constraint=constraint, including=())
    reader.demand_hashes()
    if len(reader.errors) == 1:
        raise reader.errors[0]
    if reader.errors:
        raise Failures(reader.errors)
    found = [each for each, _ in reader.found]
    return RequirementsFile(
        roots=tuple(each for each in found if isinstance(each, Root)),
        folders=tuple(each for each in found if isinstance(each, LocalProject)),
        constraints=tuple(reader.constraints),
        options=IndexOptions(
            index_url=reader.index_url,
            extra_index_urls=tuple(reader.extra_index_urls),
            find_links=tuple(reader.find_links),
            no_index=reader.no_index,
            pre=reader.pre,
            no_binary=tuple(reader.no_binary),
        ),
    )


_VALUE = {
    "-r": "--requirement", "-c": "--constraint", "-i": "--index-url", "-f": "--find-links", "--pypi-url": "--index-url",
    "--requirement": "--requirement", "--constraint": "--constraint", "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url", "--find-links": "--find-links", "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
}  # fmt: skip
_FLAGS = ("--no-index", "--pre", "--prefer-binary", "--require-hashes")
_ALL_FROM_SOURCE = (
    "wheels of every project would be passed over, those that build the others too",
    "name the projects: `--no-binary NAME`, and allow each to be built with `--from-sdist NAME`",
)
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # pip: "only uppercase letters, digits and the `_`"


class _Reader:
    """Collects what the files say, and every error."""

    def __init__(self, load: Load, environ: Mapping[str, str]) -> None:
        self.load, self.environ = load, environ
        self.found: list[tuple[Root | LocalProject, str]] = []  # with the line as written
        self.constraints: list[Root] = []
        self.index_url: str | None = None
        self.extra_index_urls: list[str] = []
        self.find_links: list[str] = []
        self.no_index = self.pre = self.require_hashes = False
        self.no_binary: dict[NormalizedName, None] = {}
        self.errors: list[WheelhouseError] = []
        self._done: set[tuple[str, bool]] = set()

    def read(self, text: str, source: str, *, constraint: bool, including: tuple[str, ...]) -> None:
        if (source, constraint) in self._done:
            return
        self._done.add((source, constraint))
        for number, written in logical_lines(text):
            try:
                line = _VARIABLE.sub(self._variable, written)
                if line.startswith("-"):
                    self._options(line, source, constraint=constraint, including=(*including, source))
                elif constraint:
                    self.constraints.append(_constraint(read(line.strip(), source, number)))
                else:
                    self.found.append((read(line.strip(), source, number), written))
            except Refusal as refusal:
                error = RequirementError(source, number, written, refusal.reason, hint=refusal.hint)
                error.__cause__ = refusal.__cause__
                self.errors.append(error)

    def demand_hashes(self) -> None:
        """pip's rule: `--require-hashes` anywhere demands one beside each requirement, wherever it stands."""
        for each, written in self.found if self.require_hashes else ():
            if isinstance(each, LocalProject) or not each.hashes:
                what, remedy = "it has no `--hash`", "write `--hash=sha256:…` behind it (`pip hash FILE`)"
                if isinstance(each, LocalProject):
                    what, remedy = "a folder has no hash", "name a wheel of it"
                reason, hint = f"{what}, and `--require-hashes` demands one", f"{remedy}, or remove `--require-hashes`"
                self.errors.append(RequirementError(each.source, each.line, written, reason, hint=hint))

    def _variable(self, match: re.Match[str]) -> str:
        value = self.environ.get(match[1])
        if not value:
            raise Refusal(f"the environment variable `{match[1]}` is not set", f"type `export {match[1]}=…` before")
        return value

    def _options(self, line: str, source: str, *, constraint: bool, including: tuple[str, ...]) -> None:
        try:
            words = iter(shlex.split(line))
        except ValueError as error:
            raise Refusal(f"{str(error)[:1].lower()}{str(error)[1:]}", "close the quotation mark") from error
        for word in words:
            name, separator, value = word.partition("=")
            if not word.startswith("--"):
                name, separator, value = word[:2], word[2:], word[2:].removeprefix("=")
            if name in REFUSED:
                raise Refusal(*REFUSED[name])
            if name in _FLAGS:
                if separator:
                    raise Refusal(f"`{name}` takes no value", f"write `{name}` alone")
                self.no_index |= name == "--no-index"
                self.pre |= name == "--pre"
                self.require_hashes |= name == "--require-hashes"
            elif name in _VALUE:
                value = value if separator else next(words, "")
                if not value:
                    raise Refusal(f"`{name}` needs a value", f"write `{name} VALUE`")
                self._option(_VALUE[name], value, source, constraint=constraint, including=including)
            elif name.startswith("-"):
                raise Refusal(f"`{name}` is not known here", "remove the option, or give it on the command line")
            else:
                raise Refusal("a requirement stands behind an option", "give each a line of its own")

    def _option(self, name: str, value: str, source: str, *, constraint: bool, including: tuple[str, ...]) -> None:
        if name == "--index-url":
            self.index_url = value
        elif name == "--extra-index-url":
            self.extra_index_urls.append(value)
        elif name == "--find-links":
            self.find_links.append(_beside(source, value))
        elif name == "--no-binary":
            self._no_binary(value)
        elif name == "--only-binary":
            for each in value.split(","):
                if each == ":all:":
                    self.no_binary.clear()
                elif each != ":none:":
                    self.no_binary.pop(_project(each, name), None)
        elif name == "--requirement" and constraint:
            # pip reads these as requirements, uv as constraints: no one can say what the writer meant
            raise Refusal("`-r` in a constraints file", "write `-c`, or name the file in the requirements file")
        elif name in ("--requirement", "--constraint"):
            try:
                text, included = self.load(value, source)
            except WheelhouseError as error:
                raise Refusal(str(error), error.hint) from error
            if included in including:
                circle = " → ".join((*including[including.index(included) :], included))
                raise Refusal(f"the files include each other: {circle}", "remove this line")
            if len(including) > 50:
                raise Refusal("files are included more than 50 deep", "name them in one file")
            self.read(text, included, constraint=name == "--constraint", including=including)

    def _no_binary(self, value: str) -> None:
        for each in value.split(","):
            if each == ":all:":
                raise Refusal(*_ALL_FROM_SOURCE)
            if each == ":none:":  # pip: it takes back all that stands before it
                self.no_binary.clear()
            else:
                self.no_binary[_project(each, "--no-binary")] = None


def _constraint(found: Root | LocalProject) -> Root:
    if isinstance(found, LocalProject) or found.direct is not None:
        hint = "write it in the requirements file; a constraint is such as `NAME==1.0`"
        raise Refusal("a constraint cannot name a file or folder", hint)
    if found.hashes:
        raise Refusal("a constraint cannot have hashes", "write `--hash` beside the requirement")
    if found.requirement.extras:
        raise Refusal("a constraint cannot have extras", f"write it without: `{found.requirement.name}`")
    return found


def _project(text: str, option: str) -> NormalizedName:
    try:
        return canonicalize_name(text, validate=True)
    except InvalidName:
        raise Refusal(f"`{text}` is no project's name", f"write `{option} NAME` or `{option} NAME,NAME`") from None


def _beside(source: str, path: str) -> str:
    """A path that a file names is relative to that file, as for `-r`. URLs stay."""
    if "://" in path or path.startswith("file:"):
        return path
    return urljoin(source, path) if "://" in source else str(PurePath(source).parent / path)
