"""A project page grouped by version: the same files as the page has, whatever form it came in and went through."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelhouse.simple import Listing, NotAPage, listing, listing_of, parse_page
from wheelhouse.simple.names import split

FOO = canonicalize_name("foo")
URL = "https://index.example/simple/foo/"
JSON = "application/vnd.pypi.simple.v1+json"

NAMES = [f"foo-{version}-py3-none-any.whl" for version in ("1.0", "1.0.0", "2.0rc1", "2.0", "1!0.1", "2.0+cu121")]
NAMES += ["foo-1.0.tar.gz", "foo-2.0.zip", "other-1.0-py3-none-any.whl", "foo-1.0-7-py3-none-any.whl", "foo-x.tar.gz"]
HASHES = st.none() | st.dictionaries(
    st.sampled_from(["sha256", "md5"]), st.sampled_from(["a" * 64, "A" * 64, "short", "é"])
)
METADATA = st.none() | st.booleans() | st.dictionaries(st.just("sha256"), st.sampled_from(["b" * 64, "bad"]))
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "filename": st.sampled_from([*NAMES, "../foo-1.0.tar.gz", "", 7]),
        "url": st.sampled_from(
            [
                "foo.whl",
                "../../packages/foo-1.0.whl",
                "https://files.example/foo-2.0.whl#x",
                "ftp://a/foo.whl",
                "//[",
                None,
            ]
        ),
        "hashes": HASHES | st.just([]),
        "size": st.none() | st.integers(-1, 2**65) | st.booleans() | st.just("9"),
        "upload-time": st.sampled_from(["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.678901Z", "never", None, 3]),
        "requires-python": st.sampled_from([">=3.8", "", "odd\x1bone", None, 3.8]),
        "yanked": st.sampled_from([True, False, "", "broken\x07", None, 1]),
        "core-metadata": METADATA,
        "dist-info-metadata": METADATA,
        "provenance": st.none() | st.text(),
    },
)
PAGES = st.fixed_dictionaries(
    {"meta": st.just({"api-version": "1.1"}), "files": st.lists(ENTRIES, max_size=6)},
    optional={"versions": st.just(["1.0"]), "name": st.just("foo")},
)


@given(page=PAGES)
def test_a_listing_of_json_has_the_files_of_the_page(page: object) -> None:
    body = json.dumps(page).encode()
    assert listing(FOO, URL, JSON, body) == listing_of(parse_page(FOO, URL, JSON, body))


WHEELS = ["foo-1.0", "foo-1.0.0", "FOO-2.0", "foo-x"]
TAGS = ["py3-none-any", "7-py3-none-any", "8-py3-none-any", "8-cp311-none-any", "py3-none", f"{'a' * 125}-none-any"]
TAGS += ["cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", f"py3-none-{'.'.join('a' * 60)}"]
FILENAMES = st.builds("{}-{}.whl".format, st.sampled_from(WHEELS), st.sampled_from(TAGS))
FILENAMES |= st.sampled_from(
    ["foo-1.0.tar.gz", "foo-2.0.tar.gz", "foo-2.0.zip", "foo-1.0.egg", "foo-1.0-py3-none-any.zip"]
)
PLAIN = ["../../packages/ab/cd/foo.whl", "https://files.example/foo.whl"]
ODD = ["../foo.whl\n../foo.whl", "../foo.whl\n", "ftp://files.example/foo.whl", "../", ""]
TIMES = ["2024-01-02T03:04:05Z", "2023-12-31T23:59:59.6789Z", "2024-01-01T00:00:00+14:00", ""]


def entry(filename: str, url: str = "../foo.whl") -> dict[str, object]:
    """What a page says of a file."""
    return {"filename": filename, "url": url, "hashes": {}}


def of_one_version(urls: list[str]) -> st.SearchStrategy[list[dict[str, object]]]:
    """Files of a page, many of them of the same version and alike."""
    one = st.fixed_dictionaries(
        {"filename": FILENAMES, "url": st.sampled_from(urls), "hashes": st.just({})},
        optional={"size": st.sampled_from([0, 2**63 - 1, 2**63, -1]), "upload-time": st.sampled_from(TIMES)},
    )
    return st.lists(one, max_size=12).flatmap(lambda files: st.permutations([*files, *files]))


@given(files=of_one_version(PLAIN) | of_one_version(PLAIN + ODD))
@example(files=[entry("foo-1.0-py3-none-any.whl"), entry("foo-1.0-py3-none-any.whl", "ftp://files.example/foo.whl")])
@example(files=[entry("foo-1.0-py3-none-any.whl"), entry("foo-1.0-py3-none-any.whl", "../foo.whl\n../foo.whl")])
@example(files=[entry(f"foo-1.0-{tags}.whl") for tags in ("7-py3-none-any", "8-cp311-none-any", "8-py3-none-any")])
@example(files=[entry(name) for name in ("foo-1.tar.gz", f"foo-{'1' * 245}.zip", f"foo-{'1' * 245}.tar.gz")])
@example(files=[entry("foo-1.0-py3-none-any.whl"), entry("foo-1.0-py3-none-any.whl", "")])
@example(files=[entry("foo-1.0.tar.gz"), {**entry("foo-1.0.tar.gz"), "size": -1}])
def test_each_file_stands_where_its_own_name_says(files: list[dict[str, object]]) -> None:
    body = json.dumps({"meta": {"api-version": "1.1"}, "files": files}).encode()
    expected: dict[Version, list[tuple[str, str | None]]] = {}
    for file in parse_page(FOO, URL, JSON, body).files:
        named = split(FOO, file.filename)
        if named is not None:
            expected.setdefault(Version(named[0]), []).append((file.filename, named[1]))
    found = listing(FOO, URL, JSON, body)
    assert list(found.versions) == sorted(expected, reverse=True)
    for at, version in enumerate(found.versions):
        assert [(file.filename, tail) for file, tail in found.files(at)] == expected[version]
        times = [file.upload_time for file, _ in found.files(at)]
        assert not found.days[at] or all(time and found.days[at] <= str(time) for time in times)
    assert found.untimed == any(not file.upload_time for file in found.every())


@given(page=PAGES)
def test_what_was_kept_is_what_is_read_again(page: object) -> None:
    found = listing(FOO, URL, JSON, json.dumps(page).encode())
    kept = found.dump()
    again = Listing.load(kept)
    assert again == found
    assert again is not None
    assert again.dump() == kept


def test_versions_stand_newest_first_and_equal_ones_together() -> None:
    files = [{"filename": name, "url": f"{at}/{name}", "hashes": {}} for at, name in enumerate(NAMES)]
    found = listing(FOO, URL, JSON, json.dumps({"meta": {"api-version": "1.0"}, "files": files}).encode())
    assert [str(each) for each in found.versions] == ["1!0.1", "2.0+cu121", "2.0", "2.0rc1", "1.0"]
    assert [file.filename for file, _ in found.files(4)] == [
        "foo-1.0-py3-none-any.whl", "foo-1.0.0-py3-none-any.whl", "foo-1.0.tar.gz", "foo-1.0-7-py3-none-any.whl",
    ]  # fmt: skip
    assert [tail for _, tail in found.files(4)] == [":py3-none-any", ":py3-none-any", None, "7:py3-none-any"]
    assert found.unnamed == ("other-1.0-py3-none-any.whl", "foo-x.tar.gz")


def test_a_version_is_found_however_it_is_written() -> None:
    files = [{"filename": f"foo-{text}-py3-none-any.whl", "url": "x.whl", "hashes": {}} for text in ("1.0", "2.00")]
    body = json.dumps({"meta": {"api-version": "1.0"}, "files": files}).encode()
    for found in (listing(FOO, URL, JSON, body), Listing.load(listing(FOO, URL, JSON, body).dump())):
        assert found is not None
        assert found.versions.place(Version("1")) == 1
        assert found.versions.place(Version("2.0")) == 0
        with pytest.raises(KeyError):
            found.versions.place(Version("3"))


@given(cut=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_damaged_one_is_not_read(cut: int, byte: int) -> None:
    files = [{"filename": name, "url": name, "hashes": {"sha256": "a" * 64}} for name in NAMES]
    kept = listing(FOO, URL, JSON, json.dumps({"meta": {"api-version": "1.0"}, "files": files}).encode()).dump()
    at = cut % len(kept)
    assert Listing.load(kept[:at]) is None
    changed = kept[:at] + bytes([byte]) + kept[at + 1 :]
    assert changed == kept or Listing.load(changed) is None


def test_another_api_is_refused_as_it_is_by_the_careful_way() -> None:
    body = b'{"meta": {"api-version": "2.0"}, "files": []}'
    for read in (listing, parse_page):
        with pytest.raises(NotAPage, match=r"its `api-version` is \"2.0\", and only 1.x is known"):
            read(FOO, URL, JSON, body)
