"""The page for people at a mirror's root: what it is made of, and what its functions decide, without a browser.

`tests/test_mirror_browser.py` looks at the same page in a Chromium.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version
from selectolax.lexbor import LexborHTMLParser
from world.page import CPU, CUDA, HOSTILE, LOCKS, Script, catalog, records

from wheelhouse.mirroring.names import is_key
from wheelhouse.mirroring.page import page_files

ROOT = "https://mirror.example/team/mirror/"
HTML, SCRIPT, STYLE = (page_files()[key].decode() for key in ("index.html", "page/app.js", "page/app.css"))
VOID = {"meta", "link", "input", "br", "img", "hr"}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Script]:
    script = Script(tmp_path_factory.mktemp("page"))
    yield script
    script.close()


def shown(tree: Any) -> str:
    """The text of a tree of `h(...)`."""
    if isinstance(tree, list):
        return "".join(map(shown, tree))
    return shown(tree["children"]) if isinstance(tree, dict) else tree if isinstance(tree, str) else ""


def every(tree: Any) -> Iterator[dict[str, Any]]:
    """Every element of a tree."""
    if isinstance(tree, dict):
        yield tree
        yield from every(tree["children"])
    elif isinstance(tree, list):
        for each in tree:
            yield from every(each)


def project(script: Script, name: str, *, channel: str = "", target: str = "", root: str = ROOT) -> Any:
    """The view of a project of the sample mirror."""
    pages = {
        record.address.channel or "simple": {
            "json": json.loads(record.text()),
            "url": f"{root}{record.address.folder}/",
            "root": root,
        }
        for record in sorted(records(), key=lambda record: record.address)
        if record.address.project == name
    }
    return script(
        "projectView(parseCatalog(catalog), {view: 'project', name, channel, target}, root, pages,"
        " requiredBy(needed).get(name) || {always: [], optional: []})",
        catalog=json.loads(catalog().text()),
        needed=json.loads(catalog().requires_text())["requires"],
        pages=pages,
        name=name,
        channel=channel,
        target=target,
        root=root,
    )


def lines(view: Any) -> list[str]:
    """What the buttons of a view copy."""
    return [each["attributes"]["data-copy"] for each in every(view) if "data-copy" in each["attributes"]]


# == What it is made of


def test_the_page_is_three_small_files_of_the_mirror() -> None:
    assert list(page_files()) == ["index.html", "page/app.js", "page/app.css"]
    assert all(map(is_key, page_files()))
    assert sum(map(len, page_files().values())) < 40 * 1024


def test_elements_are_closed_in_order_and_ids_stand_once() -> None:
    class Checker(HTMLParser):
        open: list[str] = []  # noqa: RUF012
        ids: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.ids += [value for name, value in attrs if name == "id" and value]
            if tag not in VOID:
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    checker = Checker()
    checker.feed(HTML)
    assert checker.open == []
    assert checker.ids == ["skip", "nav", "theme", "search", "q", "keys", "main", "loading", "status"]
    assert set(re.findall(r'\bat\("(\w+)"\)', SCRIPT)) <= {*checker.ids, "results"}


def test_the_policy_admits_the_mirror_alone() -> None:
    policy = LexborHTMLParser(HTML).css_first('meta[http-equiv="Content-Security-Policy"]')
    assert policy is not None
    assert policy.attributes["content"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    tree = LexborHTMLParser(HTML)
    links = [
        value for node in tree.css("[src], [href]") for key, value in node.attributes.items() if key in ("src", "href")
    ]
    assert [link for link in links if link and not link.startswith("data:")] == [
        "page/app.css",
        "page/app.js",
        "#main",
        "./",
        "#/",
        "#/locks",
        "#/use",
        "simple/",
        "catalog.json",
        "simple/",
    ]
    assert [script.text() for script in tree.css("script")] == [""]
    assert tree.css("style, iframe, object, embed, img") == []
    attributes = {name for node in tree.css("*") for name in node.attributes}
    assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert not re.search(r"url\(|@import|@font-face", STYLE)
    assert re.findall(r"\w+://", SCRIPT) == []


def test_the_script_makes_no_markup_and_no_code_of_texts() -> None:
    assert not re.search(
        r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|srcdoc|eval|Function|DOMParser|document\.write)\b", SCRIPT
    )
    assert set(re.findall(r"createElement\((.*?)\)", SCRIPT)) == {"tree.tag", '"textarea"'}


def test_without_scripts_the_page_leads_to_the_index() -> None:
    without = LexborHTMLParser(HTML.replace("noscript", "div")).css_first("main div")
    assert without is not None
    assert [link.attributes["href"] for link in without.css("a")] == ["simple/", "catalog.json"]
    hidden = LexborHTMLParser(HTML).css("[hidden]")
    assert [node.attributes["id"] for node in hidden] == ["nav", "theme", "search", "loading"]


def luminance(colour: str) -> float:
    """WCAG 2.2: relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_text_stands_out_in_light_and_in_dark() -> None:
    palettes = [
        dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in re.findall(r"\{([^{}]*--ground:[^{}]*)\}", STYLE)
    ]
    assert len(palettes) == 3
    assert palettes[1] == palettes[2]  # dark by the system, dark by choice
    for palette in palettes:
        for ground in ("ground", "raised"):
            for ink in ("ink", "soft", "link", "warn"):
                dark, light = sorted((luminance(palette[ink]), luminance(palette[ground])))
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground, palette[ink])  # level AA


# == What its functions decide


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (670_214_000, "670.2 MB"),
        (2.5e15, "2500.0 TB"),
        (None, "size unknown"),
        ("x", "size unknown"),
        (-1, "size unknown"),
    ],
)
def test_sizes_are_told_as_the_command_line_tells_them(script: Script, size: Any, told: str) -> None:
    assert script("readable(size)", size=size) == told


def test_numbers_and_days_are_told_as_iso_has_them(script: Script) -> None:
    assert script("[1, 2, 12345, 1000000].map((number) => counted(number, 'file'))") == [
        "1 file",
        "2 files",
        "12\u202f345 files",
        "1\u202f000\u202f000 files",
    ]
    assert script("['2026-11-22T10:00:00Z', 'soon', ''].map(day)") == ["2026-11-22", "", ""]


def test_no_character_turns_or_hides_a_text(script: Script) -> None:
    assert script("texts.map(plain)", texts=["whl.\u202eexe", "a\u200bb", "a\x00\nb", "한국어 ü", None, 7, {}]) == [
        "whl.�exe",
        "a�b",
        "a��b",
        "한국어 ü",
        "",
        "",
        "",
    ]


VERSIONS = st.builds(
    lambda epoch, release, pre, post, dev: f"{epoch}{'.'.join(map(str, release))}{pre}{post}{dev}",
    st.sampled_from(["", "", "1!"]),
    st.lists(st.sampled_from([0, 1, 2, 9, 10, 2024]), min_size=1, max_size=4),
    st.sampled_from(["", "", "a0", "a1", "b2", "rc1", "rc10"]),
    st.sampled_from(["", "", ".post0", ".post3"]),
    st.sampled_from(["", "", ".dev0", ".dev12"]),
)


@given(st.lists(VERSIONS, min_size=2, max_size=8))
def test_versions_sort_as_pep_440_says(script: Script, versions: list[str]) -> None:
    keys = script("versions.map(versionKey)", versions=versions)
    for one, one_key in zip(versions, keys, strict=True):
        for other, other_key in zip(versions, keys, strict=True):
            assert (one_key < other_key) == (Version(one) < Version(other)), (one, other)


def test_builds_for_other_channels_sort_by_their_number(script: Script) -> None:
    versions = ["2.5.1+cu118", "2.5.1.post1", "2.5.1+cu92", "2.5.1", "2.5.1+cu121"]
    assert script("versions.sort((a, b) => versionKey(a) < versionKey(b) ? -1 : 1)", versions=versions) == [
        "2.5.1",
        "2.5.1+cu92",
        "2.5.1+cu118",
        "2.5.1+cu121",
        "2.5.1.post1",
    ]


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["2.0rc1", "1.9"], "1.9"),
        (["2.0.dev3", "2.0a1"], "2.0.dev3"),
        (["1.9.post2", "1.9"], "1.9.post2"),
        (["1.9+cpu", "1.8"], "1.9+cpu"),
    ],
)
def test_the_newest_final_release_is_offered(script: Script, versions: list[str], newest: str) -> None:
    assert script("newestOf(versions.map((version) => ({version}))).version", versions=versions) == newest


def test_the_newest_is_one_that_installers_take_unasked(script: Script) -> None:
    releases = [
        {"version": "3.0", "files": [{"yanked": "bad"}, {"yanked": "bad"}]},
        {"version": "2.0", "files": [{"yanked": "bad"}, {"yanked": ""}]},
        {"version": "1.0", "files": [{"yanked": ""}]},
    ]
    assert script("newestOf(releases).version", releases=releases) == "2.0"
    assert script("newestOf(releases).version", releases=releases[:1]) == "3.0"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("../../files/ab/abc/x-1-py3-none-any.whl", True),
        ("../../../elsewhere/x.whl", False),
        ("https://evil.example/x.whl", False),
        ("//evil.example/team/mirror/x.whl", False),
        ("javascript:alert(1)", False),
        ("data:text/html,<script>", False),
        ("https://mirror.example@evil.example/team/mirror/", False),
        (None, True),
        ("http://[", False),
    ],
)
def test_a_link_never_leads_out_of_the_mirror(script: Script, url: str | None, allowed: bool) -> None:
    told = script("within(url, root + 'simple/x/', root)", url=url, root=ROOT)
    assert (told is not None) is allowed
    assert told is None or told.startswith(ROOT)


REQUIREMENTS = [
    "numpy",
    "Foo_Bar.baz>=1.0,<2",
    "torch (>=2.0)",
    "requests[socks] (>=2)",
    'scipy; extra == "image"',
    "tomli>=1; python_version < '3.11'",
    "pkg @ https://example.org/extra/pkg.whl",
]


def test_requirements_are_read_as_packaging_reads_them(script: Script) -> None:
    told = script("lines.map(requirement)", lines=REQUIREMENTS)
    assert [each["name"] for each in told] == ["numpy", "foo-bar-baz", "torch", "requests", "scipy", "tomli", "pkg"]
    assert [each["optional"] for each in told] == ["extra" in str(Requirement(line).marker) for line in REQUIREMENTS]
    assert [each["rest"] for each in told][1:4] == [">=1.0,<2", ">=2.0", "[socks]>=2"]


def test_who_requires_whom_is_turned_round(script: Script) -> None:
    assert script("requiredBy(rows)", rows=json.loads(catalog().requires_text())["requires"]) == {
        "filelock": {"always": ["torch"], "optional": []},
        "numpy": {"always": ["torchmetrics"], "optional": []},
        "torch": {"always": ["torchmetrics"], "optional": []},
        "scipy": {"always": [], "optional": ["torchmetrics"]},
    }


@pytest.mark.parametrize(
    ("q", "narrowed", "names"),
    [
        ("torch", {}, ["torch", "torchmetrics"]),
        ("TORCH==2.1", {}, ["torch", "torchmetrics"]),
        ("metrics", {}, ["torchmetrics"]),
        ("neural", {}, ["torchmetrics"]),
        ("gpus torch", {}, ["torch"]),
        ("torch", {"channel": "cpu"}, ["torch"]),
        ("t", {"channel": "simple"}, ["torchmetrics", "hostile"]),
        ("numpy", {"target": CUDA}, ["numpy"]),
        ("plugin", {"target": CUDA}, []),
        ("plugin_007", {}, ["plugin-007"]),
        ("on.*", {}, []),
        ("zzz", {}, []),
    ],
)
def test_a_search_gives_the_nearest_names_first(
    script: Script, q: str, narrowed: dict[str, str], names: list[str]
) -> None:
    asked = {"q": q, "target": "", "channel": "", **narrowed}
    rows = script("found(parseCatalog(catalog), asked)", catalog=json.loads(catalog().text()), asked=asked)
    assert [row["name"] for row in rows] == names


def test_without_a_word_every_project_is_found(script: Script) -> None:
    asked = {"q": " ", "target": "", "channel": ""}
    rows = script("found(parseCatalog(catalog), asked)", catalog=json.loads(catalog().text()), asked=asked)
    assert [row["name"] for row in rows] == sorted(catalog().projects)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", {"view": "home", "q": "", "target": "", "channel": ""}),
        ("#/?q=a+b%26&target=t&channel=cu121", {"view": "home", "q": "a b&", "target": "t", "channel": "cu121"}),
        ("#/project/Torch_X/cu121?target=t", {"view": "project", "name": "torch-x", "channel": "cu121", "target": "t"}),
        ("#/locks?q=py310", {"view": "locks", "q": "py310"}),
        ("#/use", {"view": "use"}),
        ("#/project", None),
        ("#/project/a/b/c", None),
        ("#/nothing", None),
        ("#/%E0%A4%A", None),
    ],
)
def test_an_address_names_a_view(script: Script, address: str, told: Any) -> None:
    assert script("route(given)", given=address) == told


@pytest.mark.parametrize(
    "address", ["#/", "#/?q=a+b%26&target=t&channel=cu121", "#/project/torch/cu121?target=t", "#/locks?q=x", "#/use"]
)
def test_a_view_has_one_address(script: Script, address: str) -> None:
    assert script("address(route(given))", given=address) == address


@pytest.mark.parametrize(
    ("root", "host"),
    [
        ("https://mirror.example/", ""),
        ("http://mirror.example:8080/", "mirror.example:8080"),
        ("http://127.0.0.1:8080/", ""),
        ("http://localhost/", ""),
        ("http://[::1]:8080/", ""),
        ("http://127.evil.example/", "127.evil.example"),
    ],
)
def test_pip_is_told_to_trust_plain_http_only_where_it_does_not(script: Script, root: str, host: str) -> None:
    assert script("untrusted(root)", root=root) == host


def test_the_lines_to_copy_name_this_mirror(script: Script) -> None:
    assert lines(project(script, "torch"))[:2] == [
        f"pip install --index-url {ROOT}whl/cu121/ torch==2.10.0+cu121",
        f"uv pip install --default-index {ROOT}whl/cu121/ torch==2.10.0+cu121",
    ]
    assert lines(project(script, "torch", channel="cpu", root="http://mirror.example/"))[:2] == [
        "pip install --index-url http://mirror.example/whl/cpu/ --trusted-host mirror.example torch==2.10.0+cpu",
        "uv pip install --default-index http://mirror.example/whl/cpu/ torch==2.10.0+cpu",
    ]
    assert lines(project(script, "numpy"))[0] == f"pip install --index-url {ROOT}simple/ numpy==2.1.0"
    assert lines(project(script, "numpy", target=CUDA))[0] == f"pip install --index-url {ROOT}whl/cu121/ numpy==2.1.0"


def test_what_a_shell_would_read_is_quoted(script: Script) -> None:
    assert script("words.map(quoted)", words=["a==1+cpu", "1!2", "a b", "$(x)", "it's"]) == [
        "a==1+cpu",
        "'1!2'",
        "'a b'",
        "'$(x)'",
        "'it'\\''s'",
    ]


def test_a_project_shows_its_files_once_newest_first(script: Script) -> None:
    text = shown(project(script, "numpy"))
    assert text.startswith("numpy 2.1.0")
    assert [
        each["children"][0] for each in every(project(script, "numpy")) if each["attributes"].get("class") == "file"
    ] == [
        "numpy-2.2.0rc1-cp312-cp312-manylinux_2_28_x86_64.whl",
        "numpy-2.1.0-cp310-cp310-manylinux_2_28_x86_64.whl",
        "numpy-2.1.0-cp312-cp312-manylinux_2_28_x86_64.whl",
        "numpy-1.26.4-cp310-cp310-manylinux_2_28_x86_64.whl",
    ]
    assert "3 versions · 4 files · 6.0 MB" in text
    assert "1.26.4 1 file · 1.5 MB · yanked" in text
    assert "Yanked: a wrong build" in text
    assert "Uploaded2024-02-05" in text
    assert "Indexsimple, cu121" in text
    assert f"Came in2026-11-22 with {CUDA} aaaaaaaa" in text


def test_a_project_can_be_narrowed_to_an_index_and_a_target(script: Script) -> None:
    assert "2 versions · 2 files" in shown(project(script, "torch", channel="cu121"))
    assert "1 version · 1 file" in shown(project(script, "torch", target=CPU))
    assert "No file here for this target and index." in shown(project(script, "torch", channel="cpu", target=CUDA))


def test_a_project_says_what_it_requires_and_who_requires_it(script: Script) -> None:
    metrics, torch = project(script, "torchmetrics"), project(script, "torch")
    assert "Requiresnumpy>1.20torch>=2.0For extras (1)scipy; extra == 'image' not in this mirror" in shown(metrics)
    assert "Required byNo project of this mirror" in shown(metrics)
    assert "Requiresfilelock not in this mirrorRequired bytorchmetrics" in shown(torch)


def test_a_lock_is_linked_where_it_lies(script: Script) -> None:
    links = {each["attributes"]["href"] for each in every(project(script, "torch")) if "href" in each["attributes"]}
    locks = {link for link in links if link.startswith("locks/")}
    assert locks == {f"locks/{label}/pylock.{sha256}.toml" for label, sha256 in LOCKS.items()}
    assert all(map(is_key, locks))


def test_locks_are_listed_by_target_and_filtered(script: Script) -> None:
    told = {"catalog": json.loads(catalog().text())}
    whole = shown(script("locksView(parseCatalog(catalog), '')", **told))
    assert whole.startswith("2 locks · 2 targets")
    assert f"{CPU}Projects for this targetbbbbbbbb….toml124 files, 186.0 MBCame innot known" in whole
    assert shown(script("locksView(parseCatalog(catalog), 'py310 CU121')", **told)).startswith("1 lock · 1 target")
    assert "No lock here matches." in shown(script("locksView(parseCatalog(catalog), 'cu999')", **told))


def test_a_machine_is_told_to_use_the_mirror(script: Script) -> None:
    told = lines(script("useView(parseCatalog(catalog), root)", catalog=json.loads(catalog().text()), root="http://m/"))
    assert told == [
        "[global]\nindex-url = http://m/simple/\ntrusted-host = m\n",
        '[[index]]\nurl = "http://m/simple/"\ndefault = true\n',
        "poetry source add --priority=primary mirror http://m/simple/",
        "pdm config pypi.url http://m/simple/",
        "--index-url http://m/whl/cpu/",
        "--index-url http://m/whl/cu121/",
        '[[tool.uv.index]]\nname = "cu121"\nurl = "http://m/whl/cu121/"\nexplicit = true\n\n'
        '[tool.uv.sources]\ntorch = { index = "cu121" }\n',
    ]


def test_hostile_texts_stay_texts(script: Script) -> None:
    view = project(script, "hostile")
    assert shown(view).count(HOSTILE) == 3  # summary, requirement, yank
    assert "javascript:alert(1)" in shown(view)
    for each in every(view):
        assert all(HOSTILE not in str(value) for value in each["attributes"].values())
        assert each["attributes"].get("href", "#/").startswith(("#/", "locks/", ROOT))


def test_views_are_made_of_what_may_be_built(script: Script) -> None:
    home = {"view": "home", "q": "t", "target": "", "channel": ""}
    told = {"catalog": json.loads(catalog().text()), "home": home, "root": ROOT}
    views = [
        script("homeView(parseCatalog(catalog), home)", **told),
        script("resultsView(found(parseCatalog(catalog), home), home, 1, 9)", **told),
        script("resultsView([], home, 1, 9)", **told),
        script("locksView(parseCatalog(catalog), '')", **told),
        script("useView(parseCatalog(catalog), root)", **told),
        script("problemView('a', 'b')"),
        *(project(script, name) for name in ("torch", "numpy", "hostile", "torchmetrics")),
    ]
    elements = [each for view in views for each in every(view)]
    assert {each["tag"] for each in elements} <= set(script("TAGS"))
    assert {name for each in elements for name in each["attributes"]} <= set(script("ATTRIBUTES"))
    assert {"script", "style", "iframe", "img", "form", "object"}.isdisjoint(script("TAGS"))
    assert not [name for name in script("ATTRIBUTES") if name.startswith("on") or name in ("style", "src", "srcdoc")]
