"""
What a person arms: the accounts, limits, legs and rules that live orders may be sent under.

Enters policies and accounts; leaves them as named texts that can be kept and compared, so that any
change of one is found, and named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hedged.core.encoding import encode
from hedged.core.gate import ARMING, Restriction
from hedged.core.policy import Policy

Terms = dict[str, str]
"""Canonical JSON by what it is of: ``main: limits``, ``accounts``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmedAccount:
    """
    An account that orders are sent on, by its *venue* and the venue's number of it; on a server of this
    machine where *loopback*. How it trades is what hedged sets there, with *adjust*, or looks at.
    """

    venue: str
    uid: str
    loopback: bool
    leverage: Decimal | None = None
    margin_mode: str | None = None
    adjust: bool = False

    def __str__(self) -> str:
        return f"{self.venue}{' on loopback' if self.loopback else ''}, {self.uid}"


def terms_of(policies: Iterable[Policy], accounts: Mapping[str, ArmedAccount]) -> Terms:
    """
    All that is armed; *accounts* by their names in the settings.

    What moves the hedge with no order of another kind, as a band, is the rules' part too: it decides
    how much is sent. What is held is not: that changes by itself, and limits bound what it moves.
    """
    terms = {"accounts": encode(dict(accounts)).decode()}
    for policy in policies:
        watch = () if policy.watch is None else policy.watch
        parts = {
            "limits": (policy.limits, watch, policy.order_style),
            "legs": (policy.account, policy.numeraire, policy.legs),
            "rules": (policy.rules, policy.signal),
            "hedge": (policy.ratio, policy.band, policy.exposure, policy.beta),
        }
        for name, part in parts.items():
            terms[f"{policy.portfolio}: {name}"] = encode(part).decode()
    return terms


def changed(armed: Terms | None, terms: Terms) -> tuple[str, ...]:
    """What is not as it was armed, by name; everything where nothing ever was."""
    if armed is None:
        return tuple(sorted(terms))
    names = armed.keys() | terms.keys()
    return tuple(sorted(name for name in names if armed.get(name) != terms.get(name)))


def disarmed(armed: Terms | None, terms: Terms, now: datetime) -> Restriction | None:
    """The restriction of everything while *terms* are not what was *armed*."""
    parts = changed(armed, terms)
    if not parts:
        return None
    why = "nothing was armed yet" if armed is None else f"what changed: {', '.join(parts)}"
    return Restriction(
        scope="all",
        allows="nothing",
        reason=f"not armed: {why}; look at it and type hedged run --arm --live",
        by=ARMING,
        at=now,
    )
