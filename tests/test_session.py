"""What is open while a run lasts: how it is left."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from wheelhouse.edge.session import Session, Settings


def begun(folder: Path, kept: list[str], wait: threading.Event) -> Session:
    """A session whose cache has something to keep that waits."""
    session = Session(Settings(cache_dir=folder))

    def keep() -> None:
        wait.wait(5)
        kept.append("page")

    session.cache.later(keep)
    return session


def test_a_run_ends_when_its_cache_has_kept_everything(tmp_path: Path) -> None:
    kept: list[str] = []
    wait = threading.Event()
    with begun(tmp_path, kept, wait):
        threading.Timer(0.05, wait.set).start()
    assert kept == ["page"]


def test_one_that_fails_keeps_what_it_was_told(tmp_path: Path) -> None:
    kept: list[str] = []
    wait = threading.Event()
    with pytest.raises(ValueError, match="gone"), begun(tmp_path, kept, wait):
        threading.Timer(0.05, wait.set).start()
        raise ValueError("gone")
    assert kept == ["page"]


def test_ctrl_c_waits_for_nothing(tmp_path: Path) -> None:
    kept: list[str] = []
    wait = threading.Event()
    with pytest.raises(KeyboardInterrupt), begun(tmp_path, kept, wait):
        raise KeyboardInterrupt
    assert kept == []
    wait.set()
