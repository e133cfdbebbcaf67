"""
Words in the place of a symbol: where they stand, and the same settings with symbols there.

Enters settings; leaves the words with their keys, and with what they mean the settings without them.
What they mean is not known here: an exchange is asked in `wiring.words`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from hedged.errors import SettingsError
from hedged.settings.kinds import is_words
from hedged.settings.sections import Hedge, Portfolio

if TYPE_CHECKING:
    from hedged.settings.model import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """
    What stands at *key* for a contract that *portfolio* uses on *account*.

    *settle* is the currency where the words name none.
    """

    key: str
    text: str
    portfolio: str
    account: str
    settle: str


def words_of(settings: Settings) -> tuple[Words, ...]:
    """All words in the place of a symbol; common ones once for every portfolio that they count for."""
    return tuple(
        Words(
            key=key,
            text=text,
            portfolio=portfolio.name,
            account=account,
            settle=portfolio.numeraire,
        )
        for place, portfolio in enumerate(settings.portfolio)
        for key, text, account in _named(settings, portfolio, place)
        if is_words(text)
    )


def with_symbols(settings: Settings, symbols: Mapping[Words, str]) -> Settings:
    """
    The same *settings* with *symbols* instead of words, checked anew as a whole.

    Raises
    ------
    SettingsError
        When they don't fit together, such as two legs that turn out to be one contract.
    """
    found: dict[str, dict[str, str]] = {}
    for words, symbol in symbols.items():
        found.setdefault(words.portfolio, {})[words.key] = symbol
    try:
        portfolios = tuple(
            _with(settings, portfolio, place, found[portfolio.name])
            if portfolio.name in found
            else portfolio
            for place, portfolio in enumerate(settings.portfolio)
        )
        plain = settings.model_copy(update={"portfolio": portfolios})
        plain.check_whole()
    except ValueError as error:
        meant = ", ".join(
            dict.fromkeys(f"{words.text!r} is {symbol}" for words, symbol in symbols.items())
        )
        raise SettingsError(f"{_plain(error)} ({meant})") from None
    return plain


def _with(settings: Settings, portfolio: Portfolio, place: int, found: Mapping[str, str]) -> Portfolio:
    """*portfolio* with tables of its own: the same words may mean another contract to another one."""
    hedge, signal = settings.hedge_of(portfolio), settings.signal_of(portfolio)
    keys = _Keys(portfolio, place)
    legs = [
        leg.model_copy(update={"symbol": found.get(keys.leg(i), leg.symbol)}).model_dump()
        for i, leg in enumerate(hedge.legs)
    ]
    holdings = tuple(
        holding.model_copy(update={"price_symbol": found.get(keys.holding(i), holding.price_symbol)})
        for i, holding in enumerate(portfolio.holding)
    )
    symbol = found.get(keys.signal, signal.symbol)
    return portfolio.model_copy(
        update={
            "hedge": Hedge.model_validate({**hedge.model_dump(), "legs": legs}),
            "signal": signal.model_copy(update={"symbol": symbol}),
            "holding": holdings,
        }
    )


def _named(settings: Settings, portfolio: Portfolio, place: int) -> Iterator[tuple[str, str, str]]:
    """Every contract that *portfolio* names: the key, the text, and the account it is used on."""
    keys = _Keys(portfolio, place)
    for i, leg in enumerate(settings.hedge_of(portfolio).legs):
        yield keys.leg(i), leg.symbol, leg.account or portfolio.account
    symbol = settings.signal_of(portfolio).symbol
    if symbol is not None:
        yield keys.signal, symbol, portfolio.account
    for i, holding in enumerate(portfolio.holding):
        if holding.price_symbol is not None:
            yield keys.holding(i), holding.price_symbol, portfolio.account


class _Keys:
    """The keys of a portfolio's contracts: its own tables, or the common ones."""

    def __init__(self, portfolio: Portfolio, place: int) -> None:
        own = f"portfolio.{place}."
        self._holding = f"{own}holding"
        self._legs = f"{own if portfolio.hedge else ''}hedge.legs"
        self.signal = f"{own if portfolio.signal else ''}signal.symbol"

    def leg(self, place: int) -> str:
        return f"{self._legs}.{place}.symbol"

    def holding(self, place: int) -> str:
        return f"{self._holding}.{place}.price_symbol"


def _plain(error: ValueError) -> str:
    """What is wrong, without pydantic's frame around it."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "\n".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
