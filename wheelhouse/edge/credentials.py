"""Passwords that a keyring holds: asked only when a server wants one, and only where `--keyring` allows it.

What is learned here stays in memory. Nothing that a keyring says is shown, not even its errors: they may quote what
was asked.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Literal
from urllib.parse import urlsplit

from wheelhouse.events import Listener, Warned, ignore
from wheelhouse.urls import origin

Provider = Literal["disabled", "import", "subprocess", "auto"]
Pair = tuple[str, str]
_PATIENCE = 60  # seconds for the `keyring` command: it may wait for a person who unlocks it
_BY_HAND = "put the name and the password into the index's URL or into ~/.netrc, or leave out `--keyring`"


class Keyring:
    """Asks a keyring, each origin and user once; safe to share between threads.

    `provider` is `import` (the module `keyring`), `subprocess` (the command), `auto` (pip's word: the first of these
    that is there) or `disabled`. `services` are the index URLs under which a keyring may know a password; after them
    the host is asked for, as pip does.
    """

    def __init__(self, provider: str, services: Sequence[str] = (), *, listen: Listener = ignore) -> None:
        self._provider, self._services, self._listen = provider, tuple(services), listen
        self._known: dict[tuple[str, str | None], Pair | None] = {}
        self._lock = threading.Lock()
        self._ask: Callable[[str, str | None], Pair | None] | None = None

    def find(self, url: str, user: str | None) -> Pair | None:
        """User and password for the server of `url`; None where the keyring has none, or may not be asked."""
        if self._provider == "disabled":
            return None
        key = (origin(url), user)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._look(url, user)
            return self._known[key]

    def _look(self, url: str, user: str | None) -> Pair | None:
        if self._ask is None:
            self._ask = self._way()
        place = origin(url)
        services = [each for each in self._services if "://" in each and origin(each) == place]
        services.sort(key=lambda each: (not url.startswith(each), -len(each)))  # the index that holds the URL first
        for service in dict.fromkeys((*services, urlsplit(url).netloc.rpartition("@")[2])):
            found = self._ask(service, user)
            if found is not None:
                return found
        return None

    def _way(self) -> Callable[[str, str | None], Pair | None]:
        if self._provider in ("import", "auto"):
            way = _module()
            if way is not None:
                return way
        if self._provider in ("subprocess", "auto"):
            command = shutil.which("keyring")
            if command is not None:
                return lambda service, user: _from_command(command, service, user)
        what = "the module `keyring` is" if self._provider == "import" else "the command `keyring` is"
        self._listen(Warned(f"{what} not there to be asked for a password", hint=_BY_HAND))
        return lambda service, user: None


def _module() -> Callable[[str, str | None], Pair | None] | None:
    try:
        keyring = importlib.import_module("keyring")
    except Exception:  # noqa: BLE001 - a backend of it may be broken in any way
        return None

    def ask(service: str, user: str | None) -> Pair | None:
        try:
            found = keyring.get_credential(service, user)
        except Exception:  # noqa: BLE001 - locked, no backend, …: none of these has a common base
            return None
        return None if found is None or not found.password else (found.username or user or "", found.password)

    return ask


def _from_command(command: str, service: str, user: str | None) -> Pair | None:
    """`keyring get SERVICE USER`; without a user its `creds` mode, which prints the user in the first line."""
    words = ["get", service, user] if user else ["--mode", "creds", "get", service]
    try:
        answer = subprocess.run(
            [command, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
        lines = answer.stdout.decode().splitlines()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if answer.returncode != 0 or not lines:
        return None
    if user:
        return user, lines[0]
    return (lines[0], lines[1]) if len(lines) > 1 else None
