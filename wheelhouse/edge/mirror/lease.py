"""The right to change the pages of a mirror in a bucket: an object that its holder writes again and again."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from wheelhouse.edge.mirror.storage import SILENT_WAIT
from wheelhouse.errors import WheelhouseError
from wheelhouse.mirroring.names import LEASES

if TYPE_CHECKING:
    from obstore.store import S3Store

LEASE_SECONDS = 60.0
_LONGEST_WAIT = 900.0  # seconds for another writer; the commit phase of the largest lock takes a few


class Busy(WheelhouseError):
    """Somebody else changes the mirror, and does not come to an end."""

    hint = "run the same command again"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"`{self.name}` is being changed by somebody else all the time"


class LeaseLost(WheelhouseError):
    """This process stood still for so long that another may have taken over; nothing more is written."""

    hint = "run the same command again: it completes what is there"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"the right to change `{self.name}` ran out while this command stood still"


class Lease:
    """The right to change pages, as an object below `.lease/` that its holder writes again and again.

    Put a ticket, list, and hold the lease if the listing shows this ticket and no other; else take it back and wait. Of
    two who do this at once at least one sees the other. A listing may be late (Swift's is while its container server is
    slow: the ticket is stored, and listed by and by): one that lacks our own ticket proves nothing, and is asked for
    again. A ticket that nobody has renewed for `seconds`, by our own clock, is of somebody who crashed.
    """

    def __init__(self, name: str, store: S3Store, seconds: float) -> None:
        self._name, self._store, self._seconds = name, store, seconds
        self._key = f"{LEASES}{uuid.uuid4().hex}"
        self._renewed = 0.0
        self._lost = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, tell: Callable[[], None]) -> None:
        """Wait for it; `tell` is called once where that takes long. Raises `Busy`."""
        started, pause, told, put = time.monotonic(), 0.02, False, False
        seen: dict[tuple[str, object], float] = {}
        while True:
            ours, others = self._listed(seen)
            if put and ours and not others:
                break
            if put and others:
                self._store.delete(self._key)
                put = False
            elif not others and (not put or time.monotonic() - self._renewed > self._seconds / 3):
                self._renewed = time.monotonic()
                self._put()
                put = True
                continue
            if time.monotonic() - started > _LONGEST_WAIT:
                raise Busy(self._name)
            if not told and time.monotonic() - started > SILENT_WAIT:
                told = True
                tell()
            time.sleep(pause * (0.5 + random.random()))  # noqa: S311
            pause = min(pause * 1.5, self._seconds / 20, 1.0)
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def release(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if not self._lost:
            from obstore.exceptions import BaseError

            with suppress(BaseError, OSError):  # it runs out by itself
                self._store.delete(self._key)

    def check(self) -> None:
        """Raises `LeaseLost` where another may have taken over."""
        if self._lost or time.monotonic() - self._renewed > self._seconds / 2:
            self._lost = True
            raise LeaseLost(self._name)

    def condition(self, asking: S3Store) -> Callable[[str], str] | None:
        """How an ETag is written for an `If-Match` that the server understands; None where it understands none.

        Seen in November 2026: Ceph 16.2 compares the header with the bare ETag, so that the quoted one of RFC 9110
        (13.1.1) is refused always; Swift 2.30 answers every conditional write with 501; rclone 1.75 takes them all,
        right or wrong, for it does not look.
        """
        from obstore.exceptions import BaseError

        held = self._put()
        try:
            for written in (_quoted, _bare):
                if self._overwrites(asking, b"?", written(held)):
                    return written
        except BaseError:
            return None
        return None

    def _overwrites(self, asking: S3Store, content: bytes, e_tag: str) -> bool:
        from obstore.exceptions import PreconditionError

        try:
            asking.put(self._key, content, mode={"e_tag": e_tag}, use_multipart=False)
        except PreconditionError:
            return False
        return True

    def _listed(self, seen: dict[tuple[str, object], float]) -> tuple[bool, bool]:
        """Whether our ticket is listed, and whether somebody else's is. `seen`: since when each looks as it does."""
        now, ours, others = time.monotonic(), False, False
        for batch in self._store.list(LEASES.rstrip("/")):
            for each in batch:
                if each["path"] == self._key:
                    ours = True
                    continue
                since = seen.setdefault((each["path"], (each["last_modified"], each["size"])), now)
                if now - since > self._seconds:
                    self._store.delete(each["path"])
                else:
                    others = True
        return ours, others

    def _put(self) -> str:
        """The ticket as it is when it is new; gives its ETag."""
        return self._store.put(self._key, b"", use_multipart=False)["e_tag"] or ""

    def _renew(self) -> None:
        from obstore.exceptions import BaseError

        turn = 0
        while not self._stop.wait(self._seconds / 6):
            now = time.monotonic()
            if now - self._renewed > self._seconds / 2:
                self._lost = True
                return
            turn += 1
            with suppress(BaseError, OSError):
                # its size changes too: some servers tell times in seconds only
                self._store.put(self._key, b"." * (turn % 100), use_multipart=False)
                self._renewed = now


def _quoted(version: str) -> str:
    return version


def _bare(version: str) -> str:
    return version.strip('"')
