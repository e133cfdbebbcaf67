"""
The desk of alerts, as the settings ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from hedged.alerts.desk import Desk
from hedged.alerts.teller import Choice, Teller
from hedged.core.alerts import KINDS
from hedged.journal.alerts import AlertQueue
from hedged.journal.store import Journal
from hedged.logs import Redactor
from hedged.settings.model import Settings
from hedged.settings.show import secrets_of
from hedged.wiring.daemon import Daemon

if TYPE_CHECKING:
    from hedged.alerts.channels import Channel


def alert_channels(settings: Settings) -> list[Channel]:
    """The channels, in the order of the settings; nothing is asked of any of them yet."""
    if not settings.alerts.urls:
        return []
    from hedged.alerts.channels import Channel  # Apprise takes a while to import

    urls = enumerate(settings.alerts.urls, start=1)
    return [Channel(number, url.get_secret_value()) for number, url in urls]


def alert_desk(daemon: Daemon) -> Desk | None:
    """The desk beside *daemon*; None over a walk through history, which is nobody's news."""
    if daemon.settings.venue.walks:
        return None
    return desk_over(daemon.settings, daemon.journal, daemon.clock)


def desk_over(settings: Settings, journal: Journal, clock: Callable[[], datetime]) -> Desk:
    """A desk over *journal*, with the channels and the choice of *settings*."""
    queue = AlertQueue(journal)
    choice = Choice(
        kinds=frozenset(KINDS) if settings.alerts.kinds is None else settings.alerts.kinds,
        severity_min=settings.alerts.severity_min,
        repeat_after=settings.alerts.repeat_after,
    )
    redact = Redactor(secrets_of(settings))
    teller = Teller(journal, queue, settings.service.mode, choice, redact)
    return Desk(teller, queue, alert_channels(settings), clock)
