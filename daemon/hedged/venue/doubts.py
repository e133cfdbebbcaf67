"""
What looks wrong on an account without making the picture of it incomplete.

Each check is a small function; a doubt is a sentence that says what is wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal

import structlog

from hedged.core.market import Holding, Quote, notional
from hedged.venue.accounts import Account, Coins
from hedged.venue.dialect import AccountSeen, Listing, Rights, SymbolMode
from hedged.venue.exchange import Exchange

log = structlog.get_logger()

SKEW_MAX = timedelta(seconds=2.5)
NOTIONAL_GAP_MAX = Decimal("0.01")


def of_legs(account: Account, listings: dict[str, Listing]) -> Iterable[str]:
    """Contracts that can't be traded now."""
    for symbol in sorted(account.legs):
        if symbol not in listings:
            yield f"{account.exchange.name} does not list {symbol}; see `hedged market instruments`"
        elif not listings[symbol].active:
            yield f"{symbol} does not trade on {account.exchange.name} now"


def of_account(account: Account, seen: AccountSeen, skew: timedelta) -> Iterable[str]:
    """A mode or a clock that orders would be misunderstood with."""
    if seen.hedge_mode:
        yield f"account {account.name} is in hedge mode; switch it to one-way mode"
    if abs(skew) > SKEW_MAX:
        yield (
            f"the local clock is {skew / timedelta(seconds=1):+.1f} s off that of "
            f"{account.exchange.name}; let it be kept by NTP"
        )


def of_unlisted(account: Account, unlisted: Iterable[str]) -> Iterable[str]:
    """Positions of contracts that can't be counted: neither their size nor their price is known."""
    for contract in sorted(unlisted):
        yield (
            f"{contract} is held on {account.name}, and {account.exchange.name} lists nothing of that "
            "name that hedged can count; close it, or hold it on another account"
        )


def of_other_positions(coins: Coins) -> Iterable[str]:
    """
    Positions that no hedge can be reckoned with, on coins that count as holdings: a short of them
    protects those coins already, and they would be hedged a second time.
    """
    account = coins.account
    for one in coins.positions:
        yield (
            f"{one.contracts:f} contracts of {one.symbol} are held on {account.name}, and hedged does "
            f"not count what {account.exchange.name} holds in coin margin: beside a short there its "
            f"coins would be hedged twice; close it, or set account.{account.name}.futures_wallets = "
            "false and state what is to be protected of them as a holding"
        )


def of_notionals(
    account: Account, seen: AccountSeen, listings: dict[str, Listing], quotes: dict[str, Quote]
) -> Iterable[tuple[str, str]]:
    """Contracts x multiplier x mark, and the venue's own figure, must agree: symbol and doubt."""
    for found in seen.positions:
        symbol = found.position.symbol
        if symbol not in listings or found.notional is None:
            continue
        mark = quotes[symbol].mark_price
        ours = abs(notional(listings[symbol].instrument, found.position.contracts, mark))
        if abs(ours - found.notional) > NOTIONAL_GAP_MAX * max(ours, found.notional):
            yield (
                symbol,
                f"{symbol} on {account.name} is worth {ours:,.2f} by contract size and mark, and "
                f"{found.notional:,.2f} by the venue's own figure",
            )


def of_coins(exchange: Exchange, holdings: Iterable[Holding], known: Collection[str]) -> Iterable[str]:
    """Prices of coins that no bar bears out, but for those *known* as the price of a leg."""
    symbols = {one.price_symbol for one in holdings if one.price_symbol}
    return (why for why in exchange.first_prices.doubts(symbols) if why not in known)


def of_unread(unread: Mapping[str, str]) -> Iterable[str]:
    """Trades of which it can't be read how they moved a position: why, by contract."""
    for symbol, why in unread.items():
        yield (
            f"{symbol}: a trade can't be read, so nobody knows what all fills come to ({why}); it is "
            "asked for again at every pass; if the position is right in truth, stop the daemon and run "
            "`hedged run --once --live --accept-positions`"
        )


def of_rights(account: Account, rights: Rights) -> Iterable[str]:
    """A key that may do more or less than it should, or belongs to another account."""
    if rights.may_withdraw:
        yield f"the key of {account.name} may withdraw or transfer; make one that can't"
    yield from of_owner(account, rights)
    if account.legs and not rights.may_trade and not account.wanted.may_only_read:
        yield f"the key of {account.name} may not trade futures"
    if rights.address_bound is False:
        log.warning("key_without_address_list", account=account.name)


def of_owner(account: Account, rights: Rights) -> Iterable[str]:
    """A key of another account than the one that the settings name by its number."""
    uid = account.wanted.account_uid
    if uid is not None and uid != rights.account_uid:
        yield f"account.{account.name}.uid is {uid}, and the key belongs to {rights.account_uid}"


def of_paper(account: Account, rights: Rights) -> Iterable[str]:
    """A key on paper that may do more than read, or of which that is not told."""
    if rights.only_reads:
        return
    name, venue = account.name, account.exchange
    fix = "make one that only reads"
    if venue.dialect.wallets_apart and account.futures_wallets:
        fix += (
            f", and set account.{name}.futures_wallets = false, for it can't see those; what lies "
            "there can be stated as a holding"
        )
    if rights.only_reads is None:
        yield (
            f"{venue.name} does not tell whether the key of {name} only reads, and on paper no key "
            f"that may trade is used; {fix}"
        )
    else:
        yield (
            f"the key of {name} may do more than read, and on paper no key that may trade is used; "
            f"{fix}"
        )


def of_sight(account: Account, rights: Rights) -> Iterable[str]:
    """Coins that the key of an account can't see: they are unknown, and not nothing."""
    if account.exchange.dialect.wallets_apart and account.futures_wallets and not rights.may_trade:
        yield (
            f"the key of {account.name} can't read its futures wallets; if no coins to be protected "
            f"lie there, set account.{account.name}.futures_wallets = false"
        )


def of_mode(account: Account, symbol: str, mode: SymbolMode) -> Iterable[str]:
    """Leverage and margin mode, where the settings ask for them; one-way mode always."""
    wanted, name = account.wanted, account.name
    remedy = (
        "hedged sets it when nothing is held and ordered there, or set it by hand"
        if wanted.adjust
        else f"set it at the exchange, or let hedged do so while flat (account.{name}.adjust = true)"
    )
    if mode.hedge_mode:
        yield f"{symbol} on {name} is in hedge mode; switch it to one-way mode"
    if wanted.margin_mode is not None and mode.margin_mode not in (None, wanted.margin_mode):
        yield f"{symbol} on {name} is in {mode.margin_mode} margin, not {wanted.margin_mode}; {remedy}"
    if wanted.leverage is not None and mode.leverage not in (None, wanted.leverage):
        yield f"{symbol} on {name} has leverage {mode.leverage}, not {wanted.leverage}; {remedy}"
