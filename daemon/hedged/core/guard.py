"""
What a pass looks out for: how far the hedge has drifted, and what must not be traded on.

Each check is a small pure function with a name of its own; the reasons go into the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from hedged.core.account import AccountState
from hedged.core.exposure import Exposure
from hedged.core.market import OURS, ZERO, Side, Snapshot
from hedged.core.sizing import HedgeLeg, Wanted
from hedged.core.wording import beside, contracts, percent

REPAIRED_AFTER = timedelta(seconds=60)
"""What another hand did is seen twice, so long apart, before it is acted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """How far the hedge (*band*) and its mix of legs (*mix_band*) may stray, as shares of E."""

    band: Decimal = Decimal("0.05")
    mix_band: Decimal = Decimal("0.10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """
    Distance between the held and the wanted hedge, as shares of E (None when E is zero).

    *net* is ``|sum of signed (held - wanted) notional| / E`` after lot rounding, *mix* the sum of
    the absolute gaps. *due* says whether to trade, *because* why or why not.
    """

    net: Decimal | None
    mix: Decimal | None
    due: bool
    because: str


def drift(wanted: Wanted | None, executed_ratio: Decimal | None, band: Band) -> Drift:
    """
    Compare held with wanted. A zero target and an over-hedge ignore the band.

    *executed_ratio* is the target that was last fully executed: a changed one is traded at once.
    """
    if wanted is None:
        return Drift(
            net=None,
            mix=None,
            due=False,
            because="no target is decided, the exposure is unknown, or a leg is not listed",
        )
    gaps = [leg.held_notional - leg.wanted_notional for leg in wanted.legs]
    if all(leg.held_contracts == leg.contracts for leg in wanted.legs):
        zero = ZERO if wanted.exposure else None
        return Drift(net=zero, mix=zero, due=False, because="the wanted contracts are held")
    if not wanted.exposure:
        return Drift(net=None, mix=None, due=True, because="nothing to hedge, and a short is held")
    net = abs(sum(gaps, ZERO)) / wanted.exposure
    mix = sum((abs(gap) for gap in gaps), ZERO) / wanted.exposure
    due, because = _due(wanted, executed_ratio, band, net, mix)
    return Drift(net=net, mix=mix, due=due, because=because)


def _due(
    wanted: Wanted, executed_ratio: Decimal | None, band: Band, net: Decimal, mix: Decimal
) -> tuple[bool, str]:
    target = wanted.target_ratio
    if executed_ratio != target:
        return True, f"the target is {percent(target)}, and it is not fully executed yet"
    if target == 0:
        return True, "the target is zero, which ignores the band"
    if wanted.held_ratio is not None and wanted.held_ratio > 1:
        return True, f"over-hedged at {beside(wanted.held_ratio, Decimal(1))}, which ignores the band"
    for leg in wanted.legs:
        if leg.target_notional == 0 and leg.held_contracts:
            return True, f"{leg.symbol} has no weight and is held, which ignores the band"
    if net > band.band:
        return True, f"drift {beside(net, band.band)} is past the band of {percent(band.band)}"
    if mix > band.mix_band:
        return (
            True,
            f"leg mix {beside(mix, band.mix_band)} is past its band of {percent(band.mix_band)}",
        )
    return False, f"drift {percent(net)} is inside the band of {percent(band.band)}"


def holds(
    snapshot: Snapshot,
    exposure: Exposure,
    legs: tuple[HedgeLeg, ...],
    *,
    unresolved: tuple[str, ...],
    strays: tuple[str, ...],
    observed_at: datetime | None,
    touched_at: datetime | None,
) -> tuple[str, ...]:
    """
    Reasons why this pass must not trade at all; empty when it may.

    *unresolved* tells of each order of unknown outcome, *strays* are orders of ours that the journal
    does not know, *observed_at* is when the pass before looked at the market, *touched_at* when a trade
    of another hand was first seen.
    """
    return (
        *snapshot.doubts,
        *_clock(snapshot, observed_at),
        *_unpriced(exposure),
        *_long(snapshot, legs),
        *(f"an earlier order is not resolved yet, {order}" for order in unresolved),
        *_strays(strays),
        *(other_hand(snapshot, [leg.symbol for leg in legs]) or just_touched(snapshot, touched_at)),
    )


def touched(snapshot: Snapshot, symbols: list[str], before: datetime | None) -> datetime | None:
    """When a trade of another hand was last first seen, None once that is `REPAIRED_AFTER` ago."""
    if other_hand(snapshot, symbols):
        return snapshot.at
    return before if just_touched(snapshot, before) else None


def just_touched(snapshot: Snapshot, touched_at: datetime | None) -> tuple[str, ...]:
    """A pass that falls due soon after the first sight is no second look; a clock set back is none."""
    if touched_at is None or not timedelta(0) <= snapshot.at - touched_at < REPAIRED_AFTER:
        return ()
    return (f"a trade of another hand was first seen at {touched_at:%H:%M:%S}, less than a minute ago",)


def _clock(snapshot: Snapshot, observed_at: datetime | None) -> tuple[str, ...]:
    """A clock that stepped back holds one pass, so that a person can see it; the next goes on."""
    if observed_at is None or snapshot.at >= observed_at:
        return ()
    then, now = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (observed_at, snapshot.at))
    return (f"the clock went back, from {then} to {now}",)


def _strays(strays: tuple[str, ...]) -> tuple[str, ...]:
    """Ours by name, and yet unknown: the journal is older than the exchange, as a restored copy is."""
    if not strays:
        return ()
    return (
        f"the journal does not know {', '.join(strays)}, sent by a hedged on this account; was the "
        "journal restored from a copy? What rests of them is taken back, what filled is counted",
    )


def other_hand(snapshot: Snapshot, symbols: list[str]) -> tuple[str, ...]:
    """
    Fills of the hedge that we did not order: a liquidation, ADL, a delivery, a person.

    They hold the pass that sees them first; one a minute later repairs the hedge.
    """
    return tuple(
        f"{fill.side} of {contracts(fill.contracts)} {fill.symbol} at {fill.at:%Y-%m-%d %H:%M:%S} "
        f"by {'another hand' if fill.cause == 'order' else fill.cause}; the next pass goes on from it"
        for fill in snapshot.fills
        if fill.symbol in symbols
        and (fill.cause != "order" or not fill.client_order_id.startswith(OURS))
    )


def _unpriced(exposure: Exposure) -> tuple[str, ...]:
    return tuple(
        f"{asset} has no price; add it to exposure.ignore, or give exposure.unpriced_max for it"
        for asset in exposure.unpriced
    )


def _long(snapshot: Snapshot, legs: tuple[HedgeLeg, ...]) -> tuple[str, ...]:
    """Every position of a hedge instrument is the hedge, and a hedge is short."""
    return tuple(
        f"{leg.symbol} is held long ({contracts(snapshot.held(leg.symbol))} contracts) on the "
        "hedge account; close it by hand"
        for leg in legs
        if snapshot.held(leg.symbol) > 0
    )


def astray(
    account: AccountState | None, snapshot: Snapshot, sent: Mapping[str, Side]
) -> tuple[str, ...]:
    """
    Signs that an order does not do what it says: after each fill ``sign(change) == side``.

    *account* is what the pass before saw, *sent* the side of every order of ours among the fills, from
    the journal, so that it does not rest on what the venue tells. A doubt on a position that merely
    differs heals; this does not, for the next order would do it again.
    """
    own = [fill for fill in snapshot.fills if fill.client_order_id in sent]
    symbols = sorted({fill.symbol for fill in own})
    return (
        *(
            f"{fill.symbol}: a {sent[fill.client_order_id]} was sent, and the venue tells of a "
            f"{fill.side} of {contracts(fill.contracts)} under its id"
            for fill in own
            if fill.side != sent[fill.client_order_id]
        ),
        *(
            f"{symbol}: after a fill its notional is one by contract size and mark, and another by the "
            "venue's own figure"
            for symbol in symbols
            if symbol in snapshot.misvalued
        ),
        *(
            reason
            for symbol in symbols
            if account is not None
            for reason in _wrong_way(symbol, account, snapshot, sent)
        ),
    )


def _wrong_way(
    symbol: str, account: AccountState, snapshot: Snapshot, sent: Mapping[str, Side]
) -> Iterator[str]:
    """
    What all fills explain is right, and what they and the outcomes of our orders explain together: of
    two orders the second one's fill may be told first. Else no venue's doing makes a short grow after a
    buy, nor turns it long; and after a sale it may shrink, by ADL that is told late, but hardly by just
    what was sold.
    """
    if symbol not in snapshot.unexplained:
        return
    leg = account.legs.get(symbol)
    before, after = leg.contracts if leg else ZERO, snapshot.held(symbol)
    ours = others = ZERO
    for fill in snapshot.fills:
        if fill.symbol == symbol and fill.client_order_id in sent:
            ours += fill.contracts if sent[fill.client_order_id] == "buy" else -fill.contracts
        elif fill.symbol == symbol:
            others += fill.signed_contracts
    moved = f"{symbol}: the position went from {contracts(before)} to {contracts(after)}"
    if after - before == ours + others:
        return
    if ours > 0 and after < before:
        yield f"{moved} after a buy of {contracts(ours)}"
    elif ours < 0 and after - before == -ours:
        yield f"{moved} after a sale of {contracts(-ours)}"
    elif before <= 0 < after:
        yield f"{moved}, which is long, after an order of ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Naked:
    """
    A spell in which the hedge was smaller than wanted because contracts were lost, not by a decision.

    *notional* is what was missing when last looked (*seen_at*), *notional_max* at worst, and
    *notional_seconds* their sum over time, all in the numeraire. *until* is None while it stands.
    """

    since: datetime
    seen_at: datetime
    notional: Decimal
    notional_max: Decimal
    notional_seconds: Decimal
    because: str
    until: datetime | None = None

    @property
    def seconds(self) -> int:
        """How long it has lasted."""
        return round(((self.until or self.seen_at) - self.since).total_seconds())


def naked(
    spell: Naked | None,
    account: AccountState | None,
    snapshot: Snapshot,
    wanted: Wanted | None,
    drift: Drift,
    sent: Mapping[str, Side],
) -> Naked | None:
    """
    The *spell* that stands, begins or has just ended (with *until*); None when the hedge is whole.

    It begins where the short shrank by more than our own buys, with a missing notional beyond the
    band: by a liquidation, ADL, a delivery, another hand, or nobody's word. It begins at the first
    fill that tells so, else at first sight; it ends with our last sale, or when nothing is missing.
    """
    missing = _missing(wanted, drift)
    if spell is None:
        lost = _lost(account, snapshot, wanted, sent) if wanted and missing else None
        if lost is None or missing is None:
            return None
        at, because = lost
        begun = Naked(
            since=at,
            seen_at=at,
            notional=missing,
            notional_max=missing,
            notional_seconds=ZERO,
            because=because,
        )
        return _carried(begun, snapshot.at)
    if missing is None:  # nobody knows what is wanted now: what was missing is missing still
        return _carried(spell, snapshot.at)
    if missing:
        carried = _carried(spell, snapshot.at)
        return replace(carried, notional=missing, notional_max=max(missing, spell.notional_max))
    sales = [f.at for f in snapshot.fills if sent.get(f.client_order_id) == "sell"]
    until = min(max((*sales, spell.seen_at)), snapshot.at) if sales else snapshot.at
    return replace(_carried(spell, until), notional=ZERO, until=until)


def _missing(wanted: Wanted | None, drift: Drift) -> Decimal | None:
    """How much smaller the whole hedge is than wanted; 0 inside the band, None when nobody knows."""
    if wanted is None:
        return None
    gap = sum((leg.held_notional - leg.wanted_notional for leg in wanted.legs), ZERO)
    return max(gap, ZERO) if drift.due else ZERO


def _lost(
    account: AccountState | None, snapshot: Snapshot, wanted: Wanted, sent: Mapping[str, Side]
) -> tuple[datetime, str] | None:
    """
    When a short shrank without an order of ours, and why.

    Sales of ours are not counted: told late, they would look like contracts that were lost.
    """
    if account is None:
        return None
    for leg in wanted.legs:
        before = account.legs.get(leg.symbol)
        fills = [fill for fill in snapshot.fills if fill.symbol == leg.symbol and fill.side == "buy"]
        own = sum((f.contracts for f in fills if f.client_order_id in sent), ZERO)
        foreign = [fill for fill in fills if fill.client_order_id not in sent]
        shrank = leg.held_contracts - (before.contracts if before else ZERO) - own
        if shrank > 0 or any(fill.cause != "order" for fill in foreign):
            causes = sorted({"another hand" if f.cause == "order" else f.cause for f in foreign})
            because = f"{leg.symbol}: {' and '.join(causes) or 'no fill tells why'}"
            return min((fill.at for fill in foreign), default=snapshot.at), because
    return None


def _carried(spell: Naked, at: datetime) -> Naked:
    """The spell with the time until *at* counted at what was missing before."""
    at = max(at, spell.seen_at)
    seconds = Decimal(str((at - spell.seen_at) / timedelta(seconds=1)))
    counted = spell.notional_seconds + spell.notional * seconds
    return replace(spell, seen_at=at, notional_seconds=counted)
