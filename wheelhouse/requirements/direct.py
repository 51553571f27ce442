"""Direct references: a wheel, an sdist or a folder by its URL or path, read from its form alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from wheelhouse.digests import Digest
from wheelhouse.metadata import BadMetadata
from wheelhouse.metadata.sdist import SUFFIXES, project_and_version
from wheelhouse.requirements.model import Refusal
from wheelhouse.simple.links import is_safe, plain

BUILD = "build a wheel of it, put it in a folder and name that with `--find-links`; ask for the project by its name"
_ARCHIVE = "give an archive of that revision, `NAME @ https://…/NAME-1.0.tar.gz`, with `--from-sdist NAME`; or " + BUILD
_URL = "write `NAME @ https://HOST/…/NAME-1.0-py3-none-any.whl`"
_PATH = "write `./FILE.whl`, `/PATH/FILE.whl` or `file:///PATH/FILE.whl`"
_MARKER = 'a marker is such as `; sys_platform == "linux"`, behind a blank where a URL comes before it'

_NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[([^\]]*)\]\s*)?@\s*(.*)", re.ASCII | re.DOTALL)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two characters at least: `C:` is a drive
_VCS = re.compile(r"(git|hg|svn|bzr)\+|(git|ssh|svn):|(?:\w+@)?[\w-]+\.[\w.-]+:(?![/\\\d])", re.ASCII | re.IGNORECASE)
_EXTRAS = re.compile(r"\[([^\[\]]*)\]$")
_URL_MARKER = re.compile(r"(?<=\s);\s*|;\s+")  # PEP 508: a blank ends the URL, for it may hold a `;`
_ENDS = (".whl", *SUFFIXES)
# Known ones beside a SHA-256 are left out; anything else is a slip of the pen
_ALGORITHMS = hashlib.algorithms_guaranteed - {"sha256"}


class Reference(Struct, frozen=True, kw_only=True):
    """One file or folder. `name` is None for a folder that is given none; `direct` is what `Root.direct` holds."""

    kind: Literal["wheel", "sdist", "folder"]
    direct: str
    name: str | None
    extras: frozenset[str]
    marker: Marker | None
    hashes: tuple[Digest, ...]


def reference(text: str) -> Reference | None:
    """What `NAME @ PLACE`, a URL or a path refers to; None for a requirement by name.

    Nothing is looked up: `PLACE` is a URL where it begins with a scheme, and a path where it begins with `.` or holds a
    `/` or `\\`, or ends as wheels and sdists do. Raises `Refusal`.
    """
    named = _NAMED.fullmatch(text)
    place, separator, marker = _without_marker(named[3] if named else text)
    if not named and not _is_place(place):
        return None
    if _VCS.match(place):
        raise Refusal("a repository cannot be locked: what it holds may change", _ARCHIVE)
    if named and not _is_place(place):
        raise Refusal("what stands behind the `@` is neither a URL nor a path", _URL)
    place, _, fragment = place.partition("#")
    hashes, egg = _fragment(fragment)
    extras = named[2] or "" if named else ""
    if bracket := _EXTRAS.search(place):
        place, extras = place[: bracket.start()], f"{extras},{bracket[1]}" if extras.strip() else bracket[1]
    asked = _requirement(f"{named[1] if named else 'x'}[{extras}]")
    if plain(place) != place:
        raise Refusal("it holds control characters", _PATH)
    direct, filename = _url(place) if _SCHEME.match(place) else _path(place)
    kind, name = _kind(filename, direct, named[1] if named else egg.name if egg else None)
    if kind == "folder" and hashes:
        raise Refusal("a folder has no hash", "remove it, or " + BUILD)
    return Reference(
        kind=kind,
        direct=direct,
        name=name,
        extras=frozenset(asked.extras | (egg.extras if egg else set())),
        marker=_marker(marker) if separator else None,
        hashes=hashes,
    )


def digests(written: Iterable[str]) -> tuple[Digest, ...]:
    """The SHA-256 digests among hashes such as `sha256:0123…`, each once; others beside one are left out.

    Raises `Refusal` where none is SHA-256: the pages of an index give no other that every index has (PEP 503 recommends
    it, PyPI gives nothing else), and a lock holds it alone.
    """
    found: dict[Digest, None] = {}
    others: list[str] = []
    for each in written:
        algorithm, colon, value = each.partition(":")
        if algorithm.lower() in _ALGORITHMS and colon and value:
            others.append(algorithm.lower())
            continue
        if algorithm.lower() != "sha256" or not colon:
            raise Refusal(f"`{each}` is no hash", "write `--hash=sha256:` and 64 hexadecimal digits: `pip hash FILE`")
        try:
            found[Digest(value.lower())] = None
        except ValueError:
            raise Refusal(f"`{each}` is no SHA-256 hash: these have 64 hexadecimal digits", "`pip hash FILE`") from None
    if others and not found:
        reason = f"`{others[0]}` cannot be compared: the pages of an index give SHA-256 only"
        raise Refusal(reason, "add `--hash=sha256:…`: `pip hash FILE` prints it")
    return tuple(found)


def _is_place(text: str) -> bool:
    bare = _EXTRAS.sub("", text.partition("#")[0]).lower()
    return bool(_SCHEME.match(text)) or text[:1] in (".", "~") or "/" in text or "\\" in text or bare.endswith(_ENDS)


def _without_marker(text: str) -> tuple[str, str, str]:
    """The place, a `;` where one follows, and the marker behind it."""
    if not _SCHEME.match(text):
        place, separator, marker = text.partition(";")
        return place.strip(), separator, marker
    parts = _URL_MARKER.split(text, maxsplit=1)
    return parts[0].strip(), ";" if len(parts) > 1 else "", parts[-1]


def _marker(text: str) -> Marker | None:
    try:
        return Marker(text) if text.strip() else None  # as in pip, nothing behind the `;` is no marker
    except (InvalidMarker, RecursionError):
        raise Refusal("the marker behind the `;` cannot be read", _MARKER) from None


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):  # its message shows the whole text
        raise Refusal("its name or its extras cannot be read", "write `NAME[EXTRA,EXTRA] @ …`") from None


def _fragment(text: str) -> tuple[tuple[Digest, ...], Requirement | None]:
    """The hashes behind a URL's `#`, and the name that the older `#egg=` gives."""
    hashes: list[str] = []
    egg: Requirement | None = None
    for part in filter(None, text.split("&")):
        key, _, value = part.partition("=")
        if key == "egg":
            egg = _requirement(unquote(value))
            if egg.specifier or egg.url or egg.marker:
                raise Refusal("`#egg=` holds more than a name", "write `NAME @ URL`")
        elif key == "subdirectory":
            raise Refusal("a project within a folder of an archive is not supported", BUILD)
        elif key == "sha256" or key in _ALGORITHMS:
            hashes.append(f"{key}:{value}")
        else:
            raise Refusal("what stands behind the `#` is not known", "a hash is such as `#sha256=0123…`")
    return digests(hashes), egg


def _url(text: str) -> tuple[str, str]:
    """The URL or path, and the name of its file. Messages show neither: they may hold credentials."""
    scheme = text.partition(":")[0].lower()
    if scheme not in ("http", "https", "file"):
        raise Refusal(f"`{scheme}` URLs are not followed", f"download it and name its path: `./FILE.whl`; or {BUILD}")
    if re.search(r"\s", text):
        raise Refusal("there is a blank in the URL", "write `%20` for a blank, and a blank before the `;` of a marker")
    slip = "the URL cannot be read", _PATH if scheme == "file" else _URL
    try:
        parts = urlsplit(text)
        name = unquote(parts.path.rpartition("/")[2], errors="strict")
        good = parts.port != 0 and bool(parts.hostname) and text[len(scheme) :].startswith("://")
    except ValueError:  # from urllib: a bad IPv6 address, a bad port, bytes that are no UTF-8
        raise Refusal(*slip) from None
    if scheme == "file":
        local = unquote(text[len("file:") :], errors="replace")
        if not local or plain(local) != local:
            raise Refusal(*slip)
        if not text[len("file:") :].startswith("//"):
            return _path(local)  # `file:./x.whl`, which pip reads too
        good = parts.netloc.lower() in ("", "localhost") and bool(parts.path)
    if not good or (name and name not in (".", "..") and not is_safe(name)):
        raise Refusal(*slip)
    return text, name


def _path(text: str) -> tuple[str, str]:
    if text.startswith("~"):
        raise Refusal("`~` means a home folder to a shell only", "write the whole path; in a file `${HOME}/…` does too")
    if "://" in text:
        raise Refusal("it is neither a URL nor a path", "give each requirement a line of its own; " + _URL)
    name = re.split(r"[/\\]", text)[-1]
    if name not in ("", ".", "..") and not is_safe(name):
        raise Refusal("its file name is too long", _PATH)
    return text, name


def _kind(filename: str, direct: str, name: str | None) -> tuple[Literal["wheel", "sdist", "folder"], str | None]:
    """What it is by its file name, and the project's name, which a folder does not tell."""
    lower = filename.lower()
    if lower.endswith(".whl"):
        try:  # a name of letters that no project's name may hold is a wheel's name to `packaging`
            project = canonicalize_name(parse_wheel_filename(filename)[0], validate=True)
        except (InvalidWheelFilename, InvalidName):
            hint = "write its whole name: `NAME-VERSION-PYTHON-ABI-PLATFORM.whl` (PEP 427)"
            raise Refusal(f"`{filename}` is not the name of a wheel", hint) from None
        if name is not None and canonicalize_name(name) != project:
            raise Refusal(f"`{filename}` is a wheel of `{project}`, not of `{name}`", f"write `{project} @ …`")
        return "wheel", name or project
    if lower.endswith(SUFFIXES):
        if name is not None:  # an archive of a repository may have any name
            return "sdist", name
        try:
            return "sdist", canonicalize_name(project_and_version(filename)[0], validate=True)
        except (BadMetadata, InvalidName):
            reason = f"`{filename}` does not tell which project it is"
            raise Refusal(reason, "write `NAME @` before it") from None
    if direct[:5].lower() in ("http:", "https"):
        ends = ", ".join(f"`{end}`" for end in _ENDS)
        raise Refusal(f"the URL ends as no wheel and no sdist does: {ends}", _MARKER if ";" in filename else _URL)
    return "folder", name
