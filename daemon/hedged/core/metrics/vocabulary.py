"""
The register of metrics: each is one function, registered once with all that is known about it.

A family such as ``sma_n`` answers to every name ``sma_1`` .. ``sma_2000``; `find` turns a name
into a metric, and `hedged rules metrics` prints the register.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Literal, Required, TypedDict, Unpack

import polars as pl

from hedged.core.metrics.basket import Basket
from hedged.core.metrics.columns import Array, Columns
from hedged.core.metrics.warm_up import bars_of

N_MAX = 2000
ATH_VOLUME_RATIO = Decimal("1.5")
"""A break of the all-time high has high volume above this many times the mean of the 20 before."""

Kind = Literal["number", "boolean"]
Need = Literal[
    "bars", "volume", "index", "expiry", "funding", "funding_next", "open_interest",
    "open_interest_notional", "portfolio",
]  # fmt: skip

# The largest number that a rule may well compare a metric with, unless the metric says its own.
_THRESHOLD_MAX = {
    "ratio": 1.0,
    "share": 1.0,
    "log ratio a bar": 0.1,
    "ratio a year": 3.0,
    "ratio an interval": 0.0075,  # where most exchanges cap the funding of their large contracts
    "ratio in 8 hours": 0.0075,
}

_SUFFIX = re.compile(r"^(?P<stem>[a-z][a-z0-9_]*?)(_(?P<m>[1-9][0-9]*))?_(?P<n>[1-9][0-9]*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class AthSeed:
    """The highest price before the kept history begins, and the day it was reached."""

    price: Decimal
    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """
    What is watched. Rules speak of the bars of an *index*: of the *symbol* itself (``market``), of a
    *basket*, or of the portfolio's own holdings; of funding and open interest of the *symbol*.

    *expiry* is when a dated contract is delivered, None for a perpetual; *ath_volume_ratio* is how
    many times the mean volume makes the volume of `breaks_ath_volume_n` high.
    """

    symbol: str
    bar: str = "1d"
    ath_seed: AthSeed | None = None
    expiry: datetime | None = None
    ath_volume_ratio: Decimal = ATH_VOLUME_RATIO
    index: Literal["market", "basket", "holdings"] = "market"
    basket: Basket | None = None

    @property
    def name(self) -> str:
        """Whose bars the rules speak of."""
        return self.symbol if self.index == "market" else f"the index ({self.index})"


Build = Callable[[int, Signal], pl.Expr]
BuildColumn = Callable[[Columns, int, Signal], Array]
BuildPair = Callable[[Columns, int, int, Signal], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """
    A registered metric: *name* ends in ``_n`` when it takes a window in bars, in ``_m_n`` for two.

    It has *build*, an expression over the grid, or else *build_column* (*build_pair* with two
    windows), which computes the whole column; there NaN stands for null, and 1 and 0 for true and
    false.
    """

    name: str
    unit: str
    formula: str
    section: str
    warm_up: str
    needs: frozenset[Need]
    kind: Kind
    threshold_max: float | None
    build: Build | None = None
    build_column: BuildColumn | None = None
    build_pair: BuildPair | None = None

    @property
    def windowed(self) -> bool:
        return self.name.endswith("_n")

    def warm_up_bars(self, n: int, m: int = 0) -> int | None:
        """
        The bars of *warm_up*: on so many from the first one, and from every gap, it is null.

        An event is true there where it is known to have happened: within bars that are fewer than its
        last window, or before the gap. None where something other than a count ends it.
        """
        return bars_of(self.warm_up, m, n)

    @property
    def is_event(self) -> bool:
        """
        Whether its last window says how long ago it may have happened: with 1, on this very bar.

        What has happened may be undone by a later close; the formula says so.
        """
        return self.kind == "boolean" and self.windowed and self.formula.startswith("within ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A family with its window filled in, under the name a rule wrote."""

    name: str
    family: Family
    n: int
    m: int = 0

    def expression(self, columns: Columns, signal: Signal) -> pl.Expr:
        """The column; null on a bar that is missing, and where it is not a finite number."""
        known = pl.col("close").is_not_null()
        array = self._array(columns, signal)
        if array is not None:
            built = pl.lit(pl.Series(array, dtype=pl.Float64))
        else:
            assert self.family.build is not None, "a family has one of the three"
            built = self.family.build(self.n, signal)
        if self.family.kind == "number" or array is not None:
            # NaN is the greatest number in Polars: left in, `close < sma_50` would be true on it.
            known &= built.is_finite()
        built = pl.when(known).then(built)
        if self.family.kind == "boolean":
            built = built.cast(pl.Boolean)
        return built.alias(self.name)

    def _array(self, columns: Columns, signal: Signal) -> Array | None:
        if self.family.build_pair is not None:
            return self.family.build_pair(columns, self.m, self.n, signal)
        if self.family.build_column is not None:
            return self.family.build_column(columns, self.n, signal)
        return None


_FAMILIES: dict[str, Family] = {}


class _Told(TypedDict, total=False):
    """What is told of a metric when it is registered."""

    unit: Required[str]
    formula: Required[str]
    section: Required[str]
    warm_up: Required[str]
    needs: tuple[Need, ...]
    kind: Kind
    threshold_max: float


def metric(name: str, **told: Unpack[_Told]) -> Callable[[Build], Build]:
    """Register the decorated function ``(n, signal) -> pl.Expr`` as the metric *name*."""

    def register(build: Build) -> Build:
        _register(name, told, build=build)
        return build

    return register


def column_metric(name: str, **told: Unpack[_Told]) -> Callable[[BuildColumn], BuildColumn]:
    """Register the decorated function ``(columns, n, signal) -> array`` as the metric *name*."""

    def register(build: BuildColumn) -> BuildColumn:
        _register(name, told, build_column=build)
        return build

    return register


def pair_metric(name: str, **told: Unpack[_Told]) -> Callable[[BuildPair], BuildPair]:
    """Register the decorated function ``(columns, m, n, signal) -> array`` as the metric *name*."""

    def register(build: BuildPair) -> BuildPair:
        _register(name, told, build_pair=build)
        return build

    return register


def _register(
    name: str,
    told: _Told,
    build: Build | None = None,
    build_column: BuildColumn | None = None,
    build_pair: BuildPair | None = None,
) -> None:
    bars_of(told["warm_up"], 1, 1)  # a formula that can't be read is refused here, and not used
    _FAMILIES[name] = Family(
        name=name,
        unit=told["unit"],
        formula=told["formula"],
        section=told["section"],
        warm_up=told["warm_up"],
        needs=frozenset(told.get("needs", ("bars",))),
        kind=told.get("kind", "number"),
        threshold_max=told.get("threshold_max", _THRESHOLD_MAX.get(told["unit"])),
        build=build,
        build_column=build_column,
        build_pair=build_pair,
    )


def vocabulary() -> tuple[Family, ...]:
    """Every registered metric, by name."""
    return tuple(_FAMILIES[name] for name in sorted(_FAMILIES))


@cache
def find(name: str) -> Metric | None:
    """
    The metric called *name*, or None.

    ``sma_50`` is the family ``sma_n`` with n = 50; ``breaks_below_sma_50_7`` is
    ``breaks_below_sma_m_n`` with m = 50 and n = 7; ``holds_fib_618_7`` is ``holds_fib_618_n``.
    """
    family = _FAMILIES.get(name)
    if family is not None and not family.windowed:
        return Metric(name=name, family=family, n=0)
    matched = _SUFFIX.match(name)
    if matched is None:
        return None
    m, n = int(matched["m"] or 0), int(matched["n"])
    named = _FAMILIES.get(f"{name.rpartition('_')[0]}_n")  # its first number is part of its name
    if named is not None:
        m = 0
    family = named or _FAMILIES.get(f"{matched['stem']}{'_m' if m else ''}_n")
    fits = family is not None and max(m, n) <= N_MAX
    return Metric(name=name, family=family, n=n, m=m) if family and fits else None


def needs_seed(name: str) -> bool:
    """Whether the metric *name* rests on the highest price before the history, `Signal.ath_seed`."""
    return name in ("ath", "drawdown") or name.startswith("breaks_ath_")


def nearest(name: str) -> str | None:
    """The known name most like *name*, with its window kept: ``smaa_50`` gives ``sma_50``."""
    matched = _SUFFIX.match(name)
    m, n = (min(int(matched[w] or 50), N_MAX) for w in "mn") if matched else (50, 20)
    known = [_with_windows(family, m, n) for family in vocabulary()]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None


def _with_windows(family: Family, m: int, n: int) -> str:
    if family.name.endswith("_m_n"):
        return f"{family.name.removesuffix('_m_n')}_{m}_{n}"
    return f"{family.name.removesuffix('_n')}_{n}" if family.windowed else family.name
