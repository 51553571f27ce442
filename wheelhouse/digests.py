"""SHA-256 digests, and the check that a stream of bytes is the file that was promised."""

from __future__ import annotations

import hashlib
import re

from msgspec import Struct

from wheelhouse.errors import WheelhouseError

_HEX = re.compile(r"[0-9a-f]{64}")


class Digest(Struct, frozen=True, order=True):
    """A SHA-256 digest, 64 lower-case hexadecimal characters. `str` gives `sha256:…`."""

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.hex):
            raise ValueError(f"not a SHA-256 digest: {self.hex!r}")

    def __str__(self) -> str:
        return f"sha256:{self.hex}"

    @classmethod
    def of(cls, content: bytes) -> Digest:
        """The digest of `content`."""
        return cls(hashlib.sha256(content).hexdigest())


class DigestMismatch(WheelhouseError):
    """The bytes are whole but other than promised."""

    hint = "the file changed since it was locked; run `wheelhouse lock` again if that was expected"

    def __init__(self, filename: str, *, expected: Digest, actual: Digest) -> None:
        super().__init__(filename, expected, actual)
        self.filename, self.expected, self.actual = filename, expected, actual

    def __str__(self) -> str:
        return f"`{self.filename}` is {self.actual}, but the lock says {self.expected}"


class SizeMismatch(WheelhouseError):
    """There are fewer or more bytes than promised. Sizes are in bytes."""

    hint = "the transfer was cut off or the file changed; run the same command again"

    def __init__(self, filename: str, *, expected: int, actual: int) -> None:
        super().__init__(filename, expected, actual)
        self.filename, self.expected, self.actual = filename, expected, actual

    def __str__(self) -> str:
        return f"`{self.filename}` has {self.actual} bytes, but {self.expected} were promised"


class Check:
    """Counts and hashes a file's bytes as they pass, then says whether they are the promised ones.

    `expected` and `size` (bytes) may each be unknown: what is not promised is not checked.
    """

    def __init__(self, filename: str, *, expected: Digest | None = None, size: int | None = None) -> None:
        self.filename, self.expected, self.size = filename, expected, size
        self.count = 0
        self._hash = hashlib.sha256()

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the file, in order."""
        self.count += len(chunk)
        self._hash.update(chunk)

    def digest(self) -> Digest:
        """The digest of what has passed so far."""
        return Digest(self._hash.hexdigest())

    def finish(self) -> Digest:
        """The digest of the whole file.

        Raises `SizeMismatch` before `DigestMismatch`: a cut-off file is told as one.
        """
        if self.size is not None and self.count != self.size:
            raise SizeMismatch(self.filename, expected=self.size, actual=self.count)
        actual = self.digest()
        if self.expected is not None and actual != self.expected:
            raise DigestMismatch(self.filename, expected=self.expected, actual=actual)
        return actual
