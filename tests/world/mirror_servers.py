"""The servers of a mirror as tests start them: the embedded one in a thread, nginx where it is installed."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wheelhouse.edge.mirror.serving.app import Gate
from wheelhouse.edge.mirror.serving.server import MirrorServer, Settings
from wheelhouse.edge.mirror.serving.source import Folder, Source
from wheelhouse.mirroring.nginx import Site, configuration


@dataclass
class Served:
    """A running server; `url` ends with `/`. `log` is the embedded one's access log, `told` what went wrong in it."""

    url: str
    port: int
    log: io.StringIO = field(default_factory=io.StringIO)
    told: list[str] = field(default_factory=list)

    def lines(self, count: int) -> list[str]:
        """The access log, once it has so many lines."""
        wait_for(lambda: self.log.getvalue().count("\n") >= count)
        return self.log.getvalue().splitlines()


@contextmanager
def embedded(source: Path | Source, *, gate: Gate | None = None, **settings: Any) -> Iterator[Served]:
    """`wheelhouse mirror serve` in a thread."""
    served = Served("", 0)
    server = MirrorServer(
        Folder(source) if isinstance(source, Path) else source,
        Settings(**{"port": 0, "grace": 5, **settings}),
        gate=gate,
        access_log=served.log,
        tell=served.told.append,
    )
    served.url, served.port = server.url, server.port
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield served
    finally:
        server.stop()
        thread.join()


def find_nginx() -> str | None:
    """nginx on the path, or where Debian has it."""
    return shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))


@contextmanager
def nginx(root: Path, folder: Path, **site: Any) -> Iterator[Served]:
    """An nginx with the generated configuration; `folder` holds what it writes."""
    program = find_nginx()
    assert program is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = configuration(Site(root=str(root), listen=f"127.0.0.1:{port}", **site))
    folder.mkdir(parents=True, exist_ok=True)
    own = "".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "site.conf").write_text(text)
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;"
        f" events {{}} http {{ access_log {folder}/access.log; {own} include {folder}/site.conf; }}"
    )
    process = subprocess.Popen([program, "-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"])
    try:
        wait_for(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, (folder / "error.log").read_text()
        yield Served(f"{'https' if site.get('cert') else 'http'}://127.0.0.1:{port}/", port)
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_for(there: Callable[[], bool]) -> None:
    """Until it is; a test that waits for nothing fails after a minute."""
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)
