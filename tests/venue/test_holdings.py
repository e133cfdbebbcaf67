"""What is to be protected, stated by hand or seen on accounts, and what it is worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exchange.opening import binance_venue
from hedged.errors import SettingsError
from hedged.venue.dialect import Balance
from hedged.venue.holdings import StatedHolding, priced, read_holdings, stale, together
from lines import linked

D = Decimal
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def listed(folder: Path, text: str, name: str = "cold.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_list_is_csv_or_toml_and_says_when_it_was_counted(tmp_path: Path) -> None:
    csv = listed(
        tmp_path, "asset,quantity,as_of\nbtc,1.5,2026-03-01\nETH,10,2026-03-01T12:00:00+02:00\n"
    )
    toml = listed(
        tmp_path, '[[holding]]\nasset = "BTC"\nquantity = 1.5\nas_of = "2026-03-01"\n', "cold.toml"
    )
    btc, eth = read_holdings(csv)

    assert (btc.asset, btc.quantity, btc.source) == ("BTC", D("1.5"), "cold.csv")
    assert btc.as_of == datetime(2026, 3, 1, tzinfo=UTC)
    assert eth.as_of == datetime(2026, 3, 1, 10, tzinfo=UTC)
    (same,) = read_holdings(toml)
    assert (same.asset, same.quantity, same.as_of) == (btc.asset, btc.quantity, btc.as_of)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("asset,quantity,as_of\nBTC,,2026-03-01\n", "holding 1: quantity '' is no number"),
        ("asset,quantity,as_of\nBTC,1,2026-03-01\nETH,-1,2026-03-01\n", "holding 2: quantity '-1'"),
        ("asset,quantity,as_of\nBTC,NaN,2026-03-01\n", "is no number, 0 or more"),
        ("asset,quantity,as_of\n,1,2026-03-01\n", "asset is missing"),
        ("asset,quantity,as_of\nBTC,1,\n", "as_of '' is no date; write it as 2024-06-30"),
        ("asset,quantity\nBTC,1\n", "as_of None is no date"),
        ("asset,quantity,as_of\nBTC,1,2026-03-01,cold\n", "holding 1: it has more fields than there"),
        ("asset,qty,as_of\nBTC,1,2026-03-01\n", "there is no 'qty'; there are as_of, asset, price"),
        ("asset,quantity,as_of\n", "cold.csv lists no holding; if nothing is held, write one of quant"),
        ("", "cold.csv lists no holding"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_holdings(listed(tmp_path, text))

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cold.toml lists no holding"),
        ("[[holdings]]\nasset = 'BTC'\n", "there is no 'holdings'"),
        ("[[holding]]\nasset = 'BTC'\nquantiy = 1\n", "there is no 'quantiy'"),
        ("holding = 1\n", "holding 1: asset is missing"),
    ],
)
def test_a_table_that_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_holdings(listed(tmp_path, text, "cold.toml"))

    assert said in str(caught.value)


def test_a_list_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "cold.csv"
    path.write_text("asset,quantity,as_of\r\nBTC,0,2026-03-01\r\n", encoding="utf-8-sig")
    (btc,) = read_holdings(path)

    assert (btc.asset, btc.quantity) == ("BTC", 0)


def test_a_list_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        read_holdings(tmp_path / "nowhere.csv")
    with pytest.raises(SettingsError, match="broken"):
        read_holdings(listed(tmp_path, "[[holding", "broken.toml"))


def test_what_was_counted_too_long_ago_is_named_to_the_day() -> None:
    def one(days: int) -> StatedHolding:
        return StatedHolding(
            asset="BTC", quantity=D(1), source="cold.csv", as_of=NOON - timedelta(days=days)
        )

    always = StatedHolding(asset="ETH", quantity=D(1), source="settings")
    assert stale([one(30), always], NOON, timedelta(days=31)) == ()
    (said,) = stale([one(32)], NOON, timedelta(days=31))
    assert said.startswith("BTC in cold.csv was counted on 2026-01-29, more than 31 days ago")
    assert stale([one(0)], NOON, timedelta(days=31)) == ()
    (said,) = stale([one(-1)], NOON, timedelta(days=31))
    assert "2026-03-03, which is not over yet" in said


def test_the_same_coin_in_one_place_is_one_and_in_two_places_two() -> None:
    found = together(
        [
            ("main", Balance(asset="BTC", quantity=D(1), source="earn")),
            ("main", Balance(asset="BTC", quantity=D(2), source="earn")),
            ("main", Balance(asset="BTC", quantity=D(4), source="spot")),
            ("other", Balance(asset="BTC", quantity=D(8), source="spot")),
        ]
    )

    assert [(one.source, one.quantity) for one in found] == [
        ("main earn", 3), ("main spot", 4), ("other spot", 8),
    ]  # fmt: skip


async def test_prices_are_marks_then_spot_then_nothing() -> None:
    async with linked(binance_venue()) as line:
        coins = [("BTC", 1), ("BNB", 2), ("USDT", 5), ("XYZ", 7)]
        seen = [Balance(asset=a, quantity=D(q), source="spot") for a, q in coins]
        found = {h.asset: h for h in await priced(line.exchange, "USDT", (), seen)}

    assert (found["BTC"].mark_price, found["BTC"].price_symbol) == (60_000, "BTC/USDT:USDT")
    assert (found["BNB"].mark_price, found["BNB"].price_symbol) == (600, None)
    assert (found["USDT"].mark_price, found["USDT"].priced_at) == (1, None)
    assert found["XYZ"].mark_price is None


async def test_a_stated_symbol_prices_a_coin_of_another_name() -> None:
    stated = StatedHolding(asset="WBTC", quantity=D(1), source="settings", price_symbol="BTC/USDT:USDT")
    async with linked(binance_venue()) as line:
        (found,) = await priced(line.exchange, "USDT", (stated,), ())

    assert (found.asset, found.mark_price) == ("WBTC", 60_000)
