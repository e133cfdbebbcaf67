"""
From alerts that wait to messages that are sent: one each, or many as one digest.

Enters alerts in the order they were raised; leaves titles and texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hedged.core.alerts import SEVERITIES, Alert, Severity

DIGEST_FROM = 6
DIGEST_LINES_MAX = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a channel is handed, and how many alerts from the front of the queue it tells of."""

    title: str
    text: str
    severity: Severity
    alerts: int


def messages(waiting: Sequence[Alert]) -> list[Message]:
    """A message an alert; from `DIGEST_FROM` on one digest of all of them."""
    if len(waiting) >= DIGEST_FROM:
        return [_digest(waiting)]
    return [
        Message(
            title=alert.title,
            # A message may come late; when it was raised is part of it.
            text=f"{alert.text}\n{alert.at:%Y-%m-%d %H:%M} UTC",
            severity=alert.severity,
            alerts=1,
        )
        for alert in waiting
    ]


def _digest(waiting: Sequence[Alert]) -> Message:
    """The gravest first; what has the same title is one line with its count."""
    by_title = Counter(alert.title for alert in waiting)
    gravest = {alert.title: _rank(alert) for alert in sorted(waiting, key=_rank)}
    titles = sorted(by_title, key=lambda title: -gravest[title])  # stable: as they were raised
    lines = [
        f"{title} (x{by_title[title]})" if by_title[title] > 1 else title
        for title in titles[:DIGEST_LINES_MAX]
    ]
    more = len(titles) - DIGEST_LINES_MAX
    if more > 0:
        lines.append(f"and {more} more")
    first, last = waiting[0].at, waiting[-1].at
    lines.append(f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC. All: hedged alerts list")
    counts = Counter(alert.severity for alert in waiting)
    told = ", ".join(
        f"{counts[severity]} {severity}" for severity in reversed(SEVERITIES) if counts[severity]
    )
    modes = "/".join(sorted({alert.mode for alert in waiting}))
    return Message(
        title=f"[{modes}] {len(waiting)} alerts: {told}",
        text="\n".join(lines),
        severity=max(waiting, key=_rank).severity,
        alerts=len(waiting),
    )


def _rank(alert: Alert) -> int:
    return SEVERITIES.index(alert.severity)
