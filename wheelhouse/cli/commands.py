"""The commands together, and the one place that tells their errors."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module

import click

from wheelhouse import __version__
from wheelhouse.cli.talk import tell
from wheelhouse.errors import UsageError, WheelhouseError

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


# By name: the module of `wheelhouse.cli` that has the command, and the first sentence of its help. So
# `wheelhouse --help` imports no command (measured: 0.05 s instead of 0.14 s); a test holds the sentences against the
# commands' own.
_COMMANDS = {
    "lock": ("making", "Resolve requirements for each target and write a lock for it."),
    "fetch": (
        "making",
        "Download and verify every wheel of the locks, into a folder per target that can be installed as it stands.",
    ),
    "bundle": ("making", "Lay out fetched wheels as a bundle that installs itself on a machine without a network."),
    "build": ("making", "Lock, fetch and bundle in one go."),
    "init": (
        "making",
        "Write a commented `wheelhouse.toml` into the current folder, with the requirements file that is found there.",
    ),
    "verify": ("showing", "Read every byte of locks' wheels, wheel folders and bundles against its digest."),
    "tree": ("showing", "Show what needs what in a lock, and how large each wheel is."),
    "why": (
        "showing",
        "Show why a project is in a lock: the chain from what was asked for, and everyone who requires it.",
    ),
    "diff": ("showing", "Show what changed from one lock to another: versions, sizes, what came and what went."),
    "targets": ("probing", "Show what a target label means; without one, the parts of a label."),
    "cache": ("showing", "Show or empty the folder of pages, metadata and wheels that are kept between runs."),
    "check": (
        "checking",
        "Show what will not work on the server: driver, GPU, CUDA, cuDNN, C library, what the server must bring.",
    ),
    "probe": (
        "probing",
        "Show what a machine is as far as wheels are concerned: this one, or a server that was probed.",
    ),
    "mirror": (
        "mirroring",
        "Turn locks into a package index for a closed network: publish, look after, serve, carry across.",
    ),
}


class _Commands(MutableMapping[str, click.Command]):
    """The commands by name, each imported when it is asked for."""

    def __init__(self) -> None:
        self._added: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._added:
            module, _ = _COMMANDS[name]
            command = getattr(import_module(f"wheelhouse.cli.{module}"), name)
            assert isinstance(command, click.Command)
            self._added[name] = command
        return self._added[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._added[name] = command

    def __delitem__(self, name: str) -> None:
        del self._added[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**_COMMANDS, **self._added})

    def __len__(self) -> int:
        return len({**_COMMANDS, **self._added})


class _Group(click.Group):
    """A group that lists its commands by their lines in the table."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        listed = {name: click.Command(name, help=line) for name, (_, line) in _COMMANDS.items()}
        click.Group(commands=listed).format_commands(ctx, formatter)


@click.group(cls=_Group, commands=_Commands(), context_settings=_CONTEXT)
@click.version_option(__version__, "--version", "-V", prog_name="wheelhouse", message="%(prog)s %(version)s")
def cli() -> None:
    """Resolve, fetch and bundle wheels for a machine that has no network.

    Exit codes: 0 done, 1 the job cannot be done, 2 wrong usage.
    """


def _program(argument: str) -> str:
    """What hints tell a person to type."""
    return "python -m wheelhouse" if argument.endswith("__main__.py") else "wheelhouse"


def run() -> int:
    """Run the command that was typed, tell its error if it has one, and give the exit code."""
    try:
        code = cli.main(prog_name=_program(sys.argv[0]), standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        tell(_as_ours(error))
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except WheelhouseError as error:
        tell(error)
        return error.exit_code
    except OSError as error:  # a path that nothing above could open, list or write
        reason = (error.strerror or str(error)).lower()
        tell(UsageError(reason if error.filename is None else f"`{error.filename}`: {reason}"))
        return 1


def _as_ours(error: click.ClickException) -> UsageError:
    """click's errors in our form: one sentence without a full stop, and what to type."""
    sentence = error.format_message().rstrip(".").replace("'", "`").replace(". (Did you", " (did you")
    sentence = re.sub(r"\. Did you (.*\?)$", r" (did you \1)", sentence)
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "wheelhouse"
    return UsageError(sentence[:1].lower() + sentence[1:], hint=f"`{path} --help`")
