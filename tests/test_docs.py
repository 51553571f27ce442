"""The documents against the program: the reference is in step, and nothing is named that is not there."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import click
import pytest
from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name
from packaging.version import Version
from pip._internal.models.index import PyPI, TestPyPI
from world.bundles import entries_of, lock_of
from world.wheels import build_wheel

from wheelhouse import config
from wheelhouse.cli.commands import cli
from wheelhouse.config import Config, NamedIndex, Override
from wheelhouse.digests import Digest
from wheelhouse.lock import Lock, dump
from wheelhouse.lock.model import LockedBuild, LockedHeldBack
from wheelhouse.offline import install

ROOT = Path(__file__).resolve().parents[1]
HOME = Path.home()  # the developer's: for the tests themselves conftest.py names another
DOCUMENTS = tuple(sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]))
EXAMPLES = tuple(sorted((ROOT / "examples").glob("*.txt")))
# Options of other programs, and of requirements files, that the documents name.
FOREIGN = {
    "--require-hashes", "--no-deps", "--no-index", "--find-links", "--offline", "--isolated", "--wheel-dir",
    "--platform", "--python-version", "--abi", "--python-platform", "--torch-backend", "--trusted-host", "--version",
    "--index-url", "--extra-index-url", "--pre", "--check", "--help",
    "--hash", "--no-binary", "--only-binary", "--prefer-binary", "--use-feature", "--no-build-isolation",
    "--gpus", "--enable-shared", "--uploaded-prior-to", "--no-compile",
}  # fmt: skip


@cache
def generator() -> ModuleType:
    """scripts/reference as a module."""
    loader = SourceFileLoader("reference", str(ROOT / "scripts" / "reference"))
    spec = importlib.util.spec_from_loader("reference", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command by its words, groups among them."""
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def options_of(command: click.Command) -> set[str]:
    """Every spelling of its options."""
    context = click.Context(command)
    options = (each for each in command.get_params(context) if isinstance(each, click.Option))
    return {name for each in options for name in (*each.opts, *each.secondary_opts)}


OPTIONS = {path: options_of(command) for path, command in commands()}
ALL_OPTIONS = set().union(*OPTIONS.values())
VARIABLES = {each.envvar for _, command in commands() for each in command.params if isinstance(each, click.Option)} | {
    "WHEELHOUSE_IMPORT_TIMEOUT"
}  # install.py reads it
INSTALL_OPTIONS = {"--python", "--venv", "--check", "--accept", "-h", "--help"}


def shell_lines(text: str) -> Iterator[str]:
    """Commands in a document's blocks and code spans: what stands behind `$ `, in `sh` blocks, and `wheelhouse …`."""
    kind, inside = "", False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
            kind = line[3:].strip()
        elif inside and kind == "console" and line.startswith("$ "):
            yield line[2:]
        elif inside and kind == "sh":
            yield line.partition("  #")[0]
        elif not inside:
            yield from (span for span in re.findall(r"`([^`]+)`", line) if span.startswith("wheelhouse "))


def words_after(line: str, program: str) -> list[str] | None:
    """The words behind a program in a command line, up to the end of that command; None where it is not there."""
    match = re.search(rf"(?:^|[\s/(]){re.escape(program)}((?:\s[^&|;)]*)?)(?:[&|;)]|$)", line)
    return None if match is None else match[1].split()


def wrong_in(line: str) -> list[str]:
    """What a command line names that is not there."""
    found = words_after(line, "wheelhouse")
    wrong: list[str] = []
    if found is not None:
        path: tuple[str, ...] = ()
        while found and (*path, found[0]) in OPTIONS:
            path = (*path, found.pop(0))
        if not path and found and not found[0].startswith("-"):
            return [f"no command `{found[0]}`"]
        wrong += [f"`{' '.join(path)}` has no `{word}`" for word in spelled(found) if word not in OPTIONS[path]]
    for script in ("install.sh", "install.py"):
        wrong += [
            f"`{script}` has no `{word}`"
            for word in spelled(words_after(line, script) or [])
            if word not in INSTALL_OPTIONS
        ]
    return wrong


def spelled(words: list[str]) -> list[str]:
    """The options among the words, without their values."""
    return [word.partition("=")[0].strip("\"'") for word in words if re.match(r"--?[a-z]", word)]


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def repository_files() -> list[Path]:
    """What git tracks or would; without git all that is not hidden."""
    if (ROOT / ".git").exists():
        command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "-co", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        return [ROOT / name for name in listed if name and (ROOT / name).is_file()]
    found = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]


def test_the_reference_is_what_the_commands_say() -> None:
    text = (ROOT / "docs" / "reference.md").read_text("utf-8")
    assert text == generator().reference(), "out of step: run scripts/reference"


def test_the_reference_names_every_key_of_a_lock_and_of_a_manifest() -> None:
    plain = lock_of("linux-x86_64-cu121-py310", [build_wheel("six", "1.16.0")])
    name = canonicalize_name("six")
    lock = Lock(
        **{key: getattr(plain, key) for key in ("label", "requires_python", "environment", "installer")},
        packages=tuple(replace(package, installed=4096) for package in plain.packages),
        accepted=("driver",),
        roots=plain.roots,
        inputs=Digest.of(b""),
        held_back=(LockedHeldBack(name=name, newer=Version("2"), reason="is a source distribution"),),
        stand_in="cu121",
        builds=(
            LockedBuild(
                name=name,
                sdist="six-1.16.0.tar.gz",
                digest=Digest.of(b""),
                requires=("setuptools==80.9.0",),
                python="3.10.13",
                repeatable=True,
            ),
        ),
        computed_hashes=("six-1.16.0-py3-none-any.whl",),
    )
    tool = tomllib.loads(dump(lock, folder=ROOT))["tool"]["wheelhouse"]
    assert set(tool) == set(generator().LOCK_KEYS)
    assert {key for key in tool["built"][name] if f"`{key}`" not in generator().LOCK_KEYS["built"]} == set()
    (text,) = [entry.content for entry in entries_of(lock) if entry.path == "MANIFEST.json"]
    manifest = json.loads(text or b"")
    assert set(manifest) == set(generator().MANIFEST_KEYS)
    assert set(manifest["targets"][0]) == set(generator().TARGET_KEYS)


def test_the_reference_names_every_key_of_the_configuration() -> None:
    def keys(kind: type[Struct]) -> list[str]:
        return [name.replace("_", "-") for name in kind.__struct_fields__]

    assert ["source", *generator().CONFIG_KEYS] == keys(Config)
    assert list(generator().INDEX_KEYS) == keys(NamedIndex)
    assert list(generator().OVERRIDE_KEYS) == keys(Override)


def test_the_configurations_in_the_documents_can_be_read() -> None:
    found = [
        (path.name, block)
        for path in DOCUMENTS
        for block in re.findall(r"^```toml\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        if "[project]" not in block
    ]
    assert found, "the guide shows a configuration"
    for name, block in found:
        assert config.parse(block, name) is not None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_document_names_only_what_is_there(path: Path) -> None:
    text = path.read_text("utf-8")
    wrong = [f"{line}: {each}" for line in shell_lines(text) for each in wrong_in(line)]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    if path.parent.name != "decisions":  # those also speak of what was turned down
        unknown = named - ALL_OPTIONS - INSTALL_OPTIONS - FOREIGN
        wrong += [f"`{name}` is an option of nothing" for name in sorted(unknown)]
    wrong += sorted(set(re.findall(r"\bWHEELHOUSE_[A-Z_]*[A-Z]\b", text)) - VARIABLES)
    accepted = re.findall(r"--accept ([a-z-]+)", text)
    wrong += [f"no rule `{rule}`" for rule in accepted if rule not in install.ACCEPTABLE]
    assert wrong == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("wheelhouse lock -r a.txt --target x --upgrade", []),
        ("wheelhouse look -r a.txt", ["no command `look`"]),
        ("cd x && .venv/bin/wheelhouse cache prune --al", ["`cache prune` has no `--al`"]),
        ('bundle=$(wheelhouse build rich --quite) && sh "$bundle/install.sh"', ["`build` has no `--quite`"]),
        ("sh bundles/x/install.sh --venv env --force", ["`install.sh` has no `--force`"]),
    ],
)
def test_a_planted_option_or_command_is_found(line: str, wrong: list[str]) -> None:
    assert wrong_in(line) == wrong


def test_the_rules_that_can_be_accepted_are_listed_in_the_guide() -> None:
    text = " ".join((ROOT / "docs" / "guide.md").read_text("utf-8").split())
    assert ", ".join(f"`{rule}`" for rule in install.ACCEPTABLE) in text


def test_hints_of_the_program_name_options_that_it_has() -> None:
    named = {
        (path.name, option)
        for path in (ROOT / "wheelhouse").rglob("*.py")
        if path.parent.name != "offline"
        for option in re.findall(r"`(?:wheelhouse [a-z]+ )?(--[a-z-]+)", path.read_text("utf-8"))
    }
    assert {(name, option) for name, option in named if option not in ALL_OPTIONS | FOREIGN} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_internal_link_is_dead(path: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        there = (path.parent / name).resolve() if name else path
        if not there.exists():
            dead.append(link)
        elif anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.MULTILINE)
            dead += [link] if anchor not in {slug(heading) for heading in headings} else []
    assert dead == []


def test_every_decision_is_numbered_in_turn_and_says_context_decision_and_consequences() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, path in enumerate(records, start=1):
        text = path.read_text("utf-8")
        assert path.name.startswith(f"{number:04}-"), path.name
        assert text.startswith(f"# {number}. "), path.name
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences"], path.name


def test_no_registry_is_named_anywhere_in_the_repository() -> None:
    hosts = {PyPI.netloc, PyPI.file_storage_domain, TestPyPI.netloc, TestPyPI.file_storage_domain}
    assert all("." in host for host in hosts)
    files = repository_files()
    assert ROOT / "README.md" in files
    named = re.compile("|".join(re.escape(host) for host in sorted(hosts)).encode(), re.IGNORECASE)
    assert [path.relative_to(ROOT).as_posix() for path in files if named.search(path.read_bytes())] == []


def test_no_document_names_a_folder_of_a_developers_machine() -> None:
    places = [rf"(?<!\w){re.escape(str(path))}(?!\w)" for path in (ROOT, HOME) if len(path.parts) > 1]
    own = re.compile("|".join([*places, r"/(?:home|Users)/\w+", r"[A-Z]:\\Users"]))
    found = [
        f"{path.relative_to(ROOT).as_posix()}: {match[0]}"
        for path in (*DOCUMENTS, *EXAMPLES)
        for match in own.finditer(path.read_text("utf-8"))
    ]
    assert found == []
