"""What a mirror knows of a project: merging, removing, the JSON and the HTML that clients read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from packaging.utils import NormalizedName
from packaging.version import Version
from world import build_wheel, pip_wheel
from world.mirroring import CUDA, PLAIN, locked

from wheelhouse.digests import Digest
from wheelhouse.metadata import BadMetadata
from wheelhouse.mirroring.channels import placed
from wheelhouse.mirroring.description import described
from wheelhouse.mirroring.names import Address, BadName, address_of, file_url, is_key, project, wheel
from wheelhouse.mirroring.pages import project_html, projects_of, root_html, root_json
from wheelhouse.mirroring.publication import NotBuilt, named, publication, republished
from wheelhouse.mirroring.record import BadRecord, Entry, NameTaken, Record
from wheelhouse.simple import parse_page

LIB = NormalizedName("lib")
SIMPLE, CHANNEL = Address("", LIB), Address("cu121", LIB)
ONE, TWO = f"{PLAIN}/{'1' * 64}", f"{CUDA}/{'2' * 64}"
EARLY, LATE = "2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z"


def entry(version: str = "1.0", lock: str = ONE, **more: Any) -> Entry:
    filename = f"lib-{version}-py3-none-any.whl"
    facts = {"digest": Digest.of(filename.encode()), "size": 10, "locks": (lock,), "added": EARLY, **more}
    return Entry(filename=filename, version=Version(version), **facts)


# records


def test_a_file_of_two_locks_is_one_entry() -> None:
    record = Record(address=SIMPLE).merged([entry(lock=TWO, added=LATE)]).merged([entry()])
    assert record.entries == (entry(locks=(TWO, ONE), added=EARLY),)
    assert record.entries[0].targets == (CUDA, PLAIN)


def test_versions_are_in_order_and_the_newest_brings_the_summary() -> None:
    record = Record(address=SIMPLE).merged([entry("1.10")], "ten").merged([entry("1.9")], "nine")
    assert ([str(each.version) for each in record.entries], record.summary) == (["1.9", "1.10"], "ten")
    assert record.merged([entry("2.0")], "two").summary == "two"
    assert record.merged([entry("2.0rc1")], "candidate").summary == "ten"


def test_another_file_of_the_same_name_is_refused_with_what_to_type() -> None:
    record = Record(address=SIMPLE).merged([entry()])
    with pytest.raises(NameTaken) as caught:
        record.merged([entry(digest=Digest("f" * 64))])
    assert str(caught.value) == (
        f"`simple/lib` has a `lib-1.0-py3-none-any.whl` of {entry().digest}, and this one is sha256:{'f' * 64}"
    )
    assert caught.value.hint == "`wheelhouse mirror remove --project lib==1.0` takes the old one off the pages"


def test_of_what_two_locks_know_everything_is_kept() -> None:
    silent = entry()
    timed = entry(lock=TWO, upload_time="2024-01-01T00:00:00.5Z")
    sooner = entry(lock=TWO, upload_time="2024-01-01T00:00:00Z", yanked="")
    yanked = entry(yanked="broken")
    kept = Record(address=SIMPLE).merged([silent]).merged([timed]).merged([sooner]).merged([yanked]).entries[0]
    assert kept == entry(locks=(TWO, ONE), upload_time="2024-01-01T00:00:00Z", yanked="broken")


_TIMES = st.sampled_from([None, "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5Z", "2023-12-31T23:59:59Z"])
_ENTRIES = st.lists(
    st.builds(
        entry,
        st.sampled_from(["1.0", "1.1", "2.0rc1", "2.0"]),
        st.sampled_from([ONE, TWO]),
        added=st.just(EARLY),
        upload_time=_TIMES,
        yanked=st.sampled_from([None, "", "broken", "withdrawn"]),
    ),
    max_size=8,
)


@given(st.permutations(range(4)), st.lists(_ENTRIES, min_size=4, max_size=4))
def test_the_order_of_merges_makes_no_difference(order: list[int], groups: list[list[Entry]]) -> None:
    one = two = Record(address=SIMPLE)
    for number, group in enumerate(groups):
        one = one.merged(group)
        two = two.merged(groups[order[number]])
    assert one == two


@given(_ENTRIES.map(lambda entries: [replace(each, upload_time=None, yanked=None) for each in entries]))
def test_what_a_lock_brought_goes_with_it(entries: list[Entry]) -> None:
    kept = Record(address=SIMPLE).merged([each for each in entries if each.locks == (TWO,)])
    assert Record(address=SIMPLE).merged(entries).without_lock(ONE) == kept
    assert Record(address=SIMPLE).merged(entries).only({TWO}) == kept


@given(_ENTRIES, st.sampled_from([None, "", "broken <script>"]))
def test_a_record_is_read_as_it_was_written(entries: list[Entry], yanked: str | None) -> None:
    record = Record(address=CHANNEL).merged([entry("9", yanked=yanked, requires=("a>=1; extra == 'x'",))], "s")
    record = record.merged(entries)
    assert Record.parse(CHANNEL, record.text()) == record
    assert Record.parse(CHANNEL, record.text()).text() == record.text()
    assert record.text().isascii()


DAMAGED: list[tuple[str, dict[str, Any]]] = [
    ("another name", {"name": "other"}),
    ("no files", {"files": None}),
    ("another format", {"_format": 2}),
    ("a path", {"filename": "../lib-1.0-py3-none-any.whl"}),
    ("another project", {"filename": "other-1.0-py3-none-any.whl"}),
    ("no wheel", {"filename": "lib-1.0.tar.gz"}),
    ("another link", {"url": "https://evil.test/lib-1.0-py3-none-any.whl"}),
    ("no digest", {"hashes": {}}),
    ("a bad digest", {"hashes": {"sha256": "x"}}),
    ("a negative size", {"size": -1}),
    ("a size that is none", {"size": "1"}),
    ("a lock that is a path", {"_locks": ["../../x"]}),
    ("no time", {"_added": ""}),
    ("a time that is none", {"upload-time": "yesterday"}),
    ("a day that there is not", {"upload-time": "2024-02-31T00:00:00Z"}),
]


@pytest.mark.parametrize(("what", "change"), DAMAGED, ids=[what for what, _ in DAMAGED])
def test_a_page_that_is_not_ours_is_refused(what: str, change: dict[str, Any]) -> None:
    page = Record(address=SIMPLE).merged([entry()]).facts()
    (page if set(change) & page.keys() else page["files"][0]).update(change)
    with pytest.raises(BadRecord, match=r"^`simple/lib/index\.json` is not a page of a mirror of wheelhouse: "):
        Record.parse(SIMPLE, json.dumps(page))


@given(st.binary(max_size=40))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    with pytest.raises(BadRecord):
        Record.parse(SIMPLE, content)


# what clients read


@pytest.mark.parametrize("address", [SIMPLE, CHANNEL])
def test_both_forms_of_a_page_say_the_same(address: Address) -> None:
    record = Record(address=address).merged(
        [
            entry("1.0+cu121", metadata=Digest("a" * 64), requires_python=">=3.8,<4"),
            entry("2.0", yanked='bad "build" <b>', upload_time="2024-01-01T00:00:00.123456Z"),
            entry("3.0", yanked=""),
        ]
    )
    url = f"https://mirror.test/any/prefix/{address.folder}/"
    from_json = parse_page(LIB, url, "application/vnd.pypi.simple.v1+json", record.text().encode())
    from_html = parse_page(LIB, url, "text/html", project_html(record).encode())
    for one, other in zip(from_json.files, from_html.files, strict=True):
        assert (one.url, one.filename, one.digest) == (other.url, other.filename, other.digest)
        assert (one.requires_python, one.metadata_digest) == (other.requires_python, other.metadata_digest)
        assert (one.yanked, one.upload_time) == (other.yanked, other.upload_time)
    assert from_json.files[0].url == (
        f"https://mirror.test/any/prefix/files/{record.entries[0].digest.hex[:2]}/{record.entries[0].digest.hex}"
        "/lib-1.0%2Bcu121-py3-none-any.whl"
    )
    assert from_html.files[1].yanked == 'bad "build" <b>'


def test_hostile_texts_do_not_leave_their_place_in_a_page() -> None:
    told = described(
        b"Metadata-Version: 2.1\nName: lib\nVersion: 1.0\nSummary: </script><img src=x onerror=1>\x1b[31m\n"
        b'Requires-Dist: a; extra == "<b>"\nRequires-Python: >=3.8\n\n',
        filename="lib-1.0-py3-none-any.whl",
        project=LIB,
        version=Version("1.0"),
    )
    assert told.summary == "</script><img src=x onerror=1> [31m"
    record = Record(address=SIMPLE).merged([entry(requires_python='>=3"><script>')], told.summary)
    html = project_html(record)
    assert "<script>" not in html and 'data-requires-python="&gt;=3&quot;&gt;&lt;script&gt;"' in html


def test_metadata_of_another_wheel_is_refused() -> None:
    content = b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n\n"
    with pytest.raises(BadMetadata, match="it is that of `other`"):
        described(content, filename="lib-1.0-py3-none-any.whl", project=LIB, version=Version("1.0"))


def test_the_list_of_projects() -> None:
    names = [NormalizedName("torch"), NormalizedName("lib")]
    assert json.loads(root_json(names)) == {
        "meta": {"api-version": "1.1"},
        "projects": [{"name": "lib"}, {"name": "torch"}],
    }
    assert projects_of(root_json(names).encode()) == {"lib", "torch"}
    assert projects_of(root_json([]).encode()) == frozenset()
    assert projects_of(b"{") is None
    assert '<a href="lib/">lib</a><br>\n<a href="torch/">torch</a><br>\n' in root_html(names)


# names


@pytest.mark.parametrize(("name", "found"), [("Foo.Bar_baz", "foo-bar-baz"), ("a", "a"), ("0x", "0x")])
def test_a_projects_name_is_normalized(name: str, found: str) -> None:
    assert project(name) == found


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "-a", "ａ", "a\n", "x" * 200, "%2e%2e"])
def test_no_other_name_is_a_projects(name: str) -> None:
    with pytest.raises(BadName):
        project(name)


@pytest.mark.parametrize(
    "filename",
    [
        "../lib-1.0-py3-none-any.whl",
        "lib-1.0-py3-none-any.whl\n",
        ".lib-1.0-py3-none-any.whl",
        "lib-1.0-py3-none-any.whl.metadata",
        "lib-x-py3-none-any.whl",
        "lib-1.0.tar.gz",
        "lib-1.0-py3-none-any%2f.whl",
        f"lib-1.0-{'x' * 300}-none-any.whl",
        "lib-1.0-py3-none-a<b.whl",
        "",
    ],
)
def test_no_other_name_is_a_wheels(filename: str) -> None:
    with pytest.raises(BadName):
        wheel(filename)


@given(st.text(max_size=60))
def test_whatever_is_a_key_stays_inside(text: str) -> None:
    if is_key(text):
        assert ".." not in text.split("/") and not text.startswith("/") and "\\" not in text


def test_keys_and_addresses_agree() -> None:
    for address in (SIMPLE, CHANNEL):
        assert is_key(address.json) and is_key(address.html)
        assert address_of(address.json) == address_of(address.html) == address
    assert file_url(CHANNEL, Digest("a" * 64), "x").startswith("../../../files/aa/")
    assert address_of("simple/index.json") is None


# where a wheel belongs


def pages(*args: Any, **more: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for address, pins in placed(locked(*args, **more)).items():
        found.setdefault(address.channel or "simple", []).extend(pin.wheel.filename for pin in pins)
    return found


NUMPY = build_wheel("numpy", "2.1.0", tag="cp310-cp310-manylinux_2_28_x86_64")
TORCH = build_wheel("torch", "2.5.1+cu121", tag="cp310-cp310-linux_x86_64")
TRITON = build_wheel("triton", "3.1.0", tag="cp310-cp310-manylinux_2_17_x86_64")


def test_a_target_without_an_accelerator_has_simple_pages_only() -> None:
    assert pages(PLAIN, [NUMPY], pip=pip_wheel()) == {"simple": [NUMPY.filename, pip_wheel().filename]}


def test_everything_of_an_accelerator_is_on_its_channel_and_the_channels_own_only_there() -> None:
    assert pages(CUDA, [NUMPY], channel=[TORCH, TRITON]) == {
        "simple": [NUMPY.filename],
        "cu121": [NUMPY.filename, TORCH.filename, TRITON.filename],
    }


def test_a_torch_whose_local_version_names_a_channel_is_of_that_channel() -> None:
    assert pages(CUDA, [TORCH]) == {"cu121": [TORCH.filename]}
    assert pages(PLAIN, [build_wheel("torch", "2.5.1+cpu")]) == {"cpu": ["torch-2.5.1+cpu-py3-none-any.whl"]}
    # in place of its channel: PyPI's own build
    assert sorted(pages(CUDA, [build_wheel("torch", "2.5.1")])) == ["cu121", "simple"]


# locks


def test_a_published_lock_names_its_wheels_by_their_place_here() -> None:
    lock = locked(CUDA, [NUMPY], channel=[TORCH], pip=pip_wheel())
    made = publication(lock)
    hexes = {each.digest.hex for each in lock.wheels()}
    assert named(made.text) == hexes
    path = f"../../files/{TORCH.digest.hex[:2]}/{TORCH.digest.hex}/{TORCH.filename}"
    assert f'path = "{path}"' in made.text
    assert "https://index.test/simple/numpy" not in made.text
    again = republished(made.text, "x")
    assert publication(again.lock).text == made.text
    assert made.reference == f"{CUDA}/{Digest.of(made.text.encode()).hex}"


def test_no_password_is_published() -> None:
    lock = locked(PLAIN, [NUMPY])
    pin = replace(lock.packages[0], index="https://user:secret@index.test/simple")
    assert "secret" not in publication(replace(lock, packages=(pin,))).text


def test_a_hostile_file_name_is_not_published() -> None:
    lock = locked(PLAIN, [NUMPY])
    pin = lock.packages[0]
    bad = replace(pin, wheel=replace(pin.wheel, filename="..%2fx-1-py3-none-any.whl"))
    with pytest.raises(BadName, match="is not a wheel's file name"):
        publication(replace(lock, packages=(bad,)))


def test_a_lock_whose_wheels_are_not_built_is_told() -> None:
    assert str(NotBuilt(PLAIN, ("a", "b"))) == f"the lock of `{PLAIN}` has no wheel yet of `a`, `b`"
