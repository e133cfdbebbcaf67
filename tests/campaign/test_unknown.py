"""Orders of unknown outcome: a part of the campaign, and proof that it would see what is wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaign import unknown
from hedged.core import resolution
from hedged.venue.tally import Tally


def test_ten_thousand_unknown_outcomes_over_hedge_never() -> None:
    found = unknown.run(0, 10_000)

    assert found["violations"] == 0
    assert found["still open"] == 0


def test_a_quarantine_shorter_than_the_tail_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution, "QUARANTINE", timedelta(seconds=30))

    assert unknown.run(0, 1_000)["violations"] > 50


def test_an_outcome_whose_fills_are_not_owed_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tally, "owed", lambda _self, _symbol: 0)

    assert unknown.run(0, 3_000)["violations"] > 0


def test_tails_beyond_the_quarantine_are_what_it_can_not_cover() -> None:
    assert unknown.run(0, 1_000, tail_s=600)["violations"] > 0
