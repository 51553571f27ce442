"""Stories: what an error keeps as facts, what is added to it, and whose chain is told. The texts are in `scenarios`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from world.scenarios import LINUX, catalog_of, told, view_of, wants

from wheelhouse.errors import WheelhouseError
from wheelhouse.resolve.explain import Impossible, Unasked, Undecided, impossible
from wheelhouse.resolve.resolution import resolve
from wheelhouse.target import Target

World = dict[str, dict[str, Any]]


def error_of(world: World, *wanted: str, label: str = LINUX, constraints: tuple[str, ...] = ()) -> Impossible:
    target = Target.parse(label)
    with pytest.raises(Impossible) as error:
        resolve(view_of(catalog_of(world, target), target, constraints=constraints), wants(list(wanted), target))
    return error.value


def test_what_nothing_fits_is_kept_as_a_fact_for_those_who_know_where_else_to_look() -> None:
    world: World = {"torch": {"2.1.2+cu118": []}, "torchvision": {"0.16.2+cu124": ["torch==2.1.2"]}}
    error = error_of(world, "torchvision", label="linux-x86_64-cu124-py311")
    assert (error.missing, error.absent) == ((("torch", SpecifierSet("==2.1.2")),), ())
    assert str(error) == (
        "no wheel of `torch==2.1.2` fits `linux-x86_64-cu124-py311`\n"
        "  `torch==2.1.2` is required by `torchvision 0.16.2+cu124` <- asked for as `torchvision`\n"
        "  `torch` 2.1.2+cu118: not the `cu124` build"
    )


def test_so_it_is_where_several_versions_were_tried() -> None:
    world: World = {
        "torch": {"2.1.2+cu118": [], "2.2.0+cu118": []},
        "torchvision": {"0.16.2+cu124": ["torch==2.1.2"], "0.17.0+cu124": ["torch==2.2.0"]},
    }
    error = error_of(world, "torchvision", label="linux-x86_64-cu124-py311")
    assert error.missing == (("torch", SpecifierSet("==2.2.0")),)
    assert error.details[-1] == "`torch` 2.2.0+cu118: not the `cu124` build"


def test_versions_that_are_all_too_new_are_one_line() -> None:
    target = Target.parse(LINUX)
    world: World = {"dated": {f"{n}.0": {"uploaded": datetime(2024, n, 1, tzinfo=UTC)} for n in range(1, 10)}}
    view = view_of(catalog_of(world, target, exclude_newer=datetime(2020, 1, 1, tzinfo=UTC)), target)
    with pytest.raises(Impossible) as error:
        resolve(view, wants(["dated"], target))
    assert error.value.details[1:] == ("`dated` 9.0, 8.0, 7.0, 6.0 and 5 more: uploaded after `--exclude-newer`",)


def test_what_no_index_lists_is_kept_as_a_fact() -> None:
    error = error_of({"foo": {"1": ["ghost"]}}, "foo")
    assert (error.missing, error.absent) == ((), ("ghost",))


def test_a_missing_source_build_is_hinted_at_where_several_versions_need_it() -> None:
    world: World = {"foo": {"1": ["src"], "2": ["src>0"]}, "src": {"1": {"wheels": [], "sdist": True}}}
    assert told(error_of(world, "foo")) == (
        "no set of versions meets all requirements\n"
        "  `src>0` is required by `foo 2` <- asked for as `foo`\n"
        "  `src` is required by `foo 1` <- asked for as `foo`\n"
        "  `src` 1: only a source distribution\n"
        "hint: to build it, which runs its code here: `--from-sdist src`\n"
        "hint: or build its wheel on a machine like the target and give its folder with `--find-links`"
    )


def test_a_line_can_be_added_and_another_way_out_before_the_others() -> None:
    error = error_of({}, "ghost").adding("pip is configured with other indexes", hint="`--extra-index-url URL`")
    assert told(error) == (
        "no index lists a project named `ghost`\n"
        "  `ghost` was asked for\n"
        "  pip is configured with other indexes\n"
        "hint: `--extra-index-url URL`\n"
        "hint: check the spelling; a private index is given with `--extra-index-url`"
    )
    assert error.absent == ("ghost",)


def test_the_chain_goes_the_shortest_way_down_to_what_was_asked_for() -> None:
    world: World = {
        "root": {"1": ["long", "short"]},
        "long": {"1": ["longer"]},
        "longer": {"1": ["zz"]},
        "short": {"1": ["zz"]},
        "zz": {"1": ["ghost"]},
    }
    assert error_of(world, "root").details == (
        "`ghost` is required by `zz 1` <- `short 1` <- `root 1` <- asked for as `root`",
    )


def test_a_chain_names_a_requirement_as_it_was_written() -> None:
    world: World = {"Foo": {"1.0": ["ghost ; python_version > '3'"]}}
    assert error_of(world, "foo[x, a]>=0.5,<2").details == (
        "`ghost` is required by `foo 1.0` <- asked for as `foo[a,x]<2,>=0.5`",
    )


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ({"wheels": ["cp311-cp311-win_amd64"]}, "`foo` 1: wheels only for other platforms (such as `win_amd64`)"),
        ({"wheels": ["cp39-cp39-win_amd64"]}, "`foo` 1: wheels only for other Pythons (such as `cp39-cp39`)"),
        ({"python": ">=3.13"}, "`foo` 1: needs Python >=3.13"),
        ({"yanked": "bad"}, "`foo` 1: was yanked (bad)"),
        ({"yanked": ""}, "`foo` 1: was yanked"),
        ({"broken": "no METADATA"}, "`foo` 1: has unusable core metadata: no METADATA"),
        ({"wheels": [], "sdist": True}, "`foo` 1: only a source distribution"),
        ({"wheels": []}, "the index lists no files of `foo` that can be read"),
    ],
)
def test_each_reason_has_its_words(release: dict[str, Any], line: str) -> None:
    assert error_of({"foo": {"1": release}}, "foo").details[-1] == line


def test_versions_with_one_reason_share_a_line_and_the_newest_four_are_named() -> None:
    world: World = {"foo": {str(at): {"wheels": ["cp311-cp311-win_amd64"]} for at in range(1, 8)}}
    assert error_of(world, "foo").details[-1] == (
        "`foo` 7, 6, 5, 4 and 3 more: wheels only for other platforms (such as `win_amd64`)"
    )


def test_the_constraint_is_named_where_it_alone_is_in_the_way() -> None:
    world: World = {"foo": {"1": []}}
    assert error_of(world, "foo", constraints=("foo>1",)).sentence == ("no wheel of `foo` fits the constraint `foo>1`")
    assert error_of(world, "foo>2", constraints=("foo>1",)).sentence == f"no wheel of `foo>2` fits `{LINUX}`"


def test_a_solution_with_releases_that_nobody_asked_for_is_told_and_not_taken() -> None:
    world: World = {
        "a": {"1": ["c==1"], "2rc1": ["c==2"]},
        "b": {"1": ["c==1"], "2": {"requires": ["c==2"], "yanked": ""}},
        "c": {"1": [], "2": []},
    }
    error = error_of(world, "a", "b", "c==2")
    assert isinstance(error, Unasked)
    assert [str(candidate) for candidate in error.candidates] == ["a 2rc1", "b 2"]
    assert told(error) == (
        "`c==1` and `c==2` cannot be met together\n"
        "  `c==2` was asked for\n"
        "  `c==1` is required by `a 1` <- asked for as `a`\n"
        "  the index has `c` 1 to 2; no version is `==1,==2`\n"
        "  `a 2rc1` would do, but it is a pre-release\n"
        "  `b 2` would do, but it was yanked\n"
        "hint: to take a pre-release, name it: `a==2rc1`, or give `--pre`\n"
        "hint: to take a yanked release, name it: `b==2`"
    )


def test_where_nothing_else_is_known_the_proof_is_the_story() -> None:
    target = Target.parse(LINUX)
    view = view_of(catalog_of({"a": {"1": []}}, target), target)
    error = impossible(view, wants(["a"], target), (), proof=("because …", "so …"))
    assert str(error) == "no set of versions meets all requirements\n  because …\n  so …"


def test_being_undecided_is_not_being_impossible() -> None:
    assert not isinstance(Undecided(5), Impossible)
    assert isinstance(Undecided(5), WheelhouseError)
    assert str(Undecided(50_000)) == "no solution found in 50000 steps, and no proof that there is none"


def test_names_are_compared_as_the_index_compares_them() -> None:
    assert error_of({"foo-bar": {"1": []}}, "Foo.Bar>1").missing == (
        (canonicalize_name("foo-bar"), SpecifierSet(">1")),
    )
