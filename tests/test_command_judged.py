"""Whoever bundles is told, too: edited locks, those of other tools, probed servers, the libraries inside wheels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import FakeIndex, FakePyTorch, build_wheel, pip_wheel
from world.cli import wheelhouse
from world.elf import build_elf, build_elf_wheel
from world.machines import machine
from world.project import Project

PLAIN = "linux-x86_64-cpu-py310"
OLD_DRIVER = "linux-x86_64-cu121-py310-driver515.65.01-sm80"
DRIVER = (
    "[driver]: `torch 2.1.2+cu121` needs driver 525.60.13 or newer, and the target has 515.65.01\n"
    "  why: CUDA 12 does not start on it: `torch.cuda.is_available()` is False\n"
)
NO_BUNDLE = (
    f"error: 1 check says that `{OLD_DRIVER}` will not work as it stands, so no bundle was made\n"
    "\n"
    "hint: to go on all the same: `--accept driver`\n"
)


@pytest.fixture
def project(tmp_path: Path, index: FakeIndex) -> Iterator[Project]:
    """torch 2.1.2 for CUDA 11.8 and 12.1, and an index that has pip."""
    index.add(pip_wheel())
    with FakePyTorch(empty=True) as pytorch:
        for channel in ("cu118", "cu121"):
            pytorch.add(build_wheel("torch", f"2.1.2+{channel}", tag="cp310-cp310-linux_x86_64"), channel=channel)
        yield Project(tmp_path, index, pytorch)


@pytest.fixture
def fetched(project: Project) -> Project:
    """Locked for a driver that is too old, which was accepted, and fetched."""
    assert project.lock("torch==2.1.2", "--target", OLD_DRIVER, "--accept", "driver").code == 0
    assert project.run("fetch").code == 0
    return project


def forget(project: Project) -> None:
    """Take what was accepted out of the lock, as an editor would."""
    path = project.path(OLD_DRIVER)
    text = path.read_text()
    assert text.count('accepted = [\n    "driver",\n]\n') == 1
    path.write_text(text.replace('accepted = [\n    "driver",\n]\n', ""))


# A lock that was edited


def test_a_lock_whose_set_does_not_work_there_is_no_bundle(fetched: Project) -> None:
    forget(fetched)
    ran = fetched.run("bundle")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error{DRIVER}  hint: `--target linux-x86_64-cu118-py310-driver515.65.01-sm80`")
    assert ran.err.endswith(NO_BUNDLE)
    assert not (fetched.folder / "bundles").exists()


def test_a_bundle_that_is_there_stays_when_the_next_one_is_refused(fetched: Project) -> None:
    assert fetched.run("bundle").code == 0
    manifest = (fetched.folder / "bundles" / OLD_DRIVER / "MANIFEST.json").read_bytes()
    forget(fetched)
    assert fetched.run("bundle").code == 1
    assert (fetched.folder / "bundles" / OLD_DRIVER / "MANIFEST.json").read_bytes() == manifest


def accepted_on_site(project: Project) -> list[str]:
    """What `install.sh` in the bundle takes for accepted."""
    manifest = json.loads((project.folder / "bundles" / OLD_DRIVER / "MANIFEST.json").read_text())
    found: list[str] = manifest["targets"][0]["needs"]["accepted"]
    return found


def test_what_is_accepted_for_the_bundle_is_told_and_stands_in_it(fetched: Project) -> None:
    forget(fetched)
    ran = fetched.run("bundle", "--accept", "driver")
    assert (ran.code, ran.out) == (0, f"bundles/{OLD_DRIVER}\n")
    assert ran.err.startswith(f"warning, accepted{DRIVER}")
    assert accepted_on_site(fetched) == ["driver"]


def test_what_was_accepted_for_the_lock_stands_in_its_bundle(fetched: Project) -> None:
    ran = fetched.run("bundle")
    assert (ran.code, ran.out) == (0, f"bundles/{OLD_DRIVER}\n")
    assert ran.err.startswith(f"warning, accepted{DRIVER}")
    assert accepted_on_site(fetched) == ["driver"]


def test_another_rule_accepted_does_not_make_the_bundle(fetched: Project) -> None:
    forget(fetched)
    ran = fetched.run("bundle", "--accept", "gpu")
    assert (ran.code, ran.out, ran.err.endswith(NO_BUNDLE)) == (1, "", True)


def test_what_wheelhouse_toml_accepts_is_accepted_by_lock_bundle_and_check(project: Project) -> None:
    (project.folder / "wheelhouse.toml").write_text('accept = ["driver"]\n')
    ran = project.lock("torch==2.1.2", "--target", OLD_DRIVER)
    assert ran.code == 0
    assert ran.err.startswith(f"warning, accepted{DRIVER}")
    assert project.locked(OLD_DRIVER)["tool"]["wheelhouse"]["accepted"] == ["driver"]
    assert project.run("fetch").code == 0
    forget(project)
    assert (project.run("bundle").code, project.run("check").code) == (0, 0)
    (project.folder / "wheelhouse.toml").unlink()
    assert (project.run("bundle").code, project.run("check").code) == (1, 1)


def test_what_wheelhouse_toml_accepts_is_accepted_by_build(project: Project) -> None:
    (project.folder / "wheelhouse.toml").write_text('accept = ["driver"]\n')
    ran = project.build("torch==2.1.2", "--target", OLD_DRIVER)
    assert (ran.code, ran.out) == (0, f"bundles/{OLD_DRIVER}\n")


# A lock of another tool, which only its bundle judges


def test_a_lock_of_another_tool_is_judged_before_it_is_a_bundle(fetched: Project) -> None:
    theirs = fetched.folder / "pylock.toml"
    ours = fetched.path(OLD_DRIVER).read_text()
    theirs.write_text(ours[: ours.index("[tool.wheelhouse]")])
    with_lock = ("pylock.toml", "--target", OLD_DRIVER)
    assert fetched.run("fetch", *with_lock, *fetched.indexes[:2]).code == 0
    ran = fetched.run("bundle", *with_lock)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error{DRIVER}")
    assert ran.err.endswith(NO_BUNDLE)
    assert not (fetched.folder / "bundles").exists()
    assert fetched.run("bundle", *with_lock, "--accept", "driver").out == f"bundles/{OLD_DRIVER}\n"


# What is only good to know


@pytest.mark.parametrize(("wanted", "count"), [(("transformers",), "1 thing"), (("transformers", "nltk"), "2 things")])
def test_lock_counts_what_is_to_know_and_says_who_tells_it(
    project: Project, index: FakeIndex, wanted: tuple[str, ...], count: str
) -> None:
    for name, version in (("transformers", "4.57.1"), ("nltk", "3.9.2")):
        index.add(build_wheel(name, version))
    ran = wheelhouse("lock", *project.indexes, *wanted, "--target", PLAIN, cwd=project.folder)
    path = f"lockfiles/pylock.{PLAIN}.toml"
    assert (ran.code, ran.err.splitlines()[-1]) == (0, f"{count} to know before the visit: `wheelhouse check {path}`")
    assert "note[" not in ran.err
    ran = wheelhouse("check", path, cwd=project.folder)
    assert (ran.code, ran.out.count("note[")) == (0, len(wanted))


# A server that was probed


def test_what_the_probed_server_lacks_stops_the_bundle_too(project: Project, index: FakeIndex, tmp_path: Path) -> None:
    index.add(build_wheel("opencv-python", "4.10.0.84", tag="cp37-abi3-manylinux_2_17_x86_64"))
    lacking = machine("cpu-debian12", tmp_path / "server").facts()
    lacking["libraries"] = dict.fromkeys(lacking["libraries"])
    (project.folder / "probe.json").write_text(json.dumps(lacking))
    label = lacking["label"]
    assert project.lock("opencv-python", "--target", label).code == 0  # a warning: nobody saw the server
    assert project.run("fetch").code == 0
    assert project.run("bundle", "--target", label).code == 0
    ran = project.run("bundle", "--target", "auto:probe.json", "--output", "other")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error[desktop-library]: `opencv-python 4.10.0.84` needs ")
    assert ran.err.endswith("so no bundle was made\n\nhint: to go on all the same: `--accept desktop-library`\n")
    assert not (project.folder / "other").exists()


# The libraries inside the wheels

GONE = (
    "[binary]: `native 1.0` needs `libgone.so.1`, which no wheel of the set brings\n"
    "  why: `_native.cpython-310-x86_64-linux-gnu.so` does not load:"
    " `libgone.so.1: cannot open shared object file`\n"
    "  hint: have the libraries installed on the server, or add the project that brings them\n"
)
NEW_GLIBC = (
    "[glibc]: `native 1.0` needs glibc 2.34, and the target has 2.28\n"
    "  why: `_native.cpython-310-x86_64-linux-gnu.so` does not load: `version 'GLIBC_2.34' not found`\n"
    "  hint: an older `native`, or a server with glibc 2.34 or newer: `--target …-glibc2.34`\n"
)
TOO_NEW = (
    f"error: 1 check says that `{PLAIN}` will not work as it stands, so no bundle was made\n"
    "\n"
    "hint: to go on all the same: `--accept glibc`\n"
)


def native(index: FakeIndex, **fields: object) -> None:
    """A wheel with one extension module, which needs what is named."""
    module = build_elf(exports=["PyInit__native"], **fields)  # type: ignore[arg-type]
    index.add(build_elf_wheel("native", "1.0", {"native/_native.cpython-310-x86_64-linux-gnu.so": module}))


def needs_libgone(index: FakeIndex) -> None:
    native(index, needed=["libgone.so.1"])


def needs_glibc_2_34(index: FakeIndex) -> None:
    native(index, needed=["libc.so.6"], wants={"libc.so.6": {"GLIBC_2.34": ["dlopen"]}})


def ready(project: Project) -> Project:
    assert project.lock("native", "--target", PLAIN).err == (
        f"locked 1 package for `{PLAIN}` in `lockfiles/pylock.{PLAIN}.toml`\n"
    )
    assert project.run("fetch").code == 0
    return project


def test_bundle_says_which_library_is_missing_of_those_inside_the_wheels(project: Project, index: FakeIndex) -> None:
    needs_libgone(index)
    ran = ready(project).run("bundle")
    assert (ran.code, ran.out) == (0, f"bundles/{PLAIN}\n")
    assert ran.err == f"warning{GONE}bundle for `{PLAIN}` in `bundles/{PLAIN}`\n"
    ran = project.run("bundle", "--no-binaries")
    assert (ran.code, ran.err) == (0, f"bundle for `{PLAIN}` in `bundles/{PLAIN}`\n")
    assert project.run("bundle", WHEELHOUSE_BINARIES="0").err == ran.err


def test_a_library_that_cannot_load_there_stops_the_bundle(project: Project, index: FakeIndex) -> None:
    needs_glibc_2_34(index)
    ran = ready(project).run("bundle")
    assert (ran.code, ran.out, ran.err) == (1, "", f"error{NEW_GLIBC}{TOO_NEW}")
    assert not (project.folder / "bundles").exists()
    ran = project.run("bundle", "--accept", "glibc")
    assert (ran.code, ran.out) == (0, f"bundles/{PLAIN}\n")
    assert ran.err.startswith(f"warning, accepted{NEW_GLIBC}")
    ran = project.run("bundle", "--no-binaries")
    assert (ran.code, ran.err) == (0, f"bundle for `{PLAIN}` in `bundles/{PLAIN}`\n")


def test_build_reads_them_after_the_download_and_leaves_no_bundle(project: Project, index: FakeIndex) -> None:
    needs_glibc_2_34(index)
    ran = project.build("native", "--target", PLAIN)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith(f"2 wheels for `{PLAIN}` in `wheels/{PLAIN}`\nerror{NEW_GLIBC}{TOO_NEW}")
    assert not (project.folder / "bundles").exists()
    ran = project.build("native", "--target", PLAIN, "--no-binaries")
    assert (ran.code, ran.out) == (0, f"bundles/{PLAIN}\n")
    assert "[glibc]" not in ran.err


def test_check_reads_them_where_it_is_asked_to(project: Project, index: FakeIndex) -> None:
    needs_glibc_2_34(index)
    ready(project)
    ran = project.run("check")
    assert (ran.code, ran.err, "[glibc]" in ran.out) == (0, "", False)
    ran = project.run("check", "--binaries")
    assert (ran.code, ran.err) == (1, "")
    assert "error[glibc]\n  `native 1.0` needs glibc 2.34, and the target has 2.28\n" in ran.out
    ran = project.run("check", "--binaries", "--json")
    (finding,) = json.loads(ran.out)["locks"][0]["findings"]
    assert ran.code == 1
    assert finding == {
        "rule": "glibc",
        "severity": "error",
        "accepted": False,
        "what": "`native 1.0` needs glibc 2.34, and the target has 2.28",
        "why": "`_native.cpython-310-x86_64-linux-gnu.so` does not load: `version 'GLIBC_2.34' not found`",
        "way-out": ["an older `native`, or a server with glibc 2.34 or newer: `--target …-glibc2.34`"],
        "projects": ["native"],
    }
    ran = project.run("check", "--binaries", "--accept", "glibc", "--json")
    assert (ran.code, json.loads(ran.out)["locks"][0]["findings"]) == (0, [{**finding, "accepted": True}])


def test_check_reads_no_binaries_of_what_is_not_fetched(project: Project, index: FakeIndex) -> None:
    needs_libgone(index)
    assert project.lock("native", "--target", PLAIN).code == 0
    ran = project.run("check", "--binaries")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: `native-1.0-cp310-cp310-manylinux_2_17_x86_64.whl` is not fetched,"
        " so what is inside it cannot be read\n"
        "\n"
        "hint: run `wheelhouse fetch` first\n"
    )


def test_a_missing_library_counts_by_what_was_seen_of_the_server(
    project: Project, index: FakeIndex, tmp_path: Path
) -> None:
    native(index, needed=["libGL.so.1"])
    ready(project)
    server = machine("a100-rhel8", tmp_path / "server").facts()
    for seen, heads in ((None, ["error[desktop-library]"]), ("/usr/lib64/libGL.so.1", [])):
        server["libraries"]["libGL.so.1"] = seen
        (project.folder / "probe.json").write_text(json.dumps(server))
        ran = project.run("check", "--binaries", "--server", "probe.json")
        assert [line for line in ran.out.splitlines() if line.endswith("]")] == heads, ran.out
        assert ran.code == len(heads)
    ran = project.run("check", "--binaries")
    assert (ran.code, "warning[desktop-library]" in ran.out) == (0, True)
