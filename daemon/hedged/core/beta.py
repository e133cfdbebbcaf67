"""
How much each holding moves with the contracts that hedge it (section 2.3).

Enters closes of the holdings and of the legs, on one grid of bars; leaves a beta for every holding
and for the portfolio, with its standard error and what it rests on. Short of data it is 1, and
says why. A review estimates; until the next one the estimate stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import numpy as np
import polars as pl

from hedged.core.market import Holding
from hedged.core.metrics.columns import Array, as_array
from hedged.core.metrics.history import bar_seconds, last_close_time
from hedged.core.wording import percent

BETA_DEFAULT = Decimal(1)
BETA_MIN, BETA_MAX = Decimal(0), Decimal("2.5")
R2_WARNING = 0.3
"""Below this the hedge explains so little of a holding that it hardly protects it."""

DIGITS = Decimal("0.0001")
PARAMETERS = 2  # intercept and slope

Method = Literal["one", "ols", "ewma"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaPolicy:
    """
    How beta is found: *one* takes it as 1, *ols* weighs the last *bars* log returns alike, *ewma*
    halves their weight every *half_life* bars.

    Under *bars_min* returns it stays 1. *prior_sd* is how far from 1 a beta is thought to lie
    before anything is measured: the estimate is drawn toward 1 the more, the less sure it is.
    """

    method: Method = "one"
    bars: int = 90
    bars_min: int = 60
    half_life: int = 30
    prior_sd: Decimal = Decimal("0.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """``y = a + slope * x`` over *returns* log returns; the figures of its fit."""

    slope: float
    standard_error: float
    r2: float
    correlation: float
    returns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaEstimate:
    """
    The *beta* used for one holding (or the portfolio), and how it came about.

    *measured* is the bare regression and *shrunk* what is left of it when drawn toward 1; both are
    None where *because* says why the beta is 1. *downside* is the slope over the bars on which the
    hedge fell.
    """

    asset: str
    beta: Decimal
    because: str
    measured: Regression | None = None
    shrunk: float | None = None
    downside: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Betas:
    """What a review estimated, on bars up to *bar_close*; frozen until the next review."""

    bar_close: datetime
    method: Method
    holdings: tuple[BetaEstimate, ...]
    portfolio: BetaEstimate
    warnings: tuple[str, ...]

    def of(self, asset: str) -> BetaEstimate:
        """The estimate for *asset*; 1 for a coin that came after the review."""
        for estimate in self.holdings:
            if estimate.asset == asset:
                return estimate
        return _default(asset, "not yet estimated: it came after the last review")


def estimate_betas(
    policy: BetaPolicy,
    holdings: tuple[Holding, ...],
    legs: dict[str, Decimal],
    closes: dict[str, pl.DataFrame],
    bar: str,
    until: datetime,
) -> Betas:
    """
    A beta for each of *holdings* against the *legs* (weights by symbol): the return of the hedge is
    the weighted mean of the legs' log returns.

    *closes* holds frames with *open_time* and *close* by symbol, and a holding's is that of its
    price; a return counts where both of its bars are kept. The portfolio's weights are those of
    *holdings* at their present prices.
    """
    kept = {symbol: _returns(frame, bar, until, policy.bars) for symbol, frame in closes.items()}
    unknown = np.full(policy.bars, np.nan)
    moves = [kept.get(holding.price_symbol or "", unknown) for holding in holdings]
    hedge = _mean([kept.get(leg, unknown) for leg in legs], list(legs.values()), policy.bars)
    worth = [holding.quantity * (holding.mark_price or 0) for holding in holdings]
    estimates = tuple(
        _estimate(holding.asset, moved, hedge, policy)
        for holding, moved in zip(holdings, moves, strict=True)
    )
    total = (
        _default("portfolio", "a holding has no price, so its share is unknown")
        if any(holding.mark_price is None for holding in holdings)
        else _estimate("portfolio", _mean(moves, worth, policy.bars), hedge, policy)
    )
    return Betas(
        bar_close=last_close_time(bar, until),
        method=policy.method,
        holdings=estimates,
        portfolio=total,
        warnings=tuple(_warning(one) for one in (*estimates, total) if _weak(one)),
    )


def betas_in_force(policy: BetaPolicy, measured: Betas | None, kept: Betas | None) -> Betas | None:
    """This review's, or those that the last one left; None while every beta is 1."""
    return None if policy.method == "one" else measured or kept


def regress(y: Array, x: Array, weights: Array) -> Regression | None:
    """
    Weighted least squares of *y* on *x*: ``slope = S_xy / S_xx`` about the weighted means.

    ``SE = sqrt(s2 / (n_eff * S_xx))`` with ``s2 = sum(w e^2) * n_eff / (n_eff - 2)`` and
    ``n_eff = (sum w)^2 / sum w^2``; with equal weights that is ordinary least squares. None where
    *x* does not move, or too little is known.
    """
    known = np.isfinite(y) & np.isfinite(x)
    y, x, weights = y[known], x[known], weights[known]
    if y.size <= PARAMETERS:
        return None
    n_eff = weights.sum() ** 2 / (weights**2).sum()
    w = weights / weights.sum()
    dx, dy = x - (w * x).sum(), y - (w * y).sum()
    sxx, syy, sxy = ((w * a * b).sum() for a, b in ((dx, dx), (dy, dy), (dx, dy)))
    if not sxx > 0 or n_eff <= PARAMETERS:
        return None
    slope = sxy / sxx
    left = max(syy - slope * sxy, 0.0)
    correlation = sxy / math.sqrt(sxx * syy) if syy > 0 else 0.0
    return Regression(
        slope=float(slope),
        standard_error=math.sqrt(left * n_eff / (n_eff - PARAMETERS) / (n_eff * sxx)),
        r2=float(correlation**2),
        correlation=float(correlation),
        returns=int(y.size),
    )


def shrink(slope: float, standard_error: float, prior_sd: float) -> float:
    """
    Toward 1 by how unsure the slope is: ``1 + (slope - 1) * sd^2 / (sd^2 + SE^2)`` (Vasicek).

    A slope of 1.6 with SE 0.3 and prior_sd 0.3: 1.3.
    """
    sure = prior_sd**2 / (prior_sd**2 + standard_error**2)
    return 1 + (slope - 1) * sure


def _estimate(asset: str, y: Array, hedge: Array, policy: BetaPolicy) -> BetaEstimate:
    count = int((np.isfinite(y) & np.isfinite(hedge)).sum())
    if count < policy.bars_min:
        return _default(asset, f"only {count} of the {policy.bars_min} returns that it needs are kept")
    measured = regress(y, hedge, _weights(policy))
    if measured is None:
        return _default(asset, "the hedge did not move, or too few of its returns weigh")
    shrunk = shrink(measured.slope, measured.standard_error, float(policy.prior_sd))
    beta = Decimal(str(shrunk)).quantize(DIGITS)
    clipped = min(max(beta, BETA_MIN), BETA_MAX)
    fell = regress(np.where(hedge < 0, y, np.nan), hedge, np.ones(hedge.size))
    return BetaEstimate(
        asset=asset,
        beta=clipped,
        because=_told(policy, measured) + ("" if beta == clipped else f", clipped from {beta}"),
        measured=measured,
        shrunk=shrunk,
        downside=fell.slope if fell else None,
    )


def _told(policy: BetaPolicy, measured: Regression) -> str:
    how = "" if policy.method == "ols" else f", half-life {policy.half_life}"
    fit = f"SE {measured.standard_error:.2f}, R2 {measured.r2:.2f}"
    return f"{policy.method} over {measured.returns} returns{how}, {fit}"


def _default(asset: str, because: str) -> BetaEstimate:
    return BetaEstimate(asset=asset, beta=BETA_DEFAULT, because=because)


def _weak(estimate: BetaEstimate) -> bool:
    return estimate.measured is not None and estimate.measured.r2 < R2_WARNING


def _warning(estimate: BetaEstimate) -> str:
    assert estimate.measured is not None, "only what was measured can be weak"
    explained = percent(Decimal(str(estimate.measured.r2)))
    return (
        f"the hedge explains {explained} of what {estimate.asset} does, under "
        f"{percent(Decimal(str(R2_WARNING)))}: it hardly protects it"
    )


def _weights(policy: BetaPolicy) -> Array:
    """One a return, the newest last."""
    if policy.method == "ewma":
        return np.asarray(0.5 ** (np.arange(policy.bars)[::-1] / policy.half_life), dtype=np.float64)
    return np.ones(policy.bars)


def _returns(frame: pl.DataFrame, bar: str, until: datetime, count: int) -> Array:
    """The last *count* log returns of bars that closed by *until*; NaN where a bar is missing."""
    step = timedelta(seconds=bar_seconds(bar))
    end = last_close_time(bar, until)
    stamps = pl.datetime_range(
        end - (count + 1) * step, end - step, step, time_unit="us", time_zone="UTC", eager=True
    )
    rows = (
        stamps.alias("open_time")
        .to_frame()
        .join(frame.select("open_time", "close"), on="open_time", how="left", maintain_order="left")
    )
    closes = as_array(rows["close"])
    with np.errstate(all="ignore"):
        logs = np.log(np.where(closes > 0, closes, np.nan))
    return np.diff(logs)


def _mean(returns: list[Array], weights: list[Decimal], count: int) -> Array:
    """The weighted mean of *returns*; NaN on a bar where any part that weighs is unknown."""
    total = float(sum(weights))
    weighed = [
        float(weight) / total * moved for weight, moved in zip(weights, returns, strict=True) if weight
    ]
    return np.asarray(sum(weighed), dtype=np.float64) if weighed else np.full(count, np.nan)
