"""
The metrics that TA-Lib has too, against TA-Lib on the 1,508 days of real history, null for null.

Averages, slope and true range are TA-Lib's own here, on the stretches between gaps; the rest is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import talib

from hedged.core.metrics import measure, vocabulary
from hedged.core.metrics.columns import Array
from price_action import DEMO_SIGNAL
from reviews import DAY, bitcoin

BARS = bitcoin().bars
OPEN, HIGH, LOW, CLOSE, VOLUME = (
    BARS[name].to_numpy().astype(np.float64) for name in ("open", "high", "low", "close", "volume")
)
LOGS = np.log(CLOSE)
RETURNS = np.append(np.nan, np.diff(LOGS))
YEAR = math.sqrt(365)


def later(column: Array, bars: int = 1) -> Array:
    """What stood so many bars before."""
    return np.append(np.full(bars, np.nan), column[:-bars])


def of_returns(judge: Callable[[Array, int], Array], figures: Array, n: int) -> Array:
    """TA-Lib on log returns; the first bar has none, and a NaN would stay in TA-Lib's sums."""
    return np.append(np.nan, judge(figures[1:], n))


def mean_square(figures: Array, n: int) -> Array:
    """TA-Lib's running sum of squares keeps a residue, below zero too, where all of them are zero."""
    found = talib.SMA(figures**2, n)
    return np.where(found < 1e-15, 0.0, found)


def spread(figures: Array, n: int) -> Array:
    """The standard deviation of a sample; TA-Lib's is that of the whole."""
    return talib.STDDEV(figures, n) * math.sqrt(n / (n - 1))


def crossed(above: Array) -> Array:
    """Below now, and not on the bar before; NaN where either is unknown."""
    before = later(above)
    return np.where(np.isnan(above + before), np.nan, (above < 0) & (before >= 0))


FIGURES: dict[str, Callable[[int], Array]] = {
    "sma_n": lambda n: talib.SMA(CLOSE, n),
    "ema_n": lambda n: talib.EMA(CLOSE, n),
    "atr_n": lambda n: talib.ATR(HIGH, LOW, CLOSE, n),
    "slope_n": lambda n: talib.LINEARREG_SLOPE(LOGS, n),
    "sma_slope_n": lambda n: talib.ROCP(talib.SMA(CLOSE, n), n),
    "high_n": lambda n: later(talib.MAX(HIGH, n)),
    "low_n": lambda n: later(talib.MIN(LOW, n)),
    "drawdown_n": lambda n: CLOSE / talib.MAX(HIGH, n) - 1,
    "return_n": lambda n: talib.ROCP(CLOSE, n),
    "volume_ratio_n": lambda n: VOLUME / later(talib.SMA(VOLUME, n)),
    "volatility_n": lambda n: of_returns(spread, RETURNS, n) * YEAR,
    "volatility_parkinson_n": lambda n: (
        np.sqrt(talib.SMA(np.log(HIGH / LOW) ** 2, n) / (4 * math.log(2))) * YEAR
    ),
    "downside_volatility_n": lambda n: (
        np.sqrt(of_returns(mean_square, np.minimum(RETURNS, 0), n)) * YEAR
    ),
}

CROSSES: dict[str, Callable[[int], Array]] = {
    "breaks_below_sma_m_n": lambda m: crossed(CLOSE - talib.SMA(CLOSE, m)),
    "breaks_above_sma_m_n": lambda m: crossed(talib.SMA(CLOSE, m) - CLOSE),
    "breaks_below_ema_m_n": lambda m: crossed(CLOSE - talib.EMA(CLOSE, m)),
    "breaks_above_ema_m_n": lambda m: crossed(talib.EMA(CLOSE, m) - CLOSE),
}
CANDLES: dict[str, Callable[[], Array]] = {
    "engulfing_bullish_n": lambda: talib.CDLENGULFING(OPEN, HIGH, LOW, CLOSE) > 0,
    "engulfing_bearish_n": lambda: talib.CDLENGULFING(OPEN, HIGH, LOW, CLOSE) < 0,
    "doji_n": lambda: talib.CDLDOJI(OPEN, HIGH, LOW, CLOSE) != 0,
}


def ours(name: str) -> Array:
    """The metric over all days, NaN where it is null."""
    found = measure(bitcoin(), [name], DEMO_SIGNAL, BARS["open_time"][-1] + DAY)[name]
    return found.cast(float).fill_null(np.nan).to_numpy().astype(np.float64)


def test_the_history_is_without_a_gap() -> None:
    assert BARS.height == 1508
    assert BARS["open_time"][-1] - BARS["open_time"][0] == 1507 * DAY
    assert {*FIGURES, *CROSSES, *CANDLES} <= {family.name for family in vocabulary()}


@pytest.mark.parametrize("n", [2, 14, 50, 200])
@pytest.mark.parametrize("family", FIGURES)
def test_a_figure_is_talibs_on_every_day(family: str, n: int) -> None:
    theirs = FIGURES[family](n)

    # The running sums of TA-Lib keep a residue of what has left their window.
    assert np.isfinite(theirs).sum() > 1000
    np.testing.assert_allclose(
        ours(f"{family.removesuffix('_n')}_{n}"), theirs, rtol=1e-7, atol=1e-9, equal_nan=True
    )


@pytest.mark.parametrize("m", [20, 50, 200])
@pytest.mark.parametrize("family", CROSSES)
def test_a_cross_is_on_the_days_that_talibs_average_says(family: str, m: int) -> None:
    theirs = CROSSES[family](m)

    assert np.nansum(theirs) > 10
    np.testing.assert_array_equal(ours(family.replace("_m_n", f"_{m}_1")), theirs)


@pytest.mark.parametrize(("family", "first"), [(name, 10 if "doji" in name else 2) for name in CANDLES])
def test_a_pattern_of_talibs_is_on_its_days(family: str, first: int) -> None:
    found, theirs = ours(family.replace("_n", "_1")), CANDLES[family]()

    assert np.isnan(found[:first]).all()
    np.testing.assert_array_equal(found[first:], theirs[first:])


def test_star_and_hammer_are_by_shape_where_talib_asks_for_more() -> None:
    """Its star wants a gap up; its hammer a body below or near the low before, and a small one."""
    star, hammer = ours("shooting_star_1") == 1, ours("hammer_1") == 1
    their_star = talib.CDLSHOOTINGSTAR(OPEN, HIGH, LOW, CLOSE) != 0
    their_hammer = talib.CDLHAMMER(OPEN, HIGH, LOW, CLOSE) != 0

    assert (their_star.sum(), star.sum()) == (0, 36)
    assert (their_hammer.sum(), hammer.sum(), (hammer & their_hammer).sum()) == (31, 62, 15)
