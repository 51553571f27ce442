"""What a run holds open: the way to the web, the cache, the store and the readers of indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import platformdirs

from wheelhouse.edge.cache import Cache
from wheelhouse.edge.catalog import Shared
from wheelhouse.edge.http import Http, HttpSettings
from wheelhouse.edge.index import PageReader
from wheelhouse.edge.store import Store
from wheelhouse.edge.wheels import WheelReader
from wheelhouse.edge.workers import Workers
from wheelhouse.events import Event, Listener, ignore
from wheelhouse.indexes import PYTORCH_URL

_READERS = 24  # threads that read pages and metadata: they wait for the network nearly all the time


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to reach the world. `cache_dir` None: the platform's folder; `cached`: pages may come from the cache."""

    cache_dir: Path | None = None
    cached: bool = True
    offline: bool = False
    refresh: bool = False  # ask for pages again, however fresh the cache's are
    ca_file: Path | None = None
    client_cert: Path | None = None
    proxy: str | None = None
    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # by origin
    pytorch_url: str = PYTORCH_URL


def cache_folder(cache_dir: Path | None) -> Path:
    """The folder of pages, metadata and the store."""
    return cache_dir if cache_dir is not None else Path(platformdirs.user_cache_dir("wheelhouse", appauthor=False))


class Session:
    """Everything open; use it in a `with`. Leaving it never waits for threads that only guessed."""

    def __init__(self, settings: Settings, *, listen: Listener = ignore) -> None:
        root = cache_folder(settings.cache_dir)
        self.settings, self.listen = settings, listen
        self._told: set[Event] = set()
        self.http = Http(
            HttpSettings(
                ca_file=settings.ca_file,
                client_cert=settings.client_cert,
                proxy=settings.proxy,
                credentials=settings.credentials,
            ),
            listen=listen,
        )
        self.store = Store(root / "wheels")
        self.cache = Cache(root if settings.cached else None)
        self.pages = PageReader(
            self.http, self.cache, offline=settings.offline, refresh=settings.refresh, pytorch_url=settings.pytorch_url
        )
        self.wheels = WheelReader(self.http, self.cache, self.store, offline=settings.offline, listen=listen)
        self.workers = Workers(_READERS, "reader")
        self.shared = Shared(self.pages, self.wheels, self.workers, listen=listen)

    def tell_once(self, event: Event) -> None:
        """Tell what several targets would say in the same words."""
        if event not in self._told:
            self._told.add(event)
            self.listen(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.workers.close()
        self.http.close()
