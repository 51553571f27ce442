"""What a person asks for: requirements files in pip's syntax, constraints, and requirements of the command line."""

from __future__ import annotations

import codecs
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import urljoin

from packaging.requirements import Requirement

from wheelhouse.digests import Digest
from wheelhouse.errors import Failures, WheelhouseError
from wheelhouse.simple.links import plain

COMMAND_LINE = "command line"  # the `source` of what was typed, with line 0

Load = Callable[[str, str], tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Root:
    """One requirement or constraint, and where it was written: `requirements.txt` and its line, counted from 1."""

    requirement: Requirement
    source: str
    line: int
    direct: str | None = None  # the URL or path of the one file or folder that it may come from, as written
    hashes: tuple[Digest, ...] = ()  # `--hash`: no other file of the project counts; empty: any may


@dataclass(frozen=True, kw_only=True)
class IndexOptions:
    """The options about indexes that requirements files hold, as written: URLs may hold credentials."""

    index_url: str | None = None  # the last one counts
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()  # URLs, or paths from where the outermost file's path starts
    no_index: bool = False
    pre: bool = False


@dataclass(frozen=True, kw_only=True)
class RequirementsFile:
    """A requirements file and all that it includes, in the order of the lines. A file included twice counts once."""

    roots: tuple[Root, ...]
    constraints: tuple[Root, ...] = ()
    options: IndexOptions = field(default_factory=IndexOptions)


class RequirementError(WheelhouseError):
    """A line that is refused. `text` is the line as written, without credentials; nothing refused is ever skipped."""

    def __init__(self, source: str, line: int, text: str, reason: str, *, hint: str = "") -> None:
        self.source, self.line, self.text, self.reason = source, line, _shown(text), _shown(reason)
        super().__init__(source, line, self.text, self.reason)
        self.hint = hint
        self.exit_code = 2 if source == COMMAND_LINE else 1  # typed wrongly, or a bad file

    def __str__(self) -> str:
        place = self.source if self.source == COMMAND_LINE else f"line {self.line} of `{self.source}`"
        return f"{place}: `{self.text}`: {self.reason}"


class NotText(WheelhouseError):
    """A file that should hold text does not. `offset` counts bytes from 0."""

    hint = "save the file as UTF-8"

    def __init__(self, source: str, encoding: str, offset: int) -> None:
        super().__init__(source, encoding, offset)
        self.source, self.encoding, self.offset = source, encoding, offset

    def __str__(self) -> str:
        return f"`{self.source}` is not {self.encoding} at byte {self.offset}"


def decode(data: bytes, source: str) -> str:
    """The text of a file: UTF-8, or UTF-16 with its byte order mark (PowerShell's `>`). Raises `NotText`."""
    encoding, name = "utf-8-sig", "UTF-8"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, name = "utf-16", "UTF-16"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        # the codec drops a UTF-8 byte order mark before it counts
        skipped = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
        raise NotText(source, name, error.start + skipped) from error
    if "\0" in text:  # UTF-16 without its mark, or no text at all
        raise NotText(source, "text", data.index(b"\0"))
    return text


def requirement(text: str, source: str = COMMAND_LINE, line: int = 0) -> Root:
    """One requirement by name, such as `torch==2.5.1` or `requests[socks]>=2; sys_platform == "linux"`.

    Raises `RequirementError` for all else: a path, a URL, `name @ url`, what `packaging` cannot read.
    """
    text = text.strip()
    for pattern, reason, hint in _NOT_BY_NAME:
        if pattern.search(text):
            raise RequirementError(source, line, text, reason, hint=hint)
    try:
        return Root(requirement=Requirement(text), source=source, line=line)
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0] or "it cannot be read"
        reason = reason[0].lower() + reason[1:]
        hint = "write `==` where you mean one version" if _SINGLE_EQUALS.search(text) else _FORM
        raise RequirementError(source, line, text, reason, hint=hint) from error


def parse(text: str, source: str, load: Load, *, environ: Mapping[str, str] | None = None) -> RequirementsFile:
    """The requirements, constraints and index options of a requirements file and of all files that it includes.

    `load` gets a path as `-r` or `-c` wrote it and the name of the file that holds that line; it gives the text and the
    included file's name, the same name for the same file. `environ` has the values for `${NAME}`; nothing else is read.

    The syntax is pip's ("Requirements File Format" in its manual). Raises `RequirementError`, or `Failures` with one
    for each bad line of all files: what pip does and we do not is refused with the reason, never skipped.
    """
    reader = _Reader(load, environ or {})
    reader.read(text, source, constraint=False, including=())
    if len(reader.errors) == 1:
        raise reader.errors[0]
    if reader.errors:
        raise Failures(reader.errors)
    return RequirementsFile(
        roots=tuple(reader.roots),
        constraints=tuple(reader.constraints),
        options=IndexOptions(
            index_url=reader.index_url,
            extra_index_urls=tuple(reader.extra_index_urls),
            find_links=tuple(reader.find_links),
            no_index=reader.no_index,
            pre=reader.pre,
        ),
    )


_FORM = 'write a project\'s name, such as `torch==2.5.1` or `requests[socks]>=2; sys_platform == "linux"`'
_SINGLE_EQUALS = re.compile(r"^[\w.-]+(?:\[[^\]]*\])?\s*=[^=]")
_BUILD = "build a wheel of it, put it in a folder and name that with `--find-links`; ask for the project by its name"
# Read before `packaging` does, whose message would not say what to do; each with the reason and what to type.
_NOT_BY_NAME: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"\\$"), "the `\\` at its end joins no line", "let nothing follow the `\\`, or remove it"),
    (re.compile(r"^[\w.-]+\s*(?:\[[^\]]*\])?\s*@"), "a URL in place of an index cannot be locked", _BUILD),
    (re.compile(r"^(?:git|hg|svn|bzr)\+|^[A-Za-z][A-Za-z0-9+.-]*://"), "a URL cannot be locked", _BUILD),
    (re.compile(r"^(?:\.{0,2}[/\\]|~|\.\.?(?:$|\[)|[A-Za-z]:[/\\])|^[^;]*[/\\]"), "a path cannot be locked", _BUILD),
    (re.compile(r"^[^\s;]+\.(?:whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz)$"), "a file cannot be locked", _BUILD),
)

_VALUE = {
    "-r": "--requirement", "-c": "--constraint", "-i": "--index-url", "-f": "--find-links", "--pypi-url": "--index-url",
    "--requirement": "--requirement", "--constraint": "--constraint", "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url", "--find-links": "--find-links", "--only-binary": "--only-binary",
}  # fmt: skip
_FLAGS = ("--no-index", "--pre")
_HASHED = "remove it: the lock holds the SHA-256 of every file, and every file is checked"
_REFUSED = {
    "-e": ("an editable install cannot be locked", _BUILD),
    "--editable": ("an editable install cannot be locked", _BUILD),
    "--trusted-host": ("TLS verification is never switched off", "name your CA: `pip config set global.cert FILE`"),
    "--hash": ("hashes beside a requirement are not read", _HASHED),
    "--require-hashes": ("hashes beside a requirement are not read", _HASHED),
    "--no-binary": ("a lock holds wheels only", f"remove it; {_BUILD}"),
    "--prefer-binary": ("a lock holds wheels only", "remove it, and take an older wheel with `--allow-older NAME`"),
}

_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_OPTION = re.compile(r" (--?[A-Za-z][\w-]*)")  # pip: the first word that starts with a dash ends the requirement
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # pip: "only uppercase letters, digits and the `_`"
_USERINFO = re.compile(r"(?<=//)[^/\s]*@")


class _Reader:
    """Collects what the files say, and every error."""

    def __init__(self, load: Load, environ: Mapping[str, str]) -> None:
        self.load, self.environ = load, environ
        self.roots: list[Root] = []
        self.constraints: list[Root] = []
        self.index_url: str | None = None
        self.extra_index_urls: list[str] = []
        self.find_links: list[str] = []
        self.no_index = self.pre = False
        self.errors: list[WheelhouseError] = []
        self._done: set[tuple[str, bool]] = set()

    def read(self, text: str, source: str, *, constraint: bool, including: tuple[str, ...]) -> None:
        if (source, constraint) in self._done:
            return
        self._done.add((source, constraint))
        for number, written in _lines(text):
            try:
                line = _VARIABLE.sub(self._variable, written)
                if line.startswith("-"):
                    self._options(line, source, number, constraint=constraint, including=(*including, source))
                else:
                    self._requirement(line, source, number, constraint=constraint)
            except _Refusal as refusal:
                error = RequirementError(source, number, written, refusal.reason, hint=refusal.hint)
                error.__cause__ = refusal.__cause__
                self.errors.append(error)

    def _variable(self, match: re.Match[str]) -> str:
        value = self.environ.get(match[1])
        if not value:
            raise _Refusal(f"the environment variable `{match[1]}` is not set", f"type `export {match[1]}=…` before")
        return value

    def _requirement(self, line: str, source: str, number: int, *, constraint: bool) -> None:
        if option := _OPTION.search(line):
            raise _Refusal(*_REFUSED.get(option[1], (f"`{option[1]}` beside a requirement is not known", "remove it")))
        try:
            root = requirement(line, source, number)
        except RequirementError as error:
            raise _Refusal(error.reason, error.hint) from error
        if not constraint:
            self.roots.append(root)
        elif root.requirement.extras:
            raise _Refusal("a constraint cannot have extras", f"write it without: `{root.requirement.name}`")
        else:
            self.constraints.append(root)

    def _options(self, line: str, source: str, number: int, *, constraint: bool, including: tuple[str, ...]) -> None:
        try:
            words = iter(shlex.split(line))
        except ValueError as error:
            raise _Refusal(f"{str(error)[:1].lower()}{str(error)[1:]}", "close the quotation mark") from error
        for word in words:
            name, separator, value = word.partition("=")
            if not word.startswith("--"):
                name, separator, value = word[:2], word[2:], word[2:].removeprefix("=")
            if name in _REFUSED:
                raise _Refusal(*_REFUSED[name])
            if name in _FLAGS:
                if separator:
                    raise _Refusal(f"`{name}` takes no value", f"write `{name}` alone")
                self.no_index |= name == "--no-index"
                self.pre |= name == "--pre"
            elif name in _VALUE:
                value = value if separator else next(words, "")
                if not value:
                    raise _Refusal(f"`{name}` needs a value", f"write `{name} VALUE`")
                self._option(_VALUE[name], value, source, constraint=constraint, including=including)
            elif name.startswith("-"):
                raise _Refusal(f"`{name}` is not known here", "remove the option, or give it on the command line")
            else:
                raise _Refusal("a requirement stands behind an option", "give each a line of its own")

    def _option(self, name: str, value: str, source: str, *, constraint: bool, including: tuple[str, ...]) -> None:
        if name == "--index-url":
            self.index_url = value
        elif name == "--extra-index-url":
            self.extra_index_urls.append(value)
        elif name == "--find-links":
            self.find_links.append(_beside(source, value))
        elif name == "--requirement" and constraint:
            # pip reads these as requirements, uv as constraints: no one can say what the writer meant
            raise _Refusal("`-r` in a constraints file", "write `-c`, or name the file in the requirements file")
        elif name in ("--requirement", "--constraint"):
            try:
                text, included = self.load(value, source)
            except WheelhouseError as error:
                raise _Refusal(str(error), error.hint) from error
            if included in including:
                circle = " → ".join((*including[including.index(included) :], included))
                raise _Refusal(f"the files include each other: {circle}", "remove this line")
            if len(including) > 50:
                raise _Refusal("files are included more than 50 deep", "name them in one file")
            self.read(text, included, constraint=name == "--constraint", including=including)


class _Refusal(Exception):  # becomes a RequirementError where source and line are known
    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first line: `\\` at the end joins, comments and empty lines are gone."""
    first, parts = 0, list[str]()
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        first = first if parts else number
        comment = _COMMENT.match(line)  # as in pip it ends what was joined, and a `\` at its end joins nothing
        if line.endswith("\\") and not comment:
            parts.append(line[:-1])
            continue
        logical = "".join((*parts, " " if comment else "", line))
        parts.clear()
        if logical := _COMMENT.sub("", logical).strip():
            yield first, logical
    if logical := _COMMENT.sub("", "".join(parts)).strip():
        yield first, logical


def _beside(source: str, path: str) -> str:
    """A path that a file names is relative to that file, as for `-r`. URLs stay."""
    if "://" in path or path.startswith("file:"):
        return path
    return urljoin(source, path) if "://" in source else str(PurePath(source).parent / path)


def _shown(text: str) -> str:
    """A piece of a file for a message: no credentials, no control characters, not endless."""
    text = plain(_USERINFO.sub("", text))
    return text if len(text) <= 200 else f"{text[:200]}…"
