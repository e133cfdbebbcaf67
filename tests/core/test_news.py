"""What happened in a pass is told once, with its figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from builders import MONDAY, d, policy, rule
from hedged.core.record import Memory
from hedged.core.target import RatioMemory, RuleMemory
from hedged.core.telling import from_record
from told import Ear, liquidated, only, outcome, passed, seen, telling

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def was_false(name: str) -> Memory:
    rules = (RuleMemory(name=name, when="close > 0", last_known=False),)
    return Memory(ratio=RatioMemory(goal_ratio=d("0.20"), target_ratio=d("0.20"), rules=rules))


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


def test_a_pass_within_a_minute_of_another_hand_has_nothing_more_to_tell() -> None:
    memory = replace(was_false("calm"), touched_at=MONDAY)
    told = [
        Ear().titles(passed(at, guard=True, snapshot=seen(at), memory=memory))
        for at in (MONDAY + MINUTE / 2, MONDAY + MINUTE)
    ]

    assert told == [[], []]


def test_in_alert_mode_nothing_is_said_to_be_traded_back() -> None:
    fill = liquidated(MONDAY, cause="order", client_order_id="", side="sell")
    record = replace(passed(guard=True, snapshot=seen(MONDAY, fills=(fill,))), mode="alert")

    assert only(record).what == "sold 2 BTC by another hand"
    assert only(record).text.endswith("what is then missing or too much is proposed.")


def test_the_first_review_of_all_is_not_late() -> None:
    at = MONDAY + 3 * HOUR
    late = telling("late")
    first = passed(now=at, snapshot=seen(at), memory=Memory())

    assert only(late).what == "review of Mon 2024-01-01 00:00 UTC made 3 h late"
    assert [title for title in Ear().titles(first) if "late" in title] == []


def test_events_that_are_told_in_part_are_told_once_with_what_is_missing() -> None:
    ear = Ear()
    fee = "trade 1: its fee is 0.01 BNB"
    own = liquidated(MONDAY, cause="order", client_order_id="hdgabc", fee=None, untold=fee)
    alert = only(passed(snapshot=seen(MONDAY, fills=(own,))))

    assert (alert.kind, alert.severity) == ("unexplained", "warning")
    assert alert.what == "an event of the account told only in part"
    assert fee in alert.text
    assert "Hedging goes on" in alert.text
    assert ear.titles(passed(snapshot=seen(MONDAY))) == []


def test_a_liquidation_of_unknown_price_and_fee_says_so() -> None:
    fill = liquidated(MONDAY, fill_price=None, fee=None)

    assert (
        "at unknown, 2024-01-01 00:00:00 UTC, fee unknown"
        in only(passed(snapshot=seen(MONDAY, fills=(fill,)))).text
    )
