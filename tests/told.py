"""Records of passes for tests, one for every kind of alert, decided by the real core; and an ear."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from builders import (
    BTC,
    MONDAY,
    d,
    guard_tick,
    inputs,
    metric_row,
    policy,
    position,
    quote,
    review_tick,
    rule,
    snapshot,
)
from hedged.core.account import Attribution
from hedged.core.alerts import KINDS, Alert, Kind, Open, Told, due
from hedged.core.beta import BetaEstimate, Betas
from hedged.core.consent import Bound, Proposal
from hedged.core.gate import Restriction
from hedged.core.market import Fill, Snapshot
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord, Memory, Outcome, Thought, record_of
from hedged.core.target import RatioMemory
from hedged.core.telling import from_record
from hedged.core.watch import Alarm
from hedged.cycle import deliberate

REPEAT = timedelta(hours=6)
OF_RECORDS: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in ("skipped", "start"))
ALARM = Alarm(guard="ADL", level="tell", text="BTC has ADL rank 4 (told from 4)")
PAUSE = Restriction(scope="main", allows="reductions", reason="holidays", by="a person", at=MONDAY)


def seen(at: datetime, **changed: Any) -> Snapshot:
    """A fifth of the 10 BTC is hedged, as the policy wants it."""
    return snapshot(**{"at": at, "quotes": (quote(at=at),), "positions": (position(-2),), **changed})


def passed(
    at: datetime = MONDAY,
    *,
    guard: bool = False,
    chosen: Policy | None = None,
    outcomes: tuple[Outcome, ...] = (),
    thought: dict[str, Any] | None = None,
    **changed: Any,
) -> CycleRecord:
    """A review (or a guard pass) at *at* with nothing to tell, but for what is *changed*."""
    tick = guard_tick(at) if guard else review_tick(at)
    plain: dict[str, Any] = {"tick": tick, "now": at, "snapshot": seen(at)}
    plain["metrics"] = None if guard else metric_row(at)
    plain["memory"] = Memory(ratio=RatioMemory(goal_ratio=d("0.20"), target_ratio=d("0.20")))
    given = inputs(**plain | changed)
    decided: Thought = replace(deliberate(given, chosen or policy()), **thought or {})
    return record_of(
        given, decided, outcomes, policy=chosen or policy(), mode="paper", approved_by="paper"
    )


def outcome(status: Any = "filled", **changed: Any) -> Outcome:
    filled = {"filled": 2, "partial": 1}.get(status, 0)
    plain = Outcome(
        client_order_id="hdg1",
        symbol=BTC,
        side="sell",
        contracts=d(2),
        filled=d(filled),
        fill_price=d(100) if filled else None,
        fee=d("0.1"),
        status=status,
        reason="" if filled else "because of 12 things",
    )
    return replace(plain, **changed)


def liquidated(at: datetime, **changed: Any) -> Fill:
    plain = Fill(
        at=at,
        symbol=BTC,
        side="buy",
        contracts=d(2),
        fill_price=d(130),
        mark_price=d(130),
        index_price=None,
        fee=d("0.5"),
        client_order_id="",
        cause="liquidation",
    )
    return replace(plain, **changed)


def weak(at: datetime) -> Betas:
    one = BetaEstimate(asset="BTC", beta=d(1), because="measured")
    return Betas(
        bar_close=at, method="ols", holdings=(one,), portfolio=one, warnings=("BTC: R2 is 12%",)
    )


def proposal(at: datetime) -> Proposal:
    """2 BTC contracts to be sold, for a day."""
    bound = Bound(
        symbol=BTC, side="sell", reduce_only=False, contracts_max=d(2), limit_price=d(100),
        price_min=d(98), price_max=d(102), notional=d(200),
    )  # fmt: skip
    return Proposal(
        number=1, portfolio="main", account="paper", made_at=at, expires_at=at + timedelta(days=1),
        steps=(bound,), target_ratio=d("0.2"), because="it is due",
    )  # fmt: skip


def telling(kind: Kind, at: datetime = MONDAY, *, guard: bool = False) -> CycleRecord:
    """A pass that gives just one alert of *kind* at first sight; *guard* where a review is no need."""
    if kind == "rule":
        return passed(at, chosen=policy(rules=(rule("high risk", raise_to="0.50"),)))
    if kind == "late":
        late = at + timedelta(hours=3)
        return passed(at, now=late, snapshot=seen(late))
    if kind == "metric":
        quiet = passed(at)
        assert quiet.thought.judgement is not None
        judged = replace(quiet.thought.judgement, alerts=("sma_50 has no value for 3 reviews",))
        return passed(at, thought={"judgement": judged})
    if kind == "beta":
        return passed(at, betas=weak(at))
    if kind == "approval":
        return replace(passed(at, guard=guard), proposal=proposal(at))
    changed: dict[Kind, dict[str, Any]] = {
        "orders": {"outcomes": (outcome(),)},
        "unknown": {"outcomes": (outcome("unknown"),)},
        "refused": {
            "snapshot": seen(at, positions=()),
            "chosen": policy(limits=replace(policy().limits, order_notional_max=d(100))),
        },
        "hold": {"snapshot": seen(at, doubts=("the account can't be read",))},
        "restriction": {"restrictions": (PAUSE,)},
        "guard": {"thought": {"alarms": (ALARM,)}},
        "liquidation": {"snapshot": seen(at, fills=(liquidated(at),))},
        "foreign": {
            "snapshot": seen(at, fills=(liquidated(at, cause="order", client_order_id="web"),))
        },
        "unexplained": {"thought": {"attribution": Attribution(unexplained=d("-12.5"))}},
    }
    return passed(at, guard=guard, **changed[kind])


class Ear:
    """Hears what a queue would be handed, one look after another."""

    def __init__(self) -> None:
        self.open: dict[str, Open] = {}

    def hears(self, told: Told) -> list[Alert]:
        found = due(told, self.open, REPEAT)
        self.open = {one.alert.key: one for one in found.open}
        return list(found.alerts)

    def titles(self, record: CycleRecord) -> list[str]:
        return [alert.title for alert in self.hears(from_record(record))]


def only(record: CycleRecord) -> Alert:
    (alert,) = Ear().hears(from_record(record))
    return alert
