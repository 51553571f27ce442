"""Which index answers for which project, seen from the command line: PyTorch's channels beside PyPI, and others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import FakeIndex, FakePyTorch, Status, build_sdist, build_wheel, pip_wheel
from world.project import Project
from world.pytorch import DENIED

CU121 = "linux-x86_64-cu121-py310"


@pytest.fixture
def project(pypi: FakeIndex, pytorch: FakePyTorch, tmp_path: Path) -> Project:
    return Project(tmp_path, pypi, pytorch)


@pytest.fixture
def other() -> Iterator[FakeIndex]:
    """Somebody's own index."""
    with FakeIndex() as index:
        yield index


@pytest.fixture
def small(index: FakeIndex, tmp_path: Path) -> Iterator[Project]:
    """Indexes of the test's own, with nothing but pip."""
    index.add(pip_wheel())
    with FakePyTorch(empty=True) as pytorch:
        yield Project(tmp_path, index, pytorch)


def channel(project: Project) -> FakePyTorch:
    assert isinstance(project.pytorch, FakePyTorch)
    return project.pytorch


def test_the_torch_family_comes_from_the_channel_and_all_else_from_pypi(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "torchvision", "torchaudio", "numpy<2", "--target", CU121)

    assert (ran.code, ran.out) == (0, f"lockfiles/pylock.{CU121}.toml\n")
    assert ran.err == f"locked 20 packages for `{CU121}` in `lockfiles/pylock.{CU121}.toml`\n"
    from_channel = {name: place for name, place in project.places(CU121).items() if place.startswith("PYTORCH")}
    assert from_channel == {
        "torch": "PYTORCH/whl/cu121/torch-2.1.2%2Bcu121-cp310-cp310-linux_x86_64.whl",
        "torchaudio": "PYTORCH/whl/cu121/torchaudio-2.1.2%2Bcu121-cp310-cp310-linux_x86_64.whl",
        "torchvision": "PYTORCH/whl/cu121/torchvision-0.16.2%2Bcu121-cp310-cp310-linux_x86_64.whl",
    }
    pins = project.pins(CU121)  # the channel's own copies are requests 2.28.1, numpy 1.26.3, typing-extensions 4.12.2
    assert (pins["requests"], pins["numpy"], pins["typing-extensions"]) == ("2.32.3", "1.26.4", "4.15.0")


@pytest.mark.parametrize("accelerator", ["cu118", "cu121", "cu124", "cpu"])
def test_a_plain_version_ends_as_the_build_of_the_target(project: Project, accelerator: str) -> None:
    """PyPI has a 2.5.1 too (CUDA 12.4), and every channel lists its neighbours' files on one page."""
    label = f"linux-x86_64-{accelerator}-py310"
    assert project.lock("torch==2.5.1", "--target", label).code == 0
    wheel = f"torch-2.5.1%2B{accelerator}-cp310-cp310-linux_x86_64.whl"
    assert project.places(label)["torch"] == f"PYTORCH/whl/{accelerator}/{wheel}"
    assert project.pins(label)["torch"] == f"2.5.1+{accelerator}"


def test_decoys_on_a_channels_page_are_never_taken(small: Project) -> None:
    """Files under `/whl/` stand on every channel's page."""
    pytorch = channel(small)
    for version in ("2.9.0+cu118", "2.9.0+cpu", "2.9.0", "2.9.0+cu121.debug", "2.9.0+cu1211"):
        pytorch.add(build_wheel("torch", version, tag="cp310-cp310-linux_x86_64"))
    pytorch.add(build_wheel("torch", "2.1.0+cu121", tag="cp310-cp310-linux_x86_64"), channel="cu121")
    assert small.lock("torch", "--target", CU121).code == 0
    assert small.pins(CU121) == {"torch": "2.1.0+cu121"}


def test_another_build_than_the_targets_is_an_error_that_names_its_channel(project: Project) -> None:
    ran = project.lock("torch==2.1.2+cu118", "--target", CU121)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: no wheel of `torch==2.1.2+cu118` fits `{CU121}`\n"
        "  `torch==2.1.2+cu118` was asked for\n"
        "  the index has `torch` 2.1.2+cu121 to 2.5.1+cu121; no version is `==2.1.2+cu118`\n"
        "  PyTorch's channel `cu121` lacks it; these channels have it: `cu118`\n"
        "\n"
        "hint: `--target linux-x86_64-cu118-py310`\n"
    )


def test_a_version_that_the_channel_lacks_names_the_channels_that_have_it(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "--target", "linux-x86_64-cu124-py310")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: no wheel of `torch==2.1.2` fits `linux-x86_64-cu124-py310`\n"
        "  `torch==2.1.2` was asked for\n"
        "  the index has `torch` 2.4.1+cu124 to 2.6.0+cu124; no version is `==2.1.2`\n"
        "  PyTorch's channel `cu124` lacks it; these channels have it: `cpu`, `cu118`, `cu121`\n"
        "\n"
        "hint: `--target linux-x86_64-cu121-py310`\n"
    )
    assert not (project.folder / "lockfiles").exists()


def test_of_several_channels_the_one_that_the_same_driver_runs_is_proposed(project: Project) -> None:
    """cu124 and cu126 have it too, but may need a newer driver than the target's cu121."""
    ran = project.lock("torch==2.6.0", "--target", CU121)
    assert "these channels have it: `cpu`, `cu118`, `cu124`, `cu126`\n" in ran.err
    assert ran.err.endswith("\nhint: `--target linux-x86_64-cu118-py310`\n")


def test_a_channel_that_pytorch_does_not_have_is_an_error_with_a_way_out(project: Project) -> None:
    ran = project.lock("torch==2.1.2", "--target", "linux-x86_64-cu999-py310")
    assert ran.code == 1
    assert "these channels have it: `cpu`, `cu118`, `cu121`\n" in ran.err
    assert ran.err.endswith("\nhint: `--target linux-x86_64-cu121-py310`\n")


def test_without_an_accelerator_the_family_is_a_question(project: Project) -> None:
    ran = project.lock("tqdm", "torch==2.1.2", "--target", "linux-x86_64-py310")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: `torch` is built per accelerator, and the target `linux-x86_64-py310` does not say which build\n"
        "\n"
        "hint: say which build: `--target linux-x86_64-cpu-py310` or `--target linux-x86_64-cu121-py310`\n"
    )


def test_without_an_accelerator_and_the_family_no_channel_is_asked(project: Project) -> None:
    channel(project).reset()
    assert project.lock("tqdm", "nvidia-nccl-cu12", "--target", "linux-x86_64-py310").code == 0
    assert channel(project).requests == []


def test_a_family_project_that_the_channel_lacks_comes_from_pypi_as_a_pure_wheel(small: Project) -> None:
    index = small.default
    assert isinstance(index, FakeIndex)
    index.add(build_wheel("torchdata", "0.8.0"))
    index.add(build_wheel("torchdata", "0.9.0", tag="cp310-cp310-manylinux2014_x86_64"))
    assert small.lock("torchdata", "--target", CU121).code == 0
    assert small.pins(CU121) == {"torchdata": "0.8.0"}

    ran = small.lock("torchdata==0.9.0", "--target", CU121)
    assert ran.code == 1
    assert (
        "  `torchdata` 0.9.0: is not from PyTorch's channel, and only a `none-any` wheel may come from elsewhere\n"
        in ran.err
    )


def test_a_family_project_that_the_channel_lists_is_never_taken_from_pypi(small: Project) -> None:
    index = small.default
    assert isinstance(index, FakeIndex)
    index.add(build_wheel("torchdata", "0.9.0"))
    channel(small).add(build_wheel("torchdata", "0.6.0"), channel="cu121")
    assert small.lock("torchdata", "--target", CU121).code == 0
    assert small.places(CU121) == {"torchdata": "PYTORCH/whl/cu121/torchdata-0.6.0-py3-none-any.whl"}


def test_nvidia_projects_come_from_pypi_and_what_it_lacks_from_the_channel(project: Project) -> None:
    assert project.lock("nvidia-nccl-cu12", "--target", CU121).code == 0
    (place,) = project.places(CU121).values()
    assert place.startswith("INDEX/")

    ran = project.lock("nvidia-nccl-cu12==2.19.3", "--target", CU121)
    assert ran.code == 0
    assert project.places(CU121) == {
        "nvidia-nccl-cu12": "PYTORCH/whl/cu121/nvidia_nccl_cu12-2.19.3-py3-none-manylinux1_x86_64.whl"
    }


def test_triton_of_one_name_and_other_bytes_is_pypis(project: Project) -> None:
    """3.3.0 lies on both, with other digests."""
    assert project.lock("triton==3.3.0", "--target", "linux-x86_64-cu124-py310").code == 0
    assert project.places("linux-x86_64-cu124-py310")["triton"].startswith("INDEX/")


def test_a_wheel_without_a_digest_is_computed_and_listed(project: Project) -> None:
    ran = project.lock("xformers==0.0.23.post1", "numpy<2", "--target", CU121)
    wheel = "xformers-0.0.23.post1-cp310-cp310-manylinux2014_x86_64.whl"
    assert ran.code == 0
    assert ran.err == (
        f"warning: `PYTORCH` gives no digest for `{wheel}`; it is computed\n"
        f"  {wheel}  1.3 kB\n"
        f"locked 13 packages for `{CU121}` in `lockfiles/pylock.{CU121}.toml`\n"
    )
    lock = project.locked(CU121)
    assert lock["tool"]["wheelhouse"]["computed-hashes"] == [wheel]
    (locked,) = (each["wheels"][0] for each in lock["packages"] if each["name"] == "xformers")
    content = channel(project).files[f"/whl/cu121/{wheel}"]
    assert locked["size"] == len(content)
    first = project.path(CU121).read_bytes()
    project.lock("xformers==0.0.23.post1", "numpy<2", "--target", CU121)
    assert project.path(CU121).read_bytes() == first


def test_metadata_is_that_of_the_wheel_that_the_target_takes(small: Project) -> None:
    """The wheels of one version need not agree on what they require."""
    index = small.default
    assert isinstance(index, FakeIndex)
    index.add(build_wheel("alpha", "1.0"))
    index.add(build_wheel("native", "1.0", tag="cp310-cp310-manylinux2014_x86_64", requires=["alpha"]))
    index.add(build_wheel("native", "1.0", tag="cp311-cp311-manylinux2014_x86_64"))
    assert small.lock("native", "--target", "linux-x86_64-py310", "--target", "linux-x86_64-py311").code == 0
    assert small.pins("linux-x86_64-py310") == {"alpha": "1.0", "native": "1.0"}
    assert small.pins("linux-x86_64-py311") == {"native": "1.0"}


# Other people's indexes


def test_the_first_extra_index_that_lists_a_project_is_the_only_one(small: Project, other: FakeIndex) -> None:
    """Dependency confusion: somebody puts a newer `ours` on PyPI."""
    index = small.default
    assert isinstance(index, FakeIndex)
    index.add(build_wheel("ours", "99.0"))
    index.add(build_wheel("theirs", "2.0"))
    other.add(build_wheel("ours", "1.0", requires=["theirs"]))
    label = "linux-x86_64-py310"
    index.reset()
    assert small.lock("ours", "--extra-index-url", other.simple, "--target", label).code == 0
    assert small.pins(label) == {"ours": "1.0", "theirs": "2.0"}
    assert index.asked("/simple/ours/") == []

    ran = small.lock("ours>=2", "--extra-index-url", other.simple, "--target", label)
    assert ran.code == 1
    assert "  the index has `ours` 1.0; no version is `>=2`\n" in ran.err


def test_an_extra_index_that_has_only_the_wrong_wheels_still_speaks_alone(small: Project, other: FakeIndex) -> None:
    index = small.default
    assert isinstance(index, FakeIndex)
    index.add(build_wheel("ours", "99.0"))
    other.add(build_sdist("ours", "1.0"))
    ran = small.lock("ours", "--extra-index-url", other.simple, "--target", "linux-x86_64-py310")
    assert ran.code == 1
    assert ran.err.startswith("error: `ours` is only offered as source distributions, and none may be built")


def test_an_extra_index_that_denies_access_is_an_error_and_pypi_is_not_asked(small: Project, other: FakeIndex) -> None:
    """S3's AccessDenied means "no such project" on PyTorch's index alone: elsewhere it would let others in."""
    index = small.default
    assert isinstance(index, FakeIndex)
    index.add(build_wheel("ours", "99.0"))
    other.fault("/simple/ours/", Status(403, body=DENIED), times=None)
    ran = small.lock("ours", "--extra-index-url", other.simple, "--target", "linux-x86_64-py310")
    assert ran.code == 1
    assert ran.err.startswith(f"error: `127.0.0.1:{other.port}` refuses: 403 Forbidden for")
    assert index.asked("/simple/ours/") == []


def test_find_links_come_before_every_index(small: Project, other: FakeIndex) -> None:
    index = small.default
    assert isinstance(index, FakeIndex)
    index.add(build_wheel("ours", "99.0"))
    other.add(build_wheel("ours", "50.0"))
    wheel = build_wheel("ours", "1.0")
    (small.folder / "links").mkdir()
    (small.folder / "links" / wheel.filename).write_bytes(wheel.content)
    label = "linux-x86_64-py310"
    ran = small.lock("ours", "--find-links", "links", "--extra-index-url", other.simple, "--target", label)
    assert ran.code == 0
    (package,) = small.locked(label)["packages"]
    assert package["wheels"] == [
        {
            "name": wheel.filename,
            "path": f"../links/{wheel.filename}",
            "size": len(wheel.content),
            "hashes": {"sha256": wheel.digest.hex},
        }
    ]
    assert "index" not in package


def test_a_page_of_links_is_asked_once_whoever_wants_it(small: Project, other: FakeIndex) -> None:
    names = [f"part{number}" for number in range(12)]
    page = "".join(f'<a href="/files/{name}-1.0-py3-none-any.whl">x</a>' for name in names)
    other.files["/links.html"] = f"<html><body><h1>Links for all</h1>{page}</body></html>".encode()
    other.file_headers = {"Content-Type": "text/html"}
    for name in names:
        other.files[f"/files/{name}-1.0-py3-none-any.whl"] = build_wheel(name, "1.0").content
    label = "linux-x86_64-py310"
    assert small.lock(*names, "--find-links", f"{other.url}/links.html", "--target", label).code == 0
    assert sorted(small.pins(label)) == sorted(names)
    assert len(other.asked("/links.html")) == 1


@pytest.mark.parametrize("option", ["--index-url", "--extra-index-url"])
def test_a_foreign_channel_in_a_requirements_file_is_an_error_that_names_both(project: Project, option: str) -> None:
    for url in ("https://download.pytorch.org/whl/cu118", channel(project).channel("cu118")):
        (project.folder / "requirements.txt").write_text(f"{option} {url}\ntorch==2.1.2\n")
        ran = project.lock("-r", "requirements.txt", "--target", CU121)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == (
            f"error: the index `{project.shown(url)}` is PyTorch's channel `cu118`,"
            f" but the target `{CU121}` takes its own\n"
            "\n"
            "hint: drop that index option; the target's accelerator chooses the channel\n"
        )


@pytest.mark.parametrize("option", ["--index-url", "--extra-index-url"])
def test_the_targets_own_channel_as_an_index_is_dropped_with_a_note(project: Project, option: str) -> None:
    """Old requirements files say `--index-url …/whl/cu121`: they mean torch, and never the old requests beside it."""
    url = channel(project).channel("cu121")
    (project.folder / "requirements.txt").write_text(f"{option} {url}\ntorch==2.1.2\nrequests\n")
    ran = project.run(
        "lock", "-r", "requirements.txt", "--target", CU121, "--pytorch-url", channel(project).base,
        PIP_INDEX_URL=f"{project.default.url}/simple",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.err == (
        f"the index `{project.shown(url)}` is the target's own channel and is used for PyTorch's projects only\n"
        f"locked 16 packages for `{CU121}` in `lockfiles/pylock.{CU121}.toml`\n"
    )
    assert project.pins(CU121)["requests"] == "2.32.3"
    assert project.places(CU121)["requests"].startswith("INDEX/")


def test_a_channel_that_pip_is_configured_for_is_not_the_default_index(project: Project) -> None:
    ran = project.run(
        "lock", "torch==2.1.2", "--target", CU121, "--pytorch-url", channel(project).base,
        "--extra-index-url", f"{project.default.url}/simple", PIP_INDEX_URL=channel(project).channel("cu118"),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert project.shown(ran.err).startswith(
        "pip's index `http://PYTORCH/whl/cu118` is one of PyTorch's channels, and no default index\n"
    )
    assert project.places(CU121)["typing-extensions"].startswith("INDEX/")


def test_the_channel_of_windows_and_macos_is_the_same_and_its_builds_are_theirs(project: Project) -> None:
    labels = ["windows-x86_64-cu121-py310", "macos-aarch64-cpu-py310"]
    ran = project.lock("torch==2.1.2", *(word for label in labels for word in ("--target", label)))
    assert ran.code == 0, ran.err
    assert project.places(labels[0])["torch"] == "PYTORCH/whl/cu121/torch-2.1.2%2Bcu121-cp310-cp310-win_amd64.whl"
    assert project.places(labels[1])["torch"] == "PYTORCH/whl/cpu/torch-2.1.2-cp310-none-macosx_11_0_arm64.whl"
