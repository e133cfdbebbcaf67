"""Approvals in any order: a part of the campaign, and proof that it would see what is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from builders import MONDAY
from campaign import approvals
from hedged import approval
from hedged.core import consent
from hedged.core.consent import Standing
from hedged.core.gate import Consent
from hedged.core.record import Inputs
from hedged.journal import approvals as rows
from hedged.journal import proposals


def test_five_hundred_interleavings_send_nothing_without_consent_and_nothing_twice() -> None:
    found = approvals.run(0, 500)

    assert found["violations"] == 0
    assert found["orders"] > 300
    assert found["traded by hand"] > 150
    assert found["proposals"] > 800
    assert found["kills"] > 250
    assert found["refused decisions"] > 250


def uncovered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the journal's own question away, which else stops most faults of the code before it."""
    monkeypatch.setattr(proposals, "uncovered", lambda *_: "")


def test_silence_that_consents_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def weighed(inputs: Inputs, thought: Any, mode: Any, policy: Any) -> consent.Answer:
        return consent.Answer(consent=Consent(granted=thought.review.cleared, by=mode))

    monkeypatch.setattr(approval, "weighed", weighed)
    uncovered(monkeypatch)

    assert approvals.run(0, 10)["violations"] > 10


def test_silence_that_consents_is_stopped_by_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same fault with the journal's own question in place: no order gets past it."""

    def weighed(inputs: Inputs, thought: Any, mode: Any, policy: Any) -> consent.Answer:
        found = was(inputs, thought, mode, policy)
        if found.uses is None and thought.review.cleared:
            return replace(found, consent=Consent(granted=True, by="nobody"))
        return found

    was = approval.weighed
    monkeypatch.setattr(approval, "weighed", weighed)
    monkeypatch.setattr(approvals.Life, "unwritable", True)

    assert approvals.run(0, 20)["violations"] == 0


def test_a_consent_that_is_never_used_up_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows.Approvals, "use", lambda *_: None)
    uncovered(monkeypatch)

    assert approvals.run(0, 40)["violations"] > 0


def test_an_altered_row_that_is_believed_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusted(self: Any, row: Any) -> Any:
        record_id = self.journal.id_of(row.portfolio, row.tick_id)
        try:
            believed = msgspec.json.decode(row.body.encode(), type=consent.Proposal)
        except msgspec.MsgspecError:
            return None
        return record_id and replace(self.journal.record(record_id), proposal=believed)

    monkeypatch.setattr(rows.Approvals, "_trusted", trusted)
    uncovered(monkeypatch)

    assert approvals.run(0, 40)["violations"] > 0


def test_an_approval_that_never_expires_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(review: Any, standing: Standing, ask: Any, terms: Any) -> consent.Answer:
        proposal = standing.proposal
        if proposal is not None:
            proposal = replace(proposal, expires_at=proposal.expires_at + timedelta(days=30))
        return was(review, replace(standing, proposal=proposal), ask, terms)

    was = consent.answer
    monkeypatch.setattr(approval, "answer", answer)
    monkeypatch.setattr(rows, "max", lambda *_: MONDAY, raising=False)
    uncovered(monkeypatch)

    assert approvals.run(0, 40)["violations"] > 0


def test_asking_again_for_what_a_person_is_trading_would_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consent, "_all_left", lambda *_: False)

    assert approvals.run(0, 30)["violations"] > 0


def test_an_order_where_nothing_can_be_sent_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def weighed(inputs: Inputs, thought: Any, mode: Any, policy: Any) -> consent.Answer:
        sends = replace(inputs, snapshot=replace(inputs.snapshot, by_hand=False))
        return was(sends, thought, mode, policy)

    was = approval.weighed
    monkeypatch.setattr(approval, "weighed", weighed)

    assert approvals.run(0, 20)["violations"] > 0


def test_sizes_beyond_what_was_approved_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consent, "_at_most", lambda step, _: step)
    uncovered(monkeypatch)

    assert approvals.run(0, 30)["violations"] > 0
