"""A mirror in an S3-compatible bucket, through obstore: multipart, retries, checksums that the server verifies."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheelhouse.digests import Check, Digest
from wheelhouse.edge.mirror.lease import LEASE_SECONDS, Lease
from wheelhouse.edge.mirror.storage import CHUNK, CannotStore, Changed, Gone, Held, Listed, silent
from wheelhouse.errors import UsageError, WheelhouseError
from wheelhouse.events import Listener, Said
from wheelhouse.mirroring.names import LEASES, file_of, is_key
from wheelhouse.mirroring.routes import JSON, Document, File, route

if TYPE_CHECKING:
    from obstore.store import S3Store

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>.*))?")
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_STATUS = re.compile(r"status code: ([0-9]{3}(?: [A-Za-z]+)*)")
_UNANSWERED = re.compile(r"Error performing \w+ (?P<server>https?://[^/\s]+).* - HTTP error: (?P<why>.*)", re.DOTALL)
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
_RETRIES = {"max_retries": 8, "retry_timeout": timedelta(seconds=60)}
_ONCE = {**_RETRIES, "max_retries": 1}
_PART = 16 << 20  # bytes of a part; S3 takes 10,000 of them, and the largest wheels have 4 GB


class Missing(WheelhouseError):
    """A library of the extra is not installed."""

    hint = "`pip install 'wheelhouse-offline[mirror]'`"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} needs a library that is not installed here"


class Bucket:
    """A mirror below a prefix of a bucket: `s3://bucket/prefix`.

    Credentials, region and endpoint come from the usual `AWS_*` variables; `endpoint` overrides. Raises `UsageError`
    for a URL that is none, and `Missing` without obstore.
    """

    def __init__(
        self, url: str, *, endpoint: str | None = None, lease: float = LEASE_SECONDS, listen: Listener = silent
    ) -> None:
        found = _URL.fullmatch(url)
        prefix = (found["prefix"] or "").strip("/") if found is not None else ""
        if found is None or (prefix and not _PREFIX.fullmatch(prefix)):
            raise UsageError(f"`{url}` is no place in a bucket", hint="write `s3://bucket/prefix`")
        try:
            from obstore.store import S3Store
        except ImportError:
            raise Missing("a mirror in a bucket") from None
        self._url, self._seconds, self._listen = url.rstrip("/"), lease, listen
        told = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        options: dict[str, Any] = {"checksum_algorithm": "SHA256", "retry_config": _RETRIES}
        if told:
            options["endpoint"] = told
            if told.startswith("http://"):
                options["client_options"] = {"allow_http": True}
        if not any(os.environ.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION")):
            options["region"] = "us-east-1"
        self._store: S3Store = S3Store(found["bucket"], prefix=prefix or None, **options)
        # a server that knows no conditions says so with a 501, which is tried again like any other 5xx
        self._asking: S3Store = S3Store(found["bucket"], prefix=prefix or None, **{**options, "retry_config": _ONCE})
        self._lease: Lease | None = None
        self._asked = False
        self._condition: Callable[[str], str] | None = None  # how an ETag is written for the server's If-Match

    @property
    def name(self) -> str:
        return self._url

    @property
    def store(self) -> S3Store:
        """The library's own object, for the server, which reads in its own way."""
        return self._store

    def read(self, key: str) -> Held | None:
        self._judge(key)
        with self._telling(key):
            try:
                found = self._store.get(key)
                return Held(bytes(found.bytes()), found.meta.get("e_tag") or "")
            except FileNotFoundError as error:
                if _is_no_bucket(_reason(str(error))):
                    raise
                return None

    def write(self, key: str, content: bytes, *, over: Held | None = None) -> None:
        from obstore.exceptions import PreconditionError

        self._judge(key)
        self._may_write()
        mode: Any = "overwrite"
        if over is not None and over.version and self._condition is not None:
            mode = {"e_tag": self._condition(over.version)}
        with self._telling(key):
            try:
                self._store.put(key, content, attributes=_attributes(key), mode=mode, use_multipart=False)
            except PreconditionError:
                raise Changed(self.name, key) from None

    def size(self, key: str) -> int | None:
        self._judge(key)
        with self._telling(key):
            try:
                return self._store.head(key)["size"]
            except FileNotFoundError:
                return None

    def put_file(self, key: str, source: Path, digest: Digest) -> None:
        size = source.stat().st_size

        def chunks() -> Iterator[bytes]:
            with source.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk

        self.put_stream(key, chunks(), digest, size)

    def put_stream(self, key: str, chunks: Iterable[bytes], digest: Digest, size: int) -> None:
        self._judge(key)
        check = Check(key.rpartition("/")[2], expected=digest, size=size)
        wrong: list[WheelhouseError] = []

        def checked() -> Iterator[bytes]:
            try:
                for chunk in chunks:
                    check.update(chunk)
                    if check.count < size:  # the last bytes wait for the verdict
                        yield chunk
                    else:
                        check.finish()
                        yield chunk
                check.finish()
            except WheelhouseError as error:
                wrong.append(error)
                raise

        with self._telling(key, wrong):
            if size <= _PART:
                self._store.put(key, b"".join(checked()), attributes=_attributes(key), use_multipart=False)
            else:
                self._store.put(
                    key, checked(), attributes=_attributes(key), use_multipart=True, chunk_size=_PART, max_concurrency=4
                )

    def stream(self, key: str) -> Iterator[bytes]:
        self._judge(key)
        with self._telling(key):
            try:
                for chunk in self._store.get(key).stream(min_chunk_size=CHUNK):
                    yield bytes(chunk)
            except FileNotFoundError:
                raise Gone(self.name, key) from None

    def listed(self, prefix: str = "") -> Iterator[Listed]:
        with self._telling(prefix):
            for batch in self._store.list(prefix.rstrip("/") or None, chunk_size=1000):
                for each in batch:
                    yield Listed(each["path"], each["size"], each["last_modified"].timestamp())

    def remove(self, keys: Iterable[str]) -> None:
        self._may_write()
        every = list(keys)
        for key in every:
            self._judge(key)
        with self._telling(every[0] if every else ""):
            for start in range(0, len(every), 1000):
                with suppress(FileNotFoundError):
                    self._store.delete(every[start : start + 1000])

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        lease = Lease(self.name, self._store, self._seconds)
        with self._telling(LEASES):
            lease.take(self._tell_of_waiting)
        try:
            if not self._asked:
                with self._telling(LEASES):
                    self._condition, self._asked = lease.condition(self._asking), True
            self._lease = lease
            yield
        finally:
            self._lease = None
            lease.release()

    def _tell_of_waiting(self) -> None:
        self._listen(
            Said(
                f"somebody else is changing `{self._url}`: waiting until it is done, or"
                f" for {self._seconds:.0f} seconds after it was heard of last"
            )
        )

    def _may_write(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _judge(self, key: str) -> None:
        if not is_key(key):
            raise ValueError(f"not a key of a mirror: {key!r}")

    @contextmanager
    def _telling(self, key: str, wrong: list[WheelhouseError] | None = None) -> Iterator[None]:
        """The library's errors in one sentence; what our own iterator raised comes through as it was."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (BaseError, FileNotFoundError, OSError) as error:
            if wrong:
                raise wrong[0] from None
            reason = _reason(str(error))
            refused = isinstance(error, PermissionDeniedError | UnauthenticatedError) or reason[:3] in ("401", "403")
            hint = "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` to a key that may do this" if refused else ""
            if _is_no_bucket(reason):
                hint = "make the bucket first, with the tool of its store; wheelhouse makes none"
            raise CannotStore(self.name, reason, hint=hint) from error


def _reason(text: str) -> str:
    """What the server said, without what the library says around it."""
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is None:
        told = " ".join(text.partition("\n\nDebug source")[0].split())
        unanswered = _UNANSWERED.search(told)
        if unanswered is not None:
            return f"`{unanswered['server']}` does not answer ({unanswered['why'][:200]})"
        return told[:300]
    return status[1] if code is None else f"{status[1]} ({code[1]})"


def _is_no_bucket(reason: str) -> bool:
    return reason.endswith("(NoSuchBucket)")


def _attributes(key: str) -> dict[str, str]:
    """What a static front end passes on."""
    found = route(f"/{key}")
    kind = found.media_type if isinstance(found, Document | File) else JSON
    kept = "no-cache" if file_of(key) is None else "public, max-age=31536000, immutable"
    return {"Content-Type": kind, "Cache-Control": kept}
