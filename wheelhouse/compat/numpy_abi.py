"""`numpy-abi`: binaries that were built against NumPy 1 beside NumPy 2. Table: `numpy_abi.json`, measured."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName

from wheelhouse.compat.majors import holds
from wheelhouse.compat.model import Finding, Severity, Subject
from wheelhouse.data import table

RULE = "numpy-abi"


def findings(subject: Subject) -> Iterator[Finding]:
    """Every pin that does not work beside the set's NumPy 2, one finding each."""
    numpy = subject.pins.get(NormalizedName("numpy"))
    if numpy is None or numpy.version.major < 2:
        return
    for row in table("numpy_abi.json")["rows"]:
        for name in row["projects"]:
            pin = subject.pins.get(name)
            if pin is not None and holds(row["versions"], pin.version):
                yield Finding(
                    rule=RULE,
                    severity=Severity.ERROR,
                    what=f"`{pin}` is built against NumPy 1, and the set has `{numpy}`",
                    why=row["seen"],
                    way_out=f"ask for `numpy<2` too\nor for `{row['newer']}`",
                    projects=tuple(sorted((numpy.name, pin.name))),
                )
