"""
What lies at Binance, and what a key may do there. Pure: answers in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from hedged.core.market import ZERO
from hedged.errors import VenueUnavailable
from hedged.venue.dialect import Balance, Listing, Rights, SymbolMode
from hedged.venue.reading import at, flag, number, positive, rows_of, table_of, text

MARGIN_MODES: Mapping[str, Literal["cross", "isolated"]] = {"CROSSED": "cross", "ISOLATED": "isolated"}
READS = frozenset({"enableReading", "enableFixReadOnly"})
TRADES_OR_MOVES = frozenset({"enableFutures", "enableSpotAndMarginTrading", "enableWithdrawals"})
"""Rights that Binance tells of every key."""


def spot_of(account: Any, known: frozenset[str], in_earn: frozenset[str]) -> tuple[Balance, ...]:
    """
    The coins of the spot wallet, free and locked; what it shows of the coins *in_earn* is left to Earn.

    *known* are the assets that exist, so that Lido's LDO is not taken for Earn's name of O.
    """
    rows = rows_of(at(table_of(account, "spot account"), "balances", "spot account"), "spot balances")
    found = [(text(row, "asset", "spot"), _held(row, ("free", "locked"), "spot")) for row in rows]
    return tuple(
        Balance(asset=asset, quantity=quantity, source="spot")
        for asset, quantity in found
        if quantity and not is_earn_name(asset, known, in_earn)
    )


def is_earn_name(asset: str, known: frozenset[str], in_earn: frozenset[str]) -> bool:
    """
    Whether *asset* is how the spot wallet shows a coin that Earn tells: LDBTC is BTC, LDSHIB2 is SHIB.

    What Earn does not tell stays under its own name, where nobody prices it: it is not counted twice,
    nor left out in silence, nor taken for a coin that it may not be.
    """
    if not asset.startswith("LD") or asset in known:
        return False
    name = asset.removeprefix("LD")
    return name in in_earn or (name not in known and name.rstrip("0123456789") in in_earn)


def funding_wallet_of(answer: Any) -> tuple[Balance, ...]:
    """The coins of the funding wallet."""
    rows, fields = rows_of(answer, "funding wallet"), ("free", "locked", "freeze", "withdrawing")
    found = [(text(row, "asset", "funding"), _held(row, fields, "funding wallet")) for row in rows]
    return tuple(Balance(asset=a, quantity=q, source="funding") for a, q in found if q)


def earn_of(answer: Any, field: str) -> tuple[Balance, ...]:
    """One page of Simple Earn: *field* is ``totalAmount`` (flexible) or ``amount`` (locked)."""
    rows = rows_of(at(table_of(answer, "earn"), "rows", "earn"), "earn")
    return tuple(
        Balance(asset=text(row, "asset", "earn"), quantity=number(row, field, "earn"), source="earn")
        for row in rows
    )


def _held(row: Mapping[str, Any], fields: tuple[str, ...], what: str) -> Decimal:
    return sum((number(row, field, what) for field in fields), ZERO)


def collateral_of(account: Any, settle: str, source: str) -> tuple[Balance, ...]:
    """Coins that serve as margin, at their margin balance, but for *settle* itself."""
    table = table_of(account, source)
    rows = rows_of(at(table, "assets", source), f"{source} assets")
    found = [(text(row, "asset", source), number(row, "marginBalance", source)) for row in rows]
    return tuple(
        Balance(asset=asset, quantity=quantity, source=source)
        for asset, quantity in found
        if asset != settle and quantity
    )


def rights_of(restrictions: Any, account: Any) -> Rights:
    """From ``apiRestrictions`` and the spot account, which tells the user's number."""
    table = table_of(restrictions, "apiRestrictions")
    return Rights(
        account_uid=text(table_of(account, "spot account"), "uid", "spot account"),
        may_trade=flag(table, "enableFutures", "apiRestrictions"),
        may_withdraw=flag(table, "enableWithdrawals", "apiRestrictions")
        or table.get("enableInternalTransfer") is True
        or table.get("permitsUniversalTransfer") is True,
        address_bound=flag(table, "ipRestrict", "apiRestrictions"),
        only_reads=_only_reads(table),
    )


def _only_reads(restrictions: Mapping[str, Any]) -> bool | None:
    """
    Whether no right but to read is given, one that is new here included; None where one that trades
    or moves money is not told.
    """
    more = {
        name: told
        for name, told in restrictions.items()
        if name.startswith(("enable", "permits")) and name not in READS
    }
    if any(told is True for told in more.values()):
        return False
    clear = more.keys() >= TRADES_OR_MOVES and all(told is False for told in more.values())
    return True if clear else None


def mode_of(answer: Any, listing: Listing) -> SymbolMode:
    """From ``symbolConfig``."""
    for row in rows_of(answer, "symbolConfig"):
        if row.get("symbol") == listing.market_id:
            margin_type = text(row, "marginType", "symbolConfig")
            if margin_type not in MARGIN_MODES:
                raise VenueUnavailable(f"symbolConfig: marginType {margin_type} is not known here")
            return SymbolMode(
                leverage=positive(row, "leverage", "symbolConfig"),
                margin_mode=MARGIN_MODES[margin_type],
            )
    raise VenueUnavailable(f"symbolConfig: nothing of {listing.market_id}")
