"""What the findings of one set come to: what stops it, and what was accepted by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from wheelhouse.compat.model import Finding, Severity
from wheelhouse.errors import WheelhouseError


class Stopped(WheelhouseError):
    """Findings that say that a set will not work on its target; `findings` are the errors among them."""

    def __init__(self, label: str, findings: Sequence[Finding], *, done: str) -> None:
        super().__init__(label, findings)
        self.label, self.findings, self.done = label, tuple(findings), done
        rules = dict.fromkeys(finding.rule for finding in findings)
        accepted = " ".join(f"--accept {rule}" for rule in rules)
        self.hint = f"to go on all the same: `{accepted}`"

    def __str__(self) -> str:
        count = "1 check says" if len(self.findings) == 1 else f"{len(self.findings)} checks say"
        return f"{count} that `{self.label}` will not work as it stands, so {self.done}"


class Verdict(Struct, frozen=True, kw_only=True):
    """The findings on one target's set, worst first; `accept` are the rules whose errors do not stop it."""

    label: str
    findings: tuple[Finding, ...]
    accept: frozenset[str] = frozenset()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What stops it."""
        return tuple(each for each in self.findings if each.severity is Severity.ERROR and each.rule not in self.accept)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The accepted rules that did find an error, sorted: what a lock records."""
        errors = {each.rule for each in self.findings if each.severity is Severity.ERROR}
        return tuple(sorted(errors & self.accept))

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings that count as this severity: an accepted error counts as a warning."""
        return tuple(each for each in self.findings if self.weight(each) is severity)

    def weight(self, finding: Finding) -> Severity:
        """The severity of a finding after what was accepted."""
        accepted = finding.severity is Severity.ERROR and finding.rule in self.accept
        return Severity.WARNING if accepted else finding.severity


def unknown_rules(names: Collection[str], known: Collection[str]) -> tuple[str, ...]:
    """The names that are no rules, sorted."""
    return tuple(sorted(set(names) - set(known)))
