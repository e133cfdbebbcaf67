"""
Exit codes, which scripts may rely on, and how an error becomes one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hedged import errors

DONE = 0
UNEXPECTED = 1
USAGE = 2
SETTINGS = 3
JOURNAL = 4
VERIFY = 5
VENUE = 6
HELD = 7
REFUSED = 8

_CODES: tuple[tuple[type[errors.HedgedError], int], ...] = (
    (errors.SettingsError, SETTINGS),
    (errors.RuleError, SETTINGS),
    (errors.JournalBroken, VERIFY),
    (errors.JournalError, JOURNAL),
    (errors.ConsentRefused, REFUSED),
    (errors.VenueUnavailable, VENUE),
    (errors.BadData, VENUE),
    (errors.HedgedError, UNEXPECTED),
)


@contextmanager
def told() -> Iterator[None]:
    """Print what went wrong in one plain text on standard error, and leave with its code."""
    try:
        yield
    except errors.HedgedError as error:
        from hedged.logs import redacted  # slow to import, and seldom needed

        print(f"hedged: {redacted(str(error))}", file=sys.stderr)
        code = next(code for kind, code in _CODES if isinstance(error, kind))
        raise SystemExit(code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(DONE) from None
