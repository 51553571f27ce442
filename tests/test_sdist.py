"""What an sdist says of itself is read without running or unpacking it, and only what is promised counts."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Mapping

import pytest
from packaging.requirements import Requirement
from world import build_sdist

from wheelhouse.metadata import BadMetadata, CoreMetadata
from wheelhouse.metadata.sdist import project_and_version
from wheelhouse.sdist import (
    LEGACY_BACKEND,
    BuildSystem,
    Dynamic,
    archive,
    build_system,
    static_metadata,
)

OLD = "Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n"
NEW = "Metadata-Version: 2.2\nName: alpha\nVersion: 1.0\n"


def plain_tar(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(path)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def tar_gz(files: Mapping[str, str | bytes]) -> bytes:
    return gzip.compress(plain_tar(files), mtime=0)


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for path, content in files.items():
            opened.writestr(path, content)
    return buffer.getvalue()


def alpha(pkg_info: str | None, pyproject: str | None = None) -> bytes:
    files = {"alpha-1.0/setup.py": "raise SystemExit('setup.py was run')\n"}
    if pkg_info is not None:
        files["alpha-1.0/PKG-INFO"] = pkg_info
    if pyproject is not None:
        files["alpha-1.0/pyproject.toml"] = pyproject
    return tar_gz(files)


def static(content: bytes, filename: str = "alpha-1.0.tar.gz") -> CoreMetadata:
    found = static_metadata(content, filename)
    assert isinstance(found, CoreMetadata), found
    return found


def dynamic(content: bytes, filename: str = "alpha-1.0.tar.gz") -> Dynamic:
    found = static_metadata(content, filename)
    assert isinstance(found, Dynamic), found
    return found


def requires(found: CoreMetadata) -> list[str]:
    return [str(each) for each in found.requires]


# --- PKG-INFO


def test_pkg_info_of_2_2_and_later_is_static() -> None:
    pkg_info = (
        "Metadata-Version: 2.4\nName: Alpha\nVersion: 1.0\nDynamic: License-File\nRequires-Python: >=3.8\n"
        'Requires-Dist: numpy<2\nProvides-Extra: gpu\nRequires-Dist: triton; extra == "gpu"\n\nRequires-Dist: no\n'
    )
    found = static(alpha(pkg_info))
    assert requires(found) == ["numpy<2", 'triton; extra == "gpu"']
    assert (found.name, str(found.version), str(found.requires_python)) == ("alpha", "1.0", ">=3.8")
    assert found.extras == {"gpu"}


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ("Dynamic: Requires-Dist\n", ("Requires-Dist",)),
        ("dynamic: requires-python\nDYNAMIC:provides-extra\n", ("Requires-Python", "Provides-Extra")),
        ("Dynamic:\n  Requires-Dist\n", ("Requires-Dist",)),
        ("Dynamic: Version\n", ("Version",)),
    ],
)
def test_a_field_that_pkg_info_calls_dynamic_is_not_static(headers: str, fields: tuple[str, ...]) -> None:
    assert dynamic(alpha(NEW + headers)) == Dynamic(fields, f"its PKG-INFO calls {' and '.join(fields)} dynamic")


def test_dynamic_in_the_description_means_nothing() -> None:
    assert requires(static(alpha(NEW + "\nDynamic: Requires-Dist\n"))) == []


@pytest.mark.parametrize("version", ["1.0", "1.2", "2.1"])
def test_an_older_pkg_info_promises_nothing(version: str) -> None:
    pkg_info = f"Metadata-Version: {version}\nName: alpha\nVersion: 1.0\nRequires-Dist: numpy\n"
    assert dynamic(alpha(pkg_info)).reason == (
        f"its PKG-INFO has Metadata-Version {version}, which promises nothing (PEP 643)"
    )


def test_version_2_10_comes_after_2_2() -> None:
    assert requires(static(alpha("Metadata-Version: 2.10\nName: alpha\nVersion: 1.0\nRequires-Dist: b\n"))) == ["b"]


def test_an_sdist_without_pkg_info_is_dynamic() -> None:
    assert dynamic(alpha(None)) == Dynamic((), "it has no PKG-INFO")


@pytest.mark.parametrize(
    ("pkg_info", "reason"),
    [
        ("Metadata-Version: 2.2\nName: beta\nVersion: 1.0\n", "it is that of `beta`"),
        ("Metadata-Version: 2.2\nName: alpha\nVersion: 2.0\n", "it is that of version 2.0"),
        (NEW + "Requires-Dist: numpy ==\n", "a `Requires-Dist` cannot be read"),
        ("Name: alpha\nVersion: 1.0\n", "`Metadata-Version` of its PKG-INFO is missing"),
        ("Metadata-Version: 2.x\nName: alpha\nVersion: 1.0\n", "`Metadata-Version` of its PKG-INFO is 2.x"),
        (NEW + "Metadata-Version: 2.1\n", "`Metadata-Version` of its PKG-INFO is 2.2 and 2.1"),
        (
            "Metadata-Version: 3.0\nName: alpha\nVersion: 1.0\n",
            "`Metadata-Version` is 3.0, and 2.x is the newest known",
        ),
    ],
)
def test_a_pkg_info_that_is_wrong_is_refused(pkg_info: str, reason: str) -> None:
    with pytest.raises(BadMetadata) as error:
        static_metadata(alpha(pkg_info), "alpha-1.0.tar.gz")
    assert str(error.value).startswith(f"the metadata of `alpha-1.0.tar.gz` cannot be used: {reason}")


# --- pyproject.toml

PROJECT = """
[project]
name = "Alpha"
version = "1.0"
requires-python = ">=3.9"
dependencies = ["numpy<2", "tqdm; python_version < '3.11'"]
[project.optional-dependencies]
gpu = ["triton", "cupy; sys_platform == 'linux' or extra == 'x'"]
"""


def test_a_static_project_table_counts_beside_an_older_pkg_info() -> None:
    found = static(alpha(OLD, PROJECT))
    assert requires(found) == [
        "numpy<2",
        'tqdm; python_version < "3.11"',
        'triton; extra == "gpu"',
        'cupy; (sys_platform == "linux" or extra == "x") and extra == "gpu"',
    ]
    assert (str(found.requires_python), found.extras) == (">=3.9", {"gpu"})


def test_a_static_project_table_counts_without_pkg_info() -> None:
    assert requires(static(alpha(None, PROJECT)))[:1] == ["numpy<2"]


def test_a_dynamic_version_alone_leaves_the_requirements_static() -> None:
    project = '[project]\nname = "alpha"\ndynamic = ["version", "readme"]\ndependencies = ["numpy"]\n'
    found = static(alpha(OLD, project))
    assert (str(found.version), requires(found)) == ("1.0", ["numpy"])


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("dependencies", "Requires-Dist"),
        ("optional-dependencies", "Provides-Extra"),
        ("requires-python", "Requires-Python"),
    ],
)
def test_a_project_table_that_is_dynamic_where_it_matters_does_not_count(key: str, field: str) -> None:
    project = f'[project]\nname = "alpha"\nversion = "1.0"\ndynamic = ["{key}"]\n'
    assert dynamic(alpha(OLD, project)) == Dynamic((field,), f"its pyproject.toml calls {key} dynamic")


def test_pkg_info_that_calls_a_field_dynamic_wins_over_the_project_table() -> None:
    assert dynamic(alpha(NEW + "Dynamic: Requires-Dist\n", PROJECT)).fields == ("Requires-Dist",)


@pytest.mark.parametrize("line", ["Requires-Dist: torch", "Requires-Dist: numpy<3", "Requires-Python: >=3.7"])
def test_a_project_table_that_pkg_info_contradicts_does_not_count(line: str) -> None:
    assert dynamic(alpha(f"{OLD}{line}\n", PROJECT)).reason == "its PKG-INFO and its pyproject.toml do not agree"


def test_a_backend_that_ignores_the_project_table_is_found_out() -> None:
    """tests/world's backend takes PKG-INFO, and its `[project]` names no dependencies."""
    sdist = build_sdist("alpha", "1.0", requires=("numpy",))
    assert dynamic(sdist.content).reason == "its PKG-INFO and its pyproject.toml do not agree"


def test_pyproject_without_a_project_table_says_nothing() -> None:
    assert dynamic(alpha(OLD, '[build-system]\nrequires = ["setuptools"]\n')).fields == ()


@pytest.mark.parametrize(
    ("pyproject", "reason"),
    [
        ("[project\n", "its pyproject.toml cannot be read"),
        ("a = " + "[" * 5000, "its pyproject.toml cannot be read"),
        ("a = " + "1" * 5000, "its pyproject.toml cannot be read"),
        ('[project]\nname = "beta"\nversion = "1.0"\n', "it is that of `beta`"),
        ('[project]\nname = "alpha"\nversion = "2.0"\n', "it is that of version 2.0"),
        ('[project]\nname = "alpha"\nversion = 1\n', "`version` of its pyproject.toml is not a string"),
        (PROJECT.replace('"numpy<2"', '"numpy<<2"'), "a requirement of its pyproject.toml cannot be read"),
        (
            '[project]\nname = "alpha"\nversion = "1.0"\ndependencies = "numpy"\n',
            "`dependencies` of its pyproject.toml",
        ),
        (
            '[project]\nname = "alpha"\nversion = "1.0"\n[project.optional-dependencies]\n"a\\nVersion: 2" = []\n',
            "its pyproject.toml names an extra",
        ),
    ],
)
def test_a_pyproject_that_breaks_the_rules_is_refused(pyproject: str, reason: str) -> None:
    with pytest.raises(BadMetadata) as error:
        static_metadata(alpha(OLD, pyproject), "alpha-1.0.tar.gz")
    assert error.value.reason.startswith(reason)


def test_no_string_of_pyproject_becomes_a_header_of_its_own() -> None:
    project = '[project]\nname = "alpha"\nversion = "1.0"\nrequires-python = ">=3.9\\nRequires-Dist: evil"\n'
    assert requires(static(alpha(None, project))) == []


# --- archives


@pytest.mark.parametrize("name", ["alpha-1.0.tar.gz", "alpha-1.0.tgz", "alpha-1.0.tar.bz2", "alpha-1.0.tar.xz"])
def test_every_kind_of_tar_is_read(name: str) -> None:
    pack = {"gz": gzip.compress, "tgz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[name.split(".")[-1]]
    content = pack(plain_tar({"./alpha-1.0/PKG-INFO": NEW + "Requires-Dist: numpy\n"}))
    assert requires(static(content, name)) == ["numpy"]


def test_a_zip_is_read_and_a_stream_too() -> None:
    content = zipped({"alpha-1.0/": "", "alpha-1.0/PKG-INFO": NEW + "Requires-Dist: numpy\n"})
    assert requires(static(content, "alpha-1.0.zip")) == ["numpy"]
    found = static_metadata(io.BytesIO(content), "alpha-1.0.zip")
    assert isinstance(found, CoreMetadata)


def test_only_the_top_folders_pkg_info_counts() -> None:
    files = {"alpha-1.0/PKG-INFO": NEW, "alpha-1.0/alpha.egg-info/PKG-INFO": "x", "alpha-1.0/vendor/b/PKG-INFO": "x"}
    assert requires(static(tar_gz(files))) == []


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("antlr4-python3-runtime-4.9.3.tar.gz", ("antlr4-python3-runtime", "4.9.3")),
        ("openai_whisper-20250625.tar.gz", ("openai-whisper", "20250625")),
        ("Alpha-1.0.zip", ("alpha", "1.0")),
        ("alpha-1.0.tar.bz2", ("alpha", "1.0")),
    ],
)
def test_the_file_name_says_project_and_version(filename: str, expected: tuple[str, str]) -> None:
    name, version = project_and_version(filename)
    assert (name, str(version)) == expected


@pytest.mark.parametrize("filename", ["alpha-1.0.whl", "alpha.tar.gz", "alpha-x.tar.gz", "alpha-1.0.rar"])
def test_another_file_name_is_refused(filename: str) -> None:
    with pytest.raises(BadMetadata):
        static_metadata(alpha(NEW), filename)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not an sdist</html>",
        alpha(NEW)[:-40],
        alpha(NEW)[:30] + b"\0" * 20 + alpha(NEW)[50:],
        gzip.compress(b"not a tar" * 200),
    ],
    ids=["empty", "html", "cut off", "damaged", "no tar"],
)
def test_a_damaged_tar_is_refused(content: bytes) -> None:
    with pytest.raises(BadMetadata, match=r"the sdist (is damaged|cannot be read)"):
        static_metadata(content, "alpha-1.0.tar.gz")


@pytest.mark.parametrize("content", [b"", b"<html>", zipped({"alpha-1.0/PKG-INFO": NEW})[:-30]])
def test_a_damaged_zip_is_refused(content: bytes) -> None:
    with pytest.raises(BadMetadata, match=r"the sdist (is damaged|cannot be read)"):
        static_metadata(content, "alpha-1.0.zip")


def test_a_second_pkg_info_is_refused() -> None:
    with pytest.raises(BadMetadata, match="it holds two `PKG-INFO`"):
        static_metadata(tar_gz({"alpha-1.0/PKG-INFO": NEW, "beta/PKG-INFO": NEW}), "alpha-1.0.tar.gz")


@pytest.mark.parametrize("pack", [tar_gz, zipped], ids=["tar.gz", "zip"])
def test_a_bomb_goes_off_nowhere(pack: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is lowered here; the mechanism is the same for the real one."""
    monkeypatch.setattr(archive, "LARGEST_ARCHIVE", 2**20)
    content = pack({"alpha-1.0/zeros": bytes(4 * 2**20), "alpha-1.0/PKG-INFO": NEW})  # type: ignore[operator]
    assert len(content) < 10_000
    with pytest.raises(BadMetadata, match="it unpacks to more than 1048576 bytes"):
        static_metadata(content, "alpha-1.0.zip" if pack is zipped else "alpha-1.0.tar.gz")


@pytest.mark.parametrize("pack", [tar_gz, zipped], ids=["tar.gz", "zip"])
def test_a_pkg_info_beyond_16_mib_is_refused(pack: object) -> None:
    content = pack({"alpha-1.0/PKG-INFO": NEW.encode() + b"\n" + bytes(16 * 2**20)})  # type: ignore[operator]
    with pytest.raises(BadMetadata, match="its `PKG-INFO` has 16777"):
        static_metadata(content, "alpha-1.0.zip" if pack is zipped else "alpha-1.0.tar.gz")


def test_a_tar_of_too_many_members_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    with pytest.raises(BadMetadata, match="it holds more than 3 members"):
        static_metadata(tar_gz({f"alpha-1.0/{each}": "" for each in range(4)}), "alpha-1.0.tar.gz")


def test_a_header_that_claims_gigabytes_takes_no_memory() -> None:
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 3 * 2**30
    with pytest.raises(BadMetadata, match="it asks for too many bytes at once"):
        static_metadata(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(18 * 2**20)), "alpha-1.0.tar.gz")


def test_a_member_of_negative_size_ends_the_reading() -> None:
    header = bytearray(tarfile.TarInfo("alpha-1.0/back").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + (-1024 & 0xFFFF).to_bytes(2, "big")
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    with pytest.raises(BadMetadata, match="a header of the sdist leads backwards"):
        static_metadata(gzip.compress(bytes(header) * 3 + bytes(1024)), "alpha-1.0.tar.gz")


# --- build requirements


def test_an_sdist_without_build_system_is_built_by_setuptools() -> None:
    expected = BuildSystem((Requirement("setuptools>=40.8.0"), Requirement("wheel")), LEGACY_BACKEND)
    assert build_system(alpha(OLD), "alpha-1.0.tar.gz") == expected
    assert build_system(alpha(OLD, PROJECT), "alpha-1.0.tar.gz") == expected


def test_the_build_system_is_read() -> None:
    pyproject = (
        '[build-system]\nrequires = ["hatchling>=1.2"]\nbuild-backend = "hatchling.build"\nbackend-path = ["."]\n'
    )
    assert build_system(alpha(OLD, pyproject), "alpha-1.0.tar.gz") == BuildSystem(
        (Requirement("hatchling>=1.2"),), "hatchling.build", (".",)
    )


def test_requirements_without_a_backend_are_kept_for_setuptools() -> None:
    found = build_system(alpha(OLD, '[build-system]\nrequires = ["setuptools<70", "numpy"]\n'), "alpha-1.0.tar.gz")
    assert ([str(each) for each in found.requires], found.backend) == (["setuptools<70", "numpy"], LEGACY_BACKEND)


@pytest.mark.parametrize(
    "pyproject",
    [
        '[build-system]\nbuild-backend = "x"\n',
        "build-system = 1\n",
        '[build-system]\nrequires = "x"\n',
        '[build-system]\nrequires = ["x ="]\n',
        "[build-system]\nrequires = []\nbuild-backend = 1\n",
    ],
)
def test_a_build_system_that_breaks_the_rules_is_refused(pyproject: str) -> None:
    with pytest.raises(BadMetadata):
        build_system(alpha(OLD, pyproject), "alpha-1.0.tar.gz")
