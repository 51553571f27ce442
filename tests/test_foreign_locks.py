"""Someone else's lock is the source of truth: of each package the one wheel that the target takes, or a reason."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.errors import UsageError, WheelhouseError
from wheelhouse.lock import Lock, LockedPackage, LockedWheel, dump, parse
from wheelhouse.lock.foreign import adopt
from wheelhouse.lock.refusals import CannotAdopt, NotALock, OtherMachine
from wheelhouse.target import Target

LOCKS = Path(__file__).parent / "locks"
FOLDER = Path("/home/ana/project")
CU121 = "linux-x86_64-cu121-py310"
PLAIN = "linux-x86_64-py310"
A = "a" * 64


def take(
    text: str,
    label: str = PLAIN,
    *,
    source: str = "their.lock",
    extras: Collection[str] = (),
    groups: Collection[str] = (),
) -> Lock:
    return adopt(text, source=source, folder=FOLDER, target=Target.parse(label), extras=extras, groups=groups)


def recorded(name: str, label: str = PLAIN, *, extras: Collection[str] = (), groups: Collection[str] = ()) -> Lock:
    return take((LOCKS / name).read_text(encoding="utf-8"), label, source=name, extras=extras, groups=groups)


def pins(lock: Lock) -> list[str]:
    return [f"{package.name} {package.version}" for package in lock.packages]


def pylock(*packages: str, head: str = "") -> str:
    return f'lock-version = "1.0"\ncreated-by = "anyone"\n{head}\n' + "".join(
        f"[[packages]]\n{each}\n" for each in packages
    )


def wheel(name: str, *, version: str = "1.0", tags: str = "py3-none-any", more: str = "") -> str:
    file = f"{name}-{version}-{tags}.whl"
    return (
        f'name = "{name}"\nversion = "{version}"\n{more}\n'
        f'wheels = [{{url = "https://files.example.org/{file}", hashes = {{sha256 = "{A}"}}}}]'
    )


def uv_lock(*packages: str, dependencies: str = "", head: str = "version = 1") -> str:
    project = (
        f'[[package]]\nname = "demo"\nversion = "0.1"\nsource = {{ virtual = "." }}\ndependencies = [{dependencies}]\n'
    )
    return f'{head}\nrequires-python = ">=3.8"\n{project}' + "".join(f"[[package]]\n{each}\n" for each in packages)


def uv_package(name: str, *, version: str = "1.0", tags: str = "py3-none-any", more: str = "") -> str:
    url = f"https://files.example.org/{name}-{version}-{tags}.whl"
    return (
        f'name = "{name}"\nversion = "{version}"\nsource = {{ registry = "https://index.example.org" }}\n{more}\n'
        f'wheels = [{{ url = "{url}", hash = "sha256:{A}", size = 7 }}]'
    )


# uv.lock


def test_a_uv_lock_gives_the_targets_wheels_walked_from_the_project() -> None:
    lock = recorded("project.uv.lock", CU121)
    assert pins(lock) == [
        "async-timeout 5.0.1",
        "filelock 4.1.0",
        "idna 3.20",
        "networkx 3.4.2",
        "numpy 1.26.4",
        "nvidia-cuda-runtime-cu12 12.1.105",
        "pysocks 1.7.1",
        "requests 2.34.2",
        "torch 2.1.2",
        "typing-extensions 4.16.0",
        "urllib3 2.8.0",
    ]
    assert (lock.label, str(lock.requires_python), lock.installer) == (CU121, "==3.10.*", None)
    assert lock.environment == Target.parse(CU121).marker
    assert lock.roots == ("async-timeout", "numpy", "requests", "torch")
    assert lock.package(canonicalize_name("requests")) == LockedPackage(
        name=canonicalize_name("requests"),
        version=Version("2.34.2"),
        wheel=LockedWheel(
            filename="requests-2.34.2-py3-none-any.whl",
            url="https://files.example.org/requests-2.34.2-py3-none-any.whl",
            digest=Digest("2a0d60c172f83ac6ab31e4554906c0f3b3588d37b5cb939b1c061f4907e278e0"),
            size=73075,
        ),
        index="https://index.example.org/simple",
        dependencies=(canonicalize_name("idna"), canonicalize_name("pysocks"), canonicalize_name("urllib3")),
        required_by=("(asked for): requests[socks]>=2.31",),
    )
    torch = lock.package(canonicalize_name("torch"))
    assert torch is not None
    assert torch.wheel.filename == "torch-2.1.2-cp310-cp310-manylinux1_x86_64.whl"
    idna = lock.package(canonicalize_name("idna"))
    assert idna is not None
    assert idna.required_by == ("requests: idna",)


def test_an_adopted_lock_is_a_lock_of_ours() -> None:
    lock = recorded("project.uv.lock", CU121)
    assert parse(dump(lock, folder=FOLDER), source="ours", folder=FOLDER) == lock


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("linux-x86_64-cu121-py311", {"filelock 4.2.11", "networkx 3.6.1", "async-timeout 5.0.1"}),
        ("linux-x86_64-cu121-py3.11.9", {"filelock 4.2.11", "networkx 3.6.1"}),
        ("windows-x86_64-cpu-py310", {"filelock 4.1.0", "networkx 3.4.2", "async-timeout 5.0.1", "colorama 0.4.6"}),
    ],
)
def test_a_fork_is_chosen_by_its_markers_and_a_patch_level_by_any_of_the_targets(
    label: str, expected: set[str]
) -> None:
    forked = ("filelock", "networkx", "async-timeout", "colorama")
    assert {each for each in pins(recorded("project.uv.lock", label)) if each.startswith(forked)} == expected


def test_extras_and_groups_add_what_they_name() -> None:
    assert "iniconfig 2.3.1" in pins(recorded("project.uv.lock", CU121, groups=["dev"]))
    with pytest.raises(CannotAdopt) as raised:
        recorded("project.uv.lock", CU121, extras=["plot"])
    assert str(raised.value) == (
        "`project.uv.lock` cannot be taken for `linux-x86_64-cu121-py310`: "
        "`docopt` 0.6.2 has only a source distribution"
    )
    for kind, known in (("extra", "it has `more`, `plot`"), ("group", "it has `dev`, `gpu`, `lint`")):
        with pytest.raises(UsageError, match=f"`project.uv.lock` has no {kind} `nope`") as unknown:
            recorded("project.uv.lock", CU121, **{f"{kind}s": ["nope"]})  # type: ignore[arg-type]
        assert unknown.value.hint == known


def test_extras_that_exclude_each_other_give_each_its_own_versions() -> None:
    assert pins(recorded("conflicts.uv.lock")) == ["idna 3.20"]
    assert pins(recorded("conflicts.uv.lock", extras=["old"], groups=["newg"])) == [
        "idna 3.20",
        "packaging 26.3",
        "pysocks 1.7.1",
        "requests 2.29.0",
        "tomli 1.2.3",
    ]
    assert pins(recorded("conflicts.uv.lock", extras=["new"])) == ["idna 3.20", "requests 2.34.2", "tomli 2.0.1"]
    with pytest.raises(CannotAdopt) as raised:
        recorded("conflicts.uv.lock", extras=["old", "new"])
    assert str(raised.value) == (
        "`conflicts.uv.lock` cannot be taken for `linux-x86_64-py310`, for 2 reasons:\n"
        "  `requests` is pinned more than once: at `2.29.0` and `2.34.2`\n"
        "  `tomli` is pinned more than once: at `1.2.3` and `2.0.1`"
    )


def test_a_lock_of_other_machines_is_refused_whole() -> None:
    with pytest.raises(OtherMachine) as raised:
        recorded("conflicts.uv.lock", "windows-x86_64-py310")
    assert str(raised.value) == (
        "`conflicts.uv.lock` is not for `windows-x86_64-py310`: it is for the environments `sys_platform == 'linux'`"
    )
    with pytest.raises(OtherMachine, match=r"`project.uv.lock` is not for `linux-x86_64-py39`: it is for Python"):
        recorded("project.uv.lock", "linux-x86_64-py39")


def test_a_scripts_lock_starts_at_its_requirements() -> None:
    lock = recorded("script.uv.lock")
    assert pins(lock) == ["idna 3.20", "pysocks 1.7.1", "requests 2.34.2"]
    assert lock.roots == ("requests",)


def test_a_workspaces_other_folders_and_files_without_digest_are_refused_together() -> None:
    with pytest.raises(CannotAdopt) as raised:
        recorded("workspace.uv.lock")
    assert [str(each) for each in raised.value.refused] == [
        "`b` 1 comes from a folder (`packages/b`), not from a wheel",
        "`colorama` 0.4.6 has no SHA-256 for `colorama-0.4.6-py2.py3-none-any.whl`",
    ]
    assert len(raised.value.hint.splitlines()) == 2


def test_a_workspace_without_a_root_project_starts_at_all_its_members() -> None:
    def member(name: str, needs: str) -> str:
        return (
            f'name = "{name}"\nversion = "1"\nsource = {{ editable = "packages/{name}" }}\n'
            f'dependencies = [{{ name = "{needs}" }}]'
        )

    head = 'version = 1\nrequires-python = ">=3.8"\n[manifest]\nmembers = ["one", "two"]\n'
    packages = (member("one", "idna"), member("two", "six"), uv_package("idna"), uv_package("six"))
    lock = take(head + "".join(f"[[package]]\n{each}\n" for each in packages))
    assert (pins(lock), lock.roots) == (["idna 1.0", "six 1.0"], ("idna", "six"))


def test_wheels_by_url_and_by_path_are_wheels_too() -> None:
    lock = take(
        uv_lock(
            'name = "six"\nversion = "1.17.0"\nsource = { path = "wheels/six-1.17.0-py2.py3-none-any.whl" }\n'
            f'wheels = [{{ filename = "six-1.17.0-py2.py3-none-any.whl", hash = "sha256:{A}" }}]',
            'name = "idna"\nversion = "3.10"\nsource = { url = "https://example.org/idna-3.10-py3-none-any.whl" }\n'
            f'wheels = [{{ url = "https://example.org/idna-3.10-py3-none-any.whl", hash = "sha256:{A}" }}]',
            'name = "toml"\nversion = "1"\nsource = { registry = "../flat" }\n'
            f'wheels = [{{ path = "toml-1-py3-none-any.whl", hash = "sha256:{A}" }}]',
            dependencies='{ name = "six" }, { name = "idna" }, { name = "toml" }',
        )
    )
    assert [package.wheel.url for package in lock.packages] == [
        "https://example.org/idna-3.10-py3-none-any.whl",
        "file:///home/ana/project/wheels/six-1.17.0-py2.py3-none-any.whl",
        "file:///home/ana/flat/toml-1-py3-none-any.whl",
    ]
    assert [package.index for package in lock.packages] == [None, None, None]


def test_a_repository_and_an_archive_are_refused_without_their_credentials() -> None:
    with pytest.raises(CannotAdopt) as raised:
        take(
            uv_lock(
                'name = "one"\nversion = "1"\nsource = { git = "https://ana:secret@example.org/one?rev=1#2" }',
                'name = "two"\nversion = "1"\nsource = { url = "https://ana:secret@example.org/two-1.tar.gz" }\n'
                f'sdist = {{ hash = "sha256:{A}" }}',
                dependencies='{ name = "one" }, { name = "two" }',
            )
        )
    assert [str(each) for each in raised.value.refused] == [
        "`one` 1 comes from a repository (`https://example.org/one?rev=1#2`), not from a wheel",
        "`two` 1 comes from an archive (`https://example.org/two-1.tar.gz`), not from a wheel",
    ]


def test_packages_that_need_each_other_end() -> None:
    one = uv_package("one", more='dependencies = [{ name = "two", extra = ["all"] }]')
    two = uv_package("two") + '\n[package.optional-dependencies]\nall = [{ name = "one" }, { name = "two" }]'
    lock = take(uv_lock(one, two, dependencies='{ name = "one" }'))
    assert (pins(lock), lock.roots) == (["one 1.0", "two 1.0"], ("one",))


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ("version = 2", "it is a `uv.lock` of version 2, and only version 1 is known"),
        ('version = 1\nrevision = "x"', "its `revision` is no number"),
    ],
)
def test_an_unknown_version_of_uv_lock_is_refused(head: str, problem: str) -> None:
    with pytest.raises(NotALock) as raised:
        take(uv_lock(head=head))
    assert str(raised.value) == f"`their.lock` cannot be read as a lock: {problem}"


def test_a_newer_revision_of_version_1_is_read() -> None:
    assert pins(
        take(uv_lock(uv_package("six"), dependencies='{ name = "six" }', head="version = 1\nrevision = 99"))
    ) == ["six 1.0"]


def test_a_dependency_that_the_lock_lacks_makes_it_no_lock() -> None:
    with pytest.raises(NotALock, match="it requires `six`, and holds no such package"):
        take(uv_lock(dependencies='{ name = "six" }'))


# pylock.toml


def test_an_export_of_uv_gives_what_its_lock_gives() -> None:
    with pytest.raises(CannotAdopt) as raised:
        recorded("pylock.export.toml", CU121)  # written with --all-extras
    assert [each.name for each in raised.value.refused] == ["docopt"]
    text = (LOCKS / "pylock.export.toml").read_text(encoding="utf-8")
    without = text.replace('name = "docopt"', 'name = "docopt"\nmarker = "sys_platform == \'darwin\'"')
    exported = take(without, CU121)
    from_lock = recorded("project.uv.lock", CU121, groups=["dev"])
    assert set(pins(exported)) == {*pins(from_lock), "tqdm 4.70.1"}
    wheels = {package.wheel for package in from_lock.packages}
    assert wheels < {package.wheel for package in exported.packages}


def test_a_lock_of_pip_and_one_of_uv_pip_compile_hold_for_their_machine_only() -> None:
    assert len(recorded("pylock.pip.toml", "linux-x86_64-py311").packages) == 8
    with pytest.raises(CannotAdopt) as raised:
        recorded("pylock.pip.toml", "linux-x86_64-py310")
    assert [each.name for each in raised.value.refused] == ["charset-normalizer", "numpy"]
    assert str(raised.value.refused[1]) == (
        "`numpy` 1.26.4 has no wheel that fits, only `cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64`"
    )
    assert raised.value.hint.startswith("lock anew for this machine: ")
    assert "numpy 1.26.4" in pins(recorded("pylock.compile.toml", CU121))


def test_groups_and_extras_are_markers_in_pylock_and_the_default_groups_count() -> None:
    assert pins(recorded("pylock.pdm.toml")) == ["idna 3.10", "requests 2.32.3"]
    assert pins(recorded("pylock.pdm.toml", extras=["plot"], groups=["dev"])) == [
        "idna 3.10",
        "iniconfig 2.0.0",
        "requests 2.32.3",
        "tqdm 4.66.5",
    ]
    with pytest.raises(UsageError) as raised:
        recorded("pylock.pdm.toml", groups=["docs"])
    assert (str(raised.value), raised.value.hint) == (
        "`pylock.pdm.toml` has no group `docs`",
        "it has `default`, `dev`",
    )


def test_dependencies_say_who_was_asked_for() -> None:
    lock = take(pylock(wheel("one", more='dependencies = [{name = "two"}, {name = "gone"}]'), wheel("two")))
    assert lock.roots == ("one",)
    assert [(each.dependencies, each.required_by) for each in lock.packages] == [
        (("two",), ("(asked for): one",)),
        ((), ("one: two",)),
    ]


def test_the_best_tag_is_taken_and_then_the_highest_build_number() -> None:
    names = (
        "one-1.0-py3-none-any.whl",
        "one-1.0-cp310-cp310-manylinux_2_17_x86_64.whl",
        "one-1.0-1-cp310-cp310-manylinux_2_28_x86_64.whl",
        "one-1.0-10-cp310-cp310-manylinux_2_28_x86_64.whl",
        "one-1.0-cp310-cp310-manylinux_2_34_x86_64.whl",
    )
    files = ", ".join(f'{{url = "https://example.org/{name}", hashes = {{sha256 = "{A}"}}}}' for name in names)
    lock = take(pylock(f'name = "one"\nversion = "1.0"\nwheels = [{files}]'))
    assert lock.packages[0].wheel.filename == names[3]


def test_nothing_that_fits_names_the_nearest_tags_first() -> None:
    tags = (
        "cp311-cp311-win_amd64",
        "cp310-cp310-win_amd64",
        "cp39-abi3-win32",
        "cp310-cp310m-win32",
        "pp310-x-any",
        "a-b-c",
    )
    files = ", ".join(f'{{url = "https://e.org/one-1.0-{each}.whl", hashes = {{sha256 = "{A}"}}}}' for each in tags)
    sdist = f'sdist = {{url = "https://e.org/one-1.0.tar.gz", hashes = {{sha256 = "{A}"}}}}'
    with pytest.raises(CannotAdopt) as raised:
        take(pylock(f'name = "one"\nversion = "1.0"\nwheels = [{files}]\n{sdist}'))
    assert str(raised.value.refused[0]) == (
        "`one` 1.0 has no wheel that fits, only `cp310-cp310-win_amd64`, `cp39-abi3-win32`, `cp310-cp310m-win32`, "
        "`a-b-c` and 2 more and a source distribution"
    )


def test_versions_that_hang_on_the_patch_level_need_one_in_the_target() -> None:
    text = pylock(
        wheel("one", more="marker = \"python_full_version < '3.10.5'\""),
        wheel("one", version="2.0", more="marker = \"python_full_version >= '3.10.5'\""),
    )
    with pytest.raises(CannotAdopt) as raised:
        take(text)
    assert str(raised.value.refused[0]) == "`one` is pinned at `1.0` and `2.0`, depending on the patch level of Python"
    assert raised.value.hint == "name the patch level in the target, for example `py3.10.12`"
    assert pins(take(text, "linux-x86_64-py3.10.4")) == ["one 1.0"]
    assert pins(take(text, "linux-x86_64-py3.10.12")) == ["one 2.0"]


def test_the_locks_python_narrows_ours_and_drops_what_only_older_patch_levels_need() -> None:
    backport = wheel("one", more="marker = \"python_full_version < '3.10.5'\"")
    lock = take(pylock(backport, wheel("two"), head='requires-python = ">=3.10.6"'))
    assert (pins(lock), lock.requires_python) == (["two 1.0"], SpecifierSet("==3.10.*,>=3.10.6"))
    lock = take(pylock(backport, wheel("two", more='requires-python = ">=3.10.2"')))
    assert (pins(lock), lock.requires_python) == (["one 1.0", "two 1.0"], SpecifierSet("==3.10.*,>=3.10.2"))
    lock = take(pylock(wheel("two"), head="environments = [\"python_full_version != '3.10.3'\"]"))
    assert lock.requires_python == SpecifierSet("==3.10.*,!=3.10.3")


def test_a_package_for_another_python_is_refused() -> None:
    with pytest.raises(CannotAdopt) as raised:
        take(pylock(wheel("one", more='requires-python = ">=3.11"')))
    assert str(raised.value.refused[0]) == "`one` 1.0 needs Python >=3.11"


def test_a_marker_that_cannot_be_judged_is_a_refusal_of_its_package() -> None:
    with pytest.raises(CannotAdopt) as raised:
        take(pylock(wheel("one", more="marker = \"extra == 'x'\""), wheel("two", more="marker = \"os_name ~= 'x'\"")))
    assert [str(each) for each in raised.value.refused] == [
        '`one` 1.0 stands under the marker `extra == "x"`, which cannot be judged: `extra` is not known in a lock',
        '`two` 1.0 stands under the marker `os_name ~= "x"`, which cannot be judged: '
        "undefined <Op('~=')> on 'posix' and 'x'",
    ]
    with pytest.raises(CannotAdopt, match=r"`six` 1.0 stands under the marker `nonsense`, which cannot be judged"):
        take(uv_lock(uv_package("six"), dependencies='{ name = "six", marker = "nonsense" }'))


def test_the_project_is_left_out_and_other_folders_are_refused() -> None:
    project = 'name = "demo"\ndirectory = {path = ".", editable = true}'
    assert pins(take(pylock(project, wheel("one")))) == ["one 1.0"]
    with pytest.raises(CannotAdopt, match=r"`demo` comes from a folder \(`\.\./demo`\), not from a wheel"):
        take(pylock(project.replace('"."', '"../demo"'), wheel("one")))


def test_an_archive_that_is_a_wheel_is_taken() -> None:
    lock = take(
        pylock(f'name = "one"\narchive = {{path = "wheels/one-1.0-py3-none-any.whl", hashes = {{sha256 = "{A}"}}}}')
    )
    assert pins(lock) == ["one 1.0"]
    assert lock.packages[0].wheel.url == "file:///home/ana/project/wheels/one-1.0-py3-none-any.whl"
    assert 'path = "wheels/one-1.0-py3-none-any.whl"' in dump(lock, folder=FOLDER)


def test_credentials_never_come_into_a_lock() -> None:
    text = pylock(wheel("one", more='index = "https://ana:secret@example.org/simple"'))
    lock = take(text.replace("https://files", "https://ana:secret@files"))
    assert "secret" not in dump(lock, folder=FOLDER)
    assert lock.packages[0].wheel.url == "https://files.example.org/one-1.0-py3-none-any.whl"


@pytest.mark.parametrize("digests", ['{md5 = "1"}', '{sha256 = "short"}', '{sha512 = "1"}'])
def test_a_wheel_without_sha256_is_refused(digests: str) -> None:
    with pytest.raises(CannotAdopt, match=r"`one` 1.0 has no SHA-256 for `one-1.0-py3-none-any.whl`"):
        take(pylock(wheel("one").replace(f'{{sha256 = "{A}"}}', digests)))


@pytest.mark.parametrize(
    "file",
    [
        'url = "ftp://example.org/one-1.0-py3-none-any.whl"',
        'url = "one-1.0-py3-none-any.whl"',
        'url = "https://example.org/two-1.0-py3-none-any.whl"',
        'url = "https://example.org/one-2.0-py3-none-any.whl"',
        'name = "one-1.0-py3-none-..\\\\any.whl", url = "https://example.org/x"',
        'name = "one-1.0-py3-none-../any.whl", url = "https://example.org/x"',
        'name = "one-1.0-py3-none-\\u001bany.whl", url = "https://example.org/x"',
    ],
)
def test_hostile_files_are_refused(file: str) -> None:
    for text in (
        pylock(f'name = "one"\nversion = "1.0"\nwheels = [{{{file}, hashes = {{sha256 = "{A}"}}}}]'),
        uv_lock(
            'name = "one"\nversion = "1.0"\nsource = { registry = "https://example.org/simple" }\n'
            f'wheels = [{{{file.replace("name =", "filename =")}, hash = "sha256:{A}"}}]',
            dependencies='{ name = "one" }',
        ),
    ):
        with pytest.raises((CannotAdopt, NotALock)) as raised:
            take(text)
        assert "\x1b" not in str(raised.value)


# PyTorch's builds


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("linux-x86_64-cu118-py310", "`torch` 2.1.2 is the `cu121` build, and the target takes `cu118`"),
        ("linux-x86_64-cpu-py310", "`torch` 2.1.2 is the `cu121` build, and the target takes `cpu`"),
        ("windows-x86_64-cu121-py310", "`torch` 2.1.2 is the `cpu` build, and the target takes `cu121`"),
    ],
)
def test_another_build_of_torch_than_the_targets_is_refused(label: str, reason: str) -> None:
    with pytest.raises(CannotAdopt) as raised:
        recorded("project.uv.lock", label)
    assert [str(each) for each in raised.value.refused] == [reason]


def test_a_target_without_accelerator_takes_the_locks_build() -> None:
    assert "torch 2.1.2" in pins(recorded("project.uv.lock"))


def test_a_build_is_named_by_its_local_version() -> None:
    text = pylock(
        wheel("torch", version="2.1.2+cu121").replace("org/torch-2.1.2+", "org/torch-2.1.2%2B"), wheel("xformers")
    )
    assert pins(take(text, CU121)) == ["torch 2.1.2+cu121", "xformers 1.0"]
    with pytest.raises(CannotAdopt, match=r"`torch` 2.1.2\+cu121 is the `cu121` build"):
        take(text, "linux-x86_64-cu124-py310")
    with pytest.raises(
        CannotAdopt, match="is a build that says nothing of its accelerator, and the target takes `cu121`"
    ):
        take(pylock(wheel("torch")), CU121)


# what is no lock


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("=", "it is no TOML: Invalid statement (at line 1, column 1)"),
        ("", "it has neither a `lock-version` (PEP 751) nor the `version` of a `uv.lock`"),
        ('lock-version = "2.0"\ncreated-by = "x"\npackages = []', "pylock version 2.0 is not supported"),
        ('lock-version = "1.0"\npackages = []', "Missing required value in 'created-by'"),
        (
            'version = 1\nrequires-python = ">=3.8"',
            "it names no project, workspace member or script requirement to start from",
        ),
        (
            'version = 1\nrequires-python = "x"\npackage = [{name = "a", source = {virtual = "."}}]',
            "its `requires-python` is `x`",
        ),
        ('version = 1\npackage = [{name = "a/b"}]', "`a/b` is no name of a project, an extra or a group"),
        ("version = 1\npackage = 3", "its `package` is not an array"),
        ('[metadata]\nlock_version = "4.5"', "it is a lock of pdm in its own format"),
        ('[metadata]\ncontent-hash = "1"', "it is a lock of Poetry in its own format"),
    ],
)
def test_what_is_no_lock_is_told_in_one_sentence(text: str, problem: str) -> None:
    with pytest.raises(NotALock) as raised:
        take(text)
    assert str(raised.value) == f"`their.lock` cannot be read as a lock: {problem}"
    assert raised.value.hint


def test_a_lock_is_for_the_same_inputs_as_long_as_nothing_changes() -> None:
    text = pylock(wheel("one"))
    assert take(text) == take(text)
    assert take(text).inputs != take(text + "# changed").inputs
    assert take(text).inputs != take(text, "linux-x86_64-py311").inputs


_SCALARS = st.one_of(
    st.integers(-1, 2),
    st.booleans(),
    st.sampled_from(
        [
            ".",
            "",
            "1.0",
            "x",
            "demo",
            "six",
            "sys_platform == 'linux'",
            "extra == 'x'",
            f"sha256:{A}",
            "../a",
            "[::1",
            "*",
        ]
    ),
    st.sampled_from(
        ["six-1.0-py3-none-any.whl", "https://e.org/six-1.0-py3-none-any.whl", "https://[e/six.whl", "file:x"]
    ),
    st.text(max_size=5),
)
_KEYS = st.sampled_from(
    ["version", "revision", "requires-python", "package", "packages", "name", "source", "virtual", "editable",
     "registry", "path", "url", "git", "wheels", "sdist", "hash", "hashes", "sha256", "size", "dependencies", "marker",
     "extra", "extras", "optional-dependencies", "dev-dependencies", "metadata", "requires-dist", "requires-dev",
     "manifest", "members", "requirements", "resolution-markers", "supported-markers", "lock-version", "created-by",
     "environments",
     "directory", "vcs", "archive", "filename", "dependency-groups", "default-groups", "provides-extras"]
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=5)),
    max_leaves=20,
)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        escaped = "".join(
            c if c.isalnum() or c in " .:/=<>'-_[]*" else f"\\u{ord(c):04x}" for c in value if ord(c) < 0xD800
        )
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    assert isinstance(value, dict)
    return f"{{{', '.join(f'{key} = {_toml(each)}' for key, each in value.items())}}}"


def judged(text: str) -> Lock | WheelhouseError:
    """A lock or one of our errors; anything else rises."""
    try:
        return take(text)
    except WheelhouseError as error:
        assert str(error)
        return error


@given(st.dictionaries(_KEYS, _VALUES, max_size=8), st.sampled_from(["uv", "pylock", "neither"]))
def test_no_toml_ends_in_anything_but_our_errors(table: dict[str, object], kind: str) -> None:
    if kind == "uv":
        table = {"requires-python": ">=3.8", **table, "version": 1}
    elif kind == "pylock":
        table = {"created-by": "x", "packages": [], **table, "lock-version": "1.0"}
    judged("\n".join(f"{key} = {_toml(value)}" for key, value in table.items()))


@given(st.dictionaries(_KEYS, _VALUES, max_size=8), st.dictionaries(_KEYS, _VALUES, max_size=8))
def test_no_package_ends_in_anything_but_our_errors(one: dict[str, object], two: dict[str, object]) -> None:
    in_uv = {"name": "six", "version": "1.0", "source": {"registry": "https://e.org"}, **one}
    demo = {"name": "demo", "source": {"virtual": "."}, "dependencies": [{"name": "six"}], **two}
    judged(f'version = 1\nrequires-python = ">=3.8"\npackage = [{_toml(demo)}, {_toml(in_uv)}]')
    judged(f'lock-version = "1.0"\ncreated-by = "x"\npackages = [{_toml({"name": "six", "version": "1.0", **one})}]')


@given(st.text(max_size=60))
def test_no_text_ends_in_anything_but_our_errors(text: str) -> None:
    judged(text)


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "9" * 5000, 'lock-version = "1.0"\nx = ' + "{a=" * 3000]
)
def test_text_that_breaks_a_reader_is_no_lock(text: str) -> None:
    with pytest.raises(NotALock):
        take(text)


def test_a_marker_nested_without_end_is_a_refusal() -> None:
    deep = "(" * 4000 + "os_name == 'posix'" + ")" * 4000
    with pytest.raises(CannotAdopt, match="cannot be judged: it is nested too deep"):
        take(uv_lock(uv_package("six"), dependencies=f'{{ name = "six", marker = "{deep}" }}'))
    with pytest.raises(WheelhouseError):
        take(pylock(wheel("six", more=f'marker = "{deep}"')))
