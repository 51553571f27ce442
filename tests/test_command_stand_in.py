"""PyPI's own torch in place of a channel that cannot be reached: only with proof, all or none, and said aloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from world import FakeIndex, FakeProxy, FakePyTorch, Fault, Replace, Reset, Stall, Status, fake_pytorch
from world.project import CLOSED, Project

CU121 = "linux-x86_64-cu121-py310"
SAID = (
    "warning: PyTorch's channel `cu121` cannot be reached (`127.0.0.1:1` cannot be reached: connection refused);"
    " PyPI stands in for it with {}, whose metadata proves the same CUDA build\n"
    "hint: `--torch-index pytorch` forbids this\n"
)


@pytest.fixture
def project(pypi: FakeIndex, tmp_path: Path) -> Project:
    """PyTorch's index cannot be reached: the port is closed."""
    return Project(tmp_path, pypi, None)


def test_pypi_stands_in_with_the_version_that_proves_the_build(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "torchvision", "torchaudio", "numpy<2", "--target", CU121)
    assert (ran.code, ran.out) == (0, f"lockfiles/pylock.{CU121}.toml\n")
    assert ran.err == (
        SAID.format("torch 2.1.2, torchaudio 2.1.2, torchvision 0.16.2")
        + f"locked 32 packages for `{CU121}` in `lockfiles/pylock.{CU121}.toml`\n"
    )
    assert project.locked(CU121)["tool"]["wheelhouse"]["stand-in"] == "cu121"
    places = project.places(CU121)
    assert {place.split("/")[0] for place in places.values()} == {"INDEX"}
    assert places["torch"].endswith("/torch-2.1.2-cp310-cp310-manylinux1_x86_64.whl")
    assert project.pins(CU121)["nvidia-cuda-runtime-cu12"] == "12.1.105"


def test_why_not_asks_pypi_where_it_stands_in(project: Project) -> None:
    assert project.lock("torch==2.1.2", "--target", CU121).code == 0
    ran = project.run("why", "torch==2.7.1", *project.indexes)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == "torch 2.7.1 is not taken; the lock has 2.1.2"
    assert "is a `cu126` build, which does not prove a `cu121` build" in ran.out


def test_why_not_asks_pypi_where_that_is_asked_for(pypi: FakeIndex, pytorch: FakePyTorch, tmp_path: Path) -> None:
    project = Project(tmp_path, pypi, pytorch)
    assert project.lock("torch==2.1.2", "--target", CU121).code == 0
    channel = project.run("why", "torch==2.7.1", *project.indexes)
    assert "cu126" not in channel.out
    ran = project.run("why", "torch==2.7.1", *project.indexes, "--torch-index", "pypi")
    assert ran.code == 0
    assert "is a `cu126` build, which does not prove a `cu121` build" in ran.out


def test_the_document_of_lock_names_the_channel_too(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "--target", CU121, "--json")
    assert [each["stand-in"] for each in json.loads(ran.out)["locks"]] == ["cu121"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://pytorch.invalid/whl", "`pytorch.invalid` cannot be reached: name resolution"),
        (f"{CLOSED}/whl", "`127.0.0.1:1` cannot be reached: connection refused"),
    ],
)
def test_no_name_and_a_closed_port_are_both_unreachable(project: Project, url: str, reason: str) -> None:
    ran = project.lock("torch==2.1.2", "--target", CU121, "--pytorch-url", url)
    assert ran.code == 0
    assert ran.err.startswith(f"warning: PyTorch's channel `cu121` cannot be reached ({reason}); PyPI stands in for it")


def test_without_a_pin_the_newest_version_of_the_same_build_stands_in(project: Project) -> None:
    """2.7.1 on PyPI is CUDA 12.6, 2.6.0 and 2.5.1 are 12.4, 2.4.1 is 12.1."""
    ran = project.lock("torch", "--target", CU121)
    assert ran.code == 0
    assert project.pins(CU121)["torch"] == "2.4.1"
    assert (
        "warning: `torch` is held back at 2.4.1: 2.7.1 is a `cu126` build, which does not prove a `cu121` build\n"
        in ran.err
    )


def test_another_build_than_the_targets_never_stands_in(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "--target", "linux-x86_64-cu118-py310")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: no wheel of `torch==2.1.2` fits `linux-x86_64-cu118-py310`\n"
        "  `torch==2.1.2` was asked for\n"
        "  `torch` 2.1.2: is a `cu121` build, which does not prove a `cu118` build\n"
        "  PyTorch's channel `cu118` cannot be reached (`127.0.0.1:1` cannot be reached: connection refused),"
        " so PyPI's own build was to stand in\n"
        "\n"
        "hint: check the network, or name your proxy: HTTPS_PROXY or pip's `proxy` setting\n"
    )


def test_the_rest_of_the_family_must_pin_that_very_torch(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "torchvision==0.19.1", "--target", CU121)
    assert ran.code == 1
    assert ran.err.startswith(
        "error: `torch==2.1.2` and `torch==2.4.1` cannot be met together\n"
        "  `torch==2.1.2` was asked for\n"
        "  `torch==2.4.1` is required by `torchvision 0.19.1` <- asked for as `torchvision==0.19.1`\n"
    )


def test_pypi_has_no_cpu_build_for_linux_x86_64(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "--target", "linux-x86_64-cpu-py310")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: PyTorch's channel `cpu` cannot be reached"
        " (`127.0.0.1:1` cannot be reached: connection refused)\n"
        "\n"
        "hint: check the network, or name your proxy: HTTPS_PROXY or pip's `proxy` setting\n"
        "hint: PyPI has no CPU build of torch for Linux x86_64\n"
    )


def test_on_linux_aarch64_pypi_has_a_cpu_build(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "--target", "linux-aarch64-cpu-py310")
    assert ran.code == 0
    assert "; PyPI stands in for it with torch 2.1.2, whose metadata names no CUDA\n" in ran.err
    assert project.places("linux-aarch64-cpu-py310")["torch"].endswith("-cp310-cp310-manylinux2014_aarch64.whl")


def test_on_macos_pypi_has_the_only_build_there_is(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "--target", "macos-aarch64-cpu-py310")
    assert ran.code == 0
    assert "; PyPI stands in for it with torch 2.1.2, which has no other build there\n" in ran.err


def test_projects_outside_the_family_need_no_channel(project: Project) -> None:
    ran = project.lock("requests", "--target", CU121)
    assert (ran.code, ran.err) == (0, f"locked 5 packages for `{CU121}` in `lockfiles/pylock.{CU121}.toml`\n")
    assert "stand-in" not in project.locked(CU121)["tool"]["wheelhouse"]


def test_it_can_be_forbidden(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "--target", CU121, "--torch-index", "pytorch")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: PyTorch's channel `cu121` cannot be reached"
        " (`127.0.0.1:1` cannot be reached: connection refused)\n"
        "\n"
        "hint: check the network, or name your proxy: HTTPS_PROXY or pip's `proxy` setting\n"
        "hint: drop `--torch-index pytorch` to let PyPI stand in\n"
    )


def test_it_can_be_asked_for_and_then_the_channel_is_not_asked(pypi: FakeIndex, tmp_path: Path) -> None:
    with fake_pytorch() as pytorch:
        project = Project(tmp_path, pypi, pytorch)
        ran = project.lock("torch==2.1.2", "--target", CU121, "--torch-index", "pypi")
        assert (ran.code, ran.err) == (0, f"locked 23 packages for `{CU121}` in `lockfiles/pylock.{CU121}.toml`\n")
        assert pytorch.requests == []
    assert project.pins(CU121)["torch"] == "2.1.2"
    assert project.locked(CU121)["tool"]["wheelhouse"]["stand-in"] == "cu121"


def test_when_the_channel_is_back_the_next_lock_warns_of_the_change(
    project: Project, pypi: FakeIndex, pytorch: FakePyTorch, tmp_path: Path
) -> None:
    assert project.lock("torch==2.1.2", "--target", CU121).code == 0
    back = Project(tmp_path, pypi, pytorch)
    ran = back.lock("torch==2.1.2", "--target", CU121)
    assert ran.code == 0
    assert ran.err == (
        "warning: torch now comes from its channel; in the lock before it came from PyPI (in place of `cu121`)\n"
        f"locked 11 packages for `{CU121}` in `lockfiles/pylock.{CU121}.toml`\n"
    )
    assert back.pins(CU121)["torch"] == "2.1.2+cu121"
    assert "stand-in" not in back.locked(CU121)["tool"]["wheelhouse"]


BETWEEN = "hint: does a proxy or firewall stand between? name it: `--proxy URL`, and its CA: `--cert FILE`\n"
ASK = "hint: `--torch-index pypi` takes PyPI's builds, where their metadata proves the accelerator\n"


@pytest.mark.parametrize(
    ("fault", "sentence", "hint"),
    [
        (
            Status(503),
            "`PYTORCH` failed: 503 Service Unavailable for `http://PYTORCH/whl/cu121/torch/`",
            "wait a little, then run the same command again: what was fetched is kept",
        ),
        (
            Stall(seconds=2),
            "`PYTORCH` stopped answering for `http://PYTORCH/whl/cu121/torch/`",
            "run the same command again: what was fetched is kept",
        ),
        (
            Reset(),
            "the connection to `PYTORCH` broke for `http://PYTORCH/whl/cu121/torch/`",
            "run the same command again: what was fetched is kept",
        ),
        (
            Status(403, body=b"<html>this site is blocked</html>"),
            "`PYTORCH` refuses: 403 Forbidden for `http://PYTORCH/whl/cu121/torch/`",
            "put the name and the password for `PYTORCH` into its URL or into ~/.netrc",
        ),
    ],
    ids=["503", "stall", "reset", "403"],
)
def test_a_channel_that_answers_wrongly_is_an_error_and_nothing_stands_in(
    pypi: FakeIndex, tmp_path: Path, fault: Fault, sentence: str, hint: str
) -> None:
    with FakePyTorch(empty=True) as pytorch:
        pytorch.fault("/whl/", fault, times=None)
        project = Project(tmp_path, pypi, pytorch)
        ran = project.lock("torch==2.1.2", "--target", CU121)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"error: {sentence}\n\nhint: {hint}\n{BETWEEN}{ASK}"
    assert not (tmp_path / "lockfiles").exists()


def test_a_portal_in_place_of_the_channel_is_nonsense_and_nothing_stands_in(pypi: FakeIndex, tmp_path: Path) -> None:
    with FakePyTorch(empty=True) as pytorch:
        pytorch.fault("/whl/", Replace(b"<html>please log in</html>"), times=None)
        project = Project(tmp_path, pypi, pytorch)
        ran = project.lock("torch==2.1.2", "--target", CU121)
    assert ran.code == 1
    assert ran.err.startswith(
        "error: `http://PYTORCH/whl/cu121/torch/` is not a project page of a package index: HTML without a heading"
    )
    assert ran.err.endswith(
        "hint: open the URL in a browser; a proxy, a captive portal or a wrong index URL answers like this\n"
    )


def test_a_certificate_that_nobody_trusts_is_an_error_and_its_ca_the_way_out(pypi: FakeIndex, tmp_path: Path) -> None:
    with fake_pytorch(tls=True) as pytorch:
        project = Project(tmp_path, pypi, pytorch)
        ran = project.lock("torch==2.1.2", "--target", CU121)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == (
            "error: the TLS connection to `PYTORCH` failed: unable to get local issuer certificate\n"
            "\n"
            "hint: does a proxy intercept TLS here? name its CA: `--cert FILE`, PIP_CERT or SSL_CERT_FILE,"
            " or add it to the system's trust store\n" + ASK
        )
        assert project.lock("torch==2.1.2", "--target", CU121, "--cert", pytorch.ca_file).code == 0
        assert project.pins(CU121)["torch"] == "2.1.2+cu121"


def test_a_proxy_that_wants_a_password_is_an_error_and_nothing_stands_in(pypi: FakeIndex, tmp_path: Path) -> None:
    with FakeProxy(auth=("user", "secret")) as proxy:
        project = Project(tmp_path, pypi, None)
        ran = project.lock(
            "torch==2.1.2", "--target", CU121, "--pytorch-url", "https://pytorch.test/whl",
            HTTPS_PROXY=f"http://user:wrong@127.0.0.1:{proxy.port}", NO_PROXY="127.0.0.1",
        )  # fmt: skip
        address = f"http://127.0.0.1:{proxy.port}"
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(
        f"error: the proxy `{address}` does not lead to `pytorch.test`: 407 Proxy Authentication Required\n"
        "\n"
        "hint: the proxy asks for a name and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT\n"
    )
    assert "wrong" not in ran.err


def test_a_proxy_that_is_not_there_is_no_reason_to_change_the_build(pypi: FakeIndex, tmp_path: Path) -> None:
    project = Project(tmp_path, pypi, None)
    ran = project.lock(
        "torch==2.1.2", "--target", CU121, "--pytorch-url", "https://pytorch.test/whl",
        HTTPS_PROXY=CLOSED, NO_PROXY="127.0.0.1",
    )  # fmt: skip
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(
        "error: the proxy `http://127.0.0.1:1` does not lead to `pytorch.test`: connection refused\n"
    )
