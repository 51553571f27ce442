"""Rules of the user's own: hashes beside requirements, routes, overrides, and what may be built, by configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import FakeIndex, build_wheel, pip_wheel
from world.backends import OWN_PYTHON, sdist
from world.project import Project

LABEL = f"linux-x86_64-{OWN_PYTHON}"
FOR = ("--target", LABEL)
ZEROS = "0" * 64


@pytest.fixture
def project(index: FakeIndex, tmp_path: Path) -> Project:
    """`app` needs `lib`; both in two versions."""
    for version in ("1.0", "2.0"):
        index.add(build_wheel("app", version, requires=["lib"]))
        index.add(build_wheel("lib", version))
    index.add(pip_wheel())
    return Project(tmp_path, index)


@pytest.fixture
def company() -> Iterator[FakeIndex]:
    """An index of somebody's own."""
    with FakeIndex() as index:
        yield index


def requirements(project: Project, text: str, name: str = "r.txt") -> tuple[str, str]:
    (project.folder / name).write_text(text)
    return "-r", name


def configured(project: Project, text: str) -> None:
    head = f'targets = ["{LABEL}"]\nindex-url = "{project.default.url}/simple"\n'
    (project.folder / "wheelhouse.toml").write_text(head + text)


def inputs(project: Project) -> str:
    return str(project.locked(LABEL)["tool"]["wheelhouse"]["inputs"])


# --hash


def test_only_the_file_that_a_hash_names_is_taken(project: Project, index: FakeIndex) -> None:
    old = index.listed("lib-1.0-py3-none-any.whl").digest
    assert project.lock(*requirements(project, f"app\nlib --hash=sha256:{old}\n"), *FOR).code == 0
    assert project.pins(LABEL) == {"app": "2.0", "lib": "1.0"}


def test_a_hash_counts_for_what_is_only_a_dependency_too(project: Project, index: FakeIndex) -> None:
    old = index.listed("lib-1.0-py3-none-any.whl").digest
    (project.folder / "c.txt").write_text(f"lib --hash=sha256:{old}\n")
    without = project.lock("app", *FOR)
    assert (without.code, project.pins(LABEL)["lib"]) == (0, "2.0")
    before = inputs(project)
    assert project.lock("app", "-c", "c.txt", *FOR).code == 0
    assert (project.pins(LABEL), inputs(project) != before) == ({"app": "2.0", "lib": "1.0"}, True)


def test_where_no_file_has_the_hash_the_story_says_so(project: Project) -> None:
    ran = project.lock(*requirements(project, f"lib --hash=sha256:{ZEROS}\n"), *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: no wheel of `lib` fits `{LABEL}`\n"
        "  `lib` was asked for\n"
        "  `lib` 2.0, 1.0: has none of the digests that `--hash` names\n"
    )


def test_as_in_pip_a_file_must_have_what_every_line_names(project: Project, index: FakeIndex) -> None:
    one, two = (index.listed(f"lib-{version}-py3-none-any.whl").digest for version in ("1.0", "2.0"))
    both = f"lib --hash=sha256:{one} --hash=sha256:{two}\n"
    assert project.lock(*requirements(project, f"{both}lib --hash=sha256:{one}\n"), *FOR).code == 0
    assert project.pins(LABEL) == {"lib": "1.0"}
    ran = project.lock(*requirements(project, f"lib --hash=sha256:{one}\nlib --hash=sha256:{two}\n"), *FOR)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "error: line 2 of `r.txt` names other hashes of `lib` than the lines before it: no file can have both\n"
        "\nhint: leave out one of them\n"
    )


def test_an_sdist_has_a_hash_like_any_file(project: Project, index: FakeIndex) -> None:
    file = sdist("lib", "1.0", metadata_version="2.2")
    index.add(file)
    asked = requirements(project, f"lib --hash={file.digest}\n")
    ran = project.lock(*asked, *FOR)
    assert (ran.code, ran.out) == (1, "")
    assert project.lock(*asked, "--from-sdist", "lib", *FOR).code == 0
    assert project.locked(LABEL)["packages"][0]["sdist"]["name"] == "lib-1.0.tar.gz"


def test_a_file_in_a_folder_is_read_for_its_hash(project: Project) -> None:
    (project.folder / "links").mkdir()
    wheels = [build_wheel("lib", version) for version in ("3.0", "4.0")]
    for wheel in wheels:
        (project.folder / "links" / wheel.filename).write_bytes(wheel.content)
    asked = requirements(project, f"lib --hash={wheels[0].digest}\n")
    assert project.lock(*asked, "--find-links", "links", *FOR).code == 0
    assert project.pins(LABEL) == {"lib": "3.0"}


# Routes

ROUTES = """
[[indexes]]
name = "company"
url = "{company}"
[routes]
"mycompany-*" = "company"
"""


def test_a_routed_project_comes_from_its_index_alone(project: Project, company: FakeIndex, index: FakeIndex) -> None:
    company.add(build_wheel("mycompany-core", "1.0", requires=["lib", "mycompany.tools"]))
    company.add(build_wheel("mycompany-tools", "1.0"))
    company.add(build_wheel("lib", "9.0"))
    index.add(build_wheel("mycompany-core", "6.6.6"))  # dependency confusion
    configured(project, ROUTES.format(company=company.simple))
    ran = project.run("build", "MyCompany_Core")
    assert (ran.code, ran.out) == (0, f"bundles/{LABEL}\n")
    assert project.pins(LABEL) == {"lib": "2.0", "mycompany-core": "1.0", "mycompany-tools": "1.0"}
    assert [request.path for request in index.requests if "mycompany" in request.path] == []
    assert company.asked("/simple/lib/") == []


def test_a_routed_project_that_its_index_lacks_comes_from_nowhere(
    project: Project, company: FakeIndex, index: FakeIndex
) -> None:
    index.add(build_wheel("mycompany-core", "6.6.6"))
    configured(project, ROUTES.format(company=company.simple))
    ran = project.run("lock", "mycompany-core")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: no index lists a project named `mycompany-core`\n")
    assert index.asked("/simple/mycompany-core/") == []


def test_the_first_pattern_that_fits_decides(project: Project, company: FakeIndex, index: FakeIndex) -> None:
    with FakeIndex() as special:
        for place, version in ((company, "1.0"), (special, "2.0")):
            place.add(build_wheel("mycompany-core", version))
            place.add(build_wheel("mycompany-tools", version))
        configured(
            project,
            f"""
            indexes = [{{name = "company", url = "{company.simple}"}}, {{name = "special", url = "{special.simple}"}}]
            [routes]
            "mycompany-core" = "special"
            "mycompany-*" = "company"
            "*-tools" = "special"
            """,
        )
        assert project.run("lock", "mycompany-core", "mycompany-tools").code == 0
        assert project.pins(LABEL) == {"mycompany-core": "2.0", "mycompany-tools": "1.0"}
        assert company.asked("/simple/mycompany-core/") == []
        assert special.asked("/simple/mycompany-tools/") == []


def test_a_route_counts_before_links_extra_indexes_and_a_url_of_its_own_before_the_route(
    project: Project, company: FakeIndex, index: FakeIndex
) -> None:
    company.add(build_wheel("mycompany-core", "1.0"))
    wheel = build_wheel("mycompany-core", "7.0")
    (project.folder / "links").mkdir()
    (project.folder / "links" / wheel.filename).write_bytes(wheel.content)
    configured(project, ROUTES.format(company=company.simple))
    assert project.run("lock", "mycompany-core", "--find-links", "links").code == 0
    assert project.pins(LABEL) == {"mycompany-core": "1.0"}
    assert project.run("lock", f"./links/{wheel.filename}").code == 0
    assert project.pins(LABEL) == {"mycompany-core": "7.0"}


def test_a_route_to_an_index_that_has_no_name_is_refused(project: Project) -> None:
    configured(project, '[routes]\n"mycompany-*" = "compnay"\n')
    ran = project.run("lock", "lib")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: `wheelhouse.toml`: `routes.'mycompany-*'` names the index `compnay`, which is not in `indexes`\n"
    )


def test_an_index_that_no_route_names_is_asked_before_the_default_one(project: Project, company: FakeIndex) -> None:
    company.add(build_wheel("lib", "1.5"))
    configured(project, f'indexes = [{{name = "company", url = "{company.simple}"}}]\n')
    assert project.run("lock", "app").code == 0
    assert project.pins(LABEL) == {"app": "2.0", "lib": "1.5"}


def test_a_routed_sdist_is_built_with_what_the_default_index_has(
    project: Project, company: FakeIndex, index: FakeIndex
) -> None:
    index.add(build_wheel("helper", "1.0"))
    code = "import helper"
    company.add(sdist("mycompany-core", "1.0", metadata_version="2.2", build_requires=["helper"], code=code))
    configured(project, f'from-sdist = ["mycompany-core"]\n{ROUTES.format(company=company.simple)}')
    assert project.run("lock", "mycompany-core").code == 0
    (project.folder / "wheelhouse.toml").unlink()
    ran = project.run("fetch")
    assert (ran.code, ran.out) == (0, f"wheels/{LABEL}\n"), ran.err
    assert company.asked("/simple/helper/") == []


# Overrides


def override(text: str) -> str:
    return f'[[overrides]]\nproject = "app"\n{text}\n'


def test_an_override_drops_and_adds_what_a_project_requires(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("other", "1.0"))
    configured(project, "")
    assert project.run("lock", "app").code == 0
    before = inputs(project)
    configured(project, override('drop = ["Lib"]\nadd = ["other<2"]'))
    assert project.run("lock", "app").code == 0
    assert project.pins(LABEL) == {"app": "2.0", "other": "1.0"}
    tool = project.locked(LABEL)["tool"]["wheelhouse"]
    assert tool["required-by"] == {"app": ["(asked for): app"], "other": ["app: other<2"]}
    assert project.locked(LABEL)["packages"][0]["dependencies"] == [{"name": "other"}]
    assert tool["inputs"] != before
    assert project.run("why", "other").out == "other 1.0\n  app -> other\n  `app` requires `other<2`\n"


def test_an_override_counts_for_its_versions_only(project: Project, index: FakeIndex) -> None:
    configured(project, override('versions = "<2"\ndrop = ["lib"]\nadd = ["lib<2"]'))
    assert project.run("lock", "app").code == 0
    assert project.pins(LABEL) == {"app": "2.0", "lib": "2.0"}
    assert project.run("lock", "app<2", "--upgrade").code == 0
    assert project.pins(LABEL) == {"app": "1.0", "lib": "1.0"}


def test_an_override_takes_a_dependency_on_a_url_away(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("app", "3.0", requires=["lib @ https://files.invalid/lib-1.0-py3-none-any.whl"]))
    configured(project, override('drop = ["lib"]\nadd = ["lib"]'))
    assert project.run("lock", "app").code == 0
    assert project.pins(LABEL) == {"app": "3.0", "lib": "2.0"}


def test_an_override_makes_a_conflict_go_away(project: Project, index: FakeIndex) -> None:
    index.add(build_wheel("app", "3.0", requires=["lib<2"]))
    index.add(build_wheel("rival", "1.0", requires=["lib>=2"]))
    configured(project, "")
    assert project.run("lock", "app==3.0", "rival").code == 1
    configured(project, override('versions = "==3.0"\ndrop = ["lib"]'))
    assert project.run("lock", "app==3.0", "rival").code == 0
    assert project.pins(LABEL) == {"app": "3.0", "lib": "2.0", "rival": "1.0"}


def test_an_override_with_a_requirement_that_cannot_be_read_is_refused(project: Project) -> None:
    configured(project, override('add = ["lib=<2"]'))
    ran = project.run("lock", "app")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: `wheelhouse.toml`: `overrides[0].add` cannot be read: ")


def test_an_override_cannot_add_a_url(project: Project) -> None:
    configured(project, override('add = ["lib @ https://files.invalid/lib-1.0-py3-none-any.whl"]'))
    ran = project.run("lock", "app")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: `wheelhouse.toml`: `overrides[0].add` names a URL: add the name, and ask for `NAME @ URL` beside your"
        " requirements\n"
    )


# Building by configuration


def test_the_configuration_says_what_may_be_built(project: Project, index: FakeIndex) -> None:
    index.add(sdist("lib", "3.0", metadata_version="2.2"))
    configured(project, "")
    ran = project.run("lock", "app")
    assert (ran.code, ran.out) == (1, "")
    assert "hint: to build the new one, which runs its code here: `--from-sdist lib`\n" in ran.err
    configured(project, 'from-sdist = ["Lib"]\n')
    assert project.run("lock", "app").code == 0
    assert project.pins(LABEL) == {"app": "2.0", "lib": "3.0"}
    configured(project, 'from-sdist = [":all:"]\n')
    assert project.run("lock", "app").code == 2
