"""What was typed, put together with the configuration file, requirements files and pip's configuration.

The command line and `WHEELHOUSE_*` variables win over `wheelhouse.toml`, that over requirements files, and these over
pip's configuration and `PIP_*` variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import InvalidName, NormalizedName, canonicalize_name

from wheelhouse.checking import Checks
from wheelhouse.cli.addresses import Addresses
from wheelhouse.cli.asked import Asked, asked_of, check_pythons
from wheelhouse.cli.network import configuration_of, network_settings, settings_of
from wheelhouse.cli.options import moment, targets_of
from wheelhouse.compat.rules import RULES
from wheelhouse.compat.verdict import unknown_rules
from wheelhouse.config import BadConfig, NamedRoute
from wheelhouse.edge import pip
from wheelhouse.edge.config_files import Found
from wheelhouse.edge.session import Settings
from wheelhouse.errors import UsageError
from wheelhouse.events import Listener, Noted, Said
from wheelhouse.indexes import PYTORCH_URL, Index, channel_of
from wheelhouse.locking import Wanted
from wheelhouse.requirements import Root
from wheelhouse.target import Target

__all__ = ["Inputs", "inputs_of", "network_settings", "without_requirements"]


class Inputs(Struct, frozen=True):
    """Everything that `lock` needs."""

    wanted: Wanted
    targets: tuple[Target, ...]
    settings: Settings


def inputs_of(options: Mapping[str, Any], listen: Listener, found: Found | None = None) -> Inputs:
    """Everything that `lock` needs. Raises `UsageError`, `TargetError` and what requirements files raise."""
    if not options["labels"]:
        raise UsageError("no target is named", hint="say which machine it is for: `--target linux-x86_64-cu121-py310`")
    targets = targets_of(options["labels"])
    if found is not None:
        listen(Noted(f"`{found.config.source}` counts here; `--no-config` leaves it out"))
    asked = asked_of(options, found, listen)
    check_pythons(asked.pythons, targets)
    wanted, settings = _put_together(options, asked, found, listen)
    return Inputs(wanted, targets, settings)


def without_requirements(
    options: Mapping[str, Any], listen: Listener, found: Found | None = None
) -> tuple[Wanted, Settings]:
    """Which indexes count and how to reach them, for commands that ask indexes and resolve nothing."""
    return _put_together(options, Asked(), found, listen)


def checks_of(options: Mapping[str, Any], found: Found | None = None) -> Checks:
    """How sets are judged: the rules that were accepted by name, and the servers that were probed.

    Raises `UsageError` for a name that is no rule, and what reading a probe raises.
    """
    unknown = unknown_rules(options["accept"], RULES)
    if unknown:
        raise _no_rule(unknown[0], found, options["accept"])
    labels = (*options["labels"], *(found.config.targets if found is not None else ()))
    servers = {}
    if any(label.strip().lower().startswith("auto:") for label in labels):
        from wheelhouse.cli.machines import servers_of

        servers = servers_of(labels)
    return Checks(accept=frozenset(options["accept"]), servers=servers, binaries=options.get("binaries", False))


def _no_rule(name: str, found: Found | None, accepted: Sequence[str]) -> UsageError | BadConfig:
    """The error on a name that is no rule; where the configuration says it, that is named, with the key."""
    meant = name.lower().replace("_", "-")
    from difflib import get_close_matches

    near = [meant] if meant in RULES else get_close_matches(meant, RULES, 3)
    hint = f"rules are {', '.join(f'`{rule}`' for rule in RULES)}"
    if near:
        hint = f"did you mean {' or '.join(f'`{rule}`' for rule in near)}?"
    if found is not None and name in found.config.accept and tuple(accepted) == found.config.accept:  # nobody typed it
        return BadConfig(found.config.source, "accept", f"names `{name}`, which is no rule", hint=hint)
    return UsageError(f"there is no rule `{name}`", hint=hint)


def _put_together(
    options: Mapping[str, Any], asked: Asked, found: Found | None, listen: Listener
) -> tuple[Wanted, Settings]:
    configuration = configuration_of(listen)
    addresses = Addresses()
    told = asked.told
    no_index = options["no_index"] or any(each.no_index for each in told) or configuration.no_index
    pytorch_url = addresses.index_url(options.get("pytorch_url") or PYTORCH_URL)
    typed = (options["index_url"], *(each.index_url for each in reversed(told)))
    named = [addresses.index_url(each) for each in typed if each]
    # One of PyTorch's channels is no default index: the target's own is dropped with a note, another one is an error
    channels = [each for each in named if channel_of(each, pytorch_url) is not None]
    default = next((Index(each) for each in named if each not in channels), None)
    if default is None and not no_index:
        default = Index(_configured_index(configuration, pytorch_url, addresses, listen))
    extra = [addresses.index_url(each) for each in options["extra_index_urls"]]
    extra += [addresses.index_url(each) for file in told for each in file.extra_index_urls]
    links = [addresses.find_links(each) for each in options["find_links"]]
    links += [addresses.find_links(each) for file in told for each in file.find_links]
    routes, unrouted = _routes(found, addresses)
    no_binary = frozenset(name for file in told for name in file.no_binary)
    wanted = Wanted(
        roots=tuple(_without_credentials(root, addresses) for root in asked.roots),
        constraints=asked.constraints,
        default_index=default,
        extra_indexes=tuple(
            dict.fromkeys((*channels, *extra, *(index.url for index in unrouted if not index.find_links)))
        ),
        find_links=tuple(dict.fromkeys((*links, *(index for index in unrouted if index.find_links)))),
        pytorch_url=pytorch_url,
        torch_index=options.get("torch_index") or "auto",
        ignored_indexes=configuration.ignored,
        exclude_newer=moment(options.get("exclude_newer")),
        pre=options.get("pre", False) or any(each.pre for each in told),
        allow_older=_names(options.get("allow_older", ())),
        from_sdist=by_name(options.get("from_sdist", ())) | no_binary,
        no_binary=no_binary,
        routes=routes,
        overrides=() if found is None else found.config.overrides,
        upgrade=options.get("upgrade", False),
        upgrade_packages=_names(options.get("upgrade_packages", ())),
    )
    if configuration.ignored:
        listen(Noted(f"not followed from pip's configuration: {' '.join(configuration.ignored)}"))
    services = [index.url for index in (*([default] if default else []), *wanted.find_links, *(i for _, i in routes))]
    settings = settings_of(
        options, configuration, addresses.credentials, [*services, *wanted.extra_indexes, pytorch_url]
    )
    refresh = wanted.upgrade or bool(wanted.upgrade_packages)  # whoever asks for the newest wants today's
    return wanted, replace(
        settings,
        pytorch_url=pytorch_url,
        refresh=refresh,
        build_index=None if default is None else default.url,
        build_links=tuple(index.url for index in wanted.find_links),
        no_index=default is None,
    )


def _without_credentials(root: Root, addresses: Addresses) -> Root:
    """A requirement's own URL, its credentials kept for its server alone."""
    if root.direct is None or urlsplit(root.direct).scheme not in ("http", "https"):
        return root
    return replace(root, direct=addresses.index_url(root.direct))


def _names(texts: Sequence[str]) -> frozenset[NormalizedName]:
    """Projects by name, and `:all:` as it is. Raises `UsageError` for what is no name."""
    found = set()
    for text in texts:
        try:
            found.add(NormalizedName(text) if text == ":all:" else canonicalize_name(text, validate=True))
        except InvalidName:
            raise UsageError(f"`{text}` is no name of a project", hint="such as `torch`, or `Jinja2`") from None
    return frozenset(found)


def by_name(texts: Sequence[str]) -> frozenset[NormalizedName]:
    if ":all:" in texts:
        what = "`--from-sdist :all:` would run the code of projects that nobody named"
        raise UsageError(what, hint="name each that may be built: `--from-sdist NAME`")
    return _names(texts)


def _routes(
    found: Found | None, addresses: Addresses
) -> tuple[tuple[tuple[NamedRoute, Index], ...], tuple[Index, ...]]:
    """The configuration's routes with their indexes, and the indexes that no route names."""
    if found is None:
        return (), ()
    indexes = {
        each.name: addresses.find_links(each.url, found.folder)
        if each.find_links
        else Index(addresses.index_url(each.url, found.folder))
        for each in found.config.indexes
    }
    routes = tuple((route, indexes[route.index]) for route in found.config.routes)
    routed = {route.index for route in found.config.routes}
    return routes, tuple(index for name, index in indexes.items() if name not in routed)


def _configured_index(
    configuration: pip.PipConfiguration, pytorch_url: str, addresses: Addresses, listen: Listener
) -> str:
    """The default index where nothing that was typed or read names one: pip's."""
    if configuration.index_url is not None:
        configured = addresses.index_url(configuration.index_url)
        if channel_of(configured, pytorch_url) is None:
            return configured
        listen(Said(f"pip's index `{configured}` is one of PyTorch's channels, and no default index"))
    return addresses.index_url(pip.default_index_url())
