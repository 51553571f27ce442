"""The resolver against frozen indexes: each case of `tests/scenarios` says what is wanted and what must come of it."""

from __future__ import annotations

import pytest
from world.scenarios import Scenario, scenarios

from wheelhouse.resolve import backtracking, pubgrub
from wheelhouse.resolve.resolution import unmet

ALL = list(scenarios())


@pytest.mark.parametrize("scenario", ALL, ids=[each.name for each in ALL])
def test_what_is_wanted_comes_out(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = scenario.case
    if "error" not in expected:  # the second opinion would hide what the first solver gets wrong
        monkeypatch.setattr(backtracking, "propose", _nobody)
    if "at-once" in expected:
        monkeypatch.setattr(pubgrub, "propose", _nobody)
    outcome = scenario.play()
    if "error" in expected:
        assert outcome.error == expected["error"].strip("\n")
    else:
        assert (outcome.error, outcome.pins) == (None, expected["pins"])
        assert outcome.resolution is not None
        held = outcome.resolution.held_back
        assert [str(each) for each in held if each.is_warning or each.is_error] == expected.get("held-back", [])
        if "silent" in expected:
            assert [str(each) for each in held if not each.is_warning and not each.is_error] == expected["silent"]
        assert unmet(outcome.view, outcome.roots, outcome.resolution.pins) == ()
        if "files" in expected:
            assert [pin.candidate.file.filename for pin in outcome.resolution.pins] == expected["files"]
    touched = [name for name in outcome.catalog.read for each in expected.get("unread", ()) if name.startswith(each)]
    assert touched == [], "core metadata was asked for that nobody needed"


def test_every_case_has_a_name_of_its_own_and_says_what_must_come() -> None:
    assert len({each.name for each in ALL}) == len(ALL)
    assert all(("pins" in each.case) != ("error" in each.case) for each in ALL)


def _nobody(*_: object) -> object:
    raise AssertionError("the first solver had no answer, or one that does not hold")
