"""
``stop settle``: a person says what became of an order that nobody can tell of any more.

Enters an order id and what a person knows, from the exchange's own pages; leaves the order's outcome in
the journal and in the book. It is the only end of an order that rests on no answer of the exchange.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from rich.markup import escape

from hedged.cli.approvals import login
from hedged.cli.show import console, print_json, settings_of
from hedged.core.market import ZERO
from hedged.core.record import Outcome
from hedged.core.resolution import may_land_until
from hedged.core.wording import contracts
from hedged.errors import ConsentRefused, SettingsError
from hedged.journal.intents import Intent
from hedged.journal.store import Journal
from hedged.settings.model import Settings
from hedged.wiring import open_to_settle, wall_clock


def settle(
    config: list[Path],
    order: str,
    filled: str | None,
    by: str | None,
    why: str,
    *,
    absent: bool,
    json: bool,
) -> None:
    """
    Write down that *order* filled so many contracts, or that it is *absent*: it never landed.

    Raises
    ------
    SettingsError
        When it is not said which, why, or by whom.
    JournalBusy
        While a daemon works, which may find the order at any moment.
    ConsentRefused
        When the order is none of unknown outcome, or what became of it may still be found.
    """
    settings = settings_of(config).settings
    if (filled is None) != absent:
        raise SettingsError("say what became of it: --filled CONTRACTS, or --absent if it never landed")
    if not why.strip():
        raise SettingsError("say how you know, with --why TEXT; it is kept with the order")
    named = by if by is not None else login()
    with open_to_settle(settings) as journal:
        portfolio, intent = _open(settings, journal, order)
        _refuse_while_it_may_be_found(journal, portfolio, intent, wall_clock())
        outcome = _outcome(intent, filled, f"settled by {named}: {why}")
        _owe(settings, portfolio, outcome)
        journal.resolve_intent(intent, outcome)
    if json:
        print_json(outcome)
        return
    told = f"filled {contracts(outcome.filled)}" if outcome.filled else "never landed"
    console().print(
        f"{order}: {outcome.side} of {contracts(outcome.contracts)} {escape(outcome.symbol)} {told}, "
        f"by {escape(named)}. The next pass reads the position again, and sends nothing unless it "
        "is what all fills and this make it."
    )


def _open(settings: Settings, journal: Journal, order: str) -> tuple[str, Intent]:
    found = {
        intent.client_order_id: (portfolio.name, intent)
        for portfolio in settings.portfolio
        for intent in journal.unresolved(portfolio.name)
    }
    if order not in found:
        raise ConsentRefused(
            f"{order} is no order of unknown outcome; of those there are: {', '.join(found) or 'none'}"
        )
    return found[order]


def _refuse_while_it_may_be_found(
    journal: Journal, portfolio: str, intent: Intent, now: datetime
) -> None:
    """A pass must have looked for it in vain, after it could land no more."""
    ends = may_land_until(max(intent.opened_at, intent.sent_at or intent.opened_at))
    if now <= ends:
        raise ConsentRefused(f"{intent.client_order_id} may still land until {ends:%Y-%m-%d %H:%M:%S}")
    last = journal.latest(portfolio)
    looked = last is not None and any(
        f"({intent.client_order_id})" in said for said in last.inputs.unresolved
    )
    if last is None or last.inputs.now <= ends or not looked:
        raise ConsentRefused(
            f"no pass has looked for {intent.client_order_id} since {ends:%Y-%m-%d %H:%M:%S}, when it "
            "could land no more; run `hedged run --once` first, which may find it"
        )


def _outcome(intent: Intent, filled: str | None, reason: str) -> Outcome:
    step, quantity = intent.step, ZERO
    if filled is not None:
        try:
            quantity = Decimal(filled)
        except InvalidOperation:
            raise SettingsError(f"--filled {filled}: give a number of contracts") from None
        if not (quantity.is_finite() and 0 < quantity <= step.contracts):
            raise SettingsError(
                f"--filled {filled}: the order was for {contracts(step.contracts)} contracts; give "
                "more than 0 and no more than that, or --absent"
            )
        if intent.sent_at is None:
            raise ConsentRefused(f"{intent.client_order_id} was never sent, so that nothing filled")
    status: Literal["filled", "partial", "unfilled"] = "partial" if quantity else "unfilled"
    if quantity == step.contracts:
        status = "filled"
    return Outcome(
        client_order_id=intent.client_order_id,
        symbol=step.symbol,
        side=step.side,
        contracts=step.contracts,
        filled=quantity,
        fill_price=None,
        fee=ZERO,
        status=status,
        reason=reason,
    )


def _owe(settings: Settings, portfolio: str, outcome: Outcome) -> None:
    """First of all: a position that is not what this makes it is doubted, whatever comes between."""
    from hedged.venue.book import Book
    from hedged.venue.ledger import Ledger
    from hedged.wiring.live import book_path  # imports ccxt, which takes a second

    (section,) = (one for one in settings.portfolio if one.name == portfolio)
    ledger = Ledger(book_path(settings, section), read_only=False)
    try:
        Book(ledger).owe(outcome)
    finally:
        ledger.close()
