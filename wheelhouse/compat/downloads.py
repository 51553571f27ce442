"""`download`: models and data that packages fetch at first use, and where to put them. Table: `downloads.json`."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName

from wheelhouse.compat.majors import listed
from wheelhouse.compat.model import Finding, Severity, Subject
from wheelhouse.data import table

RULE = "download"


def findings(subject: Subject) -> Iterator[Finding]:
    """One note for each row of the table that the set has a package of."""
    for row in table("downloads.json")["rows"]:
        names = sorted(NormalizedName(name) for name in row["projects"] if name in subject.pins)
        if not names:
            continue
        pins = listed(f"`{subject.pins[name]}`" for name in names)
        verb = row["verb"] if len(names) == 1 else row["verbs"]
        yield Finding(
            rule=RULE,
            severity=Severity.NOTE,
            what=f"{pins} {verb} {row['what']}",
            why=row["why"],
            way_out="\n".join(row["ways"]),
            projects=tuple(names),
        )
