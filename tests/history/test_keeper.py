"""What a source reports is kept first, and measured from what is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from builders import BTC, MONDAY, bars, d, funding, funding_next, open_interest, policy, rule, signal
from fakes import FakeVenue
from hedged.core.metrics.vocabulary import AthSeed
from hedged.core.policy import Policy
from hedged.errors import BadData, VenueUnavailable
from hedged.history.keeper import Keeper, measured_from
from hedged.history.store import HistoryStore

RULES = (
    rule("trend", "close < sma_2"),
    rule("funding", "funding_rate < 0"),
    rule("crowd", "open_interest_change_1 > 0.1"),
)


def setting(root: Path, *, read_only: bool = False) -> tuple[FakeVenue, Keeper, Policy]:
    venue = FakeVenue()
    return venue, Keeper(venue, HistoryStore(root, read_only=read_only)), policy(rules=RULES)


def days(count: float) -> timedelta:
    return timedelta(days=count)


async def test_the_row_is_of_the_last_bar_closed_at_the_review(tmp_path: Path) -> None:
    venue, keeper, settings = setting(tmp_path)
    venue.frames = {"bars": bars([100.0, 110.0, 120.0, 130.0]), "funding": funding([0.0001] * 12)}
    row = (await keeper.measured(settings, until=MONDAY + days(3))).row

    assert row.bar_close == MONDAY + days(3)
    assert (row.values["close"], row.values["sma_2"]) == (120.0, 115.0)
    assert row.values["funding_rate"] == 0.0001
    assert (row.bars_kept, row.bars_missing, row.notes) == (3, 0, ())


@pytest.mark.parametrize(
    ("price", "when", "broken", "noted"),
    [
        ("100", "breaks_ath_1", True, False),
        ("99", "breaks_ath_1", None, True),  # 100 was paid before: the high is another one
        ("99", "close > 0", None, False),  # nobody asks
    ],
)
async def test_a_seed_below_where_the_history_begins_makes_no_all_time_high(
    tmp_path: Path, price: str, when: str, broken: bool | None, noted: bool
) -> None:
    venue, keeper, settings = setting(tmp_path)
    venue.frames = {"bars": bars([100.0, 110.0, 130.0])}
    seed = AthSeed(price=d(price), date=date(2017, 12, 17))
    asked = replace(settings, rules=(rule("high", when),), signal=signal(ath_seed=seed))
    row = (await keeper.measured(asked, until=MONDAY + days(3))).row

    assert row.values.get("breaks_ath_1") is broken
    assert [
        note.startswith(f"signal.ath_seed is {price} of 2017-12-17, but") for note in row.notes
    ] == ([True] * noted)


async def test_what_is_reported_is_on_disk_before_it_is_measured(tmp_path: Path) -> None:
    venue, keeper, settings = setting(tmp_path)
    venue.frames = {"bars": bars([100.0, 110.0])}
    row = (await keeper.measured(settings, until=MONDAY + days(2))).row
    again = measured_from(HistoryStore(tmp_path, read_only=True), settings, MONDAY + days(2))

    assert again.row == row


async def test_only_what_is_new_is_asked_for(tmp_path: Path) -> None:
    asked = []

    class Asked(FakeVenue):
        async def series(self, symbol, series, bar, after, until):  # type: ignore[no-untyped-def]
            asked.append((symbol, series, bar, after, until))
            return await super().series(symbol, series, bar, after, until)

    venue, settings = Asked(), policy(rules=RULES)
    keeper = Keeper(venue, HistoryStore(tmp_path, read_only=False))
    venue.frames = {"bars": bars([100.0, 110.0])}
    await keeper.measured(settings, until=MONDAY + days(2))
    await keeper.measured(settings, until=MONDAY + days(3))

    assert [(series, after) for _, series, _, after, _ in asked] == [
        ("bars", None), ("funding", None), ("funding_next", None), ("open_interest", None),
        ("bars", MONDAY + days(1)), ("funding", None), ("funding_next", None), ("open_interest", None),
    ]  # fmt: skip
    assert {(symbol, bar) for symbol, _, bar, _, _ in asked} == {(BTC, "1d")}


async def test_a_source_that_stopped_leaves_the_close_unknown(tmp_path: Path) -> None:
    venue, keeper, settings = setting(tmp_path)
    venue.frames = {"bars": bars([100.0, 110.0])}
    row = (await keeper.measured(settings, until=MONDAY + days(5))).row

    assert row.bar_close == MONDAY + days(5)
    assert row.values["close"] is None
    assert row.values["sma_2"] is None
    assert (row.bars_kept, row.bars_missing) == (2, 3)


async def test_a_source_without_anything_is_a_row_of_unknowns(tmp_path: Path) -> None:
    _, keeper, settings = setting(tmp_path)
    row = (await keeper.measured(settings, until=MONDAY)).row

    assert set(row.values.values()) == {None}
    assert (row.bars_kept, row.bars_missing) == (0, 1)


async def test_a_history_that_is_too_short_leaves_its_window_unknown(tmp_path: Path) -> None:
    venue, keeper, settings = setting(tmp_path)
    venue.frames = {"bars": bars([100.0])}
    row = (await keeper.measured(settings, until=MONDAY + days(1))).row

    assert (row.values["close"], row.values["sma_2"]) == (100.0, None)


async def test_missing_funding_and_open_interest_are_unknown_and_not_zero(tmp_path: Path) -> None:
    venue, keeper, settings = setting(tmp_path)
    venue.frames = {"bars": bars([100.0, 110.0, 120.0]), "funding": funding([0.0001])}
    venue.frames["open_interest"] = open_interest([5.0, 6.0])
    late = (await keeper.measured(settings, until=MONDAY + days(3))).row

    assert late.values["funding_rate"] is None
    assert late.values["open_interest_change_1"] is not None

    later = (await keeper.measured(settings, until=MONDAY + days(4))).row

    assert later.values["open_interest_change_1"] is None


async def test_a_running_rate_is_kept_and_measured_as_it_was_known_at_the_close(tmp_path: Path) -> None:
    venue, keeper, _ = setting(tmp_path)
    settings = policy(rules=(rule("crowd", "funding_rate_next > 0.0005"),))
    venue.frames = {
        "bars": bars([100.0, 110.0]),
        "funding_next": funding_next([0.0006, 0.0009], start=MONDAY + days(1)),
    }
    first = await keeper.measured(settings, until=MONDAY + days(1))
    kept = measured_from(HistoryStore(tmp_path, read_only=True), settings, MONDAY + days(1))
    later = await keeper.measured(settings, until=MONDAY + days(2))

    assert first.row.values["funding_rate_next"] == kept.row.values["funding_rate_next"] == 0.0006
    assert later.row.values["funding_rate_next"] is None  # last told 23 hours ago


async def test_a_pass_keeps_the_running_rate_only_where_a_rule_names_it(tmp_path: Path) -> None:
    venue, keeper, without = setting(tmp_path)
    named = policy(rules=(rule("crowd", "funding_rate_next_8h > 0.0005"),))
    venue.frames = {"funding_next": funding_next([0.0006, 0.0009], start=MONDAY)}
    await keeper.keep_running(without, MONDAY + days(1))
    nothing = HistoryStore(tmp_path, read_only=True).read(BTC, "funding_next", "1d")
    await keeper.keep_running(named, MONDAY)
    await keeper.keep_running(named, MONDAY + days(1))
    await keeper.keep_running(named, MONDAY + days(1))
    kept = HistoryStore(tmp_path, read_only=True).read(BTC, "funding_next", "1d")

    assert nothing.is_empty()
    assert kept["funding_rate_next"].to_list() == [0.0006, 0.0009]


async def test_a_running_rate_that_is_not_told_or_can_not_be_is_a_gap(tmp_path: Path) -> None:
    class Silent(FakeVenue):
        async def series(self, symbol, series, bar, after, until):  # type: ignore[no-untyped-def]
            raise VenueUnavailable("no answer")

    named = policy(rules=(rule("crowd", "funding_rate_next > 0.0005"),))
    store = HistoryStore(tmp_path, read_only=False)
    await Keeper(Silent(), store).keep_running(named, MONDAY)
    venue = FakeVenue()
    venue.frames = {"funding_next": funding_next([1.5], start=MONDAY)}
    await Keeper(venue, store).keep_running(named, MONDAY)

    assert store.read(BTC, "funding_next", "1d").is_empty()


async def test_why_a_row_was_refused_is_a_note_of_the_metric_row(tmp_path: Path) -> None:
    venue, keeper, settings = setting(tmp_path)
    venue.frames = {"bars": bars([100.0, -1.0, 120.0]), "funding": funding([5.0])}
    row = (await keeper.measured(settings, until=MONDAY + days(3))).row

    assert row.notes == (
        "the bar of 2024-01-02 00:00 has a price that is zero or negative; it is not kept",
        "the funding of 2024-01-01 00:00 is 100% or more; it is not kept",
    )
    assert row.bars_missing == 1
    assert row.values["sma_2"] is None


async def test_a_bar_delivered_again_with_other_figures_is_noted_and_not_measured(
    tmp_path: Path,
) -> None:
    venue, keeper, settings = setting(tmp_path)
    venue.frames = {"bars": bars([100.0, 110.0])}
    await keeper.measured(settings, until=MONDAY + days(2))
    venue.frames = {"bars": bars([100.0, 115.0])}
    row = (await keeper.measured(settings, until=MONDAY + days(2))).row

    assert row.values["close"] == 110.0
    assert row.notes == ("bars at 2024-01-02 00:00 differ from those kept; the kept ones stay",)


async def test_a_source_that_does_not_answer_keeps_what_was_kept(tmp_path: Path) -> None:
    venue, keeper, settings = setting(tmp_path)
    venue.frames = {"bars": bars([100.0])}
    await keeper.measured(settings, until=MONDAY + days(1))
    venue.failures = ["no answer"]
    with pytest.raises(VenueUnavailable, match="no answer"):
        await keeper.measured(settings, until=MONDAY + days(2))

    assert HistoryStore(tmp_path, read_only=True).read(BTC, "bars", "1d").equals(bars([100.0]))


async def test_a_disk_that_refuses_is_told_as_bad_data(tmp_path: Path) -> None:
    venue, keeper, settings = setting(tmp_path / "history")
    (tmp_path / "history").write_text("in the way")
    venue.frames = {"bars": bars([100.0])}

    with pytest.raises(BadData):
        await keeper.measured(settings, until=MONDAY + days(1))


async def test_without_a_disk_the_same_row_comes_out(tmp_path: Path) -> None:
    venue, keeper, settings = setting(tmp_path / "read", read_only=True)
    other, writer, _ = setting(tmp_path / "written")
    venue.frames = other.frames = {"bars": bars([100.0, 110.0]), "funding": funding([0.0001] * 6)}

    assert await keeper.measured(settings, MONDAY + days(2)) == await writer.measured(
        settings, MONDAY + days(2)
    )
    assert not (tmp_path / "read").exists()
