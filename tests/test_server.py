"""A probe's JSON read as a value: what it tells is kept, what it cannot tell is no fault, damage is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelhouse.compat.server import LARGEST, BadProbe, Gpu, SeenPython, Server, Space, parse
from wheelhouse.outputs.server import page

LABEL = "linux-x86_64-cu118-py310-driver515.65.01-sm80"
PROBED: dict[str, Any] = {
    "probe": 1,
    "label": LABEL,
    "line": f"{LABEL}-ck37878",
    "system": {
        "os": "linux", "distribution": "Red Hat Enterprise Linux 8.9 (Ootpa)", "id": "rhel", "version": "8.9",
        "kernel": "4.18.0-513.5.1.el8_9.x86_64", "machine": "x86_64", "container": "docker", "ngc": "24.12",
    },
    "libc": {"name": "glibc", "version": "2.28"},
    "pythons": [
        {"path": "/usr/bin/python3.10", "version": "3.10.13", "implementation": "cpython", "abi": "cp310", "bits": 64,
         "venv": True, "ensurepip": True, "pip": "23.0.1", "headers": True},
        {"path": "/usr/libexec/platform-python", "version": "3.6.8", "implementation": "cpython", "abi": "cp36m",
         "bits": 64, "venv": True, "ensurepip": False, "pip": None, "headers": None},
    ],
    "nvidia": {
        "driver": "515.65.01", "cuda": "11.7",
        "gpus": [{"name": "NVIDIA A100-SXM4-80GB", "compute_capability": "8.0", "memory": 85899345920},
                 {"name": "NVIDIA A100-SXM4-80GB", "compute_capability": None, "memory": None}],
        "devices": ["/dev/nvidia0", "/dev/nvidiactl"], "libcuda": "/usr/lib64/libcuda.so.1",
        "problems": ["`nvidia-smi` ended with status 9"],
    },
    "environment": {"LD_LIBRARY_PATH": "/usr/local/cuda-12.0/lib64"},
    "libraries": {"libGL.so.1": None, "libmpi.so.12": None, "libmpi.so.40": "/usr/lib64/libmpi.so.40",
                  "libavcodec.so.58": None, "libavcodec.so.59": None, "libgomp.so.1": "/usr/lib64/libgomp.so.1"},
    "programs": {"cc": "/usr/bin/cc", "ffmpeg": None},
    "cuda": [{"path": "/usr/local/cuda-12.0", "version": "12.0"}],
    "cudnn": [{"path": "/usr/lib64/libcudnn.so.8", "version": "8.9.2"}],
    "shadows": [{"library": "libnvJitLink.so.12", "path": "/usr/local/cuda-12.0/lib64/libnvJitLink.so.12",
                 "by": "LD_LIBRARY_PATH"}],
    "space": [
        {"what": "root", "path": "/", "filesystem": "xfs", "free": 39000000000, "total": 42000000000, "noexec": False,
         "read_only": False, "writable": True},
        {"what": "temporary", "path": "/tmp", "filesystem": "tmpfs", "free": 1000000, "total": 2000000, "noexec": True,
         "read_only": False, "writable": True},
        {"what": "home", "path": "/home/kim", "filesystem": None, "free": None, "total": None, "noexec": False,
         "read_only": True, "writable": False},
    ],
    "selinux": "enforcing",
    "problems": ["no `ldconfig` was found"],
}  # fmt: skip


def read(found: Any) -> Server:
    return parse(found if isinstance(found, str) else json.dumps(found), "probe.json")


def fault(found: Any) -> str:
    with pytest.raises(BadProbe) as told:
        read(found)
    assert told.value.exit_code == 1
    assert told.value.hint
    sentence = str(told.value)
    assert sentence.startswith("`probe.json` is no probe of a server: ")
    return sentence.removeprefix("`probe.json` is no probe of a server: ")


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    """The probe with one value in another's place."""
    found = json.loads(json.dumps(PROBED))
    place = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return found


def test_everything_that_a_probe_tells_is_kept() -> None:
    assert read(PROBED) == Server(
        label=LABEL,
        os="linux",
        arch="x86_64",
        distribution="Red Hat Enterprise Linux 8.9 (Ootpa)",
        libc=("glibc", (2, 28)),
        pythons=(
            SeenPython(
                path="/usr/bin/python3.10", version=(3, 10, 13), implementation="cpython", abi="cp310", venv=True,
                ensurepip=True, pip="23.0.1", headers=True, bits=64,
            ),
            SeenPython(
                path="/usr/libexec/platform-python", version=(3, 6, 8), abi="cp36m", venv=True, ensurepip=False,
                pip=None, headers=None,
            ),
        ),
        driver="515.65.01",
        gpus=(
            Gpu(name="NVIDIA A100-SXM4-80GB", capability=(8, 0), memory=85899345920),
            Gpu(name="NVIDIA A100-SXM4-80GB"),
        ),
        libraries=PROBED["libraries"],
        programs={"cc": "/usr/bin/cc", "ffmpeg": None},
        shadows=(("libnvJitLink.so.12", "/usr/local/cuda-12.0/lib64/libnvJitLink.so.12", "LD_LIBRARY_PATH"),),
        ngc="24.12",
        selinux="enforcing",
        free={"/": 39000000000, "/tmp": 1000000},
        noexec=("/tmp",),
        kernel="4.18.0-513.5.1.el8_9.x86_64",
        container="docker",
        driver_cuda="11.7",
        devices=("/dev/nvidia0", "/dev/nvidiactl"),
        libcuda="/usr/lib64/libcuda.so.1",
        environment={"LD_LIBRARY_PATH": "/usr/local/cuda-12.0/lib64"},
        toolkits=(("/usr/local/cuda-12.0", "12.0"),),
        cudnn=(("/usr/lib64/libcudnn.so.8", "8.9.2"),),
        space=(
            Space(what="root", path="/", filesystem="xfs", free=39000000000, total=42000000000, writable=True),
            Space(what="temporary", path="/tmp", filesystem="tmpfs", free=1000000, total=2000000, noexec=True,
                  writable=True),
            Space(what="home", path="/home/kim", read_only=True, writable=False),
        ),
        problems=("`nvidia-smi` ended with status 9", "no `ldconfig` was found"),
    )  # fmt: skip


def test_a_page_of_it_is_80_columns_wide() -> None:
    assert list(page(read(PROBED))) == [
        "linux-x86_64-cu118-py310-driver515.65.01-sm80",
        "  system         Red Hat Enterprise Linux 8.9 (Ootpa),",
        "                 4.18.0-513.5.1.el8_9.x86_64 on x86_64",
        "  container      docker, NGC 24.12, which brings its own torch",
        "  C library      glibc 2.28",
        "  Python         3.10.13 /usr/bin/python3.10 (cp310, venv, pip 23.0.1, headers)",
        "                 3.6.8 /usr/libexec/platform-python (cp36m, venv without pip, no",
        "                 pip)",
        "  driver         515.65.01, CUDA 11.7",
        "  GPU            NVIDIA A100-SXM4-80GB, sm80, 85.9 GB",
        "                 NVIDIA A100-SXM4-80GB",
        "  CUDA there     /usr/local/cuda-12.0 (12.0)",
        "                 /usr/lib64/libcudnn.so.8 (8.9.2)",
        "  found first    libnvJitLink.so.12 in",
        "                 /usr/local/cuda-12.0/lib64/libnvJitLink.so.12, by",
        "                 LD_LIBRARY_PATH",
        "  libraries      missing: libGL.so.1 libavcodec",
        "  programs       missing: ffmpeg",
        "  space          /: 39.0 GB free of 42.0 GB",
        "                 /tmp: 1.0 MB free of 2.0 MB, noexec: nothing there may be run",
        "                 /home/kim: not known, read-only, not writable",
        "  SELinux        enforcing",
        "  environment    LD_LIBRARY_PATH=/usr/local/cuda-12.0/lib64",
        "  problems       `nvidia-smi` ended with status 9",
        "                 no `ldconfig` was found",
    ]


def test_what_a_probe_could_not_tell_is_no_fault() -> None:
    nothing = Server(label="", os="", arch="")
    assert read({"probe": 1}) == nothing
    assert read(dict.fromkeys(PROBED) | {"probe": 1}) == nothing
    empty = {"system": {}, "libc": {"name": None, "version": None}, "pythons": [{}], "nvidia": {"gpus": []}, "cuda": []}
    assert read({"probe": 1, **empty}) == nothing
    assert next(page(nothing)) == "no target: this machine is none that wheels can be locked for"


def test_keys_that_are_not_known_do_not_count() -> None:
    assert read({**PROBED, "weather": {"rain": [1]}}) == read(PROBED)
    assert read(changed("system", "colour", to="red")) == read(PROBED)


def test_a_byte_order_mark_is_no_fault() -> None:
    assert read("\ufeff" + json.dumps(PROBED)) == read(PROBED)


@pytest.mark.parametrize(
    ("machine", "arch"),
    [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("arm64", "aarch64"), ("aarch64", "aarch64"), ("ppc64le", "ppc64le")],
)
def test_an_architecture_is_spelled_as_in_a_label(machine: str, arch: str) -> None:
    assert read(changed("system", "machine", to=machine)).arch == arch


@pytest.mark.parametrize(
    ("libc", "expected"),
    [
        ({"name": "musl", "version": "1.2.4"}, ("musl", (1, 2))),
        ({"name": "glibc", "version": "2.36"}, ("glibc", (2, 36))),
        ({"name": "glibc", "version": None}, None),
        ({"name": "bionic", "version": "34"}, None),
    ],
)
def test_a_c_library_is_a_name_and_two_numbers(libc: Any, expected: Any) -> None:
    assert read(changed("libc", to=libc)).libc == expected


@pytest.mark.parametrize(
    ("version", "expected"), [("3.14.0rc1", (3, 14, 0)), ("3.13.0+", (3, 13, 0)), ("2.7.18", (2, 7, 18))]
)
def test_a_python_may_be_a_pre_release(version: str, expected: tuple[int, int, int]) -> None:
    assert read(changed("pythons", 0, "version", to=version)).pythons[0].version == expected


def test_a_python_without_a_version_is_left_out() -> None:
    assert len(read(changed("pythons", 0, "version", to=None)).pythons) == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("What wheelhouse sees on this machine", "line 1 is not JSON"),
        ('{\n "probe": 1,\n', "line 3 is not JSON"),
        ("[1, 2]", "its key `probe` is missing"),
        ("{}", "its key `probe` is missing"),
        ("null", "its key `probe` is missing"),
        ("[" * 100_000, "it is not JSON"),
        ('{"probe": 1' + "1" * 5000 + "}", "it is not JSON"),
        (" " * (LARGEST + 1), "it is far too large"),
        ('{"probe": true}', "`probe` is not a whole number"),
        ('{"probe": 0}', "`probe` is no number of a format"),
        ('{"probe": null}', "`probe` is no number of a format"),
        ('{"probe": "1"}', "`probe` is not a whole number"),
    ],
    ids=lambda value: value[:20],
)
def test_text_that_is_no_probe_is_refused(text: str, what: str) -> None:
    assert fault(text) == what


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("system",), [], "`system` is not an object"),
        (("system", "os"), 3, "`system.os` is not a text"),
        (("label",), {}, "`label` is not a text"),
        (("pythons",), {}, "`pythons` is not a list"),
        (("pythons", 1), "python", "`pythons[1]` is not an object"),
        (("pythons", 1, "version"), "three", "`pythons[1].version` is no version of a Python"),
        (("pythons", 0, "venv"), "yes", "`pythons[0].venv` is not true or false"),
        (("pythons", 0, "bits"), True, "`pythons[0].bits` is not a whole number"),
        (("nvidia", "driver"), "515; rm -rf /", "`nvidia.driver` is no version"),
        (("nvidia", "driver"), "٥١٥", "`nvidia.driver` is no version"),
        (("nvidia", "gpus", 0, "compute_capability"), "8.x", "`nvidia.gpus[0].compute_capability` is no version"),
        (("nvidia", "gpus", 0, "memory"), 1e400, "`nvidia.gpus[0].memory` is not a whole number"),
        (("nvidia", "gpus", 0, "memory"), -1, "`nvidia.gpus[0].memory` is no number that can be"),
        (("nvidia", "devices"), [1], "`nvidia.devices` is not a list of texts"),
        (("libraries",), ["libGL.so.1"], "`libraries` is not an object"),
        (("libraries", "libGL.so.1"), 1, "`libraries` is not an object of texts"),
        (("space", 0, "free"), "39 GB", "`space[0].free` is not a whole number"),
        (("space", 0, "free"), 10**30, "`space[0].free` is no number that can be"),
        (("cuda",), [{}] * 2001, "`cuda` has more than 2000 entries"),
        (("programs",), {str(at): None for at in range(2001)}, "`programs` has more than 2000 entries"),
        (("label",), LABEL.replace("cu118", "cu121"), "its `label` and its `line` do not fit each other"),
        (("line",), f"{LABEL}-ck37879", "its `label` and its `line` do not fit each other"),
        (("line",), f"{LABEL}-ck3787", "in its `line`, `ck3787` is no check group: that is `ck` and five digits,"
                                       " once and at the end"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_a_damaged_value_is_named_by_its_place(path: tuple[str | int, ...], value: Any, what: str) -> None:
    assert fault(changed(*path, to=value)) == what


def test_a_newer_probe_is_refused_and_the_hint_says_what_to_do() -> None:
    with pytest.raises(BadProbe) as told:
        read({**PROBED, "probe": 2})
    assert told.value.what == "a newer probe wrote it (format 2, and this wheelhouse reads 1)"
    assert told.value.hint == (
        "bring wheelhouse up to date, or carry its own probe there: `wheelhouse probe --write DIR`"
    )


def test_nothing_in_it_can_move_a_terminals_cursor() -> None:
    nasty = "\x1b[2J\x1b]0;owned\x07\r\n\u202e" + "x" * 100_000
    found = changed("system", "distribution", to=nasty)
    found["problems"] = [nasty]
    found["libraries"] = {nasty: nasty}
    found["environment"] = {nasty: nasty}
    found["nvidia"]["gpus"][0]["name"] = nasty
    lines = list(page(read(found)))
    assert all(line.isprintable() for line in lines)
    assert all(len(line) < 2200 for line in lines)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PROBED, "path", "x"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([key for key in PROBED if key != "probe"]), _JSON))
def test_whatever_stands_in_it_gives_a_server_or_one_error(found: dict[str, Any]) -> None:
    try:
        server = read({"probe": 1, **found})
    except BadProbe as error:
        assert "\n" not in str(error)
    else:
        assert list(page(server))
