"""What a pass gives to tell: at first sight, again every so often, and when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import MONDAY, d, policy, rule
from hedged.core.alerts import (
    KINDS,
    SETTLED,
    TEXT_LENGTH_MAX,
    TITLE_LENGTH_MAX,
    Alert,
    Kind,
    Open,
    Told,
    due,
    from_record,
    frozen,
    skipped,
)
from hedged.core.gate import Restriction
from hedged.core.record import CycleRecord, Memory
from hedged.core.target import RatioMemory, RuleMemory
from told import PAUSE, liquidated, outcome, passed, seen, telling

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
REPEAT = 6 * HOUR
OF_RECORDS: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "skipped")
OF_REVIEWS = ("rule", "late", "metric", "beta")


class Ear:
    """Hears what a queue would be handed, one look after another."""

    def __init__(self) -> None:
        self.open: dict[str, Open] = {}

    def hears(self, told: Told) -> list[Alert]:
        found = due(told, self.open, REPEAT)
        self.open = {one.alert.key: one for one in found.open}
        return list(found.alerts)

    def titles(self, record: CycleRecord) -> list[str]:
        return [alert.title for alert in self.hears(from_record(record))]


def only(record: CycleRecord) -> Alert:
    (alert,) = Ear().hears(from_record(record))
    return alert


def was_false(name: str) -> Memory:
    rules = (RuleMemory(name=name, when="close > 0", last_known=False),)
    return Memory(ratio=RatioMemory(goal_ratio=d("0.20"), target_ratio=d("0.20"), rules=rules))


@pytest.mark.parametrize("guard", [False, True])
def test_a_pass_without_news_tells_nothing(guard: bool) -> None:
    assert Ear().hears(from_record(passed(guard=guard))) == []


@pytest.mark.parametrize("kind", OF_RECORDS)
def test_every_kind_is_told_at_first_sight_with_the_mode_and_the_portfolio(kind: Kind) -> None:
    alert = only(telling(kind))

    assert alert.kind == kind
    assert alert.title.startswith("[paper] main: ")
    assert alert.text


def test_a_rule_that_fired_says_from_where_to_where_and_why() -> None:
    alert = only(telling("rule"))

    assert alert.title == "[paper] main: hedge raised 20% -> 50%"
    assert alert.text.splitlines() == [
        "high risk fired: goal 20% to 50%",
        "close 100.00",
        "Held 20%, target 50%, exposure 1,000.00 USDT.",
        "Why in full: hedged explain",
    ]


def test_a_rule_that_lowers_says_so() -> None:
    record = passed(chosen=policy(rules=(rule("calm", set_to="0.10"),)), memory=was_false("calm"))

    assert only(record).what == "hedge lowered 20% -> 10%"


def test_a_rule_that_fired_for_nothing_is_told_too() -> None:
    chosen = policy(rules=(rule("careful", raise_to="0.20"),))
    record = passed(chosen=chosen, memory=was_false("careful"))

    assert only(record).what == "rule careful fired, the goal stays 20%"


def test_orders_are_told_with_their_fills() -> None:
    dated = outcome("partial", symbol="ETH/USDT:USDT-240628", client_order_id="hdg2")
    both = (outcome(symbol="BTC/USDT:USDT@second"), dated)
    ear = Ear()
    (alert,) = ear.hears(from_record(passed(outcomes=both)))

    assert alert.what == "sold 2 BTC@second, sold 1 ETH/USDT:USDT-240628, not all of the plan"
    assert "sold 2 BTC@second of 2 at 100.00, fee 0.10" in alert.text
    assert alert.severity == "warning"


def test_an_order_of_unknown_outcome_says_what_not_to_do() -> None:
    alert = only(telling("unknown"))

    assert alert.severity == "critical"
    assert "Don't repeat it by hand." in alert.text


def test_a_liquidation_is_critical_and_a_delivery_is_not() -> None:
    delivered = liquidated(MONDAY, cause="delivery")
    adl = liquidated(MONDAY, cause="adl", contracts=d(1))
    said = {
        alert.what: alert.severity
        for fills in ((liquidated(MONDAY),), (delivered,), (adl,))
        for alert in [only(passed(snapshot=seen(MONDAY, fills=fills)))]
    }

    assert said == {
        "LIQUIDATED: bought 2 BTC": "critical",
        "delivered: bought 2 BTC": "warning",
        "closed by ADL: bought 1 BTC": "critical",
    }


def test_a_fill_of_our_own_order_is_no_liquidation() -> None:
    own = liquidated(MONDAY, cause="order", client_order_id="hdgabc")

    assert Ear().titles(passed(snapshot=seen(MONDAY, fills=(own,)))) == []


def test_a_trade_of_another_hand_is_told_each_time_and_not_as_a_hold_too() -> None:
    ear, told = Ear(), []
    for i in range(2):
        at = MONDAY + i * MINUTE
        fill = liquidated(at, cause="order", client_order_id="web", contracts=d(i + 1))
        told += ear.titles(passed(at, guard=True, snapshot=seen(at, fills=(fill,))))

    assert told == [
        "[paper] main: bought 1 BTC by another hand",
        "[paper] main: bought 2 BTC by another hand",
    ]


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


def test_a_standing_hold_is_told_at_first_sight_then_every_six_hours_and_when_it_is_over() -> None:
    ear, told = Ear(), []
    for step in range(14 * 12):
        at = MONDAY + step * 5 * MINUTE
        held = step < 13 * 12
        record = telling("hold", at, guard=True) if held else passed(at, guard=True)
        told += [(alert.at - MONDAY, alert.what) for alert in ear.hears(from_record(record))]

    what = "HOLD: the account can't be read"
    assert told == [
        (timedelta(0), what),
        (6 * HOUR, f"still: {what}"),
        (12 * HOUR, f"still: {what}"),
        (13 * HOUR + 10 * MINUTE, f"over: {what}"),
    ]
    assert ear.open == {}


def test_a_hold_that_comes_and_goes_is_one_hold() -> None:
    ear, told = Ear(), []
    for step in range(20):
        at = MONDAY + step * 5 * MINUTE
        record = passed(at, guard=True) if step % 2 else telling("hold", at, guard=True)
        told += ear.titles(record)

    assert told == ["[paper] main: HOLD: the account can't be read"]


def test_a_weekly_run_closes_what_its_last_one_told() -> None:
    ear = Ear()
    ear.titles(telling("hold"))
    (over,) = ear.hears(from_record(passed(MONDAY + timedelta(weeks=1))))

    assert over.what == "over: HOLD: the account can't be read"
    assert over.text == "It stood from 2024-01-01 00:00 to 2024-01-01 00:00 UTC at least."


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


def test_passes_that_fail_are_told_from_the_third_on_and_when_they_work_again() -> None:
    ear = Ear()
    counts = [
        len(ear.hears(skipped("live", "main", "pass", "no answer", n, MONDAY + n * MINUTE)))
        for n in range(1, 7)
    ]
    (over,) = ear.titles(passed(MONDAY + HOUR, guard=True))

    assert counts == [0, 0, 1, 0, 0, 0]
    assert over == "[live] main: over: 3 guard passes failed in a row"


def test_a_guard_pass_does_not_end_reviews_that_fail() -> None:
    ear = Ear()
    ear.hears(skipped("live", "main", "review", "no bars", 3, MONDAY))

    assert ear.titles(passed(MONDAY + HOUR, guard=True)) == []
    assert len(ear.titles(passed(MONDAY + 2 * HOUR))) == 1


def test_a_freeze_is_one_condition_whoever_tells_of_it() -> None:
    ear = Ear()
    freeze = Restriction(
        scope="main", allows="nothing", reason="unexpected KeyError: 3", by="hedged", at=MONDAY
    )
    (alert,) = ear.hears(frozen("paper", "main", (freeze,), MONDAY))

    assert alert.severity == "critical"
    assert ear.titles(passed(MONDAY + 5 * MINUTE, guard=True, restrictions=(freeze,))) == []


def test_the_venues_refusal_is_told_once_while_it_goes_on() -> None:
    ear = Ear()
    refused = [
        ear.titles(passed(MONDAY + i * 5 * MINUTE, guard=True, outcomes=(outcome("refused"),)))
        for i in range(4)
    ]

    assert refused == [["[paper] main: order on BTC refused by the venue"], [], [], []]


def test_a_long_reason_is_cut() -> None:
    doubt = "so much to say; " * 500
    alert = only(passed(snapshot=seen(MONDAY, doubts=(doubt,)), guard=True))

    assert len(alert.title) == TITLE_LENGTH_MAX
    assert len(alert.text) <= TEXT_LENGTH_MAX


def test_a_clock_that_was_wrong_does_not_silence_a_condition_for_years() -> None:
    ear = Ear()
    ear.titles(telling("hold", MONDAY + timedelta(days=3000), guard=True))

    assert ear.titles(telling("hold", MONDAY, guard=True)) == [
        "[paper] main: still: HOLD: the account can't be read"
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((None, *OF_RECORDS)), st.integers(1, 600), st.booleans()), max_size=25
    )
)
def test_from_any_sequence_of_passes_each_condition_is_told_at_first_sight_and_no_more_often(
    passes: list[tuple[Kind | None, int, bool]],
) -> None:
    """A model of its own: when each condition was told and seen last; events are always told."""
    ear, at = Ear(), MONDAY
    told_at: dict[str, datetime] = {}
    for kind, minutes, some in passes:
        at += minutes * MINUTE
        guard = some and kind not in OF_REVIEWS
        record = passed(at, guard=guard) if kind is None else telling(kind, at, guard=guard)
        told = from_record(record)
        heard = ear.hears(told)
        ended = {alert.key for alert in heard if alert.what.startswith("over: ")}
        raised = [alert for alert in heard if not alert.what.startswith("over: ")]

        standing = {one.alert.key for one in told.standing}
        wanted = {key for key in standing if key not in told_at or told.at - told_at[key] >= REPEAT}
        assert {alert.key for alert in raised} == wanted | {event.key for event in told.events}
        assert len(raised) == len(wanted) + len(told.events)
        assert ended <= told_at.keys() - standing
        assert all(alert.title.startswith("[paper] main: ") for alert in heard)
        if kind is not None:
            assert kind in {one.alert.kind for one in told.standing} | {e.kind for e in told.events}
        told_at |= dict.fromkeys(wanted, told.at)
        told_at = {key: then for key, then in told_at.items() if key not in ended}
        assert told_at.keys() == ear.open.keys()


@given(st.integers(0, 60))
def test_a_condition_is_over_no_sooner_than_it_has_settled(minutes: int) -> None:
    ear = Ear()
    ear.titles(telling("hold", guard=True))
    over = ear.titles(passed(MONDAY + minutes * MINUTE, guard=True))

    assert bool(over) == (minutes * MINUTE >= SETTLED)
