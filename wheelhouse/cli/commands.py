"""The commands together, and the one place that tells their errors."""

from __future__ import annotations

import sys

import click

from wheelhouse import __version__
from wheelhouse.cli import making, showing
from wheelhouse.cli.talk import tell
from wheelhouse.errors import UsageError, WheelhouseError

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, "--version", "-V", prog_name="wheelhouse", message="%(prog)s %(version)s")
def cli() -> None:
    """Resolve, fetch and bundle wheels for a machine that has no network.

    Exit codes: 0 done, 1 the job cannot be done, 2 wrong usage.
    """


for _command in (
    making.lock, making.fetch, making.bundle, making.build, making.init,
    showing.verify, showing.tree, showing.why, showing.diff, showing.targets, showing.cache,
):  # fmt: skip
    cli.add_command(_command)


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
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "wheelhouse"
    return UsageError(sentence[:1].lower() + sentence[1:], hint=f"`{path} --help`")
