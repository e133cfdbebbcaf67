"""``[guards]``: bounds that stand in code, and the values of the core."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from hedged.core.headroom import DISTANCE_MIN_FLOOR, MARGIN_RATIO_CEILING
from hedged.core.watch import WatchPolicy
from hedged.settings.guards import GuardsSection


def test_the_defaults_are_those_of_the_core() -> None:
    told = replace(WatchPolicy(), funding_cost_max=Decimal("0.25"))  # never, where it was not set

    assert GuardsSection().value() == told


def test_what_is_set_reaches_the_core() -> None:
    made = GuardsSection(
        liquidation_distance_min=Decimal("0.3"), roll_before="2w", depeg_max=Decimal("0.01")
    ).value()

    assert (made.margin.liquidation_distance_min, made.depeg_max) == (Decimal("0.3"), Decimal("0.01"))
    assert made.roll_before == timedelta(days=14)


@pytest.mark.parametrize(
    "given",
    [
        {"liquidation_distance_min": DISTANCE_MIN_FLOOR - Decimal("0.01")},
        {"margin_ratio_max": MARGIN_RATIO_CEILING + Decimal("0.01")},
        {"maintenance_rate": 0},
        {"depeg_max": Decimal("0.3")},
        {"roll_before": "1h"},
        {"unknown": 1},
    ],
)
def test_what_is_out_of_bounds_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GuardsSection(**given)
