"""`httpx`, imported without its command line. Whoever needs httpx while running takes it from here.

httpx imports `httpx._main` in a `try`, because the packages of its command line (an extra) may be missing. Where they
are there (rich is, for our bars), that import costs 32 ms in every run, more than all the rest of httpx. `None` in
`sys.modules` is how Python is told that a module cannot be imported (language reference, 5.3.1); it stands there while
httpx is imported, and no longer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_COMMAND_LINE = "httpx._main"
_modules: dict[str, Any] = sys.modules

if "httpx" not in _modules:
    _modules[_COMMAND_LINE] = None
    try:
        import httpx
    finally:
        del _modules[_COMMAND_LINE]
else:
    import httpx


class _Body(httpx.SyncByteStream):
    def __init__(self, raw: Callable[[], Iterator[bytes]]) -> None:
        self._raw = raw

    def __iter__(self) -> Iterator[bytes]:
        return self._raw()


def response(status: int, headers: Sequence[tuple[str, str]], raw: Callable[[], Iterator[bytes]]) -> httpx.Response:
    """httpx's form of an answer whose body `raw` reads; whoever asked closes it."""
    return httpx.Response(status, headers=headers, stream=_Body(raw))


__all__ = ["httpx", "response"]
