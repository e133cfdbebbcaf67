"""Incidents of orders, fills, positions and modes."""

from __future__ import annotations

from sabotage.incident import (
    BREAKERS,
    BUDGET,
    CLAIMED_ONCE,
    CYCLE,
    EXECUTE,
    FROZEN,
    GATE,
    GUARD,
    LIVE,
    LOOP,
    MARKET,
    OTHER_HAND,
    OUTCOMES,
    PLAN,
    RESOLUTION,
    RESTING,
    RUN_LIVE,
    SENT_ONCE,
    STORE,
    TALLY,
    TWICE,
    UNKNOWN,
    UNKNOWN_STOPS,
    VENUE,
    WIRE,
    Incident,
)

OF_ORDERS: dict[int, Incident] = {
    1: Incident(
        what="an answer timed out, the order was given again, both were executed",
        invariants=(4, 5, 6),
        seen_by=(UNKNOWN_STOPS, CLAIMED_ONCE, SENT_ONCE, f"{WIRE}::test_a_redirect_is_not_followed"),
    ),
    2: Incident(
        what="a timeout of one second and a retry sold twice",
        invariants=(4,),
        seen_by=(SENT_ONCE, UNKNOWN_STOPS, f"{WIRE}::test_a_redirect_is_not_followed"),
    ),
    3: Incident(
        what="an order went through after its timeout, and there was no id to look it up by",
        invariants=(1, 5),
        seen_by=(
            f"{EXECUTE}::test_the_intent_is_on_disk_before_the_order_is_sent",
            f"{VENUE}::test_an_order_is_found_by_our_own_id",
        ),
    ),
    4: Incident(
        what="two sales after a timeout, and the cancel failed too",
        invariants=(4, 9),
        seen_by=(
            SENT_ONCE,
            f"{EXECUTE}::test_a_resting_order_is_taken_back_and_counts_with_what_filled_until_then",
            f"{EXECUTE}::test_a_cancel_without_an_answer_is_looked_up",
        ),
    ),
    5: Incident(
        what="a lost answer led to a second purchase, and nobody tracked the first",
        invariants=(5, 38),
        seen_by=(
            UNKNOWN_STOPS,
            f"{CYCLE}::test_orders_of_ours_that_the_journal_does_not_know_are_taken_back_and_hold",
        ),
    ),
    6: Incident(
        what="a timeout was treated as an order that failed",
        invariants=(5,),
        seen_by=(UNKNOWN_STOPS, f"{OUTCOMES}::test_an_unlisted_code_says_nothing"),
    ),
    7: Incident(
        what="an order was not found right after it was made, forgotten, and made again",
        invariants=(6,),
        seen_by=(
            f"{EXECUTE}::test_an_order_that_lands_late_is_waited_for",
            f"{RESOLUTION}::test_one_look_after_it_is_not_enough_nor_are_two_at_once",
        ),
    ),
    8: Incident(
        what="six orders that were taken for dead filled later",
        invariants=(6, 38),
        seen_by=(
            f"{EXECUTE}::test_an_order_that_lands_late_is_waited_for",
            f"{UNKNOWN}::test_ten_thousand_unknown_outcomes_over_hedge_never",
            f"{CYCLE}::test_orders_of_ours_that_the_journal_does_not_know_are_taken_back_and_hold",
        ),
    ),
    9: Incident(
        what="one purchase was hedged by three shorts",
        invariants=(16, 11),
        seen_by=(
            f"{TALLY}::test_what_an_order_filled_is_owed_until_its_fills_are_told",
            f"{MARKET}::test_rounding_to_a_lot_goes_toward_zero",
            f"{BREAKERS}::test_a_position_that_moved_against_the_order_freezes_before_the_next",
            f"{CYCLE}::test_a_second_cycle_on_the_outcome_of_the_first_plans_nothing",
        ),
    ),
    10: Incident(
        what="a hedge that could not be reduced grew until there was no money left",
        invariants=(11, 12),
        seen_by=(
            f"{PLAN}::test_a_hedge_that_is_too_large_is_bought_back_reduce_only",
            f"{GATE}::test_a_buy_only_ever_closes_a_short",
        ),
    ),
    11: Incident(
        what="orders were told to have failed, then filled, and had been made again",
        invariants=(5, 6),
        seen_by=(
            UNKNOWN_STOPS,
            f"{OUTCOMES}::"
            "test_a_server_error_a_redirect_and_a_timeout_say_nothing_even_with_a_listed_code",
        ),
    ),
    12: Incident(
        what="of three fills at nearly the same time two were hedged",
        invariants=(37, 8),
        seen_by=(
            f"{TALLY}::test_what_an_order_filled_is_owed_until_its_fills_are_told",
            f"{TALLY}::test_the_order_in_which_an_outcome_and_its_fills_are_told_does_not_matter",
        ),
    ),
    13: Incident(
        what="a fill below the minimum stopped the hedge, and dust could not be closed",
        invariants=(21,),
        seen_by=(
            f"{PLAN}::test_an_order_below_the_venues_minimum_is_left_out_and_noted",
            f"{PLAN}::test_a_position_may_be_closed_wholly_however_small_it_is",
            f"{MARKET}::test_rounding_to_a_lot_goes_toward_zero",
            "core/test_record.py::test_after_a_partial_fill_no_target_is_the_one_that_was_executed",
        ),
    ),
    14: Incident(
        what="orders without a balance were sent until the limit of 100,000 a day",
        invariants=(13,),
        seen_by=(
            f"{GATE}::test_orders_are_counted_for_each_instrument_and_tick",
            f"{BREAKERS}::test_refusals_in_a_row_trip_stay_tripped_over_a_restart_and_are_lifted",
        ),
    ),
    15: Incident(
        what="some 300,000 orders without money behind them in five hours",
        invariants=(13,),
        seen_by=(
            f"{GATE}::test_orders_are_counted_for_each_instrument_and_tick",
            f"{GATE}::test_no_setting_and_no_lift_lets_anything_past_the_ceilings",
        ),
    ),
    16: Incident(
        what="an endless loop of purchases of nothing, after a fill that nobody saw",
        invariants=(13, 21),
        seen_by=(
            f"{RESOLUTION}::test_a_position_that_does_not_add_up_begins_it_all_anew",
            f"{TALLY}::test_what_an_order_filled_is_owed_until_its_fills_are_told",
            f"{PLAN}::test_an_order_below_the_venues_minimum_is_left_out_and_noted",
            f"{GATE}::test_an_order_is_a_positive_number_of_whole_lots",
        ),
    ),
    17: Incident(
        what="21 sales of coins that were never bought",
        invariants=(11, 16),
        seen_by=(
            f"{GATE}::test_a_buy_only_ever_closes_a_short",
            f"{GATE}::test_a_buy_with_nothing_held_is_refused",
        ),
    ),
    18: Incident(
        what="refusals for too many requests were not heeded, and a ban followed",
        invariants=(50,),
        seen_by=(
            f"{BUDGET}::test_a_ban_is_honoured_to_its_end",
            f"{WIRE}::test_during_a_ban_nothing_is_asked",
        ),
    ),
    19: Incident(
        what="a hedge used up all requests from its start",
        invariants=(51,),
        seen_by=(
            f"{BUDGET}::test_reads_may_take_four_fifths_of_half_and_orders_the_rest",
            f"{BUDGET}::test_no_window_ever_holds_more_than_half",
        ),
    ),
    20: Incident(
        what="an order was filled, the database was locked, the trade was lost",
        invariants=(1, 40),
        seen_by=(
            f"{EXECUTE}::test_the_intent_is_on_disk_before_the_order_is_sent",
            f"{EXECUTE}::test_an_intent_that_can_not_be_written_sends_nothing",
            f"{EXECUTE}::test_an_outcome_that_can_not_be_written_sends_nothing_more",
        ),
    ),
    21: Incident(
        what="an order that filled in part was taken for cancelled and sent again whole",
        invariants=(9, 10),
        seen_by=(
            "core/test_record.py::test_after_a_partial_fill_no_target_is_the_one_that_was_executed",
            f"{RESTING}::test_a_part_that_filled_leaves_the_rest_to_an_immediate_order",
            f"{CYCLE}::test_a_partial_fill_is_not_executed_and_the_rest_follows",
        ),
    ),
    22: Incident(
        what="an exit sold twice",
        invariants=(3, 6),
        seen_by=(
            f"{RESOLUTION}::test_one_look_after_it_is_not_enough_nor_are_two_at_once",
            CLAIMED_ONCE,
            f"{STORE}::test_a_second_writer_is_refused",
        ),
    ),
    23: Incident(
        what="at every start any order that was not found was taken for cancelled",
        invariants=(6, 35),
        seen_by=(
            f"{EXECUTE}::test_an_order_that_lands_late_is_waited_for",
            f"{EXECUTE}::test_a_restart_looks_twice_again",
            FROZEN,
        ),
    ),
    24: Incident(
        what="a liquidation was not seen, and the trade lived on in the books",
        invariants=(17,),
        seen_by=(TWICE, OTHER_HAND),
    ),
    25: Incident(
        what="a hedge that was closed elsewhere stayed open in the books",
        invariants=(17, 18),
        seen_by=(OTHER_HAND, f"{VENUE}::test_another_hands_trade_is_told_too"),
    ),
    26: Incident(
        what="the short leg was liquidated or deleveraged, and nothing was done",
        invariants=(17, 28),
        seen_by=(
            OTHER_HAND,
            f"{GUARD}::test_contracts_lost_to_a_forced_fill_begin_a_spell_at_that_fill",
            f"{LIVE}::test_adl_is_told_with_its_cause",
        ),
    ),
    27: Incident(
        what="a pair that was delisted stopped everything else",
        invariants=(29, 48),
        seen_by=(
            f"{LIVE}::test_a_contract_that_does_not_trade_is_doubted",
            f"{LOOP}::test_an_unavailable_venue_is_counted_and_the_other_portfolio_goes_on",
        ),
    ),
    28: Incident(
        what="a price of 0 at a delisting set off a stop",
        invariants=(23,),
        seen_by=(
            f"{GATE}::test_a_mark_that_jumped_since_the_last_pass_is_refused",
            f"{GATE}::test_two_of_mark_index_and_mid_must_agree",
            "venue/test_reading.py::test_a_price_is_above_zero",
        ),
    ),
    29: Incident(
        what="a candle, or a history, from days ago passed for the present one",
        invariants=(24, 25),
        seen_by=(
            f"{GATE}::test_a_price_has_a_largest_age_and_none_is_from_the_future",
            "history/test_keeper.py::test_a_source_that_stopped_leaves_the_close_unknown",
            f"{VENUE}::test_bars_come_whole_closed_and_in_order",
        ),
    ),
    30: Incident(
        what="real trades on paper, with three users",
        invariants=(30,),
        seen_by=(
            f"{STORE}::test_on_paper_nothing_is_claimed",
            f"{RUN_LIVE}::test_live_needs_all_to_agree",
        ),
    ),
    31: Incident(
        what="a dry run placed real orders",
        invariants=(30, 32),
        seen_by=(
            f"{RUN_LIVE}::test_live_needs_all_to_agree",
            f"{STORE}::test_on_paper_nothing_is_claimed",
        ),
    ),
    32: Incident(
        what="a dry run wrote to the book that the real run then went on with",
        invariants=(31,),
        seen_by=(f"{STORE}::test_a_journal_belongs_to_its_mode",),
    ),
    33: Incident(
        what="an order of unknown outcome was told as rejected, and its position had no owner",
        invariants=(6,),
        seen_by=(
            UNKNOWN_STOPS,
            f"{UNKNOWN}::test_ten_thousand_unknown_outcomes_over_hedge_never",
            f"{RESOLUTION}::test_a_position_that_does_not_add_up_begins_it_all_anew",
            f"{OUTCOMES}::test_an_unlisted_code_says_nothing",
            f"{OUTCOMES}::"
            "test_a_server_error_a_redirect_and_a_timeout_say_nothing_even_with_a_listed_code",
        ),
    ),
    34: Incident(
        what="an order that was accepted was sent again and refused for its id",
        invariants=(4, 7),
        seen_by=(
            f"{OUTCOMES}::test_a_duplicate_id_has_landed_and_nothing_else_has",
            CLAIMED_ONCE,
            SENT_ONCE,
        ),
    ),
    35: Incident(
        what="orders filled after their cancel was confirmed: twice the exposure",
        invariants=(9,),
        seen_by=(
            f"{EXECUTE}::test_a_resting_order_is_taken_back_and_counts_with_what_filled_until_then",
            f"{RESTING}::test_a_fill_between_the_look_and_the_cancel_counts",
            f"{RESTING}::test_a_cancel_that_was_only_promised_resolves_nothing",
        ),
    ),
    36: Incident(
        what="a fill that was inferred and the real one were both counted",
        invariants=(8,),
        seen_by=(
            f"{TALLY}::test_fills_add_to_what_was_held_at_first_sight",
            f"{TALLY}::test_the_order_in_which_an_outcome_and_its_fills_are_told_does_not_matter",
            "venue/test_ledger.py::test_a_key_is_booked_once",
        ),
    ),
    37: Incident(
        what="orders were sent again at every restart",
        invariants=(35, 36),
        seen_by=(
            f"{STORE}::test_a_new_database_under_a_later_epoch_repeats_no_id",
            f"{STORE}::test_a_second_writer_is_refused",
            FROZEN,
            f"{CYCLE}::test_a_crash_after_any_call_changes_nothing_in_the_end",
        ),
    ),
}
