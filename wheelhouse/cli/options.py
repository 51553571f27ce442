"""The options that commands share. Each may also be set by a variable: `--cache-dir` by `WHEELHOUSE_CACHE_DIR`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from wheelhouse.errors import UsageError
from wheelhouse.indexes import PYTORCH_URL
from wheelhouse.target import Target

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(path_type=Path)


def option(name: str, *more: str, **settings: Any) -> Callable[[F], F]:
    """A click option that `WHEELHOUSE_<NAME>` sets too."""
    variable = "WHEELHOUSE_" + name.partition("/")[0].lstrip("-").replace("-", "_").upper()
    return click.option(name, *more, envvar=variable, **settings)


def together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one, in the order in which `--help` lists them."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _targets(help: str) -> Decorator[F]:
    """`--target` means another thing in each command."""
    return option("--target", "labels", multiple=True, metavar="LABEL", help=f"{help} May be given several times.")


targets: Decorator[Any] = _targets(
    "The machine to lock for, such as `linux-x86_64-cu121-py310`, or `auto:probe.json` for a server that was probed."
)
machines: Decorator[Any] = _targets(
    "Take the locks of these targets only; for a lock that another tool wrote: the machine to take it for."
)
chosen: Decorator[Any] = _targets("Show the locks of these targets only.")
projects = together(
    option("--extra", "extras", multiple=True, metavar="NAME",
           help="An extra of the project to take too. May be given several times."),
    option("--group", "groups", multiple=True, metavar="NAME",
           help="A dependency group of the project to take too. May be given several times."),
)  # fmt: skip
all_extras = option("--all-extras", is_flag=True, help="Take every extra of the project.")
lock_dir = option(
    "--lock-dir", type=FOLDER, default="lockfiles", show_default=True, help="The folder of the lock files."
)
wheel_dir = option(
    "--wheel-dir", type=FOLDER, default="wheels", show_default=True, help="The folder of the wheel folders."
)
output = option("--output", type=FOLDER, default="bundles", show_default=True, help="The folder of the bundles.")
tar = option("--tar", is_flag=True, help="Write each bundle as one tar file.")
from_sdist = together(
    option("--from-sdist", multiple=True, metavar="NAME",
           help="Build this project's wheel from its source distribution where it has none that fits; this runs the"
                " project's code here. May be given several times."),
    option("--rebuild", is_flag=True, help="Build again what an earlier run built of source distributions."),
)  # fmt: skip
jobs = option(
    "--jobs", type=click.IntRange(1, 64), default=8, show_default=True, help="How many files are fetched at a time."
)

general = together(
    option("--cache-dir", type=FOLDER, help="The folder of pages, metadata and wheels that are kept between runs."),
    option("--quiet", "-q", is_flag=True, help="Print warnings and errors only."),
    option("--verbose", "-v", is_flag=True, help="Print details too."),
    option("--no-color", is_flag=True, help="Print without colour; NO_COLOR does the same."),
)
network = together(
    option("--cert", "cert", type=FILE, metavar="FILE", help="CA certificates to trust beside the system's."),
    option("--client-cert", type=FILE, metavar="FILE", help="A client certificate with its private key."),
    option("--proxy", metavar="URL", help="The proxy; else HTTPS_PROXY, HTTP_PROXY and NO_PROXY count."),
    option(
        "--keyring",
        type=click.Choice(["disabled", "import", "subprocess"]),
        help="Ask the keyring (its module, or the `keyring` command) for the password of a server that asks for one;"
        " else pip's `keyring-provider` counts, else it is not asked.",
    ),
)
requirements = together(
    click.argument("requirement", nargs=-1),
    option("--requirement", "-r", "requirement_files", multiple=True, type=FILE, metavar="FILE",
           help="A requirements file, a pyproject.toml, or a script with its own block (PEP 723). May be given several"
                " times."),
    option("--constraint", "-c", "constraint_files", multiple=True, type=FILE, metavar="FILE",
           help="A constraints file. May be given several times."),
)  # fmt: skip
filters = together(
    option("--exclude-newer", metavar="WHEN",
           help="Leave out files uploaded after a day (`2024-03-31`, UTC) or a moment (`2024-03-31T12:00:00Z`)."),
    option("--pre", is_flag=True, help="Take pre-releases too."),
    from_sdist,
)  # fmt: skip
resolution = together(
    option("--upgrade", "-U", is_flag=True, help="Forget the versions of an existing lock."),
    option("--upgrade-package", "-P", "upgrade_packages", multiple=True, metavar="NAME",
           help="Forget the version of this project in an existing lock. May be given several times."),
    filters,
    option("--allow-older", multiple=True, metavar="NAME",
           help="Accept an old release of this project where newer ones are source distributions only;"
                " `:all:` for every project. May be given several times."),
)  # fmt: skip
default_indexes = together(
    option("--index-url", "-i", metavar="URL", help="The default index; else the one that pip is configured for."),
    option("--extra-index-url", "extra_index_urls", multiple=True, metavar="URL",
           help="An index that is asked before the default one; the first that lists a project is the only one."),
    option("--find-links", "-f", multiple=True, metavar="URL_OR_FOLDER",
           help="A folder or page of wheels, asked before every index. May be given several times."),
    option("--no-index", is_flag=True, help="Ask no default index."),
)  # fmt: skip
cached = together(
    option("--no-cache", is_flag=True, help="Neither read nor keep pages and metadata."),
    option("--offline", is_flag=True, help="Ask no index: what earlier runs have seen must do."),
)
indexes = together(
    default_indexes,
    option("--pytorch-url", default=PYTORCH_URL, show_default=True, metavar="URL",
           help="The base URL of PyTorch's channels, or of a mirror."),
    option("--torch-index", type=click.Choice(["auto", "pytorch", "pypi"]), default="auto", show_default=True,
           help="Where PyTorch's projects come from: `auto` lets the default index stand in for a channel that cannot"
                " be reached, `pytorch` forbids it, `pypi` asks for it."),
    cached,
)  # fmt: skip
accept = option(
    "--accept", multiple=True, metavar="RULE",
    help="Go on although this check says that it will not work there, such as `driver`. May be given several times.",
)  # fmt: skip
binaries = option(
    "--binaries/--no-binaries", "binaries", default=True, show_default=True,
    help="Read the libraries inside the wheels: what they need of each other and of the server. Each wheel is read"
    " once; a new torch takes half a minute.",
)  # fmt: skip
as_json = option("--json", "json", is_flag=True, help="Print one JSON document on stdout instead of lines.")


def targets_of(labels: Sequence[str]) -> tuple[Target, ...]:
    """The targets that were named, each once; `auto:FILE` is the one that a server's probe proposes.

    Raises `TargetError`, and for a probe what `machines.target_of` raises.
    """
    return tuple(dict.fromkeys(_target(label) for label in labels))


def _target(label: str) -> Target:
    if not label.strip().lower().startswith("auto:"):
        return Target.parse(label)
    from wheelhouse.cli.machines import target_of

    return target_of(label)


def moment(text: str | None) -> datetime | None:
    """The first moment that is too new: a day counts whole, in UTC. Raises `UsageError`."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"`{text}` is no day or moment",
            hint="write `--exclude-newer 2024-03-31` or `--exclude-newer 2024-03-31T12:00:00Z`",
        ) from None
    if len(text) <= len("2024-03-31"):
        if found.date() == date.max:
            return None  # no day comes after it: nothing is too new
        found += timedelta(days=1)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
