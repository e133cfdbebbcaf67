"""The desk: at least once, in order, beside the passes, and never in their way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from builders import MONDAY, policy
from fakes import FakeClock
from hedged.alerts import desk as module
from hedged.alerts.channels import Channel
from hedged.alerts.desk import Desk
from hedged.alerts.teller import Choice, Teller
from hedged.core.gate import Restriction
from hedged.core.telling import from_record
from hedged.errors import JournalBusy
from hedged.journal.alerts import AlertQueue
from hedged.journal.store import Journal
from hedged.logs import Redactor
from told import passed, telling
from webhooks import TOKEN, Webhook, dead

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
HELD = "[paper] main: HOLD: the account can't be read"


class Crash(BaseException):
    """The process ends here."""


class Rig:
    """A journal, and desks over it one after another."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(MONDAY)
        self.journal = Journal.open_for(folder / "journal.sqlite", "paper", ("paper",), self.clock)
        self.queue = AlertQueue(self.journal)

    def desk(self, *urls: str, choice: Choice | None = None, cut_off_s: float = 5.0) -> Desk:
        redact = Redactor(["canary-secret"])
        teller = Teller(self.journal, self.queue, "paper", choice or Choice(), redact)
        channels = [Channel(n, url, cut_off_s) for n, url in enumerate(urls, start=1)]
        self.queue.register([channel.name for channel in channels], self.clock())
        return Desk(teller, self.queue, channels, self.clock)

    def record(self, kind: Any = "hold", **after: float) -> None:
        """A pass of *kind* some time after the last one, recorded; without one a quiet one."""
        self.clock.step(**after or {"minutes": 5})
        now = self.clock()
        made = passed(now, guard=True) if kind is None else telling(kind, now, guard=True)
        self.journal.append(made, policy())

    async def once(self, desk: Desk) -> None:
        """All that is there is told and tried once."""
        async with desk.at_work():
            pass


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.journal.close()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as made:
        yield made


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - it may be so in another thread
            await asyncio.sleep(0.01)


async def test_a_record_is_told_while_the_daemon_works(rig: Rig, hook: Webhook) -> None:
    desk = rig.desk(hook.url)
    async with desk.at_work():
        for kind in ("orders", "liquidation"):
            rig.record(kind)
            desk.wake()
            await until(lambda: len(rig.queue.listed(9)) == len(hook.posted) > 0)

    assert hook.titles == [
        "[paper] main: sold 2 BTC",
        "[paper] main: LIQUIDATED: bought 2 BTC",
    ]


async def test_a_standing_hold_is_one_message_and_its_end_another(rig: Rig, hook: Webhook) -> None:
    for _ in range(10):
        rig.record("hold")
    for _ in range(5):
        rig.record(None)
    await rig.once(rig.desk(hook.url))

    assert hook.titles == [HELD, f"[paper] main: over: {HELD[14:]}"]


async def test_it_is_repeated_as_often_as_the_settings_say(rig: Rig, hook: Webhook) -> None:
    for _ in range(5):
        rig.record("hold", minutes=30)
    await rig.once(rig.desk(hook.url, choice=Choice(repeat_after=HOUR)))

    assert hook.titles == [HELD] + [f"[paper] main: still: {HELD[14:]}"] * 2


async def test_what_was_raised_before_a_restart_is_sent_after_it(rig: Rig, hook: Webhook) -> None:
    rig.record("orders")
    first = rig.desk(hook.url)
    first.teller.look()  # the process ends here, between the queue and the sending
    await rig.once(rig.desk(hook.url))

    assert hook.titles == ["[paper] main: sold 2 BTC"]


async def test_what_was_recorded_and_not_raised_is_raised_after_a_restart(
    rig: Rig, hook: Webhook
) -> None:
    desk = rig.desk(hook.url)
    rig.record("orders")  # the process ends here: the desk is never woken
    del desk
    await rig.once(rig.desk(hook.url))

    assert hook.titles == ["[paper] main: sold 2 BTC"]


async def test_a_crash_between_the_sending_and_the_note_of_it_sends_again(
    rig: Rig, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise Crash

    rig.record("orders")
    desk = rig.desk(hook.url)
    desk.teller.look()
    with monkeypatch.context() as patch:
        patch.setattr(rig.queue, "settle", crash)
        with pytest.raises(Crash):
            await desk.deliver(desk.channels[0])
    await rig.once(rig.desk(hook.url))
    await rig.once(rig.desk(hook.url))

    assert hook.titles == ["[paper] main: sold 2 BTC"] * 2


async def test_a_dead_channel_does_not_hold_up_another_and_is_tried_ever_less_often(
    rig: Rig, hook: Webhook
) -> None:
    rig.record("orders")
    desk = rig.desk(dead(), hook.url)
    broken = desk.channels[0]
    await rig.once(desk)
    waits = []
    for _ in range(7):
        waits.append(await desk.deliver(broken))
        rig.clock.step(seconds=waits[-1] or 0)

    assert hook.titles == ["[paper] main: sold 2 BTC"]
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    assert "Connection error" in rig.queue.channel(broken.name).error


async def test_a_channel_that_works_again_gets_all_it_missed_in_order(rig: Rig, hook: Webhook) -> None:
    hook.status = 503
    desk = rig.desk(hook.url)
    for kind in ("orders", "liquidation", "restriction"):
        rig.record(kind)
    desk.teller.look()
    await desk.deliver(desk.channels[0])
    hook.status = 200
    rig.clock.step(seconds=30)
    left = await desk.deliver(desk.channels[0])

    assert left is None
    assert [title[14:] for title in hook.titles] == [
        "sold 2 BTC",
        "LIQUIDATED: bought 2 BTC",
        "restricted to reductions by a person",
    ]


async def test_after_a_day_an_alert_is_given_up_and_the_log_says_so(rig: Rig, hook: Webhook) -> None:
    hook.status = 503
    desk = rig.desk(hook.url)
    rig.record("orders")
    desk.teller.look()
    await desk.deliver(desk.channels[0])
    rig.record("liquidation", hours=24, minutes=1)
    desk.teller.look()
    hook.status = 200
    with capture_logs() as logged:
        await desk.deliver(desk.channels[0])
    results = [one.deliveries[0].result for one in rig.queue.listed(9)]

    assert hook.titles == ["[paper] main: LIQUIDATED: bought 2 BTC"]
    assert [line["title"] for line in logged] == ["[paper] main: sold 2 BTC"]
    assert results == ["sent", "given up"]


async def test_a_clock_that_went_back_does_not_silence_a_channel(rig: Rig, hook: Webhook) -> None:
    desk = rig.desk(hook.url)
    rig.record("orders")
    desk.teller.look()
    rig.queue.failed(desk.channels[0].name, "refused", rig.clock() + timedelta(days=400))
    await desk.deliver(desk.channels[0])

    assert len(hook.posted) == 1


async def test_a_thousand_alerts_are_one_message(rig: Rig, hook: Webhook) -> None:
    told = from_record(telling("liquidation", guard=True))
    rig.queue.raise_due(replace(told, events=told.events * 1000), HOUR)
    await rig.once(rig.desk(hook.url))

    assert hook.titles == ["[paper] 1000 alerts: 1000 critical"]
    assert {one.deliveries[0].result for one in rig.queue.listed(1000)} == {"sent"}


async def test_a_hanging_channel_holds_up_neither_a_pass_nor_the_end(rig: Rig, hook: Webhook) -> None:
    hook.hangs = True
    desk, longest = rig.desk(hook.url, cut_off_s=60), 0.0
    began = time.monotonic()
    async with desk.at_work(leaving_s=0.2):
        rig.record("orders")
        desk.wake()
        await until(hook.reached.is_set)
        for _ in range(20):
            start = time.monotonic()
            rig.record(None)
            desk.wake()
            desk.trouble("main", "guard", "no answer", 1)
            longest = max(longest, time.monotonic() - start)
            await asyncio.sleep(0)

    assert longest < 0.5
    assert time.monotonic() - began < 5
    assert rig.queue.unseen(99) == []
    assert len(rig.queue.pending(desk.channels[0].name)) == 1


async def test_a_journal_that_fails_interrupts_the_desk_and_not_the_daemon(
    rig: Rig, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESTART_S", 0.01)
    desk = rig.desk(hook.url)
    look, failing = desk.teller.look, [JournalBusy("locked"), KeyError("a bug")]

    def looks() -> bool:
        if failing:
            raise failing.pop()
        return look()

    monkeypatch.setattr(desk.teller, "look", looks)
    rig.record("orders")
    with capture_logs() as logged:
        async with desk.at_work():
            await until(lambda: len(hook.posted) == 1)

    assert [line["event"] for line in logged] == ["alerts_interrupted"] * 2


async def test_nothing_of_the_outside_is_needed_to_start(rig: Rig) -> None:
    desk = rig.desk("carrierpigeon://somewhere", dead())
    rig.record("orders")
    with capture_logs() as logged:
        await rig.once(desk)

    assert {
        "event": "alert_channel_unusable",
        "channel": "1 (carrierpigeon)",
        "log_level": "error",
    } in logged
    assert [len(rig.queue.pending(channel.name)) for channel in desk.channels] == [1, 1]


async def test_without_a_channel_alerts_are_listed(rig: Rig) -> None:
    rig.record("orders")
    await rig.once(rig.desk())

    assert [one.alert.kind for one in rig.queue.listed(9)] == ["orders"]


async def test_passes_that_fail_are_told_from_the_third_on_and_when_they_work_again(
    rig: Rig, hook: Webhook
) -> None:
    desk = rig.desk(hook.url)
    for n in range(1, 5):
        rig.clock.step(minutes=5)
        desk.trouble("main", "guard", "no answer", n)
    desk.teller.look()
    for _ in range(3):
        rig.record(None)
    await rig.once(desk)

    assert hook.titles == [
        "[paper] main: 3 guard passes failed in a row",
        "[paper] main: over: 3 guard passes failed in a row",
    ]


async def test_a_freeze_is_told_though_no_pass_can_be_made(rig: Rig, hook: Webhook) -> None:
    rig.journal.restrict(
        Restriction(
            scope="main",
            allows="nothing",
            reason="unexpected KeyError: canary-secret",
            by="hedged",
            at=rig.clock(),
        )
    )
    desk = rig.desk(hook.url)
    desk.trouble("main", None, "unexpected KeyError", 1)
    desk.trouble("main", None, "unexpected KeyError", 1)
    await rig.once(desk)
    (posted,) = hook.posted

    assert posted["title"] == "[paper] main: restricted to nothing by hedged"
    assert "unexpected KeyError: [hidden]" in posted["message"]
    assert "canary-secret" not in str(rig.queue.standing())


async def test_only_what_is_wanted_is_raised(rig: Rig, hook: Webhook) -> None:
    for kind in ("orders", "hold", "liquidation", "unknown"):
        rig.record(kind)
    await rig.once(
        rig.desk(hook.url, choice=Choice(severity_min="warning", kinds=frozenset({"hold", "orders"})))
    )

    assert hook.titles == [HELD]


async def test_a_record_that_can_not_be_read_is_passed_over(rig: Rig, hook: Webhook) -> None:
    rig.record("liquidation")
    rig.record("orders")
    with rig.journal.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER record_no_update")
        connection.exec_driver_sql("UPDATE record SET body = '{}' WHERE id = 1")
    await rig.once(rig.desk(hook.url))

    assert hook.titles == ["[paper] main: sold 2 BTC"]


async def test_many_records_are_looked_at_a_few_at_a_time(
    rig: Rig, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(7):
        rig.record("hold", minutes=1)
    monkeypatch.setattr("hedged.alerts.teller.RECORDS_AT_ONCE", 3)
    desk = rig.desk(hook.url)
    more = desk.teller.look()
    await rig.once(desk)

    assert more
    assert rig.queue.unseen(9) == []
    assert hook.titles == [HELD]


async def test_the_address_is_nowhere_but_in_the_settings(rig: Rig, hook: Webhook) -> None:
    hook.status = 403
    desk = rig.desk(hook.url)
    rig.record("orders")
    with capture_logs() as logged:
        await rig.once(desk)
    kept = b"".join(path.read_bytes() for path in rig.journal.path.parent.iterdir())

    assert logged
    assert TOKEN not in str(logged)
    assert TOKEN.encode() not in kept
