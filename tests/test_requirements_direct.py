"""Direct references: each form of a wheel, an sdist and a folder by URL or path, and each that is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.requirements import Requirement

from wheelhouse import requirements
from wheelhouse.digests import Digest
from wheelhouse.requirements import LocalProject, RequirementError, RequirementsFile, Root, asked

A, B = "a" * 64, "b" * 64
WHEEL = "torch-2.5.1-cp310-cp310-linux_x86_64.whl"


def parse(text: str, *, environ: Mapping[str, str] | None = None, constraint: bool = False) -> RequirementsFile:
    def load(path: str, including: str) -> tuple[str, str]:
        return text, path

    if constraint:
        return requirements.parse("-c pins.txt", "requirements.txt", load, environ=environ)
    return requirements.parse(text, "requirements.txt", load, environ=environ)


def refusal(text: str, *, constraint: bool = False) -> RequirementError:
    with pytest.raises(RequirementError) as raised:
        parse(text, constraint=constraint)
    return raised.value


def root(text: str, direct: str, *hashes: str) -> Root:
    digests = tuple(Digest(each) for each in hashes)
    return Root(requirement=Requirement(text), source="requirements.txt", line=1, direct=direct, hashes=digests)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # behind a name
        (f"torch @ https://a.example/{WHEEL}", root("torch", f"https://a.example/{WHEEL}")),
        (f"torch@https://a.example/{WHEEL}", root("torch", f"https://a.example/{WHEEL}")),
        (f"Torch[a,b] @ file:///srv/{WHEEL}", root("Torch[a,b]", f"file:///srv/{WHEEL}")),
        (f"torch [a] @ file://localhost/{WHEEL}", root("torch[a]", f"file://localhost/{WHEEL}")),
        (f"torch @ ./{WHEEL}", root("torch", f"./{WHEEL}")),
        (f"torch @ {WHEEL}", root("torch", WHEEL)),
        (f"torch[a] @ C:\\wheels\\{WHEEL}", root("torch[a]", f"C:\\wheels\\{WHEEL}")),
        # alone: the name is the file's
        (f"https://a.example/{WHEEL}", root("torch", f"https://a.example/{WHEEL}")),
        (f"http://a.example:8080/{WHEEL}", root("torch", f"http://a.example:8080/{WHEEL}")),
        (f"https://a.example/{WHEEL}?token=1", root("torch", f"https://a.example/{WHEEL}?token=1")),
        ("https://a.example/torch-2.5.1%2Bcu121-py3-none-any.whl", root("torch", "https://a.example/torch-2.5.1%2Bcu121-py3-none-any.whl")),
        (f"file:///srv/{WHEEL}", root("torch", f"file:///srv/{WHEEL}")),
        (f"file:./my%20wheels/{WHEEL}", root("torch", f"./my wheels/{WHEEL}")),
        (f"./{WHEEL}", root("torch", f"./{WHEEL}")),
        (f"../{WHEEL}", root("torch", f"../{WHEEL}")),
        (f"/srv/{WHEEL}", root("torch", f"/srv/{WHEEL}")),
        (f"wheels/{WHEEL}", root("torch", f"wheels/{WHEEL}")),
        (f"./my wheels/{WHEEL}", root("torch", f"./my wheels/{WHEEL}")),
        (f".\\{WHEEL}", root("torch", f".\\{WHEEL}")),
        (f"C:\\wheels\\{WHEEL}", root("torch", f"C:\\wheels\\{WHEEL}")),
        (f"C:/wheels/{WHEEL}", root("torch", f"C:/wheels/{WHEEL}")),
        (WHEEL, root("torch", WHEEL)),
        ("Foo_Bar.Baz-1-py3-none-any.whl", root("foo-bar-baz", "Foo_Bar.Baz-1-py3-none-any.whl")),
        # extras
        (f"./{WHEEL}[a]", root("torch[a]", f"./{WHEEL}")),
        (f"{WHEEL}[a, b]", root("torch[a,b]", WHEEL)),
        (f"https://a.example/{WHEEL}[a]", root("torch[a]", f"https://a.example/{WHEEL}")),
        # markers: a blank ends a URL, nothing need end a path
        (f'./{WHEEL};os_name=="nt"', root('torch; os_name == "nt"', f"./{WHEEL}")),
        (f'./{WHEEL}[a] ; os_name == "nt"', root('torch[a]; os_name == "nt"', f"./{WHEEL}")),
        (f'https://a.example/{WHEEL} ;os_name=="nt"', root('torch; os_name == "nt"', f"https://a.example/{WHEEL}")),
        (f'https://a.example/{WHEEL}; os_name=="nt"', root('torch; os_name == "nt"', f"https://a.example/{WHEEL}")),
        (f'torch @ file:///srv/{WHEEL} ; os_name == "nt"', root('torch; os_name == "nt"', f"file:///srv/{WHEEL}")),
        # hashes
        (f"https://a.example/{WHEEL}#sha256={A}", root("torch", f"https://a.example/{WHEEL}", A)),
        (f"torch @ https://a.example/{WHEEL}#sha256={A.upper()}", root("torch", f"https://a.example/{WHEEL}", A)),
        (f"./{WHEEL}#sha256={A}", root("torch", f"./{WHEEL}", A)),
        (f"./{WHEEL}[a]#sha256={A}", root("torch[a]", f"./{WHEEL}", A)),
        (f"https://a.example/{WHEEL}#md5=00&sha256={A}", root("torch", f"https://a.example/{WHEEL}", A)),
        (f"./{WHEEL} --hash=sha256:{B}", root("torch", f"./{WHEEL}", B)),
        (f"./{WHEEL}#sha256={A} --hash=sha256:{B} --hash=sha256:{A}", root("torch", f"./{WHEEL}", B, A)),
        # sdists
        ("./docopt-0.6.2.tar.gz", root("docopt", "./docopt-0.6.2.tar.gz")),
        ("docopt-0.6.2.zip[a]", root("docopt[a]", "docopt-0.6.2.zip")),
        ("my-project-1.0.tar.gz", root("my-project", "my-project-1.0.tar.gz")),
        (f"https://a.example/x-0.6.2.tar.gz#sha256={A}", root("x", "https://a.example/x-0.6.2.tar.gz", A)),
        ("docopt @ https://git.example/docopt/archive/v1.zip", root("docopt", "https://git.example/docopt/archive/v1.zip")),
        ("https://git.example/v1.zip#egg=docopt[a]", root("docopt[a]", "https://git.example/v1.zip")),
        # a folder with its name
        ("demo @ ./demo", root("demo", "./demo")),
        ("demo[a] @ file:///srv/demo/", root("demo[a]", "file:///srv/demo/")),
    ],
)  # fmt: skip
def test_a_file_is_asked_for_by_its_url_or_path(line: str, expected: Root) -> None:
    assert parse(line) == RequirementsFile(roots=(expected,))


@pytest.mark.parametrize(
    ("line", "path", "extras", "marker"),
    [
        (".", ".", "", ""),
        ("..", "..", "", ""),
        ("./", "./", "", ""),
        (".[dev]", ".", "dev", ""),
        ("./demo", "./demo", "", ""),
        ("./demo[dev,gpu]", "./demo", "dev gpu", ""),
        ("../demo ; os_name == 'nt'", "../demo", "", 'os_name == "nt"'),
        ("/srv/demo", "/srv/demo", "", ""),
        ("libs/demo", "libs/demo", "", ""),
        ("C:\\demo", "C:\\demo", "", ""),
        ("file:///srv/demo", "file:///srv/demo", "", ""),
    ],
)
def test_a_folder_is_asked_for_without_a_name(line: str, path: str, extras: str, marker: str) -> None:
    project = LocalProject(
        path=path,
        source="requirements.txt",
        line=1,
        extras=frozenset(extras.split()),
        marker=Marker(marker) if marker else None,
    )
    assert parse(line) == RequirementsFile(roots=(), folders=(project,))


def test_files_and_folders_stand_among_the_others_with_their_lines() -> None:
    found = parse(f"six\n./{WHEEL}\n.\nrequests")
    assert [(str(each.requirement), each.line) for each in found.roots] == [("six", 1), ("torch", 2), ("requests", 4)]
    assert [(each.path, each.line) for each in found.folders] == [(".", 3)]


def test_the_command_line_takes_the_same_forms() -> None:
    assert asked(f" ./{WHEEL}[a] ") == Root(
        requirement=Requirement("torch[a]"), source="command line", line=0, direct=f"./{WHEEL}"
    )
    assert asked(f"torch --hash=sha256:{A}").hashes == (Digest(A),)  # type: ignore[union-attr]
    assert asked(".[dev]") == LocalProject(path=".", source="command line", line=0, extras=frozenset({"dev"}))
    assert asked("C:\\demo\\") == LocalProject(path="C:\\demo\\", source="command line", line=0)
    assert requirements.requirement("demo @ ./demo").direct == "./demo"


def test_who_needs_a_name_refuses_a_folder_without_one() -> None:
    with pytest.raises(RequirementError) as raised:
        requirements.requirement("./demo")
    assert str(raised.value) == "command line: `./demo`: a folder does not tell its name here"
    assert raised.value.hint == "write `NAME @ ./demo`"


def test_environment_variables_stand_anywhere_in_a_reference() -> None:
    found = parse(
        f"torch @ https://me:${{TOKEN}}@a.example/{WHEEL}#sha256=${{HASH}}\n${{ROOT}}/{WHEEL}\n${{ROOT}}/demo",
        environ={"TOKEN": "s3cret", "HASH": A, "ROOT": "/srv"},
    )
    assert [each.direct for each in found.roots] == [f"https://me:s3cret@a.example/{WHEEL}", f"/srv/{WHEEL}"]
    assert found.roots[0].hashes == (Digest(A),)
    assert found.folders[0].path == "/srv/demo"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("git+https://git.example/x.git@main#egg=x", "a repository cannot be locked: what it holds may change"),
        ("x @ git+ssh://git@git.example/x.git", "a repository cannot be locked: what it holds may change"),
        ("hg+https://hg.example/x", "a repository cannot be locked: what it holds may change"),
        ("svn+svn://svn.example/x", "a repository cannot be locked: what it holds may change"),
        ("bzr+https://bzr.example/x", "a repository cannot be locked: what it holds may change"),
        ("git://git.example/x.git", "a repository cannot be locked: what it holds may change"),
        ("git@git.example:me/x.git", "a repository cannot be locked: what it holds may change"),
        ("s3://bucket/x-1-py3-none-any.whl", "`s3` URLs are not followed"),
        ("x @ ftp://a.example/x-1-py3-none-any.whl", "`ftp` URLs are not followed"),
        ("https://a.example/x", "the URL ends as no wheel and no sdist does: "
         "`.whl`, `.tar.gz`, `.zip`, `.tgz`, `.tar.bz2`, `.tar.xz`"),
        ("https://a.example/my x-1-py3-none-any.whl", "there is a blank in the URL"),
        ("https:///x-1-py3-none-any.whl", "the URL cannot be read"),
        ("https://a.example:0/x-1-py3-none-any.whl", "the URL cannot be read"),
        ("https://[::1/x-1-py3-none-any.whl", "the URL cannot be read"),
        ("https://a.example/%ff-1-py3-none-any.whl", "the URL cannot be read"),
        ("https://a.example/%00x-1-py3-none-any.whl", "the URL cannot be read"),
        ("file://wheels/x-1-py3-none-any.whl", "the URL cannot be read"),
        ("file:///srv/%00/x-1-py3-none-any.whl", "the URL cannot be read"),
        ("file:", "the URL cannot be read"),
        ("./x.whl", "`x.whl` is not the name of a wheel"),
        ("y @ ./x-1-py3-none-any.whl", "`x-1-py3-none-any.whl` is a wheel of `x`, not of `y`"),
        ("https://a.example/v1.0.tar.gz", "`v1.0.tar.gz` does not tell which project it is"),
        ("한-1-py3-none-any.whl", "`한-1-py3-none-any.whl` is not the name of a wheel"),
        (":-0.ZIP", "`:-0.ZIP` does not tell which project it is"),
        ("x==1.zip", "`x==1.zip` does not tell which project it is"),
        ("x>=1 @ https://a.example/x-1-py3-none-any.whl", "it is neither a URL nor a path"),
        ("x @ 1.0", "what stands behind the `@` is neither a URL nor a path"),
        ("x @", "what stands behind the `@` is neither a URL nor a path"),
        ("x[a b] @ ./x-1-py3-none-any.whl", "its name or its extras cannot be read"),
        ("./x-1-py3-none-any.whl; os_name=1", "the marker behind the `;` cannot be read"),
        ("~/x-1-py3-none-any.whl", "`~` means a home folder to a shell only"),
        ("./" + "x" * 300, "its file name is too long"),
        ("./x\x00-1-py3-none-any.whl", "it holds control characters"),
        (f"./demo --hash=sha256:{A}", "a folder has no hash"),
        (f"demo @ file:///srv/demo#sha256={A}", "a folder has no hash"),
        ("./x-1-py3-none-any.whl#sha256=00", "`sha256:00` is no SHA-256 hash: these have 64 hexadecimal digits"),
        ("./x-1-py3-none-any.whl#md5=00", "`md5` cannot be compared: the pages of an index give SHA-256 only"),
        ("./x-1-py3-none-any.whl#sha257=00", "what stands behind the `#` is not known"),
        ("https://a.example/x-1.zip#subdirectory=y", "a project within a folder of an archive is not supported"),
        ("file:///srv/demo#egg=", "its name or its extras cannot be read"),
        ("https://a.example/x-1.zip#egg=x==1", "`#egg=` holds more than a name"),
    ],
)  # fmt: skip
def test_a_reference_that_cannot_be_meant_is_refused(line: str, reason: str) -> None:
    error = refusal(f"six\n{line}")
    assert (error.line, error.reason) == (2, reason)
    assert error.hint != ""


def test_the_hint_for_a_repository_names_both_ways_out() -> None:
    assert refusal("git+https://git.example/x.git").hint == (
        "give an archive of that revision, `NAME @ https://…/NAME-1.0.tar.gz`, with `--from-sdist NAME`; or"
        " build a wheel of it, put it in a folder and name that with `--find-links`; ask for the project by its name"
    )


def test_a_marker_that_the_url_swallowed_is_told() -> None:
    assert refusal(f'https://a.example/{WHEEL};os_name=="nt"').hint == (
        'a marker is such as `; sys_platform == "linux"`, behind a blank where a URL comes before it'
    )


@pytest.mark.parametrize("line", [f"torch @ https://a.example/{WHEEL}", f"./{WHEEL}", ".", "demo @ ./demo"])
def test_a_constraint_names_no_file_or_folder(line: str) -> None:
    error = refusal(line, constraint=True)
    assert str(error) == f"line 1 of `pins.txt`: `{line}`: a constraint cannot name a file or folder"


@pytest.mark.parametrize(
    "line",
    [
        "https://me:s3cret@a.example/x",
        "https://s3cret@a.example/x",
        "https://me:s3cret/s3cret@a.example/x.whl",
        "https:me:s3cret@a.example/x.whl",
        "https:/me:s3cret@a.example/x.whl",
        "x @ https://me:s3cret@a.example/y-1-py3-none-any.whl",
        "git+https://s3cret@git.example/x.git",
        "x @ git+https://me:s3cret@git.example/x.git",
        "file://me:s3cret@a.example/x-1-py3-none-any.whl",
        "x @ ftp://me:s3cret@a.example/x-1-py3-none-any.whl",
        "x>=1 @ https://me:s3cret@a.example/x-1-py3-none-any.whl",
        "https://me:s3cret@a.example/x-1-py3-none-any.whl y",
        "https://me:s3cret@a.example/x-1-py3-none-any.whl --hash=md5:0",
        "https://a.example/x?signature=s3cret",
        f"./x.whl {'x' * 1900} https://me:s3cret{'x' * 300}@a.example/x",
    ],
)
def test_a_refused_url_keeps_its_secrets(line: str) -> None:
    error = refusal(line)
    assert "s3cret" not in repr((str(error), error, error.hint, error.__cause__))


def test_a_long_line_is_refused_without_its_unfinished_word() -> None:
    assert refusal(f"x {'y' * 3000}").text == "x …"


@given(
    name=st.sampled_from(["", "x @ ", "x[a]@"]),
    place=st.sampled_from(["https://a.example/", "file:///", "./", "C:\\", ""]),
    file=st.sampled_from(["x-1-py3-none-any.whl", "x-1.tar.gz", "x-1.zip"]),
    marker=st.sampled_from(["", ' ; os_name == "nt"']),
    hashes=st.sets(st.sampled_from([A, B])),
)
def test_each_part_of_a_reference_is_read_beside_each_other(
    name: str, place: str, file: str, marker: str, hashes: set[str]
) -> None:
    found = parse(name + place + file + marker + "".join(f" --hash=sha256:{each}" for each in sorted(hashes))).roots[0]
    extras = "[a]" if "[" in name else ""
    assert found == root(f"x{extras}{marker}", place + file, *sorted(hashes))
