"""The catalog of a mirror: project pages to rows, rows to text and back."""

from __future__ import annotations

import json

import pytest
from packaging.utils import canonicalize_name
from world.page import CPU, CUDA, catalog, entry, records

from wheelhouse.mirroring.catalog import BadCatalog, Catalog, LockRow, ProjectRow, project_row
from wheelhouse.mirroring.names import Address
from wheelhouse.mirroring.record import Entry, Record

TORCH, NUMPY = canonicalize_name("torch"), canonicalize_name("numpy")
LOCK = LockRow(label=CPU, sha256="c" * 64, files=1, size=2, added=None)


def page(channel: str, name: str, *entries: Entry, summary: str = "") -> Record:
    return Record(address=Address(channel, canonicalize_name(name)), entries=entries, summary=summary)


def test_a_project_is_told_from_all_of_its_pages() -> None:
    assert project_row([each for each in records() if each.address.project == "torch"]) == ProjectRow(
        newest="2.10.0",
        files=3,
        size=783_000_000,
        targets=(CPU, CUDA),
        channels=("cpu", "cu121"),
        simple=False,
        summary="Tensors with GPUs",
        requires=("filelock",),
        optional=(),
    )


def test_a_file_on_several_pages_counts_once() -> None:
    wheel = entry("idna-3.7-py3-none-any.whl", CUDA, size=66_000)
    row = project_row([page("", "idna", wheel), page("cu121", "idna", wheel)])
    assert row is not None
    assert (row.files, row.size, row.simple, row.channels) == (1, 66_000, True, ("cu121",))


def test_the_newest_final_release_is_the_newest() -> None:
    row = project_row([each for each in records() if each.address == Address("", NUMPY)])
    assert row is not None
    assert row.newest == "2.1.0"  # 2.2.0rc1 is there too


def test_a_yanked_release_is_the_newest_only_where_there_is_no_other() -> None:
    yanked = entry("idna-3.8-py3-none-any.whl", CUDA, yanked="")
    row = project_row([page("", "idna", entry("idna-3.7-py3-none-any.whl", CUDA), yanked)])
    alone = project_row([page("", "idna", yanked)])
    assert row is not None and alone is not None
    assert (row.newest, alone.newest) == ("3.7", "3.8")


def test_what_only_an_extra_asks_for_is_optional() -> None:
    lines = [
        "numpy",
        "scipy; extra == 'image'",
        "numpy>2; extra == 'new'",
        "not a requirement!",
        "tomli; python_version<'3.11'",
    ]
    row = project_row([page("", "a", entry("a-1-py3-none-any.whl", CPU, requires=lines))])
    assert row is not None
    assert (row.requires, row.optional) == (("numpy", "tomli"), ("scipy",))


def test_only_the_newest_version_says_what_is_required() -> None:
    old, new = entry("a-1-py3-none-any.whl", CPU, requires=["six"]), entry("a-2-py3-none-any.whl", CPU)
    row = project_row([page("", "a", old, new)])
    assert row is not None
    assert row.requires == ()


def test_a_long_summary_is_cut() -> None:
    row = project_row([page("", "a", entry("a-1-py3-none-any.whl", CPU), summary="x" * 500)])
    assert row is not None
    assert row.summary == "x" * 119 + "…"


def test_a_project_without_files_has_no_row() -> None:
    assert project_row([page("", "a"), page("cu121", "a")]) is None
    assert project_row([]) is None


def test_labels_stand_once_and_rows_are_sorted() -> None:
    text = catalog().text()
    told = json.loads(text)
    assert told["targets"] == [CPU, CUDA]
    assert told["channels"] == ["cpu", "cu121"]
    assert [row[0] for row in told["projects"]][:3] == ["hostile", "numpy", "plugin-000"]
    assert told["projects"][-2] == ["torch", "2.10.0", 3, [0, 1], [0, 1], 783_000_000, 0, "Tensors with GPUs"]
    assert told["locks"][1] == [1, "a" * 64, 6, 787_500_000, "2026-11-22T10:00:00Z"]
    assert text.isascii()
    assert '\n["torch","2.10.0",' in text  # a row a line


def test_requirements_stand_in_a_file_of_their_own() -> None:
    assert json.loads(catalog().requires_text()) == {
        "format": 1,
        "requires": [["torch", ["filelock"], []], ["torchmetrics", ["numpy", "torch"], ["scipy"]]],
    }


def test_what_was_written_is_read_again() -> None:
    assert Catalog.parse(catalog().text(), catalog().requires_text()) == catalog()
    assert Catalog.parse(Catalog().text().encode(), Catalog().requires_text().encode()) == Catalog()


def test_the_order_in_which_rows_came_does_not_show() -> None:
    there = catalog()
    turned = Catalog.of(dict(reversed(there.projects.items())), reversed(there.locks.values()))
    assert (turned.text(), turned.requires_text()) == (there.text(), there.requires_text())


def test_rows_are_replaced_added_and_taken_out() -> None:
    there = catalog()
    row = there.projects[NUMPY]
    changed = there.replaced(
        {TORCH: None, canonicalize_name("new"): row}, {(CUDA, "a" * 64): None, (CPU, "c" * 64): LOCK}
    )
    assert set(changed.projects) == set(there.projects) - {"torch"} | {"new"}
    assert set(changed.locks) == {(CPU, "b" * 64), (CPU, "c" * 64)}
    assert there == catalog()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        ('{"format":2,"targets":[],"channels":[],"projects":[],"locks":[]}', "it has another format than 1"),
        (
            '{"format":1,"targets":[],"channels":[],"projects":[["a","1",1,[0],[],1,1,""]],"locks":[]}',
            "list index out of range",
        ),
        (
            '{"format":1,"targets":["t"],"channels":[],"projects":[["a","1",1,[-1],[],1,1,""]],"locks":[]}',
            "Expected `int` >= 0",
        ),
        (
            '{"format":1,"targets":[],"channels":[],"projects":[["a",1,1,[],[],1,1,""]],"locks":[]}',
            "Expected `str`, got `int`",
        ),
        ("[" * 100_000, "Expected `object`, got `array`"),
    ],
)
def test_a_damaged_catalog_is_told(text: str, problem: str) -> None:
    with pytest.raises(BadCatalog) as caught:
        Catalog.parse(text, Catalog().requires_text())
    assert str(caught.value).startswith(f"`catalog.json` of the mirror cannot be read: {problem}")
    assert caught.value.hint == (
        "run `wheelhouse mirror verify --repair` on the mirror, which writes it anew from the project pages"
    )
