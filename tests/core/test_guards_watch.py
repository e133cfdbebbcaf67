"""Each guard: its name, its level, and a text with the figure and the limit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import BTC, ETH, MONDAY, contract, d, holding, position, quote, snapshot
from hedged.core.headroom import Headroom, MarginLimits
from hedged.core.market import AccountMargin, Snapshot
from hedged.core.watch import Ages, Alarm, WatchPolicy, alarms, barred

POLICY = WatchPolicy()
AGES = Ages(price_s_max=d(30), position_s_max=d(15))
DAY = timedelta(days=1)


def found(shown: Snapshot, *rooms: Headroom, **trades: Any) -> tuple[Alarm, ...]:
    return alarms(shown, (BTC,), rooms, trades.get("trades", {}), MONDAY, AGES, POLICY)


def test_nothing_special_is_nothing_told() -> None:
    fine = Headroom(account="paper", equity=d(1000), ratio_now=d("0.01"), distance_now=d(2))

    assert found(snapshot(), fine) == ()


@pytest.mark.parametrize(
    ("days", "held", "level"),
    [
        (8, -1, None),
        (6.5, -1, "tell"),
        (6.5, 0, None),
        (0.5, -1, "no increase"),
        (0.5, 0, "no increase"),
    ],
)
def test_an_expiry_is_told_while_held_and_bars_growth_at_the_end(
    days: float, held: int, level: str | None
) -> None:
    dated = snapshot(
        instruments=(contract(expiry=MONDAY + days * DAY),),
        positions=(position(held),) if held else (),
    )
    told = found(dated)

    assert [one.level for one in told] == ([level] if level else [])
    if level:
        assert (told[0].guard, told[0].symbols) == ("expiry", (BTC,))
        assert f"{days} days" in told[0].text
        assert barred(told, (BTC, ETH)) == ({} if level == "tell" else {BTC: f"expiry: {told[0].text}"})


def test_prices_and_positions_that_are_old_are_told_with_the_limit() -> None:
    at = MONDAY - timedelta(seconds=40)
    told = found(snapshot(at=at, quotes=(quote(at=at), quote(ETH, at=at))))

    assert [one.text for one in told] == [
        f"the price of {BTC} is 40 s old (at most 30)",
        "the positions are 40 s old (at most 15)",
    ]


def test_a_position_that_fills_do_not_explain_holds() -> None:
    (alarm,) = found(snapshot(unexplained=(BTC, ETH)))

    assert (alarm.guard, alarm.level, alarm.symbols) == ("unexplained position", "hold", (BTC,))


@pytest.mark.parametrize(("rank", "told"), [(None, 0), (3, 0), (4, 1), (5, 1)])
def test_the_top_of_the_adl_queue_is_told(rank: int | None, told: int) -> None:
    shown = snapshot(positions=(replace(position(-1), adl_rank=rank),))

    assert len(found(shown)) == told


def coins(**prices: str) -> Snapshot:
    held = tuple(holding(asset, 5, price) for asset, price in prices.items())
    return snapshot(holdings=held)


@pytest.mark.parametrize(
    ("prices", "levels"),
    [
        ({"USDC": "1.02"}, []),
        ({"USDC": "1.021"}, ["no increase"]),  # USDT at 0.979
        ({"USDC": "0.97"}, ["no increase"]),
        ({"USDC": "1.001", "DAI": "0.999", "TUSD": "0.90"}, ["tell"]),
        ({"BTC": "1.5"}, []),
    ],
)
def test_a_dollar_that_is_none_bars_growth(prices: dict[str, str], levels: list[str]) -> None:
    told = found(coins(**prices))

    assert [one.level for one in told] == levels
    assert all(one.guard == "depeg" and "at most 2%" in one.text for one in told)


def test_a_contract_on_a_dollar_coin_tells_too_and_another_numeraire_is_not_judged() -> None:
    usdc = "USDC/USDT:USDT"
    shown = snapshot(quotes=(quote(), quote(usdc, "1.05")), holdings=())

    assert [one.level for one in found(shown)] == ["no increase"]
    assert found(replace(shown, numeraire="EUR")) == ()


def test_a_missing_margin_figure_bars_the_legs_of_that_account_only() -> None:
    far = f"{BTC}@far"
    told = alarms(
        snapshot(),
        (BTC, far),
        (Headroom(account="far", missing="far: the venue does not tell the equity"),),
        {},
        MONDAY,
        AGES,
        POLICY,
    )

    assert list(barred(told, (BTC, far))) == [far]


def test_a_margin_that_is_missing_is_told_once() -> None:
    shown = snapshot(margins=(AccountMargin(account="paper", equity=None, maintenance_margin=d(0)),))
    why = "paper: the venue does not tell the equity"

    assert len(found(shown, Headroom(account="paper", missing=why), trades={BTC: d(-1)})) == 1


def test_what_ends_under_the_floor_is_barred_whatever_planned_it() -> None:
    told = found(snapshot(), trades={BTC: d(-90)})

    assert [(one.guard, one.level, one.symbols) for one in told] == [("margin", "no increase", (BTC,))]
    assert found(snapshot(), trades={BTC: d(-9)}) == ()


def test_a_degraded_hedge_tells_what_restores_it() -> None:
    room = Headroom(
        account="main",
        equity=d(100),
        wanted_ratio=d("0.5"),
        kept_ratio=d("0.42"),
        distance_unfit=d("0.121"),
        ratio_unfit=d("0.31"),
        collateral=d("5000"),
    )
    (alarm,) = found(snapshot(), room)

    assert "degraded from 50% to 42%" in alarm.text
    assert "12.1% below liquidation (at least 15.0%)" in alarm.text
    assert "31.0% (at most 60.0%)" in alarm.text
    assert "5,000.00 more collateral restores it" in alarm.text
    assert alarm.level == "tell"


@pytest.mark.parametrize(("distance", "ratio"), [("0.2", "0.01"), ("2", "0.45")])
def test_a_floor_that_is_near_is_told_before_it_is_reached(distance: str, ratio: str) -> None:
    room = Headroom(account="main", equity=d(100), distance_now=d(distance), ratio_now=d(ratio))

    (alarm,) = found(snapshot(), room)
    (missing,) = found(snapshot(), replace(room, collateral=d(7)))

    assert "near its floor" in alarm.text
    assert "more collateral" not in alarm.text
    assert missing.text == f"{alarm.text}; 7.00 more collateral leads away from it"


def test_tiers_and_figures_that_disagree_are_told() -> None:
    (alarm,) = found(snapshot(), Headroom(account="main", equity=d(1), apart="the venue asks for 3.0"))

    assert alarm.text == "main: the venue asks for 3.0"


def test_the_key_of_an_alarm_outlives_its_figures() -> None:
    one, other = (Alarm(guard="ADL", level="tell", text=text, symbols=(BTC,)) for text in "ab")

    assert one.key == other.key
    assert one.key != Alarm(guard="ADL", level="hold", text="a", symbols=(BTC,)).key


def test_limits_stand_beside_the_guards() -> None:
    assert WatchPolicy().margin == MarginLimits()


@pytest.mark.parametrize(
    ("rate", "hours", "held", "planned", "told"),
    [
        ("-0.0003", 8, -2, 0, "32.85% a year"),
        ("-0.0003", 8, 0, -2, "32.85% a year"),
        ("-0.0001", 1, -2, 0, "87.6% a year"),
        ("-0.0001", 8, -2, 0, None),
        ("0.01", 8, -2, 0, None),
        ("-0.0003", 8, -2, 2, None),
        ("-0.0003", 8, 2, 0, None),
        (None, 8, -2, 0, None),
        ("-0.0003", None, -2, 0, None),
    ],
)
def test_what_a_short_pays_in_funding_is_told_and_bars_nothing(
    rate: str | None, hours: int | None, held: int, planned: int, told: str | None
) -> None:
    runs = quote(
        funding_rate_next=None if rate is None else d(rate),
        funding_hours=None if hours is None else d(hours),
    )
    shown = snapshot(quotes=(runs,), positions=(position(held),) if held else ())
    made = alarms(
        shown, (BTC,), (), {BTC: d(planned)}, MONDAY, AGES, replace(POLICY, funding_cost_max=d("0.25"))
    )

    assert [(one.guard, one.level) for one in made] == ([("funding", "tell")] if told else [])
    assert barred(made, (BTC,)) == {}
    assert told is None or (told in made[0].text and "for 200" in made[0].text)


def test_an_older_policy_tells_of_no_funding() -> None:
    runs = quote(funding_rate_next=d("-0.01"), funding_hours=d(8))

    assert found(snapshot(quotes=(runs,), positions=(position(-2),))) == ()
