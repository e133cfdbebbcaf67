"""What of a portfolio is hedged, and what nobody prices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import d, holding, snapshot
from hedged.core.exposure import Exposure, ExposurePolicy, expose
from hedged.core.market import Holding


def exposed(*holdings: Holding, **policy: object) -> Exposure:
    return expose(snapshot(holdings=holdings), replace(ExposurePolicy(), **policy))  # type: ignore[arg-type]


def test_coins_count_at_their_price_and_cash_does_not() -> None:
    seen = exposed(holding("BTC", 10, 50_000), holding("ETH", 4, 2_500), holding("USDT", 100_000, 1))

    assert seen.total == 510_000
    assert [line.notional for line in seen.lines] == [500_000, 10_000, 100_000]
    assert [line.counted for line in seen.lines] == [True, True, False]
    assert seen.lines[2].because == "cash is not hedged"


def test_beta_is_one_and_says_that_nobody_estimated_it() -> None:
    (line,) = exposed(holding("BTC", 1, 100)).lines

    assert line.beta == 1
    assert line.beta_source == "default"


@pytest.mark.parametrize("holdings", [(), (holding("USDT", 5, 1), holding("DAI", 7, 1))])
def test_nothing_and_stablecoins_only_are_an_exposure_of_zero_not_an_unknown_one(
    holdings: tuple[Holding, ...],
) -> None:
    seen = exposed(*holdings)

    assert seen.total == 0
    assert seen.unpriced == ()


def test_an_asset_without_a_price_makes_the_whole_exposure_unknown_and_is_named() -> None:
    seen = exposed(holding("BTC", 1, 100), holding("XYZ", 5, None), holding("ABC", 1, None))

    assert seen.total is None
    assert seen.unpriced == ("XYZ", "ABC")
    assert seen.lines[1].notional is None
    assert seen.lines[1].because == "no price"


def test_an_ignored_asset_is_left_out_with_or_without_a_price() -> None:
    coins = (holding("BTC", 1, 100), holding("XYZ", 5, None), holding("ABC", 5, 10))
    seen = exposed(*coins, ignore=frozenset({"XYZ", "ABC"}))

    assert seen.total == 100
    assert [line.because for line in seen.lines[1:]] == ["ignored by the settings"] * 2


def test_cash_without_a_price_holds_nothing_up() -> None:
    assert exposed(holding("BTC", 1, 100), holding("USDC", 5, None)).total == 100


@pytest.mark.parametrize(("quantity", "total"), [("0.9", 100), ("1.1", None)])
def test_dust_without_a_price_may_be_left_out_up_to_its_own_limit(
    quantity: str, total: int | None
) -> None:
    coins = (holding("BTC", 1, 100), holding("XYZ", quantity, None))

    assert exposed(*coins, unpriced_max={"XYZ": d(1)}).total == total
    assert exposed(*coins, unpriced_max={"ABC": d(5)}).total is None


def test_a_limit_for_dust_leaves_out_nothing_that_has_a_price() -> None:
    seen = exposed(holding("XYZ", "0.5", 200), unpriced_max={"XYZ": d(1)})

    assert seen.total == 100


def test_a_holding_in_two_places_counts_twice() -> None:
    assert exposed(holding("BTC", 1, 100), holding("BTC", 2, 100)).total == 300
