"""What a run holds open: the way to the web, the cache, the store and the readers of indexes.

Each is made, and its modules are imported, when it is first asked for: a fetch that finds everything in the store needs
no HTTP, and only what locks needs the readers of indexes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec import Struct, field

from wheelhouse.edge.places import cache_folder
from wheelhouse.edge.store import Store
from wheelhouse.events import Event, Listener, ignore
from wheelhouse.indexes import PYTORCH_URL
from wheelhouse.urls import origin, with_credentials

if TYPE_CHECKING:
    from wheelhouse.edge.cache import Cache
    from wheelhouse.edge.http import Http
    from wheelhouse.edge.index import PageReader
    from wheelhouse.edge.isolation import BuildSettings
    from wheelhouse.edge.sdists import SdistReader
    from wheelhouse.edge.shared import Shared
    from wheelhouse.edge.wheels import WheelReader
    from wheelhouse.edge.workers import Workers

# Threads that read pages and metadata: they wait for the network nearly all the time. A search through thousands of
# versions is done sooner with more of them (7.0 s with 24, 5.1 s with 64), which ordinary locks have no use for
_READERS, _MOST = 24, 64


class Settings(Struct, frozen=True, kw_only=True):
    """How to reach the world. `cache_dir` None: the platform's folder; `cached`: pages may come from the cache."""

    cache_dir: Path | None = None
    cached: bool = True
    offline: bool = False
    rebuild: bool = False  # build sdists again, whatever an earlier build gave
    refresh: bool = False  # ask for pages again, however fresh the cache's are
    ca_file: Path | None = None
    client_cert: Path | None = None
    proxy: str | None = None
    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # by origin
    keyring: str = "disabled"  # or "import", "subprocess", "auto"
    keyring_services: tuple[str, ...] = ()  # index URLs under which a keyring may know a password
    pytorch_url: str = PYTORCH_URL
    build_index: str | None = None  # where build requirements come from, if somebody says so
    build_links: tuple[str, ...] = ()  # find-links pages and folders, asked for them too
    no_index: bool = False  # nowhere else may they come from
    configured_index: str | None = None  # pip's


class Session:
    """Everything open; use it in a `with`. Leaving it waits for the cache, never for threads that only guessed."""

    def __init__(self, settings: Settings, *, listen: Listener = ignore) -> None:
        self.settings, self.listen = settings, listen
        self._root = cache_folder(settings.cache_dir)
        self._told: set[Event] = set()
        self.store = Store(self._root / "wheels")

    @cached_property
    def http(self) -> Http:
        from wheelhouse.edge.credentials import Keyring
        from wheelhouse.edge.http import Http, HttpSettings

        settings = self.settings
        return Http(
            HttpSettings(
                ca_file=settings.ca_file,
                client_cert=settings.client_cert,
                proxy=settings.proxy,
                credentials=settings.credentials,
                keyring=Keyring(settings.keyring, settings.keyring_services, listen=self.listen),
            ),
            listen=self.listen,
        )

    @cached_property
    def cache(self) -> Cache:
        from wheelhouse.edge.cache import Cache

        return Cache(self._root if self.settings.cached else None)

    @cached_property
    def pages(self) -> PageReader:
        from wheelhouse.edge.index import PageReader

        settings = self.settings
        return PageReader(
            self.http, self.cache, offline=settings.offline, refresh=settings.refresh, pytorch_url=settings.pytorch_url
        )

    @cached_property
    def wheels(self) -> WheelReader:
        from wheelhouse.edge.wheels import WheelReader

        return WheelReader(self.http, self.cache, self.store, offline=self.settings.offline, listen=self.listen)

    @cached_property
    def sdists(self) -> SdistReader:
        from wheelhouse.edge.sdists import SdistReader

        settings = self.settings
        return SdistReader(
            self.http, self._root / "sdists", offline=settings.offline, rebuild=settings.rebuild, listen=self.listen
        )

    @cached_property
    def workers(self) -> Workers:
        from wheelhouse.edge.workers import Workers

        return Workers(_READERS, "reader", most=_MOST)

    @cached_property
    def shared(self) -> Shared:
        from wheelhouse.edge.shared import Shared

        return Shared(self.pages, self.wheels, self.workers, listen=self.listen)

    def build_settings(self, *known: str | None) -> BuildSettings:
        """How an sdist is built: build requirements come from the index that this run is told, else from the first
        known one (its lock's), else from the one that pip is configured for. Raises `NoDefaultIndex`.
        """
        from wheelhouse.edge import pip
        from wheelhouse.edge.isolation import BuildSettings

        settings = self.settings
        told = next(filter(None, (settings.build_index, *known, settings.configured_index)), None)

        def whole(url: str) -> str:
            return with_credentials(url, settings.credentials.get(origin(url)))

        return BuildSettings(
            index_url=None if settings.no_index else whole(told or pip.default_index_url()),
            find_links=tuple(whole(url) for url in settings.build_links),
            work_folder=cache_folder(self.settings.cache_dir) / "builds",
            ca_file=self.settings.ca_file,
            client_cert=self.settings.client_cert,
            proxy=self.settings.proxy,
            twice=True,
        )

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
        made = vars(self)
        if "workers" in made:
            self.workers.close()
        if "http" in made:
            self.http.close()
        if "cache" in made and kind is not KeyboardInterrupt:
            self.cache.close()
