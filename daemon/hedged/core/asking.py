"""
What a pass in alert mode has to ask a person, in words that fit a phone.

Enters a record; leaves a key, one line and a text with what to type, for each thing to ask.
"""

from __future__ import annotations

from collections.abc import Iterator

from hedged.core.consent import Proposal
from hedged.core.foregone import ended
from hedged.core.record import CycleRecord
from hedged.core.wording import money, percent


def asked(record: CycleRecord) -> Iterator[tuple[str, str, str]]:
    """The proposal that waits after this pass, and an alteration that it has seen."""
    standing = record.inputs.standing
    if standing is not None and standing.altered:
        text = (
            "Nothing of it was sent. Somebody wrote to the journal: hedged journal verify\n"
            "What is still due is proposed anew."
        )
        yield f"altered {standing.next_number}", f"ALTERED: {standing.altered}", text
    waits = record.proposal or _undecided(record)
    if waits is not None:
        yield str(waits.number), f"proposal {waits.number} waits: {waits}", _text(waits, record)


def _undecided(record: CycleRecord) -> Proposal | None:
    """The proposal that stood before this pass, where it is still due and nobody has answered."""
    standing, review = record.inputs.standing, record.thought.review
    if standing is None or standing.proposal is None or not (review.cleared and review.plan.steps):
        return None
    answered = standing.decision is not None or standing.used_by is not None or standing.altered
    return None if answered else standing.proposal


def _text(proposal: Proposal, record: CycleRecord) -> str:
    lines = [f"{step}, {money(step.notional)}, limit {step.limit_price:,}" for step in proposal.steps]
    lines += [f"For a hedge of {percent(proposal.target_ratio)}: {proposal.because}", proposal.moved]
    before = ended(record.memory.foregone)  # the same as long as this one waits
    lines += [f"Not traded before: {before}"] if before is not None else []
    lines += [
        f"Until {proposal.expires_at:%Y-%m-%d %H:%M} UTC; silence sends nothing.",
        f"hedged approve {proposal.number}",
        f"hedged reject {proposal.number} --why TEXT",
    ]
    return "\n".join(line for line in lines if line)
