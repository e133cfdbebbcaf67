"""
Bugs that other systems have had, put back into this one, and the tests that see each.

An incident is a row of `incidents.INCIDENTS`. *before* stands once in *file*; *after* takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass

EXECUTE, RESOLUTION, GATE = "execute.py", "core/resolution.py", "core/gate.py"
GUARD, PLAN, RECORD, MARKET = "core/guard.py", "core/plan.py", "core/record.py", "core/market.py"
LIVE, BOOK, TALLY, WIRE = "venue/live.py", "venue/book.py", "venue/tally.py", "venue/wire.py"
STORE, BINDING, DATABASE = "journal/store.py", "journal/binding.py", "journal/database.py"
OUTCOMES, BINANCE, BYBIT = "venue/outcomes.py", "venue/binance", "venue/bybit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One bug put back."""

    what: str
    incidents: tuple[int, ...]
    file: str
    before: str
    after: str
    seen_by: str


BUGS = (
    Bug(
        what="after an order of unknown outcome the next one is sent",
        incidents=(1, 2, 5),
        file=EXECUTE,
        before='        if outcome.status in ("unknown", "resting"):\n            break\n',
        after='        if outcome.status in ("unknown", "resting"):\n            continue\n',
        seen_by="test_execute.py::test_an_unknown_outcome_stops_the_rest_and_leaves_its_intent_open",
    ),
    Bug(
        what="an intent is sent before it is committed",
        incidents=(3, 20),
        file=STORE,
        before="            connection.execute(insert(schema.intent), values)\n",
        after="            connection.execute(insert(schema.intent), values)\n            connection.rollback()\n",
        seen_by="test_execute.py::test_the_intent_is_on_disk_before_the_order_is_sent",
    ),
    Bug(
        what="a timeout is an order that failed",
        incidents=(6, 11, 33),
        file=EXECUTE,
        before='        return _outcome(intent, step, "unknown", str(error))\n',
        after='        return _outcome(intent, step, "refused", str(error))\n',
        seen_by="test_execute.py::test_an_unknown_outcome_stops_the_rest_and_leaves_its_intent_open",
    ),
    Bug(
        what="an agreed cancel is the end of an order",
        incidents=(4, 35),
        file=EXECUTE,
        before='        if isinstance(found, Outcome) and found.status != "resting":\n            return found\n',
        after="        if isinstance(found, Outcome):\n"
        '            return _outcome(intent, intent.step, "refused", "taken back")\n',
        seen_by="test_execute.py::"
        "test_a_resting_order_is_taken_back_and_counts_with_what_filled_until_then",
    ),
    Bug(
        what="an order that is not found was never there",
        incidents=(7, 8, 23),
        file=EXECUTE,
        before="        if venue.absence_is_proof:\n",
        after="        if True:\n",
        seen_by="test_execute.py::test_an_order_that_lands_late_is_waited_for",
    ),
    Bug(
        what="the quarantine is shorter than late landings",
        incidents=(8, 33),
        file=RESOLUTION,
        before="QUARANTINE = timedelta(seconds=330)",
        after="QUARANTINE = timedelta(seconds=30)",
        seen_by="campaign/test_unknown.py::test_ten_thousand_unknown_outcomes_over_hedge_never",
    ),
    Bug(
        what="one look in vain is proof",
        incidents=(7, 22),
        file=RESOLUTION,
        before="    if proof[-1].at - proof[0].at < APART:\n",
        after="    if proof[-1].at - proof[0].at < timedelta(0):\n",
        seen_by="core/test_resolution.py::test_one_look_after_it_is_not_enough_nor_are_two_at_once",
    ),
    Bug(
        what="an order is given up though the position does not add up",
        incidents=(16, 33),
        file=RESOLUTION,
        before="        if absence.adds_up and absence.at > ends:\n",
        after="        if absence.at > ends:\n",
        seen_by="core/test_resolution.py",
    ),
    Bug(
        what="a duplicate id is a rejection",
        incidents=(34,),
        file=f"{BINANCE}/outcomes.py",
        before='    ("linear", "-4116"): "landed",',
        after='    ("linear", "-4116"): "rejected",',
        seen_by="venue/test_outcomes.py::test_a_duplicate_id_has_landed_and_nothing_else_has",
    ),
    Bug(
        what="an error that nobody listed is a rejection",
        incidents=(6, 33),
        file=OUTCOMES,
        before='    return table.get((market, error.code), "unknown")\n',
        after='    return table.get((market, error.code), "rejected")\n',
        seen_by="venue/test_outcomes.py::test_an_unlisted_code_says_nothing",
    ),
    Bug(
        what="a server's error with a listed code is believed",
        incidents=(11, 33),
        file=OUTCOMES,
        before="    if not is_in_good_order(error.status):\n",
        after="    if error.status == 0:\n",
        seen_by="venue/test_outcomes.py::"
        "test_a_server_error_a_redirect_and_a_timeout_say_nothing_even_with_a_listed_code",
    ),
    Bug(
        what="an order may be claimed again",
        incidents=(1, 22, 34),
        file=STORE,
        before="                    table.c.sent_at.is_(None),\n",
        after="",
        seen_by="journal/test_journal_store.py::test_an_order_is_claimed_once_and_the_instant_is_kept",
    ),
    Bug(
        what="a send that fails is tried again",
        incidents=(1, 2, 4, 34),
        file="venue/retry.py",
        before="        return await self.venue.send(order)\n",
        after="        return await self._patiently(lambda: self.venue.send(order))\n",
        seen_by="venue/test_retry.py::test_a_send_is_not_tried_again_whatever_it_raises",
    ),
    Bug(
        what="an order follows a redirect",
        incidents=(1, 2),
        file="venue/session.py",
        before="self._session.post(self._addressed(url), allow_redirects=False, **given)",
        after="self._session.post(self._addressed(url), **given)",
        seen_by="venue/test_wire.py::test_a_redirect_is_not_followed",
    ),
    Bug(
        what="a paper account sends orders",
        incidents=(30, 31),
        file=STORE,
        before='                    table.c.mode == "live",\n',
        after="",
        seen_by="journal/test_journal_store.py::test_on_paper_nothing_is_claimed",
    ),
    Bug(
        what="live starts without being asked for",
        incidents=(30, 31),
        file="wiring/daemon.py",
        before="    if live and not asked:\n",
        after="    if live and asked is None:\n",
        seen_by="cli/test_cli_live.py::test_live_needs_all_to_agree",
    ),
    Bug(
        what="a journal of paper is gone on with by live",
        incidents=(32,),
        file=BINDING,
        before="    elif tuple(row) != mine:\n",
        after="    elif row[1] != mine[1]:\n",
        seen_by="journal/test_journal_store.py",
    ),
    Bug(
        what="an id of an old journal is used again after it was lost",
        incidents=(37,),
        file=BINDING,
        before="    return OURS + base64",
        after="    named = str(row).encode()\n    return OURS + base64",
        seen_by="journal/test_journal_store.py::test_a_new_database_under_a_later_epoch_repeats_no_id",
    ),
    Bug(
        what="a start does not ask for the orders of before",
        incidents=(23, 37),
        file="cycle.py",
        before="    unresolved = await shell.resolver.resolve(shell.venue, shell.journal, shell.policy.portfolio)\n",
        after="    unresolved = ()\n",
        seen_by="test_cycle.py::test_an_unknown_outcome_freezes_the_instrument_until_it_is_found",
    ),
    Bug(
        what="orders that the journal does not know are left alone",
        incidents=(5, 8),
        file=EXECUTE,
        before="        if order.client_order_id in inputs.strays:\n",
        after="        if order.client_order_id is None:\n",
        seen_by="test_cycle.py::test_orders_of_ours_that_the_journal_does_not_know_are_taken_back_and_hold",
    ),
    Bug(
        what="a reduction is sent without reduce-only",
        incidents=(10, 41, 42),
        file=PLAN,
        before='        reduce_only=side == "buy",\n',
        after="        reduce_only=False,\n",
        seen_by="core/test_plan.py::test_a_hedge_that_is_too_large_is_bought_back_reduce_only",
    ),
    Bug(
        what="reduce-only is lost on the way to the exchange",
        incidents=(41,),
        file=f"{BINANCE}/translate.py",
        before='    return request | ({"reduceOnly": "true"} if order.reduce_only else {})\n',
        after="    return request\n",
        seen_by="venue/test_binance.py::test_an_order_is_a_price_capped_immediate_one_in_one_way_mode",
    ),
    Bug(
        what="a buy may do more than close",
        incidents=(10, 17, 42),
        file=GATE,
        before='        if step.side == "buy" and not (step.reduce_only and step.contracts <= -held):\n',
        after='        if step.side == "buy" and not step.reduce_only:\n',
        seen_by="core/test_gate.py::test_a_buy_only_ever_closes_a_short",
    ),
    Bug(
        what="the multiplier of a contract is left out",
        incidents=(38,),
        file=MARKET,
        before="    return contracts * instrument.contract_multiplier * price\n",
        after="    return contracts * price\n",
        seen_by="core/test_market.py",
    ),
    Bug(
        what="a contract whose size changed goes on being traded",
        incidents=(38,),
        file=BOOK,
        before="        if pinned != size:\n",
        after="        if pinned is None:\n",
        seen_by="venue/test_live.py::test_a_contract_whose_size_changed_is_doubted",
    ),
    Bug(
        what="the exchange's own figure of a position is not looked at",
        incidents=(38,),
        file="venue/doubts.py",
        before='NOTIONAL_GAP_MAX = Decimal("0.01")',
        after="NOTIONAL_GAP_MAX = Decimal(1000)",
        seen_by="venue/test_live.py::test_a_position_worth_something_else_by_the_venue_is_doubted",
    ),
    Bug(
        what="a short is reported as a long",
        incidents=(39,),
        file=f"{BYBIT}/translate.py",
        before='            contracts=size if side == "buy" else -size,\n',
        after="            contracts=size,\n",
        seen_by="venue/test_bybit.py",
    ),
    Bug(
        what="a missing number is a zero",
        incidents=(40,),
        file="venue/reading.py",
        before="    value = at(row, key, what)\n    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):\n",
        after="    value = row.get(key) or 0\n    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):\n",
        seen_by="venue/test_reading.py::test_a_missing_field_is_never_a_zero",
    ),
    Bug(
        what="an answer without positions is flat",
        incidents=(40,),
        file=BOOK,
        before="        elif expected == contracts:\n",
        after="        elif expected == contracts or not contracts:\n",
        seen_by="venue/test_live.py::test_an_empty_answer_about_positions_is_not_flat",
    ),
    Bug(
        what="an odd position is believed at first sight",
        incidents=(24, 48),
        file=BOOK,
        before="SEEN_TWICE_AFTER = timedelta(seconds=60)",
        after="SEEN_TWICE_AFTER = timedelta(seconds=0)",
        seen_by="venue/test_live.py::test_what_no_fill_explains_is_doubted_then_taken_as_it_is",
    ),
    Bug(
        what="sized from a position that was read before the fill",
        incidents=(9, 12, 16),
        file=TALLY,
        before="        return None if held is None else held + self.owed(symbol)\n",
        after="        return held\n",
        seen_by="venue/test_tally.py",
    ),
    Bug(
        what="a fill that is told twice counts twice",
        incidents=(36,),
        file=TALLY,
        before="            self._told[value.symbol, value.client_order_id] += value.signed_contracts\n",
        after="            self._told[value.symbol, value.client_order_id] += 2 * value.signed_contracts\n",
        seen_by="venue/test_tally.py",
    ),
    Bug(
        what="ADL, a liquidation and a person's trade are repaired unseen",
        incidents=(24, 25, 26, 48),
        file=GUARD,
        before='        and (fill.cause != "order" or not fill.client_order_id.startswith(OURS))\n',
        after="        and fill.cause is None\n",
        seen_by="core/test_guard.py::test_a_fill_that_we_did_not_order_holds_the_pass",
    ),
    Bug(
        what="a partial fill is a full one",
        incidents=(13, 21),
        file=RECORD,
        before='            outcome.status == "filled" for outcome in outcomes\n',
        after='            outcome.status in ("filled", "partial") for outcome in outcomes\n',
        seen_by="core/test_record.py::test_after_a_partial_fill_no_target_is_the_one_that_was_executed",
    ),
    Bug(
        what="dust is chased",
        incidents=(13, 16),
        file=PLAN,
        before="    if gap < instrument.contracts_min:\n",
        after="    if gap < 0:\n",
        seen_by="core/test_plan.py::test_an_order_below_the_venues_minimum_is_left_out_and_noted",
    ),
    Bug(
        what="contracts are rounded up",
        incidents=(9, 13),
        file=MARKET,
        before="    return (contracts / lot).to_integral_value(rounding=ROUND_DOWN) * lot\n",
        after='    return (contracts / lot).to_integral_value(rounding="ROUND_UP") * lot\n',
        seen_by="core/test_market.py",
    ),
    Bug(
        what="orders of a tick are not counted",
        incidents=(14, 15),
        file=GATE,
        before="        if sent + sum(s.symbol == step.symbol for s in steps) > most:\n",
        after="        if sent > most:\n",
        seen_by="core/test_gate.py::test_orders_are_counted_for_each_instrument_and_tick",
    ),
    Bug(
        what="a price that jumped is traded on",
        incidents=(28,),
        file=GATE,
        before="    _price_jump,\n",
        after="",
        seen_by="core/test_gate.py::test_a_mark_that_jumped_since_the_last_pass_is_refused",
    ),
    Bug(
        what="one price that is wrong is traded on",
        incidents=(28,),
        file=GATE,
        before="    _price_agreement,\n",
        after="",
        seen_by="core/test_gate.py::test_two_of_mark_index_and_mid_must_agree",
    ),
    Bug(
        what="an old price is taken for the present one",
        incidents=(29,),
        file=GATE,
        before="    _ages,\n",
        after="",
        seen_by="core/test_gate.py::test_a_price_has_a_largest_age_and_none_is_from_the_future",
    ),
    Bug(
        what="hedge mode is not noticed",
        incidents=(43,),
        file="venue/doubts.py",
        before="    if seen.hedge_mode:\n",
        after="    if seen is None:\n",
        seen_by="venue/test_conformance.py::test_hedge_mode_is_a_doubt",
    ),
    Bug(
        what="the schedule goes by a clock that is put forward and back",
        incidents=(45, 46),
        file="service/ticks.py",
        before='        "daily": {"hour": 0, "minute": 0},\n',
        after='        "daily": {"hour": 0, "minute": 0, "timezone": "America/New_York"},\n',
        seen_by="service/test_ticks.py",
    ),
    Bug(
        what="a contract that does not trade any more is ordered",
        incidents=(27, 47),
        file="venue/doubts.py",
        before="        elif not listings[symbol].active:\n",
        after="        elif listings[symbol] is None:\n",
        seen_by="venue/test_live.py::test_a_contract_that_does_not_trade_is_doubted",
    ),
    Bug(
        what="one portfolio that fails stops the others",
        incidents=(27, 49),
        file="service/loop.py",
        before="        except (VenueUnavailable, BadData) as error:\n            self._count((portfolio, kind), error)\n",
        after="",
        seen_by="service/test_loop.py",
    ),
    Bug(
        what="a second daemon writes beside the first",
        incidents=(22, 37),
        file=STORE,
        before="        lock = lock_writer(path)\n",
        after='        path.parent.mkdir(parents=True, exist_ok=True)\n        lock = path.with_suffix(".free").open("w")\n',
        seen_by="journal/test_journal_store.py::test_a_second_writer_is_refused",
    ),
)
