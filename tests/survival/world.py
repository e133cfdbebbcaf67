"""
One account on a loopback exchange, one state folder, and the real daemon started on them.

The daemon is ``python -m hedged run --live`` and the exchange another process; between them is HTTP.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchange.binance_wallet import UID as BINANCE_UID
from exchange.bybit_wallet import UID as BYBIT_UID
from exchange.running import Running, running
from exchange.venue import KEY, SECRET
from hedged.core.arming import terms_of
from hedged.settings.load import load
from hedged.settings.policies import policy_of
from hedged.wiring import armed_accounts, open_to_arm, wall_clock

ROOT = Path(__file__).parent.parent.parent
UIDS = {"binance": str(BINANCE_UID), "bybit": str(BYBIT_UID)}
ORDER = {"binance": "*/fapi/v1/order", "bybit": "*/v5/order/create"}
"""Where each venue takes orders, by POST."""

LOT = Decimal("0.001")
RATIO = Decimal("0.5")
DEPOSIT = "5000000"
LEAVE_S_MAX = 30.0
FOREIGN = (("BTCUSDT", "buy", "0.1", "30000"), ("ETHUSDT", "sell", "1", "6000"))
"""Orders of another hand that rest in the book: symbol, side, quantity, price."""

ONE_AT_A_TIME = threading.Lock()
"""Worlds live in threads, and alembic makes a journal in one of them at a time only."""
SETTINGS = """
[service]
mode = "live"
state_dir = "state"
[venue]
kind = "{venue}"
{way}
[schedule]
review = "{review}"
guard_every = "1m"
settle_delay = "0s"
[hedge]
legs = [{{ symbol = "BTC/USDT:USDT" }}]
initial_ratio = {ratio}
[limits]
day_notional_max = 5000000
[account.main]
api_key = {key}
api_secret = {secret}
uid = "{uid}"
[[portfolio]]
name = "main"
account = "main"
holding = [{{ asset = "BTC", quantity = {quantity} }}]
"""


@dataclass
class World:
    """The exchange, the folder of the settings, and how many daemons were started in it."""

    folder: Path
    exchange: Running
    starts: int = field(default=0)

    @property
    def journal(self) -> Path:
        return self.folder / "state" / "journal.sqlite"

    @property
    def settings(self) -> Path:
        return self.folder / "hedged.toml"

    def hold(
        self, quantity: Decimal, *, key: str = KEY, secret: str = SECRET, way: str = ""
    ) -> Decimal:
        """
        Write the settings of a portfolio of that many bitcoins, armed; the position it is hedged by.
        """
        name = self.exchange.name
        text = SETTINGS.format(
            venue=name, way=way or f'endpoint = "{self.exchange.url}"', uid=UIDS[name],
            ratio=RATIO, review="weekly", quantity=quantity, key=_quoted(key), secret=_quoted(secret),
        )  # fmt: skip
        self.settings.touch(mode=0o600)
        self.settings.write_text(text)
        if self.exchange.url and not way:
            self.arm()
        return -(quantity * RATIO // LOT) * LOT

    def arm(self) -> None:
        """As ``run --arm --live`` does, without a process for it."""
        settings = load([self.settings], {}).settings
        policies = [policy_of(settings, portfolio) for portfolio in settings.portfolio]
        with ONE_AT_A_TIME, open_to_arm(settings) as journal:
            journal.arm(terms_of(policies, armed_accounts(settings)), wall_clock())

    def review(self, cadence: str) -> None:
        """Change the cadence of the reviews."""
        text = self.settings.read_text()
        self.settings.write_text(re.sub('review = ".*"', f'review = "{cadence}"', text))

    def position(self) -> Decimal:
        """What the exchange says is held of the contract."""
        held = self.exchange.control("state")["positions"]
        return sum((Decimal(p["quantity"]) for p in held if p["symbol"] == "BTCUSDT"), Decimal(0))

    def arrived(self, method: str, path: str, count: int, timeout_s: float) -> bool:
        """Whether the exchange sees *count* such requests in time."""
        try:
            self.exchange.control("wait", method=method, path=path, count=count, timeout_s=timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        return True

    def requests(self, method: str = "*", path: str = "*") -> int:
        """How many such requests it has seen."""
        return len(self.exchange.control("requests", method=method, path=path))

    def start(self, *args: str, before: Callable[[], None] | None = None) -> Daemon:
        """``hedged run --live`` as a process; its output goes to files of the folder."""
        self.starts += 1
        return Daemon(
            [*HEDGED, "run", "--live", "-c", str(self.settings), *args],
            self.folder / f"out-{self.starts}.txt", self.folder / f"log-{self.starts}.txt", before,
        )  # fmt: skip


def _quoted(text: str) -> str:
    """A string of TOML, which escapes as JSON does."""
    return json.dumps(text, ensure_ascii=False)


HEDGED = (sys.executable, "-m", "hedged")


def environment() -> dict[str, str]:
    """The environment of a daemon: this checkout's source, no settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEDGED_")}
    return kept | {"PYTHONPATH": str(ROOT / "daemon")}


class Daemon:
    """A process of ours, and what it said."""

    def __init__(
        self, command: list[str], out: Path, log: Path, before: Callable[[], None] | None
    ) -> None:
        self.out, self.log, self.started = out, log, time.monotonic()
        with out.open("wb") as stdout, log.open("wb") as stderr:
            self.process = subprocess.Popen(
                command, stdout=stdout, stderr=stderr, env=environment(),
                preexec_fn=before,  # noqa: PLW1509 - given where there is one thread only
            )  # fmt: skip

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.started

    def runs(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def leave(self) -> int:
        """SIGTERM; the exit code. It must not take longer than `LEAVE_S_MAX`."""
        self.process.terminate()
        return self.process.wait(timeout=LEAVE_S_MAX)

    def said(self) -> str:
        return self.out.read_text() + self.log.read_text()


@contextmanager
def world(folder: Path, venue: str) -> Iterator[World]:
    """A fresh account with foreign orders in the book."""
    folder.mkdir(parents=True, exist_ok=True)
    with running(venue, "--deposit", DEPOSIT) as exchange:
        for symbol, side, quantity, price in FOREIGN:
            exchange.control("trade", symbol=symbol, side=side, quantity=quantity, price=price)
        yield World(folder, exchange)


def asked(
    *args: Any, folder: Path, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """``hedged *args*``, to its end, its output through pipes."""
    return subprocess.run(
        [*HEDGED, *map(str, args)], cwd=folder, env=environment(), text=True, capture_output=True,
        timeout=LEAVE_S_MAX * 2, check=False,
        preexec_fn=before,
    )  # fmt: skip
