"""Where things lie in a mirror: keys that can only ever name a place inside it, made of names that strangers chose.

A key is a relative path with `/`, the same in a directory and in a bucket. Everything that reads or writes a mirror
goes through `is_key`; what a lock, a page or an export says becomes a key only by the functions here.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from msgspec import Struct
from packaging.utils import InvalidName, InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError

MIRROR = "mirror.json"
METADATA = ".metadata"  # PEP 658: behind the wheel's name
LEASES = ".lease/"  # who writes to a bucket just now

# PEP 503 normalized; 150 bytes is more than any project on PyPI has
_PROJECT = r"[a-z0-9](?:[a-z0-9-]{0,148}[a-z0-9])?"
_CHANNEL = r"(?:cpu|xpu|cu[0-9]{2,3}|rocm[0-9]{1,2}(?:\.[0-9]{1,2}){0,2})"
_LABEL = r"[a-z][a-z0-9_]*(?:[.-][a-z0-9_]+)*"
_HEX = r"[0-9a-f]{64}"
_WHEEL = r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,240}\.whl"
_INDEX = r"index\.(?:json|html)"
_KEY = re.compile(
    rf"mirror\.json|catalog\.json|index\.html|page/[a-z0-9][a-z0-9-]{{0,40}}\.[a-z0-9]{{1,5}}"
    rf"|files/(?P<two>[0-9a-f]{{2}})/(?P<hex>(?P=two)[0-9a-f]{{62}})/(?P<wheel>{_WHEEL})(?:\.metadata)?"
    rf"|(?:simple|whl/(?P<channel>{_CHANNEL}))/(?:(?P<project>{_PROJECT})/)?{_INDEX}"
    rf"|locks/(?P<label>{_LABEL})/pylock\.(?P<lock>{_HEX})\.toml"
    rf"|\.lease/[0-9a-f]{{32}}"
)
CHANNEL = re.compile(_CHANNEL)
LOCK = re.compile(rf"(?P<label>{_LABEL})/(?P<hex>{_HEX})")


class BadName(WheelhouseError):
    """A name that a mirror does not take; `what` says what it should be."""

    hint = "the lock or the export is damaged or hostile; do not use it"

    def __init__(self, name: str, what: str) -> None:
        super().__init__(name, what)
        self.name, self.what = name, what

    def __str__(self) -> str:
        return f"`{self.name[:200].encode('unicode_escape').decode()}` is not {self.what}"


class Address(Struct, frozen=True, order=True):
    """One project's page. `channel` is a folder below `whl/`, "" for `simple/`."""

    channel: str
    project: NormalizedName

    @property
    def json(self) -> str:
        """The key of the page in JSON: the one truth about the project there."""
        return f"{self.folder}/index.json"

    @property
    def html(self) -> str:
        """The key of the page in HTML, derived from the JSON."""
        return f"{self.folder}/index.html"

    @property
    def folder(self) -> str:
        return f"{place(self.channel)}/{self.project}"


def place(channel: str) -> str:
    """The folder of all projects of a channel; "" gives `simple`."""
    return f"whl/{channel}" if channel else "simple"


def project(name: str) -> NormalizedName:
    """The normalized name (PEP 503). Raises `BadName`."""
    try:
        found = canonicalize_name(name, validate=True)
    except InvalidName:
        raise BadName(name, "a project's name") from None
    if not re.fullmatch(_PROJECT, found):
        raise BadName(name, "a project's name")
    return found


def wheel(filename: str, of: NormalizedName | None = None) -> Version:
    """The version that a wheel's file name says. Raises `BadName`, also for a wheel of another project than `of`."""
    try:
        if not re.fullmatch(_WHEEL, filename):
            raise InvalidWheelFilename(filename)
        name, version, _, _ = parse_wheel_filename(filename)
    except (InvalidWheelFilename, ValueError):  # InvalidVersion is a ValueError
        raise BadName(filename, "a wheel's file name") from None
    if of is not None and name != of:
        raise BadName(filename, f"a wheel of `{of}`")
    return version


def file_key(digest: Digest, filename: str) -> str:
    """Where a wheel lies: named by its digest, so that it is there once whatever pages name it."""
    return f"files/{digest.hex[:2]}/{digest.hex}/{filename}"


def file_url(address: Address, digest: Digest, filename: str) -> str:
    """The link from a page to a wheel: relative, so that a mirror may lie below any prefix."""
    up = "../../../" if address.channel else "../../"
    return f"{up}files/{digest.hex[:2]}/{digest.hex}/{quote(filename)}"


def lock_key(reference: str) -> str:
    """Where a published lock lies; `reference` is `<label>/<sha256>`.

    pip and uv know a lock by its name (PEP 751: `pylock.toml`, or `pylock.<name>.toml` without a dot in the name).
    """
    label, _, sha256 = reference.partition("/")
    return f"locks/{label}/pylock.{sha256}.toml"


def is_key(key: str) -> bool:
    """Whether a mirror may hold this: nothing else is ever written, read or taken from an export."""
    return _KEY.fullmatch(key) is not None


def address_of(key: str) -> Address | None:
    """The page that a key is the JSON or the HTML of; None for any other key."""
    found = _KEY.fullmatch(key)
    if found is None or found["project"] is None:
        return None
    return Address(found["channel"] or "", NormalizedName(found["project"]))


def file_of(key: str) -> tuple[Digest, str] | None:
    """The digest and the file name of a wheel or of its metadata file; None for any other key."""
    found = _KEY.fullmatch(key)
    if found is None or found["hex"] is None:
        return None
    return Digest(found["hex"]), key.rpartition("/")[2]


def lock_of(key: str) -> str | None:
    """`<label>/<sha256>` of a published lock; None for any other key."""
    found = _KEY.fullmatch(key)
    return None if found is None or found["lock"] is None else f"{found['label']}/{found['lock']}"


def channel_of(index: str | None) -> str | None:
    """The channel that an index URL ends with (`…/whl/cu121`); None for any other index."""
    if index is None:
        return None
    try:
        last = urlsplit(index).path.rstrip("/").rpartition("/")[2]
    except ValueError:
        return None
    return last if CHANNEL.fullmatch(last) else None
