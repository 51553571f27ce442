"""One client's connection: uvicorn's, which waits for no client without a bound.

uvicorn ends an idle connection after `timeout_keep_alive`, but waits for ever for the rest of a request, for a first
one, and for a client that takes no bytes.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# Bytes that the kernel takes without having sent them. Without it, a client that reads slowly is given megabytes at a
# time, which are kept for it, and is not heard of for minutes (Linux, tcp(7); the number is Linux's and macOS's).
_NOTSENT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_UNSENT = 1 << 17


class Connection(H11Protocol):
    """Ends a connection that for `patience` seconds sends no whole request, or takes no bytes of an answer."""

    patience = 60.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._for_request: asyncio.TimerHandle | None = None
        self._for_reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        found = transport.get_extra_info("socket")
        if found is not None and _NOTSENT is not None:
            with suppress(OSError):  # not a TCP socket
                found.setsockopt(socket.IPPROTO_TCP, _NOTSENT, _UNSENT)
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._for_reader is None:
            self._for_reader = self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reader_took()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_is_there()
        self._reader_took()
        super().connection_lost(exc)

    def _wait_for_request(self) -> None:
        """Begins to wait while no request is being answered. Bytes that complete none do not begin it anew."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self._request_is_there()
        elif self._for_request is None and not self.transport.is_closing():
            self._for_request = self.loop.call_later(self.patience, self.transport.abort)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._request_is_there()

    def _request_is_there(self) -> None:
        if self._for_request is not None:
            self._for_request.cancel()
            self._for_request = None

    def _reader_took(self) -> None:
        if self._for_reader is not None:
            self._for_reader.cancel()
            self._for_reader = None


def patient(seconds: float) -> type[Connection]:
    """Connections that wait for `seconds`: uvicorn makes them itself and takes a class."""
    return type("Connection", (Connection,), {"patience": seconds})
