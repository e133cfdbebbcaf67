"""``hedged run`` on paper against a loopback exchange that is a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commands import answer
from exchange.running import Running, running
from exchange.venue import KEY, SECRET
from hedged.cli import exits
from hedged.venue.opening import DIALECTS

CONFIG = Path(__file__).parent.parent.parent / "config"
DAY_MS, MINUTE_MS = 86_400_000, 60_000
SYMBOL = "BTCUSDT"


@contextmanager
def traded(venue: str, rights: str = "read") -> Iterator[Running]:
    """Twelve flat days, the last minutes of them traded; a settled funding; a key with *rights*."""
    with running(venue, "--rights", rights) as found:
        now = found.control("state")["now_ms"]
        today, minute = now // DAY_MS * DAY_MS, now // MINUTE_MS * MINUTE_MS
        opened = [today - i * DAY_MS for i in range(12, 0, -1)]
        opened += [minute - i * MINUTE_MS for i in range(6, 0, -1)]
        bars = [[at, "60000", "60000", "60000", "60000", "100"] for at in opened]
        found.control("candles", symbol=SYMBOL, bars=bars)
        found.control("funding", symbol=SYMBOL, rate="0.0001", at_ms=minute)
        found.control("holding", coin="ETH", amount="2", wallet="funding")
        yield found


@pytest.fixture(params=sorted(DIALECTS))
def exchange(request: pytest.FixtureRequest) -> Iterator[Running]:
    with traded(request.param) as found:
        yield found


@pytest.fixture
def config(tmp_path: Path, exchange: Running) -> Path:
    return written(tmp_path, exchange)


def written(tmp_path: Path, exchange: Running) -> Path:
    """Half of 1 bitcoin by hand and 2 ether on the exchange, to be hedged."""
    seen = str(not DIALECTS[exchange.name].wallets_apart).lower()  # by a key that only reads
    file = tmp_path / "paper.toml"
    file.touch(mode=0o600)
    file.write_text(f"""
[service]
mode = "paper"
state_dir = "state"
[venue]
kind = "{exchange.name}"
endpoint = "{exchange.url}"
[paper]
collateral = 20_000
[hedge]
legs = [{{ symbol = "BTC/USDT:USDT" }}]
initial_ratio = 0.5
[account.paper]
[account.spot]
api_key = "{KEY}"
api_secret = "{SECRET}"
futures_wallets = {seen}
[[portfolio]]
name = "main"
account = "paper"
holdings_from = ["spot"]
holding = [{{ asset = "BTC", quantity = 0.5 }}]
[[rule]]
name = "falling"
when = "close < sma_5"
raise_to = 0.75
""")
    return file


def changed(exchange: Running) -> list[str]:
    """Requests that were more than a question."""
    asked = [one["request"] for one in exchange.control("requests")]
    return [
        one for one in asked if not one.startswith("GET ") and "/asset/get-funding-asset" not in one
    ]


def test_a_plan_then_a_run_then_a_plan_that_has_nothing_to_do(
    config: Path, exchange: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answer(monkeypatch, "plan", "-c", config)
    written = (config.parent / "state").exists()
    ran = answer(monkeypatch, "run", "--once", "-c", config, "--json")
    after = answer(monkeypatch, "plan", "-c", config, "--json")
    state = exchange.control("state")

    assert before.code == ran.code == after.code == 0, before.err + ran.err + after.err
    assert "nothing was sent, nothing was written" in before.out
    assert not written
    (reviewed,), (planned,) = ran.json, after.json
    (outcome,) = reviewed["record"]["outcomes"]
    assert (outcome["status"], float(outcome["filled"])) == ("filled", 0.3)  # half of 36,000
    assert reviewed["record"]["mode"] == "paper"
    assert planned["record"]["thought"]["plan"]["steps"] == []
    (position,) = planned["record"]["inputs"]["snapshot"]["positions"]
    assert float(position["contracts"]) == -0.3
    assert changed(exchange) == []
    assert (state["orders"], state["positions"]) == ([], [])


def test_everything_is_checked_and_the_journal_holds(
    config: Path, exchange: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [
        answer(monkeypatch, *asked, "-c", config)
        for asked in (("check",), ("run", "--once"), ("status",), ("explain",), ("journal", "verify"))
    ]
    text = "".join(one.out + one.err for one in told)
    kept = (config.parent / "state").rglob("*")

    assert [one.code for one in told] == [0] * 5, text
    assert "may only read" in told[0].out
    assert "intact" in told[-1].out
    assert SECRET not in text
    assert not any(SECRET.encode() in path.read_bytes() for path in kept if path.is_file())
    assert changed(exchange) == []


@pytest.mark.parametrize("venue", sorted(DIALECTS))
@pytest.mark.parametrize("right", ["spot", "futures"])
def test_a_key_that_may_trade_holds_and_fails_the_check_in_the_same_words(
    tmp_path: Path, venue: str, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with traded(venue, f"read,{right}") as exchange:
        config = written(tmp_path, exchange)
        checked = answer(monkeypatch, "check", "-c", config, "--json")
        ran = answer(monkeypatch, "run", "--once", "-c", config, "--json")

    said = (
        "the key of spot may do more than read, and on paper no key that may trade is used; "
        "make one that only reads"
    )
    failed = {one["what"]: one["said"] for one in checked.json if one["result"] == "FAILED"}
    assert (checked.code, failed) == (exits.VERIFY, {"key of spot": said, "portfolio main": said})
    (reviewed,) = ran.json
    assert ran.code == exits.HELD
    assert reviewed["record"]["thought"]["review"]["reasons"] == [f"HOLD: {said}"]
    assert reviewed["record"]["outcomes"] == []


def test_the_shipped_file_works_on_an_exchange_too(
    tmp_path: Path, exchange: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in (
        ("VENUE__KIND", exchange.name),
        ("VENUE__ENDPOINT", exchange.url),
        ("SERVICE__STATE_DIR", str(tmp_path / "state")),
    ):
        monkeypatch.setenv(f"HEDGED__{key}", value)
    told = answer(monkeypatch, "plan", "-c", CONFIG / "replay.toml", "--json")

    assert told.code == 0, told.err
    (planned,) = told.json
    (step,) = planned["record"]["thought"]["plan"]["steps"]
    assert (step["side"], float(step["contracts"])) == ("sell", 0.4)  # a fifth of 1.5 BTC and 10 ETH
    assert not (tmp_path / "state").exists()
    assert changed(exchange) == []


def test_live_is_refused_on_paper(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = answer(monkeypatch, "run", "--once", "--live", "-c", config)

    assert told.code != 0
    assert "--live is given" in told.err
