"""Which rows may be kept, and the sentence for each that may not."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from builders import MONDAY, bars, funding, funding_next, open_interest
from hedged.core.metrics import Series
from hedged.core.metrics.history import SCHEMAS, TIME
from hedged.history.rows import NOTES_MAX, Accepted, accept

NAN, INF = float("nan"), float("inf")
NOTHING: dict[Series, pl.DataFrame] = {s: pl.DataFrame(schema=SCHEMAS[s]) for s in SCHEMAS}


def taken(
    reported: pl.DataFrame, kept: pl.DataFrame | None = None, series: Series = "bars", bar: str = "1d"
) -> Accepted:
    return accept(reported, NOTHING[series] if kept is None else kept, series, bar)


def with_figure(frame: pl.DataFrame, row: int, **figures: float | None) -> pl.DataFrame:
    """*frame* with other figures in one of its rows."""
    rows = frame.to_dicts()
    rows[row] |= figures
    return pl.DataFrame(rows, schema=frame.schema)


def test_possible_bars_are_kept_as_they_are() -> None:
    found = taken(bars([100.0, 101.0, 102.0]))

    assert found.rows.equals(bars([100.0, 101.0, 102.0]))
    assert found.refused == ()


def test_a_gap_stays_a_gap() -> None:
    found = taken(bars([100.0, None, 102.0]))

    assert found.rows["open_time"].to_list() == [MONDAY, MONDAY + timedelta(days=2)]
    assert found.refused == ()


def test_bars_out_of_order_are_put_in_order() -> None:
    assert taken(bars([100.0, 101.0, 102.0]).reverse()).rows.equals(bars([100.0, 101.0, 102.0]))


def test_a_bar_told_twice_alike_is_kept_once() -> None:
    twice = pl.concat([bars([100.0, 101.0]), bars([100.0])])

    assert taken(twice).rows.equals(bars([100.0, 101.0]))
    assert taken(twice).refused == ()


def test_a_bar_told_twice_with_other_figures_is_not_kept_at_all() -> None:
    found = taken(pl.concat([bars([100.0, 101.0]), bars([99.0])]))

    assert found.rows.equals(bars([100.0, 101.0])[1:])
    assert found.refused == (
        "bars at 2024-01-01 00:00 were reported twice with other figures; none is kept",
    )


def test_of_a_possible_and_an_impossible_bar_the_possible_one_is_kept() -> None:
    found = taken(pl.concat([bars([100.0]), with_figure(bars([100.0]), 0, close=NAN)]))

    assert found.rows.equals(bars([100.0]))
    assert len(found.refused) == 1


def test_a_bar_delivered_again_with_other_figures_changes_nothing() -> None:
    found = taken(bars([105.0, 101.0]), kept=bars([100.0]))

    assert found.rows.equals(bars([105.0, 101.0])[1:])
    assert found.refused == ("bars at 2024-01-01 00:00 differ from those kept; the kept ones stay",)


def test_a_bar_delivered_again_as_it_was_is_not_worth_a_word() -> None:
    found = taken(bars([100.0]), kept=bars([100.0]))

    assert found.rows.height == 0
    assert found.refused == ()


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"close": NAN}, "has a price that is no number"),
        ({"high": INF}, "has a price that is no number"),
        ({"open": 0.0}, "has a price that is zero or negative"),
        ({"low": -1.0}, "has a price that is zero or negative"),
        ({"high": 99.5}, "has a high below its other prices"),
        ({"low": 100.5}, "has a low above its other prices"),
        ({"volume": -1.0}, "has an impossible volume"),
        ({"volume": NAN}, "has an impossible volume"),
        ({"volume": INF}, "has an impossible volume"),
        ({"close": None}, "lacks a figure"),
        ({"volume": None}, "lacks a figure"),
    ],
)
def test_an_impossible_bar_is_a_gap_and_the_bars_around_it_stay(
    figures: dict[str, float | None], words: str
) -> None:
    found = taken(with_figure(bars([100.0, 100.0, 100.0]), 1, **figures))

    assert found.rows.equals(bars([100.0, None, 100.0]))
    assert found.refused == (f"the bar of 2024-01-02 00:00 {words}; it is not kept",)


@pytest.mark.parametrize("figure", [NAN, INF, 0.0, -1.0])
def test_an_index_that_can_not_be_is_never_kept(figure: float) -> None:
    found = taken(with_figure(bars([100.0]), 0, index_close=figure))

    assert found.rows["index_close"].drop_nulls().to_list() == []
    assert len(found.refused) == 1


def test_a_bar_without_an_index_is_whole() -> None:
    assert taken(bars([100.0])).rows["index_close"].to_list() == [None]


@pytest.mark.parametrize(
    ("bar", "off", "kept"), [("1d", 1, 0), ("1d", 60, 0), ("1h", 60, 1), ("4h", 60, 0), ("4h", 240, 1)]
)
def test_a_bar_opens_on_its_grid(bar: str, off: int, kept: int) -> None:
    found = taken(bars([100.0], start=MONDAY + timedelta(minutes=off)), bar=bar)

    assert found.rows.height == kept
    assert kept or f"does not open on the {bar} grid" in found.refused[0]


def test_funding_is_kept_when_it_is_negative_or_zero() -> None:
    reported = funding([-0.0005, 0.0, 0.0001])

    assert taken(reported, series="funding").rows.equals(reported)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"funding_rate": NAN}, "is no number"),
        ({"funding_rate": -INF}, "is no number"),
        ({"funding_rate": 1.0}, "is 100% or more"),
        ({"funding_rate": -1.5}, "is 100% or more"),
        ({"funding_rate": None}, "lacks a figure"),
        ({"interval_hours": 0.0}, "covers no time"),
        ({"interval_hours": -8.0}, "covers no time"),
        ({"interval_hours": None}, "lacks a figure"),
    ],
)
def test_impossible_funding_is_not_kept(figures: dict[str, float | None], words: str) -> None:
    found = taken(with_figure(funding([0.0001, 0.0001]), 0, **figures), series="funding")

    assert found.rows.equals(funding([0.0001, 0.0001])[1:])
    assert found.refused == (f"the funding of 2024-01-01 00:00 {words}; it is not kept",)


def test_a_predicted_rate_is_kept_as_often_as_it_is_told() -> None:
    reported = funding_next([0.0001, 0.00012, -0.0001])

    assert taken(reported, series="funding_next").rows.equals(reported)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"funding_rate_next": NAN}, "is no number"),
        ({"funding_rate_next": -1.0}, "is 100% or more"),
        ({"funding_rate_next": None}, "lacks a figure"),
        ({"interval_hours": 0.0}, "covers no time"),
    ],
)
def test_an_impossible_predicted_rate_is_not_kept(figures: dict[str, float | None], words: str) -> None:
    reported = with_figure(funding_next([0.0001, 0.0002]), 0, **figures)
    found = taken(reported, series="funding_next")

    assert found.rows.equals(funding_next([0.0001, 0.0002])[1:])
    assert found.refused == (f"the predicted funding of 2024-01-01 00:00 {words}; it is not kept",)


RATES: dict[Series, pl.DataFrame] = {
    "funding": funding([0.1]),
    "funding_next": funding_next([0.1]),
    "open_interest": open_interest([1.0]),
}


@pytest.mark.parametrize("hours", [NAN, INF])
@pytest.mark.parametrize("series", list(RATES))
def test_a_rate_that_covers_no_known_time_is_not_kept_for_it_would_never_be_too_old(
    series: Series, hours: float
) -> None:
    found = taken(RATES[series].with_columns(interval_hours=pl.lit(hours)), series=series)

    assert found.rows.height == 0


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"open_interest": NAN}, "is no number"),
        ({"open_interest": -1.0}, "is negative"),
        ({"open_interest": None}, "lacks a figure"),
        ({"interval_hours": 0.0}, "covers no time"),
    ],
)
def test_impossible_open_interest_is_not_kept(figures: dict[str, float | None], words: str) -> None:
    found = taken(with_figure(open_interest([5.0, 6.0]), 0, **figures), series="open_interest")

    assert found.rows.equals(open_interest([5.0, 6.0])[1:])
    assert found.refused == (f"the open interest of 2024-01-01 00:00 {words}; it is not kept",)


@pytest.mark.parametrize("figure", [NAN, INF, -1.0])
def test_a_notional_open_interest_that_can_not_be_is_never_kept(figure: float) -> None:
    found = taken(
        with_figure(open_interest([5.0]), 0, open_interest_notional=figure), series="open_interest"
    )

    assert found.rows["open_interest_notional"].drop_nulls().to_list() == []


@pytest.mark.parametrize("series", list(SCHEMAS))
def test_a_row_without_a_time_is_refused(series: Series) -> None:
    reported = {"bars": bars([1.0]), **RATES}
    stamp = "open_time" if series == "bars" else "at"
    found = taken(reported[series].with_columns(pl.lit(None, dtype=TIME).alias(stamp)), series=series)

    assert found.rows.height == 0
    assert "lacks a figure" in found.refused[0] or "no time" in found.refused[0]


def test_a_flood_of_impossible_rows_is_told_in_a_few_sentences() -> None:
    many = bars([100.0] * 500).with_columns(close=pl.lit(NAN))

    assert taken(many).rows.height == 0
    assert len(taken(many).refused) == NOTES_MAX


def test_columns_in_another_order_and_whole_numbers_are_fitted() -> None:
    reported = bars([100.0]).select(reversed(SCHEMAS["bars"])).with_columns(volume=pl.lit(1000))

    assert taken(reported).rows.equals(bars([100.0]))
