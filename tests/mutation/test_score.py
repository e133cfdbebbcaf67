"""A change that no test sees has lived, one that hangs has not; README.md holds the scores."""

from __future__ import annotations

from pathlib import Path

from mutation.score import MODULES, README, Score, keep, kept, scored, table, written

PACKAGE = README.parent.parent / "daemon" / "hedged"


def test_what_no_test_sees_has_lived() -> None:
    codes = {"killed": 1, "hangs": -24, "lived": 0, "no test runs it": 33}

    assert scored(codes, "2026-01-02") == Score(
        tried=4, lived=("lived", "no test runs it"), date="2026-01-02"
    )


def test_a_run_that_was_cut_off_has_no_score() -> None:
    assert scored({"killed": 1, "not tried": None}, "2026-01-02") is None
    assert scored({}, "2026-01-02") is None


def test_a_module_that_is_tried_again_has_its_new_score(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    first, again = (Score(tried=4, lived=("a",) * n, date="2026-01-02") for n in (2, 1))
    for score in (first, again):
        keep("execute.py", score, path)

    assert kept(path) == {"execute.py": again}
    assert "| `execute.py` | 4 | 3 | 75.0% |" in table(kept(path))


def test_every_module_that_is_tried_is_there() -> None:
    assert [module for module in MODULES if not (PACKAGE / module).exists()] == []
    assert set(kept()) <= set(MODULES)


def test_the_page_of_the_tests_holds_the_scores() -> None:
    assert README.read_text() == written(README.read_text(), table(kept()))


def test_nine_changes_in_ten_are_seen() -> None:
    assert {module: of.lived for module, of in kept().items() if of.killed < 0.9 * of.tried} == {}
