"""Real clients against a mirror: the pip that is installed, the older one that Python brings along, and uv."""

from __future__ import annotations

import ensurepip
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import trustme
import uv
from world.mirror_servers import Served, embedded, find_nginx, nginx
from world.mirror_tree import mirror_tree
from world.wheels import build_wheel

from wheelhouse.edge.mirror.serving import passwords

TAG = "py3-none-any"
WHEELS = {
    "": [
        build_wheel("app", "1.0", requires=["Lib_One>=1"]),
        build_wheel("lib-one", "1.0"),
        build_wheel("lib-one", "1.5"),
        build_wheel("lib-one", "9.0", requires_python=">=9"),  # not for a Python that there is
        build_wheel("typing-extensions", "4.9.0"),
    ],
    "cu121": [
        build_wheel("torch", "2.1.2+cu121", requires=["typing-extensions", "triton==2.1.0"], padding=2_000_000),
        build_wheel("triton", "2.1.0"),
        build_wheel("typing-extensions", "4.9.0"),
    ],
}
CLIENTS = ("pip", "bundled pip", "uv")
SERVERS = ["embedded", *(["nginx"] if find_nginx() else [])]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mirror_tree(tmp_path_factory.mktemp("mirror"), WHEELS)


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Served]:
    with embedded(root) as served:
        yield served


@cache
def bundled_pip() -> Path:
    """The pip wheel that `python -m ensurepip` installs, where this Python has one, else the pip that is installed."""
    wheels = sorted(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
    return wheels[-1] if wheels else Path(next(path for path in sys.path if Path(path, "pip").is_dir()))


def run(client: str, verb: str, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`CLIENT VERB ARGS`, with no cache and no settings of this machine."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    if client == "uv":
        command = [uv.find_uv_bin(), "pip", verb, "--no-cache", "--no-config", "--python", sys.executable]
    else:
        command = [sys.executable, "-m", "pip", verb, "--no-cache-dir", "--no-input", "--retries", "0"]
        if client == "bundled pip":
            environment["PYTHONPATH"] = str(bundled_pip())
            command.insert(1, "-W")
            command.insert(2, "ignore")
    return subprocess.run([*command, *args], env=environment, capture_output=True, text=True, check=False)


def installed(folder: Path) -> set[str]:
    return {path.name.removesuffix(".dist-info") for path in folder.glob("*.dist-info")}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_project_is_installed_with_what_it_requires(client: str, server: Served, tmp_path: Path) -> None:
    before = server.log.getvalue().count("\n")
    ran = run(client, "install", "--target", str(tmp_path / "to"), "--index-url", f"{server.url}simple", "app")
    assert ran.returncode == 0, ran.stderr
    assert installed(tmp_path / "to") == {"app-1.0", "lib_one-1.5"}
    asked = [line.split('"')[1] for line in server.lines(before + 6)[before:]]
    assert len([each for each in asked if ".whl " in each]) == 2  # two wheels, each once
    assert {each.split()[1].rpartition("/")[2] for each in asked if ".metadata" in each} == {
        f"app-1.0-{TAG}.whl.metadata",
        f"lib_one-1.5-{TAG}.whl.metadata",
    }


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("kind", SERVERS)
def test_torch_comes_from_its_channel_by_the_line_that_everybody_knows(
    client: str, kind: str, root: Path, server: Served, tmp_path: Path
) -> None:
    if kind == "embedded":
        ran = install_torch(client, server, tmp_path)
    else:
        with nginx(root, tmp_path / "nginx") as served:
            ran = install_torch(client, served, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert installed(tmp_path / "to") == {"torch-2.1.2+cu121", "triton-2.1.0", "typing_extensions-4.9.0"}


def install_torch(client: str, served: Served, folder: Path) -> subprocess.CompletedProcess[str]:
    return run(client, "install", "--target", str(folder / "to"), "--index-url", f"{served.url}whl/cu121", "torch")


def test_pip_downloads_for_another_machine(server: Served, tmp_path: Path) -> None:
    ran = run(
        "pip", "download", "-d", str(tmp_path), "--index-url", f"{server.url}simple/", "--only-binary=:all:",
        "--platform", "manylinux_2_28_x86_64", "--python-version", "3.10", "app",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in tmp_path.iterdir()} == {f"app-1.0-{TAG}.whl", f"lib_one-1.5-{TAG}.whl"}


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_what_is_not_there_is_not_found(client: str, server: Served, tmp_path: Path) -> None:
    ran = run(client, "install", "--target", str(tmp_path / "to"), "--index-url", f"{server.url}simple", "requests")
    assert ran.returncode == 1
    assert "No matching distribution found for requests" in ran.stderr or "requests was not found" in ran.stderr


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_a_password_and_a_certificate_of_our_own_are_enough(client: str, root: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    (tmp_path / "users").write_text(passwords.line("anna", "ge:heim") + "\n")
    with embedded(root, gate=passwords.read(tmp_path / "users"), cert=tmp_path / "server.pem") as served:
        index = served.url.replace("https://", "https://anna:ge%3Aheim@") + "simple"
        trust = {"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "PIP_CERT": str(tmp_path / "ca.pem")}
        ran = run(client, "install", "--target", str(tmp_path / "to"), "--index-url", index, "app", **trust)
    assert ran.returncode == 0, ran.stderr
    assert installed(tmp_path / "to") == {"app-1.0", "lib_one-1.5"}
