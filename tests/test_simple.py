"""What an index says, as values: project pages in the shapes that PyPI, PyTorch and others send."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import NormalizedName, canonicalize_name

from wheelhouse.digests import Digest
from wheelhouse.simple import File, NotAPage, Page, parse_page

TORCH = canonicalize_name("torch")
URL = "https://index.example/simple/torch/"
A, B = "a" * 64, "b" * 64
JSON = "application/vnd.pypi.simple.v1+json"

PYTORCH = f"""<!DOCTYPE html>
<html>
  <body>
    <h1>Links for torch</h1>
    <a href="/whl/cu121/torch-2.1.2%2Bcu121-cp310-cp310-linux_x86_64.whl#sha256={A}">torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl</a><br/>
    <a href="https://r2.example/whl/cu121/torch-2.11.0%2Bcu121-cp310-cp310-manylinux_2_28_x86_64.whl" data-dist-info-metadata="sha256={B}" data-core-metadata="sha256={B}" data-upload-time="2026-01-23T15:10:22Z">torch-2.11.0+cu121-cp310-cp310-manylinux_2_28_x86_64.whl</a><br/>
  </body>
</html>
<!--TIMESTAMP 1703347410-->"""  # noqa: E501  # the index writes it on one line


def html(body: str, *, head: str = "<h1>Links for torch</h1>", url: str = URL) -> Page:
    return parse_page(TORCH, url, "text/html", f"<!DOCTYPE html><html><body>{head}{body}</body></html>".encode())


def only(page: Page) -> File:
    assert len(page.files) == 1
    return page.files[0]


def one_json(**entry: object) -> tuple[File, ...]:
    file = {"filename": "torch-2.1.0-py3-none-any.whl", "url": "torch-2.1.0-py3-none-any.whl", "hashes": {}} | entry
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "torch", "files": [file]})
    return parse_page(TORCH, URL, JSON, body.encode()).files


def test_pytorchs_page_gives_its_files() -> None:
    page = parse_page(TORCH, "https://pytorch.example/whl/cu121/torch/", "text/html", PYTORCH.encode())
    assert page == Page(
        project=NormalizedName("torch"),
        url="https://pytorch.example/whl/cu121/torch/",
        files=(
            File(
                filename="torch-2.1.2+cu121-cp310-cp310-linux_x86_64.whl",
                url="https://pytorch.example/whl/cu121/torch-2.1.2%2Bcu121-cp310-cp310-linux_x86_64.whl",
                digest=Digest(A),
            ),
            File(
                filename="torch-2.11.0+cu121-cp310-cp310-manylinux_2_28_x86_64.whl",
                url="https://r2.example/whl/cu121/torch-2.11.0%2Bcu121-cp310-cp310-manylinux_2_28_x86_64.whl",
                upload_time=datetime(2026, 1, 23, 15, 10, 22, tzinfo=UTC),
                metadata=True,
                metadata_digest=Digest(B),
            ),
        ),
    )


def test_pypis_html_page_gives_its_files() -> None:
    body = f"""<!DOCTYPE html>
<html>
  <head>
    <meta name="pypi:repository-version" content="1.4">
    <title>Links for requests</title>
  </head>
  <body>
    <h1>Links for requests</h1>
<a href="https://files.example/packages/ab/requests-2.32.0-py3-none-any.whl#sha256={A}" data-requires-python="&gt;=3.8" data-dist-info-metadata="sha256={B}" data-core-metadata="sha256={B}" data-yanked="Yanked due to conflicts with CVE-2024-35195 mitigation">requests-2.32.0-py3-none-any.whl</a><br />
</body>
</html>"""  # noqa: E501
    page = parse_page(
        canonicalize_name("requests"),
        "https://index.example/simple/requests/",
        "text/html; charset=UTF-8",
        body.encode(),
    )
    assert page.files == (
        File(
            filename="requests-2.32.0-py3-none-any.whl",
            url="https://files.example/packages/ab/requests-2.32.0-py3-none-any.whl",
            digest=Digest(A),
            requires_python=">=3.8",
            yanked="Yanked due to conflicts with CVE-2024-35195 mitigation",
            metadata=True,
            metadata_digest=Digest(B),
        ),
    )


def test_pypis_json_page_gives_its_files() -> None:
    assert one_json(
        url="https://files.example/packages/ab/torch-2.1.0-py3-none-any.whl",
        hashes={"md5": "c" * 32, "sha256": A},
        size=1234,
        yanked=False,
        **{
            "requires-python": ">=3.8",
            "upload-time": "2023-10-04T17:01:02.123456Z",
            "core-metadata": {"sha256": B},
            "dist-info-metadata": {"sha256": B},
            "data-dist-info-metadata": {"sha256": B},
            "provenance": None,
        },
    ) == (
        File(
            filename="torch-2.1.0-py3-none-any.whl",
            url="https://files.example/packages/ab/torch-2.1.0-py3-none-any.whl",
            digest=Digest(A),
            size=1234,
            requires_python=">=3.8",
            upload_time=datetime(2023, 10, 4, 17, 1, 2, 123456, tzinfo=UTC),
            metadata=True,
            metadata_digest=Digest(B),
        ),
    )


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("torch-1-py3-none-any.whl", "https://index.example/simple/torch/torch-1-py3-none-any.whl"),
        ("./torch-1-py3-none-any.whl", "https://index.example/simple/torch/torch-1-py3-none-any.whl"),
        ("../../packages/x/torch-1-py3-none-any.whl", "https://index.example/packages/x/torch-1-py3-none-any.whl"),
        ("../../../../x/torch-1-py3-none-any.whl", "https://index.example/x/torch-1-py3-none-any.whl"),
        ("../a/../torch-1-py3-none-any.whl", "https://index.example/simple/torch-1-py3-none-any.whl"),
        ("/x/torch-1-py3-none-any.whl", "https://index.example/x/torch-1-py3-none-any.whl"),
        ("//cdn.example/torch-1-py3-none-any.whl", "https://cdn.example/torch-1-py3-none-any.whl"),
        ("http://cdn.example:8080/torch-1-py3-none-any.whl", "http://cdn.example:8080/torch-1-py3-none-any.whl"),
        ("HTTPS://cdn.example/torch-1-py3-none-any.whl", "https://cdn.example/torch-1-py3-none-any.whl"),
        ("https://me:secret@cdn.example/torch-1-py3-none-any.whl", "https://cdn.example/torch-1-py3-none-any.whl"),
        (
            " torch-1-py3-none-any.whl?token=a/b#egg=torch",
            "https://index.example/simple/torch/torch-1-py3-none-any.whl?token=a/b",
        ),
    ],
)
def test_links_become_absolute(href: str, url: str) -> None:
    file = only(html(f'<a href="{href}">x</a>', url="https://me:secret@index.example/simple/torch/"))
    assert (file.filename, file.url) == ("torch-1-py3-none-any.whl", url)


def test_base_moves_relative_links() -> None:
    page = html('<a href="torch-1.whl">x</a>', head='<base href="/whl/cpu/"><h1>Links for torch</h1>')
    assert only(page).url == "https://index.example/whl/cpu/torch-1.whl"


def test_base_of_an_index_names_no_folder_of_this_machine() -> None:
    with pytest.raises(NotAPage):
        html('<a href="torch-1.whl">x</a>', head='<base href="file:///etc/">')
    marked = html('<a href="torch-1.whl">x</a>', head='<base href="file:///etc/"><h1>Links for torch</h1>')
    assert marked.files == ()
    local = html('<a href="torch-1.whl">x</a>', head='<base href="file:///srv/">', url="file:///srv/torch/index.html")
    assert only(local).url == "file:///srv/torch-1.whl"


@pytest.mark.parametrize(
    "href",
    [
        "", "#", "../", "/", "?C=M;O=A", "..", ".", "a/%2e%2e", "a/..%2f..%2fpasswd", "a%2Fb.whl", "a%5Cb.whl",
        "a\\b.whl", "a%00b.whl", "a%0Ab.whl", "a%1B%5B2Jb.whl", "a%C2%9Bb.whl", "a%FF.whl", "a" * 256, "%ED%95%9C" * 86,
        "javascript:alert(1)//x.whl", "data:text/html,/x.whl", "ftp://cdn.example/x.whl", "file:///etc/x.whl",
        "https:///x.whl", "https://[::1/x.whl", "https://cdn.example:port/x.whl", "https://cdn.example?/x.whl",
        "mailto:a@b/x.whl",
    ],
)  # fmt: skip
def test_a_link_to_nothing_usable_is_left_out(href: str) -> None:
    assert html(f'<a href="{href}">torch-1-py3-none-any.whl</a>').files == ()
    assert html("<a>torch-1-py3-none-any.whl</a><a href>torch-1-py3-none-any.whl</a>").files == ()


def test_the_text_of_a_link_is_not_trusted() -> None:
    assert only(html('<a href="torch-1.whl">../../evil.whl</a>')).filename == "torch-1.whl"


def test_a_file_page_may_name_files_beside_it() -> None:
    page = html('<a href="torch%201.whl">x</a>', url="file:///srv/wheels/")
    assert (only(page).filename, only(page).url) == ("torch 1.whl", "file:///srv/wheels/torch%201.whl")


def test_blanks_and_letters_beyond_ascii_are_encoded_in_the_url() -> None:
    file = only(html('<a href="torch-1 (1)한.whl">x</a>'))
    assert file.filename == "torch-1 (1)한.whl"
    assert file.url == "https://index.example/simple/torch/torch-1%20(1)%ED%95%9C.whl"


@pytest.mark.parametrize(
    ("fragment", "digest"),
    [
        (f"#sha256={A}", Digest(A)),
        (f"#sha256={A.upper()}", Digest(A)),
        (f"#egg=torch&sha256={A}&subdirectory=x", Digest(A)),
        (f"#md5={'c' * 32}", None),
        (f"#sha512={A}{A}", None),
        ("#sha256=", None),
        (f"#sha256={A}0", None),
        ("", None),
    ],
)
def test_only_a_whole_sha256_is_a_digest(fragment: str, digest: Digest | None) -> None:
    assert only(html(f'<a href="torch-1.whl{fragment}">x</a>')).digest == digest


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", (False, None)),
        (f'data-dist-info-metadata="sha256={A}"', (True, Digest(A))),
        (f'data-core-metadata="sha256={A}" data-dist-info-metadata="sha256={B}"', (True, Digest(A))),
        (f'data-core-metadata="false" data-dist-info-metadata="sha256={B}"', (False, None)),
        ('data-core-metadata="true"', (True, None)),
        ('data-core-metadata="md5=00"', (True, None)),
        ("data-core-metadata", (False, None)),
    ],
)
def test_a_metadata_file_is_advertised_in_either_spelling(
    attributes: str, expected: tuple[bool, Digest | None]
) -> None:
    file = only(html(f'<a href="torch-1.whl" {attributes}>x</a>'))
    assert (file.metadata, file.metadata_digest) == expected


def test_a_yank_needs_no_reason() -> None:
    page = html(
        '<a href="1.whl" data-yanked>x</a><a href="2.whl" data-yanked="">x</a>'
        '<a href="3.whl" data-yanked="&lt;bad&gt;">x</a>'
    )
    assert [file.yanked for file in page.files] == ["", "", "<bad>"]


def test_what_a_stranger_wrote_cannot_drive_the_terminal() -> None:
    file = only(html('<a href="1.whl" data-yanked="a\x1b[2Jb" data-requires-python="&gt;=3\x1b">x</a>'))
    assert (file.yanked, file.requires_python) == ("a [2Jb", ">=3 ")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-23T15:10:22Z", datetime(2026, 1, 23, 15, 10, 22, tzinfo=UTC)),
        ("2026-01-23T15:10:22+09:00", datetime(2026, 1, 23, 6, 10, 22, tzinfo=UTC)),
        ("2026-01-23T15:10:22", datetime(2026, 1, 23, 15, 10, 22, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_upload_times_are_utc(text: str, time: datetime | None) -> None:
    assert only(html(f'<a href="1.whl" data-upload-time="{text}">x</a>')).upload_time == time
    assert one_json(**{"upload-time": text})[0].upload_time == time


def test_metadata_lies_beside_the_file() -> None:
    assert File(filename="a.whl", url="https://h.example/a.whl").metadata_url == "https://h.example/a.whl.metadata"
    assert (
        File(filename="a.whl", url="https://h.example/a.whl?t=1").metadata_url == "https://h.example/a.whl.metadata?t=1"
    )


@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0"></head><body></body></html>',
        "<!DOCTYPE html><html><body><h1>Links for torch</h1></body></html>",
        "<title>Simple Index</title>",
        '<title>Index of /wheels/</title><h1>Index of /wheels/</h1><a href="../">../</a>',
    ],
)
def test_an_empty_project_is_a_page(body: str) -> None:
    assert parse_page(TORCH, URL, "text/html", body.encode()).files == ()


def test_a_bare_list_of_wheels_is_a_page() -> None:
    assert only(parse_page(TORCH, URL, "text/html", b'<a href="cu121/torch-1.whl">x</a>')).filename == "torch-1.whl"


@pytest.mark.parametrize(
    ("content_type", "body", "found"),
    [
        ("text/html", "", "HTML without a heading such as “Links for …” and without a link to a distribution"),
        (
            "text/html",
            '<h1>Welcome to the hotel</h1><a href="/login">Log in</a>',
            "HTML without a heading such as “Links for …” and without a link to a distribution",
        ),
        (
            "text/html",
            '<meta name="pypi:repository-version" content="2.0"><h1>Links for torch</h1>',
            "its repository version is `2.0`, and only 1.x is known",
        ),
        ("text/html", '<base href="https://[/"><a href="x.whl">x</a>', "its <base> is no URL: Invalid IPv6 URL"),
        (JSON, "[]", "JSON, but an array in place of an object"),
        (JSON, '{"files": []}', "its `api-version` is null, and only 1.x is known"),
        (JSON, '{"meta": {"api-version": "2.0"}, "files": []}', 'its `api-version` is "2.0", and only 1.x is known'),
        (JSON, '{"meta": {"api-version": "1.0"}, "files": {}}', "its `files` is an object in place of an array"),
        ("image/png", "\x89PNG", "its type is `image/png`, not HTML or JSON"),
        ("", "hello", "neither HTML nor JSON"),
    ],
)
def test_nonsense_is_told_as_nonsense(content_type: str, body: str, found: str) -> None:
    with pytest.raises(NotAPage) as raised:
        parse_page(TORCH, "https://me:secret@index.example/simple/torch/", content_type, body.encode())
    assert (raised.value.url, raised.value.found) == (URL, found)
    assert str(raised.value) == f"`{URL}` is not a project page of a package index: {found}"


def test_json_that_is_none_is_nonsense() -> None:
    for body in (b"<html>", b"\xff\xfe\xfd", b"[" * 100_000, b'{"a": ' + b"9" * 10_000 + b"}"):
        with pytest.raises(NotAPage, match="is not a project page of a package index: no JSON: "):
            parse_page(TORCH, URL, JSON, body)


def test_the_type_of_a_file_on_disk_is_guessed() -> None:
    assert parse_page(TORCH, "file:///srv/torch/", "", b"\xef\xbb\xbf\n<h1>Links for torch</h1>").files == ()
    assert parse_page(TORCH, "file:///srv/torch/", "", b'{"meta": {"api-version": "1.0"}, "files": []}').files == ()


def test_the_charset_of_the_header_counts() -> None:
    body = '<a href="torch-1.whl" data-yanked="zurückgezogen">x</a>'
    latin = parse_page(TORCH, URL, 'text/html; charset="ISO-8859-1"', body.encode("latin-1"))
    unknown = parse_page(TORCH, URL, "text/html; charset=klingon", body.encode())
    no_charset = parse_page(TORCH, URL, "text/html; charset=hex", body.encode())
    assert [only(page).yanked for page in (latin, unknown, no_charset)] == ["zurückgezogen"] * 3


@pytest.mark.parametrize(
    "entry",
    [
        {"filename": None}, {"filename": 1}, {"filename": "../x.whl"}, {"filename": "a\x1b.whl"},
        {"filename": "\ud800"}, {"url": None}, {"url": "javascript:x"}, {"url": "https://h.example/\ud800"},
        {"hashes": []}, {"hashes": {"sha256": 1}}, {"size": "1"}, {"size": True}, {"size": -1}, {"size": 1.5},
        {"size": 2**63}, {"requires-python": 3}, {"yanked": 1}, {"yanked": []}, {"upload-time": 5},
        {"core-metadata": "true"}, {"core-metadata": [1]},
    ],
)  # fmt: skip
def test_a_json_file_of_wrong_types_is_left_out(entry: dict[str, object]) -> None:
    assert one_json(**entry) == ()


@pytest.mark.parametrize(
    ("entry", "attribute", "expected"),
    [
        ({"yanked": True}, "yanked", ""),
        ({"yanked": "broken"}, "yanked", "broken"),
        ({"yanked": ""}, "yanked", None),
        ({"yanked": None}, "yanked", None),
        ({"hashes": {"md5": "x"}}, "digest", None),
        ({"hashes": {"sha256": "x"}}, "digest", None),
        ({"hashes": None}, "digest", None),
        ({"size": 0}, "size", 0),
        ({"size": None}, "size", None),
        ({"requires-python": ""}, "requires_python", None),
        ({"core-metadata": True}, "metadata", True),
        ({"core-metadata": {}}, "metadata", True),
        ({"core-metadata": False, "dist-info-metadata": True}, "metadata", False),
        ({"dist-info-metadata": {"sha256": A}}, "metadata_digest", Digest(A)),
        ({"url": "https://h.example/download/7"}, "filename", "torch-2.1.0-py3-none-any.whl"),
    ],
)
def test_json_says_it_like_html(entry: dict[str, object], attribute: str, expected: object) -> None:
    assert getattr(one_json(**entry)[0], attribute) == expected


def test_one_bad_entry_does_not_hide_the_others() -> None:
    files = [None, {"filename": 1}, {"filename": "a.whl", "url": "a.whl", "hashes": {}}]
    body = json.dumps({"meta": {"api-version": "1.0"}, "files": files}).encode()
    assert only(parse_page(TORCH, URL, JSON, body)).url == "https://index.example/simple/torch/a.whl"


def test_files_are_equal_by_value_and_hashed_by_url() -> None:
    one, other = (File(filename="a.whl", url="https://h.example/a.whl", size=size) for size in (1, 2))
    assert hash(one) == hash(other)
    assert one != other
    assert one == File(filename="a.whl", url="https://h.example/a.whl", size=1)


HTML_PIECES = (
    "<a href=",
    '"',
    "x.whl",
    "#sha256=",
    A,
    "<base href=",
    "//[",
    "%",
    "%2f",
    "<h1>Links for",
    "data-yanked=",
)
JSON_PIECES = (
    '{"meta": {"api-version": "1.0"}, ',
    '"files": [',
    "{",
    "}",
    "]",
    ",",
    '"filename": ',
    '"url": ',
    "null",
    "1e999",
)
PIECES = st.sampled_from(HTML_PIECES + JSON_PIECES)


@given(
    body=st.binary() | st.lists(PIECES).map(lambda pieces: "".join(pieces).encode()),
    content_type=st.sampled_from(["text/html", JSON, "", "text/html; charset=utf-16", "text/html; charset=idna"])
    | st.text(),
    url=st.just(URL) | st.text(),
)
def test_whatever_comes_is_a_page_or_not_a_page(body: bytes, content_type: str, url: str) -> None:
    try:
        page = parse_page(TORCH, url, content_type, body)
    except NotAPage as error:
        assert error.found
    else:
        assert all("/" not in file.filename and file.url.startswith(("http", "file:")) for file in page.files)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_value_in_a_json_entry_crashes(value: object) -> None:
    for key in ("filename", "url", "hashes", "size", "requires-python", "yanked", "upload-time", "core-metadata"):
        one_json(**{key: value})
