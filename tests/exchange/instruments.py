"""
What the loopback exchanges list: contracts with their lots, tiers and fees, and spot pairs for prices.

Values only. The figures are those of the venues' own listings of 2026, rounded
where a test need not care.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

D = Decimal
Underlying = Literal["COIN", "INDEX"]
ONBOARD = datetime(2019, 9, 25, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A step of the table: ``maintenance = notional * rate - deduction`` up to *notional_max*."""

    notional_max: Decimal
    rate: Decimal
    deduction: Decimal
    leverage_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """
    A futures contract. *multiplier* is base units a contract (linear) or quote units (inverse).

    *delivery* is None for a perpetual. A limit price further from the mark than *price_band* (a share
    of it) is refused on the side where it would hurt.
    """

    id: str
    base: str
    quote: str
    settle: str
    lot: Decimal
    tick: Decimal
    quantity_min: Decimal
    quantity_max: Decimal
    quantity_market_max: Decimal
    notional_min: Decimal
    tiers: tuple[Tier, ...]
    multiplier: Decimal = Decimal(1)
    inverse: bool = False
    underlying: Underlying = "COIN"
    delivery: datetime | None = None
    funding_hours: int = 8
    taker: Decimal = Decimal("0.0005")
    maker: Decimal = Decimal("0.0002")
    liquidation_fee: Decimal = Decimal("0.0125")
    price_band: Decimal = Decimal("0.05")
    onboard: datetime = ONBOARD

    @property
    def perpetual(self) -> bool:
        return self.delivery is None

    @property
    def pair(self) -> str:
        """The index behind the contract, as Binance names it: `BTCUSDT` of `BTCUSDT_260626`."""
        return f"{self.base}{self.quote}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotPair:
    """A spot market, listed to price holdings; nothing trades on it."""

    base: str
    quote: str
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal("0.00001")

    @property
    def id(self) -> str:
        return f"{self.base}{self.quote}"


def tiers(*rows: tuple[int | str, str, int]) -> tuple[Tier, ...]:
    """
    Tiers from (notional up to, rate, leverage); the deductions are those that make the steps meet.

    ``deduction_i = deduction_(i-1) + floor_i * (rate_i - rate_(i-1))``.
    """
    made: list[Tier] = []
    floor, before, deduction = D(0), D(0), D(0)
    for ceiling, rate, leverage in rows:
        deduction += floor * (D(rate) - before) if made else D(0)
        made.append(
            Tier(notional_max=D(ceiling), rate=D(rate), deduction=deduction, leverage_max=leverage)
        )
        floor, before = D(ceiling), D(rate)
    return tuple(made)


MAJOR = tiers(
    (300_000, "0.004", 125), (800_000, "0.005", 100), (3_000_000, "0.0065", 75),
    (12_000_000, "0.01", 50), (70_000_000, "0.02", 25), (100_000_000, "0.025", 20),
    (230_000_000, "0.05", 10), (480_000_000, "0.1", 5), (1_800_000_000, "0.5", 1),
)  # fmt: skip
MINOR = tiers(
    (10_000, "0.01", 50), (50_000, "0.025", 20), (500_000, "0.05", 10),
    (1_000_000, "0.1", 5), (5_000_000, "0.125", 4), (20_000_000, "0.5", 1),
)  # fmt: skip
IN_COIN = tiers((150, "0.005", 100), (300, "0.01", 50), (1_000, "0.02", 25), (5_000, "0.1", 5))


def perpetual(base: str, quote: str = "USDT", **changed: object) -> Contract:
    """A linear perpetual like BTCUSDT of Binance; keywords change what differs."""
    plain: dict[str, object] = {
        "id": f"{base}{quote}", "base": base, "quote": quote, "settle": quote,
        "lot": D("0.001"), "tick": D("0.1"), "quantity_min": D("0.001"), "quantity_max": D(1000),
        "quantity_market_max": D(120), "notional_min": D(100), "tiers": MAJOR,
    }  # fmt: skip
    return Contract(**(plain | changed))  # type: ignore[arg-type]


def dated(base: str, delivery: datetime, quote: str = "USDT", **changed: object) -> Contract:
    """A linear quarterly: `BTCUSDT_260626` delivers on that day, 08:00 UTC."""
    named = {"id": f"{base}{quote}_{delivery:%y%m%d}", "delivery": delivery}
    return perpetual(base, quote, **(named | changed))


QUARTER = datetime(2026, 6, 26, 8, tzinfo=UTC)
NEXT_QUARTER = datetime(2026, 9, 25, 8, tzinfo=UTC)


def binance_contracts() -> tuple[Contract, ...]:
    """Two coins, a coin settled in USDC, the ALL index, and two quarterlies of BTC."""
    return (
        perpetual("BTC"),
        perpetual("ETH", tick=D("0.01"), notional_min=D(20), quantity_max=D(10_000),
                  quantity_market_max=D(2000)),
        perpetual("BTC", "USDC", quantity_max=D(100), taker=D("0.0004"), maker=D(0)),
        perpetual("ALL", underlying="INDEX", tick=D("0.001"), notional_min=D(5), tiers=MINOR,
                  quantity_max=D(100_000), quantity_market_max=D(20_000)),
        dated("BTC", QUARTER, quantity_max=D(500)),
        dated("BTC", NEXT_QUARTER, quantity_max=D(500)),
    )  # fmt: skip


def bybit_contracts() -> tuple[Contract, ...]:
    """Linear in USDT and USDC, dated linear, and inverse perpetual and dated of BTC."""
    fees: dict[str, object] = {"taker": D("0.00055"), "maker": D("0.0002"), "notional_min": D(5)}
    linear: dict[str, Any] = {**fees, "quantity_max": D(1190), "quantity_market_max": D(500)}
    inverse: dict[str, Any] = {
        **fees, "settle": "BTC", "inverse": True, "lot": D(1), "tick": D("0.1"), "quantity_min": D(1),
        "quantity_max": D(25_000_000), "quantity_market_max": D(5_000_000), "notional_min": D(0),
        "tiers": IN_COIN,
    }  # fmt: skip
    return (
        perpetual("BTC", **linear),
        perpetual("ETH", tick=D("0.01"), lot=D("0.01"), quantity_min=D("0.01"), **linear),
        perpetual("BTC", "USDC", id="BTCPERP", **linear),
        dated("BTC", QUARTER, id="BTCUSDT-26JUN26", **linear),
        dated("BTC", NEXT_QUARTER, id="BTCUSDT-25SEP26", **linear),
        perpetual("BTC", "USD", **inverse),
        dated("BTC", QUARTER, "USD", id="BTCUSDM26", **inverse),
    )


SPOT_PAIRS = (
    SpotPair(base="BTC", quote="USDT"),
    SpotPair(base="ETH", quote="USDT", lot=D("0.0001")),
    SpotPair(base="BNB", quote="USDT", lot=D("0.001")),
    SpotPair(base="USDC", quote="USDT", tick=D("0.0001"), lot=D(1)),
)
"""Spot markets of both venues; `Engine.set_spot` prices them."""
