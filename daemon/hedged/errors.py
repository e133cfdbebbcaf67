"""
What can go wrong, and what the daemon does next.

::

    HedgedError
    +-- SettingsError        the files or the environment are wrong: nothing starts
    +-- RuleError            a rule's condition is wrong: nothing starts, the column is named
    +-- BadData              a bar, a rate or a file is not what it claims: the input is refused
    +-- JournalError         the journal can't be used: no order is sent
    |   +-- JournalBusy      another daemon writes here, or the database is locked
    |   +-- JournalForeign   the journal belongs to another mode, or to a newer hedged
    |   +-- JournalBroken    a record does not match its hash: the first one is named
    +-- ConsentRefused       nothing was decided, the reason is told, nothing changes
    +-- VenueUnavailable     skip this pass, count it, alert at the n-th in a row
    +-- VenueRefused         record it; never retried as it stands
    |   +-- Unjudged         nobody looked at the order: wait, and don't count it as a rejection
    +-- OutcomeUnknown       resolve it before anything else is sent on that instrument

Anything else is unexpected: it freezes that one portfolio, persisted, and the others go on.
"""

from __future__ import annotations


class HedgedError(Exception):
    """Every error this program raises on purpose; its text is fit to be shown to a person."""


class SettingsError(HedgedError):
    """The settings can't be used; the message names the file, the key and the fix."""


class RuleError(HedgedError):
    """
    A condition is not in the rule language.

    *column* counts from 0 in *text*; :meth:`pointed` draws a caret under it.
    """

    def __init__(self, message: str, *, text: str = "", column: int = 0) -> None:
        super().__init__(message)
        self.text = text
        self.column = column

    def pointed(self) -> str:
        """The message, the condition and a caret below the place that is meant."""
        return f"{self}\n    {self.text}\n    {' ' * self.column}^"


class BadData(HedgedError):
    """Market data that can't be true, or a file that can't be read."""


class JournalError(HedgedError):
    """The journal can't be read or written; no order may be sent."""


class JournalBusy(JournalError):
    """Another process holds the journal."""


class JournalForeign(JournalError):
    """The journal was made by another mode, other accounts, or a newer version."""


class JournalBroken(JournalError):
    """The hash chain does not hold."""


class ConsentRefused(HedgedError):
    """
    A proposal that can't be approved or rejected: unknown, expired, decided, replaced, altered; or an
    order that can't be settled, for what became of it may still be found.
    """


class VenueUnavailable(HedgedError):
    """The venue did not answer a read, or answered something that can't be understood."""


class VenueRefused(HedgedError):
    """The venue said no, and nothing was executed."""


class Unjudged(VenueRefused):
    """The order did not leave this machine, or reached the venue too late; that says nothing of it."""


class OutcomeUnknown(HedgedError):
    """An order was sent and nobody knows yet whether it landed."""
