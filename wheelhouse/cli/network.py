"""How to reach the world: what was typed, then the configuration file, then pip's configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from wheelhouse.cli.addresses import Addresses
from wheelhouse.edge import pip
from wheelhouse.edge.config_files import Found
from wheelhouse.edge.session import Settings
from wheelhouse.errors import UsageError
from wheelhouse.events import Listener

_INDEX_VARIABLES = (
    "WHEELHOUSE_INDEX_URL",
    "WHEELHOUSE_EXTRA_INDEX_URL",
    "WHEELHOUSE_FIND_LINKS",
    "WHEELHOUSE_PYTORCH_URL",
)


def settings_of(
    options: Mapping[str, Any],
    configuration: pip.PipConfiguration,
    credentials: Mapping[str, tuple[str, str]],
    services: Sequence[str] = (),
) -> Settings:
    """How to reach the world, from options and pip's configuration. `services` are the indexes that a keyring knows."""
    cert = options.get("cert") or (Path(configuration.cert) if configuration.cert else None)
    client_cert = options.get("client_cert") or (Path(configuration.client_cert) if configuration.client_cert else None)
    if options.get("proxy"):
        _check_proxy(options["proxy"])
    for name, path in (("certificate file", cert), ("client certificate", client_cert)):
        if path is not None and not path.exists():
            raise UsageError(f"the {name} `{path}` does not exist", hint="correct `--cert`, or pip's `cert` setting")
    return Settings(
        cache_dir=options.get("cache_dir"),
        cached=not options.get("no_cache", False),
        offline=options.get("offline", False),
        rebuild=options.get("rebuild", False),
        ca_file=cert,
        client_cert=client_cert,
        proxy=options.get("proxy") or configuration.proxy,
        credentials=credentials,
        keyring=options.get("keyring") or configuration.keyring_provider or "disabled",
        keyring_services=tuple(dict.fromkeys(services)),
    )


def network_settings(options: Mapping[str, Any], listen: Listener, found: Found | None = None) -> Settings:
    """How to reach the world, for commands that ask no index.

    Files may lie behind the same password as the pages: it is found where `lock` found it, but for its arguments and
    requirements files.
    """
    configuration = configuration_of(listen)
    urls = [configuration.index_url or "", *(os.environ.get(name, "") for name in _INDEX_VARIABLES)]
    if found is not None:
        urls += [found.config.index_url or "", found.config.pytorch_url or "", *(i.url for i in found.config.indexes)]
    urls += [options.get("index_url") or "", *options.get("extra_index_urls", ()), *options.get("find_links", ())]
    addresses = Addresses()
    services = [addresses.index_url(each) for url in urls for each in url.split() if "://" in each]
    typed, configured = options.get("index_url"), configuration.index_url
    return replace(
        settings_of(options, configuration, addresses.credentials, services),
        build_index=addresses.index_url(typed) if typed else None,
        build_links=tuple(addresses.find_links(each).url for each in options.get("find_links", ())),
        no_index=bool(options.get("no_index") or configuration.no_index) and not typed,
        configured_index=addresses.index_url(configured) if configured else None,
    )


def configuration_of(listen: Listener) -> pip.PipConfiguration:
    """pip's configuration here; what cannot be read of it is told."""
    configuration = pip.read(os.environ, pip.configuration_files())
    for warning in configuration.warnings:
        listen(warning)
    return configuration


def _check_proxy(text: str) -> None:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"`{text.rpartition('@')[2]}` is no proxy", hint="a proxy is `http://HOST:PORT`")
