"""A start that is refused reaches a person: once, in time, and only where the journal can tell it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from builders import MONDAY, policy
from commands import Answer, answer, armed
from exchange.binance_wallet import UID
from exchange.running import Running, running
from exchange.venue import KEY, SECRET
from fakes import FakeClock
from hedged.alerts.teller import Choice, Teller
from hedged.cli import exits
from hedged.cli import run as cli_run
from hedged.core.telling import not_started
from hedged.errors import VenueUnavailable
from hedged.journal.alerts import AlertQueue
from hedged.journal.database import lock_writer
from hedged.journal.store import Journal
from hedged.logs import Redactor
from hedged.wiring import refusals
from told import passed
from webhooks import TOKEN, Webhook

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
TITLE = "[live] main: hedged does not start"
NO_LIVE = "service.mode is 'live'; give --live too, for orders will be sent"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with Webhook() as made:
        monkeypatch.setenv("HEDGED__ALERTS__URLS", made.url)
        yield made


@pytest.fixture
def exchange() -> Iterator[Running]:
    with running("binance", "--deposit", "50000") as found:
        yield found


def written(folder: Path, endpoint: str = "http://127.0.0.1:9", leg: str = BTC, **service: str) -> Path:
    """A portfolio of one bitcoin, half hedged; nobody listens at the default endpoint."""
    said = {"mode": "live", "state_dir": "state", **service}
    (folder / "hedged.toml").touch(mode=0o600)
    (folder / "hedged.toml").write_text(f"""
[service]
mode = "{said["mode"]}"
state_dir = "{said["state_dir"]}"
[venue]
kind = "binance"
endpoint = "{endpoint}"
[hedge]
legs = [{{ symbol = "{leg}" }}]
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
    return folder / "hedged.toml"


def run(monkeypatch: pytest.MonkeyPatch, config: Path, *more: str) -> Answer:
    return answer(monkeypatch, "run", "--once", "-c", config, *more)


def listed(monkeypatch: pytest.MonkeyPatch, config: Path) -> list[dict[str, Any]]:
    told = answer(monkeypatch, "alerts", "list", "-c", config, "--json")
    assert told.code == 0, told.err
    found: list[dict[str, Any]] = told.json["alerts"]
    return [one for one in found if one["alert"]["kind"] == "start"]


def test_a_leg_left_behind_is_told_once_with_its_fix_and_the_same_exit_code(
    tmp_path: Path, exchange: Running, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = armed(monkeypatch, written(tmp_path, exchange.url))
    assert run(monkeypatch, config, "--live").code == 0
    written(tmp_path, exchange.url, ETH)
    refused = [run(monkeypatch, config, "--live") for _ in range(3)]

    assert [one.code for one in refused] == [exits.SETTINGS] * 3
    assert "which is no leg any more" in refused[0].err
    (body,) = [one for one in hook.posted if one["title"] == TITLE]
    assert f"account main holds {BTC}, which is no leg any more" in body["message"]
    assert f'Add {{ symbol = "{BTC}", weight = 0 }}' in body["message"]
    (alert,) = listed(monkeypatch, config)
    assert alert["alert"]["severity"] == "critical"
    assert alert["states"] == {"1 (json)": "sent"}
    assert all(secret not in str(hook.posted) + refused[0].err for secret in (SECRET, TOKEN))


def test_another_refusal_is_told_for_itself(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(tmp_path)
    codes = [run(monkeypatch, config).code for _ in range(2)]
    other = written(tmp_path, mode="alert")
    codes.append(run(monkeypatch, other, "--live").code)

    assert codes == [exits.SETTINGS] * 3
    assert hook.titles == [TITLE, TITLE.replace("live", "alert")]
    assert NO_LIVE in hook.posted[0]["message"]


def test_a_start_that_was_refused_binds_no_journal(
    tmp_path: Path, exchange: Running, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, written(tmp_path, mode="alert"), "--live").code == exits.SETTINGS
    assert hook.titles == [TITLE.replace("live", "alert")]
    config = armed(monkeypatch, written(tmp_path, exchange.url))

    assert run(monkeypatch, config, "--live").code == 0


def test_a_journal_of_other_accounts_is_told_of_and_stays_theirs(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state" / "journal.sqlite"
    Journal.open_for(path, "live", ("other",), FakeClock(MONDAY)).close()
    refused = run(monkeypatch, written(tmp_path), "--live")

    assert refused.code == exits.JOURNAL
    assert hook.titles == [TITLE]
    assert "give service.state_dir another folder" in hook.posted[0]["message"]
    Journal.open_for(path, "live", ("other",), FakeClock(MONDAY)).close()


def test_an_exchange_that_is_down_at_the_start_is_told_once_whatever_it_says(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter(("no answer within 9 s", "no answer within 10 s"))

    async def down(*_: object, **__: object) -> None:
        raise VenueUnavailable(next(said))

    monkeypatch.setattr(cli_run, "put_together", down)
    config = written(tmp_path)
    codes = [run(monkeypatch, config, "--live").code for _ in range(2)]

    assert codes == [exits.VENUE] * 2
    assert hook.titles == [TITLE]
    assert "within 9 s" in hook.posted[0]["message"]


def test_a_channel_that_hangs_keeps_nobody_and_gets_it_later(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "TELLING_S", 0.3)
    hook.hangs = True
    config, began = written(tmp_path), time.monotonic()
    refused = run(monkeypatch, config)
    took = time.monotonic() - began
    (waits,) = listed(monkeypatch, config)
    hook.hangs = False
    again = run(monkeypatch, config)

    assert refused.code == again.code == exits.SETTINGS
    assert took < 10  # the channel would hang for 20 s
    assert waits["states"] == {"1 (json)": "waits"}
    assert hook.titles == [TITLE]


def test_a_channel_that_failed_just_now_is_tried_nevertheless(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.status = 500
    config = written(tmp_path)
    run(monkeypatch, config)
    hook.status = 200
    run(monkeypatch, config)

    assert hook.titles == [TITLE]


def test_beside_a_daemon_at_work_nothing_is_told(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lock_writer(tmp_path / "state" / "journal.sqlite"):
        busy = run(monkeypatch, written(tmp_path), "--live")
        mistyped = run(monkeypatch, written(tmp_path))

    assert (busy.code, mistyped.code) == (exits.JOURNAL, exits.SETTINGS)
    assert hook.posted == []
    assert "refusal_not_told" in busy.err + busy.out


def test_a_disk_that_takes_nothing_changes_neither_reason_nor_code(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("no folder")
    refused = run(monkeypatch, written(tmp_path))

    assert refused.code == exits.SETTINGS
    assert NO_LIVE in refused.err
    assert hook.posted == []


def test_without_a_channel_a_refusal_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run(monkeypatch, written(tmp_path))

    assert refused.code == exits.SETTINGS
    assert not (tmp_path / "state").exists()


def test_it_is_repeated_while_it_stands_and_over_once_passes_are_made(tmp_path: Path) -> None:
    clock = FakeClock(MONDAY)
    with Journal.open_for(tmp_path / "journal.sqlite", "live", ("main",), clock) as journal:
        queue = AlertQueue(journal)
        repeats = Choice(repeat_after=timedelta(hours=6))
        teller = Teller(journal, queue, "live", repeats, Redactor(["canary"]))
        for hours in (0, 1, 6, 7):
            at = MONDAY + timedelta(hours=hours)
            teller.tell(not_started("live", ("main", "side"), "no key canary", "no key", at))
        for minutes in (5, 20):
            journal.append(passed(MONDAY + timedelta(hours=7, minutes=minutes), guard=True), policy())
            teller.look()
        told = [one.alert for one in reversed(queue.listed(9)) if one.alert.kind == "start"]

    assert [one.what for one in told] == [
        "hedged does not start",
        "still: hedged does not start",
        "over: hedged does not start",
    ]
    assert "canary" not in told[0].key + told[0].text
    assert "main, side" in told[0].text
