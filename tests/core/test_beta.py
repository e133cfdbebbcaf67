"""Beta to the legs: against the standard library's and NumPy's own fits, and when it stays 1."""

from __future__ import annotations

import math
import random
import statistics
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.resources import as_file, files

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, bars, d, holding, snapshot
from hedged.core.beta import (
    BetaPolicy,
    Betas,
    betas_in_force,
    estimate_betas,
    regress,
    shrink,
)
from hedged.core.exposure import ExposurePolicy, expose
from hedged.core.market import Holding
from hedged.history.store import HistoryStore

DAY = timedelta(days=1)
OLS = BetaPolicy(method="ols", bars=40, bars_min=20)
returns = st.lists(
    st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)), min_size=5, max_size=60
).filter(lambda pairs: statistics.pstdev([x for x, _ in pairs]) > 1e-4)


def walk(moves: list[float], start: float = 100.0) -> list[float | None]:
    """Closes whose log returns are *moves*."""
    closes = [start]
    for move in moves:
        closes.append(closes[-1] * math.exp(move))
    return list(closes)


def noise(seed: int, count: int, sd: float = 0.03) -> list[float]:
    drawn = random.Random(seed)
    return [drawn.gauss(0, sd) for _ in range(count)]


def estimated(
    closes: dict[str, list[float | None]],
    holdings: tuple[Holding, ...],
    policy: BetaPolicy = OLS,
    legs: dict[str, Decimal] | None = None,
) -> Betas:
    frames = {symbol: bars(found) for symbol, found in closes.items()}
    last = max(len(found) for found in closes.values())
    return estimate_betas(policy, holdings, legs or {BTC: d(1)}, frames, "1d", MONDAY + last * DAY)


# ---- the regression


@given(returns)
def test_equal_weights_are_the_standard_librarys_line(pairs: list[tuple[float, float]]) -> None:
    x, y = ([pair[i] for pair in pairs] for i in (0, 1))
    found = regress(np.array(y), np.array(x), np.ones(len(x)))
    slope, intercept = statistics.linear_regression(x, y)
    residuals = [b - intercept - slope * a for a, b in zip(x, y, strict=True)]
    spread = sum((a - statistics.fmean(x)) ** 2 for a in x)
    error = math.sqrt(sum(r * r for r in residuals) / (len(x) - 2) / spread)

    assert found is not None
    assert found.slope == pytest.approx(slope, abs=1e-8)
    assert found.standard_error == pytest.approx(error, rel=1e-5, abs=1e-6)
    assert found.returns == len(x)
    if statistics.pstdev(y) > 1e-6:
        assert found.correlation == pytest.approx(statistics.correlation(x, y), abs=1e-6)
        assert found.r2 == pytest.approx(found.correlation**2)


@given(returns, st.integers(2, 50))
def test_falling_weights_are_numpys_weighted_line(
    pairs: list[tuple[float, float]], half_life: int
) -> None:
    x, y = (np.array([pair[i] for pair in pairs]) for i in (0, 1))
    weights = 0.5 ** (np.arange(x.size)[::-1] / half_life)
    found = regress(y, x, weights)

    if found is not None:  # with a short half-life too few returns weigh
        slope, _ = np.polyfit(x, y, 1, w=np.sqrt(weights))
        assert found.slope == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_a_hedge_that_does_not_move_has_no_slope() -> None:
    assert regress(np.array([0.1, 0.2, 0.3]), np.zeros(3), np.ones(3)) is None


@given(st.floats(-3, 5), st.floats(0, 3), st.floats(0.01, 2))
def test_shrinking_goes_toward_one_and_never_past_it(
    slope: float, standard_error: float, prior_sd: float
) -> None:
    found = shrink(slope, standard_error, prior_sd)

    assert min(1, slope) - 1e-9 <= found <= max(1, slope) + 1e-9


def test_shrinking_by_hand() -> None:
    assert shrink(1.6, 0.3, 0.3) == pytest.approx(1.3)
    assert shrink(1.6, 0.0, 0.3) == 1.6


# ---- estimates


def test_a_coin_that_moves_twice_as_much_has_beta_two_and_no_doubt() -> None:
    moves = noise(1, 40)
    found = estimated(
        {BTC: walk(moves), ETH: walk([2 * move for move in moves])},
        (holding("BTC"), holding("ETH")),
    )

    assert [one.beta for one in found.holdings] == [d(1), d(2)]
    (_, eth) = found.holdings
    assert eth.measured is not None
    assert (eth.measured.r2, eth.measured.returns) == (pytest.approx(1), 40)
    assert eth.downside == pytest.approx(2)
    assert found.portfolio.measured is not None
    assert found.portfolio.measured.slope == pytest.approx(1.5)  # half the value in each
    assert found.warnings == ()


def test_the_hedge_is_the_weighted_mean_of_the_legs() -> None:
    btc, eth = noise(1, 40), noise(2, 40)
    found = estimated(
        {BTC: walk(btc), ETH: walk(eth)},
        (holding("BTC"), holding("ETH")),
        legs={BTC: d(3), ETH: d(1)},
    )
    hedge = [0.75 * a + 0.25 * b for a, b in zip(btc, eth, strict=True)]

    measured = [one.measured for one in found.holdings]
    slopes = [statistics.linear_regression(hedge, own).slope for own in (btc, eth)]
    assert [one.slope for one in measured if one] == pytest.approx(slopes)


def test_downside_is_the_slope_where_the_hedge_fell() -> None:
    moves = noise(3, 40)
    skewed = [2 * move if move < 0 else move / 2 for move in moves]
    (coin,) = estimated({BTC: walk(moves), ETH: walk(skewed)}, (holding("ETH"),)).holdings

    assert coin.downside == pytest.approx(2)
    assert coin.measured is not None
    assert 0.5 < coin.measured.slope < 2


def test_ewma_follows_what_came_last() -> None:
    moves = noise(4, 40)
    changed = [move if i < 20 else 2 * move for i, move in enumerate(moves)]
    closes = {BTC: walk(moves), ETH: walk(changed)}
    ewma = BetaPolicy(method="ewma", bars=40, bars_min=20, half_life=5)
    (plain,) = estimated(closes, (holding("ETH"),)).holdings
    (late,) = estimated(closes, (holding("ETH"),), ewma).holdings

    assert plain.measured is not None
    assert late.measured is not None
    assert plain.measured.slope < late.measured.slope == pytest.approx(2, abs=0.1)
    assert late.because.startswith("ewma over 40 returns, half-life 5, SE")


@given(st.integers(0, 10_000), st.floats(-8, 8))
def test_a_beta_stays_within_its_bounds_and_says_when_it_was_clipped(seed: int, slope: float) -> None:
    moves = noise(seed, 40)
    own = [slope * a + b for a, b in zip(moves, noise(seed + 1, 40, 0.002), strict=True)]
    (coin,) = estimated({BTC: walk(moves), ETH: walk(own)}, (holding("ETH"),)).holdings

    assert 0 <= coin.beta <= d("2.5")
    assert coin.shrunk is not None
    outside = not -0.00005 <= coin.shrunk <= 2.50005
    assert ("clipped" in coin.because) == outside


def test_short_of_data_a_beta_is_one_and_says_why() -> None:
    moves = noise(5, 30)
    closes: dict[str, list[float | None]] = {BTC: walk(moves), ETH: [None] * 20 + walk(moves[:10])}
    found = estimated(closes, (holding("ETH"), holding("XYZ")))

    assert [one.beta for one in found.holdings] == [1, 1]
    assert found.holdings[0].because == "only 10 of the 20 returns that it needs are kept"
    assert found.holdings[1].because == "only 0 of the 20 returns that it needs are kept"
    assert found.holdings[0].measured is None


def test_a_holding_without_a_price_has_no_share_so_the_portfolio_has_no_beta() -> None:
    moves = noise(5, 30)
    closes = {BTC: walk(moves), ETH: walk([2 * move for move in moves])}
    found = estimated(closes, (holding("ETH"), holding("BTC", mark=None)))

    assert found.holdings[0].beta > 1
    assert found.portfolio.beta == 1
    assert "no price" in found.portfolio.because


def test_a_missing_bar_takes_two_returns_out_and_no_longer_one_in() -> None:
    moves = noise(6, 40)
    holed = walk([2 * move for move in moves])
    holed[30] = None
    (coin,) = estimated({BTC: walk(moves), ETH: holed}, (holding("ETH"),)).holdings

    assert coin.measured is not None
    assert coin.measured.returns == 38
    assert coin.measured.slope == pytest.approx(2)


def test_legs_without_bars_leave_every_beta_at_one() -> None:
    found = estimated({ETH: walk(noise(7, 40))}, (holding("ETH"),))

    assert found.holdings[0].beta == found.portfolio.beta == 1


def test_a_hedge_that_explains_little_is_warned_about() -> None:
    found = estimated({BTC: walk(noise(8, 40)), ETH: walk(noise(9, 40))}, (holding("ETH"),))

    assert len(found.warnings) == 2  # the coin, and the portfolio that is nothing else
    assert found.warnings[0].startswith("the hedge explains ")
    assert "of what ETH does, under 30%: it hardly protects it" in found.warnings[0]


def test_only_bars_up_to_the_review_count() -> None:
    moves = noise(10, 60)
    closes = {
        BTC: walk(moves),
        ETH: walk([move if i < 40 else 9 * move for i, move in enumerate(moves)]),
    }
    frames = {symbol: bars(found) for symbol, found in closes.items()}
    until = MONDAY + 41 * DAY + timedelta(hours=5)
    found = estimate_betas(OLS, (holding("ETH"),), {BTC: d(1)}, frames, "1d", until)

    assert found.bar_close == MONDAY + 41 * DAY
    assert found.holdings[0].beta == 1


# ---- in the exposure


def test_exposure_is_value_times_beta_and_every_figure_says_which() -> None:
    moves = noise(1, 40)
    coins = (holding("BTC", 10, 100), holding("ETH", 5, 100), holding("USDT", 50, 1))
    found = estimated({BTC: walk(moves), ETH: walk([2 * move for move in moves])}, coins[:2])
    exposure = expose(snapshot(holdings=coins), ExposurePolicy(), found)

    assert exposure.total == 1000 + 500 * 2
    assert exposure.lines[1].beta_source.startswith("ols over 40 returns, SE 0.00, R2 1.00")
    assert (exposure.lines[2].beta, exposure.lines[2].beta_source) == (1, "default")


def test_a_coin_that_came_after_the_review_counts_at_one() -> None:
    found = estimated({BTC: walk(noise(1, 40))}, (holding("BTC"),))
    exposure = expose(snapshot(holdings=(holding("NEW", 1, 100),)), ExposurePolicy(), found)

    assert exposure.total == 100
    assert exposure.lines[0].beta_source == "not yet estimated: it came after the last review"


def test_between_reviews_the_last_estimate_stays_and_one_means_one() -> None:
    kept = estimated({BTC: walk(noise(1, 40))}, (holding("BTC"),))
    fresh = estimated({BTC: walk(noise(2, 40))}, (holding("BTC"),))

    assert betas_in_force(OLS, None, kept) is kept
    assert betas_in_force(OLS, fresh, kept) is fresh
    assert betas_in_force(BetaPolicy(), None, kept) is None


# ---- on real history


def test_ether_moves_more_than_bitcoin_on_the_shipped_history() -> None:
    with as_file(files("hedged") / "demo_data" / "history") as root:
        store = HistoryStore(root, read_only=True)
        frames = {symbol: store.read(symbol, "bars", "1d") for symbol in (BTC, ETH)}
    until = datetime(2022, 6, 13, tzinfo=MONDAY.tzinfo)
    policy = BetaPolicy(method="ols")
    (eth,) = estimate_betas(policy, (holding("ETH"),), {BTC: d(1)}, frames, "1d", until).holdings
    joined = frames[BTC].join(frames[ETH], on="open_time").filter(pl.col("open_time") < until).tail(91)
    x, y = (np.diff(np.log(joined[name].to_numpy())) for name in ("close", "close_right"))

    assert eth.measured is not None
    assert eth.measured.slope == pytest.approx(np.polyfit(x, y, 1)[0])
    assert eth.measured.slope == pytest.approx(1.20, abs=0.1)
    assert 1 < eth.beta < d(str(eth.measured.slope))
