"""``hedged alerts``, what ``check`` says of channels, and a real run that tells of its trade."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Answer, answer, armed
from exchange.binance_wallet import UID
from exchange.running import Running, running
from exchange.venue import KEY, SECRET
from hedged.cli import exits
from webhooks import TOKEN, Webhook, dead


@pytest.fixture
def exchange() -> Iterator[Running]:
    with running("binance", "--deposit", "50000") as found:
        yield found


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as made:
        yield made


@pytest.fixture
def config(tmp_path: Path, exchange: Running) -> Path:
    """A portfolio of one bitcoin, half hedged."""
    file = tmp_path / "hedged.toml"
    file.touch(mode=0o600)
    file.write_text(f"""
[service]
mode = "live"
state_dir = "state"
[venue]
kind = "binance"
endpoint = "{exchange.url}"
[hedge]
legs = [{{ symbol = "BTC/USDT:USDT" }}]
initial_ratio = 0.5
[account.main]
api_key = "{KEY}"
api_secret = "{SECRET}"
uid = "{UID}"
[[portfolio]]
name = "main"
account = "main"
holding = [{{ asset = "BTC", quantity = 1 }}]
""")
    return file


def hedged(monkeypatch: pytest.MonkeyPatch, *args: object, urls: str = "") -> Answer:
    if urls:
        monkeypatch.setenv("HEDGED__ALERTS__URLS", urls)
    return answer(monkeypatch, *args)


def test_a_run_tells_of_its_trade_and_the_list_of_what_was_told(
    config: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed(monkeypatch, config)
    ran = hedged(monkeypatch, "run", "--once", "--live", "-c", config, urls=f"{hook.url} {dead()}")
    listed = hedged(monkeypatch, "alerts", "list", "-c", config, "--json")
    told = hedged(monkeypatch, "alerts", "list", "-c", config)

    assert ran.code == listed.code == told.code == 0, ran.err + listed.err
    assert {"[live] main: sold 0.025 BTC", "[live] main: sold 0.475 BTC"} <= set(hook.titles)
    sold = next(one for one in listed.json["alerts"] if one["alert"]["kind"] == "orders")
    assert sold["states"] == {"1 (json)": "sent", "2 (json)": "waits"}
    assert "[live] main: sold 0.475 BTC" in told.out
    for said in (ran, listed, told):
        assert TOKEN not in said.out + said.err


def test_a_test_message_tells_per_channel_whether_it_was_taken(
    config: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hedged(monkeypatch, "alerts", "test", "-c", config, urls=hook.url)
    both = hedged(monkeypatch, "alerts", "test", "-c", config, "--json", urls=f"{hook.url} {dead()}")

    assert one.code == 0, one.err
    assert both.code == exits.VERIFY
    assert [(tried["channel"], tried["sent"]) for tried in both.json] == [
        ("1 (json)", True),
        ("2 (json)", False),
    ]
    assert hook.titles == ["[live] hedged: a test"] * 2
    assert TOKEN not in both.out + both.err


def test_a_test_without_a_channel_says_where_to_write_one(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = hedged(monkeypatch, "alerts", "test", "-c", config)

    assert told.code == exits.SETTINGS
    assert "set alerts.urls" in told.err


@pytest.mark.parametrize(
    ("urls", "result"),
    [("", "warning"), ("json://127.0.0.1/", "ok"), ("carrierpigeon://somewhere", "FAILED")],
)
def test_check_says_whether_anybody_would_hear(
    config: Path, monkeypatch: pytest.MonkeyPatch, urls: str, result: str
) -> None:
    told = hedged(monkeypatch, "check", "-c", config, "--json", urls=urls)
    (found,) = [finding for finding in told.json if finding["what"] == "alerts"]

    assert found["result"] == result
