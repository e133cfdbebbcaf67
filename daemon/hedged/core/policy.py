"""
What a person has set, as the core takes it.

Enters settings that were checked; leaves one value a portfolio, which a record names by its digest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from hedged.core.beta import BetaPolicy
from hedged.core.consent import ConsentTerms
from hedged.core.exposure import ExposurePolicy
from hedged.core.gate import Limits
from hedged.core.guard import Band
from hedged.core.metrics import Signal
from hedged.core.plan import Style
from hedged.core.rules import Rule
from hedged.core.sizing import HedgeLeg
from hedged.core.target import RatioPolicy
from hedged.core.watch import WatchPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """
    Everything a decision depends on that a person has set; kept once by its digest.

    What came later has a default, here and in `Inputs`, so that an older journal can still be read.
    Settings always give *watch*; without it, as an older hedged decided, no guard looks.
    """

    portfolio: str
    account: str
    numeraire: str
    signal: Signal
    exposure: ExposurePolicy
    beta: BetaPolicy = field(default_factory=BetaPolicy)
    rules: tuple[Rule, ...]
    ratio: RatioPolicy
    legs: tuple[HedgeLeg, ...]
    band: Band
    limits: Limits
    order_style: Style = "ioc"
    consent: ConsentTerms = field(default_factory=ConsentTerms)
    watch: WatchPolicy | None = None


def decode_policy(body: bytes) -> Policy:
    """The policy in *body*."""
    return msgspec.json.decode(body, type=Policy)
