"""``explain`` and ``journal replay`` on records that no run of the demo makes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import MONDAY, d, fill, policy
from hedged.cli.explain import print_record
from hedged.cli.journal import agrees, decided_again
from hedged.core.encoding import encode
from hedged.core.market import Flow
from hedged.core.record import CycleRecord, decode_record
from told import liquidated, passed, seen

BNB = "t1: its fee is 0.01 BNB, which is not told in USDT"
KIND = "i7: income of a kind [red] that is not known"


def explained(capsys: pytest.CaptureFixture[str], record: CycleRecord) -> str:
    print_record(record, policy(), 1)
    return " ".join(capsys.readouterr().out.split())


def test_explain_says_what_the_venue_told_only_in_part(capsys: pytest.CaptureFixture[str]) -> None:
    blind = fill(fee=None, fill_price=None, mark_price=None, untold=BNB)
    odd = Flow(at=MONDAY, amount=d(-10), untold=KIND)
    at, before = MONDAY + timedelta(minutes=5), passed().memory
    told = explained(
        capsys,
        passed(at, guard=True, memory=before, snapshot=seen(at, fills=(blind,), flows=(odd,))),
    )

    assert "since the pass before: sell 2 BTC/USDT:USDT at an unknown price (order hdg1)" in told
    assert (
        "Told in part by the venue: 2 events. The costs of 200.00 traded may be missing, and 10.00 "
        f"counted as moved may be something else. - {BNB} - {KIND}"
    ) in told


def test_explain_says_nothing_of_parts_where_all_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = explained(capsys, passed(guard=True, snapshot=seen(MONDAY, fills=(fill(),))))

    assert "sell 2 BTC/USDT:USDT at 100 (order hdg1)" in told
    assert "Told in part" not in told


def test_explain_says_of_steps_left_out_what_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    left = "BTC/USDT:USDT: sell 2 left out, hedged was asked to leave"

    assert left in explained(capsys, replace(passed(guard=True), left_out=(left,)))


def test_a_pass_that_left_steps_out_is_no_quiet_one_and_is_decided_again_with_them() -> None:
    quiet = passed(guard=True)
    left = replace(quiet, left_out=("BTC/USDT:USDT: sell 2 left out, hedged was asked to leave",))

    assert (quiet.quiet, left.quiet) == (True, False)
    assert agrees(decided_again(left, policy()), left, encode(left))


# What an older hedged wrote is decided again, too.


def older(record: CycleRecord, *names: str) -> bytes:
    """The body of *record* as it was before its memories had *names*."""
    body: Any = json.loads(encode(record))
    for memory in (body["memory"], body["inputs"]["memory"]):
        for name in names:
            del memory[name]
    return encode(body)


@pytest.mark.parametrize("names", [("touched_at",), ("touched_at", "offered_ratio")])
def test_a_pass_that_saw_another_hand_before_that_was_kept_comes_out_the_same(
    names: tuple[str, ...],
) -> None:
    record = passed(guard=True, snapshot=seen(MONDAY, fills=(liquidated(MONDAY, cause="adl"),)))
    body = older(record, *names)
    then = decode_record(body)
    again = decided_again(then, policy())

    assert record.memory.touched_at == MONDAY
    assert then.memory.touched_at is None
    assert agrees(again, then, body)
    assert agrees(decided_again(record, policy()), record, encode(record))


def test_what_an_older_record_has_is_compared_all_the_same() -> None:
    record = passed(guard=True, snapshot=seen(MONDAY, fills=(liquidated(MONDAY, cause="adl"),)))
    body = older(record, "touched_at")
    then = decode_record(body)
    again = decided_again(then, policy())
    doubted = replace(again, memory=replace(again.memory, prices_doubted={"BTC": 1}))

    assert not agrees(replace(again, approved_by="nobody"), then, body)
    assert not agrees(doubted, then, body)


def test_a_key_that_today_writes_is_compared_where_it_was_written() -> None:
    record = passed(guard=True, snapshot=seen(MONDAY, fills=(liquidated(MONDAY, cause="adl"),)))
    forged = replace(record, memory=replace(record.memory, touched_at=None))

    assert not agrees(decided_again(forged, policy()), forged, encode(forged))
