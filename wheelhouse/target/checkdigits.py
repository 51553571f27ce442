"""Five digits behind a label that is typed by hand: `linux-x86_64-cu118-py310-ck40713`.

Nothing may leave some sites but what a person writes down. The probe prints its label with a check group, so that a
slip of the pen or of the hand is found before a lock is made for a machine that does not exist.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from wheelhouse.target.words import TargetError

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_GROUP = re.compile(r"(.*)-ck([0-9]{5})", re.DOTALL)
_BROKEN = re.compile(r"(?:^|-)(ck(?:[0-9oilsbz]{4,7})?)(?=-|$)")  # a digit too many or too few, a letter for a digit
_TYPED = "abcdefghijklmnopqrstuvwxyz0123456789._-"  # what a label is made of
_LONGEST = 120  # a longer text is no label; nothing is proposed for it


def cksum(data: bytes) -> int:
    """What the command `cksum` prints of these bytes (POSIX.1-2017: the CRC of the bytes, then of their count)."""
    counted = data + len(data).to_bytes((len(data).bit_length() + 7) // 8, "little")
    # zlib's CRC has the same polynomial with every bit the other way round, and starts from ones instead of zeros
    mirrored = zlib.crc32(counted.translate(_MIRRORED), 0xFFFFFFFF)
    return int(f"{mirrored:032b}"[::-1], 2)


def digits(label: str) -> str:
    """The five check digits of a label; case and blanks do not count.

    They are `cksum` modulo 100000, which a POSIX shell can compute too (wheelhouse/offline/probe.sh).
    """
    return f"{cksum(_plain(label).encode('utf-8', 'replace')) % 100000:05}"


def with_check(label: str) -> str:
    """The label and its check group, `linux-x86_64-py310-ck12345`: the line to write down on the server."""
    return f"{label}-ck{digits(label)}"


def split(text: str) -> tuple[str, str | None]:
    """A label as typed, and the digits of its check group; None where it has no group.

    Raises `TargetError` for a group that is not the last part, and for one that has not five digits.
    """
    plain = _plain(text)
    if match := _GROUP.fullmatch(plain):
        label, found = match[1], match[2]
    else:
        label, found = text, None
    if broken := _BROKEN.search(_plain(label)):
        word = broken[1]
        if found is None and re.fullmatch(r"ck[0-9]{5}", word):
            raise TargetError(
                f"the check digits `{word}` are not the last part", hint="type the whole line as the probe prints it"
            )
        raise TargetError(
            f"`{word}` is no check group: that is `ck` and five digits, once and at the end",
            hint="type the whole line as the probe prints it; without `-ckNNNNN` nothing is checked",
        )
    return label, found


def slips(label: str, found: str) -> Iterator[str]:
    """The texts that differ from the label by one slip of the hand and have these digits.

    A slip is one character that is another, too many, missing, or in its neighbour's place.
    """
    plain = _plain(label)
    if len(plain) > _LONGEST:
        return
    tried = {plain}
    for text in _one_slip_away(plain):
        if text not in tried and digits(text) == found:
            yield text
        tried.add(text)


def _one_slip_away(plain: str) -> Iterator[str]:
    for at in range(len(plain) + 1):
        before, here, after = plain[:at], plain[at : at + 1], plain[at + 1 :]
        if here:
            yield before + after
            yield from (before + other + after for other in _TYPED if other != here)
        if after:
            yield before + after[0] + here + after[1:]
        yield from (before + other + here + after for other in _TYPED)


def _plain(text: str) -> str:
    return "".join(text.lower().split())
