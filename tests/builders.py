"""Values for tests: only what matters to a test is spelled out there, the rest stands here."""

from __future__ import annotations

import math
import random
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from hedged.core.beta import BetaPolicy
from hedged.core.exposure import ExposurePolicy
from hedged.core.gate import Circumstances, Limits, Usage
from hedged.core.guard import Band
from hedged.core.market import Fill, Holding, Instrument, Margin, Position, Quote, Snapshot
from hedged.core.metrics import History, MetricRow, Signal
from hedged.core.metrics.history import SCHEMAS
from hedged.core.metrics.vocabulary import AthSeed
from hedged.core.policy import Policy
from hedged.core.record import Inputs, Memory, Tick
from hedged.core.rules import Action, Rule, Verb
from hedged.core.sizing import HedgeLeg
from hedged.core.target import RatioPolicy

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
"""A Monday, 00:00 UTC."""

BTC = "BTC/USDT:USDT"
ETH = "ETH/USDT:USDT"


def d(number: str | int) -> Decimal:
    return Decimal(str(number))


def contract(symbol: str = BTC, **changed: Any) -> Instrument:
    """A linear contract of one coin, in lots of 0.001."""
    base = symbol.partition("/")[0]
    plain = Instrument(
        symbol=symbol,
        base=base,
        quote="USDT",
        settle="USDT",
        contract_multiplier=d(1),
        lot=d("0.001"),
        tick=d("0.1"),
        contracts_min=d("0.001"),
        notional_min=d(5),
    )
    return replace(plain, **changed)


def quote(symbol: str = BTC, mark: str | int = 100, at: datetime = MONDAY, **changed: Any) -> Quote:
    """A quote whose bid and ask are at the mark."""
    plain = Quote(symbol=symbol, at=at, mark_price=d(mark), bid_price=d(mark), ask_price=d(mark))
    return replace(plain, **changed)


def holding(asset: str = "BTC", quantity: str | int = 10, mark: str | int | None = 100) -> Holding:
    price = None if mark is None else d(mark)
    return Holding(
        asset=asset,
        quantity=d(quantity),
        mark_price=price,
        source="settings",
        price_symbol=f"{asset}/USDT:USDT",
    )


def position(contracts: str | int, symbol: str = BTC, entry: str | int = 100) -> Position:
    return Position(symbol=symbol, contracts=d(contracts), entry_price=d(entry))


def fill(**changed: Any) -> Fill:
    """2 BTC contracts sold by us at 100, at `MONDAY`, for 0.1."""
    plain = Fill(
        at=MONDAY,
        symbol=BTC,
        side="sell",
        contracts=d(2),
        fill_price=d(100),
        mark_price=d(100),
        index_price=None,
        fee=d("0.1"),
        client_order_id="hdg1",
    )
    return replace(plain, **changed)


def snapshot(**changed: Any) -> Snapshot:
    """10 BTC at 100, one BTC contract, flat, 1,000 of collateral, at `MONDAY`."""
    plain = Snapshot(
        at=MONDAY,
        account="paper",
        numeraire="USDT",
        holdings=(holding(),),
        instruments=(contract(),),
        quotes=(quote(),),
        positions=(),
        open_orders=(),
        margin=Margin(wallet_balance=d(1000), equity=d(1000), maintenance_margin=d(0)),
        cursor=1,
    )
    return replace(plain, **changed)


def rule(name: str = "a rule", when: str = "close > 0", **action: Any) -> Rule:
    """A rule; the action is a keyword: ``rule(raise_to="0.3")``. Default: ``raise_to 0.30``."""
    extra = {key: action.pop(key) for key in ("fires", "cooldown") if key in action}
    ((verb, by),) = action.items() or {"raise_to": "0.30"}.items()
    return Rule(name=name, when=when, action=action_of(verb, by), **extra)


def action_of(verb: Verb, by: str | int) -> Action:
    return Action(verb=verb, by=d(by))


def signal(**changed: Any) -> Signal:
    seed = AthSeed(price=d(50), date=date(2017, 12, 17))
    return replace(Signal(symbol=BTC, bar="1d", ath_seed=seed), **changed)


def policy(**changed: Any) -> Policy:
    """One portfolio hedged with BTC alone, 5% band, starting at 20%."""
    plain = Policy(
        portfolio="main",
        account="paper",
        numeraire="USDT",
        signal=signal(),
        exposure=ExposurePolicy(),
        beta=BetaPolicy(),
        rules=(),
        ratio=RatioPolicy(initial_ratio=d("0.20")),
        legs=(HedgeLeg(symbol=BTC, weight=d(1)),),
        band=Band(),
        limits=Limits(price_age_s_max=d(3600), position_age_s_max=d(3600)),
    )
    return replace(plain, **changed)


def around(**changed: Any) -> Circumstances:
    """Nothing special around a plan."""
    plain = Circumstances(
        now=MONDAY, marks_before={}, usage=Usage(orders={}), restrictions=(), holds=()
    )
    return replace(plain, **changed)


def review_tick(at: datetime = MONDAY) -> Tick:
    return Tick(kind="review", cadence="weekly", scheduled_at=at)


def guard_tick(at: datetime = MONDAY) -> Tick:
    return Tick(kind="guard", cadence="guard", scheduled_at=at)


def metric_row(at: datetime = MONDAY, **values: float | bool | None) -> MetricRow:
    return MetricRow(
        symbol=BTC, bar_close=at, bars_kept=100, bars_missing=0, values={"close": 100.0, **values}
    )


def inputs(**changed: Any) -> Inputs:
    """A review at `MONDAY` with an empty memory."""
    plain = Inputs(
        tick=review_tick(),
        now=MONDAY,
        snapshot=snapshot(),
        metrics=metric_row(),
        betas=None,
        memory=Memory(),
        usage=Usage(orders={}),
        restrictions=(),
        unresolved=(),
    )
    return replace(plain, **changed)


def bars(closes: list[float | None], start: datetime = MONDAY, bar_days: int = 1) -> pl.DataFrame:
    """Daily bars that close at *closes*, a None being a bar that is missing; volume 1,000."""
    rows = [
        {
            "open_time": start + timedelta(days=i * bar_days),
            "open": close,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": 1000.0,
            "index_close": None,
        }
        for i, close in enumerate(closes)
        if close is not None
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["bars"])


def funding(rates: list[float], start: datetime = MONDAY, hours: float = 8) -> pl.DataFrame:
    """Funding settled every *hours* from *start*."""
    rows = [
        {"at": start + timedelta(hours=hours * i), "funding_rate": rate, "interval_hours": hours}
        for i, rate in enumerate(rates)
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["funding"])


def funding_next(rates: list[float], start: datetime = MONDAY, hours: float = 8) -> pl.DataFrame:
    """Running rates of an interval of *hours*, predicted every hour from *start*."""
    rows = [
        {"at": start + timedelta(hours=i), "funding_rate_next": rate, "interval_hours": hours}
        for i, rate in enumerate(rates)
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["funding_next"])


def open_interest(coins: list[float], start: datetime = MONDAY, hours: float = 24) -> pl.DataFrame:
    """Open interest every *hours* from *start*, at a price of 100."""
    rows = [
        {
            "at": start + timedelta(hours=hours * i),
            "open_interest": value,
            "open_interest_notional": value * 100,
            "interval_hours": hours,
        }
        for i, value in enumerate(coins)
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["open_interest"])


def history(closes: list[float | None] | None = None, **changed: Any) -> History:
    """A history of daily bars, with neither funding nor open interest unless they are given."""
    plain = History(
        symbol=BTC,
        bar="1d",
        bars=bars(closes or [100.0]),
        funding=pl.DataFrame(schema=SCHEMAS["funding"]),
        funding_next=pl.DataFrame(schema=SCHEMAS["funding_next"]),
        open_interest=pl.DataFrame(schema=SCHEMAS["open_interest"]),
    )
    return replace(plain, **changed)


def walk(count: int, seed: int, missing: Collection[int] = (), step: float = 0.03) -> History:
    """Daily bars of a random walk with wicks, without the bars numbered in *missing*."""
    chance, close, rows = random.Random(seed), 100.0, []
    for i in range(count):
        before, close = close, close * math.exp(chance.gauss(0, step))
        high = max(before, close) * (1 + abs(chance.gauss(0, step / 2)))
        low = min(before, close) / (1 + abs(chance.gauss(0, step / 2)))
        if i not in missing:
            rows.append((MONDAY + timedelta(days=i), before, high, low, close, 1000.0, None))
    return history(bars=pl.DataFrame(rows, schema=SCHEMAS["bars"], orient="row"))
