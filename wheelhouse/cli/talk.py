"""What commands say: errors and progress on stderr, data on stdout, as lines or as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from wheelhouse.errors import Failures, WheelhouseError

if TYPE_CHECKING:
    from wheelhouse.edge.progress import Console

_color = False


@contextmanager
def console_of(given: Mapping[str, Any]) -> Iterator[Console]:
    """The console that `--quiet`, `--verbose` and `--no-color` ask for."""
    from wheelhouse.edge.progress import Console

    global _color
    console = Console(quiet=given["quiet"], verbose=given["verbose"], no_color=given["no_color"])
    _color = console.colored
    with console:
        yield console


def tell(error: WheelhouseError) -> None:
    """One sentence, then a blank line, then what to type."""
    errors = error.errors if isinstance(error, Failures) else (error,)
    hints: dict[str, None] = {}
    for each in errors:
        click.echo(f"{click.style('error', fg='red', bold=True) if _color else 'error'}: {each}", err=True)
        hints.update(dict.fromkeys(line for line in each.hint.splitlines() if line))
    if hints:
        click.echo(err=True)
    for hint in hints:
        click.echo(f"hint: {hint}", err=True)


def show(lines: Iterable[object]) -> None:
    """Data for people and simple programs, a line each."""
    for line in lines:
        click.echo(line)


def show_json(facts: Mapping[str, object]) -> None:
    """The one document of `--json`. Its keys keep their order."""
    click.echo(json.dumps(facts, indent=2, ensure_ascii=True))
