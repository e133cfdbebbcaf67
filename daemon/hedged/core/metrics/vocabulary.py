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
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Literal

import polars as pl

N_MAX = 2000
Kind = Literal["number", "boolean"]
Need = Literal["bars", "volume", "index", "funding", "open_interest", "open_interest_notional"]

_SUFFIX = re.compile(r"^(?P<stem>[a-z][a-z0-9_]*)_(?P<n>[1-9][0-9]*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class AthSeed:
    """The highest price before the kept history begins, and the day it was reached."""

    price: Decimal
    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What is watched: the symbol whose bars, funding and open interest the rules speak of."""

    symbol: str
    bar: str = "1d"
    ath_seed: AthSeed | None = None


Build = Callable[[int, Signal], pl.Expr]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A registered metric: *name* ends in ``_n`` when it takes a window in bars."""

    name: str
    unit: str
    formula: str
    section: str
    warm_up: str
    needs: frozenset[Need]
    kind: Kind
    build: Build

    @property
    def windowed(self) -> bool:
        return self.name.endswith("_n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A family with its window filled in, under the name a rule wrote."""

    name: str
    family: Family
    n: int

    def expression(self, signal: Signal) -> pl.Expr:
        """The column, with everything that is not a finite number turned into null."""
        built = self.family.build(self.n, signal)
        if self.family.kind == "number":
            # NaN is the greatest number in Polars: left in, `close < sma_50` would be true on it.
            built = pl.when(built.is_finite()).then(built)
        return built.alias(self.name)


_FAMILIES: dict[str, Family] = {}


def metric(
    name: str,
    *,
    unit: str,
    formula: str,
    section: str,
    warm_up: str,
    needs: tuple[Need, ...] = ("bars",),
    kind: Kind = "number",
) -> Callable[[Build], Build]:
    """Register the decorated function ``(n, signal) -> pl.Expr`` as the metric *name*."""

    def register(build: Build) -> Build:
        _FAMILIES[name] = Family(
            name=name,
            unit=unit,
            formula=formula,
            section=section,
            warm_up=warm_up,
            needs=frozenset(needs),
            kind=kind,
            build=build,
        )
        return build

    return register


def vocabulary() -> tuple[Family, ...]:
    """Every registered metric, by name."""
    return tuple(_FAMILIES[name] for name in sorted(_FAMILIES))


@cache
def find(name: str) -> Metric | None:
    """The metric called *name*, or None. ``sma_50`` is the family ``sma_n`` with n = 50."""
    family = _FAMILIES.get(name)
    if family is not None and not family.windowed:
        return Metric(name=name, family=family, n=0)
    matched = _SUFFIX.match(name)
    if matched is None:
        return None
    family, n = _FAMILIES.get(f"{matched['stem']}_n"), int(matched["n"])
    return Metric(name=name, family=family, n=n) if family and n <= N_MAX else None


def nearest(name: str) -> str | None:
    """The known name most like *name*, with its window kept: ``smaa_50`` gives ``sma_50``."""
    matched = _SUFFIX.match(name)
    n = str(min(int(matched["n"]), N_MAX)) if matched else "20"
    known = [f.name.removesuffix("_n") + f"_{n}" if f.windowed else f.name for f in vocabulary()]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None
