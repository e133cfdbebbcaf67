"""Clocks for the engine: one that stands until it is told, and the computer's with an offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Stopped:
    """Stands still."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def step(self, **by: float) -> None:
        """Move by ``hours=8`` and the like."""
        self.now += timedelta(**by)

    def seconds(self) -> float:
        """As a clock that is never set: seconds since `START`."""
        return (self.now - START).total_seconds()


class Running:
    """The computer's time, moved by an offset; for processes that do not share a clock."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def step(self, **by: float) -> None:
        """Move by ``hours=8`` and the like."""
        self.offset += timedelta(**by)
