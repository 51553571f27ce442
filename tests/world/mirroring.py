"""Mirrors under test: locks and stores made of wheels, what every reader of a mirror may rely on, and crashes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from multiprocessing.synchronize import Barrier
from pathlib import Path
from urllib.parse import unquote, urljoin

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from wheelhouse.digests import Digest
from wheelhouse.edge.mirror import publish
from wheelhouse.edge.mirror.places import opened
from wheelhouse.edge.mirror.storage import Held, Listed, Storage
from wheelhouse.edge.store import Store
from wheelhouse.lock import Lock, LockedPackage, LockedWheel
from wheelhouse.mirroring.publication import Publication, publication
from wheelhouse.simple import parse_page
from world.wheels import WheelFile

CUDA, PLAIN = "linux-x86_64-cu121-py310", "linux-x86_64-py311"
MOMENT, LATER = "2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z"
SIMPLE, CHANNEL = "https://index.test/simple", "https://torch.test/whl/cu121"


def locked(
    label: str, wheels: Iterable[WheelFile], *, channel: Iterable[WheelFile] = (), pip: WheelFile | None = None
) -> Lock:
    """A lock of these wheels, those of `channel` from PyTorch's channel, and of this pip."""
    pins = [*(_pin(wheel, SIMPLE) for wheel in wheels), *(_pin(wheel, CHANNEL) for wheel in channel)]
    return Lock(
        label=label,
        requires_python=SpecifierSet(">=3.10"),
        environment="sys_platform == 'linux'",
        packages=tuple(sorted(pins, key=lambda pin: pin.name)),
        installer=None if pip is None else _pin(pip, SIMPLE),
        roots=tuple(sorted(pin.name for pin in pins)),
    )


def published(
    label: str, wheels: Iterable[WheelFile], *, channel: Iterable[WheelFile] = (), pip: WheelFile | None = None
) -> Publication:
    """Such a lock, as a mirror publishes it."""
    return publication(locked(label, wheels, channel=channel, pip=pip))


def _pin(wheel: WheelFile, index: str) -> LockedPackage:
    name, version, _, _ = parse_wheel_filename(wheel.filename)
    url = f"{index}/{wheel.filename}"
    found = LockedWheel(filename=wheel.filename, url=url, digest=wheel.digest, size=len(wheel.content))
    return LockedPackage(
        name=canonicalize_name(name), version=version, wheel=found, index=index, required_by=(f"(asked for): {name}",)
    )


def stored(folder: Path, wheels: Iterable[WheelFile]) -> Store:
    """A store that has them."""
    store = Store(folder)
    for wheel in wheels:
        path = folder / "given" / wheel.digest.hex / wheel.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wheel.content)
        store.adopt(path, wheel.digest)
    return store


def untrue(storage: Storage) -> list[str]:
    """What a reader would find wrong: links to nothing, wrong digests, lists of projects that are not there.

    Read as clients read it, not by the code that writes it.
    """
    there = {found.key for found in storage.listed() if not found.key.startswith(".")}
    contents = {key: held.content for key in there if (held := storage.read(key)) is not None}
    problems = []
    for key in sorted(there):
        parts = key.split("/")
        if parts[0] in ("simple", "whl") and parts[-1].startswith("index."):
            below = parts[1:-1] if parts[0] == "simple" else parts[2:-1]
            check = _page if below else _list
            problems += [f"{key}: {problem}" for problem in check(key, contents)]
        elif parts[0] == "locks":
            text = contents[key].decode()
            if hashlib.sha256(text.encode()).hexdigest() != parts[2].removeprefix("pylock.").removesuffix(".toml"):
                problems.append(f"{key}: has another digest")
            for line in text.splitlines():
                if '"../../files/' in line:
                    named = unquote(line.split('"')[1].removeprefix("../../"))
                    problems += [] if named in there else [f"{key}: names {named}"]
    return problems


def _page(key: str, contents: dict[str, bytes]) -> Iterator[str]:
    kind = "text/html" if key.endswith(".html") else "application/vnd.pypi.simple.v1+json"
    root = "http://mirror.test/a/prefix/"
    project = canonicalize_name(key.split("/")[-2])
    page = parse_page(project, urljoin(root, key), kind, contents[key])
    for file in page.files:
        target = unquote(file.url.removeprefix(root))
        if target not in contents:
            yield f"names {target}, which is not there"
            continue
        if file.digest != Digest.of(contents[target]):
            yield f"has another digest for {target}"
        if file.metadata and file.metadata_digest != Digest.of(contents.get(f"{target}.metadata", b"")):
            yield f"has another digest for {target}.metadata"


def _list(key: str, contents: dict[str, bytes]) -> Iterator[str]:
    folder = key.rpartition("/")[0]
    if key.endswith(".json"):
        names = [each["name"] for each in json.loads(contents[key])["projects"]]
    else:
        names = [part.split('/"')[0] for part in contents[key].decode().split('href="')[1:]]
    for name in names:
        for form in ("json", "html"):
            if f"{folder}/{name}/index.{form}" not in contents:
                yield f"lists {name}, which has no {form}"


def files_in(storage: Storage) -> dict[str, bytes]:
    """Everything that a reader can see, by key; not the identity of the mirror."""
    keys = (found.key for found in storage.listed())
    return {
        key: read for key in keys if not key.startswith(".") and key != "mirror.json" and (read := _all(storage, key))
    }


def _all(storage: Storage, key: str) -> bytes:
    return b"".join(storage.stream(key))


class Crash(Exception):
    """The machine lost its power."""


class Crashing:
    """A storage whose machine dies at the write number `after`, counted from 0; nothing is written from then on."""

    def __init__(self, storage: Storage, after: int) -> None:
        self._storage, self._left, self._lock = storage, after, threading.Lock()
        self.name = storage.name

    def _tick(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left < 0:
                raise Crash

    @property
    def crashed(self) -> bool:
        return self._left < 0

    def read(self, key: str) -> Held | None:
        return self._storage.read(key)

    def write(self, key: str, content: bytes, *, over: Held | None = None) -> None:
        self._tick()
        self._storage.write(key, content, over=over)

    def size(self, key: str) -> int | None:
        return self._storage.size(key)

    def put_file(self, key: str, source: Path, digest: Digest) -> None:
        self._tick()
        self._storage.put_file(key, source, digest)

    def put_stream(self, key: str, chunks: Iterable[bytes], digest: Digest, size: int) -> None:
        self._tick()
        self._storage.put_stream(key, chunks, digest, size)

    def stream(self, key: str) -> Iterator[bytes]:
        return self._storage.stream(key)

    def listed(self, prefix: str = "") -> Iterator[Listed]:
        return self._storage.listed(prefix)

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._tick()
            self._storage.remove([key])

    def exclusive(self) -> AbstractContextManager[None]:
        return self._storage.exclusive()


def publish_here(place: str, store: Path, wheels: Sequence[WheelFile], start: Barrier) -> None:
    """In a process of its own: wait for the others, then publish a lock of these wheels."""
    lock = published(PLAIN, wheels)
    start.wait()
    publish.add(opened(place), [lock], Store(store), added=MOMENT)
