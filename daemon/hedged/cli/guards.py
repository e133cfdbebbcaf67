"""
What the guards found, the margin of each account, and what each position risks and earns, for
`explain` and `status`.
"""

from __future__ import annotations

from decimal import Decimal

from rich.console import Console
from rich.markup import escape

from hedged.core.carry import Carry
from hedged.core.headroom import Headroom
from hedged.core.liquidation import Liquidation
from hedged.core.watch import Alarm
from hedged.core.wording import contracts, money, percent

_COLOURS = {"tell": "yellow", "no increase": "bold yellow", "hold": "bold red"}


def guards(out: Console, headrooms: tuple[Headroom, ...], alarms: tuple[Alarm, ...]) -> None:
    """A line an account, a line an alarm."""
    for one in headrooms:
        out.print(f"[dim]{escape(headroom_line(one))}[/]")
    for alarm in alarms:
        out.print(alarm_line(alarm))


def alarm_line(alarm: Alarm) -> str:
    """An alarm, with what it means for the plan."""
    does = "" if alarm.level == "tell" else f" ({alarm.level})"
    return f"[{_COLOURS[alarm.level]}]{alarm.guard}{does}:[/] {escape(alarm.text)}"


def headroom_line(one: Headroom) -> str:
    """Margin ratio and rise to liquidation, now and with the wanted hedge."""
    if one.missing or one.equity is None:
        return f"Margin of {one.missing or one.account}"
    now, after = _pair(one.distance_now, one.ratio_now), _pair(one.distance_after, one.ratio_after)
    return f"Margin of {one.account}: equity {money(one.equity)}, {now}; with the wanted hedge {after}"


def _pair(distance: Decimal | None, ratio: Decimal | None) -> str:
    far = (
        "no rise of less than tenfold liquidates"
        if distance is None
        else (f"a rise of {percent(distance)} liquidates")
    )
    return f"{far}, maintenance {'-' if ratio is None else percent(ratio)} of it"


def liquidation_line(one: Liquidation) -> str:
    """The liquidation price of one position, whose figure it is, and how far its mark is from it."""
    short = "short" if one.contracts < 0 else "long"
    head = f"Liquidation of {one.symbol}, {short} {contracts(abs(one.contracts))}"
    if one.liquidation_price is None:
        known = "not" if one.because.startswith("no rise") else "unknown"
        return f"{head}: {known}, {one.because}"
    if one.distance is None:
        return f"{head}: at {one.liquidation_price:,} by the venue, distance unknown: {one.because}"
    away = "above" if one.contracts < 0 else "below"
    whose = "by the venue" if one.told_by == "venue" else "counted here, all shorts rising together"
    return f"{head}: at {one.liquidation_price:,}, {percent(one.distance)} {away} the mark, {whose}"


def carry_line(one: Carry) -> str:
    """What one position receives or pays in a year, as a share and in money, as it stands."""
    short = "short" if one.contracts < 0 else "long"
    head = f"Carry of {one.symbol}, {short} {contracts(abs(one.contracts))}"
    if one.rate_annualized is None or one.amount_annualized is None:
        return f"{head}: unknown, {one.because}"
    does = "receives" if one.rate_annualized >= 0 else "pays"
    return (
        f"{head}: {does} {percent(abs(one.rate_annualized))} a year, "
        f"{money(abs(one.amount_annualized))} {one.quote}, by its {one.told_by}"
    )
