"""
What the daemon tells its service manager: ready, alive, leaving, and a line of status.

The protocol is that of sd_notify(3): lines of ``NAME=value`` in one datagram to the socket that
``NOTIFY_SOCKET`` names. It is spoken here because the package for it comes as source only, and building
that fetches tools no lock knows of; and because telling must never make the event loop wait.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import structlog

log = structlog.get_logger()

FEED_S_MAX = 20.0


class Notifier:
    """
    Tells the manager at *address*, a path or an abstract name after an ``@``; None tells nobody.

    *watchdog_s* is after how many seconds of silence the manager restarts the daemon, if it does.
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self.address = address
        self.feed_s = FEED_S_MAX if watchdog_s is None else min(FEED_S_MAX, watchdog_s / 3)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Notifier:
        """As the manager has set *environ*; a watchdog that is meant for another process is none."""
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        told = environ.get("WATCHDOG_USEC", "")
        watchdog_s = int(told) / 1e6 if mine and told.isascii() and told.isdigit() else 0.0
        return cls(environ.get("NOTIFY_SOCKET") or None, watchdog_s or None)

    def tell(self, **said: str) -> bool:
        """Send *said* in one datagram; whether nothing is left to be told again."""
        if self.address is None:
            return True
        lines = "".join(f"{name}={' '.join(value.split())}\n" for name, value in said.items())
        place = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.settimeout(0)  # a manager whose queue is full is not waited for
                line.sendto(lines.encode(), place)
        except OSError as error:
            log.warning("notify_failed", error=str(error))
            return False
        return True
