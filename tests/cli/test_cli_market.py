"""``market instruments`` and ``market fetch``, asked of an exchange on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchange.clocks import START
from exchange.faults import fault
from exchange.opening import binance_venue
from exchange.server import Server
from exchange.state import FundingRate
from exchange.tape import Bar
from exchange.venue import Venue
from hedged.cli import exits, fetch, market
from hedged.cli.app import main
from hedged.history.store import HistoryStore

BTC = "BTC/USDT:USDT"
DAY = timedelta(days=1)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
TODAY = datetime(2026, 3, 2, tzinfo=UTC)
D = Decimal


@dataclass(frozen=True)
class Shop:
    """An exchange that runs in a thread of its own."""

    venue: Venue
    url: str

    def asked(self, path: str) -> int:
        return sum(path in seen.call.path for seen in self.venue.recorder.all)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Binance on loopback, at `START`, which the settings' environment names."""
    venue, loop = binance_venue(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(Server(venue).start(), loop).result(30)
    monkeypatch.setenv("HEDGED__VENUE__ENDPOINT", server.url)
    for module in (market, fetch):
        monkeypatch.setattr(module, "wall_clock", venue.engine.clock)
    monkeypatch.setattr(fetch, "sleep", _at_once)
    try:
        yield Shop(venue, server.url)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _at_once(seconds: float) -> None:
    """A wait that takes no time."""


def prices(count: int, *, broken: int | None = None) -> list[Bar]:
    """Daily bars from `SINCE`; the one numbered *broken* has a low above its open."""
    return [
        Bar(
            opens_at=SINCE + i * DAY,
            open=D(100 + i),
            high=D(102 + i),
            low=D(101 + i) if i == broken else D(99 + i),
            close=D(101 + i),
            volume=D(7),
        )
        for i in range(count)
    ]


def record(shop: Shop, *, broken: int | None = None) -> None:
    """Two months of daily bars and funding every 8 hours; open interest as venues keep it."""
    traded = shop.venue.engine.market("BTCUSDT")
    days = (TODAY - SINCE) // DAY
    traded.tapes["last"].load(prices(days, broken=broken))
    traded.tapes["index"].load(prices(days))
    traded.funding[:] = [
        FundingRate(at=SINCE + i * DAY / 3, rate=D("0.0001"), mark_price=D(100))
        for i in range(3 * days + 2)
    ]
    traded.open_interests[:] = [(SINCE + i * DAY, D(1000 + i)) for i in range(days + 1)]


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def hedged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The command in this process, in an empty folder, 100 columns wide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*args: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["hedged", *map(str, args)])
        out, err, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as left:
                code = left.code if isinstance(left.code, int) else 0
        return Answer(code, out.getvalue(), err.getvalue())

    return call


# Instruments.


def test_all_that_can_hedge_is_listed_by_coin_and_expiry(shop: Shop, hedged: Any) -> None:
    found = hedged("market", "instruments", "--json").json

    assert [one["symbol"] for one in found] == [
        "ALL/USDT:USDT",
        "BTC/USDC:USDC",
        BTC,
        "BTC/USDT:USDT-260626",
        "BTC/USDT:USDT-260925",
        "ETH/USDT:USDT",
    ]
    assert found[0]["kind"] == "index"
    june = found[3]
    assert (june["expiry"], june["days_to_expiry"]) == ("2026-06-26T08:00:00Z", 115.83)
    assert (june["lot"], june["tick"], june["notional_min"]) == ("0.001", "0.1", "100")
    assert june["first_tier"] is None


def test_the_table_fits_a_hundred_columns_and_breaks_nothing(shop: Shop, hedged: Any) -> None:
    found = hedged("market", "instruments")
    lines = found.out.splitlines()
    june = next(line for line in lines if "260626" in line)

    assert max(map(len, lines)) <= 100
    assert june.split() == ["BTC/USDT:USDT-260626", "quarter", "2026-06-26", "116", "1", "BTC", "0.001",
                            "0.1", "0.001", "100"]  # fmt: skip
    assert "6 contracts on binance" in found.out


@pytest.mark.parametrize(
    ("option", "value", "count"),
    [("--base", "btc", 4), ("--kind", "dated", 2), ("--kind", "index", 1), ("--base", "SOL", 0)],
)
def test_a_coin_or_a_kind_narrows_the_list(
    shop: Shop, hedged: Any, option: str, value: str, count: int
) -> None:
    assert len(hedged("market", "instruments", option, value, "--json").json) == count


def test_words_show_the_one_contract_they_mean(shop: Shop, hedged: Any) -> None:
    found = hedged("market", "instruments", "btc next quarter")

    assert found.code == exits.DONE
    assert "'btc next quarter' is BTC/USDT:USDT-260925 on binance." in found.out
    assert "260626" not in found.out


def test_words_that_mean_nothing_leave_with_the_settings_code_and_the_nearest(
    shop: Shop, hedged: Any
) -> None:
    found = hedged("market", "instruments", "BTC index perpetual")

    assert found.code == exits.SETTINGS
    assert found.out == ""
    assert "did you mean BTC/USDT:USDT (perpetual)" in found.err


def test_what_does_not_trade_is_shown_and_said(shop: Shop, hedged: Any) -> None:
    shop.venue.engine.halt("ETHUSDT", trading=False)
    found = hedged("market", "instruments", "--base", "ETH")

    assert "does not trade now: ETH/USDT:USDT" in found.out


def test_the_settings_name_the_venue_and_the_way_there(
    shop: Shop, hedged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEDGED__VENUE__ENDPOINT")
    file = tmp_path / "mine.toml"
    file.write_text(
        f'[venue]\nkind = "binance"\nendpoint = "{shop.url}"\n[paper]\ncollateral = 1\n'
        '[hedge]\nlegs = [{ symbol = "BTC/USDT:USDT" }]\n[[portfolio]]\nname = "main"\naccount = "a"\n'
    )

    assert len(hedged("market", "instruments", "-c", file, "--json").json) == 6


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["instruments", "--venue", "nowhere"], exits.SETTINGS, "does not speak to 'nowhere'"),
        (["instruments", "BTC perpetual", "--base", "BTC"], exits.USAGE, "not both"),
        (["fetch", "--symbols", BTC, "--since", "2026-1-1"], exits.USAGE, "is not a date"),
        (["fetch", "--symbols", BTC, "--since", "2027-01-01"], exits.USAGE, "is not before"),
        (
            ["fetch", "--symbols", BTC, "--since", "2026-01-01", "--bar", "1x"],
            exits.USAGE,
            "bar length",
        ),
        (
            ["fetch", "--symbols", BTC, "--since", "2026-01-01", "--bar", "7h"],
            exits.USAGE,
            "has no bars of 7h; it has 1m, 3m,",
        ),
        (["fetch", "--symbols", ",", "--since", "2026-01-01"], exits.USAGE, "at least one"),
        (["fetch", "--symbols", "BTCDOM perpetual", "--since", "2026-01-01"], exits.SETTINGS, "mean"),
    ],
)
def test_a_wrong_call_is_told(shop: Shop, hedged: Any, args: list[str], code: int, said: str) -> None:
    found = hedged("market", *args)

    assert found.code == code
    assert said in " ".join(found.err.split())


# Fetch.

FETCH = ("market", "fetch", "--symbols", BTC, "--since", "2026-01-01")


def kept(folder: Path) -> HistoryStore:
    return HistoryStore(folder / "history", read_only=True)


def test_the_past_is_kept_as_a_replay_reads_it(shop: Shop, hedged: Any, tmp_path: Path) -> None:
    record(shop)
    found = hedged(*FETCH, "--json")
    history = kept(tmp_path).history(BTC, "1d")

    assert found.code == exits.DONE
    assert history.bars.height == 60
    assert history.bars["close"].to_list() == [101.0 + i for i in range(60)]
    assert history.bars["index_close"].null_count() == 0
    assert history.bars["open_time"][-1] == TODAY - DAY, "the day in progress is no bar"
    assert history.funding.height == 182
    assert set(history.funding["interval_hours"]) == {8.0}
    by_series = {one["series"]: one for one in found.json["series"]}
    assert {name: one["new"] for name, one in by_series.items()} == {
        "bars": 60,
        "funding": 182,
        "open_interest": 29,
    }
    assert [one["gaps"] for one in by_series.values()] == [[], [], []]
    assert by_series["bars"]["none_before"] is None


def test_open_interest_that_the_venue_keeps_no_more_is_said(shop: Shop, hedged: Any) -> None:
    record(shop)
    said = " ".join(hedged(*FETCH).out.split())

    assert (
        f"{BTC} open interest: binance serves none from 2026-01-01 to 2026-02-02 00:00: not listed "
        "yet, or not kept any more"
    ) in said


def test_a_second_run_asks_for_nothing_that_is_kept(shop: Shop, hedged: Any) -> None:
    record(shop)
    hedged(*FETCH)
    asked = shop.asked("klines")
    found = hedged(*FETCH, "--json")

    assert shop.asked("klines") == asked
    assert [one["new"] for one in found.json["series"]] == [0, 0, 0]
    assert [one["rows"] for one in found.json["series"]] == [60, 182, 29]


def test_a_refused_bar_is_told_and_is_a_gap(shop: Shop, hedged: Any) -> None:
    record(shop, broken=9)
    found = hedged(*FETCH)

    assert f"{BTC} bars: 1 row is missing, 2026-01-10 00:00" in found.out
    assert "the bar of 2026-01-10 00:00 has a low above its other prices; it is not kept" in found.out
    assert max(map(len, found.out.splitlines())) <= 100


def test_a_venue_that_fails_midway_keeps_what_came_and_the_next_run_goes_on(
    shop: Shop, hedged: Any, tmp_path: Path
) -> None:
    record(shop)
    shop.venue.fail(fault("reset", path="*/fundingRate", count=None))
    broken = hedged(*FETCH)
    bars = kept(tmp_path).read(BTC, "bars", "1d").height
    shop.venue.script.clear()
    again = hedged(*FETCH, "--json").json["series"]

    assert broken.code == exits.VENUE
    assert "the same command goes on from there" in broken.err
    assert bars == 60
    assert [one["new"] for one in again] == [0, 182, 29]


def test_the_daemon_s_own_history_is_left_alone(shop: Shop, hedged: Any, tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").touch()
    found = hedged(*FETCH)

    assert found.code == exits.SETTINGS
    assert "beside a daemon's journal" in found.err
    assert not (tmp_path / "history").exists()


def test_one_fetches_into_a_folder_at_a_time(shop: Shop, hedged: Any, tmp_path: Path) -> None:
    from hedged.journal.database import lock_writer

    with contextlib.closing(lock_writer(tmp_path / "history" / fetch.LOCK)):
        found = hedged(*FETCH)

    assert found.code == exits.JOURNAL
    assert "another hedged" in found.err


def test_until_ends_it_and_the_exchange_s_clock_is_not_needed(shop: Shop, hedged: Any) -> None:
    record(shop)
    bars = hedged(*FETCH, "--until", "2026-02-01", "--json").json["series"][0]

    assert START > TODAY
    assert (bars["rows"], bars["last"]) == (31, "2026-01-31T00:00:00Z")
