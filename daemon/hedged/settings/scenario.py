"""
A scenario's file: TOML in, a checked value of the core out.

It is no part of the settings; one file tells one story, and `rules scenario FILE` counts it through.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from hedged.core import scenario as core
from hedged.core.rules import Action
from hedged.errors import SettingsError
from hedged.settings.kinds import NotNegative, Positive, Ratio, Section
from hedged.settings.load import read_toml
from hedged.settings.sections import VERBS


class ToldSection(Section):
    """What the source says of a phase, where its arithmetic is its own."""

    reduce_notional: Positive
    claimed_ratio: Ratio


class PhaseSection(Section):
    """A phase: the move of the index, then at most one action on the goal."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    index_change: Annotated[Decimal, Field(gt=-1, le=10)] = Decimal(0)
    remarks: tuple[str, ...] = ()
    set_to: Ratio | None = None
    raise_to: Ratio | None = None
    lower_to: Ratio | None = None
    raise_by: Ratio | None = None
    lower_by: Ratio | None = None
    scale_by: Annotated[Decimal, Field(ge=-1, le=10)] | None = None
    told: ToldSection | None = None

    def actions(self) -> list[Action]:
        """The actions that are given."""
        given = [(verb, getattr(self, verb)) for verb in VERBS]
        return [Action(verb=verb, by=by) for verb, by in given if by is not None]

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if len(self.actions()) > 1:
            raise ValueError(f"give at most one action of {', '.join(VERBS)}")
        return self


class ScenarioFile(Section):
    """The whole file."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    portfolio_value: Positive
    index_price: Positive
    contract_multiplier: Positive
    lot: Positive = Decimal("0.01")
    sizing_beta: Positive = Decimal(1)
    realised_beta: NotNegative = Decimal(1)
    phase: Annotated[tuple[PhaseSection, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _can_be_counted(self) -> Self:
        for phase in self.phase:
            if self.realised_beta * phase.index_change <= -1:
                raise ValueError(f"in {phase.name!r} the portfolio would lose more than all of itself")
        return self


def load_scenario(path: Path) -> core.Scenario:
    """The scenario of *path*. Raises `SettingsError`, which tells every fault with its key."""
    try:
        told = ScenarioFile.model_validate(read_toml(path))
    except ValidationError as error:
        raise SettingsError("\n".join(_fault(path, fault) for fault in error.errors())) from None
    fields = told.model_dump(exclude={"phase"})
    return core.Scenario(**fields, phases=tuple(_phase(phase) for phase in told.phase))


def _phase(phase: PhaseSection) -> core.Phase:
    return core.Phase(
        name=phase.name,
        index_change=phase.index_change,
        action=next(iter(phase.actions()), None),
        remarks=phase.remarks,
        told=core.Told(**phase.told.model_dump()) if phase.told else None,
    )


def _fault(path: Path, fault: object) -> str:
    assert isinstance(fault, dict), "pydantic tells its faults as tables"
    key = ".".join(str(part) for part in fault["loc"])
    said = {"extra_forbidden": "unknown key", "missing": "is missing"}.get(
        fault["type"], str(fault["msg"]).removeprefix("Value error, ")
    )
    return f"{path}: {key}: {said}" if key else f"{path}: {said}"
