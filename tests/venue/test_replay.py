"""Recorded history, walked: nothing is shown before it was known."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, bars, d, funding, funding_next, open_interest
from hedged.core.metrics import Series
from hedged.errors import VenueUnavailable
from hedged.history.rows import time_column
from hedged.history.store import HistoryStore
from hedged.venue.protocol import SettledFunding
from hedged.venue.replay import ReplayClock, ReplayMarket

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MOMENT = timedelta(microseconds=1)
FRAMES: dict[Series, pl.DataFrame] = {
    "bars": bars([100, 110, None, 130, 140, 150, None, None, 180, 190]),
    "funding": funding([i / 10_000 for i in range(1, 31)]).filter(
        ~pl.col("at").is_in([MONDAY + 32 * HOUR, MONDAY + 40 * HOUR])
    ),
    "funding_next": funding_next([i / 10_000 for i in range(200)]),
    "open_interest": open_interest([float(i) for i in range(1, 11)]),
}


def market(frames: dict[Series, pl.DataFrame] | None = None) -> ReplayMarket:
    """A market of what *frames* hold, in memory."""
    store = HistoryStore(Path("nowhere"), read_only=True)
    for series, frame in (frames or FRAMES).items():
        assert store.append(BTC, series, "1d", frame) == ()
    return ReplayMarket(store, "1d")


def due(at: datetime, rate: str | None) -> SettledFunding:
    return SettledFunding(at=at, funding_rate=None if rate is None else d(rate))


WHOLE = market()


# The clock.


def test_the_clock_stands_still_until_it_is_set_and_never_goes_back() -> None:
    clock = ReplayClock(MONDAY, MONDAY + DAY)
    clock.set(MONDAY + HOUR)
    clock.set(MONDAY)

    assert clock() == MONDAY + HOUR


# Quotes and bars.


def test_a_bar_is_known_from_its_close_on() -> None:
    shown = market()

    assert shown.quote(BTC, MONDAY + DAY - MOMENT) is None
    quote = shown.quote(BTC, MONDAY + DAY)
    assert quote is not None
    assert (quote.at, quote.mark_price) == (MONDAY + DAY, 100)
    assert quote.index_price is None
    assert quote.bid_price is None


def test_a_last_close_older_than_two_bars_is_no_price() -> None:
    shown = market()
    last = MONDAY + 6 * DAY  # the bar of day 5; 6 and 7 are missing

    assert shown.quote(BTC, last + 2 * DAY) is not None
    assert shown.quote(BTC, last + 2 * DAY + MOMENT) is None
    assert shown.close_at(BTC, last + 2 * DAY + MOMENT) == 150
    assert shown.quote(ETH, last) is None


def test_the_index_is_quoted_where_it_is_recorded() -> None:
    indexed = FRAMES["bars"].with_columns(index_close=pl.col("close") - 1)
    quote = market({"bars": indexed}).quote(BTC, MONDAY + DAY)

    assert quote is not None
    assert quote.index_price == 99


def test_closed_bars_are_those_after_the_one_instant_up_to_the_other() -> None:
    shown = market()
    found = shown.closed_bars(BTC, MONDAY + DAY, MONDAY + 4 * DAY)

    assert [(bar.close_time, bar.close) for bar in found] == [
        (MONDAY + 2 * DAY, 110),
        (MONDAY + 4 * DAY, 130),
    ]
    assert found[0].high == Decimal(str(110 * 1.01))
    assert shown.closed_bars(BTC, MONDAY + 4 * DAY, MONDAY + 4 * DAY) == []


def test_an_order_meets_the_open_of_the_bar_in_progress() -> None:
    opens = FRAMES["bars"].with_columns(
        open=pl.col("close") - 0.5, volume=pl.col("close") * 10, index_close=pl.col("close") - 2
    )
    shown = market({"bars": opens})
    trading = shown.trading(BTC, MONDAY + DAY + 5 * HOUR)

    assert trading is not None
    assert (trading.mark_price, trading.volume, trading.index_price) == (d("109.5"), 1100, 98)
    assert shown.trading(BTC, MONDAY + DAY) == trading
    assert shown.trading(BTC, MONDAY) is not None


def test_nothing_trades_in_a_gap_or_past_the_end() -> None:
    shown = market()

    assert shown.trading(BTC, MONDAY + 2 * DAY) is None
    assert shown.trading(BTC, MONDAY + 3 * DAY - MOMENT) is None
    assert shown.trading(BTC, MONDAY + 3 * DAY) is not None
    assert shown.trading(BTC, MONDAY + 10 * DAY) is None
    assert shown.trading(BTC, MONDAY - MOMENT) is None


# Funding.


def test_stamps_that_are_due_and_not_recorded_are_told_without_a_rate() -> None:
    found = market().funding(BTC, MONDAY + 16 * HOUR, MONDAY + 56 * HOUR)

    assert found == [
        due(MONDAY + 24 * HOUR, "0.0004"),
        due(MONDAY + 32 * HOUR, None),
        due(MONDAY + 40 * HOUR, None),
        due(MONDAY + 48 * HOUR, "0.0007"),
        due(MONDAY + 56 * HOUR, "0.0008"),
    ]


def test_stamps_after_the_last_recorded_one_are_missing_too() -> None:
    end = MONDAY + 29 * 8 * HOUR

    assert market().funding(BTC, end, end + 16 * HOUR) == [
        due(end + 8 * HOUR, None),
        due(end + 16 * HOUR, None),
    ]


def test_nothing_was_due_before_the_first_stamp_or_without_any() -> None:
    shown = market()

    assert shown.funding(BTC, MONDAY - 5 * DAY, MONDAY - MOMENT) == []
    assert shown.funding(BTC, MONDAY - 5 * DAY, MONDAY) == [due(MONDAY, "0.0001")]
    assert shown.funding(ETH, MONDAY, MONDAY + DAY) == []


def test_the_interval_of_the_earlier_stamp_says_what_was_due() -> None:
    hourly = funding([0.0001, 0.0002], start=MONDAY, hours=1)
    later = funding([0.0003], start=MONDAY + 4 * HOUR, hours=1)
    found = market({"funding": pl.concat([hourly, later])}).funding(BTC, MONDAY, MONDAY + 4 * HOUR)

    assert [settled.funding_rate is None for settled in found] == [False, True, True, False]


HOURS = st.integers(-10, 260).map(lambda hour: MONDAY + hour * HOUR)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(HOURS, min_size=1, max_size=6))
def test_funding_in_parts_is_funding_as_a_whole(cuts: list[datetime]) -> None:
    shown = WHOLE
    stops = sorted({MONDAY - 20 * HOUR, *cuts, MONDAY + 270 * HOUR})
    parts = [
        settled for after, until in pairwise(stops) for settled in shown.funding(BTC, after, until)
    ]

    assert parts == shown.funding(BTC, stops[0], stops[-1])


# Nothing from the future.


def _known(frame: pl.DataFrame, series: Series, now: datetime) -> pl.DataFrame:
    """What was recorded by *now*."""
    later = DAY if series == "bars" else timedelta(0)
    return frame.filter(pl.col(time_column(series)) + later <= now)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(HOURS, st.integers(0, 72))
async def test_nothing_shown_now_changes_when_later_rows_are_removed(now: datetime, back: int) -> None:
    whole = WHOLE
    until_now = market({series: _known(frame, series, now) for series, frame in FRAMES.items()})
    after = now - back * HOUR

    assert until_now.quote(BTC, now) == whole.quote(BTC, now)
    assert until_now.close_at(BTC, now) == whole.close_at(BTC, now)
    assert until_now.closed_bars(BTC, after, now) == whole.closed_bars(BTC, after, now)
    assert until_now.funding(BTC, after, now) == whole.funding(BTC, after, now)
    for series in FRAMES:
        for since in (None, after):
            ours = await until_now.series(BTC, series, "1d", since, now)
            assert ours.equals(await whole.series(BTC, series, "1d", since, now))


async def test_a_series_is_told_from_after_to_until() -> None:
    shown = market()
    found = await shown.series(BTC, "bars", "1d", MONDAY, MONDAY + 4 * DAY)
    rates = await shown.series(BTC, "funding", "1d", MONDAY, MONDAY + 8 * HOUR)

    assert found["open_time"].to_list() == [MONDAY + DAY, MONDAY + 3 * DAY]
    assert rates["at"].to_list() == [MONDAY + 8 * HOUR]


async def test_bars_of_another_length_are_unavailable() -> None:
    with pytest.raises(VenueUnavailable, match="only 1d bars"):
        await market().series(BTC, "bars", "4h", None, MONDAY)


def test_what_is_recorded_is_known_by_column() -> None:
    shown = market()

    assert shown.records(BTC, "close")
    assert shown.records(BTC, "funding_rate")
    assert shown.records(BTC, "funding_rate_next")
    assert not market({"bars": bars([100])}).records(BTC, "funding_rate_next")
    assert not shown.records(BTC, "index_close")
    assert not shown.records(ETH, "close")


async def test_a_live_folder_is_read_anew_at_every_pass_and_a_recorded_one_is_not(
    tmp_path: Path,
) -> None:
    writer = HistoryStore(tmp_path, read_only=False)
    writer.append(BTC, "bars", "1d", bars([100]))
    live, recorded = (
        ReplayMarket(HistoryStore(tmp_path, read_only=True), "1d", reload=reload)
        for reload in (True, False)
    )
    now = MONDAY + 2 * DAY
    before = [shown.close_at(BTC, now) for shown in (live, recorded)]
    writer.append(BTC, "bars", "1d", bars([110], start=MONDAY + DAY))
    during = live.close_at(BTC, now)
    for shown in (live, recorded):
        await shown.refresh([BTC], now, None)

    assert before == [100, 100]
    assert during == 100
    assert [shown.close_at(BTC, now) for shown in (live, recorded)] == [110, 100]


def test_what_settled_just_now_is_known_after_the_lag() -> None:
    store = HistoryStore(Path("nowhere"), read_only=True)

    assert ReplayMarket(store, "1d").known_until(MONDAY) == MONDAY
    assert ReplayMarket(store, "1d", lag=HOUR).known_until(MONDAY) == MONDAY - HOUR
