"""Alert mode as a whole: what a person says is executed at most once, and silence never."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from approving import MINUTE, Killed, Rig, Template
from builders import BTC, d, guard_tick, policy, rule
from hedged import approval, cycle
from hedged.core.encoding import digest, encode
from hedged.core.foregone import LATE, Tally, marks_of, not_traded
from hedged.core.market import OpenOrder
from hedged.core.record import CycleRecord, Mode, remember
from hedged.core.target import RatioPolicy
from hedged.errors import ConsentRefused, JournalError
from hedged.journal.approvals import Approvals
from hedged.journal.store import Journal

Start = Callable[..., Rig]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def rig(tmp_path: Path, template: Template) -> Iterator[Start]:
    made: list[Rig] = []

    def start(name: str = "one", mode: Mode = "alert", **changed: Any) -> Rig:
        folder = tmp_path / name
        folder.mkdir()
        if mode == "alert" and "account" not in changed:
            template.copied(folder)
        made.append(Rig(folder, mode=mode, **changed))
        return made[-1]

    yield start
    for one in made:
        one.close()


async def test_a_plan_waits_and_what_is_approved_is_sent_once(rig: Start) -> None:
    one = rig()
    first = await one.review()
    silent = await one.guard()
    one.approve(1)
    done = await one.guard()
    after = [await one.guard() for _ in range(3)]

    assert (first.outcomes, silent.outcomes) == ((), ())
    assert first.proposal is not None
    assert (first.proposal.number, silent.proposal) == (1, None)
    assert "proposal 1 waits for approval" in silent.because
    assert [o.filled for o in done.outcomes] == one.sent == [2]
    assert done.approved_by == "approval 1 by alice"
    assert done.decision is not None
    assert done.decision.by == "alice"
    assert [record.outcomes for record in after] == [()] * 3
    assert all("inside the band" in r.because or "are held" in r.because for r in after)


async def test_the_record_and_its_proposal_are_kept_together_or_not_at_all(rig: Start) -> None:
    one = rig()
    one.fate.again(2)  # observe, then the commit of the record
    with pytest.raises(Killed, match="before commit"):
        await one.review()
    one.restart()

    assert one.journal.head()[0] == 0
    assert one.standing().proposal is None
    record = await one.review()
    assert one.standing().proposal == record.proposal


async def test_silence_executes_nothing_for_a_week(rig: Start) -> None:
    one = rig()
    await one.review()
    records = [await one.guard(hours=1) for _ in range(7 * 24)]

    assert one.sent == []
    assert [r.proposal.number for r in records if r.proposal] == [2, 3, 4, 5, 6, 7, 8]
    assert "expired" in next(r.proposal.moved for r in records if r.proposal)


async def test_asked_to_leave_just_after_an_approval_was_used_up_what_is_left_out_is_told(
    rig: Start,
) -> None:
    """It is used up, and nothing was sent under it; a person is asked anew."""
    one = rig()
    await one.review()
    one.approve(1)
    one.clock.step(minutes=5)
    asked = iter((False, True))
    left = await cycle.run(guard_tick(one.clock()), one.shell, lambda: next(asked))
    (told,) = left.left_out

    assert (left.outcomes, one.sent) == ((), [])
    assert told.endswith("left out, hedged was asked to leave")
    assert told in left.because
    one.restart()
    again = await one.guard()
    assert one.sent == []
    assert again.proposal is not None
    assert "1 was used by" in again.proposal.moved


async def test_approved_twice(rig: Start) -> None:
    one = rig()
    await one.review()
    one.approve(1)
    with pytest.raises(ConsentRefused, match="proposal 1 was approved by alice"):
        one.approve(1, by="bob")
    await one.guard()
    with pytest.raises(ConsentRefused, match="was approved by alice"):
        one.approve(1)
    await one.guard()

    assert one.sent == [2]


async def test_approved_after_it_expired(rig: Start) -> None:
    one = rig()
    await one.review()
    one.clock.step(hours=24)
    with pytest.raises(ConsentRefused, match="proposal 1 expired at 2024-01-02 00:05 UTC"):
        one.approve(1)
    await one.guard()

    assert one.sent == []


async def test_approved_in_time_and_found_too_late(rig: Start) -> None:
    one = rig()
    await one.review()
    one.clock.step(hours=23)
    one.approve(1)
    record = await one.guard(hours=2)

    assert one.sent == []
    assert record.proposal is not None
    assert "1 expired" in record.proposal.moved


async def test_approved_after_it_was_rejected(rig: Start) -> None:
    one = rig()
    await one.review()
    one.reject(1, why="not now")
    with pytest.raises(ConsentRefused, match=r"was rejected by alice at .* \(not now\)"):
        one.approve(1)
    held = [await one.guard(hours=5) for _ in range(8)]
    one.venue.quantity = d(30)
    held.append(await one.guard())
    one.clock.step(days=1)
    again = await one.review()

    assert one.sent == []
    assert [record.proposal for record in held] == [None] * 9
    assert "rejected by alice: not now" in held[-1].because
    assert again.proposal is not None
    assert again.proposal.number == 2


async def test_approved_on_another_account(rig: Start, tmp_path: Path) -> None:
    one = rig()
    await one.review()
    with (
        Journal.open_beside(one.path, one.clock) as beside,
        pytest.raises(ConsentRefused, match="account paper, which is not that of these settings"),
    ):
        Approvals(beside).decide(1, "approve", "alice", "", one.clock(), {"main": "elsewhere"})
    one.approve(1)
    moved = replace(one.policy, account="elsewhere")
    record = await cycle.run(guard_tick(one.clock()), replace(one.shell, policy=moved))

    assert one.sent == []
    assert record.proposal is not None
    assert "was for account paper" in record.proposal.moved


@pytest.mark.parametrize(
    "change",
    [
        """body = replace(body, '"contracts_max":"2', '"contracts_max":"9')""",
        "expires_at = '2034-01-02T00:05:00+00:00'",
        "body = '{}'",
        "tick_id = 'guard@2024-01-01T00:00:00Z'",
        "account = 'other'",
    ],
)
async def test_an_altered_row_is_worth_nothing_and_alerts(rig: Start, change: str) -> None:
    one = rig()
    await one.review()
    one.approve(1)
    one.alter("proposal", change)
    with capture_logs() as logs:
        record = await one.guard()

    assert one.sent == []
    assert any(line["event"] == "proposal_altered" and line["alert"] for line in logs)
    assert record.proposal is not None
    assert "the row of proposal 1 was altered" in record.proposal.moved


async def test_a_row_altered_with_its_digest_is_not_what_the_record_holds(rig: Start) -> None:
    """Who can write the database can write the digest too, but not the hash chain before it."""
    one = rig()
    record = await one.review()
    assert record.proposal is not None
    (bound,) = record.proposal.steps
    forged = encode(replace(record.proposal, steps=(replace(bound, contracts_max=d(9)),))).decode()
    one.approve(1)
    one.alter("proposal", f"body = '{forged}', digest = '{digest(forged.encode())}'")
    one.venue.quantity = d(45)
    after = await one.guard()

    assert one.sent == []
    assert after.proposal is not None
    assert "altered" in after.proposal.moved
    with pytest.raises(ConsentRefused, match="altered"):
        one.reject(1)


async def test_a_row_altered_after_it_was_looked_at_lets_nothing_be_sent(
    rig: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = rig()
    await one.review()
    one.approve(1)

    def weighed(*args: Any) -> Any:
        one.alter("proposal", "digest = 'x'")
        return was(*args)

    was = approval.weighed
    monkeypatch.setattr(approval, "weighed", weighed)
    with capture_logs() as logs:
        record = await one.guard()

    assert one.sent == []
    assert any(line["event"] == "consent_not_used" and line["alert"] for line in logs)
    assert "the row of proposal 1 was altered" in record.because


async def test_two_approvers_at_once_are_one(rig: Start) -> None:
    one = rig()
    await one.review()

    def say(by: str) -> str:
        try:
            one.approve(1, by=by)
        except ConsentRefused as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(say, [f"person {n}" for n in range(8)]))
    await one.guard()
    await one.guard()

    assert answers.count("") == 1
    assert all("was approved by person" in text for text in answers if text)
    assert one.sent == [2]


APPROVER = """
import sys
from datetime import datetime
from pathlib import Path
from hedged.errors import ConsentRefused
from hedged.journal.approvals import Approvals
from hedged.journal.store import Journal
now = datetime.fromisoformat(sys.argv[2])
with Journal.open_beside(Path(sys.argv[1]), lambda: now) as journal:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        Approvals(journal).decide(1, sys.argv[3], sys.argv[3], "", now, {"main": "paper"})
    except ConsentRefused as error:
        print("refused", error)
    else:
        print("done")
"""


def both_at_once(path: Path, now: datetime) -> list[str]:
    """What two processes are told that approve and reject at the same time."""
    people = [
        subprocess.Popen(
            [sys.executable, "-c", APPROVER, str(path), now.isoformat(), verdict],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for verdict in ("approve", "reject")
    ]  # fmt: skip
    for person in people:
        assert person.stdout is not None
        assert person.stdout.readline() == "ready\n"
    for person in people:
        assert person.stdin is not None
        person.stdin.write("\n")
        person.stdin.flush()
    return [person.communicate(timeout=60)[0].split()[0] for person in people]


async def test_one_process_approves_while_another_rejects(rig: Start) -> None:
    one = rig()
    await one.review()
    told = both_at_once(one.path, one.clock())
    await one.guard()

    assert sorted(told) == ["done", "refused"]
    assert one.sent == ([2] if told[0] == "done" else [])


async def test_approved_while_the_daemon_is_down(rig: Start) -> None:
    one = rig()
    await one.review()
    one.close()
    one.approve(1)
    one.restart(hours=3)
    await one.guard()

    assert one.sent == [2]


async def points(one: Rig) -> list[str]:
    """Every point that a pass goes through which executes an approval."""
    await one.review()
    one.approve(1)
    one.fate.again(None)
    await one.guard()
    return one.fate.sites


async def test_killed_at_every_point_between_approval_and_the_end(rig: Start) -> None:
    sites = await points(rig("whole"))
    used = sites.index("after commit")
    seen: dict[str, list[Any]] = {}
    for at, site in enumerate(sites, start=1):
        one = rig(f"killed-{at}")
        await one.review()
        one.approve(1)
        one.fate.again(at)
        with pytest.raises(Killed, match=site):
            await one.guard()
        before = list(one.sent)
        one.restart()
        record = await one.guard()
        executed = sum(one.sent)

        assert executed in (0, 2)
        assert len(one.sent) <= 1
        if at <= used:  # the consent was not used up: it still holds
            assert executed == 2
        elif not before:  # used up, nothing sent: a new proposal, and never that one again
            assert executed == 0
            assert record.proposal is not None
            assert "1 was used by" in record.proposal.moved
        else:
            assert record.proposal is None
        for _ in range(3):
            await one.guard()
        assert sum(one.sent) == executed
        seen.setdefault(site, []).append(executed)

    assert (
        sites.count("before commit") == sites.count("after commit") == 4
    )  # use, intent, outcome, record
    assert set(seen) == {
        "observe", "before commit", "after commit", "before the order", "after the order"
    }  # fmt: skip
    assert {amount for amounts in seen.values() for amount in amounts} == {0, 2}


@pytest.mark.parametrize(("quantity", "sent"), [("10.1", ["2"]), ("9.9", ["1.98"]), ("12", [])])
async def test_the_portfolio_moved_between_approval_and_execution(
    rig: Start, quantity: str, sent: list[str]
) -> None:
    one = rig()
    await one.review()
    one.approve(1)
    one.venue.quantity = d(quantity)
    record = await one.guard()

    assert one.sent == [d(amount) for amount in sent]
    assert sent or (record.proposal is not None and "2 -> 2.4 contracts" in record.proposal.moved)


@pytest.mark.parametrize(("mark", "sent"), [("101.5", [2]), ("98.5", [2]), ("104", []), ("96", [])])
async def test_the_price_moved_between_approval_and_execution(
    rig: Start, mark: str, sent: list[int]
) -> None:
    one = rig()
    await one.review()
    one.approve(1)
    one.venue.mark = d(mark)
    record = await one.guard()

    assert one.sent == sent
    assert sent or (record.proposal is not None and "limit price" in record.proposal.moved)


async def test_a_daemon_that_leaves_uses_no_consent_up(rig: Start) -> None:
    one = rig()
    await one.review()
    one.approve(1)
    going = await cycle.run(guard_tick(one.clock()), one.shell, lambda: True)

    assert one.sent == []
    assert "the consent is kept for its next start" in going.waits
    assert one.standing().used_by is None
    one.restart()
    await one.guard()
    assert len(one.sent) == 1


async def test_a_review_with_another_target_replaces_what_waits(rig: Start) -> None:
    one = rig(rules=(rule("up", "close > 150", raise_to="0.5"),))
    await one.review()
    one.figures.close = 200.0
    one.clock.step(hours=2)
    record = await one.review()
    with pytest.raises(ConsentRefused, match="proposal 1 was replaced by 2"):
        one.approve(1)
    one.approve(2)
    await one.guard()

    assert record.proposal is not None
    assert "the target 20% -> 50%" in record.proposal.moved
    assert one.sent == [5]


async def test_a_key_that_only_reads_leaves_the_trade_to_a_person(rig: Start) -> None:
    one = rig()
    one.venue.by_hand = True
    await one.review()
    one.approve(1)
    shown = [await one.guard() for _ in range(3)]
    one.venue.held = d(-2)  # traded by hand
    done = await one.guard()

    assert one.sent == []
    assert all("for you to trade: sell 2 BTC/USDT:USDT" in record.because for record in shown)
    assert [record.proposal for record in shown] == [None] * 3
    assert done.thought.plan.steps == ()
    assert done.memory.executed_ratio == d("0.20")
    assert done.because.endswith("approval 1 by alice is used up, nothing of it is left to trade")
    one.venue.held = d(0)  # the very same order is due again
    again = await one.guard()
    assert again.proposal is not None
    assert again.proposal.number == 2
    assert "1 was used by" in again.proposal.moved
    assert one.sent == []


async def test_what_was_a_persons_to_trade_is_not_sent_once_the_key_may(rig: Start) -> None:
    """They were told that nothing is sent, and may be trading it just now."""
    one = rig()
    one.venue.by_hand = True
    await one.review()
    one.approve(1)
    one.venue.by_hand = False
    record = await one.guard()

    assert one.sent == []
    assert record.proposal is not None
    assert record.proposal.number == 2
    assert "1, approved by alice, was theirs to trade, and hedged can now" in record.proposal.moved
    one.approve(2)
    await one.guard()
    assert one.sent == [2]


async def test_what_was_traded_by_hand_is_used_up_by_a_daemon_that_leaves_too(rig: Start) -> None:
    one = rig()
    one.venue.by_hand = True
    await one.review()
    one.approve(1)
    one.venue.held = d(-2)
    done = await cycle.run(guard_tick(one.clock() + MINUTE), one.shell, lambda: True)

    assert done.waits == "approval 1 by alice is used up, nothing of it is left to trade"
    assert one.standing().used_by == done.inputs.tick.id


@pytest.mark.parametrize("mode", ["paper", "live"])
async def test_rows_of_another_mode_are_of_no_use(rig: Start, mode: Mode) -> None:
    """In another mode nothing is proposed; rows that were put there by hand can't be decided on."""
    one = rig(mode=mode)
    record = await one.review()

    assert record.proposal is None
    assert len(one.sent) == 1
    with pytest.raises(ConsentRefused, match=f"belongs to mode {mode}"):
        one.approve(1)


async def test_nothing_of_ours_is_taken_back_without_a_person(rig: Start) -> None:
    one = rig()
    shown = one.venue.observe

    async def observed(*args: Any, **named: Any) -> Any:
        stray = OpenOrder(
            symbol=BTC, side="sell", contracts=d(1), limit_price=d(101),
            client_order_id="hdgabc", reduce_only=False,
        )  # fmt: skip
        return replace(await shown(*args, **named), open_orders=(stray,))

    one.venue.observe = observed  # type: ignore[method-assign]
    record = await one.review()

    assert one.venue.cancelled == []
    assert record.inputs.strays == ("hdgabc",)
    assert record.proposal is None


async def test_an_intent_without_a_consent_can_not_be_opened(rig: Start) -> None:
    one = rig()
    record = await one.review()
    (step,) = record.thought.plan.steps
    tick = guard_tick(one.clock())

    with pytest.raises(JournalError, match="no consent was used by"):
        one.journal.open_intent(one.policy, tick, step)
    one.approve(1)
    with pytest.raises(JournalError, match="no consent was used by"):
        one.journal.open_intent(one.policy, tick, step)
    assert one.journal.intents("main") == []


async def test_the_tolerance_and_the_life_are_those_of_the_settings(rig: Start) -> None:
    terms = replace(policy().consent, lives=timedelta(hours=2), reprice_tolerance=d("0.5"))
    one = rig(consent=terms, ratio=RatioPolicy(initial_ratio=d("0.30")))
    record = await one.review()
    one.approve(1)
    one.venue.quantity = d(14)
    await one.guard()

    assert record.proposal is not None
    assert record.proposal.expires_at - record.proposal.made_at == timedelta(hours=2)
    assert one.sent == [3]


def foregone(one: Rig, last: CycleRecord) -> dict[str, Tally]:
    marks = marks_of(last.inputs.snapshot)
    found = not_traded(last.memory.foregone, one.standing(), marks, last.inputs.now)
    return found.reasons if found else {}


async def test_what_nobody_traded_is_what_the_account_that_did_has_earned(rig: Start) -> None:
    silent, prompt = rig("silent"), rig("prompt")
    await silent.review()
    await prompt.review()
    prompt.approve(1)
    await prompt.guard(seconds=1)
    for one in (silent, prompt):
        one.venue.mark = d(90)
    await prompt.guard(seconds=1)  # it finds the position at 90, as the other finds none
    for one in (silent, prompt):
        one.venue.mark = d(80)
    missed, traded = await silent.guard(), await prompt.guard()

    moved = traded.thought.attribution.hedge_pnl
    assert moved == 20
    assert foregone(silent, missed) == {"waiting": Tally(proposals=1, earned=2 * moved)}
    assert foregone(prompt, traded) == {}


async def test_an_order_that_came_late_is_counted_to_its_own_mark_once(rig: Start) -> None:
    one = rig(consent=replace(policy().consent, reprice_tolerance=d("0.5")))
    await one.review()
    one.approve(1)
    one.venue.mark, one.venue.quantity = d(90), d(10)
    sent = await one.guard()
    (outcome,) = sent.outcomes
    one.venue.mark = d(50)
    last = await one.guard()

    assert sent.memory.foregone is not None
    assert sent.memory.foregone.counting is None
    assert foregone(one, last)[LATE] == Tally(proposals=1, earned=10 * outcome.filled)


async def test_what_is_due_no_more_counts_no_further(rig: Start) -> None:
    one = rig()
    await one.review()
    one.reject(1)
    one.venue.mark = d(90)
    await one.guard()
    one.venue.held = d("-2")  # as by a hand that nobody told of
    await one.guard()
    one.venue.mark = d(50)
    last = await one.guard()

    assert foregone(one, last)["rejected by alice"] == Tally(proposals=1, earned=d(20))


async def test_a_journal_from_before_counts_as_it_did(rig: Start) -> None:
    """Its records are decided again from inputs that do not say that anything is counted."""
    one = rig()
    record = await one.review()
    before = replace(record.inputs, standing=replace(one.standing(), counts=False))

    assert record.memory.foregone is not None
    assert remember(before, record.thought, (), record.proposal).foregone is None
