"""
What Bybit's codes say of an order on linear and inverse contracts (POST v5/order/create).

Bybit acknowledges an order when it accepts it and matches it afterwards, so what the venue documents as
a refusal comes before anything is matched. Left out on purpose, and so unknown:

- 10000 and 5004 (server timeout), 10016 (server error, also "request timeout"), 429 (high load);
- 10007 (in older APIs of Bybit "delivery and request status unknown"), 10014 (duplicate request: the
  first one may be ours), -1 (request expired: nothing says where);
- 110005, 110032, 110034, 110039, 110079: they don't say that the order is refused;
- 110001 (no such order), which answers a cancel, never a new order;
- what the venue has struck from its page (10018, 110016, 110030), and what is about spot (170146:
  order creation timeout), stops, amendments and institutional loans.

Source: bybit-exchange.github.io, v5, pages "error codes" (UTA), "rate limit rules" and "place order".
"""

from __future__ import annotations

from hedged.venue.outcomes import MarketType, Table

REJECTED = (
    # the key, the address and the limits
    "10002",  # the timestamp is outside of recv_window
    "10003",  # invalid key
    "10004",  # wrong signature
    "10005",  # the key lacks the permission
    "10006",  # too many visits: above the limit of requests a second
    "10008",  # the account is banned, or in another mode
    "10009",  # the address is banned
    "10010",  # the address is not bound to the key
    "10017",  # no such route
    "10024",  # compliance rules
    "10027",  # trading is banned
    "10028",  # only for unified accounts
    "10029",  # the symbol is not on the white list
    "33004",  # the key has expired
    "100028",  # not for unified accounts
    # price and quantity
    "10001",  # a parameter is wrong
    "30208",  # price is above the highest buying price
    "110003",  # price is out of range
    "110094",  # notional is below the minimum
    "110120",  # price is below the limit
    "110121",  # price is above the limit
    # money
    "110004",  # wallet balance is insufficient
    "110006",  # assets don't cover the position's margin
    "110007",  # available balance is insufficient
    "110012",  # available balance is insufficient
    "110044",  # available margin is insufficient
    "110045",  # wallet balance is insufficient
    "110051",  # available balance does not cover the lowest price
    "110052",  # available balance is insufficient for the price
    "110053",  # available balance does not cover the price and its upper limit
    # the position and its limits
    "110017",  # the reduce-only rule is not satisfied
    "110020",  # too many active orders
    "110021",  # above the position limit by open interest
    "110023",  # the contract's positions can only be reduced
    "110040",  # it would trigger a forced liquidation
    "110042",  # before delivery positions can only be reduced
    "110085",  # the contract's risk limits have changed: place it again
    "110086",  # leverage is too high for the risk limit
    "110089",  # above the highest risk limit
    "110090",  # the position may exceed its maximum at this leverage
    # what may be traded now, and by whom
    "110063",  # settlement is in progress
    "110066",  # trading is not allowed now
    "110067",  # unified accounts are not supported
    "110068",  # leveraged trading is not allowed
    "110069",  # customers of institutional lending may not trade
    "110074",  # the contract is not live
    "110088",  # the account must be upgraded to trade
    "110095",  # no orders during the call auction
    "110098",  # only GTC during the call auction
    "110103",  # only post-only at this stage
)

LATE = frozenset({"10002"})
"""Of these, what refuses a request for its stamp alone."""

REJECTED_INVERSE = (
    "110101",  # the settle coin is not enabled as collateral
    "110102",  # this account may not trade inverse contracts
)

MARKETS: tuple[MarketType, ...] = ("linear", "inverse")

OUTCOMES: Table = {
    **{(market, code): "rejected" for market in MARKETS for code in REJECTED},
    **{("inverse", code): "rejected" for code in REJECTED_INVERSE},
    **{(market, "110072"): "landed" for market in MARKETS},  # orderLinkId is duplicated
}
