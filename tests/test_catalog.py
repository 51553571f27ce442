"""The live catalog: each answer once and always the same, guesses that change nothing, and channels that fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from world import FakeIndex, FakePyTorch, Replace, Status, build_wheel
from world.project import CLOSED

from wheelhouse.edge.cache import Cache
from wheelhouse.edge.catalog import ChannelFailed, ChannelUnreachable, LiveCatalog, Rules
from wheelhouse.edge.http import Http, HttpSettings
from wheelhouse.edge.http_errors import Refused
from wheelhouse.edge.index import PageReader
from wheelhouse.edge.shared import Shared
from wheelhouse.edge.store import Store
from wheelhouse.edge.wheels import WheelReader
from wheelhouse.edge.workers import Workers
from wheelhouse.indexes import Index, Indexes
from wheelhouse.lock import LockedWheel
from wheelhouse.resolve.catalog import Hint
from wheelhouse.resolve.refusals import BadMetadata
from wheelhouse.simple import NotAPage
from wheelhouse.target import Target

CU121 = Target.parse("linux-x86_64-cu121-py310")
APP = canonicalize_name("app")
TORCH = canonicalize_name("torch")


@pytest.fixture
def pytorch() -> Iterator[FakePyTorch]:
    with FakePyTorch(empty=True) as pytorch:
        yield pytorch


@pytest.fixture
def shared(tmp_path: Path, pytorch: FakePyTorch) -> Iterator[Shared]:
    with Http(HttpSettings(max_wait=0)) as http, Workers(4, "reader") as workers:
        pages = PageReader(http, Cache(None), pytorch_url=pytorch.base)
        yield Shared(pages, WheelReader(http, Cache(None), Store(tmp_path / "store")), workers)


@pytest.fixture
def catalog(shared: Shared, index: FakeIndex, pytorch: FakePyTorch) -> LiveCatalog:
    return over(shared, index, pytorch.base)


def over(shared: Shared, index: FakeIndex, base: str, **more: object) -> LiveCatalog:
    indexes = Indexes(default=Index(index.simple), channel=Index(f"{base}/cu121"), pytorch_url=base, **more)  # type: ignore[arg-type]
    return LiveCatalog(shared, indexes, CU121, rules=Rules())


def hint(name: str, specifier: str = "") -> Hint:
    return Hint(NormalizedName(name), SpecifierSet(specifier))


def wait_for(condition: Callable[[], bool]) -> None:
    """Guesses run in threads of their own; five seconds are more than enough for a few."""
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)


def test_the_same_question_gives_the_same_object(catalog: LiveCatalog, index: FakeIndex) -> None:
    index.add(build_wheel("app", "1.0"))
    project = catalog.project(APP)
    assert project is not None
    assert catalog.project(APP) is project
    candidate = project.offer(Version("1.0")).candidate
    assert candidate is not None
    assert catalog.metadata(candidate) is catalog.metadata(candidate)
    assert [len(index.asked(path)) for path in ("/simple/app/", ".metadata")] == [1, 1]


def test_a_project_that_nobody_lists_is_none(catalog: LiveCatalog) -> None:
    assert catalog.project(APP) is None


def test_guessing_follows_the_best_candidates_dependencies(catalog: LiveCatalog, index: FakeIndex) -> None:
    index.add(build_wheel("app", "2.0", requires=["new"]))
    index.add(build_wheel("app", "1.0", requires=["old"]))
    index.add(build_wheel("old", "1.0", requires=['deep; sys_platform == "linux"', 'never; sys_platform == "win32"']))
    index.add(build_wheel("deep", "1.0"))
    catalog.expect([hint("app", "<2")])
    wait_for(lambda: len(index.requests) == 9)
    asked = {request.path.rpartition("/files/")[2].rpartition("/")[2] or request.path for request in index.requests}
    files = {f"{name}-1.0-py3-none-any.whl{end}" for name in ("app", "old", "deep") for end in ("", ".metadata")}
    assert asked == {"/simple/app/", "/simple/old/", "/simple/deep/"} | files
    index.reset()
    assert catalog.project(APP) is not None
    assert index.requests == []


def test_a_guess_follows_a_chain_that_is_longer_than_the_stack(shared: Shared, tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    folder.mkdir()
    for at in range(700):
        wheel = build_wheel(f"link{at}", "1.0", requires=[f"link{at + 1}"])
        (folder / wheel.filename).write_bytes(wheel.content)
    last = build_wheel("link700", "1.0")
    (folder / last.filename).write_bytes(last.content)
    indexes = Indexes(default=Index(folder.as_uri(), find_links=True))
    for _ in range(2):  # the second time every answer is there at once, as it is for a second target
        catalog = LiveCatalog(shared, indexes, CU121, rules=Rules())
        catalog.expect([hint("link0")])
        for at in range(701):
            project = catalog.project(NormalizedName(f"link{at}"))
            assert project is not None
            candidate = project.offer(Version("1.0")).candidate
            assert candidate is not None
            catalog.metadata(candidate)


def test_what_is_in_the_first_choice_of_a_project_is_read_meanwhile_and_once(
    catalog: LiveCatalog, shared: Shared, index: FakeIndex
) -> None:
    for version in ("1.0", "2.0"):
        index.add(build_wheel("app", version))
    project = catalog.project(APP)
    assert project is not None
    on_its_way = threading.Event()
    shared.workers.submit(on_its_way.wait)
    for version in ("2.0", "1.0"):
        candidate = project.offer(Version(version)).candidate
        assert candidate is not None
        catalog.take(candidate)
    wait_for(lambda: bool(index.asked("app-2.0-py3-none-any.whl")))
    on_its_way.set()
    newest = project.offer(Version("2.0")).candidate
    assert newest is not None
    assert newest.file.digest is not None
    wheel = LockedWheel(filename=newest.file.filename, url=newest.file.url, digest=newest.file.digest)
    assert list(shared.wheels.contents.every([wheel], shared.workers)) == ["app-2.0-py3-none-any.whl"]
    assert [len(index.asked(f"app-{version}-py3-none-any.whl")) for version in ("2.0", "1.0")] == [1, 0]


def test_what_is_in_a_choice_is_not_asked_where_all_else_is_known(catalog: LiveCatalog, index: FakeIndex) -> None:
    """A lock that fails would ask for it again and again, and one that does not asks for all of it in the end."""
    index.add(build_wheel("app", "1.0"))
    project = catalog.project(APP)
    assert project is not None
    candidate = project.offer(Version("1.0")).candidate
    assert candidate is not None
    catalog.metadata(candidate)
    index.reset()
    for _ in range(2):
        catalog.take(candidate)
        catalog.metadata(candidate)
    time.sleep(0.05)
    assert index.requests == []


def test_a_guess_that_fails_is_told_only_to_who_asks(catalog: LiveCatalog, index: FakeIndex) -> None:
    index.add(build_wheel("app", "1.0"))
    index.fault("/simple/bad/", Status(403), times=None)
    catalog.expect([hint("bad"), hint("app")])
    assert catalog.project(APP) is not None
    with pytest.raises(Refused):
        catalog.project(NormalizedName("bad"))


def test_a_wheel_whose_metadata_cannot_be_used_is_a_refusal(catalog: LiveCatalog, index: FakeIndex) -> None:
    index.add(build_wheel("app", "1.0", broken="zip"), metadata=False)
    project = catalog.project(APP)
    assert project is not None
    candidate = project.offer(Version("1.0")).candidate
    assert candidate is not None
    assert isinstance(catalog.metadata(candidate), BadMetadata)


def test_a_channel_that_cannot_be_reached_and_one_that_fails_are_two_errors(
    shared: Shared, index: FakeIndex, pytorch: FakePyTorch
) -> None:
    with pytest.raises(ChannelUnreachable):
        over(shared, index, f"{CLOSED}/whl").project(TORCH)
    pytorch.fault("/whl/", Status(503), times=None)
    with pytest.raises(ChannelFailed) as caught:
        over(shared, index, pytorch.base).project(TORCH)
    assert (
        str(caught.value)
        == f"`127.0.0.1:{pytorch.port}` failed: 503 Service Unavailable for `{pytorch.base}/cu121/torch/`"
    )
    assert "--proxy" in caught.value.hint
    assert "--cert" in caught.value.hint


def test_a_stand_in_asks_the_default_index_alone(shared: Shared, index: FakeIndex, pytorch: FakePyTorch) -> None:
    index.add(build_wheel("torch", "2.1.2", tag="cp310-cp310-manylinux1_x86_64"))
    project = over(shared, index, pytorch.base, standing_in=True).project(TORCH)
    assert project is not None
    assert project.standing_in
    assert pytorch.requests == []


def test_of_the_channel_only_versions_that_the_default_index_lacks(
    catalog: LiveCatalog, index: FakeIndex, pytorch: FakePyTorch
) -> None:
    name = NormalizedName("nvidia-nccl-cu12")
    index.add(build_wheel(name, "1.0", tag="py3-none-win_amd64"))  # listed, if only for Windows
    for version in ("1.0", "2.0"):
        pytorch.add(build_wheel(name, version, tag="py3-none-manylinux1_x86_64"), channel="cu121")
    project = catalog.project(name)
    assert project is not None
    assert project.versions == (Version("2.0"), Version("1.0"))
    assert project.offer(Version("1.0")).candidate is None
    candidate = project.offer(Version("2.0")).candidate
    assert candidate is not None
    assert candidate.index == Index(f"{pytorch.base}/cu121")


def test_nonsense_from_a_channel_stays_nonsense(shared: Shared, index: FakeIndex, pytorch: FakePyTorch) -> None:
    pytorch.fault("/whl/", Replace(b"<html>log in</html>"), times=None)
    with pytest.raises(NotAPage):
        over(shared, index, pytorch.base).project(TORCH)
