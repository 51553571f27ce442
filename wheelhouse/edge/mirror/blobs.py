"""The files that pages name, wheels and their metadata: written before any page, many at a time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from msgspec import Struct

from wheelhouse.digests import Digest
from wheelhouse.edge.mirror.storage import CannotStore, Full, Storage

_T = TypeVar("_T")
_R = TypeVar("_R")
_WORKERS = 16  # small files at a time: a flush of a disk and an answer of a server are both waited for
_LARGE = 8 << 20  # bytes
_PAUSE = 1.0  # seconds at most between two attempts at a file
_TRIES = 5


class Blob(Struct, frozen=True, kw_only=True):
    """A file that pages name: a wheel, or its metadata. `put` writes it and verifies every byte."""

    key: str
    digest: Digest
    size: int
    put: Callable[[Storage], None]


def each(function: Callable[[_T], _R], items: Iterable[_T], *, workers: int = _WORKERS) -> list[_R]:
    """`function` of every item, several at a time, in order; the first error ends it."""
    every = list(items)
    if len(every) < 2:
        return [function(item) for item in every]
    with ThreadPoolExecutor(min(workers, len(every))) as pool:
        tasks = [pool.submit(function, item) for item in every]
        try:
            return [task.result() for task in tasks]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def missing(storage: Storage, blobs: Iterable[Blob]) -> list[Blob]:
    """Those that are not there, or of another size."""
    every = list({blob.key: blob for blob in blobs}.values())
    sizes = each(lambda blob: storage.size(blob.key), every)
    return [blob for blob, size in zip(every, sizes, strict=True) if size != blob.size]


def place_files(storage: Storage, blobs: Sequence[Blob]) -> None:
    """Write them: small ones many at a time, of the large ones a few, which fill disk and network anyway."""
    each(partial(_place, storage), (blob for blob in blobs if blob.size < _LARGE))
    each(partial(_place, storage), (blob for blob in blobs if blob.size >= _LARGE), workers=4)


def _place(storage: Storage, blob: Blob) -> None:
    """One file. Where another writer brings the same one at the same time, some servers end one of the two uploads
    (rclone: `NoSuchUpload`, as soon as the other is complete): then it is there, or the turn is ours again.
    """
    for turn in range(_TRIES):
        try:
            blob.put(storage)
            return
        except Full:
            raise
        except CannotStore:
            if storage.size(blob.key) == blob.size:
                return
            if turn == _TRIES - 1:
                raise
            time.sleep(_PAUSE * random.random())  # noqa: S311
