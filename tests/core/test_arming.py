"""What is armed: every change of it is found, and named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import ETH, MONDAY, d, policy, rule, signal
from hedged.core.arming import ArmedAccount, changed, disarmed, terms_of
from hedged.core.gate import ARMING, Limits
from hedged.core.guard import Band
from hedged.core.headroom import MarginLimits
from hedged.core.policy import Policy
from hedged.core.sizing import HedgeLeg
from hedged.core.target import RatioPolicy
from hedged.core.watch import WatchPolicy

ACCOUNT = ArmedAccount(venue="binance", uid="123", loopback=False)
ACCOUNTS = {"main": ACCOUNT}
BEFORE = policy(watch=WatchPolicy())


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("limits", {"limits": Limits(orders_per_tick_max=3)}),
        ("limits", {"watch": WatchPolicy(margin=MarginLimits(margin_ratio_max=d("0.7")))}),
        ("limits", {"order_style": "post_only_then_ioc"}),
        ("legs", {"legs": (HedgeLeg(symbol=ETH, weight=d(1)),)}),
        ("legs", {"account": "other"}),
        ("rules", {"rules": (rule(),)}),
        ("rules", {"signal": signal(symbol=ETH)}),
        ("hedge", {"ratio": RatioPolicy(max_ratio=d("0.9"))}),
        ("hedge", {"band": Band(band=d("0.1"))}),
    ],
)
def test_a_change_is_named(part: str, other: dict[str, Any]) -> None:
    armed = terms_of([BEFORE], ACCOUNTS)

    assert changed(armed, terms_of([replace(BEFORE, **other)], ACCOUNTS)) == (f"main: {part}",)


def test_every_setting_of_a_policy_is_armed_but_its_name() -> None:
    parts = "".join(terms_of([BEFORE], ACCOUNTS))

    assert parts.count("main: ") == 4
    assert set(Policy.__slots__) == {
        "portfolio", "account", "numeraire", "signal", "exposure", "beta", "rules", "ratio", "legs",
        "band", "limits", "order_style", "consent", "watch",
    }  # fmt: skip


@pytest.mark.parametrize(
    "accounts",
    [
        {"main": replace(ACCOUNT, uid="124")},
        {"main": replace(ACCOUNT, venue="bybit")},
        {"main": replace(ACCOUNT, loopback=True)},
        {"main": replace(ACCOUNT, leverage=d(3))},
        {"main": replace(ACCOUNT, margin_mode="isolated")},
        {"main": replace(ACCOUNT, adjust=True)},
        {"other": ACCOUNT},
        {},
    ],
)
def test_another_account_or_another_way_to_trade_on_it_disarms(accounts: dict[str, Any]) -> None:
    armed = terms_of([BEFORE], ACCOUNTS)

    assert changed(armed, terms_of([BEFORE], accounts)) == ("accounts",)


def test_a_portfolio_more_or_less_disarms() -> None:
    one = terms_of([BEFORE], ACCOUNTS)
    two = terms_of([BEFORE, replace(BEFORE, portfolio="second")], ACCOUNTS)

    assert set(changed(one, two)) == {f"second: {p}" for p in ("limits", "legs", "rules", "hedge")}
    assert changed(two, one) == changed(one, two)


def test_what_is_armed_restricts_nothing_and_all_else_everything() -> None:
    terms = terms_of([BEFORE], ACCOUNTS)
    never = disarmed(None, terms, MONDAY)

    assert disarmed(terms, dict(terms), MONDAY) is None
    assert never is not None
    assert (never.scope, never.allows, never.by) == ("all", "nothing", ARMING)
    assert "nothing was armed yet; look at it and type hedged run --arm --live" in never.reason
