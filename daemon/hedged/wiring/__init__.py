"""
The composition root: what the settings ask for, put together.

Enters settings; leaves a `Daemon` whose every part was chosen here and nowhere else.
"""

from hedged.wiring.daemon import (
    JOURNAL_FILE,
    Daemon,
    build,
    check_live,
    journal_path,
    kept_history,
    wall_clock,
)
from hedged.wiring.recorded import (
    check_served,
    price_symbol,
    recorded_market,
    recorded_signal,
    stated_holdings,
)

__all__ = [
    "JOURNAL_FILE",
    "Daemon",
    "build",
    "check_live",
    "check_served",
    "journal_path",
    "kept_history",
    "price_symbol",
    "recorded_market",
    "recorded_signal",
    "stated_holdings",
    "wall_clock",
]
