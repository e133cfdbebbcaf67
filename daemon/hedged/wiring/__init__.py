"""
The composition root: what the settings ask for, put together.

Enters settings; leaves a `Daemon` whose every part was chosen here and nowhere else.
"""

from hedged.wiring.daemon import (
    JOURNAL_FILE,
    Daemon,
    armed_accounts,
    build,
    check_live,
    journal_path,
    kept_history,
    open_to_arm,
    open_to_settle,
    put_together,
    wall_clock,
)
from hedged.wiring.recorded import (
    check_served,
    price_symbol,
    recorded_market,
    recorded_signal,
    stated_holdings,
)
from hedged.wiring.rehearsal import Rehearsed, rehearsed
from hedged.wiring.words import Meaning, understood

__all__ = [
    "JOURNAL_FILE",
    "Daemon",
    "Meaning",
    "Rehearsed",
    "armed_accounts",
    "build",
    "check_live",
    "check_served",
    "journal_path",
    "kept_history",
    "open_to_arm",
    "open_to_settle",
    "price_symbol",
    "put_together",
    "recorded_market",
    "recorded_signal",
    "rehearsed",
    "stated_holdings",
    "understood",
    "wall_clock",
]
