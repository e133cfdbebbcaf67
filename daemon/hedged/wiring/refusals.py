"""
A start that was refused, told to the person who sleeps.

Enters the settings and why nothing starts; leaves one alert in the journal's queue, tried once at every
channel. Whatever comes of that, the start stays refused, for the same reason.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from hedged.core.telling import not_started
from hedged.errors import HedgedError, JournalError, VenueUnavailable
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from hedged.wiring.alerts import desk_over
from hedged.wiring.daemon import journal_path, wall_clock

log = structlog.get_logger()

TELLING_S = 5.0
"""A channel that hangs keeps the process no longer from its end."""


@asynccontextmanager
async def refusals_told(
    settings: Settings, clock: Callable[[], datetime] = wall_clock
) -> AsyncIterator[None]:
    """Tell why what stands in the block was refused, and let the error go on."""
    try:
        yield
    except HedgedError as refusal:
        await tell_refusal(settings, refusal, clock)
        raise


async def tell_refusal(
    settings: Settings, refusal: HedgedError, clock: Callable[[], datetime] = wall_clock
) -> None:
    """
    Queue that nothing starts, unless just that was told within `alerts.repeat_after`, and try every
    channel once, for `TELLING_S` at most.

    Where another process writes to the journal, or it can't be written, only the log tells: without a
    queue the same words would come at every restart.
    """
    if settings.venue.walks or not settings.alerts.urls:
        return
    portfolios = tuple(portfolio.name for portfolio in settings.portfolio)
    told = not_started(settings.service.mode, portfolios, str(refusal), _same(refusal), clock())
    try:
        with Journal.open_to_tell(journal_path(settings), clock) as journal:
            desk = desk_over(settings, journal, clock)
            desk.teller.tell(told)
            await desk.try_now(TELLING_S)
    except JournalError as error:
        log.warning("refusal_not_told", error=str(error))


def _same(refusal: HedgedError) -> str:
    """What an exchange says may change from try to try; any other refusal is its own words."""
    return type(refusal).__name__ if isinstance(refusal, VenueUnavailable) else str(refusal)
