"""`wheelhouse.toml` as defaults of options: what is typed or set by a variable counts before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from wheelhouse.cli.options import FILE, Decorator, option, together
from wheelhouse.edge import config_files
from wheelhouse.edge.config_files import Found
from wheelhouse.errors import UsageError

_RESOLVING = ("lock", "build")  # in other commands targets choose among locks, and none means all


def _without(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    if value and _typed(context, "no_config") and _typed(context, "config"):
        raise UsageError("`--config` and `--no-config` exclude each other", hint="leave out one of them")
    return value


def _with(context: click.Context, parameter: click.Parameter, value: Path | None) -> Found | None:
    if context.params.get("no_config"):  # processed before this, unless it is set by a variable and this is typed
        if _typed(context, "config"):
            raise UsageError("`--config` and `--no-config` exclude each other", hint="leave out one of them")
        return None
    found = config_files.load(value) if value is not None else config_files.find(Path())
    if found is not None:
        context.default_map = {**(context.default_map or {}), **_defaults(found, context.info_name or "")}
    return found


def _typed(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) == ParameterSource.COMMANDLINE


def _defaults(found: Found, command: str) -> dict[str, Any]:
    """The options' values by parameter name; what the file does not say is left out."""
    config = found.config
    values: dict[str, Any] = {
        "lock_dir": _path(found, config.lock_dir),
        "wheel_dir": _path(found, config.wheel_dir),
        "output": _path(found, config.output),
        "index_url": _place(found, config.index_url),
        "pytorch_url": _place(found, config.pytorch_url),
        "exclude_newer": config.exclude_newer,
        "pre": config.pre or None,
        "from_sdist": config.from_sdist,
        "accept": config.accept,
    }
    if command in _RESOLVING:
        values |= {
            "labels": config.targets,
            "constraint_files": [str(found.path(text)) for text in config.constraints],
            "extras": config.extras,
            "groups": config.groups,
            "torch_index": config.torch_index,
            "allow_older": config.allow_older,
        }
    return {key: value for key, value in values.items() if value}


def _path(found: Found, text: str | None) -> str | None:
    return None if text is None else str(found.path(text))


def _place(found: Found, text: str | None) -> str | None:
    """A URL, or a folder from where we run."""
    return text if text is None or "://" in text else str(found.path(text))


config: Decorator[Any] = together(
    option("--no-config", is_flag=True, is_eager=True, callback=_without, help="Read no configuration file."),
    option("--config", type=FILE, metavar="FILE", is_eager=True, callback=_with,
           help="The configuration: a `wheelhouse.toml`, or a pyproject.toml with `[tool.wheelhouse]`; else those of"
                " the current folder count."),
)  # fmt: skip
