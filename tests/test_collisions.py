"""Distributions that write the same files: what is known by name, and what the wheels' own directories show."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping

import pytest
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.compat.collisions import clashes, collisions
from wheelhouse.compat.model import Finding, Pinned, Severity, Subject
from wheelhouse.contents import Contents, contents
from wheelhouse.data import table
from wheelhouse.target import Target

CU124 = "linux-x86_64-cu124-py310"
CPU = "linux-x86_64-cpu-py310"


def pin(name: str, version: str, *dependencies: str) -> Pinned:
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return Pinned(
        name=canonicalize_name(name),
        version=Version(version),
        filename=filename,
        dependencies=tuple(canonicalize_name(each) for each in dependencies),
    )


def wheel(files: Mapping[str, int]) -> Contents:
    """The contents of a wheel with these paths, each with a number that stands for its bytes."""
    members = []
    for path, crc in files.items():
        member = zipfile.ZipInfo(path)
        member.CRC, member.file_size = crc, 100
        members.append(member)
    return contents(members)


def found(
    *pins: Pinned,
    target: str = CU124,
    roots: tuple[str, ...] = (),
    known: Mapping[str, Mapping[str, int]] | None = None,
) -> tuple[Finding, ...]:
    subject = Subject(
        target=Target.parse(target),
        pins={each.name: each for each in pins},
        roots=tuple(canonicalize_name(name) for name in roots),
        contents={canonicalize_name(name): wheel(files) for name, files in (known or {}).items()},
    )
    return tuple(collisions(subject))


# By name


def test_onnxruntime_beside_its_gpu_build_loses_the_gpu() -> None:
    (finding,) = found(
        pin("faster-whisper", "1.1.1", "onnxruntime", "ctranslate2"),
        pin("onnxruntime", "1.23.2"),
        pin("onnxruntime-gpu", "1.23.2"),
        roots=("faster-whisper", "onnxruntime-gpu"),
    )
    assert finding == Finding(
        rule="collision",
        severity=Severity.ERROR,
        what="`onnxruntime 1.23.2` and `onnxruntime-gpu 1.23.2` write the same files",
        why="the files of `onnxruntime` stay:"
        " `CUDAExecutionProvider` is missing, and everything runs on the CPU without an error",
        way_out="leave out one: `onnxruntime` is required by `faster-whisper`, `onnxruntime-gpu` was asked for\n"
        "or `--accept collision`, and on the server put the files of `onnxruntime-gpu` back:"
        " `pip install --no-index --no-deps --force-reinstall wheels/onnxruntime_gpu-1.23.2-py3-none-any.whl`",
        projects=(NormalizedName("onnxruntime"), NormalizedName("onnxruntime-gpu")),
    )


@pytest.mark.parametrize(
    ("target", "one", "other", "severity"),
    [
        (CPU, ("onnxruntime", "1.23.2"), ("onnxruntime-gpu", "1.23.2"), Severity.NOTE),
        (CPU, ("onnxruntime", "1.23.2"), ("onnxruntime-gpu", "1.18.1"), Severity.WARNING),
        (CU124, ("tensorflow", "2.19.0"), ("tensorflow-cpu", "2.19.0"), Severity.NOTE),  # the GPU build's files stay
        (CU124, ("faiss-cpu", "1.7.2"), ("faiss-gpu", "1.7.2"), Severity.ERROR),
        (CU124, ("paddlepaddle", "3.0.0"), ("paddlepaddle-gpu", "3.0.0"), Severity.ERROR),
        (CU124, ("cupy-cuda12x", "13.6.0"), ("cupy-cuda13x", "13.6.0"), Severity.ERROR),
        (CU124, ("xgboost", "2.1.4"), ("xgboost-cpu", "2.1.4"), Severity.NOTE),
        (CU124, ("nvidia-nccl-cu12", "2.21.5"), ("nvidia-nccl-cu13", "2.27.7"), Severity.ERROR),
        (CPU, ("opencv-python", "4.12.0.88"), ("opencv-python-headless", "4.12.0.88"), Severity.WARNING),
        (CPU, ("jwt", "1.4.0"), ("pyjwt", "2.10.0"), Severity.ERROR),
        (CPU, ("bson", "0.5.10"), ("pymongo", "4.10.1"), Severity.ERROR),
        (CPU, ("psycopg2", "2.9.10"), ("psycopg2-binary", "2.9.10"), Severity.NOTE),
    ],
)
def test_how_much_a_pair_weighs(target: str, one: tuple[str, str], other: tuple[str, str], severity: Severity) -> None:
    (finding,) = found(pin(*one), pin(*other), target=target)
    assert finding.severity is severity


@pytest.mark.parametrize(
    "names",
    [
        ("nvidia-cublas-cu12", "nvidia-cublas"),  # other folders
        ("nvidia-cublas-cu11", "nvidia-cublas-cu12"),  # headers alone
        ("nvidia-cudnn-cu11", "nvidia-cudnn-cu12"),  # it depends on the versions
        ("tensorflow", "tensorflow-intel"),  # Windows: the first one is empty
        ("attr", "attrs"),  # attr.py and attr/
        ("pynvml", "nvidia-ml-py"),  # pynvml/ and pynvml.py
        ("python-levenshtein", "levenshtein"),
        ("dotenv", "python-dotenv"),
        ("torch", "torchvision"),
        ("onnxruntime-gpu", "numpy"),
    ],
)
def test_no_name_alone_is_suspicious(names: tuple[str, str]) -> None:
    assert found(*(pin(name, "1.0") for name in names)) == ()


@pytest.mark.parametrize("row", [row for row in table("collisions.json")["rows"] if row.get("cuda-only")])
def test_cuda_is_of_no_account_without_it(row: dict[str, list[list[str]]]) -> None:
    assert found(*(pin(name, "1.0") for names in row["sets"] for name in names), target=CPU) == ()


def test_libraries_of_two_cuda_majors_are_told_together() -> None:
    (finding,) = found(
        pin("torch", "2.6.0", "nvidia-cudnn-cu12", "nvidia-nccl-cu12"),
        pin("nvidia-cudnn-cu12", "9.1.0.70"),
        pin("nvidia-cudnn-cu13", "9.20.0.48"),
        pin("nvidia-nccl-cu12", "2.21.5"),
        pin("nvidia-nccl-cu13", "2.27.7"),
        roots=("torch",),
    )
    assert finding.what == (
        "`nvidia-cudnn-cu12 9.1.0.70` and `nvidia-cudnn-cu13 9.20.0.48` write the same files,"
        " and so do `nvidia-nccl-cu12 2.21.5` and `nvidia-nccl-cu13 2.27.7`"
    )
    assert finding.way_out == "leave out one: `nvidia-cudnn-cu12` is required by `torch`, `nvidia-cudnn-cu13`"


def test_three_of_a_kind_are_one_finding_and_the_headless_one_is_put_back() -> None:
    (finding,) = found(
        pin("opencv-python-headless", "4.11.0.86"),
        pin("opencv-python", "4.6.0.66"),
        pin("opencv-contrib-python", "4.6.0.66"),
        roots=("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    )
    assert finding.what == (
        "`opencv-contrib-python 4.6.0.66`, `opencv-python 4.6.0.66` and `opencv-python-headless 4.11.0.86`"
        " write the same files"
    )
    assert finding.way_out.splitlines()[1] == (
        "or on the server put the files of `opencv-python-headless` back: `pip install --no-index --no-deps"
        " --force-reinstall wheels/opencv_python_headless-4.11.0.86-py3-none-any.whl`"
    )


def test_every_row_says_where_it_is_from_and_what_is_seen() -> None:
    for row in table("collisions.json")["rows"]:
        assert row["source"] and row["otherwise"], row["name"]
        assert ("gpu" in row) == ("lost" in row) != ("severity" in row), row["name"]
        assert all(
            name == canonicalize_name(name) and names == sorted(names) for names in row["sets"] for name in names
        )


# By what is in the wheels


def test_the_directories_count_more_than_a_name() -> None:
    """TensorFlow's wheels for Windows are empty; cuDNN 8 and 9 share headers only."""
    stubs = {"tensorflow": {}, "tensorflow-cpu": {"tensorflow/__init__.py": 1}}
    assert found(pin("tensorflow", "2.15.1"), pin("tensorflow-cpu", "2.15.1"), known=stubs) == ()
    eight = {"nvidia/cudnn/lib/libcudnn.so.8": 1, "nvidia/cudnn/include/cudnn.h": 1}
    nine = {"nvidia/cudnn/lib/libcudnn.so.9": 2, "nvidia/cudnn/include/cudnn.h": 2}
    also_eight = {"nvidia/cudnn/lib/libcudnn.so.8": 3}
    pins = pin("nvidia-cudnn-cu11", "8.9.6.50"), pin("nvidia-cudnn-cu12", "9.1.0.70")
    assert found(*pins, known={"nvidia-cudnn-cu11": eight, "nvidia-cudnn-cu12": nine}) == ()
    (finding,) = found(*pins, known={"nvidia-cudnn-cu11": eight, "nvidia-cudnn-cu12": also_eight})
    assert finding.severity is Severity.ERROR
    assert found(*pins, target=CPU, known={"nvidia-cudnn-cu11": eight, "nvidia-cudnn-cu12": also_eight}) == ()


def test_two_wheels_that_write_other_code_to_one_path() -> None:
    files = {"docker/__init__.py": 1, "docker/client.py": 2, "docker/tls.py": 3}
    pins = pin("docker", "7.2.0"), pin("docker-py", "1.10.6"), pin("app", "1.0", "docker-py")
    (finding,) = found(
        *pins, roots=("docker", "app"), known={"docker": files, "docker-py": dict.fromkeys(files, 9), "app": {}}
    )
    assert finding == Finding(
        rule="collision",
        severity=Severity.WARNING,
        what="`docker 7.2.0` and `docker-py 1.10.6` both write `docker/client.py` and 2 more files, each its own",
        why="the files of `docker` stay, and `docker-py` runs with code that is not its own",
        way_out="leave out one: `docker` was asked for, `docker-py` is required by `app`",
        projects=(NormalizedName("docker"), NormalizedName("docker-py")),
    )


@pytest.mark.parametrize(
    "path",
    [
        "google/__init__.py",  # a namespace, each project with a file of its own
        "LICENSE",
        "README.md",
        "tests/test_it.py",
        "docs/conf.py",
        "examples/run.py",
        "nvidia/cuda_runtime/include/cuda.h",
        "one-1.0.data/scripts/tool.py",
        "one-1.0.dist-info/helper.py",
    ],
)
def test_what_no_import_needs_may_be_written_twice(path: str) -> None:
    assert found(pin("one", "1.0"), pin("two", "1.0"), known={"one": {path: 1}, "two": {path: 2}}) == ()


def test_the_same_bytes_may_be_written_twice() -> None:
    assert found(pin("one", "1.0"), pin("two", "1.0"), known={"one": {"x/y.py": 1}, "two": {"x/y.py": 1}}) == ()


def test_each_two_of_three_are_compared() -> None:
    known = {NormalizedName(name): wheel({"x/y.py": crc}) for name, crc in (("a", 1), ("b", 1), ("c", 2))}
    assert clashes(known) == {("a", "c"): ["x/y.py"], ("b", "c"): ["x/y.py"]}
