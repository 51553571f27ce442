"""What was typed, put together with requirements files and pip's configuration.

The command line wins over requirements files, and these over pip's configuration and `PIP_*` variables.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from wheelhouse.cli.options import moment
from wheelhouse.edge import pip, requirement_files
from wheelhouse.edge.session import Settings
from wheelhouse.errors import UsageError
from wheelhouse.events import Listener, Noted, Said
from wheelhouse.indexes import Index, channel_of
from wheelhouse.locking import Wanted
from wheelhouse.requirements import Root, requirement
from wheelhouse.target import Target
from wheelhouse.urls import origin, split_credentials

_INDEX_VARIABLES = (
    "WHEELHOUSE_INDEX_URL",
    "WHEELHOUSE_EXTRA_INDEX_URL",
    "WHEELHOUSE_FIND_LINKS",
    "WHEELHOUSE_PYTORCH_URL",
)


@dataclass(frozen=True)
class Inputs:
    """Everything that `lock` needs."""

    wanted: Wanted
    targets: tuple[Target, ...]
    settings: Settings


def targets_of(labels: Sequence[str]) -> tuple[Target, ...]:
    """The targets that were named, each once. Raises `TargetError`."""
    return tuple(dict.fromkeys(Target.parse(label) for label in labels))


def settings_of(options: dict[str, Any], configuration: pip.PipConfiguration, credentials: dict[str, Any]) -> Settings:
    """How to reach the world, from options and pip's configuration."""
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
        ca_file=cert,
        client_cert=client_cert,
        proxy=options.get("proxy") or configuration.proxy,
        credentials=credentials,
    )


def _check_proxy(text: str) -> None:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"`{text.rpartition('@')[2]}` is no proxy", hint="a proxy is `http://HOST:PORT`")


def network_settings(options: dict[str, Any], listen: Listener) -> Settings:
    """How to reach the world, for commands that ask no index.

    Files may lie behind the same password as the pages: it is found where `lock` found it, but for its arguments.
    """
    configuration = _configuration(listen)
    urls = [configuration.index_url or "", *(os.environ.get(name, "") for name in _INDEX_VARIABLES)]
    credentials: dict[str, tuple[str, str]] = {}
    for text in (each for url in urls for each in url.split() if "://" in each):
        plain, pair = _index_url(text)
        if pair is not None:
            credentials[origin(plain)] = pair
    return settings_of(options, configuration, credentials)


def inputs_of(options: dict[str, Any], listen: Listener) -> Inputs:
    """Everything that `lock` needs. Raises `UsageError`, `TargetError` and what requirements files raise."""
    if not options["labels"]:
        raise UsageError("no target is named", hint="say which machine it is for: `--target linux-x86_64-cu121-py310`")
    targets = targets_of(options["labels"])
    configuration = _configuration(listen)
    files = [requirement_files.read(path) for path in options["requirement_files"]]
    typed = [requirement(text) for text in options["requirement"]]
    if not files and not typed:
        path = requirement_files.default(Path())
        listen(Said(f"reading `{path}`"))
        files = [requirement_files.read(path)]
    constraining = [requirement_files.read(path) for path in options["constraint_files"]]
    told = [each.options for each in (*files, *constraining)]
    credentials: dict[str, tuple[str, str]] = {}

    def url(text: str) -> str:
        plain, pair = _index_url(text)
        if pair is not None:
            credentials[origin(plain)] = pair
        return plain

    no_index = options["no_index"] or any(each.no_index for each in told) or configuration.no_index
    pytorch_url = url(options["pytorch_url"])
    named = [url(each) for each in (options["index_url"], *(each.index_url for each in reversed(told))) if each]
    # One of PyTorch's channels is no default index: the target's own is dropped with a note, another one is an error
    channels = [each for each in named if channel_of(each, pytorch_url) is not None]
    default = next((Index(each) for each in named if each not in channels), None)
    if default is None and not no_index:
        default = Index(_configured_index(configuration, pytorch_url, url, listen))
    find_links = [*options["find_links"], *(link for each in told for link in each.find_links)]
    wanted = Wanted(
        roots=(*typed, *(root for file in files for root in file.roots)),
        constraints=(*_constraints(constraining), *(root for file in files for root in file.constraints)),
        default_index=default,
        extra_indexes=tuple(
            dict.fromkeys(
                (
                    *channels,
                    *(url(each) for each in options["extra_index_urls"]),
                    *(url(each) for file in told for each in file.extra_index_urls),
                )
            )
        ),
        find_links=tuple(dict.fromkeys(_find_links(link, url) for link in find_links)),
        pytorch_url=pytorch_url,
        torch_index=options["torch_index"],
        ignored_indexes=configuration.ignored,
        exclude_newer=moment(options["exclude_newer"]),
        pre=options["pre"] or any(each.pre for each in told),
        allow_older=frozenset(each if each == ":all:" else canonicalize_name(each) for each in options["allow_older"]),
        upgrade=options["upgrade"],
        upgrade_packages=frozenset(canonicalize_name(each) for each in options["upgrade_packages"]),
    )
    if configuration.ignored:
        listen(Noted(f"not followed from pip's configuration: {' '.join(configuration.ignored)}"))
    settings = settings_of(options, configuration, credentials)
    refresh = wanted.upgrade or bool(wanted.upgrade_packages)  # whoever asks for the newest wants today's
    return Inputs(wanted, targets, dataclasses.replace(settings, pytorch_url=pytorch_url, refresh=refresh))


def _configured_index(
    configuration: pip.PipConfiguration, pytorch_url: str, url: Callable[[str], str], listen: Listener
) -> str:
    """The default index where nothing that was typed or read names one: pip's."""
    if configuration.index_url is not None:
        configured = url(configuration.index_url)
        if channel_of(configured, pytorch_url) is None:
            return configured
        listen(Said(f"pip's index `{configured}` is one of PyTorch's channels, and no default index"))
    return url(pip.default_index_url())


def _constraints(files: Sequence[Any]) -> tuple[Root, ...]:
    roots = tuple(root for file in files for root in (*file.roots, *file.constraints))
    for root in roots:
        if root.requirement.extras:
            raise UsageError(
                f"line {root.line} of `{root.source}`: a constraint cannot have extras",
                hint=f"write it without: `{root.requirement.name}{root.requirement.specifier}`",
            )
    return roots


def _configuration(listen: Listener) -> pip.PipConfiguration:
    configuration = pip.read(os.environ, pip.configuration_files())
    for warning in configuration.warnings:
        listen(warning)
    return configuration


def _index_url(text: str) -> tuple[str, tuple[str, str] | None]:
    """An index's URL without credentials, and these. A folder becomes a `file:` URL."""
    try:
        scheme = urlsplit(text).scheme
        if scheme in ("http", "https") and urlsplit(text).hostname and urlsplit(text).port != 0:
            return split_credentials(text)
    except ValueError:
        scheme = ""
    if scheme == "file":
        return text, None
    if Path(text).is_dir():
        return Path(text).absolute().as_uri(), None
    without_password = text.rpartition("@")[2]
    raise UsageError(f"`{without_password}` is no index URL", hint="an index is `https://HOST/simple`, or a folder")


def _find_links(text: str, url: Any) -> Index:
    """A folder or page of links."""
    if "://" in text:
        return Index(url(text), find_links=True)
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # `~name`, and nobody has that name
        path = Path(text)
    if not path.exists():
        raise UsageError(f"the find-links folder `{text}` does not exist", hint="correct `--find-links`")
    return Index(path.absolute().as_uri(), find_links=True)
