"""What a target knows of its machine: tags, marker environments, patch levels."""

from __future__ import annotations

import sys

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, parse_tag, sys_tags
from packaging.version import Version

from wheelhouse.target import MarkerError, Target

MANYLINUX_2_28 = [
    *("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_26_x86_64", "manylinux_2_25_x86_64"),
    *("manylinux_2_24_x86_64", "manylinux_2_23_x86_64", "manylinux_2_22_x86_64", "manylinux_2_21_x86_64"),
    *("manylinux_2_20_x86_64", "manylinux_2_19_x86_64", "manylinux_2_18_x86_64", "manylinux_2_17_x86_64"),
    *("manylinux2014_x86_64", "manylinux_2_16_x86_64", "manylinux_2_15_x86_64", "manylinux_2_14_x86_64"),
    *("manylinux_2_13_x86_64", "manylinux_2_12_x86_64", "manylinux2010_x86_64", "manylinux_2_11_x86_64"),
    *("manylinux_2_10_x86_64", "manylinux_2_9_x86_64", "manylinux_2_8_x86_64", "manylinux_2_7_x86_64"),
    *("manylinux_2_6_x86_64", "manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64"),
]


def platforms(label: str) -> list[str]:
    target = Target.parse(label)
    own = f"cp{target.python[0]}{target.python[1]}"
    return [tag.platform for tag in target.tags if (tag.interpreter, tag.abi) == (own, "none")][:-1]


def test_the_tags_of_a_cp310_on_glibc_2_28_in_order() -> None:
    expected: list[Tag] = []
    for interpreter, abi in [("cp310", "cp310"), ("cp310", "abi3"), ("cp310", "none")]:
        expected += [Tag(interpreter, abi, platform) for platform in MANYLINUX_2_28]
    for interpreter in ["cp39", "cp38", "cp37", "cp36", "cp35", "cp34", "cp33", "cp32"]:
        expected += [Tag(interpreter, "abi3", platform) for platform in MANYLINUX_2_28]
    pure = ["py310", "py3", "py39", "py38", "py37", "py36", "py35", "py34", "py33", "py32", "py31", "py30"]
    for interpreter in pure:
        expected += [Tag(interpreter, "none", platform) for platform in MANYLINUX_2_28]
    expected.append(Tag("cp310", "none", "any"))
    expected += [Tag(interpreter, "none", "any") for interpreter in pure]
    assert list(Target.parse("linux-x86_64-cu121-py310").tags) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("linux-x86_64-py310-glibc2.5", ["manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64"]),
        (
            "linux-aarch64-py310-glibc2.19",
            [
                *("manylinux_2_19_aarch64", "manylinux_2_18_aarch64", "manylinux_2_17_aarch64"),
                *("manylinux2014_aarch64", "linux_aarch64"),
            ],
        ),
        ("linux-x86_64-py310-musl1.2", ["musllinux_1_2_x86_64", "musllinux_1_1_x86_64", "musllinux_1_0_x86_64"]),
        ("windows-x86_64-py310", ["win_amd64"]),
        ("windows-aarch64-py311", ["win_arm64"]),
        (
            "macos11-arm64-py310",
            [
                *("macosx_11_0_arm64", "macosx_11_0_universal2"),
                *(f"macosx_10_{minor}_universal2" for minor in range(16, 3, -1)),
            ],
        ),
    ],
)
def test_the_platforms_of_a_machine(label: str, expected: list[str]) -> None:
    assert platforms(label) == [*expected]


def test_macos_on_intel_reaches_back_before_macos_11() -> None:
    known = platforms("macos14-x86_64-py310")
    assert known[:2] == ["macosx_14_0_x86_64", "macosx_14_0_intel"]
    assert "macosx_10_9_x86_64" in known
    assert "macosx_10_9_universal2" in known
    assert not [platform for platform in known if "arm64" in platform]


def test_every_glibc_below_the_floor_is_named_and_none_above() -> None:
    known = platforms("linux-x86_64-py311-debian12")
    assert known[:3] == ["manylinux_2_36_x86_64", "manylinux_2_35_x86_64", "manylinux_2_34_x86_64"]
    assert len(known) == (36 - 5 + 1) + 3 + 1


@pytest.mark.parametrize(
    ("label", "interpreter", "abi", "stable"),
    [
        ("linux-x86_64-py36", "cp36", "cp36m", "abi3"),
        ("linux-x86_64-py37", "cp37", "cp37m", "abi3"),
        ("linux-x86_64-py38", "cp38", "cp38", "abi3"),
        ("linux-x86_64-py313", "cp313", "cp313", "abi3"),
        ("linux-x86_64-py313t", "cp313", "cp313t", "abi3t"),
        ("windows-x86_64-py37", "cp37", "cp37m", "abi3"),
    ],
)
def test_the_abi_is_the_interpreters_own(label: str, interpreter: str, abi: str, stable: str) -> None:
    tags = Target.parse(label).tags
    assert (tags[0].interpreter, tags[0].abi) == (interpreter, abi)
    assert {tag.abi for tag in tags} == {abi, stable, "none"}


def test_the_list_is_what_this_machine_would_say_of_itself() -> None:
    """Of the shapes of interpreter, ABI and order; the platforms of this machine, whatever they are, are put in."""
    here = list(sys_tags())
    ours = Target.parse(f"linux-x86_64-cp{sys.version_info[0]}{sys.version_info[1]}")
    assert _shape(ours.tags) == _shape(here)


def _shape(tags: object) -> list[tuple[str, str, bool]]:
    return list(dict.fromkeys((tag.interpreter, tag.abi, tag.platform == "any") for tag in tags))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (
            "linux-aarch64-py3.11.2",
            {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64", "os_name": "posix"},
        ),
        (
            "macos-arm64-py3.11.2",
            {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
        ),
        (
            "windows-amd64-py3.11.2",
            {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"},
        ),
        (
            "windows-arm64-py3.11.2",
            {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "ARM64", "os_name": "nt"},
        ),
    ],
)
def test_a_marker_environment_is_complete(label: str, expected: dict[str, str]) -> None:
    assert Target.parse(label).environments == (
        {
            "implementation_name": "cpython",
            "implementation_version": "3.11.2",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_version": "",
            "python_full_version": "3.11.2",
            "python_version": "3.11",
            **expected,
        },
    )


@pytest.mark.parametrize(
    ("python", "newest"),
    [("py36", 15), ("py37", 17), ("py38", 20), ("py39", 25), ("py316", 20), ("py318", 20)],
)
def test_without_a_patch_level_every_known_one_must_hold(python: str, newest: int) -> None:
    environments = Target.parse(f"linux-x86_64-{python}").environments
    minor = python.removeprefix("py3")
    assert [each["python_full_version"] for each in environments] == [f"3.{minor}.{n}" for n in range(newest + 1)]
    assert {each["python_version"] for each in environments} == {f"3.{minor}"}


@pytest.mark.parametrize(
    "label",
    ["linux-x86_64-py310", "linux-aarch64-py313t", "macos-arm64-py311", "windows-amd64-py312", "windows-arm64-py312"],
)
def test_the_marker_of_a_lock_holds_on_its_machine_and_on_no_other(label: str) -> None:
    target = Target.parse(label)
    marker = Marker(target.marker)
    assert str(marker) == target.marker
    assert all(marker.evaluate(dict(each), context="lock_file") for each in target.environments)
    others = {"linux-x86_64-py310", "linux-aarch64-py310", "macos-x86_64-py310", "windows-amd64-py310"} - {label}
    for other in map(Target.parse, others):
        same_machine = (other.os, other.arch) == (target.os, target.arch)
        assert same_machine == marker.evaluate(dict(other.environments[0]), context="lock_file")


def test_the_marker_of_a_lock_says_what_these_machines_say_of_themselves() -> None:
    assert Target.parse("macos-arm64-py311").marker == (
        'sys_platform == "darwin" and platform_machine == "arm64" and implementation_name == "cpython"'
    )
    assert Target.parse("windows-x86_64-py311").marker == (
        'sys_platform == "win32" and platform_machine == "AMD64" and implementation_name == "cpython"'
    )


PY311 = Target.parse("linux-x86_64-cu121-py311")


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ('python_version < "3.12"', True),
        ('python_version < "3.11"', False),
        ('python_full_version < "3.11.3"', True),  # redis 8.1 and Debian 12's 3.11.2
        ('python_full_version >= "3.11.3"', True),
        ('python_full_version < "3.11"', False),
        ('implementation_version == "3.11.0"', True),
        ('sys_platform == "darwin"', False),
        ('platform_machine == "x86_64" and platform_system == "Linux"', True),
        ('platform_machine == "arm64" or os_name == "nt"', False),
        ('platform_release >= "20.0"', False),
        ('extra == "dev"', False),
        ('extra != "dev"', True),
    ],
)
def test_a_marker_is_asked_of_every_patch_level(marker: str, expected: bool) -> None:
    assert PY311.admits(Marker(marker)) is expected
    assert PY311.admits(Marker(marker)) is expected


def test_a_named_patch_level_is_the_only_one_asked() -> None:
    target = Target.parse("linux-x86_64-py3.11.4")
    assert not target.admits(Marker('python_full_version < "3.11.3"'))
    assert target.admits(Marker('python_full_version >= "3.11.3"'))


def test_no_marker_always_holds() -> None:
    assert PY311.admits(None)


@pytest.mark.parametrize(
    ("marker", "extras", "expected"),
    [
        ('extra == "dev"', (), False),
        ('extra == "dev"', ("dev",), True),
        ('extra == "dev"', ("docs", "dev"), True),
        ('extra == "dev"', ("docs",), False),
        ('extra == "Dev_Tools"', {"dev-tools"}, True),
        ('extra == "dev-tools"', {"Dev_Tools"}, True),
        ('extra == "dev" and sys_platform == "win32"', ("dev",), False),
        ('extra == "dev" or sys_platform == "linux"', (), True),
        ('extra == "a" and python_full_version < "3.11.3"', ("a",), True),
    ],
)
def test_an_extra_holds_where_it_was_asked_for(marker: str, extras: tuple[str, ...], expected: bool) -> None:
    assert PY311.admits(Marker(marker), extras) is expected


def test_nothing_of_the_running_machine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> dict[str, str]:
        return {"python_full_version": "2.7.18"}

    monkeypatch.setattr("packaging.markers.default_environment", nowhere)
    target = Target.parse("windows-arm64-py312")
    names = [*target.environments[0]]
    assert len(names) == 11
    for name in names:
        value = target.environments[-1][name]  # type: ignore[literal-required]
        assert target.admits(Marker(f'{name} == "{value}"')), name


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (
            'os_name ~= "a"',
            "the marker `os_name ~= \"a\"` cannot be evaluated: Undefined <Op('~=')> on 'posix' and 'a'",
        ),
        (
            '"dev" in extras',
            'the marker `"dev" in extras` cannot be evaluated: extras is not a variable of core metadata',
        ),
    ],
)
def test_a_marker_without_an_answer_is_an_error_that_names_it(marker: str, message: str) -> None:
    with pytest.raises(MarkerError) as caught:
        PY311.admits(Marker(marker))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("specifiers", "admitted", "excluded"),
    [
        ("", True, False),
        (">=3.8", True, False),
        (">=3.11,<3.12", True, False),
        (">=3.12", False, True),
        ("<3.11", False, True),
        (">=3.11.3", True, True),
        ("!=3.11.0,>=3.9", True, True),
        ("<3.11.5", False, True),
        ("==3.11.*", True, False),
    ],
)
def test_requires_python_is_judged_by_the_newest_and_narrows_by_the_rest(
    specifiers: str, admitted: bool, excluded: bool
) -> None:
    assert PY311.admits_python(SpecifierSet(specifiers)) is admitted
    assert PY311.excluded(SpecifierSet(specifiers)) is excluded


@pytest.mark.parametrize(
    ("label", "expected"), [("linux-x86_64-py310", "==3.10.*"), ("linux-x86_64-py3.10.12", "==3.10.12")]
)
def test_a_lock_requires_the_python_of_its_target(label: str, expected: str) -> None:
    target = Target.parse(label)
    assert str(target.requires_python) == expected
    assert all(Version(each["python_full_version"]) in target.requires_python for each in target.environments)


PY310 = Target.parse("linux-x86_64-cu121-py310")


def test_the_best_tag_of_a_wheel_gives_its_rank() -> None:
    def rank(tag: str) -> int | None:
        return PY310.rank(parse_tag(tag))

    ladder = [
        "cp310-cp310-manylinux_2_28_x86_64",
        "cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp310-cp310-manylinux1_x86_64",
        "cp310-cp310-linux_x86_64",
        "cp310-abi3-manylinux_2_28_x86_64",
        "cp38-abi3-manylinux2014_x86_64",
        "py3-none-manylinux1_x86_64",
        "py3-none-linux_x86_64",
        "cp310-none-any",
        "py2.py3-none-any",
    ]
    ranks = [rank(tag) for tag in ladder]
    assert None not in ranks
    assert ranks == sorted(ranks)  # type: ignore[type-var]
    assert ranks[0] == 0
    assert rank("cp310-cp310-manylinux_2_34_x86_64") is None
    assert rank("cp310-cp310-manylinux_2_34_x86_64.manylinux2014_x86_64") == rank("cp310-cp310-manylinux2014_x86_64")


@pytest.mark.parametrize(
    ("label", "tag", "expected"),
    [
        ("linux-x86_64-py310", "cp310-cp310-manylinux_2_28_x86_64", None),
        ("linux-x86_64-py310", "py3-none-any", None),
        ("linux-x86_64-py310", "cp311-cp311-linux_x86_64", "interpreter"),
        ("linux-x86_64-py310", "cp39-cp39-manylinux2014_x86_64", "interpreter"),
        ("linux-x86_64-py310", "cp311-abi3-manylinux2014_x86_64", "interpreter"),
        ("linux-x86_64-py310", "pp310-pypy310_pp73-manylinux2014_x86_64", "interpreter"),
        ("linux-x86_64-py310", "py2-none-any", "interpreter"),
        ("linux-x86_64-py310", "cp39.cp311-cp311-win_amd64", "interpreter"),
        ("linux-x86_64-py310", "cp310-cp310d-manylinux2014_x86_64", "abi"),
        ("linux-x86_64-py313", "cp313-cp313t-manylinux2014_x86_64", "abi"),
        ("linux-x86_64-py313t", "cp313-cp313-manylinux2014_x86_64", "abi"),
        ("linux-x86_64-py313t", "cp37-abi3-manylinux2014_x86_64", "abi"),
        ("linux-x86_64-py37", "cp37-cp37-manylinux2014_x86_64", "abi"),
        ("linux-x86_64-py310", "cp310-cp310-manylinux_2_34_x86_64", "platform"),
        ("linux-x86_64-py310", "cp310-cp310-win_amd64", "platform"),
        ("linux-x86_64-py310", "cp37-abi3-macosx_11_0_arm64", "platform"),
        ("linux-x86_64-py310", "py3-none-musllinux_1_2_x86_64", "platform"),
        ("linux-x86_64-py310-musl1.2", "cp310-cp310-linux_x86_64", "platform"),
        ("linux-x86_64-py310-musl1.2", "cp310-cp310-manylinux2014_x86_64", "platform"),
        ("windows-x86_64-py310", "cp310-cp310-win32", "platform"),
        ("macos-x86_64-py310", "cp310-cp310-macosx_14_0_x86_64", "platform"),
    ],
)
def test_what_keeps_a_wheel_away(label: str, tag: str, expected: str | None) -> None:
    target = Target.parse(label)
    assert target.why_not(parse_tag(tag)) == expected
    assert (target.rank(parse_tag(tag)) is None) == (expected is not None)
