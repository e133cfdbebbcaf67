"""What an incident is made of, and the test files that most of them name."""

from __future__ import annotations

from dataclasses import dataclass

BREAKERS, CYCLE, EXECUTE = "test_breakers.py", "test_cycle.py", "test_execute.py"
GATE, GUARD, PLAN, MARKET = (
    "core/test_gate.py",
    "core/test_guard.py",
    "core/test_plan.py",
    "core/test_market.py",
)
RESOLUTION, STORE, UNKNOWN = (
    "core/test_resolution.py",
    "journal/test_journal_store.py",
    "campaign/test_unknown.py",
)
VENUE, LIVE, TALLY, WIRE = (
    "venue/test_conformance.py",
    "venue/test_live.py",
    "venue/test_tally.py",
    "venue/test_wire.py",
)
RETRY, OUTCOMES, RESTING = "venue/test_retry.py", "venue/test_outcomes.py", "venue/test_resting.py"
BUDGET, LOOP, RUN_LIVE = "venue/test_budget.py", "service/test_loop.py", "cli/test_cli_live.py"

UNKNOWN_STOPS = f"{EXECUTE}::test_an_unknown_outcome_stops_the_rest_and_leaves_its_intent_open"
CLAIMED_ONCE = f"{STORE}::test_an_order_is_claimed_once_and_the_instant_is_kept"
SENT_ONCE = f"{RETRY}::test_a_send_is_not_tried_again_whatever_it_raises"
FROZEN = f"{CYCLE}::test_an_unknown_outcome_freezes_the_instrument_until_it_is_found"
OTHER_HAND = f"{GUARD}::test_a_fill_that_we_did_not_order_holds_the_pass"
TWICE = f"{LIVE}::test_what_no_fill_explains_is_doubted_then_taken_as_it_is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One row: *what* happened, what it breaks, and the tests (``file::test``) that see it."""

    what: str
    invariants: tuple[int, ...]
    seen_by: tuple[str, ...] = ()
    waits_for: str = ""
