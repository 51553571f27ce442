"""A lock laid out as a bundle: which files, with what in them, the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version
from world.bundles import entries_of, lock_of, write_bundle
from world.wheels import WheelFile, build_wheel

from wheelhouse.digests import Digest
from wheelhouse.lock import Lock, LockedPackage, LockedWheel
from wheelhouse.outputs.bundle import Entry, NoInstaller, layout, requirements
from wheelhouse.target import Target

LABEL = "linux-x86_64-cu121-py310-glibc2.31-driver535.104-sm80"


def package(filename: str, name: str, version: str, digit: str, size: int | None = 100) -> LockedPackage:
    wheel = LockedWheel(filename=filename, url=f"https://index.test/{filename}", digest=Digest(digit * 64), size=size)
    return LockedPackage(name=NormalizedName(name), version=Version(version), wheel=wheel)


TORCH = package("torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl", "torch", "2.1.2+cu121", "a", 2_200_000_000)
NUMPY = package("numpy-1.26.4-cp310-cp310-manylinux_2_17_x86_64.whl", "numpy", "1.26.4", "b", None)
PIP = package("pip-26.0-py3-none-any.whl", "pip", "26.0", "c", 1_800_000)


NEEDS = {"cuda": "12.1", "driver": "525.60.13"}


def lock(*packages: LockedPackage, installer: LockedPackage | None = PIP, requires_python: str = "==3.10.*") -> Lock:
    return Lock(
        label=Target.parse(LABEL).label,
        requires_python=SpecifierSet(requires_python),
        environment="sys_platform == 'linux'",
        packages=packages,
        installer=installer,
        roots=(NormalizedName("torch"),),
    )


def laid_out(lock: Lock, wheel_folder: str = "wheels/", **unpacked: int) -> dict[str, Entry]:
    entries = layout(
        lock,
        Target.parse(LABEL),
        lock_toml='lock-version = "1.0"\n',
        unpacked={TORCH.wheel.filename: 4_700_000_000} | unpacked,
        needs=NEEDS,
        scripts={"install.sh": b"#!/bin/sh\n", "install.py": b"# python\n"},
        tool="wheelhouse 0.1.0",
        wheel_folder=wheel_folder,
    )
    return {entry.path: entry for entry in entries}


def text(entry: Entry) -> str:
    assert entry.content is not None
    return entry.content.decode()


def manifest(entries: dict[str, Entry]) -> dict[str, object]:
    (target,) = json.loads(text(entries["MANIFEST.json"]))["targets"]
    return target


def test_a_bundle_holds_these_files_and_nothing_else() -> None:
    entries = laid_out(lock(NUMPY, TORCH))
    assert list(entries) == [
        "MANIFEST.json",
        "README.txt",
        "SHA256SUMS",
        "install.py",
        "install.sh",
        "pylock.toml",
        "requirements.txt",
        "wheels/numpy-1.26.4-cp310-cp310-manylinux_2_17_x86_64.whl",
        "wheels/pip-26.0-py3-none-any.whl",
        "wheels/torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl",
    ]
    assert [path for path, entry in entries.items() if entry.executable] == ["install.sh"]
    assert entries["wheels/pip-26.0-py3-none-any.whl"].wheel is PIP.wheel
    assert text(entries["pylock.toml"]) == 'lock-version = "1.0"\n'


def test_in_a_wheel_folder_the_wheels_lie_beside_the_scripts() -> None:
    entries = laid_out(lock(NUMPY, TORCH), wheel_folder="")
    assert "pip-26.0-py3-none-any.whl" in entries
    assert not any(path.startswith("wheels/") for path in entries)
    assert manifest(entries)["installer"] == "pip-26.0-py3-none-any.whl"
    assert "--find-links . " in text(entries["README.txt"])


def test_requirements_are_sorted_pins_with_digests_and_local_versions_and_without_the_installer() -> None:
    assert text(laid_out(lock(TORCH, NUMPY))["requirements.txt"]) == (
        f"numpy==1.26.4 --hash=sha256:{'b' * 64}\ntorch==2.1.2+cu121 --hash=sha256:{'a' * 64}\n"
    )


def test_a_pip_that_was_asked_for_is_a_requirement_as_any_other() -> None:
    assert requirements((PIP,)) == f"pip==26.0 --hash=sha256:{'c' * 64}\n"
    wheels = {
        wheel["path"]: wheel["install"] for wheel in manifest(laid_out(lock(PIP, TORCH, installer=None)))["wheels"]
    }
    assert wheels == {
        "wheels/pip-26.0-py3-none-any.whl": True,
        "wheels/torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl": True,
    }


def test_a_lock_without_any_pip_is_refused() -> None:
    with pytest.raises(NoInstaller) as caught:
        laid_out(lock(TORCH, installer=None))
    assert str(caught.value) == f"the lock of `{Target.parse(LABEL).label}` names no pip to install with"
    assert caught.value.hint == "run `wheelhouse lock` again: it locks the pip that the offline side runs"


def test_sha256sums_lists_every_other_file_sorted() -> None:
    entries = laid_out(lock(TORCH))
    lines = text(entries["SHA256SUMS"]).splitlines()
    assert [line[66:] for line in lines] == sorted(set(entries) - {"SHA256SUMS"})
    assert f"{'a' * 64}  wheels/torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl" in lines
    assert f"{hashlib.sha256(b'#!/bin/sh' + bytes([10])).hexdigest()}  install.sh" in lines


def test_the_manifest_says_what_install_py_has_to_judge() -> None:
    entries = laid_out(lock(TORCH))
    whole = json.loads(text(entries["MANIFEST.json"]))
    assert (whole["format"], whole["tool"]) == (1, "wheelhouse 0.1.0")
    assert whole["targets"] == [
        {
            "label": Target.parse(LABEL).label,
            "os": "linux",
            "arch": "x86_64",
            "libc": {"name": "glibc", "version": [2, 31]},
            "macos": None,
            "accelerator": "cu121",
            "driver": "535.104",
            "gpu": "sm80",
            "implementation": "cpython",
            "python": "3.10",
            "free-threaded": False,
            "requires-python": "==3.10.*",
            "python-patches": [[0, None]],
            "projects": ["torch"],
            "installer": "wheels/pip-26.0-py3-none-any.whl",
            "requirements": "requirements.txt",
            "wheels": [
                {
                    "path": "wheels/pip-26.0-py3-none-any.whl",
                    "sha256": "c" * 64,
                    "size": 1_800_000,
                    "installed-size": None,
                    "install": False,
                },
                {
                    "path": "wheels/torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl",
                    "sha256": "a" * 64,
                    "size": 2_200_000_000,
                    "installed-size": 4_700_000_000,
                    "install": True,
                },
            ],
            "download-size": 2_201_800_000,
            "installed-size": 4_700_000_000,
            "needs": {"cuda": "12.1", "driver": "525.60.13"},
        }
    ]


def test_a_total_with_an_unknown_part_is_unknown() -> None:
    target = manifest(laid_out(lock(NUMPY, TORCH)))
    assert (target["download-size"], target["installed-size"]) == (None, None)


@pytest.mark.parametrize(
    ("requires_python", "patches"),
    [
        (">=3.8", [[0, None]]),
        (">=3.10.4,<3.11", [[4, None]]),
        ("==3.10.*,!=3.10.0", [[1, None]]),
        ("~=3.10.2,!=3.10.5", [[2, 4], [6, None]]),
        ("==3.10.12", [[12, 12]]),
        ("<3.10.3", [[0, 2]]),
        (">=3.11", []),
    ],
)
def test_requires_python_becomes_patch_levels_that_the_standard_library_can_judge(
    requires_python: str, patches: list[list[int | None]]
) -> None:
    assert manifest(laid_out(lock(TORCH, requires_python=requires_python)))["python-patches"] == patches


def test_the_same_lock_gives_the_same_bytes() -> None:
    assert laid_out(lock(NUMPY, TORCH)) == laid_out(lock(TORCH, NUMPY))


def test_the_readme_says_what_to_do_in_english_and_korean() -> None:
    readme = text(laid_out(lock(TORCH))["README.txt"])
    for line in (
        "For:       linux x86_64, Python 3.10, glibc 2.31+, cu121",
        "    sha256sum -c SHA256SUMS             (macOS: shasum -a 256 -c SHA256SUMS)",
        "    pip install --no-index --find-links wheels --no-deps --require-hashes -r requirements.txt",
        "    sh install.sh --python 3.10         another Python: a path, a command or a version",
        "    sh install.sh --python 3.10         사용할 파이썬: 경로, 명령 또는 버전",
        "              1  거부되었거나 실패함. 바뀐 것 없음",
    ):
        assert line in readme.splitlines()


def test_an_entry_is_either_text_or_a_wheel() -> None:
    with pytest.raises(ValueError, match="needs either content or a wheel"):
        Entry(path="x")
    with pytest.raises(ValueError, match="needs either content or a wheel"):
        Entry(path="x", content=b"", wheel=TORCH.wheel)


def test_what_the_readme_says_works_with_plain_pip_and_sha256sum(tmp_path: Path) -> None:
    alpha: WheelFile = build_wheel("alpha", "1.0+cu121")
    bundle = write_bundle(tmp_path / "a bundle", [alpha])
    assert [entry.path for entry in entries_of(lock_of("linux-x86_64-py310", [alpha]))][-2:] == [
        "wheels/alpha-1.0+cu121-py3-none-any.whl",
        f"wheels/{lock_of('linux-x86_64-py310', []).wheels()[0].filename}",
    ]
    for line in (bundle.folder / "SHA256SUMS").read_text().splitlines():
        assert hashlib.sha256((bundle.folder / line[66:]).read_bytes()).hexdigest() == line[:64]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-index",
        "--find-links",
        "wheels",
        "--no-deps",
        "--require-hashes",
    ]
    done = subprocess.run(
        [*pip, "--dry-run", "--ignore-installed", "-r", "requirements.txt"],
        cwd=bundle.folder, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, "Would install alpha-1.0+cu121" in done.stdout) == (0, True)
