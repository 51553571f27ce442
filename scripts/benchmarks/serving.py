"""A folder over HTTP on the loopback for benchmarks: by nginx where it is installed, else (or slowed down) by Python.

    serving.py FOLDER [BYTES_A_SECOND]

prints its port and serves until it is ended: ranges, ETags, keep-alive; the rate holds for each connection.
"""

from __future__ import annotations

import os
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

_BLOCK = 1 << 16
_NGINX = """
worker_processes 1; pid {run}/pid; error_log {run}/error.log; daemon off;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000; etag on;
  types {{ text/html html; }} default_type application/octet-stream;
  client_body_temp_path {run}/b; proxy_temp_path {run}/p; fastcgi_temp_path {run}/f;
  uwsgi_temp_path {run}/u; scgi_temp_path {run}/s;
  server {{ listen 127.0.0.1:{port}; root {folder}; index index.html; }}
}}
"""


@contextmanager
def served(folder: Path, *, nginx: bool = True, rate: int | None = None) -> Iterator[str]:
    """The URL under which `folder` is served; `rate` is in bytes a second for each connection."""
    program = find_nginx() if nginx and rate is None else None
    with tempfile.TemporaryDirectory() as run:
        if program is None:
            command = [sys.executable, __file__, str(folder), *([str(rate)] if rate else [])]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert server.stdout is not None
            port = int(server.stdout.readline())
        else:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
            settings = Path(run, "nginx.conf")
            settings.write_text(user + _NGINX.format(run=run, folder=folder, port=port))
            server = subprocess.Popen([program, "-c", str(settings), "-p", run], stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def find_nginx() -> str | None:
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit("the server does not start")


class _Handler(BaseHTTPRequestHandler):
    """One connection. Its rate is kept over all its requests: what was not sent in time is not made up for."""

    protocol_version = "HTTP/1.1"
    folder: Path
    rate: int | None
    _next = 0.0  # when this connection may send again

    def do_GET(self) -> None:
        path = self.folder / self.path.lstrip("/")
        path = path / "index.html" if path.is_dir() else path
        try:
            with path.open("rb") as file:
                self._send(path, file)
        except FileNotFoundError:
            self.send_error(404)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def _send(self, path: Path, file: object) -> None:
        found = path.stat()
        etag, start, end = f'"{found.st_mtime_ns:x}-{found.st_size:x}"', 0, found.st_size
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and self.headers.get("If-Range", etag) == etag:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start = int(first) if first else max(0, end - int(last))
            end = min(end, int(last) + 1) if first and last else end
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{found.st_size}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", "text/html" if path.suffix == ".html" else "application/octet-stream")
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", etag)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.rate is None:
            self.connection.sendfile(file, start, end - start)  # type: ignore[arg-type]
            return
        while start < end:
            count = min(_BLOCK, end - start)
            now = time.monotonic()
            time.sleep(max(0.0, self._next - now))
            self._next = max(self._next, now) + count / self.rate
            self.connection.sendfile(file, start, count)  # type: ignore[arg-type]
            start += count

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    _Handler.folder = Path(sys.argv[1])
    _Handler.rate = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with _Server(("127.0.0.1", 0), _Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
