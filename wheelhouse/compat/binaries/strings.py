"""The few strings of a binary that tell what it will look for when it runs, found while its bytes pass by."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from wheelhouse.data import table

_REACH = 128  # bytes before and after a hit that can belong to it
# What `import_array` of numpy 1's headers asks for; numpy 2's headers compile both in. pybind11's own name,
# `numpy.core.multiarray`, does not count: it asks for it when an array is passed, and numpy 2 still has it
_NUMPY_1 = b"numpy.core._multiarray_umath"
_NUMPY_2 = b"numpy._core"


class Strings:
    """Takes a file's bytes in order; afterwards says which CUDA libraries they name, and which numpy.

    A name that lies across two pieces is found too.
    """

    def __init__(self) -> None:
        self._names = _names()
        self._mentions: set[str] = set()
        self._seen: set[bytes] = set()
        self._tail = b""

    def update(self, piece: bytes) -> None:
        """The next bytes."""
        if self._tail:
            self._look(self._tail + piece[:_REACH])
        self._look(piece)
        self._tail = (self._tail + piece)[-_REACH:] if len(piece) < _REACH else piece[-_REACH:]

    def mentions(self) -> tuple[str, ...]:
        """`libcublas.so.12`: family and major version, sorted, each once."""
        return tuple(sorted(self._mentions))

    def numpy(self) -> Literal["", "1", "2"]:
        """The C interface of numpy it was compiled for; numpy 2's headers compile both names in."""
        return "2" if _NUMPY_2 in self._seen else "1" if _NUMPY_1 in self._seen else ""

    def _look(self, piece: bytes) -> None:
        # `find` runs at some GB/s, a regular expression at a tenth of it
        at = piece.find(b".so.")
        while at >= 0:
            for match in self._names.finditer(piece, max(0, at - _REACH), at + _REACH):
                self._mentions.add(match[0].decode())
            at = piece.find(b".so.", at + 4)
        for needle in (_NUMPY_1, _NUMPY_2):
            if needle not in self._seen and needle in piece:
                self._seen.add(needle)


@cache
def _names() -> re.Pattern[bytes]:
    families = "|".join(row["library"] for row in table("link.json")["families"])
    return re.compile(rf"lib(?:{families})\.so\.\d{{1,3}}(?=[.\0\s'\"),;:])".encode())
