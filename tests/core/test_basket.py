"""The index of several coins: against a slow loop, on any prefix, over gaps, and on real history."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from builders import BTC, ETH, MONDAY, bars, d, history, signal
from hedged.core.metrics import bar_seconds, measure
from hedged.core.metrics.basket import Basket, Constituent, Rebalance, capped, period_of
from hedged.core.metrics.chain import GAP_BARS_MAX, IndexBars, index_bars
from hedged.core.metrics.history import SCHEMAS
from hedged.history.store import HistoryStore

DAY = timedelta(days=1)
COINS = ("AAA", "BBB", "CCC", "DDD", "EEE")
PRICES = ("open", "high", "low", "close")
SCHEDULES: tuple[Rebalance, ...] = ("daily", "weekly", "monthly", "quarterly", "never")
Frames = dict[str, pl.DataFrame]
Bar = dict[str, Any]


def basket(weights: dict[str, Any] | None = None, **changed: Any) -> Basket:
    """Coins by symbol with their weights, by default BTC and ETH half and half, monthly."""
    given_weights = weights or {BTC: 1, ETH: 1}
    constituents = tuple(Constituent(symbol=s, weight=d(w)) for s, w in given_weights.items())
    return replace(Basket(kind="basket", constituents=constituents, rebalance="monthly"), **changed)


def holdings(quantities: dict[str, Any]) -> Basket:
    return basket(quantities, kind="holdings", rebalance="never")


def levels(index: IndexBars) -> list[float]:
    return [round(level, 6) for level in index.frame["close"]]


def texts(index: IndexBars) -> list[str]:
    return [note.text for note in index.notes]


# ---- a slow reference: bar by bar, in plain words


def is_boundary(day: datetime, rebalance: Rebalance) -> bool:
    """Whether a period begins at *day*, 00:00."""
    return {
        "daily": True,
        "weekly": day.weekday() == 0,
        "monthly": day.day == 1,
        "quarterly": day.day == 1 and day.month in (1, 4, 7, 10),
        "never": False,
    }[rebalance]


def slow_capped(weights: dict[str, float], cap: float | None) -> dict[str, float]:
    shares = {s: w / math.fsum(weights.values()) for s, w in weights.items()}
    if cap is None:
        return shares
    if cap * len(weights) <= 1:
        return dict.fromkeys(weights, 1 / len(weights))
    fixed: set[str] = set()
    while over := {s for s in shares if shares[s] > cap and s not in fixed}:
        excess = math.fsum(shares[s] - cap for s in over)
        fixed |= over
        free = math.fsum(shares[s] for s in shares if s not in fixed)
        shares = {s: cap if s in fixed else w * (1 + excess / free) for s, w in shares.items()}
    return shares


class Slow:
    """The chain as the module tells it, one bar after the other."""

    def __init__(self, given_basket: Basket, step: timedelta) -> None:
        self.basket, self.step = given_basket, step
        self.shares: dict[str, float] = {}
        self.lacks: dict[str, int] = {}
        self.level, self.closes = 1000.0, {}
        self.reset_through = datetime.min.replace(tzinfo=UTC)  # boundaries before it are dealt with
        self.rows: list[tuple[Any, ...]] = []
        self.changes: list[tuple[datetime, str]] = []

    def targets(self, here: dict[str, Bar]) -> dict[str, float]:
        weights = {c.symbol: float(c.weight) for c in self.basket.constituents if c.symbol in here}
        if self.basket.kind == "holdings":
            weights = {s: w * here[s]["close"] for s, w in weights.items()}
        return slow_capped(weights, None if self.basket.cap is None else float(self.basket.cap))

    def see(self, opened: datetime, here: dict[str, Bar]) -> None:
        if not here:
            return
        closed = opened + self.step
        for s in self.shares:
            self.lacks[s] = 0 if s in here else self.lacks[s] + 1
        gone = [s for s in self.shares if self.lacks[s] > 3]
        for s in sorted(gone):
            self.changes.append((closed, f"{s} left"))
            del self.shares[s]
        total = math.fsum(self.shares.values())
        self.shares = {s: share / total for s, share in self.shares.items()}
        if not self.shares:
            self.begin(opened, here, noted=bool(gone))
        elif set(self.shares) <= set(here):
            self.add(opened, here)

    def begin(self, opened: datetime, here: dict[str, Bar], *, noted: bool) -> None:
        self.shares = self.targets(here)
        prices = [
            self.level * math.fsum(w * here[s][p] / here[s]["close"] for s, w in self.shares.items())
            for p in PRICES
        ]
        self.keep(opened, prices, here)
        if noted:
            self.changes += [(opened + self.step, f"{s} enters") for s in sorted(here)]
        self.reset_through = opened + 2 * self.step

    def add(self, opened: datetime, here: dict[str, Bar]) -> None:
        prices = [
            self.level * math.fsum(w * here[s][p] / self.closes[s] for s, w in self.shares.items())
            for p in PRICES
        ]
        grown = {s: w * here[s]["close"] / self.closes[s] for s, w in self.shares.items()}
        self.shares = {s: w / math.fsum(grown.values()) for s, w in grown.items()}
        self.level = prices[3]
        self.keep(opened, prices, here)
        new, wanted = sorted(set(here) - set(self.shares)), self.targets(here)
        if self.due(opened + self.step) or self.basket.kind == "holdings":
            self.shares = wanted
        elif self.basket.rebalance == "never":
            room = 1 - math.fsum(wanted[s] for s in new)
            self.shares = {s: w * room for s, w in self.shares.items()} | {s: wanted[s] for s in new}
        else:
            new = []
        self.changes += [(opened + self.step, f"{s} enters") for s in new]
        self.lacks |= dict.fromkeys(new, 0)
        self.closes = {s: here[s]["close"] for s in self.shares}

    def due(self, closed: datetime) -> bool:
        """Whether a boundary lies before the close of the next bar, none of them dealt with yet."""
        until, day = closed + self.step, self.reset_through.replace(hour=0, minute=0)
        days = []
        while day < until:
            days += [day] if day >= self.reset_through else []
            day += DAY
        self.reset_through = until
        return any(is_boundary(day, self.basket.rebalance) for day in days)

    def keep(self, opened: datetime, prices: list[float], here: dict[str, Bar]) -> None:
        volume = math.fsum(here[s]["volume"] * here[s]["close"] for s in self.shares)
        self.rows.append((opened, *prices, volume))
        self.closes = {s: here[s]["close"] for s in self.shares}
        self.lacks = dict.fromkeys(self.shares, 0)


def slow_index(given_basket: Basket, frames: Frames, bar: str) -> Slow:
    step = timedelta(seconds=bar_seconds(bar))
    slow = Slow(given_basket, step)
    kept: dict[datetime, dict[str, Bar]] = {}
    for s, frame in frames.items():
        for row in frame.to_dicts():
            if all(row[p] is not None and math.isfinite(row[p]) and row[p] > 0 for p in PRICES):
                kept.setdefault(row["open_time"], {})[s] = row
    for opened in sorted(kept):
        slow.see(opened, kept[opened])
    return slow


# ---- random markets


@dataclass(frozen=True)
class Market:
    bar: str
    frames: Frames


def coin(chance: random.Random, stamps: list[datetime], holes: set[int], *, flat: bool) -> pl.DataFrame:
    """A coin that lists and delists at random, with gaps and bars whose prices can't be."""
    close, rows = chance.choice((0.004, 48.0, 60_000.0)), []
    first = chance.choice((0, 0, chance.randrange(len(stamps))))
    end = chance.choice((len(stamps), len(stamps), chance.randrange(len(stamps) + 1)))
    rate = chance.choice((0.0, 0.02, 0.15))
    silent = 0
    for i, opened in enumerate(stamps):
        before, close = close, close if flat else close * math.exp(chance.gauss(0, 0.05))
        high, low = max(before, close), min(before, close)
        if not flat:
            high, low = high * (1 + chance.random() / 20), low / (1 + chance.random() / 20)
        silent = chance.randrange(1, 7) if chance.random() < rate else silent - 1
        row = [before, high, low, close]
        if silent > 0 and chance.random() < 0.3:
            row[chance.randrange(4)] = chance.choice((0.0, -1.0, math.nan, math.inf, None))
        elif silent > 0:
            continue
        if first <= i < end and i not in holes:
            rows.append((opened, *row, chance.choice((0.0, chance.random() * 100)), None))
    return pl.DataFrame(rows, schema=SCHEMAS["bars"], orient="row")


BARS = ("1d", "1d", "8h", "7h", "3d")


def market(
    seed: int, coins: int, count: int, *, flat: bool = False, lengths: tuple[str, ...] = BARS
) -> Market:
    chance = random.Random(seed)
    bar = chance.choice(lengths)
    seconds = bar_seconds(bar)
    start = int(MONDAY.timestamp()) // seconds + chance.randrange(100)
    stamps = [datetime.fromtimestamp((start + i) * seconds, tz=UTC) for i in range(count)]
    hole = chance.randrange(count)
    holes = chance.choice((set(), set(range(hole, hole + chance.randrange(8)))))
    frames = {s: coin(chance, stamps, holes, flat=flat) for s in COINS[:coins]}
    return Market(bar=bar, frames=frames)


@st.composite
def a_basket(draw: st.DrawFn, coins: int, kinds: tuple[str, ...] = ("basket", "holdings")) -> Basket:
    weights = {s: draw(st.decimals("0.01", "20", places=2)) for s in COINS[:coins]}
    if draw(st.sampled_from(kinds)) == "holdings":
        return holdings(weights)
    lowest = Decimal(100 // coins + 1) / 100 if coins < 5 else Decimal("0.20")
    cap = draw(st.none() | st.decimals(min(lowest, Decimal(1)), 1, places=2))
    return basket(weights, rebalance=draw(st.sampled_from(SCHEDULES)), cap=cap)


@st.composite
def a_case(
    draw: st.DrawFn, kinds: tuple[str, ...] = ("basket", "holdings"), *, flat: bool = False
) -> tuple[Basket, Market]:
    coins, count = draw(st.integers(1, 5)), draw(st.sampled_from((1, 4, 20, 70, 400)))
    return draw(a_basket(coins, kinds)), market(draw(st.integers(0, 10**6)), coins, count, flat=flat)


def examples(count: int) -> Callable[[Any], Any]:
    return settings(deadline=None, derandomize=True, max_examples=count)


def near(figures: Any) -> Any:
    return pytest.approx(figures, rel=1e-9, abs=1e-9)


# ---- properties


@examples(150)
@given(case=a_case())
def test_the_chain_is_what_a_loop_over_the_bars_says(case: tuple[Basket, Market]) -> None:
    given_basket, m = case
    slow = slow_index(given_basket, m.frames, m.bar)

    index = index_bars(given_basket, m.frames, m.bar)

    assert index.frame.schema == SCHEMAS["bars"]
    assert index.frame["open_time"].to_list() == [row[0] for row in slow.rows]
    for i, name in enumerate((*PRICES, "volume"), start=1):
        assert index.frame[name].to_list() == near([row[i] for row in slow.rows])
    assert index.shares == near(slow.shares)
    changes = [(note.at, text) for note in index.notes for text in said_of_membership(note.text)]
    assert changes == slow.changes


def said_of_membership(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[:2])] if words[1] in ("left", "enters") else []


@examples(100)
@given(case=a_case(), data=st.data())
def test_the_index_is_the_same_to_the_last_bit_on_any_prefix(
    case: tuple[Basket, Market], data: st.DataObject
) -> None:
    given_basket, m = case
    stamps = sorted({at for frame in m.frames.values() for at in frame["open_time"]})
    if not stamps:
        return
    end = data.draw(st.sampled_from(stamps))
    step = timedelta(seconds=bar_seconds(m.bar))
    whole = index_bars(given_basket, m.frames, m.bar)
    known = {s: frame.filter(pl.col("open_time") <= end) for s, frame in m.frames.items()}

    prefix = index_bars(given_basket, known, m.bar)

    expected = whole.frame.filter(pl.col("open_time") <= end)
    assert_frame_equal(prefix.frame, expected, check_exact=True)
    told = [note for note in prefix.notes if said_of_membership(note.text)]
    assert told == [n for n in whole.notes if n.at <= end + step and said_of_membership(n.text)]


@examples(60)
@given(case=a_case(flat=True))
def test_no_reset_no_listing_and_no_delisting_makes_a_jump(case: tuple[Basket, Market]) -> None:
    """Where no price ever moves, the index does not, whoever comes and goes."""
    given_basket, m = case

    index = index_bars(given_basket, m.frames, m.bar)

    for name in PRICES:
        assert index.frame[name].to_list() == near([1000.0] * index.frame.height)


@examples(60)
@given(
    seed=st.integers(0, 10**6), kind=st.sampled_from(("basket", "holdings")),
    rebalance=st.sampled_from(SCHEDULES), weight=st.decimals("0.01", 20, places=2),
)  # fmt: skip
def test_one_constituent_is_its_own_bars_rescaled(
    seed: int, kind: str, rebalance: Rebalance, weight: Decimal
) -> None:
    m = market(seed, 1, 300)
    alone = (
        holdings({"AAA": weight})
        if kind == "holdings"
        else basket({"AAA": weight}, rebalance=rebalance)
    )
    own = m.frames["AAA"].filter(
        pl.all_horizontal(pl.col(p).is_finite() & (pl.col(p) > 0) for p in PRICES)
    )

    index = index_bars(alone, m.frames, m.bar)

    assert index.frame["open_time"].to_list() == own["open_time"].to_list()
    for name in PRICES if own.height else ():
        expected = own[name] / own["close"][0] * 1000
        assert index.frame[name].to_list() == near(expected.to_list())


@examples(60)
@given(case=a_case(kinds=("basket",)), factors=st.lists(st.floats(1e-6, 1e6), min_size=5, max_size=5))
def test_the_scale_of_a_price_changes_nothing_in_a_basket(
    case: tuple[Basket, Market], factors: list[float]
) -> None:
    given_basket, m = case
    scaled = {
        s: frame.with_columns(pl.col(*PRICES) * factor)
        for (s, frame), factor in zip(m.frames.items(), factors, strict=False)
    }
    plain = index_bars(given_basket, m.frames, m.bar)

    index = index_bars(given_basket, scaled, m.bar)

    assert_frame_equal(index.frame.drop("volume"), plain.frame.drop("volume"), rel_tol=1e-9)
    assert index.shares == near(plain.shares)
    assert index.notes == plain.notes


@examples(40)
@given(case=a_case(), data=st.data())
def test_the_order_of_the_constituents_does_not_matter(
    case: tuple[Basket, Market], data: st.DataObject
) -> None:
    given_basket, m = case
    order = data.draw(st.permutations(given_basket.constituents))
    shuffled = replace(given_basket, constituents=tuple(order))

    first, second = (index_bars(b, m.frames, m.bar) for b in (given_basket, shuffled))

    assert_frame_equal(first.frame, second.frame, check_exact=True)
    assert (first.notes, first.shares) == (second.notes, second.shares)


@examples(40)
@given(seed=st.integers(0, 10**6), given_basket=a_basket(3, kinds=("holdings",)))
def test_holdings_are_the_value_of_the_quantities_rescaled(seed: int, given_basket: Basket) -> None:
    chance = random.Random(seed)
    stamps = [MONDAY + i * DAY for i in range(120)]
    quantities = {c.symbol: float(c.weight) for c in given_basket.constituents}
    frames = {s: whole_coin(chance, stamps) for s in quantities}

    index = index_bars(given_basket, frames, "1d")

    for name in PRICES:
        value = [math.fsum(q * frames[s][name][i] for s, q in quantities.items()) for i in range(120)]
        start = math.fsum(q * frames[s]["close"][0] for s, q in quantities.items())
        assert index.frame[name].to_list() == near([1000 * v / start for v in value])


def whole_coin(chance: random.Random, stamps: list[datetime]) -> pl.DataFrame:
    """A coin that has every bar."""
    close, rows = chance.choice((0.004, 48.0, 60_000.0)), []
    for opened in stamps:
        before, close = close, close * math.exp(chance.gauss(0, 0.05))
        rows.append((opened, before, max(before, close) * 1.01, min(before, close), close, 1.0, None))
    return pl.DataFrame(rows, schema=SCHEMAS["bars"], orient="row")


@examples(200)
@given(weights=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20), cap=st.floats(0.01, 1))
def test_no_share_is_above_the_cap_and_the_others_keep_their_proportions(
    weights: list[float], cap: float
) -> None:
    shares = capped(np.array(weights), cap)

    held = max(cap, 1 / len(weights))
    assert math.fsum(shares) == pytest.approx(1, rel=1e-9)
    assert shares.max() <= held * (1 + 1e-9)
    free = [(s, w) for s, w in zip(shares, weights, strict=True) if s < held * (1 - 1e-9)]
    assert all(a / v == pytest.approx(b / w, rel=1e-9) for (a, v), (b, w) in itertools.pairwise(free))
    # who is free weighs less than who is capped, for an excess only ever flows down
    full = [w for s, w in zip(shares, weights, strict=True) if s >= held * (1 - 1e-9)]
    assert not free or not full or max(w for _, w in free) <= min(full)


@examples(25)
@given(seed=st.integers(0, 10**6), given_basket=a_basket(4, kinds=("basket",)))
def test_after_each_reset_the_cap_holds(seed: int, given_basket: Basket) -> None:
    daily = replace(given_basket, rebalance="daily", cap=d("0.3"))
    m = market(seed, 4, 40, lengths=("1d",))
    stamps = sorted({at for frame in m.frames.values() for at in frame["open_time"]})
    for end in stamps[::5]:
        known = {s: frame.filter(pl.col("open_time") <= end) for s, frame in m.frames.items()}
        index = index_bars(daily, known, m.bar)
        if index.frame.height and index.frame["open_time"][-1] == end:
            assert max(index.shares.values()) <= max(0.3, 1 / len(index.shares)) * (1 + 1e-9)


@pytest.mark.parametrize("rebalance", SCHEDULES)
def test_a_period_begins_at_midnight_of_its_first_day(rebalance: Rebalance) -> None:
    days = [datetime(1969, 12, 1, tzinfo=UTC) + i * DAY for i in (*range(800), *range(19_000, 21_000))]
    stamps = (
        np.array([int((day - datetime(1970, 1, 1, tzinfo=UTC)) / DAY) for day in days]) * 86_400_000_000
    )

    begins = period_of(stamps, rebalance) != period_of(stamps - 1, rebalance)

    assert begins.tolist() == [is_boundary(day, rebalance) for day in days]


# ---- by hand


def test_weights_are_reset_at_the_last_close_before_a_boundary() -> None:
    """From Saturday: BTC doubles, then both stand on Sunday, then BTC doubles again on Monday."""
    saturday = MONDAY - 2 * DAY
    frames = {
        BTC: bars([1, 2, 2, 4, 8], start=saturday - DAY), ETH: bars([1] * 5, start=saturday - DAY),
    }  # fmt: skip

    drifting = index_bars(basket(rebalance="never"), frames, "1d")
    weekly = index_bars(basket(rebalance="weekly"), frames, "1d")

    # 500 each: 1 500 on Saturday; reset on Sunday's close to 750 each, so Monday ends at 2 250
    assert levels(drifting) == [1000, 1500, 1500, 2500, 4500]
    assert levels(weekly) == [1000, 1500, 1500, 2250, 3750]


def test_without_a_bar_at_the_boundary_the_reset_is_at_the_first_one_after() -> None:
    start = MONDAY - 3 * DAY  # Friday; ETH lacks Sunday's bar
    frames = {
        BTC: bars([1, 2, 2, 2, 4], start=start), ETH: bars([1, 1, None, 1, 1], start=start),
    }  # fmt: skip

    index = index_bars(basket(rebalance="weekly"), frames, "1d")

    assert index.frame["open_time"].to_list() == [start + i * DAY for i in (0, 1, 3, 4)]
    assert levels(index) == [1000, 1500, 1500, 2250]


def test_a_late_coin_enters_at_the_next_reset_and_a_note_says_so() -> None:
    start = datetime(2021, 2, 26, tzinfo=UTC)
    frames = {
        BTC: bars([1, 1, 2, 2], start=start),
        ETH: bars([5, 10, 20], start=start + DAY),  # listed on the 27th, doubles twice
    }

    index = index_bars(basket(), frames, "1d")

    # BTC alone until February's last close; from there half and half
    assert levels(index) == [1000, 1000, 2000, 3000]
    assert texts(index) == [f"{ETH} enters on 2021-03-01"]
    assert index.notes[0].at == datetime(2021, 3, 1, tzinfo=UTC)
    assert index.shares == near({BTC: 1 / 3, ETH: 2 / 3})


@pytest.mark.parametrize(
    ("given_basket", "eth"),
    [(basket({BTC: 3, ETH: 1}, rebalance="never"), 0.25), (holdings({BTC: 3, ETH: 1}), 0.4)],
)
def test_without_resets_it_enters_at_its_first_bar(given_basket: Basket, eth: float) -> None:
    """A basket gives it its weight, holdings its value: 1 ETH at 20 beside 3 BTC at 10."""
    frames = {BTC: bars([5, 10, 10]), ETH: bars([20, 40], start=MONDAY + DAY)}

    index = index_bars(given_basket, frames, "1d")

    assert levels(index) == [1000, 2000, near(2000 * (1 + eth))]
    assert texts(index) == [f"{ETH} enters on 2024-01-03"]


def test_a_coin_that_stays_away_leaves_and_the_chain_links_over_the_gap() -> None:
    frames = {
        BTC: bars([1, 1, 1, 1, 1, 2, 4]), ETH: bars([1, 3, None, None, None, None, None]),
    }  # fmt: skip

    index = index_bars(basket(rebalance="quarterly"), frames, "1d")

    # 500 + 1 500 at the last common close; four bars later BTC alone has doubled since
    assert index.frame["open_time"].to_list() == [MONDAY + i * DAY for i in (0, 1, 5, 6)]
    assert levels(index) == [1000, 2000, 4000, 8000]
    assert texts(index) == [f"{ETH} left on 2024-01-07, last bar 2024-01-02"]
    assert index.shares == {BTC: 1}


def test_a_short_gap_is_unknown_and_then_linked_over() -> None:
    frames = {BTC: bars([1, 1, 1, 1, 1]), ETH: bars([1, None, None, None, 3])}

    index = index_bars(basket(), frames, "1d")

    assert GAP_BARS_MAX == 3
    assert levels(index) == [1000, 2000]
    assert texts(index) == []


def test_an_index_that_is_unknown_at_the_last_bar_says_why() -> None:
    frames = {BTC: bars([1, 1]), ETH: bars([1])}

    index = index_bars(basket({BTC: 1, ETH: 1, "XRP": 1}), frames | {"XRP": bars([None])}, "1d")

    assert levels(index) == [1000]
    assert texts(index) == [
        f"the index is unknown on 2024-01-03: {ETH} has no bar",
        "XRP has no bar yet",
    ]


def test_a_coin_that_comes_back_waits_for_the_next_reset() -> None:
    eth = [1, None, None, None, None, 1, 1]
    frames = {BTC: bars([1] * 7), ETH: bars(eth)}

    index = index_bars(basket(), frames, "1d")
    later = index_bars(basket(), {BTC: bars([1] * 40), ETH: bars(eth + [1] * 33)}, "1d")

    left = f"{ETH} left on 2024-01-06, last bar 2024-01-01"
    assert texts(index) == [left, f"{ETH} has bars and is not in the index yet"]
    assert texts(later) == [left, f"{ETH} enters on 2024-02-01"]


def test_nobody_leaves_while_the_venue_stands_still() -> None:
    gap = [None] * 10
    frames = {BTC: bars([1, *gap, 2]), ETH: bars([1, *gap, 4])}

    index = index_bars(basket(), frames, "1d")

    assert levels(index) == [1000, 3000]
    assert texts(index) == []


def test_when_all_have_left_the_next_begins_at_the_last_level() -> None:
    frames = {BTC: bars([1, 2]), ETH: bars([3, 3, 3, 3, 3, 6], start=MONDAY + DAY)}

    index = index_bars(basket(rebalance="quarterly"), frames, "1d")

    # ETH waits for the quarter while BTC is in; BTC's fourth missing bar ends that
    assert index.frame["open_time"].to_list() == [MONDAY + i * DAY for i in (0, 1, 5, 6)]
    assert levels(index) == [1000, 2000, 2000, 4000]
    assert texts(index) == [
        f"{BTC} left on 2024-01-07, last bar 2024-01-02",
        "all had left; the index goes on at its last level on 2024-01-07",
        f"{ETH} enters on 2024-01-07",
    ]


@pytest.mark.parametrize("price", [0.0, -5.0, math.nan, math.inf, None])
@pytest.mark.parametrize("name", PRICES)
def test_a_bar_with_an_impossible_price_is_a_missing_bar(name: str, price: float | None) -> None:
    eth = bars([1, 2, 3])
    second = pl.when(pl.col("open_time") == MONDAY + DAY).then(price).otherwise(pl.col(name))
    frames = {BTC: bars([1, 1, 1]), ETH: eth.with_columns(second.alias(name))}

    index = index_bars(basket(), frames, "1d")

    assert index.frame["open_time"].to_list() == [MONDAY, MONDAY + 2 * DAY]
    assert levels(index) == [1000, 2000]


def test_volume_is_in_quote_currency_and_unknown_where_one_is() -> None:
    eth = bars([5, 6]).with_columns(volume=pl.Series([2.0, None]))
    frames = {BTC: bars([10, 20]), ETH: eth}

    index = index_bars(basket(), frames, "1d")

    assert index.frame["volume"].to_list() == [1000 * 10 + 2 * 5, None]


def test_open_high_and_low_are_chained_from_the_close_before() -> None:
    def rows(*prices: tuple[float, ...]) -> pl.DataFrame:
        kept = [(MONDAY + i * DAY, *row, 1.0, None) for i, row in enumerate(prices)]
        return pl.DataFrame(kept, schema=SCHEMAS["bars"], orient="row")

    frames = {
        BTC: rows((8, 12, 8, 10), (11, 14, 9, 13)),  # open, high, low, close
        ETH: rows((100, 100, 90, 100), (100, 120, 80, 90)),
    }

    index = index_bars(basket(), frames, "1d").frame

    # half of 1000 in each at the closes 10 and 100: 50 BTC and 5 ETH
    assert index.row(0)[1:5] == near((900, 1100, 850, 1000))
    assert index.row(1)[1:5] == near((1050, 1300, 850, 1100))


def test_too_few_for_the_cap_have_equal_shares_and_a_note() -> None:
    three = {BTC: 6, ETH: 3, "XRP": 1}
    frames = {BTC: bars([1] * 31), ETH: bars([1] * 31), "XRP": bars([1] * 24, MONDAY + 7 * DAY)}

    index = index_bars(basket(three, cap=d("0.4")), frames, "1d")
    before = index_bars(basket(three, cap=d("0.4")), frames | {"XRP": bars([None])}, "1d")

    assert before.shares == {BTC: 0.5, ETH: 0.5}
    assert index.shares == near({BTC: 0.4, ETH: 0.4, "XRP": 0.2})
    assert texts(index) == [
        "2 of 3 constituents are too few for the cap of 40% from 2024-01-02 on: a reset gives them"
        " equal shares",
        "XRP enters on 2024-02-01",
    ]


def test_an_index_without_any_bar_is_empty() -> None:
    index = index_bars(basket(), {BTC: bars([None]), ETH: bars([None])}, "1d")

    assert_frame_equal(index.frame, pl.DataFrame(schema=SCHEMAS["bars"]))
    assert (index.notes, index.shares) == ((), {})


def test_a_constituent_without_a_frame_is_an_error() -> None:
    with pytest.raises(KeyError, match=ETH):
        index_bars(basket(), {BTC: bars([1])}, "1d")


def test_rules_measure_an_index_as_they_do_a_symbol() -> None:
    frames = {BTC: bars([1, 2, 3, 4]), ETH: bars([1, 1, None, 1])}
    index = history(bars=index_bars(basket(rebalance="never"), frames, "1d").frame)

    measured = measure(index, ["sma_2"], signal(), MONDAY + 4 * DAY)

    assert measured["sma_2"].to_list() == [None, 1250, None, None]


def test_the_shares_of_the_docstring() -> None:
    assert capped(np.array([6.0, 3.0, 1.0]), 0.5).tolist() == near([0.5, 0.375, 0.125])


# ---- what is set


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"constituents": ()}, "at least one"),
        ({"constituents": basket().constituents * 2}, "named twice"),
        ({"constituents": (Constituent(symbol=BTC, weight=d(0)),)}, "positive"),
        ({"constituents": (Constituent(symbol=BTC, weight=d(-1)),)}, "positive"),
        ({"constituents": (Constituent(symbol=BTC, weight=d("nan")),)}, "positive"),
        ({"constituents": (Constituent(symbol=BTC, weight=d("1e999")),)}, "positive"),
        ({"cap": d("0.49")}, "between 1/2 and 1"),
        ({"cap": d("1.01")}, "between 1/2 and 1"),
        ({"cap": d("nan")}, "not a number"),
        ({"kind": "holdings"}, "neither rebalanced nor capped"),
        ({"kind": "holdings", "rebalance": "never", "cap": d(1)}, "neither rebalanced nor capped"),
    ],
)
def test_a_basket_that_makes_no_sense_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        basket(**wrong)


def test_a_basket_survives_the_journal() -> None:
    kept = basket({BTC: "0.6", ETH: "0.4"}, cap=d("0.75"))

    body = msgspec.json.encode(kept, order="sorted")

    assert msgspec.json.decode(body, type=Basket) == kept


# ---- on real history


@cache
def demo() -> Frames:
    with as_file(files("hedged") / "demo_data" / "history") as root:
        store = HistoryStore(root, read_only=True)
        return {
            s: store.history(f"{s}/USDT:USDT", "1d").bars for s in ("BTC", "ETH", "LTC", "LINK", "BCH")
        }


def test_five_coins_on_real_history_as_counted_by_hand() -> None:
    """40/30/10/10/10, monthly: BCH's first bar is of 2020-12-15, ETH's of 2021-03-15."""
    closes = {
        s: dict(zip(frame["open_time"].to_list(), frame["close"].to_list(), strict=True))
        for s, frame in demo().items()
    }
    weights = {"BTC": 40, "ETH": 30, "LTC": 10, "LINK": 10, "BCH": 10}
    day, level, coins = datetime(2020, 11, 15, tzinfo=UTC), 1000.0, {}
    counted = []
    while day <= datetime(2022, 12, 31, tzinfo=UTC):
        here = {s: closes[s][day] for s in weights if day in closes[s]}
        if coins:
            level = sum(quantity * here[s] for s, quantity in coins.items())
        if not coins or (day + DAY).day == 1:
            whole = sum(weights[s] for s in here)
            coins = {s: level * weights[s] / whole / close for s, close in here.items()}
        counted.append(level)
        day += DAY

    index = index_bars(basket(weights), demo(), "1d")

    assert index.frame["close"].to_list() == near(counted)
    assert counted[-1] == pytest.approx(1291.861469, abs=1e-6)
    assert texts(index) == ["BCH enters on 2021-01-01", "ETH enters on 2021-04-01"]


def test_a_portfolio_on_real_history_moves_as_its_value() -> None:
    """The demo's holdings, worth $1,000,000 at the close of 2021-05-09."""
    quantities = {
        "BTC": "8.58509113", "ETH": "76.41267941", "LTC": "171.64435290",
        "LINK": "1275.64850781", "BCH": "46.68207175",
    }  # fmt: skip

    index = index_bars(holdings(quantities), demo(), "1d").frame

    of = {row["open_time"].date().isoformat(): row["close"] for row in index.to_dicts()}
    worth = [
        sum(
            float(q) * demo()[s].filter(pl.col("open_time") == at)["close"][0]
            for s, q in quantities.items()
        )
        for at in (datetime(2021, 5, 9, tzinfo=UTC), datetime(2022, 12, 31, tzinfo=UTC))
    ]
    assert worth[0] == pytest.approx(1_000_000, abs=1)
    assert of["2022-12-31"] / of["2021-05-09"] == near(worth[1] / worth[0])
