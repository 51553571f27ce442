"""What is imported for what: a command starts with no more than it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from world import FakeIndex, build_wheel
from world.cli import wheelhouse
from world.project import Project

from wheelhouse import __version__
from wheelhouse.cli.commands import _COMMANDS, cli

LABEL = "linux-x86_64-cpu-py311"
WEB = {"httpx", "urllib3", "ssl", "tenacity"}
SOLVERS = {"resolvelib", "nab_resolver"}


def imported(program: str, *args: str | Path, cwd: Path) -> set[str]:
    """The modules that are there after `program`, in a Python of its own."""
    told = f"import sys\n{program}\nsys.stdout.write('\\n' + ' '.join(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", told, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(ran.stdout.splitlines()[-1].split())


def run_by(*args: str | Path, cwd: Path) -> set[str]:
    """The modules that are there after `wheelhouse ARGS`."""
    program = "from wheelhouse.cli import main\ntry: main()\nexcept SystemExit as end: assert not end.code, end.code"
    return imported(program, *args, cwd=cwd)


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_needs_nothing(option: str, tmp_path: Path) -> None:
    ran = wheelhouse(option, cwd=tmp_path)
    assert (ran.code, ran.out, ran.err) == (0, f"wheelhouse {__version__}\n", "")
    assert not run_by(option, cwd=tmp_path) & {"click", "packaging", "json", "wheelhouse.cli.commands"}


def test_the_version_is_told_beside_a_command_too(tmp_path: Path) -> None:
    assert wheelhouse("--version", "lock", cwd=tmp_path).out == f"wheelhouse {__version__}\n"


def test_help_imports_no_command(tmp_path: Path) -> None:
    modules = run_by("--help", cwd=tmp_path)
    assert "click" in modules
    assert not modules & {"packaging", "wheelhouse.target", "wheelhouse.edge", *WEB}
    assert not modules & {f"wheelhouse.cli.{module}" for module, _ in _COMMANDS.values()}


def test_help_lists_every_command_with_its_own_first_sentence(tmp_path: Path) -> None:
    assert {name: command.get_short_help_str(1000) for name, command in cli.commands.items()} == {
        name: line for name, (_, line) in _COMMANDS.items()
    }
    shown = wheelhouse("--help", cwd=tmp_path).out
    assert [line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines()] == sorted(_COMMANDS)
    assert "  lock     Resolve requirements for each target and write a lock for it.\n" in shown


def test_a_command_by_another_name_is_unknown(tmp_path: Path) -> None:
    ran = wheelhouse("fecth", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: no such command `fecth`")
    assert ran.err.endswith(" --help`\n")


def test_a_command_may_be_added_and_taken_away() -> None:
    commands = type(cli.commands)()
    commands["more"] = click.Command("more")
    assert len(commands) == len(_COMMANDS) + 1
    assert [*commands][-1] == "more"
    del commands["more"]
    assert [*commands] == [*_COMMANDS]


def test_a_fetch_that_finds_everything_needs_neither_http_nor_solver(index: FakeIndex, tmp_path: Path) -> None:
    index.add(build_wheel("app", "1.0"))
    index.add(build_wheel("pip", "25.0"))
    project = Project(tmp_path, index)
    assert project.lock("app", "--target", LABEL).code == 0
    assert project.run("fetch").code == 0
    assert not run_by("fetch", "--quiet", "--cache-dir", "cache", cwd=tmp_path) & {*WEB, *SOLVERS, "rich"}


def test_httpx_comes_without_its_command_line_which_can_still_be_imported(tmp_path: Path) -> None:
    modules = imported("from wheelhouse.edge.web import httpx\nhttpx.Client().close()", cwd=tmp_path)
    assert "httpx" in modules
    assert not modules & {"httpx._main", "rich", "pygments", "click"}
    later = imported("from wheelhouse.edge.web import httpx\nimport httpx._main", cwd=tmp_path)
    assert "httpx._main" in later


def test_who_has_imported_httpx_before_keeps_it(tmp_path: Path) -> None:
    same = "import httpx\nfrom wheelhouse.edge import web\nassert web.httpx is httpx"
    assert "httpx._main" in imported(same, cwd=tmp_path)


def ended(main: str) -> tuple[int, str]:
    """Exit code and output of the console script with that `main`; Python says `tidied` where it tidies up."""
    program = f"import atexit, sys, threading, wheelhouse.cli as cli\n{main}\ncli.main = main\n"
    program += "atexit.register(print, 'tidied')\ncli.program()"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


def test_a_program_that_is_done_ends_at_once_with_its_code_and_all_that_it_said() -> None:
    assert ended("def main(): sys.stdout.write('x' * 300_000); sys.exit(3)") == (3, "x" * 300_000)
    assert ended("def main(): sys.stdout.write('done'); sys.exit()") == (0, "done")
    assert ended("def main(): sys.stdout.write('done')") == (0, "done")


def test_a_thread_that_still_works_is_waited_for() -> None:
    main = "def main():\n threading.Timer(0.1, print, ['work']).start()\n sys.exit(1)"
    assert ended(main) == (1, "work\ntidied\n")


def test_who_profiles_or_traces_sees_the_end() -> None:
    assert ended("def main(): sys.setprofile(lambda *_: None)") == (0, "tidied\n")
    assert ended("def main(): sys.settrace(lambda *_: None)") == (0, "tidied\n")


def test_a_lock_imports_what_it_reads_with_where_there_is_something_to_read(index: FakeIndex, tmp_path: Path) -> None:
    index.add(build_wheel("app", "1.0"))
    index.add(build_wheel("pip", "25.0"))
    options = ["lock", "app", "--target", LABEL, "--index-url", index.simple, "--cache-dir", "cache", "--quiet"]
    first = run_by(*options, "--lock-dir", "one", cwd=tmp_path)
    assert not first & {"httpx", "resolvelib", "packaging.pylock"}
    assert {"urllib3", "wheelhouse.simple.grouping"} <= first
    again = run_by(*options, "--lock-dir", "two", "--offline", cwd=tmp_path)
    assert not again & {*WEB, "resolvelib", "packaging.pylock", "wheelhouse.simple.grouping", "wheelhouse.simple.html"}
