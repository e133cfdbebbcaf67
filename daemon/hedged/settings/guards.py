"""
``[guards]``: what is looked at beside drift, and the margin that must be kept.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from hedged.core.headroom import DISTANCE_MIN_FLOOR, MARGIN_RATIO_CEILING, MarginLimits
from hedged.core.watch import WatchPolicy
from hedged.settings.kinds import NUMBER, Duration, Section


class GuardsSection(Section):
    """The guards' figures; what no setting may pass stands in `core.headroom`."""

    liquidation_distance_min: Annotated[Decimal, Field(ge=DISTANCE_MIN_FLOOR, le=2), NUMBER] = Field(
        Decimal("0.15"), description="least rise of all marks to liquidation"
    )
    margin_ratio_max: Annotated[Decimal, Field(gt=0, le=MARGIN_RATIO_CEILING), NUMBER] = Field(
        Decimal("0.60"), description="largest maintenance margin / equity of an account"
    )
    maintenance_rate: Annotated[Decimal, Field(gt=0, le=Decimal("0.5")), NUMBER] = Field(
        Decimal("0.025"), description="maintenance rate where the venue tells no tiers"
    )
    roll_before: Duration = Field(
        timedelta(days=7), description="a held dated leg nearer to its delivery is told"
    )
    expiry_cutoff: Duration = Field(
        timedelta(days=1), description="nearer to its delivery a dated leg may not grow"
    )
    depeg_max: Annotated[Decimal, Field(gt=0, le=Decimal("0.2")), NUMBER] = Field(
        Decimal("0.02"), description="how far dollar coins may be from one dollar"
    )
    funding_cost_max: Annotated[Decimal, Field(gt=0, le=10), NUMBER] = Field(
        Decimal("0.25"),
        description="share of a short's notional a year from which its funding is told",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.expiry_cutoff > self.roll_before:
            raise ValueError("expiry_cutoff is longer than roll_before")
        return self

    def value(self) -> WatchPolicy:
        """The core's own."""
        return WatchPolicy(
            roll_before=self.roll_before,
            expiry_cutoff=self.expiry_cutoff,
            depeg_max=self.depeg_max,
            funding_cost_max=self.funding_cost_max,
            margin=MarginLimits(
                liquidation_distance_min=self.liquidation_distance_min,
                margin_ratio_max=self.margin_ratio_max,
                maintenance_rate=self.maintenance_rate,
            ),
        )
