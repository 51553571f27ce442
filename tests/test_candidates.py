"""What a project offers to a target: of each version one wheel, or the reason why there is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version
from world.scenarios import INDEX, file_of

from wheelhouse.indexes import Index
from wheelhouse.resolve.candidates import Listed, Source
from wheelhouse.resolve.catalog import FixedCatalog
from wheelhouse.resolve.channels import channels_offering
from wheelhouse.resolve.project import Project
from wheelhouse.resolve.refusals import (
    BadName,
    NotAny,
    Reason,
    Refusal,
    RequiresPython,
    SdistOnly,
    TooNew,
    WrongBuild,
    WrongTag,
    Yanked,
)
from wheelhouse.resolve.version_sets import Choices
from wheelhouse.resolve.view import View
from wheelhouse.simple import File, Listing, listing
from wheelhouse.simple.links import moment
from wheelhouse.simple.names import belongs
from wheelhouse.target import Target

TARGET = Target.parse("linux-x86_64-py310")
CU121 = Target.parse("linux-x86_64-cu121-py310")
OTHER = Index("https://other.test/simple")


def project(*filenames: str, target: Target = TARGET, name: str = "foo", **release: Any) -> Project:
    return Project(canonicalize_name(name), [Listed(file_of(each, release), INDEX) for each in filenames], target)


def taken(found: Project, version: str) -> str | None:
    candidate = found.offer(Version(version)).candidate
    return None if candidate is None else candidate.file.filename


def reasons(found: Project, version: str) -> dict[str, Reason]:
    return {each.filename: each.reason for each in found.offer(Version(version)).refusals}


def test_of_one_version_the_wheel_is_taken_and_every_other_file_has_its_reason() -> None:
    found = project(
        "foo-1.0-cp310-cp310-manylinux_2_17_x86_64.whl",
        "foo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "foo-1.0-cp310-cp310m-manylinux_2_17_x86_64.whl",
        "foo-1.0-cp310-cp310-win_amd64.whl",
        "foo-1.0.tar.gz",
    )
    assert taken(found, "1.0") == "foo-1.0-cp310-cp310-manylinux_2_17_x86_64.whl"
    assert reasons(found, "1.0") == {
        "foo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl": WrongTag("cp311-cp311-manylinux_2_17_x86_64", "interpreter"),
        "foo-1.0-cp310-cp310m-manylinux_2_17_x86_64.whl": WrongTag("cp310-cp310m-manylinux_2_17_x86_64", "abi"),
        "foo-1.0-cp310-cp310-win_amd64.whl": WrongTag("cp310-cp310-win_amd64", "platform"),
        "foo-1.0.tar.gz": SdistOnly(),
    }
    assert found.offer(Version("1.0")).reason() is None


@pytest.mark.parametrize(
    ("release", "reason"),
    [
        ({"yanked": "bad", "python": ">=3.13", "uploaded": datetime(2030, 1, 1)}, Yanked("bad")),
        ({"python": ">=3.13", "uploaded": datetime(2030, 1, 1)}, TooNew(datetime(2030, 1, 1, tzinfo=UTC))),
        ({"python": ">=3.13"}, TooNew(None)),
        ({"python": ">=3.13", "uploaded": datetime(2020, 1, 1)}, RequiresPython(">=3.13")),
        ({"uploaded": datetime(2020, 1, 1)}, WrongTag("cp313-cp313-win_amd64", "interpreter")),
    ],
)
def test_the_questions_have_an_order(release: dict[str, Any], reason: Reason) -> None:
    files = [Listed(file_of("foo-1.0-cp313-cp313-win_amd64.whl", release), INDEX)]
    found = Project(canonicalize_name("foo"), files, TARGET, exclude_newer=datetime(2024, 1, 1, tzinfo=UTC))
    assert found.offer(Version("1.0")).reason() == reason


TIMES = ("2024-01-01T00:00:00Z", "2023-12-31T23:59:59.999999Z", "2024-01-01T00:00:00.000001Z", "2023-12-01T00:00:00Z")
TIMES += ("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00-01:00", "2023-12-31", "2024-01-01", "20231231T235959Z")
TIMES += ("2023-99-99T00:00:00Z", "2023-02-31T00:00:00Z", "2023-01-01T24:00:00Z", "0000-01-01T00:00:00Z", "", "now")


@pytest.mark.parametrize("text", TIMES)
@pytest.mark.parametrize("cutoff", [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 0, 1, UTC)])
def test_a_file_counts_whose_moment_is_before_the_cutoff_however_it_is_written(text: str, cutoff: datetime) -> None:
    file = {"filename": "foo-1.0-py3-none-any.whl", "url": "https://i.example/f", "hashes": {}, "upload-time": text}
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "foo", "files": [file]}).encode()
    name, kind = canonicalize_name("foo"), "application/vnd.pypi.simple.v1+json"
    sources = [Source(listing(name, "https://i.example/foo/", kind, body), INDEX)]
    found = Project(name, sources, TARGET, exclude_newer=cutoff)
    time = moment(text)
    expected = None if time is not None and time < cutoff else TooNew(time)
    assert found.offer(Version("1.0")).reason() == expected
    assert list(found.untimed()) == ([] if text else [INDEX])


MORE = ("2024-01-02T00:00:00Z", "2025-06-01T00:00:00Z", "2024-01-02T13:00:00+23:00", "2023-W01-1T00:00:00Z", "2023-W52")
MORE += ("2024-05-05T0102Z", "2024-01-02t00:00:00z", "2024-01-02T00:00:00", "2024-13-01T00:00:00Z", "20230101T000000Z")


@given(texts=st.lists(st.sampled_from(TIMES + MORE), min_size=1, max_size=3))
def test_each_file_of_a_version_is_judged_by_its_own_time(texts: list[str]) -> None:
    names = [f"foo-1.0-{build}-py3-none-any.whl" for build in range(1, len(texts) + 1)]
    files = [
        {"filename": name, "url": f"https://i.example/{name}", "hashes": {}, "upload-time": text}
        for name, text in zip(names, texts, strict=True)
    ]
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "foo", "files": files}).encode()
    page = listing(canonicalize_name("foo"), "https://i.example/foo/", "application/vnd.pypi.simple.v1+json", body)
    kept = Listing.load(page.dump())
    assert kept is not None
    cutoff = datetime(2024, 1, 1, tzinfo=UTC)
    late = {name: moment(text) for name, text in zip(names, texts, strict=True)}
    early = [name for name, time in late.items() if time is not None and time < cutoff]
    for each in (page, kept):
        found = Project(canonicalize_name("foo"), [Source(each, INDEX)], TARGET, exclude_newer=cutoff)
        assert taken(found, "1.0") == (max(early) if early else None)
        assert reasons(found, "1.0") == {name: TooNew(time) for name, time in late.items() if name not in early}
        assert not (early and found.is_too_new(Version("1.0")))


def test_a_version_of_later_days_is_left_out_at_a_glance() -> None:
    def late(*texts: str | None) -> bool:
        files = [
            {"filename": f"foo-1.0-{at}-py3-none-any.whl", "url": f"https://i.example/{at}", "hashes": {}}
            | ({} if text is None else {"upload-time": text})
            for at, text in enumerate(texts)
        ]
        body = json.dumps({"meta": {"api-version": "1.1"}, "name": "foo", "files": files}).encode()
        page = listing(canonicalize_name("foo"), "https://i.example/foo/", "application/vnd.pypi.simple.v1+json", body)
        cutoff = datetime(2024, 1, 1, 12, tzinfo=UTC)
        found = Project(canonicalize_name("foo"), [Source(page, INDEX)], TARGET, exclude_newer=cutoff)
        assert not Project(canonicalize_name("foo"), [Source(page, INDEX)], TARGET).is_too_new(Version("1.0"))
        return found.is_too_new(Version("1.0"))

    assert late("2024-01-02T00:00:00Z", "2024-02-01T00:00:00Z")
    assert not late("2024-01-01T23:00:00Z")  # its file is looked at
    assert not late("2024-01-02T00:00:00Z", None)
    assert not late("2024-01-02T00:00:00Z", "20230101T000000Z")


def test_a_yanked_file_counts_where_yanked_files_are_asked_for() -> None:
    found = project("foo-1.0-py3-none-any.whl", yanked="")
    assert found.offer(Version("1.0")).candidate is None
    candidate = found.offer(Version("1.0"), yanked=True).candidate
    assert candidate is not None
    assert found.offer(Version("1.0"), yanked=True).candidate is candidate  # always the same object


def test_of_two_indexes_with_the_same_wheel_the_first_is_taken() -> None:
    file = file_of("foo-1.0-py3-none-any.whl", {})
    found = Project(canonicalize_name("foo"), [Listed(file, OTHER), Listed(file, INDEX)], TARGET)
    candidate = found.offer(Version("1.0")).candidate
    assert candidate is not None
    assert candidate.index == OTHER


def test_from_elsewhere_only_a_none_any_wheel_may_come() -> None:
    names = ["foo-1.0-cp310-cp310-manylinux_2_17_x86_64.whl", "foo-0.9-py3-none-any.whl"]
    found = Project(canonicalize_name("foo"), [Listed(file_of(each, {}), INDEX, True) for each in names], CU121)
    assert (taken(found, "1.0"), taken(found, "0.9")) == (None, "foo-0.9-py3-none-any.whl")
    assert found.offer(Version("1.0")).reason() == NotAny()


@pytest.mark.parametrize(
    ("label", "version", "reason"),
    [
        ("linux-x86_64-cu121-py310", "2.5.1+cu121", None),
        ("linux-x86_64-cu121-py310", "2.5.1+cu118", WrongBuild("cu118", "cu121")),
        ("linux-x86_64-cu121-py310", "2.5.1+cpu", WrongBuild("cpu", "cu121")),
        ("linux-x86_64-cu121-py310", "2.5.1", WrongBuild("", "cu121")),
        ("linux-x86_64-cu121-py310", "2.5.1+cu121.post1", WrongBuild("cu121.post1", "cu121")),
        ("linux-x86_64-cpu-py310", "2.5.1+cpu.cxx11.abi", WrongBuild("cpu.cxx11.abi", "cpu")),
        ("linux-x86_64-cpu-py310", "2.5.1+cpu", None),
        ("linux-x86_64-rocm6.0-py310", "2.5.1+rocm6.0", None),
        ("linux-x86_64-rocm6.0-py310", "2.5.1+rocm6.1", WrongBuild("rocm6.1", "rocm6.0")),
        ("linux-aarch64-cpu-py310", "2.5.1", None),
        ("macos-aarch64-cpu-py310", "2.5.1", None),
        ("windows-x86_64-cu121-py310", "2.5.1", WrongBuild("", "cu121")),
        ("windows-x86_64-cu121-py310", "2.5.1+cu121", None),
    ],
)
def test_only_the_targets_own_build_of_torch_is_taken(label: str, version: str, reason: Reason | None) -> None:
    found = project(f"torch-{version}-py3-none-any.whl", target=Target.parse(label), name="torch")
    assert found.offer(Version(version)).reason() == reason


def test_a_local_version_that_names_no_accelerator_is_no_build() -> None:
    found = project("foo-1.0+ubuntu1-py3-none-any.whl", "foo-1.1+cu122torch2.1-py3-none-any.whl", target=CU121)
    assert (taken(found, "1.0+ubuntu1"), taken(found, "1.1+cu122torch2.1")) == (
        "foo-1.0+ubuntu1-py3-none-any.whl",
        "foo-1.1+cu122torch2.1-py3-none-any.whl",
    )


@pytest.mark.parametrize(
    ("filename", "name", "of_it"),
    [
        ("foo-1.0-py3-none-any.whl", "foo", True),
        ("Foo_Bar-1.0-py3-none-any.whl", "foo-bar", True),
        ("foo.bar-1.0-py3-none-any.whl", "foo-bar", True),
        ("foo-1.0-1-py3-none-any.whl", "foo", True),
        ("foo-1.0-1a-py3-none-any.whl", "foo", True),
        ("foo-1.0-a1-py3-none-any.whl", "foo", False),
        ("foo-1.0--py3-none-any.whl", "foo", False),
        ("foo-1.0-py3-none-any-extra-part.whl", "foo", False),
        ("foo-1.0-py3-none.whl", "foo", False),
        ("foo__bar-1.0-py3-none-any.whl", "foo-bar", False),
        ("foo-1.0_1-py3-none-any.whl", "foo", False),
        ("foo-1.0-py3-none-any.whl.metadata", "foo", False),
        ("foo-bar-1.0.tar.gz", "foo-bar", True),
        ("foo-bar-1.0.tar.gz", "foo", False),
        ("foo-1.0.zip", "foo", True),
        ("foo-1.0.tar.bz2", "foo", True),
        ("foo-1.0-1.tar.gz", "foo", True),
        ("foo-1.0.linux-x86_64.tar.gz", "foo", False),
        ("foo-1.0.win32-py2.7.exe", "foo", False),
        ("foo-1.0-py2.7.egg", "foo", False),
        ("foo-latest.tar.gz", "foo", False),
        ("", "foo", False),
        (".whl", "foo", False),
        ("-.tar.gz", "foo", False),
    ],
)
def test_which_names_are_those_of_a_projects_files(filename: str, name: str, of_it: bool) -> None:
    assert belongs(filename, canonicalize_name(name)) is of_it


def test_names_that_are_none_are_kept_with_their_reason() -> None:
    found = project("foo-1.0-py3-none-any.whl", "foo-1.0.exe")
    assert found.unnamed == [Refusal("foo-1.0.exe", BadName())]
    assert found.versions == (Version("1.0"),)


ODD = st.text(alphabet="py310none.a_+-\n é", max_size=4)


def mostly(*good: str) -> st.SearchStrategy[str]:
    return st.sampled_from(good) | st.sampled_from(good) | st.tuples(st.sampled_from(good), ODD).map("".join) | ODD


@given(
    name=mostly("foo", "Foo", "FOO"),
    version=mostly("1.0", "1", "1!2.0+a.b", "1.0.post1"),
    build=st.just("") | mostly("1", "01a", "2_x"),
    tags=st.tuples(mostly("py3", "py2.py3", "cp310"), mostly("none", "abi3", "cp310"), mostly("any", "linux_x86_64")),
)
def test_a_wheel_that_is_taken_has_a_name_that_the_specification_knows(
    name: str, version: str, build: str, tags: tuple[str, str, str]
) -> None:
    filename = "-".join([name, version, *([build] if build else []), *tags]) + ".whl"
    found = project(filename)
    for each in found.versions:
        candidate = found.offer(each).candidate
        if candidate is not None:
            assert parse_wheel_filename(filename)[:2] == ("foo", each)
            assert filename.isprintable()


@given(name=st.text(max_size=40))
def test_no_file_name_stops_the_reading_of_a_page(name: str) -> None:
    project(name, f"foo-{name}.whl", f"foo-1.0-{name}.whl", f"foo-{name}.tar.gz")


def channel_file(version: str, tag: str, folder: str) -> Listed:
    return Listed(file_of(f"torch-{version}-{tag}.whl", {"url": f"https://files.test/whl/{folder}/"}), INDEX)


def test_the_channels_that_have_what_the_targets_own_lacks() -> None:
    fits = "cp310-cp310-linux_x86_64"
    listed = [
        channel_file("2.1.2+cu118", fits, "cu118"),
        channel_file("2.1.2+cu121", fits, "cu121"),
        channel_file("2.1.2+cpu", "cp310-cp310-win_amd64", "cpu"),
        channel_file("2.1.2", fits, "cu117"),
        channel_file("2.1.1+cu115", fits, "cu115"),
        channel_file("2.1.2", "cp39-cp39-linux_x86_64", "cu116"),
        channel_file("2.1.2", "cp310-none-macosx_11_0_arm64", "cpu"),
    ]
    target = Target.parse("linux-x86_64-cu124-py310")
    found = channels_offering(canonicalize_name("torch"), listed, SpecifierSet("==2.1.2"), target)
    assert found == ("cu117", "cu118", "cu121")


VERSIONS = ("0.9", "1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0+cu118", "1.0+cu121", "1.0.post1", "1.0.1", "1.1b2", "1.1")
VERSIONS += ("2.0.dev0", "2.0", "2.0.post3", "10.0", "1!0.5", "1!1.0")
SPECIFIERS = st.builds(
    str.__add__, st.sampled_from(["==", "!=", "<=", ">=", "<", ">", "~="]), st.sampled_from([*VERSIONS, "1.0.2", "3.1"])
).filter(lambda text: not ("+" in text and text[:2] in ("<=", ">=", "~=")) and not (text[0] in "<>" and "+" in text))


@given(
    versions=st.lists(st.sampled_from(VERSIONS), unique=True),
    specifiers=st.lists(SPECIFIERS | st.sampled_from(["==1.*", "!=1.0.*", "===1.0"]), max_size=4),
)
def test_the_versions_within_a_set_are_those_that_it_contains(versions: list[str], specifiers: list[str]) -> None:
    files = [
        Listed(File(filename=f"foo-{version}-py3-none-any.whl", url=f"https://i.example/{version}"), Index("https://i"))
        for version in versions
    ]
    project = Project(canonicalize_name("foo"), files, Target.parse("linux-x86_64-py310"))
    wanted = SpecifierSet(",".join(each for each in specifiers if not each.startswith("~=") or "." in each))
    expected = [version for version in project.versions if wanted.contains(version, prereleases=True)]
    assert list(project.within(wanted)) == expected
    choices = Choices(View(FixedCatalog([project], {}), Target.parse("linux-x86_64-py310")), project.name)
    bits = choices.within(wanted).bits
    assert [each for at, each in enumerate(project.versions) if bits >> at & 1] == expected
    for first in map(Version, VERSIONS):
        preferred = [first] if first in expected else []
        assert list(project.within(wanted, first=first)) == preferred + [each for each in expected if each != first]
