"""Incidents around the orders: contracts, accounts, clocks, keys, the world."""

from __future__ import annotations

from sabotage.incident import (
    BREAKERS,
    BUDGET,
    CYCLE,
    GATE,
    GUARD,
    LIVE,
    LOOP,
    MARKET,
    OTHER_HAND,
    PLAN,
    RUN_LIVE,
    TWICE,
    VENUE,
    WIRE,
    Incident,
)

AROUND: dict[int, Incident] = {
    38: Incident(
        what="a contract size that was wrong by ten: 120 in place of 12",
        invariants=(14,),
        seen_by=(
            f"{MARKET}::test_a_linear_contract_is_worth_multiplier_times_price",
            f"{LIVE}::test_a_contract_whose_size_changed_is_doubted",
            f"{LIVE}::test_a_position_worth_something_else_by_the_venue_is_doubted",
            f"{BREAKERS}::test_the_first_live_order_is_small_and_the_rest_follows_at_the_next_pass",
        ),
    ),
    39: Incident(
        what="a short was told as a long, as both, or as nothing",
        invariants=(15, 18),
        seen_by=(
            "venue/test_bybit.py::test_a_short_is_below_zero_and_its_rank_is_told",
            "venue/test_binance.py::test_a_short_is_below_zero_and_its_notional_is_not",
            f"{BREAKERS}::test_a_position_that_moved_against_the_order_freezes_before_the_next",
        ),
    ),
    40: Incident(
        what="a position was read as 0 and called closed; it stood open for two hours",
        invariants=(16, 18),
        seen_by=(
            "venue/test_reading.py::test_a_missing_field_is_never_a_zero",
            f"{LIVE}::test_an_empty_answer_about_positions_is_not_flat",
        ),
    ),
    41: Incident(
        what="reduce-only was ignored, refused or sent wrongly: the position turned round",
        invariants=(12,),
        seen_by=(
            f"{PLAN}::test_a_hedge_that_is_too_large_is_bought_back_reduce_only",
            "venue/test_binance.py::test_an_order_is_a_price_capped_immediate_one_in_one_way_mode",
            f"{VENUE}::test_reduce_only_never_flips",
        ),
    ),
    42: Incident(
        what="a close without reduce-only opened a second position",
        invariants=(12, 19),
        seen_by=(
            f"{PLAN}::test_a_hedge_that_is_too_large_is_bought_back_reduce_only",
            f"{GATE}::test_a_buy_only_ever_closes_a_short",
        ),
    ),
    43: Incident(
        what="hedge mode where one-way mode was meant",
        invariants=(19,),
        seen_by=(f"{VENUE}::test_hedge_mode_is_a_doubt",),
    ),
    44: Incident(
        what="every night the clock was off, requests were refused, bans followed",
        invariants=(26, 50),
        seen_by=(
            f"{VENUE}::test_requests_are_stamped_with_the_venues_own_time",
            f"{LIVE}::test_a_clock_that_is_off_is_put_right_and_far_off_is_doubted",
            f"{BUDGET}::test_a_ban_is_honoured_to_its_end",
        ),
    ),
    45: Incident(
        what="when clocks changed a day was left out, done twice, or never ended",
        invariants=(47,),
        seen_by=("service/test_ticks.py::test_daylight_saving_neither_doubles_nor_drops_a_tick",),
    ),
    46: Incident(
        what="a time without a zone moved an expiry by hours",
        invariants=(29, 47),
        seen_by=(
            "service/test_ticks.py::test_daylight_saving_neither_doubles_nor_drops_a_tick",
            "settings/test_policies.py::test_an_expiry_that_is_listed_wins_and_is_told_in_utc",
        ),
    ),
    47: Incident(
        what="a wrong expiry; a contract that had expired was traded",
        invariants=(29,),
        seen_by=(
            f"{LIVE}::test_a_contract_that_does_not_trade_is_doubted",
            "venue/test_catalogue.py::test_the_front_quarter_is_at_least_a_day_away",
            "venue/test_bybit_live.py::test_a_delivered_contract_is_told_as_a_delivery",
        ),
        waits_for="rolls",
    ),
    48: Incident(
        what="a person and the system closed the same position, and it crashed",
        invariants=(3, 17),
        seen_by=(
            TWICE,
            OTHER_HAND,
            f"{CYCLE}::test_what_another_hand_did_is_looked_at_once_before_it_is_repaired",
        ),
    ),
    49: Incident(
        what="maintenance, or an empty book, crashed it again and again with trades open",
        invariants=(52, 48),
        seen_by=(
            f"{LOOP}::test_an_unavailable_venue_is_counted_and_the_other_portfolio_goes_on",
            f"{VENUE}::test_maintenance_is_no_empty_account",
            "venue/test_binance.py::test_an_empty_book_and_a_missing_index_are_unknown_and_no_zero",
        ),
    ),
    50: Incident(
        what="collateral shared with other positions ended in a liquidation nobody expected",
        invariants=(20,),
        seen_by=(
            "core/test_headroom.py::test_a_plan_that_would_end_under_the_floor_is_barred_with_both_figures",
            "core/test_headroom.py::test_a_hedge_never_grows_into_the_near_of_the_floor",
            "core/test_headroom.py::test_each_account_carries_its_own_legs",
        ),
    ),
    51: Incident(
        what="a position was closed at a loss over its funding",
        invariants=(27,),
        seen_by=(
            "core/test_guards_watch.py::test_what_a_short_pays_in_funding_is_told_and_bars_nothing",
            f"{VENUE}::test_funding_is_told_with_its_rate_and_its_sign",
        ),
    ),
    52: Incident(
        what="keys stood in logs, in addresses and in tracebacks",
        invariants=(53,),
        seen_by=(
            "test_logs.py::test_every_encoding_of_a_secret_is_hidden_in_messages_and_fields",
            f"{WIRE}::test_no_secret_comes_out_of_an_error",
            f"{RUN_LIVE}::test_no_secret_is_left_anywhere",
        ),
    ),
    53: Incident(
        what="some 100,000 keys leaked from one service, and money was taken with them",
        invariants=(54,),
        seen_by=(
            f"{VENUE}::test_a_key_that_may_withdraw_is_a_doubt",
            "settings/test_settings_load.py::test_a_secret_that_others_can_read_is_refused",
        ),
    ),
    54: Incident(
        what="a dashboard without a password ran foreign code and gave away keys",
        invariants=(55,),
        waits_for="the dashboard",
    ),
    55: Incident(
        what="anybody could command it by chat or by webhook",
        invariants=(56, 57),
        waits_for="the command channel",
    ),
    56: Incident(
        what="a package of a similar name sent orders elsewhere",
        invariants=(59,),
        seen_by=("test_images.py::test_every_part_is_a_wheel_whose_hash_is_known",),
        waits_for="the audit of packages",
    ),
    57: Incident(
        what="four million orders in 45 minutes with the warnings unread; a price that fell "
        "by 87% in a minute; hedges gone by ADL in one night",
        invariants=(13, 17, 23, 28, 62),
        seen_by=(
            f"{BREAKERS}::test_refusals_in_a_row_trip_stay_tripped_over_a_restart_and_are_lifted",
            f"{GATE}::test_no_setting_and_no_lift_lets_anything_past_the_ceilings",
            f"{GUARD}::test_contracts_lost_to_a_forced_fill_begin_a_spell_at_that_fill",
            f"{GATE}::test_a_mark_that_jumped_since_the_last_pass_is_refused",
            "alerts/test_desk.py::test_it_is_repeated_as_often_as_the_settings_say",
        ),
    ),
}
