"""
Every site of a scenario, one run each, killed there; and pairs, killed again while it recovers.

Enters scenarios or seeds; leaves figures for the campaign, and what was violated with where to look.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Self

import structlog

from crash.course import START, Ended, Kill, ran
from crash.scenarios import SCENARIOS, Scenario
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from simulation.clock import Time
from simulation.daemon import settings_in

TMPFS = Path("/dev/shm")
AWAY_S = (1.0, 5.0, 60.0, 900.0)
AGAIN_MAX = 80
"""The second kill of a pair strikes within so many sites of the life that recovers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A site of a scenario's run: the number of its visit, and its name."""

    number: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A run with kills: where they struck, and what it came to."""

    scenario: str
    kills: tuple[Kill, ...]
    site: str
    ended: Ended

    def told(self) -> str:
        """What was violated, and what to run to see it again."""
        kills = ", ".join(map(repr, self.kills))
        lines = (f"killed {self.site}: again({self.scenario!r}, {kills})", *self.ended.violations)
        return "\n  ".join((*lines, *self.ended.last))


class Stage:
    """A folder in which runs take turns, with an empty journal to copy: a migration takes longer."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=TMPFS if TMPFS.is_dir() else None))
        self._template = self._folder / "template.sqlite"
        self._settings: dict[str, Settings] = {}
        self._whole: dict[str, Ended] = {}

    def __enter__(self) -> Self:
        structlog.configure(processors=[_dropped], logger_factory=structlog.ReturnLoggerFactory())
        before = Time(START - timedelta(days=1))
        Journal.open_for(self._template, "live", ("main",), before).close()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder)
        structlog.reset_defaults()

    def whole(self, scenario: Scenario) -> Ended:
        """The run without a kill."""
        if scenario.name not in self._whole:
            folder = self._folder / scenario.name
            folder.mkdir()
            self._settings[scenario.name] = settings_in(folder, scenario.settings)
            self._whole[scenario.name] = ran(scenario, self._settings[scenario.name], self._template)
        return self._whole[scenario.name]

    def points(self, scenario: Scenario) -> list[Point]:
        """The sites at which the process can die there."""
        passed = enumerate(self.whole(scenario).passed, start=1)
        return [Point(number=n, site=site) for n, (site, at) in passed if at >= scenario.from_s]

    def killed(self, scenario: Scenario, point: Point, *kills: Kill) -> Found:
        """The run with those kills, the first of them at *point*."""
        whole = self.whole(scenario)
        ended = ran(scenario, self._settings[scenario.name], self._template, kills, whole)
        if ended.passed[-1][0] != point.site:
            raise RuntimeError(f"killed {ended.passed[-1]}, and {point} was meant: not the same run")
        return Found(scenario=scenario.name, kills=kills, site=point.site, ended=ended)


def singles(stage: Stage, scenario: Scenario) -> Iterator[Found]:
    """Killed once, at each of its points; before them the run without a kill, if that is wrong."""
    whole = stage.whole(scenario)
    if whole.violations:
        yield Found(scenario=scenario.name, kills=(), site="nowhere", ended=whole)
    for point in stage.points(scenario):
        yield stage.killed(scenario, point, Kill(site=point.number))


def pair(stage: Stage, seed: int) -> Found:
    """Killed at one of its points, and again at a site of the life that recovers from it."""
    dice = Random(f"{seed} pair")
    scenario = dice.choice(list(SCENARIOS.values()))
    point = dice.choice(stage.points(scenario))
    first = Kill(site=point.number, away_s=dice.choice(AWAY_S))
    again, away_s = AGAIN_MAX + 1, dice.choice(AWAY_S)
    while True:  # a life that is over before it comes to that site was not killed twice
        again = dice.randint(1, max(1, again - 1))
        found = stage.killed(scenario, point, first, Kill(site=again, away_s=away_s))
        if found.ended.kills == 2:
            return found


def one_sided(hit: Counter[str]) -> list[str]:
    """What the process died before and never after, or the other way round."""
    calls = {site.partition(" ")[2] for site in hit}
    sides = ("before", "after")
    return sorted(call for call in calls if not all(hit[f"{side} {call}"] for side in sides))


def again(name: str, *kills: Kill) -> str:
    """What a run that was told of comes to."""
    with Stage() as stage:
        scenario = SCENARIOS[name]
        point = next(one for one in stage.points(scenario) if one.number == kills[0].site)
        return stage.killed(scenario, point, *kills).told()


def run(seed0: int, count: int) -> dict[str, float]:
    """A shard for `campaign.parts`: a seed is the number of a scenario, of which all points are run."""
    hit: Counter[str] = Counter()
    sums = dict.fromkeys(("violations", "points", "orders"), 0)
    with Stage() as stage:
        for scenario in list(SCENARIOS.values())[seed0 : seed0 + count]:
            for found in singles(stage, scenario):
                hit[found.site] += 1
                _add(sums, found)
                if found.ended.violations:
                    print(found.told(), file=sys.stderr)
                sums["points"] += 1
    return {**sums, "one-sided": len(one_sided(hit))}


def run_pairs(seed0: int, count: int) -> dict[str, float]:
    """A shard for `campaign.parts`: a seed is a pair."""
    sums = dict.fromkeys(("violations", "pairs", "orders"), 0)
    with Stage() as stage:
        for seed in range(seed0, seed0 + count):
            found = pair(stage, seed)
            _add(sums, found)
            if found.ended.violations:
                print(f"seed {seed}: {found.told()}", file=sys.stderr)
            sums["pairs"] += 1
    return dict(sums)


def _add(sums: dict[str, int], found: Found) -> None:
    sums["violations"] += bool(found.ended.violations)
    sums["orders"] += found.ended.orders


def _dropped(*_: Any) -> Any:
    raise structlog.DropEvent
