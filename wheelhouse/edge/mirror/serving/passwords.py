"""Basic authentication (RFC 7617) by a file of user names and bcrypt hashes, as `htpasswd -B` and nginx keep them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt

from wheelhouse.edge.mirror.serving.app import Busy
from wheelhouse.errors import WheelhouseError

_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_COSTS = range(8, 16)  # 2**cost rounds: fewer are guessed quickly, more take the server seconds
_COST = 11  # of our own lines: about 0.1 s to check, once for each user and run
_LONGEST = 72  # bytes: bcrypt reads no more (a longer password would be one of many)
_REMEMBERED = 1024
_WAITING = 64  # different passwords that are being checked at a time


class BadPasswords(WheelhouseError):
    """The file of users cannot be used; `line` is counted from 1, 0 stands for the file."""

    hint = "`wheelhouse mirror password NAME` or `htpasswd -nB NAME` writes a line"

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(path, line, reason)
        self.path, self.line, self.reason = path, line, reason

    def __str__(self) -> str:
        return f"line {self.line} of `{self.path}` {self.reason}" if self.line else f"`{self.path}` {self.reason}"


class Passwords:
    """The users of a server. A check costs the same whether the name is known or not, and whatever the password is."""

    challenge = 'Basic realm="wheelhouse mirror", charset="UTF-8"'

    def __init__(self, hashes: Mapping[str, bytes]) -> None:
        self._hashes = dict(hashes)
        costs = {int(hashed[4:6]) for hashed in self._hashes.values()}
        self._nobody = bcrypt.hashpw(secrets.token_bytes(16), bcrypt.gensalt(max(costs, default=_COST)))
        self._key = secrets.token_bytes(32)
        self._proven: OrderedDict[bytes, str] = OrderedDict()
        self._checking: dict[bytes, asyncio.Task[bool]] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="mirror-password")

    async def user(self, authorization: str | None) -> str | None:
        """The name of the user whom an `Authorization` header proves; None: nobody. Raises `Busy`.

        A pair that was proven is remembered by a keyed digest, so bcrypt's work is done once and not for each request.
        """
        pair = _pair(authorization)
        if pair is None:
            return None
        name, password = pair
        seal = hmac.digest(self._key, f"{len(name)}:{name}:".encode() + password, hashlib.sha256)
        if seal in self._proven:
            self._proven.move_to_end(seal)
            return self._proven[seal]
        task = self._checking.get(seal)
        if task is None:
            if len(self._checking) >= _WAITING:
                raise Busy
            task = asyncio.create_task(self._check(name, password))
            self._checking[seal] = task
            task.add_done_callback(lambda _: self._checking.pop(seal, None))
        if not await asyncio.shield(task):
            return None
        self._proven[seal] = name
        while len(self._proven) > _REMEMBERED:
            self._proven.popitem(last=False)
        return name

    async def _check(self, name: str, password: bytes) -> bool:
        hashed = self._hashes.get(name)
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._threads, bcrypt.checkpw, password, hashed or self._nobody)
        return right and hashed is not None


def read(path: Path) -> Passwords:
    """The users of a file: `NAME:HASH`, one a line; blank lines and lines that begin with `#` count for nothing.

    Raises `BadPasswords` for a file that is unreadable or empty, a line of another form, another hash than bcrypt's
    (MD5, SHA-1 and crypt are guessed too quickly), and a name that is there twice.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise BadPasswords(path, 0, "is no text in UTF-8") from None
    except OSError as error:
        raise BadPasswords(path, 0, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    hashes: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, hashed = line.strip().partition(":")
        found = _HASH.fullmatch(hashed)
        if not colon or not name or not name.isprintable():
            raise BadPasswords(path, number, "is no `NAME:HASH`")
        if found is None:
            raise BadPasswords(path, number, f"holds no bcrypt hash for `{name}`")
        if int(found[1]) not in _COSTS:
            raise BadPasswords(path, number, f"holds a hash of cost {int(found[1])} for `{name}`, outside of 8 to 15")
        if name in hashes:
            raise BadPasswords(path, number, f"names `{name}` again")
        hashes[name] = hashed.encode()
    if not hashes:
        raise BadPasswords(path, 0, "names no user")
    return Passwords(hashes)


def line(name: str, password: str) -> str:
    """A user's line for the file. Raises ValueError for a name or a password that cannot be used."""
    if not name or ":" in name or not name.isprintable() or name.startswith("#"):
        raise ValueError("a user's name is printable and has no `:`")
    if not 1 <= len(password.encode()) <= _LONGEST or "\0" in password:
        raise ValueError(f"a password has 1 to {_LONGEST} bytes")
    return f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()}"


def _pair(authorization: str | None) -> tuple[str, bytes] | None:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "basic" or len(token) > 2048:
        return None
    try:
        name, colon, password = base64.b64decode(token.strip(), validate=True).partition(b":")
        if not colon or not password or len(password) > _LONGEST or b"\0" in password:
            return None
        return name.decode("utf-8"), password
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
