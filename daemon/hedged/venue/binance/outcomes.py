"""
What Binance's codes say of an order on USD-M futures (POST fapi/v1/order).

Listed is what the venue says before anything is matched, of the orders that are sent here: limit
orders, one at a time, with or without reduceOnly. A code about stops, batches, amendments or leverage
can't answer one of those; if it does, it is unknown like any other that is not here. Left out on
purpose:

- -1000, -1001, -1006, -1007: the venue does not know itself, or "execution status unknown";
- -1008, throttled: documented as a sure failure, but it comes with HTTP 503, see `said`;
- -1010 and -2010: any word of the matching engine, on spot also "duplicate order sent";
- -1016, shutting down, and -1099, which is now "not found", now "service unavailable";
- -1112 (no depth), -2020 (unable to fill), -4131 (market order): said while matching, perhaps.

Source: developers.binance.com, USD-M futures, pages "error code", "general info" and "change log".
"""

from __future__ import annotations

from hedged.venue.outcomes import Table

REJECTED = (
    # the key, the address and the limits: refused at the gateway
    "-1002",  # not authorised
    "-1003",  # too many requests, or the address is banned
    "-1005",  # the address is not on the white list
    "-1011",  # the address may not use this route
    "-1015",  # too many new orders
    "-1020",  # operation is not supported
    "-1021",  # the timestamp is outside of recvWindow
    "-1022",  # wrong signature
    "-1109",  # invalid account
    "-2014",  # the key has no valid format
    "-2015",  # wrong key, address or permission; also a key that is banned for a while
    "-2017",  # the account's keys are locked
    # the request: refused when it is read
    "-1013",  # invalid message; "did not reach the matching engine", as the spot page has it
    "-1014",  # combination is not supported
    "-1100",  # illegal characters
    "-1101",  # too many parameters
    "-1102",  # a mandatory parameter is missing
    "-1103",  # there is no such parameter
    "-1104",  # a parameter was not read
    "-1105",  # a parameter is empty
    "-1106",  # a parameter is not wanted
    "-1111",  # too many decimals
    "-1114",  # timeInForce is not wanted
    "-1115",  # invalid timeInForce
    "-1116",  # invalid type
    "-1117",  # invalid side
    "-1118",  # the client order id is empty
    "-1121",  # invalid symbol
    "-1128",  # combination of optional parameters is invalid
    "-1130",  # invalid data for a parameter
    "-1136",  # invalid newOrderRespType
    "-4015",  # the client order id is not valid
    # price and quantity
    "-4001",  # price is below zero
    "-4002",  # price is above the maximum
    "-4003",  # quantity is below zero
    "-4004",  # quantity is below the minimum
    "-4005",  # quantity is above the maximum
    "-4013",  # price is below the minimum
    "-4014",  # price is not on the tick
    "-4016",  # price is above the cap around the mark
    "-4023",  # quantity is not on the step
    "-4024",  # price is below the floor around the mark
    "-4164",  # notional is below the minimum
    # money
    "-2018",  # balance is insufficient
    "-2019",  # margin is insufficient
    "-2027",  # above the largest position at this leverage
    "-2028",  # leverage is too small for the margin balance
    "-4050",  # cross balance is insufficient
    "-4051",  # isolated balance is insufficient
    # the position and its mode
    "-2022",  # reduce-only order is rejected
    "-2023",  # the account is being liquidated
    "-2024",  # position is not sufficient
    "-2025",  # too many open orders
    "-2026",  # this type can't be reduce-only
    "-4020",  # this type and reduceOnly don't go together
    "-4060",  # invalid positionSide
    "-4061",  # positionSide does not match the account's mode
    "-4062",  # improper reduceOnly
    "-4118",  # reduce-only order fails the margin check
    # what may be traded now, and by whom
    "-1122",  # the symbol's status allows no order
    "-2016",  # no trading window
    "-4087",  # only reduce-only orders are allowed
    "-4088",  # no orders are allowed
    "-4109",  # the account is archived
    "-4140",  # the symbol's status allows no opening
    "-4141",  # the symbol is closed
    "-4192",  # cooling-off period
    "-4400",  # quantitative rules: only reduce-only orders are allowed
    "-4401",  # large position: only reduce-only orders are allowed
    "-4402",  # not available in this region
    # the matching engine, at its door
    "-5021",  # FOK can't be filled at once; "will not be recorded in the order history"
    "-5022",  # post-only would take; likewise
    "-5028",  # it reached the engine later than recvWindow allows; valid only when it comes in time
)

LATE = frozenset({"-1021", "-5028"})
"""Of these, what refuses a request for its stamp alone."""

OUTCOMES: Table = {
    **{("linear", code): "rejected" for code in REJECTED},
    ("linear", "-4116"): "landed",  # client order id is duplicated
}
