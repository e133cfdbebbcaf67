"""
The bars of an index of several coins (section 1), chained so that no change of what is in it shows.

Enter a `Basket` and the kept bars of its constituents; leave bars of the index, as those of one
symbol, and a note for every change of membership.

The level is `INDEX_START` at the close of the first bar that any constituent has; those that have
it are the first members. From one index bar s to the next, t:

    level_t = level_s * sum of share_i,s * close_i,t / close_i,s        over the members i

so shares of 0.6 and 0.4 in a coin that gains 10% and one that loses 5% take it from 1000 to 1040.

- Shares drift with prices. They are reset to the capped weights at the close of the last bar before
  each calendar boundary; when the index has no bar there, at its first one after. A reset changes
  shares, never the level. Holdings have no resets: share_i = quantity_i * close_i / their sum.
- A bar with a price that is missing, not finite, zero or negative is a missing bar.
- The index has a bar when all members have one. While one lacks it the index is unknown (no row),
  and the next bar links over the gap. A member that lacks more than `GAP_BARS_MAX` in a row has
  left: the others carry its share pro rata, linked from the last index bar, where it still was.
  Bars that no constituent has do not count: when a venue stands still nobody leaves.
- A coin that lists late, or comes back, becomes a member at the close of the first reset at which
  it has a bar. Without resets it does at the close of its first bar at which the index has one, for
  holdings with its value, else with the share that a reset would give it, the others keeping their
  proportions. The others carry its weight until then.
- When all have left, who has a bar begins anew, at the last level: what happened between is in no
  bar of the index.
- Members too few to keep the cap get equal shares at a reset, and a note says so.

Everything at a bar depends on that bar and earlier ones only, to the last bit. Time and memory are
linear in constituents x bars: figures are whole columns between two changes of membership.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from hedged.core.metrics.basket import Basket, capped
from hedged.core.metrics.columns import Array, Indices
from hedged.core.metrics.constituents import PRICES, Figures, Mask, Table, side_by_side
from hedged.core.metrics.history import SCHEMAS, TIME
from hedged.core.wording import percent

INDEX_START = 1000.0
GAP_BARS_MAX = 3

_BLOCK = 256  # bars looked at first for a change of membership; then twice as many


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something said about the index, known since *at*, the close of a bar."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IndexBars:
    """
    The *frame* of the index's bars, the *notes* on them by time, and the *shares* after the last.

    Every member is in *shares*, which sum to 1; nobody is before the first bar.
    """

    frame: pl.DataFrame
    notes: tuple[Note, ...]
    shares: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stint:
    """Who is in the index since bar *since*; their shares and its level at the close of bar *base*."""

    since: int
    members: Indices
    base: int
    shares: Array
    level: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Span:
    """
    The index bars of a stint, and which of them are resets.

    *change* is the bar at which the stint ends: its last index bar when somebody enters there, a
    later one when a member is found to have left, the table's count when nothing ends it.
    """

    bars: Indices
    resets: Mask
    change: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Piece:
    """Consecutive *bars* of the index: its prices in points, and its volume."""

    bars: Indices
    figures: Figures


def index_bars(basket: Basket, bars: dict[str, pl.DataFrame], bar: str) -> IndexBars:
    """
    The index of *basket* at bars of length *bar*, chained as the module says.

    *bars* has a frame for each constituent, empty where nothing is kept, as `SCHEMAS` lists the
    columns, sorted by time, closed bars only. So is the result, with a row for each bar at which the
    index is known, none when no constituent has a bar. Prices are in points: open, high and low are
    those of the members in their shares at the previous index bar. High and low are bounds: members
    need not have been at theirs at the same moment. Volume is the members' volume * close, in quote
    currency, summed; it steps up when one enters, and is null when one's is unknown. *index_close*
    is null.

    Raises
    ------
    KeyError
        When *bars* lacks a constituent.
    ValueError
        When *bar* is no bar length.
    """
    table = side_by_side(basket, bars, bar)
    if not table.count:
        return IndexBars(frame=pl.DataFrame(schema=SCHEMAS["bars"]), notes=(), shares={})
    stints, pieces = _walked(basket, table)
    last = stints[-1]
    held = zip(last.members.tolist(), last.shares.tolist(), strict=True)
    return IndexBars(
        frame=_frame(table, pieces),
        notes=(*_changes(basket, table, stints), *_standing(table, last)),
        shares={table.symbols[member]: share for member, share in held},
    )


# ---- from one change of membership to the next


def _walked(basket: Basket, table: Table) -> tuple[list[_Stint], list[_Piece]]:
    """Every stint, each as at its last index bar, and the index bars, both in order."""
    stint, piece = _begun(basket, table, 0, INDEX_START)
    stints, pieces = [stint], [piece]
    first = 1
    while first < table.count:
        span = _span(table, stint, first, waits=basket.rebalance != "never")
        targets = _targets(basket, table, stint.members, stint.base)
        stint, piece = _held(table, stint, span, targets)
        stints[-1] = stint
        pieces.append(piece)
        if span.change == table.count:
            break
        first = span.change + 1
        stay = table.missed[stint.members, span.change] <= GAP_BARS_MAX
        if stay.all():
            stint = _joined(basket, table, stint)
        elif stay.any():
            stint = _thinned(stint, stay, span.change)
            first = span.change  # those who stay may have a bar there
        else:
            stint, piece = _begun(basket, table, span.change, stint.level)
            pieces.append(piece)
        stints.append(stint)
    return stints, pieces


def _span(table: Table, stint: _Stint, first: int, *, waits: bool) -> _Span:
    """
    The index bars of *stint* from bar *first* to the next change of membership.

    Who is not a member *waits* for a reset, or enters at the first index bar at which it has a bar.
    """
    others = np.setdiff1d(np.arange(len(table.symbols)), stint.members)
    size = _BLOCK
    while True:
        block = slice(first, first + size)
        known = table.present[stint.members, block].all(axis=0)
        bars = first + np.flatnonzero(known)
        resets = np.diff(table.period[np.append(stint.base, bars)]) != 0
        enters = table.present[others, block][:, known].any(axis=0) & (resets | (not waits))
        leaves = (table.missed[stint.members, block] > GAP_BARS_MAX).any(axis=0)
        entry = int(bars[enters.argmax()]) if enters.any() else table.count
        leave = first + int(leaves.argmax()) if leaves.any() else table.count
        change = min(entry, leave)
        if change < table.count or first + size >= table.count:
            until = np.searchsorted(bars, change, side="right")
            return _Span(bars=bars[:until], resets=resets[:until], change=change)
        size *= 2


def _held(table: Table, stint: _Stint, span: _Span, targets: Array) -> tuple[_Stint, _Piece]:
    """
    The index bars of a span, and its stint as at the last of them.

    Between resets a share at the anchor, the last reset or the base, buys share / close there of
    its coin, and the index is worth that many coins. Added member by member, not as a product of
    matrices: that rounds differently with the number of bars.
    """
    passed: Indices = np.cumsum(span.resets) - span.resets  # resets before each bar
    anchors = np.append(stint.base, span.bars[span.resets])[passed]
    figures = {name: np.zeros(span.bars.size) for name in (*PRICES, "volume")}
    last = np.empty_like(stint.shares)
    for i, member in enumerate(stint.members):
        own = {name: table.figures[name][member] for name in figures}
        units = np.where(passed > 0, targets[i], stint.shares[i]) / own["close"][anchors]
        for name in PRICES:
            figures[name] += units * own[name][span.bars]
        figures["volume"] += own["volume"][span.bars] * own["close"][span.bars]
        last[i] = (units * own["close"][span.bars])[-1] if span.bars.size else stint.shares[i]
    if not span.bars.size:
        return stint, _Piece(bars=span.bars, figures=figures)
    growth = np.append(stint.level, figures["close"][span.resets])
    level = np.multiply.accumulate(growth)[passed]
    figures |= {name: level * figures[name] for name in PRICES}
    end = replace(
        stint,
        base=int(span.bars[-1]),
        shares=targets if span.resets[-1] else last / last.sum(),
        level=float(figures["close"][-1]),
    )
    return end, _Piece(bars=span.bars, figures=figures)


def _begun(basket: Basket, table: Table, bar: int, level: float) -> tuple[_Stint, _Piece]:
    """All that have a bar, from its close at *level* on; its other prices are in those shares."""
    members = np.flatnonzero(table.present[:, bar])
    stint = _Stint(
        since=bar,
        members=members,
        base=bar,
        shares=_targets(basket, table, members, bar),
        level=level,
    )
    span = _Span(bars=np.array([bar]), resets=np.array([False]), change=bar)
    return _held(table, stint, span, stint.shares)


def _joined(basket: Basket, table: Table, stint: _Stint) -> _Stint:
    """All that have a bar at the stint's last index bar, from its close on."""
    members = np.flatnonzero(table.present[:, stint.base])
    shares = _targets(basket, table, members, stint.base)
    if basket.kind == "basket" and basket.rebalance == "never":
        old = np.isin(members, stint.members)
        shares[old] = stint.shares * (1 - shares[~old].sum())
    return replace(stint, since=stint.base, members=members, shares=shares)


def _thinned(stint: _Stint, stay: Mask, bar: int) -> _Stint:
    """Those who *stay*, known at *bar*, in proportion to their shares at the last index bar."""
    shares = stint.shares[stay]
    return replace(stint, since=bar, members=stint.members[stay], shares=shares / shares.sum())


def _targets(basket: Basket, table: Table, members: Indices, bar: int) -> Array:
    """Shares of *members* at a reset; of holdings, their shares of the value at the close of *bar*."""
    weights = table.weights[members]
    if basket.kind == "holdings":
        weights = weights * table.figures["close"][members, bar]
    return capped(weights, None if basket.cap is None else float(basket.cap))


# ---- what comes out


def _frame(table: Table, pieces: list[_Piece]) -> pl.DataFrame:
    bars = np.concatenate([piece.bars for piece in pieces])
    names = (*PRICES, "volume")
    columns = {name: np.concatenate([piece.figures[name] for piece in pieces]) for name in names}
    frame = pl.DataFrame({"open_time": table.opened[bars], **columns})
    return frame.select(
        pl.col("open_time").cast(TIME),
        pl.col(*names).fill_nan(None),
        pl.lit(None, dtype=pl.Float64).alias("index_close"),
    )


def _changes(basket: Basket, table: Table, stints: list[_Stint]) -> Iterator[Note]:
    """Who left and who entered after the first bar, and where the cap can't be kept."""
    yield from _cap_note(basket, table, stints[0])
    for before, stint in itertools.pairwise(stints):
        at = table.close_time(stint.since)
        for member in np.setdiff1d(before.members, stint.members):
            last = table.open_time(stint.since - table.missed[member, stint.since])
            yield Note(
                at=at, text=f"{table.symbols[member]} left on {_said(at)}, last bar {_said(last)}"
            )
        if not np.isin(stint.members, before.members).any():
            yield Note(at=at, text=f"all had left; the index goes on at its last level on {_said(at)}")
        for member in np.setdiff1d(stint.members, before.members):
            yield Note(at=at, text=f"{table.symbols[member]} enters on {_said(at)}")
        yield from _cap_note(basket, table, stint)


def _cap_note(basket: Basket, table: Table, stint: _Stint) -> Iterator[Note]:
    count, of = stint.members.size, len(table.symbols)
    if basket.cap is not None and basket.cap * count < 1:
        at = table.close_time(stint.since)
        few = f"{count} of {of} constituents are too few for the cap of {percent(basket.cap)}"
        yield Note(at=at, text=f"{few} from {_said(at)} on: a reset gives them equal shares")


def _standing(table: Table, stint: _Stint) -> Iterator[Note]:
    """Who is not as one would expect at the last bar: never seen, not in yet, or missing."""
    end, at = table.count - 1, table.close_time(table.count - 1)
    for row, symbol in enumerate(table.symbols):
        here, inside = table.present[row, end], row in stint.members
        if table.missed[row, end] == table.count:
            yield Note(at=at, text=f"{symbol} has no bar yet")
        elif inside and not here:
            yield Note(at=at, text=f"the index is unknown on {_said(at)}: {symbol} has no bar")
        elif here and not inside:
            yield Note(at=at, text=f"{symbol} has bars and is not in the index yet")


def _said(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at.hour or at.minute else f"{at:%Y-%m-%d}"
