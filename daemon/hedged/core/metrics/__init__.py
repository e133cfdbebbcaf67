"""
The vocabulary: what a rule may name, computed over whole columns of closed bars.

Enters a `History`; leaves a frame with one column a metric, and the row a decision is made on.
"""

from hedged.core.metrics import (
    candles,
    derivatives,
    fibonacci,
    funding,
    levels,
    marks,
    open_interest,
    price,
    relative,
    risk,
    trend,
    trendlines,
)
from hedged.core.metrics.history import History, Series, bar_seconds
from hedged.core.metrics.measure import MetricRow, column_of, measure, row_at
from hedged.core.metrics.vocabulary import Family, Metric, Signal, find, vocabulary

__all__ = [
    "Family",
    "History",
    "Metric",
    "MetricRow",
    "Series",
    "Signal",
    "bar_seconds",
    "candles",
    "column_of",
    "derivatives",
    "fibonacci",
    "find",
    "funding",
    "levels",
    "marks",
    "measure",
    "open_interest",
    "price",
    "relative",
    "risk",
    "row_at",
    "trend",
    "trendlines",
    "vocabulary",
]
