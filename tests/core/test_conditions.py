"""What stands is one condition, however its figures move, and is told by one name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import MONDAY
from hedged.core.alerts import Kind
from told import PAUSE, Ear, only, outcome, passed, seen, telling

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def test_an_order_without_an_outcome_is_one_condition_however_the_search_stands() -> None:
    ear, told = Ear(), []
    for i, stands in enumerate(("it may still land until 00:05:35", "it is not found at 00:06:00")):
        order = f"BTC/USDT:USDT (hdgabc): {stands}"
        told += ear.titles(passed(MONDAY + i * MINUTE, guard=True, unresolved=(order,)))
    told += ear.titles(passed(MONDAY, guard=True, unresolved=("BTC/USDT:USDT (hdgxyz): it may land",)))

    assert [title.partition("yet, ")[2][:22] for title in told] == [
        "BTC/USDT:USDT (hdgabc)",
        "BTC/USDT:USDT (hdgxyz)",
    ]


def test_a_refusal_by_a_restriction_is_told_once_as_the_restriction() -> None:
    halt = replace(PAUSE, allows="nothing", by="hedged")
    alert = only(passed(restrictions=(halt,), snapshot=seen(MONDAY, positions=())))

    assert (alert.kind, alert.severity) == ("restriction", "critical")
    assert alert.text.splitlines()[-1] == "To lift it: hedged stop resume main"


def test_figures_in_a_reason_make_no_new_condition_and_names_do() -> None:
    ear = Ear()
    reasons = [
        "BTC/USDT:USDT: its price is 31 s old, limits.price_age_s_max is 30",
        "BTC/USDT:USDT: its price is 1,036 s old, limits.price_age_s_max is 30",
        "BTC/USDT:USDT-240628: its price is 31 s old, limits.price_age_s_max is 30",
        "BTC/USDT:USDT-240927: its price is 31 s old, limits.price_age_s_max is 30",
        "1000PEPE/USDT:USDT: its price is 31 s old, limits.price_age_s_max is 30",
        "the clock went back, from 2024-01-01 00:05:00 to 2024-01-01 00:04:58",
        "the clock went back, from 2024-01-02 00:05:00 to 2024-01-01 00:04:58",
    ]
    heard = [
        bool(ear.titles(passed(MONDAY + i * MINUTE, guard=True, snapshot=seen(MONDAY, doubts=(text,)))))
        for i, text in enumerate(reasons)
    ]

    assert heard == [True, False, True, True, True, True, False]


@pytest.mark.parametrize("kind", ["metric", "beta"])
def test_only_a_review_finds_over_what_only_a_review_judges(kind: Kind) -> None:
    ear = Ear()
    ear.titles(telling(kind))
    later = [ear.titles(passed(MONDAY + day * 24 * HOUR, guard=True)) for day in range(1, 7)]
    (over,) = ear.titles(passed(MONDAY + timedelta(weeks=1)))

    assert later == [[]] * 6
    assert over.startswith("[paper] main: over: ")


def test_the_venues_refusal_is_told_once_while_it_goes_on() -> None:
    ear = Ear()
    refused = [
        ear.titles(passed(MONDAY + i * 5 * MINUTE, guard=True, outcomes=(outcome("refused"),)))
        for i in range(4)
    ]

    assert refused == [["[paper] main: order on BTC refused by the venue"], [], [], []]


def test_an_order_that_nobody_judged_is_not_said_to_be_refused_by_the_venue() -> None:
    alert = only(passed(guard=True, outcomes=(outcome("refused", judged=False),)))

    assert alert.what == "order on BTC not sent, or too late to be looked at"
    assert alert.text.endswith("because of 12 things\nA later pass plans anew, with a new order.")
