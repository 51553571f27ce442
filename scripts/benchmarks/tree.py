"""A recorded index on disk, and what it answers.

    simple/NAME/index.json, index.json.gz    a project page (PEP 691); its links lead to ../../files/
    files/KEY/FILENAME.metadata              core metadata (PEP 658)
    files/KEY/FILENAME.tail, FILENAME.size   the last bytes of a wheel, and how many it has in all
    ANYTHING.absent                          the index was asked for it and has it not
    recorded.json                            the sets that were recorded, and when
    upstream/NAME.json                       where the files of a page lie; only the recorder reads it, no pack holds it

KEY is made of the file's upstream URL, so nothing that is served names a host.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

PAGE_TYPE = "application/vnd.pypi.simple.v1+json"
_PAGE = re.compile(r"/simple/([A-Za-z0-9._-]+)/?")
_FILE = re.compile(r"/files/([0-9a-f]{16})/([A-Za-z0-9._+!-]+)")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Answer:
    """What the index says. `known` is False where nobody asked while it was recorded."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    known: bool = True


def key_of(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def project_of(target: str) -> str | None:
    """The project whose page a request asks for, as it is named on disk."""
    found = _PAGE.fullmatch(_path(target))
    return None if found is None else re.sub(r"[-_.]+", "-", found[1]).lower()


def file_of(target: str) -> tuple[str, str] | None:
    """(key, file name) of the file that a request asks for; the name may end in `.metadata`."""
    found = _FILE.fullmatch(_path(target))
    return None if found is None else (found[1], found[2])


def answer(tree: Path, target: str, headers: Mapping[str, str]) -> Answer:
    """The recorded answer to GET, with the headers that PyPI sends. `headers` are named in lower case."""
    if project := project_of(target):
        return _page(tree / "simple" / project / "index.json", headers)
    if file := file_of(target):
        path = tree / "files" / file[0] / file[1]
        return _static(path, headers) if path.suffix == ".metadata" else _tail(path, headers)
    return Answer(404)


def write_page(tree: Path, project: str, body: bytes) -> None:
    path = tree / "simple" / project / "index.json"
    put(path.with_name("index.json.gz"), gzip.compress(body, 6, mtime=0))
    put(path, body)


def put(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.partial")
    draft.write_bytes(body)
    draft.rename(path)


def absent(path: Path) -> Path:
    return path.with_name(f"{path.name}.absent")


def recorded(tree: Path) -> dict[str, str]:
    """The days on which the sets were recorded, by set."""
    path = tree / "recorded.json"
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


def gives_upload_times(tree: Path) -> bool:
    """Whether cutoffs can be used: the page of pip, which is always recorded, says when files were uploaded."""
    path = tree / "simple" / "pip" / "index.json"
    return path.exists() and any(file.get("upload-time") for file in json.loads(path.read_text())["files"])


def pack(tree: Path, archive: Path) -> None:
    """The tree in one file, without where it came from."""
    with tarfile.open(archive, "w:gz", compresslevel=6) as packed:
        for name in ("recorded.json", "simple", "files"):
            if (tree / name).exists():
                packed.add(tree / name, name)


def unpack(archive: Path, tree: Path) -> None:
    tree.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as packed:
        packed.extractall(tree, filter="data")


def _path(target: str) -> str:
    return unquote(target.partition("?")[0])


def _page(path: Path, headers: Mapping[str, str]) -> Answer:
    if not path.exists():
        return Answer(404, known=absent(path).exists())
    etag = _etag(path)
    said = {"ETag": etag, "Cache-Control": "max-age=600, public", "Vary": "Accept, Accept-Encoding"}
    if headers.get("if-none-match") == etag:
        return Answer(304, said)
    said["Content-Type"] = PAGE_TYPE
    if "gzip" in headers.get("accept-encoding", ""):
        return Answer(200, said | {"Content-Encoding": "gzip"}, path.with_name("index.json.gz").read_bytes())
    return Answer(200, said, path.read_bytes())


def _static(path: Path, headers: Mapping[str, str]) -> Answer:
    if not path.exists():
        return Answer(404, known=absent(path).exists())
    body, said = path.read_bytes(), _immutable(_etag(path))
    if headers.get("if-none-match") == said["ETag"]:
        return Answer(304, said)
    wanted = _wanted(headers, len(body))
    if wanted is None:
        return Answer(200, said, body)
    first, last = wanted
    return Answer(206, said | {"Content-Range": f"bytes {first}-{last}/{len(body)}"}, body[first : last + 1])


def _tail(path: Path, headers: Mapping[str, str]) -> Answer:
    """A range of a wheel of which only the end is here. A wheel is never asked for as a whole."""
    size = path.with_name(f"{path.name}.size")
    if not size.exists():
        return Answer(404, known=absent(path).exists())
    whole, tail = int(size.read_text()), path.with_name(f"{path.name}.tail")
    first, last = _wanted(headers, whole) or (0, whole - 1)
    start = whole - tail.stat().st_size
    if first < start:
        return Answer(404, known=False)
    with tail.open("rb") as file:
        file.seek(first - start)
        body = file.read(last - first + 1)
    said = _immutable(f'"{path.parent.name}"') | {"Content-Range": f"bytes {first}-{last}/{whole}"}
    return Answer(206, said, body)


def _wanted(headers: Mapping[str, str], size: int) -> tuple[int, int] | None:
    """First and last byte of one range (RFC 9110, 14.1.2); None: all."""
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size - 1
    return int(found[1]), min(int(found[2] or size), size - 1)


def _immutable(etag: str) -> dict[str, str]:
    return {
        "ETag": etag,
        "Cache-Control": "max-age=365000000, immutable, public",
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }


def _etag(path: Path) -> str:
    found = path.stat()
    return f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
