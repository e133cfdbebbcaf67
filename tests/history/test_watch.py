"""What the rules watch: one symbol, a basket, or the holdings; and what betas rest on."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from builders import BTC, ETH, MONDAY, bars, d, holding, policy, rule, signal
from fakes import FakeVenue
from hedged.core.beta import BetaPolicy
from hedged.core.metrics import Series
from hedged.core.metrics.basket import Basket, Constituent
from hedged.core.metrics.history import SCHEMAS
from hedged.core.sizing import HedgeLeg
from hedged.history.keeper import Keeper, measured_from
from hedged.history.store import HistoryStore
from hedged.history.watch import Read, beside, betas_of, names_of, watched

DAY = timedelta(days=1)
COINS = (holding("BTC", 2, 100), holding("ETH", 10, 10), holding("USDT", 500, 1))
HALVES = Basket(
    kind="basket",
    constituents=(Constituent(symbol=BTC, weight=d(1)), Constituent(symbol=ETH, weight=d(1))),
    rebalance="daily",
)
OLS = BetaPolicy(method="ols", bars=20, bars_min=10)


def reading(**closes: list[float | None]) -> Read:
    """Series of which only the bars are kept: ``reading(BTC=[...])``."""
    kept = {f"{coin}/USDT:USDT": bars(found) for coin, found in closes.items()}

    def read(symbol: str, series: Series) -> pl.DataFrame:
        empty = pl.DataFrame(schema=SCHEMAS[series])
        return kept.get(symbol, empty) if series == "bars" else empty

    return read


def walk(seed: int, count: int = 30, times: float = 1.0) -> list[float | None]:
    drawn, close, closes = random.Random(seed), 100.0, list[float | None]()
    for _ in range(count):
        closes.append(close)
        close *= math.exp(times * drawn.gauss(0, 0.03))
    return closes


def test_by_default_the_rules_watch_the_symbol_and_nothing_else_is_kept() -> None:
    history, told = watched(reading(BTC=[1.0, 2.0]), policy(), COINS, MONDAY)

    assert (history.symbol, history.bars["close"].to_list(), told) == (BTC, [1.0, 2.0], ())
    assert beside(policy(), COINS) == frozenset()
    assert betas_of(reading(BTC=[1.0]), policy(), COINS, MONDAY) is None


def test_a_basket_is_one_series_of_bars() -> None:
    watching = policy(signal=signal(index="basket", basket=HALVES))
    closes = reading(BTC=[100.0, 110.0, 110.0], ETH=[10.0, 10.0, 12.0])
    history, _ = watched(closes, watching, (), MONDAY + 3 * DAY)

    assert history.symbol == "the index (basket)"
    assert history.bars["close"].to_list() == pytest.approx([1000, 1050, 1050 * 1.1])
    assert beside(watching, ()) == {BTC, ETH}


def test_holdings_are_an_index_of_what_counts_at_its_quantities() -> None:
    watching = policy(signal=signal(index="holdings"))
    closes = reading(BTC=[100.0, 110.0], ETH=[10.0, 10.0])
    twice = (*COINS, holding("BTC", 1, 100))
    history, _ = watched(closes, watching, twice, MONDAY + 2 * DAY)

    assert history.bars["close"][-1] == pytest.approx(1000 * (3 * 110 + 100) / (3 * 100 + 100))
    assert beside(watching, twice) == {BTC, ETH}


def test_nothing_held_is_no_index_and_says_so() -> None:
    watching = policy(signal=signal(index="holdings"))
    history, told = watched(reading(), watching, (holding("USDT", 5, 1),), MONDAY)

    assert history.bars.height == 0
    assert told == ("there is no holding to make an index of",)


def test_that_a_coin_left_the_index_is_told_for_a_month() -> None:
    watching = policy(signal=signal(index="basket", basket=HALVES))
    closes = reading(BTC=[100.0] * 60, ETH=[10.0] * 10)

    def told(day: int) -> tuple[str, ...]:
        return watched(closes, watching, (), MONDAY + day * DAY)[1]

    assert any(ETH in sentence and "left" in sentence for sentence in told(20))
    assert not any("left" in sentence for sentence in told(50))


def test_a_rule_on_the_portfolio_compares_it_with_the_legs() -> None:
    rules = (rule(when="portfolio_beta_10 > 1"),)
    comparing = policy(rules=rules, legs=(HedgeLeg(symbol=BTC, weight=d(1)),))
    closes = reading(BTC=walk(1), ETH=walk(1, times=2.0))
    coins = (holding("ETH", 10, 100),)
    history, _ = watched(closes, comparing, coins, MONDAY + 30 * DAY)

    assert history.beside.height == 30
    assert beside(comparing, coins) == {BTC, ETH}
    assert names_of(comparing) == {"portfolio_beta_10"}
    nothing, _ = watched(closes, comparing, (), MONDAY + 30 * DAY)
    assert nothing.beside.height == 0


def test_the_portfolio_and_the_hedge_are_unknown_while_a_part_of_them_is() -> None:
    legs = (HedgeLeg(symbol=BTC, weight=d(1)), HedgeLeg(symbol=ETH, weight=d(1)))
    comparing = policy(rules=(rule(when="portfolio_beta_10 > 1"),), legs=legs)
    longest: list[float | None] = [100.0] * 30
    late = [*[None] * 12, *longest[12:]]  # longer than what an index waits for
    gone = [*longest[:20], *[None] * 5, *longest[25:]]

    def days(**closes: list[float | None]) -> list[int]:
        history, _ = watched(reading(**closes), comparing, COINS, MONDAY + 30 * DAY)
        known = history.beside.drop_nulls()["open_time"]
        return [(at - MONDAY).days for at in known]

    assert days(BTC=longest, ETH=longest) == list(range(30))
    assert days(BTC=longest, ETH=late) == list(range(12, 30))
    assert days(BTC=gone, ETH=longest) == [*range(20), *range(25, 30)]


async def test_a_review_keeps_the_bars_of_all_it_needs_and_replays_the_same(tmp_path: Path) -> None:
    frames = {BTC: bars(walk(1)), ETH: bars(walk(1, times=2.0))}
    rules = (rule(when="portfolio_correlation_10 > 0.5"),)
    settings = policy(beta=OLS, rules=rules)

    class Two(FakeVenue):
        async def series(self, symbol, series, bar, after, until):  # type: ignore[no-untyped-def]
            self.frames = {"bars": frames[symbol]}
            return await super().series(symbol, series, bar, after, until)

    coins, until = COINS[:2], MONDAY + 30 * DAY
    keeper = Keeper(Two(), HistoryStore(tmp_path, read_only=False))
    measured = await keeper.measured(settings, until, coins)

    assert measured.betas is not None
    assert [one.beta for one in measured.betas.holdings] == [1, 2]
    assert measured.row.values["portfolio_correlation_10"] == pytest.approx(1, abs=1e-3)
    again = measured_from(HistoryStore(tmp_path, read_only=True), settings, until, coins)
    assert again == measured
