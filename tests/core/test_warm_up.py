"""Every metric's warm-up, as the register states it: nothing inside it, nothing across a gap."""

from __future__ import annotations

import math
import random
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import MONDAY, funding, funding_next, open_interest, signal, walk
from hedged.core.metrics import Family, History, find, measure, vocabulary
from hedged.core.metrics.history import BESIDE
from hedged.core.metrics.vocabulary import Signal, metric
from hedged.core.metrics.warm_up import bars_of

DAY = timedelta(days=1)
COUNT = 330
EXPIRY = signal(expiry=MONDAY + 2 * COUNT * DAY)

# What ends the warm-up of these is no number of bars.
_LEVEL = "a first level: two pivots near one price, whenever there are"
_WEEK = "a whole week, which begins on a Monday and not at the first bar"
_LINE = "a first line: two pivots that nothing between them breaks, whenever there are"
_SETTLED = "either side of a turn can settle it, so a first bar may know that there was none"
EVENTS = {
    **{f"{side}_{rank}": _LEVEL for side in ("resistance", "support") for rank in (1, 2, 3)},
    **{
        name.format(side): _LEVEL
        for side in ("resistance", "support")
        for name in ("{}_distance", "{}_touches", "{}_touches_2", "{}_touches_3", "tests_{}_n",
                     "tests_major_{}_n", "breaks_{}_n", "rejected_at_{}_n", "doji_at_{}_n")
    },
    "engulfing_bearish_at_resistance_n": _LEVEL,
    "shooting_star_at_resistance_n": _LEVEL,
    "engulfing_bullish_at_support_n": _LEVEL,
    "hammer_at_support_n": _LEVEL,
    **{f"pivot_{name}": _WEEK for name in ("p", "r1", "r2", "s1", "s2")},
    **{f"trendline_{way}": _LINE for way in ("ascending", "descending")},
    **{f"trendline_{way}_distance": _LINE for way in ("ascending", "descending")},
    "funding_turns_negative_n": _SETTLED,
    "funding_turns_positive_n": _SETTLED,
}  # fmt: skip
COUNTED = [family for family in vocabulary() if family.warm_up_bars(1, 1) is not None]

# Null on these beyond the warm-up too, as their formulas say.
NONE_OF_ONE = {"slope_n", "volatility_n", "funding_zscore_n", "open_interest_zscore_n",
               "portfolio_beta_n", "portfolio_correlation_n", "portfolio_downside_beta_n"}  # fmt: skip
NOT_AT_ONCE = {
    **{f"fib_{level}": "null without a swing" for level in (236, 382, 500, 618, 786)},
    "breaks_ath_volume_n": "null on a close above ath with less than 20 bars before it",
    "portfolio_downside_beta_n": "null until the hedge has fallen twice",
}


def test_every_warm_up_is_a_number_of_bars_or_an_event_that_is_listed() -> None:
    counted = {family.name for family in COUNTED}

    assert {family.name for family in vocabulary()} == counted | EVENTS.keys()
    assert counted.isdisjoint(EVENTS)


@pytest.mark.parametrize(
    ("text", "bars"),
    [
        ("0", 0), ("n", 7), ("n - 1", 6), ("2n - 1", 13), ("m + n - 1", 9), ("20 + n - 1", 26),
        ("n - 1, again after a gap", 6), ("n - 1; n = 1 has none", 6), ("0, from ath_seed", 0),
        ("max(119, 13 + n), again after a gap", 119), ("max(2, 13 + n); so", 20), ("3 + 10n", 73),
        ("the first whole week", None), ("n at most; less", None), ("until a level: 5 bars", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_warm_up_counts_what_its_text_begins_with(text: str, bars: int | None) -> None:
    assert bars_of(text, 3, 7) == bars


@pytest.mark.parametrize("text", ["n -", "nm", "n(1)", "(n", "max()", "- n", "n + max"])
def test_a_formula_that_cannot_be_read_is_refused_when_it_is_registered(text: str) -> None:
    with pytest.raises(ValueError, match="begins with no formula of m and n"):
        metric("never_n", unit="ratio", formula="", section="3.2", warm_up=text)(
            lambda _n, _s: pl.lit(1)
        )
    assert find("never_7") is None


def test_a_warm_up_speaks_of_windows_that_its_metric_has() -> None:
    for family in COUNTED:
        named = family.warm_up_bars(500, 700), family.warm_up_bars(500, 800)
        assert family.windowed or named[0] == named[1], family.name
        assert "_m_n" in family.name or named[0] == family.warm_up_bars(500, 0), family.name


# Every metric on bars of which all is known, but for the gaps.


def known(count: int, seed: int, missing: Collection[int] = ()) -> History:
    """A random walk with its index, funding, open interest and holdings, without the *missing* bars."""
    chance, walked = random.Random(seed), walk(count, seed, missing)
    prices = [math.exp(chance.gauss(0, 0.03)) for _ in range(2 * count)]
    stamps = [MONDAY + i * DAY for i in range(count)]
    beside = pl.DataFrame(
        {"open_time": stamps, "portfolio_close": prices[:count], "hedge_close": prices[count:]},
        schema=BESIDE,
    )
    return replace(
        walked,
        bars=walked.bars.with_columns(index_close=pl.col("close") * 0.999),
        funding=funding([chance.gauss(0, 1e-4) for _ in range(3 * count + 1)]),
        funding_next=funding_next([1e-4] * (24 * count + 1)),
        open_interest=open_interest([chance.uniform(4e5, 6e5) for _ in range(count + 1)]),
        beside=beside.filter(~pl.col("open_time").is_in([stamps[i] for i in missing])),
    )


def name_of(family: Family, m: int, n: int) -> str:
    if family.name.endswith("_m_n"):
        return f"{family.name.removesuffix('_m_n')}_{m}_{n}"
    return f"{family.name.removesuffix('_n')}_{n}" if family.windowed else family.name


def wrong(family: Family, found: list[Any], m: int, n: int, missing: Collection[int]) -> list[int]:
    """
    The bars on which the metric has a value that its warm-up denies it.

    An event is true where it is known: on bars too few for its window, and from before a gap.
    """
    bars, strict = family.warm_up_bars(n, m), family.warm_up_bars(1, m)
    assert bars is not None
    assert strict is not None
    starts = [0, *(i + 1 for i in missing)]
    vague = {i for start in starts for i in range(start, start + bars)}
    nulls = set(range(strict)) if family.is_event and n > 1 else vague
    return [
        i
        for i, value in enumerate(found)
        if value is not None and (i in nulls or i in missing or (i in vague and value is not True))
    ]


@given(
    m=st.integers(min_value=1, max_value=40),
    n=st.integers(min_value=1, max_value=40),
    seed=st.integers(min_value=0, max_value=10_000),
    count=st.integers(min_value=1, max_value=COUNT),
    missing=st.sets(st.integers(min_value=1, max_value=COUNT - 2), max_size=4),
)
@settings(deadline=None, derandomize=True, max_examples=100)
def test_no_metric_has_a_value_inside_its_warm_up_or_across_a_gap(
    m: int, n: int, seed: int, count: int, missing: set[int]
) -> None:
    missing = {i for i in missing if i < count - 1}
    names = {name_of(family, m, of): (family, of) for of in (1, n) for family in COUNTED}
    measured = measure(known(count, seed, missing), names, EXPIRY, MONDAY + count * DAY)

    for name, (family, of) in names.items():
        assert wrong(family, measured[name].to_list(), m, of, missing) == [], name


@cache
def whole(n: int) -> pl.DataFrame:
    names = [name_of(family, 5, n) for family in COUNTED]
    return measure(known(COUNT, 7), names, EXPIRY, MONDAY + COUNT * DAY)


@pytest.mark.parametrize("n", [1, 2, 3, 20])
@pytest.mark.parametrize("family", COUNTED, ids=lambda family: family.name)
def test_a_warm_up_is_no_longer_than_stated(family: Family, n: int) -> None:
    """Where nothing is missing, the first value comes on the bar after it."""
    found = whole(n)[name_of(family, 5, n)].to_list()
    bars = family.warm_up_bars(n, 5)

    assert bars is not None
    if n == 1 and family.name in NONE_OF_ONE:
        assert set(found) == {None}
    elif family.name in NOT_AT_ONCE:
        assert any(value is not None for value in found[bars:])
    else:
        assert None not in found[bars:]


# The recipe of config/README.md, and one that a user got wrong.


def a_range(n: int, _signal: Signal) -> pl.Expr:
    return (pl.col("high").rolling_max(n) - pl.col("low").rolling_min(n)) / pl.col("close")


def a_wrong_range(n: int, _signal: Signal) -> pl.Expr:
    low = pl.col("low").rolling_min(n, min_samples=1)
    return (pl.col("high").rolling_max(n, min_samples=1) - low) / pl.col("close")


@pytest.mark.parametrize(("build", "bars"), [(a_range, []), (a_wrong_range, [0, 1, 7, 8])])
def test_a_window_that_takes_what_it_gets_is_found(build: Any, bars: list[int]) -> None:
    family = replace(find("return_3").family, build=build, build_column=None, warm_up="n - 1")  # type: ignore[union-attr]
    rows = walk(12, 3, missing=(6,))
    grid = measure(rows, ["high", "low"], signal(), MONDAY + 12 * DAY)
    known_bar = pl.col("close").is_not_null()
    found = grid.select(pl.when(known_bar).then(build(3, signal())).alias("it"))["it"].to_list()

    assert wrong(family, found, 0, 3, {6}) == bars
