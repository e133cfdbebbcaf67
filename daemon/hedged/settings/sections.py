"""
The tables of the settings: each key with its default, its bounds and one line on what it does.

Ceilings stand in code. What is said of venues and accounts is in `venues`.
"""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from apscheduler.triggers.cron import CronTrigger
from pydantic import BeforeValidator, Field, field_validator, model_validator

from hedged.core.exposure import CASH_DEFAULT
from hedged.core.gate import (
    NOTIONAL_PER_DAY_CEILING,
    NOTIONAL_PER_ORDER_CEILING,
    ORDERS_PER_DAY_CEILING,
    ORDERS_PER_HOUR_CEILING,
    ORDERS_PER_TICK_CEILING,
    REJECTS_IN_A_ROW_CEILING,
)
from hedged.core.metrics import bar_seconds, basket
from hedged.core.metrics.basket import Basket
from hedged.core.metrics.vocabulary import ATH_VOLUME_RATIO
from hedged.core.plan import Style
from hedged.core.rules import Verb, parse
from hedged.errors import RuleError
from hedged.settings.kinds import (
    NUMBER,
    AccountName,
    Asset,
    Contract,
    Duration,
    Name,
    NotNegative,
    Positive,
    Ratio,
    Section,
    Symbol,
    no_bool,
)

VERBS: tuple[Verb, ...] = ("set_to", "raise_to", "lower_to", "raise_by", "lower_by", "scale_by")


class Service(Section):
    mode: Literal["paper", "alert", "live"] = Field(
        "paper",
        description="paper: no order can reach an exchange; alert: what a person approved is sent; "
        "live: orders are sent, with --live",
    )
    state_dir: Path = Field(
        Path("state"), description="folder of the journal, the history and the paper account"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, JSON lines elsewhere"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    pass_time_max: Duration = Field(
        timedelta(minutes=2), description="a longer pass starves the watchdog of the service manager"
    )

    @field_validator("pass_time_max")
    @classmethod
    def _bounded(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=30) <= value <= timedelta(hours=1):
            raise ValueError("write at least '30s' and at most '1h'")
        return value


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


class Consent(Section):
    lives: Duration = Field(
        timedelta(hours=24), description="how long a proposal may be approved, with mode = 'alert'"
    )
    reprice_tolerance: Annotated[Decimal, Field(ge=0, le=Decimal("0.1")), NUMBER] = Field(
        Decimal("0.02"), description="by which share contracts and prices may differ from what was "
        "approved; beyond it there is a new proposal",
    )  # fmt: skip
    remind_every: Duration = Field(
        timedelta(hours=6), description="how often the log reminds of a proposal that waits"
    )

    @field_validator("lives", "remind_every")
    @classmethod
    def _long_enough(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= value <= timedelta(days=7):
            raise ValueError("write at least '5m' and at most '7d'")
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
    bars: Annotated[int, BeforeValidator(no_bool), Field(ge=10, le=2000)] = Field(
        90, description="log returns of signal.bar that an estimate looks at"
    )
    bars_min: Annotated[int, BeforeValidator(no_bool), Field(ge=10, le=2000)] = Field(
        60, description="with fewer of them kept, a beta stays 1"
    )
    half_life: Annotated[int, BeforeValidator(no_bool), Field(ge=2, le=2000)] = Field(
        30, description="bars after which a return weighs half, with method = 'ewma'"
    )
    prior_sd: Annotated[Decimal, Field(gt=0, le=10), NUMBER] = Field(
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
    symbol: Contract | None = Field(
        None, description="whose bars the rules speak of; default: the leg of largest weight"
    )
    bar: str = "1d"
    ath_seed: AthSeed | None = Field(
        None, description="highest price before the kept history, and its day"
    )
    ath_volume_ratio: Annotated[Decimal, Field(gt=0, le=100), NUMBER] = Field(
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
    symbol: Contract = Field(
        description="BTC/USDT:USDT, or on an exchange words such as 'BTC perpetual'"
    )
    weight: NotNegative = Field(Decimal(1), description="share of the hedge; 0 closes the leg")
    account: AccountName | None = Field(
        None, description="the account it is traded on; default: the portfolio's"
    )


class Hedge(Section):
    legs: Annotated[tuple[Leg, ...], Field(min_length=1)]
    initial_ratio: Ratio | None = Field(None, description="default: the ratio held at first start")
    min_ratio: Ratio = Decimal(0)
    max_ratio: Ratio = Decimal(1)
    max_step: Annotated[Decimal, Field(gt=0, le=1), NUMBER] = Field(
        Decimal(1), description="largest move of the target at one review"
    )
    band: Annotated[Decimal, Field(ge=0, le=Decimal("0.5")), NUMBER] = Decimal("0.05")
    mix_band: Annotated[Decimal, Field(ge=0, le=1), NUMBER] = Decimal("0.10")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_ratio > self.max_ratio:
            raise ValueError("min_ratio is above max_ratio")
        places = [(leg.account, leg.symbol) for leg in self.legs]
        if len(set(places)) != len(places):
            raise ValueError("each symbol may be one leg only on each account")
        if not any(leg.weight for leg in self.legs):
            raise ValueError("give at least one leg a weight above 0")
        return self


class LimitsSection(Section):
    orders_per_tick_max: Annotated[
        int, BeforeValidator(no_bool), Field(ge=1, le=ORDERS_PER_TICK_CEILING)
    ] = 2
    orders_per_hour_max: Annotated[
        int, BeforeValidator(no_bool), Field(ge=1, le=ORDERS_PER_HOUR_CEILING)
    ] = 12
    orders_per_day_max: Annotated[
        int, BeforeValidator(no_bool), Field(ge=1, le=ORDERS_PER_DAY_CEILING)
    ] = 60
    rejects_in_a_row_max: Annotated[
        int, BeforeValidator(no_bool), Field(ge=1, le=REJECTS_IN_A_ROW_CEILING)
    ] = 3
    order_notional_max: Annotated[Decimal, Field(gt=0, le=NOTIONAL_PER_ORDER_CEILING), NUMBER] = (
        Decimal(250_000)
    )
    day_notional_max: Annotated[Decimal, Field(gt=0, le=NOTIONAL_PER_DAY_CEILING), NUMBER] = Decimal(
        1_000_000
    )
    price_age_s_max: Annotated[Decimal, Field(gt=0, le=172_800), NUMBER] = Decimal(30)
    position_age_s_max: Annotated[Decimal, Field(gt=0, le=3600), NUMBER] = Decimal(15)
    price_jump_max: Annotated[Decimal, Field(gt=0, le=Decimal("0.9")), NUMBER] = Decimal("0.25")
    price_gap_max: Annotated[Decimal, Field(gt=0, le=Decimal("0.1")), NUMBER] = Decimal("0.02")
    slippage_bps_max: Annotated[Decimal, Field(gt=0, le=500), NUMBER] = Decimal(50)


class OrdersSection(Section):
    style: Style = Field(
        "ioc",
        description="ioc: take at once, at a capped price; post_only_then_ioc: rest at the best price "
        "of the own side until the next pass, then take what is left",
    )


class Rule(Section):
    name: Annotated[str, Field(min_length=1, max_length=80)]
    when: str
    set_to: Ratio | None = None
    raise_to: Ratio | None = None
    lower_to: Ratio | None = None
    raise_by: Annotated[Decimal, Field(gt=0, le=1), NUMBER] | None = None
    lower_by: Annotated[Decimal, Field(gt=0, le=1), NUMBER] | None = None
    scale_by: Annotated[Decimal, Field(ge=-1, le=10), NUMBER] | None = None
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
    price_symbol: Contract | None = Field(
        None, description="where its price is found; default: ASSET/NUMERAIRE:NUMERAIRE"
    )


class Portfolio(Section):
    """A portfolio; its own signal, hedge or rules replace the common ones."""

    name: Name
    account: AccountName
    numeraire: Asset = "USDT"
    holding: tuple[HoldingSection, ...] = ()
    holdings_file: Path | None = Field(
        None, description="CSV or TOML with asset, quantity and as_of of what lies elsewhere"
    )
    holdings_age_max: Duration = Field(
        timedelta(days=31), description="while a holding was counted longer ago nothing grows"
    )
    holdings_from: tuple[AccountName, ...] = Field((), description="accounts whose coins are protected")
    signal: Signal | None = None
    hedge: Hedge | None = None
    rule: tuple[Rule, ...] | None = None
