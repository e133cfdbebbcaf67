"""
What the rules watch and what betas rest on, put together from kept series.

Enters a way to read series; leaves the history of the signal and the betas of the holdings. The
daemon, `rules test` and a replay come through here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import polars as pl

from hedged.core.beta import Betas, estimate_betas
from hedged.core.exposure import counts
from hedged.core.market import Holding
from hedged.core.metrics import History, Series
from hedged.core.record import Policy

Read = Callable[[str, Series], pl.DataFrame]
"""All kept rows of a symbol's series, in order."""


def watched(read: Read, policy: Policy) -> History:
    """The series that the rules speak of."""
    signal = policy.signal
    return History(
        symbol=signal.symbol,
        bar=signal.bar,
        bars=read(signal.symbol, "bars"),
        funding=read(signal.symbol, "funding"),
        open_interest=read(signal.symbol, "open_interest"),
    )


def beside(policy: Policy, holdings: tuple[Holding, ...]) -> frozenset[str]:
    """The symbols whose bars are kept beside the signal's own."""
    if policy.beta.method == "one":
        return frozenset()
    priced = {holding.price_symbol for holding in _counted(policy, holdings)}
    legs = {leg.symbol for leg in policy.legs if leg.weight}
    return frozenset(symbol for symbol in priced | legs if symbol is not None)


def betas_of(
    read: Read, policy: Policy, holdings: tuple[Holding, ...], until: datetime
) -> Betas | None:
    """The betas of what counts as exposure; None where each is taken as 1."""
    if policy.beta.method == "one":
        return None
    return estimate_betas(
        policy.beta,
        _counted(policy, holdings),
        {leg.symbol: leg.weight for leg in policy.legs if leg.weight},
        {symbol: read(symbol, "bars") for symbol in beside(policy, holdings)},
        policy.signal.bar,
        until,
    )


def _counted(policy: Policy, holdings: tuple[Holding, ...]) -> tuple[Holding, ...]:
    return tuple(holding for holding in holdings if counts(holding, policy.exposure)[0])
