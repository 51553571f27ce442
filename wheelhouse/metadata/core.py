"""What one wheel's METADATA says, as far as it decides what else is needed."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterator, Sequence
from functools import lru_cache

import msgspec
from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelhouse.errors import WheelhouseError
from wheelhouse.metadata.requires import Requires, requirement, specifiers

# The headers that decide; all others (the description may be one of them) are not even parsed.
_HEADER = re.compile(
    rb"^(?:metadata-version|name|version|requires-dist|requires-python|provides-extra)[ \t]*:.*(?:\n[ \t].*)*",
    re.IGNORECASE | re.MULTILINE,
)
_FOLD = re.compile(r"\n[ \t]*")  # RFC 822: a header may go on in the next line, behind a blank


class BadMetadata(WheelhouseError):
    """The core metadata of one file cannot be used: a refusal of that file, never the end."""

    def __init__(self, filename: str, reason: str) -> None:
        super().__init__(filename, reason)
        self.filename, self.reason = filename, reason

    def __str__(self) -> str:
        return f"the metadata of `{self.filename}` cannot be used: {self.reason}"


class CoreMetadata(Struct, frozen=True, kw_only=True):
    """What one wheel says of itself, as far as it decides what else is needed."""

    name: NormalizedName
    version: Version
    requires: Sequence[Requirement]
    requires_python: SpecifierSet | None  # None: admits all, also when what stands there cannot be read
    extras: frozenset[NormalizedName]

    def requires_for(self, extras: Collection[str]) -> Sequence[Requirement]:
        """What it requires, as far as that can hold with these extras."""
        if not extras and isinstance(self.requires, Requires):
            return self.requires.without_extras
        return self.requires

    def requires_on(self, projects: Container[str]) -> Iterator[Requirement]:
        """What it requires of these projects, with whatever extras."""
        if not isinstance(self.requires, Requires):
            yield from (each for each in self.requires if canonicalize_name(each.name) in projects)
            return
        for line in self.requires.lines:
            name = _NAME.match(line)
            if name is not None and _normalized(name[0]) in projects:
                yield requirement(line)


_NAME = re.compile(r"[A-Za-z0-9._-]+")
_normalized = lru_cache(maxsize=4096)(canonicalize_name)

_FORM = b"\x00wheelhouse 1\n"


class _Kept(Struct, array_like=True):
    name: str
    version: str
    requires: list[str]
    requires_python: str
    extras: list[str]
    plain: list[int] | None = None  # see `Requires`; not kept at first


_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Kept)


def pack(metadata: CoreMetadata) -> bytes:
    """What was parsed, in a form that `unpack` reads in a tenth of the time."""
    requires = metadata.requires
    if not isinstance(requires, Requires):
        requires = Requires([str(each) for each in requires])
    python = "" if metadata.requires_python is None else str(metadata.requires_python)
    lines, plain = list(requires.lines), list(requires.plain)
    kept = _Kept(metadata.name, str(metadata.version), lines, python, sorted(metadata.extras), plain)
    return _FORM + _encoder.encode(kept)


def unpack(
    content: bytes, *, filename: str, name: NormalizedName | None = None, version: Version | None = None
) -> CoreMetadata:
    """What `pack` gave, or METADATA as it is. Raises as `parse`."""
    if not content.startswith(_FORM):
        return parse(content, filename=filename, name=name, version=version)
    try:
        kept = _decoder.decode(content[len(_FORM) :])
    except msgspec.DecodeError as error:
        raise BadMetadata(filename, f"what was kept of it cannot be read: {error}") from error
    found = version if version is not None and str(version) == kept.version else Version(kept.version)
    _agree(filename, name, version, NormalizedName(kept.name), found)
    return CoreMetadata(
        name=NormalizedName(kept.name),
        version=found,
        requires=Requires(kept.requires, kept.plain),
        requires_python=specifiers(kept.requires_python),
        extras=frozenset(NormalizedName(each) for each in kept.extras),
    )


def _agree(
    filename: str, name: NormalizedName | None, version: Version | None, own_name: NormalizedName, own_version: Version
) -> None:
    if name is not None and name != own_name:
        raise BadMetadata(filename, f"it is that of `{own_name}`")
    if version is not None and version != own_version:
        raise BadMetadata(filename, f"it is that of version {own_version}")


_MULTIPLE = ("requires-dist", "provides-extra")


def _headers(content: bytes) -> tuple[dict[str, list[str]], set[str]]:
    """The values of the headers that decide, by name, and the names of those that are not UTF-8.

    The standard library's parser takes ten times as long, and is what `packaging.metadata` reads with.
    """
    text = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    told: dict[str, list[str]] = {}
    unread: set[str] = set()
    for header in _HEADER.findall(text.lstrip(b"\n").partition(b"\n\n")[0]):
        name, _, value = header.partition(b":")
        key = name.strip(b" \t").lower().decode()
        try:
            told.setdefault(key, []).append(value.strip(b" \t").decode())
        except UnicodeDecodeError:
            unread.add(key)
    return told, unread


def parse(
    content: bytes, *, filename: str, name: NormalizedName | None = None, version: Version | None = None
) -> CoreMetadata:
    """What METADATA (`content`, all of it or its headers alone) says; `filename` is the wheel's, for messages.

    Where `name` and `version` are given (those of the file name), the metadata must agree with them. Raises
    `BadMetadata` for that, for a Name, Version or Requires-Dist that cannot be read, and for a Metadata-Version of 3 or
    more ("MUST fail" in the core metadata specification). A Requires-Python that cannot be read admits all.
    """
    told, unread = _headers(content)
    one = {header: values[0] for header, values in told.items() if len(values) == 1 and header not in unread}
    for header in ("metadata-version", "name", "version", "requires-dist", "provides-extra"):
        twice = header not in _MULTIPLE and len(told.get(header, ())) > 1
        if twice or header in unread:
            raise BadMetadata(filename, f"`{header.title()}` stands there twice or is not UTF-8")
    try:
        own_name = canonicalize_name(one.get("name", ""), validate=True)
        own_version = Version(one.get("version", ""))
        if int(one.get("metadata-version", "2").partition(".")[0]) > 2:
            raise BadMetadata(filename, f"`Metadata-Version` is {one['metadata-version']}, and 2.x is the newest known")
        requires = Requires([_FOLD.sub(" ", line) for line in told.get("requires-dist", ())])
        for at in requires.plain:
            requirement(requires.lines[at])  # so that what cannot be read is found here
    except InvalidName:
        raise BadMetadata(filename, f"`Name` is {one.get('name')!r}") from None
    except InvalidVersion:
        raise BadMetadata(filename, f"`Version` is {one.get('version')!r}") from None
    except (InvalidRequirement, InvalidSpecifier, RecursionError) as error:  # nested brackets in a marker recurse
        raise BadMetadata(filename, f"a `Requires-Dist` cannot be read: {' '.join(str(error).split())}") from error
    except ValueError:
        raise BadMetadata(filename, f"`Metadata-Version` is {one.get('metadata-version')!r}") from None
    _agree(filename, name, version, own_name, own_version)
    return CoreMetadata(
        name=own_name,
        version=own_version,
        requires=requires,
        requires_python=specifiers(one.get("requires-python", "")),
        extras=frozenset(canonicalize_name(extra) for extra in told.get("provides-extra", ())),
    )
