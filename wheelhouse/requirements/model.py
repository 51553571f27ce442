"""Requirements, constraints and options as values, and the errors that tell which line is wrong."""

from __future__ import annotations

import re

from msgspec import Struct, field
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError
from wheelhouse.simple.links import plain

COMMAND_LINE = "command line"  # the `source` of what was typed, with line 0


class Root(Struct, frozen=True, kw_only=True):
    """One requirement or constraint, and where it was written: `requirements.txt` and its line, counted from 1.

    `requirement` never holds a URL. Beside a `direct` it has no specifier: the file's own version is the one. The name
    is then what stands before the `@`, else the normalized one of the file name.
    """

    requirement: Requirement
    source: str
    line: int
    # The one wheel, sdist or folder that it may come from: an `http`, `https` or `file` URL without its fragment, which
    # may hold credentials, or a path. Both as written; pip takes paths from where it runs, not from the file's folder.
    direct: str | None = None
    hashes: tuple[Digest, ...] = ()  # `--hash`, `#sha256=`: no other file of the project counts; empty: any may


class LocalProject(Struct, frozen=True, kw_only=True):
    """A folder that is asked for without a name, such as `.[dev]`: only its own files tell what project it is.

    `path` is a path or a `file` URL, as written; see `Root.direct`.
    """

    path: str
    source: str
    line: int
    extras: frozenset[str] = frozenset()
    marker: Marker | None = None


class IndexOptions(Struct, frozen=True, kw_only=True):
    """The options about indexes that requirements files hold, as written: URLs may hold credentials."""

    index_url: str | None = None  # the last one counts
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()  # URLs, or paths from where the outermost file's path starts
    no_index: bool = False
    pre: bool = False
    no_binary: tuple[NormalizedName, ...] = ()  # of these the wheels of an index do not count


class RequirementsFile(Struct, frozen=True, kw_only=True):
    """A requirements file and all that it includes, in the order of the lines. A file included twice counts once."""

    roots: tuple[Root, ...]
    constraints: tuple[Root, ...] = ()
    folders: tuple[LocalProject, ...] = ()
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


class Refusal(Exception):
    """Why a line is refused. Within this room only: where source and line are known it becomes a RequirementError."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


# User and password, also where the `//` is missing or a password holds a `/`; a port before a path is none
_USERINFO = re.compile(r"((?<![\w+.-])[A-Za-z][\w+.-]+:/*|//)(?:[^/\s]*@|[^/\s@]*:(?!\d*(?:[/?#\s]|$))\S*@)", re.ASCII)
_LONGEST = 2000  # characters that are read for a message
_QUERY = re.compile(r"(://[^\s?#]*\?)[^\s#]+")  # of a signed URL the query is the key


def _shown(text: str) -> str:
    """A piece of a file for a message: no credentials, no control characters, not endless."""
    if len(text) > _LONGEST:  # the word that is cut might be a URL's user and password: the `@` is no longer to be seen
        text = text[:_LONGEST].rpartition(" ")[0] + " …"
    text = plain(_QUERY.sub(r"\1…", _USERINFO.sub(r"\1", text)))
    return text if len(text) <= 200 else f"{text[:200]}…"
