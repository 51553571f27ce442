"""Upload times: moments in UTC, as values and as locks and pages write them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(moment: datetime | None) -> datetime | None:
    """The same moment in UTC; one without a zone is taken as UTC, which PEP 751 demands. None where it cannot be."""
    try:
        if moment is None or moment.tzinfo is not None:
            return None if moment is None else moment.astimezone(UTC)
        return moment.replace(tzinfo=UTC)
    except OverflowError:  # the first and the last day that a calendar knows, in another zone
        return None


def written(moment: datetime) -> str:
    """`2023-10-04T17:01:02.123456Z` (PEP 700), with a fraction only where there is one.

    A function of the moment alone: however its index wrote it, the text is the same.
    """
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


class TomlMoment(datetime):
    """A moment of which `str` is what stands in TOML: the writer takes that, and datetime's own has no `T` and `Z`."""

    @classmethod
    def of(cls, moment: datetime) -> TomlMoment:
        return cls.combine(moment.date(), moment.timetz())

    def __str__(self) -> str:
        return written(self)
