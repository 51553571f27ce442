"""Crossing the wall: only what is lacking is carried, and nothing of a damaged or foreign export gets in."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from world import build_wheel
from world.buckets import BUCKET, Buckets
from world.mirroring import CUDA, LATER, MOMENT, PLAIN, Crash, Crashing, files_in, published, stored, untrue

from wheelhouse.digests import Digest, DigestMismatch
from wheelhouse.edge.mirror import exporting, importing, look, maintain, publish, tree
from wheelhouse.edge.mirror.places import opened
from wheelhouse.edge.mirror.reading import BadExport
from wheelhouse.edge.mirror.storage import Directory, Storage
from wheelhouse.edge.store import Store
from wheelhouse.errors import UsageError
from wheelhouse.mirroring.comparing import difference
from wheelhouse.mirroring.names import project
from wheelhouse.mirroring.state import BadState, State

APP = build_wheel("app", "1.0", requires=["lib>=1"], requires_python=">=3.8")
LIB, LIB2 = build_wheel("lib", "1.0"), build_wheel("lib", "2.0")
TORCH = build_wheel("torch", "2.1.2+cu121", tag="cp310-cp310-linux_x86_64")
OTHER = build_wheel("other", "1.0")
ON_PLAIN = published(PLAIN, [APP, LIB])
ON_CUDA = published(CUDA, [APP, LIB2], channel=[TORCH])
Places = Callable[[str], Storage]


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    if request.param == "directory":
        return lambda name: opened(str(tmp_path / name))
    server: Buckets = request.getfixturevalue("s3")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    return lambda name: opened(f"s3://{BUCKET}/{re.sub('[^a-z0-9]+', '-', request.node.name)}/{name}")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not waited for: a process that dies loses nothing that it wrote."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stored(tmp_path_factory.mktemp("store"), [APP, LIB, LIB2, TORCH, OTHER])


@pytest.fixture(params=["folder", "export.tar"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    found: Path = tmp_path / "out" / request.param
    return found


@pytest.fixture
def online(tmp_path: Path, store: Store) -> Directory:
    """A mirror with both locks."""
    mirror = Directory(tmp_path / "online")
    publish.add(mirror, [ON_PLAIN], store, added=MOMENT)
    publish.add(mirror, [ON_CUDA], store, added=LATER)
    return mirror


@pytest.fixture
def export(online: Directory, tmp_path: Path) -> Path:
    """All of it, in a folder."""
    exporting.export(online, tmp_path / "export", None)
    return tmp_path / "export"


def names(path: Path) -> list[str]:
    """The wheels in an export."""
    if path.is_dir():
        found = [each.name for each in path.rglob("*.whl")]
    else:
        with tarfile.open(path) as archive:
            found = [name.rpartition("/")[2] for name in archive.getnames() if name.endswith(".whl")]
    return sorted(found)


def reseal(export: Path) -> None:
    """Write SHA256SUMS anew, as somebody would who means harm."""
    sums = {
        path.relative_to(export).as_posix(): Digest.of(path.read_bytes())
        for path in export.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    text = "".join(f"{digest.hex}  {name}\n" for name, digest in sorted(sums.items()))
    (export / "SHA256SUMS").write_text(text, "utf-8")


def refused(mirror: Storage, export: Path) -> str:
    """What is said of an export that is not taken; the mirror stays as it is."""
    before = files_in(mirror)
    with pytest.raises(BadExport) as caught:
        importing.take(mirror, export)
    assert files_in(mirror) == before
    return str(caught.value)


def test_a_mirror_that_was_carried_is_the_same(place: Places, store: Store, output: Path) -> None:
    online, inside = place("online"), place("inside")
    publish.add(online, [ON_PLAIN, ON_CUDA], store, added=MOMENT)
    exported = exporting.export(online, output, None)
    assert (exported.files, names(output)) == (4, sorted([APP.filename, LIB.filename, LIB2.filename, TORCH.filename]))
    taken = importing.take(inside, output)
    assert (taken.locks, taken.files, taken.new) == (2, 4, 4)
    assert files_in(inside) == files_in(online)
    assert untrue(inside) == []
    assert maintain.verify(inside).problems == ()
    again = importing.take(inside, output)
    assert (again.new, again.pages) == (0, 0)
    assert files_in(inside) == files_in(online)


def test_only_what_the_other_side_lacks_is_carried(place: Places, store: Store, output: Path, tmp_path: Path) -> None:
    online, inside = place("online"), place("inside")
    publish.add(online, [ON_PLAIN], store, added=MOMENT)
    exporting.export(online, tmp_path / "first", None)
    importing.take(inside, tmp_path / "first")
    publish.add(online, [ON_CUDA], store, added=LATER)
    state = State.parse(look.state(inside).text().encode(), "state.json")
    exporting.export(online, output, state)
    assert names(output) == sorted([LIB2.filename, TORCH.filename])
    importing.take(inside, output)
    assert files_in(inside) == files_in(online)
    assert difference(look.contents(online.name), look.contents(inside.name)).is_none
    nothing = exporting.export(online, tmp_path / "nothing.tar", look.state(inside))
    assert (nothing.files, dict(nothing.manifest.locks)) == (0, {})
    assert importing.take(inside, tmp_path / "nothing.tar").pages == 0


def test_the_same_mirror_gives_the_same_tar(online: Directory, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        exporting.export(online, tmp_path / name, None)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_state_is_small_and_says_what_is_there(online: Directory) -> None:
    text = look.state(online).text()
    facts = json.loads(text)
    assert facts["files"] == " ".join(sorted(wheel.digest.hex[:16] for wheel in (APP, LIB, LIB2, TORCH)))
    assert facts["locks"] == sorted([ON_PLAIN.reference, ON_CUDA.reference])
    assert State.parse(text.encode(), "x") == look.state(online)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format":1,"mirror":"x","locks":[],"files":""}'])
def test_what_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(BadState, match=r"`s\.json` is not the state of a mirror: "):
        State.parse(text.encode(), "s.json")


def test_what_was_taken_off_the_pages_is_not_carried_but_for_its_lock(
    online: Directory, export: Path, tmp_path: Path
) -> None:
    publish.remove_project(online, project("app"), None)
    exporting.export(online, tmp_path / "without", None)
    assert APP.filename in names(tmp_path / "without")  # the locks that pin it name it
    inside = Directory(tmp_path / "inside")
    importing.take(inside, tmp_path / "without")
    assert files_in(inside) == files_in(online)
    assert inside.read("simple/app/index.json") is None


def test_an_export_never_writes_over_anything(online: Directory, export: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        exporting.export(online, export, None)


def test_a_damaged_mirror_is_not_carried(online: Directory, output: Path) -> None:
    key = f"files/{APP.digest.hex[:2]}/{APP.digest.hex}/{APP.filename}"
    online.write(key, bytes(len(APP.content)))
    with pytest.raises(DigestMismatch):
        exporting.export(online, output, None)
    assert not output.exists()
    assert not output.parent.exists() or list(output.parent.iterdir()) == []


# what is refused


@pytest.fixture
def inside(tmp_path: Path, store: Store) -> Directory:
    """A mirror of its own, so that a change would be seen."""
    mirror = Directory(tmp_path / "inside")
    publish.add(mirror, [published(PLAIN, [OTHER])], store, added=MOMENT)
    return mirror


@pytest.fixture
def knowing(inside: Directory, online: Directory) -> Directory:
    """The same, after it has taken something of the online mirror."""
    held = inside.read("mirror.json")
    assert held is not None
    facts = json.loads(held.content)
    online_id = json.loads((online.root / "mirror.json").read_bytes())["id"]
    inside.write("mirror.json", json.dumps({**facts, "origins": [online_id]}).encode())
    return inside


def test_a_foreign_mirror_is_asked_for_by_name(inside: Directory, export: Path) -> None:
    before = files_in(inside)
    with pytest.raises(importing.ForeignExport, match=r"comes from the mirror [0-9a-f]{32}, of which") as caught:
        importing.take(inside, export)
    assert "--from-any" in caught.value.hint
    assert files_in(inside) == before
    importing.take(inside, export, from_any=True)
    assert untrue(inside) == []
    assert importing.take(inside, export).pages == 0  # it is known from now on


def test_every_flipped_byte_is_noticed(knowing: Directory, export: Path) -> None:
    for path in sorted(path for path in export.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for at in {0, len(content) // 2, len(content) - 1}:
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            assert "cannot be imported" in refused(knowing, export), (path, at)
        path.write_bytes(content)
    importing.take(knowing, export)


def test_every_missing_and_every_added_file_is_noticed(knowing: Directory, export: Path) -> None:
    for path in sorted(path for path in export.rglob("*") if path.is_file()):
        content = path.read_bytes()
        path.unlink()
        assert "not there" in refused(knowing, export) or path.name == "SHA256SUMS"
        path.write_bytes(content)
    (export / "notes.txt").write_text("hello", "utf-8")
    assert "`notes.txt` is there and not listed in SHA256SUMS" in refused(knowing, export)
    reseal(export)
    assert "it names 'notes.txt'" in refused(knowing, export)


def test_a_cut_off_tar_is_noticed(knowing: Directory, online: Directory, tmp_path: Path) -> None:
    exporting.export(online, tmp_path / "whole.tar", None)
    content = (tmp_path / "whole.tar").read_bytes()
    for size in (0, 100, 512, 5000, len(content) // 2, len(content) - 20_000):
        (tmp_path / "cut.tar").write_bytes(content[:size])
        assert "cannot be imported" in refused(knowing, tmp_path / "cut.tar")


def test_a_link_in_an_export_is_refused(knowing: Directory, export: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", "utf-8")
    (export / "files" / "link").symlink_to(tmp_path / "secret")
    assert "`files/link` is no ordinary file" in refused(knowing, export)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../../escape", tarfile.REGTYPE),
        ("/etc/cron.d/x", tarfile.REGTYPE),
        ("files", tarfile.SYMTYPE),
        ("files", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE),
        ("files", tarfile.DIRTYPE),
    ],
)
def test_a_tar_with_anything_else_is_refused(
    knowing: Directory, online: Directory, tmp_path: Path, name: str, kind: bytes
) -> None:
    path = tmp_path / "export.tar"
    exporting.export(online, path, None)
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info, io.BytesIO())
    assert "is no ordinary file" in refused(knowing, path) or kind == tarfile.REGTYPE
    assert not (tmp_path / "escape").exists()


def header(kind: bytes, size: int) -> bytes:
    """A header of a tar file, whatever its size says."""
    found = tarfile.TarInfo("x")
    found.type = kind
    content = bytearray(found.tobuf(tarfile.GNU_FORMAT))
    content[124:136] = size.to_bytes(12, "big", signed=True) if size < 0 else b"\x80" + size.to_bytes(11, "big")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content)
    return bytes(content)


SPARSE = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n19 GNU.sparse.name=x\n33 GNU.sparse.realsize=999999999\n"


@pytest.mark.parametrize(
    "hostile",
    [
        header(tarfile.REGTYPE, -1024),
        header(tarfile.REGTYPE, 1 << 60),
        header(tarfile.XHDTYPE, 1 << 40),
        header(tarfile.XHDTYPE, -1024),
        header(tarfile.GNUTYPE_LONGNAME, -1024),
        header(tarfile.SOLARIS_XHDTYPE, -1024),
        header(tarfile.XHDTYPE, len(SPARSE)) + SPARSE.ljust(512, b"\0") + header(tarfile.REGTYPE, 0),
    ],
    ids=["below zero", "beyond the end", "long attributes", "attributes", "name", "Solaris", "sparse"],
)
def test_a_tar_whose_headers_lie_is_refused(
    knowing: Directory, online: Directory, tmp_path: Path, hostile: bytes
) -> None:
    exporting.export(online, tmp_path / "whole.tar", None)
    whole = (tmp_path / "whole.tar").read_bytes()
    with tarfile.open(tmp_path / "whole.tar") as archive:
        second = archive.getmembers()[1].offset
    for at in (0, second):
        (tmp_path / "export.tar").write_bytes(whole[:at] + hostile + whole[at:])
        assert "cannot be imported" in refused(knowing, tmp_path / "export.tar")


def test_what_is_no_export_is_refused(knowing: Directory, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "it has no SHA256SUMS" in refused(knowing, tmp_path / "empty")
    assert "it is not there" in refused(knowing, tmp_path / "none.tar")
    (tmp_path / "text.tar").write_text("hello", "utf-8")
    assert "it is no tar file" in refused(knowing, tmp_path / "text.tar")


def manifest(export: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((export / "export.json").read_bytes())
    return found


def rewrite(export: Path, change: Callable[[dict[str, object]], None]) -> None:
    facts = manifest(export)
    change(facts)
    (export / "export.json").write_text(json.dumps(facts), "utf-8")
    reseal(export)


def first_file(facts: dict[str, object]) -> dict[str, object]:
    return facts["pages"][0]["files"][0]  # type: ignore[index,no-any-return]


HOSTILE: dict[str, Callable[[dict[str, object]], None]] = {
    "another project's wheel": lambda facts: first_file(facts).update(filename=LIB.filename),
    "a path": lambda facts: first_file(facts).update(filename="../../x-1-py3-none-any.whl"),
    "a page elsewhere": lambda facts: facts["pages"][0].update(project="../x"),  # type: ignore[index]
    "a channel elsewhere": lambda facts: facts["pages"][0].update(channel="../x"),  # type: ignore[index]
    "a channel that the lock does not mean": lambda facts: facts["pages"][0].update(channel="cu118"),  # type: ignore[index]
    "another size": lambda facts: first_file(facts).update(size=1),
    "a lock that is not in it": lambda facts: first_file(facts).update(locks=[f"{PLAIN}/{'0' * 64}"]),
    "a time that is none": lambda facts: first_file(facts).update(added="yesterday"),
    "another digest": lambda facts: first_file(facts).update(sha256="0" * 64),
    "no mirror": lambda facts: facts.update(mirror="../x"),
    "another kind": lambda facts: facts.update(kind="x"),
    "no pages": lambda facts: facts.pop("locks"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_manifest_that_lies_is_refused(knowing: Directory, export: Path, what: str) -> None:
    rewrite(export, HOSTILE[what])
    assert "cannot be imported" in refused(knowing, export)


def test_a_wheel_under_another_digest_is_refused(knowing: Directory, export: Path) -> None:
    (wheel,) = export.rglob(APP.filename)
    wheel.write_bytes(b"something else")
    reseal(export)
    assert "it names 'files/" in refused(knowing, export)


def test_metadata_that_is_not_the_wheels_is_refused(knowing: Directory, export: Path) -> None:
    (path,) = export.rglob(f"{APP.filename}.metadata")
    path.write_bytes(path.read_bytes().replace(b"lib>=1", b"evil>1"))
    reseal(export)
    assert ".metadata` is not the metadata in the wheel" in refused(knowing, export)


def test_metadata_never_stands_in_the_place_of_what_the_mirror_has(
    knowing: Directory, online: Directory, store: Store, tmp_path: Path
) -> None:
    publish.add(knowing, [ON_PLAIN, ON_CUDA], store, added=MOMENT)
    state = look.state(knowing)
    publish.add(online, [published(PLAIN, [APP, OTHER])], store, added=MOMENT)
    exporting.export(online, tmp_path / "part", state)
    beside = f"files/{APP.digest.hex[:2]}/{APP.digest.hex}/{APP.filename}.metadata"
    (tmp_path / "part" / beside).parent.mkdir(parents=True)
    (tmp_path / "part" / beside).write_bytes(b"Metadata-Version: 2.1\nName: app\nVersion: 1.0\n")
    reseal(tmp_path / "part")
    assert f"`{beside}` is there without its wheel" in refused(knowing, tmp_path / "part")


def test_metadata_of_a_wheel_that_is_on_no_page_has_to_be_the_wheels_too(
    knowing: Directory, online: Directory, tmp_path: Path
) -> None:
    publish.remove_project(online, project("app"), None)
    exporting.export(online, tmp_path / "rest", None)
    (path,) = (tmp_path / "rest").rglob(f"{APP.filename}.metadata")
    path.write_bytes(path.read_bytes().replace(b"lib>=1", b"evil>1"))
    reseal(tmp_path / "rest")
    assert ".metadata` is not the metadata in the wheel" in refused(knowing, tmp_path / "rest")


def test_a_file_of_no_lock_is_refused(knowing: Directory, export: Path) -> None:
    key = f"files/{OTHER.digest.hex[:2]}/{OTHER.digest.hex}/{OTHER.filename}"
    (export / key).parent.mkdir(parents=True)
    (export / key).write_bytes(OTHER.content)
    (export / f"{key}.metadata").write_bytes(b"")
    reseal(export)
    assert f"`{key}` is of no lock in it" in refused(knowing, export)


def test_a_size_that_lies_is_refused_for_a_wheel_that_is_there_already(
    knowing: Directory, online: Directory, store: Store, tmp_path: Path
) -> None:
    publish.add(knowing, [ON_PLAIN, ON_CUDA], store, added=MOMENT)
    publish.add(online, [published("linux-x86_64-py312", [APP])], store, added=MOMENT)
    exporting.export(online, tmp_path / "part", look.state(knowing))
    rewrite(tmp_path / "part", lambda facts: first_file(facts).update(size=7))
    told = refused(knowing, tmp_path / "part")
    assert f"`{APP.filename}` has {len(APP.content)} bytes, and `export.json` says 7" in told


def test_a_wheel_that_is_collected_during_an_import_is_missed_before_a_page_names_it(
    knowing: Directory, online: Directory, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish.add(knowing, [ON_PLAIN], store, added=MOMENT)
    state = look.state(knowing)
    publish.remove_lock(knowing, ON_PLAIN.reference)
    publish.add(online, [published(PLAIN, [APP])], store, added=MOMENT)
    exporting.export(online, tmp_path / "part", state)
    commit = tree.commit

    def later(storage: Storage, *given: object) -> tree.Changes:
        maintain.gc(storage)
        return commit(storage, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(tree, "commit", later)
    with pytest.raises(BadExport, match="is neither in it nor in"):
        importing.take(knowing, tmp_path / "part")
    assert untrue(knowing) == []


def test_a_lock_under_another_label_is_refused(knowing: Directory, export: Path) -> None:
    lock = export / "locks" / PLAIN
    lock.rename(export / "locks" / "linux-x86_64-py312")
    rewrite(export, lambda facts: facts.update(json.loads(json.dumps(facts).replace(PLAIN, "linux-x86_64-py312"))))
    assert f"is a lock of `{PLAIN}`" in refused(knowing, export)


def test_an_export_for_another_state_says_what_is_lacking(
    knowing: Directory, online: Directory, tmp_path: Path
) -> None:
    state = State.of(tree.identity(online), [APP.digest], [ON_PLAIN.reference])
    exporting.export(online, tmp_path / "part", state)
    told = refused(knowing, tmp_path / "part")
    assert f"{APP.filename}` is neither in it nor in `{knowing.name}`" in told


def test_an_import_that_crashes_leaves_true_pages_and_completes(
    export: Path, online: Directory, tmp_path: Path
) -> None:
    after = 0
    while True:
        inside = Directory(tmp_path / "crash" / str(after))
        crashing = Crashing(inside, after)
        try:
            importing.take(crashing, export)
        except Crash:
            assert untrue(inside) == [], f"after {after} writes"
            importing.take(inside, export)
        assert files_in(inside) == files_in(online), f"after {after} writes"
        if not crashing.crashed:
            break
        after += 1
    assert after > 20


def test_an_export_can_be_imported_from_a_read_only_medium(export: Path, tmp_path: Path) -> None:
    for path in [*export.rglob("*"), export]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    importing.take(Directory(tmp_path / "inside"), export)
    for path in [export, *export.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(export)
    assert maintain.verify(Directory(tmp_path / "inside")).problems == ()
