"""
Derivatives metrics: basis, funding and open interest (sections 3.1, 4.1 and 4.2).

Funding and open interest are the last ones settled at or before the bar's close; the grid has
already made them null where they are older than two of their own intervals.
"""

from __future__ import annotations

import polars as pl

from hedged.core.metrics.vocabulary import Signal, metric


@metric(
    "basis", unit="quote", formula="close of the contract - close of its index (F - S)",
    section="3.1", warm_up="0", needs=("bars", "index"),
)  # fmt: skip
def basis(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("close") - pl.col("index_close")


@metric(
    "funding_rate", unit="ratio an interval", section="4.2", warm_up="0", needs=("funding",),
    formula="last settled funding rate, as the venue states it; longs pay when positive",
)  # fmt: skip
def funding_rate(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("funding_rate")


@metric(
    "funding_interval", unit="hours", formula="hours that the settled funding_rate covers",
    section="4.2", warm_up="0", needs=("funding",),
)  # fmt: skip
def funding_interval(_n: int, _signal: Signal) -> pl.Expr:
    return pl.when(pl.col("funding_rate").is_not_null()).then(pl.col("funding_interval"))


@metric(
    "funding_rate_8h", unit="ratio in 8 hours", formula="funding_rate * 8 / funding_interval",
    section="4.2", warm_up="0", needs=("funding",),
)  # fmt: skip
def funding_rate_8h(_n: int, _signal: Signal) -> pl.Expr:
    return pl.col("funding_rate") * 8 / pl.col("funding_interval")


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
    return pl.col("open_interest") / pl.col("open_interest").shift(n) - 1
