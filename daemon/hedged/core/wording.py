"""
Figures as a person reads them, the same in a record's reasons, in the log and on the terminal.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext


def percent(ratio: Decimal | float) -> str:
    """At most two decimals and no trailing zeros: 0.3 is ``30%``, 0.12345 is ``12.35%``."""
    return _percent(ratio, Decimal("0.01"))


def beside(ratio: Decimal, limit: Decimal) -> str:
    """As `percent`, with more decimals where *ratio* would read the same as *limit*."""
    close = percent(ratio) == percent(limit)
    return _percent(ratio, Decimal("0.000001")) if close else percent(ratio)


def _percent(ratio: Decimal | float, step: Decimal) -> str:
    with localcontext(prec=60):
        shown = (100 * Decimal(str(ratio))).quantize(step, rounding=ROUND_HALF_UP)
    text = f"{shown:f}".rstrip("0").rstrip(".")
    return f"{'0' if text == '-0' else text}%"


def money(value: Decimal | float) -> str:
    """Thousands separated, two decimals: 1234.5 is ``1,234.50``."""
    text = f"{value:,.2f}"
    return text[1:] if text == "-0.00" else text


def money_told(value: Decimal | None) -> str:
    """A figure as `money`, or that the venue does not tell it."""
    return "unknown" if value is None else money(value)


def contracts(value: Decimal) -> str:
    """A quantity without trailing zeros: 1.250 is ``1.25``."""
    return f"{value.normalize():f}" if value else "0"


def short_symbol(symbol: str) -> str:
    """``BTC/USDT:USDT@second`` is told as BTC@second, a dated contract by its whole name."""
    plain, at, account = symbol.partition("@")
    return symbol if "-" in plain else f"{plain.partition('/')[0]}{at}{account}"
