"""Locked wheels into the store: several at once, each resumed, verified and named; what fails is told together."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from wheelhouse.digests import Check, Digest, DigestMismatch, SizeMismatch
from wheelhouse.edge import files
from wheelhouse.edge.http import Http
from wheelhouse.edge.store import Slot, Store
from wheelhouse.edge.transfer import NotServed, Stopped, Transfer
from wheelhouse.edge.window import FAST, IN_FLIGHT, Window, strong_validator
from wheelhouse.edge.workers import Workers
from wheelhouse.errors import Failures, WheelhouseError
from wheelhouse.events import (
    Event,
    FetchFinished,
    FetchStarted,
    FileAdvanced,
    FileDone,
    FileFailed,
    FileStarted,
    Listener,
    ignore,
)
from wheelhouse.lock import LockedWheel
from wheelhouse.plan import FetchPlan
from wheelhouse.urls import redact

_CHUNK = 1 << 20


class FetchFailed(Failures):
    """Some files could not be had; all others are in the store. Each way to fail is told once."""

    def __init__(self, errors: Sequence[WheelhouseError]) -> None:
        super().__init__(tuple({str(error): error for error in errors}.values()))


def fetch(
    plan: FetchPlan,
    store: Store,
    http: Http,
    *,
    jobs: int = 8,
    listen: Listener = ignore,
    free_space: Callable[[Path], int] = files.free_space,
    window: Window | None = None,
) -> None:
    """Have every wheel of `plan` in `store`, at most `jobs` files at a time.

    Interrupted at any moment, also by kill -9, the next call goes on where this one stopped. Two calls at once on one
    store share the work. `listen` is called by one thread at a time. `free_space` gives the bytes free under a path.
    `window` holds the buffers for what is fetched ahead; by default 6 of 8 MiB, used where a connection is slow, while
    fewer than `jobs` files are fetched at a time.

    Raises `BadFileName` and `NoSpace` before the first byte; `FetchFailed` after everything else was tried. A full disk
    ends the fetch at once: all files would meet it.
    """
    for wheel in plan.downloads:
        files.wheel_filename(wheel.filename)
    if not plan.downloads:
        return
    run = _Run(store, http, plan.downloads, listen, free_space, jobs, window)
    if (needed := run.missing()) > (free := free_space(store.root)):
        raise files.NoSpace(store.root, needed=needed, free=free)
    run.listen(FetchStarted(len(plan.downloads), plan.size))
    errors: list[WheelhouseError] = []
    try:
        for task in [run.workers.submit(run.one, wheel) for wheel in plan.downloads]:
            try:
                task.result()
            except Stopped:
                continue
            except WheelhouseError as error:
                errors.append(error)
        run.listen(FetchFinished())
    finally:
        run.close()
    if full := next((error for error in errors if isinstance(error, files.NoSpace)), None):
        others = [error for error in errors if not isinstance(error, files.NoSpace)]
        raise FetchFailed([files.NoSpace(full.path, needed=run.missing(), free=full.free), *others]) from full
    if errors:
        raise FetchFailed(errors)


def fetch_unknown(
    filename: str,
    url: str,
    store: Store,
    http: Http,
    listen: Listener = ignore,
    *,
    free_space: Callable[[Path], int] = files.free_space,
) -> tuple[Digest, int]:
    """Digest and size (bytes) of a wheel whose index tells no digest: it is downloaded into `store`.

    It is not downloaded again while the store has it and the server's strong validator is the same. Raises what a
    transfer raises: `HttpError`, `NotServed`, `NoSpace`, `SizeMismatch`.
    """
    files.wheel_filename(filename)
    slot = store.incoming(redact(url))
    run = _Run(store, http, (), listen, free_space, 1, None)
    try:
        with slot.locked():
            if known := _remembered(slot, url, store, http):
                return known
            transfer = run.transfer(filename, url, slot, digest=None, size=None)
            local = url.startswith("file:")
            digest = run.copy(filename, url, slot, Check(filename)) if local else transfer.run()
            size = slot.size()
            store.keep(slot, digest)
            if transfer.validator is not None:
                told = {"digest": digest.hex, "size": size, "validator": transfer.validator}
                files.write_atomically(slot.memo, json.dumps(told).encode())
            listen(FileDone(filename))
            return digest, size
    except OSError as error:
        raise files.CannotWrite(store.root, (error.strerror or str(error)).lower()) from error
    finally:
        run.close()


def last_seen(url: str, store: Store) -> tuple[Digest, int] | None:
    """What the file at `url` was when `fetch_unknown` last had it, if the store still has that; nobody is asked."""
    found = _memo(store.incoming(redact(url)), store)
    return None if found is None else found[:2]


def _memo(slot: Slot, store: Store) -> tuple[Digest, int, str] | None:
    """Digest, size and validator of the last time, if the store still has the wheel."""
    try:
        told = json.loads(slot.memo.read_bytes())
        digest, size, validator = Digest(told["digest"]), int(told["size"]), str(told["validator"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (digest, size, validator) if store.has(digest, size) else None


def _remembered(slot: Slot, url: str, store: Store, http: Http) -> tuple[Digest, int] | None:
    """What the file was the last time, if the store still has it and the server still has that very one."""
    found = _memo(slot, store)
    if found is None:
        return None
    answer = http.head(url)
    return found[:2] if answer.status_code == 200 and strong_validator(answer) == found[2] else None


class _Run:
    """What the threads of one fetch share: a stop sign, one voice, and the window of buffers."""

    def __init__(
        self,
        store: Store,
        http: Http,
        wheels: Sequence[LockedWheel],
        listen: Listener,
        free_space: Callable[[Path], int],
        jobs: int,
        window: Window | None,
    ) -> None:
        self.store, self.http, self.wheels, self.free_space = store, http, wheels, free_space
        self.workers = Workers(max(1, min(jobs, len(wheels))), "fetch")
        self.window = Window(http, connections=max(jobs, IN_FLIGHT + 1), fast=FAST) if window is None else window
        self._own_window = window is None
        self._listen = listen
        self._voice = threading.Lock()
        self._stop = threading.Event()
        self._over = False

    def listen(self, event: Event) -> None:
        """One event at a time; none after the fetch was given up."""
        with self._voice:
            if not self._over:
                self._listen(event)

    def close(self) -> None:
        """Whatever still runs stops, and says nothing more."""
        self._over = True
        self._stop.set()
        self.workers.close()
        if self._own_window:
            self.window.close()

    def missing(self) -> int:
        """Bytes that are still to write, as far as sizes are known."""
        return sum(
            max(0, wheel.size - self.store.slot(wheel.digest).size())
            for wheel in self.wheels
            if wheel.size is not None and not self.store.has(wheel.digest, wheel.size)
        )

    def one(self, wheel: LockedWheel) -> None:
        """The wheel is in the store, or why not is told and raised."""
        slot = self.store.slot(wheel.digest)
        try:
            with slot.locked(self._stop.is_set):
                if not self.store.has(wheel.digest, wheel.size):
                    self._obtain(wheel, slot)
            self.listen(FileDone(wheel.filename))
        except InterruptedError:
            raise Stopped from None
        except WheelhouseError as error:
            self._failed(wheel, error)
            raise
        except OSError as error:
            cause = files.CannotWrite(slot.partial, (error.strerror or str(error)).lower())
            self._failed(wheel, cause)
            raise cause from error

    def _failed(self, wheel: LockedWheel, error: WheelhouseError) -> None:
        if isinstance(error, files.NoSpace):
            self._stop.set()
        self.listen(FileFailed(wheel.filename, str(error)))

    def _obtain(self, wheel: LockedWheel, slot: Slot) -> None:
        if wheel.url.startswith("file:"):
            check = Check(wheel.filename, expected=wheel.digest, size=wheel.size)
            self.copy(wheel.filename, wheel.url, slot, check)
        else:
            transfer = self.transfer(wheel.filename, wheel.url, slot, digest=wheel.digest, size=wheel.size)
            try:
                try:
                    transfer.run()
                except (DigestMismatch, SizeMismatch):
                    transfer.run(again=True)
            except (DigestMismatch, SizeMismatch):
                slot.forget()
                raise
        self.store.keep(slot, wheel.digest)

    def transfer(self, filename: str, url: str, slot: Slot, *, digest: Digest | None, size: int | None) -> Transfer:
        return Transfer(
            filename,
            url,
            slot,
            digest=digest,
            size=size,
            http=self.http,
            window=self.window,
            listen=self.listen,
            stopped=self._stop.is_set,
            free_space=self.free_space,
        )

    def copy(self, filename: str, url: str, slot: Slot, check: Check) -> Digest:
        """A local file into the slot, with the same checks."""
        slot.forget()
        self.listen(FileStarted(filename, check.size, 0))
        try:
            source = files.path_of(url).open("rb")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise NotServed(filename, url, reason.lower()) from error
        try:
            with source, slot.partial.open("wb") as file:
                while chunk := source.read(_CHUNK):
                    if self._stop.is_set():
                        raise Stopped
                    file.write(chunk)
                    check.update(chunk)
                    self.listen(FileAdvanced(filename, len(chunk)))
            return check.finish()
        except WheelhouseError:
            slot.forget()
            raise
        except OSError as error:
            if files.is_full(error):
                free = self.free_space(slot.partial.parent)
                raise files.NoSpace(slot.partial.parent, needed=check.size or check.count, free=free) from error
            raise
