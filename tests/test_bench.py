"""scripts/bench: what is recorded is what is replayed, and the tables say what was measured."""

from __future__ import annotations

import gzip
import json
import sys
import tarfile
import time
import tomllib
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from world.cli import wheelhouse
from world.server import FakeIndex
from world.wheels import build_sdist, build_wheel, pip_wheel

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from benchmarks import figures, plot, running, sets, tools, tree  # noqa: E402
from benchmarks.recording import TAIL, Recorder, recording  # noqa: E402
from benchmarks.replaying import replaying  # noqa: E402

JSON = {"accept": tree.PAGE_TYPE}


def script() -> ModuleType:
    """scripts/bench as a module."""
    loader = SourceFileLoader("bench", str(ROOT / "scripts" / "bench"))
    spec = spec_from_loader("bench", loader)
    assert spec is not None
    module = module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def get(url: str, **headers: str) -> tuple[int, Any, bytes]:
    """Status, headers and body of an answer, errors too. `accept_encoding` stands for `Accept-Encoding`."""
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request) as given:
            return given.status, given.headers, given.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def page_of(recorder: Recorder, project: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(recorder.answer(f"/simple/{project}/", JSON).body)
    return found


@pytest.fixture
def filled(index: FakeIndex) -> FakeIndex:
    """`tool` needs `part`; `part 2.0` was yanked; an sdist beside them."""
    index.add(build_wheel("tool", "1.0", requires=["part<3"]), upload_time="2024-05-01T10:00:00.000000Z")
    index.add(build_wheel("part", "1.0", requires_python=">=3.8", padding=3 * TAIL), metadata=False)
    index.add(build_wheel("part", "2.0"), yanked="broken")
    index.add(build_sdist("part", "1.0"))
    index.add(pip_wheel())
    return index


# Recording


def test_a_recorded_page_keeps_what_the_index_says_and_names_no_host(filled: FakeIndex, tmp_path: Path) -> None:
    page = page_of(Recorder(tmp_path, filled.simple), "tool")
    (file,) = page["files"]
    told = json.loads(get(f"{filled.simple}/tool/", accept=tree.PAGE_TYPE)[2])["files"][0]
    for name in ("filename", "hashes", "size", "upload-time", "core-metadata"):
        assert file[name] == told[name]
    assert file["upload-time"] == "2024-05-01T10:00:00.000000Z"
    assert file["url"].startswith("../../files/")
    assert "127.0.0.1" not in json.dumps(page)


def test_yanks_and_required_pythons_are_kept(filled: FakeIndex, tmp_path: Path) -> None:
    files = {file["filename"]: file for file in page_of(Recorder(tmp_path, filled.simple), "part")["files"]}
    assert files["part-2.0-py3-none-any.whl"]["yanked"] == "broken"
    assert files["part-1.0-py3-none-any.whl"]["requires-python"] == ">=3.8"


def test_an_index_of_html_becomes_json(tmp_path: Path) -> None:
    with FakeIndex(form="html") as index:
        index.add(build_wheel("part", "1.0", requires_python=">=3.8"), yanked="broken")
        (file,) = page_of(Recorder(tmp_path, index.simple), "part")["files"]
    assert (file["filename"], file["requires-python"], file["yanked"]) == (
        "part-1.0-py3-none-any.whl",
        ">=3.8",
        "broken",
    )
    assert len(file["hashes"]["sha256"]) == len(file["core-metadata"]["sha256"]) == 64


def test_metadata_that_the_index_does_not_offer_is_read_out_of_the_wheel(filled: FakeIndex, tmp_path: Path) -> None:
    filled.form = "json"
    path = filled.projects["part"][0].url.removeprefix(filled.url)
    recorder = Recorder(tmp_path, filled.simple)
    (file, *_) = page_of(recorder, "part")["files"]
    assert f"{path}.metadata" not in filled.files
    metadata = recorder.answer(file["url"].removeprefix("../..") + ".metadata", {})
    assert metadata.status == 200
    assert metadata.body.startswith(b"Metadata-Version: 2.1\nName: part\nVersion: 1.0\n")
    assert all("bytes=" in asked.headers["range"] for asked in filled.asked("part-1.0-py3-none-any.whl$"))


def test_the_end_of_a_wheel_is_kept_as_far_as_it_was_asked_for(filled: FakeIndex, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, filled.simple)
    (file, *_) = page_of(recorder, "part")["files"]
    wheel, where = filled.projects["part"][0].content, file["url"].removeprefix("../..")
    size = len(wheel)

    last = recorder.answer(where, {"range": "bytes=-100"})
    assert (last.status, last.body) == (206, wheel[-100:])
    assert last.headers["Content-Range"] == f"bytes {size - 100}-{size - 1}/{size}"
    assert tree.answer(tmp_path, where, {"range": f"bytes=-{TAIL}"}).body == wheel[-TAIL:]

    middle = {"range": f"bytes={size - 2 * TAIL}-{size - 2 * TAIL + 9}"}
    assert not tree.answer(tmp_path, where, middle).known
    assert recorder.answer(where, middle).body == wheel[size - 2 * TAIL : size - 2 * TAIL + 10]
    assert tree.answer(tmp_path, where, {"range": f"bytes=-{2 * TAIL}"}).body == wheel[-2 * TAIL :]
    assert tree.answer(tmp_path, where, {}).status == 404  # a whole wheel is never there


def test_what_the_index_lacks_is_told_from_what_nobody_asked(filled: FakeIndex, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, filled.simple)
    assert recorder.answer("/simple/nothing/", JSON) == tree.Answer(404)
    assert tree.answer(tmp_path, "/simple/nothing/", JSON) == tree.Answer(404, known=True)
    assert tree.answer(tmp_path, "/simple/tool/", JSON) == tree.Answer(404, known=False)


def test_everything_is_asked_once(filled: FakeIndex, tmp_path: Path) -> None:
    for _ in range(2):
        recorder = Recorder(tmp_path, filled.simple)
        (file,) = page_of(recorder, "tool")["files"]
        recorder.answer(file["url"].removeprefix("../..") + ".metadata", {})
        recorder.answer("/simple/nothing/", JSON)
    assert [request.path for request in filled.requests] == [
        "/simple/tool/",
        filled.projects["tool"][0].url.removeprefix(filled.url) + ".metadata",
        "/simple/nothing/",
    ]


def test_what_a_run_guessed_at_and_the_recording_lacked_is_asked_for(
    filled: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, recorder = script(), Recorder(tmp_path, filled.simple)
    (file,) = page_of(recorder, "tool")["files"]
    where = file["url"].removeprefix("../..")
    monkeypatch.setattr(bench, "upstream", lambda folder: Recorder(folder, filled.simple))
    bench.complete(["/simple/part/ -", f"{where} bytes=-9", f"{where}.metadata -"], tmp_path)
    assert tree.answer(tmp_path, "/simple/part/", JSON).status == 200
    assert tree.answer(tmp_path, where, {"range": "bytes=-9"}).body == filled.projects["tool"][0].content[-9:]
    assert tree.answer(tmp_path, f"{where}.metadata", {}).status == 200


def test_a_pack_holds_the_recording_but_not_where_it_came_from(filled: FakeIndex, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "index", filled.simple)
    page_of(recorder, "tool")
    tree.pack(tmp_path / "index", tmp_path / "bench.tar.gz")
    with tarfile.open(tmp_path / "bench.tar.gz") as packed:
        assert not [name for name in packed.getnames() if "upstream" in name]
    tree.unpack(tmp_path / "bench.tar.gz", tmp_path / "copy")
    assert tree.answer(tmp_path / "copy", "/simple/tool/", JSON).body == recorder.answer("/simple/tool/", JSON).body


def test_cutoffs_are_used_where_the_index_gives_upload_times(filled: FakeIndex, tmp_path: Path) -> None:
    bench, dandi = script(), sets.BY_NAME["hard-dandi"]
    Recorder(tmp_path, filled.simple).answer("/simple/pip/", {})
    assert bench.as_far_as_possible([dandi], tmp_path)[0].newest == "2023-10-01"
    assert bench.as_far_as_possible([dandi], tmp_path / "no times")[0].newest is None


# Replaying: by nginx where it can wait, else by Python; and always by Python


@pytest.mark.parametrize("nginx", [True, False])
def test_the_replay_answers_as_pypi_does(nginx: bool, filled: FakeIndex, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, filled.simple)
    page = recorder.answer("/simple/part/", JSON).body
    where = json.loads(page)["files"][0]["url"].removeprefix("../..")
    recorder.answer(f"{where}.metadata", {})
    recorder.answer(where, {"range": "bytes=-10"})
    recorder.answer("/simple/nothing/", JSON)
    filled.reset()

    with replaying(tmp_path, 0.001, nginx=nginx) as replay:
        status, headers, body = get(f"{replay.index}part/")
        assert (status, body) == (200, page)
        assert headers["Content-Type"] == "application/vnd.pypi.simple.v1+json"
        assert headers["Cache-Control"] == "max-age=600, public"
        assert get(f"{replay.index}part/", if_none_match=headers["ETag"])[0] == 304

        _, headers, packed = get(f"{replay.index}part/", accept_encoding="gzip")
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed) == page

        _, headers, body = get(f"{replay.url}{where}.metadata")
        assert headers["Cache-Control"] == "max-age=365000000, immutable, public"
        assert body.startswith(b"Metadata-Version")

        wheel = filled.projects["part"][0].content
        for wanted, part in (("-10", wheel[-10:]), (f"{len(wheel) - 20}-{len(wheel) - 11}", wheel[-20:-10])):
            status, headers, body = get(f"{replay.url}{where}", range=f"bytes={wanted}")
            assert (status, body) == (206, part)
            assert headers["Content-Range"].endswith(f"/{len(wheel)}")

        assert get(f"{replay.index}nothing/")[0] == 404
        assert replay.missed() == []
        assert get(f"{replay.index}tool/")[0] == get(f"{replay.url}{where}", range="bytes=0-9")[0] == 404
        lacking = ["/simple/tool/ -", f"{where} bytes=0-9"]
        for _ in range(500):  # nginx answers first and writes its log then
            if len(replay.missed()) == len(lacking):
                break
            time.sleep(0.01)
        assert replay.missed() == lacking
    assert filled.requests == []


def test_a_lock_comes_out_of_the_replay_as_it_went_in(filled: FakeIndex, tmp_path: Path) -> None:
    def lock(name: str, index: str) -> list[tuple[str, str, str]]:
        (tmp_path / name).mkdir()
        ran = wheelhouse("lock", "tool", "--target", "linux-x86_64-py311", "--index-url", index, cwd=tmp_path / name)
        assert ran.code == 0, ran.err
        text = (tmp_path / name / "lockfiles" / "pylock.linux-x86_64-py311.toml").read_text()
        packages = tomllib.loads(text)["packages"]
        return [(each["name"], each["version"], each["wheels"][0]["hashes"]["sha256"]) for each in packages]

    with recording(Recorder(tmp_path / "index", filled.simple)) as url:
        went_in = lock("first", f"{url}/simple/")
    with replaying(tmp_path / "index", 0.0, nginx=False) as replay:
        assert lock("second", replay.index) == went_in
        assert replay.missed() == []
    assert [pin[:2] for pin in went_in] == [("part", "1.0"), ("tool", "1.0")]


# Tools


def test_every_tool_is_asked_for_the_same(tmp_path: Path) -> None:
    hard = sets.BY_NAME["hard-mlflow"]
    job = tools.Job(
        set=hard, machines=(hard.machine,), index="http://127.0.0.1/simple/", cache=tmp_path, folder=tmp_path
    )
    said = {tool.name: " ".join(tool.commands(job, Path("bin"))[0]) for tool in tools.TOOLS}
    assert "--target linux-x86_64-cpu-py310-glibc2.28 " in said["wheelhouse"]
    assert said["wheelhouse"].endswith("--exclude-newer 2024-10-22")
    assert said["uv"].startswith(f"bin/uv pip compile --quiet --no-config --no-build --python {sys.executable} ")
    assert "--python-version 3.10 --python-platform x86_64-manylinux_2_28 " in said["uv"]
    assert "--exclude-newer 2024-10-22T23:59:59Z" in said["uv"]
    assert "--only-binary :all: --index-url http://127.0.0.1/simple/" in said["pip"]
    assert "--platform manylinux_2_28_x86_64" in said["pip"]
    assert "--platform manylinux_2_29_x86_64" not in said["pip"]
    assert "--project-environment-platform linux_x86_64 runs-on-libc=2.28 " in said["nab"]
    assert 'dependencies = ["numpy==1.21.5", "spacy<4.0.0,>=3.0.0", ' in (tmp_path / "pyproject.toml").read_text()
    assert (tmp_path / "requirements.in").read_text() == "numpy==1.21.5\nspacy<4.0.0,>=3.0.0\nmlflow<3.0.0,>=2.13.0\n"


def test_six_targets_are_one_run_of_ours_and_six_of_uv(tmp_path: Path) -> None:
    web = sets.BY_NAME["web"]
    job = tools.Job(set=web, machines=web.six, index="http://127.0.0.1/", cache=tmp_path, folder=tmp_path)
    (ours,) = tools.wheelhouse(job, Path("bin"))
    assert ours.count("--target") == len(tools.uv(job, Path("bin"))) == 6


def test_settings_of_this_machine_are_shut_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PIP_INDEX_URL", "UV_CACHE_DIR", "WHEELHOUSE_TARGET", "PYTHONPATH"):
        monkeypatch.setenv(name, "odd")
    assert "odd" not in tools.environment(["bin/uv"], tmp_path).values()
    assert tools.environment([sys.executable], tmp_path)["PYTHONPATH"] == str(ROOT)


def test_a_command_is_timed_and_a_failing_one_is_quoted(tmp_path: Path) -> None:
    run = running.timed([[sys.executable, "-c", "sum(range(10**6))"]] * 2, tmp_path)
    assert run.cpu > 0
    assert run.wall > 0
    with pytest.raises(running.Failed, match="no such thing"):
        running.timed([[sys.executable, "-c", "raise SystemExit('no such thing')"]], tmp_path)


# Figures


def measured(case: str, tool: str, *walls: float, failed: str | None = None) -> dict[str, Any]:
    runs = [{"wall": wall, "cpu": wall / 2} for wall in walls]
    return {"case": case, "set": "web", "tool": tool, "runs": runs, "failed": failed}


def row(*given: dict[str, Any]) -> figures.Row:
    (found,) = figures.rows(given)
    return found


def test_medians_are_compared_after_taking_off_what_python_costs() -> None:
    found = row(measured("cold", "wheelhouse", 3.0, 1.8, 1.7), measured("cold", "uv", 1.0, 0.9, 7.0))
    assert (found.figures["wheelhouse"], found.figures["uv"].wall) == (figures.Figure(1.8, 0.9, 1.7, 3), 1.0)
    assert found.ratio == pytest.approx(1.5)
    assert found.met
    assert row(measured("six-cold", "wheelhouse", 3.6), measured("six-cold", "uv", 1.0)).ratio == pytest.approx(3.0)


def test_a_row_says_in_which_way_it_falls_short() -> None:
    ours = measured("warm", "wheelhouse", 1.3)
    assert row(ours, measured("warm", "uv", 0.2)).misses == ("5.0 × uv",)
    assert row(ours, measured("warm", "uv", 1.0), measured("warm", "nab", 1.2)).misses == ("slower than nab",)
    assert row(ours, measured("warm", "uv", 1.0), measured("warm", "pip", failed="too deep")).met
    assert row(measured("warm", "wheelhouse", failed="error"), measured("warm", "uv", 1.0)).misses == (
        "wheelhouse fails",
    )


def test_the_table() -> None:
    found = figures.rows(
        [
            measured("cold", "wheelhouse", 2.3),
            measured("cold", "uv", 1.0),
            measured("cold", "nab", failed="no"),
            measured("cold", "pip", 13.04),
        ]
    )
    assert figures.table(found, "cold") == (
        "| set | wheelhouse (CPU) | uv (CPU) | nab | pip | ratio | bound | kept |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|\n"
        "| web | 2.30 (1.15) | 1.00 (0.50) | fails | 13.0 | 2.00 | 1.5 | **no**: 2.0 × uv |"
    )


def test_other_answers_are_told() -> None:
    pins = {"web": {"wheelhouse": {"a": "1", "b": "2"}, "uv": {"a": "1", "b": "2"}, "pip": {"a": "1", "b": "1"}}}
    assert figures.differences(pins) == ["web: pip pins b 1 (2); in brackets: wheelhouse"]


def test_what_is_written_names_no_place_of_this_machine() -> None:
    assert figures.short("error: no `/somewhere/x.txt` at 10:30 / hint: more") == "error: no `…` at 10:30"
    words = ["run", "web", "--folder", "/somewhere", "--runs", "3", "--json=/somewhere/a", "--offline"]
    assert script().typed(words) == "scripts/bench run web"


def test_the_plot_has_a_dot_for_each_tool_of_each_row() -> None:
    given = [measured("cold", "wheelhouse", 1.0), measured("cold", "uv", 0.1), measured("cold", "pip", 13.0)]
    drawn = plot.svg(figures.rows([*given, measured("warm", "wheelhouse", 0.3)]))
    dots = [
        each[0].text
        for each in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}circle")
        if len(each)  # those of the legend have no title
    ]
    assert dots == ["pip: 13.00 s", "uv: 0.10 s", "wheelhouse: 1.00 s", "wheelhouse: 0.30 s"]
    assert plot.position(10, 1, 100) == (plot.position(1, 1, 100) + plot.position(100, 1, 100)) / 2


def test_the_marked_block_of_a_document_is_replaced() -> None:
    bench = script()
    text = f"before\n{bench.BEGIN}\nold\n{bench.END}\nafter\n"
    once = bench.replaced(text, "new\n")
    assert once == f"before\n{bench.BEGIN}\n\nnew\n\n{bench.END}\nafter\n"
    assert bench.replaced(once, "new\n") == once
    with pytest.raises(SystemExit, match="lacks the lines"):
        bench.replaced("nothing here", "new")


def test_the_document_of_the_repository_has_its_block() -> None:
    bench, text = script(), (ROOT / "docs" / "performance.md").read_text()
    assert text.index(bench.BEGIN) < text.index(bench.END)


def test_where_there_is_no_solution_a_tool_has_to_say_so(tmp_path: Path) -> None:
    refuses = [[sys.executable, "-c", "import sys; sys.exit('error: no')"]]
    assert running.timed(refuses, tmp_path, code=1).wall > 0
    with pytest.raises(running.Failed, match="error: no"):
        running.timed(refuses, tmp_path)
    with pytest.raises(running.Failed):
        running.timed([[sys.executable, "-c", ""]], tmp_path, code=1)
