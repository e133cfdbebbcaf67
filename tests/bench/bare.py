"""
The vocabulary as bare calls: what TA-Lib and NumPy have of it, straight on the arrays.

Enters a `History` without a gap; leaves a column for every metric that has a bare call, with the
same content and nothing around it: no gap is minded, nothing is checked, named or made null. Levels,
trendlines and swings have no such call and are left out.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import talib
from numpy.typing import NDArray

from builders import BTC, MONDAY
from hedged.core.metrics import Family, History, Signal, measure, vocabulary
from hedged.core.metrics.history import BESIDE, SCHEMAS
from hedged.core.metrics.vocabulary import AthSeed

Array = NDArray[np.float64]

FIGURE, EVENT = 50, 7  # windows in bars: of figures and averages, and of events
SIGNAL = Signal(
    symbol=BTC,
    bar="1h",
    ath_seed=AthSeed(price=Decimal(110), date=date(1950, 1, 1)),
    expiry=MONDAY + timedelta(days=30),
)
YEAR = math.sqrt(365 * 24)


def market(bars: int) -> History:
    """A seeded walk of hourly bars with wicks, and every other series that a metric needs."""
    noise, step = np.random.default_rng(7), timedelta(hours=1)
    close = 100 * np.exp(np.cumsum(noise.normal(0, 0.003, bars)))
    opened = np.concatenate(([100.0], close[:-1]))
    coins = 1e5 * np.exp(np.cumsum(noise.normal(0, 0.003, bars)))
    start = MONDAY - bars * step
    opens = pl.datetime_range(start, MONDAY - step, step, time_unit="us", time_zone="UTC", eager=True)
    stamps = opens.gather_every(8)
    frame = pl.DataFrame(
        {
            "open_time": opens,
            "open": opened,
            "high": np.maximum(opened, close) * (1 + np.abs(noise.normal(0, 0.002, bars))),
            "low": np.minimum(opened, close) * (1 - np.abs(noise.normal(0, 0.002, bars))),
            "close": close,
            "volume": noise.uniform(1, 10, bars),
            "index_close": close * (1 + noise.normal(0, 0.001, bars)),
        }
    )
    rates = {"at": stamps, "funding_rate": noise.normal(0, 1e-4, len(stamps)), "interval_hours": 8.0}
    predicted = {"at": opens, "funding_rate_next": noise.normal(0, 1e-4, bars), "interval_hours": 8.0}
    beside = {
        "open_time": opens,
        "portfolio_close": close * np.exp(np.cumsum(noise.normal(0, 0.001, bars))),
        "hedge_close": close,
    }
    outstanding = {
        "at": opens, "open_interest": coins, "open_interest_notional": coins * close,
        "interval_hours": 1.0,
    }  # fmt: skip
    return History(
        symbol=BTC,
        bar="1h",
        bars=frame,
        funding=pl.DataFrame(rates, schema=SCHEMAS["funding"]),
        funding_next=pl.DataFrame(predicted, schema=SCHEMAS["funding_next"]),
        open_interest=pl.DataFrame(outstanding, schema=SCHEMAS["open_interest"]),
        beside=pl.DataFrame(beside, schema=BESIDE),
    )


def names() -> list[str]:
    """One name of every family of the vocabulary."""
    return [_named(family) for family in vocabulary()]


def _named(family: Family) -> str:
    window = EVENT if family.kind == "boolean" else FIGURE
    stem = family.name.replace("_m_n", f"_{FIGURE}_{EVENT}")
    return f"{stem.removesuffix('_n')}_{window}" if stem.endswith("_n") else stem


def agree(h: History) -> None:
    """Raise `AssertionError` where a bare column is not what `measure` gives: another content."""
    columns = bare(h)
    measured = measure(h, columns, SIGNAL, MONDAY)
    for name, column in columns.items():
        ours = measured[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        both = np.isfinite(ours) & np.isfinite(column)  # they warm up in their own ways
        assert np.count_nonzero(both) > len(ours) - 1000, name
        # The running sums of TA-Lib keep a residue of what has left their window.
        assert np.allclose(ours[both], column[both], rtol=1e-5, atol=1e-12), name


def bare(h: History) -> dict[str, Array]:
    """Every column that has a bare call, by the metric's name; what two share is computed once."""
    o, high, low, close, volume, index = (
        h.bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume", "index_close")
    )
    return {
        "open": o.copy(),
        "high": high.copy(),
        "low": low.copy(),
        "close": close.copy(),
        "volume": volume.copy(),
        **_prices(high, low, close, volume),
        **_averages(close),
        **_risk(high, low, close),
        **_candles(o, high, low, close),
        **_weeks(h, high, low, close),
        **_basis(h, close, index),
        **_funding(h),
        **_open_interest(h, close),
        **_portfolio(h),
    }


def _prices(high: Array, low: Array, close: Array, volume: Array) -> dict[str, Array]:
    seed = float(SIGNAL.ath_seed.price) if SIGNAL.ath_seed else 0.0
    top = np.maximum(np.maximum.accumulate(high), seed)
    ath = _shifted(top, 1)
    ath[0] = seed
    above = close > ath
    heavy = volume / _shifted(talib.SMA(volume, 20), 1) > 1.5
    return {
        "high_50": _shifted(talib.MAX(high, FIGURE), 1),
        "low_50": _shifted(talib.MIN(low, FIGURE), 1),
        "volume_ratio_50": volume / _shifted(talib.SMA(volume, FIGURE), 1),
        "ath": ath,
        "drawdown": close / top - 1,
        "breaks_ath_7": _within(above),
        "breaks_ath_volume_7": _within(above & heavy),
    }


def _averages(close: Array) -> dict[str, Array]:
    sma, ema = talib.SMA(close, FIGURE), talib.EMA(close, FIGURE)
    found = {
        "sma_50": sma,
        "ema_50": ema,
        "sma_slope_50": sma / _shifted(sma, FIGURE) - 1,
        "slope_50": talib.LINEARREG_SLOPE(np.log(close), FIGURE),
    }
    for name, line in (("sma", sma), ("ema", ema)):
        above = close - line
        before = _shifted(above, 1)
        found[f"breaks_below_{name}_50_7"] = _within((above < 0) & (before >= 0))
        found[f"breaks_above_{name}_50_7"] = _within((above > 0) & (before <= 0))
    return found


def _risk(high: Array, low: Array, close: Array) -> dict[str, Array]:
    returns = np.log(close / _shifted(close, 1))[1:]
    falls = talib.SMA(np.minimum(returns, 0) ** 2, FIGURE)
    spread = talib.STDDEV(returns, FIGURE) * math.sqrt(FIGURE / (FIGURE - 1))
    ranges = talib.SMA(np.log(high / low) ** 2, FIGURE)
    return {
        "volatility_50": np.append(np.nan, spread) * YEAR,
        "downside_volatility_50": np.append(np.nan, np.sqrt(falls)) * YEAR,
        "volatility_parkinson_50": np.sqrt(ranges / (4 * math.log(2))) * YEAR,
        "drawdown_50": close / talib.MAX(high, FIGURE) - 1,
        "return_50": close / _shifted(close, FIGURE) - 1,
        "atr_50": talib.ATR(high, low, close, FIGURE),
    }


def _candles(o: Array, high: Array, low: Array, close: Array) -> dict[str, Array]:
    engulfing, doji = talib.CDLENGULFING(o, high, low, close), talib.CDLDOJI(o, high, low, close)
    top, bottom = np.maximum(o, close), np.minimum(o, close)
    upper, lower, body, whole = high - top, bottom - low, top - bottom, high - low
    return {
        "engulfing_bullish_7": _within(engulfing > 0),
        "engulfing_bearish_7": _within(engulfing < 0),
        "doji_7": _within(doji != 0),
        "shooting_star_7": _within((upper >= 2 * body) & (lower <= 0.15 * whole)),
        "hammer_7": _within((lower >= 2 * body) & (upper <= 0.15 * whole)),
    }


def _weeks(h: History, high: Array, low: Array, close: Array) -> dict[str, Array]:
    monday = datetime(1970, 1, 5, tzinfo=MONDAY.tzinfo)
    hours = (h.bars["open_time"] - monday).dt.total_hours().to_numpy()
    first = np.flatnonzero(np.diff(hours // 168, prepend=hours[0] // 168 - 1))
    bars = np.diff(np.append(first, len(close)))
    top, bottom = np.maximum.reduceat(high, first), np.minimum.reduceat(low, first)
    last = close[first + bars - 1]
    top, bottom, last = (np.repeat(_shifted(week, 1), bars) for week in (top, bottom, last))
    p = (top + bottom + last) / 3
    return {
        "pivot_p": p,
        "pivot_r1": 2 * p - bottom,
        "pivot_r2": p + (top - bottom),
        "pivot_s1": 2 * p - top,
        "pivot_s2": p - (top - bottom),
    }


def _basis(h: History, close: Array, index: Array) -> dict[str, Array]:
    ratio = close / index - 1
    assert SIGNAL.expiry is not None
    days = (int(SIGNAL.expiry.timestamp()) * 1_000_000 - _closes(h)) / 86_400_000_000
    return {
        "basis_annualized": ratio * 365 / days,
        "days_to_expiry": days,
        "basis": close - index,
        "basis_ratio": ratio,
        "contango": ratio > 0.0005,
        "backwardation": ratio < -0.0005,
    }


def _funding(h: History) -> dict[str, Array]:
    at = _known(h, h.funding)
    rate, hours = (h.funding[name].to_numpy()[at] for name in ("funding_rate", "interval_hours"))
    later = _known(h, h.funding_next)
    running, covers = (
        h.funding_next[name].to_numpy()[later] for name in ("funding_rate_next", "interval_hours")
    )
    normal, sign, bar = rate * 8 / hours, np.sign(rate), np.arange(len(rate))
    began = np.maximum.accumulate(np.where(np.append(True, sign[1:] != sign[:-1]), bar, 0))
    before = _shifted(rate, 1)
    return {
        "funding_rate": rate,
        "funding_interval": hours,
        "funding_rate_8h": normal,
        "funding_rate_next": running,
        "funding_rate_next_8h": running * 8 / covers,
        "funding_annualized": rate * 365 * 24 / hours,
        "funding_zscore_50": _zscore(normal),
        "funding_run": sign * (bar - began + 1),
        "funding_turns_negative_7": _within((rate < 0) & (before >= 0)),
        "funding_turns_positive_7": _within((rate > 0) & (before <= 0)),
    }


def _open_interest(h: History, close: Array) -> dict[str, Array]:
    at, series = _known(h, h.open_interest), h.open_interest
    coins, notional = (series[n].to_numpy()[at] for n in ("open_interest", "open_interest_notional"))
    then, before = _shifted(coins, EVENT), _shifted(close, EVENT)
    up, down, rose, fell = coins > then, coins < then, close > before, close < before
    return {
        "open_interest": coins,
        "open_interest_notional": notional,
        "open_interest_change_50": coins / _shifted(coins, FIGURE) - 1,
        "open_interest_notional_change_50": notional / _shifted(notional, FIGURE) - 1,
        "open_interest_zscore_50": _zscore(coins),
        "oi_up_price_up_7": up & rose,
        "oi_up_price_down_7": up & fell,
        "oi_down_price_up_7": down & rose,
        "oi_down_price_down_7": down & fell,
        "oi_drops_while_price_falls_7": (coins <= 0.9 * then) & fell,
    }


def _portfolio(h: History) -> dict[str, Array]:
    held, hedge = (
        np.log(values / _shifted(values, 1))[1:]
        for values in (h.beside[name].to_numpy() for name in ("portfolio_close", "hedge_close"))
    )

    def covariance(a: Array, b: Array) -> Array:
        return _mean(a * b) - _mean(a) * _mean(b)

    both, own, other = covariance(held, hedge), covariance(held, held), covariance(hedge, hedge)
    fell = (hedge < 0).astype(np.float64)
    share = _mean(fell)
    x, y, xx, xy = (_mean(fell * moved) / share for moved in (hedge, held, hedge * hedge, hedge * held))
    figures = {
        "portfolio_beta_50": both / other,
        "portfolio_correlation_50": both / np.sqrt(own * other),
        "portfolio_downside_beta_50": (xy - x * y) / (xx - x * x),
    }
    return {name: np.append(np.nan, figure) for name, figure in figures.items()}


def _mean(values: Array) -> Array:
    return talib.SMA(values, FIGURE)


def _known(h: History, series: pl.DataFrame) -> NDArray[np.int64]:
    """For each bar the row of *series* stamped last at or before its close."""
    return np.searchsorted(series["at"].dt.epoch("us").to_numpy(), _closes(h), side="right") - 1


def _closes(h: History) -> NDArray[np.int64]:
    """When each bar closes, in microseconds from 1970."""
    return h.bars["open_time"].dt.epoch("us").to_numpy() + 3_600_000_000


def _zscore(values: Array) -> Array:
    spread = talib.STDDEV(values, FIGURE) * math.sqrt(FIGURE / (FIGURE - 1))
    return (values - _mean(values)) / spread


def _within(events: NDArray[np.bool_]) -> Array:
    return talib.MAX(events.astype(np.float64), EVENT)


def _shifted(values: Array, n: int) -> Array:
    return np.concatenate((np.full(n, np.nan), values[:-n]))
