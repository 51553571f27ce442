"""Options that many commands share, each by what is different with it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import trustme
from world import FakeIndex, build_wheel, pip_wheel
from world.cli import wheelhouse
from world.faults import Fault, Request, Response
from world.project import Project

LABEL = "linux-x86_64-py310"
FOR = ("--target", LABEL)
LOCKED = f"locked {{}} for `{LABEL}` in `lockfiles/pylock.{LABEL}.toml`\n"


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    index.add(build_wheel("lib", "1.0"))
    index.add(build_wheel("lib", "2.0rc1"))
    index.add(pip_wheel())
    return Project(tmp_path, index)


# --jobs


class Together(Fault):
    """Answers when so many are asked for at one time; whoever comes in smaller groups gets nothing."""

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count, timeout=20)

    def answered(self, request: Request, response: Response) -> Response:
        try:
            self._barrier.wait()
        except threading.BrokenBarrierError:
            return Response(404)
        return response


@pytest.mark.parametrize("command", ["fetch", "build"])
def test_more_files_than_by_default_are_fetched_at_a_time_where_it_is_asked_for(
    project: Project, index: FakeIndex, command: str
) -> None:
    parts = [f"part{number}" for number in range(11)]  # and pip: 12 files
    for name in parts:
        index.add(build_wheel(name, "1.0"))
    assert project.lock(*parts, *FOR).code == 0
    index.fault(".whl$", Together(12), times=None)
    typed = [*project.indexes, *parts, *FOR] if command == "build" else []
    ran = wheelhouse(command, *typed, "--jobs", "12", cwd=project.folder)
    assert ran.code == 0, ran.err
    assert index.busiest == 12


# Colour

RED, BOLD, YELLOW, PLAIN = "\x1b[31m", "\x1b[1m", "\x1b[33m", "\x1b[0m"


def absent(project: Project, *more: str, terminal: bool = True, **variables: str) -> str:
    """What is said of a lock that is not there."""
    ran = wheelhouse("fetch", "no.toml", *more, cwd=project.folder, terminal=terminal, **variables)
    assert (ran.code, ran.out) == (1, "")
    return ran.err


def test_an_error_is_red_on_a_terminal_unless_that_is_not_wanted(project: Project) -> None:
    told = "error: `no.toml` cannot be read: no such file or directory\n"
    red = told.replace("error", f"{RED}{BOLD}error{PLAIN}", 1)
    assert absent(project, TERM="xterm") == red
    assert absent(project, "--no-color", TERM="xterm") == told
    assert absent(project, WHEELHOUSE_NO_COLOR="1", TERM="xterm") == told
    assert absent(project, NO_COLOR="1", TERM="xterm") == told
    assert absent(project, TERM="dumb") == told
    assert absent(project, terminal=False) == told


def test_a_warning_is_yellow_on_a_terminal_unless_that_is_not_wanted(project: Project) -> None:
    typed = ("lock", *project.indexes, "lib", "--allow-older", "other", *FOR)
    said = "`--allow-older other` names a project that is in no lock of this run\n"
    ran = wheelhouse(*typed, cwd=project.folder, terminal=True, TERM="xterm")
    assert ran.err.endswith(f"{YELLOW}warning:{PLAIN} {said}")
    ran = wheelhouse(*typed, "--no-color", cwd=project.folder, terminal=True, TERM="xterm")
    assert ran.err.endswith(f"warning: {said}")
    assert YELLOW not in ran.err


# What files say


def test_a_requirements_file_may_ask_for_pre_releases(project: Project) -> None:
    (project.folder / "requirements.in").write_text("lib\n")
    assert (project.lock(*FOR).code, project.pins(LABEL)) == (0, {"lib": "1.0"})
    (project.folder / "requirements.in").write_text("--pre\nlib\n")
    assert (project.lock("--upgrade", *FOR).code, project.pins(LABEL)) == (0, {"lib": "2.0rc1"})


@pytest.mark.parametrize("typed", [("--all-extras",), ("--extra", "more"), ("--group", "dev")])
def test_who_wants_a_part_of_the_project_means_the_project_here(project: Project, typed: tuple[str, ...]) -> None:
    """Although there is a requirements file, which counts first else."""
    (project.folder / "requirements.in").write_text("nosuch\n")
    (project.folder / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\n[project.optional-dependencies]\nmore = ["lib"]\n'
        '[dependency-groups]\ndev = ["lib"]\n'
    )
    ran = project.lock(*typed, *FOR)
    assert (ran.code, ran.err) == (0, "reading `pyproject.toml`\n" + LOCKED.format("1 package"))


def test_verbose_names_the_configuration_that_counts(project: Project) -> None:
    (project.folder / "wheelhouse.toml").write_text("pre = true\n")
    told = "`wheelhouse.toml` counts here; `--no-config` leaves it out\n"
    assert told in project.lock("lib", "--verbose", *FOR).err
    assert told not in project.lock("lib", *FOR).err
    assert told not in project.lock("lib", "--verbose", "--no-config", *FOR).err


# --client-cert


@pytest.fixture
def members_only(tmp_path: Path) -> Iterator[tuple[Project, Path]]:
    """An index that shakes hands with those who bring a certificate of its authority, and one such certificate."""
    authority = trustme.CA()
    pem = tmp_path / "me.pem"
    authority.issue_cert("me@example.test").private_key_and_cert_chain_pem.write_to_path(str(pem))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with FakeIndex(tls=True) as index:
        index._server.context = context
        index.add(build_wheel("lib", "1.0"))
        index.add(pip_wheel())
        (tmp_path / "work").mkdir()
        yield Project(tmp_path / "work", index), pem


def test_a_client_certificate_opens_the_index_and_its_files(members_only: tuple[Project, Path]) -> None:
    project, pem = members_only
    trusted = ("--cert", pem.parent / "ca.pem")
    shut = project.lock("lib", *trusted, *FOR)
    assert (shut.code, shut.out) == (1, "")
    ran = project.lock("lib", *trusted, "--client-cert", pem, *FOR)
    assert (ran.code, ran.err) == (0, LOCKED.format("1 package"))
    assert project.run("fetch", *trusted).code == 1
    assert project.run("fetch", *trusted, "--client-cert", pem).out == f"wheels/{LABEL}\n"


@pytest.mark.parametrize("variable", ["WHEELHOUSE_CLIENT_CERT", "PIP_CLIENT_CERT"])
def test_a_client_certificate_may_be_set_by_a_variable(members_only: tuple[Project, Path], variable: str) -> None:
    project, pem = members_only
    ran = project.lock("lib", *FOR, WHEELHOUSE_CERT=str(pem.parent / "ca.pem"), **{variable: str(pem)})
    assert (ran.code, ran.err) == (0, LOCKED.format("1 package"))


# Ctrl-C


def test_ctrl_c_is_exit_code_130_and_says_what_stays(project: Project) -> None:
    with mock.patch("wheelhouse.workflow.lock", side_effect=KeyboardInterrupt):
        ran = project.lock("lib", *FOR)
    assert (ran.code, ran.out, ran.err) == (130, "", "\ninterrupted; what was complete is kept\n")
