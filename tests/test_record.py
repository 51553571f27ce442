"""From a resolution to its lock: what is recorded of each pin, and for which Pythons the whole holds."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from world.scenarios import INDEX, Scenario, catalog_of

from wheelhouse.digests import Digest
from wheelhouse.indexes import Index
from wheelhouse.lock import Lock, LockedHeldBack, LockedPackage, LockedWheel
from wheelhouse.lock.record import inputs_digest, narrowed, record
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.resolution import Resolution
from wheelhouse.simple.model import File
from wheelhouse.target import Target

INPUTS = Digest("0" * 64)
WORLD: dict[str, dict[str, Any]] = {
    "app": {"1.0": ["lib[fast]>=1", "plain; python_full_version < '3.11.3'"]},
    "lib": {"1.5": {"requires": ['speed; extra == "fast"'], "extras": ["fast"]}},
    "speed": {"1.0": {"python": ">=3.11.2"}},
    "plain": {"1.0": {"python": "!=3.11.0,>=3.8"}, "2.0": {"wheels": ["cp311-cp311-win_amd64"]}},
    "calm": {"1.0": {"python": ">=3.8"}},
}


def resolved(*wanted: str, target: str = "linux-x86_64-py311") -> tuple[Resolution, Target]:
    scenario = Scenario(name="", projects=WORLD, case={"wanted": list(wanted), "target": target})
    outcome = scenario.play()
    assert outcome.resolution is not None, outcome.error
    return outcome.resolution, scenario.target


def recorded(*wanted: str, target: str = "linux-x86_64-py311", **facts: Any) -> Lock:
    resolution, parsed = resolved(*wanted, target=target)
    arguments: dict[str, Any] = {"installer": None, "inputs": INPUTS, "stand_in": None, "digests": {}, "sizes": {}}
    return record(resolution, parsed, **arguments | facts)


def test_what_is_recorded_of_each_pin() -> None:
    lock = recorded("app")
    filename = "lib-1.5-py3-none-any.whl"
    assert [package.name for package in lock.packages] == ["app", "lib", "plain", "speed"]
    assert lock.packages[1] == LockedPackage(
        name=canonicalize_name("lib"),
        version=Version("1.5"),
        wheel=LockedWheel(
            filename=filename, url=f"https://files.test/{filename}", digest=Digest.of(filename.encode()), size=24
        ),
        index="https://index.test/simple",
        dependencies=(canonicalize_name("speed"),),
        required_by=("app: lib[fast]>=1",),
    )
    assert lock.packages[0].required_by == ("(asked for): app",)
    assert (lock.roots, lock.inputs, lock.installer, lock.stand_in) == (("app",), INPUTS, None, None)
    assert lock.label == "linux-x86_64-py311"


def test_everyone_who_requires_a_project_is_named() -> None:
    assert recorded("app", "speed", "lib>=1").packages[1].required_by == (
        "(asked for): lib>=1",
        "app: lib[fast]>=1",
    )


def test_the_pythons_that_a_pin_excludes_are_left_out_and_no_others() -> None:
    assert recorded("calm").requires_python == SpecifierSet("==3.11.*")
    assert recorded("speed").requires_python == SpecifierSet("==3.11.*,>=3.11.2")
    assert recorded("app").requires_python == SpecifierSet("==3.11.*,>=3.11.2,!=3.11.0,>=3.8")


def test_a_target_with_a_patch_level_is_not_narrowed() -> None:
    resolution, target = resolved("app", target="linux-x86_64-py3.11.9")
    assert narrowed(target, resolution.pins) == SpecifierSet("==3.11.9")


def test_warnings_are_recorded_and_details_are_not() -> None:
    assert recorded("plain").held_back == (
        LockedHeldBack(
            name=canonicalize_name("plain"),
            newer=Version("2.0"),
            reason="is for another platform (`cp311-cp311-win_amd64`)",
        ),
    )


@pytest.mark.parametrize(("project", "recorded_as"), [("torch", "cu121"), ("calm", None)])
def test_the_stand_in_is_recorded_only_where_something_stands_in(project: str, recorded_as: str | None) -> None:
    world: dict[str, dict[str, Any]] = {"torch": {"2.4.1": ["nvidia-cuda-runtime-cu12==12.1.105"]}, "calm": {"1": []}}
    world["nvidia-cuda-runtime-cu12"] = {"12.1.105": []}
    case = {"wanted": [project], "target": "linux-x86_64-cu121-py311", "standing-in": True}
    scenario = Scenario(name="", projects=world, case=case)
    resolution = scenario.play().resolution
    assert resolution is not None
    lock = record(
        resolution, scenario.target, installer=None, inputs=INPUTS, stand_in="cu121", digests={}, sizes={}
    )  # fmt: skip
    assert lock.stand_in == recorded_as


def test_what_no_page_told_is_filled_in_and_computed_digests_are_listed() -> None:
    bare = File(filename="pip-26.0-py3-none-any.whl", url="https://files.test/pip-26.0-py3-none-any.whl")
    pip = Candidate(canonicalize_name("pip"), Version("26.0"), bare, INDEX)
    lock = recorded("calm", installer=pip, digests={bare.url: Digest("5" * 64)}, sizes={bare.url: 7})
    assert lock.installer is not None
    assert lock.installer.wheel == LockedWheel(filename=bare.filename, url=bare.url, digest=Digest("5" * 64), size=7)
    assert lock.computed_hashes == ("pip-26.0-py3-none-any.whl",)


def test_a_size_that_nobody_tells_is_left_out() -> None:
    bare = File(filename="pip-26.0-py3-none-any.whl", url="https://files.test/pip.whl", digest=Digest("5" * 64))
    pip = Candidate(canonicalize_name("pip"), Version("26.0"), bare, INDEX)
    lock = recorded("calm", installer=pip)
    assert lock.installer is not None
    assert (lock.installer.wheel.size, lock.computed_hashes) == (None, ())


def test_a_folder_of_wheels_is_no_index() -> None:
    pip = Candidate(
        canonicalize_name("pip"),
        Version("26.0"),
        File(filename="pip-26.0-py3-none-any.whl", url="file:///wheels/pip.whl", digest=Digest("5" * 64)),
        Index("file:///wheels", find_links=True),
    )
    lock = recorded("calm", installer=pip)
    assert lock.installer is not None
    assert lock.installer.index is None


def test_the_digest_of_the_inputs_tells_them_apart_and_no_more() -> None:
    first = inputs_digest({"target": "a", "requirements": ["x", "y"]})
    assert inputs_digest({"requirements": ["x", "y"], "target": "a"}) == first
    assert inputs_digest({"requirements": ["x", "y"], "target": "b"}) != first
    assert inputs_digest({"requirements": ["xy"], "target": "a"}) != first


def test_the_catalog_of_the_tests_knows_a_digest_for_every_file() -> None:
    project = catalog_of(WORLD, Target.parse("linux-x86_64-py311")).project(canonicalize_name("calm"))
    assert project is not None
    assert all(each.file.digest is not None for version in project.versions for each in project.listed(version))
