"""
Open interest against price (section 4.1).

Enters the last open interest known at each bar's close, in coins and in the quote currency; leaves
its level, its change, how unusual it is, and the four regimes. The regimes speak of coins: in the
quote currency a falling price alone would look like closed positions.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.core.metrics import windows
from hedged.core.metrics.columns import Array, Columns
from hedged.core.metrics.vocabulary import Need, Signal, column_metric, metric

DROP = 0.10
"""A fall of open interest by at least this share is a drop."""

_BOTH: tuple[Need, ...] = ("bars", "open_interest")


@metric(
    "open_interest", unit="coins", formula="contracts outstanding, in coins of the base",
    section="4.1", warm_up="0", needs=("open_interest",),
)  # fmt: skip
def open_interest(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("open_interest")


@metric(
    "open_interest_notional", unit="quote", formula="contracts outstanding, in the quote currency",
    section="4.1", warm_up="0", needs=("open_interest_notional",),
)  # fmt: skip
def open_interest_notional(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("open_interest_notional")


@metric(
    "open_interest_change_n", unit="ratio", section="4.1", warm_up="n", needs=("open_interest",),
    formula="open_interest / open_interest n bars ago - 1 (in coins, so price alone moves nothing)",
)  # fmt: skip
def open_interest_change(n: int, _signal: Signal) -> pl.Expr:
    return _change("open_interest", n)


@metric(
    "open_interest_notional_change_n", unit="ratio", section="4.1", warm_up="n",
    needs=("open_interest_notional",),
    formula="open_interest_notional / open_interest_notional n bars ago - 1 (in the quote currency, so"
    " price moves it too)",
)  # fmt: skip
def open_interest_notional_change(n: int, _signal: Signal) -> pl.Expr:
    return _change("open_interest_notional", n)


def _change(name: str, n: int) -> pl.Expr:
    """The relative change over n bars; null where a gap lies between, whose length it would hide."""
    change = pl.col(name) / pl.col(name).shift(n) - 1
    return pl.when(pl.col("bars_in_stretch") > n).then(change)


@column_metric(
    "open_interest_zscore_n", unit="standard deviations", section="4.1", warm_up="n - 1",
    needs=("open_interest",),
    formula="(open_interest - its mean) / its standard deviation (n - 1), over the last n bars, this"
    " one included, in coins; null while they are all equal",
)  # fmt: skip
def open_interest_zscore(columns: Columns, n: int, _signal: Signal) -> Array:
    return windows.zscore(windows.at_bars(columns, "open_interest"), n)


@column_metric(
    "oi_up_price_up_n", unit="state", section="4.1", warm_up="n", needs=_BOTH, kind="boolean",
    formula="open_interest and close are both above those n bars ago: new longs confirm a rise",
)  # fmt: skip
def oi_up_price_up(columns: Columns, n: int, _signal: Signal) -> Array:
    return _regime(columns, n, oi=1, price=1)


@column_metric(
    "oi_up_price_down_n", unit="state", section="4.1", warm_up="n", needs=_BOTH, kind="boolean",
    formula="open_interest above and close below those n bars ago: new shorts press a fall",
)  # fmt: skip
def oi_up_price_down(columns: Columns, n: int, _signal: Signal) -> Array:
    return _regime(columns, n, oi=1, price=-1)


@column_metric(
    "oi_down_price_up_n", unit="state", section="4.1", warm_up="n", needs=_BOTH, kind="boolean",
    formula="open_interest below and close above those n bars ago: shorts close, a rise tires",
)  # fmt: skip
def oi_down_price_up(columns: Columns, n: int, _signal: Signal) -> Array:
    return _regime(columns, n, oi=-1, price=1)


@column_metric(
    "oi_down_price_down_n", unit="state", section="4.1", warm_up="n", needs=_BOTH, kind="boolean",
    formula="open_interest and close are both below those n bars ago: longs close, a fall tires",
)  # fmt: skip
def oi_down_price_down(columns: Columns, n: int, _signal: Signal) -> Array:
    return _regime(columns, n, oi=-1, price=-1)


@column_metric(
    "oi_drops_while_price_falls_n", unit="state", section="4.1", warm_up="n", needs=_BOTH,
    kind="boolean",
    formula=f"open_interest fell by {DROP:.0%} or more over n bars while close fell: the fall may be"
    " near its end, and a short be lightened",
)  # fmt: skip
def oi_drops_while_price_falls(columns: Columns, n: int, _signal: Signal) -> Array:
    coins, earlier = _now_and_before(columns, "open_interest", n)
    # Not as a ratio: 90 / 100 - 1 is greater than -0.10 in binary.
    dropped = np.where(coins <= (1 - DROP) * earlier, _direction(columns, "open_interest", n), 0.0)
    both = (dropped == -1) & (_direction(columns, "close", n) == -1)
    return _where_known(columns, n, both)


def _regime(columns: Columns, n: int, *, oi: int, price: int) -> Array:
    """Whether both went the way they are said to; a change of zero is neither up nor down."""
    found_oi, found_price = _direction(columns, "open_interest", n), _direction(columns, "close", n)
    return _where_known(columns, n, (found_oi == oi) & (found_price == price))


def _where_known(columns: Columns, n: int, state: NDArray[np.bool_]) -> Array:
    """The state as 1 and 0, NaN unless both directions are known."""
    both = _direction(columns, "open_interest", n) + _direction(columns, "close", n)
    return np.where(np.isnan(both), np.nan, state.astype(np.float64))


def _direction(columns: Columns, name: str, n: int) -> Array:
    """1, 0 or -1: the column against its own value n bars ago; NaN when one end is unknown."""

    def compared() -> Array:
        now, earlier = _now_and_before(columns, name, n)
        return np.where(np.isnan(now + earlier), np.nan, np.sign(now - earlier))

    return columns.once((name, "direction", n), compared)


def _now_and_before(columns: Columns, name: str, n: int) -> tuple[Array, Array]:
    now = windows.at_bars(columns, name)
    return now, windows.before(columns, now, n)
