"""
The tables of the settings: each key with its default, its bounds and one line on what it does.

Unknown keys are errors. Numbers are `Decimal` and finite; ceilings stand in code.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from apscheduler.triggers.cron import CronTrigger
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from hedged.core.exposure import CASH_DEFAULT
from hedged.core.gate import (
    NOTIONAL_PER_DAY_CEILING,
    NOTIONAL_PER_ORDER_CEILING,
    ORDERS_PER_TICK_CEILING,
)
from hedged.core.metrics import bar_seconds, basket
from hedged.core.metrics.basket import Basket
from hedged.core.metrics.vocabulary import ATH_VOLUME_RATIO
from hedged.core.rules import Verb, parse
from hedged.errors import RuleError

_DURATION = re.compile(r"^(\d+)(s|m|h|d|w)$")
_DATED = re.compile(r"-(\d\d)(\d\d)(\d\d)$")
DELIVERY_HOUR = 8
DURATION_S_MAX = 10 * 366 * 86400
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
VERBS: tuple[Verb, ...] = ("set_to", "raise_to", "lower_to", "raise_by", "lower_by", "scale_by")


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("write a number, not true or false")
    return value


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    matched = _DURATION.match(value) if isinstance(value, str) else None
    if matched is None:
        raise ValueError("write a duration such as '30s', '5m', '8h', '1d' or '4w'")
    seconds = int(matched[1][:12]) * _SECONDS[matched[2]]
    if seconds > DURATION_S_MAX:
        raise ValueError("a duration is at most ten years")
    return timedelta(seconds=seconds)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("write a time with its zone, such as 2021-05-10T00:00:00Z")
    return value.astimezone(UTC)


def delivery_of(symbol: str) -> datetime | None:
    """
    When the contract of a symbol such as ``BTC/USDT:USDT-240628`` is delivered; None for a perpetual.

    At 08:00 UTC of the date in its name, the venues' usual time. Raises `ValueError` for a date that
    is none.
    """
    dated = _DATED.search(symbol)
    if dated is None:
        return None
    year, month, day = (int(part) for part in dated.groups())
    try:
        return datetime(2000 + year, month, day, DELIVERY_HOUR, tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{symbol} ends in no date; a dated contract ends in -YYMMDD") from None


def _delivered(symbol: str) -> str:
    delivery_of(symbol)
    return symbol


# The validator comes last, or pydantic leaves the bounds out of the JSON schema.
_NUMBER = BeforeValidator(_no_bool)
Positive = Annotated[Decimal, Field(gt=0), _NUMBER]
NotNegative = Annotated[Decimal, Field(ge=0), _NUMBER]
Ratio = Annotated[Decimal, Field(ge=0, le=1), _NUMBER]
Bps = Annotated[Decimal, Field(ge=0, le=1000), _NUMBER]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Instant = Annotated[datetime, AfterValidator(_utc)]
# Lower case: an environment variable names an account without regard to case.
AccountName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Symbol = Annotated[
    str, Field(pattern=r"^[A-Z0-9]+/[A-Z0-9]+:[A-Z0-9]+(-\d{6})?$"), AfterValidator(_delivered)
]
Asset = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}$")]


class Section(BaseModel):
    """A table of the settings: frozen, and every key known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Service(Section):
    mode: Literal["paper"] = Field(
        "paper", description="how orders are handled; paper can't reach an exchange"
    )
    state_dir: Path = Field(
        Path("state"), description="folder of the journal, the history and the paper account"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, JSON lines elsewhere"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Schedule(Section):
    review: str = Field(
        "weekly", description="weekly (Monday 00:00 UTC), daily, monthly, or 'cron: 0 0 * * mon'"
    )
    settle_delay: Duration = Field(
        timedelta(minutes=5),
        description="wait after the scheduled instant, so that the bar is there",
    )
    guard_every: Duration = Field(
        timedelta(minutes=5), description="how often drift is looked at between reviews"
    )

    @field_validator("review")
    @classmethod
    def _known_cadence(cls, value: str) -> str:
        if value in ("weekly", "daily", "monthly"):
            return value
        fields = value.removeprefix("cron:").split()
        if not value.startswith("cron:") or len(fields) != 5:
            raise ValueError("write weekly, daily, monthly, or 'cron: minute hour day month weekday'")
        if any(character.isdigit() for character in fields[4]):
            raise ValueError(
                f"name the weekday ('mon'), not {fields[4]!r}: numbers start on different days in "
                "different programs"
            )
        if fields[2] != "*" and fields[4] != "*":
            raise ValueError("give a day of the month or a weekday, not both")
        try:
            CronTrigger.from_crontab(" ".join(fields), timezone=UTC)
        except ValueError as error:
            raise ValueError(f"{value!r}: {error}") from None
        return value

    @field_validator("guard_every")
    @classmethod
    def _divides_the_day(cls, value: timedelta) -> timedelta:
        seconds = value.total_seconds()
        if seconds < 60 or seconds > 86400 or 86400 % seconds or seconds % 60:
            raise ValueError("write whole minutes or hours that divide a day, at most '1d'")
        if seconds < 3600 and 3600 % seconds:
            raise ValueError("write minutes that divide an hour, such as '5m' or '15m'")
        return value


class Venue(Section):
    kind: Literal["replay"] = Field("replay", description="replay: recorded history under `data`")
    data: str = Field("demo", description="folder of recorded history, or 'demo' for the shipped one")
    clock: Literal["history", "wall"] = Field(
        "history", description="history: walk from start to end at once; wall: real time, for a "
        "folder that a recorder keeps up to date",
    )  # fmt: skip
    start: Instant | None = Field(None, description="first instant, with clock = 'history'")
    end: Instant | None = Field(None, description="last instant, with clock = 'history'")

    @model_validator(mode="after")
    def _span(self) -> Self:
        if self.clock == "history" and (self.start is None or self.end is None):
            raise ValueError("clock = 'history' needs start and end")
        if self.start and self.end and self.end <= self.start:
            raise ValueError("end must be after start")
        return self


class Paper(Section):
    collateral: Positive = Field(description="margin the account starts with, in the settle currency")
    fee_bps: Bps = Decimal("5.5")
    half_spread_bps: Bps = Decimal("1")
    slippage_bps: Bps = Decimal("2")
    volume_share_max: Annotated[Decimal, Field(gt=0, le=1), _NUMBER] = Field(
        Decimal("0.05"), description="largest share of a bar's volume that one order may take"
    )
    liquidation_fee_bps: Bps = Decimal("50")


class Tier(Section):
    notional_max: Positive
    rate: Ratio
    deduction: NotNegative = Decimal(0)
    leverage_max: Positive


class Instrument(Section):
    symbol: Symbol
    contract_multiplier: Positive = Decimal(1)
    lot: Positive
    tick: Positive
    contracts_min: NotNegative = Decimal(0)
    notional_min: NotNegative = Decimal(0)
    inverse: bool = False
    expiry: Instant | None = Field(
        None, description="when it is delivered; default: 08:00 UTC of the date in its symbol"
    )
    tiers: tuple[Tier, ...] = ()

    @field_validator("tiers")
    @classmethod
    def _ascending(cls, value: tuple[Tier, ...]) -> tuple[Tier, ...]:
        tops = [tier.notional_max for tier in value]
        if tops != sorted(set(tops)):
            raise ValueError("list tiers by rising notional_max")
        return value


class ExposureSection(Section):
    cash: frozenset[Asset] = Field(CASH_DEFAULT, description="stablecoins and money: never hedged")
    ignore: frozenset[Asset] = Field(frozenset(), description="holdings that are left out")
    unpriced_max: dict[Asset, NotNegative] = Field(
        default_factory=dict, description="quantity below which a holding needs no price"
    )


class Beta(Section):
    method: Literal["one", "ols", "ewma"] = Field(
        "one", description="one: every beta is 1; ols, ewma: estimated at each review, frozen between"
    )
    bars: Annotated[int, BeforeValidator(_no_bool), Field(ge=10, le=2000)] = Field(
        90, description="log returns of signal.bar that an estimate looks at"
    )
    bars_min: Annotated[int, BeforeValidator(_no_bool), Field(ge=10, le=2000)] = Field(
        60, description="with fewer of them kept, a beta stays 1"
    )
    half_life: Annotated[int, BeforeValidator(_no_bool), Field(ge=2, le=2000)] = Field(
        30, description="bars after which a return weighs half, with method = 'ewma'"
    )
    prior_sd: Annotated[Decimal, Field(gt=0, le=10), _NUMBER] = Field(
        Decimal("0.3"), description="how far from 1 a beta is thought to lie before it is measured"
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.bars_min > self.bars:
            raise ValueError("bars_min is above bars")
        return self


class AthSeed(Section):
    price: Positive
    date: date


class Constituent(Section):
    symbol: Symbol
    weight: Positive


class BasketSection(Section):
    constituents: Annotated[tuple[Constituent, ...], Field(min_length=1)]
    rebalance: Literal["daily", "weekly", "monthly", "quarterly", "never"] = Field(
        "monthly", description="when weights are reset, at the close before the calendar boundary"
    )
    cap: Ratio | None = Field(None, description="largest share of one coin at a reset")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.value()
        return self

    def value(self) -> Basket:
        """The core's basket. Raises `ValueError` where it can't be."""
        given = tuple(basket.Constituent(**one.model_dump()) for one in self.constituents)
        return Basket(kind="basket", constituents=given, rebalance=self.rebalance, cap=self.cap)


class Signal(Section):
    symbol: Symbol | None = Field(
        None, description="whose bars the rules speak of; default: the leg of largest weight"
    )
    bar: str = "1d"
    ath_seed: AthSeed | None = Field(
        None, description="highest price before the kept history, and its day"
    )
    ath_volume_ratio: Annotated[Decimal, Field(gt=0, le=100), _NUMBER] = Field(
        ATH_VOLUME_RATIO,
        description="times the mean volume of 20 bars above which breaks_ath_volume_n is true",
    )
    index: Literal["market", "basket", "holdings"] = Field(
        "market", description="market: the bars of `symbol`; basket: of several coins, chained; "
        "holdings: of the portfolio's own quantities. Funding and open interest are always of `symbol`",
    )  # fmt: skip
    basket: BasketSection | None = Field(None, description="with index = 'basket'")

    @model_validator(mode="after")
    def _one_index(self) -> Self:
        if (self.index == "basket") != (self.basket is not None):
            raise ValueError("index = 'basket' and a basket go together; give both or neither")
        return self

    @field_validator("bar")
    @classmethod
    def _length(cls, value: str) -> str:
        bar_seconds(value)
        return value


class Leg(Section):
    symbol: Symbol
    weight: NotNegative = Field(Decimal(1), description="share of the hedge; 0 closes the leg")


class Hedge(Section):
    legs: Annotated[tuple[Leg, ...], Field(min_length=1)]
    initial_ratio: Ratio | None = Field(None, description="default: the ratio held at first start")
    min_ratio: Ratio = Decimal(0)
    max_ratio: Ratio = Decimal(1)
    max_step: Annotated[Decimal, Field(gt=0, le=1), _NUMBER] = Field(
        Decimal(1), description="largest move of the target at one review"
    )
    band: Annotated[Decimal, Field(ge=0, le=Decimal("0.5")), _NUMBER] = Decimal("0.05")
    mix_band: Annotated[Decimal, Field(ge=0, le=1), _NUMBER] = Decimal("0.10")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_ratio > self.max_ratio:
            raise ValueError("min_ratio is above max_ratio")
        symbols = [leg.symbol for leg in self.legs]
        if len(set(symbols)) != len(symbols):
            raise ValueError("each symbol may be one leg only")
        if not any(leg.weight for leg in self.legs):
            raise ValueError("give at least one leg a weight above 0")
        return self


class LimitsSection(Section):
    orders_per_tick_max: Annotated[
        int, BeforeValidator(_no_bool), Field(ge=1, le=ORDERS_PER_TICK_CEILING)
    ] = 2
    order_notional_max: Annotated[Decimal, Field(gt=0, le=NOTIONAL_PER_ORDER_CEILING), _NUMBER] = (
        Decimal(250_000)
    )
    day_notional_max: Annotated[Decimal, Field(gt=0, le=NOTIONAL_PER_DAY_CEILING), _NUMBER] = Decimal(
        1_000_000
    )
    price_age_s_max: Annotated[Decimal, Field(gt=0, le=172_800), _NUMBER] = Decimal(30)
    position_age_s_max: Annotated[Decimal, Field(gt=0, le=3600), _NUMBER] = Decimal(15)
    price_jump_max: Annotated[Decimal, Field(gt=0, le=Decimal("0.9")), _NUMBER] = Decimal("0.25")
    price_gap_max: Annotated[Decimal, Field(gt=0, le=Decimal("0.1")), _NUMBER] = Decimal("0.02")
    slippage_bps_max: Annotated[Decimal, Field(gt=0, le=500), _NUMBER] = Decimal(50)


class Rule(Section):
    name: Annotated[str, Field(min_length=1, max_length=80)]
    when: str
    set_to: Ratio | None = None
    raise_to: Ratio | None = None
    lower_to: Ratio | None = None
    raise_by: Annotated[Decimal, Field(gt=0, le=1), _NUMBER] | None = None
    lower_by: Annotated[Decimal, Field(gt=0, le=1), _NUMBER] | None = None
    scale_by: Annotated[Decimal, Field(ge=-1, le=10), _NUMBER] | None = None
    fires: Literal["enter", "while"] = "enter"
    cooldown: Duration | None = None

    @field_validator("when")
    @classmethod
    def _parses(cls, value: str) -> str:
        try:
            parse(value)
        except RuleError as error:
            raise ValueError(error.pointed() if error.text else str(error)) from None
        return value

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if len(self.actions()) != 1:
            raise ValueError(f"give exactly one action of {', '.join(VERBS)}")
        return self

    def actions(self) -> list[tuple[Verb, Decimal]]:
        """The actions that are given; a checked rule has one."""
        given = [(verb, getattr(self, verb)) for verb in VERBS]
        return [(verb, by) for verb, by in given if by is not None]


class HoldingSection(Section):
    asset: Asset
    quantity: NotNegative
    price_symbol: Symbol | None = Field(
        None, description="where its price is found; default: ASSET/NUMERAIRE:NUMERAIRE"
    )


class Account(Section):
    api_key: SecretStr | None = Field(None, description="not used on recorded history")
    api_secret: SecretStr | None = Field(None, description="not used on recorded history")


class Portfolio(Section):
    """A portfolio; its own signal, hedge or rules replace the common ones."""

    name: Name
    account: AccountName
    numeraire: Asset = "USDT"
    holding: tuple[HoldingSection, ...] = ()
    signal: Signal | None = None
    hedge: Hedge | None = None
    rule: tuple[Rule, ...] | None = None
