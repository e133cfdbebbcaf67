"""What waits for a person is told with what to type, as long as it waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from approving import Rig, Template
from hedged.core.record import CycleRecord
from hedged.core.telling import from_record as told


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    Template(tmp_path).copied(tmp_path)
    made = Rig(tmp_path)
    yield made
    made.close()


def asks(record: CycleRecord) -> list[tuple[str, str]]:
    return [(one.alert.what, one.alert.text) for one in told(record).standing
            if one.alert.kind == "approval"]  # fmt: skip


async def test_a_proposal_is_told_with_what_to_type_until_somebody_answers(rig: Rig) -> None:
    first, second = await rig.review(), await rig.guard()
    rig.approve(1)
    third = await rig.guard()

    ((what, text),) = asks(first)
    assert what == "proposal 1 waits: sell 2 BTC/USDT:USDT"
    assert text.splitlines()[-3:] == [
        "Until 2024-01-02 00:05 UTC; silence sends nothing.",
        "hedged approve 1",
        "hedged reject 1 --why TEXT",
    ]
    assert asks(second) == asks(first)
    assert asks(third) == []
    assert told(first).standing[0].alert.title.startswith("[alert] main: proposal 1 waits")


async def test_a_rejection_and_a_plan_that_is_gone_ask_nothing(rig: Rig) -> None:
    await rig.review()
    rig.venue.held -= 2
    gone = await rig.guard()
    rig.venue.held += 2
    rig.reject(1)
    rejected = await rig.guard()

    assert asks(gone) == asks(rejected) == []


async def test_an_altered_row_is_told_at_once(rig: Rig) -> None:
    await rig.review()
    rig.alter("proposal", "account = 'other'")
    seen = asks(await rig.guard())

    assert [what for what, _ in seen] == [
        "ALTERED: the row of proposal 1 was altered",
        "proposal 2 waits: sell 2 BTC/USDT:USDT",
    ]
