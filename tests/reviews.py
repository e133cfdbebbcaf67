"""Reviews by the article's matrix, each on nothing but what was known at its instant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path

import polars as pl

from builders import BTC
from hedged.core.metrics import History, MetricRow, measure, row_at
from hedged.core.metrics.history import SCHEMAS
from hedged.core.policy import Policy
from hedged.core.rules import evaluate, parse
from hedged.core.target import Judgement, decide, first_memory
from hedged.history.store import HistoryStore
from hedged.service.ticks import Schedule
from hedged.settings.load import load
from hedged.settings.model import Settings
from hedged.settings.policies import policy_of

CONFIG = Path(__file__).parent.parent / "config"
DATA = Path(__file__).parent / "data"
DAY = timedelta(days=1)


@cache
def bitcoin() -> History:
    """
    Bitcoin's perpetual on Bybit, 2020-11-15 to 2024-12-31: what is shipped, and tests/data after it.

    Funding is known from 2021 to 2023, open interest to the end of 2022.
    """
    shipped = Path(str(resources.files("hedged") / "demo_data" / "history"))
    store, more = HistoryStore(shipped, read_only=True), HistoryStore(DATA / "bybit", read_only=True)
    for series in SCHEMAS:
        assert store.append(BTC, series, "1d", more.read(BTC, series, "1d")) == ()
    return store.history(BTC, "1d")


@cache
def binance_funding() -> pl.DataFrame:
    """What Bitcoin's perpetual on Binance settled, 2019-09-10 to 2023-12-31."""
    return HistoryStore(DATA / "binance", read_only=True).read(BTC, "funding", "1d")


@cache
def article() -> Settings:
    """The shipped settings of a dry run, weekly and with the article's matrix."""
    return load([CONFIG / "replay.toml", CONFIG / "article-matrix.toml"], {}).settings


def article_policy() -> Policy:
    return policy_of(article(), article().portfolio[0])


@dataclass(frozen=True)
class Review:
    """What one review was judged on, and what it decided."""

    at: datetime
    row: MetricRow
    judgement: Judgement


def reviewed(h: History, policy: Policy, first: datetime, last: datetime) -> list[Review]:
    """Every weekly review from *first* to *last*, one after the other, as the cycle makes them."""
    names = {name for rule in policy.rules for name in parse(rule.when).names}
    memory, found = first_memory(None, policy.ratio), []
    for at in weekly(first, last):
        row = row_at(measure(known_by(h, at), names, policy.signal, at), policy.signal.symbol)
        verdicts = evaluate(policy.rules, row)
        judgement, memory = decide(policy.rules, verdicts, memory, policy.ratio, at)
        assert judgement is not None, "the settings say where to start"
        found.append(Review(at, row, judgement))
    return found


def weekly(first: datetime, last: datetime) -> list[datetime]:
    """The instants of the settings' weekly review."""
    schedule, found = Schedule(article().schedule), []
    at = schedule.review.get_next_fire_time(None, first)
    while at <= last:
        found.append(at)
        at = schedule.review.get_next_fire_time(at, at + timedelta(microseconds=1))
    return found


def known_by(h: History, at: datetime) -> History:
    """*h* without whatever closed or settled after *at*."""
    return replace(
        h,
        bars=h.bars.filter(pl.col("open_time") + DAY <= at),
        funding=h.funding.filter(pl.col("at") <= at),
        open_interest=h.open_interest.filter(pl.col("at") <= at),
    )
