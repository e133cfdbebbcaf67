"""What is kept after a download, whatever was kept before, and wherever one broke off."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, MONDAY, bars, funding, open_interest
from hedged.core.metrics import Series
from hedged.core.metrics.history import SCHEMAS
from hedged.errors import VenueUnavailable
from hedged.history.download import BARS_AT_ONCE, SERIES, Download, Fetched, Gap
from hedged.history.rows import time_column
from hedged.history.store import HistoryStore

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Past:
    """A source that serves what it is given, and notes what it was asked for."""

    def __init__(self, **frames: pl.DataFrame) -> None:
        self.frames = frames
        self.asked: list[tuple[datetime, datetime]] = []
        self.breaks_at: int | None = None

    async def series(
        self, symbol: str, series: Series, bar: str, after: datetime | None, until: datetime
    ) -> pl.DataFrame:
        assert after is not None
        if self.breaks_at == len(self.asked):
            raise VenueUnavailable("gone")
        self.asked.append((after, until))
        frame = self.frames.get(series, pl.DataFrame(schema=SCHEMAS[series]))
        stamp = pl.col(time_column(series))
        known = stamp + (DAY if series == "bars" else timedelta())
        return frame.filter((stamp > after) & (known <= until))


def download(past: Past, root: Path, since: datetime, until: datetime, bar: str = "1d") -> Download:
    return Download(past, HistoryStore(root, read_only=False), bar, since, until)


async def fetched(download: Download, series: Series = "bars") -> Fetched:
    return await download.fetch(BTC, series, lambda length, new: None)


async def test_a_bar_that_has_not_closed_and_one_before_since_are_not_kept(tmp_path: Path) -> None:
    past = Past(bars=bars([float(i) for i in range(1, 11)]))
    found = await fetched(download(past, tmp_path, MONDAY + 2 * DAY, MONDAY + 5 * DAY + 3 * HOUR))

    assert (found.rows, found.new) == (3, 3)
    assert (found.first, found.last) == (MONDAY + 2 * DAY, MONDAY + 4 * DAY)
    assert found.none_before is None
    assert found.gaps == ()


async def test_holes_are_told_by_span(tmp_path: Path) -> None:
    past = Past(bars=bars([1.0, None, 3.0, None, None, None, 7.0]))
    found = await fetched(download(past, tmp_path, MONDAY, MONDAY + 7 * DAY))

    assert found.gaps == (
        Gap(first=MONDAY + DAY, last=MONDAY + DAY, missing=1),
        Gap(first=MONDAY + 3 * DAY, last=MONDAY + 5 * DAY, missing=3),
    )
    assert found.missing == 4


async def test_holes_of_funding_go_by_each_rate_s_own_interval(tmp_path: Path) -> None:
    changed = pl.concat([funding([0.1] * 6), funding([0.1] * 6, MONDAY + 40 * HOUR + 4 * HOUR, 4)])
    whole = Past(funding=changed)
    assert (
        await fetched(download(whole, tmp_path / "a", MONDAY, MONDAY + 64 * HOUR), "funding")
    ).gaps == ()
    holed = Past(funding=changed.filter(pl.col("at") != MONDAY + 16 * HOUR))
    found = await fetched(download(holed, tmp_path / "b", MONDAY, MONDAY + 64 * HOUR), "funding")

    assert found.gaps == (Gap(first=MONDAY + 16 * HOUR, last=MONDAY + 16 * HOUR, missing=1),)


@pytest.mark.parametrize(
    ("series", "until", "missing"),
    [
        ("bars", 5 * DAY, 0),
        ("bars", 6 * DAY - HOUR, 0),
        ("bars", 8 * DAY, 3),
        ("funding", 5 * DAY + 3 * HOUR, 0),
        ("funding", 5 * DAY + 4 * HOUR, 1),
        ("funding", 6 * DAY, 4),
    ],
)
async def test_what_lacks_at_the_end_is_told_too(
    tmp_path: Path, series: Series, until: timedelta, missing: int
) -> None:
    past = Past(bars=bars([1.0] * 5), funding=funding([0.1] * 15))
    found = await fetched(download(past, tmp_path, MONDAY, MONDAY + until), series)

    assert found.missing == missing
    assert [gap.first for gap in found.gaps] == (
        [found.last + (DAY if series == "bars" else 8 * HOUR)] if missing else []
    )  # type: ignore[operator]


async def test_what_the_source_has_no_more_is_told(tmp_path: Path) -> None:
    past = Past(open_interest=open_interest([1.0] * 5, MONDAY + 10 * DAY))
    found = await fetched(download(past, tmp_path, MONDAY, MONDAY + 15 * DAY), "open_interest")

    assert found.none_before == MONDAY + 10 * DAY
    assert found.rows == 5


async def test_what_is_kept_is_not_asked_for_again(tmp_path: Path) -> None:
    past = Past(bars=bars([float(i) for i in range(1, 21)]))
    await fetched(download(past, tmp_path, MONDAY + 5 * DAY, MONDAY + 10 * DAY))
    past.asked.clear()
    found = await fetched(download(past, tmp_path, MONDAY, MONDAY + 20 * DAY))

    assert (found.rows, found.new, found.gaps) == (20, 15, ())
    assert [until for _, until in past.asked] == [
        MONDAY + 6 * DAY - timedelta(microseconds=1),
        MONDAY + 20 * DAY,
    ]
    past.asked.clear()
    assert (await fetched(download(past, tmp_path, MONDAY, MONDAY + 20 * DAY))).new == 0
    assert past.asked == []


async def test_a_hole_is_asked_for_again_and_filled(tmp_path: Path) -> None:
    await fetched(download(Past(bars=bars([1.0, None, None, 4.0])), tmp_path, MONDAY, MONDAY + 4 * DAY))
    past = Past(bars=bars([1.0, 2.0, 3.0, 4.0]))
    found = await fetched(download(past, tmp_path, MONDAY, MONDAY + 4 * DAY))

    assert (found.new, found.gaps) == (2, ())
    assert len(past.asked) == 1


async def test_a_row_that_is_refused_is_told_and_is_a_hole(tmp_path: Path) -> None:
    frame = bars([1.0, 2.0, 3.0]).with_columns(
        high=pl.when(pl.col("close") == 2).then(0.5).otherwise(pl.col("high"))
    )
    found = await fetched(download(Past(bars=frame), tmp_path, MONDAY, MONDAY + 3 * DAY))

    assert found.refused == (
        "the bar of 2024-01-02 00:00 has a high below its other prices; it is not kept",
    )
    assert [gap.missing for gap in found.gaps] == [1]


async def test_an_interruption_loses_one_chunk_at_most_and_progress_tells_all(tmp_path: Path) -> None:
    count = 2 * BARS_AT_ONCE + 10
    past = Past(bars=bars([1.0] * count))
    past.breaks_at = 2
    until = MONDAY + count * DAY
    with pytest.raises(VenueUnavailable):
        await fetched(download(past, tmp_path, MONDAY, until))
    again = download(past, tmp_path, MONDAY, until)
    past.breaks_at = None
    heard: list[tuple[timedelta, int]] = []
    left = sum((span.length for span in again.spans(BTC, "bars")), timedelta())
    found = await again.fetch(BTC, "bars", lambda length, new: heard.append((length, new)))

    assert left == 10 * DAY
    assert heard == [(10 * DAY, 10)]
    assert (found.rows, found.new) == (count, 10)


async def test_rates_asked_in_chunks_have_the_interval_to_the_one_before(tmp_path: Path) -> None:
    """As venues' answers do, the first of each has today's interval instead."""

    class Guessing(Past):
        async def series(self, *asked, **named):  # type: ignore[no-untyped-def]
            frame = await super().series(*asked, **named)
            first = pl.int_range(pl.len()) == 0
            guess = pl.when(first).then(1.0).otherwise(pl.col("interval_hours"))
            return frame.with_columns(interval_hours=guess)

    past = Guessing(funding=funding([0.1] * 3000, MONDAY - 5 * DAY))
    until = MONDAY + 900 * DAY
    await fetched(download(past, tmp_path, MONDAY, until), "funding")
    kept = HistoryStore(tmp_path, read_only=True).read(BTC, "funding", "1d")

    assert len(past.asked) == 4
    assert kept["at"][0] == MONDAY
    assert set(kept["interval_hours"]) == {8.0}


@given(
    there=st.lists(st.booleans(), min_size=1, max_size=20),
    runs=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), max_size=4),
)
@settings(max_examples=30, deadline=None)
async def test_any_runs_before_end_in_the_same_rows(
    there: list[bool], runs: list[tuple[int, int]]
) -> None:
    frame = bars([100.0 + i if is_there else None for i, is_there in enumerate(there)])
    with tempfile.TemporaryDirectory() as root:
        for begins, count in runs:
            since = MONDAY + begins * DAY
            await fetched(download(Past(bars=frame), Path(root), since, since + count * DAY))
        found = await fetched(download(Past(bars=frame), Path(root), MONDAY, MONDAY + 20 * DAY))
        kept = HistoryStore(Path(root), read_only=True).read(BTC, "bars", "1d")

    missing = 20 - there.index(True) - there.count(True) if any(there) else 0
    assert kept.filter(pl.col("open_time") < MONDAY + 20 * DAY).equals(frame)
    assert found.missing == missing


def test_every_series_with_a_past_is_asked_for() -> None:
    assert set(SERIES) == set(SCHEMAS) - {"funding_next"}
