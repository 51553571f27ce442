"""The page for people under test: a mirror to show, and its script run by V8 without a browser."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import playwright
from packaging.utils import canonicalize_name, parse_wheel_filename

from wheelhouse.digests import Digest
from wheelhouse.mirroring.catalog import Catalog, LockRow, project_row
from wheelhouse.mirroring.names import Address
from wheelhouse.mirroring.page import page_files
from wheelhouse.mirroring.pages import project_html, root_html, root_json
from wheelhouse.mirroring.record import Entry, Record

CUDA, CPU = "linux-x86_64-cu121-py310", "linux-x86_64-cpu-py312"
LOCKS = {CUDA: "a" * 64, CPU: "b" * 64}
HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
PREFIX = "team/mirror/"  # a mirror may lie below any path


def entry(filename: str, *labels: str, size: int = 1_500_000, requires: Sequence[str] = (), **more: Any) -> Entry:
    """A wheel on a page, that the locks of these labels have."""
    return Entry(
        filename=filename,
        version=parse_wheel_filename(filename)[1],
        digest=Digest.of(filename.encode()),
        size=size,
        requires=tuple(requires),
        locks=tuple(f"{label}/{LOCKS[label]}" for label in sorted(labels)),
        **{"added": "2026-11-22T10:00:00Z", "requires_python": ">=3.9", **more},
    )


def records() -> tuple[Record, ...]:
    """PyTorch on two channels, what stands on several pages, a hostile project, and a crowd."""
    numpy = entry("numpy-2.1.0-cp310-cp310-manylinux_2_28_x86_64.whl", CUDA)
    metrics = entry(
        "torchmetrics-1.4.0-py3-none-any.whl",
        CUDA,
        CPU,
        requires=["numpy>1.20", "torch (>=2.0)", "scipy; extra == 'image'"],
    )
    pages = {
        ("", "numpy"): [
            numpy,
            entry("numpy-2.1.0-cp312-cp312-manylinux_2_28_x86_64.whl", CPU),
            entry("numpy-2.2.0rc1-cp312-cp312-manylinux_2_28_x86_64.whl", CPU),
            entry(
                "numpy-1.26.4-cp310-cp310-manylinux_2_28_x86_64.whl",
                CUDA,
                yanked="a wrong build",
                upload_time="2024-02-05T23:59:59.123456Z",
            ),
        ],
        ("", "torchmetrics"): [metrics],
        ("cu121", "numpy"): [numpy],
        ("cu121", "torchmetrics"): [metrics],
        ("cu121", "torch"): [
            entry("torch-2.10.0+cu121-cp310-cp310-linux_x86_64.whl", CUDA, size=780_000_000, requires=["filelock"]),
            entry("torch-2.9.1+cu121-cp310-cp310-linux_x86_64.whl", CUDA),
        ],
        ("cpu", "torch"): [entry("torch-2.10.0+cpu-cp312-cp312-linux_x86_64.whl", CPU)],
        ("", "hostile"): [
            entry("hostile-1.0-py3-none-any.whl", CPU, requires=[HOSTILE, "javascript:alert(1)"], yanked=HOSTILE)
        ],
    }
    for number in range(120):
        pages["", f"plugin-{number:03}"] = [entry(f"plugin_{number:03}-1.0-py3-none-any.whl", CPU)]
    told = {"hostile": HOSTILE, "torch": "Tensors with GPUs", "torchmetrics": "Metrics for neural networks"}
    return tuple(
        Record(address=Address(channel, canonicalize_name(name)), summary=told.get(name, "")).merged(entries)
        for (channel, name), entries in pages.items()
    )


def catalog() -> Catalog:
    """That of these records."""
    by_project: dict[str, list[Record]] = {}
    for record in records():
        by_project.setdefault(record.address.project, []).append(record)
    rows = {canonicalize_name(name): row for name, held in by_project.items() if (row := project_row(held))}
    return Catalog.of(
        rows,
        [
            LockRow(label=CUDA, sha256=LOCKS[CUDA], files=6, size=787_500_000, added="2026-11-22T10:00:00Z"),
            LockRow(label=CPU, sha256=LOCKS[CPU], files=124, size=186_000_000, added=None),
        ],
    )


def write_mirror(folder: Path) -> Path:
    """The mirror of these records below `folder`, as far as the page reads it."""
    root = folder / PREFIX
    written = {"catalog.json": catalog().text(), "page/requires.json": catalog().requires_text()}
    for label, sha256 in LOCKS.items():
        written[f"locks/{label}/pylock.{sha256}.toml"] = 'lock-version = "1.0"\n'
    for record in records():
        written[record.address.json], written[record.address.html] = record.text(), project_html(record)
    names = [record.address.project for record in records() if record.address.channel == ""]
    written |= {"simple/index.json": root_json(names), "simple/index.html": root_html(names)}
    for key, content in {**{key: text.encode() for key, text in written.items()}, **page_files()}.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@contextlib.contextmanager
def served(folder: Path) -> Iterator[int]:
    """The port of a plain static server of a folder."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


# A context without a document: app.js defines its functions and starts nothing
_ENGINE = """
const vm = require("node:vm"), context = vm.createContext({ URL, URLSearchParams });
vm.runInContext(require("node:fs").readFileSync(process.argv[1], "utf8"), context);
const isMap = (value) => Object.prototype.toString.call(value) === "[object Map]"; // of any context
const asJSON = (_, value) => (isMap(value) ? Object.fromEntries(value) : value);
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { expression, values } = JSON.parse(line);
  let told;
  try {
    const given = vm.runInContext(`(${Object.keys(values).join()}) => (${expression})`, context);
    told = { value: given(...Object.values(values)) };
  } catch (error) {
    told = { error: String(error) };
  }
  console.log(JSON.stringify(told, asJSON));
});
"""


class Script:
    """The functions of app.js in the JavaScript engine that comes with playwright: V8, as Chromium has it."""

    def __init__(self, folder: Path) -> None:
        path = folder / "app.js"
        path.write_bytes(page_files()["page/app.js"])
        node = Path(playwright.__file__).parent / "driver" / ("node.exe" if os.name == "nt" else "node")
        self._process = subprocess.Popen(
            [str(node), "--eval", _ENGINE, "--", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __call__(self, expression: str, **values: Any) -> Any:
        """What an expression gives, as JSON; the values stand in it by name."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"expression": expression, "values": values}) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        if "error" in told:
            raise AssertionError(told["error"])
        return told.get("value")

    def close(self) -> None:
        self._process.communicate()
