"""
README.md shows a session of each way of use. Each is typed here again, from its first command to its
last, and every line that stands below a command must be printed by it, in that order.

Paper and alert mode walk the shipped history, so all is as told. Live meets a loopback exchange whose
days are those of the shipped history, moved by whole weeks so that they end now: instants and digests
differ from day to day there, and are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from commands import DATA, Answer, answer
from exchange.binance_wallet import UID
from exchange.running import Running, running
from exchange.venue import KEY, SECRET

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
JUDGED = datetime(2022, 6, 13, tzinfo=UTC)
"""The Monday that the last one is taken for: the week before it broke the 50-day average."""
VARIES = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?|(?<=\()[0-9a-f]{12}(?=\))")

Typed = tuple[str, list[str]]
Play = Callable[[str], Answer]


def flat(text: str) -> str:
    """*text* with every run of white space as one space."""
    return " ".join(text.split())


def session(title: str) -> list[Typed]:
    """The commands below the heading *title*, each with the lines that stand below it."""
    part = re.split(r"^#+ ", TEXT.partition(f"\n### {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    typed: list[Typed] = []
    for block in re.findall(r"^```\n(\$ hedged .*?)^```", part, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ hedged "):
                typed.append((line.removeprefix("$ hedged ").partition("  #")[0], []))
            else:
                typed[-1][1].append(flat(line))
    return typed


def missing(told: str, lines: list[str]) -> list[str]:
    """Those of *lines* that *told* does not have, each looked for behind the one before."""
    rest, lost = flat(told), []
    for line in lines:
        _, found, behind = rest.partition(line)
        lost += [] if found else [line]
        rest = behind if found else rest
    return lost


def test_a_line_that_is_not_printed_or_not_in_its_place_is_missed() -> None:
    assert missing("one two\n  three", ["one", "two three"]) == []
    assert missing("one two\n  three", ["three", "one"]) == ["one"]
    assert missing("one two", ["one 2"]) == ["one 2"]


@pytest.mark.parametrize(
    ("title", "file"), [("On paper", "replay"), ("You decide, hedged proposes", "alert")]
)
def test_a_session_offline_goes_as_shown(
    title: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HEDGED__SERVICE__STATE_DIR", str(tmp_path))
    typed = session(title)

    assert len(typed) >= 4
    for command, lines in typed:
        told = answer(monkeypatch, *words(command))
        assert f"-c config/{file}.toml" in command
        assert told.code == 0, command + told.err
        assert missing(told.out, lines) == [], command
    if file == "replay":
        again = answer(monkeypatch, "run", "--once", "-c", f"config/{file}.toml")
        assert "No pass was made: the history ends at 2022-12-31 00:05 UTC." in again.out
    assert any(tmp_path.iterdir()), "the sessions wrote into the folder of the test alone"


def words(command: str) -> list[str]:
    """*command* as a shell splits it; names are written in double quotes only."""
    return [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', command)]


@pytest.fixture
def exchange() -> Iterator[Running]:
    with running("binance", "--deposit", "50000") as found:
        _load(found)
        yield found


def _load(exchange: Running) -> None:
    """Half a year of days, and the funding of its last weeks, up to the present."""
    now = datetime.fromtimestamp(exchange.control("state")["now_ms"] / 1000, UTC)
    due = now - timedelta(minutes=5)
    monday = (due - timedelta(days=due.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    moved, until = monday - JUDGED, JUDGED + (now - monday)
    for symbol, folder, mark in (("BTCUSDT", "BTC", "26600"), ("ETHUSDT", "ETH", "1440")):
        kept = DATA / "history" / f"{folder}-USDT_USDT"
        days = pl.read_parquet(kept / "bars-1d" / "*.parquet").filter(
            pl.col("open_time").is_between(JUDGED - timedelta(days=180), until - timedelta(days=1))
        )
        bars = [
            [
                _ms(row["open_time"] + moved),
                *(str(row[name]) for name in ("open", "high", "low", "close", "volume")),
            ]
            for row in days.to_dicts()
        ]
        exchange.control("candles", symbol=symbol, bars=bars)
        rates = pl.read_parquet(kept / "funding" / "*.parquet").filter(
            pl.col("at").is_between(JUDGED - timedelta(days=21), until)
        )
        for row in rates.to_dicts():
            at = _ms(row["at"] + moved)
            exchange.control("funding", symbol=symbol, rate=str(row["funding_rate"]), at_ms=at)
        exchange.control("price", symbol=symbol, mark=mark, index=mark, last=mark)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _filled_in(file: Path, exchange: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What README.md says that a person fills in, and where the exchange is."""
    text = file.read_text()
    for before, after in (
        ('# uid = "12345678"', f'uid = "{UID}"'),
        ("leverage = 3 ", "leverage = 20 "),
        ("# holding = [", "holding = ["),
        ('#     { asset = "BTC", quantity = 1.5 },', '    { asset = "BTC", quantity = 1.5 },'),
        ("\n# ]\n", "\n]\n"),
        ('kind = "binance"', f'kind = "binance"\nendpoint = "{exchange.url}"'),
        ("price = 19798.68, date = 2017-12-17", "price = 69000, date = 2021-11-10"),
    ):
        assert before in text
        text = text.replace(before, after, 1)
    file.write_text(text)
    for name, secret in (("api_key", KEY), ("api_secret", SECRET)):
        path = file.parent / name
        path.touch(0o600)
        path.write_text(secret)
        monkeypatch.setenv(f"HEDGED__ACCOUNT__MAIN__{name.upper()}_FILE", str(path))


def test_a_session_with_an_exchange_goes_as_shown(
    exchange: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEDGED__SCHEDULE__GUARD_EVERY", "1d")  # so that none falls due meanwhile
    typed = session("Unattended")

    assert typed[0][0] == "init --use weekly-unattended"
    for command, lines in typed:
        told = answer(monkeypatch, *words(command))
        assert told.code == 0, command + told.out + told.err
        printed = VARIES.sub("~", told.out)
        assert missing(printed, [VARIES.sub("~", line) for line in lines]) == [], command
        if command.startswith("init"):
            _filled_in(tmp_path / "hedged.toml", exchange, monkeypatch)
    assert exchange.orders() == 4
    again = answer(monkeypatch, "run", "--once", "--live")
    assert "No pass was made: no review is due; `hedged run` without --once wakes at " in again.out
