"""
Binance's answers and requests. Pure: rows in, values out; what is missing or garbled is refused.

The rows are those of `answers.told`; what they lack of today's fields is added where it is needed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import GONE, NO_FIGURE, changed, refused, spoilings, told
from builders import contract
from hedged.core.market import Fill, Flow, FundingPayment, MarginTier
from hedged.core.metrics.history import SCHEMAS
from hedged.errors import OutcomeUnknown, VenueUnavailable
from hedged.venue.binance import happened, series, translate, wallets
from hedged.venue.binance.dialect import pair_of, used_of
from hedged.venue.dialect import Balance, Listing, SymbolMode
from hedged.venue.protocol import Order

D = Decimal


def listed(market_id: str = "BTCUSDT", symbol: str = "BTC/USDT:USDT") -> Listing:
    return Listing(instrument=contract(symbol), market_id=market_id, kind="perpetual", active=True)


BTC = listed()
SYMBOLS = {"BTCUSDT": "BTC/USDT:USDT", "WLDUSDT": "WLD/USDT:USDT"}
KNOWN = frozenset({"BTC", "ETH", "O", "LDO", "USDT"})
EARN = frozenset({"BTC", "ETH", "O", "LDO", "BNB", "WBETH", "SHIB"})


# ---- the answer itself


def test_an_error_has_a_code_and_a_text_and_200_is_none() -> None:
    assert translate.error_of(told("binance", "error")) == "-4048"
    assert translate.error_of(told("binance", "success")) is None
    assert translate.error_of(told("binance", "account")) is None
    assert translate.error_of(told("binance", "positions")) is None


def test_the_header_tells_the_weight_of_the_minute() -> None:
    assert used_of({"x-mbx-used-weight-1m": "37"}) == 37
    assert used_of({"x-mbx-used-weight-1m": "-"}) is None
    assert used_of({}) is None


# ---- listings


def market(**info: Any) -> dict[str, Any]:
    """ccxt's market of a recorded contract."""
    row = told("binance", "exchange_info")["symbols"][0]
    return {
        "id": row["symbol"], "symbol": "BTC/USDT:USDT", "base": "BTC", "quote": "USDT",
        "settle": "USDT", "linear": True, "swap": True, "future": False, "active": True,
        "contractSize": 1.0, "precision": {"amount": 0.001, "price": 1e-05},
        "limits": {"amount": {"min": 0.001, "max": 1000.0}, "cost": {"min": 100.0}}, "expiry": None,
        "info": row | {"contractType": "PERPETUAL", "underlyingType": "COIN"} | info,
    }  # fmt: skip


def test_a_perpetual() -> None:
    found = translate.listing_of(market())
    assert found is not None
    instrument = found.instrument

    assert (found.market_id, found.kind, found.active, found.contracts_max) == (
        "BTCUSDT", "perpetual", True, 1000
    )  # fmt: skip
    assert (instrument.contract_multiplier, instrument.lot) == (1, D("0.001"))
    assert (str(instrument.tick), instrument.notional_min) == ("0.00001", 100)
    assert instrument.expiry is None


def test_a_dated_contract_and_an_index() -> None:
    dated = translate.listing_of(
        market(contractType="CURRENT_QUARTER")
        | {"swap": False, "future": True, "expiry": 1782460800000, "id": "BTCUSDT_260626"}
    )
    index = translate.listing_of(market(underlyingType="INDEX"))
    assert dated is not None
    assert index is not None

    assert (dated.kind, dated.instrument.expiry) == ("dated", datetime(2026, 6, 26, 8, tzinfo=UTC))
    assert pair_of(dated) == "BTCUSDT"
    assert (index.kind, index.instrument.expiry) == ("index", None)


@pytest.mark.parametrize(
    "fields",
    [{"linear": False}, {"swap": False}]
    + [{"info": {"underlyingType": kind}} for kind in ("EQUITY", "COMMODITY", None, [])],
    ids=str,
)
def test_what_can_not_hedge_is_left_out(fields: dict[str, Any]) -> None:
    assert translate.listing_of(market() | fields) is None


@pytest.mark.parametrize("place", ["precision", "limits"])
@pytest.mark.parametrize("value", [None, {}, []])
def test_a_listing_without_its_sizes_is_refused(place: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable, match="market BTC/USDT:USDT"):
        translate.listing_of(market() | {place: value})


@pytest.mark.parametrize("value", NO_FIGURE)
def test_a_listing_without_its_contract_size_is_refused(value: Any) -> None:
    with pytest.raises(VenueUnavailable, match="contractSize"):
        translate.listing_of(changed(market(), contractSize=value))


# ---- quotes


def test_a_quote_is_stamped_by_the_mark() -> None:
    found = translate.quote_of(BTC, told("binance", "premium_index"), told("binance", "book_ticker"))

    assert (found.mark_price, found.index_price) == (D("45802.81129892"), D("45745.47701915"))
    assert (found.bid_price, found.ask_price) == (D("21321.9"), 21322)
    assert found.at == datetime(2021, 5, 17, 11, 52, 24, 1000, tzinfo=UTC)


@pytest.mark.parametrize("value", [*NO_FIGURE, "0", "-1"])
def test_a_quote_without_a_mark_is_refused(value: Any) -> None:
    premium = changed(told("binance", "premium_index"), markPrice=value)
    with pytest.raises(VenueUnavailable, match="markPrice"):
        translate.quote_of(BTC, premium, told("binance", "book_ticker"))


def test_an_empty_book_and_a_missing_index_are_unknown_and_no_zero() -> None:
    premium = changed(told("binance", "premium_index"), indexPrice="0.00000000")
    book = changed(told("binance", "book_ticker"), bidPrice="0.00", askPrice=GONE)
    found = translate.quote_of(BTC, premium, book)

    assert (found.index_price, found.bid_price, found.ask_price) == (None, None, None)


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BTCUSDT_260626", "", None, GONE])
@pytest.mark.parametrize("which", [0, 1])
def test_a_quote_of_another_contract_is_refused(which: int, symbol: Any) -> None:
    both = [told("binance", "premium_index"), told("binance", "book_ticker")]
    both[which] = changed(both[which], symbol=symbol)
    with pytest.raises(VenueUnavailable, match="the answer is of"):
        translate.quote_of(BTC, *both)


def test_the_running_funding_is_the_one_that_is_called_the_last() -> None:
    both = told("binance", "premium_index"), told("binance", "book_ticker")
    dated = replace(BTC, kind="dated")

    assert translate.quote_of(BTC, *both).funding_rate_next == D("0.00063521")
    assert translate.quote_of(dated, *both).funding_rate_next is None
    for nothing in ("", GONE):
        both = changed(both[0], lastFundingRate=nothing), both[1]
        assert translate.quote_of(BTC, *both).funding_rate_next is None
    zero = changed(both[0], lastFundingRate="0.00000000")
    assert translate.quote_of(BTC, zero, both[1]).funding_rate_next == 0
    with pytest.raises(VenueUnavailable, match="lastFundingRate"):
        translate.quote_of(BTC, changed(zero, lastFundingRate="abc"), both[1])


def test_a_book_tells_the_best_prices_and_what_lies_behind_them() -> None:
    found = translate.deep_quote_of(BTC, told("binance", "premium_index"), told("binance", "depth"))

    assert found.mark_price == D("45802.81129892")
    assert (found.bid_price, found.ask_price) == (D("2493.56"), D("2493.57"))
    assert (found.bid_depth, found.ask_depth) == (D("21.194"), D("12.994"))


@pytest.mark.parametrize("side", ["bids", "asks"])
@pytest.mark.parametrize("value", [GONE, None, {}, [["2493.55"]], [["2493.55", "NaN"]]], ids=str)
def test_a_book_without_a_side_is_refused(side: str, value: Any) -> None:
    book = changed(told("binance", "depth"), **{side: value})
    with pytest.raises(VenueUnavailable, match=f"{side} of BTCUSDT"):
        translate.deep_quote_of(BTC, told("binance", "premium_index"), book)


# ---- steps of margin


def brackets(**fields: Any) -> list[dict[str, Any]]:
    return [changed(told("binance", "leverage_bracket")[0], **fields)]


SUSHI = listed("SUSHIUSDT", "SUSHI/USDT:USDT")


@pytest.mark.parametrize("times", [GONE, 1, 1.5])
def test_steps_of_margin_come_as_a_list_or_alone(times: Any) -> None:
    only = MarginTier(notional_max=D(50_000), rate=D("0.01"), deduction=D(0), leverage_max=D(50))

    assert translate.tiers_of(SUSHI, brackets(notionalCoef=times)) == (only,)
    assert translate.tiers_of(SUSHI, brackets(notionalCoef=times)[0]) == (only,)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (brackets(notionalCoef=0.5), "0.5 times the usual"),
        (brackets(symbol="BTCUSDT"), "the answer is of BTCUSDT"),
        (brackets(brackets=None), "no brackets"),
        (brackets() * 2, "2 answers"),
        ([], "0 answers"),
        (None, "not a list of tables"),
    ],
    ids=str,
)
def test_steps_of_margin_that_can_not_be_read_are_refused(answer: Any, why: str) -> None:
    with pytest.raises(VenueUnavailable, match=why):
        translate.tiers_of(SUSHI, answer)


@pytest.mark.parametrize("field", ["notionalCap", "maintMarginRatio", "cum", "initialLeverage"])
@pytest.mark.parametrize("value", NO_FIGURE)
def test_a_step_without_one_of_its_figures_is_refused(field: str, value: Any) -> None:
    (row,) = brackets()
    spoiled = brackets(brackets=[changed(row["brackets"][0], **{field: value})])
    with pytest.raises(VenueUnavailable, match=field):
        translate.tiers_of(SUSHI, spoiled)


# ---- positions


def held(**fields: Any) -> dict[str, Any]:
    (row,) = told("binance", "positions")
    return changed(row, **fields)


def test_a_position_in_one_way_mode() -> None:
    found = translate.position_of(held(), SYMBOLS)
    assert found is not None

    assert (found.position.symbol, found.position.contracts) == ("WLD/USDT:USDT", 5)
    assert (found.position.entry_price, found.notional) == (D("2.3483"), D("11.978"))
    assert (found.liquidation_price, found.adl_rank) == (None, 2)


def test_a_short_is_below_zero_and_its_notional_is_not() -> None:
    found = translate.position_of(
        held(positionAmt="-5", notional="-11.978", liquidationPrice="4.1", adl=GONE), SYMBOLS
    )
    assert found is not None

    assert (found.position.contracts, found.notional) == (-5, D("11.978"))
    assert (found.liquidation_price, found.adl_rank) == (D("4.1"), None)


@pytest.mark.parametrize(
    ("side", "amount", "contracts"),
    [("LONG", "0.01", "0.01"), ("SHORT", "-0.01", "-0.01"), ("SHORT", "0.01", "-0.01")],
)
def test_rows_of_hedge_mode_go_the_way_of_their_side(side: str, amount: str, contracts: str) -> None:
    (row,) = told("binance", "positions_hedged")
    found = translate.position_of(changed(row, positionSide=side, positionAmt=amount), SYMBOLS)
    assert found is not None

    assert found.position.contracts == D(contracts)


@pytest.mark.parametrize("amount", ["0", "0.000", "-0"])
def test_a_flat_row_is_no_position(amount: str) -> None:
    assert translate.position_of(held(positionAmt=amount, entryPrice="", adl=None), SYMBOLS) is None


COIN = {
    "symbol": "BTCUSD_PERP", "positionAmt": "-3", "entryPrice": "41021.20000069",
    "positionSide": "BOTH", "notionalValue": "-0.00731",
}  # fmt: skip


@pytest.mark.parametrize(
    ("side", "amount", "contracts"), [("BOTH", "-3", -3), ("SHORT", "3", -3), ("LONG", "3", 3)]
)
def test_a_position_in_coin_margin_keeps_the_venues_name(
    side: str, amount: str, contracts: int
) -> None:
    found = translate.coin_position_of(COIN | {"positionSide": side, "positionAmt": amount})

    assert found is not None
    assert (found.symbol, found.contracts) == ("BTCUSD_PERP", contracts)
    assert translate.coin_position_of(COIN | {"positionAmt": "0"}) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("positionAmt", GONE), ("positionAmt", "NaN"), ("positionSide", "NET"), ("symbol", GONE),
     ("entryPrice", "")],
)  # fmt: skip
def test_a_position_in_coin_margin_that_can_not_be_read_is_refused(field: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable, match=field):
        translate.coin_position_of(changed(COIN, **{field: value}))


@pytest.mark.parametrize("side", ["", "both", "Buy", None, GONE, 1])
def test_a_position_whose_side_is_not_told_is_refused(side: Any) -> None:
    with pytest.raises(VenueUnavailable, match="positionSide"):
        translate.position_of(held(positionSide=side), SYMBOLS)


def test_a_long_below_zero_is_refused() -> None:
    with pytest.raises(VenueUnavailable, match="positionSide LONG with -5"):
        translate.position_of(held(positionSide="LONG", positionAmt="-5"), SYMBOLS)


@pytest.mark.parametrize("field", ["positionAmt", "entryPrice", "notional"])
@pytest.mark.parametrize("value", NO_FIGURE)
def test_a_position_without_one_of_its_figures_is_refused(field: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable, match=field):
        translate.position_of(held(**{field: value}), SYMBOLS)


def test_a_contract_that_is_not_listed_keeps_the_venues_name() -> None:
    found = translate.position_of(held(symbol="NEWUSDT"), SYMBOLS)
    assert found is not None

    assert found.position.symbol == "NEWUSDT"


# ---- margin and coins


def account(**usdt: Any) -> dict[str, Any]:
    """The recorded account, which holds BNB, and USDT beside."""
    found = told("binance", "account")
    row = {"asset": "USDT", "walletBalance": "1000", "marginBalance": "990.5", "maintMargin": "12.5"}
    found["assets"].append(changed(row, **usdt))
    return dict(found)


def test_margin_is_that_of_the_settle_asset_and_other_assets_are_collateral() -> None:
    margin = translate.margin_of(account(), "USDT")

    assert (margin.wallet_balance, margin.equity) == (1000, D("990.5"))
    assert margin.maintenance_margin == D("12.5")
    assert wallets.collateral_of(account(), "USDT", "usd-m") == (
        Balance(asset="BNB", quantity=D("0.01"), source="usd-m"),
    )


def test_an_asset_that_is_not_told_is_no_margin_of_zero() -> None:
    with pytest.raises(VenueUnavailable, match="no asset USDC"):
        translate.margin_of(account(), "USDC")


@pytest.mark.parametrize("field", ["walletBalance", "marginBalance", "maintMargin"])
@pytest.mark.parametrize("value", NO_FIGURE)
def test_margin_without_one_of_its_figures_is_refused(field: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable, match=f"USDT: .*{field}"):
        translate.margin_of(account(**{field: value}), "USDT")


@pytest.mark.parametrize("assets", [None, {}, ["USDT"], GONE])
def test_an_account_without_assets_is_refused(assets: Any) -> None:
    with pytest.raises(VenueUnavailable, match="assets"):
        translate.margin_of(changed(account(), assets=assets), "USDT")


def spot(*assets: str) -> dict[str, Any]:
    found = told("binance", "spot_account")
    found["balances"] += [{"asset": asset, "free": "2", "locked": "1"} for asset in assets]
    return dict(found)


def test_spot_coins_count_free_and_locked() -> None:
    assert wallets.spot_of(spot("ETH"), KNOWN, frozenset()) == (
        Balance(asset="BTC", quantity=D("0.00219821"), source="spot"),
        Balance(asset="ETH", quantity=D(3), source="spot"),
    )


def test_earns_own_names_are_left_to_earn_and_lidos_coin_is_none_of_them() -> None:
    found = wallets.spot_of(spot("LDBTC", "LDETH", "LDO", "LDLDO"), KNOWN, EARN)

    assert [b.asset for b in found] == ["BTC", "LDO"]
    assert not wallets.is_earn_name("LDO", KNOWN, EARN)  # O is in Earn, and LDO itself exists
    assert not wallets.is_earn_name("BTC", KNOWN, EARN)


def test_earns_names_of_coins_without_a_contract_are_left_to_earn_too() -> None:
    """LDBNB, LDWBETH and LDSHIB2 (of SHIB) would be coins without a price beside the Earn row."""
    found = wallets.spot_of(spot("LDBNB", "LDWBETH", "LDSHIB2"), KNOWN, EARN)

    assert [b.asset for b in found] == ["BTC"]


def test_what_earn_does_not_tell_stays_under_its_own_name() -> None:
    found = wallets.spot_of(spot("LDBTC", "LDXYZ", "LDETH2"), KNOWN | {"ETH2"}, EARN - {"BTC"})

    assert [b.asset for b in found] == ["BTC", "LDBTC", "LDXYZ", "LDETH2"]


def test_the_funding_wallet_counts_every_state_of_a_coin() -> None:
    (row,) = told("binance", "funding_wallet")
    found = wallets.funding_wallet_of([changed(row, locked="1", freeze="2", withdrawing="3")])

    assert found == (Balance(asset="BUSD", quantity=D("1135.83"), source="funding"),)
    with pytest.raises(VenueUnavailable, match="withdrawing"):
        wallets.funding_wallet_of([changed(row, withdrawing=GONE)])


@pytest.mark.parametrize("field", ["free", "locked"])
@pytest.mark.parametrize("value", NO_FIGURE)
def test_a_coin_without_its_quantity_is_refused(field: str, value: Any) -> None:
    found = told("binance", "spot_account")
    found["balances"] = [changed(found["balances"][0], **{field: value})]
    with pytest.raises(VenueUnavailable, match=field):
        wallets.spot_of(found, KNOWN, EARN)


def test_earn_is_told_by_the_field_of_its_kind() -> None:
    page = {"rows": [{"asset": "BTC", "totalAmount": "0.25", "amount": "1"}], "total": 1}

    assert wallets.earn_of(page, "totalAmount")[0].quantity == D("0.25")
    assert wallets.earn_of(page, "amount")[0].quantity == 1
    with pytest.raises(VenueUnavailable, match="rows"):
        wallets.earn_of({"total": 0}, "amount")


# ---- open orders


def test_an_open_order_is_what_is_left_of_it() -> None:
    row = changed(told("binance", "open_order"), executedQty="0.004")
    found = translate.open_order_of(row, SYMBOLS)

    assert (found.symbol, found.side, found.contracts) == ("BTC/USDT:USDT", "buy", D("0.006"))
    assert (found.limit_price, found.reduce_only) == (33000, False)
    assert found.client_order_id == "x-xcKtGhcufb20c5a7761a4aa09aa156"


@pytest.mark.parametrize(
    ("field", "value"),
    [("side", "LONG"), ("side", GONE), ("origQty", GONE), ("executedQty", "NaN"), ("price", ""),
     ("reduceOnly", "false"), ("clientOrderId", ""), ("symbol", GONE)],
)  # fmt: skip
def test_an_open_order_that_can_not_be_read_is_refused(field: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable, match=field):
        translate.open_order_of(changed(told("binance", "open_order"), **{field: value}), SYMBOLS)


# ---- orders


@pytest.mark.parametrize("reduce_only", [False, True])
def test_an_order_is_a_price_capped_immediate_one_in_one_way_mode(reduce_only: bool) -> None:
    order = Order(
        client_order_id="hx1", symbol="BTC/USDT:USDT", side="sell", contracts=D("1E+1"),
        limit_price=D("59700.10"), reduce_only=reduce_only,
    )  # fmt: skip
    wanted = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "quantity": "10",
        "price": "59700.10",
        "newClientOrderId": "hx1",
        "newOrderRespType": "RESULT",
    }

    assert translate.request_of(BTC, order) == wanted | ({"reduceOnly": "true"} if reduce_only else {})


def ended(**fields: Any) -> dict[str, Any]:
    """A recorded order that filled, under an id of ours."""
    (row,) = told("binance", "liquidations")
    return changed(row, **{"clientOrderId": "hx1"} | fields)


def test_a_filled_order() -> None:
    found = translate.outcome_of(ended(), BTC, "hx1")

    assert (found.status, found.side, found.symbol) == ("filled", "sell", "BTC/USDT:USDT")
    assert (found.filled, found.fill_price, found.reason) == (D("0.001"), D("10913.21"), "")


@pytest.mark.parametrize("status", ["CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"])
def test_a_part_may_have_filled_before_the_rest_expired(status: str) -> None:
    found = translate.outcome_of(ended(status=status, origQty="0.003"), BTC, "hx1")

    assert (found.status, found.filled, found.contracts) == ("partial", D("0.001"), D("0.003"))
    assert found.reason == f"the venue says {status}"


@pytest.mark.parametrize("status", ["CANCELED", "EXPIRED", "REJECTED"])
def test_an_order_may_end_without_a_fill(status: str) -> None:
    row = ended(status=status, executedQty="0", avgPrice="0.00000")
    found = translate.outcome_of(row, BTC, "hx1")

    assert (found.status, found.filled, found.fill_price) == ("unfilled", 0, None)


@pytest.mark.parametrize(
    "fields",
    [{"status": status} for status in ("NEW", "PARTIALLY_FILLED", "NEW_INSURANCE", "", GONE)]
    + [{"clientOrderId": "hx2"}, {"clientOrderId": GONE}, {"symbol": "ETHUSDT"}, {"orderId": GONE}]
    + [{"origQty": "0"}, {"origQty": "NaN"}, {"executedQty": GONE}, {"executedQty": "0.002"}]
    + [{"executedQty": "-0.001"}, {"executedQty": "0"}, {"avgPrice": ""}, {"avgPrice": "0"}]
    + [{"side": "BOTH"}, {"status": "EXPIRED"}],
    ids=str,
)
def test_a_row_that_does_not_say_how_it_ended_is_unknown(fields: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        translate.outcome_of(changed(ended(), **fields), BTC, "hx1")


@pytest.mark.parametrize("nothing", [None, [], "", 5])
def test_an_answer_that_is_no_table_is_unknown(nothing: Any) -> None:
    with pytest.raises(OutcomeUnknown, match="not a table"):
        translate.outcome_of(nothing, BTC, "hx1")


def test_a_post_only_order_that_is_not_over_rests() -> None:
    row = ended(status="PARTIALLY_FILLED", origQty="0.003", timeInForce="GTX")
    part = translate.outcome_of(row, BTC, "hx1")
    none = translate.outcome_of(changed(row, status="NEW", executedQty="0", avgPrice="0"), BTC, "hx1")

    assert (part.status, part.filled, part.contracts) == ("resting", D("0.001"), D("0.003"))
    assert (none.status, none.filled, none.fill_price) == ("resting", 0, None)


@pytest.mark.parametrize("force", ["GTC", "IOC", "FOK", None, GONE])
def test_an_order_that_is_not_meant_to_rest_and_is_not_over_is_unknown(force: Any) -> None:
    row = ended(status="PARTIALLY_FILLED", origQty="0.003", timeInForce=force)
    with pytest.raises(OutcomeUnknown, match="not its end"):
        translate.outcome_of(row, BTC, "hx1")


def test_an_order_that_rests_and_has_filled_wholly_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown):
        translate.outcome_of(ended(status="PARTIALLY_FILLED", timeInForce="GTX"), BTC, "hx1")


def test_a_post_only_order_is_asked_for_as_such() -> None:
    order = Order(
        client_order_id="hx1", symbol="BTC/USDT:USDT", side="sell", contracts=D(1),
        limit_price=D("59700.1"), reduce_only=False,
    )  # fmt: skip
    plain = translate.request_of(BTC, order)

    assert translate.request_of(BTC, replace(order, post_only=True)) == plain | {"timeInForce": "GTX"}


# ---- what happened


def fill(row: dict[str, Any], client_order_id: str = "hx1") -> Fill:
    value = happened.fill_of(row, BTC, {"clientOrderId": client_order_id}, "USDT").value
    assert isinstance(value, Fill)
    return value


def test_a_trade_is_a_fill_with_its_fee() -> None:
    trade = told("binance", "trade_paid")
    found = happened.fill_of(trade, BTC, {"clientOrderId": "hx1"}, "USDT")

    assert found.key == "trade:BTCUSDT:4575108247"
    assert found.value == Fill(
        at=datetime(2024, 2, 10, 1, 53, 59, 409000, tzinfo=UTC), symbol="BTC/USDT:USDT", side="sell",
        contracts=D("0.01"), fill_price=D("47263.4"), mark_price=None, index_price=None,
        fee=D("0.1890536"), client_order_id="hx1", cause="order",
    )  # fmt: skip


def test_a_rebate_is_a_fee_below_zero() -> None:
    assert fill(told("binance", "trade")).fee == D("-0.00076959")


@pytest.mark.parametrize(
    ("client_order_id", "cause"),
    [("hx1", "order"), ("web_x", "order"), ("autoclose-1596107620040000020", "liquidation"),
     ("adl_autoclose", "adl"), ("settlement_autoclose-1", "delivery"),
     ("delivery_autoclose-1", "delivery"), ("x-autoclose-", "order")],
)  # fmt: skip
def test_the_venue_names_the_orders_that_it_makes_itself(client_order_id: str, cause: str) -> None:
    assert fill(told("binance", "trade"), client_order_id).cause == cause


@pytest.mark.parametrize(
    ("field", "value"),
    [("id", GONE), ("side", "LONG"), ("qty", "0"), ("qty", "NaN"), ("qty", GONE), ("time", "soon")],
)
def test_a_trade_that_moves_nobody_knows_what_is_refused(field: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable):
        fill(changed(told("binance", "trade"), **{field: value}))


@pytest.mark.parametrize(
    ("field", "value", "unknown"),
    [("price", "NaN", "fill_price"), ("commission", "", "fee"), ("commission", GONE, "fee"),
     ("commissionAsset", GONE, "fee")],
)  # fmt: skip
def test_money_of_a_trade_that_can_not_be_read_is_unknown_and_named(
    field: str, value: Any, unknown: str
) -> None:
    found = fill(changed(told("binance", "trade"), **{field: value}))

    assert getattr(found, unknown) is None
    assert unknown.removeprefix("fill_") in found.untold or field in found.untold
    assert found.contracts == fill(told("binance", "trade")).contracts


def test_a_fee_in_another_asset_is_unknown_unless_it_is_none() -> None:
    found = fill(changed(told("binance", "trade"), commissionAsset="BNB"))

    assert found.fee is None
    assert "let the account pay its fees in USDT" in found.untold

    assert fill(changed(told("binance", "trade"), commissionAsset="BNB", commission="0")).fee == 0


def paid(income: str, rate: str, mark: str = "60000") -> FundingPayment:
    row = changed(told("binance", "funding_income"), income=income, symbol="BTCUSDT", asset="USDT")
    value = happened.funding_of(row, BTC, {"fundingRate": rate, "markPrice": mark}).value
    assert isinstance(value, FundingPayment)
    return value


def test_a_short_receives_a_positive_rate() -> None:
    found = paid("3", "0.0005")

    assert (found.contracts, found.amount, found.funding_rate) == (D("-0.1"), 3, D("0.0005"))
    assert found.at == datetime(2021, 5, 21, 8, tzinfo=UTC)


@given(st.integers(-(10**5), 10**5), st.integers(-300, 300).filter(bool), st.integers(1, 10**5))
def test_the_contracts_of_a_funding_are_those_that_it_was_reckoned_on(
    lots: int, rate_bp: int, mark: int
) -> None:
    contracts, rate = lots * D("0.001"), D(rate_bp) / 10_000
    found = paid(f"{-contracts * mark * rate:f}", f"{rate:f}", str(mark))

    assert found.contracts == contracts
    assert found.mark_price is not None
    assert found.funding_rate is not None
    assert found.amount == -found.contracts * found.mark_price * found.funding_rate


@pytest.mark.parametrize("field", ["fundingRate", "markPrice"])
@pytest.mark.parametrize("value", NO_FIGURE)
def test_a_funding_without_its_rate_or_mark_has_its_amount(field: str, value: Any) -> None:
    settled = changed({"fundingRate": "0.0005", "markPrice": "60000"}, **{field: value})
    row = told("binance", "funding_income")
    found = happened.funding_of(row, BTC, settled).value

    assert isinstance(found, FundingPayment)
    assert (found.contracts, found.amount) == (None, D(row["income"]))
    assert (found.funding_rate is None, found.mark_price is None) == (
        field == "fundingRate", field == "markPrice",
    )  # fmt: skip
    assert field in found.untold


def test_a_transfer_is_a_flow_under_its_type_and_number() -> None:
    (row,) = told("binance", "transfer_income")
    found = happened.flow_of(row)

    assert isinstance(found.value, Flow)
    assert (found.value.amount, found.key) == (10, "income:TRANSFER:131001573082:")
    assert found.key != happened.key_of_income(changed(row, incomeType="WELCOME_BONUS"))
    with pytest.raises(VenueUnavailable, match="tranId"):
        happened.flow_of(changed(row, tranId=GONE))


# ---- the key and the mode


def rights(**fields: Any) -> dict[str, Any]:
    plain = {
        "ipRestrict": True, "enableReading": True, "enableFutures": True, "enableWithdrawals": False,
        "enableInternalTransfer": False, "permitsUniversalTransfer": False,
    }  # fmt: skip
    return changed(plain, **fields)


def test_a_key_that_trades_from_one_address_and_moves_nothing() -> None:
    found = wallets.rights_of(rights(), {"uid": 354937868})

    assert (found.account_uid, found.may_trade) == ("354937868", True)
    assert (found.may_withdraw, found.address_bound) == (False, True)


@pytest.mark.parametrize(
    "right", ["enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer"]
)
def test_every_way_to_move_money_counts(right: str) -> None:
    assert wallets.rights_of(rights(**{right: True}), {"uid": 1}).may_withdraw is True


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, True),
        ({"enableFixReadOnly": True}, True),
        ({"enableSpotAndMarginTrading": True}, False),
        ({"enableMargin": True}, False),
        ({"enableVanillaOptions": True}, False),
        ({"enableInternalTransfer": True}, False),
        ({"enableTomorrows": True}, False),
        ({"enableSpotAndMarginTrading": GONE}, None),
        ({"enableSpotAndMarginTrading": None}, None),
        ({"enableMargin": "true"}, None),
        ({"enableMargin": 1}, None),
    ],
    ids=str,
)
def test_a_key_only_reads_where_every_other_right_is_told_and_is_none(
    more: dict[str, Any], found: bool | None
) -> None:
    plain = {"enableFutures": False, "enableSpotAndMarginTrading": False, "enableMargin": False}
    told = wallets.rights_of(rights(**(plain | more)), {"uid": 1})

    assert told.only_reads is found


@pytest.mark.parametrize("right", ["enableFutures", "enableWithdrawals", "ipRestrict"])
@pytest.mark.parametrize("value", [GONE, None, "true", 1])
def test_a_right_that_is_not_told_is_refused(right: str, value: Any) -> None:
    with pytest.raises(VenueUnavailable, match=right):
        wallets.rights_of(rights(**{right: value}), {"uid": 1})


def test_a_key_whose_owner_is_not_told_is_refused() -> None:
    with pytest.raises(VenueUnavailable, match="uid"):
        wallets.rights_of(rights(), {})


def test_margin_mode_and_leverage_of_one_contract() -> None:
    config = told("binance", "symbol_config")

    assert wallets.mode_of(config, BTC) == SymbolMode(leverage=D(21), margin_mode="cross")
    config[0]["marginType"] = "ISOLATED"
    assert wallets.mode_of(config, BTC).margin_mode == "isolated"


@pytest.mark.parametrize("mode", ["", "PORTFOLIO", "crossed", GONE, None])
def test_a_margin_mode_that_is_not_known_is_refused(mode: Any) -> None:
    (row,) = told("binance", "symbol_config")
    with pytest.raises(VenueUnavailable, match="marginType"):
        wallets.mode_of([changed(row, marginType=mode)], BTC)


def test_the_mode_of_another_contract_is_refused() -> None:
    with pytest.raises(VenueUnavailable, match="nothing of ETHUSDT"):
        wallets.mode_of(told("binance", "symbol_config"), listed("ETHUSDT", "ETH/USDT:USDT"))


# ---- series


def test_bars_have_the_index_of_their_own_time() -> None:
    klines = told("binance", "klines")
    index = [[row[0], "1", "1", "1", f"{n}.5", "0", row[6]] for n, row in enumerate(klines)]
    found = series.bars_of(klines, [index[2], index[0]])

    assert [row["open_time"].minute for row in found] == [22, 23, 24]
    assert [row["index_close"] for row in found] == [0.5, None, 2.5]
    assert (found[0]["open"], found[0]["high"], found[0]["volume"]) == (0.025013, 0.025018, 22.19)
    assert list(found[0]) == list(SCHEMAS["bars"])


@pytest.mark.parametrize("rows", [None, {}, [[1, "2"]], ["x"], [{}]])
def test_bars_that_are_no_rows_are_refused(rows: Any) -> None:
    with pytest.raises(VenueUnavailable, match="not a list of rows"):
        series.bars_of(rows, [])


def test_the_open_of_the_only_bar_or_none() -> None:
    assert series.open_of(told("binance", "index_klines")) == D("9653.29201333")
    assert series.open_of([]) is None


def test_the_funding_interval_is_eight_hours_unless_told() -> None:
    info = told("binance", "funding_info")

    assert series.interval_of(info, BTC) == 8
    assert series.interval_of(info, listed("BLZUSDT")) == 4
    info[0]["fundingIntervalHours"] = "0"
    with pytest.raises(VenueUnavailable, match="fundingIntervalHours"):
        series.interval_of(info, listed("BLZUSDT"))


def test_settled_funding_is_stamped_by_the_minute() -> None:
    row = told("binance", "funding_rate")
    late = changed(row, fundingTime=1621267200000 + 4 * 3_600_000 + 7)
    found = series.funding_rows_of([row, late], D(8))

    assert [row["at"].isoformat() for row in found] == [
        "2021-05-17T16:00:00+00:00", "2021-05-17T20:00:00+00:00"
    ]  # fmt: skip
    assert [row["interval_hours"] for row in found] == [8, 4]
    assert found[0]["funding_rate"] == 0.00063521


def test_open_interest_has_contracts_and_their_value() -> None:
    (found,) = series.open_interest_rows_of(told("binance", "open_interest"), 1 / 12)

    assert (found["open_interest"], found["open_interest_notional"]) == (75375.617, 3248828883.7125144)
    assert found["at"] == datetime(2022, 1, 14, 17, 5, tzinfo=UTC)


# ---- anything at all


TRANSLATED: dict[str, tuple[Any, Any]] = {
    "premium": (
        told("binance", "premium_index"),
        lambda a: translate.quote_of(BTC, a, told("binance", "book_ticker")),
    ),
    "book": (
        told("binance", "book_ticker"),
        lambda a: translate.quote_of(BTC, told("binance", "premium_index"), a),
    ),
    "depth": (
        told("binance", "depth"),
        lambda a: translate.deep_quote_of(BTC, told("binance", "premium_index"), a),
    ),
    "tiers": (brackets(), lambda a: translate.tiers_of(SUSHI, a)),
    "position": (held(), lambda a: translate.position_of(a, SYMBOLS)),
    "coin position": (COIN, translate.coin_position_of),
    "open order": (told("binance", "open_order"), lambda a: translate.open_order_of(a, SYMBOLS)),
    "outcome": (ended(), lambda a: translate.outcome_of(a, BTC, "hx1")),
    "listing": (market(), translate.listing_of),
    "margin": (account(), lambda a: translate.margin_of(a, "USDT")),
    "collateral": (account(), lambda a: wallets.collateral_of(a, "USDT", "usd-m")),
    "spot": (spot("LDBTC", "LDO"), lambda a: wallets.spot_of(a, KNOWN, EARN)),
    "funding wallet": (told("binance", "funding_wallet"), wallets.funding_wallet_of),
    "rights": (rights(), lambda a: wallets.rights_of(a, {"uid": 1})),
    "mode": (told("binance", "symbol_config"), lambda a: wallets.mode_of(a, BTC)),
    "trade": (told("binance", "trade"), fill),
    "income": (told("binance", "transfer_income")[0], happened.flow_of),
    "bars": (told("binance", "klines"), lambda a: series.bars_of(a, told("binance", "klines"))),
    "index": (told("binance", "klines"), lambda a: series.bars_of(told("binance", "klines"), a)),
    "funding": ([told("binance", "funding_rate")], lambda a: series.funding_rows_of(a, D(8))),
    "open interest": (
        told("binance", "open_interest"),
        lambda a: series.open_interest_rows_of(a, 1.0),
    ),
}


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_spoiled_answer_is_understood_or_refused(name: str) -> None:
    whole, translated = TRANSLATED[name]

    assert not refused(translated, whole)
    assert sum(refused(translated, answer) for answer in spoilings(whole)) > 0
