"""install.py compares the server with what the bundle needs: drivers, GPUs, libraries, programs, what surrounds it."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from world.bundles import OFFLINE, Bundle, fake_probe, here, nvidia, seen, tiny_pip, write_bundle
from world.machines import MACHINES, RECORDED
from world.wheels import build_wheel

from wheelhouse.offline import install

NEEDS: dict[str, object] = {
    "cuda": "12.1",
    "driver": "525.60.13",
    "compat-driver": "450.80.02",
    "capabilities": ["5.0", "6.0", "7.0", "7.5", "8.0", "8.6", "9.0"],
    "ptx": None,
    "torch": "2.1.2+cu121",
    "needs": [],
    "accepted": [],
}
TARGET: dict[str, object] = {"label": "linux-x86_64-cu121-py310", "os": "linux", "wheels": [], "needs": NEEDS}
A100 = ("NVIDIA A100-SXM4-80GB", "8.0")
B200 = ("NVIDIA B200", "10.0")
GL = {
    "kind": "library",
    "names": ["libGL.so.1"],
    "rule": "desktop-library",
    "severity": "error",
    "needed-by": "opencv-python 4.10.0.84",
    "why": "`import cv2` fails",
    "way-out": "take opencv-python-headless\nhave libgl1 installed",
}
COMPILER = {
    "kind": "program",
    "names": ["cc", "gcc", "clang"],
    "rule": "compiler",
    "severity": "warning",
    "needed-by": "triton 2.1.0",
    "why": "`torch.compile` fails",
    "way-out": "have gcc installed",
}
BETA = build_wheel("beta", "2.0")


def told(findings: list[Any]) -> list[tuple[str, str, str]]:
    return [(each.severity, each.rule, each.what) for each in findings]


def target(**changes: object) -> dict[str, object]:
    return TARGET | {"needs": NEEDS | changes}


# -- the driver


def test_a_driver_below_the_floor_is_an_error_that_names_every_way_out() -> None:
    (finding,) = install.judge_driver(TARGET, "515.65.01", "11.7", [A100[0]])
    assert finding == (
        "driver",
        "the NVIDIA driver is 515.65.01, but CUDA 12.1 needs 525.60.13 or newer",
        "CUDA does not start on it: `torch.cuda.is_available()` is False",
        "update the driver to 525.60.13 or newer, or lock again for this one: --target ...-driver515.65.01\n"
        "on a data-center GPU `cuda-compat-12-1` of NVIDIA may do: unpacked, its folder in LD_LIBRARY_PATH",
        "error",
    )


def test_the_target_that_would_fit_is_the_one_that_the_probe_proposes_with_the_python_of_the_wheels() -> None:
    for label, proposed in (
        ("linux-x86_64-cu118-py311-driver515.65.01-sm80", "linux-x86_64-cu118-py310-driver515.65.01-sm80"),
        ("linux-x86_64-cu118-py39-glibc2.17", "linux-x86_64-cu118-py310-glibc2.17"),
        ("linux-x86_64-cpu-py310-driver440.33", None),
    ):
        assert install.label_here({"python": "3.10"}, {"label": label}) == proposed
    (finding,) = install.judge_driver(TARGET, "515.65.01", "11.7", [A100[0]], "linux-x86_64-cu118-py310")
    assert "\n" in finding.hint
    assert finding.hint.startswith(
        "update the driver to 525.60.13 or newer, or lock again for this one: --target linux-x86_64-cu118-py310\n"
    )


def test_forward_compatibility_is_not_offered_where_it_cannot_be() -> None:
    for driver, gpu in (("515.65.01", "NVIDIA GeForce RTX 3090"), ("440.33.01", A100[0])):
        (finding,) = install.judge_driver(TARGET, driver, None, [gpu])
        assert (finding.severity, "cuda-compat" in finding.hint) == ("error", False)


def test_forward_compatibility_that_is_in_use_is_a_note() -> None:
    assert told(install.judge_driver(TARGET, "515.65.01", "12.1", [A100[0]])) == [
        ("note", "driver", "the NVIDIA driver is 515.65.01, but libcuda runs CUDA 12.1")
    ]


@pytest.mark.parametrize("driver", ["525.60.13", "525.60", "535.104.05", "550.54.14", "580.65.06"])
def test_a_driver_at_or_above_the_floor_is_enough(driver: str) -> None:
    assert install.judge_driver(TARGET, driver, "12.0") == []


def test_a_driver_between_the_floor_and_the_targets_is_a_warning() -> None:
    found = install.judge_driver(TARGET | {"driver": "535.104"}, "530.30.02", "12.1")
    assert told(found) == [
        ("warning", "driver", "the NVIDIA driver is 530.30.02, but the wheels were chosen for 535.104 or newer")
    ]


# -- GPUs


@pytest.mark.parametrize(
    ("capability", "capabilities", "ptx", "how"),
    [
        ("8.0", ["8.0"], None, "compiled"),
        ("8.9", ["8.0", "8.6"], None, "compiled"),
        ("8.0", ["8.6"], None, None),
        ("10.0", ["9.0"], None, None),
        ("10.0", ["9.0"], "9.0", "ptx"),
        ("12.0", ["9.0", "12.0"], "12.0", "compiled"),
        ("3.7", ["5.0"], "9.0", None),
    ],
)
def test_compiled_code_runs_on_its_major_and_newer_minors_and_ptx_on_all_that_is_newer(
    capability: str, capabilities: list[str], ptx: str | None, how: str | None
) -> None:
    assert install.kernels(capability, capabilities, ptx) == how


def test_a_gpu_without_kernels_is_an_error() -> None:
    gpus = nvidia("570.26", "12.8", B200, B200)["gpus"]
    (finding,) = install.judge_gpus(TARGET, gpus, "12.8")
    assert told([finding]) == [
        ("error", "gpu", "`torch 2.1.2+cu121` has no kernels for 2 GPUs `NVIDIA B200` (compute capability 10.0)")
    ]
    assert finding.why == "`no kernel image is available for execution on the device`, although CUDA starts"
    assert finding.hint == "lock again for this GPU: --target ...-sm100"


def test_one_gpu_of_several_without_kernels_is_a_warning() -> None:
    found = install.judge_gpus(TARGET, nvidia("570.26", "12.8", A100, B200)["gpus"], "12.8")
    assert [(each.severity, "NVIDIA B200" in each.what) for each in found] == [("warning", True)]


def test_ptx_needs_a_driver_of_the_builds_own_cuda() -> None:
    gpus = nvidia("535.54.03", "12.2", ("NVIDIA B200", "10.0"))["gpus"]
    (new,) = install.judge_gpus(target(ptx="9.0"), gpus, "12.2")
    (old,) = install.judge_gpus(target(ptx="9.0"), gpus, "12.0")
    assert [(new.severity, old.severity)] == [("warning", "error")]
    assert old.why == (
        "it would have to be compiled from PTX, which needs a driver for CUDA 12.1; this one is for 12.0"
    )


@pytest.mark.parametrize("changes", [{"capabilities": []}, {"cuda": None}])
def test_nothing_is_said_of_gpus_where_nothing_is_known(changes: dict[str, object]) -> None:
    assert install.judge_gpus(target(**changes), nvidia("570.26", "12.8", B200)["gpus"], "12.8") == []
    assert install.judge_gpus(TARGET, [{"name": "NVIDIA B200", "compute_capability": None}], "12.8") == []


def test_cuda_wheels_on_a_machine_without_a_gpu_are_a_warning() -> None:
    (finding,) = install.judge_presence(TARGET, seen())
    assert told([finding]) == [
        ("warning", "gpu", "no NVIDIA GPU is seen on this machine, but the wheels are for CUDA 12.1")
    ]
    (inside,) = install.judge_presence(TARGET, seen(system={"container": "docker"}))
    assert inside.hint == "start the container with its GPUs: docker run --gpus all ..."
    assert install.judge_presence(target(cuda=None), seen()) == []
    assert install.judge_presence(TARGET, seen(nvidia=nvidia("535.104.05", "12.2", A100))) == []


def test_that_there_is_no_gpu_says_more_than_that_its_driver_is_not_seen(tmp_path: Path) -> None:
    named = TARGET | {"driver": "535"}
    (finding,) = install.check_server(named, str(tmp_path), seen(system={"container": "docker"}))
    assert (finding.rule, finding.hint) == ("gpu", "start the container with its GPUs: docker run --gpus all ...")
    away = nvidia(None, None) | {"devices": ["/dev/nvidia0"]}
    (finding,) = install.check_server(named, str(tmp_path), seen(nvidia=away))
    assert (finding.rule, finding.what.partition(",")[0]) == ("driver", "this machine's NVIDIA driver cannot be seen")


@pytest.mark.parametrize("name", ["l40s-mismatch", "a10-proc-only", "a100-no-driver"])
def test_what_keeps_cuda_from_starting_is_a_warning(name: str) -> None:
    facts = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    (finding,) = install.judge_problems(TARGET, facts)
    assert (finding.severity, finding.rule) == ("warning", "gpu")
    first = {
        "l40s-mismatch": "`nvidia-smi` ended with status 18: Failed to initialize NVML: Driver/library version"
        " mismatch; the driver was updated but not loaded again: it needs a restart",
        "a10-proc-only": "driver 535.161.08 is loaded, but there is no `/dev/nvidia0`: a container needs `--gpus all`,",
        "a100-no-driver": "`nvidia-smi` ended with status 9: NVIDIA-SMI has failed because it couldn't communicate",
    }
    assert finding.what.startswith(first[name])
    assert install.judge_problems(target(cuda=None), facts) == []


@pytest.mark.parametrize("name", sorted(set(MACHINES) - {"l40s-mismatch", "a10-proc-only", "a100-no-driver"}))
def test_a_machine_on_which_cuda_starts_raises_no_alarm(name: str) -> None:
    facts = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    assert install.judge_problems(TARGET, facts) == []


# -- libraries and programs


def test_what_is_missing_is_told_by_the_severity_of_its_need() -> None:
    judged = install.judge_needs(
        target(needs=[GL, COMPILER]), {"libGL.so.1": None}, {"cc": None, "gcc": None, "clang": None}
    )
    assert told(judged) == [
        ("error", "desktop-library", "`libGL.so.1` is missing, and `opencv-python 4.10.0.84` needs it"),
        ("warning", "compiler", "none of `cc`, `gcc` and `clang` is here, and `triton 2.1.0` needs it"),
    ]
    assert (judged[0].why, judged[0].hint) == (
        "`import cv2` fails",
        "take opencv-python-headless\nhave libgl1 installed",
    )


def test_one_of_several_is_enough_and_what_nobody_looked_for_is_not_missing() -> None:
    needs = target(needs=[GL, COMPILER])
    assert (
        install.judge_needs(needs, {"libGL.so.1": "/usr/lib64/libGL.so.1"}, {"cc": None, "gcc": "/usr/bin/gcc"}) == []
    )
    assert install.judge_needs(needs, {}, {"cc": None, "gcc": None}) == []


# -- CUDA libraries that stand in the way

SHIPPED = {"libnvJitLink.so.12", "libcublas.so.12", "libcublasLt.so.12", "libcudnn.so.8", "libcudart.so.12"}


def shadow(library: str, folder: str = "/usr/local/cuda-12.0/lib64", by: str = "LD_LIBRARY_PATH") -> dict[str, str]:
    return {"library": library, "path": f"{folder}/{library}", "by": by}


def test_an_older_nvjitlink_in_ld_library_path_is_an_error() -> None:
    found = install.judge_shadows(
        TARGET, [shadow("libnvJitLink.so.12")], SHIPPED, {"/usr/local/cuda-12.0/lib64/libnvJitLink.so.12"}
    )
    assert [tuple(each) for each in found] == [
        (
            "nvjitlink",
            "LD_LIBRARY_PATH puts `/usr/local/cuda-12.0/lib64/libnvJitLink.so.12` before the wheels' own, "
            "and it is older than CUDA 12.1",
            "`import torch` fails: undefined symbol __nvJitLinkAddData_12_1",
            "unset LD_LIBRARY_PATH",
            "error",
        )
    ]


def test_other_cuda_libraries_in_ld_library_path_are_one_warning() -> None:
    names = sorted(SHIPPED)
    (finding,) = install.judge_shadows(TARGET, [shadow(name) for name in names], SHIPPED, set())
    assert told([finding]) == [
        (
            "warning",
            "library-path",
            "LD_LIBRARY_PATH puts `libcublas.so.12`, `libcublasLt.so.12`, `libcudart.so.12` and 2 more of "
            "`/usr/local/cuda-12.0/lib64` before the wheels' own",
        )
    ]
    assert finding.hint == "unset LD_LIBRARY_PATH"


@pytest.mark.parametrize(
    "shadows",
    [
        [shadow("libcudnn.so.8", by="ld.so.cache")],  # looked at after the wheels' own
        [shadow("libcublas.so.11", "/usr/local/cuda-11.8/lib64")],  # another library: the wheels have .so.12
        [],
    ],
)
def test_what_does_not_come_before_the_wheels_own_is_not_told(shadows: list[dict[str, str]]) -> None:
    assert install.judge_shadows(TARGET, shadows, SHIPPED, set()) == []
    assert install.judge_shadows(target(cuda=None), [shadow("libcudnn.so.8")], SHIPPED, set()) == []


def test_an_nvjitlink_is_older_when_it_surely_lacks_the_symbol(tmp_path: Path) -> None:
    library = tmp_path / "libnvJitLink.so.12"
    filler = b"\x7fELF" + bytes(install.CHUNK - 20)  # the name stands across two chunks
    library.write_bytes(filler + b"__nvJitLinkAddData_12_0\0__nvJitLinkAddData_12_1\0")
    assert not install.lacks_symbols(str(library), "12.1")
    assert install.lacks_symbols(str(library), "12.4")
    library.write_bytes(b"not a library of NVIDIA's")
    assert not install.lacks_symbols(str(library), "12.1")
    assert not install.lacks_symbols(str(tmp_path / "gone"), "12.1")


def test_the_libraries_in_the_wheels_are_read_from_their_directories(tmp_path: Path) -> None:
    wheel = build_wheel(
        "nvidia-nvjitlink-cu12", "12.1.105", modules={"nvidia/nvjitlink/lib/libnvJitLink.so.12": "", "nvidia/x.so": ""}
    )
    bundle = write_bundle(tmp_path, [wheel], pip=tiny_pip())
    assert install.shipped_libraries(str(bundle.folder), install.read_manifest(str(bundle.folder))) == {
        "libnvJitLink.so.12"
    }


# -- what surrounds it


def test_an_ngc_container_is_a_warning_for_a_bundle_with_torch() -> None:
    machine = seen(system={"ngc": "24.12", "container": "docker"})
    assert told(install.judge_surroundings(TARGET, machine, {})) == [
        ("warning", "ngc", "this is an NGC container (24.12), which has a torch of its own")
    ]
    assert install.judge_surroundings(target(torch=None), machine, {}) == []


def test_selinux_and_variables_of_python_are_notes() -> None:
    variables = {"PYTHONPATH": "/opt/lib", "PYTHONHOME": "/opt/python", "PATH": "/bin"}
    assert told(install.judge_surroundings(TARGET, seen(selinux="enforcing"), variables)) == [
        ("note", "selinux", "SELinux is enforcing here"),
        ("note", "environment", "PYTHONPATH is set: `/opt/lib`"),
        ("note", "environment", "PYTHONHOME is set: `/opt/python`"),
    ]
    assert install.judge_surroundings(TARGET, seen(selinux="permissive"), {}) == []


def test_a_noexec_folder_for_temporary_files_is_a_note() -> None:
    assert told(install.judge_tmp_noexec("/tmp", True)) == [
        ("note", "noexec", "the file system of `/tmp` is mounted noexec")
    ]
    assert install.judge_tmp_noexec("/tmp", False) == []


# -- all together


def bundle_with(tmp_path: Path, *, needs: dict[str, object] | None = None, **machine: object) -> Bundle:
    return write_bundle(
        tmp_path / "bundle", [BETA], pip=tiny_pip(), needs=NEEDS | (needs or {}), probe=fake_probe(**machine)
    )


def test_check_tells_errors_then_warnings_then_notes_and_a_summary(tmp_path: Path) -> None:
    bundle = bundle_with(
        tmp_path,
        needs={"needs": [COMPILER, GL]},
        nvidia=nvidia("515.65.01", "11.7", A100),
        libraries={"libGL.so.1": None},
        programs={"cc": None, "gcc": None, "clang": None},
        selinux="enforcing",
    )
    done = bundle.install("--check", cwd=tmp_path)
    heads = [line.partition(":")[0] for line in done.stderr.splitlines() if "]: " in line]
    assert (done.returncode, heads) == (
        1,
        ["error[driver]", "error[desktop-library]", "warning[compiler]", "note[selinux]"],
    )
    assert done.stderr.endswith(
        " free\nrefused: 2 of the checks failed, nothing was changed\n"
        "  hint: to go on all the same: --accept desktop-library --accept driver\n"
    )
    assert f"\nneeds 16.8 MB in `{tmp_path}/venv`, " in done.stderr
    done = bundle.install("--check", "--accept", "driver", "--accept", "desktop-library", cwd=tmp_path)
    machine, *_, passed, _ = done.stderr.splitlines()
    assert (done.returncode, machine) == (
        4,
        "this machine: Debian GNU/Linux 12 (bookworm), x86_64, glibc 2.36, driver 515.65.01, 1 x NVIDIA A100-SXM4-80GB",
    )
    assert passed == (
        f"nothing stands in the way, but there are 3 warnings and 1 note: beta ({here()}) can be installed into "
        f"`{tmp_path}/venv`"
    )


def test_an_install_is_refused_by_errors_goes_on_after_warnings_and_keeps_notes_to_itself(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path, needs={"torch": None}, nvidia=nvidia("515.65.01", "11.7", A100))
    done = bundle.install(cwd=tmp_path)
    assert (done.returncode, (tmp_path / "venv").exists()) == (1, False)
    done = bundle.install("--accept", "driver", cwd=tmp_path, environment={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, "warning[driver]: " in done.stderr, "note[" in done.stderr) == (0, True, False)


def test_what_was_accepted_online_is_a_warning_here_and_nothing_else_is(tmp_path: Path) -> None:
    bundle = bundle_with(
        tmp_path, needs={"accepted": ["driver", "cuda-mix", "digest"]}, nvidia=nvidia("515.65.01", "11.7", A100)
    )
    assert bundle.install("--check", cwd=tmp_path).returncode == 4
    (bundle.folder / "README.txt").write_text("changed")
    done = bundle.install("--check", cwd=tmp_path)
    assert (done.returncode, "error[digest]: `README.txt`" in done.stderr) == (1, True)


def test_notes_alone_are_exit_code_0(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path, nvidia=nvidia("535.104.05", "12.2", A100), selinux="enforcing")
    done = bundle.install("--check", cwd=tmp_path)
    assert (done.returncode, "all checks passed, with 1 note: beta (" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("probe", "ended"),
    [
        ("import sys\nsys.exit('no such luck')\n", "exit status 1: no such luck"),
        ("print('hello')\n", "exit status 0: it printed nothing that can be read"),
        ("print('[]')\n", "exit status 0: it printed nothing that can be read"),
        ("import os\nos.abort()\n", "exit status -6: it printed nothing that can be read"),
    ],
)
def test_a_probe_that_fails_is_a_warning_and_the_driver_is_looked_at_all_the_same(
    tmp_path: Path, probe: str, ended: str
) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=tiny_pip(), needs=NEEDS, probe=probe)
    version = tmp_path / "proc" / "driver" / "nvidia" / "version"
    version.parent.mkdir(parents=True)
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  515.65.01  Wed Jul 20 14:00:58 UTC 2022\n")
    done = bundle.install("--check", cwd=tmp_path, environment={"WHEELHOUSE_PROC_ROOT": str(tmp_path / "proc")})
    assert done.returncode == 1
    assert f"warning[probe]: `probe.py` could not look at this machine: {ended}\n" in done.stderr
    assert "error[driver]: the NVIDIA driver is 515.65.01, but CUDA 12.1 needs 525.60.13 or newer\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_probe_that_was_changed_on_the_way_is_never_run(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path)
    (bundle.folder / "probe.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    done = bundle.install("--check", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "ran").exists()) == (1, False)
    assert "error[digest]: `probe.py` is sha256:" in done.stderr


def test_a_bundle_for_which_the_machine_does_not_matter_does_not_ask_it(tmp_path: Path) -> None:
    probe = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    bundle = write_bundle(tmp_path / "bundle", [BETA], pip=tiny_pip(), probe=probe)
    assert (bundle.install(cwd=tmp_path).returncode, (tmp_path / "ran").exists()) == (0, False)


def test_the_probe_that_travels_says_what_install_py_reads(tmp_path: Path) -> None:
    """The real probe.py, on a server on paper: NVIDIA's driver 470 without a GPU, and no libGL."""
    proc = tmp_path / "root" / "proc" / "driver" / "nvidia" / "version"
    proc.parent.mkdir(parents=True)
    proc.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02  Tue Jul 13 16:14:05 UTC 2021\n")
    probe = (OFFLINE / "probe.py").read_text(encoding="utf-8")
    bundle = write_bundle(tmp_path / "b", [BETA], pip=tiny_pip(), needs=NEEDS | {"needs": [GL]}, probe=probe)
    (tmp_path / "bin").mkdir()
    environment = {"WHEELHOUSE_PROBE_ROOT": str(tmp_path / "root"), "PATH": str(tmp_path / "bin")}
    done = bundle.install("--check", cwd=tmp_path, environment=environment)
    assert done.returncode == 1
    assert "error[driver]: the NVIDIA driver is 470.57.02, but CUDA 12.1 needs 525.60.13 or newer\n" in done.stderr
    assert "error[desktop-library]: `libGL.so.1` is missing, and `opencv-python 4.10.0.84` needs it\n" in done.stderr
    assert "warning[probe]" not in done.stderr


# -- on a terminal


def test_lines_are_broken_between_words_at_the_terminals_width(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path, nvidia=nvidia("515.65.01", "11.7", A100))
    done = bundle.install("--check", "--venv", "/한글/폴더", cwd=tmp_path, environment={"COLUMNS": "80"})
    assert max(len(line) for line in done.stderr.splitlines()) <= 80
    assert re.sub(r"\n +", " ", done.stderr).startswith(
        "this machine: Debian GNU/Linux 12 (bookworm), x86_64, glibc 2.36, driver 515.65.01, "
        "1 x NVIDIA A100-SXM4-80GB\n\nerror[driver]: the NVIDIA driver is 515.65.01, but CUDA 12.1 needs 525.60.13"
    )


def test_wide_letters_take_two_cells_and_a_long_word_stays_whole() -> None:
    assert install.wrapped("  why: " + "가나다라 " * 10, 40) == [
        "  why: 가나다라 가나다라 가나다라",
        "      가나다라 가나다라 가나다라",
        "      가나다라 가나다라 가나다라",
        "      가나다라",
    ]
    assert install.wrapped("see " + "x" * 60, 40) == ["see", "    " + "x" * 60]
    assert install.wrapped("a " * 60, None) == ["a " * 60]


# -- hashing


def test_every_file_is_hashed_once_on_all_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {f"{number}.bin": os.urandom(1000 + number) for number in range(40)}
    promised = []
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        promised.append(install.Promise(name, install.hashlib.sha256(content).hexdigest(), len(content)))
    opened: list[str] = []
    together = threading.Barrier(8, timeout=30)  # it opens when eight have come
    real = install.check_file

    def counted(folder: str, promise: Any, *rest: Any) -> Any:
        opened.append(promise.path)
        together.wait()
        return real(folder, promise, *rest)

    monkeypatch.setattr(install, "check_file", counted)
    monkeypatch.setattr(install, "processors", lambda: 8)
    assert install.check_files(str(tmp_path), promised) == {}
    assert sorted(opened) == sorted(contents)
    monkeypatch.setattr(install, "check_file", real)
    (tmp_path / "7.bin").write_bytes(contents["7.bin"][::-1])
    (tmp_path / "3.bin").unlink()
    assert [(path, each.rule) for path, each in install.check_files(str(tmp_path), promised).items()] == [
        ("3.bin", "missing-file"),
        ("7.bin", "digest"),
    ]


def test_a_signal_ends_the_hashing_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(install, "check_file", lambda *_: released.wait(timeout=30) and None)

    def interrupted(self: Any, timeout: float | None = None) -> None:
        raise install.Interrupted(2)

    with monkeypatch.context() as patch, pytest.raises(install.Interrupted):
        patch.setattr(install.threading.Thread, "join", interrupted)
        install.check_files(str(tmp_path), [install.Promise("a.bin", "0" * 64, 1)])
    released.set()


def test_what_goes_wrong_in_a_thread_is_not_lost(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        install.check_files(str(tmp_path), [install.Promise(None, "0" * 64, 1)])


def test_the_manifest_of_an_older_bundle_has_no_needs() -> None:
    assert install.needs_of({}) == install.needs_of({"needs": None}) == {}
    assert json.dumps(install.whole_server({"nvidia": None, "libraries": 5})["nvidia"]) == (
        '{"gpus": [], "devices": [], "problems": []}'
    )
