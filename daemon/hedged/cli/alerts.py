"""
``alerts test`` and ``alerts list``: does every channel work, and what was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from hedged.cli import exits
from hedged.cli.findings import Finding
from hedged.cli.run import start_logs
from hedged.cli.show import console, indented, print_json, settings_of, table
from hedged.core.alerts import Alert
from hedged.errors import SettingsError
from hedged.journal.alerts import AlertQueue, Listed
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from hedged.wiring import journal_path, wall_clock
from hedged.wiring.alerts import alert_channels

if TYPE_CHECKING:
    from hedged.alerts.channels import Channel

NO_CHANNEL = "no channel is configured; set alerts.urls, or HEDGED__ALERTS__URLS_FILE to a file of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A channel that a test message was sent to; *error* is empty when it was taken."""

    channel: str
    sent: bool
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An alert with its state at each channel."""

    id: int
    alert: Alert
    states: dict[str, str]


def test_channels(config: list[Path], *, json: bool) -> None:
    """Send one message to every channel, and say which took it."""
    loaded = settings_of(config)
    start_logs(loaded)
    channels = alert_channels(loaded.settings)
    if not channels:
        raise SettingsError(NO_CHANNEL)
    title = f"[{loaded.settings.service.mode}] hedged: a test"
    text = f"This channel works. {wall_clock():%Y-%m-%d %H:%M} UTC"
    tried = asyncio.run(_try_all(channels, title, text))
    if json:
        print_json(tried)
    else:
        made = table("channel", "", "")
        for one in tried:
            made.add_row(
                one.channel, "[green]sent[/]" if one.sent else "[bold red]FAILED[/]", one.error
            )
        console().print(made)
    if not all(one.sent for one in tried):
        raise SystemExit(exits.VERIFY)


async def _try_all(channels: Sequence[Channel], title: str, text: str) -> list[Tried]:
    errors = await asyncio.gather(*(channel.send(title, text, "info") for channel in channels))
    return [
        Tried(channel=channel.label, sent=not error, error=error)
        for channel, error in zip(channels, errors, strict=True)
    ]


def list_alerts(config: list[Path], limit: int, *, json: bool) -> None:
    """The last alerts, and what became of them at each channel."""
    settings = settings_of(config).settings
    labels = {channel.name: channel.label for channel in alert_channels(settings)}
    with Journal.open_to_read(journal_path(settings), wall_clock) as journal:
        queue = AlertQueue(journal)
        found = [_shown(one, labels) for one in queue.listed(limit)]
        standing = queue.standing()
    if json:
        print_json({"alerts": found, "standing": standing})
        return
    for shown in reversed(found):
        alert, states = shown.alert, shown.states
        console().print(f"[bold]{alert.at:%Y-%m-%d %H:%M} {alert.severity}[/]", highlight=False)
        for line in (alert.title, *alert.text.splitlines()):
            indented(console(), escape(line), 2)
        told = ", ".join(f"{label}: {state}" for label, state in states.items())
        indented(console(), f"[dim]{escape(told or NO_CHANNEL)}[/]", 2)
    console().print(f"{len(found)} alerts shown, {len(standing)} conditions stand")


def _shown(one: Listed, labels: dict[str, str]) -> Shown:
    """An alert that a channel is not done with waits; channels that are gone are not shown."""
    done = {delivery.channel: delivery.result for delivery in one.deliveries}
    states = {label: str(done.get(name, "waits")) for name, label in labels.items()}
    return Shown(id=one.id, alert=one.alert, states=states)


def channels_finding(settings: Settings) -> Finding:
    """Whether anybody would hear; no message is sent."""
    channels = alert_channels(settings)
    unusable = [channel.label for channel in channels if not channel.usable]
    if unusable:
        said = f"Apprise does not know the address of {', '.join(unusable)}"
        return Finding(what="alerts", result="FAILED", said=said)
    if not channels:
        alone = settings.service.mode == "paper"  # else proposals, or what goes wrong, reach nobody
        return Finding(what="alerts", result="ok" if alone else "warning", said=NO_CHANNEL)
    names = ", ".join(channel.label for channel in channels)
    return Finding(what="alerts", result="ok", said=f"{names}; try them: hedged alerts test")
