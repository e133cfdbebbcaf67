"""``approve``, ``reject`` and what waits: over recorded history, and against a loopback exchange."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import Answer, answer
from exchange.binance_wallet import UID as BINANCE_UID
from exchange.bybit_wallet import UID as BYBIT_UID
from exchange.running import Running as Exchange
from exchange.running import running
from exchange.venue import KEY, SECRET
from hedged.cli import exits

ALERT = Path(__file__).parents[2] / "config" / "alert.toml"
UIDS = {"binance": str(BINANCE_UID), "bybit": str(BYBIT_UID)}
Hedged = Callable[..., Answer]


@pytest.fixture
def hedged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hedged:
    monkeypatch.setenv("HEDGED__SERVICE__STATE_DIR", str(tmp_path / "state"))

    def run(*args: object, config: Path = ALERT) -> Answer:
        return answer(monkeypatch, *args, "-c", config)

    return run


def orders(ran: Answer) -> list[dict[str, Any]]:
    return [outcome for one in ran.json for outcome in one["record"]["outcomes"]]


def test_the_shipped_config_does_what_it_says_at_its_head(hedged: Hedged) -> None:
    proposed = hedged("run", "--once", "--json")
    shown = hedged("plan")
    told = hedged("plan", "--json").json[0]["waits"]
    approved = hedged("approve", 1, "--by", "alice")
    done = hedged("run", "--once", "--json")
    after = hedged("run", "--once", "--json")

    assert [ran.code for ran in (proposed, shown, approved, done, after)] == [0] * 5, approved.err
    assert orders(proposed) == []
    assert proposed.json[0]["record"]["proposal"]["number"] == 1
    assert told["proposal"] == proposed.json[0]["record"]["proposal"]
    assert (told["state"], told["approve"]) == ("waits for approval", "hedged approve 1")
    for text in ("Proposal 1 of main: waits for approval", "sell at most 0.434 BTC/USDT:USDT",
                 "until 2021-05-11 00:05 UTC; silence sends nothing",
                 f"hedged approve 1 -c {ALERT}", f"hedged reject 1 --why TEXT -c {ALERT}"):  # fmt: skip
        assert text in shown.out
    assert "Proposal 1 is approved by alice: sell 0.434 BTC/USDT:USDT." in approved.out
    assert [(one["side"], one["filled"]) for one in orders(done)] == [("sell", "0.434")]
    assert done.json[0]["cycle_id"] == "main/decision+1@2021-05-10T00:05:00Z"
    told_of = [json.loads(line) for line in done.err.splitlines() if '"event": "order"' in line]
    assert [line["mode"] for line in told_of] == ["alert"]
    assert orders(after) == []
    assert hedged("journal", "verify").code == hedged("journal", "replay").code == 0


def test_each_refusal_has_a_reason_and_its_own_exit_code(hedged: Hedged, tmp_path: Path) -> None:
    missing = hedged("approve", 1)
    hedged("run", "--once")
    unknown, first = hedged("approve", 2), hedged("reject", 1, "--why", "not now", "--json")
    again = hedged("approve", 1)

    assert "nothing of it is sent; the next review asks again" in hedged("plan").out
    assert (missing.code, first.code) == (exits.JOURNAL, 0)
    assert first.json["decision"]["why"] == "not now"
    assert first.json["decision"]["by"]
    for refused, why in ((unknown, "there is no proposal 2"), (again, "was rejected by")):
        assert refused.code == exits.REFUSED == 8
        assert why in refused.err
        assert refused.out == ""


def test_a_reason_must_be_given_to_reject(hedged: Hedged) -> None:
    assert hedged("reject", 1).code == exits.USAGE


def test_silence_goes_by_and_an_expired_proposal_is_told(hedged: Hedged) -> None:
    ran = [hedged("run", "--once", "--json") for _ in range(2)]
    late = hedged("approve", 1)

    assert [orders(one) for one in ran] == [[], []]
    assert late.code == exits.REFUSED
    assert "proposal 1 was replaced by 2" in late.err


def test_status_and_explain_show_what_waits_and_what_was_decided(hedged: Hedged) -> None:
    hedged("run", "--once")
    waits, first = hedged("status"), hedged("explain")
    told = hedged("status", "--json").json["portfolios"][0]["waits"]
    hedged("approve", 1, "--by", "alice")
    approved = hedged("status")
    hedged("run", "--once")
    done = hedged("explain", 2)
    after = hedged("status")

    assert "1: sell 0.434 BTC/USDT:USDT; waits for approval" in waits.out
    assert told["proposal"]["number"] == 1
    assert "Proposal 1 until 2021-05-11 00:05 UTC: sell 0.434 BTC/USDT:USDT." in first.out
    assert "approved by alice, not executed yet" in approved.out
    assert "Proposal 1 was approved by alice at 2021-05-10 00:05 UTC." in done.out
    assert hedged("status", "--json").json["portfolios"][0]["waits"] is None
    assert "waits for approval" not in after.out


def test_other_modes_and_other_accounts_approve_nothing(
    hedged: Hedged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hedged("run", "--once")
    other = tmp_path / "other.toml"
    other.write_text(ALERT.read_text().replace('account = "paper"', 'account = "elsewhere"'))
    elsewhere = hedged("approve", 1, config=other)
    monkeypatch.setenv("HEDGED__SERVICE__MODE", "paper")
    on_paper, run = hedged("approve", 1), hedged("run", "--once")

    assert elsewhere.code == exits.REFUSED
    assert "on account paper, which is not that of these settings (elsewhere)" in elsewhere.err
    assert on_paper.code == exits.SETTINGS
    assert "only in mode 'alert'" in on_paper.err
    assert run.code == exits.JOURNAL


def test_live_is_not_asked_for_in_alert_mode(hedged: Hedged) -> None:
    ran = hedged("run", "--once", "--live")

    assert ran.code == exits.SETTINGS
    assert "service.mode is 'alert'" in ran.err


# On an exchange.


@pytest.fixture(params=["binance", "bybit"])
def exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    with running(request.param, "--deposit", "50000") as found:
        yield found


def on(exchange: Exchange, folder: Path) -> Path:
    file = folder / "hedged.toml"
    file.touch(mode=0o600)
    file.write_text(
        f"""
[service]
mode = "alert"
[venue]
kind = "{exchange.name}"
endpoint = "{exchange.url}"
[hedge]
legs = [{{ symbol = "BTC/USDT:USDT" }}]
initial_ratio = 0.5
[account.main]
api_key = "{KEY}"
api_secret = "{SECRET}"
uid = "{UIDS[exchange.name]}"
[[portfolio]]
name = "main"
account = "main"
holding = [{{ asset = "BTC", quantity = 1 }}]
"""
    )
    return file


def test_an_exchange_gets_what_was_approved_and_nothing_before(
    hedged: Hedged, exchange: Exchange, tmp_path: Path
) -> None:
    file = on(exchange, tmp_path)
    checked = hedged("check", "--json", config=file)
    proposed = hedged("run", "--once", "--json", config=file)
    before = exchange.orders()
    approved = hedged("approve", 1, config=file)
    done = hedged("run", "--once", "--json", config=file)
    hedged("run", "--once", config=file)

    assert [ran.code for ran in (checked, proposed, approved, done)] == [0] * 4, proposed.err
    assert (before, orders(proposed)) == (0, [])
    assert [(one["status"], one["filled"]) for one in orders(done)] == [("filled", "0.5")]
    assert exchange.orders() == 1


def test_a_key_that_only_reads_leaves_the_trade_to_a_person(hedged: Hedged, tmp_path: Path) -> None:
    """On Bybit; Binance lets no key see futures that may not trade them."""
    with running("bybit", "--deposit", "50000", "--rights", "read") as exchange:
        file = on(exchange, tmp_path)
        hedged("run", "--once", config=file)
        approved = hedged("approve", 1, config=file)
        ran = hedged("run", "--once", "--json", config=file)
        shown = hedged("plan", config=file)
        sent = exchange.orders()

    assert (approved.code, ran.code, sent) == (0, 0, 0), ran.err
    assert "it is yours to trade until" in approved.out
    assert "for you to trade: sell 0.5 BTC/USDT:USDT" in ran.json[0]["record"]["waits"]
    assert "approved by" in shown.out
    assert ", yours to trade" in shown.out
    assert "once; a pass that has seen the trade ends it" in shown.out
