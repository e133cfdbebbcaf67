"""
The tables on venues, accounts and contracts.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from hedged.settings.kinds import (
    NUMBER,
    Bps,
    Instant,
    NotNegative,
    Positive,
    Ratio,
    Section,
    Symbol,
)
from hedged.settings.proxies import WayOut, check_proxy

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}/?")


class Venue(Section):
    kind: Literal["replay", "binance", "bybit"] = Field(
        "replay", description="replay: recorded history under `data`; else the exchange whose prices "
        "are watched, and of every account that names no other",
    )  # fmt: skip
    endpoint: str | None = Field(
        None, description="a server on loopback that is asked instead of the exchange, for tests"
    )
    https_proxy: SecretStr | None = Field(
        None, description="http://host:port of a proxy on the way out"
    )
    socks_proxy: SecretStr | None = Field(
        None, description="socks5://host:port of a proxy on the way out, which resolves names too"
    )
    data: str = Field("demo", description="folder of recorded history, or 'demo' for the shipped one")
    clock: Literal["history", "wall"] = Field(
        "history", description="history: walk from start to end at once; wall: real time, for a "
        "folder that a recorder keeps up to date",
    )  # fmt: skip
    start: Instant | None = Field(None, description="first instant, with clock = 'history'")
    end: Instant | None = Field(None, description="last instant, with clock = 'history'")

    @property
    def recorded(self) -> bool:
        """Whether the market is recorded history, not an exchange."""
        return self.kind == "replay"

    @property
    def walks(self) -> bool:
        """Whether time is that of the recorded history, walked through at once."""
        return self.recorded and self.clock == "history"

    def way_out(self, name: WayOut) -> str | None:
        """The address of that proxy, with the password in it."""
        secret: SecretStr | None = getattr(self, name)
        return None if secret is None else secret.get_secret_value()

    @field_validator("endpoint")
    @classmethod
    def _on_loopback(cls, value: str | None) -> str | None:
        if value is not None and not _LOOPBACK.fullmatch(value):
            raise ValueError("an endpoint is a server of this machine, such as http://127.0.0.1:8080")
        return value

    @field_validator("https_proxy", "socks_proxy")
    @classmethod
    def _usable(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            key: WayOut = "https_proxy" if info.field_name == "https_proxy" else "socks_proxy"
            check_proxy(key, value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _one_way_out(self) -> Self:
        given = [name for name in ("endpoint", "https_proxy", "socks_proxy") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are set; keep one of them")
        return self

    @model_validator(mode="after")
    def _span(self) -> Self:
        if not self.recorded:
            return self
        if self.clock == "history" and (self.start is None or self.end is None):
            raise ValueError("clock = 'history' needs start and end")
        if self.start and self.end and self.end <= self.start:
            raise ValueError("end must be after start")
        return self


class Paper(Section):
    collateral: Positive = Field(description="margin the account starts with, in the settle currency")
    fee_bps: Bps = Decimal("5.5")
    half_spread_bps: Bps = Field(Decimal("1"), description="not used where the book is known")
    slippage_bps: Bps = Decimal("2")
    volume_share_max: Annotated[Decimal, Field(gt=0, le=1), NUMBER] = Field(
        Decimal("0.05"), description="largest share of a bar's volume that one order may take"
    )
    liquidation_fee_bps: Bps = Decimal("50")
    maintenance_rate: Ratio = Field(
        Decimal("0.025"), description="maintenance margin as a share of notional, on an exchange that "
        "tells its tiers to a key only; the leverage is 1 / (2 * rate)",
    )  # fmt: skip


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


class Account(Section):
    venue: Literal["binance", "bybit"] | None = Field(
        None, description="where the account is; default: venue.kind"
    )
    api_key: SecretStr | None = Field(None, description="not used on recorded history")
    api_secret: SecretStr | None = Field(None, description="not used on recorded history")
    uid: str | None = Field(
        None, description="the exchange's number of the account; live trading needs it to match"
    )
    futures_wallets: bool = Field(
        default=True,
        description="count the coins in its futures wallets too; on Binance a key that may not trade "
        "futures can't read them",
    )
    leverage: Positive | None = Field(None, description="what the hedge contracts must be set to")
    margin_mode: Literal["cross", "isolated"] | None = Field(
        None, description="what the hedge contracts must be set to"
    )
    adjust: bool = Field(
        default=False,
        description="set leverage and margin_mode so at the exchange, while nothing is held or ordered",
    )

    @model_validator(mode="after")
    def _something_to_adjust(self) -> Self:
        if self.adjust and self.leverage is None and self.margin_mode is None:
            raise ValueError("adjust = true needs leverage or margin_mode: what should be set?")
        return self
