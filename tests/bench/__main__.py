"""
Speed, as ratios against a reference in the same run: ``make bench``.

Every figure is a median over several rounds in which the two sides take turns, because machines
drift. Nothing here fails; the last figures and their limits stand in tests/README.md.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import bare as reference
import polars as pl
import structlog
from rich.console import Console
from rich.table import Table

from builders import BTC, MONDAY, funding, holding, metric_row, policy, quote, rule, signal, snapshot
from fakes import FakeClock, FakeVenue
from hedged import cycle
from hedged.core.exposure import expose
from hedged.core.guard import drift
from hedged.core.lint import lint
from hedged.core.metrics import History, Metric, find, measure, row_at
from hedged.core.metrics.columns import Columns, T
from hedged.core.metrics.history import SCHEMAS, grid
from hedged.core.plan import make_plan
from hedged.core.record import Tick
from hedged.core.rehearsal import rehearse
from hedged.core.rules import evaluate, parse
from hedged.core.sizing import size
from hedged.core.target import decide, first_memory
from hedged.history.keeper import Keeper, Measured
from hedged.history.store import HistoryStore
from hedged.journal.store import Journal

RULES = (
    rule("high risk", "close < sma_200 and funding_rate < 0", raise_to="0.75"),
    rule("moderate risk", "close < sma_50", raise_to="0.30"),
    rule("bullish confirmation", "close > ath and volume_ratio_20 > 1.5", set_to="0"),
    rule("mild caution", "close > 0.98 * high_50 and close <= high_50", lower_by="0.10"),
)
POLICY = policy(rules=RULES)


def walk(bars: int) -> History:
    """A seeded random walk of hourly bars with 8-hourly funding."""
    noise = random.Random(7)
    close = 100 * pl.Series([noise.gauss(0, 0.01) for _ in range(bars)]).cum_sum().exp()
    start = MONDAY - timedelta(hours=bars)
    times = pl.datetime_range(
        start, MONDAY - timedelta(hours=1), "1h", time_unit="us", time_zone="UTC", eager=True
    )
    frame = pl.DataFrame(
        {
            "open_time": times,
            "open": close,
            "high": close * 1.005,
            "low": close * 0.995,
            "close": close,
            "volume": [noise.uniform(1, 10) for _ in range(bars)],
            "index_close": pl.Series([None] * bars, dtype=pl.Float64),
        }
    )
    rates = funding([noise.gauss(0, 1e-4) for _ in range(bars // 8)], start=start)
    return History(
        symbol=BTC,
        bar="1h",
        bars=frame,
        funding=rates,
        funding_next=pl.DataFrame(schema=SCHEMAS["funding_next"]),
        open_interest=pl.DataFrame(schema=SCHEMAS["open_interest"]),
    )


def decided(history: History) -> None:
    """What one review computes, from kept history to a plan."""
    names = {name for r in RULES for name in parse(r.when).names}
    hourly = signal(bar="1h")
    row = row_at(measure(history, names, hourly, MONDAY), BTC)
    seen = snapshot()
    exposure = expose(seen, POLICY.exposure)
    memory = first_memory(Decimal("0.2"), POLICY.ratio)
    _, after = decide(RULES, evaluate(RULES, row), memory, POLICY.ratio, MONDAY)
    wanted = size(after, exposure, seen, POLICY.legs)
    make_plan(seen, wanted, drift(wanted, None, POLICY.band), Decimal(50))


def bare(history: History) -> None:
    """The same columns, computed straight on the arrays: nothing checked, joined or decided."""
    close, high, volume = (history.bars[name] for name in ("close", "high", "volume"))
    close.rolling_mean(50)
    close.rolling_mean(200)
    high.cum_max().shift(1)
    high.rolling_max(50).shift(1)
    volume / volume.rolling_mean(20).shift(1)
    history.bars.select("open_time").join_asof(
        history.funding, left_on="open_time", right_on="at", strategy="backward"
    )


def alternate(
    a: Callable[[], object], b: Callable[[], object], rounds: int
) -> tuple[float, float, float]:
    """Median seconds of *a*, of *b*, and the median of their ratios round by round."""
    a(), b()
    pairs = [(seconds(a), seconds(b)) for _ in range(rounds)]
    ratios = [x / y for x, y in pairs]
    return (
        statistics.median(x for x, _ in pairs),
        statistics.median(y for _, y in pairs),
        statistics.median(ratios),
    )


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def reviews(portfolios: int, rounds: int) -> list[float]:
    """Seconds of each whole review with its journal row on disk, *rounds* for each portfolio."""
    taken: list[float] = []

    async def work(folder: Path) -> None:
        clock = FakeClock()
        journal = Journal.open_for(folder / "journal.sqlite", "paper", ("paper",), clock)
        shells = [shell(f"p{i}", journal, clock, folder) for i in range(portfolios)]
        for round_ in range(rounds):
            at = MONDAY + timedelta(days=7 * round_)
            for one in shells:
                started = time.perf_counter()
                await cycle.run(Tick(kind="review", cadence="weekly", scheduled_at=at), one)
                taken.append(time.perf_counter() - started)
        journal.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(work(Path(folder)))
    return taken


class StillKeeper(Keeper):
    """Measures nothing: the bench of the journal leaves metrics to the bench of the core."""

    async def measured(self, policy: object, until: object, holdings: object = ()) -> Measured:
        row = metric_row(ath=90.0, sma_50=101.0, sma_200=99.0, funding_rate=1e-4, high_50=120.0,
                         volume_ratio_20=1.0)  # fmt: skip
        return Measured(row=row, betas=None)


def shell(name: str, journal: Journal, clock: FakeClock, folder: Path) -> cycle.Shell:
    venue = FakeVenue(
        [snapshot(holdings=(holding("BTC", 10),), quotes=(quote(at=clock()),), at=clock())]
    )
    keeper = StillKeeper(venue, HistoryStore(folder / name, read_only=True))
    one = policy(portfolio=name, rules=RULES, ratio=POLICY.ratio)
    return cycle.Shell(
        mode="paper", policy=one, venue=venue, journal=journal, keeper=keeper, clock=clock
    )


def command(*arguments: str) -> Callable[[], None]:
    return lambda: subprocess.run(arguments, check=True, capture_output=True) and None


class TimedColumns(Columns):
    """Keeps the seconds that each thing took, without those of what it is made of."""

    def __init__(self, rows: pl.DataFrame) -> None:
        super().__init__(rows)
        self.taken: dict[str, float] = {}
        self._inside = 0.0

    def once(self, key: object, make: Callable[[], T]) -> T:
        return super().once(key, lambda: self.timed(f"shared: {key}", make))

    def timed(self, name: str, make: Callable[[], T]) -> T:
        outside, self._inside = self._inside, 0.0
        started = time.perf_counter()
        made = make()
        whole = time.perf_counter() - started
        self.taken[name] = whole - self._inside
        self._inside = outside + whole
        return made


def one_metric(metric: Metric, columns: Columns) -> None:
    columns.rows.select(metric.expression(columns, reference.SIGNAL))


def slowest(history: History, names: list[str], rounds: int) -> list[tuple[str, float]]:
    """Metrics, and what several share, by the least seconds of *rounds*, the slowest first."""
    rows, found = grid(history, MONDAY), []
    for _ in range(rounds):
        columns = TimedColumns(rows)
        for name in names:
            metric = find(name)
            assert metric is not None, name
            columns.timed(name, partial(one_metric, metric, columns))
        found.append(columns.taken)
    least = {name: min(taken[name] for taken in found) for name in found[0]}
    return sorted(least.items(), key=lambda item: -item[1])


def vocabulary(table: Table) -> None:
    """The whole vocabulary, and the part of it that has bare calls, in turns with these."""
    names = reference.names()
    few, many = (reference.market(bars) for bars in (100_000, 500_000))
    for history, rounds in ((few, 9), (many, 5)):
        reference.agree(history)
        like = [name for name in names if name in reference.bare(history)]
        for what, these in (
            ("metrics that have bare calls", like),
            ("metrics, the whole vocabulary", names),
        ):
            ours, theirs, ratio = alternate(whole(history, these), plain(history), rounds)
            table.add_row(
                f"{len(these)} {what}, {history.bars.height:,} bars",
                f"{ours * 1e3:.0f} ms",
                f"TA-Lib and NumPy, {len(like)}: {theirs * 1e3:.0f} ms",
                f"{ratio:.2f}",
                "reported",
            )
    _, _, ours = alternate(whole(many, names), whole(few, names), 5)
    _, _, theirs = alternate(plain(many), plain(few), 5)
    table.add_row(
        "the whole vocabulary, 5 times the bars",
        f"{ours:.1f} times", f"bare {theirs:.1f} times", f"{ours / theirs:.2f}", "near 1",
    )  # fmt: skip


def whole(history: History, names: list[str]) -> Callable[[], object]:
    return lambda: measure(history, names, reference.SIGNAL, MONDAY)


def plain(history: History) -> Callable[[], object]:
    return lambda: reference.bare(history)


def linted(reviews: int) -> Callable[[], object]:
    """A rehearsal of so many hourly reviews, and its lint."""
    names = {name for r in RULES for name in parse(r.when).names}
    measured = measure(walk(reviews), names, signal(bar="1h"), MONDAY)
    ticks = measured["close_time"].to_list()
    return lambda: lint(rehearse(RULES, measured, "1h", ticks, POLICY.ratio))


def main() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    table = Table("what", "measured", "reference", "ratio", "limit")
    for bars, limit in ((1_500, "reported"), (100_000, "at most 5")):
        history = walk(bars)
        ours, theirs, ratio = alternate(lambda h=history: decided(h), lambda h=history: bare(h), 15)
        table.add_row(
            f"measure to plan, {bars:,} bars",
            f"{ours * 1e3:.2f} ms",
            f"bare columns {theirs * 1e3:.2f} ms",
            f"{ratio:.2f}",
            limit,
        )
    vocabulary(table)
    ours, theirs, ratio = alternate(linted(100_000), linted(10_000), 3)
    table.add_row(
        "rules lint, 100,000 reviews", f"{ours:.2f} s", f"10,000 reviews {theirs:.2f} s",
        f"{ratio:.1f}", "near 10",
    )  # fmt: skip
    ours, theirs, ratio = alternate(
        command(sys.executable, "-m", "hedged", "--help"),
        command(sys.executable, "-c", "import typer"),
        7,
    )
    table.add_row(
        "hedged --help", f"{ours:.2f} s", f"import typer {theirs:.2f} s", f"{ratio:.2f}", "at most 3"
    )
    one, many = reviews(1, 200), reviews(100, 4)
    cuts = statistics.quantiles(one, n=100)
    table.add_row(
        "a review with its journal row, 1 portfolio",
        f"p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms", "", "", "reported",
    )  # fmt: skip
    table.add_row(
        "the same, 100 portfolios, a review",
        f"p50 {statistics.median(many) * 1e3:.2f} ms",
        f"1 portfolio {statistics.median(one) * 1e3:.2f} ms",
        f"{statistics.median(many) / statistics.median(one):.2f}",
        "near 1",
    )
    Console().print(table)
    slow = Table("slowest of the vocabulary at 100,000 bars, without what it shares")
    slow.add_column("ms", justify="right")
    for name, taken in slowest(reference.market(100_000), reference.names(), 7)[:10]:
        slow.add_row(name, f"{taken * 1e3:.1f}")
    Console().print(slow)


if __name__ == "__main__":
    main()
