"""Indexes of every kind, seen from the command line: their forms, their faults, their passwords, and the cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import (
    FakeIndex,
    FakeProxy,
    Fault,
    Redirect,
    Replace,
    Request,
    Reset,
    Response,
    Stall,
    Status,
    build_wheel,
    fake_pytorch,
    pip_wheel,
)
from world.project import CLOSED, Project

LABEL = "linux-x86_64-py310"
TARGET = ("--target", LABEL)
LOCKED = f"locked 2 packages for `{LABEL}` in `lockfiles/pylock.{LABEL}.toml`\n"
AGAIN = "hint: run the same command again: what was fetched is kept\n"


def fill(index: FakeIndex, **how: object) -> FakeIndex:
    index.add(build_wheel("app", "1.0", requires=["lib"]), **how)  # type: ignore[arg-type]
    index.add(build_wheel("lib", "1.0"), **how)  # type: ignore[arg-type]
    index.add(pip_wheel())
    return index


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    fill(index)
    return Project(tmp_path, index)


@pytest.fixture
def guarded() -> Iterator[FakeIndex]:
    """An index that wants a name and a password."""
    with FakeIndex(auth=("user", "s3cr3t-word")) as index:
        yield fill(index)


def without_addresses(project: Project, folder: str = "lockfiles") -> str:
    return project.shown(project.path(LABEL, folder).read_text("utf-8"))


# Forms


@pytest.mark.parametrize("form", ["json", "html", "html-only", "both"])
@pytest.mark.parametrize("metadata", ["core", "dist-info", "both", False])
def test_every_form_of_page_and_metadata_gives_the_same_lock_but_for_the_times_that_html_cannot_tell(
    tmp_path: Path, form: str, metadata: str | bool
) -> None:
    with FakeIndex(form=form, links="relative") as index:  # type: ignore[arg-type]
        project = Project(tmp_path, fill(index, metadata=metadata))
        assert project.lock("app", *TARGET).err == LOCKED
    text = without_addresses(project)
    with FakeIndex() as index:
        other = Project(tmp_path / "other", fill(index))
        other.folder.mkdir()
        assert other.lock("app", *TARGET).code == 0
    told = without_addresses(other)
    assert told.count("\nupload-time = 2024-01-01T00:00:00Z\n") == 2 + 1  # two pins, and pip
    expected = told if form in ("json", "both") else told.replace("upload-time = 2024-01-01T00:00:00Z\n", "")
    assert text.partition("inputs")[0] == expected.partition("inputs")[0]


def test_metadata_files_are_read_and_of_wheels_the_end(project: Project, index: FakeIndex) -> None:
    assert project.lock("app", *TARGET).code == 0
    assert len(index.asked(".metadata")) == 3
    asked = index.asked(".whl$")  # of what is locked, for its size installed; nothing of the pip
    assert sorted(request.path.rpartition("/")[2].partition("-")[0] for request in asked) == sorted(project.pins(LABEL))
    assert {request.headers["range"] for request in asked} == {"bytes=-32768"}


def test_a_metadata_file_that_is_not_the_promised_one_is_not_used(index: FakeIndex, tmp_path: Path) -> None:
    lying = build_wheel("app", "1.0", requires=["nothing-like-it"])
    index.add(build_wheel("app", "1.0", requires=["lib"]))
    index.add(build_wheel("lib", "1.0"))
    index.add(pip_wheel())
    index.fault("app-1.0-py3-none-any.whl.metadata", Replace(lying.metadata), times=None)
    ran = Project(tmp_path, index).lock("app", *TARGET, "--verbose")
    assert ran.code == 0
    assert "the metadata file of `app-1.0-py3-none-any.whl` is not the promised one; the wheel is asked\n" in ran.err
    assert Project(tmp_path, index).pins(LABEL) == {"app": "1.0", "lib": "1.0"}


@pytest.mark.parametrize("status", [200, 416, 501, 400])
def test_ranges_that_are_ignored_or_refused_cost_a_whole_wheel_and_no_more(tmp_path: Path, status: int) -> None:
    """Some hosts know no ranges at all, others none that count from the end."""

    class NoRanges(Fault):
        def answered(self, request: Request, response: Response) -> Response:
            if status == 200 or not request.headers.get("range", "").startswith("bytes=-"):
                return response
            return Status(status).answered(request, response)

    with FakeIndex(ranges=status != 200) as index:
        index.add(build_wheel("app", "1.0", requires=["lib"], padding=300_000), metadata=False)
        index.add(build_wheel("lib", "1.0"), metadata=False)
        index.add(pip_wheel())
        index.fault(".whl$", NoRanges(), times=None)
        project = Project(tmp_path, index)
        assert project.lock("app", *TARGET).code == 0
        assert project.pins(LABEL) == {"app": "1.0", "lib": "1.0"}


def test_of_a_large_wheel_only_the_tail_is_read(tmp_path: Path) -> None:
    with FakeIndex() as index:
        index.add(build_wheel("app", "1.0", padding=3_000_000), metadata=False)
        index.add(pip_wheel())
        assert Project(tmp_path, index).lock("app", *TARGET).code == 0
        (asked,) = index.asked("app-1.0-py3-none-any.whl")
        assert asked.headers["range"] == "bytes=-32768"


def test_odd_files_on_a_page_are_passed_over(pypi: FakeIndex, tmp_path: Path) -> None:
    project = Project(tmp_path, pypi)
    assert project.lock("oldtimer", *TARGET).code == 0
    assert project.pins(LABEL) == {"oldtimer": "2.1"}  # its unreadable Requires-Python admits all


def test_a_wheel_that_is_broken_is_passed_over_for_an_older_one(index: FakeIndex, tmp_path: Path) -> None:
    index.add(build_wheel("app", "1.0"))
    for version, broken in (("2.0", "zip"), ("3.0", "no-metadata"), ("4.0", "metadata"), ("5.0", "wrong-name")):
        index.add(build_wheel("app", version, broken=broken), metadata=False)  # type: ignore[arg-type]
    index.add(pip_wheel())
    project = Project(tmp_path, index)
    assert project.lock("app", *TARGET).code == 0
    assert project.pins(LABEL) == {"app": "1.0"}
    ran = project.lock("app>=2", *TARGET)
    assert ran.code == 1
    assert ran.err.count("has unusable core metadata") == 4


def test_an_index_that_is_a_folder(tmp_path: Path, index: FakeIndex) -> None:
    wheel, pip = build_wheel("app", "1.0"), pip_wheel()
    for name, file in (("app", wheel), ("pip", pip)):
        (tmp_path / "index" / name).mkdir(parents=True)
        (tmp_path / "index" / name / file.filename).write_bytes(file.content)
        page = f'<h1>Links for {name}</h1><a href="{file.filename}#sha256={file.digest.hex}">{file.filename}</a>'
        (tmp_path / "index" / name / "index.html").write_text(page)
    project = Project(tmp_path, index)
    ran = project.run("lock", "app", "nosuch", *TARGET, "--index-url", "index")
    assert ran.code == 1
    assert "error: no index lists a project named `nosuch`\n" in ran.err
    assert project.run("lock", "app", *TARGET, "--index-url", "index").code == 0
    assert project.run("fetch").code == 0
    assert (tmp_path / "wheels" / LABEL / wheel.filename).read_bytes() == wheel.content


def test_redirected_pages_and_files(project: Project, index: FakeIndex) -> None:
    with fill(FakeIndex()) as other:
        index.fault("/simple/lib/", Redirect(f"{other.simple}/lib/"), times=None)
        assert project.lock("app", *TARGET).code == 0
        assert f"http://127.0.0.1:{other.port}/" in project.path(LABEL).read_text()
        assert project.run("fetch").code == 0


# Faults


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Status(404), "no index lists a project named `lib`\n  `lib` is required by `app 1.0` <- asked for as `app`\n"),
        (Status(410), "no index lists a project named `lib`\n  `lib` is required by `app 1.0` <- asked for as `app`\n"),
        (
            Status(401),
            "`INDEX` refuses: 401 Unauthorized for `http://INDEX/simple/lib/`\n\n"
            "hint: put the name and the password for `INDEX` into its URL or into ~/.netrc\n",
        ),
        (
            Status(403),
            "`INDEX` refuses: 403 Forbidden for `http://INDEX/simple/lib/`\n\n"
            "hint: put the name and the password for `INDEX` into its URL or into ~/.netrc\n",
        ),
        (
            Status(503),
            "`INDEX` failed: 503 Service Unavailable for `http://INDEX/simple/lib/`\n\n"
            "hint: wait a little, then run the same command again: what was fetched is kept\n",
        ),
        (Stall(seconds=2), f"`INDEX` stopped answering for `http://INDEX/simple/lib/`\n\n{AGAIN}"),
        (Reset(), f"the connection to `INDEX` broke for `http://INDEX/simple/lib/`\n\n{AGAIN}"),
        (
            Replace(b"<html>please log in</html>"),
            "`http://INDEX/simple/lib/` is not a project page of a package index: HTML without a heading such as"
            " “Links for …” and without a link to a distribution\n\n"
            "hint: open the URL in a browser; a proxy, a captive portal or a wrong index URL answers like this\n",
        ),
        (Redirect("/simple/lib/"), "`http://INDEX/simple/lib/` leads to more than 10 redirects\n"),
    ],
    ids=["404", "410", "401", "403", "503", "stall", "reset", "portal", "loop"],
)
def test_absent_refused_failing_and_nonsense_are_told_apart(
    project: Project, index: FakeIndex, fault: Fault, told: str
) -> None:
    index.fault("/simple/lib/", fault, times=None)
    ran = project.lock("app", *TARGET)
    assert (ran.code, ran.out) == (1, "")
    hint = "\nhint: a private index is given with `--extra-index-url`\n"
    assert ran.err == f"error: {told}" + (hint if told.startswith("no index") else "")
    assert not (project.folder / "lockfiles").exists()


def test_an_index_that_cannot_be_reached(project: Project) -> None:
    for url, reason in (
        (CLOSED, "`127.0.0.1:1` cannot be reached: connection refused"),
        ("https://index.invalid", "`index.invalid` cannot be reached: name resolution"),
    ):
        ran = project.run("lock", "app", *TARGET, "--index-url", f"{url}/simple")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == (
            f"error: {reason}\n\nhint: check the network, or name your proxy: HTTPS_PROXY or pip's `proxy` setting\n"
        )


def test_an_ignored_index_of_pips_configuration_is_named_when_a_project_is_absent(project: Project) -> None:
    ran = project.lock("nosuch", *TARGET, PIP_EXTRA_INDEX_URL="https://user:secret@corp.invalid/simple")
    assert ran.code == 1
    assert ran.err == (
        "error: no index lists a project named `nosuch`\n"
        "  `nosuch` was asked for\n"
        "  pip is configured here with indexes that wheelhouse does not follow\n"
        "\n"
        "hint: --extra-index-url https://corp.invalid/simple\n"
        "hint: check the spelling; a private index is given with `--extra-index-url`\n"
    )
    ran = project.lock("app", *TARGET, "--verbose", PIP_EXTRA_INDEX_URL="https://user:secret@corp.invalid/simple")
    assert "not followed from pip's configuration: --extra-index-url https://corp.invalid/simple\n" in ran.err


def test_a_fault_that_passes_is_not_noticed(project: Project, index: FakeIndex) -> None:
    index.fault("/simple/app/", Status(503), times=3)
    index.fault("/simple/lib/", Reset(), times=2)
    index.fault(".metadata", Status(502), times=2)
    assert project.lock("app", *TARGET).err == LOCKED


def test_what_is_only_guessed_to_be_needed_fails_nobody(index: FakeIndex, tmp_path: Path) -> None:
    """app 2.0, looked at ahead, needs a project whose page is refused; the constraint leaves app 1.0."""
    fill(index)
    index.add(build_wheel("app", "2.0", requires=["forbidden"]))
    index.fault("/simple/forbidden/", Status(403), times=None)
    (tmp_path / "constraints.txt").write_text("app<2\n")
    assert Project(tmp_path, index).lock("app", "-c", "constraints.txt", *TARGET).err == LOCKED


# Passwords


def grep(folder: Path, words: tuple[bytes, ...]) -> list[str]:
    """Every file below the folder whose name or contents hold one of the words."""
    return [
        str(path)
        for path in folder.rglob("*")
        if any(word in str(path).encode() or (path.is_file() and word in path.read_bytes()) for word in words)
    ]


def test_a_password_in_an_index_url_works_and_is_written_nowhere(guarded: FakeIndex, tmp_path: Path) -> None:
    project = Project(tmp_path, guarded)
    url = guarded.simple.replace("://", "://user:s3cr3t-word@")
    words = ("s3cr3t-word", "dXNlcjpzM2NyM3Qtd29yZA")  # the second as Basic authentication carries it
    for ran in (
        project.run("build", "app", "--index-url", url, "-v", *TARGET),
        project.run("build", "app", "-v", *TARGET, PIP_INDEX_URL=url, WHEELHOUSE_LOCK_DIR="more"),
        project.run("lock", "app", "--find-links", f"{url}/app/", "--index-url", url, "-v", *TARGET),
        project.run("lock", "nosuch", "--extra-index-url", url, "--index-url", url, "-v", *TARGET),
        project.run("fetch", "-v", "--cache-dir", "fresh"),
        project.run("lock", "app", "--index-url", url.replace("127.0.0.1", "host.invalid"), "-v", *TARGET),
        project.run("lock", "app", "--index-url", url.replace("http", "ftp"), "-v", *TARGET),
        project.run("lock", "app", "--pytorch-url", url, "--index-url", url, "-v", *TARGET),
    ):
        assert not any(word in ran.out + ran.err for word in words)
    assert (project.folder / "bundles" / LABEL).exists()
    assert grep(project.folder, tuple(word.encode() for word in words)) == []


def test_a_password_that_a_page_carries_in_its_links_is_not_written(index: FakeIndex, tmp_path: Path) -> None:
    """Some proxies of indexes print the credentials of the one who asks into the page."""
    wheel = build_wheel("app", "1.0")
    entry = index.add(wheel, metadata=False)
    index.remove(wheel.filename)
    index.add(wheel, metadata=False, url=entry.url.replace("://", "://user:s3cr3t-word@"))
    index.add(pip_wheel())
    project = Project(tmp_path, index)
    assert project.lock("app", *TARGET).code == 0
    assert "s3cr3t-word" not in project.path(LABEL).read_text()
    assert project.places(LABEL)["app"].startswith("INDEX/")


def test_netrc_serves_lock_and_fetch(guarded: FakeIndex, tmp_path: Path) -> None:
    project = Project(tmp_path, guarded)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password s3cr3t-word\n")
    netrc.chmod(0o600)
    assert project.lock("app", *TARGET, NETRC=str(netrc)).code == 0
    assert project.run("fetch", NETRC=str(netrc)).code == 0


def test_a_wrong_password_is_refused_with_the_way_out(guarded: FakeIndex, tmp_path: Path) -> None:
    project = Project(tmp_path, guarded)
    ran = project.lock("app", *TARGET)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: `INDEX` refuses: 401 Unauthorized for `http://INDEX/simple/app/`\n"
        "\n"
        "hint: put the name and the password for `INDEX` into its URL or into ~/.netrc\n"
    )


def test_credentials_of_a_requirements_file_serve_lock(guarded: FakeIndex, tmp_path: Path) -> None:
    project = Project(tmp_path, guarded)
    (tmp_path / "requirements.txt").write_text(
        f"--index-url {guarded.simple.replace('://', '://user:${SECRET}@')}\napp\n"
    )
    assert project.run("lock", *TARGET, SECRET="s3cr3t-word").code == 0
    assert "s3cr3t-word" not in project.path(LABEL).read_text()


def test_through_a_proxy_with_a_password(tmp_path: Path) -> None:
    with FakeIndex(tls=True) as index, FakeProxy(auth=("me", "pr0xy")) as proxy:
        proxy.routes["pypi.test:443"] = f"127.0.0.1:{index.port}"
        index.url, index.simple = "https://pypi.test", "https://pypi.test/simple"
        project = Project(tmp_path, fill(index))
        address = f"http://me:pr0xy@127.0.0.1:{proxy.port}"
        ran = project.lock("app", *TARGET, "--cert", index.ca_file, HTTPS_PROXY=address)
        assert ran.code == 0, ran.err
        assert proxy.tunnels > 0
        assert project.run("fetch", "--proxy", address, "--cert", index.ca_file).code == 0
        assert grep(tmp_path, (b"pr0xy",)) == []


# The cache


def test_pages_that_are_fresh_are_not_asked_again(project: Project, index: FakeIndex) -> None:
    assert project.lock("app", *TARGET).code == 0
    index.reset()
    assert project.lock("app", *TARGET).code == 0
    assert index.requests == []


@pytest.mark.parametrize("control", ["no-cache,no-store,must-revalidate", "max-age=0", None])
def test_pages_that_are_stale_are_asked_with_their_validator(
    project: Project, index: FakeIndex, control: str | None
) -> None:
    index.page_headers = {} if control is None else {"Cache-Control": control}
    assert project.lock("app", *TARGET).code == 0
    index.reset()
    for _ in range(2):
        assert project.lock("app", *TARGET).code == 0
    assert len(index.requests) == 6  # three pages, twice; metadata is kept for ever
    assert all("if-none-match" in request.headers for request in index.requests)


def test_a_page_that_was_absent_is_asked_again(project: Project, index: FakeIndex) -> None:
    """Somebody forgets to upload, sees the error, uploads and tries again."""
    assert project.lock("late", *TARGET).code == 1
    index.add(build_wheel("late", "1.0"))
    assert project.lock("late", *TARGET).code == 0


def test_upgrade_asks_for_fresh_pages_too(project: Project, index: FakeIndex) -> None:
    assert project.lock("app", *TARGET).code == 0
    index.add(build_wheel("lib", "2.0"))
    assert project.lock("app", *TARGET).code == 0
    assert project.pins(LABEL)["lib"] == "1.0"
    assert project.lock("app", *TARGET, "--upgrade").code == 0
    assert project.pins(LABEL)["lib"] == "2.0"


def test_offline_works_from_what_earlier_runs_have_seen(tmp_path: Path) -> None:
    with fill(FakeIndex()) as index:
        index.page_headers = {"Cache-Control": "no-store"}
        project = Project(tmp_path, index)
        assert project.lock("app", *TARGET).code == 0
        first = project.path(LABEL).read_bytes()
        assert project.lock("nosuch", *TARGET).code == 1
    project.path(LABEL).unlink()
    ran = project.lock("app", *TARGET, "--offline")
    assert (ran.code, ran.err) == (0, LOCKED)
    assert project.path(LABEL).read_bytes() == first

    ran = project.lock("nosuch", *TARGET, "--offline")
    assert ran.err.startswith("error: no index lists a project named `nosuch`\n")
    ran = project.lock("unseen", *TARGET, "--offline")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: the page `http://INDEX/simple/unseen/` is not in the cache, and `--offline` forbids to ask for it\n"
        "\n"
        "hint: run the same command once without `--offline`\n"
    )


def test_offline_asks_for_nothing(project: Project, index: FakeIndex) -> None:
    index.page_headers = {"Cache-Control": "no-store"}
    assert project.lock("app", *TARGET).code == 0
    index.reset()
    assert project.lock("app", *TARGET, "--offline", "--upgrade").code == 0
    assert index.requests == []


def test_offline_works_for_wheels_without_a_digest(pypi: FakeIndex, tmp_path: Path) -> None:
    """They are in the store since they were hashed."""
    label = "linux-x86_64-cu121-py310"
    with fake_pytorch() as pytorch:
        project = Project(tmp_path, pypi, pytorch)
        assert project.lock("xformers==0.0.23.post1", "numpy<2", "--target", label).code == 0
    first = project.path(label).read_bytes()
    ran = project.lock("xformers==0.0.23.post1", "numpy<2", "--target", label, "--offline")
    assert ran.code == 0, ran.err
    assert project.path(label).read_bytes() == first


def test_no_cache_neither_reads_nor_keeps(project: Project, index: FakeIndex) -> None:
    assert project.lock("app", *TARGET, "--no-cache").code == 0
    assert not (project.folder / "cache" / "pages").exists()
    assert not (project.folder / "cache" / "metadata").exists()
    assert project.lock("app", *TARGET).code == 0
    index.reset()
    assert project.lock("app", *TARGET, "--no-cache").code == 0
    assert len(index.asked("/simple/")) == 3


def test_damaged_cache_entries_count_as_absent(project: Project, index: FakeIndex) -> None:
    assert project.lock("app", *TARGET).code == 0
    first = project.path(LABEL).read_bytes()
    entries = [
        path
        for kind in ("pages", "metadata")
        for path in (project.folder / "cache" / kind).rglob("*")
        if path.is_file()
    ]
    for content in (b"", b"\xff\xfe\x00", b"{}\n", b"[1, 2]\n", b'{"format": "1"}\nrest', b"null", b'"text"\n'):
        for entry in entries:
            entry.write_bytes(content)
        ran = project.lock("app", *TARGET)
        assert (ran.code, ran.err) == (0, LOCKED)
        assert project.path(LABEL).read_bytes() == first


def test_a_cache_that_cannot_be_written_makes_no_difference(project: Project) -> None:
    (project.folder / "cache").mkdir()
    for kind in ("pages", "metadata"):
        (project.folder / "cache" / kind).write_text("in the way")
    assert project.lock("app", *TARGET).err == LOCKED
