"""What `pyproject.toml` and scripts ask for: each requirement with the line that it stands in."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from wheelhouse import projects
from wheelhouse.errors import Failures, WheelhouseError
from wheelhouse.projects import BadProject, ProjectInputs
from wheelhouse.requirements import Root

PROJECT = """\
[build-system]
requires = ["hatchling"]

[project]
name = "My.Demo"
version = "0.1"
requires-python = ">=3.10,<3.13"
dependencies = [
  "torch==2.1.2",  # the GPU's
  'requests[socks]>=2; sys_platform == "linux"',
  "fast @ https://example.org/fast-1.0-py3-none-any.whl",
]

[project.optional-dependencies]
plot = ["matplotlib"]
All_Of = ["my-demo[plot]", "tqdm"]
cold = ["my_demo[plot]; python_version < '3.12'"]

[dependency-groups]
lint = ["ruff", "torch==2.1.2"]
dev = ["pytest", {include-group = "lint"}, "My-Demo[cold]"]
"""


NO_SPECIFIER = "`project.requires-python` is no version specifier such as `>=3.10`"


def read(
    text: str, *, extras: Collection[str] = (), groups: Collection[str] = (), all_extras: bool = False
) -> ProjectInputs:
    return projects.read(text, "pyproject.toml", extras=extras, groups=groups, all_extras=all_extras)


def asked(inputs: ProjectInputs) -> list[tuple[str, int]]:
    return [(str(root.requirement), root.line) for root in inputs.roots]


def refusal(text: str, **chosen: Collection[str]) -> str:
    with pytest.raises(BadProject) as raised:
        read(text, **chosen)  # type: ignore[arg-type]
    return str(raised.value)


def test_a_project_asks_for_its_dependencies_with_their_lines() -> None:
    inputs = read(PROJECT)
    assert inputs == ProjectInputs(
        roots=(
            Root(requirement=Requirement("torch==2.1.2"), source="pyproject.toml", line=9),
            Root(
                requirement=Requirement('requests[socks]>=2; sys_platform == "linux"'), source="pyproject.toml", line=10
            ),
            Root(
                requirement=Requirement("fast @ https://example.org/fast-1.0-py3-none-any.whl"),
                source="pyproject.toml",
                line=11,
            ),
        ),
        requires_python=SpecifierSet(">=3.10,<3.13"),
    )


def test_extras_follow_their_dependencies_and_the_projects_own_name_stands_for_extras() -> None:
    assert asked(read(PROJECT, extras=["plot"]))[3:] == [("matplotlib", 15)]
    assert asked(read(PROJECT, extras=["all.of"]))[3:] == [("matplotlib", 15), ("tqdm", 16)]
    assert asked(read(PROJECT, extras=["cold"]))[3:] == [('matplotlib; python_version < "3.12"', 15)]
    assert asked(read(PROJECT, all_extras=True))[3:] == [
        ("matplotlib", 15),
        ("tqdm", 16),
        ('matplotlib; python_version < "3.12"', 15),
    ]


def test_groups_include_groups_and_extras_of_the_project() -> None:
    assert asked(read(PROJECT, groups=["dev"]))[3:] == [
        ("pytest", 21),
        ("ruff", 20),
        ("torch==2.1.2", 20),
        ('matplotlib; python_version < "3.12"', 15),
    ]


def test_groups_count_without_a_project() -> None:
    text = '[dependency-groups]\ndev = ["six"]\n'
    assert read(text, groups=["DEV"]) == ProjectInputs(
        roots=(Root(requirement=Requirement("six"), source="pyproject.toml", line=2),), requires_python=None
    )
    with pytest.raises(BadProject) as raised:
        read(text)
    assert (str(raised.value), raised.value.hint) == (
        "`pyproject.toml`: `project` is missing",
        "name a dependency group: `--group NAME`",
    )


def test_extras_that_name_each_other_end() -> None:
    text = '[project]\nname = "a"\n[project.optional-dependencies]\n'
    text += "one = [\"a[two]; os_name == 'posix'\", 'x']\ntwo = [\"a[one]; os_name == 'nt'\", 'y']\n"
    assert asked(read(text, extras=["one"])) == [('y; os_name == "posix"', 5), ("x", 4)]


def test_a_marker_of_the_project_joins_the_one_of_the_requirement() -> None:
    text = '[project]\nname = "a"\n[project.optional-dependencies]\n'
    text += "one = [\"a[two]; os_name == 'posix'\"]\ntwo = [\"y; python_version < '3.9' or extra == 'z'\"]\n"
    assert asked(read(text, extras=["one"])) == [
        ('y; os_name == "posix" and (python_version < "3.9" or extra == "z")', 5)
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('project.name = "a"\nproject.dependencies = [\n\n"six"]', 4),
        ('[project]\ndependencies = ["six ; os_name == \\"posix\\""]', 2),
        ('[project]\nname = "six-user"\ndescription = "six"\ndependencies = ["six"]', 4),
        ('[project]\ndependencies = [\n"""\nsix"""]', 1),  # it cannot be found in the text
    ],
)
def test_a_line_is_found_however_it_is_written(text: str, line: int) -> None:
    assert [root.line for root in read(text).roots] == [line]


def test_settings_of_other_tools_are_named() -> None:
    text = '[project]\n[tool.uv]\nindex-url = "https://e.org"\n[tool.uv.sources]\ntorch = {index = "x"}\n[tool.ruff]\n'
    text += '[[tool.pdm.source]]\nurl = "https://e.org"\n'
    assert read(text).ignored == ("tool.uv.index-url", "tool.uv.sources", "tool.pdm.source")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("=", "`pyproject.toml` is no TOML: Invalid statement (at line 1, column 1)"),
        ("", "`pyproject.toml`: `project` is missing"),
        ("project = 1", "`pyproject.toml`: `project` must be a table"),
        ('[project]\ndependencies = "x"', "`pyproject.toml`: `project.dependencies` must be an array of strings"),
        ("[project]\nrequires-python = 3", f"`pyproject.toml`: {NO_SPECIFIER}"),
        ('[project]\nrequires-python = "3"', f"`pyproject.toml`: {NO_SPECIFIER}"),
        (
            '[project]\ndynamic = ["dependencies"]',
            "`pyproject.toml`: `project.dependencies` is dynamic: only the build backend knows it",
        ),
        (
            '[project]\ndependencies = ["six", "torch=2"]',
            "`pyproject.toml`: `project.dependencies[1]` is no requirement: "
            "expected semicolon (after name with no version specifier) or end",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_key(text: str, sentence: str) -> None:
    assert refusal(text) == sentence


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"extras": ["x"]}, "`project.optional-dependencies` has no extra `x`"),
        (
            {"extras": ["self"]},
            "`project.optional-dependencies.self[0]` names the extra `gone`, which the project does not have",
        ),
        ({"groups": ["x"]}, "`dependency-groups` has no group `x`"),
        (
            {"groups": ["loop"]},
            "`dependency-groups.loop` cannot be read: "
            "cyclic dependency group include while resolving loop: loop includes itself",
        ),
        ({"groups": ["lost"]}, "`dependency-groups.lost` cannot be read: dependency group 'gone' not found"),
        (
            {"groups": ["word"]},
            "`dependency-groups.word` cannot be read: dependency group 'word' contained a string rather than a list",
        ),
    ],
)
def test_an_extra_or_group_that_cannot_be_had_is_told(chosen: dict[str, Collection[str]], sentence: str) -> None:
    text = '[project]\nname = "a"\n[project.optional-dependencies]\nself = ["a[gone]"]\n[dependency-groups]\n'
    text += 'loop = [{include-group = "loop"}]\nlost = [{include-group = "gone"}]\nword = "six"\n'
    assert refusal(text, **chosen) == f"`pyproject.toml`: {sentence}"


def test_dynamic_dependencies_come_with_a_way_out() -> None:
    with pytest.raises(BadProject) as raised:
        read('[project]\ndynamic = ["optional-dependencies"]', extras=["x"])
    assert "uv export --format pylock.toml" in raised.value.hint
    with pytest.raises(BadProject) as raised:
        read("[tool.poetry.dependencies]")
    assert "poetry export" in raised.value.hint


def test_all_errors_are_told_together() -> None:
    with pytest.raises(Failures) as raised:
        read('[project]\nrequires-python = "x"\ndependencies = ["a b", "c d"]')
    assert [error.key for error in raised.value.errors if isinstance(error, BadProject)] == [
        "project.dependencies[0]",
        "project.dependencies[1]",
        "project.requires-python",
    ]


# scripts

SCRIPT = """\
#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "requests<3",
#
#   "rich",
# ]
#
# [tool.uv]
# index-url = "https://example.org"
# ///
import requests
"""


def test_a_script_asks_for_what_its_block_says() -> None:
    assert projects.script(SCRIPT, "job.py") == ProjectInputs(
        roots=(
            Root(requirement=Requirement("requests<3"), source="job.py", line=5),
            Root(requirement=Requirement("rich"), source="job.py", line=7),
        ),
        requires_python=SpecifierSet(">=3.11"),
        ignored=("tool.uv.index-url",),
    )
    assert projects.script(SCRIPT.replace("\n", "\r\n"), "job.py") == projects.script(SCRIPT, "job.py")


def test_a_block_ends_at_the_last_closing_line_of_its_comments() -> None:
    text = '# /// script\n# dependencies = ["six"]\n# # ///\n# ///\n'
    assert [str(root.requirement) for root in projects.script(text, "job.py").roots] == ["six"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import six\n", "`job.py` has no `# /// script` block that says what it needs (PEP 723)"),
        (
            "# /// script\n# dependencies = []\n",
            "`job.py` has no `# /// script` block that says what it needs (PEP 723)",
        ),
        ("# /// other\n# ///\n", "`job.py` has no `# /// script` block that says what it needs (PEP 723)"),
        ("# /// script\n# ///\n\n# /// script\n# ///\n", "`job.py` has more than one `# /// script` block"),
        ("# /// script\n# dependencies = 1\n# ///\n", "`job.py`: `dependencies` must be an array of strings"),
        ("# /// script\n# =\n# ///\n", "`job.py` is no TOML: Invalid statement (at line 1, column 1)"),
    ],
)
def test_a_script_without_a_good_block_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadProject) as raised:
        projects.script(text, "job.py")
    assert str(raised.value) == sentence


_WORDS = st.sampled_from(
    ["a", "a[one]", "a[two]", "six", "x y", "", "six @ https://e.org/x", "a[one]; os_name == 'x'", "six; extra == 'x'"]
)
_LISTS = st.lists(_WORDS, max_size=3).map(lambda words: "[" + ", ".join(f'"{each}"' for each in words) + "]")
_VALUES = st.one_of(
    _LISTS, st.sampled_from(["1", '"x"', "{}", "[1]", '[{include-group = "one"}]', '[{x = "one"}]', "[[]]"])
)


@given(_VALUES, _VALUES, _VALUES, _VALUES, _VALUES)
def test_no_project_ends_in_anything_but_our_errors(a: str, b: str, c: str, d: str, e: str) -> None:
    text = f'[project]\nname = "a"\ndependencies = {a}\n[project.optional-dependencies]\none = {b}\ntwo = {c}\n'
    text += f"[dependency-groups]\none = {d}\ntwo = {e}\n"
    try:
        read(text, all_extras=True, groups=["one", "two"])
    except WheelhouseError as error:
        assert str(error)


@given(st.text(max_size=40))
def test_no_text_ends_in_anything_but_our_errors(text: str) -> None:
    for function in (read, lambda each: projects.script(f"# /// script\n# {each}\n# ///\n", "job.py")):
        try:
            function(text)
        except WheelhouseError as error:
            assert str(error)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000])
def test_text_that_breaks_a_reader_is_no_project(text: str) -> None:
    assert refusal(text).startswith("`pyproject.toml` is no TOML")


def test_groups_and_extras_nested_without_end_are_errors() -> None:
    names = range(3000)
    groups = "\n".join(f'g{at} = [{{include-group = "g{at + 1}"}}]' for at in names)
    assert refusal(f"[dependency-groups]\n{groups}", groups=["g0"]).startswith(
        "`pyproject.toml`: `dependency-groups.g0`"
    )
    extras = "\n".join(f'e{at} = ["a[e{at + 1}]"]' for at in names)
    text = f'[project]\nname = "a"\n[project.optional-dependencies]\n{extras}'
    assert refusal(text, extras=["e0"]).endswith("is an extra within 30 others")
