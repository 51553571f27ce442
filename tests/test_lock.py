"""A lock as text: PEP 751, the same bytes for the same lock, and nothing hostile or damaged comes in."""

from __future__ import annotations

import copy
import json
import tomllib
from datetime import UTC, date
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.pylock import Pylock
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.lock import BadLock, Lock, LockedHeldBack, LockedPackage, LockedWheel, dump, parse
from wheelhouse.target import Target

LABEL = "linux-x86_64-cu121-py310"
TARGET = Target.parse(LABEL)
FOLDER = Path("/projects/demo/lockfiles")


def package(name: str, version: str, tag: str = "py3-none-any", **fields: Any) -> LockedPackage:
    filename = f"{name.replace('-', '_')}-{version}-{tag}.whl"
    url = fields.pop("url", f"https://files.test/{quote(filename)}")
    told = {key: fields.pop(key) for key in ("upload_time", "yanked") if key in fields}
    size = fields.pop("size", 100)
    wheel = LockedWheel(filename=filename, url=url, digest=Digest.of(filename.encode()), size=size, **told)
    return LockedPackage(name=canonicalize_name(name), version=Version(version), wheel=wheel, **fields)


def lock_of(*packages: LockedPackage, **fields: Any) -> Lock:
    return Lock(
        label=LABEL,
        requires_python=SpecifierSet("==3.10.*"),
        environment=TARGET.marker,
        packages=packages,
        **fields,
    )


TORCH = package(
    "torch", "2.1.2+cu121", "cp310-cp310-linux_x86_64", index="https://pytorch.test/whl/cu121", size=None,
    dependencies=(canonicalize_name("filelock"),), required_by=("(asked for): torch==2.1.2",),
)  # fmt: skip
FILELOCK = package("filelock", "3.13.1", index="https://index.test/simple", required_by=("torch: filelock",))
WHOLE = lock_of(
    FILELOCK,
    TORCH,
    installer=package("pip", "26.0", index="https://index.test/simple"),
    roots=(canonicalize_name("torch"),),
    inputs=Digest("1" * 64),
    held_back=(
        LockedHeldBack(name=canonicalize_name("torch"), newer=Version("2.5.1+cu124"), reason="is the `cu124` build"),
    ),
    stand_in="cu121",
    computed_hashes=(TORCH.wheel.filename,),
)


LOOKS = """\
lock-version = "1.0"
environments = [
    "sys_platform == \\"linux\\" and platform_machine == \\"x86_64\\" and implementation_name == \\"cpython\\"",
]
requires-python = "==3.10.*"
created-by = "wheelhouse"

[[packages]]
name = "filelock"
version = "3.13.1"
index = "https://index.test/simple"

[[packages.wheels]]
name = "filelock-3.13.1-py3-none-any.whl"
url = "https://files.test/filelock-3.13.1-py3-none-any.whl"
size = 100

[packages.wheels.hashes]
sha256 = "FILELOCK"

[[packages]]
name = "torch"
version = "2.1.2+cu121"
dependencies = [
    { name = "filelock" },
]
index = "https://pytorch.test/whl/cu121"

[[packages.wheels]]
name = "torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl"
url = "https://files.test/torch-2.1.2%2Bcu121-cp310-cp310-linux_x86_64.whl"

[packages.wheels.hashes]
sha256 = "TORCH"

[tool.wheelhouse]
format = 1
target = "linux-x86_64-cu121-py310"
inputs = "sha256:INPUTS"
roots = [
    "torch",
]
stand-in = "cu121"
computed-hashes = [
    "torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl",
]
held-back = [
    { name = "torch", newer = "2.5.1+cu124", reason = "is the `cu124` build" },
]

[tool.wheelhouse.required-by]
filelock = [
    "torch: filelock",
]
torch = [
    "(asked for): torch==2.1.2",
]

[tool.wheelhouse.installer]
name = "pip"
version = "26.0"
index = "https://index.test/simple"

[tool.wheelhouse.installer.wheel]
name = "pip-26.0-py3-none-any.whl"
url = "https://files.test/pip-26.0-py3-none-any.whl"
size = 100

[tool.wheelhouse.installer.wheel.hashes]
sha256 = "PIP"
"""  # the digests are written out where it is compared


def test_what_a_lock_looks_like() -> None:
    text = dump(WHOLE, folder=FOLDER)
    assert WHOLE.installer is not None
    digests = {"FILELOCK": FILELOCK, "TORCH": TORCH, "PIP": WHOLE.installer}
    for name, each in digests.items():
        text = text.replace(each.wheel.digest.hex, name)
    assert text.replace("1" * 64, "INPUTS") == LOOKS


NAMES = st.sampled_from(["six", "filelock", "typing-extensions", "a", "zope-interface"])
VERSIONS = st.sampled_from(["1.0", "2.1.2+cu121", "1!2.0", "3.0rc1", "24.2.post1"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))


@st.composite
def packages(draw: st.DrawFn, name: str, others: list[str]) -> LockedPackage:
    return package(
        name,
        draw(VERSIONS),
        size=draw(st.none() | st.integers(0, 2**40)),
        upload_time=draw(MOMENTS),
        yanked=draw(st.none() | TEXT),
        index=draw(st.none() | st.just("https://index.test/simple")),
        dependencies=tuple(canonicalize_name(each) for each in sorted(draw(st.sets(st.sampled_from(others))))),
        required_by=tuple(draw(st.lists(TEXT, max_size=2))),
    )


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    names = sorted(draw(st.sets(NAMES, min_size=1)))
    held = st.builds(LockedHeldBack, name=NAMES.map(canonicalize_name), newer=VERSIONS.map(Version), reason=TEXT)
    return lock_of(
        *(draw(packages(name, names)) for name in names),
        installer=draw(
            st.none()
            | st.builds(package, st.just("pip"), st.just("26.0"), upload_time=MOMENTS, yanked=st.none() | TEXT)
        ),
        roots=tuple(canonicalize_name(each) for each in names[: draw(st.integers(0, len(names)))]),
        inputs=draw(st.none() | st.just(Digest("2" * 64))),
        held_back=tuple(draw(st.lists(held, max_size=2))),
        stand_in=draw(st.none() | st.just("cu121")),
        computed_hashes=tuple(draw(st.lists(TEXT, max_size=2))),
    )


@given(lock=locks())
@settings(deadline=None)
def test_a_lock_that_is_written_is_read_the_same_and_written_the_same(lock: Lock) -> None:
    text = dump(lock, folder=FOLDER)
    assert parse(text, source="pylock.toml", folder=FOLDER) == lock
    assert dump(parse(text, source="pylock.toml", folder=FOLDER), folder=FOLDER) == text


@given(lock=locks())
@settings(deadline=None)
def test_the_specifications_own_reader_accepts_it(lock: Lock) -> None:
    text = dump(lock, folder=FOLDER)
    pylock = Pylock.from_dict(tomllib.loads(text))
    pylock.validate()
    assert [each.name for each in pylock.packages] == [each.name for each in lock.packages]
    written = json.dumps(tomllib.loads(text), default=str)
    assert json.dumps(dict(pylock.to_dict()), default=str) == written  # it would write the same, in the same order


def test_the_specifications_own_reader_selects_every_wheel_for_the_target_and_none_for_another() -> None:
    pylock = Pylock.from_dict(tomllib.loads(dump(WHOLE, folder=FOLDER)))
    chosen = pylock.select(environment=TARGET.environments[-1], tags=TARGET.tags)
    assert [(package.name, wheel.filename) for package, wheel in chosen] == [
        ("filelock", "filelock-3.13.1-py3-none-any.whl"),
        ("torch", "torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl"),
    ]
    other = Target.parse("windows-x86_64-cu121-py310")
    with pytest.raises(Exception, match="environments"):
        list(pylock.select(environment=other.environments[-1], tags=other.tags))


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("/projects/demo/lockfiles", "../wheels/six-1.0-py3-none-any.whl"),
        ("/projects/demo/wheels", "six-1.0-py3-none-any.whl"),
        ("/", "projects/demo/wheels/six-1.0-py3-none-any.whl"),
        ("/elsewhere/한국어 with spaces", "../../projects/demo/wheels/six-1.0-py3-none-any.whl"),
    ],
)
def test_a_local_wheel_is_named_from_the_locks_folder_and_never_absolutely(folder: str, path: str) -> None:
    local = package("six", "1.0", url="file:///projects/demo/wheels/six-1.0-py3-none-any.whl")
    text = dump(lock_of(local, installer=local), folder=Path(folder))
    wheel = tomllib.loads(text)["packages"][0]["wheels"][0]
    assert (wheel["path"], "url" in wheel) == (path, False)
    assert tomllib.loads(text)["tool"]["wheelhouse"]["installer"]["wheel"]["path"] == path
    assert "file:" not in text
    assert "/projects/demo/wheels" not in text.replace(path, "")


FOLDERS = st.lists(st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=8)
                   .filter(lambda part: part not in (".", "..")), max_size=3)  # fmt: skip


@given(here=FOLDERS, there=FOLDERS)
@settings(deadline=None)
def test_a_local_wheel_is_found_again_from_any_folder(here: list[str], there: list[str]) -> None:
    where = PurePosixPath("/", *there, "six-1.0-py3-none-any.whl")
    lock = lock_of(package("six", "1.0", url=f"file://{quote(str(where))}"))
    folder = Path("/", *here)
    text = dump(lock, folder=folder)
    assert dump(parse(text, source="pylock.toml", folder=folder), folder=folder) == text
    moved = parse(text, source="pylock.toml", folder=Path("/mnt", *here)).packages[0].wheel.url
    if "../" not in tomllib.loads(text)["packages"][0]["wheels"][0]["path"]:
        assert moved.startswith(f"file://{quote('/mnt')}/")


@pytest.mark.parametrize("wheel_folder", ["wheels/", ""])
def test_a_bundles_lock_names_every_wheel_by_its_path_below_it(wheel_folder: str) -> None:
    table = tomllib.loads(dump(WHOLE, folder=FOLDER, wheel_folder=wheel_folder))
    wheels = [*(each["wheels"][0] for each in table["packages"]), table["tool"]["wheelhouse"]["installer"]["wheel"]]
    assert [wheel["path"] for wheel in wheels] == [
        f"{wheel_folder}{name}"
        for name in (
            "filelock-3.13.1-py3-none-any.whl",
            "torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl",
            "pip-26.0-py3-none-any.whl",
        )
    ]
    assert not any("url" in wheel for wheel in wheels)


def test_the_order_of_the_lock_is_the_order_of_the_text() -> None:
    assert [each["name"] for each in tomllib.loads(dump(WHOLE, folder=FOLDER))["packages"]] == ["filelock", "torch"]


def refused(text: str) -> str:
    """The one sentence that is said of a text that is no lock."""
    with pytest.raises(BadLock) as error:
        parse(text, source="pylock.toml", folder=FOLDER)
    assert error.value.hint == "run `wheelhouse lock` to write it anew"
    assert str(error.value).startswith("`pylock.toml` is not a lock of wheelhouse: ")
    return str(error.value).removeprefix("`pylock.toml` is not a lock of wheelhouse: ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Missing required value in 'lock-version'"),
        ("lock-version = ", "Invalid value (at end of document)"),
        (
            'lock-version = "1.0"\ncreated-by = "pip"\npackages = []\n',
            "it has no `[tool.wheelhouse]` table with a target",
        ),
        ("a = " + "[" * 5000, "its tables are nested too deeply"),
    ],
)
def test_what_is_no_lock_of_ours(text: str, problem: str) -> None:
    assert refused(text) == problem


def test_a_number_without_end_is_refused() -> None:
    assert "4300 digits" in refused("a = " + "1" * 5000)


def changed(**changes: Any) -> str:
    """The text of the whole lock with some values replaced; `a__b__0` is a place, DELETE removes what is there."""
    table: Any = copy.deepcopy(tomllib.loads(dump(WHOLE, folder=FOLDER)))
    for place, value in changes.items():
        *path, last = [int(step) if step.isdigit() else step.replace("_", "-") for step in place.split("__")]
        inner = table
        for step in path:
            inner = inner[step]
        if value is DELETE:
            del inner[last]
        else:
            inner[last] = value
    return tomli_w.dumps(table)


DELETE = object()
WHEELS = [
    {
        "name": TORCH.wheel.filename,
        "url": TORCH.wheel.url,
        "hashes": {"sha256": TORCH.wheel.digest.hex},
    }
]
OURS = "tool__wheelhouse"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({f"{OURS}__target": "linux-x86_64"}, "target `linux-x86_64` names no Python"),
        ({f"{OURS}__target": "../../etc"}, "`../../etc` is not a part of a target that is known"),
        ({f"{OURS}__target": "py310-linux-amd64"}, "`py310-linux-amd64` is not the canonical name of its target"),
        ({f"{OURS}__roots": ["nowhere"]}, "`nowhere` is required and not there"),
        ({"packages__1__dependencies": [{"name": "nowhere"}]}, "`nowhere` is required and not there"),
        (
            {"packages__1__wheels": WHEELS * 2},
            "`torch` has 2 wheels, and a lock of one target has one wheel or one sdist",
        ),
        ({"packages__0__wheels__0__size": -1}, "`filelock-3.13.1-py3-none-any.whl` has a size below zero"),
        (
            {"packages__0__wheels__0__url": "ftp://files.test/x.whl"},
            "`filelock-3.13.1-py3-none-any.whl` has a URL that is neither http, https nor file",
        ),
        (
            {"packages__0__wheels__0__hashes": {"md5": "0" * 32}},
            "`filelock-3.13.1-py3-none-any.whl` has no SHA-256",
        ),
        (
            {f"{OURS}__installer__wheel__name": "evil-1.0-py3-none-any.whl"},
            "`evil-1.0-py3-none-any.whl` is no wheel of `pip` 26.0",
        ),
    ],
)
def test_what_is_damaged_or_hostile_is_refused_in_one_sentence(changes: dict[str, Any], problem: str) -> None:
    assert refused(changed(**changes)) == problem


@pytest.mark.parametrize(
    "changes",
    [
        {"lock_version": "2.0"},
        {"packages": 3},
        {"packages__0__name": "six"},
        {"packages__0__version": "not a version"},
        {"packages__0__version": DELETE},
        {"packages__0__wheels__0__name": "../../evil-1.0-py3-none-any.whl"},
        {"packages__0__wheels__0__name": "evil-1.0-py3-none-any.whl"},
        {"packages__0__wheels__0__name": "filelock-3.13.1-py3-none-any\n.whl"},
        {"packages__0__wheels__0__name": "filelock-3.13.1 -py3-none-any.whl"},
        {"packages__0__wheels__0__name": "..\\filelock-3.13.1-py3-none-any.whl"},
        {"packages__0__wheels__0__hashes__sha256": "short"},
        {"packages__0__wheels__0__hashes__sha256": "../" * 21 + "x"},
        {"packages__0__wheels__0__size": "many"},
        {"environments": ["not a marker"]},
        {"requires_python": "three"},
        {OURS: 3},
        {f"{OURS}__target": 3},
        {f"{OURS}__target": DELETE},
        {f"{OURS}__roots": 3},
        {f"{OURS}__roots": [3]},
        {f"{OURS}__inputs": "sha256:short"},
        {f"{OURS}__yanked": 3},
        {f"{OURS}__yanked": {"torch": 3}},
        {"packages__0__wheels__0__upload_time": "2024-01-01T00:00:00Z"},
        {f"{OURS}__installer__yanked": True},
        {f"{OURS}__installer__wheel__upload_time": "2024-01-01T00:00:00Z"},
        {f"{OURS}__installer__wheel__upload_time": date(2024, 1, 1)},
        {f"{OURS}__held_back": [{"name": "torch"}]},
        {f"{OURS}__held_back": [{"name": "torch", "newer": "x", "reason": ""}]},
        {f"{OURS}__required_by": 3},
        {f"{OURS}__computed_hashes": 3},
        {f"{OURS}__installer": 3},
        {f"{OURS}__installer__wheel": {}},
        {f"{OURS}__installer__wheel__name": "pip.exe"},
        {f"{OURS}__installer__wheel__size": -1},
        {f"{OURS}__installer__wheel__size": "many"},
        {f"{OURS}__installer__wheel__url": 3},
        {f"{OURS}__installer__version": 26},
    ],
    ids=lambda changes: " ".join(f"{place} {str(value)[:20]!r}" for place, value in changes.items()),
)
def test_no_damage_ends_in_anything_but_a_sentence(changes: dict[str, Any]) -> None:
    assert "\n" not in refused(changed(**changes))


def test_a_package_that_stands_there_twice() -> None:
    table = tomllib.loads(dump(WHOLE, folder=FOLDER))
    table["packages"].append(table["packages"][0])
    assert refused(tomli_w.dumps(table)) == "`filelock` stands there twice"


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_lock_that_was_cut_off_or_scribbled_in_is_read_the_same_or_refused(data: st.DataObject) -> None:
    text = dump(WHOLE, folder=FOLDER)
    at = data.draw(st.integers(0, len(text)))
    broken = (
        text[:at]
        + data.draw(st.text('"[]{}=\n,.x1\\\x00é', max_size=3))
        + text[data.draw(st.integers(at, len(text))) :]
    )
    try:
        parse(broken, source="pylock.toml", folder=FOLDER)
    except BadLock as error:
        assert str(error).startswith("`pylock.toml` is not a lock of wheelhouse: ")


def test_the_wheels_of_a_lock_are_named_once() -> None:
    pip = package("pip", "26.0")
    lock = lock_of(pip, TORCH, installer=pip)
    assert [wheel.filename for wheel in lock.wheels()] == [
        "pip-26.0-py3-none-any.whl",
        "torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl",
    ]
    assert lock.package(canonicalize_name("torch")) == TORCH
    assert lock.package(canonicalize_name("nowhere")) is None
