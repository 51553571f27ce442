"""The commands: each parses, calls the workflow and prints what it gives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from wheelhouse import __version__
from wheelhouse.cli import options
from wheelhouse.edge.progress import Console
from wheelhouse.errors import Failures, UsageError, WheelhouseError

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, "--version", "-V", prog_name="wheelhouse", message="%(prog)s %(version)s")
def cli() -> None:
    """Resolve, fetch and bundle wheels for a machine that has no network.

    Exit codes: 0 done, 1 the job cannot be done, 2 wrong usage.
    """


def run() -> int:
    """Run the command that was typed, tell its error if it has one, and give the exit code."""
    try:
        code = cli.main(standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        _tell(_as_ours(error))
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except WheelhouseError as error:
        _print(getattr(error, "written", ()))
        _tell(error)
        return error.exit_code
    except OSError as error:  # a path that nothing above could open, list or write
        reason = (error.strerror or str(error)).lower()
        _tell(UsageError(reason if error.filename is None else f"`{error.filename}`: {reason}"))
        return 1


def _as_ours(error: click.ClickException) -> UsageError:
    """click's errors in our form: one sentence without a full stop, and what to type."""
    sentence = error.format_message().rstrip(".").replace("'", "`").replace(". (Did you", " (did you")
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "wheelhouse"
    return UsageError(sentence[:1].lower() + sentence[1:], hint=f"`{path} --help`")


def _tell(error: WheelhouseError) -> None:
    """DESIGN: one sentence, then a blank line, then what to type."""
    errors = error.errors if isinstance(error, Failures) else (error,)
    hints: dict[str, None] = {}
    for each in errors:
        click.echo(f"{click.style('error', fg='red', bold=True) if _color else 'error'}: {each}", err=True)
        hints.update(dict.fromkeys(line for line in each.hint.splitlines() if line))
    if hints:
        click.echo(err=True)
    for hint in hints:
        click.echo(f"hint: {hint}", err=True)


_color = False


@contextmanager
def _console(given: dict[str, Any]) -> Iterator[Console]:
    global _color
    console = Console(quiet=given["quiet"], verbose=given["verbose"], no_color=given["no_color"])
    _color = console.colored
    with console:
        yield console


def _print(lines: Sequence[Path | str]) -> None:
    for line in lines:
        click.echo(line)


@cli.command()
@options.requirements
@options.targets
@options.lock_dir
@options.resolution
@options.indexes
@options.network
@options.general
def lock(**given: Any) -> None:
    """Resolve requirements for each target and write a lock for it.

    Without a requirement, `requirements.in` or `requirements.txt` of the current folder is read.
    """
    from wheelhouse import workflow
    from wheelhouse.cli.inputs import inputs_of
    from wheelhouse.edge.session import Session

    with _console(given) as console:
        inputs = inputs_of(given, console.listen)
        with Session(inputs.settings, listen=console.listen) as session:
            paths = workflow.lock(inputs.wanted, inputs.targets, given["lock_dir"], session)
    _print(paths)


@cli.command()
@click.argument("locks", nargs=-1, type=options.FILE, metavar="[LOCK]...")
@options.targets
@options.lock_dir
@options.wheel_dir
@options.jobs
@options.network
@options.general
def fetch(locks: tuple[Path, ...], **given: Any) -> None:
    """Download and verify every wheel of the locks, into a folder per target that can be installed as it stands.

    Without a lock or target, every lock of the lock folder counts. No index is asked.
    """
    from wheelhouse import workflow

    with _opened(locks, given) as (found, session):
        paths = workflow.fetch(found, given["wheel_dir"], session, jobs=given["jobs"])
    _print(paths)


@cli.command()
@click.argument("locks", nargs=-1, type=options.FILE, metavar="[LOCK]...")
@options.targets
@options.lock_dir
@options.output
@options.tar
@options.general
def bundle(locks: tuple[Path, ...], **given: Any) -> None:
    """Lay out fetched wheels as a bundle that installs itself on a machine without a network."""
    from wheelhouse import workflow

    with _opened(locks, given) as (found, session):
        paths = workflow.bundle(found, given["output"], session, tar=given["tar"])
    _print(paths)


@cli.command()
@options.requirements
@options.targets
@options.lock_dir
@options.wheel_dir
@options.output
@options.tar
@options.jobs
@options.resolution
@options.indexes
@options.network
@options.general
def build(**given: Any) -> None:
    """Lock, fetch and bundle in one go."""
    from wheelhouse import workflow
    from wheelhouse.cli.inputs import inputs_of
    from wheelhouse.edge.session import Session

    with _console(given) as console:
        inputs = inputs_of(given, console.listen)
        with Session(inputs.settings, listen=console.listen) as session:
            paths = workflow.build(
                inputs.wanted,
                inputs.targets,
                session,
                lock_dir=given["lock_dir"],
                wheel_dir=given["wheel_dir"],
                output=given["output"],
                jobs=given["jobs"],
                tar=given["tar"],
            )
    _print(paths)


@cli.command()
@click.argument("paths", nargs=-1, type=options.FILE, metavar="[PATH]...")
@options.lock_dir
@options.wheel_dir
@options.output
@options.general
def verify(paths: tuple[Path, ...], **given: Any) -> None:
    """Read every byte of locks' wheels, wheel folders and bundles against its digest.

    Without a path: every wheel folder and bundle that is here.
    """
    from wheelhouse import workflow
    from wheelhouse.edge.session import Session, Settings

    with _console(given) as console, Session(Settings(cache_dir=given["cache_dir"]), listen=console.listen) as session:
        try:
            good = workflow.verify(paths or workflow.everything(given["wheel_dir"], given["output"]), session)
        except workflow.NotAll as error:
            _print([f"{path}: good" for path in error.written])
            raise Failures(error.errors) from None
    _print([f"{path}: good" for path in good])


@cli.command()
@click.argument("locks", nargs=-1, type=options.FILE, metavar="[LOCK]...")
@options.targets
@options.lock_dir
@options.general
def tree(locks: tuple[Path, ...], **given: Any) -> None:
    """Show what needs what in a lock."""
    from wheelhouse.outputs.tree import tree as lines

    _read(locks, given, lambda lock: lines(lock))


@cli.command()
@click.argument("name")
@click.argument("locks", nargs=-1, type=options.FILE, metavar="[LOCK]...")
@options.targets
@options.lock_dir
@options.general
def why(name: str, locks: tuple[Path, ...], **given: Any) -> None:
    """Show why a project is in a lock: the chain from what was asked for, and everyone who requires it."""
    from packaging.utils import canonicalize_name

    from wheelhouse.outputs.tree import why as lines

    if not _read(locks, given, lambda lock: lines(lock, canonicalize_name(name))):
        raise UsageError(f"no lock has a project named `{name}`", hint="`wheelhouse tree` shows what there is")


def _read(locks: tuple[Path, ...], given: dict[str, Any], lines: Callable[[Any], Iterator[str]]) -> bool:
    """Print lines of each lock, under its label where there are several; whether there were any."""
    from wheelhouse.cli.inputs import targets_of
    from wheelhouse.edge.locks import find

    found = find(locks, given["lock_dir"], targets_of(given["labels"]))
    printed = False
    for _, lock in found:
        text = list(lines(lock))
        if text and len(found) > 1:
            click.echo(f"{lock.label}:")
        for line in text:
            click.echo(line)
            printed = True
    return printed


@cli.command()
@click.argument("labels", nargs=-1, metavar="[LABEL]...")
def targets(labels: tuple[str, ...]) -> None:
    """Show what a target label means; without one, the parts of a label."""
    from wheelhouse.cli.inputs import targets_of
    from wheelhouse.outputs.targets import explained, parts

    for line in (line for target in targets_of(labels) for line in explained(target)) if labels else parts():
        click.echo(line)


@cli.group()
def cache() -> None:
    """Show or empty the folder of pages, metadata and wheels that are kept between runs."""


@cache.command("info")
@options.general
def cache_info(**given: Any) -> None:
    """Show where the cache is and what it holds."""
    from wheelhouse.edge import caching

    for line in caching.info(given["cache_dir"]):
        click.echo(line)


@cache.command("prune")
@options.lock_dir
@click.option("--all", "everything", is_flag=True, help="Remove the wheels that locks name, too.")
@options.general
def cache_prune(everything: bool, **given: Any) -> None:
    """Remove pages, metadata, unfinished downloads, and wheels that no lock of the lock folder names."""
    from wheelhouse.edge import caching

    for line in caching.prune(given["cache_dir"], None if everything else given["lock_dir"]):
        click.echo(line)


@contextmanager
def _opened(locks: tuple[Path, ...], given: dict[str, Any]) -> Iterator[tuple[list[Any], Any]]:
    """The locks that count, and an open session."""
    from wheelhouse.cli.inputs import network_settings, targets_of
    from wheelhouse.edge.locks import find
    from wheelhouse.edge.session import Session

    with _console(given) as console:
        found = [lock for _, lock in find(locks, given["lock_dir"], targets_of(given["labels"]))]
        with Session(network_settings(given, console.listen), listen=console.listen) as session:
            yield found, session
