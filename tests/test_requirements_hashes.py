"""Hashes beside requirements, `--require-hashes`, and which projects may come as wheels."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from wheelhouse import requirements
from wheelhouse.digests import Digest
from wheelhouse.errors import Failures
from wheelhouse.requirements import IndexOptions, RequirementError, RequirementsFile, Root

A, B = "a" * 64, "b" * 64


def parse(text: str, included: str = "") -> RequirementsFile:
    return requirements.parse(text, "requirements.txt", lambda path, including: (included, path), environ={"HASH": A})


def refusal(text: str, included: str = "") -> RequirementError:
    with pytest.raises(RequirementError) as raised:
        parse(text, included)
    return raised.value


@pytest.mark.parametrize(
    ("text", "hashes"),
    [
        (f"torch==1 --hash=sha256:{A}", [A]),
        (f"torch==1 --hash sha256:{A}", [A]),
        (f"torch==1 --hash 'sha256:{A.upper()}'", [A]),
        (f"torch==1 \\\n    --hash=sha256:{B} \\\n    --hash=sha256:{A}", [B, A]),
        (f"torch==1 \\\n\t--hash=sha256:{A}", [A]),
        (f"torch==1 --hash=sha256:{A} --hash=sha256:{A}  # once", [A]),
        (f"torch==1 --hash=sha512:00 --hash=sha256:{A} --hash=sha384:00", [A]),
        ("torch==1 --hash=sha256:${HASH}", [A]),
    ],
)
def test_the_hashes_beside_a_requirement_are_its_own(text: str, hashes: list[str]) -> None:
    digests = tuple(Digest(each) for each in hashes)
    torch = Root(requirement=Requirement("torch==1"), source="requirements.txt", line=1, hashes=digests)
    assert parse(text) == RequirementsFile(roots=(torch,))


def test_a_marker_stands_before_the_hashes() -> None:
    found = parse(f'torch==1 ; os_name == "nt" --hash=sha256:{A}').roots[0]
    assert (found.requirement, found.hashes) == (Requirement('torch==1; os_name == "nt"'), (Digest(A),))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("torch --hash=sha512:00", "`sha512` cannot be compared: the pages of an index give SHA-256 only"),
        ("torch --hash=SHA384:00", "`sha384` cannot be compared: the pages of an index give SHA-256 only"),
        ("torch --hash=sha256:00", "`sha256:00` is no SHA-256 hash: these have 64 hexadecimal digits"),
        (f"torch --hash=sha256:{A} --hash=sha256:", "`sha256:` is no SHA-256 hash: these have 64 hexadecimal digits"),
        (f"torch --hash=sha256:{A} --hash=sha25:{A}", f"`sha25:{A}` is no hash"),
        (f"torch --hash={A}", f"`{A}` is no hash"),
        ("torch --hash", "`` is no hash"),
        (f"torch --hash=sha256:{A} six", "something stands behind the options of a requirement"),
        (f"torch --hash=sha256:{A} --pre", "`--pre` beside a requirement is not known"),
        ("torch --hash='sha256:", "no closing quotation"),
        (f"--hash=sha256:{A}", "`--hash` stands behind a requirement"),
    ],
)
def test_a_hash_that_cannot_be_checked_is_refused(line: str, reason: str) -> None:
    error = refusal(f"six\n{line}")
    assert (error.source, error.line, error.reason) == ("requirements.txt", 2, reason)
    assert error.hint != ""


def test_a_constraint_has_no_hashes() -> None:
    error = refusal("-c pins.txt", included=f"six\ntorch==1 --hash=sha256:{A}")
    assert (error.source, error.line, error.reason) == ("pins.txt", 2, "a constraint cannot have hashes")


def test_a_file_named_as_constraints_holds_nothing_else() -> None:
    def load(path: str, including: str) -> tuple[str, str]:
        raise AssertionError(path)

    found = requirements.parse("six<2", "pins.txt", load, constraint=True)
    assert found == RequirementsFile(
        roots=(), constraints=(Root(requirement=Requirement("six<2"), source="pins.txt", line=1),)
    )
    with pytest.raises(RequirementError, match="a constraint cannot name a file or folder"):
        requirements.parse("six @ ./six", "pins.txt", load, constraint=True)


def test_require_hashes_demands_one_of_each_line_of_all_files() -> None:
    hashed = f"six --hash=sha256:{A}\nhttps://a.example/x-1-py3-none-any.whl#sha256={A}\n"
    assert [str(each.requirement) for each in parse(f"{hashed}--require-hashes").roots] == ["six", "x"]
    with pytest.raises(Failures) as raised:
        parse(f"{hashed}-r base.txt\ntorch==1\n./demo", included="--require-hashes\nnumpy")
    assert [str(error) for error in raised.value.errors] == [
        "line 2 of `base.txt`: `numpy`: it has no `--hash`, and `--require-hashes` demands one",
        "line 4 of `requirements.txt`: `torch==1`: it has no `--hash`, and `--require-hashes` demands one",
        "line 5 of `requirements.txt`: `./demo`: a folder has no hash, and `--require-hashes` demands one",
    ]
    assert raised.value.errors[0].hint == (
        "write `--hash=sha256:…` behind it (`pip hash FILE`), or remove `--require-hashes`"
    )


def test_require_hashes_demands_none_of_constraints() -> None:
    assert len(parse("--require-hashes\n-c pins.txt", included="six<2").constraints) == 1


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("--no-binary Foo.Bar", ("foo-bar",)),
        ("--no-binary=b,a\n--no-binary c --no-binary b", ("b", "a", "c")),
        ("--no-binary a\n--no-binary :none:", ()),
        ("--no-binary a,:none:,b", ("b",)),
        # pip: the last word about a project counts
        ("--no-binary a,b --only-binary A", ("b",)),
        ("--no-binary a,b\n--only-binary :all:", ()),
        ("--no-binary a\n--only-binary :none:", ("a",)),
        ("--only-binary a\n--no-binary a", ("a",)),
        ("--only-binary a,b\n--prefer-binary", ()),
    ],
)
def test_projects_whose_wheels_do_not_count(text: str, names: tuple[str, ...]) -> None:
    assert parse(text) == RequirementsFile(roots=(), options=IndexOptions(no_binary=names))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--no-binary :all:", "wheels of every project would be passed over, those that build the others too"),
        ("--no-binary a,:all:", "wheels of every project would be passed over, those that build the others too"),
        ("--no-binary a,", "`` is no project's name"),
        ("--no-binary a==1", "`a==1` is no project's name"),
        ("--only-binary a==1", "`a==1` is no project's name"),
        ("--no-binary", "`--no-binary` needs a value"),
        ("--prefer-binary=a", "`--prefer-binary` takes no value"),
        ("--require-hashes=a", "`--require-hashes` takes no value"),
    ],
)
def test_a_choice_of_files_that_cannot_be_meant_is_refused(line: str, reason: str) -> None:
    error = refusal(f"six\n{line}")
    assert (error.line, error.reason) == (2, reason)
    assert error.hint != ""
