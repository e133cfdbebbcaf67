"""
What is to be protected, wherever it lies: stated by hand, or seen on accounts; priced at one venue.

A coin is priced by its perpetual's mark, so that the same bars stand for it when its beta is
estimated; where none is listed, by its spot price; where neither is, by nothing.
"""

from __future__ import annotations

import asyncio
import csv
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from hedged.core.market import ZERO, Holding
from hedged.errors import SettingsError
from hedged.venue.dialect import Balance
from hedged.venue.exchange import Exchange

_KEYS = frozenset({"asset", "quantity", "as_of", "price_symbol"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedHolding:
    """A holding that a person states; *as_of* is when it was counted, None if always true."""

    asset: str
    quantity: Decimal
    source: str
    price_symbol: str | None = None
    as_of: datetime | None = None


def stale(stated: Iterable[StatedHolding], now: datetime, age_max: timedelta) -> tuple[str, ...]:
    """A sentence for each that was counted too long ago to be relied on, or in the future."""
    dated = [(one, one.as_of) for one in stated if one.as_of is not None]
    return tuple(
        f"{one.asset} in {one.source} was counted on {as_of:%Y-%m-%d}, "
        + (
            "which is not over yet; write the day on which it was"
            if as_of > now
            else f"more than {age_max.days} days ago; count it again and start the daemon anew"
        )
        for one, as_of in dated
        if not timedelta(0) <= now - as_of <= age_max
    )


def read_holdings(path: Path) -> tuple[StatedHolding, ...]:
    """
    Holdings out of a file: CSV with the columns ``asset,quantity,as_of`` (and ``price_symbol``), or
    TOML with ``[[holding]]`` tables of these keys. A file that lists none is refused, as one that was
    emptied or cut off: who owns nothing says so with a quantity of 0.

    Raises
    ------
    SettingsError
        When the file can't be read, naming the line and the column.
    """
    try:
        if path.suffix == ".toml":
            rows, unknown = _tables(tomllib.loads(path.read_text("utf-8")))
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:  # as spreadsheets write it
                table = csv.DictReader(file)
                rows, unknown = list(table), set(table.fieldnames or ()) - _KEYS
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error) as error:
        raise SettingsError(f"{path}: {error}") from error
    if unknown:
        known = ", ".join(sorted(_KEYS))
        raise SettingsError(
            f"{path}: there is no {', '.join(map(repr, sorted(unknown)))}; there are {known}"
        )
    if not rows:
        raise SettingsError(
            f"{path} lists no holding; if nothing is held, write one of quantity 0, else what was lost"
        )
    return tuple(_stated(row, f"{path}, holding {place}") for place, row in enumerate(rows, start=1))


def _tables(told: dict[str, Any]) -> tuple[list[Any], set[str]]:
    """The ``[[holding]]`` tables of a TOML file, and keys that mean nothing."""
    rows = told.get("holding", [])
    rows = rows if isinstance(rows, list) else [rows]
    keys = {key for row in rows if isinstance(row, dict) for key in row}
    return rows, (told.keys() - {"holding"}) | (keys - _KEYS)


def _stated(row: Any, where: str) -> StatedHolding:
    if isinstance(row, dict) and None in row:  # as the CSV reader calls what is beyond the last column
        raise SettingsError(f"{where}: it has more fields than there are columns")
    if not isinstance(row, dict) or not isinstance(row.get("asset"), str) or not row["asset"].strip():
        raise SettingsError(f"{where}: asset is missing; write for example asset = 'BTC'")
    try:
        quantity = Decimal(str(row.get("quantity")))
    except InvalidOperation:
        quantity = Decimal("NaN")
    if not quantity.is_finite() or quantity < 0:
        raise SettingsError(f"{where}: quantity {row.get('quantity')!r} is no number, 0 or more")
    return StatedHolding(
        asset=row["asset"].strip().upper(),
        quantity=quantity,
        source=Path(where.partition(",")[0]).name,
        price_symbol=(row.get("price_symbol") or "").strip() or None,
        as_of=_as_of(row.get("as_of"), where),
    )


def _as_of(told: Any, where: str) -> datetime:
    """A holding in a file has a date: a list that nobody keeps up to date must not pass for true."""
    if isinstance(told, datetime) and told.tzinfo is not None:
        return told.astimezone(UTC)
    try:
        found = datetime.fromisoformat(str(told))
    except ValueError:
        raise SettingsError(f"{where}: as_of {told!r} is no date; write it as 2024-06-30") from None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePortfolio:
    """*account* is the first hedge account, whose contracts go by their plain symbols."""

    name: str
    account: str
    numeraire: str
    stated: tuple[StatedHolding, ...] = ()
    stated_age_max: timedelta = timedelta(days=31)


async def priced(
    exchange: Exchange, numeraire: str, stated: Iterable[StatedHolding], seen: Iterable[Balance]
) -> tuple[Holding, ...]:
    """
    Every holding with its price in *numeraire* at *exchange*, None where nobody quotes it.

    Raises
    ------
    VenueUnavailable
        When prices can't be asked for.
    """
    everything = [(one.asset, one.quantity, one.source, one.price_symbol) for one in stated]
    everything += [(one.asset, one.quantity, one.source, None) for one in seen]
    listings = await exchange.listings()
    symbols = {
        asset: symbol
        for asset, _, _, given in everything
        if asset != numeraire and (symbol := given or f"{asset}/{numeraire}:{numeraire}") in listings
    }
    others = {asset for asset, *_ in everything} - symbols.keys() - {numeraire}
    quotes, spot = await asyncio.gather(
        exchange.quotes(symbols.values()), exchange.prices((asset, numeraire) for asset in others)
    )
    found: list[Holding] = []
    for asset, quantity, source, _ in everything:
        price, at = (Decimal(1), None) if asset == numeraire else spot.get(asset, (None, None))
        if asset in symbols:
            quote = quotes[symbols[asset]]
            price, at = quote.mark_price, quote.at
        found.append(
            Holding(
                asset=asset,
                quantity=quantity,
                mark_price=price,
                source=source,
                price_symbol=symbols.get(asset),
                priced_at=at,
            )
        )
    return tuple(found)


def together(balances: Iterable[tuple[str, Balance]]) -> tuple[Balance, ...]:
    """Balances of several accounts, the same coin in the same place summed: ``main spot``."""
    sums: dict[tuple[str, str], Decimal] = {}
    for account, balance in balances:
        place = (balance.asset, f"{account} {balance.source}")
        sums[place] = sums.get(place, ZERO) + balance.quantity
    return tuple(
        Balance(asset=asset, quantity=quantity, source=source)
        for (asset, source), quantity in sorted(sums.items())
    )
