"""Bugs around the orders themselves: limits of the exchange, clocks, breakers, secrets, rights."""

from __future__ import annotations

from sabotage.bug import Bug

AROUND = (
    Bug(
        what="a ban is not waited for",
        incidents=(18, 44),
        file="venue/budget.py",
        before="            if self.banned_until is not None and now < self.banned_until:\n",
        after="            if self.banned_until is not None and now < now:\n",
        seen_by="venue/test_budget.py::test_a_ban_is_honoured_to_its_end",
    ),
    Bug(
        what="all that an exchange allows is used up",
        incidents=(19,),
        file="venue/budget.py",
        before="SHARE = 0.5\n",
        after="SHARE = 1.0\n",
        seen_by="venue/test_budget.py::test_reads_may_take_four_fifths_of_half_and_orders_the_rest",
    ),
    Bug(
        what="requests are stamped with the local time",
        incidents=(44,),
        file="venue/wire.py",
        before='        self._exchange.options["timeDifference"] = milliseconds\n',
        after='        self._exchange.options["timeDifference"] = 0\n',
        seen_by="venue/test_conformance.py::test_requests_are_stamped_with_the_venues_own_time",
    ),
    Bug(
        what="a clock that is far off is traded by",
        incidents=(44,),
        file="venue/doubts.py",
        before="    if abs(skew) > SKEW_MAX:\n",
        after="    if abs(skew) > 3600 * SKEW_MAX:\n",
        seen_by="venue/test_live.py::test_a_clock_that_is_off_is_put_right_and_far_off_is_doubted",
    ),
    Bug(
        what="a secret is hidden only as it stands",
        incidents=(52,),
        file="logs.py",
        before="    return said | encoded | {quote",
        after="    return said or encoded | {quote",
        seen_by="test_logs.py::test_every_encoding_of_a_secret_is_hidden_in_messages_and_fields",
    ),
    Bug(
        what="an error tells the address that was asked, with its signature",
        incidents=(52,),
        file="venue/wire.py",
        before='        told = f"{type(error).__name__} ({cause})" if cause else type(error).__name__\n',
        after='        told = f"{cause}: {error}"\n',
        seen_by="venue/test_wire.py::test_no_secret_comes_out_of_an_error",
    ),
    Bug(
        what="a key that may withdraw is taken",
        incidents=(53,),
        file="venue/doubts.py",
        before="    if rights.may_withdraw:\n",
        after="    if rights.may_withdraw and not rights.may_trade:\n",
        seen_by="venue/test_conformance.py::test_a_key_that_may_withdraw_is_a_doubt",
    ),
    Bug(
        what="a breaker that tripped is forgotten with the pass",
        incidents=(14, 57),
        file="cycle.py",
        before="    breakers.keep(thought.review.trips, shell.policy.portfolio, shell.journal, inputs.now)\n",
        after="",
        seen_by="test_breakers.py::"
        "test_refusals_in_a_row_trip_stay_tripped_over_a_restart_and_are_lifted",
    ),
    Bug(
        what="who lifts a breaker lifts the ceilings too",
        incidents=(15, 57),
        file="core/gate.py",
        before=" + tuple(_past_ceilings(plan.steps, around.usage))",
        after="",
        seen_by="core/test_gate.py::test_no_setting_and_no_lift_lets_anything_past_the_ceilings",
    ),
    Bug(
        what="a position that moves against the order is traded on",
        incidents=(9, 39),
        file="cycle.py",
        before="        astray=_astray(inputs),\n",
        after="        astray=(),\n",
        seen_by="test_breakers.py::"
        "test_a_position_that_moved_against_the_order_freezes_before_the_next",
    ),
    Bug(
        what="the first live order is a whole one",
        incidents=(38,),
        file="cycle.py",
        before='        if shell.mode == "live"\n',
        after='        if shell.mode == "paper"\n',
        seen_by="test_breakers.py::"
        "test_the_first_live_order_is_small_and_the_rest_follows_at_the_next_pass",
    ),
    Bug(
        what="contracts that ADL took leave nobody naked",
        incidents=(26, 57),
        file="core/guard.py",
        before='        if shrank > 0 or any(fill.cause != "order" for fill in foreign):\n',
        after="        if shrank > 0 and not foreign:\n",
        seen_by="core/test_guard.py::test_contracts_lost_to_a_forced_fill_begin_a_spell_at_that_fill",
    ),
)
