"""
Orders that are ours by their name, and that no row of the journal knows.

Enters their ids, what the venue shows of them, and the journal; leaves whose they are: of a writer
whose rows were lost, as when the journal was restored from a copy, or of a second daemon at work on
this account. The first is waited for, for an order of it may be under way still; the second trips.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog

from hedged.core.gate import Restriction
from hedged.core.market import Snapshot
from hedged.core.record import Inputs
from hedged.core.resolution import may_land_until
from hedged.core.wording import contracts
from hedged.journal.store import Journal

log = structlog.get_logger()

LOST = "a lost writer"
"""Who restricts until nothing of a writer whose rows were lost can land any more."""
REMEMBERED = timedelta(days=8)
"""A second daemon that makes its pass once a week is noticed; a loss of last month is another one."""


class Strangers:
    """
    Tells the orders of a lost writer from those of a second daemon.

    A lost writer signed nothing after this process first looked at the account, nor after the journal
    first knew, within `REMEMBERED`, that one was lost: what it signed shows within 335 s, see
    `core.resolution`. What shows later, and was not known before, was signed by a daemon that runs.
    """

    def __init__(self) -> None:
        self._began: dict[str, datetime] = {}

    def second(
        self, snapshot: Snapshot, strays: tuple[str, ...], journal: Journal, name: str
    ) -> dict[str, str]:
        """A sentence for each of *strays* that a second daemon sent, by its id."""
        began = self._began.setdefault(name, snapshot.at)
        if not strays or journal.epoch is None:  # without a writer nothing is sent
            return {}
        before = journal.restricted_by(LOST, name)
        recent = [one.at for one in before if began - one.at <= REMEMBERED]
        alone_from = may_land_until(min([began, *recent]))
        known = {id_ for id_ in strays if any(id_ in one.reason for one in before)}
        return {
            id_: f"{shown}, and it was sent by a hedged that is not this one: two daemons work on this "
            "account. Stop one, look at the positions, then lift this"
            for id_, at, shown in _shown(snapshot, strays)
            if id_ not in known and at > alone_from
        }

    def wait_for_lost(self, inputs: Inputs, journal: Journal, name: str) -> None:
        """
        Keep that a writer was lost: nothing is sent until its last order can land no more.

        It signed before this process took the writer's lock. The restriction ends by itself.

        Raises
        ------
        JournalError
            When it can't be written; this pass holds all the same, and a restart looks anew.
        """
        told = " ".join(one.reason for one in journal.restricted_by(LOST, name))
        lost = [id_ for id_ in inputs.strays if id_ not in inputs.second and id_ not in told]
        if not lost or journal.epoch is None:
            return
        until = may_land_until(journal.epoch)
        reason = (
            f"{', '.join(lost)} are of a writer whose rows this journal has not; another order of it "
            f"may land until {until:%Y-%m-%d %H:%M:%S}"
        )
        journal.restrict(
            Restriction(
                scope=name, allows="nothing", reason=reason, by=LOST, at=inputs.snapshot.at, until=until
            )
        )
        log.warning("writer_was_lost", portfolio=name, orders=lost, until=until.isoformat())


def _shown(snapshot: Snapshot, strays: tuple[str, ...]) -> Iterator[tuple[str, datetime, str]]:
    """Every stray, when it is seen to have been alive, and what is seen of it."""
    for id_ in strays:
        fills = [fill for fill in snapshot.fills if fill.client_order_id == id_]
        if fills:
            last = max(fills, key=lambda fill: fill.at)
            said = f"{last.side} of {contracts(last.contracts)} {last.symbol} ({id_})"
            yield id_, last.at, f"a {said} filled at {last.at:%Y-%m-%d %H:%M:%S}"
        else:
            symbols = [one.symbol for one in snapshot.open_orders if one.client_order_id == id_]
            yield id_, snapshot.at, f"an order in {', '.join(symbols)} ({id_}) rests"
