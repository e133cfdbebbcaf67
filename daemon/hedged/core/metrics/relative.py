"""
What is held against what hedges it: beta, correlation and downside beta (section 2.3).

Enters the values of the present holdings and of the legs on the grid of bars; leaves metrics that are
null on a window in which either is unknown. The betas that exposure uses are in `core.beta`.
"""

from __future__ import annotations

import numpy as np

from hedged.core.metrics import windows
from hedged.core.metrics.columns import Array, Columns
from hedged.core.metrics.vocabulary import Signal, column_metric

OF = "log returns of the present holdings, at today's quantities, and of the legs, over n bars"


@column_metric(
    "portfolio_beta_n", unit="ratio", section="2.3", warm_up="n", needs=("portfolio",),
    threshold_max=5,
    formula=f"covariance / variance of the hedge; {OF}",
)  # fmt: skip
def portfolio_beta(columns: Columns, n: int, _signal: Signal) -> Array:
    _, hedge, both = _covariances(columns, n)
    return _ratio(both, hedge)


@column_metric(
    "portfolio_correlation_n", unit="ratio", section="2.3", warm_up="n", needs=("portfolio",),
    formula=f"covariance / (both standard deviations); {OF}",
)  # fmt: skip
def portfolio_correlation(columns: Columns, n: int, _signal: Signal) -> Array:
    held, hedge, both = _covariances(columns, n)
    return np.clip(_ratio(both, np.sqrt(held * hedge)), -1, 1)


@column_metric(
    "portfolio_downside_beta_n", unit="ratio", section="2.3", warm_up="n", needs=("portfolio",),
    threshold_max=5,
    formula=f"portfolio_beta_n over the bars on which the hedge fell alone; {OF}",
)  # fmt: skip
def portfolio_downside_beta(columns: Columns, n: int, _signal: Signal) -> Array:
    held, hedge = _returns(columns)
    fell = np.where(np.isnan(hedge), np.nan, (hedge < 0).astype(np.float64))
    share = windows.mean(fell, n)
    x, y = (_ratio(windows.mean(fell * moved, n), share) for moved in (hedge, held))
    xx, xy = (_ratio(windows.mean(fell * hedge * moved, n), share) for moved in (hedge, held))
    return _ratio(xy - x * y, _varying(xx - x * x, xx))


def _returns(columns: Columns) -> tuple[Array, Array]:
    """Log returns of the holdings and of the hedge, NaN on a bar where either is unknown."""

    def made() -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            held, hedge = (
                np.log(columns[name] / windows.before(columns, columns[name], 1))
                for name in ("portfolio_close", "hedge_close")
            )
        known = np.isfinite(held) & np.isfinite(hedge)
        return np.where(known, held, np.nan), np.where(known, hedge, np.nan)

    return columns.once("portfolio returns", made)


def _covariances(columns: Columns, n: int) -> tuple[Array, Array, Array]:
    """Variances of the returns of the holdings and of the hedge, and their covariance."""

    def made() -> tuple[Array, Array, Array]:
        held, hedge = _returns(columns)
        x, y = windows.mean(held, n), windows.mean(hedge, n)
        xx, yy, xy = (windows.mean(of, n) for of in (held * held, hedge * hedge, held * hedge))
        return _varying(xx - x * x, xx), _varying(yy - y * y, yy), xy - x * y

    return columns.once(("portfolio covariances", n), made)


def _varying(variance: Array, square: Array) -> Array:
    """The variance, NaN where it is but what rounding leaves of *square*."""
    return np.where(variance > 1e-9 * square, variance, np.nan)


def _ratio(above: Array, below: Array) -> Array:
    with np.errstate(all="ignore"):
        return above / below
