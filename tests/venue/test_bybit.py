"""
Bybit's answers and requests. Pure: rows in, values out; what is missing or garbled is refused.

The rows are those of `answers.told`. Log entries, Earn and the rights of a key have no such capture;
they are made by hand in the fields that Bybit's v5 pages document.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import GONE, NO_FIGURE, changed, refused, spoilings, told
from builders import contract
from hedged.core.market import ZERO, Fill, Flow, FundingPayment, MarginTier
from hedged.core.metrics.history import SCHEMAS
from hedged.errors import OutcomeUnknown, VenueUnavailable
from hedged.venue.bybit import happened, series, translate, wallets
from hedged.venue.bybit.dialect import used_of
from hedged.venue.dialect import Balance, Listing, SymbolMode
from hedged.venue.protocol import Order

D = Decimal


def listed(market_id: str, symbol: str = "BTC/USDT:USDT", **of: Any) -> Listing:
    """A perpetual that Bybit calls *market_id*."""
    return Listing(
        instrument=contract(symbol, **of), market_id=market_id, kind="perpetual", active=True
    )


BTC = listed("BTCUSDT")
XRP = listed("XRPUSDT", "XRP/USDT:USDT")
ETH_USDC = listed("ETHPERP", "ETH/USDC:USDC", quote="USDC", settle="USDC")
INVERSE = listed("BTCUSD", "BTC/USD:BTC", quote="USD", settle="BTC", inverse=True, lot=D(1))
SYMBOLS = {"BTCUSDT": "BTC/USDT:USDT", "XRPUSDT": "XRP/USDT:USDT", "BTCUSD": "BTC/USD:BTC"}


def answer(*rows: dict[str, Any], **result: Any) -> dict[str, Any]:
    """An envelope with *rows*."""
    return {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"list": list(rows), **result},
        "time": 1672376496682,
    }


def only(name: str) -> dict[str, Any]:
    """The only row of a recorded answer."""
    (row,) = told("bybit", name)["result"]["list"]
    return dict(row)


# ---- the envelope


def test_an_error_is_its_raw_code_and_success_may_be_a_text() -> None:
    assert translate.error_of(told("bybit", "error")) == "10001"
    assert translate.error_of(told("bybit", "time")) is None  # its retCode is "0"
    assert translate.error_of({"retCode": 0}) is None
    assert translate.error_of(["no", "envelope"]) is None


def test_the_time_is_the_envelopes() -> None:
    assert translate.time_of(told("bybit", "time"), "time").isoformat() == (
        "2022-10-27T14:04:42.792000+00:00"
    )


@pytest.mark.parametrize("nothing", [None, [], "", {}, {"result": None}, {"result": []}])
def test_an_answer_without_a_result_is_refused(nothing: Any) -> None:
    with pytest.raises(VenueUnavailable, match="wallet"):
        translate.list_of(nothing, "wallet")


def test_a_list_that_is_null_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(VenueUnavailable, match="no list"):
        translate.list_of({"result": {"list": None}}, "positions")


@pytest.mark.parametrize(
    ("cursor", "found"), [("0%3A1657,0%3A1657", "0%3A1657,0%3A1657"), ("", ""), (None, ""), (GONE, "")]
)
def test_the_next_page_begins_at_the_cursor_as_it_is_told(cursor: Any, found: str) -> None:
    assert translate.cursor_of({"result": changed({}, nextPageCursor=cursor)}, "positions") == found


def test_a_cursor_that_is_no_text_is_refused() -> None:
    with pytest.raises(VenueUnavailable, match="nextPageCursor"):
        translate.cursor_of({"result": {"nextPageCursor": 5}}, "positions")


def test_the_headers_tell_what_an_endpoint_was_asked_in_this_second() -> None:
    assert used_of({"x-bapi-limit": "50", "x-bapi-limit-status": "47"}) == 3
    assert used_of({"x-bapi-limit": "50"}) is None
    assert used_of({"x-bapi-limit": "fifty", "x-bapi-limit-status": "1"}) is None


# ---- listings


def market(**info: Any) -> dict[str, Any]:
    """ccxt's market of a recorded instrument, which today has a minimum notional too."""
    row = only("instruments")
    row["lotSizeFilter"]["minNotionalValue"] = "5"
    return {
        "id": row["symbol"], "symbol": "BTC/USDT:USDT", "base": "BTC", "quote": "USDT",
        "settle": "USDT", "inverse": False, "contractSize": 1, "info": changed(row, **info),
    }  # fmt: skip


def test_a_linear_perpetual_is_one_coin_a_contract() -> None:
    found = translate.listing_of(market())
    assert found is not None
    instrument = found.instrument

    assert (found.market_id, found.kind, found.active) == ("BTCUSDT", "perpetual", True)
    assert (instrument.contract_multiplier, instrument.inverse) == (1, False)
    assert (instrument.lot, instrument.tick) == (D("0.001"), D("0.5"))
    assert (instrument.contracts_min, instrument.notional_min) == (D("0.001"), 5)
    assert (found.contracts_max, instrument.expiry) == (100, None)


def test_an_inverse_contract_is_a_dollar_whatever_ccxt_calls_its_size() -> None:
    sizes = {"maxOrderQty": "25000000", "minOrderQty": "10", "qtyStep": "1"}
    row = market(contractType="InversePerpetual", symbol="BTCUSD", lotSizeFilter=sizes)
    row |= {"id": "BTCUSD", "symbol": "BTC/USD:BTC", "quote": "USD", "settle": "BTC"}
    found = translate.listing_of(row | {"inverse": True, "contractSize": 10})
    assert found is not None

    assert (found.instrument.contract_multiplier, found.instrument.inverse) == (1, True)
    assert (found.instrument.contracts_min, found.instrument.notional_min) == (10, 0)
    assert translate.market_of(found) == "inverse"


def test_a_dated_contract_has_its_delivery_and_a_perpetual_that_is_delisted_has_none() -> None:
    dated = translate.listing_of(market(contractType="LinearFutures", deliveryTime="1782460800000"))
    delisted = translate.listing_of(market(deliveryTime="1782460800000", status="Closed"))
    assert dated is not None
    assert delisted is not None

    assert (dated.kind, dated.instrument.expiry) == ("dated", datetime(2026, 6, 26, 8, tzinfo=UTC))
    assert (delisted.kind, delisted.instrument.expiry, delisted.active) == ("perpetual", None, False)


@pytest.mark.parametrize(
    ("told", "pays"), [(0, False), ("0", False), (480, True), (GONE, None), ("", None)], ids=str
)
def test_a_contract_that_expires_pays_funding_where_its_interval_is_told(
    told: Any, pays: bool | None
) -> None:
    fields = {"contractType": "LinearFutures", "deliveryTime": "1932969600000"}
    found = translate.listing_of(market(**fields, fundingInterval=told))
    assert found is not None

    assert (found.pays_funding, found.funds) == (pays, pays is True)


@pytest.mark.parametrize("status", ["PreLaunch", "Delivering", "Closed", GONE])
def test_only_what_trades_is_active(status: Any) -> None:
    found = translate.listing_of(market(status=status))
    assert found is not None

    assert not found.active


@pytest.mark.parametrize(
    "info", [{"contractType": GONE}, {"contractType": []}, {"symbolType": "xstocks"}]
)
def test_what_is_no_contract_of_a_coin_is_left_out(info: dict[str, Any]) -> None:
    assert translate.listing_of(market(**info)) is None


@pytest.mark.parametrize("field", ["qtyStep", "minOrderQty", "minNotionalValue"])
@pytest.mark.parametrize("value", NO_FIGURE)
def test_a_listing_without_its_sizes_is_refused(field: str, value: Any) -> None:
    row = market()
    row["info"]["lotSizeFilter"] = changed(row["info"]["lotSizeFilter"], **{field: value})
    with pytest.raises(VenueUnavailable, match=field):
        translate.listing_of(row)


# ---- quotes


def test_a_quote_is_stamped_by_the_envelope() -> None:
    found = translate.quote_of(INVERSE, told("bybit", "ticker_inverse"))

    assert (found.mark_price, found.index_price) == (16596, D("16598.54"))
    assert (found.bid_price, found.ask_price) == (16596, D("16597.5"))
    assert found.at == datetime(2022, 12, 30, 5, 1, 36, 682000, tzinfo=UTC)


@pytest.mark.parametrize("value", [*NO_FIGURE, "0", "-1"])
def test_a_quote_without_a_mark_is_refused(value: Any) -> None:
    row = changed(only("ticker_inverse"), markPrice=value)
    with pytest.raises(VenueUnavailable, match="markPrice"):
        translate.quote_of(INVERSE, answer(row))


def test_an_empty_book_and_a_missing_index_are_unknown_and_no_zero() -> None:
    row = changed(only("ticker_inverse"), indexPrice="", bid1Price="0", ask1Price=GONE)
    found = translate.quote_of(INVERSE, answer(row))

    assert (found.index_price, found.bid_price, found.ask_price) == (None, None, None)


@pytest.mark.parametrize("rows", [[], [{"symbol": "ETHUSD"}], [{"symbol": "BTCUSD"}] * 2])
def test_a_quote_of_another_contract_is_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(VenueUnavailable, match="the answer is of"):
        translate.quote_of(INVERSE, answer(*rows))


def test_the_running_funding_is_told_of_what_never_expires() -> None:
    ticker = told("bybit", "ticker_inverse")
    dated = replace(INVERSE, kind="dated")

    assert translate.quote_of(INVERSE, ticker).funding_rate_next == D(
        str(only("ticker_inverse")["fundingRate"])
    )
    assert translate.quote_of(dated, ticker).funding_rate_next is None
    for nothing in ("", GONE):
        row = changed(only("ticker_inverse"), fundingRate=nothing)
        assert translate.quote_of(INVERSE, answer(row)).funding_rate_next is None
    with pytest.raises(VenueUnavailable, match="fundingRate"):
        translate.quote_of(INVERSE, answer(changed(only("ticker_inverse"), fundingRate="abc")))


def book(**changes: Any) -> dict[str, Any]:
    """An order book in the fields that Bybit's v5 page documents."""
    result = {
        "s": "BTCUSD",
        "b": [["16596", "20"], ["16500", "5"]],
        "a": [["16597.5", "7"]],
        "ts": 1,
        "u": 2,
    }
    return answer() | {"result": changed(result, **changes)}


def test_a_book_tells_the_best_prices_and_what_lies_behind_them() -> None:
    found = translate.deep_quote_of(INVERSE, told("bybit", "ticker_inverse"), book())

    assert (found.mark_price, found.bid_price, found.ask_price) == (16596, 16596, D("16597.5"))
    assert (found.bid_depth, found.ask_depth) == (20, 7)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"s": "ETHUSD"}, "the answer is of ETHUSD"),
        ({"s": GONE}, "the answer is of None"),
        ({"b": GONE}, "bids of BTCUSD"),
        ({"a": None}, "asks of BTCUSD"),
        ({"a": [["16597.5", "0"]]}, "asks of BTCUSD"),
        ({"a": [["16595", "1"]]}, "not in order"),
    ],
    ids=str,
)
def test_a_book_that_can_not_be_read_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(VenueUnavailable, match=why):
        translate.deep_quote_of(INVERSE, told("bybit", "ticker_inverse"), book(**fields))


# ---- steps of margin


def step(**fields: Any) -> dict[str, Any]:
    row = {
        "id": 2, "symbol": "BTCUSDT", "riskLimitValue": "800000", "maintenanceMargin": "0.005",
        "initialMargin": "0.01", "isLowestRisk": 0, "maxLeverage": "100.00", "mmDeduction": "300",
    }  # fmt: skip
    return changed(row, **fields)


def test_the_lowest_step_may_leave_its_deduction_out_and_rates_may_be_percentages() -> None:
    (old,) = translate.tiers_of(INVERSE, told("bybit", "risk_limit"))
    (new,) = translate.tiers_of(BTC, answer(step()))

    assert old == MarginTier(notional_max=D(150), rate=D("0.005"), deduction=ZERO, leverage_max=D(100))
    assert new == replace(old, notional_max=D(800_000), deduction=D(300))
    for empty in ("", GONE):
        (lowest,) = translate.tiers_of(BTC, answer(step(isLowestRisk=1, mmDeduction=empty)))
        assert lowest.deduction == 0


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"mmDeduction": ""}, "no mmDeduction"), ({"mmDeduction": GONE}, "no mmDeduction")]
    + [({"initialMargin": "0.1"}, "initial margin of 0.1 at a leverage of 100")]
    + [({"symbol": "ETHUSDT"}, "the answer is of ETHUSDT"), ({"isLowestRisk": GONE}, "isLowestRisk")]
    + [
        ({field: value}, field)
        for field in ("riskLimitValue", "maintenanceMargin", "initialMargin", "maxLeverage")
        for value in (GONE, "", "NaN", "0", "-1")
    ],
    ids=str,
)
def test_a_step_that_can_not_be_read_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(VenueUnavailable, match=why):
        translate.tiers_of(BTC, answer(step(**fields)))


# ---- positions


def test_a_long_position_of_the_unified_account() -> None:
    found = translate.position_of(only("position"), "linear", SYMBOLS)
    assert found is not None

    assert (found.position.symbol, found.position.contracts) == ("XRP/USDT:USDT", 100)
    assert (found.position.entry_price, found.liquidation_price) == (D("0.3615"), D("0.0001"))
    assert found.notional == 100 * D("0.3432")  # positionValue, 36.15, is at the entry price
    assert found.adl_rank is None


def test_a_short_is_below_zero_and_its_rank_is_told() -> None:
    found = translate.position_of(changed(only("position_adl"), side="Sell"), "linear", SYMBOLS)
    assert found is not None

    assert (found.position.contracts, found.adl_rank) == (D("-0.01"), 2)
    assert found.liquidation_price is None  # "" is what the venue says when there is none
    assert found.notional == D("1771.88")


def test_an_inverse_position_is_worth_its_contracts() -> None:
    row = changed(
        only("position"), symbol="BTCUSD", side="Sell", size="300", avgPrice="27464.50441675",
        positionValue="0.01092319", markPrice="28224.50",
    )  # fmt: skip
    found = translate.position_of(row, "inverse", SYMBOLS)
    assert found is not None
    assert found.notional is not None

    assert (found.position.symbol, found.position.contracts) == ("BTC/USD:BTC", -300)
    assert abs(found.notional - 300) < D("0.001")


@pytest.mark.parametrize("side", ["", "None", "Buy", GONE])
@pytest.mark.parametrize("size", ["0", "0.000", 0])
def test_a_flat_row_is_no_position(side: Any, size: Any) -> None:
    row = changed(only("position"), side=side, size=size, avgPrice="", liqPrice="")

    assert translate.position_of(row, "linear", SYMBOLS) is None


@pytest.mark.parametrize("side", ["", "None", "both", "buy", "LONG", None, GONE, 1])
def test_a_position_whose_side_is_not_told_is_refused(side: Any) -> None:
    with pytest.raises(VenueUnavailable, match="side"):
        translate.position_of(changed(only("position"), side=side), "linear", SYMBOLS)


@pytest.mark.parametrize("value", [*NO_FIGURE, "-1"])
def test_a_position_whose_size_is_not_told_is_refused(value: Any) -> None:
    with pytest.raises(VenueUnavailable, match="size"):
        translate.position_of(changed(only("position"), size=value), "linear", SYMBOLS)


@pytest.mark.parametrize("field", ["avgPrice", "markPrice", "symbol", "positionIdx"])
def test_a_position_without_one_of_its_figures_is_refused(field: str) -> None:
    with pytest.raises(VenueUnavailable, match=field):
        translate.position_of(changed(only("position"), **{field: GONE}), "linear", SYMBOLS)


def test_a_contract_that_is_not_listed_keeps_the_venues_name() -> None:
    found = translate.position_of(changed(only("position"), symbol="NEWUSDT"), "linear", SYMBOLS)
    assert found is not None

    assert found.position.symbol == "NEWUSDT"


@pytest.mark.parametrize(("index", "hedged"), [(0, False), (1, True), (2, True), ("2", True)])
def test_both_sides_of_a_contract_are_hedge_mode(index: Any, hedged: bool) -> None:
    assert translate.is_of_hedge_mode(changed(only("position"), positionIdx=index)) is hedged


@pytest.mark.parametrize("index", [*NO_FIGURE, 3, "-1"])
def test_a_mode_that_is_not_known_is_refused(index: Any) -> None:
    with pytest.raises(VenueUnavailable, match="positionIdx"):
        translate.is_of_hedge_mode(changed(only("position"), positionIdx=index))


def test_a_side_that_contradicts_its_index_is_refused() -> None:
    with pytest.raises(VenueUnavailable, match="side Sell at positionIdx 1"):
        translate.position_of(changed(only("position"), positionIdx=1, side="Sell"), "linear", {})


# ---- margin and coins


def wallet(**coin: Any) -> list[dict[str, Any]]:
    """The coins of the recorded wallet, and USDT beside."""
    found = told("bybit", "wallet")
    (btc,) = found["result"]["list"][0]["coin"]
    usdt = {"coin": "USDT", "walletBalance": "1000", "equity": "990.5", "totalPositionMM": "12.5"}
    found["result"]["list"][0]["coin"] = [btc, changed(btc, **usdt | coin)]
    return wallets.coins_of(found)


def test_margin_is_that_of_the_settle_coin_and_other_coins_are_collateral() -> None:
    coins = wallet()
    margin = wallets.margin_of(coins, "USDT")
    assert margin is not None

    assert (margin.wallet_balance, margin.equity) == (1000, D("990.5"))
    assert margin.maintenance_margin == D("12.5")  # not the account's, which is in dollars
    assert wallets.collateral_of(coins, "USDT") == (
        Balance(asset="BTC", quantity=D("0.805994"), source="unified"),
    )
    assert [b.asset for b in wallets.collateral_of(coins, "")] == ["BTC", "USDT"]


def test_a_coin_that_is_owed_counts_below_zero() -> None:
    coins = wallet(coin="ETH", equity="-2")

    assert wallets.collateral_of(coins, "USDT")[1].quantity == -2


def test_a_coin_that_is_not_told_is_no_margin_of_zero() -> None:
    assert wallets.margin_of(wallet(), "USDC") is None


@pytest.mark.parametrize("field", ["walletBalance", "equity", "totalPositionMM"])
@pytest.mark.parametrize("value", NO_FIGURE)
def test_margin_without_one_of_its_figures_is_refused(field: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable, match=f"USDT: .*{field}"):
        wallets.margin_of(wallet(**{field: value}), "USDT")


def test_a_wallet_that_is_not_the_unified_one_is_refused() -> None:
    found = told("bybit", "wallet")
    found["result"]["list"][0]["accountType"] = "CONTRACT"
    with pytest.raises(VenueUnavailable, match="unified"):
        wallets.coins_of(found)
    with pytest.raises(VenueUnavailable, match="unified"):
        wallets.coins_of(answer())


def test_the_funding_wallet_without_its_empty_coins() -> None:
    assert wallets.funding_wallet_of(told("bybit", "funding_wallet")) == (
        Balance(asset="USDT", quantity=D(1010), source="funding"),
    )


def test_another_wallet_is_not_taken_for_the_funding_wallet() -> None:
    found = told("bybit", "funding_wallet")
    found["result"]["accountType"] = "UNIFIED"
    with pytest.raises(VenueUnavailable, match="another wallet"):
        wallets.funding_wallet_of(found)


def test_earn_without_what_was_redeemed() -> None:
    found = wallets.earn_of(answer({"coin": "BTC", "amount": "0.25"}, {"coin": "ETH", "amount": "0"}))

    assert found == (Balance(asset="BTC", quantity=D("0.25"), source="earn"),)


# ---- open orders


def test_an_open_order_is_what_is_left_of_it() -> None:
    row = changed(only("orders"), orderStatus="PartiallyFilled", qty="0.003", cumExecQty="0.001")
    found = translate.open_order_of(row, SYMBOLS)

    assert (found.symbol, found.side, found.contracts) == ("BTC/USDT:USDT", "sell", D("0.002"))
    assert (found.limit_price, found.reduce_only, found.client_order_id) == (120518, True, "")


@pytest.mark.parametrize(
    ("field", "value"),
    [("side", "None"), ("qty", GONE), ("cumExecQty", "NaN"), ("price", ""), ("reduceOnly", "true"),
     ("orderLinkId", None), ("orderLinkId", 7), ("symbol", GONE)],
)  # fmt: skip
def test_an_open_order_that_can_not_be_read_is_refused(field: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable, match=field):
        translate.open_order_of(changed(only("orders"), **{field: value}), SYMBOLS)


# ---- orders


@pytest.mark.parametrize(("listing", "category"), [(BTC, "linear"), (INVERSE, "inverse")])
def test_an_order_is_a_price_capped_immediate_one_in_one_way_mode(
    listing: Listing, category: str
) -> None:
    order = Order(
        client_order_id="hx1", symbol=listing.instrument.symbol, side="sell",
        contracts=D("1E+1"), limit_price=D("59700.10"), reduce_only=True,
    )  # fmt: skip

    assert translate.request_of(listing, order) == {
        "category": category,
        "symbol": listing.market_id,
        "side": "Sell",
        "orderType": "Limit",
        "qty": "10",
        "price": "59700.10",
        "timeInForce": "IOC",
        "positionIdx": 0,
        "orderLinkId": "hx1",
        "reduceOnly": True,
    }


def test_the_answer_to_a_new_order_must_name_it() -> None:
    created = told("bybit", "created")
    translate.check_taken(created, "spot-test-postonly")

    for garbled in (None, {}, {"result": {}}, {"result": {"orderLinkId": "spot-test-postonly"}}):
        with pytest.raises(OutcomeUnknown):
            translate.check_taken(garbled, "spot-test-postonly")
    with pytest.raises(OutcomeUnknown, match="the answer is of spot-test-postonly"):
        translate.check_taken(created, "hx1")


def ended(**fields: Any) -> dict[str, Any]:
    """The recorded order, which filled, under an id of ours."""
    return changed(only("orders"), orderLinkId="hx1", **fields)


def test_a_filled_order() -> None:
    found = translate.outcome_of(ended(), BTC, "hx1")

    assert (found.status, found.side, found.symbol) == ("filled", "sell", "BTC/USDT:USDT")
    assert (found.contracts, found.filled, found.fill_price) == (D("0.001"), D("0.001"), D("122529.9"))
    assert (found.fee, found.reason) == (0, "")


@pytest.mark.parametrize("status", ["Cancelled", "PartiallyFilledCanceled"])
def test_a_part_may_have_filled_before_the_rest_was_cancelled(status: str) -> None:
    row = ended(orderStatus=status, qty="0.003", rejectReason="EC_NoEnoughQtyToFill")
    found = translate.outcome_of(row, BTC, "hx1")

    assert (found.status, found.filled, found.contracts) == ("partial", D("0.001"), D("0.003"))
    assert found.reason == f"the venue says {status}, EC_NoEnoughQtyToFill"


@pytest.mark.parametrize("status", ["Cancelled", "Rejected", "Deactivated"])
def test_an_order_may_end_without_a_fill(status: str) -> None:
    found = translate.outcome_of(ended(orderStatus=status, cumExecQty="0", avgPrice=""), BTC, "hx1")

    assert (found.status, found.filled, found.fill_price) == ("unfilled", ZERO, None)


@pytest.mark.parametrize(
    "fields",
    [{"orderStatus": status} for status in ("New", "PartiallyFilled", "Untriggered", "", GONE)]
    + [{"orderLinkId": "hx2"}, {"orderLinkId": ""}, {"symbol": "ETHUSDT"}, {"orderId": GONE}]
    + [{"qty": "0"}, {"qty": "NaN"}, {"cumExecQty": GONE}, {"cumExecQty": "0.002"}]
    + [{"cumExecQty": "-0.001"}, {"cumExecQty": "0"}, {"avgPrice": ""}, {"avgPrice": "0"}]
    + [{"side": "None"}, {"orderStatus": "Cancelled"}],
    ids=str,
)  # fmt: skip
def test_a_row_that_does_not_say_how_it_ended_is_unknown(fields: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        translate.outcome_of(changed(ended(), **fields), BTC, "hx1")


def test_a_post_only_order_that_is_not_over_rests() -> None:
    row = ended(orderStatus="PartiallyFilled", qty="0.003", timeInForce="PostOnly")
    part = translate.outcome_of(row, BTC, "hx1")
    none = translate.outcome_of(
        changed(row, orderStatus="New", cumExecQty="0", avgPrice="0"), BTC, "hx1"
    )

    assert (part.status, part.filled, part.contracts) == ("resting", D("0.001"), D("0.003"))
    assert (none.status, none.filled, none.fill_price) == ("resting", 0, None)


@pytest.mark.parametrize("force", ["GTC", "IOC", "FOK", None, GONE])
def test_an_order_that_is_not_meant_to_rest_and_is_not_over_is_unknown(force: Any) -> None:
    row = ended(orderStatus="PartiallyFilled", qty="0.003", timeInForce=force)
    with pytest.raises(OutcomeUnknown, match="not its end"):
        translate.outcome_of(row, BTC, "hx1")


def test_an_order_that_rests_and_has_filled_wholly_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown):
        translate.outcome_of(ended(orderStatus="PartiallyFilled", timeInForce="PostOnly"), BTC, "hx1")


def test_a_post_only_order_is_asked_for_as_such() -> None:
    order = Order(
        client_order_id="hx1", symbol="BTC/USDT:USDT", side="sell", contracts=D(1),
        limit_price=D("59700.1"), reduce_only=False,
    )  # fmt: skip
    plain = translate.request_of(BTC, order)

    assert translate.request_of(BTC, replace(order, post_only=True)) == plain | {
        "timeInForce": "PostOnly"
    }


# ---- executions


def executed(**fields: Any) -> dict[str, Any]:
    return changed(told("bybit", "execution"), **fields)


def fill(row: dict[str, Any], listing: Listing = BTC, settle: str = "USDT") -> Fill:
    value = happened.fill_of(row, listing, settle).value
    assert isinstance(value, Fill)
    return value


def test_an_execution_is_a_fill_with_its_fee() -> None:
    found = happened.fill_of(executed(orderLinkId="hx1"), BTC, "USDT")

    assert found.key == "exec:135dbae5-cbed-5275-9290-3956bb2ed907"
    assert found.at == datetime(2025, 9, 14, 8, 13, 0, 469000, tzinfo=UTC)
    assert found.value == Fill(
        at=found.at, symbol="BTC/USDT:USDT", side="buy", contracts=D("0.001"), fill_price=D(123498),
        mark_price=None, index_price=None, fee=D("0.0679239"), client_order_id="hx1",
        cause="order",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "cause"),
    [("Trade", "order"), ("BlockTrade", "order"), ("MovePosition", "order"),
     ("BustTrade", "liquidation"), ("AdlTrade", "adl"), ("Delivery", "delivery"),
     ("Settle", "delivery")],
)  # fmt: skip
def test_an_execution_says_why_it_was_made(kind: str, cause: str) -> None:
    assert fill(executed(execType=kind)).cause == cause


def test_an_execution_by_hand_has_no_own_id() -> None:
    assert fill(executed()).client_order_id == ""


@pytest.mark.parametrize("named", [{}, {"feeCurrency": ""}, {"feeCurrency": "USDC", "feeCoin": GONE}])
def test_a_fee_is_in_the_coin_that_is_named_else_in_the_contracts(named: dict[str, Any]) -> None:
    (row,) = told("bybit", "executions")["result"]["list"]

    assert fill(changed(row, **named), ETH_USDC, "USDC").fee == D("0.071409")


@pytest.mark.parametrize("named", [{"feeCurrency": "MNT"}, {"feeCoin": "MNT"}, {"feeCoin": ["USDT"]}])
def test_a_fee_in_another_coin_is_unknown(named: dict[str, Any]) -> None:
    found = fill(executed(**named))

    assert found.fee is None
    assert "let the account pay its fees in USDT" in found.untold


def test_the_fee_of_an_inverse_contract_is_in_its_coin() -> None:
    found = fill(executed(symbol="BTCUSD", feeCoin=GONE), INVERSE)

    assert found.fee is None
    assert f"its fee is {executed()['execFee']} BTC" in found.untold


@pytest.mark.parametrize(
    ("field", "value"),
    [("execId", GONE), ("execId", ""), ("symbol", "ETHUSDT"), ("side", "None"), ("execQty", "0"),
     ("execQty", "NaN"), ("execTime", "soon"), ("execType", GONE), ("orderLinkId", GONE)],
)  # fmt: skip
def test_an_execution_that_moves_nobody_knows_what_is_refused(field: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable):
        fill(executed(**{field: value}))


@pytest.mark.parametrize(
    ("field", "value", "unknown"),
    [("execPrice", "NaN", "fill_price"), ("execFee", "", "fee"), ("execFee", GONE, "fee")],
)
def test_money_of_an_execution_that_can_not_be_read_is_unknown_and_named(
    field: str, value: Any, unknown: str
) -> None:
    found = fill(executed(**{field: value}))

    assert getattr(found, unknown) is None
    assert field in found.untold
    assert found.contracts == D("0.001")


def test_an_execution_of_an_unknown_type_moves_the_position_and_is_named() -> None:
    found = fill(executed(execType="UNKNOWN"))

    assert (found.contracts, found.cause) == (D("0.001"), "order")
    assert "execType UNKNOWN" in found.untold


def test_a_funding_among_the_executions_is_left_to_the_log() -> None:
    assert happened.is_funding(told("bybit", "funding_execution"))
    assert not happened.is_funding(executed())


# ---- the transaction log


def entry(**fields: Any) -> dict[str, Any]:
    """A funding that a long paid: 100 * 0.3676 * 0.0001."""
    plain = {
        "id": "592324_XRPUSDT_161440249321", "symbol": "XRPUSDT", "category": "linear", "side": "Buy",
        "transactionTime": "1672128000000", "type": "SETTLEMENT", "qty": "100", "size": "100",
        "currency": "USDT", "tradePrice": "0.3676", "funding": "-0.003676", "fee": "0", "cashFlow": "0",
        "change": "-0.003676", "cashBalance": "5086.55825002", "feeRate": "0.0001",
    }  # fmt: skip
    return changed(plain, **fields)


def noted(row: dict[str, Any]) -> object:
    found = happened.entry_of(row, {"XRPUSDT": XRP}, "USDT")
    return None if found is None else found.value


def test_a_long_pays_a_positive_rate() -> None:
    found = noted(entry())
    assert isinstance(found, FundingPayment)

    assert (found.contracts, found.funding_rate) == (100, D("0.0001"))
    assert (found.mark_price, found.amount) == (D("0.3676"), D("-0.003676"))


def test_a_short_receives_a_positive_rate_which_the_log_turns_round_for_it() -> None:
    found = noted(entry(side="Sell", size="-100", funding="0.003676", feeRate="-0.0001"))
    assert isinstance(found, FundingPayment)

    assert (found.contracts, found.funding_rate, found.amount) == (-100, D("0.0001"), D("0.003676"))


@given(st.integers(-(10**6), 10**6).filter(bool), st.integers(-300, 300), st.integers(1, 10**6))
def test_funding_is_what_the_core_reckons(contracts: int, rate_bp: int, mark: int) -> None:
    rate = D(rate_bp) / 10_000
    amount = -contracts * mark * rate
    side, turned = ("Buy", rate) if contracts > 0 else ("Sell", -rate)
    found = noted(
        entry(
            side=side,
            qty=str(abs(contracts)),
            feeRate=f"{turned:f}",
            tradePrice=str(mark),
            funding=f"{amount:f}",
        )
    )
    assert isinstance(found, FundingPayment)

    assert found.amount == -found.contracts * found.mark_price * found.funding_rate


@pytest.mark.parametrize(
    ("kind", "change"),
    [("TRANSFER_IN", "100"), ("TRANSFER_OUT", "-100"), ("INTEREST", "-0.02"), ("BONUS", "5"),
     ("CURRENCY_BUY", "12.5"), ("A_KIND_OF_TOMORROW", "-1")],
)  # fmt: skip
def test_everything_that_moves_the_balance_and_is_no_trade_is_a_flow(kind: str, change: str) -> None:
    found = noted(entry(type=kind, symbol="", category="", side="None", funding="", change=change))

    assert isinstance(found, Flow)
    assert found.amount == D(change)


@pytest.mark.parametrize("kind", ["TRADE", "LIQUIDATION", "ADL", "DELIVERY"])
@pytest.mark.parametrize("category", ["linear", "inverse"])
def test_what_executions_tell_is_not_told_twice(kind: str, category: str) -> None:
    assert noted(entry(type=kind, category=category, funding="")) is None


def test_a_spot_trade_in_the_same_wallet_moves_money() -> None:
    found = noted(entry(type="TRADE", category="spot", funding="", change="-6000"))

    assert isinstance(found, Flow)
    assert found.amount == -6000


def test_what_changes_nothing_and_what_settles_profit_only_is_no_event() -> None:
    assert noted(entry(type="BONUS", funding="", change="0")) is None
    assert noted(entry(funding="", cashFlow="7", change="7")) is None
    assert noted(entry(symbol="GONEUSDT")) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("id", GONE), ("type", ""), ("currency", "USDC"), ("currency", GONE), ("transactionTime", "now"),
     ("funding", None), ("funding", GONE), ("symbol", GONE)],
)  # fmt: skip
def test_a_funding_of_nobody_knows_when_or_what_is_refused(field: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable):
        noted(entry(**{field: value}))


@pytest.mark.parametrize(
    ("field", "value", "unknown"),
    [("side", "None", {"funding_rate", "contracts"}), ("qty", "0", {"contracts"}),
     ("feeRate", "", {"funding_rate"}), ("tradePrice", "0", {"mark_price"}),
     ("funding", "NaN", {"amount"})],
)  # fmt: skip
def test_a_funding_that_is_told_in_part_names_what_is_not(
    field: str, value: str, unknown: set[str]
) -> None:
    found = noted(entry(**{field: value}))
    assert isinstance(found, FundingPayment)

    names = ("funding_rate", "contracts", "mark_price", "amount")
    assert {name for name in names if getattr(found, name) is None} == unknown
    assert field in found.untold


@pytest.mark.parametrize(
    "fields", [{"category": GONE}, {"category": "moon"}, {"category": {}}, {"change": "NaN"}]
)
def test_money_that_can_not_be_read_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(VenueUnavailable):
        noted(changed(entry(type="TRADE", category="spot", funding=""), **fields))


def test_an_id_that_is_told_of_two_kinds_makes_two_keys() -> None:
    assert happened.key_of_entry(entry()) != happened.key_of_entry(entry(type="TRADE"))


# ---- the key and the mode


def key(**fields: Any) -> dict[str, Any]:
    """The recorded key, with the rights to trade of the unified account."""
    found = told("bybit", "key")
    rights = found["result"]["permissions"]
    rights |= {"ContractTrade": ["Order", "Position"], "Derivatives": ["DerivativesTrade"]}
    rights |= {"Wallet": fields.pop("wallet", [])}
    found["result"] |= {"ips": ["203.0.113.7"]} | fields
    return dict(found)


def test_a_key_that_trades_from_one_address_and_moves_nothing() -> None:
    found = wallets.rights_of(key())

    assert (found.account_uid, found.may_trade) == ("24600000", True)
    assert (found.may_withdraw, found.address_bound) == (False, True)


@pytest.mark.parametrize("right", ["Withdraw", "AccountTransfer", "SubMemberTransfer", "Tomorrows"])
def test_a_right_of_the_wallet_moves_money_unless_the_key_only_reads(right: str) -> None:
    assert wallets.rights_of(key(wallet=[right])).may_withdraw is True
    assert wallets.rights_of(key(wallet=[right], readOnly=1)).may_withdraw is False


def test_a_key_that_only_reads_does_not_trade() -> None:
    assert wallets.rights_of(key(readOnly=1)).may_trade is False
    assert [wallets.rights_of(key(readOnly=told)).only_reads for told in (1, 0)] == [True, False]


@pytest.mark.parametrize("addresses", [["*"], []])
def test_a_key_may_be_used_from_anywhere(addresses: list[str]) -> None:
    assert wallets.rights_of(key(ips=addresses)).address_bound is False


@pytest.mark.parametrize(
    "fields",
    [{"readOnly": 2}, {"readOnly": "0.5"}, {"readOnly": None}, {"ips": None}, {"ips": "*"},
     {"userID": ""}, {"permissions": None}, {"permissions": {}}, {"wallet": None},
     {"wallet": "Withdraw"}],
    ids=str,
)  # fmt: skip
def test_a_key_whose_rights_can_not_be_read_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(VenueUnavailable, match="query-api"):
        wallets.rights_of(key(**fields))


def test_margin_mode_is_the_accounts_and_leverage_the_contracts() -> None:
    position = answer(changed(only("position"), size="0", side=""))
    found = wallets.mode_of(told("bybit", "account_info"), position, XRP)

    assert found == SymbolMode(leverage=D(10), margin_mode="cross", hedge_mode=False)


def test_a_flat_contract_in_hedge_mode_shows_here() -> None:
    both = (changed(only("position"), size="0", side="", positionIdx=i) for i in (1, 2))
    found = wallets.mode_of(told("bybit", "account_info"), answer(*both), XRP)

    assert found.hedge_mode is True


@pytest.mark.parametrize("mode", ["PORTFOLIO_MARGIN", "TOMORROWS_MARGIN", "", GONE])
def test_a_margin_mode_that_is_not_known_is_refused(mode: Any) -> None:
    info = told("bybit", "account_info")
    info["result"] = changed(info["result"], marginMode=mode)
    with pytest.raises(VenueUnavailable, match="mode of XRPUSDT"):
        wallets.mode_of(info, answer(only("position")), XRP)


@pytest.mark.parametrize("rows", [[], [{"symbol": "BTCUSDT"}]])
def test_the_leverage_of_another_contract_is_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(VenueUnavailable, match="the answer is of"):
        wallets.mode_of(told("bybit", "account_info"), answer(*rows), XRP)


# ---- series


def index_klines(*hours: int) -> dict[str, Any]:
    """Index candles of the recorded hours, 2022-12-09 16:00 on, five fields each."""
    begins = 1670601600000
    rows = [[str(begins + h * 3_600_000), "1", "1", "1", str(17000 + h)] for h in reversed(hours)]
    return {"result": {"symbol": "BTCUSD", "list": rows}}


def test_bars_come_oldest_first_with_the_index_of_their_own_time() -> None:
    found = series.bars_of(told("bybit", "klines_inverse"), index_klines(0, 2), INVERSE)

    assert [row["open_time"].hour for row in found] == [16, 17, 18]
    assert [row["index_close"] for row in found] == [17000, None, 17002]
    assert found[0] | {"open_time": None, "index_close": None} == {
        "open_time": None, "open": 17086.5, "high": 17088, "low": 16978, "close": 17071.5,
        "volume": 0.37288112, "index_close": None,
    }  # fmt: skip
    assert list(found[0]) == list(SCHEMAS["bars"])


def test_the_open_of_a_minute_is_that_minutes_or_none() -> None:
    klines = told("bybit", "klines_inverse")
    when = datetime(2022, 12, 9, 17, tzinfo=UTC)

    assert series.open_at(klines, INVERSE, when) == D("17071.5")
    assert series.open_at(klines, INVERSE, when + timedelta(minutes=1)) is None
    assert series.open_at({"result": {"symbol": "BTCUSD", "list": []}}, INVERSE, when) is None


@pytest.mark.parametrize("listing", [BTC, XRP])
def test_bars_of_another_contract_are_refused(listing: Listing) -> None:
    with pytest.raises(VenueUnavailable, match="the answer is of BTCUSD"):
        series.bars_of(told("bybit", "klines_inverse"), index_klines(), listing)


@pytest.mark.parametrize("rows", [None, {}, [["1670601600000", "1"]], ["x"], [{"0": 1}]])
def test_bars_that_are_no_rows_are_refused(rows: Any) -> None:
    with pytest.raises(VenueUnavailable, match="not a list of rows"):
        series.bars_of({"result": {"symbol": "BTCUSD", "list": rows}}, index_klines(), INVERSE)


@pytest.mark.parametrize(("bar", "interval"), [("1m", "1"), ("4h", "240"), ("1d", "D")])
def test_a_bar_has_the_venues_name(bar: str, interval: str) -> None:
    assert series.interval_of_bar(bar) == interval


@pytest.mark.parametrize("bar", ["8h", "3d", "45m"])
def test_a_bar_that_the_venue_does_not_have_is_refused_with_those_it_has(bar: str) -> None:
    with pytest.raises(VenueUnavailable, match=f"no bars of {bar}; it has those of 1m, 3m"):
        series.interval_of_bar(bar)


def test_the_funding_interval_is_told_in_minutes() -> None:
    assert series.funding_hours_of(told("bybit", "instruments"), BTC) == 8
    with pytest.raises(VenueUnavailable, match="the answer is of"):
        series.funding_hours_of(told("bybit", "instruments"), XRP)


def test_settled_funding_oldest_first_each_stamp_once() -> None:
    row, hour = only("funding_history"), 3_600_000
    page = answer(
        *(changed(row, fundingRateTimestamp=str(1672041600000 - 8 * hour * i)) for i in range(3))
    )
    rates = series.rates_of(page, ETH_USDC)
    found = series.funding_rows_of(rates + rates[:1], D(8))

    assert [row["at"].hour for row in found] == [16, 0, 8]
    assert [row["interval_hours"] for row in found] == [8, 8, 8]
    assert found[0]["funding_rate"] == 0.0001


def test_funding_of_another_contract_is_refused() -> None:
    with pytest.raises(VenueUnavailable, match="the answer is of ETHPERP"):
        series.rates_of(told("bybit", "funding_history"), BTC)


def test_open_interest_has_no_value_in_the_quote_currency_and_no_coins_where_it_is_dollars() -> None:
    linear = told("bybit", "open_interest")
    linear["result"]["symbol"] = "BTCUSDT"
    found = series.open_interest_rows_of(linear, BTC, 1 / 12)

    assert series.open_interest_rows_of(told("bybit", "open_interest"), INVERSE, 1 / 12) == []

    assert [row["open_interest"] for row in found] == [461134292, 461134384]
    assert [row["at"].minute for row in found] == [45, 50]
    assert {row["open_interest_notional"] for row in found} == {None}
    with pytest.raises(VenueUnavailable, match="the answer is of BTCUSD"):
        series.open_interest_rows_of(told("bybit", "open_interest"), BTC, 1)


# ---- anything at all


TRANSLATED: dict[str, tuple[Any, Any]] = {
    "ticker": (told("bybit", "ticker_inverse"), lambda a: translate.quote_of(INVERSE, a)),
    "book": (book(), lambda a: translate.deep_quote_of(INVERSE, told("bybit", "ticker_inverse"), a)),
    "tiers": (told("bybit", "risk_limit"), lambda a: translate.tiers_of(INVERSE, a)),
    "position": (only("position"), lambda a: translate.position_of(a, "linear", SYMBOLS)),
    "open order": (only("orders"), lambda a: translate.open_order_of(a, SYMBOLS)),
    "outcome": (ended(), lambda a: translate.outcome_of(a, BTC, "hx1")),
    "created": (told("bybit", "created"), lambda a: translate.check_taken(a, "spot-test-postonly")),
    "listing": (market(), translate.listing_of),
    "wallet": (told("bybit", "wallet"), lambda a: wallets.collateral_of(wallets.coins_of(a), "USDT")),
    "margin": (told("bybit", "wallet"), lambda a: wallets.margin_of(wallets.coins_of(a), "BTC")),
    "funding wallet": (told("bybit", "funding_wallet"), wallets.funding_wallet_of),
    "earn": (answer({"coin": "BTC", "amount": "1"}), wallets.earn_of),
    "key": (key(), wallets.rights_of),
    "mode": (
        answer(only("position")), lambda a: wallets.mode_of(told("bybit", "account_info"), a, XRP)
    ),
    "execution": (executed(), fill),
    "entry": (entry(), noted),
    "bars": (told("bybit", "klines_inverse"), lambda a: series.bars_of(a, index_klines(), INVERSE)),
    "index": (index_klines(0), lambda a: series.bars_of(told("bybit", "klines_inverse"), a, INVERSE)),
    "funding": (told("bybit", "funding_history"), lambda a: series.rates_of(a, ETH_USDC)),
    "open interest": (
        told("bybit", "open_interest"), lambda a: series.open_interest_rows_of(a, INVERSE, 1.0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_spoiled_answer_is_understood_or_refused(name: str) -> None:
    whole, translated = TRANSLATED[name]

    assert not refused(translated, whole)
    assert sum(refused(translated, answer) for answer in spoilings(whole)) > 0
