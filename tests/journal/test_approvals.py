"""Consents as rows: append-only, used once, and asked for by the database before any order leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from approving import Rig, Template
from builders import ETH, d, guard_tick
from hedged.core.encoding import digest, encode
from hedged.core.plan import Step
from hedged.core.record import Tick
from hedged.errors import ConsentRefused, JournalError
from hedged.journal import schema
from hedged.journal.approvals import Approvals

SAID = """INSERT INTO decision VALUES (1, 'approve', 'alice', '', '2024-01-01T00:06:00+00:00')"""
USED = "INSERT INTO consent_use VALUES (1, 'main', '{tick}', '2024-01-01T00:07:00+00:00')"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    Template(tmp_path).copied(tmp_path)
    made = Rig(tmp_path)
    yield made
    made.close()


def run(rig: Rig, *statements: str) -> None:
    with rig.journal.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def intent(rig: Rig, tick: Tick, step: Step, mode: str = "alert") -> str:
    """A row as no code of ours writes it: without a question."""
    count = len(rig.journal.intents("main"))
    id_ = f"hdg{count}{mode}"
    values = {
        "id": count + 1, "portfolio": "main", "account": "paper", "mode": mode, "tick_id": tick.id,
        "symbol": step.symbol, "client_order_id": id_, "notional": "1",
        "body": encode(step).decode(), "opened_at": rig.clock().isoformat(),
    }  # fmt: skip
    with rig.journal.engine.begin() as connection:
        connection.execute(schema.intent.insert(), values)
    return id_


async def proposed(rig: Rig) -> Step:
    record = await rig.review()
    (step,) = record.thought.plan.steps
    return step


async def used(rig: Rig, tick: Tick) -> Step:
    """A consent to 2 contracts that *tick* has used up."""
    step = await proposed(rig)
    rig.approve(1)
    Approvals(rig.journal).use(1, "main", tick.id, rig.clock())
    return step


TICK = guard_tick()


async def test_what_a_used_consent_covers_may_be_sent_once(rig: Rig) -> None:
    step = await used(rig, TICK)
    id_ = intent(rig, TICK, step)

    assert rig.journal.claim(id_, rig.clock())
    assert not rig.journal.claim(id_, rig.clock())


@pytest.mark.parametrize("rows", [[], [SAID]], ids=["proposed only", "approved and not used"])
async def test_without_a_used_consent_nothing_may_be_sent(rig: Rig, rows: list[str]) -> None:
    step = await proposed(rig)
    run(rig, *rows)

    assert not rig.journal.claim(intent(rig, TICK, step), rig.clock())


async def test_a_rejected_proposal_that_was_used_by_force_lets_nothing_be_sent(rig: Rig) -> None:
    step = await proposed(rig)
    run(rig, SAID.replace("approve", "reject"), USED.format(tick=TICK.id))

    assert not rig.journal.claim(intent(rig, TICK, step), rig.clock())


@pytest.mark.parametrize(
    "other",
    [
        {"symbol": ETH},
        {"side": "buy"},
        {"reduce_only": True},
        {"contracts": d("2.001")},
        {"limit_price": d(97)},
        {"limit_price": d(102)},
    ],
    ids=str,
)
async def test_what_was_not_approved_may_not_be_sent(rig: Rig, other: dict[str, Any]) -> None:
    step = await used(rig, TICK)

    assert not rig.journal.claim(intent(rig, TICK, replace(step, **other)), rig.clock())


async def test_several_orders_together_are_no_more_than_what_was_approved(rig: Rig) -> None:
    step = await used(rig, TICK)
    first = intent(rig, TICK, replace(step, contracts=d("1.5")))
    allowed = rig.journal.claim(first, rig.clock())
    second = intent(rig, TICK, replace(step, contracts=d("0.6")))

    assert allowed
    assert not rig.journal.claim(second, rig.clock())


async def test_another_tick_or_account_has_no_consent(rig: Rig) -> None:
    step = await used(rig, TICK)
    other_tick = intent(rig, guard_tick(TICK.scheduled_at + timedelta(minutes=5)), step)
    other_account = intent(rig, TICK, step)
    run(rig, f"UPDATE intent SET account = 'other' WHERE client_order_id = '{other_account}'")

    assert not rig.journal.claim(other_tick, rig.clock())
    assert not rig.journal.claim(other_account, rig.clock())


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=1)], ids=["ours", "the venue's"])
async def test_an_expired_consent_lets_nothing_be_sent_by_either_clock(
    rig: Rig, ahead: timedelta
) -> None:
    step = await used(rig, TICK)
    id_ = intent(rig, TICK, step)
    rig.clock.step(hours=24 - ahead / timedelta(hours=1))

    assert not rig.journal.claim(id_, rig.clock() + ahead)


@pytest.mark.parametrize("mode", ["paper", "live"])
async def test_modes_of_intents_are_told_apart(rig: Rig, mode: str) -> None:
    """A live intent needs no consent, one on paper is never sent, whatever was approved."""
    step = await used(rig, TICK)

    assert rig.journal.claim(intent(rig, TICK, step, mode), rig.clock()) is (mode == "live")


async def test_an_altered_row_covers_nothing(rig: Rig) -> None:
    step = await used(rig, TICK)
    rig.alter("proposal", """body = replace(body, '"contracts_max":"2', '"contracts_max":"9')""")

    assert not rig.journal.claim(intent(rig, TICK, step), rig.clock())
    with pytest.raises(JournalError, match="altered"):
        rig.journal.open_intent(rig.policy, TICK, step)


@pytest.mark.parametrize("table", ["proposal", "decision", "consent_use"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET {}"])
async def test_the_database_keeps_the_rows_as_they_are(rig: Rig, table: str, change: str) -> None:
    await used(rig, TICK)
    column = {"proposal": "body = ''", "decision": "by = ''", "consent_use": "at = ''"}[table]

    with pytest.raises(Exception, match="append-only"):
        run(rig, change.format(table, column))


async def test_a_consent_is_used_by_one_tick(rig: Rig) -> None:
    await used(rig, TICK)

    with pytest.raises(ConsentRefused, match="used by guard@2024-01-01T00:00:00Z"):
        Approvals(rig.journal).use(1, "main", "guard@later", rig.clock())
    with pytest.raises(Exception, match="UNIQUE"):
        run(rig, USED.format(tick="guard@later"))


async def test_a_consent_is_not_used_before_it_is_given_nor_after_it_expired(rig: Rig) -> None:
    await proposed(rig)
    desk = Approvals(rig.journal)
    with pytest.raises(ConsentRefused, match="not approved"):
        desk.use(1, "main", TICK.id, rig.clock())
    with pytest.raises(ConsentRefused, match="no proposal 2"):
        desk.use(2, "main", TICK.id, rig.clock())
    rig.approve(1)
    with pytest.raises(ConsentRefused, match="not approved for other"):
        desk.use(1, "other", TICK.id, rig.clock())
    with pytest.raises(ConsentRefused, match="expired"):
        desk.use(1, "main", TICK.id, rig.clock() + timedelta(hours=24))


async def test_what_is_decided_on_must_be_there_and_of_these_settings(rig: Rig) -> None:
    await proposed(rig)

    with pytest.raises(ConsentRefused, match="there is no proposal 5"):
        rig.approve(5)
    with pytest.raises(ConsentRefused, match="of these settings \\(none\\)"):
        Approvals(rig.journal).decide(1, "approve", "alice", "", rig.clock(), {"else": "paper"})


async def test_the_row_is_what_the_record_holds_byte_for_byte(rig: Rig) -> None:
    record = await rig.review()
    assert record.proposal is not None
    with rig.journal.engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM proposal")).one()

    assert row.body.encode() == encode(record.proposal)
    assert row.digest == digest(row.body.encode())
    assert rig.journal.record(1).proposal == record.proposal
    assert rig.standing().proposal == record.proposal
    assert Approvals(rig.journal).undone("main") is None


def test_a_journal_from_before_gets_the_tables(tmp_path: Path) -> None:
    """As `run` finds one that a version without approvals has left."""
    from alembic import command

    from hedged.journal.database import _config, opened

    path = tmp_path / "journal.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO record VALUES (1, 'main', 'guard@x', 'guard', 'now', '{}', '', '')"
        )
    engine.dispose()
    engine = opened(path, read_only=False)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT count(*) FROM record")).scalar()
        added = connection.execute(text("SELECT count(*) FROM consent_use")).scalar()
    engine.dispose()

    assert (kept, added) == (1, 0)
