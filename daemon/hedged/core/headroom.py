"""
How far every hedge account is from liquidation, and the hedge that it can carry (section 1.2).

Enters a snapshot and the wanted hedge; leaves, for each account, margin ratio and up-move to
liquidation now and after, and a hedge that is degraded before margin runs out.

The venue's figures come first: equity, maintenance margin and liquidation price. What is after a plan
no venue tells, so it is counted from tiers (or from a rate, where the venue tells no tiers), never
better than the venue's own figures of what is held now. Only shorts are moved: a long on the account
may not rise with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from hedged.core.margin import RISE_MAX, maintenance_margin
from hedged.core.market import ZERO, Snapshot, notional
from hedged.core.sizing import Wanted, WantedLeg, wanted_leg

# No setting goes below or above these.
DISTANCE_MIN_FLOOR = Decimal("0.05")
MARGIN_RATIO_CEILING = Decimal("0.80")
NEAR = Decimal("1.5")
"""The hedge grows only while it is so many floors away; below one floor it shrinks."""
STEP = Decimal("0.01")
_TRUST_MIN = Decimal("0.2")
_HALVINGS = 40
_CENT = Decimal("0.01")
_HAIR = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginLimits:
    """
    The least rise of all marks to liquidation, the largest maintenance margin / equity, and the
    maintenance *rate* that is assumed where the venue tells no tiers.
    """

    liquidation_distance_min: Decimal = Decimal("0.15")
    margin_ratio_max: Decimal = Decimal("0.60")
    maintenance_rate: Decimal = Decimal("0.025")

    @property
    def distance_min(self) -> Decimal:
        """The floor in force."""
        return max(self.liquidation_distance_min, DISTANCE_MIN_FLOOR)

    @property
    def ratio_max(self) -> Decimal:
        """The largest margin ratio in force."""
        return min(self.margin_ratio_max, MARGIN_RATIO_CEILING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """
    One account: maintenance / equity, and the rise to liquidation (None: more than tenfold), of what is
    held and of what is wanted; *unfit* is what the rules want, and *kept_ratio* what is left of it.

    *collateral* restores all of it, in the settle currency. *missing* says which figure the venue does
    not tell, and then nothing is known; *apart* that tiers and the venue's figure disagree.
    """

    account: str
    equity: Decimal | None = None
    ratio_now: Decimal | None = None
    distance_now: Decimal | None = None
    ratio_after: Decimal | None = None
    distance_after: Decimal | None = None
    wanted_ratio: Decimal | None = None
    kept_ratio: Decimal | None = None
    distance_unfit: Decimal | None = None
    ratio_unfit: Decimal | None = None
    collateral: Decimal = ZERO
    missing: str = ""
    apart: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrying:
    """
    What one account can carry: *scale* is how much more margin the venue asks for than its tiers say,
    *trust* the part of a counted distance that its liquidation prices leave.
    """

    account: str
    snapshot: Snapshot
    limits: MarginLimits
    equity: Decimal
    held: Mapping[str, Decimal]
    scale: Decimal = Decimal(1)
    trust: Decimal = Decimal(1)

    def maintenance(self, positions: Mapping[str, Decimal], rise: Decimal = ZERO) -> Decimal:
        """Maintenance margin of *positions* with the marks of shorts so much higher."""
        return self.scale * sum(
            (self._needed(s, c, rise if c < 0 else ZERO) for s, c in positions.items() if c), ZERO
        )

    def left(self, positions: Mapping[str, Decimal], rise: Decimal) -> Decimal:
        """Equity above maintenance after a *rise*: ``equity - |shorts| * rise - maintenance``."""
        return self.equity - self._shorts(positions) * rise - self.maintenance(positions, rise)

    def distance(self, positions: Mapping[str, Decimal]) -> Decimal | None:
        """The rise that liquidates; None without a short, or when it is beyond `RISE_MAX`."""
        if not self._shorts(positions) or self.left(positions, RISE_MAX) > 0:
            return None
        safe, gone = ZERO, RISE_MAX
        if self.left(positions, safe) <= 0:
            return ZERO
        for _ in range(_HALVINGS):
            middle = (safe + gone) / 2
            safe, gone = (middle, gone) if self.left(positions, middle) > 0 else (safe, middle)
        return self.trust * safe

    def ratio(self, positions: Mapping[str, Decimal]) -> Decimal | None:
        """Maintenance margin / equity; None when there is no equity."""
        return self.maintenance(positions) / self.equity if self.equity > 0 else None

    def carries(self, positions: Mapping[str, Decimal], times: Decimal = Decimal(1)) -> bool:
        """Whether *positions* keep the floor *times* over; the smaller the short, the sooner."""
        if not self._shorts(positions):
            return True
        return self.lacks(positions, times) <= 0

    def lacks(self, positions: Mapping[str, Decimal], times: Decimal = Decimal(1)) -> Decimal:
        """The equity that is missing for `carries`; none where it is zero or less."""
        rise = self.limits.distance_min * times / self.trust
        most = self.limits.ratio_max / times
        return max(-self.left(positions, rise), self.maintenance(positions) / most - self.equity)

    def _shorts(self, positions: Mapping[str, Decimal]) -> Decimal:
        return -sum((self._notional(s, c) for s, c in positions.items() if c < 0), ZERO)

    def _notional(self, symbol: str, contracts: Decimal) -> Decimal:
        mark = self.snapshot.quote(symbol).mark_price
        return notional(self.snapshot.instrument(symbol), contracts, mark)

    def _needed(self, symbol: str, contracts: Decimal, rise: Decimal) -> Decimal:
        instrument = self.snapshot.instrument(symbol)
        mark = self.snapshot.quote(symbol).mark_price * (1 + rise)
        if instrument.tiers:
            return maintenance_margin(instrument, contracts, mark)
        return abs(notional(instrument, contracts, mark)) * self.limits.maintenance_rate


def account_of(symbol: str, first: str) -> str:
    """The account that a leg is traded on: ``BTC/USDT:USDT@second`` is on *second*."""
    return symbol.partition("@")[2] or first


def carrying(snapshot: Snapshot, account: str, limits: MarginLimits) -> Carrying | str:
    """What *account* can carry, or which of its figures is missing."""
    told = next((one for one in snapshot.margins if one.account == account), None)
    if snapshot.margins and told is None:
        return f"{account}: the venue tells no margin"
    equity = told.equity if told else snapshot.margin.equity
    maintenance = told.maintenance_margin if told else snapshot.margin.maintenance_margin
    if equity is None or maintenance is None:
        what = "equity" if equity is None else "maintenance margin of what is held"
        return f"{account}: the venue does not tell the {what}"
    held: dict[str, Decimal] = {}
    for one in snapshot.positions:
        if account_of(one.symbol, snapshot.account) == account:
            held[one.symbol] = held.get(one.symbol, ZERO) + one.contracts
    quoted = {quote.symbol for quote in snapshot.quotes} & {i.symbol for i in snapshot.instruments}
    unquoted = sorted(
        symbol for symbol, contracts in held.items() if contracts and symbol not in quoted
    )
    if unquoted:
        return f"{account}: no price of {', '.join(unquoted)}, which it holds"
    linear = {s: c for s, c in held.items() if c and not snapshot.instrument(s).inverse}
    made = Carrying(account=account, snapshot=snapshot, limits=limits, equity=equity, held=linear)
    counted = made.maintenance(linear)
    if counted > 0:
        made = replace(made, scale=max(Decimal(1), maintenance / counted))
    return replace(made, trust=_trust(made))


def _trust(made: Carrying) -> Decimal:
    """The nearest liquidation price of the venue, as a share of the distance that is counted here."""
    told = [
        max(ZERO, one.liquidation_price / made.snapshot.quote(one.symbol).mark_price - 1)
        for one in made.snapshot.positions
        if one.symbol in made.held and one.contracts < 0 and one.liquidation_price is not None
    ]
    if not told:
        return Decimal(1)
    counted = made.distance(made.held)
    counted = RISE_MAX if counted is None else counted
    return min(Decimal(1), max(_TRUST_MIN, min(told) / counted)) if counted else Decimal(1)


def survivable(
    wanted: Wanted | None,
    snapshot: Snapshot,
    executed_ratio: Decimal | None,
    band: Decimal,
    limits: MarginLimits,
) -> tuple[Wanted | None, tuple[Headroom, ...]]:
    """
    The wanted hedge as far as each account carries it, and the headroom of each.

    A hedge grows to what keeps `NEAR` floors at most, in steps of `STEP` of the exposure, and only by
    more than *band*; held below that it is left alone until it is nearer than one floor, and is then
    cut to `NEAR` floors. So a price that wavers trades nothing. A *missing* figure degrades nothing:
    what is held stays, and the gate lets nothing grow.
    """
    if wanted is None:
        names: Iterable[str] = [snapshot.account]
        return None, tuple(_known(name, snapshot, limits) for name in names)
    legs = {leg.symbol: leg for leg in wanted.legs}
    found, labels = [], []
    for account in dict.fromkeys(account_of(s, snapshot.account) for s in (*legs, snapshot.account)):
        world = carrying(snapshot, account, limits)
        mine = [leg for leg in wanted.legs if account_of(leg.symbol, snapshot.account) == account]
        if isinstance(world, str):
            found.append(Headroom(account=account, missing=world))
            continue
        kept, label = _kept(world, mine, wanted.target_ratio, executed_ratio, band)
        legs |= {leg.symbol: leg for leg in kept}
        found.append(_headroom(world, mine, kept, wanted.target_ratio, label))
        labels += [label] if kept != mine else []
    if not labels:
        return wanted, tuple(found)
    chosen = tuple(legs.values())
    return (
        replace(
            wanted,
            target_ratio=min(labels),
            target_notional=sum((leg.target_notional for leg in chosen), ZERO),
            residual_notional=sum((leg.residual_notional for leg in chosen), ZERO),
            legs=chosen,
        ),
        tuple(found),
    )


def _known(account: str, snapshot: Snapshot, limits: MarginLimits) -> Headroom:
    world = carrying(snapshot, account, limits)
    if isinstance(world, str):
        return Headroom(account=account, missing=world)
    return _headroom(world, [], [], None, None)


def _kept(
    world: Carrying,
    mine: list[WantedLeg],
    ratio: Decimal,
    executed_ratio: Decimal | None,
    band: Decimal,
) -> tuple[list[WantedLeg], Decimal]:
    """The legs of one account as far as it carries them, and the ratio that stands for them."""
    target = sum((leg.target_notional for leg in mine), ZERO)
    if not ratio or not target or world.carries(_after(world, mine), NEAR):
        return mine, ratio
    fits, breaks = int((ratio / STEP).to_integral_value(ROUND_CEILING)), 0
    while fits - breaks > 1:  # the smaller hedge always fits where the larger one does
        middle = (fits + breaks) // 2
        carried = world.carries(_after(world, _resized(world, mine, ratio, middle)), NEAR)
        fits, breaks = (middle, breaks) if carried else (fits, middle)
    cap = _stepped(ratio, fits)
    held_ratio = -sum((leg.held_notional for leg in mine), ZERO) / (target / ratio)
    grows = held_ratio <= cap and cap - held_ratio > band
    stays = not grows and held_ratio <= ratio
    if stays and (held_ratio <= cap or world.carries(world.held)):
        return [_as_held(leg) for leg in mine], cap if executed_ratio is None else executed_ratio
    return _resized(world, mine, ratio, fits), cap


def _stepped(ratio: Decimal, steps: int) -> Decimal:
    return max(ZERO, ratio - steps * STEP)


def _resized(world: Carrying, mine: list[WantedLeg], ratio: Decimal, steps: int) -> list[WantedLeg]:
    share = _stepped(ratio, steps) / ratio
    return [wanted_leg(world.snapshot, leg.symbol, leg.target_notional * share) for leg in mine]


def _as_held(leg: WantedLeg) -> WantedLeg:
    return replace(
        leg,
        contracts=leg.held_contracts,
        wanted_notional=leg.held_notional,
        residual_notional=leg.target_notional + leg.held_notional,
    )


def _after(world: Carrying, legs: Iterable[WantedLeg]) -> dict[str, Decimal]:
    """What is held once *legs* are: a leg is never long."""
    return {**world.held, **{leg.symbol: min(leg.contracts, ZERO) for leg in legs}}


def _headroom(
    world: Carrying,
    mine: list[WantedLeg],
    kept: list[WantedLeg],
    ratio: Decimal | None,
    label: Decimal | None,
) -> Headroom:
    held, after, unfit = world.held, _after(world, kept), _after(world, mine)
    cut = kept != mine
    return Headroom(
        account=world.account,
        equity=world.equity,
        ratio_now=_shown(world.ratio(held)),
        distance_now=_shown(world.distance(held)),
        ratio_after=_shown(world.ratio(after)),
        distance_after=_shown(world.distance(after)),
        wanted_ratio=ratio,
        kept_ratio=label if cut else ratio,
        distance_unfit=_shown(world.distance(unfit)) if cut else None,
        ratio_unfit=_shown(world.ratio(unfit)) if cut else None,
        collateral=restores(world, unfit),
        apart=_apart(world),
    )


def restores(world: Carrying, positions: Mapping[str, Decimal]) -> Decimal:
    """The collateral with which *positions* keep `NEAR` floors, to the next cent."""
    lacks = world.lacks(positions, NEAR)
    # A hair more: what is lacking to the last digit would be rounded away from what restores.
    return (lacks + _HAIR).quantize(_CENT, rounding=ROUND_CEILING) if lacks > 0 else ZERO


def _shown(figure: Decimal | None) -> Decimal | None:
    """To six decimals: records of quiet passes shall not differ by what nobody reads."""
    return None if figure is None else figure.quantize(Decimal("1e-6"))


def _apart(world: Carrying) -> str:
    """Tiers that are stated, and the venue's own figures, should agree within a factor of two."""
    tiered = any(world.snapshot.instrument(symbol).tiers for symbol in world.held)
    if tiered and world.scale > 2:
        return f"the venue asks for {world.scale:.1f} times the maintenance margin of its tiers"
    if world.trust < Decimal("0.5"):
        return f"the venue's liquidation price is at {world.trust:.2f} of the distance that is counted"
    return ""


def under_floor(
    snapshot: Snapshot, trades: Mapping[str, Decimal], limits: MarginLimits
) -> dict[str, str]:
    """
    Why each symbol must not grow, after *trades* (signed contracts) on the accounts where any grows.

    The last look at a plan, whatever made it: under the floor, or with a figure that is missing,
    nothing grows; a reduction is never in the way.
    """
    barred: dict[str, str] = {}
    grows = [symbol for symbol, contracts in trades.items() if contracts < 0]
    for account in dict.fromkeys(account_of(symbol, snapshot.account) for symbol in grows):
        world = carrying(snapshot, account, limits)
        why = world if isinstance(world, str) else _broken(world, trades)
        if why:
            mine = [s for s in grows if account_of(s, snapshot.account) == account]
            barred |= dict.fromkeys(mine, why)
    return barred


def _broken(world: Carrying, trades: Mapping[str, Decimal]) -> str:
    first = world.snapshot.account
    mine = {s: c for s, c in trades.items() if account_of(s, first) == world.account}
    after = {s: world.held.get(s, ZERO) + mine.get(s, ZERO) for s in {**world.held, **mine}}
    if world.carries(after):
        return ""
    distance, ratio = world.distance(after), world.ratio(after)
    return f"{world.account} {figures(distance, ratio, world.limits)} after it"


def figures(distance: Decimal | None, ratio: Decimal | None, limits: MarginLimits) -> str:
    """Both figures beside their limits."""
    far = "more than tenfold" if distance is None else f"{distance:.1%}"
    part = "unknown, for there is no equity" if ratio is None else f"{ratio:.1%}"
    return (
        f"would be {far} below liquidation (at least {limits.distance_min:.1%}) with a margin ratio of "
        f"{part} (at most {limits.ratio_max:.1%})"
    )
