"""How far the resolver looks: what it reads, how often it waits, and that a long search ends."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from world.scenarios import LINUX, Scenario, catalog_of, told, view_of, wants

from wheelhouse.errors import WheelhouseError
from wheelhouse.resolve import backtracking, pubgrub
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.explain import Impossible, Undecided, impossible
from wheelhouse.resolve.resolution import resolve
from wheelhouse.resolve.view import View
from wheelhouse.target import Target

TARGET = Target.parse(LINUX)
World = dict[str, dict[str, Any]]

# resolvelib issue 206; {p2 1, p1 1} is the only solution.
GRAPH_206: World = {
    "p0": {"1": [], "2": ["p2==2"]},
    "p1": {"1": [], "2": ["p0==2"]},
    "p2": {"1": ["p1>=1,<=2"], "2": ["p1==3"]},
}


def play(projects: World, *wanted: str, **case: object) -> Any:
    return Scenario(name="", projects=projects, case={"wanted": list(wanted), **case}).play()


def ladder(versions: int, *, rungs: int) -> World:
    """`a N` wants `b==N`, and `b` has only the first `rungs` of those."""
    return {
        "a": {str(at): [f"b=={at}"] for at in range(1, versions + 1)},
        "b": {str(at): [] for at in range(1, rungs + 1)} or {"0": []},
    }


def test_the_newest_of_each_is_all_that_is_read_where_nothing_is_in_its_way() -> None:
    world: World = {f"p{at}": {str(version): [f"p{at + 1}"] for version in range(1, 50)} for at in range(20)}
    world["p20"] = {"1": []}
    outcome = play(world, "p0")
    assert outcome.catalog.read == [f"p{at}-49-py3-none-any.whl" for at in range(20)] + ["p20-1-py3-none-any.whl"]


def test_a_ladder_of_400_versions_is_walked_down_in_few_waits() -> None:
    outcome = play(ladder(400, rungs=1), "a")
    assert outcome.pins == ["a 1", "b 1"]
    assert len(outcome.catalog.read) == 401
    assert outcome.catalog.moment <= 12  # 1, 2, 4 … 64 at once; one by one it would be 401


def test_a_shallow_step_back_reads_no_further_than_it_must() -> None:
    outcome = play(ladder(400, rungs=398), "a")
    assert outcome.pins == ["a 398", "b 398"]
    assert len(outcome.catalog.read) == 4


def test_what_is_looked_at_together_makes_nobody_look_further() -> None:
    outcome = play(ladder(400, rungs=385), "a")
    assert outcome.pins == ["a 385", "b 385"]
    assert len(outcome.catalog.asked) <= 2 * 64  # those for whom it walked, and no second window behind them


def test_prereleases_that_nobody_may_take_are_not_asked_about_ahead() -> None:
    world = ladder(40, rungs=30)
    world["a"] = {f"{at}{pre}": [f"b=={at}"] for at in range(1, 41) for pre in ("", "rc1")}
    world["b"]["31rc1"] = []
    outcome = play(world, "a")
    assert outcome.pins == ["a 30", "b 30"]
    assert not [each for each in outcome.catalog.asked if "rc" in each]


def test_where_all_final_ones_are_refused_the_prereleases_come_in_one_wait() -> None:
    world = ladder(20, rungs=0)
    world["a"] = {f"{at}{pre}": ["b==99"] for at in range(1, 21) for pre in ("", "rc1")}
    catalog = catalog_of(world, TARGET)
    with pytest.raises(pubgrub.Proof):
        pubgrub.propose(view_of(catalog, TARGET), wants(["a"], TARGET))
    assert len(catalog.read) == 40
    assert catalog.moment <= 6


def test_a_file_that_is_gone_stops_nobody_who_only_looks_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fourth `a` is taken; two older ones are looked at with it, and one of them the index lists but lacks."""
    catalog = catalog_of(ladder(400, rungs=397), TARGET)
    metadata = catalog.metadata
    asked = []

    def lacking(candidate: Candidate) -> object:
        asked.append(str(candidate))
        if str(candidate) == "a 395":
            raise WheelhouseError("404 Not Found")
        return metadata(candidate)

    monkeypatch.setattr(catalog, "metadata", lacking)
    found = resolve(view_of(catalog, TARGET), wants(["a"], TARGET))
    assert [str(pin.candidate) for pin in found.pins] == ["a 397", "b 397"]
    assert "a 395" in asked


def test_a_ladder_without_a_floor_is_refused_in_as_few_waits() -> None:
    catalog = catalog_of(ladder(400, rungs=0), TARGET)
    with pytest.raises(pubgrub.Proof):
        pubgrub.propose(view_of(catalog, TARGET), wants(["a"], TARGET))
    assert len(catalog.read) == 400
    assert catalog.moment <= 14


def test_a_ladder_without_a_floor_is_impossible_and_told_in_few_lines() -> None:
    outcome = play(ladder(400, rungs=0), "a")
    assert outcome.error == (
        "no set of versions meets all requirements\n"
        "  `b==400` is required by `a 400` <- asked for as `a`\n"
        "  `b==399` is required by `a 399` <- asked for as `a`\n"
        "  `b==398` is required by `a 398` <- asked for as `a`\n"
        "  `b==397` is required by `a 397` <- asked for as `a`\n"
        "  396 more versions of `a` do no better\n"
        "  the index has `b` 0; no version is `==400`"
    )


def relabelled(names: tuple[str, ...]) -> tuple[World, str]:
    """Graph 206 with other names, so that another order is tried first."""
    other = dict(zip(GRAPH_206, names, strict=True))

    def said(text: str) -> str:
        return re.sub(r"p\d", lambda match: other[match[0]], text)

    world = {
        other[name]: {v: [said(text) for text in each] for v, each in GRAPH_206[name].items()} for name in GRAPH_206
    }
    return world, said("p2>=1,<=2")


@pytest.mark.parametrize("names", list(itertools.permutations("abc")))
def test_the_graph_that_resolvelib_calls_impossible_is_solved(names: tuple[str, ...]) -> None:
    world, wanted = relabelled(names)
    view = view_of(catalog_of(world, TARGET), TARGET)
    with pytest.raises(backtracking.NoSolution) as claim:
        backtracking.propose(view, wants([wanted], TARGET))
    assert not claim.value.proven
    assert play(world, wanted).pins == sorted([f"{names[1]} 1", f"{names[2]} 1"])


def test_a_proof_that_is_none_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    def propose(*_: object, **__: object) -> object:
        raise pubgrub.Proof(("because a 1 is odd",))

    monkeypatch.setattr(pubgrub, "propose", propose)
    world: World = {"a": {"1": ["b"]}, "b": {"1": []}}
    assert play(world, "a").pins == ["a 1", "b 1"]


def test_a_proposal_that_does_not_hold_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubgrub, "propose", lambda *_, **__: {})
    world: World = {"a": {"1": ["b"]}, "b": {"1": []}}
    assert play(world, "a").pins == ["a 1", "b 1"]


def test_versions_that_require_the_same_are_refused_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """400 versions of `kit`, each with its own `core`, and all of those want a `web` that is not allowed."""
    decisions: list[str] = []
    chosen = pubgrub.Resolver._decide_next
    monkeypatch.setattr(
        pubgrub.Resolver, "_decide_next", lambda self, node: decisions.append(str(node)) or chosen(self, node)
    )
    world: World = {
        "kit": {str(at): [f"core=={at}"] for at in range(400)},
        "core": {str(at): ["web>=2"] if at else ["web"] for at in range(400)},
        "web": {"1": [], "2": []},
    }
    assert play(world, "kit", "web<2").pins == ["core 0", "kit 0", "web 1"]
    assert len(decisions) < 50


def test_a_root_without_a_candidate_is_told_in_one_step() -> None:
    assert play(GRAPH_206, "p0>2").error.startswith("no wheel of `p0>2` fits `linux-x86_64-py311`")
    assert play(GRAPH_206, "p0<2", "p0>1").error.startswith("`p0<2` and `p0>1` cannot be met together")


def test_out_of_steps_is_not_impossible() -> None:
    view = view_of(catalog_of(GRAPH_206, TARGET), TARGET)
    with pytest.raises(Undecided) as undecided:
        resolve(view, wants(["p2"], TARGET), max_steps=3)
    assert told(undecided.value) == (
        "no solution found in 3 steps, and no proof that there is none\n"
        "hint: pin or constrain some of the projects (`-c constraints.txt`) to make the search smaller"
    )


def test_a_circle_that_lost_its_way_to_the_root_ends() -> None:
    """Taking the older `tool` leaves a circle that nobody wants; resolvelib 1.2.1 loses itself in it."""
    world: World = {
        "tool": {"2": ["engine"], "1": []},
        "engine": {"1": ["plugin", "tool==1"]},
        "plugin": {"1": ["engine"]},
    }
    assert play(world, "tool<3").pins == ["tool 1"]


@pytest.mark.parametrize("lines", [10, 2000])
def test_a_long_proof_is_shortened(lines: int) -> None:
    world: World = {"a": {"1": []}}
    view = view_of(catalog_of(world, TARGET), TARGET)
    error = impossible(view, wants(["a"], TARGET), (), proof=[f"step {at}" for at in range(lines)])
    assert len(error.details) <= 25
    assert error.details[0] == "step 0"
    assert error.details[-1] == f"step {lines - 1}"


def test_before_a_long_proof_stands_what_is_only_a_source_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """dvc: a parser four steps down has no wheel, and 31 lines said everything but that."""
    monkeypatch.setattr(backtracking.propose, "__kwdefaults__", {"max_rounds": 0})
    world: World = {
        "a": {"1": ["b"], "2": ["b>=2"]},
        "b": {"1": ["parser==1"], "2": ["parser==2"]},
        "parser": {"1": {"wheels": [], "sdist": True}, "2": {"wheels": [], "sdist": True}},
    }
    view = view_of(catalog_of(world, TARGET), TARGET)
    with pytest.raises(Impossible) as story:
        resolve(view, wants(["a"], TARGET))
    assert story.value.details[:2] == (
        "`parser==2` is required by `b 2` <- `a 2` <- asked for as `a`",
        "`parser` 2: only a source distribution",
    )
    assert story.value.details[-1] == "so your project's requirements cannot be satisfied"
    assert story.value.hint == (
        "to build it, which runs its code here: `--from-sdist parser`\n"
        "or build its wheel on a machine like the target and give its folder with `--find-links`"
    )


def test_a_proof_is_derived_from_what_was_written() -> None:
    world: World = {"a": {"1": ["c<2"], "2": ["c<3"]}, "b": {"1": ["c>=3"]}, "c": {"1": [], "2": [], "3": []}}
    view = view_of(catalog_of(world, TARGET), TARGET)
    with pytest.raises(pubgrub.Proof) as proof:
        pubgrub.propose(view, wants(["a", "b"], TARGET))
    assert proof.value.lines == (
        "because a 1 depends on c <2",
        "because a 2 depends on c <3",
        "so a 1 to 2 and not c <3",
        "because b 1 depends on c >=3",
        "so a 1 to 2 and b 1",
        "because your project depends on b",
        "so a 1 to 2",
        "because your project depends on a",
        "so your project's requirements cannot be satisfied",
    )


def test_a_proof_that_nobody_reads_is_not_put_into_words(monkeypatch: pytest.MonkeyPatch) -> None:
    view = view_of(catalog_of({"a": {"1": ["c<2"]}, "b": {"1": ["c>2"]}, "c": {"1": [], "3": []}}, TARGET), TARGET)
    shown: list[object] = []
    monkeypatch.setattr(pubgrub.Versions, "__str__", lambda versions: shown.append(versions) or "")
    with pytest.raises(pubgrub.Proof) as proof:
        pubgrub.propose(view, wants(["a", "b"], TARGET))
    assert not shown
    assert proof.value.lines
    assert shown


def crowd(projects: int, versions: int) -> World:
    """Every project wants its two neighbours not newer than itself; only the oldest of all fit together."""
    world: World = {}
    for at in range(projects):
        others = [f"p{(at + step) % projects}" for step in (1, 7)]
        world[f"p{at}"] = {
            str(version): [f"{other}<={max(version - at % 3, 1)}" for other in others]
            for version in range(1, versions + 1)
        }
    return world


def answers(world: World, *wanted: str) -> Iterator[str]:
    for _ in range(2):
        view = view_of(catalog_of(world, TARGET), TARGET)
        try:
            yield " ".join(str(pin.candidate) for pin in resolve(view, wants(list(wanted), TARGET)).pins)
        except WheelhouseError as error:
            assert isinstance(error, Impossible)
            yield told(error)


def test_sixty_projects_that_all_hold_each_other_back_find_their_only_way() -> None:
    first, second = answers(crowd(60, 12), *(f"p{at}" for at in range(60)))
    assert first == second == " ".join(sorted(f"p{at} 1" for at in range(60)))


def test_sixty_projects_of_which_one_will_not_yield_are_impossible() -> None:
    world = crowd(60, 12)
    world["p31"]["1"] = ["p32>=2"]
    first, second = answers(world, *(f"p{at}" for at in range(60)), "p32<2")
    assert first == second


def test_a_walk_down_the_versions_costs_few_round_trips() -> None:
    """Whatever makes a solver ask for one version after the other: from the third on the next ones are expected."""
    catalog = catalog_of({"foo": {f"1.{minor}": [] for minor in range(100)}}, TARGET)
    view = View(catalog, TARGET)
    candidates = view.possible(canonicalize_name("foo"))
    assert len([view.usable(candidate) for candidate in candidates]) == 100
    assert catalog.moment == 4  # without looking ahead: 100
