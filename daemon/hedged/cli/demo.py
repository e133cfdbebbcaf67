"""
``demo``: the daemon's whole cycle over shipped history, through the real service, told as it goes.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hedged import logs
from hedged.cli.show import console, print_json, table
from hedged.core.account import Attribution
from hedged.core.performance import Performance, perform
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord
from hedged.core.wording import contracts, money, percent
from hedged.errors import SettingsError
from hedged.journal.database import lock_writer
from hedged.service.loop import Service
from hedged.service.ticks import Schedule
from hedged.service.wakes import from_history
from hedged.settings.load import load
from hedged.wiring import JOURNAL_FILE, build

SETTINGS_FILE = "hedged.toml"
LOG_FILE = "hedged.log"
CHART_WIDTH = 66
BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(slots=True)
class Story:
    """What the demo saw: values by day, changes of the hedge, and the last record."""

    spot: list[tuple[datetime, Decimal]] = field(default_factory=list)
    hedged: list[tuple[datetime, Decimal]] = field(default_factory=list)
    ratios: list[tuple[datetime, Decimal]] = field(default_factory=list)
    changes: list[CycleRecord] = field(default_factory=list)
    funding_paid: Decimal = Decimal(0)
    reviews: int = 0
    last: CycleRecord | None = None

    def add(self, record: CycleRecord) -> None:
        self.last = record
        payments = record.inputs.snapshot.funding_payments
        self.funding_paid += sum((p.amount for p in payments if p.amount and p.amount < 0), Decimal(0))
        self.reviews += record.inputs.tick.kind == "review"
        spot = record.thought.exposure.total or Decimal(0)
        at = record.inputs.now
        self.spot.append((at, spot))
        self.hedged.append((at, spot + record.memory.totals.equity_change))
        wanted = record.thought.wanted
        self.ratios.append((at, (wanted.held_ratio if wanted else None) or Decimal(0)))
        if record.outcomes:
            self.changes.append(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The demo in figures; *funding_paid* is the negative part of the funding in *totals*."""

    passes: int
    reviews: int
    changes: int
    unhedged: Performance
    hedged: Performance
    collateral: Decimal
    equity: Decimal
    totals: Attribution
    funding_paid: Decimal
    funding_missed: int
    price_of_protection: Decimal
    settings: str
    journal: str
    head: str


def run_demo(folder: Path, *, json: bool) -> None:
    """Start over in *folder*, run to the end of the shipped history, and sum up."""
    settings_file = _fresh(folder)
    out = Console(quiet=True) if json else console()
    story = Story()
    with (folder / LOG_FILE).open("w") as log_file:
        logs.configure("info", "json", (), log_file)
        summary = asyncio.run(_run(out, settings_file, story))
    if json:
        print_json(summary)
    else:
        _print_summary(out, story, summary)


async def _run(out: Console, settings_file: Path, story: Story) -> Summary:
    settings = load([settings_file], {}).settings
    daemon = build(settings)
    schedule = Schedule(settings.schedule)
    clock = daemon.replay_clock
    assert clock is not None, "the demo walks recorded history"
    _print_opening(out, settings_file)
    bar = Progress(
        TextColumn("[bold]{task.fields[day]}"), BarColumn(None), MofNCompleteColumn(),
        TimeElapsedColumn(), console=out, transient=True, expand=True,
    )  # fmt: skip
    days = (clock.end - clock.start).days + 1
    try:
        with bar:
            task = bar.add_task("", total=days, day=f"{clock.start:%Y-%m-%d}")

            def on_record(record: CycleRecord) -> None:
                story.add(record)
                if record.outcomes:
                    out.print(_change_line(record, daemon.shells[0].policy))
                done = (record.inputs.now - clock.start).days + 1
                bar.update(task, completed=done, day=f"{record.inputs.now:%Y-%m-%d}")

            await Service(daemon, schedule, on_record).run(from_history(schedule, clock))
        return _summary(story, settings_file, daemon.journal.path, daemon.journal.head()[1])
    finally:
        await daemon.close()


def _summary(story: Story, settings_file: Path, journal: Path, head: str) -> Summary:
    last = story.last
    if last is None:
        raise SettingsError("the demo made no pass")
    margin, totals = last.inputs.snapshot.margin, last.memory.totals
    return Summary(
        passes=len(story.spot),
        reviews=story.reviews,
        changes=len(story.changes),
        unhedged=perform(story.spot),
        hedged=perform(story.hedged),
        collateral=margin.equity - totals.equity_change,
        equity=margin.equity,
        totals=totals,
        funding_paid=story.funding_paid,
        funding_missed=last.memory.funding_missed,
        price_of_protection=totals.price_of_protection,
        settings=str(settings_file),
        journal=str(journal),
        head=head,
    )


def _fresh(folder: Path) -> Path:
    """
    Write the demo's settings into *folder*, and remove what an earlier demo left there.

    Raises
    ------
    SettingsError
        When the folder holds anything but an untouched demo.
    JournalBusy
        When a daemon is at work in it.
    """
    settings_file = folder / SETTINGS_FILE
    shipped = (resources.files("hedged") / "demo_data" / "demo.toml").read_text()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            if not settings_file.exists() or settings_file.read_text() != shipped:
                raise SettingsError(f"{folder} holds more than a demo; give --dir another folder")
            _clear(folder)
        settings_file.write_text(shipped)
    except OSError as error:
        raise SettingsError(f"{folder} can't be written: {error.strerror}") from error
    return settings_file


def _clear(folder: Path) -> None:
    """Remove an earlier demo's state, but not under a daemon that is still at work."""
    with lock_writer(folder / JOURNAL_FILE):
        for pattern in (
            "journal.sqlite",
            "journal.sqlite-*",
            "paper-*.sqlite*",
            "history/*/*/*.parquet",
        ):
            for file in folder.glob(pattern):
                file.unlink()


def _print_opening(out: Console, settings_file: Path) -> None:
    out.print(
        "[bold]hedged demo[/]  $1,000,000 in BTC, ETH, LTC, LINK and BCH, from 2021-05-10 to "
        "2022-12-31\n[dim]Paper account over recorded Bybit history; weekly reviews, a daily guard, "
        f"BTC and ETH contracts.\nRules and settings: {settings_file}[/]\n"
    )


def _change_line(record: CycleRecord, policy: Policy) -> str:
    """One change of the hedge: when, from what to what, why, and the orders."""
    wanted, judgement = record.thought.wanted, record.thought.judgement
    held = wanted.held_ratio if wanted else None
    target = wanted.target_ratio if wanted else Decimal(0)
    before = "-" if held is None else percent(held.quantize(Decimal("0.001")))
    why = record.thought.plan.because
    if judgement and judgement.decider:
        condition = next(rule.when for rule in policy.rules if rule.name == judgement.decider)
        why = f"{judgement.decider}: {condition}"
    orders = ", ".join(
        f"{'sold' if o.side == 'sell' else 'bought'} {contracts(o.filled)} {o.symbol.partition('/')[0]}"
        f"{'' if o.status == 'filled' else f' ({o.status})'}"
        for o in record.outcomes
    )
    arrow = "[red]▲[/]" if held is None or target > held else "[green]▼[/]"
    moved = f"{arrow} [bold]{before:>6} → {percent(target):<4}[/]"
    return f"{record.inputs.now:%Y-%m-%d}  {moved} {escape(why)}\n{'':28}[dim]{orders}[/]"


def _print_summary(out: Console, story: Story, summary: Summary) -> None:
    hedged, unhedged = summary.hedged, summary.unhedged
    made = table("", ">unhedged", ">hedged", title="\nThe portfolio, in USDT")
    made.add_row("first value", money(unhedged.first), money(hedged.first))
    made.add_row("last value", money(unhedged.last), f"[bold]{money(hedged.last)}[/]")
    made.add_row("change", percent(unhedged.change), f"[bold]{percent(hedged.change)}[/]")
    made.add_row("deepest drawdown", percent(unhedged.drawdown), f"[bold]{percent(hedged.drawdown)}[/]")
    made.add_row(
        "volatility a year", percent(unhedged.volatility), f"[bold]{percent(hedged.volatility)}[/]"
    )
    out.print(made)
    top = max(value for _, value in [*story.spot, *story.hedged])
    for name, series, scale in (
        ("unhedged", story.spot, top),
        ("hedged", story.hedged, top),
        ("hedge", story.ratios, Decimal(1)),
    ):
        out.print(f" {name:<9} {_bars(series, scale)}", soft_wrap=True)
    first, last = story.spot[0][0], story.spot[-1][0]
    out.print(f" [dim]{'':9} {first:%Y-%m}{'':{CHART_WIDTH - 14}}{last:%Y-%m}[/]")
    _print_identity(out, summary)
    _print_next(out, summary)


def _bars(series: list[tuple[datetime, Decimal]], top: Decimal) -> str:
    """A line of block characters, each the mean of its share of *series*, from 0 to *top*."""
    cells = []
    for column in range(CHART_WIDTH):
        start = column * len(series) // CHART_WIDTH
        part = [v for _, v in series[start : max(start + 1, (column + 1) * len(series) // CHART_WIDTH)]]
        level = sum(part, Decimal(0)) / len(part) / top * (len(BLOCKS) - 1)
        cells.append(BLOCKS[max(0, min(len(BLOCKS) - 1, round(level)))])
    return "".join(cells)


def _print_next(out: Console, summary: Summary) -> None:
    out.print(
        f"\n{summary.passes} passes, {summary.reviews} weekly reviews, {summary.changes} changes of "
        f"the hedge.\nJournal: {summary.journal}\n[dim]head {summary.head}[/]\n\n[bold]Next:[/]"
    )
    hedged, option = _typed(), f"-c {summary.settings}"
    lines = (
        (f"{hedged} explain {option}", "why the last review decided what it did"),
        (f"{hedged} status {option}", "where the hedge stands"),
        (f"{hedged} journal verify {option}", "nothing was altered"),
        (f"{hedged} journal replay {option}", "every decision again, byte for byte"),
        (f"{hedged} rules metrics", "what a rule may name"),
    )
    width = max(len(command) for command, _ in lines)
    for command, what in lines:
        out.print(f"  {command:<{width}}  [dim]{what}[/]", soft_wrap=True)


def _typed() -> str:
    """How this program is called from here: by its name, if the shell finds it by that."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{sys.executable} -m hedged"
    found = shutil.which(called.name)
    if found is not None and Path(found).resolve() == called.resolve():
        return called.name
    try:
        return str(called.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(called)


def _print_identity(out: Console, summary: Summary) -> None:
    totals = summary.totals
    made = table("", ">USDT", title="\nThe futures account, to the cent")
    made.add_row("collateral at the start", money(summary.collateral))
    for name, term in (
        ("hedge P&L", totals.hedge_pnl),
        ("basis P&L (no index was recorded: 0)", totals.basis_pnl),
        ("funding received", totals.funding),
        ("  of which paid, at negative rates", summary.funding_paid),
        ("fees", -totals.fees),
        ("slippage", -totals.slippage),
        ("unexplained", totals.unexplained),
    ):
        made.add_row(name, money(term))
    made.add_row("[bold]equity at the end[/]", f"[bold]{money(summary.equity)}[/]")
    made.add_section()
    paid = " (negative: it paid)" if summary.price_of_protection < 0 else ""
    made.add_row(f"price of protection{paid}", money(summary.price_of_protection))
    made.add_row("what the hedge returned", money(totals.equity_change))
    if summary.funding_missed:
        made.add_row("funding stamps that were not recorded", str(summary.funding_missed))
    out.print(made)
