"""``hedged run --live``: a basket on two loopback exchanges, with coins on three accounts, as one."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commands import answer, armed
from exchange.binance_wallet import UID as BINANCE_UID
from exchange.bybit_wallet import UID as BYBIT_UID
from exchange.running import Running, running
from exchange.venue import KEY, SECRET
from hedged.cli import exits

D = Decimal
DAY_MS = 86_400_000
RUNS_MAX = 6
LOTS = {"BTC": D("0.001"), "ETH": D("0.01")}
PRICES = {"BTC": D(60_000), "ETH": D(3000)}
COINS = (("", "BTC", "0.5", "spot"), ("second", "ETH", "10", "funding"),
         ("third", "BTC", "0.25", "earn"), ("third", "ETH", "2", "funding"))  # fmt: skip
TARGET = {"BTC": D("0.405"), "ETH": D("5.4")}
"""Half of 0.75 BTC and 12 ETH, $81,000, is $40,500: three fifths in BTC and two in ETH, short."""


@pytest.fixture
def exchange() -> Iterator[Running]:
    """
    Binance, Bybit, and a second account on Binance, each with coins; twenty days on which both coins
    of the basket rose.
    """
    args = ("--deposit", "50000", "--beside", "second=bybit", "--beside", "third=binance")
    with running("binance", *args) as found:
        today = found.control("state")["now_ms"] // DAY_MS * DAY_MS
        for coin, price in PRICES.items():
            closes = [(today - i * DAY_MS, str(price * (1 - D(i) / 100))) for i in range(20, 0, -1)]
            bars = [[at, close, close, close, close, "100"] for at, close in closes]
            found.control("candles", symbol=f"{coin}USDT", bars=bars)
        for door, coin, amount, wallet in COINS:
            found.beside(door).control("holding", coin=coin, amount=amount, wallet=wallet)
        yield found


@pytest.fixture
def config(tmp_path: Path, exchange: Running) -> Path:
    file = tmp_path / "hedged.toml"
    file.touch(mode=0o600)
    file.write_text(f"""
[service]
mode = "live"
state_dir = "state"
[venue]
kind = "binance"
endpoint = "{exchange.url}"
[signal]
index = "basket"
[signal.basket]
constituents = [{{ symbol = "BTC/USDT:USDT", weight = 3 }}, {{ symbol = "ETH/USDT:USDT", weight = 2 }}]
[hedge]
legs = [
  {{ symbol = "BTC perpetual", weight = 3 }},
  {{ symbol = "ETH/USDT:USDT", weight = 2, account = "second" }},
]
initial_ratio = 0.25
[account.main]
api_key = "{KEY}"
api_secret = "{SECRET}"
uid = "{BINANCE_UID}"
[account.second]
venue = "bybit"
api_key = "second-key"
api_secret = "{SECRET}"
uid = "{BYBIT_UID}"
[account.third]
api_key = "third-key"
api_secret = "{SECRET}"
[[portfolio]]
name = "main"
account = "main"
holdings_from = ["main", "second", "third"]
[[rule]]
name = "rising"
when = "close > sma_5"
raise_to = 0.50
""")
    return file


def orders(exchange: Running) -> int:
    """Requests to place an order that any of the accounts has seen."""
    return sum(exchange.beside(door).orders() for door in ("", "second", "third"))


def held(exchange: Running) -> dict[str, dict[str, Decimal]]:
    """The positions of each account, by coin."""
    return {
        door: {
            one["symbol"].removesuffix("USDT"): D(one["quantity"])
            for one in exchange.beside(door).control("state")["positions"]
        }
        for door in ("", "second", "third")
    }


def test_a_basket_on_two_exchanges_reaches_its_target_and_then_nothing_is_sent(
    config: Path, exchange: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hedged(*args: str) -> Any:
        told = answer(monkeypatch, *args, "-c", config, "--json")
        assert told.code in (0, exits.HELD), told.out + told.err  # a breaker may hold a pass
        return told.json

    armed(monkeypatch, config)
    records: list[Any] = []
    for _ in range(RUNS_MAX):
        records += hedged("run", "--once", "--live")
        (planned,) = hedged("plan")
        if not planned["record"]["thought"]["plan"]["steps"]:
            break
    reached, sent = held(exchange), orders(exchange)
    hedged("run", "--once", "--live")

    review = records[0]["record"]
    assert review["inputs"]["metrics"]["symbol"] == "the index (basket)"
    assert [rule["status"] for rule in review["thought"]["judgement"]["rules"]] == ["fired"]
    assert D(review["thought"]["exposure"]["total"]) == 81_000
    assert {leg["symbol"] for leg in review["thought"]["wanted"]["legs"]} == {
        "BTC/USDT:USDT", "ETH/USDT:USDT@second",
    }  # fmt: skip
    assert planned["record"]["thought"]["plan"]["steps"] == []
    assert {door: set(positions) for door, positions in reached.items()} == {
        "": {"BTC"}, "second": {"ETH"}, "third": set(),
    }  # fmt: skip
    for door, coin in (("", "BTC"), ("second", "ETH")):
        assert abs(-reached[door][coin] - TARGET[coin]) <= LOTS[coin]
    assert sent >= 2
    assert (held(exchange), orders(exchange)) == (reached, sent)


def test_all_accounts_are_checked_and_none_is_taken_for_another(
    config: Path, exchange: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = answer(monkeypatch, "check", "-c", config, "--json")
    found = {one["what"]: one for one in told.json}

    assert told.code == 0, told.out
    assert f"account {BYBIT_UID}" in found["key of second"]["said"]
    assert f"account {BINANCE_UID}" in found["key of main"]["said"]
    assert found["key of third"]["result"] == "ok"
    assert found["hedge.legs.0.symbol"]["said"] == "BTC perpetual is BTC/USDT:USDT on binance"
    assert orders(exchange) == 0
