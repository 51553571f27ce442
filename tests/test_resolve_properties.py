"""What holds of every resolution, tried on small random indexes against an answer found by trying everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from world.scenarios import LINUX, WatchedCatalog, catalog_of, told, view_of, wants

from wheelhouse.errors import WheelhouseError
from wheelhouse.resolve.explain import Impossible
from wheelhouse.resolve.resolution import Pin, Resolution, resolve, unmet
from wheelhouse.resolve.wants import is_exact
from wheelhouse.target import Target

TARGET = Target.parse(LINUX)
World = dict[str, dict[str, Any]]
NAMES = ("p0", "p1", "p2", "p3", "p4")
FINALS = ("1", "2", "3")
ODD = ("0.9", "1+x", "2", "2a1", "3", "4rc1")
RANGES = ("", "", "", "==1", "==2", "==3", ">=2", "<2", "<3", "!=2", ">=1,<3")
ODD_RANGES = ("==2a1", ">=2a1", "==4rc1", "<4", ">3", "==1+x", "===3", "~=2.0", "==1.*")
EXTRAS = ("", "", "", "[x]", "[x,y]")


@st.composite
def requirement(draw: st.DrawFn, odd: bool, of: str = "") -> str:
    """A requirement of the project `of`, or of the roots. A project asks of itself for no more than another extra."""
    marker = draw(st.sampled_from(("", "", "", '; extra == "x"', '; extra == "y"'))) if of else ""
    name = draw(st.sampled_from(NAMES))
    if name == of:
        return f'{name}[y]; extra == "x"'
    extra, specifier = draw(st.sampled_from(EXTRAS)), draw(st.sampled_from(RANGES + ODD_RANGES if odd else RANGES))
    return f"{name}{extra}{specifier}{marker}"


@st.composite
def worlds(draw: st.DrawFn, *, odd: bool) -> World:
    """Five projects of up to three versions; an odd world has pre-releases, yanks, local versions and bad wheels."""
    world: World = {}
    for name in NAMES:
        versions = draw(st.lists(st.sampled_from(ODD if odd else FINALS), min_size=1, max_size=3, unique=True))
        world[name] = {}
        for version in versions:
            release: dict[str, Any] = {
                "requires": draw(st.lists(requirement(odd, name), max_size=3)),
                "extras": ["x", "y"],
            }
            if odd and draw(st.integers(0, 5)) == 0:
                release |= draw(st.sampled_from(({"yanked": ""}, {"broken": "no"}, {"wheels": [], "sdist": True})))
            world[name][version] = release
    return world


def roots(odd: bool) -> st.SearchStrategy[list[str]]:
    return st.lists(requirement(odd), min_size=1, max_size=3)


def constraints(odd: bool) -> st.SearchStrategy[list[str]]:
    ranges = RANGES + ODD_RANGES if odd else RANGES
    return st.lists(
        st.builds(lambda name, text: name + text, st.sampled_from(NAMES), st.sampled_from(ranges)), max_size=1
    )


Pins = tuple[tuple[str, str], ...]


def solutions(world: World, wanted: Sequence[str], held: Sequence[str]) -> Iterator[Pins]:
    """Every closed set of pins that the rules allow, found by trying all: the definition in the plainest words."""

    def extended(pins: dict[str, str]) -> Iterator[Pins]:
        asked = closure(world, pins, wanted)
        for name in asked:
            if name not in pins:
                for version in world[name]:
                    yield from extended({**pins, name: version})
                return
        for name, version in pins.items():
            constraints = [each for each in held if Requirement(each).name == name]
            if version not in allowed(world[name], [*asked[name], *constraints]):
                return
        yield tuple(sorted(pins.items()))

    return extended({})


def closure(world: World, pins: Mapping[str, str], wanted: Sequence[str]) -> dict[str, list[str]]:
    """What is asked of each project by the roots and by the pins that they reach."""
    asked: dict[str, list[str]] = {}
    extras: dict[str, frozenset[str]] = {}
    queue = list(wanted)
    while queue:
        text = queue.pop(0)
        want = Requirement(text)
        asked.setdefault(want.name, []).append(text.partition(";")[0])
        grown = extras.get(want.name, frozenset()) | want.extras
        if want.name in pins and grown != extras.get(want.name):
            extras[want.name] = grown
            requires = world[want.name][pins[want.name]]["requires"]
            queue += [each for each in requires if TARGET.admits(Requirement(each).marker, grown)]
    return asked


def allowed(releases: Mapping[str, Mapping[str, Any]], asked: Sequence[str]) -> list[str]:
    """The versions that all of these admit together (PEP 440 on pre-releases, PEP 592 on yanks)."""
    together = SpecifierSet(",".join(str(Requirement(text).specifier) for text in asked))
    pool = [
        version
        for version, release in releases.items()
        if together.contains(version, prereleases=True)
        and release.get("wheels") != []
        and "broken" not in release
        and ("yanked" not in release or is_exact(together))
    ]
    finals = [version for version in pool if not Version(version).is_prerelease]
    return pool if together.prereleases or is_exact(together) else finals or pool


def answer(
    world: World, wanted: Sequence[str], held: Sequence[str], catalog: WatchedCatalog | None = None
) -> Resolution | WheelhouseError:
    """What the resolver says; how old a pin may be is another question."""
    view = view_of(catalog or catalog_of(world, TARGET), TARGET, constraints=held)
    try:
        return resolve(view, wants(wanted, TARGET), allow_older=frozenset({":all:"}))
    except WheelhouseError as error:
        return error


def pins_of(found: Resolution | WheelhouseError) -> Pins | str:
    if isinstance(found, WheelhouseError):
        return told(found)
    return tuple((pin.candidate.project, str(pin.candidate.version)) for pin in found.pins)


QUICK = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(world=worlds(odd=False), wanted=roots(odd=False), held=constraints(odd=False))
def test_there_is_an_answer_exactly_where_one_can_be_found_by_trying_everything(
    world: World, wanted: list[str], held: list[str]
) -> None:
    found = answer(world, wanted, held)
    every = list(solutions(world, wanted, held))
    if isinstance(found, Resolution):
        assert pins_of(found) in every
    else:
        assert isinstance(found, Impossible)
        assert every == []


@QUICK
@given(world=worlds(odd=True), wanted=roots(odd=True), held=constraints(odd=True))
def test_what_is_called_impossible_is_impossible_and_what_comes_out_is_allowed(
    world: World, wanted: list[str], held: list[str]
) -> None:
    found = answer(world, wanted, held)
    every = list(solutions(world, wanted, held))
    if isinstance(found, Resolution):
        assert pins_of(found) in every
    elif isinstance(found, Impossible):
        assert every == []


@QUICK
@given(world=worlds(odd=True), wanted=roots(odd=True), held=constraints(odd=True), data=st.data())
def test_the_order_of_things_and_what_is_known_already_change_nothing(
    world: World, wanted: list[str], held: list[str], data: st.DataObject
) -> None:
    first = answer(world, wanted, held)
    shuffled: World = {
        name: {version: world[name][version] for version in data.draw(st.permutations(list(world[name])))}
        for name in data.draw(st.permutations(list(world)))
    }
    catalog = catalog_of(shuffled, TARGET)
    for other in data.draw(st.lists(roots(odd=True), max_size=2)):
        answer(shuffled, other, (), catalog)
    ahead = [
        candidate
        for name in shuffled
        if (project := catalog.project(canonicalize_name(name))) is not None
        for version in project.versions
        if (candidate := project.offer(version, yanked=True).candidate) is not None
    ]
    catalog.expect_metadata(ahead)
    for candidate in ahead:
        catalog.metadata(candidate)
    second = answer(shuffled, data.draw(st.permutations(wanted)), held, catalog)
    assert pins_of(second) == pins_of(first)
    if isinstance(first, Resolution):
        assert isinstance(second, Resolution)
        assert [str(each) for each in second.held_back] == [str(each) for each in first.held_back]
        assert [people(pin) for pin in second.pins] == [people(pin) for pin in first.pins]


def people(pin: Pin) -> list[tuple[str, str]]:
    """Who wants a pin, and how."""
    return [(who, want.text) for who, want in pin.wanted_by]


@QUICK
@given(world=worlds(odd=True), wanted=roots(odd=True))
def test_what_comes_out_is_closed_and_every_pin_was_wanted_by_someone(world: World, wanted: list[str]) -> None:
    found = answer(world, wanted, ())
    if isinstance(found, Resolution):
        view, asked = view_of(catalog_of(world, TARGET), TARGET), wants(wanted, TARGET)
        assert unmet(view, asked, found.pins) == ()
        names = {pin.candidate.project for pin in found.pins}
        assert all(pin.wanted_by for pin in found.pins)
        assert {who for pin in found.pins for who, _ in pin.wanted_by} <= names | {""}
        assert {name for pin in found.pins for name in pin.dependencies} <= names
