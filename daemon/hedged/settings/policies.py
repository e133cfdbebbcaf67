"""
From checked settings to the values of the core.
"""

from __future__ import annotations

from hedged.core import market
from hedged.core.beta import BetaPolicy
from hedged.core.consent import ConsentTerms
from hedged.core.exposure import ExposurePolicy
from hedged.core.gate import Limits
from hedged.core.guard import Band
from hedged.core.metrics import Signal
from hedged.core.metrics.vocabulary import AthSeed
from hedged.core.policy import Policy
from hedged.core.rules import Action, Rule
from hedged.core.sizing import HedgeLeg
from hedged.core.target import RatioPolicy
from hedged.errors import SettingsError
from hedged.settings import kinds, sections, venues
from hedged.settings.model import Settings, currencies
from hedged.settings.words import words_of


def policy_of(settings: Settings, portfolio: sections.Portfolio) -> Policy:
    """
    All that a decision for *portfolio* depends on; its contracts go by their symbols.

    Raises
    ------
    SettingsError
        When the settings name one by words: what they mean is to be looked up before.
    """
    for one in words_of(settings):
        if one.portfolio == portfolio.name:
            raise SettingsError(
                f"{one.key} is {one.text!r}, and words are looked up at an exchange only; write the "
                f"symbol, which `hedged market instruments {one.text!r}` tells"
            )
    hedge = settings.hedge_of(portfolio)
    return Policy(
        portfolio=portfolio.name,
        account=portfolio.account,
        numeraire=portfolio.numeraire,
        signal=_signal(settings, portfolio),
        exposure=ExposurePolicy(
            cash=settings.exposure.cash | {portfolio.numeraire},
            ignore=settings.exposure.ignore,
            unpriced_max=dict(settings.exposure.unpriced_max),
        ),
        beta=BetaPolicy(**settings.beta.model_dump()),
        rules=tuple(_rule(rule) for rule in settings.rules_of(portfolio)),
        ratio=RatioPolicy(
            min_ratio=hedge.min_ratio,
            max_ratio=hedge.max_ratio,
            max_step=hedge.max_step,
            initial_ratio=hedge.initial_ratio,
        ),
        legs=tuple(HedgeLeg(symbol=key_of(leg, portfolio), weight=leg.weight) for leg in hedge.legs),
        band=Band(band=hedge.band, mix_band=hedge.mix_band),
        limits=Limits(**settings.limits.model_dump()),
        order_style=settings.orders.style,
        consent=ConsentTerms(
            lives=settings.consent.lives, reprice_tolerance=settings.consent.reprice_tolerance
        ),
        watch=settings.guards.value(),
    )


def key_of(leg: sections.Leg, portfolio: sections.Portfolio) -> str:
    """The core's name of a leg: on another account than the portfolio's it says which."""
    elsewhere = leg.account is not None and leg.account != portfolio.account
    return f"{leg.symbol}@{leg.account}" if elsewhere else leg.symbol


def instrument_of(instrument: venues.Instrument) -> market.Instrument:
    """The core's instrument; its currencies are read off the symbol."""
    base, quote, settle = currencies(instrument.symbol)
    return market.Instrument(
        symbol=instrument.symbol,
        base=base,
        quote=quote,
        settle=settle,
        contract_multiplier=instrument.contract_multiplier,
        lot=instrument.lot,
        tick=instrument.tick,
        contracts_min=instrument.contracts_min,
        notional_min=instrument.notional_min,
        inverse=instrument.inverse,
        expiry=instrument.expiry or kinds.delivery_of(instrument.symbol),
        tiers=tuple(market.MarginTier(**tier.model_dump()) for tier in instrument.tiers),
    )


def _signal(settings: Settings, portfolio: sections.Portfolio) -> Signal:
    signal = settings.signal_of(portfolio)
    heaviest = max(settings.hedge_of(portfolio).legs, key=lambda leg: leg.weight)
    symbol, seed = signal.symbol or heaviest.symbol, signal.ath_seed
    listed = [instrument.expiry for instrument in settings.instrument if instrument.symbol == symbol]
    return Signal(
        symbol=symbol,
        bar=signal.bar,
        ath_seed=AthSeed(price=seed.price, date=seed.date) if seed else None,
        index=signal.index,
        basket=signal.basket.value() if signal.basket else None,
        expiry=next(filter(None, listed), None) or kinds.delivery_of(symbol),
        ath_volume_ratio=signal.ath_volume_ratio,
    )


def _rule(rule: sections.Rule) -> Rule:
    ((verb, by),) = rule.actions()
    return Rule(
        name=rule.name,
        when=rule.when,
        action=Action(verb=verb, by=by),
        fires=rule.fires,
        cooldown=rule.cooldown,
    )
