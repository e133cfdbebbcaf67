"""kill -9 of the real daemon, which trades on a loopback exchange: nothing lost, nothing twice."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from statistics import median

from survival.killing import TRIGGERS, faults_of, killed

KILLS, BACK_S_MAX = 20, 15.0


def test_a_daemon_killed_at_any_time_loses_nothing_and_sends_nothing_twice(tmp_path: Path) -> None:
    done = killed(tmp_path, count(), kills=KILLS, rounds=1, worlds=2, seats=2)
    struck = [kill for one in done for kill in one.kills]
    ends = [end for one in done for end in one.ends]

    assert faults_of(done) == []
    assert len(struck) >= KILLS
    assert set(struck) == set(TRIGGERS)
    assert set(ends) <= {"at target", "held: its order never landed"}
    assert ends.count("at target") >= len(ends) // 2
    assert median(second for one in done for second in one.back_s) <= BACK_S_MAX
