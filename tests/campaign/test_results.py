"""Shards add up, none counts twice, and README.md holds the table of what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaign.parts import PARTS
from campaign.results import README, keep, kept, table, total, written


def test_shards_add_up_and_maxima_do_not(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    keep("unknown", 0, 10, {"violations": 1, "max s": 5}, path)
    keep("unknown", 10, 5, {"violations": 2, "max s": 3}, path)
    keep("unknown", 10, 5, {"violations": 0, "max s": 4}, path)

    assert total(kept(path)["unknown"]) == {"seeds": 15, "violations": 1, "max s": 5}


def test_a_shard_that_overlaps_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    keep("unknown", 0, 10, {"violations": 0}, path)

    with pytest.raises(SystemExit, match="overlap the shard 0:10"):
        keep("unknown", 9, 2, {"violations": 0}, path)
    keep("unknown", 10, 2, {"violations": 0}, path)


def test_the_page_of_the_tests_holds_what_is_kept() -> None:
    assert README.read_text() == written(README.read_text(), table(PARTS, kept()))


@pytest.mark.parametrize("part", sorted(kept()))
def test_no_campaign_has_found_anything(part: str) -> None:
    assert total(kept()[part]).get("violations", 0) == 0
