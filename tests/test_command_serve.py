"""`wheelhouse mirror serve`: what its options make of the server. The server itself is in test_mirror_serve.py."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any
from unittest import mock

import pytest
from world.cli import Ran, wheelhouse
from world.mirror_tree import mirror_tree

from wheelhouse.edge.mirror.serving import passwords
from wheelhouse.edge.mirror.serving.server import Settings


class Recorded:
    """In place of the server: keeps what it was made with, and logs one visit when it runs."""

    is_local = True
    url = "http://127.0.0.1:8080/"
    made: Recorded

    def __init__(
        self, source: object, settings: Settings, *, gate: object, access_log: IO[str] | None, tell: Any
    ) -> None:
        self.settings, self.gate, self.access_log = settings, gate, access_log
        type(self).made = self

    def run(self) -> None:
        if self.access_log is not None:
            self.access_log.write("a visit\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mirror_tree(tmp_path / "mirror", {"": []})
    return tmp_path


def serve(folder: Path, *options: str, is_local: bool = True) -> Ran:
    with (
        mock.patch("wheelhouse.edge.mirror.serving.server.MirrorServer", Recorded),
        mock.patch.object(Recorded, "is_local", is_local),
    ):
        ran = wheelhouse("mirror", "serve", "mirror", *options, cwd=folder)
    assert (ran.code, ran.out) == (0, "")
    return ran


SERVED = "`mirror` is served at http://127.0.0.1:8080/\n"


def test_without_options_it_is_for_this_machine_and_asks_nobody(folder: Path) -> None:
    ran = serve(folder)
    assert ran.err.replace(str(folder) + "/", "") == f"{SERVED}a visit\nstopped\n"
    assert (Recorded.made.settings, Recorded.made.gate) == (Settings(), None)


def test_every_option_reaches_the_server(folder: Path) -> None:
    serve(
        folder, "--host", "0.0.0.0", "--port", "81", "--cert", "c.pem", "--key", "k.pem", "--grace", "3",
        "--patience", "4",
    )  # fmt: skip
    assert Recorded.made.settings == Settings(
        host="0.0.0.0", port=81, cert=Path("c.pem"), key=Path("k.pem"), grace=3, patience=4
    )


def test_the_access_log_goes_where_it_is_asked_to(folder: Path) -> None:
    log = folder / "access.log"
    log.write_text("before\n")
    assert "a visit" not in serve(folder, "--access-log", "access.log").err
    assert log.read_text() == "before\na visit\n"
    assert serve(folder, "--quiet").err == ""
    serve(folder, "--quiet", "--access-log", "access.log")
    assert log.read_text() == "before\na visit\na visit\n"


def test_passwords_that_would_cross_the_network_readable_are_warned_of(folder: Path) -> None:
    (folder / "users").write_text(f"{passwords.line('ana', 'secret')}\n")
    warning = "warning: passwords cross the network readable: give `--cert` and `--key`\n"
    asking = ("--basic-auth-file", "users")
    assert serve(folder, *asking, is_local=False).err.startswith(warning)
    assert Recorded.made.gate is not None
    assert warning not in serve(folder, *asking).err
    assert warning not in serve(folder, *asking, "--cert", "c.pem", is_local=False).err
    assert warning not in serve(folder, is_local=False).err
