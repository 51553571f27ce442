"""install.py checks everything first, tells every failure at once, and changes nothing then."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from world.bundles import Bundle, fake_python, here, write_bundle
from world.wheels import WheelFile, build_wheel

ALPHA = build_wheel("alpha", "1.0+cu121", requires=["beta"])
BETA = build_wheel("beta", "2.0")
ALPHA_PATH, BETA_PATH = f"wheels/{ALPHA.filename}", f"wheels/{BETA.filename}"
COPY_AGAIN = "  hint: copy it again from where the bundle was made, and compare with `sha256sum -c SHA256SUMS`\n"
NOTHING = "\nrefused: {} of the checks failed, nothing was changed\n"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "bundle", [ALPHA, BETA], roots=["alpha"])


@pytest.fixture
def work(tmp_path: Path, bundle: Bundle) -> Iterator[Path]:
    """The folder where install.py is run; whatever a test does, it stays empty."""
    folder = tmp_path / "work"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []
    assert not any("__pycache__" in path for path in tree(bundle.folder))


def tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def flip(path: Path) -> str:
    """Change one byte; the new digest."""
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_check_alone_says_that_all_fits_and_makes_nothing(bundle: Bundle, work: Path) -> None:
    before = tree(bundle.folder)
    done = bundle.install("--check", cwd=work)
    assert (done.returncode, done.stdout) == (0, "")
    passed, room = done.stderr.splitlines()
    assert passed == f"all checks passed: alpha ({here()}) can be installed into `{work / 'venv'}`"
    assert re.fullmatch(rf"needs 16\.9 MB in `{work / 'venv'}`, \S+ .B free; 67\.1 MB in `\S+`, \S+ .B free", room)
    assert tree(bundle.folder) == before


def test_a_byte_that_changed_on_the_way_is_refused_and_can_never_be_accepted(bundle: Bundle, work: Path) -> None:
    digest = flip(bundle.folder / ALPHA_PATH)
    done = bundle.install(cwd=work)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error[digest]: `{ALPHA_PATH}` is sha256:{digest}, but sha256:{ALPHA.digest.hex} was promised\n"
        f"  why: it was damaged or changed on its way\n{COPY_AGAIN}{NOTHING.format(1)}"
    )
    done = bundle.install("--accept", "digest", cwd=work)
    assert done.returncode == 2
    assert done.stderr.endswith("install.sh: error: `digest` can never be accepted\n")


def test_a_wheel_that_was_cut_off_is_refused_by_its_size(bundle: Bundle, work: Path) -> None:
    path = bundle.folder / BETA_PATH
    path.write_bytes(path.read_bytes()[:200])
    done = bundle.install(cwd=work)
    assert done.returncode == 1
    assert f"error[digest]: `{BETA_PATH}` has 200 bytes, but {len(BETA.content)} were promised\n" in done.stderr


def test_a_missing_wheel_is_refused(bundle: Bundle, work: Path) -> None:
    (bundle.folder / BETA_PATH).unlink()
    done = bundle.install(cwd=work)
    assert (done.returncode, done.stderr) == (
        1,
        f"error[missing-file]: `{BETA_PATH}` is missing\n{COPY_AGAIN}{NOTHING.format(1)}",
    )


@pytest.mark.parametrize("name", ["README.txt", "requirements.txt", "install.sh", "pylock.toml"])
def test_every_file_of_the_bundle_is_checked_not_only_the_wheels(bundle: Bundle, work: Path, name: str) -> None:
    with (bundle.folder / name).open("a") as file:
        file.write("\n")
    done = bundle.install(cwd=work)
    assert done.returncode == 1
    assert f"error[digest]: `{name}` is sha256:" in done.stderr


@pytest.mark.parametrize("name", ["evil-1.0-py3-none-any.whl", "alpha-9.9.tar.gz", "notes.txt", "beta.whl.partial"])
def test_a_foreign_file_among_the_wheels_is_refused(bundle: Bundle, work: Path, name: str) -> None:
    (bundle.folder / "wheels" / name).write_bytes(b"x")
    done = bundle.install(cwd=work)
    assert (done.returncode, done.stderr) == (
        1,
        f"error[foreign-file]: `wheels/{name}` is not of this bundle\n"
        "  why: a wheel folder holds what the lock names and nothing else\n"
        f"  hint: move it out of the folder\n{NOTHING.format(1)}",
    )


def test_what_file_managers_leave_behind_is_no_foreign_file(bundle: Bundle, work: Path) -> None:
    for name in (".DS_Store", f"._{ALPHA.filename}", "Thumbs.db", "desktop.ini"):
        (bundle.folder / "wheels" / name).write_bytes(b"x")
    assert bundle.install("--check", cwd=work).returncode == 0


def test_in_a_wheel_folder_only_archives_are_foreign(tmp_path: Path) -> None:
    flat = write_bundle(tmp_path / "flat", [BETA], wheel_folder="")
    (flat.folder / "notes.txt").write_text("mine")
    (flat.folder / "venv").mkdir()
    assert flat.install("--check", cwd=tmp_path).returncode == 0
    (flat.folder / "evil-1.0-py3-none-any.whl").write_bytes(b"x")
    done = flat.install("--check", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        "error[foreign-file]: `evil-1.0-py3-none-any.whl` is not of this bundle",
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("MANIFEST.json", None, "error[missing-file]: `MANIFEST.json` is missing"),
        ("MANIFEST.json", "{", "error[manifest]: `MANIFEST.json` cannot be read: "),
        ("MANIFEST.json", "[]", "error[manifest]: `MANIFEST.json` cannot be read: "),
        ("MANIFEST.json", '{"targets": [{}]}', "error[manifest]: `MANIFEST.json` cannot be read: 'label'"),
        ("SHA256SUMS", None, "error[missing-file]: `SHA256SUMS` is missing"),
        ("SHA256SUMS", "hello\n", "error[manifest]: `SHA256SUMS` cannot be read: the line `hello`"),
        ("SHA256SUMS", "", "error[manifest]: `SHA256SUMS` does not list "),
    ],
)
def test_a_bundle_that_does_not_say_what_it_holds_is_refused(
    bundle: Bundle, work: Path, name: str, content: str | None, message: str
) -> None:
    if content is None:
        (bundle.folder / name).unlink()
    else:
        (bundle.folder / name).write_text(content)
    done = bundle.install(cwd=work)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_files_that_contradict_each_other_are_refused(bundle: Bundle, work: Path) -> None:
    bundle.rewrite("requirements.txt", BETA.digest.hex, "0" * 64)
    bundle.rewrite("MANIFEST.json", ALPHA.digest.hex, "1" * 64)
    done = bundle.install(cwd=work)
    assert done.returncode == 1
    assert f"`MANIFEST.json` and `SHA256SUMS` give `{ALPHA_PATH}` two different digests\n" in done.stderr
    assert f"error[digest]: `requirements.txt` does not ask for `{ALPHA_PATH}` and does not ask for" in done.stderr


@pytest.mark.parametrize("path", ["../alpha.whl", "/etc/passwd", "wheels/../../x.whl", "C:\\\\x.whl"])
def test_a_path_out_of_the_bundle_is_refused(bundle: Bundle, work: Path, path: str) -> None:
    bundle.rewrite("MANIFEST.json", BETA_PATH, path)
    done = bundle.install(cwd=work)
    assert done.returncode == 1
    named = path.replace("\\\\", "\\")
    assert f"error[manifest]: `MANIFEST.json` names `{named}`, which is outside the bundle\n" in done.stderr


def test_all_failures_are_told_at_once(tmp_path: Path, bundle: Bundle, work: Path) -> None:
    fake = fake_python(tmp_path / "fake" / "python", version=[2, 99, 1], machine="sparc", glibc=[2, 5])
    flip(bundle.folder / ALPHA_PATH)
    (bundle.folder / BETA_PATH).unlink()
    (bundle.folder / "wheels" / "evil.whl").write_bytes(b"")
    (tmp_path / "file").write_text("")
    done = bundle.install("--python", fake, "--venv", str(tmp_path / "file"), cwd=work)
    rules = [line.partition("]")[0] for line in done.stderr.splitlines() if line.startswith("error[")]
    assert done.returncode == 1
    assert rules == [
        "error[machine", "error[python-version", "error[glibc", "error[venv", "error[foreign-file", "error[digest",
        "error[missing-file",
    ]  # fmt: skip
    assert done.stderr.endswith(NOTHING.format(7))


def test_a_rule_that_can_be_accepted_becomes_a_warning(tmp_path: Path, bundle: Bundle, work: Path) -> None:
    fake = fake_python(tmp_path / "python", glibc=[2, 5])
    done = bundle.install("--check", "--python", fake, cwd=work)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error[glibc]: this system has glibc 2.5, but the wheels need glibc 2.17 or newer\n"
        "  why: the loader refuses libraries that were built for a newer one\n"
        "  hint: lock again for this machine: --target ...-glibc2.5\n"
    )
    assert done.stderr.endswith(NOTHING.format(1) + "  hint: to go on all the same: --accept glibc\n")
    done = bundle.install("--check", "--python", fake, "--accept", "glibc", cwd=work)
    assert done.returncode == 4
    assert done.stderr.startswith(
        "warning[glibc]: this system has glibc 2.5, but the wheels need glibc 2.17 or newer\n"
    )
    assert "\n\nnothing stands in the way, but there is 1 warning: alpha (" in done.stderr


def test_what_can_be_accepted_is_not_offered_while_something_else_stands_in_the_way(
    tmp_path: Path, bundle: Bundle, work: Path
) -> None:
    flip(bundle.folder / ALPHA_PATH)
    done = bundle.install("--python", fake_python(tmp_path / "python", glibc=[2, 5]), cwd=work)
    assert (done.returncode, "to go on all the same" in done.stderr) == (1, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--accept", "everything"],
            "there is no rule `everything`; rules that can be accepted: abi, compiler, desktop-library, ",
        ),
        (["--accept", "drivr"], "there is no rule `drivr`; did you mean `driver`?\n"),
        (["--accept", "tmp_space"], "there is no rule `tmp_space`; did you mean `tmp-space`?\n"),
        (["--accept", "foreign-file"], "`foreign-file` can never be accepted"),
        (["--accept", "missing-file"], "`missing-file` can never be accepted"),
        (["--venv", ""], "--venv needs a value"),
        (["--python", ""], "--python needs a value"),
        (["--venv"], "argument --venv: expected one argument"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--ven", "x"], "unrecognized arguments: --ven x"),
    ],
)
def test_wrong_usage_is_exit_code_2(bundle: Bundle, work: Path, arguments: list[str], message: str) -> None:
    done = bundle.install(*arguments, cwd=work)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"install.sh: error: {message}" in done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/no/such/python", "error[python]: there is no `/no/such/python`\n"),
        ("no-such-python", "error[python]: there is no `no-such-python`\n"),
        ("3.99", "error[python]: there is no `3.99`\n"),
        ("/bin/sh", "error[python]: `/bin/sh` is no Python 3 that runs\n"),
    ],
)
def test_a_python_that_is_none_is_refused(bundle: Bundle, work: Path, name: str, message: str) -> None:
    done = bundle.install("--python", name, cwd=work)
    assert (done.returncode, done.stderr.startswith(message)) == (1, True)


def test_when_no_python_fits_those_that_were_seen_are_named(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", [BETA])
    bundle.rewrite("MANIFEST.json", f'"python": "3.{sys.version_info[1]}"', '"python": "3.99"')
    fake = fake_python(tmp_path / "bin" / "python3.99", version=[3, 99, 0], free_threaded=True)
    path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = bundle.install("--check", cwd=tmp_path, environment=path)
    assert done.returncode == 1  # the nearest is told: right version, wrong build
    assert done.stderr.startswith(
        f"error[abi]: `{fake}` is a free-threaded build, but the wheels are for the ordinary one\n"
    )
    done = bundle.install("--check", cwd=tmp_path, environment={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    version = ".".join(map(str, sys.version_info[:3]))
    assert done.stderr.startswith("error[python-version]: no Python 3.99 was found; looked at `")
    assert f"({version})" in done.stderr


def test_a_patch_level_that_the_lock_excludes_is_refused(tmp_path: Path, work: Path) -> None:
    minor, patch = "{}.{}".format(*sys.version_info[:2]), sys.version_info[2]
    bundle = write_bundle(tmp_path / "b", [BETA], requires_python=f"!={minor}.{patch},=={minor}.*")
    done = bundle.install("--python", sys.executable, cwd=work)
    assert done.returncode == 1
    assert f"is Python {minor}.{patch}, but the wheels need !={minor}.{patch},=={minor}.*\n" in done.stderr
    assert done.stderr.startswith("error[requires-python]: ")


def test_an_older_nvidia_driver_is_refused_and_a_newer_one_is_not(tmp_path: Path, work: Path) -> None:
    bundle = write_bundle(tmp_path / "b", [BETA], label=here() + "-driver535.104")
    proc = tmp_path / "proc" / "driver" / "nvidia" / "version"
    proc.parent.mkdir(parents=True)
    environment = {"WHEELHOUSE_PROC_ROOT": str(tmp_path / "proc"), "PATH": str(tmp_path / "bin")}
    proc.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  515.65.01  Wed Jul 20 14:00:58 UTC 2022\n")
    done = bundle.install("--check", cwd=work, environment=environment)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        "error[driver]: the NVIDIA driver is 515.65.01, but the wheels were chosen for 535.104 or newer",
    )
    assert bundle.install("--check", "--accept", "driver", cwd=work, environment=environment).returncode == 4
    proc.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build  (root@host)\n")
    done = bundle.install("--check", cwd=work, environment=environment)
    assert (done.returncode, "driver]" in done.stderr) == (0, False)
    proc.unlink()
    done = bundle.install("--check", cwd=work, environment=environment)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        4,
        "warning[driver]: this machine's NVIDIA driver cannot be seen, but the wheels were chosen for 535.104",
    )
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho 470.57.02\n")
    smi.chmod(0o755)
    done = bundle.install("--check", cwd=work, environment=environment)
    assert (done.returncode, "the NVIDIA driver is 470.57.02," in done.stderr) == (1, True)


def test_wheels_that_do_not_fit_on_the_disk_are_refused_before_anything_is_written(tmp_path: Path, work: Path) -> None:
    buffer = BytesIO(BETA.content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("beta/huge.bin", b"")
        archive.filelist[-1].file_size = 10**15  # what the wheel's own directory says of the file
    huge = WheelFile(BETA.filename, buffer.getvalue(), BETA.metadata, None)
    bundle = write_bundle(tmp_path / "b", [huge])
    done = bundle.install(cwd=work)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error[space]: installing needs 1000.0 TB in `{work / 'venv'}`, but ")
    assert "to go on all the same: --accept space" in done.stderr


@pytest.mark.parametrize("kind", ["file", "full", "dangling", "below-a-file", "separator"])
def test_what_is_there_already_is_never_replaced(tmp_path: Path, bundle: Bundle, work: Path, kind: str) -> None:
    venv = tmp_path / "v"
    if kind == "file":
        venv.write_text("mine")
        message = f"`{venv}` is there already and is no folder"
    elif kind == "full":
        venv.mkdir()
        (venv / "mine").write_text("mine")
        message = f"`{venv}` is not empty and is no virtual environment"
    elif kind == "dangling":
        venv.symlink_to(tmp_path / "nowhere")
        message = f"`{venv}` is there already and is no folder"
    elif kind == "below-a-file":
        venv.write_text("mine")
        venv = venv / "inner"
        message = f"`{venv}` cannot be made: `{tmp_path / 'v'}` is no folder"
    else:
        venv = tmp_path / "a:b"
        message = f"`{venv}` holds a `:`"
    done = bundle.install("--venv", str(venv), cwd=work)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, f"error[venv]: {message}")


def test_the_manifest_of_several_targets_is_refused_with_a_sentence(bundle: Bundle, work: Path) -> None:
    path = bundle.folder / "MANIFEST.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "targets": manifest["targets"] * 2}))
    done = bundle.install(cwd=work)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        "error[manifest]: `MANIFEST.json` is for 2 targets, but this install.py knows how to install one",
    )


def test_a_current_folder_that_is_gone_is_told_in_a_sentence(tmp_path: Path, bundle: Bundle) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f"rmdir '{gone}'; '{sys.executable}' '{bundle.folder}/install.py' --check"
    done = bundle.install(cwd=gone, command=["/bin/sh", "-c", line])
    assert (done.returncode, "error[venv]: the current folder is gone\n" in done.stderr) == (1, True)
    line += f" --venv '{tmp_path}/venv'"
    gone.mkdir()
    assert bundle.install(cwd=gone, command=["/bin/sh", "-c", line]).returncode == 0


def test_even_the_unforeseen_is_a_sentence_and_no_traceback(bundle: Bundle, work: Path) -> None:
    bundle.rewrite("MANIFEST.json", f'"path": "{BETA_PATH}"', '"path": 5')
    done = bundle.install(cwd=work)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (1, "", False)
    assert done.stderr.startswith("error[unexpected]: ")
