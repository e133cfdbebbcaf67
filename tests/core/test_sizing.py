"""From a ratio to contracts."""

from __future__ import annotations

from builders import BTC, contract, d, holding, position, quote, snapshot
from hedged.core.exposure import ExposurePolicy, expose
from hedged.core.guard import Band, drift
from hedged.core.market import Snapshot
from hedged.core.sizing import HedgeLeg, Wanted, size
from hedged.core.target import RatioMemory

LEGS = (HedgeLeg(symbol=BTC, weight=d(1)),)


def article(lot: str, held: tuple = ()) -> Snapshot:
    """The article's table of 2.3: $500,000, an index at 2,000 points, $100 a point."""
    return snapshot(
        holdings=(holding("BTC", 5, 100_000),),
        instruments=(contract(contract_multiplier=d(100), lot=d(lot)),),
        quotes=(quote(mark=2000),),
        positions=held,
    )


def sized(seen: Snapshot, ratio: str) -> Wanted:
    memory = RatioMemory(goal_ratio=d(ratio), target_ratio=d(ratio))
    wanted = size(memory, expose(seen, ExposurePolicy()), seen, LEGS)
    assert wanted is not None
    return wanted


def test_the_articles_portfolio_needs_one_and_a_quarter_contracts() -> None:
    wanted = sized(article(lot="0.01"), "0.50")

    assert wanted.target_notional == 250_000
    assert wanted.legs[0].contracts == d("-1.25")
    assert wanted.residual_notional == 0


def test_whole_lots_leave_a_residual_that_is_reported_and_not_chased() -> None:
    wanted = sized(article(lot="1"), "0.50")

    assert wanted.legs[0].contracts == -1
    assert wanted.residual_notional == 50_000
    assert wanted.residual_notional / wanted.exposure == d("0.1")

    again = sized(article(lot="1", held=(position(-1, entry=2000),)), "0.50")
    assert not drift(again, d("0.50"), Band()).due
