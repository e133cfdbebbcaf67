"""
What a hedge did to a portfolio: drawdown, volatility, and the price of protection.

Enters a series of values; leaves figures for the report.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from hedged.core.market import ZERO

YEAR_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """
    A series of daily values in figures.

    *drawdown* is the deepest fall from a high, negative; *volatility* is a ratio a year.
    """

    first: Decimal
    last: Decimal
    change: Decimal
    drawdown: Decimal
    drawdown_at: datetime
    volatility: float


def perform(values: Sequence[tuple[datetime, Decimal]]) -> Performance:
    """
    First, last, deepest drawdown and volatility of daily *values*.

    ``drawdown = min(value / highest so far - 1)``; ``volatility = stdev of daily log returns *
    sqrt(365)``. 100, 120, 90, 130: drawdown -25%. Raises `ValueError` without any value.
    """
    if not values:
        raise ValueError("no values to measure")
    highest, drawdown, drawdown_at = values[0][1], ZERO, values[0][0]
    for at, value in values:
        highest = max(highest, value)
        if value / highest - 1 < drawdown:
            drawdown, drawdown_at = value / highest - 1, at
    returns = [math.log(later / earlier) for (_, earlier), (_, later) in pairwise(values)]
    spread = statistics.stdev(returns) if len(returns) > 1 else 0.0
    first, last = values[0][1], values[-1][1]
    return Performance(
        first=first,
        last=last,
        change=last / first - 1,
        drawdown=drawdown,
        drawdown_at=drawdown_at,
        volatility=spread * math.sqrt(YEAR_DAYS),
    )
