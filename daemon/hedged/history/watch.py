"""
What the rules watch and what betas rest on, put together from kept series.

Enters a way to read series; leaves the history of the signal, which may be an index of several
coins, and the betas of the holdings. The daemon, `rules test` and a replay come through here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce

import polars as pl

from hedged.core.beta import Betas, estimate_betas
from hedged.core.exposure import counts
from hedged.core.market import Holding
from hedged.core.metrics import History, Series, bar_seconds, find
from hedged.core.metrics.basket import Basket, Constituent
from hedged.core.metrics.chain import index_bars
from hedged.core.metrics.history import BESIDE, SCHEMAS
from hedged.core.metrics.vocabulary import Need, needs_seed
from hedged.core.policy import Policy
from hedged.core.rules import parse

Read = Callable[[str, Series], pl.DataFrame]
"""All kept rows of a symbol's series, in order."""

TOLD = timedelta(days=31)
"""For so long a review tells that a coin entered or left the index."""


def names_of(policy: Policy) -> frozenset[str]:
    """The metrics that the rules name."""
    return frozenset(name for rule in policy.rules for name in parse(rule.when).names)


def needs_of(policy: Policy) -> frozenset[Need]:
    """What the metrics that the rules name are made of."""
    metrics = (find(name) for name in names_of(policy))
    return frozenset(need for metric in metrics if metric for need in metric.family.needs)


def watched(
    read: Read, policy: Policy, holdings: tuple[Holding, ...], until: datetime
) -> tuple[History, tuple[str, ...]]:
    """The series that the rules speak of at *until*, and what is to be said of the index."""
    signal = policy.signal
    history = History(
        symbol=signal.name,
        bar=signal.bar,
        bars=pl.DataFrame(schema=SCHEMAS["bars"]),
        funding=read(signal.symbol, "funding"),
        funding_next=read(signal.symbol, "funding_next"),
        open_interest=read(signal.symbol, "open_interest"),
    )
    if _compares(policy):
        history = replace(history, beside=_beside(read, policy, holdings, until))
    if signal.index == "market":
        return replace(history, bars=read(signal.symbol, "bars")), ()
    basket = index_of(policy, holdings)
    if basket is None:
        return history, ("there is no holding to make an index of",)
    made = index_bars(basket, _bars(read, basket, signal.bar, until), signal.bar)
    told = tuple(note.text for note in made.notes if until - TOLD < note.at <= until)
    return replace(history, bars=made.frame), told


def seed_fault(policy: Policy, bars: pl.DataFrame) -> str:
    """
    Why the rules can't tell an all-time high: their seed is lower than where *bars* of what they watch
    begin, so it can't be the highest price before them. Empty where it may be, or no rule asks.
    """
    seed = policy.signal.ath_seed
    asked = any(map(needs_seed, names_of(policy)))
    if seed is None or not asked or not bars.height or bars["open"][0] <= seed.price:
        return ""
    return (
        f"signal.ath_seed is {seed.price:,} of {seed.date}, but the history begins on "
        f"{bars['open_time'][0]:%Y-%m-%d} at {bars['open'][0]:,}; give the highest price before that"
    )


def index_of(policy: Policy, holdings: tuple[Holding, ...]) -> Basket | None:
    """What the index is made of; None where it is one symbol, or nothing is held."""
    if policy.signal.index == "basket":
        return policy.signal.basket
    return _held(policy, holdings) if policy.signal.index == "holdings" else None


def beside(policy: Policy, holdings: tuple[Holding, ...]) -> frozenset[str]:
    """The symbols whose bars are kept beside the signal's own."""
    index = index_of(policy, holdings)
    found = {constituent.symbol for constituent in index.constituents} if index else set()
    if policy.beta.method != "one" or _compares(policy):
        found |= {h.price_symbol for h in _counted(policy, holdings) if h.price_symbol is not None}
        found |= _weights(policy).keys()
    return frozenset(found)


def betas_of(
    read: Read, policy: Policy, holdings: tuple[Holding, ...], until: datetime
) -> Betas | None:
    """The betas of what counts as exposure; None where each is taken as 1."""
    if policy.beta.method == "one":
        return None
    counted = _counted(policy, holdings)
    symbols = {h.price_symbol for h in counted if h.price_symbol is not None}
    return estimate_betas(
        policy.beta,
        counted,
        _weights(policy),
        {symbol: read(symbol, "bars") for symbol in sorted(symbols | _weights(policy).keys())},
        policy.signal.bar,
        until,
    )


def _compares(policy: Policy) -> bool:
    """Whether a rule compares what is held with what hedges it."""
    return "portfolio" in needs_of(policy)


def _beside(read: Read, policy: Policy, holdings: tuple[Holding, ...], until: datetime) -> pl.DataFrame:
    """The values of the holdings and of the legs where both are known."""
    held = _held(policy, holdings)
    if held is None:
        return pl.DataFrame(schema=BESIDE)
    legs = Basket(kind="basket", constituents=_constituents(_weights(policy)), rebalance="daily")
    bar = policy.signal.bar
    frames = [
        index_bars(basket, _in_common(_bars(read, basket, bar, until)), bar).frame.select(
            "open_time", pl.col("close").alias(name)
        )
        for basket, name in ((held, "portfolio_close"), (legs, "hedge_close"))
    ]
    return frames[0].join(frames[1], on="open_time", maintain_order="left")


def _bars(read: Read, basket: Basket, bar: str, until: datetime) -> dict[str, pl.DataFrame]:
    """The bars of each that closed by *until*: what is said of the index is said as of then."""
    closed = pl.col("open_time") <= until - timedelta(seconds=bar_seconds(bar))
    return {one.symbol: read(one.symbol, "bars").filter(closed) for one in basket.constituents}


def _in_common(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Of each the bars that all have: where one has none, the value of the whole is unknown."""
    times = [frame.select("open_time") for frame in frames.values()]
    shared = reduce(lambda some, other: some.join(other, on="open_time", how="semi"), times)
    return {
        symbol: frame.join(shared, on="open_time", how="semi").sort("open_time")
        for symbol, frame in frames.items()
    }


def _held(policy: Policy, holdings: tuple[Holding, ...]) -> Basket | None:
    """What counts as exposure, at its quantities; a coin that lies in two places is one."""
    quantities: dict[str, Decimal] = {}
    for holding in _counted(policy, holdings):
        if holding.price_symbol is not None and holding.quantity > 0:
            before = quantities.get(holding.price_symbol, Decimal(0))
            quantities[holding.price_symbol] = before + holding.quantity
    return Basket(kind="holdings", constituents=_constituents(quantities)) if quantities else None


def _constituents(weights: dict[str, Decimal]) -> tuple[Constituent, ...]:
    return tuple(Constituent(symbol=symbol, weight=weights[symbol]) for symbol in sorted(weights))


def _weights(policy: Policy) -> dict[str, Decimal]:
    return {leg.symbol: leg.weight for leg in policy.legs if leg.weight}


def _counted(policy: Policy, holdings: tuple[Holding, ...]) -> tuple[Holding, ...]:
    return tuple(holding for holding in holdings if counts(holding, policy.exposure)[0])
