"""
Kills the real daemon at chosen and at random instants, starts it again, and looks at what is left.

A world comes from one seed; it has rounds, and a round some kills in a row on the same pass before the
daemon is let through.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from survival import evidence
from survival.world import ORDER, World, asked, world

VENUES = ("binance", "bybit")
ROUNDS = 3
PATIENCE_S = 120.0
HELD_S, NEXT_PASS_S = 3.0, 65.0
LOOKED_AT = 3
"""One world in so many is asked for its next plan too: that takes as long as a kill."""
POLL_S = 0.02

SLOW_S = 0.08
"""Every answer takes this long, so that a pass lasts about as long as the kills are spread over."""
SPREAD_S = 1.5
REPLY_S = 0.03

TRIGGERS = ("pass", "landed", "replied", "late", "lost")
"""
Where the first kill of a round strikes: at a random time of the pass; when its reply is on the way;
when the order was seen by the exchange and has landed, lands after the kill, or never lands. The kills
after it strike at a random time of the pass that recovers.
"""
NAMES = {
    "pass": "at a random time of a pass", "landed": "when the order had landed",
    "replied": "when the reply was sent", "late": "before the order landed",
    "lost": "before an order that never landed",
}  # fmt: skip
IN_A_ROW = 3

FAULTS: dict[str, dict[str, Any]] = {
    "lost": {"name": "lost"},
    "landed": {"name": "landed_then_silent"},
    "late": {"name": "late", "late_s": 0.3},
}


@dataclass
class Result:
    """What one world showed; *kills* by where they struck, *ends* by how its rounds ended."""

    seed: int
    venue: str
    kills: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    back_s: list[float] = field(default_factory=list)
    intents: int = 0
    orders: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass
class Seats:
    """How many daemons run at once; a world that waits for its next minute gives its seat away."""

    free: threading.Semaphore


def live_once(folder: Path, seed: int, rounds: int, seats: Seats) -> Result:
    """One world to its end: *rounds* with kills in each, unless a round ends in a HOLD."""
    rng = random.Random(seed)
    result = Result(seed=seed, venue=VENUES[seed % len(VENUES)])
    with seats.free, world(folder, result.venue) as lived:
        start = Decimal(0)
        for number in range(rounds):
            if number:
                _await_next_pass(lived, seats)
            target = lived.hold(_holding(rng, number))
            trigger = TRIGGERS[(seed // len(VENUES) + number) % len(TRIGGERS)]
            for _ in range(rng.randint(1, IN_A_ROW)):
                if (told := evidence.told(lived.journal)).last_at and not _due(told):
                    break
                result.kills.append(_kill(lived, rng, trigger))
                trigger = "pass"
            lived.exchange.control("clear_faults")
            ended = let_through(lived, target, result)
            told = evidence.told(lived.journal)
            result.faults += evidence.faults(told, lived.exchange.control("state"), start, target)
            result.intents, result.orders = (
                len(told.intents),
                lived.requests("POST", ORDER[result.venue]),
            )
            if ended != "at target":
                break
            start = lived.position()
    return result


def _holding(rng: random.Random, number: int) -> Decimal:
    """Bitcoins to protect: now many and now few, so that each round has more to trade than its band."""
    return Decimal(rng.randrange(500, 1500) if number % 2 else rng.randrange(2000, 4000)) / 1000


def _kill(lived: World, rng: random.Random, trigger: str) -> str:
    """Start the daemon and kill it; where that struck."""
    control = lived.exchange.control
    control("clear_faults")
    path, method = ("*", "*") if trigger == "pass" else (ORDER[lived.exchange.name], "POST")
    if trigger == "pass":
        control("fault", name="slow", delay_s=SLOW_S, count=None)
    elif trigger in FAULTS:
        control("fault", method=method, path=path, **FAULTS[trigger])
    seen = lived.requests(method, path)
    daemon = lived.start()
    try:
        while not lived.arrived(method, path, seen + 1, 0.5):
            assert daemon.runs(), daemon.said()
            assert daemon.age_s < PATIENCE_S, daemon.said()
        time.sleep(
            {"pass": rng.uniform(0, SPREAD_S), "replied": rng.uniform(0, REPLY_S)}.get(trigger, 0)
        )
        assert daemon.runs(), daemon.said()
    finally:
        daemon.kill()
    return trigger


def _due(told: evidence.Told) -> bool:
    """Whether no pass was made in this minute."""
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    return told.last_at is None or told.last_at < minute


def let_through(lived: World, target: Decimal, result: Result) -> str:
    """Start the daemon until it is at its target or holds; how that ended."""
    before, first = evidence.told(lived.journal), None
    lived.review("daily")  # another cadence has a tick of its own: a pass is due, whatever was made
    daemon = lived.start()
    ended, settled_at = "", None
    try:
        while not ended:
            assert daemon.runs(), daemon.said()
            assert daemon.age_s < PATIENCE_S, daemon.said()
            time.sleep(POLL_S)
            fresh = evidence.records(lived.journal) > before.records
            if fresh and first is None:
                first = daemon.age_s
            if not fresh and (_due(before) or "service_started" not in daemon.said()):
                continue
            settled_at = settled_at or daemon.age_s
            ended = _ended(lived, target, waited_s=daemon.age_s - settled_at)
    finally:
        code = daemon.leave()
    if code:
        result.faults.append(f"SIGTERM ended in {code}: {daemon.said()}")
    if first is not None:
        result.back_s.append(round(first, 2))
    result.ends.append(ended)
    if ended == "at target":
        result.faults += _plans_something(lived) if result.seed % LOOKED_AT == 0 else []
    elif ended != "held: its order never landed":
        result.faults.append(f"{ended}: {evidence.told(lived.journal)}")
    return ended


def _ended(lived: World, target: Decimal, *, waited_s: float) -> str:
    """How the round ended, or nothing while it may still go on."""
    told = evidence.told(lived.journal)
    if lived.position() == target and not told.unresolved and not told.held:
        return "at target"
    if waited_s < (HELD_S if told.held else NEXT_PASS_S):
        return ""
    if not told.held:
        return "neither at its target nor held"
    landed = {order["client_order_id"] for order in lived.exchange.control("state")["orders"]}
    if told.unresolved and landed.isdisjoint(told.unresolved):
        return "held: its order never landed"
    return "held, and nothing is open"


def _plans_something(lived: World) -> list[str]:
    """A look at what would be done next must show no order."""
    shown = asked("plan", "-c", lived.settings, "--json", folder=lived.folder)
    if shown.returncode:
        return [f"plan ended in {shown.returncode}: {shown.stderr}"]
    (imagined,) = json.loads(shown.stdout)
    steps = imagined["record"]["thought"]["plan"]["steps"]
    return [f"converged, and it plans {steps}"] if steps else []


def _await_next_pass(lived: World, seats: Seats) -> None:
    """The next guard pass is due in the next minute; others go on meanwhile."""
    last = evidence.told(lived.journal).last_at
    assert last is not None
    left_s = 60 - (datetime.now(UTC) - last.replace(second=0, microsecond=0)).total_seconds()
    seats.free.release()
    time.sleep(max(0.0, left_s) + 0.2)
    seats.free.acquire()


def killed(
    folder: Path, seeds: Iterable[int], *, kills: int | None, rounds: int, worlds: int, seats: int
) -> list[Result]:
    """
    One world after another until the *seeds* end or there are so many *kills*; *worlds* at once, and
    *seats* daemons.
    """
    free, left = Seats(threading.Semaphore(seats)), iter(seeds)
    taking, done = threading.Lock(), list[Result]()

    def work() -> None:
        while True:
            with taking:
                enough = kills is not None and sum(len(one.kills) for one in done) >= kills
                seed = None if enough else next(left, None)
            if seed is None:
                return
            result = live_once(folder / f"world-{seed}", seed, rounds, free)
            with taking:
                done.append(result)

    with ThreadPoolExecutor(worlds) as pool:
        for worker in [pool.submit(work) for _ in range(worlds)]:
            worker.result()
    return done


def faults_of(results: Iterable[Result]) -> list[str]:
    """Everything that must never be, with its seed."""
    return [f"seed {one.seed}, {one.venue}: {fault}" for one in results for fault in one.faults]


def figures(results: Iterable[Result]) -> dict[str, float]:
    """What a campaign counts."""
    listed = list(results)
    struck = Counter(kill for one in listed for kill in one.kills)
    ends = Counter(end for one in listed for end in one.ends)
    return {
        "kills": struck.total(),
        **{f"kills, {NAMES[name]}": struck[name] for name in TRIGGERS},
        **{f"ends {name}": count for name, count in sorted(ends.items())},
        "intents": sum(one.intents for one in listed),
        "max s from a restart to the first record": max(
            (s for one in listed for s in one.back_s), default=0
        ),
        "violations": len(faults_of(listed)),
    }


def run(seed0: int, count: int) -> dict[str, float]:
    """A shard of the campaign: worlds of up to three rounds, whose journals and accounts grow older."""
    with tempfile.TemporaryDirectory() as folder:
        done = killed(
            Path(folder), range(seed0, seed0 + count), kills=None, rounds=ROUNDS, worlds=5, seats=1
        )
    for fault in faults_of(done):
        print(fault, file=sys.stderr)
    return figures(done)
