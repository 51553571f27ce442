"""`wheelhouse.toml` as a value: every key is read, and what cannot be meant is refused by its name."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from wheelhouse import config
from wheelhouse.config import BadConfig, Config, NamedIndex, NamedRoute, Override


def parsed(text: str) -> Config:
    found = config.parse(text, "wheelhouse.toml")
    assert found is not None
    return found


def test_an_empty_file_says_nothing() -> None:
    assert parsed("") == Config(source="wheelhouse.toml")


def test_every_key_of_the_example_is_read() -> None:
    """The commented lines of `wheelhouse init` are examples that count when their `#` goes."""
    text = re.sub(r'^# (?=[a-z-]+ = |\[|")', "", config.EXAMPLE, flags=re.MULTILINE)
    assert parsed(text) == Config(
        source="wheelhouse.toml",
        targets=("linux-x86_64-cu121-py310",),
        requirements=("requirements.in",),
        constraints=("constraints.txt",),
        extras=("plot",),
        groups=("dev",),
        index_url="https://example.org/simple",
        indexes=(NamedIndex(name="company", url="https://packages.example.org/simple"),),
        routes=(NamedRoute("mycompany-*", "company"),),
        pytorch_url="https://example.org/pytorch/whl",
        torch_index="auto",
        exclude_newer="2026-01-31",
        pre=False,
        allow_older=("deepspeed",),
        from_sdist=("openai-whisper",),
        accept=("driver",),
        overrides=(
            Override(
                project=canonicalize_name("whisperx"),
                versions=SpecifierSet("<3.5"),
                drop=(canonicalize_name("onnxruntime"),),
                add=(Requirement("onnxruntime-gpu<1.19"),),
            ),
        ),
        lock_dir="lockfiles",
        wheel_dir="wheels",
        output="bundles",
    )


def test_the_example_names_what_was_given_whatever_it_holds() -> None:
    text = config.example(["windows-x86_64-py311"], ['we "ird\\é.in', "b.in"])
    assert (parsed(text).targets, parsed(text).requirements) == (("windows-x86_64-py311",), ('we "ird\\é.in', "b.in"))
    assert parsed(config.example()).requirements == ("requirements.in",)


def test_a_table_of_pyproject_is_read_where_it_is() -> None:
    table = ("tool", "wheelhouse")
    assert config.parse("[project]\nname = 'x'\n", "pyproject.toml", table=table) is None
    found = config.parse("[tool.wheelhouse]\npre = true\n", "pyproject.toml", table=table)
    assert found == Config(source="pyproject.toml", pre=True)


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("target = ['x']", "`w.toml`: `target` is not known", "did you mean `targets`?"),
        ("exclude_newer = '2024-01-01'", "`w.toml`: `exclude_newer` is not known", "did you mean `exclude-newer`?"),
        (
            "[[indexes]]\nname='a'\nurl='b'\nkey='c'", "`w.toml`: `indexes[0].key` is not known",
            "known are: name, url, find-links",
        ),
        ("[[indexes]]\nname='a'", "`w.toml`: `indexes[0].url` is missing", ""),
        ("targets = 'x'", "`w.toml`: `targets` must be an array of strings", ""),
        ("pre = 'yes'", "`w.toml`: `pre` must be true or false", ""),
        ("torch-index = 'conda'", "`w.toml`: `torch-index` must be one of `auto`, `pytorch`, `pypi`", ""),
        ("[routes]\nx = 'nowhere'", "`w.toml`: `routes.'x'` names the index `nowhere`, which is not in `indexes`", ""),
        ("[[overrides]]\nproject = '?'", "`w.toml`: `overrides[0].project` cannot be read: name is invalid: '?'", ""),
        ("a = ", "`w.toml` is no TOML: Invalid value (at end of document)", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_its_name(text: str, told: str, hint: str) -> None:
    with pytest.raises(BadConfig) as caught:
        config.parse(text, "w.toml")
    assert (str(caught.value), caught.value.hint) == (told, hint)


def test_in_pyproject_a_key_is_named_with_its_table() -> None:
    with pytest.raises(BadConfig) as caught:
        config.parse("[tool.wheelhouse]\ntarget = []\n", "pyproject.toml", table=("tool", "wheelhouse"))
    assert str(caught.value) == "`pyproject.toml`: `tool.wheelhouse.target` is not known"
