"""
Guards: what a pass must tell of, and what must not grow because of it.

Each guard is one pure function with a name of its own; it gives alarms with the figure and the
limit. `tell` only tells, `no increase` lets reductions through alone, `hold` sends nothing. Drift has
its own place in `core.guard`, for it is what makes a pass trade.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Literal

from hedged.core.headroom import NEAR, Headroom, MarginLimits, account_of, figures, under_floor
from hedged.core.market import ZERO, Snapshot, notional
from hedged.core.wording import money, percent

GuardLevel = Literal["tell", "no increase", "hold"]

YEAR_HOURS = Decimal(365 * 24)
DOLLARS = frozenset(
    {"USD", "USDT", "USDC", "DAI", "FDUSD", "TUSD", "USDP", "PYUSD", "USDE", "USD1", "RLUSD", "BUSD"}
)
"""Money that should be worth one dollar."""
ADL_RANK_TOP = 4
"""Binance ranks 0 to 4; of the five lights of Bybit the fourth and the fifth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """
    What the guards look at: how near an expiry is told (*roll_before*) and bars an increase
    (*expiry_cutoff*), how far a dollar coin may be from one dollar, from which share of a short's
    notional a year its funding is told (never, as an older hedged decided), and the margin to keep.
    """

    roll_before: timedelta = timedelta(days=7)
    expiry_cutoff: timedelta = timedelta(days=1)
    depeg_max: Decimal = Decimal("0.02")
    funding_cost_max: Decimal | None = None
    margin: MarginLimits = field(default_factory=MarginLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What a guard found; *symbols* are the contracts it is about, none for all of them."""

    guard: str
    level: GuardLevel
    text: str
    symbols: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """In a few words."""
        return f"{self.guard}: {self.level}" if self.level != "tell" else self.guard

    @property
    def key(self) -> str:
        """What stays the same while its figures change."""
        return f"{self.guard} {self.level} {' '.join(self.symbols)}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """The oldest price and the oldest positions that may be traded on, in seconds."""

    price_s_max: Decimal
    position_s_max: Decimal


def alarms(
    snapshot: Snapshot,
    symbols: tuple[str, ...],
    headrooms: tuple[Headroom, ...],
    trades: Mapping[str, Decimal],
    now: datetime,
    ages: Ages,
    policy: WatchPolicy,
) -> tuple[Alarm, ...]:
    """All that the guards find on the contracts *symbols* of a portfolio that plans *trades*."""
    return (
        *margin(snapshot, symbols, headrooms, policy.margin),
        *floor(snapshot, headrooms, trades, policy.margin),
        *expiry(snapshot, symbols, now, policy),
        *stale(snapshot, symbols, now, ages),
        *unexplained(snapshot, symbols),
        *adl(snapshot, symbols),
        *depeg(snapshot, policy.depeg_max),
        *counted(snapshot),
        *funding(snapshot, symbols, trades, policy.funding_cost_max),
    )


def barred(found: tuple[Alarm, ...], symbols: tuple[str, ...]) -> dict[str, str]:
    """Why each of *symbols* must not grow."""
    reasons: dict[str, str] = {}
    for alarm in found:
        if alarm.level == "no increase":
            for symbol in alarm.symbols or symbols:
                reasons.setdefault(symbol, f"{alarm.guard}: {alarm.text}")
    return reasons


def floor(
    snapshot: Snapshot,
    headrooms: tuple[Headroom, ...],
    trades: Mapping[str, Decimal],
    limits: MarginLimits,
) -> Iterator[Alarm]:
    """The last look at a plan, whatever made it: what would end under the floor does not grow."""
    known = {one.missing for one in headrooms}
    for symbol, why in under_floor(snapshot, trades, limits).items():
        if why not in known:
            yield Alarm(guard="margin", level="no increase", text=why, symbols=(symbol,))


def margin(
    snapshot: Snapshot,
    symbols: tuple[str, ...],
    headrooms: tuple[Headroom, ...],
    limits: MarginLimits,
) -> Iterator[Alarm]:
    """A figure that is missing, a floor that is near or passed, a hedge that was degraded for it."""
    for one in headrooms:
        if one.missing:
            mine = tuple(s for s in symbols if account_of(s, snapshot.account) == one.account)
            yield Alarm(guard="margin", level="no increase", text=one.missing, symbols=mine)
            continue
        if one.distance_unfit is not None or one.ratio_unfit is not None:
            yield Alarm(guard="margin", level="tell", text=_degraded(one, limits))
        elif _short_of(one, limits, NEAR):
            more = f"; {money(one.collateral)} more collateral leads away from it"
            text = f"{one.account} is near its floor: {_now(one, limits)}"
            yield Alarm(guard="margin", level="tell", text=text + (more if one.collateral else ""))
        if one.apart:
            yield Alarm(guard="margin", level="tell", text=f"{one.account}: {one.apart}")


def _degraded(one: Headroom, limits: MarginLimits) -> str:
    wanted, kept = (percent(r) if r is not None else "-" for r in (one.wanted_ratio, one.kept_ratio))
    return (
        f"{one.account}: the hedge is degraded from {wanted} to {kept}, for at {wanted} it "
        f"{figures(one.distance_unfit, one.ratio_unfit, limits)}, and it grows only while it is "
        f"{NEAR} times so far; {money(one.collateral)} more collateral restores it"
    )


def _now(one: Headroom, limits: MarginLimits) -> str:
    far = "-" if one.distance_now is None else f"{one.distance_now:.1%}"
    part = "-" if one.ratio_now is None else f"{one.ratio_now:.1%}"
    return (
        f"a rise of {far} liquidates (at least {limits.distance_min:.1%}), the margin ratio is {part} "
        f"(at most {limits.ratio_max:.1%})"
    )


def _short_of(one: Headroom, limits: MarginLimits, times: Decimal) -> bool:
    near = one.distance_now is not None and one.distance_now < limits.distance_min * times
    return near or (one.ratio_now is not None and one.ratio_now > limits.ratio_max / times)


def expiry(
    snapshot: Snapshot, symbols: tuple[str, ...], now: datetime, policy: WatchPolicy
) -> Iterator[Alarm]:
    """A dated leg that is delivered soon: told while it is held, and near the end it must not grow."""
    for symbol in symbols:
        expires = next((i.expiry for i in snapshot.instruments if i.symbol == symbol), None)
        if expires is None:
            continue
        left = expires - now
        days = f"{left / timedelta(days=1):.1f} days"
        if left < policy.expiry_cutoff:
            limit = f"{policy.expiry_cutoff / timedelta(days=1):g}"
            yield Alarm(
                guard="expiry",
                level="no increase",
                text=f"{symbol} is delivered in {days}, less than the {limit} in which it may not grow",
                symbols=(symbol,),
            )
        elif left < policy.roll_before and snapshot.held(symbol):
            limit = f"{policy.roll_before / timedelta(days=1):g}"
            yield Alarm(
                guard="expiry",
                level="tell",
                text=f"{symbol} is held and delivered in {days}, less than {limit}; roll it",
                symbols=(symbol,),
            )


def stale(snapshot: Snapshot, symbols: tuple[str, ...], now: datetime, ages: Ages) -> Iterator[Alarm]:
    """Prices and positions older than the gate trades on, also while there is nothing to trade."""
    for quote in snapshot.quotes:
        age = Decimal(str((now - quote.at).total_seconds()))
        if quote.symbol in symbols and not 0 <= age <= ages.price_s_max:
            yield Alarm(
                guard="stale data",
                level="tell",
                text=f"the price of {quote.symbol} is {age:.0f} s old (at most {ages.price_s_max})",
                symbols=(quote.symbol,),
            )
    age = Decimal(str((now - snapshot.at).total_seconds()))
    if not 0 <= age <= ages.position_s_max:
        yield Alarm(
            guard="stale data",
            level="tell",
            text=f"the positions are {age:.0f} s old (at most {ages.position_s_max})",
        )


def unexplained(snapshot: Snapshot, symbols: tuple[str, ...]) -> Iterator[Alarm]:
    """A position that is not what all fills make it: ADL, liquidation, another hand."""
    for symbol in snapshot.unexplained:
        if symbol in symbols:
            yield Alarm(
                guard="unexplained position",
                level="hold",
                text=f"{symbol}: the position is not what all its fills make it",
                symbols=(symbol,),
            )


def adl(snapshot: Snapshot, symbols: tuple[str, ...]) -> Iterator[Alarm]:
    """A position that is among the first to be closed when the venue must deleverage."""
    for one in snapshot.positions:
        if one.symbol in symbols and one.adl_rank is not None and one.adl_rank >= ADL_RANK_TOP:
            yield Alarm(
                guard="ADL",
                level="tell",
                text=f"{one.symbol} has ADL rank {one.adl_rank} (told from {ADL_RANK_TOP}): the venue "
                "closes it among the first; more collateral or a smaller hedge lowers it",
                symbols=(one.symbol,),
            )


def counted(snapshot: Snapshot) -> Iterator[Alarm]:
    """Holdings that were counted by hand too long ago: what protects them may shrink, not grow."""
    for why in snapshot.outdated:
        yield Alarm(guard="holdings", level="no increase", text=why)


def depeg(snapshot: Snapshot, gap_max: Decimal) -> Iterator[Alarm]:
    """
    Dollar coins against a numeraire that is one too, where the snapshot has a price of them.

    When most of them are off it is the numeraire, and the collateral with it: nothing grows. One among
    several is that coin alone, and only told.
    """
    if snapshot.numeraire not in DOLLARS:
        return
    prices = {
        one.asset: one.mark_price
        for one in snapshot.holdings
        if one.asset in DOLLARS - {snapshot.numeraire} and one.mark_price is not None
    }
    for quote in snapshot.quotes:
        base, _, rest = quote.symbol.partition("/")
        if base in DOLLARS - {snapshot.numeraire} and rest.startswith(snapshot.numeraire):
            prices.setdefault(base, quote.index_price or quote.mark_price)
    if not prices:
        return
    middle = median(prices.values())
    limit = f"(at most {percent(gap_max)})"
    if abs(middle - 1) > gap_max:
        yield Alarm(
            guard="depeg",
            level="no increase",
            text=f"a dollar coin is at {middle} {snapshot.numeraire}, {percent(abs(middle - 1))} off "
            f"{limit}: the collateral may be worth less than it says",
        )
        return
    for asset, price in sorted(prices.items()):
        if abs(price - 1) > gap_max:
            yield Alarm(
                guard="depeg",
                level="tell",
                text=f"{asset} is at {price} {snapshot.numeraire}, {percent(abs(price - 1))} off "
                f"{limit}",
            )


def funding(
    snapshot: Snapshot,
    symbols: tuple[str, ...],
    trades: Mapping[str, Decimal],
    cost_max: Decimal | None,
) -> Iterator[Alarm]:
    """
    A short that pays much funding, counted as it stands after *trades*, while the running rate lasts:
    ``cost = -funding_rate_next * 24 * 365 / funding_hours`` a year, as a share of its notional.

    It is only told, with what would cost less: a rule that wants the hedge when funding turns negative
    knows why. A contract whose rate or interval the venue does not tell is not judged.
    """
    if cost_max is None:
        return
    for symbol in symbols:
        quote = next((one for one in snapshot.quotes if one.symbol == symbol), None)
        if quote is None or quote.funding_rate_next is None or quote.funding_hours is None:
            continue
        after = snapshot.held(symbol) + trades.get(symbol, ZERO)
        cost = -quote.funding_rate_next * YEAR_HOURS / quote.funding_hours
        if after >= 0 or cost <= cost_max:
            continue
        size = abs(notional(snapshot.instrument(symbol), after, quote.mark_price))
        yield Alarm(
            guard="funding",
            level="tell",
            text=f"{symbol} pays {percent(cost)} a year at the running rate (told from "
            f"{percent(cost_max)}): {money(size * cost / 365)} a day for {money(size)}; a dated "
            "contract pays none",
            symbols=(symbol,),
        )
