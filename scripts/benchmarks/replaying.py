"""Serves a recorded index with a delay before every answer.

    replaying.py TREE SECONDS MISSED     prints its port and serves until it is ended

By nginx where it is installed with its Lua module, else by asyncio. What was asked and is not in the recording is
written to the file MISSED, a line each.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tree
from benchmarks.serving import find_nginx

_REASONS = {200: "OK", 206: "Partial Content", 304: "Not Modified", 404: "Not Found"}
_MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")
_NGINX = """
load_module {modules}/ndk_http_module.so; load_module {modules}/ngx_http_lua_module.so;
worker_processes 1; pid {run}/pid; error_log {run}/error.log; daemon off;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; keepalive_timeout 600; etag on;
  client_body_temp_path {run}/b; proxy_temp_path {run}/p; fastcgi_temp_path {run}/f;
  uwsgi_temp_path {run}/u; scgi_temp_path {run}/s;
  log_format asked '$request_uri $http_range';
  server {{
    listen 127.0.0.1:{port} backlog=1024; root {tree};
    access_by_lua_block {{ if {delay} > 0 and not ngx.ctx.late then ngx.ctx.late = true; ngx.sleep({delay}) end }}
    location ~ ^/simple/([^/]+)/$ {{
      types {{ }} default_type {page_type};
      add_header Cache-Control "max-age=600, public"; add_header Vary "Accept, Accept-Encoding";
      gzip_static on; try_files /simple/$1/index.json @other;
    }}
    location /files/ {{
      types {{ }} default_type application/octet-stream;
      add_header Cache-Control "max-age=365000000, immutable, public";
      try_files $uri @other;
    }}
    location ~ [.]whl$ {{
      types {{ }} default_type application/octet-stream;
      add_header Cache-Control "max-age=365000000, immutable, public"; add_header Accept-Ranges bytes;
      content_by_lua_block {{
        local path = "{tree}" .. ngx.var.uri
        local sized = io.open(path .. ".size")
        if not sized then return ngx.exec("@other") end
        local whole = tonumber(sized:read("*a")); sized:close()
        local a, b = string.match(ngx.var.http_range or "", "^bytes=(%d*)-(%d*)$")
        local first, last = tonumber(a or ""), tonumber(b or "")
        if not first and last then first, last = math.max(0, whole - last), whole - 1 end
        first, last = first or 0, math.min(last or whole - 1, whole - 1)
        local tail = io.open(path .. ".tail", "rb")
        local start = whole - tail:seek("end")
        if first < start then tail:close(); return ngx.exec("@other") end
        tail:seek("set", first - start)
        local body = tail:read(last - first + 1); tail:close()
        ngx.status = 206
        ngx.header["Content-Range"] = "bytes " .. first .. "-" .. last .. "/" .. whole
        ngx.header["Content-Length"] = #body
        ngx.print(body)
      }}
    }}
    location @other {{
      set $unknown 1;
      access_log {missed} asked if=$unknown;
      content_by_lua_block {{
        local page = string.match(ngx.var.request_uri, "^/simple/[^/]+/")
        local name = page and (page .. "index.json") or ngx.var.uri
        local absent = io.open("{tree}" .. name .. ".absent")
        if absent then absent:close(); ngx.var.unknown = "" end
        ngx.exit(404)
      }}
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Replay:
    """A running replay: its URL, what serves it, and where it notes what it lacks."""

    url: str
    by: str
    missed_in: Path

    @property
    def index(self) -> str:
        return f"{self.url}/simple/"

    def missed(self) -> list[str]:
        """What was asked for and is not in the recording, as requests."""
        return self.missed_in.read_text().splitlines() if self.missed_in.exists() else []


@contextmanager
def replaying(folder: Path, delay: float, *, nginx: bool = True) -> Iterator[Replay]:
    """`folder` as an index, every answer `delay` seconds late."""
    with tempfile.TemporaryDirectory() as run:
        Path(run).chmod(0o755)
        missed = Path(run, "missed")
        started = _start_nginx(folder, delay, Path(run), missed) if nginx else None
        by = "nginx"
        if started is None:
            by = "asyncio"
            command = [sys.executable, __file__, str(folder), str(delay), str(missed)]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert server.stdout is not None
            started = server, int(server.stdout.readline())
        server, port = started
        try:
            yield Replay(f"http://127.0.0.1:{port}", by, missed)
        finally:
            server.terminate()
            server.wait()
            if server.stdout is not None:
                server.stdout.close()


def speed(url: str, seconds: float = 0.5, connections: int = 16) -> float:
    """Requests a second that one client process gets answered over kept connections; the server may do more."""

    async def ask(until: float) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        count = 0
        while time.monotonic() < until:
            writer.write(b"HEAD /simple/none/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            count += 1
        writer.close()
        return count

    async def everyone() -> int:
        until = time.monotonic() + seconds
        return sum(await asyncio.gather(*(ask(until) for _ in range(connections))))

    return asyncio.run(everyone()) / seconds


def _start_nginx(folder: Path, delay: float, run: Path, missed: Path) -> tuple[subprocess.Popen[str], int] | None:
    program = find_nginx()
    modules = None if program is None else _modules(program)
    if program is None or modules is None or re.search(r"""[\s"';{}\\]""", str(folder)):
        return None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    settings = run / "nginx.conf"
    values = {"modules": modules, "run": run, "tree": folder, "port": port, "delay": delay, "missed": missed}
    settings.write_text(user + _NGINX.format(**values, page_type=tree.PAGE_TYPE))
    server = subprocess.Popen([program, "-c", str(settings), "-p", str(run)], stderr=subprocess.DEVNULL, text=True)
    for _ in range(100):
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return server, port
        if server.poll() is not None:
            return None  # its modules do not fit, for example
        time.sleep(0.05)
    server.terminate()
    return None


def _modules(program: str) -> str | None:
    """The folder of nginx's modules, if those that can wait are in it."""
    said = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stderr
    found = re.search(r"--modules-path=(\S+)", said)
    if found is None or not all(Path(found[1], name).exists() for name in _MODULES):
        return None
    return found[1] if shutil.which(program) else None


class _Connection(asyncio.Protocol):
    """One client. Requests of one connection are answered in turn; only GET and HEAD come, so no bodies."""

    def __init__(self, folder: Path, delay: float, missed: Path) -> None:
        self._folder, self._delay, self._missed = folder, delay, missed
        self._received = b""
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._next()

    def _next(self) -> None:
        if self._busy or b"\r\n\r\n" not in self._received:
            return
        self._busy = True
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._answer, head)
        else:
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        given = tree.answer(self._folder, target, headers)
        if not given.known:
            with self._missed.open("a") as file:
                file.write(f"{target} {headers.get('range', '-')}\n")
        if self._transport.is_closing():
            return
        said = "".join(f"{name}: {value}\r\n" for name, value in given.headers.items())
        if given.status != 304:
            said += f"Content-Length: {len(given.body)}\r\n"
        start = f"HTTP/1.1 {given.status} {_REASONS[given.status]}\r\n{said}\r\n".encode("latin-1")
        self._transport.write(start + (b"" if method == "HEAD" else given.body))
        self._busy = False
        self._next()


async def _serve(folder: Path, delay: float, missed: Path) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(folder, delay, missed), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])))
