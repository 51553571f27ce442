"""Requirements files: what is asked for, where each line stands, and every bad line told with its place."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from wheelhouse import requirements
from wheelhouse.errors import Failures, UsageError, WheelhouseError
from wheelhouse.requirements import IndexOptions, NotText, RequirementError, RequirementsFile, Root, decode


def parse(text: str, environ: Mapping[str, str] | None = None, **files: str) -> RequirementsFile:
    """The file `requirements.txt`, with others beside it: `base__txt` is `base.txt`."""
    shelf = {name.replace("__", "."): content for name, content in files.items()}

    def load(path: str, including: str) -> tuple[str, str]:
        if path not in shelf:
            raise UsageError(f"`{path}` does not exist", hint=f"it is named in `{including}`")
        return shelf[path], path

    return requirements.parse(text, "requirements.txt", load, environ=environ)


def root(text: str, line: int, source: str = "requirements.txt") -> Root:
    return Root(requirement=Requirement(text), source=source, line=line)


def refusal(text: str, **files: str) -> RequirementError:
    with pytest.raises(RequirementError) as raised:
        parse(text, **files)
    return raised.value


def test_each_requirement_knows_its_line() -> None:
    text = """\
# the stack
torch==2.5.1   # the GPU's

requests[socks] >= 2, < 3 ; python_version < "3.12"
  -i https://index.example/simple
Foo.Bar~=1.0
"""
    assert parse(text) == RequirementsFile(
        roots=(
            root("torch==2.5.1", 2),
            root('requests[socks]>=2,<3; python_version < "3.12"', 4),
            root("Foo.Bar~=1.0", 6),
        ),
        options=IndexOptions(index_url="https://index.example/simple"),
    )


def test_an_empty_file_asks_for_nothing() -> None:
    for text in ("", "\n\n", "# nothing", "\ufeff", "\\"):
        assert parse(text) == RequirementsFile(roots=())


def test_a_backslash_joins_lines_under_the_first_ones_number() -> None:
    text = "torch \\\n  ==2.5.1 \\\n\nnumpy\\\n>=1 # why\nsix \\\n# a comment ends it\nrequests"
    assert parse(text).roots == (root("torch==2.5.1", 1), root("numpy>=1", 4), root("six", 6), root("requests", 8))


def test_a_comment_begins_behind_a_blank_only() -> None:
    assert parse("-i https://index.example/#simple").options.index_url == "https://index.example/#simple"
    assert parse("torch\t# x\n  # y \\\nsix").roots == (root("torch", 1), root("six", 3))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_line_end_does(newline: str) -> None:
    assert parse(newline.join(["torch", "", "numpy"])).roots == (root("torch", 1), root("numpy", 3))


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("-i https://a.example/simple", IndexOptions(index_url="https://a.example/simple")),
        ("-ihttps://a.example/simple", IndexOptions(index_url="https://a.example/simple")),
        ("--index-url https://a.example/simple", IndexOptions(index_url="https://a.example/simple")),
        ("--index-url=https://a.example/simple", IndexOptions(index_url="https://a.example/simple")),
        ("--index-url 'https://a.example/my simple'", IndexOptions(index_url="https://a.example/my simple")),
        ("-i https://a.example\n-i https://b.example", IndexOptions(index_url="https://b.example")),
        (
            "--extra-index-url https://a.example --extra-index-url=https://b.example\n--extra-index-url https://c.example",
            IndexOptions(extra_index_urls=("https://a.example", "https://b.example", "https://c.example")),
        ),
        ("-f wheels", IndexOptions(find_links=("wheels",))),
        ("--find-links=https://a.example/list.html", IndexOptions(find_links=("https://a.example/list.html",))),
        ("--no-index\n--find-links /srv/wheels", IndexOptions(no_index=True, find_links=("/srv/wheels",))),
        ("--pre", IndexOptions(pre=True)),
        ("--only-binary :all:", IndexOptions()),
    ],
)
def test_options_about_indexes_are_read(line: str, options: IndexOptions) -> None:
    assert parse(line) == RequirementsFile(roots=(), options=options)


def test_files_include_files() -> None:
    found = parse(
        "-r base.txt\ntorch\n-c pins.txt",
        base__txt="numpy\n--constraint=pins.txt\n-f wheels",
        pins__txt="numpy<2\nabsent==1\n-c more.txt",
        more__txt="\nsix==1",
    )
    assert found == RequirementsFile(
        roots=(root("numpy", 1, "base.txt"), root("torch", 2)),
        constraints=(
            root("numpy<2", 1, "pins.txt"),
            root("absent==1", 2, "pins.txt"),
            root("six==1", 2, "more.txt"),
        ),
        options=IndexOptions(find_links=("wheels",)),
    )


def test_find_links_are_relative_to_the_file_that_names_them() -> None:
    def load(path: str, including: str) -> tuple[str, str]:
        return "-f wheels\n-f file:///srv/wheels\n-f https://a.example/x.html", f"envs/{path}"

    assert requirements.parse("-r gpu.txt\n-f .", "stack.txt", load).options.find_links == (
        "envs/wheels",
        "file:///srv/wheels",
        "https://a.example/x.html",
        ".",
    )


def test_a_loader_is_told_who_includes() -> None:
    asked: list[tuple[str, str]] = []

    def load(path: str, including: str) -> tuple[str, str]:
        asked.append((path, including))
        return ("-r deeper.txt" if len(asked) == 1 else "six", f"envs/{path}")

    requirements.parse("-r a.txt", "requirements.txt", load)
    assert asked == [("a.txt", "requirements.txt"), ("deeper.txt", "envs/a.txt")]


def test_a_file_included_twice_counts_once() -> None:
    assert parse("-r a.txt\n-r a.txt", a__txt="six").roots == (root("six", 1, "a.txt"),)


def test_files_that_include_each_other_are_refused() -> None:
    error = refusal("-r a.txt", a__txt="six\n-r b.txt", b__txt="-r a.txt")
    assert str(error) == "line 1 of `b.txt`: `-r a.txt`: the files include each other: a.txt → b.txt → a.txt"


def test_environment_variables_take_their_value_from_the_argument() -> None:
    found = parse("-i https://${USER_1}@a.example", {"USER_1": "me"})
    assert found.options.index_url == "https://me@a.example"
    error = refusal("\n-i https://me:${TOKEN}@a.example/simple")
    assert str(error) == (
        "line 2 of `requirements.txt`: `-i https://a.example/simple`: the environment variable `TOKEN` is not set"
    )
    assert error.hint == "type `export TOKEN=…` before"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("-e .", "an editable install cannot be locked"),
        ("-e git+https://git.example/x", "an editable install cannot be locked"),
        ("--editable=./x", "an editable install cannot be locked"),
        ("torch -e .", "an editable install cannot be locked"),
        ("torch -e.", "an editable install cannot be locked"),
        ("torch --global-option=x", "settings of a build cannot be locked"),
        ("torch --config-settings a=b", "settings of a build cannot be locked"),
        ("torch -Ca=b", "settings of a build cannot be locked"),
        ("torch -r x.txt", "`-r` beside a requirement is not known"),
        ("--trusted-host a.example", "TLS verification is never switched off"),
        ("--no-build-isolation", "what is built is always built in isolation"),
        ("--use-feature=x", "`--use-feature` names features of pip"),
        ("--config-settings a=b", "settings of a build cannot be locked"),
        ("--global-option x", "settings of a build cannot be locked"),
        ("-x", "`-x` is not known here"),
        ("--pre=yes", "`--pre` takes no value"),
        ("--index-url", "`--index-url` needs a value"),
        ("--index-url=", "`--index-url` needs a value"),
        ("-r", "`-r` needs a value"),
        ("--pre torch", "a requirement stands behind an option"),
        ("-i 'https://a.example", "no closing quotation"),
        ("torch \\ ", "the `\\` at its end joins no line"),
        ("torch=2.5", "expected semicolon (after name with no version specifier) or end"),
        ("torch >= 2 <3", "expected comma (within version specifier), semicolon (after version specifier) or end"),
        ("-r absent.txt", "`absent.txt` does not exist"),
    ],
)
def test_a_line_that_is_not_understood_is_refused(line: str, reason: str) -> None:
    error = refusal(f"numpy\n{line}\nsix")
    assert (error.source, error.line, error.exit_code) == ("requirements.txt", 2, 1)
    assert error.reason == reason
    assert error.hint != ""


def test_the_hint_knows_the_usual_slip() -> None:
    assert refusal("torch=2.5").hint == "write `==` where you mean one version"
    assert refusal("torch 2.5").hint == (
        'write a project\'s name, such as `torch==2.5.1` or `requests[socks]>=2; sys_platform == "linux"`'
    )


def test_constraints_have_neither_extras_nor_requirements_files() -> None:
    error = refusal("-c pins.txt", pins__txt="requests[socks]<3")
    assert str(error) == "line 1 of `pins.txt`: `requests[socks]<3`: a constraint cannot have extras"
    assert error.hint == "write it without: `requests`"
    assert refusal("-c pins.txt", pins__txt="-r a.txt", a__txt="six").reason == "`-r` in a constraints file"


def test_all_bad_lines_of_all_files_are_told_together() -> None:
    with pytest.raises(Failures) as raised:
        parse("-e .\nsix\n-r a.txt\ntorch=1", a__txt="\n--trusted-host x")
    assert [(error.source, error.line) for error in raised.value.errors if isinstance(error, RequirementError)] == [
        ("requirements.txt", 1),
        ("a.txt", 2),
        ("requirements.txt", 4),
    ]
    assert raised.value.exit_code == 1


def test_an_error_shows_no_credentials_and_cannot_drive_the_terminal() -> None:
    error = refusal("torch @ https://me:p@ss@a.example/\x1b[2Jx.whl" + "x" * 300)
    assert error.reason == "it holds control characters"
    assert error.text == "torch @ https://a.example/ [2Jx.whl" + "x" * 165 + "…"
    assert "p@ss" not in repr(error)


def test_a_requirement_that_is_typed_wrongly_is_wrong_usage() -> None:
    assert requirements.requirement(" torch==2.5.1 ") == root("torch==2.5.1", 0, "command line")
    with pytest.raises(RequirementError) as raised:
        requirements.requirement("./x.whl")
    assert str(raised.value) == "command line: `./x.whl`: `x.whl` is not the name of a wheel"
    assert raised.value.exit_code == 2


def test_deep_includes_end() -> None:
    def load(path: str, including: str) -> tuple[str, str]:
        return "-r x", f"{including}x"

    with pytest.raises(RequirementError, match="files are included more than 50 deep"):
        requirements.parse("-r x", "x", load)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_utf_8_or_utf_16_with_its_mark(encoding: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    assert decode(mark + "torch # 한".encode(encoding), "a.txt") == "torch # 한"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"torch # \xff", "`a.txt` is not UTF-8 at byte 8"),
        (b"\xef\xbb\xbftorch # \xff", "`a.txt` is not UTF-8 at byte 11"),
        (b"\xff\xfet\x00o", "`a.txt` is not UTF-16 at byte 4"),
        ("torch".encode("utf-16-le"), "`a.txt` is not text at byte 1"),
        (b"PK\x03\x04\x00", "`a.txt` is not text at byte 4"),
    ],
)
def test_what_is_no_text_is_told_with_the_place(data: bytes, message: str) -> None:
    with pytest.raises(NotText) as raised:
        decode(data, "a.txt")
    assert str(raised.value) == message


PIECES = st.sampled_from(
    [
        "torch",
        "==1",
        " ",
        "\n",
        "\\\n",
        "#",
        "-r",
        "-c",
        " a",
        "-i",
        "--pre",
        "=",
        "'",
        '"',
        ";",
        "[x]",
        "@",
        "${A}",
        "(",
        "-",
        "--hash=",
        "sha256:",
        "0" * 64,
        "/",
        "\\",
        ".",
        ".whl",
        "x-1.zip",
        "https://",
        "file:",
        "git+",
        "--no-binary",
        "--require-hashes",
        ":all:",
    ]
)


@given(text=st.text() | st.lists(PIECES).map("".join), nested=st.lists(PIECES).map("".join))
def test_any_text_is_a_requirements_file_or_a_told_error(text: str, nested: str) -> None:
    def load(path: str, including: str) -> tuple[str, str]:
        return nested, f"{len(including)}{path}" if len(including) < 20 else path

    try:
        found = requirements.parse(text, "requirements.txt", load)
    except WheelhouseError as error:
        assert str(error)
    else:
        assert all(each.line >= 1 for each in (*found.roots, *found.folders, *found.constraints))
        assert all(root.requirement.url is None for root in (*found.roots, *found.constraints))
        assert all(folder.path for folder in found.folders)


@given(text=st.text() | st.lists(PIECES).map("".join))
def test_any_typed_text_is_a_requirement_or_a_told_error(text: str) -> None:
    try:
        found = requirements.asked(text)
    except RequirementError as error:
        assert str(error).startswith("command line: ")
        assert error.hint != ""
    else:
        assert (found.source, found.line) == ("command line", 0)


@given(data=st.binary())
def test_any_bytes_are_text_or_not_text(data: bytes) -> None:
    try:
        assert "\0" not in decode(data, "a.txt")
    except NotText as error:
        assert 0 <= error.offset <= len(data)
