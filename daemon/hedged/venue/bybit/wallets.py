"""
What lies at Bybit, and what a key may do there. Pure: answers in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from hedged.core.market import Margin
from hedged.errors import VenueUnavailable
from hedged.venue.bybit.translate import is_of_hedge_mode, list_of, result_of
from hedged.venue.dialect import Balance, Listing, Rights, SymbolMode
from hedged.venue.reading import at, maybe_positive, number, rows_of, table_of, text

MARGIN_MODES: Mapping[str, Literal["cross", "isolated"]] = {
    "REGULAR_MARGIN": "cross",
    "ISOLATED_MARGIN": "isolated",
}


def coins_of(answer: Any) -> list[dict[str, Any]]:
    """The coins of the unified account, out of ``wallet-balance``; those without money are left out."""
    what = "wallet-balance"
    accounts = list_of(answer, what)
    if len(accounts) != 1 or accounts[0].get("accountType") != "UNIFIED":
        raise VenueUnavailable(f"{what}: not one unified account")
    return rows_of(at(accounts[0], "coin", what), what)


def margin_of(coins: list[dict[str, Any]], settle: str) -> Margin | None:
    """
    The row of *settle*, None without one.

    Maintenance is the coin's ``totalPositionMM``, in the coin itself, and told in cross and isolated
    margin alike; the account's ``totalMaintenanceMargin`` is in dollars, and empty in isolated margin.
    So the margin is that of *settle* alone: neither what other coins lend to it, nor what positions
    that settle in other coins need.
    """
    for row in coins:
        if row.get("coin") == settle:
            what = f"wallet-balance, {settle}"
            return Margin(
                wallet_balance=number(row, "walletBalance", what),
                equity=number(row, "equity", what),
                maintenance_margin=number(row, "totalPositionMM", what),
            )
    return None


def collateral_of(coins: list[dict[str, Any]], settle: str) -> tuple[Balance, ...]:
    """All coins of the unified wallet but *settle*, at their equity: spot coins lie here too."""
    what = "wallet-balance"
    found = [(text(row, "coin", what), number(row, "equity", what)) for row in coins]
    return tuple(
        Balance(asset=asset, quantity=quantity, source="unified")
        for asset, quantity in found
        if asset != settle and quantity
    )


def funding_wallet_of(answer: Any) -> tuple[Balance, ...]:
    """The coins of the funding wallet, out of ``query-account-coins-balance``."""
    what = "funding wallet"
    if result_of(answer, what).get("accountType") != "FUND":
        raise VenueUnavailable(f"{what}: the answer is of another wallet")
    rows = list_of(answer, what, "balance")
    found = [(text(row, "coin", what), number(row, "walletBalance", what)) for row in rows]
    return tuple(Balance(asset=a, quantity=q, source="funding") for a, q in found if q)


def earn_of(answer: Any) -> tuple[Balance, ...]:
    """Positions of one category of Earn; one that was redeemed is still told, with an amount of 0."""
    what = "earn"
    found = [(text(row, "coin", what), number(row, "amount", what)) for row in list_of(answer, what)]
    return tuple(Balance(asset=a, quantity=q, source="earn") for a, q in found if q)


def rights_of(answer: Any) -> Rights:
    """
    From ``user/query-api``.

    A right of *Wallet* moves money unless the key only reads. Who reads the funding wallet needs one,
    so let holdings be read with another key than the one that trades.
    """
    what = "query-api"
    key = result_of(answer, what)
    rights = table_of(at(key, "permissions", what), what)
    reads_only = {Decimal(0): False, Decimal(1): True}.get(number(key, "readOnly", what))
    orders, wallet, addresses = (
        at(rights, "ContractTrade", what),
        at(rights, "Wallet", what),
        at(key, "ips", what),
    )
    if reads_only is None or not all(isinstance(told, list) for told in (orders, wallet, addresses)):
        raise VenueUnavailable(f"{what}: what the key may do is unreadable")
    return Rights(
        account_uid=text(key, "userID", what),
        may_trade=not reads_only and "Order" in orders,
        may_withdraw=not reads_only and bool(wallet),
        address_bound=bool(addresses) and "*" not in addresses,
        only_reads=reads_only,
    )


def mode_of(account: Any, positions: Any, listing: Listing) -> SymbolMode:
    """From ``account/info`` and ``position/list`` of one symbol, which is told even when flat."""
    what = f"mode of {listing.market_id}"
    mode = text(result_of(account, what), "marginMode", what)
    if mode not in MARGIN_MODES:
        raise VenueUnavailable(f"{what}: {mode} is not known here; set the account to REGULAR_MARGIN")
    rows = list_of(positions, what)
    if not rows or any(row.get("symbol") != listing.market_id for row in rows):
        raise VenueUnavailable(f"{what}: the answer is of {[row.get('symbol') for row in rows]}")
    levers = {maybe_positive(row, "leverage", what) for row in rows}
    return SymbolMode(
        leverage=levers.pop() if len(levers) == 1 else None,
        margin_mode=MARGIN_MODES[mode],
        hedge_mode=any(is_of_hedge_mode(row) for row in rows),
    )
