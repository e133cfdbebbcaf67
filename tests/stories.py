"""A settings file run from the first instant of its history to the last, and what came of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hedged.cli.demo import Story
from hedged.service.loop import Service
from hedged.service.ticks import Schedule
from hedged.service.wakes import from_history
from hedged.settings.load import load
from hedged.wiring import build


def story_of(file: Path, changed: dict[str, str], state: Path) -> Story:
    """Every pass of *file*, with the environment's *changed* settings, kept in the folder *state*."""
    settings = load([file], {"HEDGED__SERVICE__STATE_DIR": str(state), **changed}).settings
    story = Story()

    async def run() -> None:
        daemon, schedule = build(settings), Schedule(settings.schedule)
        assert daemon.replay_clock is not None, "a story is told of recorded history"
        wakes = from_history(schedule, daemon.replay_clock)
        await Service(daemon, schedule, story.add).run(wakes)
        await daemon.close()

    asyncio.run(run())
    return story


def always(ratio: str) -> dict[str, str]:
    """The settings that hold *ratio* whatever the rules say."""
    return {"HEDGED__HEDGE__MIN_RATIO": ratio, "HEDGED__HEDGE__MAX_RATIO": ratio}
