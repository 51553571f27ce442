"""Check digits behind a label: a slip of the hand is found, told, and where one label alone explains it, proposed."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelhouse.target import Target, TargetError
from wheelhouse.target.checkdigits import cksum, digits, split, with_check

LABEL = "linux-x86_64-cu118-py310-driver515.65.01-sm80"
AGAIN = "type it again from the probe's page; without `-ckNNNNN` nothing is checked"


def refused(text: str) -> TargetError:
    with pytest.raises(TargetError) as told:
        Target.parse(text)
    return told.value


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 4294967295),
        (b"a", 1220704766),
        (b"123456789", 930766865),
        (b"linux-x86_64-cu118-py310-driver515.65.01-sm80", 2577637878),
        (b"a" * 300, 1664553091),
    ],
)
def test_the_digits_are_those_of_posix_cksum(data: bytes, crc: int) -> None:
    assert cksum(data) == crc
    program = shutil.which("cksum")
    if program is not None:  # and of the one that is here
        ran = subprocess.run([program], input=data, capture_output=True, check=True)
        assert int(ran.stdout.split()[0]) == crc


def test_a_label_is_written_with_its_check_group() -> None:
    assert digits(LABEL) == "37878"
    assert with_check(LABEL) == f"{LABEL}-ck37878"
    assert split(f"{LABEL}-ck37878") == (LABEL, "37878")
    assert split(LABEL) == (LABEL, None)
    assert len({len(digits(f"linux-x86_64-py3.10.{patch}")) for patch in range(300)}) == 1


@pytest.mark.parametrize(
    "typed",
    [
        f"{LABEL}-ck37878",
        f"  {LABEL.upper()}-CK37878 ",
        f"{LABEL} - ck 37878",
        "linux-x86-64-cu118-py310-driver515.65.01-sm80-ck37878",
        "sm80-py310-linux-amd64-cu118-driver515.65.01-ck37878",
        "linux-x86_64-cu118-py310-glibc2.28-driver515.65.01-sm80-ck37878",
    ],
)
def test_right_digits_are_no_part_of_the_canonical_label(typed: str) -> None:
    target = Target.parse(typed)
    assert target.label == LABEL
    assert target.lock_name == "pylock.linux-x86_64-cu118-py310-driver515_65_01-sm80.toml"


def test_the_digits_may_be_those_of_the_text_as_typed() -> None:
    written = "linux-x86_64-cu118-py310-glibc2.28-driver515.65-sm80"
    assert Target.parse(f"{written}-ck{digits(written)}").label == "linux-x86_64-cu118-py310-driver515.65-sm80"


@pytest.mark.parametrize(
    "typed",
    [
        "linux-x86_64-cu118-py310-driver515.56.01-sm80",  # two characters changed places
        "linux-x86_64-cu118-py310-driver515.65.01-sm90",  # another character
        "linux-x86_64-cu118-py310-driver515.65.0-sm80",  # one is missing
        "linux-x86_64-cu118-py310-driver5515.65.01-sm80",  # one too many
        "linux-x86_64-cu113-py310-driver515.65.01-sm80",
    ],
)
def test_a_slip_that_one_label_explains_is_told_with_that_label(typed: str) -> None:
    error = refused(f"{typed}-ck37878")
    assert f"did you mean `{LABEL}`?" in error.hint.splitlines()


def test_what_is_told_of_a_slip() -> None:
    error = refused("linux-x86_64-cu118-py310-driver515.56.01-sm80-ck37878")
    assert str(error) == (
        "the check digits of `linux-x86_64-cu118-py310-driver515.56.01-sm80` do not fit:"
        " a character of it, or a digit, was mistyped"
    )
    assert error.hint == f"did you mean `{LABEL}`?\n{AGAIN}"


def test_a_slip_that_makes_it_no_label_is_told_by_its_word_and_with_the_label_that_was_meant() -> None:
    error = refused("linux-x86_64-ci118-py310-driver515.65.01-sm80-ck37878")
    assert str(error) == "`ci118` is not a part of a target that is known"
    assert error.hint == f"did you mean `{LABEL}`?"


@pytest.mark.parametrize("group", ["37879", "73878", "37788"])
def test_a_slip_in_the_digits_is_proposed_too(group: str) -> None:
    assert refused(f"{LABEL}-ck{group}").hint == f"did you mean `{LABEL}-ck37878`?\n{AGAIN}"


def test_nothing_is_proposed_where_no_single_slip_explains_the_digits() -> None:
    error = refused("linux-x86_64-cu121-py310-driver515.65.01-sm90-ck37878")
    assert str(error).startswith("the check digits of `linux-x86_64-cu121-py310-driver515.65.01-sm90` do not fit")
    assert error.hint == AGAIN


@pytest.mark.parametrize("typed", ["linux-x86_64-ck12345-py310", "ck12345-linux-x86_64-py310"])
def test_the_group_is_the_last_part(typed: str) -> None:
    error = refused(typed)
    assert str(error) == "the check digits `ck12345` are not the last part"
    assert error.hint == "type the whole line as the probe prints it"


@pytest.mark.parametrize("group", ["ck", "ck1234", "ck123456", "ck1234o", "ck12345-ck12345"])
def test_a_group_has_five_digits_and_there_is_one(group: str) -> None:
    error = refused(f"linux-x86_64-py310-{group}")
    assert str(error) == f"`{group.split('-')[0]}` is no check group: that is `ck` and five digits, once and at the end"


def test_a_long_text_is_answered_at_once() -> None:
    assert "more than 12 parts" in str(refused("linux-" * 100_000 + "ck12345"))


@given(st.data())
def test_no_single_slip_passes_and_the_label_that_was_meant_is_never_missed_silently(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(LABEL) - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789._-"))
    typed = LABEL[:at] + other + LABEL[at + 1 :]
    try:
        target = Target.parse(f"{typed}-ck37878")
    except TargetError as error:
        assert typed != LABEL
        assert error.hint
    else:
        assert target.label == LABEL  # nothing changed, or another spelling of the same (`x86-64`)
