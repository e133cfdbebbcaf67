"""
The venues that hedged speaks to, by the name that the settings use.
"""

from __future__ import annotations

from hedged.venue.binance.dialect import Binance
from hedged.venue.bybit.dialect import Bybit
from hedged.venue.dialect import Dialect

DIALECTS: dict[str, Dialect] = {"binance": Binance(), "bybit": Bybit()}
