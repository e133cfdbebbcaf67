"""
One way to a person, through Apprise: Telegram, Slack, Discord, e-mail, ntfy, a webhook and others.

Enters a message; leaves why it was not sent, if it was not. The address is a secret: neither the log
nor an error shows it, or a part of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from contextlib import suppress

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from hedged.core.alerts import Severity
from hedged.logs import Redactor, secrets_in

CUT_OFF_S = 20.0
HANGING_MAX = 3

_TYPES = {
    "info": NotifyType.INFO,
    "warning": NotifyType.WARNING,
    "critical": NotifyType.FAILURE,
}

# What Apprise says of a failure goes into our own words, redacted, and nowhere else.
_LIBRARY = logging.getLogger("apprise")
_LIBRARY.propagate = False
_LIBRARY.addHandler(logging.NullHandler())


class Channel:
    """
    The channel at *url*, the *number*-th of the settings.

    A send runs in a thread of its own, so that one that hangs neither holds up the loop nor keeps
    the process from ending; it is cut off after *cut_off_s*.
    """

    def __init__(self, number: int, url: str, cut_off_s: float = CUT_OFF_S) -> None:
        self.name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.label = f"{number} ({url.partition('://')[0].lower()})"
        self.cut_off_s = cut_off_s
        self._redact = Redactor([url, *secrets_in(url)])
        self._apprise = Apprise(asset=AppriseAsset(app_id="hedged", async_mode=False))
        self.usable = bool(self._apprise.add(url))
        self._hanging = 0

    async def send(self, title: str, text: str, severity: Severity) -> str:
        """Why the message was not sent; empty when it was."""
        if not self.usable:
            return "Apprise does not know this address; see the list of services in its documentation"
        if self._hanging >= HANGING_MAX:
            return f"{self._hanging} earlier messages still hang"
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()
        self._hanging += 1

        def over(said: str) -> None:
            self._hanging -= 1
            if not done.done():
                done.set_result(said)

        def work() -> None:
            said = "the sending thread failed"
            try:
                said = self._notify(title, text, severity)
            finally:
                with suppress(RuntimeError):  # the loop is gone, and nobody waits
                    loop.call_soon_threadsafe(over, said)

        threading.Thread(target=work, daemon=True, name=f"alert channel {self.label}").start()
        try:
            return await asyncio.wait_for(done, self.cut_off_s)
        except TimeoutError:
            return f"no answer within {self.cut_off_s:g} s"

    def _notify(self, title: str, text: str, severity: Severity) -> str:
        """Send, in a thread. Apprise answers with False whatever went wrong, and logs why."""
        said = _Said(threading.get_ident())
        _LIBRARY.addHandler(said)
        try:
            sent = self._apprise.notify(
                body=text, title=title, notify_type=_TYPES[severity], body_format=NotifyFormat.TEXT
            )
        finally:
            _LIBRARY.removeHandler(said)
        return "" if sent else self._redact("; ".join(said.lines) or "it was refused")


class _Said(logging.Handler):
    """Keeps what is logged in one thread."""

    def __init__(self, thread: int) -> None:
        super().__init__(logging.WARNING)
        self.thread = thread
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            raised = record.exc_info[0] if record.exc_info else None
            name = f" ({raised.__name__})" if raised else ""
            self.lines.append(f"{record.getMessage()}{name}"[:300])
