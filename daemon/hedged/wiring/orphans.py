"""
Positions that the settings would leave behind: held by the last record, and a leg no more.

Nobody would look at such a position again, so nothing starts before a person has decided on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from hedged.core.market import ZERO
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord
from hedged.core.wording import contracts
from hedged.errors import SettingsError
from hedged.journal.intents import Intent
from hedged.journal.store import Journal
from hedged.settings.model import currencies
from hedged.venue.accounts import Names
from hedged.wiring.words import Meaning

log = structlog.get_logger()

UNRECORDED = "(not recorded)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A position as the journal knows it; *held* is None while the outcome of an order is unknown."""

    account: str
    symbol: str
    held: Decimal | None
    expiry: datetime | None


def refuse_orphans(
    policies: Mapping[str, Policy], journal: Journal, meanings: Iterable[Meaning], now: datetime
) -> None:
    """
    Refuse to start while a contract that was a leg is held on its account, and is a leg of nobody now.

    A contract whose delivery is past *now* is not held any more, whatever was recorded before it.

    Raises
    ------
    SettingsError
        Naming the key, the contract and the fix.
    """
    legs = {
        Names(policy.account).split(leg.symbol) for policy in policies.values() for leg in policy.legs
    }
    for name in journal.portfolios():
        for kept in _kept(journal, name, policies.get(name)):
            if kept.held == 0 or (kept.account, kept.symbol) in legs:
                continue
            if kept.expiry is not None and kept.expiry <= now:
                log.warning("leg_was_delivered", portfolio=name, contract=kept.symbol)
                continue
            raise SettingsError(_refusal(name, policies.get(name), kept, meanings))


def _kept(journal: Journal, portfolio: str, present: Policy | None) -> Iterator[_Kept]:
    """
    What was a leg at the last pass, with what is held of it after the orders of that pass and of one
    that was cut off after it. A journal without any record has the *present* policy's account.
    """
    last = journal.latest(portfolio)
    policy = journal.policy(last.policy_digest) if last else present
    names = Names(policy.account if policy else UNRECORDED)
    intents = journal.intents(portfolio)
    since = [intent for intent in intents if last is None or _is_since(intent, last)]
    unknown = {intent.step.symbol for intent in intents if intent.outcome is None}
    before = {leg.symbol for leg in policy.legs} if last and policy else set()
    instruments = last.inputs.snapshot.instruments if last else ()
    for key in sorted(before | unknown | {intent.step.symbol for intent in since}):
        filled = sum((_signed(intent) for intent in since if intent.step.symbol == key), ZERO)
        held = filled + (last.inputs.snapshot.held(key) if last else ZERO)
        account, symbol = names.split(key)
        yield _Kept(
            account=account,
            symbol=symbol,
            held=None if key in unknown else held,
            expiry=next((one.expiry for one in instruments if one.symbol == key), None),
        )


def _is_since(intent: Intent, last: CycleRecord) -> bool:
    """Whether an order came after the picture of the *last* record: by that pass, or by a later one."""
    sent = {outcome.client_order_id for outcome in last.outcomes}
    return intent.client_order_id in sent or intent.opened_at >= last.inputs.now


def _signed(intent: Intent) -> Decimal:
    filled = intent.outcome.filled if intent.outcome else ZERO
    return filled if intent.step.side == "buy" else -filled


def _refusal(portfolio: str, policy: Policy | None, kept: _Kept, meanings: Iterable[Meaning]) -> str:
    amount = "an order of unknown outcome" if kept.held is None else f"{contracts(kept.held)} contracts"
    elsewhere = policy is not None and policy.account != kept.account
    place = f', account = "{kept.account}"' if elsewhere else ""
    leg = f'{{ symbol = "{kept.symbol}", weight = 0{place} }}'
    meant = "".join(
        f"; {one} now"
        for one in meanings
        if one.words.portfolio == portfolio
        and ".legs." in one.words.key
        and currencies(one.symbol)[0] == currencies(kept.symbol)[0]
    )
    gone = "" if policy else f"; there is no portfolio {portfolio} any more: put it back first"
    return (
        f"hedge.legs of portfolio {portfolio}: account {kept.account} holds {kept.symbol}, which is no "
        f"leg any more ({amount} at the last pass{meant}{gone}). Add {leg} to the legs, which closes it"
    )
