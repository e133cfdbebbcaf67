"""
Who lets a cleared plan be sent.

Enters what a pass has thought; leaves an `Answer` with its `Consent`. On paper the mode itself
consents, always: the money is not real, and there is no code path from here to a signing client. Live
too: that orders may be sent was settled before the daemon began. In alert mode a person does, and a
consent is used up in the journal before the first order is sent.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from hedged.core.consent import NOBODY, Answer, Ask, answer
from hedged.core.gate import Consent
from hedged.core.policy import Policy
from hedged.core.record import Inputs, Mode, Thought
from hedged.errors import ConsentRefused
from hedged.journal.approvals import Approvals
from hedged.journal.store import Journal

log = structlog.get_logger()


def consent(
    inputs: Inputs,
    thought: Thought,
    mode: Mode,
    policy: Policy,
    journal: Journal,
    *,
    leaving: bool = False,
) -> Answer:
    """
    What of the plan may be sent; with it, in alert mode, the proposal that is to be recorded.

    Killed after the consent is used up and before anything is sent, nothing is ever sent under it:
    the next pass makes a new proposal. One that a person has traded under is used up as well. A daemon
    that is *leaving* uses none to send under, for it would send nothing.
    """
    found = weighed(inputs, thought, mode, policy)
    if inputs.standing is not None and inputs.standing.altered:
        log.error("proposal_altered", alert=True, reason=inputs.standing.altered)
    if found.uses is None:
        return found
    if leaving and found.consent.granted:
        because = "hedged was asked to leave; the consent is kept for its next start"
        return replace(found, consent=NOBODY, uses=None, because=because)
    try:
        Approvals(journal).use(found.uses, policy.portfolio, inputs.tick.id, inputs.now)
    except ConsentRefused as error:
        refused = f"{error}; nothing is sent"
        log.critical("consent_not_used", alert=True, reason=refused)
        return replace(found, consent=NOBODY, uses=None, because=refused)
    by = found.consent.by if found.consent.granted else "hand"
    log.info("consent_used", proposal=found.uses, by=by)
    return found


def weighed(inputs: Inputs, thought: Thought, mode: Mode, policy: Policy) -> Answer:
    """The same without the journal: what follows from what it held when the pass began."""
    if mode != "alert":
        return Answer(consent=Consent(granted=thought.review.cleared, by=mode))
    if inputs.standing is None or thought.wanted is None:
        return Answer()
    judged = f"{thought.judgement.because}; " if thought.judgement else ""
    ask = Ask(
        portfolio=policy.portfolio,
        account=policy.account,
        now=inputs.now,
        reviewing=inputs.tick.kind == "review",
        target_ratio=thought.wanted.target_ratio,
        because=f"{judged}{thought.plan.because}",
        by_hand=inputs.snapshot.by_hand,
        held={one.symbol: one.contracts for one in inputs.snapshot.positions},
    )
    return answer(thought.review, inputs.standing, ask, policy.consent)
