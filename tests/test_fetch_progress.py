"""What people see: lines where there is no terminal, bars where there is one, and nothing on stdout."""

from __future__ import annotations

import io

import pytest

from wheelhouse.edge.progress import Console
from wheelhouse.events import (
    Event,
    FetchFinished,
    FetchStarted,
    FileAdvanced,
    FileDone,
    FileFailed,
    FileRestarted,
    FileStarted,
    Noted,
    Resolving,
    Said,
    Warned,
)

NUMPY, TORCH, GONE = (
    "numpy-2.1.0-py3-none-any.whl",
    "torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl",
    "gone-1-py3-none-any.whl",
)
FETCH: tuple[Event, ...] = (
    Said("3 wheels are missing"),
    FetchStarted(3, 780_001_500),
    FileStarted(TORCH, 780_000_000, 500_000_000),
    FileStarted(NUMPY, 1500, 0),
    FileAdvanced(NUMPY, 1000),
    FileRestarted(NUMPY, "its bytes are other than promised"),
    FileAdvanced(NUMPY, 1500),
    FileDone(NUMPY),
    FileStarted(GONE, None, 0),
    FileFailed(GONE, "`gone-1-py3-none-any.whl` cannot be had from `https://h/x`: 404 Not Found"),
    FileAdvanced(TORCH, 280_000_000),
    FileDone(TORCH),
    FetchFinished(),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(*events: Event, stream: io.StringIO | None = None, **options: bool) -> str:
    stream = io.StringIO() if stream is None else stream
    with Console(stream=stream, environment={"TERM": "xterm", "COLUMNS": "80"}, **options) as console:
        for event in events:
            console.listen(event)
    return stream.getvalue()


def test_elsewhere_a_fetch_is_one_line_a_file_and_totals() -> None:
    assert told(*FETCH) == (
        "3 wheels are missing\n"
        "fetching 3 files, 780.0 MB\n"
        "  torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl: goes on after 500.0 MB\n"
        "  numpy-2.1.0-py3-none-any.whl: begins again: its bytes are other than promised\n"
        "  numpy-2.1.0-py3-none-any.whl  1.5 kB\n"
        "  gone-1-py3-none-any.whl: failed: `gone-1-py3-none-any.whl` cannot be had from `https://h/x`: 404 Not Found\n"
        "  torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl  780.0 MB\n"
        "fetched 2 files, 280.0 MB, 1 failed\n"
    )


def test_a_warning_has_its_hints_under_it() -> None:
    assert told(Warned("the channel cannot be reached", "check the network\nor say `--torch-index pytorch`")) == (
        "warning: the channel cannot be reached\nhint: check the network\nhint: or say `--torch-index pytorch`\n"
    )


def test_quiet_leaves_the_warnings() -> None:
    assert told(*FETCH, Noted("a detail"), Warned("look out"), quiet=True, verbose=True) == "warning: look out\n"


def test_notes_are_for_the_curious() -> None:
    assert told(Noted("a detail")) == ""
    assert told(Noted("a detail"), verbose=True) == "a detail\n"


def test_solving_is_shown_on_a_terminal_only() -> None:
    assert told(Resolving(3, 4)) == ""
    assert told(Resolving(3, 4), Said("done"), stream=Terminal()) == (
        "\r\x1b[2Kresolving: 3 projects, 4 metadata files\r\x1b[2Kdone\n"
    )


def test_a_terminal_has_colour_unless_it_is_refused() -> None:
    assert told(Warned("x"), stream=Terminal()) == "\x1b[33mwarning:\x1b[0m x\n"
    assert told(Warned("x"), stream=Terminal(), no_color=True) == "warning: x\n"
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        stream = Terminal()
        Console(stream=stream, environment=environment).listen(Warned("x"))
        assert stream.getvalue() == "warning: x\n"


def test_on_a_terminal_the_lines_stay_and_the_bars_go(capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(*FETCH, stream=Terminal())
    assert "  torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl  780.0 MB\n" in shown
    assert shown.endswith("fetched 2 files, 280.0 MB, 1 failed\n")
    assert "\x1b[?25h" in shown  # the cursor is back
    assert capsys.readouterr().out == ""


def test_brackets_in_what_is_told_are_no_markup() -> None:
    shown = told(
        FetchStarted(1, 0), Said("[bold]uvicorn[standard][/bold] :warning:"), FetchFinished(), stream=Terminal()
    )
    assert "[bold]uvicorn[standard][/bold] :warning:\n" in shown


def test_a_closed_terminal_is_no_error() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    assert told(Said("x"), Warned("y"), stream=Closed()) == ""
