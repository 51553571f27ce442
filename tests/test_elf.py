"""ELF files read as the dynamic linker reads them, out of wheels that are not unpacked, and kept by digest."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import json
import random
import zipfile
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from packaging.utils import NormalizedName
from packaging.version import Version
from world.elf import build_elf, build_elf_wheel
from world.wheels import WheelFile

from wheelhouse.compat.binaries import BadElf, Elf, Names, Strings, WheelBinaries, findings, read_elf, record, restored
from wheelhouse.compat.model import Pinned, Severity, Subject
from wheelhouse.edge import binaries as reader
from wheelhouse.edge.binaries import facts
from wheelhouse.edge.store import Store
from wheelhouse.lock import LockedWheel
from wheelhouse.target import Target

CU121 = "linux-x86_64-cu121-py310"


def parsed(content: bytes) -> Elf:
    elf = read_elf("lib/some.so", lambda offset, count: content[offset : offset + count])
    assert elf is not None
    return elf


# reading ELF files


def test_what_the_dynamic_linker_reads_is_read() -> None:
    elf = parsed(
        build_elf(
            soname="libcusparse.so.12",
            needed=("libnvJitLink.so.12", "libc.so.6"),
            runpath="$ORIGIN/../../nvjitlink/lib",
            exports=("cusparseCreate",),
            wants={
                "libc.so.6": {"GLIBC_2.2.5": ["memcpy"], "GLIBC_2.17": ["clock_gettime"]},
                "libstdc++.so.6": {"GLIBCXX_3.4.21": [], "CXXABI_1.3.9": []},
                "libnvJitLink.so.12": {"libnvJitLink.so.12": ["__nvJitLinkAddData_12_1"]},
            },
            undefined=("_ZN3c105ErrorC1Ev", "cublasCreate_v2", "PyLong_FromLong", "_ZNSt6thread4joinEv"),
            weak=("_ZN3c104Weak3runEv",),
        )
    )
    assert elf == Elf(
        path="lib/some.so",
        soname="libcusparse.so.12",
        needed=("libnvJitLink.so.12", "libc.so.6"),
        runpath="$ORIGIN/../../nvjitlink/lib",
        glibc=(2, 17),
        glibcxx=(3, 4, 21),
        cxxabi=(1, 3, 9),
        versioned={"libnvJitLink.so.12": ("__nvJitLinkAddData_12_1",)},
        undefined=("_ZN3c105ErrorC1Ev", "cublasCreate_v2"),
        exports=Names.of(["cusparseCreate"]),
    )


@pytest.mark.parametrize("symbol_count", ["sections", "hash", "gnu"])
def test_symbols_are_counted_wherever_their_number_stands(symbol_count: str) -> None:
    content = build_elf(exports=("PyInit__C", "b", "c"), undefined=("cudaMalloc",), symbol_count=symbol_count)  # type: ignore[arg-type]
    elf = parsed(content)
    assert (len(elf.exports), elf.module, elf.undefined) == (3, True, ("cudaMalloc",))
    assert "c" in elf.exports
    assert "d" not in elf.exports


def test_a_version_that_may_be_missing_and_a_bundled_libstdcxx_raise_no_floor() -> None:
    elf = parsed(
        build_elf(
            wants={
                "libc.so.6": {"GLIBC_2.17": [], "GLIBC_2.34": []},
                "libstdc++-1a2b3c4d.so.6.0.33": {"GLIBCXX_3.4.33": []},
            },
            weak_versions=("GLIBC_2.34",),
        )
    )
    assert (elf.glibc, elf.glibcxx) == ((2, 17), None)


def test_relative_relocations_packed_need_glibc_2_36() -> None:
    assert parsed(build_elf(wants={"libc.so.6": {"GLIBC_2.17": [], "GLIBC_ABI_DT_RELR": []}})).glibc == (2, 36)


def test_code_for_a_gpu_and_32_bit_files_are_no_binaries_of_the_target() -> None:
    content = build_elf(machine=190)  # EM_CUDA
    assert read_elf("x.cubin", lambda offset, count: content[offset : offset + count]) is None
    narrow = b"\x7fELF\x01\x01" + content[6:]
    assert read_elf("x.so", lambda offset, count: narrow[offset : offset + count]) is None


def test_a_name_that_would_write_on_the_terminal_is_escaped() -> None:
    assert parsed(build_elf(soname="lib\x1b[31m.so")).soname == "lib\\x1b[31m.so"


WHOLE = build_elf(
    soname="libx.so.1",
    needed=("libc.so.6",),
    exports=("PyInit_x", "y"),
    wants={"libc.so.6": {"GLIBC_2.17": ["memcpy"]}},
    undefined=("cudaMalloc",),
)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_is_cut_off_is_refused(end: int) -> None:
    with pytest.raises(BadElf):
        parsed(WHOLE[:end])


def test_damaged_files_are_refused_or_read() -> None:
    refused = 0
    for seed in range(1000):
        chance = random.Random(seed)
        content = bytearray(WHOLE)
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(20, len(content))] = chance.choice([0, 1, 127, 255, chance.randrange(256)])
        try:
            read_elf("x.so", lambda offset, count, content=bytes(content): content[offset : offset + count])
        except BadElf:
            refused += 1
    assert 100 < refused < 900


def test_real_extension_modules_read_as_pyelftools_reads_them() -> None:
    paths = [path for path in importlib.metadata.files("selectolax") or () if path.suffix == ".so"]
    assert paths
    for path in paths:
        content = path.read_binary()
        ours = parsed(content)
        with Path(str(path.locate())).open("rb") as file:
            theirs = ELFFile(file)
            dynamic = theirs.get_section_by_name(".dynamic")
            needed = tuple(tag.needed for tag in dynamic.iter_tags("DT_NEEDED"))
            versions = {
                version.name
                for section in theirs.iter_sections()
                if isinstance(section, GNUVerNeedSection)
                for _, nodes in section.iter_versions()
                for version in nodes
            }
            exported = [
                symbol.name
                for symbol in theirs.get_section_by_name(".dynsym").iter_symbols()
                if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_info"]["bind"] != "STB_LOCAL"
            ]
        floor = max(Version(name[6:]) for name in versions if name.startswith("GLIBC_2"))
        assert ours.needed == needed
        assert ours.glibc == floor.release
        assert all(name in ours.exports for name in exported)
        assert ours.module


# strings


@given(st.integers(1, 70))
def test_names_are_found_wherever_the_pieces_are_cut(size: int) -> None:
    content = (
        b"\0" * 50 + b"libcudnn_ops_infer.so.8\0libcublas.so.12\0" + b"\0" * 9 + b"numpy.core._multiarray_umath\0\0"
    )
    strings = Strings()
    for at in range(0, len(content), size):
        strings.update(content[at : at + size])
    assert strings.mentions() == ("libcublas.so.12", "libcudnn_ops_infer.so.8")
    assert strings.numpy() == "1"


def test_numpy_2_headers_name_both_and_pybind11_alone_names_none() -> None:
    both, lazy = Strings(), Strings()
    both.update(b"numpy._core._multiarray_umath\0numpy.core._multiarray_umath\0")
    lazy.update(b"numpy.core.multiarray\0")
    assert (both.numpy(), lazy.numpy()) == ("2", "")


def test_libraries_of_other_families_are_not_mentioned() -> None:
    strings = Strings()
    strings.update(b"libcuda.so.1\0libfoo.so.3\0libcublas.so\0libcudart.so.11.0\0")
    assert strings.mentions() == ("libcudart.so.11",)


# reading wheels


def stored(tmp_path: Path, *wheels: WheelFile) -> tuple[Store, list[LockedWheel]]:
    store = Store(tmp_path / "wheels")
    locked = []
    for wheel in wheels:
        path = tmp_path / wheel.filename
        path.write_bytes(wheel.content)
        store.adopt(path, wheel.digest)
        locked.append(LockedWheel(filename=wheel.filename, url="https://files.invalid/x", digest=wheel.digest))
    return store, locked


SHARED = build_elf(soname="liby.so.1", exports=("_ZN1y3runEv",), strings=("libcublas.so.12", "numpy._core"))
USING = build_elf(
    needed=("liby.so.1",),
    exports=("PyInit_x",),
    undefined=("_ZN1y3runEv", "_ZN1z3runEv"),
    wants={"libz9.so.1": {"Z_1": ["z"]}, "liby.so.1": {"Y_1": ["y"]}},
    padding=9_000_000,
)


@pytest.mark.parametrize("packed", ["stored", "deflated"])
def test_a_wheel_is_read_without_unpacking_it(tmp_path: Path, packed: str) -> None:
    wheel = build_elf_wheel(
        "x", "1.0", {"x/_x.so": USING, "x/liby.so.1": SHARED, "x/a.txt": b"text" * 99}, stored=packed == "stored"
    )
    store, locked = stored(tmp_path, wheel)
    found = facts(locked, store, tmp_path)
    assert found == {
        wheel.filename: WheelBinaries(
            filename=wheel.filename,
            elves=(
                Elf(
                    path="x/_x.so",
                    needed=("liby.so.1",),
                    versioned={"libz9.so.1": ("z",)},  # its own wheel's libraries are left out
                    undefined=("_ZN1z3runEv",),
                    exports=Names.of(["PyInit_x"]),
                    module=True,
                ),
                Elf(
                    path="x/liby.so.1",
                    soname="liby.so.1",
                    exports=Names.of(["_ZN1y3runEv"]),
                    mentions=("libcublas.so.12",),
                    numpy="2",
                ),
            ),
        )
    }


def test_what_was_read_is_kept_by_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, locked = stored(tmp_path, build_elf_wheel("x", "1.0", {"x/_x.so": USING, "x/liby.so.1": SHARED}))
    first = facts(locked, store, tmp_path)
    monkeypatch.setattr(reader, "read", lambda path, filename: pytest.fail("it was read again"))
    renamed = [replace(locked[0], filename="y-1.0-py3-none-any.whl")]
    again = facts(renamed, store, tmp_path)
    assert again["y-1.0-py3-none-any.whl"].elves == first[locked[0].filename].elves
    assert again["y-1.0-py3-none-any.whl"].filename == "y-1.0-py3-none-any.whl"


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 0}', b'{"format": 1, "binaries": []}', b"[1]", b"\xff"])
def test_a_damaged_cache_counts_as_none(tmp_path: Path, content: bytes) -> None:
    store, locked = stored(tmp_path, build_elf_wheel("x", "1.0", {"x/liby.so.1": SHARED}))
    first = facts(locked, store, tmp_path)
    (path,) = (tmp_path / "binaries").rglob("*.json")
    path.write_bytes(content)
    assert facts(locked, store, tmp_path) == first
    assert json.loads(path.read_bytes())["format"] == 1


def test_damaged_binaries_and_wheels_are_facts_and_notes(tmp_path: Path) -> None:
    good = build_elf_wheel("x", "1.0", {"x/bad.so": SHARED[:100], "x/liby.so.1": SHARED})
    broken = dataclasses.replace(good, filename="z-1.0-py3-none-any.whl", content=good.content[:-30])
    store, locked = stored(tmp_path, good, broken)
    found = facts(locked, store, tmp_path)
    assert [elf.path for elf in found[good.filename].elves] == ["x/liby.so.1"]
    assert found[good.filename].unreadable == (("x/bad.so", "a table is cut off"),)
    assert found[broken.filename].unreadable == (("", "File is not a zip file"),)
    x = NormalizedName("x")
    pin = Pinned(name=x, version=Version("1.0"), filename=good.filename)
    subject = Subject(target=Target.parse(CU121), pins={x: pin})
    assert [(each.severity, each.what) for each in findings(subject, {x: found[good.filename]})] == [
        (Severity.NOTE, "`x/bad.so` of `x 1.0` cannot be read: a table is cut off")
    ]
    (whole,) = findings(subject, {x: found[broken.filename]})
    assert (whole.severity, whole.what) == (
        Severity.WARNING,
        "`z-1.0-py3-none-any.whl` of `x 1.0` cannot be read: File is not a zip file",
    )


def test_a_member_that_nobody_can_unpack_is_a_warning(tmp_path: Path) -> None:
    """Its digest is right: it was published so."""
    wheel = build_elf_wheel("x", "1.0", {"x/liby.so.1": SHARED})
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        start = archive.infolist()[0].header_offset + 30 + len("x/liby.so.1")
    packed = bytearray(wheel.content)
    packed[start + 40 : start + 60] = b"\xff" * 20
    path = tmp_path / "x.whl"
    path.write_bytes(packed)
    with zipfile.ZipFile(path) as archive:
        assert archive.infolist()[0].compress_type == zipfile.ZIP_DEFLATED
    read = reader.read(path, "x-1.0-py3-none-any.whl")
    x = NormalizedName("x")
    pin = Pinned(name=x, version=Version("1.0"), filename=wheel.filename)
    (found,) = findings(Subject(target=Target.parse(CU121), pins={x: pin}), {x: read})
    assert found.severity is Severity.WARNING
    assert found.what.startswith(
        "`x/liby.so.1` of `x 1.0` cannot be read: its member of the wheel is damaged (Error -3"
    )
    assert found.way_out.splitlines()[0].startswith("unpack it here first: `python -m zipfile -t x-1.0-")


def test_a_member_that_is_longer_than_its_packed_bytes_is_unreadable(tmp_path: Path) -> None:
    wheel = build_elf_wheel("x", "1.0", {"x/liby.so.1": SHARED})
    size = len(SHARED).to_bytes(4, "little")
    lying = wheel.content.replace(size, (len(SHARED) + 5000).to_bytes(4, "little"))
    path = tmp_path / "x.whl"
    path.write_bytes(lying)
    assert reader.read(path, "x.whl").unreadable == (("x/liby.so.1", "its member of the wheel is cut off"),)
    with zipfile.ZipFile(path) as archive:
        assert archive.infolist()[0].file_size == len(SHARED) + 5000


def test_a_wheel_that_is_not_there_is_told(tmp_path: Path) -> None:
    store, locked = stored(tmp_path, build_elf_wheel("x", "1.0", {}))
    store.path(locked[0].digest).unlink()
    with pytest.raises(reader.NotFetched, match="is not fetched, so what is inside it cannot be read"):
        facts(locked, store, tmp_path)


def test_facts_survive_json() -> None:
    binaries = WheelBinaries(filename="x.whl", elves=(parsed(WHOLE), parsed(SHARED)), unreadable=(("a", "b"),))
    assert restored(json.loads(json.dumps(record(binaries)))) == binaries
