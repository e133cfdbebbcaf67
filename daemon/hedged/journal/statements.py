"""
What every pass asks of the journal, as statements that are built once.

Enters the tables; leaves statements with named parameters. To build a statement, and to find what it
was compiled to, SQLAlchemy takes several times as long as SQLite takes to answer it.
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, insert, or_, select

from hedged.core.gate import REJECTS_IN_A_ROW_CEILING
from hedged.journal.schema import consent_use, decision, intent, policy, proposal, record, restriction

_OF_PORTFOLIO = record.c.portfolio == bindparam("portfolio")
_NEWEST = record.c.id.desc()

HEAD = select(record.c.id, record.c.hash).order_by(_NEWEST).limit(1)
RECORD = select(record).where(record.c.id == bindparam("id"))
TICK = select(record.c.id).where(_OF_PORTFOLIO, record.c.tick_id == bindparam("tick_id"))
LAST = select(record.c.id, record.c.at, record.c.body).where(_OF_PORTFOLIO).order_by(_NEWEST).limit(1)
LAST_OF_KIND = (
    select(record.c.id, record.c.at, record.c.tick_id)
    .where(_OF_PORTFOLIO, record.c.kind == bindparam("kind"))
    .order_by(_NEWEST)
    .limit(1)
)
NEW_RECORD = insert(record)

POLICY = select(policy.c.body).where(policy.c.digest == bindparam("digest"))

UNRESOLVED = select(intent).where(
    intent.c.portfolio == bindparam("portfolio"), intent.c.outcome.is_(None)
)
SENT_AFTER = (
    select(intent)
    .where(intent.c.portfolio == bindparam("portfolio"), intent.c.opened_at >= bindparam("since"))
    .order_by(intent.c.id)
)
SENT_SINCE = select(intent.c.symbol, intent.c.opened_at, intent.c.notional, intent.c.outcome).where(
    intent.c.portfolio == bindparam("portfolio"), intent.c.opened_at >= bindparam("since")
)
SENT_BY_SYMBOL = (
    select(intent.c.symbol, func.count().label("sent"))
    .where(intent.c.portfolio == bindparam("portfolio"), intent.c.tick_id == bindparam("tick_id"))
    .group_by(intent.c.symbol)
)

LAST_OUTCOMES = (
    select(intent.c.opened_at, intent.c.outcome)
    .where(intent.c.portfolio == bindparam("portfolio"))
    .order_by(intent.c.id.desc())
    .limit(2 * REJECTS_IN_A_ROW_CEILING)
)
SIDES = select(intent.c.client_order_id, intent.c.body).where(
    intent.c.client_order_id.in_(bindparam("ids", expanding=True))
)
# An outcome is canonical JSON, and quotes inside a reason are escaped: this is found in no reason.
FILLED = (
    select(intent.c.id)
    .where(
        intent.c.account == bindparam("account"),
        intent.c.symbol == bindparam("symbol"),
        intent.c.mode == "live",
        or_(
            intent.c.outcome.contains('"status":"filled"'),
            intent.c.outcome.contains('"status":"partial"'),
        ),
    )
    .limit(1)
)

LIFTED = (
    select(restriction.c.body, restriction.c.lifted_at)
    .where(restriction.c.scope == bindparam("portfolio"), restriction.c.lifted_at.is_not(None))
    .order_by(restriction.c.id.desc())
)
RESTRICTIONS = select(restriction.c.body).where(
    restriction.c.lifted_at.is_(None),
    or_(restriction.c.scope == bindparam("portfolio"), restriction.c.scope == "all"),
)

EVER_RESTRICTED = (
    select(restriction.c.body)
    .where(restriction.c.scope == bindparam("portfolio"))
    .order_by(restriction.c.id)
)

NEXT_PROPOSAL = select(func.coalesce(func.max(proposal.c.number), 0) + 1)
_NEWER = proposal.alias()
_DECIDED = (
    select(
        proposal,
        decision.c.verdict,
        decision.c.by,
        decision.c.why,
        decision.c.at.label("decided_at"),
        consent_use.c.tick_id.label("used_by"),
        select(func.max(_NEWER.c.number))
        .where(_NEWER.c.portfolio == proposal.c.portfolio)
        .scalar_subquery()
        .label("newest"),
    )
    .outerjoin_from(proposal, decision, decision.c.proposal == proposal.c.number)
    .outerjoin(consent_use, consent_use.c.proposal == proposal.c.number)
)
PROPOSAL = _DECIDED.where(proposal.c.number == bindparam("number"))
LAST_PROPOSAL = (
    _DECIDED.where(proposal.c.portfolio == bindparam("portfolio"))
    .order_by(proposal.c.number.desc())
    .limit(1)
)
USED_BY = _DECIDED.where(
    consent_use.c.portfolio == bindparam("portfolio"), consent_use.c.tick_id == bindparam("tick_id")
)
INTENT = select(intent).where(intent.c.client_order_id == bindparam("client_order_id"))
STEPS_OF_TICK = select(intent.c.body).where(
    intent.c.portfolio == bindparam("portfolio"), intent.c.tick_id == bindparam("tick_id")
)
