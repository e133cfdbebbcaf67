"""A journal opens to what some commit left, however its write-ahead log was torn."""

from __future__ import annotations

import random
from pathlib import Path

from survival.torn import faults, torn, written


def test_a_torn_log_opens_to_a_committed_prefix(tmp_path: Path) -> None:
    assert faults(tmp_path, range(300)) == {}


def test_the_tears_reach_every_commit(tmp_path: Path) -> None:
    """Else the campaign would only ever show the first or the last of them."""
    kept, _ = written(tmp_path)
    log = kept.with_name(kept.name + "-wal").read_bytes()
    lengths = {len(torn(random.Random(seed), log)) * 10 // len(log) for seed in range(300)}

    assert lengths >= set(range(10))
