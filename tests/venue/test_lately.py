"""Many portfolios ask for a series once; what an answer does not have is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from exchange.opening import VENUES
from hedged.core.metrics import Series
from hedged.core.metrics.history import SCHEMAS
from hedged.errors import VenueUnavailable
from hedged.venue.lately import Key, Lately
from hedged.venue.live_market import LiveMarket
from hedged.venue.opening import DIALECTS
from lines import BTC, ETH, later, linked

NOW = datetime(2022, 6, 13, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
FRESH = timedelta(seconds=5)
BARS: Key = (BTC, "bars", "1h")


class Asked:
    """A day of hourly rows, a clock, and how often they were asked for."""

    def __init__(self, series: Series = "bars") -> None:
        self.now, self.times, self.broken = NOW, 0, False
        stamps = [NOW - n * HOUR for n in range(24, 0, -1)]
        name = "open_time" if series == "bars" else "at"
        columns = {one: [1.0] * 24 for one in SCHEMAS[series]} | {name: stamps}
        self.frame = pl.DataFrame(columns, schema=SCHEMAS[series])
        self.lately = Lately(lambda: self.now, FRESH)
        self.key: Key = (BTC, series, "1h")

    async def rows(self, after: datetime | None, until: datetime = NOW) -> list[datetime]:
        """Stamps of the rows after *after*."""

        async def ask() -> pl.DataFrame:
            self.times += 1
            if self.broken:
                raise VenueUnavailable("nothing")
            return self.frame if after is None else self.frame.filter(self.frame.to_series() > after)

        found = await self.lately.rows(self.key, after, until, ask)
        return found.to_series().to_list()


async def test_a_fresh_answer_serves_all_that_it_has() -> None:
    asked = Asked()

    assert len(await asked.rows(None)) == 24
    assert await asked.rows(NOW - 3 * HOUR) == [NOW - 2 * HOUR, NOW - HOUR]
    assert await asked.rows(NOW - 3 * HOUR, NOW - HOUR) == [NOW - 2 * HOUR]  # the last closes at 9
    assert await asked.rows(NOW - 3 * HOUR, NOW + timedelta(seconds=4)) == [
        NOW - 2 * HOUR,
        NOW - HOUR,
    ]
    assert asked.times == 1


@pytest.mark.parametrize("series", ["funding", "open_interest"])
async def test_what_has_a_stamp_alone_is_known_at_it(series: Series) -> None:
    asked = Asked(series)
    await asked.rows(None)

    assert await asked.rows(NOW - 3 * HOUR, NOW - HOUR) == [NOW - 2 * HOUR, NOW - HOUR]


async def test_what_begins_earlier_or_ends_later_is_asked_for() -> None:
    asked = Asked()
    await asked.rows(NOW - 3 * HOUR)

    assert len(await asked.rows(NOW - 5 * HOUR)) == 4
    assert len(await asked.rows(None)) == 24
    await asked.rows(None, NOW + FRESH)
    assert asked.times == 4
    await asked.rows(NOW - 3 * HOUR)  # all of them are kept
    assert asked.times == 4


@pytest.mark.parametrize("passed", [FRESH, -timedelta(microseconds=1)])
async def test_an_answer_that_is_not_of_now_is_asked_for_again(passed: timedelta) -> None:
    asked = Asked()
    await asked.rows(None)
    asked.now += passed
    await asked.rows(None)

    assert asked.times == 2


async def test_no_answer_is_kept_of_a_failure() -> None:
    asked = Asked()
    asked.broken = True
    with pytest.raises(VenueUnavailable):
        await asked.rows(None)
    asked.broken = False

    assert len(await asked.rows(None)) == 24


@pytest.mark.parametrize("name", sorted(DIALECTS))
async def test_twenty_portfolios_ask_for_series_as_often_as_one(name: str, tmp_path: Path) -> None:
    async with linked(VENUES[name](deposit=50_000), limit_times=100) as line:
        now = later(line, hours=30)
        asked = []
        for _ in range(20):
            line.venue.recorder.all.clear()
            market = LiveMarket(line.exchange)
            await market.refresh([BTC, ETH], now, now - 3 * HOUR)
            for series in ("bars", "funding", "open_interest"):
                await market.series(BTC, series, "1h", None, now)
            asked.append(line.asked())

    assert asked[0]
    assert asked[1:] == [[]] * 19
