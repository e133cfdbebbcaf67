"""A journal on paper that nothing is in yet, and its clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import FakeClock
from hedged.journal.store import Journal
from journals import opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal(tmp_path: Path, clock: FakeClock) -> Iterator[Journal]:
    made = opened(tmp_path, clock)
    yield made
    made.close()
