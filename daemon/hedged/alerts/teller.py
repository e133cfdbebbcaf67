"""
From records, and from troubles that left none, to alerts in the queue.

Level-triggered: it looks at every record that it has not looked at yet, so a crash in between loses
nothing and a start is no special case.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from hedged.core.alerts import KINDS, SEVERITIES, Alert, JudgedBy, Kind, Severity, Told
from hedged.core.record import Mode
from hedged.core.telling import from_record, frozen, skipped
from hedged.errors import JournalBroken
from hedged.journal.alerts import AlertQueue
from hedged.journal.store import Journal

log = structlog.get_logger()

RECORDS_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which alerts are raised, and how often a standing one is repeated."""

    kinds: frozenset[Kind] = frozenset(KINDS)
    severity_min: Severity = "info"
    repeat_after: timedelta = timedelta(hours=6)

    def wants(self, alert: Alert) -> bool:
        rank = SEVERITIES.index
        return alert.kind in self.kinds and rank(alert.severity) >= rank(self.severity_min)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A pass that could not be made: a *kind* of pass that failed *in_a_row*, or a freeze (None)."""

    portfolio: str
    kind: str | None
    error: str
    in_a_row: int
    at: datetime


class Teller:
    """Raises what is due. *redact* hides secrets, for an alert leaves this machine."""

    def __init__(
        self,
        journal: Journal,
        queue: AlertQueue,
        mode: Mode,
        choice: Choice,
        redact: Callable[[str], str],
    ) -> None:
        self.journal = journal
        self.queue = queue
        self.mode = mode
        self.choice = choice
        self.redact = redact
        self._troubles: deque[Trouble] = deque(maxlen=1000)

    def trouble(self, trouble: Trouble) -> None:
        """Remember a trouble until the next `look`."""
        self._troubles.append(trouble)

    def look(self) -> bool:
        """
        Raise what is due of troubles and of the next records; whether more records wait.

        Raises
        ------
        JournalError
            When the queue can't be written; the next look makes up for it.
        """
        while self._troubles:
            self._raise(self._told(self._troubles[0]))
            self._troubles.popleft()
        ids = self.queue.unseen(RECORDS_AT_ONCE)
        for record_id in ids:
            self._look_at(record_id)
        return len(ids) == RECORDS_AT_ONCE

    def tell(self, told: Told) -> None:
        """Raise what is due of *told*, which no record and no pass tells. Raises `JournalError`."""
        self._raise(told)

    def _look_at(self, record_id: int) -> None:
        try:
            told = from_record(self.journal.record(record_id))
        except JournalBroken as error:
            log.warning("record_not_told", record=record_id, error=str(error))
            self.queue.pass_over(record_id)
        else:
            self._raise(told, record_id)

    def _raise(self, told: Told, record_id: int | None = None) -> None:
        events = tuple(self._safe(alert) for alert in told.events if self.choice.wants(alert))
        standing = tuple(
            replace(one, alert=self._safe(one.alert))
            for one in told.standing
            if self.choice.wants(one.alert)
        )
        chosen = replace(told, events=events, standing=standing)
        self.queue.raise_due(chosen, self.choice.repeat_after, record_id)

    def _told(self, trouble: Trouble) -> Told:
        portfolio, at = trouble.portfolio, trouble.at
        if trouble.kind is None:
            return frozen(self.mode, portfolio, self.journal.restrictions(portfolio, at), at)
        by: JudgedBy = "review" if trouble.kind == "review" else "pass"
        return skipped(self.mode, portfolio, by, trouble.error, trouble.in_a_row, at)

    def _safe(self, alert: Alert) -> Alert:
        hidden = self.redact
        return replace(alert, key=hidden(alert.key), what=hidden(alert.what), text=hidden(alert.text))
