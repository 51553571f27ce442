"""What is still to fetch."""

from __future__ import annotations

from wheelhouse.digests import Digest
from wheelhouse.lock import LockedWheel
from wheelhouse.plan import FetchPlan, plan


def wheel(filename: str, letter: str, size: int | None = None, url: str = "https://host/") -> LockedWheel:
    return LockedWheel(filename=filename, url=url + filename, digest=Digest(letter * 64), size=size)


def test_the_largest_begins_first() -> None:
    small, large = wheel("small-1-py3-none-any.whl", "a", 10), wheel("large-1-py3-none-any.whl", "b", 1000)
    assert plan([small, large], frozenset()) == FetchPlan((large, small))


def test_an_unknown_size_begins_before_all_others() -> None:
    large, unknown = wheel("large-1-py3-none-any.whl", "a", 1000), wheel("torch-1-py3-none-any.whl", "b")
    assert plan([large, unknown], frozenset()) == FetchPlan((unknown, large))


def test_what_the_store_has_is_not_fetched() -> None:
    here, missing = wheel("here-1-py3-none-any.whl", "a", 1), wheel("missing-1-py3-none-any.whl", "b", 1)
    assert plan([here, missing], {here.digest}) == FetchPlan((missing,))


def test_one_digest_under_two_names_is_one_download() -> None:
    one, two = wheel("one-1-py3-none-any.whl", "a", 5), wheel("two-1-py3-none-any.whl", "a", 5)
    assert plan([two, one], frozenset()) == FetchPlan((one,))


def test_of_one_digest_the_entry_with_a_size_is_taken() -> None:
    sized, bare = (
        wheel("x-1-py3-none-any.whl", "a", 5, "https://b/"),
        wheel("x-1-py3-none-any.whl", "a", None, "https://a/"),
    )
    assert plan([bare, sized], frozenset()) == FetchPlan((sized,))


def test_one_name_with_two_digests_is_two_downloads() -> None:
    pypi = wheel("triton-3.3-py3-none-any.whl", "a", 5, "https://pypi/")
    channel = wheel("triton-3.3-py3-none-any.whl", "b", 5, "https://channel/")
    assert plan([pypi, channel], frozenset()) == FetchPlan((channel, pypi))


def test_equal_sizes_go_by_name_whatever_the_order_they_came_in() -> None:
    a, b = wheel("a-1-py3-none-any.whl", "b", 5), wheel("b-1-py3-none-any.whl", "a", 5)
    assert plan([b, a], frozenset()) == plan([a, b], frozenset()) == FetchPlan((a, b))


def test_the_size_of_a_plan_is_the_sum_of_what_is_known() -> None:
    wheels = [
        wheel("a-1-py3-none-any.whl", "a", 5),
        wheel("b-1-py3-none-any.whl", "b"),
        wheel("c-1-py3-none-any.whl", "c", 7),
    ]
    assert plan(wheels, frozenset()).size == 12
